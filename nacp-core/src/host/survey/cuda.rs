//! What the CUDA driver answers.

use serde::{Deserialize, Serialize};

use crate::host::Seen;

/// What the CUDA driver answers on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CudaFacts {
    /// Whether it is a simulated one: its devices do not exist.
    pub simulated: bool,
    /// The file of `libcuda` that was loaded, with links followed; unreadable with NACP's message where none opened.
    pub library: Seen<String>,
    /// Whether that file comes from a forward-compatibility package.
    pub compat: bool,
    /// Whether that file is WSL2's, below `/usr/lib/wsl`.
    pub wsl: bool,
    /// The newest CUDA version that the driver serves, as `13.0`.
    pub version: Option<String>,
    /// The first call that was refused.
    pub failure: Option<CudaFailure>,
    /// The devices.
    pub devices: Vec<CudaDeviceFacts>,
    /// The most pinned memory that could be had in one piece, in bytes, where it was tried.
    pub pinned_bytes: Option<u64>,
}

/// A call that the driver refused, or that killed its process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CudaFailure {
    /// The call, such as `cuInit`.
    pub call: String,
    /// The driver's number (`CUresult`), such as 999; none where the process died or hung.
    pub code: Option<i32>,
    /// NACP's message.
    pub message: String,
}

/// One device that CUDA programs can use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CudaDeviceFacts {
    /// Its UUID, spelled as NVML does.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its compute capability, as `8.6`.
    pub compute: String,
    /// The memory that programs can use, in bytes.
    pub memory: u64,
}
