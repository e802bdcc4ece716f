//! What a machine's files and environment say, read once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stack::Evidence;
use super::{Root, Seen};

/// Files that are read; `proc/cpuinfo`, the mount table and `/dev` are read apart.
const TEXTS: [&str; 20] = [
    "/proc/sys/kernel/osrelease",
    "/proc/1/cgroup",
    "/proc/self/cgroup",
    "/proc/driver/nvidia/version",
    "/run/host/container-manager",
    "/run/systemd/container",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/product_name",
    "/sys/class/dmi/id/product_serial",
    "/sys/class/dmi/id/product_uuid",
    "/sys/class/dmi/id/board_vendor",
    "/sys/class/dmi/id/bios_vendor",
    "/sys/class/dmi/id/chassis_asset_tag",
    "/sys/devices/soc0/family",
    "/sys/hypervisor/type",
    "/sys/hypervisor/uuid",
    "/proc/xen/capabilities",
    "/proc/device-tree/hypervisor/compatible",
    "/proc/device-tree/compatible",
    "/etc/nv_tegra_release",
];
/// Files and folders whose presence counts.
const PRESENCES: [&str; 19] = [
    "/.dockerenv",
    "/run/.containerenv",
    "/run/WSL",
    "/proc/sys/fs/binfmt_misc/WSLInterop",
    "/proc/sys/fs/binfmt_misc/WSLInterop-late",
    "/var/run/secrets/kubernetes.io/serviceaccount",
    "/run/secrets/kubernetes.io/serviceaccount",
    "/var/run/kubernetes.io/dra-device-attributes",
    "/sys/class/dmi/id",
    "/sys/fs/cgroup/cgroup.controllers",
    "/sys/fs/cgroup/cgroup.events",
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/systemd/release_agent",
    "/usr/lib/wsl/lib/libcuda.so.1",
    "/dev/dxg",
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-caps",
    "/dev/nvidia-nvswitchctl",
];
/// What the agent of a node of Kubernetes leaves: kubeadm's and the clouds', k3s's, microk8s's.
pub(super) const NODE: [&str; 4] = [
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/rancher/k3s/agent",
    "/var/snap/microk8s/current/args/kubelet",
];
/// Where drivers of Windows put the management library: those since 2019, and those before.
pub(super) const WINDOWS_NVML: [&str; 2] =
    [r"%SystemRoot%\System32\nvml.dll", r"%ProgramW6432%\NVIDIA Corporation\NVSMI\nvml.dll"];
const VARIABLES: [&str; 4] = ["container", "KUBERNETES_SERVICE_HOST", "WSL_DISTRO_NAME", "WSL_INTEROP"];
/// The first entry of `/proc/cpuinfo` is enough; the kernel makes the others only where they are read.
const ONE_PROCESSOR: u64 = 16 << 10;

/// The asset tag of every machine of Azure.
pub(super) const AZURE: &str = "7783-7084-3265-9085-8269-3286-77";
/// The asset tag of every machine of Oracle Cloud.
pub(super) const ORACLE: &str = "OracleCloud.com";
/// Asset tags that are the same on all machines of a kind; any other is one machine's own.
const ASSET_TAGS: [&str; 6] = [AZURE, ORACLE, "Amazon EC2", "Not Specified", "No Asset Tag", "To Be Filled By O.E.M."];
/// As many hexadecimal digits in a row as the shortest id of a container has.
const ID_DIGITS: usize = 12;

pub(super) const MOUNTS: &str = "/proc/self/mountinfo";
pub(super) const CPU: &str = "/proc/cpuinfo";
pub(super) const DEV: &str = "/dev";
pub(super) const VIRTIO: &str = "/sys/bus/virtio/devices";

/// What one source answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What it says, without surrounding blanks.
    Text(String),
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// It is there and cannot be read.
    Unreadable(String),
}

/// Everything that was read on a machine to tell where it stands, as data that can be kept, compared and sent.
///
/// As JSON it can go into a bug report: it holds no serial numbers, addresses or secrets. What identifies one machine,
/// container, pod or user is left out when it is read: of serial numbers only the part that names the maker is kept,
/// ids and the names of home folders are `…` in paths, and an asset tag that is not known to be a maker's is
/// [`Answer::Present`].
///
/// ```
/// use std::collections::BTreeMap;
/// use nacp_core::host::{Facts, Root};
///
/// // What another machine said, decided here: the same facts give the same answer everywhere.
/// # let folder = std::env::temp_dir().join("nacp-doc-no-such-folder");
/// let there = Facts::gather(&Root::at(folder, BTreeMap::new()));
/// let sent = serde_json::to_string(&there).unwrap();
/// let here: Facts = serde_json::from_str(&sent).unwrap();
/// assert_eq!(here.decide(), there.decide());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Facts {
    /// The operating system, where the program itself knows it.
    pub os: Option<String>,
    /// By path, or `env NAME`, what each source answered.
    pub answers: BTreeMap<String, Answer>,
}

impl Facts {
    /// Reads every source of `root` once.
    pub fn gather(root: &Root) -> Self {
        let mut answers = BTreeMap::new();
        for source in TEXTS {
            answers.insert(source.into(), discreet(source, answer(root.text(source))));
        }
        for source in PRESENCES.into_iter().chain(NODE) {
            answers.insert(source.into(), presence(root.presence(source)));
        }
        if root.os() == Some("windows") {
            for source in WINDOWS_NVML {
                answers.insert(source.into(), presence(root.presence(&without_variables(source, root))));
            }
        }
        for name in VARIABLES {
            let answer = match root.variable(name) {
                None => Answer::Absent,
                Some(_) if name == "KUBERNETES_SERVICE_HOST" || name == "WSL_INTEROP" => Answer::Present,
                Some(value) => Answer::Text(value),
            };
            answers.insert(format!("env {name}"), answer);
        }
        answers.insert(MOUNTS.into(), shorten(answer(root.text(MOUNTS)), bind_mounts));
        answers.insert(CPU.into(), shorten(answer(root.beginning(CPU, ONE_PROCESSOR)), hypervisor_flag));
        answers.insert(DEV.into(), list(root.list(DEV), nvidia_device));
        answers.insert(VIRTIO.into(), list(root.list(VIRTIO), |name| name == "virtio0"));
        Self { os: root.os().map(str::to_owned), answers }
    }

    /// What a source says; nothing where it is absent, empty or unreadable.
    pub(super) fn text(&self, source: &str) -> Option<&str> {
        match self.answers.get(source) {
            Some(Answer::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Whether a source is there, readable or not.
    pub(super) fn has(&self, source: &str) -> bool {
        !matches!(self.answers.get(source), None | Some(Answer::Absent))
    }

    /// A source as evidence, if it is there.
    pub(super) fn evidence(&self, source: &str) -> Option<Evidence> {
        let value = match self.answers.get(source)? {
            Answer::Text(text) => text.clone(),
            Answer::Present => "present".into(),
            Answer::Unreadable(reason) => reason.clone(),
            Answer::Absent => return None,
        };
        Some(Evidence { source: source.into(), value })
    }

    /// Why a source gives no text, for a reason that a user reads.
    pub(super) fn why_no_text(&self, source: &str) -> String {
        match self.answers.get(source) {
            Some(Answer::Unreadable(reason)) => format!("{source} cannot be read: {reason}"),
            Some(Answer::Text(_) | Answer::Present) => format!("{source} does not tell"),
            Some(Answer::Absent) | None => format!("{source} is not there"),
        }
    }
}

/// A path of Windows with the variable at its beginning replaced.
fn without_variables(path: &str, root: &Root) -> String {
    let parts = path.strip_prefix('%').and_then(|rest| rest.split_once('%'));
    match parts.and_then(|(name, rest)| Some((root.variable(name)?, rest))) {
        Some((value, rest)) => value + rest,
        None => path.to_owned(),
    }
}

fn answer(seen: Seen<String>) -> Answer {
    match seen {
        Seen::Found(text) => Answer::Text(text.trim_matches(['\0', ' ', '\t', '\r', '\n']).to_owned()),
        Seen::Unreadable(reason) => Answer::Unreadable(reason),
        Seen::Absent | Seen::NotAsked => Answer::Absent,
    }
}

fn presence(seen: Seen<()>) -> Answer {
    match answer(seen.map(|()| String::new())) {
        Answer::Text(_) => Answer::Present,
        other => other,
    }
}

/// The names in a folder that `keep` accepts, the shortest first, as text.
fn list(seen: Seen<Vec<String>>, keep: fn(&str) -> bool) -> Answer {
    answer(seen.map(|mut names| {
        names.retain(|name| keep(name));
        names.sort_by_key(|name| (name.len(), name.clone()));
        names.join(" ")
    }))
}

fn nvidia_device(name: &str) -> bool {
    let digits = name.strip_prefix("nvidia").unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Leaves out what identifies one machine, container or pod.
fn discreet(source: &str, answer: Answer) -> Answer {
    let Answer::Text(text) = answer else { return answer };
    // Strings of the device tree end with a zero each.
    let text = text.replace('\0', " ");
    let kept = match source.rsplit('/').next().unwrap_or_default() {
        "chassis_asset_tag" if !text.is_empty() && !ASSET_TAGS.contains(&text.as_str()) => return Answer::Present,
        "cgroup" => without_ids(&text),
        "product_serial" => match text.split_once('-') {
            Some(("GoogleCloud", _)) => "GoogleCloud-…".into(),
            _ => text.get(..3).filter(|start| start.eq_ignore_ascii_case("ec2")).unwrap_or_default().into(),
        },
        "product_uuid" | "uuid" => {
            text.get(..3).filter(|start| start.eq_ignore_ascii_case("ec2")).unwrap_or_default().into()
        }
        _ => text,
    };
    Answer::Text(kept)
}

fn shorten(answer: Answer, keep: fn(&str) -> String) -> Answer {
    match answer {
        Answer::Text(text) => Answer::Text(keep(&text)),
        other => other,
    }
}

/// The mounts that a container engine makes over a container's own files: `PLACE from SOURCE`, one a line.
fn bind_mounts(table: &str) -> String {
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (source, place) = (fields.next()?, fields.next()?);
        let own = matches!(place, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf");
        own.then(|| format!("{place} from {}", without_ids(&without_homes(source))))
    });
    mounts.collect::<Vec<_>>().join("\n")
}

/// Ids of containers and pods become `…`: long rows of hexadecimal digits, and UUIDs with hyphens or underscores.
fn without_ids(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let id = uuid(rest).max((digits >= ID_DIGITS).then_some(digits));
        // The last letter of the word before a pod's id looks like the id's first digit.
        match id.filter(|_| !(first == 'd' && kept.ends_with("po"))) {
            Some(length) => {
                kept.push('…');
                rest = &rest[length..];
            }
            None => {
                kept.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    kept
}

/// The length of the UUID with which the text begins.
fn uuid(text: &str) -> Option<usize> {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut end = 0;
    for (index, group) in GROUPS.into_iter().enumerate() {
        if index > 0 {
            end += usize::from(matches!(text.as_bytes().get(end), Some(b'-' | b'_')));
        }
        let digits = text.as_bytes().get(end..end + group)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        end += group;
    }
    Some(end)
}

/// Users' names become `…` in the paths of their homes.
pub(super) fn without_homes(path: &str) -> String {
    let mut parts = path.split('/').collect::<Vec<_>>();
    for index in 1..parts.len() {
        if matches!(parts[index - 1], "home" | "Users") {
            parts[index] = "…";
        }
    }
    parts.join("/")
}

/// Whether the first processor says that a hypervisor is there; empty where it does not list its flags (not x86).
fn hypervisor_flag(cpuinfo: &str) -> String {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.trim_start().strip_prefix(':'));
    match flags {
        None => String::new(),
        Some(flags) if flags.split_whitespace().any(|flag| flag == "hypervisor") => "hypervisor flag".into(),
        Some(_) => "no hypervisor flag".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_over_a_containers_own_files_count() {
        let table = "\
36 35 98:0 / / rw,noatime - ext4 /dev/root rw
40 36 0:50 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw
41 36 254:1 /var/lib/docker/containers/0af/hostname /etc/hostname rw - ext4 /dev/vda1 rw
broken line
";
        assert_eq!(bind_mounts(table), "/etc/hostname from /var/lib/docker/containers/0af/hostname");
    }

    #[test]
    fn numbers_that_identify_a_machine_are_not_kept() {
        let kept = |source, text: &str| discreet(source, Answer::Text(text.into()));
        assert_eq!(kept("/sys/class/dmi/id/product_serial", "5CD1234XYZ"), Answer::Text(String::new()));
        assert_eq!(kept("/sys/class/dmi/id/product_serial", "GoogleCloud-F00"), Answer::Text("GoogleCloud-…".into()));
        assert_eq!(kept("/sys/hypervisor/uuid", "ec2e1916-9099"), Answer::Text("ec2".into()));
        assert_eq!(kept("/sys/class/dmi/id/product_uuid", "4c4c4544"), Answer::Text(String::new()));
        assert_eq!(kept("/sys/class/dmi/id/sys_vendor", "QEMU"), Answer::Text("QEMU".into()));
    }

    #[test]
    fn an_asset_tag_is_kept_only_where_it_is_a_maker_s() {
        let kept = |text: &str| discreet("/sys/class/dmi/id/chassis_asset_tag", Answer::Text(text.into()));
        for known in [AZURE, ORACLE, "Amazon EC2", "Not Specified", ""] {
            assert_eq!(kept(known), Answer::Text(known.into()));
        }
        assert_eq!(kept("INV-004711, Room 3"), Answer::Present);
    }

    #[test]
    fn ids_in_paths_are_not_kept() {
        let id = "4f1c".repeat(16);
        let pod = "1a2b3c4d-1111-2222-3333-444444444444";
        for (text, kept) in [
            (format!("0::/docker/{id}"), "0::/docker/…"),
            (format!("0::/system.slice/docker-{id}.scope"), "0::/system.slice/docker-….scope"),
            (format!("/kubepods/burstable/pod{pod}/{id}"), "/kubepods/burstable/pod…/…"),
            (format!("/kubepods-pod{}.slice", pod.replace('-', "_")), "/kubepods-pod….slice"),
            ("/kubepods/pod0123456789abcdef0123456789abcdef".into(), "/kubepods/pod…"),
            (format!("/var/lib/kubelet/pods/{pod}/etc-hosts"), "/var/lib/kubelet/pods/…/etc-hosts"),
            ("0::/user.slice/user-1000.slice".into(), "0::/user.slice/user-1000.slice"),
            ("0::/init.scope".into(), "0::/init.scope"),
            ("/dead-beef/ünïcode".into(), "/dead-beef/ünïcode"),
        ] {
            assert_eq!(without_ids(&text), kept);
        }
        assert_eq!(without_homes("/home/alice/.local/x"), "/home/…/.local/x");
        assert_eq!(without_homes("/var/lib/docker"), "/var/lib/docker");
    }

    #[test]
    fn gpus_are_the_numbered_devices() {
        for (name, is) in
            [("nvidia0", true), ("nvidia12", true), ("nvidia", false), ("nvidiactl", false), ("null", false)]
        {
            assert_eq!(nvidia_device(name), is, "{name}");
        }
    }

    #[test]
    fn a_file_in_place_of_a_folder_is_absent_and_a_folder_in_place_of_a_file_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("proc"), "").unwrap();
        std::fs::create_dir_all(folder.path().join("run/systemd/container")).unwrap();
        let facts = Facts::gather(&Root::at(folder.path(), BTreeMap::new()));
        assert_eq!(facts.answers["/proc/1/cgroup"], Answer::Absent);
        assert!(matches!(facts.answers["/run/systemd/container"], Answer::Unreadable(_)));
    }
}
