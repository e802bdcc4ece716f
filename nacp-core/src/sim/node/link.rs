//! How a GPU is connected: PCIe, NVLink, the fabric, a processor on its board.

use serde::{Deserialize, Serialize};

use super::numbered::{FabricConfiguration, FabricState, FabricSummary, LinkEnd, PeerStatus};
use crate::units::Bytes;

/// A PCIe link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcieFile {
    /// The generation at which it runs now.
    pub generation: Option<u32>,
    /// The lanes that it uses now.
    pub width: Option<u32>,
    /// The highest generation that GPU and machine can do together.
    pub max_generation: Option<u32>,
    /// The highest generation that the GPU can do.
    pub gpu_max_generation: Option<u32>,
    /// The most lanes that GPU and machine can use together.
    pub max_width: Option<u32>,
    /// The highest speed per lane, in MT/s.
    pub max_speed: Option<u32>,
    /// Sent over the last 20 ms, in KB/s.
    pub tx: Option<u32>,
    /// Received over the last 20 ms, in KB/s.
    pub rx: Option<u32>,
    /// Bytes sent since the driver was loaded.
    pub tx_bytes: Option<u64>,
    /// Bytes received since the driver was loaded.
    pub rx_bytes: Option<u64>,
    /// Packets that had to be sent again.
    pub replays: Option<u32>,
    /// How often the counter of replays has begun anew.
    pub replay_rollovers: Option<u32>,
    /// How often the link had to be recovered.
    pub recoveries: Option<u32>,
    /// Errors by kind.
    pub errors: Option<PcieErrorsFile>,
}

impl PcieFile {
    /// The present speed per lane, in MT/s.
    pub fn speed(&self) -> Option<u32> {
        match self.generation? {
            1 => Some(2500),
            2 => Some(5000),
            3 => Some(8000),
            4 => Some(16000),
            5 => Some(32000),
            6 => Some(64000),
            _ => None,
        }
    }
}

/// Errors of a PCIe link since the driver was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcieErrorsFile {
    /// Corrected.
    pub correctable: u32,
    /// Packets that the other side refused.
    pub naks_received: u32,
    /// Errors of the receiver.
    pub receiver: u32,
    /// Bad transaction packets.
    pub bad_tlp: u32,
    /// Packets that this side refused.
    pub naks_sent: u32,
    /// Bad data link packets.
    pub bad_dllp: u32,
    /// Not fatal.
    pub non_fatal: u32,
    /// Fatal.
    pub fatal: u32,
    /// Requests that are not supported.
    pub unsupported_request: u32,
    /// Wrong checksums.
    pub lcrc: u32,
    /// Errors of lanes.
    pub lane: u32,
}

/// The window through which the processor sees a GPU's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar1File {
    /// All of it.
    pub total: Bytes,
    /// In use.
    pub used: Bytes,
}

/// What a GPU can do with other GPUs. Two GPUs can do what both can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersFile {
    /// Read their memory.
    pub read: PeerStatus,
    /// Write their memory.
    pub write: PeerStatus,
    /// Reach them over NVLink.
    pub nvlink: PeerStatus,
    /// Atomic operations on their memory.
    pub atomics: PeerStatus,
    /// Reach them over PCI.
    pub pci: PeerStatus,
}

impl PeersFile {
    /// What this GPU and another can do with each other, by NVML's index (`nvmlGpuP2PCapsIndex_t`).
    pub fn status(self, other: Self, index: u32) -> Option<PeerStatus> {
        let (own, theirs) = match index {
            0 => (self.read, other.read),
            1 => (self.write, other.write),
            2 => (self.nvlink, other.nvlink),
            3 => (self.atomics, other.atomics),
            4 => (self.pci, other.pci),
            _ => return None,
        };
        Some(if own == PeerStatus::Ok { theirs } else { own })
    }
}

/// The NVLinks of a GPU. All links are alike, except where `exceptions` says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NvLinkFile {
    /// The version: `3.0`, `4.0`, `5.0`.
    pub version: NvLinkVersion,
    /// How many links there are.
    pub links: u32,
    /// MB/s of one active link.
    pub speed: u32,
    /// What stands at the far end of every link.
    pub remote: LinkEnd,
    /// PCI addresses of the far ends, link by link; when there are fewer than links, they begin anew.
    pub remotes: Vec<String>,
    /// Every link.
    pub link: LinkFile,
    /// Links that differ.
    #[serde(default)]
    pub exceptions: Vec<LinkException>,
    /// Whether the links are encrypted.
    #[serde(default)]
    pub encrypted: bool,
}

impl NvLinkFile {
    /// What a link counts, and whether it is active; nothing for a link that there is not.
    pub fn link(&self, link: u32) -> Option<(&LinkFile, bool)> {
        if link >= self.links {
            return None;
        }
        let exception = self.exceptions.iter().find(|exception| exception.link == link);
        Some(
            exception.map_or((&self.link, true), |other| (other.counters.as_ref().unwrap_or(&self.link), other.active)),
        )
    }

    /// The PCI address of a link's far end.
    pub fn far_end(&self, link: u32) -> Option<&str> {
        let nth = usize::try_from(link).ok()?.checked_rem(self.remotes.len())?;
        self.remotes.get(nth).map(String::as_str)
    }

    /// How many links are active.
    pub fn active(&self) -> u32 {
        (0..self.links).map(|link| u32::from(self.link(link).is_some_and(|(_, active)| active))).sum()
    }

    /// The sum of a counter over all links.
    pub fn sum(&self, counter: impl Fn(&LinkFile) -> u64) -> u64 {
        (0..self.links).filter_map(|link| self.link(link)).map(|(link, _)| counter(link)).sum()
    }
}

/// A version of NVLink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NvLinkVersion {
    /// 1.0 (Pascal).
    #[serde(rename = "1.0")]
    V1,
    /// 2.0 (Volta).
    #[serde(rename = "2.0")]
    V2,
    /// 2.2 (Turing).
    #[serde(rename = "2.2")]
    V2_2,
    /// 3.0 (A100).
    #[serde(rename = "3.0")]
    V3,
    /// 3.1 (other Amperes).
    #[serde(rename = "3.1")]
    V3_1,
    /// 4.0 (Hopper).
    #[serde(rename = "4.0")]
    V4,
    /// 5.0 (Blackwell).
    #[serde(rename = "5.0")]
    V5,
}

impl NvLinkVersion {
    /// The number that nvml.h gives it (`nvmlNvlinkVersion_t`).
    pub const fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V2_2 => 3,
            Self::V3 => 4,
            Self::V3_1 => 5,
            Self::V4 => 6,
            Self::V5 => 7,
        }
    }
}

/// What one NVLink counts since the driver was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkFile {
    /// Data sent, in KiB.
    pub tx: u64,
    /// Data received, in KiB.
    pub rx: u64,
    /// Errors in flow control.
    pub crc_flit: u64,
    /// Errors in data.
    pub crc_data: u64,
    /// Packets sent again.
    pub replay: u64,
    /// Recoveries of the link.
    pub recovery: u64,
    /// ECC errors in data.
    pub ecc: u64,
    /// Further counters of NVLink 5.
    pub v5: Option<Link5File>,
}

/// Counters that came with NVLink 5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Link5File {
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Malformed packets.
    pub malformed: u64,
    /// Packets dropped because a buffer was full.
    pub buffer_overrun: u64,
    /// Packets received with errors.
    pub rx_errors: u64,
    /// Packets that the other side marked as bad.
    pub rx_remote_errors: u64,
    /// Packets with a wrong header.
    pub rx_general_errors: u64,
    /// How often local errors exceeded their threshold.
    pub integrity: u64,
    /// Packets not sent because of errors.
    pub tx_discards: u64,
    /// Recoveries that succeeded.
    pub recovered: u64,
    /// Recoveries that failed.
    pub recovery_failed: u64,
    /// Errors that remain after correction.
    pub effective_errors: u64,
    /// The rate of those, as NVML packs it: mantissa in bits 8 and up, exponent in bits 0 to 7.
    pub effective_ber: u64,
    /// Errors in symbols.
    pub symbol_errors: u64,
    /// The rate of those, packed alike.
    pub symbol_ber: u64,
}

/// A link that differs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkException {
    /// Which link.
    pub link: u32,
    /// Whether it is active.
    pub active: bool,
    /// What it counts; absent: as the others.
    #[serde(default)]
    pub counters: Option<LinkFile>,
}

/// The place of a GPU in an NVLink fabric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FabricFile {
    /// The UUID of the cluster.
    pub cluster: String,
    /// The group within the cluster whose GPUs reach each other.
    pub clique: u32,
    /// How far the registration has come.
    pub state: FabricState,
    /// With which of NVML's codes it has ended; 0 for success.
    #[serde(default)]
    pub status: u32,
    /// What the driver says about the fabric's health.
    #[serde(default)]
    pub health: FabricHealth,
    /// The same in one word.
    pub summary: FabricSummary,
}

impl FabricFile {
    /// The sixteen bytes of the cluster's UUID; what is no hexadecimal digit is left out.
    pub fn cluster_bytes(&self) -> [u8; 16] {
        let digits: Vec<u32> = self.cluster.chars().filter_map(|digit| digit.to_digit(16)).collect();
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair.iter().fold(0, |value, digit| value << 4 | u8::try_from(*digit).unwrap_or(0));
        }
        bytes
    }
}

/// Health of a fabric; what is absent is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FabricHealth {
    /// Whether the bandwidth is reduced.
    pub degraded_bandwidth: Option<bool>,
    /// Whether a route is being recovered.
    pub route_recovery: Option<bool>,
    /// Whether a route is not healthy.
    pub route_unhealthy: Option<bool>,
    /// Whether an access has timed out and is being recovered.
    pub access_timeout: Option<bool>,
    /// What is wrong in the configuration.
    pub configuration: Option<FabricConfiguration>,
}

impl FabricHealth {
    /// The bits of `healthMask` (`NVML_GPU_FABRIC_HEALTH_MASK_…`).
    pub fn mask(self) -> u32 {
        let flag = |flag: Option<bool>| flag.map_or(0, |is_so| if is_so { 1 } else { 2 });
        flag(self.degraded_bandwidth)
            | flag(self.route_recovery) << 2
            | flag(self.route_unhealthy) << 4
            | flag(self.access_timeout) << 6
            | self.configuration.map_or(0, FabricConfiguration::number) << 8
    }
}

/// Links of a GPU to an NVIDIA processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct C2cFile {
    /// How many links.
    pub links: u32,
    /// MB/s of one link.
    pub speed: u32,
}
