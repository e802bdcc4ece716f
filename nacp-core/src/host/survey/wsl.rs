//! What is particular to WSL2.

use serde::{Deserialize, Serialize};

use crate::host::{Seen, WslDistribution};

/// What is particular to WSL2; everything is not asked elsewhere, but for the distributions, which only Windows tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Wsl {
    /// The key `kernel` of the user's `.wslconfig`, where its folder is mounted.
    pub custom_kernel: Seen<String>,
    /// The key `memory` there, as it is written.
    pub memory_limit: Seen<String>,
    /// Files of a Linux driver that do not belong here: `libnvidia-*.so.VERSION` in the distribution's own folders.
    pub linux_driver: Vec<String>,
    /// Folders of the Windows driver below `/usr/lib/wsl/drivers` whose name begins with `nv`.
    pub driver_store: Seen<Vec<String>>,
    /// Bytes of memory that this virtual machine has.
    pub memory_bytes: Option<u64>,
    /// The distributions, as Windows sees them.
    pub distributions: Seen<Vec<WslDistribution>>,
}
