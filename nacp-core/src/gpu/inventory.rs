//! What a GPU is and what it is doing, as plain data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{GpuId, Reading};
use crate::error::{Error, ErrorKind};
use crate::units::Bytes;

/// What does not change while a GPU is in the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gpu {
    /// The UUID, as the driver spells it.
    pub id: GpuId,
    /// The position in the driver's list (PCI order). For display only: it can change at the next start.
    pub index: u32,
    /// The product's name, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// The CUDA compute capability (NVML `nvmlDeviceGetCudaComputeCapability`).
    pub compute: Reading<ComputeCapability>,
    /// All memory of the device, in bytes (NVML `nvmlDeviceGetMemoryInfo_v2.total`).
    pub memory: Reading<Bytes>,
    /// The PCI address as `domain:bus:device.function` in hexadecimal digits.
    pub pci: Reading<String>,
}

impl Gpu {
    /// A GPU of which only identity and name are known; the rest is filled in by the source.
    pub fn new(id: GpuId, index: u32, name: impl Into<String>) -> Self {
        use super::Unknown::NotRead;
        Self {
            id,
            index,
            name: name.into(),
            compute: Reading::Unknown(NotRead),
            memory: Reading::Unknown(NotRead),
            pci: Reading::Unknown(NotRead),
        }
    }
}

/// What a GPU can execute: major and minor compute capability, printed as `8.6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComputeCapability {
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl FromStr for ComputeCapability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.trim()
            .split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }))
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidArgument, "gpu.compute", "not a compute capability")
                    .with("value", format_args!("{text:?}"))
                    .hint("write major and minor, for example 8.6")
            })
    }
}

impl TryFrom<String> for ComputeCapability {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ComputeCapability> for String {
    fn from(capability: ComputeCapability) -> Self {
        capability.to_string()
    }
}

/// What changes: one reading of one GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// Which GPU.
    pub id: GpuId,
    /// Memory in use, in bytes.
    pub memory: Reading<MemoryUse>,
    /// How busy the GPU was over the driver's last sampling period, in percent.
    pub utilization: Reading<Utilization>,
    /// Temperature of the GPU's die, in degrees Celsius.
    pub temperature: Reading<u32>,
    /// Power drawn by the board, in milliwatts.
    pub power: Reading<u32>,
    /// The limit at which the board is held, in milliwatts.
    pub power_limit: Reading<u32>,
    /// Current clocks, in MHz.
    pub clocks: Reading<Clocks>,
    /// Programs that use the GPU.
    pub processes: Reading<Vec<Process>>,
}

impl Sample {
    /// A sample in which every reading is unknown for the same reason.
    pub fn unknown(id: GpuId, reason: super::Unknown) -> Self {
        Self {
            id,
            memory: Reading::Unknown(reason),
            utilization: Reading::Unknown(reason),
            temperature: Reading::Unknown(reason),
            power: Reading::Unknown(reason),
            power_limit: Reading::Unknown(reason),
            clocks: Reading::Unknown(reason),
            processes: Reading::Unknown(reason),
        }
    }
}

/// Memory of a GPU, in bytes. `total = used + free + reserved`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// All of it.
    pub total: Bytes,
    /// Allocated by programs.
    pub used: Bytes,
    /// Not allocated.
    pub free: Bytes,
    /// Kept by the driver and the firmware.
    pub reserved: Bytes,
}

/// Percent of the last sampling period during which the GPU was at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utilization {
    /// At least one kernel was running, in percent.
    pub gpu: u32,
    /// Device memory was being read or written, in percent.
    pub memory: u32,
}

/// Current clocks, in MHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// The graphics clock.
    pub graphics: u32,
    /// The clock of the streaming multiprocessors.
    pub sm: u32,
    /// The memory clock.
    pub memory: u32,
}

/// A program that uses a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The process id, in the namespace of the driver.
    pub pid: u32,
    /// Whether it computes, draws, or both.
    pub kind: ProcessKind,
    /// Device memory that it holds, in bytes; not available under WDDM and WSL2.
    pub memory: Reading<Bytes>,
}

/// What a process uses a GPU for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessKind {
    /// It has a compute context.
    Compute,
    /// It has a graphics context.
    Graphics,
    /// It has both.
    Both,
}
