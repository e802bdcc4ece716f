use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;
use crate::engine::{MountSpec, PublishSpec};
use crate::service::{MountSource, Ulimit};
use crate::units::Bytes;

const GPU: &str = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab";

/// A container without anything, locked up as it should be.
fn locked() -> Details {
    Details {
        read_only: true,
        no_new_privileges: true,
        dropped_capabilities: ["ALL".to_owned()].into(),
        ..Details::default()
    }
}

fn plainly() -> ContainerSpec {
    ContainerSpec::new("n", "i")
}

fn with_gpu() -> ContainerSpec {
    ContainerSpec { gpus: vec![GPU.parse().unwrap()], ..plainly() }
}

fn env(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

#[track_caller]
fn holds(wanted: &ContainerSpec, got: &Details, missing: &[&str], weaker: &[&str]) {
    let found = verify(wanted, got);
    assert_eq!(
        (found.missing.iter().map(String::as_str).collect::<Vec<_>>(), found.weaker),
        (missing.to_vec(), weaker.iter().map(|it| (*it).to_owned()).collect())
    );
}

#[test]
fn what_was_asked_for_and_no_more_is_exact() {
    assert!(verify(&plainly(), &locked()).is_exact());
}

#[test]
fn each_way_to_a_gpu_counts() {
    let cdi = Details { cdi_devices: [format!("{KIND}={GPU}")].into(), ..locked() };
    let driver = Details { driver_gpus: [GPU.to_owned()].into(), ..locked() };
    let runtime = Details { runtime: Some("nvidia".to_owned()), env: env("NVIDIA_VISIBLE_DEVICES", GPU), ..locked() };
    for got in [cdi, driver, runtime] {
        holds(&with_gpu(), &got, &[], &[]);
    }
}

#[test]
fn a_gpu_that_was_dropped_silently_is_missing() {
    let missing = format!("the GPU {GPU}: the engine has dropped the request for it");
    let untold = Details { runtime: Some("nvidia".to_owned()), ..locked() };
    let other = Details { runtime: Some("nvidia".to_owned()), env: env("NVIDIA_VISIBLE_DEVICES", "void"), ..locked() };
    let plain = Details { runtime: Some("runc".to_owned()), env: env("NVIDIA_VISIBLE_DEVICES", GPU), ..locked() };
    for got in [locked(), untold, other, plain] {
        holds(&with_gpu(), &got, &[&missing], &[]);
    }
    holds(&ContainerSpec { simulated_gpus: true, ..with_gpu() }, &locked(), &[], &[]);
}

#[test]
fn a_runtime_that_gives_every_gpu_is_told_to_be_cooperative() {
    let both = ["NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"].map(|name| (name.to_owned(), GPU.to_owned()));
    let runtime = Details { runtime: Some("nvidia".to_owned()), env: both.into(), ..locked() };
    let driver = Details { driver_gpus: [GPU.to_owned()].into(), env: env("CUDA_VISIBLE_DEVICES", GPU), ..locked() };
    let weaker = format!("the isolation of GPUs is cooperative: the container sees every GPU and is told to use {GPU}");
    for got in [runtime, driver] {
        holds(&with_gpu(), &got, &[], &[&weaker]);
    }
}

#[test]
fn the_one_device_of_wsl_is_told_to_be_cooperative() {
    let all = Details { cdi_devices: [format!("{KIND}=all")].into(), ..locked() };
    let told = Details { env: env("CUDA_VISIBLE_DEVICES", GPU), ..all.clone() };
    let weaker = format!("the isolation of GPUs is cooperative: the container sees every GPU and is told to use {GPU}");
    holds(&with_gpu(), &told, &[], &[&weaker]);
    assert!(!verify(&with_gpu(), &all).is_usable());
}

#[test]
fn a_gpu_that_nobody_asked_for_is_told() {
    let got = Details { cdi_devices: [format!("{KIND}={GPU}")].into(), ..locked() };
    holds(&plainly(), &got, &[], &[&format!("the container has a GPU that was not asked for: {GPU}")]);
}

#[test]
fn each_lock_that_is_open_is_told() {
    let open = Details {
        added_capabilities: ["SYS_ADMIN".to_owned()].into(),
        dropped_capabilities: BTreeSet::new(),
        host_ipc: true,
        ..Details::default()
    };
    holds(
        &ContainerSpec { user: Some("1000".into()), ..plainly() },
        &open,
        &[],
        &[
            "the program runs as the image's own user and was to run as 1000",
            "the root can be written and was to be read-only",
            "programs can gain privileges and were not to",
            "the container shares the memory segments of the machine and was not to",
            "the container has capabilities that were to be dropped: CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,\
         NET_BIND_SERVICE,SETFCAP,SETGID,SETPCAP,SETUID,SYS_ADMIN,SYS_CHROOT",
        ],
    );
    let asked = ContainerSpec {
        root: RootAccess::Writable,
        new_privileges: true,
        host_ipc: true,
        capabilities: ["ALL".to_owned()].into(),
        ..plainly()
    };
    assert!(verify(&asked, &open).is_exact());
    holds(
        &plainly(),
        &Details { privileged: true, ..locked() },
        &[],
        &["the container is privileged: it has every capability and every device"],
    );
}

// Podman names what it took away, and what is kept is in no list.
#[test]
fn capabilities_count_in_the_words_of_either_engine() {
    let wanted = ContainerSpec { capabilities: ["cap_chown".to_owned()].into(), ..plainly() };
    let docker = Details { added_capabilities: ["CHOWN".to_owned()].into(), ..locked() };
    let podman =
        Details { dropped_capabilities: USUAL[1..].iter().map(|name| (*name).to_owned()).collect(), ..locked() };
    holds(&wanted, &docker, &[], &[]);
    holds(&wanted, &podman, &[], &[]);
    holds(&wanted, &locked(), &["the capability CHOWN"], &[]);
    holds(&plainly(), &podman, &[], &["the container has capabilities that were to be dropped: CHOWN"]);
}

#[test]
fn mounts_and_networks_must_be_there() {
    let mount =
        |path: &str, read_only| MountSpec { path: path.into(), source: MountSource::Volume, name: None, read_only };
    let wanted = ContainerSpec {
        mounts: vec![mount("/data", true), mount("/models", false)],
        networks: ["inner".to_owned()].into(),
        ..plainly()
    };
    holds(&wanted, &locked(), &["the mount at /data", "the mount at /models", "the network inner"], &[]);
    let mut got = Details {
        mounts: ["/data".to_owned(), "/models".to_owned()].into(),
        networks: ["inner".to_owned()].into(),
        ..locked()
    };
    holds(&wanted, &got, &[], &["the mount at /data can be written and was to be read-only"]);
    got.read_only_mounts.insert("/data".to_owned());
    assert!(verify(&wanted, &got).is_exact());
}

#[test]
fn a_port_is_where_it_was_to_be_and_nowhere_else() {
    let at = |addresses: &[&str]| Details {
        published: addresses.iter().map(|at| at.parse::<SocketAddr>().unwrap()).collect(),
        ..locked()
    };
    let loopback = ContainerSpec { publish: Some(PublishSpec::loopback(80)), ..plainly() };
    holds(&loopback, &at(&["127.0.0.1:32768"]), &[], &[]);
    holds(&loopback, &at(&[]), &["the published port 80"], &[]);
    holds(&loopback, &at(&["127.0.0.1:1", "192.0.2.7:1"]), &[], &["the port 80 is published at 192.0.2.7:1 too"]);
    holds(
        &loopback,
        &at(&["0.0.0.0:1"]),
        &["the published port 80 at 127.0.0.1"],
        &["the port 80 is published at 0.0.0.0:1 too"],
    );
    let fixed = PublishSpec { port: Some(9000), host: [0, 0, 0, 0].into(), container: 80 };
    let everywhere = ContainerSpec { publish: Some(fixed), ..plainly() };
    holds(&everywhere, &at(&["0.0.0.0:9000", "[::]:9000"]), &[], &[]);
    assert!(!verify(&everywhere, &at(&["0.0.0.0:9001"])).is_usable());
}

#[test]
fn a_limit_that_is_not_set_is_weaker_and_one_that_is_too_low_makes_it_useless() {
    let wanted = ContainerSpec {
        shm: Some(Bytes::gib(1)),
        memory: Some(Bytes::gib(2)),
        cpus: Some(1.5),
        pids: Some(64),
        ulimits: BTreeMap::from([("nofile".to_owned(), Ulimit::both(1024))]),
        ..plainly()
    };
    let got = Details {
        shm: Some(Bytes::gib(1)),
        memory: Some(Bytes::gib(2)),
        cpus: Some(1.5),
        pids: Some(64),
        ulimits: wanted.ulimits.clone(),
        ..locked()
    };
    assert!(verify(&wanted, &got).is_exact());
    let none = Details { memory: None, cpus: None, pids: None, ulimits: BTreeMap::new(), ..got.clone() };
    let found = verify(&wanted, &none);
    assert_eq!((found.missing.len(), found.weaker.len()), (0, 4), "{found:?}");
    assert_eq!(
        found.weaker[0],
        "main memory has no limit and was to have 2 GiB: an engine without root needs cgroup v2 and the delegation \
         of controllers for it"
    );
    let less = Details { shm: Some(Bytes::mib(64)), memory: Some(Bytes::gib(1)), ..got };
    holds(&wanted, &less, &["/dev/shm of 1 GiB: it has 64 MiB", "main memory of 2 GiB: the limit is 1 GiB"], &[]);
}
