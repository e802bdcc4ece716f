use super::*;
use crate::gpu::owner::{PodKind, Runtime, User};
use crate::gpu::{MigDevice, MigUse, Partition, ProcessKind, Snapshot, Unknown};
use crate::observe::prometheus::tests::{label_names, snapshot, value};
use crate::units::Bytes;

fn container(id: &str, name: Option<&str>) -> ContainerRef {
    ContainerRef {
        id: id.to_owned(),
        runtime: Runtime::Containerd,
        cgroup: format!("0::/{id}"),
        name: name.map(str::to_owned),
    }
}

fn pod(name: &str) -> PodRef {
    PodRef {
        kind: PodKind::Kubernetes,
        uid: "5ad0".to_owned(),
        name: Reading::Known(name.to_owned()),
        namespace: Reading::Known("serving".to_owned()),
        container_name: Reading::Known("engine".to_owned()),
    }
}

/// Someone of whom everything is known.
fn owner(pid: u32, container: Option<ContainerRef>, pod: Option<PodRef>) -> Owner {
    let mut owner = Owner::unknown(pid, Unknown::NotAvailable);
    owner.command = Reading::Known("python".to_owned());
    owner.user = Reading::Known(User { uid: 1000, name: Some("ada".to_owned()) });
    owner.container = Reading::Known(container);
    owner.pod = Reading::Known(pod);
    owner
}

fn process(pid: u32) -> Process {
    Process::new(pid, ProcessKind::Compute, Reading::Known(Bytes::mib(pid.into())))
}

/// A server on whose first GPU these processes run.
fn server(pids: &[u32]) -> Snapshot {
    let mut snapshot = snapshot("h100x8");
    for state in &mut snapshot.gpus {
        state.sample.processes = Reading::Known(Vec::new());
    }
    snapshot.gpus[0].sample.processes = Reading::Known(pids.iter().map(|pid| process(*pid)).collect());
    snapshot
}

fn text(snapshot: &Snapshot, owners: &[Owner]) -> String {
    Metrics::new(snapshot).owners(owners).render().unwrap()
}

#[test]
fn the_memory_of_a_process_says_whose_it_is_as_far_as_that_is_known() {
    let snapshot = server(&[1, 2, 3]);
    let mut nameless = owner(2, Some(container("c2", None)), None);
    nameless.user = Reading::Known(User { uid: 7, name: None });
    let text = text(&snapshot, &[owner(1, Some(container("c1", Some("x"))), Some(pod("llm-0"))), nameless]);
    let gpu = format!("nacp_gpu_process_memory_bytes{{gpu=\"0\",UUID=\"{}\",", snapshot.gpus[0].gpu.id);
    for (labels, bytes) in [
        (
            "pid=\"1\",command=\"python\",user=\"ada\",container=\"engine\",pod=\"llm-0\",namespace=\"serving\",\
             pod_uid=\"5ad0\",simulated=\"true\"}",
            "1048576",
        ),
        ("pid=\"2\",command=\"python\",user=\"7\",container=\"c2\",simulated=\"true\"}", "2097152"),
        ("pid=\"3\",simulated=\"true\"}", "3145728"),
    ] {
        assert_eq!(value(&text, &format!("{gpu}{labels}")), bytes);
    }
}

#[test]
fn a_gpu_that_one_container_has_for_itself_carries_its_name_and_its_pod() {
    let llm = |pid| owner(pid, Some(container("c1", Some("x"))), Some(pod("llm-0")));
    let other = owner(2, Some(container("c2", None)), Some(pod("llm-1")));
    let unknown = Owner::unknown(2, Unknown::Namespaced);
    for (owners, sole) in [
        (vec![llm(1)], true),
        (vec![llm(1), llm(2)], true),
        (vec![llm(1), other], false),
        (vec![llm(1), owner(2, None, None)], false),
        (vec![llm(1), unknown], false),
        (vec![owner(1, None, None)], false),
        (vec![], false),
    ] {
        let snapshot = server(&owners.iter().map(|owner| owner.pid).collect::<Vec<_>>());
        let text = text(&snapshot, &owners);
        let names = label_names(&text, "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"");
        let attributes: Vec<_> =
            names.into_iter().filter(|name| ["container", "namespace", "pod"].contains(name)).collect();
        assert_eq!(attributes, if sole { &["container", "namespace", "pod"][..] } else { &[] }, "{owners:?}");
        if sole {
            let attributes = "container=\"engine\",namespace=\"serving\",pod=\"llm-0\",simulated";
            assert!(
                text.lines()
                    .any(|line| line.starts_with("DCGM_FI_DEV_POWER_USAGE{gpu=\"0\"") && line.contains(attributes))
            );
        }
        assert!(!text.lines().any(|line| line.contains("gpu=\"1\"") && line.contains("container=")), "{text}");
    }
}

#[test]
fn a_process_whose_owner_nobody_has_read_leaves_its_gpu_without_a_container() {
    let snapshot = server(&[1, 2]);
    let text = text(&snapshot, &[owner(1, Some(container("c1", None)), None)]);
    assert!(!label_names(&text, "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"").contains(&"container"));
}

#[test]
fn a_partition_carries_the_container_that_has_it_even_where_others_use_the_rest() {
    let mut snapshot = server(&[]);
    let state = &mut snapshot.gpus[0];
    let device = |index: u32| {
        let id = format!("MIG-4100a801-0000-4000-8000-00000000000{index}").parse().unwrap();
        let mut device = MigDevice::new(id, index);
        device.gpu_instance = Reading::Known(index);
        device.profile = Reading::Known("1g.10gb".to_owned());
        device
    };
    let devices: Vec<_> = (1..4).map(device).collect();
    let uses = devices.iter().map(|device| MigUse { id: device.id.clone(), memory: state.sample.memory.clone() });
    state.sample.mig = Reading::Known(uses.collect());
    state.gpu.mig.devices = Reading::Known(devices);
    let on = |pid, gpu_instance| {
        let mut process = process(pid);
        process.partitions = vec![Partition { gpu_instance, compute_instance: Some(0) }];
        process
    };
    state.sample.processes = Reading::Known(vec![on(11, 1), on(12, 2)]);
    let owners =
        [owner(11, Some(container("c1", Some("first"))), None), owner(12, Some(container("c2", Some("second"))), None)];
    let text = text(&snapshot, &owners);
    for (instance, name) in [(1, Some("first")), (2, Some("second")), (3, None)] {
        let line = text.lines().find(|line| line.contains(&format!("GPU_I_ID=\"{instance}\""))).unwrap();
        let expected = name
            .map_or("VERSION=\"580.95.05\",simulated".to_owned(), |name| format!(",container=\"{name}\",simulated"));
        assert!(line.contains(&expected), "{line}");
    }
    assert!(!label_names(&text, "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"").contains(&"container"));
}
