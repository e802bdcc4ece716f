//! What is looked at, and for how long.

use std::time::Duration;

use super::{Facts, Host, Root, daemon, metadata};

/// How long a daemon may take to answer.
const DAEMON: Duration = Duration::from_millis(500);

/// Finds out where a process runs. It reads files of the kernel and of the system itself, which have no limit of time, and
/// looks for container daemons: half a second at most for the files of the user that name them, and as long for all of
/// them to answer. The metadata services of clouds are asked only where [`metadata`](Self::metadata) says so.
///
/// ```
/// use nacp_core::host::Detection;
///
/// let host = Detection::new().daemons(false).run();
/// println!("{host}");
/// ```
#[derive(Clone, Debug)]
pub struct Detection {
    root: Root,
    daemons: bool,
    metadata: Option<Duration>,
}

impl Default for Detection {
    fn default() -> Self {
        Self::new()
    }
}

impl Detection {
    /// This machine with its daemons.
    pub fn new() -> Self {
        Self { root: Root::system(), daemons: true, metadata: None }
    }

    /// Another machine: one in a folder, whose daemons are those whose answers were recorded there.
    #[must_use]
    pub fn root(mut self, root: Root) -> Self {
        self.root = root;
        self
    }

    /// Whether container daemons are asked. They are unless this says no.
    #[must_use]
    pub fn daemons(mut self, asked: bool) -> Self {
        self.daemons = asked;
        self
    }

    /// Asks the metadata services of AWS, Azure and Google Cloud too, for this long and 300 ms at most. They are not asked
    /// unless this is called, and never for a machine in a folder.
    ///
    /// They listen on a link-local address, 169.254.169.254, without a proxy. They only confirm the cloud that the firmware
    /// names, or name it where the firmware does not; only the type of the machine is kept. From within a container AWS
    /// often does not answer, because its answers travel one hop by default.
    #[must_use]
    pub fn metadata(mut self, limit: Duration) -> Self {
        self.metadata = Some(limit);
        self
    }

    /// Looks. What cannot be read leaves a question [undecided](Host::undecided) and is no error.
    pub fn run(&self) -> Host {
        let mut host = Facts::gather(&self.root).decide();
        if self.daemons {
            host.daemons = daemon::find(&self.root, &host, DAEMON);
        }
        if let Some(limit) = self.metadata.filter(|_| self.root.is_this_machine()) {
            metadata::confirm(&mut host, metadata::Services::link_local(), limit);
        }
        host
    }
}
