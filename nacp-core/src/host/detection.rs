//! What is looked at, and for how long.

use std::time::Duration;

use super::{Facts, Host, Root, daemon};

/// How long a daemon may take to answer.
const DAEMON: Duration = Duration::from_millis(500);

/// Finds out where a process runs. It reads files, and asks the container daemons of the machine, all at once and half a
/// second at most.
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
}

impl Default for Detection {
    fn default() -> Self {
        Self::new()
    }
}

impl Detection {
    /// This machine with its daemons.
    pub fn new() -> Self {
        Self { root: Root::system(), daemons: true }
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

    /// Looks. What cannot be read leaves a question [undecided](Host::undecided) and is no error.
    pub fn run(&self) -> Host {
        let mut host = Facts::gather(&self.root).decide();
        if self.daemons {
            host.daemons = daemon::find(&self.root, &host, DAEMON);
        }
        host
    }
}
