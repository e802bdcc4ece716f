//! The answer as plain data, and how a person reads it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Daemon;

/// Where a process runs.
///
/// `Display` is for people: the [summary](Self::summary), then one line for each layer with what it was concluded from.
/// As JSON it is for programs; layers and questions are words such as `wsl2` or `{"container": "docker"}`.
///
/// ```
/// use nacp_core::host::{self, Confidence};
///
/// let host = host::detect();
/// for layer in host.layers.iter().filter(|layer| layer.confidence < Confidence::Certain) {
///     println!("not proven: {} because of {:?}", layer.kind, layer.evidence);
/// }
/// if host.is_wsl2() {
///     println!("GPUs come through /dev/dxg: {}", host.gpu);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Host {
    /// The operating system (`linux`, `windows`, `macos`), if it is known.
    pub os: Option<String>,
    /// The kernel's release, if it is known.
    pub kernel: Option<String>,
    /// What was found, from the process outwards: container, pod, system, machine, cloud.
    pub layers: Vec<Layer>,
    /// By which path programs here reach GPUs.
    pub gpu: GpuPath,
    /// The container daemons that were looked for, the one that the command `docker` would use first; empty where nobody
    /// looked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub daemons: Vec<Daemon>,
    /// Questions without an answer. A question that is neither here nor among the layers was answered with "no".
    pub undecided: Vec<Undecided>,
}

/// One layer of the stack, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Layer {
    /// What it is.
    pub kind: LayerKind,
    /// What a user should know about it, in one line; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What was read, and where.
    pub evidence: Vec<Evidence>,
    /// How much the evidence proves.
    pub confidence: Confidence,
}

/// One thing that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The file's path, or `env NAME`.
    pub source: String,
    /// What it says; `present` where only its presence counts.
    pub value: String,
}

/// How much a layer's evidence proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// It fits, and something else fits too.
    Possible,
    /// Nothing else is known that looks like this, but it can be imitated by accident.
    Likely,
    /// The system itself says so.
    Certain,
}

/// What a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LayerKind {
    /// A container of this runtime.
    Container(ContainerRuntime),
    /// A pod of Kubernetes.
    Pod,
    /// A node of Kubernetes, seen from the node itself.
    KubernetesNode,
    /// The first Windows Subsystem for Linux: Linux calls on the Windows kernel; no GPU.
    Wsl1,
    /// The second: a Linux kernel in a small virtual machine; GPUs through `/dev/dxg`.
    Wsl2,
    /// Linux.
    NativeLinux,
    /// Windows.
    NativeWindows,
    /// macOS.
    NativeMacos,
    /// A virtual machine of this hypervisor.
    Hypervisor(Hypervisor),
    /// A machine without a hypervisor underneath.
    BareMetal,
    /// A machine of this cloud.
    Cloud(Cloud),
}

/// What runs a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContainerRuntime {
    /// Docker Engine or Docker Desktop.
    Docker,
    /// Podman.
    Podman,
    /// containerd, through Kubernetes or nerdctl.
    Containerd,
    /// CRI-O.
    CriO,
    /// LXC or Incus.
    Lxc,
    /// systemd-nspawn.
    Nspawn,
    /// It is a container; what runs it is not told.
    Unknown,
}

/// What runs a virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hypervisor {
    /// KVM, with QEMU or a cloud's own monitor.
    Kvm,
    /// VMware.
    Vmware,
    /// Hyper-V.
    HyperV,
    /// Xen.
    Xen,
    /// VirtualBox.
    VirtualBox,
    /// There is one; it does not say which.
    Unknown,
}

/// Who owns the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
    /// Oracle Cloud.
    Oci,
}

/// By which path programs reach GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GpuPath {
    /// Which path.
    pub kind: GpuPathKind,
    /// What a user should know about it, in one line; why, where there is no path or none is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What was read, and where.
    pub evidence: Vec<Evidence>,
    /// How much the evidence proves.
    pub confidence: Confidence,
}

/// A path from programs to GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GpuPathKind {
    /// GPU paravirtualisation through `/dev/dxg`: the Windows driver does the work.
    Paravirtual,
    /// The NVIDIA driver of this kernel.
    Native,
    /// The integrated GPU of an NVIDIA Tegra system.
    Tegra,
    /// No path: no device of a GPU is here.
    None,
    /// It cannot be told.
    Unknown,
}

/// A question about the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Question {
    /// Is this process in a container?
    Container,
    /// Which system is this?
    System,
    /// Is this a virtual machine?
    Machine,
    /// Is the machine a cloud's?
    Cloud,
}

/// A question that the facts do not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Undecided {
    /// The question.
    pub question: Question,
    /// Why there is no answer.
    pub reason: String,
}

impl Host {
    /// The first layer for which `choose` gives a value.
    fn find<T>(&self, choose: impl Fn(LayerKind) -> Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| choose(layer.kind))
    }

    /// Whether the kernel is WSL2's, in a container or not.
    pub fn is_wsl2(&self) -> bool {
        self.layers.iter().any(|layer| layer.kind == LayerKind::Wsl2)
    }

    /// The container's runtime, if this is a container, or possibly one.
    pub fn container(&self) -> Option<ContainerRuntime> {
        self.find(|kind| if let LayerKind::Container(runtime) = kind { Some(runtime) } else { None })
    }

    /// The cloud, if the machine is known to be one's.
    pub fn cloud(&self) -> Option<Cloud> {
        self.find(|kind| if let LayerKind::Cloud(cloud) = kind { Some(cloud) } else { None })
    }

    /// The whole stack in one line, such as `docker container on WSL2 (kernel 5.15.167.4-microsoft-standard-WSL2)`.
    pub fn summary(&self) -> String {
        let container = self.layers.iter().find(|layer| matches!(layer.kind, LayerKind::Container(_)));
        let container = container.map(|layer| match layer.confidence {
            Confidence::Possible => format!("possibly a {}", layer.kind),
            _ => layer.kind.to_string(),
        });
        let pod = self.find(|kind| (kind == LayerKind::Pod).then(|| kind.to_string()));
        let mut text = match (pod, container) {
            (Some(pod), Some(container)) => format!("{pod} ({container}) on "),
            (Some(one), None) | (None, Some(one)) => format!("{one} on "),
            (None, None) => String::new(),
        };
        match self.find(|kind| kind.is_system().then(|| kind.to_string())) {
            Some(system) => text.push_str(&system),
            None => text.push_str("an unknown system"),
        }
        if let Some(kernel) = &self.kernel {
            text.push_str(&format!(" (kernel {kernel})"));
        }
        if self.layers.iter().any(|layer| layer.kind == LayerKind::KubernetesNode) {
            text.push_str(" as a Kubernetes node");
        }
        let machine = self.find(|kind| match kind {
            LayerKind::Hypervisor(Hypervisor::Unknown) => Some(" in a virtual machine".into()),
            LayerKind::Hypervisor(_) => Some(format!(" in a {kind}")),
            LayerKind::BareMetal => Some(format!(" on {kind}")),
            _ => None,
        });
        if let Some(machine) = machine.filter(|_| !self.is_wsl2()) {
            text.push_str(&machine);
        }
        if let Some(cloud) = self.cloud() {
            text.push_str(&format!(" at {}", LayerKind::Cloud(cloud)));
        }
        text
    }
}

impl LayerKind {
    fn is_system(self) -> bool {
        matches!(self, Self::Wsl1 | Self::Wsl2 | Self::NativeLinux | Self::NativeWindows | Self::NativeMacos)
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container(ContainerRuntime::Docker) => "docker container",
            Self::Container(ContainerRuntime::Podman) => "podman container",
            Self::Container(ContainerRuntime::Containerd) => "containerd container",
            Self::Container(ContainerRuntime::CriO) => "CRI-O container",
            Self::Container(ContainerRuntime::Lxc) => "LXC container",
            Self::Container(ContainerRuntime::Nspawn) => "systemd-nspawn container",
            Self::Container(ContainerRuntime::Unknown) => "container of an unknown runtime",
            Self::Pod => "Kubernetes pod",
            Self::KubernetesNode => "Kubernetes node",
            Self::Wsl1 => "WSL1",
            Self::Wsl2 => "WSL2",
            Self::NativeLinux => "native Linux",
            Self::NativeWindows => "native Windows",
            Self::NativeMacos => "native macOS",
            Self::Hypervisor(Hypervisor::Kvm) => "KVM virtual machine",
            Self::Hypervisor(Hypervisor::Vmware) => "VMware virtual machine",
            Self::Hypervisor(Hypervisor::HyperV) => "Hyper-V virtual machine",
            Self::Hypervisor(Hypervisor::Xen) => "Xen virtual machine",
            Self::Hypervisor(Hypervisor::VirtualBox) => "VirtualBox virtual machine",
            Self::Hypervisor(Hypervisor::Unknown) => "virtual machine of an unknown hypervisor",
            Self::BareMetal => "bare metal",
            Self::Cloud(Cloud::Aws) => "AWS",
            Self::Cloud(Cloud::Azure) => "Azure",
            Self::Cloud(Cloud::Gcp) => "Google Cloud",
            Self::Cloud(Cloud::Oci) => "Oracle Cloud",
        })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        })
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.value)
    }
}

/// `what, detail [confidence; evidence; evidence]`.
fn line(
    f: &mut fmt::Formatter<'_>,
    what: &dyn fmt::Display,
    detail: &str,
    confidence: Confidence,
    evidence: &[Evidence],
) -> fmt::Result {
    write!(f, "{what}")?;
    if !detail.is_empty() {
        write!(f, ", {detail}")?;
    }
    write!(f, " [{confidence}")?;
    for evidence in evidence {
        write!(f, "; {evidence}")?;
    }
    f.write_str("]")
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.kind, &self.detail, self.confidence, &self.evidence)
    }
}

impl fmt::Display for GpuPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            GpuPathKind::Paravirtual => "GPUs through /dev/dxg",
            GpuPathKind::Native => "GPUs through the NVIDIA driver",
            GpuPathKind::Tegra => "GPU of a Tegra system",
            GpuPathKind::None => "no path to a GPU",
            GpuPathKind::Unknown => return write!(f, "path to GPUs unknown ({})", self.detail),
        };
        line(f, &what, &self.detail, self.confidence, &self.evidence)
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let question = match self.question {
            Question::Container => "container",
            Question::System => "system",
            Question::Machine => "machine",
            Question::Cloud => "cloud",
        };
        write!(f, "{question} unknown ({})", self.reason)
    }
}

impl fmt::Display for Host {
    /// The summary, then one line for each layer, for the path to GPUs, for each daemon, and for each open question.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        for layer in &self.layers {
            write!(f, "\n  {layer}")?;
        }
        write!(f, "\n  {}", self.gpu)?;
        for daemon in &self.daemons {
            write!(f, "\n  {daemon}")?;
        }
        for undecided in &self.undecided {
            write!(f, "\n  {undecided}")?;
        }
        Ok(())
    }
}
