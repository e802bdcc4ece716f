//! The devices that a process sees, and what they answer.

use crate::cuda::{Attribute, Version};
use crate::gpu::ComputeCapability;
use crate::gpu::{GpuId, ProcessKind};
use crate::sim::node::{ComputeMode, DriverModel, MigDevice, MigFile, ModesFile, PeerStatus};
use crate::sim::{GpuFile, NodeFile, Pid};

/// `CUDA_ERROR_DEVICE_UNAVAILABLE`.
const UNAVAILABLE: i32 = 46;

/// A device: a GPU of the node file, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) gpu: GpuFile,
    pub(super) id: GpuId,
    pub(super) name: String,
    pub(super) multiprocessors: u32,
    /// What programs can use of its memory, and what of that is free, in bytes.
    pub(super) total: u64,
    pub(super) free: u64,
    /// Why no context can be had.
    pub(super) refuses: Option<i32>,
    whole: bool,
    wsl: bool,
}

/// A node file does not tell the system; a name does.
pub(super) fn is_wsl(node: &NodeFile) -> bool {
    node.name.contains("wsl2")
}

/// The driver's number of a version such as `13.1`; 0 for what is none.
pub(super) fn version(text: &str) -> i32 {
    let number = |Version { major, minor }| i32::try_from(major * 1000 + minor * 10).ok();
    text.parse().ok().and_then(number).unwrap_or(0)
}

/// What a process sees, in the order of the node file. Where a GPU is divided, it sees the first part and nothing
/// beside it, as with the real driver.
pub(super) fn visible(node: &NodeFile) -> Vec<Device> {
    let wsl = is_wsl(node);
    let parts = node.gpus.iter().flat_map(|gpu| {
        let of_it = gpu.mig.iter().flat_map(MigFile::devices);
        of_it.map(move |part| Device::part(gpu, &part))
    });
    match parts.into_iter().next() {
        Some(part) => vec![part],
        None => node.gpus.iter().map(|gpu| Device::whole(gpu, wsl)).collect(),
    }
}

impl Device {
    fn whole(gpu: &GpuFile, wsl: bool) -> Self {
        Self {
            id: gpu.uuid.clone(),
            name: gpu.name.clone(),
            multiprocessors: gpu.multiprocessors,
            total: gpu.memory.total.saturating_sub(gpu.memory.reserved).0,
            free: gpu.memory.free().0,
            refuses: refusal(gpu),
            whole: true,
            wsl,
            gpu: gpu.clone(),
        }
    }

    fn part(gpu: &GpuFile, part: &MigDevice<'_>) -> Self {
        Self {
            id: part.compute.uuid.clone(),
            name: format!("{} MIG {}", gpu.name, part.profile_name()),
            multiprocessors: part.multiprocessors(),
            total: part.profile.memory.saturating_sub(part.instance.reserved).0,
            free: part.free().0,
            refuses: refusal(gpu),
            whole: false,
            wsl: false,
            gpu: gpu.clone(),
        }
    }

    fn modes(&self) -> ModesFile {
        self.gpu.modes.clone().unwrap_or_default()
    }

    pub(super) fn compute(&self) -> ComputeCapability {
        self.gpu.compute
    }

    /// The highest clock of the multiprocessors and of the memory, in MHz.
    pub(super) fn clocks(&self) -> (u32, u32) {
        let clocks = self.gpu.max_clocks.unwrap_or(self.gpu.clocks);
        (clocks.sm, clocks.memory)
    }

    /// The width of the memory's bus, in bits.
    pub(super) fn bus(&self) -> u32 {
        self.gpu.identity.as_ref().and_then(|identity| identity.bus_width).unwrap_or(0)
    }

    /// Whether it can use the memory of another.
    pub(super) fn reaches(&self, other: &Self) -> bool {
        let status = |index| self.gpu.peers?.status(other.gpu.peers?, index);
        let well = |index| status(index) == Some(PeerStatus::Ok);
        self.gpu.uuid != other.gpu.uuid && self.whole && other.whole && well(0) && well(1)
    }

    /// One attribute; none where this driver does not know the question.
    pub(super) fn attribute(&self, attribute: Attribute) -> Option<u32> {
        let (modes, (sm, memory)) = (self.modes(), self.clocks());
        Some(match attribute {
            Attribute::MaxThreadsPerBlock => 1024,
            Attribute::WarpSize => 32,
            Attribute::ClockRate => sm * 1000,
            Attribute::Multiprocessors => self.multiprocessors,
            Attribute::KernelTimeout => u32::from(modes.display_active == Some(true)),
            Attribute::ComputeMode => modes.compute.map_or(0, ComputeMode::number),
            Attribute::EccEnabled => u32::from(self.gpu.ecc.as_ref().is_some_and(|ecc| ecc.enabled)),
            Attribute::TccDriver => u32::from(modes.driver_model == Some(DriverModel::Wdm)),
            Attribute::MemoryClockRate => memory * 1000,
            Attribute::MemoryBusWidth => self.bus(),
            Attribute::MaxThreadsPerMultiprocessor => {
                if self.compute().minor == 0 {
                    2048
                } else {
                    1536
                }
            }
            Attribute::AsyncEngines => 2,
            Attribute::UnifiedAddressing | Attribute::StreamPriorities | Attribute::ManagedMemory => 1,
            Attribute::ComputeMajor => self.compute().major,
            Attribute::ComputeMinor => self.compute().minor,
            Attribute::ConcurrentManagedAccess => u32::from(!self.wsl),
            Attribute::MpsEnabled => u32::from(self.gpu.processes.iter().any(|process| process.mps)),
            Attribute::Integrated | Attribute::PageableMemoryAccess => 0,
            _ => return None,
        })
    }
}

/// Why no context can be had: nobody may, or another process holds the one that there can be.
fn refusal(gpu: &GpuFile) -> Option<i32> {
    let held = || gpu.processes.iter().any(|it| it.kind == ProcessKind::Compute && it.pid != Pid::Own);
    match gpu.modes.as_ref().and_then(|modes| modes.compute) {
        Some(ComputeMode::Prohibited) => Some(UNAVAILABLE),
        Some(ComputeMode::ExclusiveProcess) if held() => Some(UNAVAILABLE),
        _ => None,
    }
}
