//! Something that was looked for.

use serde::{Deserialize, Serialize};

/// What looking for something gave.
///
/// In JSON it is `{"found": …}`, `"absent"`, `{"unreadable": "why"}` or `"not_asked"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen<T> {
    /// It is there, and this is it.
    Found(T),
    /// It is not there.
    Absent,
    /// It is there, or may be, and cannot be read: why.
    Unreadable(String),
    /// Nobody looked.
    #[default]
    NotAsked,
}

impl<T> Seen<T> {
    /// What was found.
    pub const fn found(&self) -> Option<&T> {
        match self {
            Self::Found(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it is known not to be there.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Why nothing was found, where something may be there nevertheless.
    pub fn open(&self) -> Option<&str> {
        match self {
            Self::Unreadable(why) => Some(why),
            Self::NotAsked => Some("nobody looked"),
            Self::Found(_) | Self::Absent => None,
        }
    }

    /// The same with what was found made into something else.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Found(value) => Seen::Found(make(value)),
            Self::Absent => Seen::Absent,
            Self::Unreadable(why) => Seen::Unreadable(why),
            Self::NotAsked => Seen::NotAsked,
        }
    }

    /// The same, understood: what `read` refuses is unreadable, with its reason.
    pub fn then<U>(self, read: impl FnOnce(T) -> Result<U, String>) -> Seen<U> {
        match self.map(read) {
            Seen::Found(Ok(value)) => Seen::Found(value),
            Seen::Found(Err(why)) => Seen::Unreadable(why),
            Seen::Absent => Seen::Absent,
            Seen::Unreadable(why) => Seen::Unreadable(why),
            Seen::NotAsked => Seen::NotAsked,
        }
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> Seen<&T> {
        match self {
            Self::Found(value) => Seen::Found(value),
            Self::Absent => Seen::Absent,
            Self::Unreadable(why) => Seen::Unreadable(why.clone()),
            Self::NotAsked => Seen::NotAsked,
        }
    }
}
