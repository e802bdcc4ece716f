//! What SELinux kept containers from.

use serde::{Deserialize, Serialize};

use crate::host::Seen;

/// What SELinux says of containers and devices. Whether it refuses anything is
/// [`selinux_enforcing`](super::KernelFacts::selinux_enforcing).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Selinux {
    /// Refusals of an NVIDIA device in the log of auditd, `/var/log/audit/audit.log`, the newest last, 20 at most; absent
    /// where there is no such file, and the kernel's log has them.
    pub denials: Seen<Vec<String>>,
    /// Whether containers may use devices (the boolean `container_use_devices`).
    pub use_devices: Seen<bool>,
}
