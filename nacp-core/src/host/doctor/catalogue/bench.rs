//! Machines for the tests of rules: whole ones, which each test breaks in one place.

use crate::host::survey::{CdiDevice, CdiSpec, ContainerFacts, DeviceNode, DeviceRequest, LibraryFile, NvmlGpu};
use crate::host::{
    Confidence, ContainerRuntime, Daemon, DaemonInfo, DaemonPlace, Evidence, GpuPath, GpuPathKind, Host, Layer,
    LayerKind, Seen, Survey,
};

pub(super) const SOCKET: &str = "unix:///var/run/docker.sock";
pub(super) const GPU: &str = "GPU-11111111-2222-3333-4444-555555555555";
pub(super) const DRIVER: &str = "580.95.05";

fn layer(kind: LayerKind) -> Layer {
    let evidence = vec![Evidence { source: "test".into(), value: "present".into() }];
    Layer { kind, detail: String::new(), evidence, confidence: Confidence::Certain }
}

fn host(layers: &[LayerKind], gpu: GpuPathKind) -> Host {
    Host {
        os: Some("linux".into()),
        kernel: Some("6.8.0-85-generic".into()),
        layers: layers.iter().map(|kind| layer(*kind)).collect(),
        gpu: GpuPath { kind: gpu, detail: String::new(), evidence: Vec::new(), confidence: Confidence::Certain },
        daemons: Vec::new(),
        undecided: Vec::new(),
    }
}

fn seen<T: Clone>(values: &[T]) -> Seen<Vec<T>> {
    Seen::Found(values.to_vec())
}

/// A Linux machine without a GPU, a driver, a toolkit or a daemon, where everything was looked at.
pub(super) fn bare() -> Survey {
    let mut survey = Survey::of_host(host(&[LayerKind::NativeLinux, LayerKind::BareMetal], GpuPathKind::None));
    survey.system.distribution = Seen::Found("ubuntu".into());
    survey.system.like = vec!["debian".into()];
    survey.system.systemd = Seen::Found(true);
    survey.devices.pci = Seen::Found(Vec::new());
    survey.devices.char_links = Seen::Absent;
    survey.devices.user = Some(1000);
    survey.devices.groups = vec![1000];
    survey.kernel.modules = Seen::Found(Vec::new());
    survey.kernel.driver = Seen::Absent;
    survey.kernel.module_built = Seen::Found(false);
    survey.kernel.secure_boot = Seen::Absent;
    survey.kernel.selinux_enforcing = Seen::Absent;
    survey.kernel.log = Seen::Found(Vec::new());
    survey.kernel.cgroup_version = Some(2);
    survey.libraries.cached = Some(false);
    survey.toolkit.version = Seen::Absent;
    survey.toolkit.config = Seen::Absent;
    survey.toolkit.refresh_unit = Seen::Absent;
    survey.toolkit.cdi_generate = Seen::Absent;
    survey.toolkit.docker_program = Seen::Absent;
    survey.toolkit.nvidia_smi = Seen::Absent;
    survey.toolkit.daemon_json = Seen::Absent;
    survey.nvml.driver = Seen::Unreadable("the management library did not open".into());
    survey.cuda.library = Seen::Unreadable("the driver library did not open".into());
    survey
}

fn node(path: &str) -> DeviceNode {
    DeviceNode { path: path.into(), mode: Some(0o666), uid: Some(0), gid: Some(0) }
}

fn library(path: &str) -> LibraryFile {
    LibraryFile {
        path: path.into(),
        target: Some(format!("{}.{DRIVER}", path.trim_end_matches(".1"))),
        version: Some(DRIVER.into()),
        bytes: Some(2_000_000),
        compat: false,
        preferred: false,
    }
}

/// A Linux server with one GPU, its driver, the toolkit and Docker 28, all in order.
pub(super) fn machine() -> Survey {
    let mut survey = bare();
    survey.host.gpu.kind = GpuPathKind::Native;
    survey.devices.pci = Seen::Found(vec!["0000:01:00.0".into()]);
    survey.devices.nodes =
        ["/dev/nvidia0", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidiactl"].map(node).into();
    survey.devices.char_links = Seen::Found(true);
    survey.kernel.modules = seen(&["nvidia".into(), "nvidia_modeset".into(), "nvidia_uvm".into()]);
    survey.kernel.driver = Seen::Found(DRIVER.into());
    survey.kernel.module_built = Seen::Found(true);
    survey.libraries.cuda = vec![library("/usr/lib/x86_64-linux-gnu/libcuda.so.1")];
    survey.libraries.nvml = vec![library("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")];
    survey.libraries.cached = Some(true);
    survey.toolkit.version = Seen::Found("1.18.1".into());
    survey.toolkit.programs = ["nvidia-ctk", "nvidia-cdi-hook", "nvidia-container-runtime", "nvidia-container-cli"]
        .into_iter()
        .chain(["nvidia-container-runtime-hook"])
        .map(|name| format!("/usr/bin/{name}"))
        .collect();
    survey.toolkit.config = Seen::Found(Default::default());
    survey.toolkit.refresh_unit = Seen::Found("inactive".into());
    survey.toolkit.younger_than_daemon = Some(false);
    survey.nvml.driver = Seen::Found(DRIVER.into());
    survey.nvml.gpus =
        vec![NvmlGpu { id: GPU.into(), name: "NVIDIA L4".into(), mig: Some(false), ..NvmlGpu::default() }];
    survey.cuda.library = Seen::Found(format!("/usr/lib/x86_64-linux-gnu/libcuda.so.{DRIVER}"));
    survey.cuda.version = Some("13.0".into());
    survey.cdi.folders = vec!["/etc/cdi".into(), "/var/run/cdi".into()];
    survey.cdi.specs = vec![CdiSpec {
        path: "/var/run/cdi/nvidia.yaml".into(),
        kind: Seen::Found("nvidia.com/gpu".into()),
        mode: Some(0o644),
        devices: [GPU, "0", "all"].map(|name| CdiDevice { name: name.into(), nodes: Vec::new() }).into(),
        missing: Vec::new(),
        versions: vec![DRIVER.into()],
    }];
    survey.host.daemons = vec![Daemon {
        endpoint: SOCKET.into(),
        found_by: "default socket".into(),
        chosen: true,
        answer: Seen::Found(docker()),
        place: DaemonPlace::ThisKernel,
        evidence: Vec::new(),
    }];
    survey
}

fn docker() -> DaemonInfo {
    DaemonInfo {
        name: "Docker Engine".into(),
        version: "28.3.2".into(),
        api: Some("1.51".into()),
        min_api: Some("1.24".into()),
        operating_system: Some("Ubuntu 24.04.3 LTS".into()),
        cgroup_driver: Some("systemd".into()),
        cgroup_version: Some("2".into()),
        security: vec!["name=seccomp,profile=builtin".into()],
        runtimes: vec!["nvidia".into(), "runc".into()],
        default_runtime: Some("runc".into()),
        cdi_spec_dirs: Some(vec!["/etc/cdi".into(), "/var/run/cdi".into()]),
        cdi_devices: Some([GPU, "0", "all"].map(|name| format!("nvidia.com/gpu={name}")).into()),
        root_dir: Some("/var/lib/docker".into()),
        ..DaemonInfo::default()
    }
}

/// The same machine with Podman of this version in place of Docker.
pub(super) fn podman(version: &str) -> Survey {
    let mut survey = machine();
    *info(&mut survey) = DaemonInfo {
        name: "Podman".into(),
        version: version.into(),
        api: Some("1.41".into()),
        podman: true,
        cgroup_driver: Some("systemd".into()),
        cgroup_version: Some("2".into()),
        ..DaemonInfo::default()
    };
    survey
}

/// The machine of WSL2 with the toolkit and Docker of the distribution.
pub(super) fn wsl2() -> Survey {
    let mut survey = machine();
    let daemons = std::mem::take(&mut survey.host.daemons);
    survey.host = host(&[LayerKind::Wsl2], GpuPathKind::Paravirtual);
    survey.host.daemons = daemons;
    survey.devices.nodes = vec![node("/dev/dxg")];
    survey.devices.pci = Seen::Absent;
    survey.devices.char_links = Seen::Absent;
    survey.kernel.modules = Seen::Found(Vec::new());
    survey.kernel.driver = Seen::Absent;
    survey.kernel.module_built = Seen::Found(false);
    survey.wsl.driver_store = Seen::Found(vec!["nv_dispi.inf_amd64_0a1b".into()]);
    survey.libraries.nvml = vec![LibraryFile { version: None, ..library("/usr/lib/wsl/lib/libnvidia-ml.so.1") }];
    survey.cdi.specs[0].devices = vec![CdiDevice { name: "all".into(), nodes: vec!["/dev/dxg".into()] }];
    survey.cdi.specs[0].versions.clear();
    info(&mut survey).cdi_devices = Some(vec!["nvidia.com/gpu=all".into()]);
    survey
}

/// The same machine as a container of it sees it.
pub(super) fn inside(mut survey: Survey) -> Survey {
    survey.host.layers.insert(0, layer(LayerKind::Container(ContainerRuntime::Docker)));
    survey
}

/// The same machine as a system container of it that has the daemon in itself.
pub(super) fn inside_lxc(survey: Survey) -> Survey {
    let mut survey = inside(survey);
    survey.host.layers[0].kind = LayerKind::Container(ContainerRuntime::Lxc);
    survey
}

/// What the first daemon says of itself.
pub(super) fn info(survey: &mut Survey) -> &mut DaemonInfo {
    match &mut survey.host.daemons[0].answer {
        Seen::Found(info) => info,
        _ => panic!("the machine has a daemon"),
    }
}

/// A container of that daemon that asks for nothing yet.
pub(super) fn container(name: &str) -> ContainerFacts {
    ContainerFacts {
        name: name.into(),
        image: "example/llm:1".into(),
        endpoint: SOCKET.into(),
        state: "exited".into(),
        ..ContainerFacts::default()
    }
}

/// A container that asks for all GPUs by this driver.
pub(super) fn asking(driver: &str) -> ContainerFacts {
    let capabilities = vec!["gpu".into()];
    ContainerFacts {
        requests: vec![DeviceRequest { driver: driver.into(), count: -1, ids: Vec::new(), capabilities }],
        ..container("llm")
    }
}

/// A container that asks for these devices of CDI.
pub(super) fn asking_cdi(ids: &[&str]) -> ContainerFacts {
    let ids = ids.iter().map(|id| (*id).into()).collect();
    let request = DeviceRequest { driver: "cdi".into(), count: 0, ids, capabilities: Vec::new() };
    ContainerFacts { requests: vec![request], ..container("llm") }
}
