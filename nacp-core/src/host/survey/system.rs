//! The system's own habits: what installs its packages, and what starts its services.

use serde::{Deserialize, Serialize};

use crate::host::Seen;

/// What a command for this system has to know: which packages it has, and who starts its services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct System {
    /// The distribution's name for itself (`ID` of `/etc/os-release`), such as `ubuntu`, `fedora`, `arch`.
    pub distribution: Seen<String>,
    /// The distributions that it is made from or like (`ID_LIKE` there), the nearest first.
    pub like: Vec<String>,
    /// Whether systemd starts its services (`/run/systemd/system` is there).
    pub systemd: Seen<bool>,
}

impl System {
    /// Whether the distribution is this one, or is like it.
    pub fn is_like(&self, name: &str) -> bool {
        self.distribution.found().is_some_and(|own| own == name) || self.like.iter().any(|other| other == name)
    }
}
