//! Partitions of a GPU (Multi-Instance GPU).

use serde::{Deserialize, Serialize};

use super::Persistent;
use crate::gpu::{GpuId, Reading};
use crate::units::Bytes;

/// The partitions of a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Mig {
    /// Whether the GPU is partitioned (`nvmlDeviceGetMigMode`); unknown for GPUs that cannot be.
    pub mode: Reading<Persistent>,
    /// The devices that programs can use: each a compute instance with an id of its own.
    pub devices: Reading<Vec<MigDevice>>,
    /// The GPU instances, also those without a compute instance.
    pub instances: Reading<Vec<GpuInstance>>,
    /// Which partitions can be made of this GPU.
    pub profiles: Reading<Vec<MigProfile>>,
}

/// A partition that programs can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MigDevice {
    /// Its UUID (`MIG-…`).
    pub id: GpuId,
    /// Its position among the partitions of its GPU, from 0.
    pub index: u32,
    /// The device's name, such as `NVIDIA A100-SXM4-40GB MIG 1g.5gb`.
    pub name: Reading<String>,
    /// The profile, such as `1g.5gb` or `1c.3g.20gb`: read from the name, which ends with it.
    pub profile: Reading<String>,
    /// The id of its GPU instance (`nvmlDeviceGetGpuInstanceId`).
    pub gpu_instance: Reading<u32>,
    /// The id of its compute instance (`nvmlDeviceGetComputeInstanceId`).
    pub compute_instance: Reading<u32>,
    /// Its memory, in bytes (`nvmlDeviceGetMemoryInfo_v2` of the partition).
    pub memory: Reading<Bytes>,
    /// Its streaming multiprocessors (`nvmlDeviceGetAttributes_v2`).
    pub multiprocessors: Reading<u32>,
}

impl MigDevice {
    /// A partition of which only the id is known.
    pub fn new(id: GpuId, index: u32) -> Self {
        Self {
            id,
            index,
            name: Reading::default(),
            profile: Reading::default(),
            gpu_instance: Reading::default(),
            compute_instance: Reading::default(),
            memory: Reading::default(),
            multiprocessors: Reading::default(),
        }
    }
}

/// A GPU instance: a part of the memory and of the multiprocessors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuInstance {
    /// Its id (`nvmlGpuInstanceGetInfo`).
    pub id: u32,
    /// The id of its profile.
    pub profile: u32,
    /// Where it lies.
    pub placement: MigPlacement,
}

/// Where a GPU instance lies, in slices of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MigPlacement {
    /// The first slice.
    pub start: u32,
    /// How many slices.
    pub size: u32,
}

/// A kind of partition that can be made of a GPU (`nvmlDeviceGetGpuInstanceProfileInfoV`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MigProfile {
    /// The profile's id.
    pub id: u32,
    /// Its name, such as `1g.5gb`.
    pub name: Reading<String>,
    /// How many slices of the multiprocessors it takes.
    pub slices: u32,
    /// How many fit on an empty GPU.
    pub instances: u32,
    /// How many more fit now (`nvmlDeviceGetGpuInstanceRemainingCapacity`).
    pub remaining: Reading<u32>,
    /// Streaming multiprocessors of one.
    pub multiprocessors: u32,
    /// Memory of one, in bytes.
    pub memory: Bytes,
    /// Where one may lie (`nvmlDeviceGetGpuInstancePossiblePlacements`).
    pub placements: Reading<Vec<MigPlacement>>,
}

impl MigProfile {
    /// A profile without its name, its remaining capacity and its placements.
    pub fn new(id: u32, slices: u32, instances: u32, multiprocessors: u32, memory: Bytes) -> Self {
        Self {
            id,
            name: Reading::default(),
            slices,
            instances,
            remaining: Reading::default(),
            multiprocessors,
            memory,
            placements: Reading::default(),
        }
    }
}
