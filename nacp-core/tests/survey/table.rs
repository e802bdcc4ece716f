//! Healthy machines of each kind: what is read of them is what is there.

use std::collections::BTreeMap;

use nacp_core::host::survey::{DeviceRequest, SecureBoot};
use nacp_core::host::{DaemonPlace, Seen, Survey};

use super::{machines, survey};

fn found(text: &str) -> Seen<String> {
    Seen::Found(text.into())
}

/// One row: the machine, the module's version, NVML's version, NVML's GPUs, CUDA's devices, the toolkit, CDI devices.
type Row = (&'static str, Option<&'static str>, Option<&'static str>, usize, usize, Option<&'static str>, usize);

const DRIVER: Option<&str> = Some("580.95.05");
const WINDOWS: Option<&str> = Some("581.42");

const TABLE: [Row; 21] = [
    ("aws-ec2", DRIVER, DRIVER, 1, 1, None, 0),
    ("aws-ec2-metal", DRIVER, DRIVER, 8, 8, None, 0),
    ("azure-vm", DRIVER, DRIVER, 1, 1, None, 0),
    ("bare-metal", DRIVER, DRIVER, 2, 2, None, 0),
    ("bare-metal-docker", DRIVER, DRIVER, 2, 2, Some("1.18.0"), 5),
    ("bare-metal-docker-legacy", DRIVER, DRIVER, 2, 2, Some("1.17.8"), 0),
    ("desktop-linux", DRIVER, DRIVER, 1, 1, None, 0),
    ("docker", DRIVER, DRIVER, 1, 1, None, 0),
    ("jetson", Some("540.4.0"), Some("540.4.0"), 1, 1, None, 0),
    ("kubernetes-node", DRIVER, DRIVER, 2, 2, Some("1.18.0"), 5),
    ("kubernetes-pod", DRIVER, DRIVER, 1, 1, None, 0),
    ("laptop-without-gpu", None, None, 0, 0, None, 0),
    ("oci-bare-metal", DRIVER, DRIVER, 8, 8, None, 0),
    ("podman-native", DRIVER, DRIVER, 1, 1, Some("1.18.0"), 3),
    ("rootless-docker", DRIVER, DRIVER, 1, 1, Some("1.18.0"), 3),
    ("server-mig", DRIVER, DRIVER, 2, 1, Some("1.18.0"), 7),
    ("server-nvswitch", DRIVER, DRIVER, 8, 8, Some("1.18.0"), 17),
    ("windows-desktop", None, WINDOWS, 1, 1, None, 0),
    ("wsl2", None, WINDOWS, 1, 1, None, 0),
    ("wsl2-desktop", None, WINDOWS, 1, 1, None, 0),
    ("wsl2-docker", None, WINDOWS, 1, 1, Some("1.18.0"), 1),
];

#[test]
fn each_machine_reads_as_it_is() {
    for (name, module, driver, gpus, devices, toolkit, cdi) in TABLE {
        let read = survey(name);
        assert_eq!(read.kernel.driver.found().map(String::as_str), module, "{name}");
        assert_eq!(read.nvml.driver.found().map(String::as_str), driver, "{name}");
        assert_eq!((read.nvml.gpus.len(), read.cuda.devices.len()), (gpus, devices), "{name}");
        assert_eq!(read.toolkit.version.found().map(String::as_str), toolkit, "{name}");
        assert_eq!(read.cdi.nvidia_devices().len(), cdi, "{name}");
        assert!(read.cdi.specs.iter().all(|spec| spec.missing.is_empty()), "{name}: {:?}", read.cdi);
        assert!(!read.nvml.simulated && !read.cuda.simulated, "{name}");
        assert!(read.kernel.events.is_empty(), "{name}: {:?}", read.kernel.events);
        assert_eq!(read.toolkit.version.is_absent(), toolkit.is_none(), "{name}");
        assert_ne!(read.toolkit.younger_than_daemon, Some(true), "{name}");
    }
}

#[test]
fn a_machine_with_docker_is_read_whole() {
    let read = survey("bare-metal-docker");
    let paths: Vec<_> = read.devices.nodes.iter().map(|node| (node.path.as_str(), node.mode)).collect();
    let mode = Some(0o666);
    assert_eq!(
        paths[..4],
        [("/dev/nvidia0", mode), ("/dev/nvidia1", mode), ("/dev/nvidiactl", mode), ("/dev/nvidia-uvm", mode)]
    );
    assert_eq!((read.devices.gpus().count(), read.devices.char_links.clone()), (2, Seen::Found(true)));
    assert_eq!((read.devices.user, read.devices.groups), (Some(0), vec![0]));
    assert_eq!(read.devices.pci, Seen::Found(vec!["0000:01:00.0".into(), "0000:02:00.0".into()]));

    let modules = ["nvidia", "nvidia_drm", "nvidia_modeset", "nvidia_uvm"].map(str::to_owned);
    assert_eq!(read.kernel.modules, Seen::Found(modules.to_vec()));
    assert_eq!((read.kernel.module_built, read.kernel.secure_boot), (Seen::Found(true), Seen::Found(SecureBoot::Off)));
    assert_eq!((read.kernel.selinux_enforcing, read.kernel.cgroup_version), (Seen::Absent, Some(2)));
    assert_eq!(read.kernel.shm_bytes, Some(32 << 30));
    let log = read.kernel.log.found().unwrap();
    assert_eq!((log.len(), log[0].as_str()), (4, "nvidia: loading out-of-tree module taints kernel."));

    let library = &read.libraries.cuda[1];
    assert_eq!(library.path, "/usr/lib/x86_64-linux-gnu/libcuda.so.1");
    assert_eq!((library.target.as_deref(), library.version.as_deref()), (Some("libcuda.so.580.95.05"), DRIVER));
    assert_eq!((read.libraries.nvml.len(), read.libraries.cached, read.libraries.dxcore), (2, Some(true), false));

    let toolkit = &read.toolkit;
    assert_eq!((toolkit.programs.len(), toolkit.programs[0].as_str()), (5, "/usr/bin/nvidia-ctk"));
    let config = toolkit.config.found().unwrap();
    assert_eq!((config.no_cgroups, config.accept_env_unprivileged), (Some(false), Some(false)));
    assert_eq!(config.mode.as_deref(), Some("auto"));
    assert_eq!((&toolkit.refresh_unit, toolkit.younger_than_daemon), (&found("active"), Some(false)));
    assert_eq!((&toolkit.docker_program, &toolkit.cdi_generate), (&found("/usr/bin/docker"), &Seen::NotAsked));
    assert!(toolkit.daemon_json.found().unwrap().contains("nvidia-container-runtime"));
    assert_eq!(read.packages.found().unwrap()["nvidia-container-toolkit"], "1.18.0-1");

    let spec = &read.cdi.specs[0];
    assert_eq!((spec.path.as_str(), spec.mode), ("/var/run/cdi/nvidia.yaml", Some(0o644)));
    assert_eq!((spec.kind.clone(), &spec.versions), (found("nvidia.com/gpu"), &vec!["580.95.05".to_owned()]));

    let daemon = &read.host.daemons[0];
    assert_eq!((daemon.place, daemon.chosen), (DaemonPlace::ThisKernel, true));
    // A container that wants none is not told of.
    assert_eq!(read.containers.len(), 1);
    let container = &read.containers[0];
    assert_eq!(
        (container.name.as_str(), container.state.as_str(), container.exit_code),
        ("inference", "running", None)
    );
    assert_eq!((container.started, container.shm_bytes), (Some(1_795_421_702), Some(8 << 30)));
    let id = "nvidia.com/gpu=GPU-00000001-0000-4000-8000-000000000001".to_owned();
    let request = DeviceRequest { driver: "cdi".into(), ids: vec![id], ..DeviceRequest::default() };
    assert_eq!(container.requests, [request]);
    assert_eq!(container.env["NVIDIA_DRIVER_CAPABILITIES"], "compute,utility");
    assert_eq!(container.endpoint, daemon.endpoint);
}

#[test]
fn wsl2_tells_its_driver_store_and_its_limits() {
    let read = survey("wsl2-docker");
    assert_eq!(read.wsl.memory_limit, found("8GB"));
    assert_eq!((read.wsl.custom_kernel.clone(), read.wsl.memory_bytes), (Seen::Absent, Some(8_021_824 << 10)));
    assert_eq!(read.wsl.driver_store, Seen::Found(vec!["nvlti.inf_amd64_4f1c2d3e5a6b7c8d".into()]));
    assert!(read.wsl.linux_driver.is_empty() && read.libraries.dxcore);
    assert_eq!(read.kernel.module_built, Seen::NotAsked);
    assert_eq!(read.nvml.gpus[0].driver_model, None);
    assert_eq!(survey("windows-desktop").nvml.gpus[0].driver_model.as_deref(), Some("wddm"));
    assert_eq!(survey("bare-metal").wsl, Survey::of_host(survey("bare-metal").host).wsl);
}

#[test]
fn a_node_tells_its_runtimes_and_counts_its_gpus() {
    let node = survey("kubernetes-node").kubernetes;
    assert!(node.node && !node.pod);
    // One is in a file that the configuration imports.
    assert_eq!(node.containerd_runtimes, Seen::Found(vec!["nvidia".into(), "runc".into()]));
    assert_eq!(node.plugin_sockets, Seen::Found(vec!["nvidia-gpu.sock".into()]));
    assert_eq!((node.gpus_registered, node.gpus_allotted), (Seen::Found(2), Seen::Found(1)));
    let pod = survey("kubernetes-pod");
    assert!(pod.kubernetes.pod && !pod.kubernetes.node);
    assert_eq!((pod.kubernetes.gpus_registered, pod.kernel.shm_bytes), (Seen::NotAsked, Some(16 << 30)));
    assert_eq!(pod.environment["NVIDIA_VISIBLE_DEVICES"], "void");
}

#[test]
fn a_server_tells_its_partitions_its_fabric_and_its_services() {
    let mig = survey("server-mig");
    assert_eq!((mig.nvml.gpus[0].mig, mig.nvml.gpus[0].mig_devices.len()), (Some(true), 2));
    assert_eq!(mig.devices.node("/dev/nvidia-caps/nvidia-cap1").unwrap().mode, Some(0o400));
    assert_eq!(mig.devices.gpus().count(), 2);
    let server = survey("server-nvswitch");
    assert!(server.nvml.gpus.iter().all(|gpu| gpu.fabric.as_deref() == Some("completed")));
    let units = [("nvidia-cdi-refresh.service", "active"), ("nvidia-fabricmanager.service", "active")];
    assert_eq!(server.units, BTreeMap::from(units.map(|(unit, state)| (unit.to_owned(), state.to_owned()))));
    assert_eq!(server.packages.found().unwrap()["nvidia-fabricmanager-580"], "580.95.05-1");
}

#[test]
fn a_machine_without_a_driver_says_so_and_why() {
    let read = survey("laptop-without-gpu");
    assert_eq!((&read.kernel.driver, &read.toolkit.version), (&Seen::Absent, &Seen::Absent));
    assert_eq!(read.devices.pci, Seen::Found(vec![]));
    assert_eq!((read.devices.nodes.len(), &read.devices.char_links), (0, &Seen::NotAsked));
    assert!(read.nvml.driver.open().unwrap().contains("libnvidia-ml.so.1"));
    assert!(read.cuda.library.open().unwrap().contains("libcuda"));
    assert_eq!((read.libraries.cached, read.containers.len()), (Some(false), 0));
}

#[test]
fn every_machine_travels_as_json() {
    for name in machines() {
        let read = survey(&name);
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Survey>(&json).unwrap(), read, "{name}");
        // Read again, it is the same.
        assert_eq!(survey(&name), read, "{name}");
    }
}

#[test]
fn nobody_is_named_and_no_secret_is_kept() {
    for name in machines() {
        let json = serde_json::to_string(&survey(&name)).unwrap();
        for own in ["/ada", "\\ada", "hf_do_not_keep", "do-not-keep", "HF_TOKEN", "1a2b3c4d-1111", "nginx"] {
            assert!(!json.contains(own), "{own} left the machine {name}");
        }
    }
}
