//! Programs that use a GPU.

use serde::{Deserialize, Serialize};

use crate::gpu::Reading;
use crate::units::Bytes;

/// A program that uses a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Process {
    /// The process id, in the namespace of the driver.
    pub pid: u32,
    /// Whether it computes, draws, or both.
    pub kind: ProcessKind,
    /// Device memory that it holds, in bytes; not available under WDDM and WSL2.
    pub memory: Reading<Bytes>,
    /// The partitions on which it runs; empty on a GPU that has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
    /// How busy it kept the GPU (`nvmlDeviceGetProcessUtilization`).
    #[serde(default)]
    pub utilization: Reading<ProcessUtilization>,
}

impl Process {
    /// A program on no partition, whose utilisation nobody has read.
    pub fn new(pid: u32, kind: ProcessKind, memory: Reading<Bytes>) -> Self {
        Self { pid, kind, memory, partitions: Vec::new(), utilization: Reading::default() }
    }
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

/// A partition by the ids of its instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Partition {
    /// The id of the GPU instance.
    pub gpu_instance: u32,
    /// The id of the compute instance; unknown to the driver for some kinds of programs.
    pub compute_instance: Option<u32>,
}

/// Percent of the driver's last sampling periods that one program kept the parts of a GPU busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUtilization {
    /// The streaming multiprocessors, in percent.
    pub sm: u32,
    /// The memory, in percent.
    pub memory: u32,
    /// The video encoder, in percent.
    pub encoder: u32,
    /// The video decoder, in percent.
    pub decoder: u32,
}
