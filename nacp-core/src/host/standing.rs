//! On which of the options of the founding decision a machine stands.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::daemon::is_wsl2;
use super::facts::MOUNTS;
use super::{Daemon, DaemonPlace, Host, Hypervisor, Layer, LayerKind};

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
#[non_exhaustive]
pub struct Standing {
    /// What a process is here; none where it is none of the options, or cannot be told.
    pub process: Option<RuntimeOption>,
    /// What the containers are that are started from here; none where no daemon answers, or it is none of the options.
    pub containers: Option<RuntimeOption>,
    /// What that was concluded from, in one sentence for each of the two.
    pub why: String,
}

/// One half of a standing, and why.
type Half = (Option<RuntimeOption>, String);

impl Host {
    /// On which options this machine stands. Pure: it is concluded from the layers and the daemons.
    ///
    /// ```
    /// let standing = nacp_core::host::detect().standing();
    /// println!("{}", standing.why);
    /// ```
    pub fn standing(&self) -> Standing {
        let (process, why_process) = process(self);
        let (containers, why_containers) = containers(self, process);
        Standing { process, containers, why: format!("Processes: {why_process}. Containers: {why_containers}.") }
    }
}

fn layer(host: &Host, kind: LayerKind) -> Option<&Layer> {
    host.layers.iter().find(|layer| layer.kind == kind)
}

fn process(host: &Host) -> Half {
    let is = |kind| layer(host, kind).is_some();
    let container = host.layers.iter().find(|layer| matches!(layer.kind, LayerKind::Container(_)));
    if is(LayerKind::Pod) {
        return (Some(RuntimeOption::KubernetesNode), "this one is in a pod".into());
    }
    if is(LayerKind::KubernetesNode) {
        return (Some(RuntimeOption::KubernetesNode), "this machine is a node of Kubernetes".into());
    }
    if is(LayerKind::NativeWindows) {
        return (Some(RuntimeOption::AProcess), "this is Windows".into());
    }
    if let Some(container) = container.filter(|_| is(LayerKind::Wsl2)) {
        return container_on_wsl2(host, container);
    }
    if is(LayerKind::Wsl2) {
        return (Some(RuntimeOption::BProcess), "this is a distribution of WSL2".into());
    }
    if is(LayerKind::Wsl1) {
        return (None, "WSL1 is none of the options, it has no GPUs".into());
    }
    if is(LayerKind::NativeMacos) {
        return (None, "macOS is none of the options".into());
    }
    if host.kernel.as_deref().is_some_and(|kernel| kernel.contains("linuxkit")) {
        // Its kernel is the same on Windows, macOS and Linux; only Windows has Hyper-V.
        if is(LayerKind::Hypervisor(Hypervisor::HyperV)) {
            let why = "this is Docker Desktop's virtual machine on Windows, without a GPU";
            return (Some(RuntimeOption::AContainer), why.into());
        }
        let why = "this is Docker Desktop's virtual machine, without a GPU, and nothing says that it is on Windows";
        return (None, why.into());
    }
    if !is(LayerKind::NativeLinux) {
        return (None, "the system is not known".into());
    }
    let hypervisor = host.layers.iter().find(|layer| matches!(layer.kind, LayerKind::Hypervisor(_)));
    match (hypervisor, host.cloud()) {
        (Some(_), Some(cloud)) => {
            let cloud = LayerKind::Cloud(cloud);
            (Some(RuntimeOption::CloudVm), format!("this is a virtual machine at {cloud}"))
        }
        (None, Some(cloud)) => {
            let cloud = LayerKind::Cloud(cloud);
            (Some(RuntimeOption::NativeLinux), format!("this is Linux on a whole machine at {cloud}"))
        }
        (Some(layer), None) if layer.kind == LayerKind::Hypervisor(Hypervisor::HyperV) && has_dxg(host) => {
            (None, "a guest of Hyper-V that reaches its GPU through /dev/dxg is none of the options".into())
        }
        (Some(layer), None) => {
            (Some(RuntimeOption::NativeLinux), format!("this is Linux in a {}, in no known cloud", layer.kind))
        }
        (None, None) => (Some(RuntimeOption::NativeLinux), "this is native Linux".into()),
    }
}

fn has_dxg(host: &Host) -> bool {
    host.gpu.kind == super::GpuPathKind::Paravirtual
}

/// Docker Desktop and a distribution's own daemon share the kernel. What tells them apart is where the engine keeps the
/// files of its containers.
fn container_on_wsl2(host: &Host, container: &Layer) -> Half {
    let from = |part: &str| {
        let mounts = container.evidence.iter().filter(|evidence| evidence.source == MOUNTS);
        mounts.into_iter().any(|mount| mount.value.contains(part))
    };
    let asked = host.daemons.iter().find(|daemon| daemon.chosen).map(|daemon| daemon.place);
    if from(" from /data/docker/") || from("/version-pack-data/") || asked == Some(DaemonPlace::DesktopWsl2) {
        return (Some(RuntimeOption::AContainer), "this one is in a container of Docker Desktop on WSL2".into());
    }
    if from(" from /var/lib/docker/") || asked == Some(DaemonPlace::ThisKernel) {
        return (Some(RuntimeOption::BContainer), "this one is in a container of a WSL2 distribution's daemon".into());
    }
    (None, "this one is in a container on WSL2, of Docker Desktop or of a distribution's daemon".into())
}

fn containers(host: &Host, process: Option<RuntimeOption>) -> Half {
    let answered: Vec<&Daemon> = host.daemons.iter().filter(|daemon| daemon.answer.found().is_some()).collect();
    let Some(daemon) = answered.iter().find(|daemon| daemon.chosen).or(answered.first()) else {
        return match process {
            Some(RuntimeOption::KubernetesNode) => (process, "the cluster starts them".into()),
            _ if host.daemons.is_empty() => (None, "no daemon was looked for".into()),
            _ => (None, "no daemon answers".into()),
        };
    };
    let kernel = daemon.answer.found().and_then(|info| info.kernel.as_deref()).unwrap_or_default();
    let from_windows = matches!(process, Some(RuntimeOption::AProcess)) || layer(host, LayerKind::Wsl1).is_some();
    match daemon.place {
        DaemonPlace::DesktopWsl2 if process == Some(RuntimeOption::BProcess) => {
            let why = "docker leads from this distribution to Docker Desktop, so they are option A's";
            (Some(RuntimeOption::AContainer), why.into())
        }
        DaemonPlace::DesktopWsl2 => (Some(RuntimeOption::AContainer), "the daemon is Docker Desktop's on WSL2".into()),
        DaemonPlace::DesktopVm if layer(host, LayerKind::NativeMacos).is_none() => {
            let why =
                "the daemon is in Docker Desktop's virtual machine, without a GPU; only its WSL2 backend has GPUs";
            (Some(RuntimeOption::AContainer), why.into())
        }
        DaemonPlace::DesktopVm | DaemonPlace::DesktopLinux => {
            (None, "Docker Desktop's virtual machine there is none of the options, it has no GPU".into())
        }
        DaemonPlace::OtherVm if from_windows && is_wsl2(kernel) => {
            (Some(RuntimeOption::BContainer), "the daemon is in a WSL2 distribution".into())
        }
        DaemonPlace::OtherVm => (None, "the daemon is in a virtual machine that is none of the options".into()),
        DaemonPlace::ThisKernel if layer(host, LayerKind::Wsl2).is_some() => {
            (Some(RuntimeOption::BContainer), "the daemon is in a distribution of this WSL2".into())
        }
        DaemonPlace::ThisKernel if from_windows => (None, "containers of Windows reach no CUDA".into()),
        DaemonPlace::ThisKernel => (process, "the daemon is on this kernel".into()),
        DaemonPlace::Remote => (None, "the daemon is on another machine; ask there".into()),
        DaemonPlace::Unknown => (None, "it cannot be told where the daemon runs".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::layers::tests::facts;

    #[test]
    fn a_kernel_of_docker_desktop_alone_does_not_prove_windows() {
        let kernel = ("/proc/sys/kernel/osrelease", "6.10.14-linuxkit");
        let of = |more: &[(&str, &str)]| {
            let known = [&[kernel], more].concat();
            facts(&known).decide().standing().process
        };
        let (vendor, product) = ("/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name");
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("/.dockerenv", "")]), None);
        assert_eq!(of(&[(vendor, "QEMU")]), None);
        let windows = [(vendor, "Microsoft Corporation"), (product, "Virtual Machine")];
        assert_eq!(of(&windows), Some(RuntimeOption::AContainer));
    }
}
