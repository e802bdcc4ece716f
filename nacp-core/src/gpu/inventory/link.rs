//! NVLinks and the fabric that they make.

use serde::{Deserialize, Serialize};

use crate::gpu::Reading;

/// One NVLink of a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NvLink {
    /// The link's number on this GPU, from 0.
    pub link: u32,
    /// Whether it is up (`nvmlDeviceGetNvLinkState`).
    pub active: Reading<bool>,
    /// The NVLink version as the driver numbers it (`nvmlDeviceGetNvLinkVersion`).
    pub version: Reading<u32>,
    /// The PCI address of what is at its other end (`nvmlDeviceGetNvLinkRemotePciInfo_v2`).
    pub remote: Reading<String>,
    /// What is at its other end (`nvmlDeviceGetNvLinkRemoteDeviceType`).
    pub remote_device: Reading<RemoteDevice>,
    /// Its speed in each direction, in megabytes (10^6) a second (field `NVML_FI_DEV_NVLINK_GET_SPEED`).
    pub speed: Reading<u32>,
}

/// What is at the other end of an NVLink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RemoteDevice {
    /// Another GPU.
    Gpu,
    /// An IBM POWER processor.
    IbmNpu,
    /// An NVSwitch.
    Switch,
    /// The driver does not know.
    Unknown,
}

/// A GPU's place in an NVLink fabric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fabric {
    /// How far its registration has come.
    pub state: FabricState,
    /// With which NVML code the registration ended; 0 is success. It counts only once it is completed.
    pub status: i32,
    /// The UUID of the cluster, in hexadecimal digits; empty while there is none.
    pub cluster: String,
    /// The id of the clique: GPUs of one cluster and clique reach each other.
    pub clique: u32,
    /// The driver's mask of health, two bits a property (0 unsupported, 1 true, 2 false), where it tells one.
    pub health: Reading<u32>,
}

impl Fabric {
    /// A place with no health told.
    pub fn new(state: FabricState, status: i32, cluster: impl Into<String>, clique: u32) -> Self {
        Self { state, status, cluster: cluster.into(), clique, health: Reading::default() }
    }
}

/// How far a GPU's registration with the fabric has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FabricState {
    /// This GPU knows no fabric.
    NotSupported,
    /// It has not begun.
    NotStarted,
    /// It is under way.
    InProgress,
    /// It has ended; the status says how.
    Completed,
}
