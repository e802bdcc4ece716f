//! What programs in containers write.

use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The lines of a container, as they are written.
pub type LogLines = BoxStream<'static, Result<LogLine>>;

/// One line that a container wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Whether it came by the standard error.
    pub error: bool,
    /// The line, without its end.
    pub text: String,
}

/// What a program that was run in a container wrote, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOutput {
    /// Its exit code.
    pub code: i64,
    /// What it wrote to its standard output, the last mebibyte at most.
    pub stdout: String,
    /// What it wrote to its standard error, the last mebibyte at most.
    pub stderr: String,
}
