//! The control groups that decide which devices a container may open: lost, refused, or never set.

use super::facts::{
    asks_by_hook, before, daemon_is_outside, daemons, found_among, has_program, on_docker, said, said_also_running,
    shares_files, together, unless_cured,
};
use super::ground::{Engine, Ground, also};
use crate::host::doctor::remedy::quoted;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, DaemonInfo, Seen, Survey};

const CONFIG: &str = "/etc/nvidia-container-runtime/config.toml";

pub(super) const D08: Entry = Entry {
    id: FindingId(8),
    title: "a running container has lost its GPUs",
    symptoms: &[
        Symptom::of(&["Failed to initialize NVML: Unknown Error"]),
        Symptom::of(&["NVML: Unknown Error"]),
        Symptom::of(&["NVMLError_Unknown"]),
    ],
    severity: Severity::Broken,
    cause: "`systemctl daemon-reload`, which any update of a package may run, let systemd write the container's device rules \
            anew; it does not know the GPUs that the toolkit's hook had added to them",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/48",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/251",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/1227",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/1397",
        "https://github.com/dstackai/dstack/issues/2601",
    ],
    examine: d08,
    remedy: d08_remedy,
};

pub(super) const D23: Entry = Entry {
    id: FindingId(23),
    title: "the toolkit's hook may not set the device rules of a rootless container",
    symptoms: &[
        Symptom::of(&["bpf_prog_query(BPF_CGROUP_DEVICE) failed"]),
        Symptom::of(&["failed to add device rules", "operation not permitted"]),
    ],
    severity: Severity::Broken,
    cause: "the hook changes a container's control group, for which a rootless daemon has no right: the hook must be told \
            not to (`no-cgroups`), or the GPU be asked of CDI",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/139",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/678",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/1487",
        "https://github.com/NVIDIA/libnvidia-container/issues/154",
    ],
    examine: d23,
    remedy: d23_remedy,
};

pub(super) const D24: Entry = Entry {
    id: FindingId(24),
    title: "containers of root's daemon get GPUs that they may not open: `no-cgroups` is on",
    symptoms: &[Symptom::of(&["Failed to initialize NVML: Unknown Error"]), Symptom::of(&["no-cgroups = true"])],
    severity: Severity::Broken,
    cause: "`no-cgroups = true` is for rootless daemons; with root's daemon nobody lets the container open its GPUs, and they \
            fail from the start",
    links: &["https://github.com/NVIDIA/nvidia-container-toolkit/issues/580"],
    examine: d24,
    remedy: d24_remedy,
};

/// Whether the toolkit's runtime uses its old hook rather than CDI; none where its version is not known.
fn legacy_mode(survey: &Survey) -> Option<bool> {
    match survey.toolkit.config.found().and_then(|config| config.mode.as_deref()) {
        Some("legacy") => Some(true),
        Some("cdi" | "jit-cdi" | "csv") => Some(false),
        _ => before(survey.toolkit.version.found()?, "1.18.0"),
    }
}

/// Whether the toolkit's hook gives a container its GPUs; privileged ones may open everything anyway.
fn through_hook(survey: &Survey, container: &ContainerFacts, info: &DaemonInfo) -> bool {
    if container.privileged || !asks_by_hook(container) {
        return false;
    }
    // Since 29.2 `--gpus` goes through CDI where the toolkit's CDI hook is there.
    let resolved = before(&info.version, "29.2") == Some(false) && has_program(survey, "nvidia-cdi-hook");
    let by_request = container.requests.iter().any(|request| matches!(request.driver.as_str(), "" | "nvidia"));
    let by_runtime = container.runtime.as_deref() == Some("nvidia");
    (by_request && !resolved) || (by_runtime && legacy_mode(survey) == Some(true))
}

/// Whether `no-cgroups` is on under a daemon of root that shares this machine's files.
fn switched_off_for_root(survey: &Survey) -> bool {
    let off = survey.toolkit.config.found().is_some_and(|config| config.no_cgroups == Some(true));
    off && daemons(survey).any(|(daemon, info)| !info.rootless() && !info.podman && shares_files(survey, daemon))
}

fn d08(survey: &Survey) -> Outcome {
    // The same words at the start of a container have another reason.
    let said = (!switched_off_for_root(survey)).then(|| said_also_running(survey, D08.symptoms)).flatten();
    let exposed: Vec<_> = on_docker(survey)
        .filter(|(container, _, info)| {
            let running = container.state == "running" && through_hook(survey, container, info);
            running && info.cgroup_driver.as_deref() == Some("systemd") && !info.rootless()
        })
        .collect();
    let Some((container, daemon, _)) = exposed.iter().find(|(_, daemon, _)| shares_files(survey, daemon)) else {
        // Nobody can look at the links of another machine.
        return match (said, exposed.first()) {
            (None, Some((container, daemon, _))) => Outcome::Unknown(format!(
                "container {} runs, and /dev/char of the machine of {} is not seen from here",
                container.name, daemon.endpoint
            )),
            (said, _) => found_among(survey, said),
        };
    };
    let machine = match &survey.devices.char_links {
        Seen::Found(true) => None,
        Seen::Found(false) | Seen::Absent => Some(
            Trace::of(format!("GET /info of {}", daemon.endpoint), "CgroupDriver systemd")
                .and(
                    format!("HostConfig of container {}", container.name),
                    "running, its GPU given by the toolkit's hook",
                )
                .and("/dev/char", "links to the NVIDIA devices are not there")
                .about(&container.name)
                .only(Confidence::Likely)
                .milder(
                    Severity::Risk,
                    "the next `systemctl daemon-reload` takes the GPUs of a running container away",
                ),
        ),
        Seen::Unreadable(_) | Seen::NotAsked if said.is_some() => None,
        Seen::Unreadable(why) => return Outcome::Unknown(format!("/dev/char: {why}")),
        Seen::NotAsked => return Outcome::Unknown("/dev/char was not looked at".into()),
    };
    found_among(survey, together(machine, said))
}

/// Whether a container's last lines or error have the words of the loss.
fn said_by(container: &ContainerFacts) -> bool {
    let mut texts = container.log.iter().chain([&container.error]);
    texts.any(|text| D08.symptoms.iter().any(|symptom| symptom.find(text).is_some()))
}

fn d08_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    if ground.engine() == Engine::Kubernetes {
        let remedy =
            Remedy::new("make the links that systemd needs on the node, and restart the pods that lost their GPUs");
        let remedy = char_links(ground, remedy);
        return also(remedy, "Delete the pods that lost their GPUs: their controllers start them again.");
    }
    let other = "Better still, ask with `--device nvidia.com/gpu=…` in place of `--gpus`: CDI writes the GPUs into the \
                 container's own rules. Changing the daemon to the cgroup driver `cgroupfs` helps as well, and stops every \
                 container.";
    let lost = survey.containers.iter().filter(|container| said_by(container));
    let names: Vec<String> = lost.filter_map(|container| quoted(&container.name)).collect();
    if names.is_empty() {
        let remedy = Remedy::new(
            "make the links by which systemd keeps the GPUs of containers, and create those that run again at the next \
             quiet hour",
        );
        return also(
            char_links(ground, remedy),
            &format!(
                "The links interrupt nothing. A container that has lost its GPUs has them again after a restart. {other}"
            ),
        );
    }
    let remedy = Remedy::new("restart the container, and make the links by which systemd keeps its GPUs from now on");
    let remedy = ground.daemon(remedy, format!("docker restart {}", names.join(" ")));
    let remedy = char_links(ground, remedy);
    also(remedy, &format!("The restart interrupts that container alone. {other}"))
}

/// The links of `/dev/char`, now and at each start of the driver.
fn char_links(ground: Ground<'_>, remedy: Remedy) -> Remedy {
    let rule = "ACTION==\"add\", DEVPATH==\"/bus/pci/drivers/nvidia\", RUN+=\"/usr/bin/nvidia-ctk system \
                create-dev-char-symlinks --create-all\"";
    let remedy = ground.daemon(remedy, "sudo nvidia-ctk system create-dev-char-symlinks --create-all");
    ground.daemon(remedy, format!("echo '{rule}' | sudo tee /etc/udev/rules.d/71-nvidia-dev-char.rules"))
}

fn d23(survey: &Survey) -> Outcome {
    let said = said(survey, D23.symptoms);
    let mut rootless = daemons(survey).filter(|(daemon, info)| {
        info.rootless() && !info.podman && shares_files(survey, daemon) && info.cgroup_version.as_deref() == Some("2")
    });
    let Some((daemon, info)) = rootless.next() else { return found_among(survey, said) };
    let config = match &survey.toolkit.config {
        Seen::Found(config) if config.no_cgroups == Some(true) => {
            // One release fails in spite of it.
            return found_among(survey, unless_cured(said, !regressed(survey)));
        }
        Seen::Found(_) => "no-cgroups is not on",
        Seen::Absent => "not there",
        Seen::Unreadable(_) | Seen::NotAsked if said.is_some() => return found_among(survey, said),
        Seen::Unreadable(why) => return Outcome::Unknown(format!("{CONFIG}: {why}")),
        Seen::NotAsked => return Outcome::Unknown(format!("{CONFIG} was not read")),
    };
    let asks = on_docker(survey)
        .find(|(container, own, _)| own.endpoint == daemon.endpoint && through_hook(survey, container, info));
    let machine = asks.map(|(container, ..)| {
        Trace::of(format!("GET /info of {}", daemon.endpoint), "rootless, cgroup 2")
            .and(CONFIG, config)
            .about(&container.name)
            .only(Confidence::Likely)
    });
    found_among(survey, together(machine, said))
}

/// Whether the toolkit is the release whose `no-cgroups` does not help a rootless daemon.
fn regressed(survey: &Survey) -> bool {
    survey.toolkit.version.found().is_some_and(|version| version.starts_with("1.18.0"))
}

/// Whether root's daemon and a rootless one share this machine, and with it the toolkit's one configuration.
fn both_daemons(survey: &Survey) -> bool {
    let here = || daemons(survey).filter(|(daemon, info)| !info.podman && shares_files(survey, daemon));
    here().any(|(_, info)| info.rootless()) && here().any(|(_, info)| !info.rootless())
}

/// Both daemons ask by CDI: whatever `no-cgroups` says is wrong for one of them.
fn by_cdi(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new("ask both daemons, root's and the rootless one, for the GPU by its CDI name");
    let remedy = ground.specify(remedy, None);
    let remedy = ground.daemon(remedy, "docker run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi");
    also(
        remedy,
        "Leave `no-cgroups` as it is: both daemons read the same file, and what helps one breaks the other. Nothing that \
         runs is interrupted; containers that ask with `--gpus` or `runtime: nvidia` are created again with the CDI name.",
    )
}

fn d23_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    if ground.engine() == Engine::Podman {
        let remedy = ground.specify(Remedy::new("ask for the GPU by its CDI name, which needs no hook"), None);
        return ground
            .daemon(remedy, "podman run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi")
            .note("Nothing that runs is interrupted.");
    }
    if both_daemons(survey) {
        return by_cdi(survey);
    }
    let remedy = Remedy::new("tell the toolkit to leave control groups alone, and restart the daemon");
    let remedy = ground.daemon(remedy, "sudo nvidia-ctk config --in-place --set nvidia-container-cli.no-cgroups=true");
    let remedy = ground.restart(remedy);
    let remedy = ground.daemon(remedy, "docker run --rm --gpus all ubuntu nvidia-smi");
    let remedy = also(
        remedy,
        "It must be off again for a daemon of root on the same machine. Where both run, ask the rootless one with \
         `--device nvidia.com/gpu=all` (CDI) instead.",
    );
    let remedy =
        if regressed(survey) { also(remedy, "Upgrade the toolkit too: 1.18.0 fails here even so.") } else { remedy };
    also(remedy, ground.restart_cost())
}

fn d24(survey: &Survey) -> Outcome {
    let config = match &survey.toolkit.config {
        Seen::Found(config) => config,
        Seen::Absent => return Outcome::Clear,
        Seen::Unreadable(why) => return Outcome::Unknown(format!("{CONFIG}: {why}")),
        Seen::NotAsked => return Outcome::Unknown(format!("{CONFIG} was not read")),
    };
    if config.no_cgroups != Some(true) || daemon_is_outside(survey) {
        return Outcome::Clear;
    }
    if !switched_off_for_root(survey) {
        return match super::facts::silent_daemons(survey) {
            Some(why) => Outcome::Unknown(format!("whether the daemon is root's is not known: {why}")),
            None => Outcome::Clear,
        };
    }
    let trace = Trace::of(CONFIG, "no-cgroups = true");
    let trace = match daemons(survey).find(|(_, info)| !info.rootless()) {
        Some((daemon, _)) => trace.and(format!("GET /info of {}", daemon.endpoint), "not rootless"),
        None => trace,
    };
    let hooked =
        on_docker(survey).find(|(container, _, info)| !info.rootless() && through_hook(survey, container, info));
    let machine = match hooked {
        Some((container, ..)) => trace.about(&container.name),
        None => trace.only(Confidence::Likely).milder(
            Severity::Risk,
            "containers that ask root's daemon for a GPU will not be allowed to open it: `no-cgroups` is on",
        ),
    };
    found_among(survey, together(Some(machine), said_also_running(survey, &D24.symptoms[..1])))
}

fn d24_remedy(survey: &Survey) -> Remedy {
    if both_daemons(survey) {
        return by_cdi(survey);
    }
    let ground = Ground::of(survey);
    let remedy = Remedy::new("switch `no-cgroups` off, and create the containers again");
    let remedy = ground.daemon(remedy, "sudo nvidia-ctk config --in-place --set nvidia-container-cli.no-cgroups=false");
    let remedy = ground.daemon(remedy, "docker run --rm --gpus all ubuntu nvidia-smi");
    also(
        remedy,
        "The daemon needs no restart; only the containers that are created again are interrupted. A rootless daemon beside \
         it asks with `--device nvidia.com/gpu=all` (CDI), which needs no such setting.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;
    use crate::host::survey::ToolkitConfig;

    fn trace(outcome: Outcome) -> Trace {
        match outcome {
            Outcome::Found(trace) => trace,
            other => panic!("{other:?}"),
        }
    }

    fn mild(outcome: Outcome) -> Option<Severity> {
        trace(outcome).milder.map(|(severity, _)| severity)
    }

    fn running(driver: &str) -> ContainerFacts {
        ContainerFacts { state: "running".into(), ..bench::asking(driver) }
    }

    fn no_cgroups(survey: &mut Survey, on: bool) {
        survey.toolkit.config = Seen::Found(ToolkitConfig { no_cgroups: Some(on), ..ToolkitConfig::default() });
    }

    #[test]
    fn a_running_container_is_at_risk_only_where_everything_for_the_loss_is_there() {
        let mut survey = bench::machine();
        survey.containers = vec![running("nvidia")];
        assert_eq!(d08(&survey), Outcome::Clear, "the links are there");
        survey.devices.char_links = Seen::Found(false);
        assert_eq!(mild(d08(&survey)), Some(Severity::Risk));

        let but = |change: fn(&mut Survey)| {
            let mut other = survey.clone();
            change(&mut other);
            d08(&other)
        };
        assert_eq!(but(|it| bench::info(it).cgroup_driver = Some("cgroupfs".into())), Outcome::Clear);
        assert_eq!(but(|it| bench::info(it).version = "29.2.0".into()), Outcome::Clear);
        assert_eq!(but(|it| it.containers = vec![running("cdi")]), Outcome::Clear);
        assert_eq!(but(|it| it.containers[0].privileged = true), Outcome::Clear);
        assert_eq!(but(|it| it.containers[0].state = "exited".into()), Outcome::Clear);
        assert!(matches!(but(|it| it.devices.char_links = Seen::NotAsked), Outcome::Unknown(_)));
    }

    #[test]
    fn the_runtime_is_at_risk_in_its_old_mode() {
        let mut survey = bench::machine();
        survey.devices.char_links = Seen::Found(false);
        survey.containers =
            vec![ContainerFacts { runtime: Some("nvidia".into()), state: "running".into(), ..bench::container("llm") }];
        assert_eq!(d08(&survey), Outcome::Clear, "1.18 uses CDI");
        survey.toolkit.version = Seen::Found("1.17.8".into());
        assert_eq!(mild(d08(&survey)), Some(Severity::Risk));
        survey.toolkit.config = Seen::Found(ToolkitConfig { mode: Some("cdi".into()), ..ToolkitConfig::default() });
        assert_eq!(d08(&survey), Outcome::Clear);
    }

    #[test]
    fn one_text_is_the_loss_or_the_setting_by_what_the_machine_says() {
        let mut survey = bench::machine();
        survey.containers = vec![running("nvidia")];
        survey.containers[0].log = vec!["Failed to initialize NVML: Unknown Error".into()];
        assert_eq!((mild(d08(&survey)), d24(&survey)), (None, Outcome::Clear));
        no_cgroups(&mut survey, true);
        assert_eq!((d08(&survey), mild(d24(&survey))), (Outcome::Clear, None));
        assert_eq!(trace(d24(&survey)).evidence.len(), 3);
    }

    #[test]
    fn no_cgroups_is_wrong_for_root_and_right_for_a_user() {
        let mut survey = bench::machine();
        no_cgroups(&mut survey, true);
        assert_eq!(mild(d24(&survey)), Some(Severity::Risk));
        assert_eq!(mild(d24(&bench::inside_lxc(survey.clone()))), Some(Severity::Risk), "its daemon reads its file");
        assert_eq!(d24(&bench::inside(survey.clone())), Outcome::Clear);
        bench::info(&mut survey).security = vec!["name=rootless".into()];
        assert_eq!(d24(&survey), Outcome::Clear);
        survey.containers = vec![running("")];
        assert_eq!(d23(&survey), Outcome::Clear);
        no_cgroups(&mut survey, false);
        assert_eq!(trace(d23(&survey)).subject.as_deref(), Some("llm"));
        assert!(d23_remedy(&survey).commands[1].line.contains("--user"), "{:?}", d23_remedy(&survey));
        survey.containers = vec![running("cdi")];
        assert_eq!(d23(&survey), Outcome::Clear);
    }

    #[test]
    fn what_was_not_read_is_not_judged() {
        let mut survey = bench::machine();
        survey.toolkit.config = Seen::Unreadable("permission denied".into());
        assert!(matches!(d24(&survey), Outcome::Unknown(_)));
        assert_eq!(d23(&survey), Outcome::Clear, "no rootless daemon is here");
        bench::info(&mut survey).security = vec!["name=rootless".into()];
        assert!(matches!(d23(&survey), Outcome::Unknown(_)));
        no_cgroups(&mut survey, true);
        survey.host.daemons[0].answer = Seen::Unreadable("connection refused".into());
        assert!(matches!(d24(&survey), Outcome::Unknown(_)));
        for rule in [d08, d23, d24] {
            assert_eq!(rule(&bench::bare()), Outcome::Clear);
            assert_eq!(rule(&bench::machine()), Outcome::Clear);
        }
    }

    #[test]
    fn the_container_that_lost_its_gpu_is_named_in_the_command() {
        let mut survey = bench::machine();
        survey.containers = vec![running(""), ContainerFacts { name: "embed".into(), ..running("") }];
        let lines = |survey: &Survey| d08_remedy(survey).commands.into_iter().map(|it| it.line).collect::<Vec<_>>();
        assert!(lines(&survey)[0].contains("create-dev-char-symlinks"), "{:?}", lines(&survey));
        assert!(lines(&survey).iter().all(|line| !line.contains("restart")), "nobody has lost a GPU");
        survey.containers[1].log = vec!["Failed to initialize NVML: Unknown Error".into()];
        assert_eq!(lines(&survey)[0], "docker restart embed");
        survey.containers[1].name = "a;reboot".into();
        assert_eq!(lines(&survey)[0], "docker restart 'a;reboot'");
    }

    #[test]
    fn a_running_container_that_says_so_has_lost_its_gpu() {
        let mut survey = bench::machine();
        survey.containers = vec![running("nvidia")];
        survey.containers[0].log = vec!["Failed to initialize NVML: Unknown Error".into()];
        let lost = trace(d08(&survey));
        assert_eq!((lost.milder, lost.subject.as_deref(), lost.past), (None, Some("llm"), false));
    }

    #[test]
    fn the_links_of_another_machine_are_not_judged() {
        let mut survey = bench::machine();
        survey.containers = vec![running("nvidia")];
        survey.host.daemons[0].place = crate::host::DaemonPlace::Remote;
        assert!(matches!(d08(&survey), Outcome::Unknown(why) if why.contains("/dev/char")));
        survey.containers = vec![running("cdi")];
        assert_eq!(d08(&survey), Outcome::Clear);
    }

    #[test]
    fn the_two_settings_of_no_cgroups_undo_each_other_where_both_daemons_are() {
        let mut survey = bench::machine();
        let mut rootless = survey.host.daemons[0].clone();
        rootless.endpoint = "unix:///run/user/1000/docker.sock".into();
        survey.host.daemons.push(rootless);
        bench::info(&mut survey).security = vec!["name=rootless".into()];
        for remedy in [d23_remedy(&survey), d24_remedy(&survey)] {
            assert!(remedy.commands.iter().all(|it| !it.line.contains("no-cgroups")), "{remedy:?}");
            assert!(remedy.commands.iter().any(|it| it.line.contains("nvidia.com/gpu=all")), "{remedy:?}");
        }
        survey.host.daemons.truncate(1);
        assert!(d23_remedy(&survey).commands[0].line.contains("no-cgroups=true"));
    }
}
