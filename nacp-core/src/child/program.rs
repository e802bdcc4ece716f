//! Which program a child is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A program that can be started, with arguments and variables of its environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Program {
    /// The program of this path, or of this name in the search path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), args: Vec::new(), environment: Vec::new() }
    }

    /// The program that runs now, without arguments.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) where the system does not tell which program that is.
    pub fn this() -> Result<Self> {
        let path = std::env::current_exe().map_err(|error| {
            Error::new(ErrorKind::Unsupported, "child.program", "the system does not tell which program this is")
                .with("reason", &error)
                .hint("name the program")
                .caused_by(error)
        })?;
        Ok(Self::new(path))
    }

    /// Adds one argument: `Program::new("python3").arg("-m").arg("nacp._probe")`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets one variable of its environment.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((key.into(), value.into()));
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is started. Its own variables come after those that the caller sets here.
    pub(crate) fn command(&self, set: impl FnOnce(&mut Command)) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.args);
        set(&mut command);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }
}

#[cfg(feature = "nvml")]
/// The kind of error that a program is which cannot be started.
pub(crate) fn not_started(error: &std::io::Error) -> ErrorKind {
    match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::ResourceExhausted,
    }
}
