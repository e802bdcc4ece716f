//! What is read, and for how long.
#![expect(clippy::disallowed_methods, reason = "a survey says when it was read")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Survey;
use super::read::{self, Given};
use crate::child::Program;
use crate::cuda::Execute;
use crate::gpu::Source;
use crate::host::Root;

/// How long a survey takes at most, unless it is told.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest limit; a longer one is this one.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a [`Survey`].
///
/// Each part has a reader of its own, and all read at once. What does not come within the limit is unreadable or a gap of
/// the survey ([`Gap`](super::Gap)), and the reason says so. Nothing is changed on the machine.
///
/// ```no_run
/// use nacp_core::Program;
/// use nacp_core::host::Survey;
///
/// // The program's `main` begins with `nacp_core::answer()`.
/// let survey = Survey::builder().isolated(Program::this()?).read();
/// println!("{}", serde_json::to_string_pretty(&survey).unwrap());
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `read`"]
pub struct SurveyBuilder {
    root: Root,
    isolated: Option<Program>,
    limit: Duration,
    source: Option<Arc<dyn Source>>,
    driver: Option<Arc<dyn Execute>>,
    containers: bool,
    commands: bool,
    nvidia_smi: bool,
    cdi_generate: bool,
    messages: Vec<String>,
    at: Option<i64>,
}

impl SurveyBuilder {
    pub(super) fn new() -> Self {
        Self {
            root: Root::system(),
            isolated: None,
            limit: LIMIT,
            source: None,
            driver: None,
            containers: true,
            commands: true,
            nvidia_smi: false,
            cdi_generate: false,
            messages: Vec::new(),
            at: None,
        }
    }

    /// Another machine: one that was laid down in a folder. Nothing is executed then, no daemon and no library of this
    /// machine is asked; their answers are read from the folder.
    pub fn root(mut self, root: Root) -> Self {
        self.root = root;
        self
    }

    /// NVML and CUDA are asked in children of this program, whose `main` begins with
    /// [`nacp_core::answer`](crate::answer). They are killed when they hang, and their crash is an answer.
    ///
    /// Without it they are asked in threads of this process: a library that hangs keeps its thread, and one that crashes
    /// takes this process with it.
    pub fn isolated(mut self, program: Program) -> Self {
        self.isolated = Some(program);
        self
    }

    /// How long all may take together; five seconds unless it is set, and a day at most.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit.min(LONGEST);
        self
    }

    /// What tells of GPUs in place of NVML, such as a simulated node.
    pub fn source(mut self, source: Arc<dyn Source>) -> Self {
        self.source = Some(source);
        self
    }

    /// What answers in place of the CUDA driver, such as a simulated one.
    pub fn driver(mut self, driver: Arc<dyn Execute>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// Whether daemons are asked for their containers. They are unless this says no.
    pub fn containers(mut self, yes: bool) -> Self {
        self.containers = yes;
        self
    }

    /// Whether programs are run that only tell something: `nvidia-ctk --version`, and `systemctl show` where systemd runs.
    /// They are unless this says no; each may take two seconds.
    pub fn commands(mut self, yes: bool) -> Self {
        self.commands = yes;
        self
    }

    /// Whether `nvidia-smi -L` is run. It is not unless this says so: under WSL2 it has been seen to crash.
    pub fn nvidia_smi(mut self, yes: bool) -> Self {
        self.nvidia_smi = yes;
        self
    }

    /// Whether `nvidia-ctk cdi generate` is run, without writing a file. It is not unless this says so: it starts the
    /// driver, which takes seconds on a large machine.
    pub fn cdi_generate(mut self, yes: bool) -> Self {
        self.cdi_generate = yes;
        self
    }

    /// Texts of events and conditions of pods, such as `kubectl describe pod` shows, for NACP does not ask the API
    /// server.
    pub fn messages(mut self, messages: Vec<String>) -> Self {
        self.messages = messages;
        self
    }

    /// When it is read, in seconds since 1970, in place of what the clock says: an error of long ago is no trouble of
    /// today. A folder has no clock; its file `answers/at` may say.
    pub fn at(mut self, seconds: i64) -> Self {
        self.at = Some(seconds);
        self
    }

    /// Reads. What cannot be read is part of the survey, with its reason, and no error.
    pub fn read(self) -> Survey {
        let at = self.at.or_else(|| now(&self.root));
        let given = |host, until| Given {
            root: self.root.clone(),
            host,
            isolated: self.isolated,
            source: self.source,
            driver: self.driver,
            containers: self.containers,
            commands: self.commands,
            nvidia_smi: self.nvidia_smi,
            cdi_generate: self.cdi_generate,
            messages: self.messages,
            at,
            until,
        };
        read::read(&self.root, self.limit, given)
    }
}

/// What the clock of a machine says, in seconds since 1970.
fn now(root: &Root) -> Option<i64> {
    if root.is_this_machine() {
        return SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| since.as_secs().try_into().ok());
    }
    root.answer("at").found()?.trim().parse().ok()
}
