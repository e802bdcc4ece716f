//! The kernel's side of the driver.

use serde::{Deserialize, Serialize};

use crate::gpu::kernel_log::KernelEvent;
use crate::host::Seen;

/// The kernel, its modules, and what it wrote about GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct KernelFacts {
    /// The modules that are loaded and matter to a GPU: `nvidia`, `nvidia_uvm`, `nouveau` … (`/proc/modules`).
    pub modules: Seen<Vec<String>>,
    /// The version of the NVIDIA module (`/proc/driver/nvidia/version`).
    pub driver: Seen<String>,
    /// Whether the NVIDIA module is installed for the kernel that runs, below `/lib/modules/RELEASE`.
    pub module_built: Seen<bool>,
    /// Whether the firmware lets only signed modules load.
    pub secure_boot: Seen<SecureBoot>,
    /// Whether SELinux refuses what its rules do not allow (`/sys/fs/selinux/enforce`); absent without SELinux.
    pub selinux_enforcing: Seen<bool>,
    /// What the NVIDIA modules and the loading of modules wrote into the kernel's log, the newest last, 200 at most:
    /// lines that hold `NVRM`, `nvidia`, `nouveau` or `Key was rejected`.
    pub log: Seen<Vec<String>>,
    /// The messages of the NVIDIA modules among them that NACP understands.
    pub events: Vec<KernelEvent>,
    /// The control groups of the machine: 1 or 2.
    pub cgroup_version: Option<u32>,
    /// Bytes of `/dev/shm`, where it is a file system of its own.
    pub shm_bytes: Option<u64>,
}

/// The state of Secure Boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecureBoot {
    /// It is on.
    On,
    /// It is off.
    Off,
}

impl KernelFacts {
    /// Whether a module is loaded; none where the list cannot be read.
    pub fn has_module(&self, name: &str) -> Option<bool> {
        match &self.modules {
            Seen::Found(modules) => Some(modules.iter().any(|module| module == name)),
            _ => None,
        }
    }
}
