//! Files that are broken, missing, folders or endless: each is told for itself, and the rest is read.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nacp_core::host::{Seen, Survey};

use super::{copy, fixture, survey_of};

const GARBAGE: &[u8] = b"\xff\xfe\0<html>{[no: file\nof this = kind]}\0";

/// What is in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Missing,
    Folder,
    Garbage,
}

fn put(path: &Path, state: State) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path).unwrap();
    }
    match state {
        State::Missing => {}
        State::Folder => fs::create_dir_all(path.join("within")).unwrap(),
        State::Garbage => fs::write(path, GARBAGE).unwrap(),
    }
}

fn with(machine: &str, file: &str, state: State) -> Survey {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(machine), folder.path()).unwrap();
    put(&folder.path().join(file), state);
    survey_of(folder.path())
}

/// What was seen, without the value.
fn kind<T>(seen: &Seen<T>) -> &'static str {
    match seen {
        Seen::Found(_) => "found",
        Seen::Absent => "absent",
        Seen::Unreadable(why) => {
            assert!(!why.is_empty() && !why.contains('\n'), "{why:?}");
            "unreadable"
        }
        Seen::NotAsked => "not asked",
    }
}

/// One row: the machine, the file, what it shows in, and what is seen where it is missing.
type Row = (&'static str, &'static str, fn(&Survey) -> &'static str, &'static str);

const TABLE: [Row; 17] = [
    ("bare-metal-docker", "proc/modules", |it| kind(&it.kernel.modules), "absent"),
    ("bare-metal-docker", "proc/driver/nvidia/version", |it| kind(&it.kernel.driver), "absent"),
    ("bare-metal-docker", "etc/nvidia-container-runtime/config.toml", |it| kind(&it.toolkit.config), "absent"),
    ("bare-metal-docker", "etc/docker/daemon.json", |it| kind(&it.toolkit.daemon_json), "absent"),
    (
        "bare-metal-docker",
        "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        |it| kind(&it.kernel.secure_boot),
        "absent",
    ),
    ("podman-native", "sys/fs/selinux/enforce", |it| kind(&it.kernel.selinux_enforcing), "absent"),
    ("bare-metal-docker", "answers/nvml.json", |it| kind(&it.nvml.driver), "not asked"),
    ("bare-metal-docker", "answers/cuda.json", |it| kind(&it.cuda.library), "not asked"),
    (
        "bare-metal-docker",
        "answers/run/systemctl show --property=LoadState,ActiveState,Result nvidia-cdi-refresh.service",
        |it| kind(&it.toolkit.refresh_unit),
        "not asked",
    ),
    ("bare-metal-docker", "etc/os-release", |it| kind(&it.system.distribution), "absent"),
    ("kubernetes-node", "etc/containerd/config.toml", |it| kind(&it.kubernetes.containerd_runtimes), "absent"),
    (
        "kubernetes-node",
        "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
        |it| kind(&it.kubernetes.gpus_registered),
        "absent",
    ),
    (
        "kubernetes-node",
        "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
        |it| kind(&it.kubernetes.gpus_allotted),
        "absent",
    ),
    (
        "bare-metal-docker",
        "var/run/cdi/nvidia.yaml",
        |it| it.cdi.specs.first().map_or("absent", |spec| kind(&spec.kind)),
        "absent",
    ),
    (
        "podman-native",
        "etc/cdi/nvidia.yaml",
        |it| it.cdi.specs.first().map_or("absent", |spec| kind(&spec.kind)),
        "absent",
    ),
    (
        "bare-metal-docker",
        "etc/ld.so.cache",
        |it| if it.libraries.cached.is_some() { "found" } else { "unreadable" },
        "unreadable",
    ),
    (
        "bare-metal-docker",
        "answers/daemons/1/info.json",
        |it| if it.daemon().is_some() { "found" } else { "unreadable" },
        "found",
    ),
];

#[test]
fn what_is_broken_is_unreadable_with_its_reason_and_what_is_missing_is_absent() {
    for (machine, file, look, missing) in TABLE {
        assert_eq!(look(&survey_of(&fixture(machine))), "found", "{machine} {file}");
        assert_eq!(look(&with(machine, file, State::Missing)), missing, "{machine} {file}");
        for state in [State::Garbage, State::Folder] {
            // A daemon that answered half of what was asked has answered.
            let expected = if file.ends_with("info.json") { "found" } else { "unreadable" };
            assert_eq!(look(&with(machine, file, state)), expected, "{machine} {file} {state:?}");
        }
    }
}

#[test]
fn a_file_without_a_rule_for_its_absence_leaves_nothing_behind() {
    let read = with("wsl2-docker", "mnt/c/Users/ada/.wslconfig", State::Folder);
    assert_eq!((kind(&read.wsl.memory_limit), kind(&read.wsl.custom_kernel)), ("unreadable", "unreadable"));
    let read = with("wsl2-docker", "mnt/c/Users/ada/.wslconfig", State::Missing);
    assert_eq!(kind(&read.wsl.memory_limit), "absent");
    let read = with("wsl2-docker", "mnt", State::Missing);
    assert_eq!(kind(&read.wsl.memory_limit), "not asked");
    let read = with("bare-metal-docker", "answers/daemons/1/containers.json", State::Garbage);
    assert!(read.containers.is_empty() && read.daemon().is_some());
    let read = with("bare-metal-docker", "answers/kernel.log", State::Missing);
    assert_eq!(kind(&read.kernel.log), "not asked");
}

#[test]
fn the_package_database_tells_the_toolkit_s_version_where_the_program_does_not() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("bare-metal-docker"), folder.path()).unwrap();
    put(&folder.path().join("answers/run/nvidia-ctk --version"), State::Garbage);
    assert_eq!(survey_of(folder.path()).toolkit.version, Seen::Found("1.18.0".into()));
    put(&folder.path().join("var/lib/dpkg/status"), State::Missing);
    assert_eq!(kind(&survey_of(folder.path()).toolkit.version), "unreadable");
    put(&folder.path().join("answers/run/nvidia-ctk --version"), State::Missing);
    put(&folder.path().join("usr/bin/nvidia-ctk"), State::Missing);
    assert_eq!(survey_of(folder.path()).toolkit.version, Seen::Absent);
}

#[test]
fn a_specification_that_names_what_is_gone_says_what() {
    let read = with("bare-metal-docker", "usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05", State::Missing);
    assert_eq!(read.cdi.specs[0].missing, ["/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05"]);
    let read = with("bare-metal-docker", "dev/nvidia1", State::Missing);
    assert_eq!(read.cdi.specs[0].missing, ["/dev/nvidia1"]);
}

/// Every file of a folder.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn no_file_whatever_is_in_it_stops_a_survey() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(panic);
    }));
    let endless = "nvidia { [ \" = : , 0 \u{e9} ".repeat(90_000);
    for machine in ["bare-metal-docker", "kubernetes-node", "wsl2-docker"] {
        let folder = tempfile::tempdir().unwrap();
        copy(&fixture(machine), folder.path()).unwrap();
        let mut all = Vec::new();
        files(folder.path(), &mut all);
        for path in all {
            let own = fs::read(&path).unwrap();
            let link = fs::read_link(&path).ok();
            let size = u64::try_from(own.len()).unwrap();
            for content in [GARBAGE, &own[..own.len() / 2], endless.as_bytes()] {
                // Empty files stand for devices and programs, and nobody reads them; the table of permissions is the
                // folder's own and looked through for each file.
                let is_read = size > 0 && !path.ends_with("answers/stat");
                if !is_read && content.len() > GARBAGE.len() {
                    continue;
                }
                put(&path, State::Missing);
                fs::write(&path, content).unwrap();
                let began = Instant::now();
                let read = survey_of(folder.path());
                assert!(began.elapsed() < Duration::from_secs(4), "{}: {:?}", path.display(), began.elapsed());
                assert_eq!(serde_json::from_str::<Survey>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
            }
            put(&path, State::Missing);
            match link {
                Some(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
                None => fs::write(&path, own).unwrap(),
            }
        }
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}
