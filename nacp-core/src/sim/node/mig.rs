//! Partitions of a GPU (Multi-Instance GPU): what it can be divided into, and what it is.

use serde::{Deserialize, Serialize};

use super::process::ProcessFile;
use crate::gpu::GpuId;
use crate::units::Bytes;

/// The partitions of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigFile {
    /// Whether the GPU is in this mode.
    pub enabled: bool,
    /// Whether it will be after the next reset; absent: as now.
    #[serde(default)]
    pub pending: Option<bool>,
    /// The most devices that there can be.
    pub max_devices: u32,
    /// What it can be divided into.
    pub profiles: Vec<MigProfileFile>,
    /// What it is divided into.
    #[serde(default)]
    pub instances: Vec<MigInstanceFile>,
}

/// A shape of a GPU instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigProfileFile {
    /// Its name, such as `1g.5gb`.
    pub name: String,
    /// The id by which the driver knows it on this GPU.
    pub id: u32,
    /// Its number in nvml.h (`NVML_GPU_INSTANCE_PROFILE_…`).
    pub number: u32,
    /// Its slices of computing.
    pub slices: u32,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Memory.
    pub memory: Bytes,
    /// How many of them fit on an empty GPU.
    pub count: u32,
    /// Slices of memory, which are what placements are counted in.
    pub size: u32,
    /// Where it may begin.
    pub starts: Vec<u32>,
    /// Copy engines.
    #[serde(default)]
    pub copy_engines: u32,
    /// Video decoders.
    #[serde(default)]
    pub decoders: u32,
    /// Video encoders.
    #[serde(default)]
    pub encoders: u32,
    /// JPEG decoders.
    #[serde(default)]
    pub jpegs: u32,
    /// Optical flow accelerators.
    #[serde(default)]
    pub ofas: u32,
}

/// A GPU instance: memory and engines of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigInstanceFile {
    /// Its id on this GPU.
    pub id: u32,
    /// The name of its profile.
    pub profile: String,
    /// The slice of memory at which it begins.
    pub start: u32,
    /// Memory in use.
    #[serde(default)]
    pub used: Bytes,
    /// Memory that the driver keeps.
    #[serde(default)]
    pub reserved: Bytes,
    /// Its compute instances; each is a device of its own.
    pub compute: Vec<MigComputeFile>,
}

/// A compute instance: streaming multiprocessors within a GPU instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigComputeFile {
    /// Its id within the GPU instance.
    pub id: u32,
    /// The UUID of the device that it makes.
    pub uuid: GpuId,
    /// Its slices; absent: all of the GPU instance.
    #[serde(default)]
    pub slices: Option<u32>,
    /// The slice at which it begins.
    #[serde(default)]
    pub start: u32,
    /// Programs that use it.
    #[serde(default)]
    pub processes: Vec<ProcessFile>,
}

/// One device of a partitioned GPU: a compute instance with the GPU instance around it.
#[derive(Clone, Copy, Debug)]
pub struct MigDevice<'a> {
    /// Its position among the GPU's devices.
    pub index: usize,
    /// The shape of the GPU instance.
    pub profile: &'a MigProfileFile,
    /// The GPU instance.
    pub instance: &'a MigInstanceFile,
    /// The compute instance.
    pub compute: &'a MigComputeFile,
}

impl MigFile {
    /// The profile of this name.
    pub fn profile(&self, name: &str) -> Option<&MigProfileFile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// The devices, in the order of the instances' ids as the file lists them; none while the mode is off.
    pub fn devices(&self) -> impl Iterator<Item = MigDevice<'_>> {
        let instances = self.instances.iter().filter(|_| self.enabled);
        let computes = instances.flat_map(|instance| instance.compute.iter().map(move |compute| (instance, compute)));
        computes.enumerate().filter_map(|(index, (instance, compute))| {
            Some(MigDevice { index, profile: self.profile(&instance.profile)?, instance, compute })
        })
    }

    /// Where a GPU instance of this profile could still be made.
    pub fn free_starts(&self, profile: &MigProfileFile) -> Vec<u32> {
        let taken = |start: u32| {
            self.instances.iter().any(|instance| {
                let size = self.profile(&instance.profile).map_or(0, |taken| taken.size);
                instance.start < start + profile.size && start < instance.start + size
            })
        };
        profile.starts.iter().copied().filter(|start| !taken(*start)).collect()
    }

    /// How many GPU instances of this profile could still be made.
    pub fn remaining(&self, profile: &MigProfileFile) -> u32 {
        let mut end = 0;
        let mut starts = self.free_starts(profile);
        starts.sort_unstable();
        let fitting = starts.into_iter().filter(|start| {
            let fits = *start >= end;
            if fits {
                end = start + profile.size;
            }
            fits
        });
        u32::try_from(fitting.count()).unwrap_or(u32::MAX)
    }
}

impl MigDevice<'_> {
    /// The compute instance's slices.
    pub fn slices(&self) -> u32 {
        self.compute.slices.unwrap_or(self.profile.slices)
    }

    /// The streaming multiprocessors of the compute instance.
    pub fn multiprocessors(&self) -> u32 {
        self.profile.multiprocessors.checked_div(self.profile.slices).unwrap_or(0) * self.slices()
    }

    /// The name of the profile, as `1g.5gb`, or `1c.3g.20gb` for a part of a GPU instance.
    pub fn profile_name(&self) -> String {
        let slices = self.slices();
        if slices == self.profile.slices {
            self.profile.name.clone()
        } else {
            format!("{slices}c.{}", self.profile.name)
        }
    }

    /// The part of something that the GPU instance has of the GPU's: as many eighths as slices of memory.
    pub fn share(&self, whole: Bytes) -> Bytes {
        Bytes(whole.0 / 8 * u64::from(self.profile.size))
    }

    /// What is neither used nor reserved of the GPU instance's memory.
    pub fn free(&self) -> Bytes {
        self.profile.memory.saturating_sub(self.instance.used + self.instance.reserved)
    }
}
