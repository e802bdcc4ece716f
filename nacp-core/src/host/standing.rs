//! On which of the options of the founding decision a machine stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A way to run GPU services, as the founding decision compares them.
///
/// Processes and containers are apart: on one machine they may take different ways. The containers of both options run
/// on the same path to the GPU, WSL2's `/dev/dxg`; they differ in who owns the daemon and the toolkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeOption {
    /// Option A: a process of Windows.
    AProcess,
    /// Option A: a Linux container of Docker Desktop.
    AContainer,
    /// Option B: a process in a WSL2 distribution.
    BProcess,
    /// Option B: a container of a daemon in the same WSL2 distribution.
    BContainer,
    /// Linux on the machine itself, without WSL2, cluster or cloud.
    NativeLinux,
    /// A node of Kubernetes, or a pod on one.
    KubernetesNode,
    /// A virtual machine of a cloud.
    CloudVm,
}

impl RuntimeOption {
    /// Every option, in the order of the decision.
    pub const ALL: [Self; 7] = [
        Self::AProcess,
        Self::AContainer,
        Self::BProcess,
        Self::BContainer,
        Self::NativeLinux,
        Self::KubernetesNode,
        Self::CloudVm,
    ];

    /// Its name for programs, such as `b_container`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AProcess => "a_process",
            Self::AContainer => "a_container",
            Self::BProcess => "b_process",
            Self::BContainer => "b_container",
            Self::NativeLinux => "native_linux",
            Self::KubernetesNode => "kubernetes_node",
            Self::CloudVm => "cloud_vm",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::AProcess => "A: Windows process",
            Self::AContainer => "A: Docker Desktop container",
            Self::BProcess => "B: WSL2 process",
            Self::BContainer => "B: WSL2 container",
            Self::NativeLinux => "native Linux",
            Self::KubernetesNode => "Kubernetes node",
            Self::CloudVm => "cloud VM",
        }
    }
}

impl fmt::Display for RuntimeOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// On which options a machine stands: what a process there is, and what the containers are that it would start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What a process is here; none where it is none of the options, or cannot be told.
    pub process: Option<RuntimeOption>,
    /// What the containers are that are started from here; none where no daemon answers, or it is none of the options.
    pub containers: Option<RuntimeOption>,
    /// What that was concluded from, in one sentence for each of the two.
    pub why: String,
}
