//! What could not be read, where the part that is missing has no reason of its own.

use serde::{Deserialize, Serialize};

/// A part of a survey that is not whole, and why.
///
/// A list that is empty or short looks like a machine that has nothing; a gap says that nobody could look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What is not whole: `daemons`, or `containers of ENDPOINT`.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Gap {
    /// A part that is not whole, and why.
    pub fn of(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}
