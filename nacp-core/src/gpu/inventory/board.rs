//! What a GPU computes with, how it is connected, what holds it back, and how it is set up.

use serde::{Deserialize, Serialize};

use crate::gpu::{Clocks, Reading};
use crate::units::Bytes;

/// What a GPU computes with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Processor {
    /// The architecture's name, such as `Ampere`; one that is newer than NACP is `architecture N`
    /// (`nvmlDeviceGetArchitecture`).
    pub architecture: Reading<String>,
    /// CUDA cores (`nvmlDeviceGetNumGpuCores`).
    pub cores: Reading<u32>,
    /// Streaming multiprocessors: computed from the cores and the cores of one multiprocessor of this compute
    /// capability, because the driver's management library does not tell.
    pub multiprocessors: Reading<u32>,
    /// Width of the memory bus, in bits (`nvmlDeviceGetMemoryBusWidth`).
    pub memory_bus: Reading<u32>,
    /// Size of the window onto the memory that the CPU sees, in bytes (`nvmlDeviceGetBAR1MemoryInfo.bar1Total`).
    pub bar1: Reading<Bytes>,
}

/// How a GPU sits on the PCIe bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Pcie {
    /// The PCI device and vendor id (`nvmlDeviceGetPciInfo_v3.pciDeviceId`): `0x233010de` is device 2330 of vendor
    /// 10de.
    pub device: Reading<u32>,
    /// The subsystem's id.
    pub subsystem: Reading<u32>,
    /// The newest PCIe generation that GPU and slot have in common (`nvmlDeviceGetMaxPcieLinkGeneration`).
    pub max_generation: Reading<u32>,
    /// The newest PCIe generation of the GPU itself (`nvmlDeviceGetGpuMaxPcieLinkGeneration`).
    pub gpu_max_generation: Reading<u32>,
    /// The widest link that GPU and slot have in common, in lanes (`nvmlDeviceGetMaxPcieLinkWidth`).
    pub max_width: Reading<u32>,
    /// The highest speed of a lane, in millions of transfers a second (`nvmlDeviceGetPcieLinkMaxSpeed`).
    pub max_speed: Reading<u32>,
}

/// Between which limits a GPU works. Power is in milliwatts, temperature in degrees Celsius, clocks in MHz.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Limits {
    /// The lowest power limit that can be set (`nvmlDeviceGetPowerManagementLimitConstraints`).
    pub power_min: Reading<u32>,
    /// The highest power limit that can be set.
    pub power_max: Reading<u32>,
    /// The power limit after a start (`nvmlDeviceGetPowerManagementDefaultLimit`).
    pub power_default: Reading<u32>,
    /// The highest clocks (`nvmlDeviceGetMaxClockInfo`).
    pub clocks: Reading<Clocks>,
    /// The highest video clock.
    pub video_clock: Reading<u32>,
    /// At which temperatures something happens.
    pub temperature: TemperatureLimits,
    /// How many fans it has (`nvmlDeviceGetNumFans`).
    pub fans: Reading<u32>,
}

/// Temperatures at which something happens, in degrees Celsius (`nvmlDeviceGetTemperatureThreshold`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TemperatureLimits {
    /// The GPU switches itself off.
    pub shutdown: Reading<u32>,
    /// The GPU slows down to protect itself.
    pub slowdown: Reading<u32>,
    /// The GPU begins to slow down, so that it stays below.
    pub gpu_max: Reading<u32>,
    /// The memory begins to slow down, so that it stays below.
    pub memory_max: Reading<u32>,
}

/// How a GPU is set up. A mode can change while the machine runs; reading the inventory again tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Modes {
    /// How many programs may compute at once (`nvmlDeviceGetComputeMode`).
    pub compute: Reading<ComputeMode>,
    /// Whether the driver stays loaded when nobody uses the GPU (`nvmlDeviceGetPersistenceMode`).
    pub persistence: Reading<bool>,
    /// Whether a display is set up on it (`nvmlDeviceGetDisplayActive`).
    pub display_active: Reading<bool>,
    /// Whether a display is connected to it (`nvmlDeviceGetDisplayMode`).
    pub display_connected: Reading<bool>,
    /// Error correction of the memory (`nvmlDeviceGetEccMode`).
    pub ecc: Reading<Persistent>,
    /// Whether accounting of processes is on (`nvmlDeviceGetAccountingMode`).
    pub accounting: Reading<bool>,
    /// What the GPU is for virtual machines: `none`, `passthrough`, `vgpu`, `host vgpu`, `host vsga`
    /// (`nvmlDeviceGetVirtualizationMode`).
    pub virtualization: Reading<String>,
    /// Which driver model Windows uses for it (`nvmlDeviceGetDriverModel_v2`).
    pub driver_model: Reading<DriverModel>,
    /// How the GPU reaches the memory of programs: `none`, `hmm`, `ats` (`nvmlDeviceGetAddressingMode`).
    pub addressing: Reading<String>,
    /// Memory set apart for confidential computing, in bytes; zero when it is off
    /// (`nvmlDeviceGetConfComputeMemSizeInfo`).
    pub confidential_memory: Reading<Bytes>,
}

/// A mode that is set now and another that will be at the next reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Persistent {
    /// Whether it is on now.
    pub current: bool,
    /// Whether it will be on after the next reset of the GPU.
    pub pending: bool,
}

/// How many programs may compute on a GPU at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ComputeMode {
    /// Any number.
    Default,
    /// One thread of one program (no driver since CUDA 8 offers it).
    ExclusiveThread,
    /// None.
    Prohibited,
    /// One program.
    ExclusiveProcess,
}

/// Which driver model Windows uses for a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriverModel {
    /// A display device (Windows Display Driver Model).
    Wddm,
    /// A compute device (Tesla Compute Cluster).
    Tcc,
    /// A compute device of the newer kind (Microsoft Compute Driver Model).
    Mcdm,
}

/// Which processors and which memory of the machine are near a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Affinity {
    /// The NUMA node of the GPU's own memory, where the system sees it as one (`nvmlDeviceGetNumaNodeId`).
    pub numa_node: Reading<u32>,
    /// The nearest logical processors, in ascending order (`nvmlDeviceGetCpuAffinityWithinScope`).
    pub cpus: Reading<Vec<u32>>,
    /// The nearest NUMA nodes, in ascending order (`nvmlDeviceGetMemoryAffinity`).
    pub memory_nodes: Reading<Vec<u32>>,
}
