//! What does not change while a GPU is in the machine, as plain data.

mod board;
#[cfg(any(feature = "nvml", feature = "sim"))]
pub(crate) mod decode;
mod identity;
mod link;
mod mig;
#[cfg(any(feature = "nvml", feature = "sim"))]
pub(crate) mod silent;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::board::{
    Affinity, ComputeMode, DriverModel, Limits, Modes, Pcie, Persistent, Processor, TemperatureLimits,
};
pub use self::identity::{Identity, InfoRom, Platform};
pub use self::link::{Fabric, FabricState, NvLink, RemoteDevice};
pub use self::mig::{GpuInstance, Mig, MigDevice, MigPlacement, MigProfile};

use super::{GpuId, Reading};
use crate::error::{Error, ErrorKind};
use crate::units::Bytes;

/// What does not change while a GPU is in the machine. It is read once, by
/// [`Source::inventory`](super::Source::inventory).
///
/// `id`, `index` and `name` are always there; everything else is a [`Reading`]. Each group is one question: who is it,
/// what can it compute, how is it connected, what holds it back, how is it set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gpu {
    /// The UUID, as the driver spells it.
    pub id: GpuId,
    /// The position in the driver's list (PCI order). For display only: it can change at the next start.
    pub index: u32,
    /// The product's name, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// The CUDA compute capability (`nvmlDeviceGetCudaComputeCapability`).
    pub compute: Reading<ComputeCapability>,
    /// All memory of the device, in bytes (`nvmlDeviceGetMemoryInfo_v2.total`).
    pub memory: Reading<Bytes>,
    /// The PCI address as `domain:bus:device.function` in hexadecimal digits.
    pub pci: Reading<String>,
    /// Who made it, and what is written on it.
    #[serde(default)]
    pub identity: Identity,
    /// What it computes with.
    #[serde(default)]
    pub processor: Processor,
    /// How it sits on the PCIe bus.
    #[serde(default)]
    pub pcie: Pcie,
    /// Between which limits it works.
    #[serde(default)]
    pub limits: Limits,
    /// How it is set up.
    #[serde(default)]
    pub modes: Modes,
    /// Which processors and which memory of the machine are near it.
    #[serde(default)]
    pub affinity: Affinity,
    /// Its NVLinks, by number; empty when it has none that the driver tells of.
    #[serde(default)]
    pub nvlinks: Reading<Vec<NvLink>>,
    /// Whether a chip-to-chip link to the CPU is on (Grace Hopper, Grace Blackwell; `nvmlDeviceGetC2cModeInfoV`).
    #[serde(default)]
    pub c2c: Reading<bool>,
    /// Its place in an NVLink fabric (`nvmlDeviceGetGpuFabricInfoV`).
    #[serde(default)]
    pub fabric: Reading<Fabric>,
    /// Its partitions.
    #[serde(default)]
    pub mig: Mig,
}

impl Gpu {
    /// A GPU of which only identity and name are known; the rest is filled in by the source.
    pub fn new(id: GpuId, index: u32, name: impl Into<String>) -> Self {
        Self {
            id,
            index,
            name: name.into(),
            compute: Reading::default(),
            memory: Reading::default(),
            pci: Reading::default(),
            identity: Identity::default(),
            processor: Processor::default(),
            pcie: Pcie::default(),
            limits: Limits::default(),
            modes: Modes::default(),
            affinity: Affinity::default(),
            nvlinks: Reading::default(),
            c2c: Reading::default(),
            fabric: Reading::default(),
            mig: Mig::default(),
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
