//! What two GPUs are to each other.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{GpuId, Reading, Unknown};

/// What two GPUs of a node are to each other; told once for each pair, the lower index first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pair {
    /// One of them.
    pub a: GpuId,
    /// The other.
    pub b: GpuId,
    /// What of the machine lies between them (`nvmlDeviceGetTopologyCommonAncestor`).
    pub ancestor: Reading<Ancestor>,
    /// Whether each can use the other's memory.
    pub peer: PeerAccess,
}

impl Pair {
    /// A pair of which nothing is known yet.
    pub fn new(a: GpuId, b: GpuId) -> Self {
        Self { a, b, ancestor: Reading::default(), peer: PeerAccess::default() }
    }

    /// A pair of which nothing can be known, and why.
    pub fn unknown(a: GpuId, b: GpuId, reason: Unknown) -> Self {
        let status = || Reading::Unknown(reason);
        let peer = PeerAccess { read: status(), write: status(), nvlink: status(), atomics: status() };
        Self { a, b, ancestor: Reading::Unknown(reason), peer }
    }
}

/// What of the machine lies between two GPUs, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ancestor {
    /// They are on one board.
    Internal,
    /// One PCIe switch.
    Switch,
    /// Several PCIe switches, without the host's bridge.
    Switches,
    /// A PCIe host bridge.
    HostBridge,
    /// One NUMA node, over its own interconnect.
    Node,
    /// The interconnect between NUMA nodes.
    System,
}

impl Ancestor {
    /// The level with NVML's number (`nvmlGpuTopologyLevel_t`).
    pub const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Internal,
            10 => Self::Switch,
            20 => Self::Switches,
            30 => Self::HostBridge,
            40 => Self::Node,
            50 => Self::System,
            _ => return None,
        })
    }

    /// NVML's number of the level.
    pub const fn code(self) -> u32 {
        match self {
            Self::Internal => 0,
            Self::Switch => 10,
            Self::Switches => 20,
            Self::HostBridge => 30,
            Self::Node => 40,
            Self::System => 50,
        }
    }

    /// The abbreviation that `nvidia-smi topo -m` uses.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Internal => "PSB",
            Self::Switch => "PIX",
            Self::Switches => "PXB",
            Self::HostBridge => "PHB",
            Self::Node => "NODE",
            Self::System => "SYS",
        }
    }
}

impl fmt::Display for Ancestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.short())
    }
}

/// Whether two GPUs can use each other's memory, each way of use apart (`nvmlDeviceGetP2PStatus`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerAccess {
    /// Reading.
    pub read: Reading<PeerStatus>,
    /// Writing.
    pub write: Reading<PeerStatus>,
    /// Over NVLink.
    pub nvlink: Reading<PeerStatus>,
    /// Atomic operations.
    pub atomics: Reading<PeerStatus>,
}

/// Whether one GPU can reach the other, or what stands in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PeerStatus {
    /// It can.
    Ok,
    /// The chipset cannot.
    ChipsetNotSupported,
    /// One of the GPUs cannot.
    GpuNotSupported,
    /// The machine's structure (IOH) does not allow it.
    TopologyNotSupported,
    /// An entry of the registry forbids it.
    DisabledByRegistry,
    /// It cannot.
    NotSupported,
    /// The driver does not know.
    Unknown,
}

impl PeerStatus {
    /// The status with NVML's number (`nvmlGpuP2PStatus_t`); a number that NACP does not know is `Unknown`.
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::ChipsetNotSupported,
            2 => Self::GpuNotSupported,
            3 => Self::TopologyNotSupported,
            4 => Self::DisabledByRegistry,
            5 => Self::NotSupported,
            _ => Self::Unknown,
        }
    }
}
