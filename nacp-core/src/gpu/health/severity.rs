//! How bad, in the four steps that a user acts on differently.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a condition is: what to do with work on the GPU.
///
/// | NACP | what to do | NVIDIA Health Validation | DCGM | gpud |
/// |---|---|---|---|---|
/// | `Info` | nothing | INFO | | |
/// | `Watch` | keep working, mend it when it suits | WARNING | MONITOR, CONFIG | degraded |
/// | `Drain` | give it no new work, move its work off | CRITICAL | ISOLATE, TRIAGE, RESET | unhealthy |
/// | `Unusable` | nothing works there; its work is lost already | CRITICAL | ISOLATE, RESET | unhealthy |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; the GPU is as healthy as without it.
    Info,
    /// It works, and somebody should look at it.
    Watch,
    /// Give it no new work, and move off what runs.
    Drain,
    /// It does not work.
    Unusable,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Watch => "watch",
            Self::Drain => "drain",
            Self::Unusable => "unusable",
        })
    }
}

/// What may be done with a GPU: the worst of its conditions, [`Severity::Info`] aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing that was checked speaks against it.
    #[default]
    Healthy,
    /// It can be used; something should be looked at.
    Watch,
    /// It should get no new work, and what runs should move.
    Drain,
    /// It cannot be used.
    Unusable,
}

impl From<Severity> for Verdict {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Healthy,
            Severity::Watch => Self::Watch,
            Severity::Drain => Self::Drain,
            Severity::Unusable => Self::Unusable,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Watch => "watch",
            Self::Drain => "drain",
            Self::Unusable => "unusable",
        })
    }
}

/// What a user's thresholds say about a kind of condition instead of the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Never raise it, and do not list it as unchecked.
    Ignore,
    /// Raise it as [`Severity::Info`].
    Info,
    /// Raise it as [`Severity::Watch`].
    Watch,
    /// Raise it as [`Severity::Drain`].
    Drain,
    /// Raise it as [`Severity::Unusable`].
    Unusable,
}

impl Level {
    /// The severity, or nothing where the condition is to be ignored.
    pub const fn severity(self) -> Option<Severity> {
        match self {
            Self::Ignore => None,
            Self::Info => Some(Severity::Info),
            Self::Watch => Some(Severity::Watch),
            Self::Drain => Some(Severity::Drain),
            Self::Unusable => Some(Severity::Unusable),
        }
    }
}
