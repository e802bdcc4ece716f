//! What a node or a pod shows of Kubernetes.

use serde::{Deserialize, Serialize};

use crate::host::Seen;

/// What this machine or pod shows of Kubernetes. The API server is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Kubernetes {
    /// Whether this is a node: a kubelet's files are here.
    pub node: bool,
    /// Whether this process is in a pod.
    pub pod: bool,
    /// The names of the runtimes in containerd's configuration (`/etc/containerd/config.toml` and what it imports),
    /// such as `runc`, `nvidia`.
    pub containerd_runtimes: Seen<Vec<String>>,
    /// Sockets of device plugins (`/var/lib/kubelet/device-plugins/*.sock`), by name.
    pub plugin_sockets: Seen<Vec<String>>,
    /// The unit of systemd that runs the node's container runtime, as the files that it leaves tell: `containerd`, `crio`,
    /// `k3s`, `k3s-agent`, `rke2-server`, `rke2-agent`.
    pub unit: Option<String>,
    /// Whether NVIDIA's driver of dynamic resource allocation gives pods the GPUs of this node
    /// (`/var/lib/kubelet/plugins/gpu.nvidia.com`), which needs no device plugin.
    pub dra: bool,
    /// What the kubelet recorded of its devices (`kubelet_internal_checkpoint`): how many of NVIDIA's are registered, whole
    /// GPUs (`nvidia.com/gpu`), shared ones (`nvidia.com/gpu.shared`) and MIG devices (`nvidia.com/mig-1g.10gb`).
    pub gpus_registered: Seen<u32>,
    /// How many of them are allotted to pods.
    pub gpus_allotted: Seen<u32>,
    /// Errors of pods, as the user or a file gave them: the text of events and conditions.
    pub messages: Vec<String>,
}
