//! What each machine in `tests/fixtures/hosts` is.

use nacp_core::host::{Cloud, ContainerRuntime, GpuPathKind, Hypervisor, LayerKind};

/// One row: the fixture, its layers from the process outwards, its path to GPUs, and the line that a user reads.
pub(crate) type Row = (&'static str, &'static [LayerKind], GpuPathKind, &'static str);

const DOCKER: LayerKind = LayerKind::Container(ContainerRuntime::Docker);
const HYPER_V: LayerKind = LayerKind::Hypervisor(Hypervisor::HyperV);
const KVM: LayerKind = LayerKind::Hypervisor(Hypervisor::Kvm);
const LINUX: LayerKind = LayerKind::NativeLinux;
const METAL: LayerKind = LayerKind::BareMetal;

const WINDOWS: LayerKind = LayerKind::NativeWindows;
const GENERIC: &str = "native Linux (kernel 6.8.0-85-generic) on bare metal";
const WSL_6: &str = "WSL2 (kernel 6.6.87.2-microsoft-standard-WSL2)";

/// Every machine of the folder.
pub(crate) const TABLE: [Row; 61] = [
    (
        "aws-ec2",
        &[LINUX, KVM, LayerKind::Cloud(Cloud::Aws)],
        GpuPathKind::Native,
        "native Linux (kernel 6.8.0-1021-aws) in a KVM virtual machine at AWS",
    ),
    (
        "aws-ec2-metal",
        &[LINUX, METAL, LayerKind::Cloud(Cloud::Aws)],
        GpuPathKind::Native,
        "native Linux (kernel 6.8.0-1021-aws) on bare metal at AWS",
    ),
    (
        "azure-vm",
        &[LINUX, HYPER_V, LayerKind::Cloud(Cloud::Azure)],
        GpuPathKind::Native,
        "native Linux (kernel 6.8.0-1021-azure) in a Hyper-V virtual machine at Azure",
    ),
    ("bare-metal", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.8.0-85-generic) on bare metal"),
    ("bare-metal-docker", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.8.0-85-generic) on bare metal"),
    (
        "bare-metal-docker-legacy",
        &[LINUX, METAL],
        GpuPathKind::Native,
        "native Linux (kernel 5.15.0-157-generic) on bare metal",
    ),
    ("desktop-linux", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.8.0-85-generic) on bare metal"),
    (
        "docker",
        &[DOCKER, LINUX, METAL],
        GpuPathKind::Native,
        "docker container on native Linux (kernel 6.8.0-85-generic) on bare metal",
    ),
    (
        "docker-on-wsl2",
        &[DOCKER, LayerKind::Wsl2, HYPER_V],
        GpuPathKind::Paravirtual,
        "docker container on WSL2 (kernel 5.15.167.4-microsoft-standard-WSL2)",
    ),
    (
        "docker-without-gpu",
        &[DOCKER, LINUX, METAL],
        GpuPathKind::None,
        "docker container on native Linux (kernel 6.8.0-85-generic) on bare metal",
    ),
    (
        "gcp-vm",
        &[LINUX, KVM, LayerKind::Cloud(Cloud::Gcp)],
        GpuPathKind::Native,
        "native Linux (kernel 6.1.0-28-cloud-amd64) in a KVM virtual machine at Google Cloud",
    ),
    (
        "hyper-v-guest-with-dxg",
        &[LINUX, HYPER_V],
        GpuPathKind::Paravirtual,
        "native Linux (kernel 6.8.0-85-generic) in a Hyper-V virtual machine",
    ),
    ("jetson", &[LINUX], GpuPathKind::Tegra, "native Linux (kernel 5.15.148-tegra)"),
    (
        "kubernetes-node",
        &[LayerKind::KubernetesNode, LINUX, METAL],
        GpuPathKind::Native,
        "native Linux (kernel 5.15.0-157-generic) as a Kubernetes node on bare metal",
    ),
    (
        "kubernetes-pod",
        &[LayerKind::Container(ContainerRuntime::Containerd), LayerKind::Pod, LINUX, KVM],
        GpuPathKind::Native,
        "Kubernetes pod (containerd container) on native Linux (kernel 6.8.0-1030-generic) in a KVM virtual machine",
    ),
    (
        "kubernetes-pod-cri-o",
        &[LayerKind::Container(ContainerRuntime::CriO), LayerKind::Pod, LINUX, METAL],
        GpuPathKind::None,
        "Kubernetes pod (CRI-O container) on native Linux (kernel 5.14.0-503.el9.x86_64) on bare metal",
    ),
    ("laptop-without-gpu", &[LINUX, METAL], GpuPathKind::None, "native Linux (kernel 6.14.0-33-generic) on bare metal"),
    (
        "lxc",
        &[LayerKind::Container(ContainerRuntime::Lxc), LINUX, METAL],
        GpuPathKind::None,
        "LXC container on native Linux (kernel 6.8.12-4-pve) on bare metal",
    ),
    (
        "microvm",
        &[LINUX, LayerKind::Hypervisor(Hypervisor::Unknown)],
        GpuPathKind::None,
        "native Linux (kernel 6.1.102) in a virtual machine",
    ),
    (
        "oci-bare-metal",
        &[LINUX, METAL, LayerKind::Cloud(Cloud::Oci)],
        GpuPathKind::Native,
        "native Linux (kernel 5.15.0-300.el9uek.x86_64) on bare metal at Oracle Cloud",
    ),
    (
        "podman",
        &[LayerKind::Container(ContainerRuntime::Podman), LINUX, METAL],
        GpuPathKind::None,
        "podman container on native Linux (kernel 6.11.4-301.fc41.x86_64) on bare metal",
    ),
    (
        "podman-native",
        &[LINUX, METAL],
        GpuPathKind::Native,
        "native Linux (kernel 6.11.4-301.fc41.x86_64) on bare metal",
    ),
    ("rootless-docker", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.8.0-85-generic) on bare metal"),
    ("server-mig", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 5.15.0-157-generic) on bare metal"),
    ("server-nvswitch", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 5.15.0-157-generic) on bare metal"),
    (
        "vmware-guest",
        &[LINUX, LayerKind::Hypervisor(Hypervisor::Vmware)],
        GpuPathKind::None,
        "native Linux (kernel 6.1.0-28-amd64) in a VMware virtual machine",
    ),
    ("wsl1", &[LayerKind::Wsl1], GpuPathKind::None, "WSL1 (kernel 4.4.0-19041-Microsoft)"),
    ("wsl2", &[LayerKind::Wsl2, HYPER_V], GpuPathKind::Paravirtual, "WSL2 (kernel 5.15.167.4-microsoft-standard-WSL2)"),
    ("wsl2-custom-kernel", &[LayerKind::Wsl2, HYPER_V], GpuPathKind::Paravirtual, "WSL2 (kernel 6.12.10-mine)"),
    (
        "wsl2-desktop",
        &[LayerKind::Wsl2, HYPER_V],
        GpuPathKind::Paravirtual,
        "WSL2 (kernel 5.15.167.4-microsoft-standard-WSL2)",
    ),
    (
        "wsl2-docker",
        &[LayerKind::Wsl2, HYPER_V],
        GpuPathKind::Paravirtual,
        "WSL2 (kernel 5.15.167.4-microsoft-standard-WSL2)",
    ),
    ("arm-vm", &[LINUX, KVM], GpuPathKind::None, "native Linux (kernel 6.12.20-arm64) in a KVM virtual machine"),
    ("docker-20-10", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.1.0-28-amd64) on bare metal"),
    ("docker-25", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.8.0-49-generic) on bare metal"),
    ("docker-26-1", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.8.0-60-generic) on bare metal"),
    ("docker-28-2", &[LINUX, METAL], GpuPathKind::Native, GENERIC),
    ("docker-29", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.14.0-33-generic) on bare metal"),
    (
        "docker-desktop-container",
        &[DOCKER, LayerKind::Wsl2, HYPER_V],
        GpuPathKind::Paravirtual,
        "docker container on WSL2 (kernel 6.6.87.2-microsoft-standard-WSL2)",
    ),
    ("docker-desktop-distribution", &[LayerKind::Wsl2, HYPER_V], GpuPathKind::Paravirtual, WSL_6),
    ("docker-desktop-linux", &[LINUX, METAL], GpuPathKind::Native, GENERIC),
    (
        "docker-desktop-vm",
        &[LINUX, HYPER_V],
        GpuPathKind::None,
        "native Linux (kernel 6.10.14-linuxkit) in a Hyper-V virtual machine",
    ),
    (
        "docker-in-docker",
        &[DOCKER, DOCKER, LINUX, METAL],
        GpuPathKind::None,
        "docker container on native Linux (kernel 6.8.0-85-generic) on bare metal",
    ),
    ("docker-remote-ssh", &[LINUX, METAL], GpuPathKind::None, GENERIC),
    ("docker-remote-tcp", &[LINUX, METAL], GpuPathKind::None, GENERIC),
    ("docker-rootless", &[LINUX, METAL], GpuPathKind::Native, GENERIC),
    ("docker-snap", &[LINUX, METAL], GpuPathKind::Native, GENERIC),
    ("docker-without-permission", &[LINUX, METAL], GpuPathKind::Native, GENERIC),
    (
        "kubernetes-pod-dra",
        &[LayerKind::Container(ContainerRuntime::Containerd), LayerKind::Pod, LINUX, METAL],
        GpuPathKind::Native,
        "Kubernetes pod (containerd container) on native Linux (kernel 6.8.0-1030-generic) on bare metal",
    ),
    ("podman-4-3", &[LINUX, METAL], GpuPathKind::Native, "native Linux (kernel 6.1.0-28-amd64) on bare metal"),
    (
        "podman-5-4-rootless",
        &[LINUX, METAL],
        GpuPathKind::Native,
        "native Linux (kernel 6.13.5-200.fc41.x86_64) on bare metal",
    ),
    (
        "podman-rootless-container",
        &[LayerKind::Container(ContainerRuntime::Podman), LINUX, METAL],
        GpuPathKind::None,
        "podman container on native Linux (kernel 6.13.5-200.fc41.x86_64) on bare metal",
    ),
    ("windows", &[WINDOWS], GpuPathKind::Native, "native Windows"),
    ("windows-desktop", &[WINDOWS], GpuPathKind::Native, "native Windows"),
    ("windows-docker-desktop", &[WINDOWS], GpuPathKind::Native, "native Windows"),
    ("windows-docker-desktop-hyper-v", &[WINDOWS], GpuPathKind::Native, "native Windows"),
    ("windows-docker-in-wsl2", &[WINDOWS], GpuPathKind::Native, "native Windows"),
    ("windows-podman", &[WINDOWS], GpuPathKind::Native, "native Windows"),
    ("wsl1-docker-desktop", &[LayerKind::Wsl1], GpuPathKind::None, "WSL1 (kernel 4.4.0-22621-Microsoft)"),
    ("wsl2-docker-desktop", &[LayerKind::Wsl2, HYPER_V], GpuPathKind::Paravirtual, WSL_6),
    (
        "wsl2-imported-image",
        &[LayerKind::Wsl2, HYPER_V],
        GpuPathKind::Paravirtual,
        "WSL2 (kernel 5.15.167.4-microsoft-standard-WSL2)",
    ),
    ("wsl2-podman", &[LayerKind::Wsl2, HYPER_V], GpuPathKind::Paravirtual, WSL_6),
];
