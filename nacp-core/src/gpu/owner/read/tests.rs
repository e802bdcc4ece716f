use std::fs;

use tempfile::TempDir;

use super::*;
use crate::gpu::owner::Runtime;

const ID: &str = "3f2a9c1b04de77e8a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778";
const UID: &str = "83b090de-9676-407c-99aa-d33dc6aa0c0d";

/// A machine started at 1 700 000 000 with one process, 42.
fn machine(changes: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let cgroup = format!("0::/kubepods.slice/kubepods-pod{}.slice/crio-{ID}.scope\n", UID.replace('-', "_"));
    let files = [
        ("proc/stat", "cpu 1\nbtime 1700000000\n"),
        ("proc/sys/kernel/osrelease", "6.8.0-31-generic\n"),
        ("proc/sys/kernel/hostname", "gpu-node-7\n"),
        ("etc/passwd", "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n"),
        ("proc/42/stat", "42 (python3) R 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 91 0 12345 1 2\n"),
        ("proc/42/status", "Name:\tpython3\nUid:\t1000\t1000\t1000\t1000\n"),
        ("proc/42/cmdline", "python3\0train.py\0--epochs\x003\0"),
        ("proc/42/environ", "PATH=/bin\0HOSTNAME=trainer-0\0POD_NAMESPACE=research\0TOKEN=secret\0"),
        ("proc/42/cgroup", &cgroup),
    ];
    for (path, text) in files.iter().chain(changes) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn owner(changes: &[(&str, &str)]) -> Owner {
    Processes::at(machine(changes).path()).owner(42)
}

#[test]
fn everything_about_a_process_in_a_pod_is_told() {
    let owner = owner(&[]);
    assert_eq!(owner.command.known().unwrap(), "python3");
    assert_eq!(owner.command_line.known().unwrap(), &["python3", "train.py", "--epochs", "3"]);
    assert_eq!(owner.user, Reading::Known(User { uid: 1000, name: Some("ada".to_owned()) }));
    let started = owner.started.known().unwrap();
    assert_eq!((started.ticks, started.at.to_string()), (12_345, "2023-11-14T22:15:23.45Z".to_owned()));
    assert_eq!(owner.state, Reading::Known(ProcessState::Running));
    let container = owner.container.known().unwrap().as_ref().unwrap();
    assert_eq!((container.id.as_str(), container.runtime, &container.name), (ID, Runtime::CriO, &None));
    let pod = owner.pod.known().unwrap().as_ref().unwrap();
    assert_eq!(
        (pod.uid.as_str(), pod.name.to_string(), pod.namespace.to_string()),
        (UID, "trainer-0".into(), "research".into())
    );
    assert_eq!(pod.container_name, Reading::Unknown(Unknown::NotAvailable));
}

#[test]
fn json_gives_back_the_same_owner_and_no_other_variable() {
    let nobody = Owner::unknown(7, Unknown::NoPermission);
    let outside = owner(&[("proc/42/cgroup", "0::/user.slice\n")]);
    assert_eq!((outside.container.known(), outside.pod.known()), (Some(&None), Some(&None)));
    for owner in [owner(&[]), outside, nobody] {
        let json = serde_json::to_string(&owner).unwrap();
        assert_eq!(serde_json::from_str::<Owner>(&json).unwrap(), owner, "{json}");
        assert!(!json.contains("secret"), "{json}");
    }
}

#[test]
fn who_is_not_there_is_not_available() {
    let root = machine(&[]);
    let gone = Processes::at(root.path()).owner(43);
    assert_eq!(gone, Owner::unknown(43, Unknown::NotAvailable));
    assert_eq!(Processes::at(root.path().join("nowhere")).owner(42), Owner::unknown(42, Unknown::NotAvailable));
}

#[test]
fn under_wsl2_no_process_of_the_guest_is_taken_for_one_of_windows() {
    for sign in [("proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n"), ("dev/dxg", "")] {
        assert_eq!(owner(&[sign]), Owner::unknown(42, Unknown::NotAvailable), "{sign:?}");
    }
}

#[test]
fn the_machines_own_name_is_no_pods_name() {
    let name = |environ| owner(&[("proc/42/environ", environ)]).pod.known().unwrap().as_ref().unwrap().name.clone();
    assert_eq!(name("HOSTNAME=gpu-node-7\0"), Reading::Unknown(Unknown::NotAvailable));
    assert_eq!(name("HOSTNAME=gpu-node-7\0POD_NAME=exporter-x2\0"), Reading::Known("exporter-x2".to_owned()));
    assert_eq!(name(""), Reading::Unknown(Unknown::NotAvailable));
}

#[test]
fn what_a_stuck_process_could_hang_on_is_not_read() {
    let stuck = owner(&[("proc/42/stat", "42 (python3) D 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 91 0 12345 1 2\n")]);
    assert_eq!(stuck.state, Reading::Known(ProcessState::DiskSleep));
    assert_eq!(stuck.command_line, Reading::Unknown(Unknown::NotRead));
    let pod = stuck.pod.known().unwrap().as_ref().unwrap();
    assert_eq!((&pod.name, pod.uid.as_str()), (&Reading::Unknown(Unknown::NotRead), UID));
    assert!(stuck.container.known().unwrap().is_some());
}

#[test]
fn a_zombie_has_no_command_line() {
    let zombie = owner(&[
        ("proc/42/stat", "42 (python3) Z 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 91 0 12345 1 2\n"),
        ("proc/42/cmdline", ""),
        ("proc/42/environ", ""),
    ]);
    assert_eq!(zombie.state, Reading::Known(ProcessState::Zombie));
    assert_eq!(zombie.command_line, Reading::Unknown(Unknown::NotAvailable));
    assert_eq!(zombie.command.known().unwrap(), "python3");
}

#[cfg(unix)]
#[test]
fn a_namespace_of_its_own_hides_who_is_outside() {
    let root = machine(&[("proc/42/cgroup", "0::/../../user.slice\n"), ("proc/self/ns/x", "")]);
    let processes = |namespace: &str| {
        let link = root.path().join("proc/self/ns/cgroup");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(namespace, link).unwrap();
        Processes::at(root.path())
    };
    let inside = processes("cgroup:[4026532514]").owner(42);
    assert_eq!(inside.container, Reading::Unknown(Unknown::Namespaced));
    assert_eq!(inside.pod, Reading::Unknown(Unknown::Namespaced));
    fs::write(root.path().join("proc/42/cgroup"), "0::/user.slice\n").unwrap();
    assert_eq!(processes(FIRST_NAMESPACE).owner(42).container, Reading::Known(None));
    assert_eq!(processes("cgroup:[4026532514]").owner(42).container, Reading::Unknown(Unknown::Namespaced));
}

#[test]
fn a_start_beyond_all_times_is_unknown_and_no_panic() {
    let far = format!("42 (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 91 0 {} 1 2\n", u64::MAX);
    let started = owner(&[("proc/42/stat", &far)]).started;
    assert_eq!(started.known().unwrap(), &Started { ticks: u64::MAX, at: Reading::Unknown(Unknown::NotAvailable) });
}

#[cfg(target_os = "linux")]
#[test]
fn this_process_is_found_on_this_machine() {
    let me = Processes { foreign_ids: false, ..Processes::system() }.owner(std::process::id());
    assert_eq!(me.state.unknown(), None);
    assert!(me.user.known().is_some() && me.started.known().is_some(), "{me:?}");
    let first = std::env::args_os().next().unwrap().to_string_lossy().into_owned();
    assert_eq!(me.command_line.known().unwrap()[0], first);
}
