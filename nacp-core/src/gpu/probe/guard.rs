//! The parent's part: what the child may do, and what its end means.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use super::line::Message;
use super::{ASKED, LIBRARY, Report, Step, is_probe};
use crate::child::{Child, Group, Heard, Program, crash, not_started};
use crate::error::{Error, ErrorKind, Result};

/// How long a probe may take unless it is told: a server with eight GPUs and no persistence daemon takes many seconds
/// to start its driver.
const LIMIT: Duration = Duration::from_secs(30);

/// Lets a child process touch the driver first.
///
/// The child is started with this process's environment and `NACP_PROBE=1`, reports on its standard output, and is
/// killed with whatever it started when the limit passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    program: Program,
    library: Option<PathBuf>,
    limit: Duration,
}

impl From<Program> for Guard {
    /// A guard whose child is this program, which calls [`answer`](super::answer) first in `main`.
    fn from(program: Program) -> Self {
        Self { program, library: None, limit: LIMIT }
    }
}

impl Guard {
    /// A guard whose child is this program, which calls [`answer`](super::answer) first in `main`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Program::new(program).into()
    }

    /// A guard whose child is the program that runs now, without arguments.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) where the system does not tell which program that is.
    pub fn this_program() -> Result<Self> {
        Ok(Program::this()?.into())
    }

    /// A guard whose child is this program.
    #[cfg(feature = "doctor")]
    pub(crate) fn of(program: Program) -> Self {
        Self { program, library: None, limit: LIMIT }
    }

    /// Adds one argument: `Guard::new("python3").arg("-m").arg("nacp._probe")`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.program = self.program.arg(arg);
        self
    }

    /// Sets one variable of the child's environment.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.program = self.program.env(key, value);
        self
    }

    /// Probes this library file instead of the one that the loader finds.
    #[must_use]
    pub fn library(mut self, path: impl Into<PathBuf>) -> Self {
        self.library = Some(path.into());
        self
    }

    /// How long the child may take; 30 seconds unless it is set.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The library file that is probed, if one is named.
    pub fn library_path(&self) -> Option<&Path> {
        self.library.as_deref()
    }

    /// Runs the child and returns its report. The caller's thread waits meanwhile, at most for the limit and a moment.
    ///
    /// # Errors
    /// Each says in which `step` the child was, and what it wrote last to its standard error:
    ///
    /// | `cause` | kind | what happened |
    /// |---|---|---|
    /// | `crashed` | [`DriverUnavailable`](ErrorKind::DriverUnavailable) | a signal killed the child: `signal=SIGSEGV` |
    /// | `hung` | [`Timeout`](ErrorKind::Timeout) | the limit passed |
    /// | `ended` | [`DriverUnavailable`](ErrorKind::DriverUnavailable) | the child ended within a step |
    /// | `not a probe` | [`InvalidArgument`](ErrorKind::InvalidArgument) | the child said nothing that a probe says |
    /// | `not started` | [`NotFound`](ErrorKind::NotFound), [`PermissionDenied`](ErrorKind::PermissionDenied), [`ResourceExhausted`](ErrorKind::ResourceExhausted) | the program cannot be run |
    ///
    /// What went wrong within the child comes back as it was: no library, no driver, no permission.
    pub fn check(&self) -> Result<Report> {
        if is_probe() {
            // Its children would do the same again, without end.
            return Err(self
                .error(ErrorKind::InvalidArgument, "a probe cannot start a probe", "not a probe")
                .hint(FIRST));
        }
        let mut child = self.start()?;
        let mut step = None;
        let mut report = None;
        let ended = loop {
            match child.hear(self.limit) {
                Some(Heard::Message(Message::Begin(begun))) => step = Some(begun),
                Some(Heard::Message(Message::Report(read))) => report = Some(Ok(*read)),
                Some(Heard::Message(Message::Failed(error))) => report = Some(Err(error)),
                Some(Heard::Garbled(reason)) => {
                    let error = self.not_a_probe("the probe's report cannot be read", &child);
                    return Err(error.with("reason", reason).hint("run the same version of NACP on both sides"));
                }
                Some(Heard::TooMuch) => {
                    return Err(self.not_a_probe("the program prints without end", &child).hint(FIRST));
                }
                Some(Heard::Ended(status)) => break Some(status),
                None => break None,
            }
        };
        self.judge(&child, ended, step, report)
    }

    fn start(&self) -> Result<Child<Message>> {
        let command = self.program.command(|command| {
            command.env(ASKED, "1");
            match &self.library {
                Some(library) => command.env(LIBRARY, library),
                None => command.env_remove(LIBRARY),
            };
        });
        Child::start(command, Group::Own, Message::read).map_err(|error| {
            let kind = not_started(&error);
            self.error(kind, "the probe cannot be started", "not started").with("reason", &error).caused_by(error)
        })
    }

    /// What the child's end means, with what it said before; without one it was killed at the limit.
    fn judge(
        &self,
        child: &Child<Message>,
        ended: Option<ExitStatus>,
        step: Option<Step>,
        report: Option<Result<Report>>,
    ) -> Result<Report> {
        let at = |error: Error| match step {
            Some(step) => error.with("step", step),
            None => error,
        };
        match (ended, report) {
            (None, _) => {
                let limit = format!("{:?}", self.limit);
                let error =
                    self.error(ErrorKind::Timeout, "the probe did not end in time", "hung").with("limit", limit);
                let hint = match step {
                    None => FIRST,
                    Some(Step::End) => "return from main when nacp_core::gpu::probe::answer() says true",
                    Some(_) => "the driver does not answer; restart the machine (under WSL2: `wsl --shutdown`)",
                };
                Err(said(at(error), child).hint(hint))
            }
            (Some(status), report) => match (crash(status), report) {
                (Some(crash), _) => {
                    let message = "the driver's library crashed the probe";
                    let error = self.error(ErrorKind::DriverUnavailable, message, "crashed").with("signal", crash);
                    Err(said(at(error), child).hint("reinstall or update the NVIDIA driver"))
                }
                (None, Some(report)) => report,
                (None, None) if step.is_some() => {
                    let message = "the probe ended without a report";
                    let error = self.error(ErrorKind::DriverUnavailable, message, "ended").with("status", status);
                    Err(said(at(error), child))
                }
                (None, None) => {
                    let error = self.not_a_probe("the program is not a probe", child).with("status", status);
                    Err(error.hint(FIRST))
                }
            },
        }
    }

    fn not_a_probe(&self, message: &str, child: &Child<Message>) -> Error {
        let error = self.error(ErrorKind::InvalidArgument, message, "not a probe");
        let error = match child.stdout_tail() {
            Some(tail) => error.with("stdout", format_args!("{tail:?}")),
            None => error,
        };
        said(error, child)
    }

    fn error(&self, kind: ErrorKind, message: &str, cause: &str) -> Error {
        Error::new(kind, "gpu.probe", message).with("program", self.program.path().display()).with("cause", cause)
    }
}

/// How a program becomes a probe.
const FIRST: &str = "call nacp_core::gpu::probe::answer() first in main";

fn said(error: Error, child: &Child<Message>) -> Error {
    match child.stderr_tail() {
        Some(tail) => error.with("stderr", format_args!("{tail:?}")),
        None => error,
    }
}
