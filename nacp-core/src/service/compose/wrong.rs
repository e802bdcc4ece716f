//! What is wrong with a compose file, and what has changed on the way.

use std::fmt;

use serde::Serialize;

use super::tree::Node;
use crate::error::{Error, ErrorKind, nearest};

pub(super) const OPERATION: &str = "compose.import";

/// Something that a user has to know about an import or an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// What happened to the field.
    pub kind: NoteKind,
    /// The field's path, such as `services.llm.ports[1]`.
    pub field: String,
    /// Its line in the file that was read, from 1; absent where no file was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Its column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// What it means for the user, and what to do.
    pub message: String,
}

/// What happened to the field of a [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NoteKind {
    /// It has no counterpart and is left out.
    Dropped,
    /// It is there and means something else than before.
    Changed,
    /// The file does not say enough; a value was taken for it.
    Assumed,
}

impl NoteKind {
    /// The word, as in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Changed => "changed",
            Self::Assumed => "assumed",
        }
    }
}

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{} {}: {}", self.field, self.kind, self.message)
    }
}

impl Note {
    pub(super) fn of(kind: NoteKind, node: &Node, message: impl Into<String>) -> Self {
        let (line, column) = (node.place.line, node.place.column);
        Self { kind, field: node.path.clone(), line: Some(line), column: Some(column), message: message.into() }
    }

    pub(super) fn about(kind: NoteKind, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, field: field.into(), line: None, column: None, message: message.into() }
    }
}

/// Errors about a value of the file.
pub(super) trait Wrong {
    /// An error with line, column and path.
    fn wrong(&self, message: &str) -> Error;

    /// An unknown field, with the nearest one that exists.
    fn unknown<'a>(&self, known: impl IntoIterator<Item = &'a str>) -> Error;
}

impl Wrong for Node {
    fn wrong(&self, message: &str) -> Error {
        let error = Error::new(ErrorKind::InvalidArgument, OPERATION, message);
        let error = error.with("line", self.place.line).with("column", self.place.column);
        if self.path.is_empty() { error } else { error.with("field", &self.path) }
    }

    fn unknown<'a>(&self, known: impl IntoIterator<Item = &'a str>) -> Error {
        let error = self.wrong("unknown field");
        match nearest(self.name(), known) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("Compose has no such field; name your own beginning with x-"),
        }
    }
}
