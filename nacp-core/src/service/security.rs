//! How far a container is locked up. Every default is the strict one; each field loosens one thing by name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How far a container is locked up. What is not set is strict: no new privileges, no capabilities, a root that cannot
/// be written where the image allows it, the image's own user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Security {
    /// As whom the program runs, as `UID`, `UID:GID` or a name of the image's; the image's own user if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether the container's root can be written.
    #[serde(skip_serializing_if = "RootAccess::is_default")]
    pub root: RootAccess,
    /// The capabilities that it keeps, such as `CHOWN`; all others are dropped.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<String>,
    /// Whether its programs may gain privileges, as `sudo` does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_privileges: bool,
    /// Whether it shares the memory segments of the engine's machine (`--ipc=host`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_ipc: bool,
}

impl Security {
    /// Locked up as far as can be.
    pub fn strict() -> Self {
        Self::default()
    }

    /// Runs the program as `UID`, `UID:GID` or a name of the image's.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Says whether the container's root can be written.
    #[must_use]
    pub fn root(mut self, access: RootAccess) -> Self {
        self.root = access;
        self
    }

    /// Keeps a capability, such as `CHOWN`.
    #[must_use]
    pub fn capability(mut self, name: impl Into<String>) -> Self {
        self.capabilities.insert(name.into());
        self
    }

    /// Lets its programs gain privileges.
    #[must_use]
    pub fn new_privileges(mut self) -> Self {
        self.new_privileges = true;
        self
    }

    /// Shares the memory segments of the engine's machine.
    #[must_use]
    pub fn host_ipc(mut self) -> Self {
        self.host_ipc = true;
        self
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether the root of a container can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RootAccess {
    /// Read-only, with memory at `/tmp`, `/run` and `/var/tmp` and a scratch volume at the user's home; writable for an
    /// image whose program has ended because it could not write elsewhere.
    #[default]
    Auto,
    /// Read-only; the same places can be written.
    ReadOnly,
    /// Writable.
    Writable,
}

impl RootAccess {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
