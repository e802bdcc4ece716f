//! Other machines, as folders: each must be told for what it is, by its evidence.

mod daemons;
mod machines;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use machines::TABLE;
use nacp_core::host::{
    self, Answer, Confidence, ContainerRuntime, Detection, Facts, GpuPathKind, Host, LayerKind, Question, Root,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hosts")
}

/// The machine in `tests/fixtures/hosts/NAME`, with the environment in its file `env`.
fn root(name: &str) -> Root {
    let folder = fixtures().join(name);
    assert!(folder.is_dir(), "{}", folder.display());
    Root::open(folder).unwrap()
}

fn machine(name: &str) -> Host {
    host::detect_in(&root(name))
}

#[test]
fn each_machine_is_told_for_what_it_is() {
    for (name, layers, gpu, summary) in TABLE {
        let host = machine(name);
        let kinds: Vec<_> = host.layers.iter().map(|layer| layer.kind).collect();
        assert_eq!(kinds, layers, "{name}: {host}");
        assert_eq!(host.gpu.kind, gpu, "{name}: {host}");
        assert_eq!(host.summary(), summary, "{name}");
        let os = if layers.contains(&LayerKind::NativeWindows) { "windows" } else { "linux" };
        assert_eq!(host.os.as_deref(), Some(os), "{name}");
        assert_eq!(host.is_wsl2(), layers.contains(&LayerKind::Wsl2), "{name}");
        assert!(host.layers.iter().all(|layer| !layer.evidence.is_empty()), "{name}: {host}");
    }
}

#[test]
fn no_machine_in_the_folder_is_forgotten() {
    let mut folders: Vec<_> =
        fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let mut known = TABLE.map(|(name, ..)| name);
    known.sort_unstable();
    assert_eq!(folders, known);
}

#[test]
fn a_question_without_an_answer_says_why() {
    let open = |name| {
        let undecided = machine(name).undecided;
        undecided.into_iter().map(|open| (open.question, open.reason)).collect::<Vec<_>>()
    };
    assert_eq!(open("bare-metal"), []);
    let no_tables = (Question::Cloud, "no firmware tables: /sys/class/dmi/id is not there".to_string());
    assert_eq!(open("wsl2"), std::slice::from_ref(&no_tables));
    assert_eq!(
        open("wsl1"),
        [(Question::Machine, "WSL1 does not show the machine under Windows".into()), no_tables.clone()]
    );
    let no_machine = "/proc/cpuinfo does not tell, /sys/class/dmi/id/sys_vendor is not there";
    assert_eq!(open("jetson"), [(Question::Machine, no_machine.into()), no_tables]);
}

#[test]
fn what_is_less_than_certain_says_so() {
    let of = |name| {
        let layer = machine(name).layers.into_iter().find(|layer| layer.kind == LayerKind::Wsl2).unwrap();
        (layer.confidence, layer.detail)
    };
    assert_eq!(of("wsl2").0, Confidence::Certain);
    assert_eq!(of("wsl2-custom-kernel"), (Confidence::Likely, "a kernel that is not Microsoft's".into()));
}

#[test]
fn the_path_to_gpus_says_what_is_missing() {
    let detail = |name| machine(name).gpu.detail;
    assert_eq!(detail("bare-metal"), "");
    assert_eq!(detail("gcp-vm"), "/dev/nvidia-uvm is missing: CUDA will not start");
    assert_eq!(detail("docker-without-gpu"), "the machine has the NVIDIA driver; this container was given no GPU");
    assert_eq!(detail("hyper-v-guest-with-dxg"), "/usr/lib/wsl/lib/libcuda.so.1 is not there");
    // A container that was given the fourth GPU only still has a GPU.
    assert!(machine("docker").gpu.to_string().contains("/dev: nvidia3"), "{}", machine("docker").gpu);
}

#[test]
fn a_person_reads_one_line_for_each_layer() {
    assert_eq!(
        machine("docker-on-wsl2").to_string(),
        "docker container on WSL2 (kernel 5.15.167.4-microsoft-standard-WSL2)
  docker container [certain; /proc/self/mountinfo: /etc/resolv.conf from /var/lib/docker/containers/90de/resolv.conf; \
         /.dockerenv: present]
  WSL2 [certain; /proc/sys/kernel/osrelease: 5.15.167.4-microsoft-standard-WSL2]
  Hyper-V virtual machine, WSL2's own [certain; /proc/sys/kernel/osrelease: 5.15.167.4-microsoft-standard-WSL2]
  GPUs through /dev/dxg [certain; /dev/dxg: present; /usr/lib/wsl/lib/libcuda.so.1: present]
  cloud unknown (no firmware tables: /sys/class/dmi/id is not there)"
    );
}

#[test]
fn an_empty_root_leaves_every_question_open() {
    let folder = tempfile::tempdir().unwrap();
    let host = host::detect_in(&Root::at(folder.path(), BTreeMap::new()));
    assert_eq!((host.os.as_deref(), host.kernel.as_deref(), host.layers.len()), (None, None, 0));
    assert_eq!(host.gpu.kind, GpuPathKind::Unknown);
    let questions: Vec<_> = host.undecided.iter().map(|undecided| undecided.question).collect();
    assert_eq!(questions, [Question::Container, Question::System, Question::Machine, Question::Cloud]);
    assert_eq!(host.summary(), "an unknown system");
}

#[test]
fn facts_travel_as_json_and_decide_the_same_elsewhere() {
    for (name, ..) in TABLE {
        let facts = Facts::gather(&root(name));
        let json = serde_json::to_string(&facts).unwrap();
        let host = serde_json::from_str::<Facts>(&json).unwrap().decide();
        assert_eq!(host, Detection::new().root(root(name)).daemons(false).run(), "{name}");
        let again: Host = serde_json::from_str(&serde_json::to_string(&host).unwrap()).unwrap();
        assert_eq!(again, host, "{name}");
        assert!(!json.contains("0123456789ABCDEF"), "a serial number left the machine: {name}");
    }
}

#[test]
fn what_identifies_a_machine_a_container_a_pod_or_a_user_stays_there() {
    let (id, pod) = ("9c0ffee5".repeat(8), "1a2b3c4d-1111-2222-3333-444444444444");
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: String| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let kubelet = format!("/kubepods.slice/kubepods-pod{}.slice", pod.replace('-', "_"));
    write("proc/1/cgroup", format!("0::{kubelet}/cri-containerd-{id}.scope"));
    write("proc/self/cgroup", format!("0::{kubelet}/cri-containerd-{id}.scope"));
    write(
        "proc/self/mountinfo",
        format!(
            "901 900 0:1 /home/alice/containers/{id}/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n\
             902 900 0:1 /var/lib/kubelet/pods/{pod}/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw\n"
        ),
    );
    write("sys/class/dmi/id/chassis_asset_tag", "INV-004711".into());
    write("sys/class/dmi/id/product_serial", "SN0815".into());
    let facts = Facts::gather(&Root::at(folder.path(), BTreeMap::new()));
    let text = serde_json::to_string(&facts).unwrap() + &facts.decide().to_string();
    for own in ["9c0ffee5", "1a2b3c4d", "444444444444", "alice", "INV", "SN0815"] {
        assert!(!text.contains(own), "{own} left the machine: {text}");
    }
    let kinds: Vec<_> = facts.decide().layers.iter().map(|layer| layer.kind).collect();
    assert_eq!(kinds[..2], [LayerKind::Container(ContainerRuntime::Containerd), LayerKind::Pod]);
}

/// The machine that runs this test, whatever it is.
#[test]
fn this_machine_has_a_system() {
    let host = host::detect();
    assert_eq!(host.os.as_deref(), Some(std::env::consts::OS));
    assert!(host.undecided.iter().all(|open| open.question != Question::System), "{host}");
    let release = Facts::gather(&Root::system()).answers.remove("/proc/sys/kernel/osrelease");
    assert!(
        !cfg!(target_os = "linux")
            || matches!(&release, Some(Answer::Text(text)) if host.kernel.as_ref() == Some(text))
    );
}
