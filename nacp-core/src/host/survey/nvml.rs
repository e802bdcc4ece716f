//! What the management library answers.

use serde::{Deserialize, Serialize};

use crate::host::Seen;

/// What the management library answers about this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NvmlFacts {
    /// Whether it is a simulated one: its GPUs do not exist.
    pub simulated: bool,
    /// The driver's version that it tells, such as `580.95.05`; unreadable with NACP's message where it did not answer.
    /// Under WSL2 it is the Windows driver's.
    pub driver: Seen<String>,
    /// How it failed as a whole.
    pub failure: Option<NvmlFailure>,
    /// The newest CUDA version that it says the driver serves.
    pub cuda: Option<String>,
    /// Its GPUs.
    pub gpus: Vec<NvmlGpu>,
}

/// How the management library failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NvmlFailure {
    /// NVML's number, such as 18 for versions that do not match; none where the library did not open, or its process died.
    pub code: Option<i32>,
    /// The signal that killed the process that asked, such as 11.
    pub signal: Option<i32>,
    /// NACP's message.
    pub message: String,
}

/// What it tells of one GPU, as far as a verdict needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NvmlGpu {
    /// Its UUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its compute capability, as `8.6`.
    pub compute: Option<String>,
    /// The version of its firmware.
    pub vbios: Option<String>,
    /// Its PCI address.
    pub pci: Option<String>,
    /// All of its memory, in bytes.
    pub memory_total: Option<u64>,
    /// The memory in use, in bytes.
    pub memory_used: Option<u64>,
    /// `default`, `prohibited`, `exclusive_process`.
    pub compute_mode: Option<String>,
    /// Whether the driver keeps it started while nobody uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<bool>,
    /// On Windows and WSL2: `wddm`, `tcc` (which the library calls WDM), `mcdm`.
    pub driver_model: Option<String>,
    /// Whether it is in MIG mode.
    pub mig: Option<bool>,
    /// The UUIDs of its MIG devices.
    pub mig_devices: Vec<String>,
    /// Whether the driver has lost it (NVML's number 15).
    pub lost: bool,
    /// Whether it needs a reset (NVML's number 16).
    pub needs_reset: bool,
    /// Errors of memory that were not corrected, since the driver was loaded.
    pub uncorrected: Option<u64>,
    /// Whether rows wait for a reset to be remapped, or pages to be retired.
    pub repair_pending: Option<bool>,
    /// The state of its registration with the fabric, such as `completed` or `in_progress`; none without one.
    pub fabric: Option<String>,
    /// What it did not answer, by NVML's function.
    pub silent: Vec<String>,
}
