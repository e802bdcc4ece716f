//! GPUs that are divided: MIG devices, the rights to them, and their names.

use super::facts::{contained, found, found_among, not_linux, on_wsl, said, together};
use super::ground::{Engine, Ground, also};
use super::recreate::recreate;
use crate::cuda::compat::DriverVersion;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, Seen, Survey};

const CAPS: &str = "/dev/nvidia-caps/";
/// The nodes of the whole machine's MIG: to configure it and to monitor it. Others are instances'.
const OF_THE_MACHINE: [&str; 2] = ["/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-caps/nvidia-cap2"];
/// The branch from which on a MIG device has a UUID of its own.
const OWN_UUIDS: u32 = 470;
const OLD_NAME: &str = "MIG-GPU-";

pub(super) const D26: Entry = Entry {
    id: FindingId(26),
    title: "MIG devices are there, and the nodes that give the right to them are not",
    symptoms: &[
        Symptom::of(&["error getting parent memory info", "Insufficient Permissions"]),
        Symptom::of(&["nvidia-caps", "no such file or directory"]),
        Symptom::of(&["nvidia-caps", "operation not permitted"]),
    ],
    severity: Severity::Broken,
    cause: "each MIG device needs nodes below /dev/nvidia-caps besides the GPU's own; they were not made on the machine, or \
            not given to the container, and what asks the whole GPU needs those of the monitor",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/1740",
        "https://github.com/NVIDIA/k8s-device-plugin/issues/1683",
        "https://github.com/NVIDIA/gpu-feature-discovery/issues/6",
    ],
    examine: d26,
    remedy: d26_remedy,
};

pub(super) const D27: Entry = Entry {
    id: FindingId(27),
    title: "a MIG device is asked for by a name of the old form",
    symptoms: &[Symptom::of(&["unknown device MIG-GPU-"]), Symptom::of(&["unknown device", "MIG-GPU-", "/"])],
    severity: Severity::Broken,
    cause: "until driver 465 a MIG device was `MIG-GPU-UUID/GI/CI`; from 470 on it has a UUID of its own, `MIG-UUID`",
    links: &["https://github.com/NVIDIA/nvidia-container-toolkit/issues/203"],
    examine: d27,
    remedy: d27_remedy,
};

pub(super) const D28: Entry = Entry {
    id: FindingId(28),
    title: "a running container does not see MIG devices that were made after its start",
    symptoms: &[Symptom::of(&["No MIG devices found"])],
    severity: Severity::Broken,
    cause: "a container is given its devices when it is created; what is made later, it does not get",
    links: &["https://github.com/NVIDIA/nvidia-docker/issues/1473"],
    examine: d28,
    remedy: d28_remedy,
};

/// The MIG devices that NVML tells.
fn instances(survey: &Survey) -> Vec<&str> {
    let divided = survey.nvml.gpus.iter().filter(|gpu| gpu.mig == Some(true));
    divided.flat_map(|gpu| &gpu.mig_devices).map(String::as_str).collect()
}

/// The nodes of MIG instances among these paths.
fn caps<'p>(paths: impl Iterator<Item = &'p str>) -> Vec<&'p str> {
    paths.filter(|path| path.starts_with(CAPS) && !OF_THE_MACHINE.contains(path)).collect()
}

fn own_caps(survey: &Survey) -> Vec<&str> {
    caps(survey.devices.nodes.iter().map(|node| node.path.as_str()))
}

/// Whether a container asks for everything that there is, or for a MIG device.
fn asks_of_mig(container: &ContainerFacts) -> bool {
    asks_for_all(container) || names(container).any(|name| name.contains("MIG-"))
}

fn asks_for_all(container: &ContainerFacts) -> bool {
    let all = container.requests.iter().any(|request| request.count == -1);
    all || names(container).any(|name| name == "all" || name.ends_with("=all"))
}

/// The names by which a container asks for devices: those of its requests, and of its variable.
fn names(container: &ContainerFacts) -> impl Iterator<Item = &str> {
    let requested = container.requests.iter().flat_map(|request| &request.ids).map(String::as_str);
    let variable = container.env.get("NVIDIA_VISIBLE_DEVICES").map(String::as_str).unwrap_or_default();
    requested.chain(variable.split(',').filter(|name| !name.is_empty()))
}

fn not_here(survey: &Survey) -> Option<Outcome> {
    if on_wsl(survey) {
        return Some(Outcome::NotHere("under WSL2 there is no MIG"));
    }
    not_linux(survey).then_some(Outcome::NotHere("this is not Linux"))
}

fn d26(survey: &Survey) -> Outcome {
    if let Some(outcome) = not_here(survey) {
        return outcome;
    }
    let said = said(survey, D26.symptoms);
    let instances = instances(survey);
    if instances.is_empty() {
        return found(said);
    }
    let told = Trace::of("NVML", format!("{} MIG devices, the first {}", instances.len(), instances[0]));
    let own = own_caps(survey);
    let machine = if own.is_empty() {
        Some(told.and("/dev/nvidia-caps", "nodes of MIG devices are not there"))
    } else {
        let lacking = survey.containers.iter().find(|container| {
            let inside = container.inside.as_ref().filter(|_| container.state == "running" && !container.privileged);
            asks_of_mig(container)
                && inside.is_some_and(|nodes| {
                    let nodes = || nodes.iter().map(String::as_str);
                    nodes().any(|node| node == "/dev/nvidiactl") && caps(nodes()).is_empty()
                })
        });
        lacking.map(|container| {
            told.and(format!("/dev/nvidia-caps of container {}", container.name), "no node of a MIG device")
                .about(&container.name)
        })
    };
    found(together(machine, said))
}

fn d26_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let made = !own_caps(survey).is_empty() || contained(survey);
    let remedy = Remedy::new("make the nodes of the MIG devices, describe them anew, and create the container again");
    let remedy = if made {
        remedy
    } else {
        // The driver names the nodes in its files of capabilities; the program makes one of each.
        ground.machine(
            remedy,
            "sudo find /proc/driver/nvidia/capabilities -type f -regex '.*/\\(access\\|monitor\\)' -exec nvidia-modprobe -f {} ';'",
        )
    };
    let remedy = ground.machine(remedy, "ls -l /dev/nvidia-caps");
    let remedy = ground.specify(remedy, survey.cdi.specs.first().map(|spec| spec.path.as_str()));
    match ground.engine() {
        Engine::Kubernetes => also(
            remedy,
            "The device plugin and feature discovery need the monitor's nodes: give their pods NVIDIA_MIG_MONITOR_DEVICES=all \
             and CAP_SYS_ADMIN, or the management specification (`nvidia-ctk cdi generate --mode=management`).",
        ),
        _ => also(
            recreate(ground, remedy, of_mig(survey)),
            "A program that watches whole GPUs (an exporter) needs the monitor's nodes too: start it with `-e \
             NVIDIA_MIG_MONITOR_DEVICES=all --cap-add SYS_ADMIN`. Only the container that is created again is interrupted.",
        ),
    }
}

/// Running containers that ask for MIG devices.
fn of_mig(survey: &Survey) -> impl Iterator<Item = &ContainerFacts> {
    survey.containers.iter().filter(|container| container.state == "running" && asks_of_mig(container))
}

/// Whether a name is of the old form, `MIG-GPU-UUID/GI/CI`.
fn old_form(name: &str) -> bool {
    let name = name.rsplit('=').next().unwrap_or(name);
    let Some((uuid, instances)) = name.strip_prefix(OLD_NAME).and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    uuid.len() == 36
        && uuid.bytes().all(hexadecimal)
        && instances.split_once('/').is_some_and(|(gpu, compute)| number(gpu) && number(compute))
}

fn d27(survey: &Survey) -> Outcome {
    if let Some(outcome) = not_here(survey) {
        return outcome;
    }
    let said = said(survey, D27.symptoms);
    let of_containers = survey.containers.iter().find_map(|container| {
        let variable = container.env.get("CUDA_VISIBLE_DEVICES").map(String::as_str).unwrap_or_default();
        let name = names(container).chain(variable.split(',')).find(|name| old_form(name))?;
        Some(Trace::of(format!("device names of container {}", container.name), name).about(&container.name))
    });
    let of_process = || {
        ["NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"].into_iter().find_map(|variable| {
            let name = survey.environment.get(variable)?.split(',').find(|name| old_form(name))?;
            Some(Trace::of(format!("env {variable}"), name))
        })
    };
    let Some(trace) = of_containers.or_else(of_process) else { return found_among(survey, said) };
    let version = survey.nvml.driver.found().or(survey.kernel.driver.found());
    let branch = version.and_then(|version| version.parse::<DriverVersion>().ok()).map(DriverVersion::branch);
    let machine = match (branch, version) {
        (Some(branch), Some(version)) if branch >= OWN_UUIDS => Some(trace.and("NVML driver", version)),
        (Some(_), _) => None,
        _ => Some(trace.only(Confidence::Likely)),
    };
    found_among(survey, together(machine, said))
}

fn d27_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let instances = instances(survey);
    let remedy = Remedy::new("ask for the MIG device by its own UUID, and create the container again");
    let remedy = ground.machine(remedy, "nvidia-smi -L");
    let plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let name = instances.first().copied().filter(plain).unwrap_or("MIG-UUID");
    let remedy = ground.daemon(remedy, format!("docker run --rm --gpus '\"device={name}\"' ubuntu nvidia-smi -L"));
    also(
        remedy,
        "A MIG device's UUID changes each time it is made. Only the container that is created again is interrupted.",
    )
}

fn d28(survey: &Survey) -> Outcome {
    if let Some(outcome) = not_here(survey) {
        return outcome;
    }
    let own = own_caps(survey);
    let machine = survey.containers.iter().find_map(|container| {
        let nodes = container.inside.as_ref().filter(|_| container.state == "running" && asks_for_all(container))?;
        let given = caps(nodes.iter().map(String::as_str));
        let missing = own.iter().filter(|node| !given.contains(node)).count();
        // Without any of them the nodes were never given (D26).
        let some = !given.is_empty() && missing > 0 && !instances(survey).is_empty();
        some.then(|| {
            Trace::of("/dev/nvidia-caps", format!("{} nodes of MIG devices", own.len()))
                .and(
                    format!("/dev/nvidia-caps of container {}", container.name),
                    format!("{missing} of them are not there"),
                )
                .about(&container.name)
                .only(Confidence::Likely)
        })
    });
    let divided = survey.nvml.gpus.iter().any(|gpu| gpu.mig == Some(true));
    let said = said(survey, D28.symptoms).filter(|_| divided || matches!(survey.nvml.driver, Seen::NotAsked));
    found_among(survey, together(machine, said))
}

fn d28_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new("describe the MIG devices anew, and create the container again");
    let remedy = ground.machine(remedy, "nvidia-smi -L");
    let remedy = if survey.cdi.specs.is_empty() {
        remedy
    } else {
        ground.specify(remedy, survey.cdi.specs.first().map(|spec| spec.path.as_str()))
    };
    let remedy = match ground.engine() {
        Engine::Kubernetes => {
            ground.daemon(remedy, "kubectl -n kube-system rollout restart daemonset/nvidia-device-plugin-daemonset")
        }
        _ => recreate(ground, remedy, of_mig(survey)),
    };
    also(
        remedy,
        "A restart is not enough where CDI gives the devices: the container must be created again, which interrupts it \
         alone. If `nvidia-smi -L` shows no MIG device, none was made: `sudo nvidia-smi mig -cgi … -C`.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;
    use crate::host::survey::DeviceNode;

    const MIG: &str = "MIG-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

    /// The machine with its GPU divided in two.
    fn divided() -> Survey {
        let mut survey = bench::machine();
        survey.nvml.gpus[0].mig = Some(true);
        survey.nvml.gpus[0].mig_devices = vec![MIG.into(), MIG.replace('a', "f")];
        for number in [1, 2, 66, 67, 75, 76] {
            let path = format!("{CAPS}nvidia-cap{number}");
            survey.devices.nodes.push(DeviceNode { path, mode: Some(0o444), uid: Some(0), gid: Some(0) });
        }
        survey
    }

    fn running(inside: &[&str]) -> ContainerFacts {
        let inside = inside.iter().map(|node| (*node).into()).collect();
        ContainerFacts { state: "running".into(), inside: Some(inside), ..bench::asking("") }
    }

    fn trace(outcome: Outcome) -> Trace {
        match outcome {
            Outcome::Found(trace) => trace,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn mig_devices_without_their_nodes_are_found_on_the_machine_and_in_a_container() {
        let mut survey = divided();
        assert_eq!(d26(&survey), Outcome::Clear);
        survey.containers = vec![running(&["/dev/nvidiactl", "/dev/nvidia0"])];
        assert_eq!(trace(d26(&survey)).subject.as_deref(), Some("llm"));
        survey.containers[0].state = "exited".into();
        assert_eq!(d26(&survey), Outcome::Clear);
        // The two of the whole machine give no right to an instance.
        survey.devices.nodes.retain(|node| !node.path.starts_with(CAPS) || OF_THE_MACHINE.contains(&&*node.path));
        assert_eq!(trace(d26(&survey)).subject, None);
        assert!(d26_remedy(&survey).commands[0].line.contains("nvidia-modprobe -f"));
    }

    #[test]
    fn a_container_that_has_some_of_the_nodes_is_older_than_the_others() {
        let mut survey = divided();
        let first = ["/dev/nvidiactl", "/dev/nvidia-caps/nvidia-cap66", "/dev/nvidia-caps/nvidia-cap67"];
        survey.containers = vec![running(&first)];
        assert_eq!((d26(&survey), trace(d28(&survey)).subject), (Outcome::Clear, Some("llm".into())));
        let all = [first.as_slice(), &["/dev/nvidia-caps/nvidia-cap75", "/dev/nvidia-caps/nvidia-cap76"]].concat();
        survey.containers = vec![running(&all)];
        assert_eq!(d28(&survey), Outcome::Clear);
        let mut one = running(&first);
        one.requests[0].count = 0;
        one.requests[0].ids = vec![MIG.into()];
        survey.containers = vec![one];
        assert_eq!(d28(&survey), Outcome::Clear, "it asked for one and has it");
    }

    #[test]
    fn the_old_form_is_told_from_the_new_one() {
        for (name, old) in [
            ("MIG-GPU-11111111-2222-3333-4444-555555555555/1/0", true),
            ("nvidia.com/gpu=MIG-GPU-11111111-2222-3333-4444-555555555555/13/0", true),
            ("MIG-GPU-11111111-2222-3333-4444-555555555555", false),
            ("MIG-GPU-11111111-2222-3333-4444-555555555555/1", false),
            ("MIG-GPU-1/1/0", false),
            (MIG, false),
            ("0:1", false),
        ] {
            assert_eq!(old_form(name), old, "{name}");
        }
    }

    #[test]
    fn the_old_form_is_wrong_from_driver_470_on() {
        let mut survey = divided();
        let old = "MIG-GPU-11111111-2222-3333-4444-555555555555/1/0";
        survey.environment.insert("CUDA_VISIBLE_DEVICES".into(), old.into());
        assert_eq!(trace(d27(&survey)).confidence, Confidence::Certain);
        survey.nvml.driver = Seen::Found("460.32.03".into());
        assert_eq!(d27(&survey), Outcome::Clear);
        survey.nvml.driver = Seen::NotAsked;
        survey.kernel.driver = Seen::NotAsked;
        assert_eq!(trace(d27(&survey)).confidence, Confidence::Likely);
        survey.environment.clear();
        survey.containers = vec![bench::asking_cdi(&[&format!("nvidia.com/gpu={old}")])];
        assert_eq!(trace(d27(&survey)).subject.as_deref(), Some("llm"));
        assert!(d27_remedy(&survey).commands[1].line.contains(MIG));
    }

    #[test]
    fn a_machine_without_mig_has_none_of_it() {
        for rule in [d26, d27, d28] {
            assert_eq!(rule(&bench::machine()), Outcome::Clear);
            assert_eq!(rule(&bench::bare()), Outcome::Clear);
            assert!(matches!(rule(&bench::wsl2()), Outcome::NotHere(_)));
        }
        let mut survey = bench::machine();
        survey.containers = vec![bench::container("smi")];
        survey.containers[0].log = vec!["No MIG devices found".into()];
        assert_eq!(d28(&survey), Outcome::Clear, "the GPU is not divided: that is what was said");
    }
}
