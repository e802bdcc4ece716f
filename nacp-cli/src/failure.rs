//! An error, and how the program ends on it.

use nacp_core::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use crate::Exit;

/// Why a command came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: Error,
}

/// What every command gives.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A command line that cannot be right.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidArgument, "cli.arguments", message).into()
    }

    /// The same with how to mend it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error = self.error.hint(hint);
        self
    }

    /// The same with a variable.
    pub(crate) fn with(mut self, key: &'static str, value: impl std::fmt::Display) -> Self {
        self.error = self.error.with(key, value);
        self
    }

    /// The same, ending otherwise than its kind does.
    pub(crate) fn ending(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// For a program, with `--json`.
    pub(crate) fn to_json(&self) -> Value {
        let error = &self.error;
        let context = error.context().iter().map(|(key, value)| (key.to_string(), Value::from(value.as_str())));
        json!({ "error": {
            "kind": error.kind().name(),
            "code": error.kind().code(),
            "operation": error.operation(),
            "message": error.message(),
            "hint": error.hint_text(),
            "context": context.collect::<Map<_, _>>(),
            "exit": self.exit.code(),
        }})
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { exit: Exit::of(error.kind()), error }
    }
}

/// A file that the command line names and that cannot be read or written.
pub(crate) fn file(doing: &'static str, path: &std::path::Path, cause: std::io::Error) -> Failure {
    let kind = match cause.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unsupported,
    };
    let exit = if kind == ErrorKind::NotFound { Exit::NotUnderstood } else { Exit::Failed };
    let error = Error::new(kind, "cli.file", doing).with("path", path.display()).with("reason", &cause);
    Failure::from(error.caused_by(cause)).ending(exit)
}
