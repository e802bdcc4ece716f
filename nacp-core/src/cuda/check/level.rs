//! How much is checked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, nearest};

/// How much is checked, and how long it may take at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Does CUDA work at all: below 2 seconds for each device.
    Quick,
    /// And how fast, and does it repeat: below 30 seconds for each device.
    Standard,
    /// All memory, all multiprocessors, for minutes: asks for an idle GPU.
    Full,
}

impl Level {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Standard, Self::Full];

    /// The most time that all its checks may take together on a machine with one device. With several the whole run has
    /// so much for each. Starting the driver has a limit of its own; see [`CheckId::limit`](super::CheckId::limit).
    pub fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Quick => 2,
            Self::Standard => 30,
            Self::Full => 15 * 60,
        })
    }

    /// Its name, as [`FromStr`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|level| level.name() == text).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidArgument, "cuda.level", "not a level of checks")
                .with("level", format_args!("{text:?}"))
                .with("known", "quick,standard,full");
            match nearest(text, Self::ALL.map(Self::name)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            }
        })
    }
}
