//! Who may open a GPU: the nodes' owners and modes, and SELinux.

use super::facts::{contained, found_among, not_linux, on_wsl, owned, said, shortened, together};
use super::ground::{Engine, Ground, also};
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::{ContainerFacts, DeviceNode};
use crate::host::{Confidence, DaemonInfo, Seen, Survey};

/// NVML's number for a lack of rights.
const NO_PERMISSION: i32 = 4;
const READ_WRITE: u32 = 0o6;

pub(super) const D25: Entry = Entry {
    id: FindingId(25),
    title: "a program may not open the GPU's device nodes",
    symptoms: &[
        Symptom::of(&["Failed to initialize NVML: Insufficient Permissions"]).without(&["getting parent memory info"]),
        Symptom::of(&["nvml error: insufficient permissions"]),
        Symptom::of(&["NVMLError_NoPermission"]),
        Symptom::of(&["avc: denied", "nvidia"]),
    ],
    severity: Severity::Broken,
    cause: "the nodes /dev/nvidia* are open to a group only and the program is not in it, or SELinux keeps containers from \
            devices",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/33",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/210",
        "https://github.com/fedora-selinux/selinux-policy/issues/1695",
    ],
    examine: d25,
    remedy: d25_remedy,
};

/// The nodes that everyone who computes must open and that not everyone may.
fn closed(survey: &Survey) -> Vec<&DeviceNode> {
    let needed = |node: &&DeviceNode| matches!(node.path.as_str(), "/dev/nvidiactl" | "/dev/nvidia-uvm");
    let nodes = survey.devices.gpus().chain(survey.devices.nodes.iter().filter(needed));
    nodes.filter(|node| node.mode.is_some_and(|mode| mode & READ_WRITE != READ_WRITE)).collect()
}

/// Whether this process may open a node that is not open to everyone; none where its user is not known.
fn opens(survey: &Survey, node: &DeviceNode) -> Option<bool> {
    let (user, mode) = (survey.devices.user?, node.mode?);
    let by_owner = node.uid == Some(user) && (mode >> 6) & READ_WRITE == READ_WRITE;
    let in_group = node.gid.is_some_and(|gid| survey.devices.groups.contains(&gid));
    Some(user == 0 || by_owner || (in_group && (mode >> 3) & READ_WRITE == READ_WRITE))
}

fn described(node: &DeviceNode) -> String {
    let number = |number: Option<u32>| number.map_or_else(|| "?".into(), |number| number.to_string());
    format!("mode {:o}, user {}, group {}", node.mode.unwrap_or_default(), number(node.uid), number(node.gid))
}

/// Whether SELinux confines a container that wants a GPU.
fn confined(container: &ContainerFacts, info: &DaemonInfo) -> bool {
    let labels = info.podman || info.security.iter().any(|option| option.split(',').any(|part| part == "name=selinux"));
    let free = |option: &String| {
        let option = option.replace(':', "=");
        option == "label=disable" || option.starts_with("label=type=")
    };
    labels && !container.privileged && !container.security.iter().any(free)
}

fn d25(survey: &Survey) -> Outcome {
    if not_linux(survey) {
        return Outcome::NotHere("Windows and macOS have no device nodes");
    }
    let said = said(survey, D25.symptoms);
    let closed = closed(survey);
    let nodes = |trace: Trace| closed.iter().fold(trace, |trace, node| trace.and(&node.path, described(node)));
    if let Some(failure) = survey.nvml.failure.as_ref().filter(|failure| failure.code == Some(NO_PERMISSION)) {
        let trace = Trace::of("NVML nvmlInit", format!("{NO_PERMISSION}: {}", failure.message));
        return found_among(survey, together(Some(nodes(trace)), said));
    }
    if let Some(refusal) = refusal(survey) {
        return found_among(survey, together(Some(refusal), said));
    }
    // A library that answers was let in.
    let answers = survey.nvml.driver.found().is_some();
    let shut = closed.iter().find(|node| opens(survey, node) == Some(false)).filter(|_| !answers);
    let machine = if let Some(node) = shut {
        Some(Trace::of(&node.path, described(node)).and("/proc/self/status", user(survey)))
    } else if let (Some(node), false) = (closed.first(), survey.containers.is_empty()) {
        let trace = Trace::of(&node.path, described(node)).only(Confidence::Possible);
        Some(trace.milder(Severity::Risk, "programs in containers that are not root's may not open the GPU"))
    } else {
        None
    };
    let blind = machine.is_none() && said.is_none() && !closed.is_empty() && survey.devices.user.is_none() && !answers;
    if blind {
        return Outcome::Unknown("the nodes are open to some only, and who this process is was not read".into());
    }
    let trace = together(machine.or_else(|| selinux(survey)), said);
    match (trace, unread(survey)) {
        (None, Some(why)) => Outcome::Unknown(why),
        (trace, _) => found_among(survey, trace),
    }
}

/// A line by which SELinux says that it kept a container from an NVIDIA device.
fn refused(line: &&String) -> bool {
    let by_a_container = line.split("scontext=").nth(1).is_some_and(|label| {
        let label = label.split_whitespace().next().unwrap_or_default();
        label.split(':').nth(2) == Some("container_t")
    });
    by_a_container
        && ["avc:", "denied", "nvidia"].iter().all(|word| line.contains(word))
        && !line.contains("permissive=1")
}

/// The second of a line of the audit's, `audit(1763975561.214:412)`.
fn second(line: &str) -> Option<i64> {
    line.split_once("audit(")?.1.split('.').next()?.parse().ok()
}

/// The newest refusal that auditd or the kernel wrote down, where SELinux enforces its rules. It is of before where it is
/// older than a day, or where containers may use devices by now.
fn refusal(survey: &Survey) -> Option<Trace> {
    if survey.kernel.selinux_enforcing != Seen::Found(true) {
        return None;
    }
    let newest = |lines: &Seen<Vec<String>>| lines.found()?.iter().rev().find(refused).cloned();
    let (source, line) = match newest(&survey.selinux.denials) {
        Some(line) => ("/var/log/audit/audit.log", line),
        None => ("kernel log", newest(&survey.kernel.log)?),
    };
    let trace = Trace::of(source, shortened(&line)).and("/sys/fs/selinux/enforce", "1");
    let old = survey.at.zip(second(&line)).is_some_and(|(now, then)| then < now - 24 * 60 * 60);
    if survey.selinux.use_devices == Seen::Found(true) {
        return Some(trace.and("/sys/fs/selinux/booleans/container_use_devices", "1").past());
    }
    Some(if old { trace.past() } else { trace })
}

/// Why it is not known whether SELinux keeps a container here from its GPU, where it may.
fn unread(survey: &Survey) -> Option<String> {
    let confined = || owned(survey).any(|(container, _, info)| confined(container, info));
    let may = survey.kernel.selinux_enforcing == Seen::Found(true) && survey.selinux.use_devices != Seen::Found(true);
    let (log, lines) = match &survey.selinux.denials {
        Seen::Absent => ("the kernel's log", &survey.kernel.log),
        lines => ("/var/log/audit/audit.log", lines),
    };
    (may && lines.found().is_none() && confined()).then(|| {
        let why = lines.open().filter(|why| !why.is_empty()).unwrap_or("it is not there");
        format!("SELinux confines containers that want a GPU, and what it refused was not read: {log}: {why}")
    })
}

fn user(survey: &Survey) -> String {
    let groups = survey.devices.groups.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    format!("user {}, groups {groups}", survey.devices.user.unwrap_or_default())
}

/// A container that ended badly under SELinux with a GPU and without leave to use it.
fn selinux(survey: &Survey) -> Option<Trace> {
    if survey.kernel.selinux_enforcing != Seen::Found(true) || survey.selinux.use_devices == Seen::Found(true) {
        return None;
    }
    let failed = |container: &ContainerFacts| container.exit_code.is_some_and(|code| code != 0);
    let (container, ..) = owned(survey).find(|(container, _, info)| failed(container) && confined(container, info))?;
    let trace = Trace::of("/sys/fs/selinux/enforce", "1")
        .and(format!("HostConfig.SecurityOpt of container {}", container.name), "no label=disable");
    let trace = trace.about(&container.name).only(Confidence::Possible);
    Some(trace.milder(Severity::Risk, "SELinux may keep a container that failed from its GPU"))
}

fn d25_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let enforcing = survey.kernel.selinux_enforcing == Seen::Found(true);
    let closed = closed(survey);
    if let Some(node) = closed.first() {
        return open_nodes(survey, ground, node);
    }
    if enforcing {
        let remedy = Remedy::new("let containers use devices under SELinux, and create the container again");
        let remedy = ground.machine(remedy, "sudo setsebool -P container_use_devices=true");
        let command = match ground.engine() {
            Engine::Podman => "podman run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi",
            _ => "docker run --rm --gpus all ubuntu nvidia-smi",
        };
        let remedy = ground.machine(remedy, command);
        return also(
            remedy,
            "It holds for every container of this machine. For one container only: `--security-opt label=disable`. What was \
             refused stands in `sudo ausearch -m avc -ts recent`. Nothing that runs is interrupted.",
        );
    }
    let remedy = Remedy::new("see who may open the nodes, and let the program's user do so");
    let remedy = ground.machine(remedy, "ls -l /dev/nvidia*");
    let remedy = ground.machine(remedy, "grep -i ModifyDeviceFiles /proc/driver/nvidia/params");
    if on_wsl(survey) {
        return also(remedy, "Under WSL2 it is /dev/dxg that programs open; `wsl --shutdown` makes it anew.");
    }
    also(remedy, "The mode must be crw-rw-rw-, or the user be in the nodes' group: `docker run --group-add GID …`.")
}

/// The program joins the group of the nodes, or the nodes are opened to everyone.
fn open_nodes(survey: &Survey, ground: Ground<'_>, node: &DeviceNode) -> Remedy {
    let gid = node.gid.filter(|gid| *gid != 0);
    let by_group = gid.filter(|_| node.mode.is_some_and(|mode| (mode >> 3) & READ_WRITE == READ_WRITE));
    let Some(gid) = by_group else {
        let remedy = Remedy::new("open the nodes to every user of this machine");
        let remedy = ground.machine(
            remedy,
            "echo 'options nvidia NVreg_DeviceFileUID=0 NVreg_DeviceFileGID=0 NVreg_DeviceFileMode=0666' | sudo tee \
             /etc/modprobe.d/nvidia-nodes.conf",
        );
        let remedy = ground.machine(remedy, "sudo chmod 666 /dev/nvidia[0-9]* /dev/nvidiactl /dev/nvidia-uvm*");
        return also(remedy, "The first command holds from the next load of the module on, the second at once.");
    };
    let remedy = Remedy::new("let the program's user into the group of the nodes");
    let remedy = if contained(survey) {
        remedy
    } else {
        remedy.run(format!("sudo usermod -aG \"$(getent group {gid} | cut -d: -f1)\" \"$USER\""))
    };
    let remedy = ground.daemon(remedy, format!("docker run --rm --gpus all --group-add {gid} ubuntu nvidia-smi"));
    also(
        remedy,
        &format!(
            "The first command counts from the next login on. In a compose file: `group_add: [\"{gid}\"]`, in a pod \
             `supplementalGroups: [{gid}]`."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;
    use crate::host::survey::NvmlFailure;

    fn trace(outcome: Outcome) -> Trace {
        match outcome {
            Outcome::Found(trace) => trace,
            other => panic!("{other:?}"),
        }
    }

    fn closed_to(gid: u32) -> Survey {
        let mut survey = bench::machine();
        for node in &mut survey.devices.nodes {
            (node.mode, node.gid) = (Some(0o660), Some(gid));
        }
        survey
    }

    fn silent(mut survey: Survey, code: Option<i32>) -> Survey {
        survey.nvml.driver = Seen::Unreadable("no answer".into());
        survey.nvml.failure = Some(NvmlFailure { code, signal: None, message: "no answer".into() });
        survey
    }

    #[test]
    fn nodes_of_a_group_are_closed_to_whoever_is_not_in_it() {
        let mut survey = silent(closed_to(44), None);
        assert_eq!(trace(d25(&survey)).evidence[0].value, "mode 660, user 0, group 44");
        survey.devices.groups.push(44);
        assert_eq!(d25(&survey), Outcome::Clear);
        survey.devices.groups.clear();
        survey.devices.user = Some(0);
        assert_eq!(d25(&survey), Outcome::Clear);
        survey.devices.user = None;
        assert!(matches!(d25(&survey), Outcome::Unknown(_)));
        let open = silent(bench::machine(), None);
        assert_eq!(d25(&open), Outcome::Clear);
    }

    #[test]
    fn a_library_that_is_refused_is_certain_and_one_that_answers_was_let_in() {
        let survey = silent(closed_to(44), Some(NO_PERMISSION));
        assert_eq!(trace(d25(&survey)).evidence[0].source, "NVML nvmlInit");
        assert_eq!(d25(&closed_to(44)), Outcome::Clear);
        let mut survey = closed_to(44);
        survey.containers = vec![bench::asking("")];
        assert_eq!(trace(d25(&survey)).milder.map(|(severity, _)| severity), Some(Severity::Risk));
    }

    #[test]
    fn selinux_is_suspected_where_a_container_failed_and_certain_where_it_logged() {
        let mut survey = bench::podman("5.4.2");
        survey.kernel.selinux_enforcing = Seen::Found(true);
        survey.selinux.denials = Seen::Absent;
        survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=all"])];
        assert_eq!(d25(&survey), Outcome::Clear);
        survey.containers[0].exit_code = Some(1);
        assert_eq!(trace(d25(&survey)).confidence, Confidence::Possible);
        let mut free = survey.clone();
        free.containers[0].security = vec!["label:disable".into()];
        assert_eq!(d25(&free), Outcome::Clear);
        free.kernel.log = Seen::Found(vec![REFUSED.replace("container_t", "unconfined_t")]);
        assert_eq!(d25(&free), Outcome::Clear, "another program");
        free.kernel.log = Seen::Found(vec![REFUSED.into()]);
        assert_eq!(trace(d25(&free)).confidence, Confidence::Certain);
        assert!(d25_remedy(&free).commands[0].line.contains("container_use_devices"));
        free.kernel.selinux_enforcing = Seen::Found(false);
        assert_eq!(d25(&free), Outcome::Clear);
    }

    const REFUSED: &str = "type=AVC msg=audit(1763975561.214:412): avc:  denied  { read write } for comm=\"nvidia-smi\" \
                           name=\"nvidiactl\" scontext=system_u:system_r:container_t:s0:c12,c99 permissive=0";

    #[test]
    fn auditd_keeps_refusals_in_a_file_of_its_own() {
        let mut survey = bench::podman("5.4.2");
        survey.kernel.selinux_enforcing = Seen::Found(true);
        survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=all"])];
        survey.selinux.denials = Seen::Unreadable("permission denied".into());
        assert!(matches!(d25(&survey), Outcome::Unknown(why) if why.contains("audit.log: permission denied")));
        survey.selinux.denials = Seen::Found(Vec::new());
        assert_eq!(d25(&survey), Outcome::Clear);
        survey.selinux.denials = Seen::Found(vec![REFUSED.into()]);
        let found = trace(d25(&survey));
        assert_eq!((found.evidence[0].source.as_str(), found.past), ("/var/log/audit/audit.log", false));
        survey.at = Some(1_763_975_561 + 2 * 24 * 60 * 60);
        assert!(trace(d25(&survey)).past, "two days ago");
        survey.at = None;
        survey.selinux.use_devices = Seen::Found(true);
        assert!(trace(d25(&survey)).past, "containers may by now");
        survey.selinux.denials = Seen::Unreadable("permission denied".into());
        assert_eq!(d25(&survey), Outcome::Clear, "nothing is refused to them");
    }

    #[test]
    fn the_group_is_joined_where_there_is_one_and_the_mode_mended_where_not() {
        let survey = closed_to(44);
        assert!(d25_remedy(&survey).commands[1].line.contains("--group-add 44"));
        let survey = closed_to(0);
        assert!(d25_remedy(&survey).commands[1].line.starts_with("sudo chmod 666"));
        assert_eq!(d25(&bench::bare()), Outcome::Clear);
    }
}
