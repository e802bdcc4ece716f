//! Device nodes.

use serde::{Deserialize, Serialize};

use crate::host::Seen;

/// The device nodes of GPUs on this machine, or in this container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Devices {
    /// `/dev/nvidia*`, `/dev/nvidia-caps/*`, `/dev/dxg`, `/dev/nvidia-caps-imex-channels/*`, in order.
    pub nodes: Vec<DeviceNode>,
    /// Whether `/dev/char` has links to the NVIDIA devices, which runc needs to keep a container's devices through a
    /// reload of systemd.
    pub char_links: Seen<bool>,
    /// The PCI addresses of NVIDIA's display and 3D controllers, whatever driver they have (`/sys/bus/pci/devices/*`,
    /// vendor `0x10de`, class `0x03…`).
    pub pci: Seen<Vec<String>>,
    /// The user of this process: its number and its groups.
    pub user: Option<u32>,
    /// The groups of this process.
    pub groups: Vec<u32>,
}

/// One device node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceNode {
    /// Where it is.
    pub path: String,
    /// Its permissions, as in `0o666`.
    pub mode: Option<u32>,
    /// Its owner's number.
    pub uid: Option<u32>,
    /// Its group's number.
    pub gid: Option<u32>,
}

impl Devices {
    /// The node of this path.
    pub fn node(&self, path: &str) -> Option<&DeviceNode> {
        self.nodes.iter().find(|node| node.path == path)
    }

    /// The nodes of whole GPUs, `/dev/nvidia0` and so on.
    pub fn gpus(&self) -> impl Iterator<Item = &DeviceNode> {
        self.nodes.iter().filter(|node| {
            let number = node.path.strip_prefix("/dev/nvidia").unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    }
}
