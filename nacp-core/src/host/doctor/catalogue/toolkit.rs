//! The toolkit's own releases: which are not safe, which is broken, and what its configuration lets through.

use super::facts::{
    Version, daemon_is_outside, daemons, found, found_among, gpu, on_docker, said, shares_files, together,
};
use super::ground::{Ground, Packages, also};
use super::recreate::recreate;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, DaemonInfo, GpuPathKind, Seen, Survey};

/// The release that broke CUDA in containers.
const BROKEN: &str = "1.19.1";
const CONFIG: &str = "/etc/nvidia-container-runtime/config.toml";

/// Holes by which a container gets out, and the release that closed each: NVIDIA's bulletins 5582, 5616 and 5659.
const HOLES: [(&str, &str); 5] = [
    ("CVE-2024-0132", "1.16.2"),
    ("CVE-2024-0133", "1.16.2"),
    ("CVE-2025-23359", "1.17.4"),
    ("CVE-2025-23266", "1.17.8"),
    ("CVE-2025-23267", "1.17.8"),
];

pub(super) const D46: Entry = Entry {
    id: FindingId(46),
    title: "this NVIDIA Container Toolkit lets a container out to the machine",
    symptoms: &[
        Symptom::of(&["CVE-2024-0132"]),
        Symptom::of(&["CVE-2024-0133"]),
        Symptom::of(&["CVE-2025-23359"]),
        Symptom::of(&["CVE-2025-23266"]),
        Symptom::of(&["CVE-2025-23267"]),
        Symptom::of(&["NVIDIAScape"]),
    ],
    severity: Severity::Risk,
    cause: "an image that is made for it makes the toolkit's hooks, which run as root, mount or load what they should not; the \
            next releases closed the holes",
    links: &[
        "https://nvidia.custhelp.com/app/answers/detail/a_id/5582",
        "https://nvidia.custhelp.com/app/answers/detail/a_id/5616",
        "https://nvidia.custhelp.com/app/answers/detail/a_id/5659",
        "https://github.com/Azure/aks-gpu/issues/61",
        "https://github.com/NVIDIA/cloud-native-docs/pull/106",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/906",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/934",
        "https://github.com/containers/toolbox/pull/1687",
    ],
    examine: d46,
    remedy: d46_remedy,
};

pub(super) const D47: Entry = Entry {
    id: FindingId(47),
    title: "NVIDIA Container Toolkit 1.19.1 breaks the start of CUDA in containers",
    symptoms: &[
        Symptom::of(&["CUDA", "nvidia-container-toolkit", "1.19.1"]),
        Symptom::of(&["libnvidia-container", "1.19.1"]),
        Symptom::of(&["nvidia-container-toolkit 1.19.1"]),
    ],
    severity: Severity::Broken,
    cause: "that release links the driver's libraries wrongly inside of the container: nvidia-smi works and CUDA does not \
            start; 1.19.0 is whole",
    links: &["https://github.com/NVIDIA/nvidia-container-toolkit/issues/1967"],
    examine: d47,
    remedy: d47_remedy,
};

pub(super) const D49: Entry = Entry {
    id: FindingId(49),
    title: "a container takes all GPUs by a variable, without having been given any",
    symptoms: &[
        Symptom::of(&["NVIDIA_VISIBLE_DEVICES=all"]).without(&["error", "failed", "cannot"]),
        Symptom::of(&["insufficient privileges to read device list from NVIDIA_VISIBLE_DEVICES"]),
    ],
    severity: Severity::Risk,
    cause: "the toolkit's runtime gives a container what its own variable NVIDIA_VISIBLE_DEVICES names, and most CUDA images \
            set it to `all`; where `accept-nvidia-visible-devices-envvar-when-unprivileged` is false, it is refused instead",
    links: &["https://github.com/NVIDIA/nvidia-container-toolkit/blob/main/api/config/v1/config.go"],
    examine: d49,
    remedy: d49_remedy,
};

/// The holes that a version has, as `CVE (closed in VERSION)`.
fn holes(version: &Version) -> Vec<String> {
    let open = HOLES.iter().filter(|(_, closed)| Version::of(closed).is_some_and(|closed| *version < closed));
    open.map(|(name, closed)| format!("{name} (closed in {closed})")).collect()
}

fn d46(survey: &Survey) -> Outcome {
    let text = match &survey.toolkit.version {
        Seen::Found(text) => text,
        Seen::Absent => return Outcome::Clear,
        Seen::Unreadable(_) | Seen::NotAsked if survey.toolkit.programs.is_empty() => return Outcome::Clear,
        Seen::Unreadable(why) => return Outcome::Unknown(format!("the toolkit's version: {why}")),
        Seen::NotAsked => return Outcome::Unknown("the toolkit's version was not asked".into()),
    };
    let Some(version) = Version::of(text) else {
        return Outcome::Unknown(format!("the toolkit's version {text:?} is no version"));
    };
    let holes = holes(&version);
    found((!holes.is_empty()).then(|| Trace::of("nvidia-ctk --version", format!("{text}: {}", holes.join(", ")))))
}

fn d46_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy =
        ground.upgrade_toolkit(Remedy::new("upgrade NVIDIA Container Toolkit to 1.17.8 or newer, better the newest"));
    let remedy = ground.daemon(remedy, "nvidia-ctk --version");
    also(
        remedy,
        "Nothing that runs is interrupted: the hooks run at a container's start. Until then start no image that you do not \
         trust. If the packages stay old, NVIDIA's repository is missing: `nacp explain 'could not select device driver \
         \"\" with capabilities: [[gpu]]'` has its commands. On a cluster the GPU operator carries the toolkit: upgrade it.",
    )
}

fn d47(survey: &Survey) -> Outcome {
    let text = match &survey.toolkit.version {
        Seen::Found(text) => text,
        Seen::Unreadable(why) if !survey.toolkit.programs.is_empty() => {
            return Outcome::Unknown(format!("the toolkit's version: {why}"));
        }
        _ => return Outcome::Clear,
    };
    if Version::of(text).is_none() || Version::of(text) != Version::of(BROKEN) {
        return Outcome::Clear;
    }
    let trace = Trace::of("nvidia-ctk --version", text);
    let words = [
        Symptom::of(&["cuInit"]),
        Symptom::of(&["cudaGetDeviceCount"]),
        Symptom::of(&["CUDA", "initializ"]),
        Symptom::of(&["CUDA", "init", "fail"]),
    ];
    match said(survey, &words).filter(|said| !said.past) {
        Some(said) => found(together(Some(trace.only(Confidence::Likely)), Some(said.only(Confidence::Likely)))),
        None => Outcome::Found(trace.only(Confidence::Likely).milder(
            Severity::Risk,
            "this release of NVIDIA Container Toolkit, 1.19.1, is known to break the start of CUDA in containers",
        )),
    }
}

fn d47_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new("go back to 1.19.0, or on to the newest release, and create the containers again");
    let remedy = match ground.packages() {
        Packages::Apt => ground.daemon(
            remedy,
            "sudo apt-get install -y --allow-downgrades nvidia-container-toolkit=1.19.0-1 \
             nvidia-container-toolkit-base=1.19.0-1 libnvidia-container-tools=1.19.0-1 libnvidia-container1=1.19.0-1",
        ),
        Packages::Dnf => ground.daemon(
            remedy,
            "sudo dnf downgrade -y nvidia-container-toolkit-1.19.0 nvidia-container-toolkit-base-1.19.0 \
             libnvidia-container-tools-1.19.0 libnvidia-container1-1.19.0",
        ),
        _ => ground.upgrade_toolkit(remedy),
    };
    let remedy = match survey.cdi.specs.is_empty() {
        true => remedy,
        false => ground.specify(remedy, None),
    };
    let remedy = recreate(ground, remedy, &survey.containers);
    also(
        remedy,
        "Only the containers that are created again are interrupted. Try the newest release on one container first: one \
         user still had the failure with 1.20.0.",
    )
}

/// Whether a container has all GPUs by its variable alone: under a daemon that gives every container the runtime `nvidia`.
/// Who names that runtime has asked.
fn helps_itself(container: &ContainerFacts, info: &DaemonInfo) -> bool {
    // The daemon writes its default into the container's settings.
    let unasked = info.default_runtime.as_deref() == Some("nvidia")
        && container.runtime.as_deref().is_none_or(|runtime| runtime == "nvidia");
    let all = container.env.get("NVIDIA_VISIBLE_DEVICES").is_some_and(|value| value.trim() == "all");
    all && unasked && container.requests.is_empty() && !container.privileged
}

fn d49(survey: &Survey) -> Outcome {
    if survey.host.gpu.kind == GpuPathKind::Tegra {
        return Outcome::NotHere("on a Tegra system the runtime and its variable are how a container asks");
    }
    let refused = said(survey, &D49.symptoms[1..]);
    if daemon_is_outside(survey) {
        return found_among(survey, refused);
    }
    let config = match &survey.toolkit.config {
        Seen::Found(config) => config,
        Seen::Absent => return found_among(survey, refused),
        Seen::Unreadable(why) => return Outcome::Unknown(format!("{CONFIG}: {why}")),
        Seen::NotAsked => return Outcome::Unknown(format!("{CONFIG} was not read")),
    };
    if config.accept_env_unprivileged == Some(false) || gpu(survey).found().is_none() {
        return found_among(survey, refused);
    }
    let setting = "accept-nvidia-visible-devices-envvar-when-unprivileged is true";
    let written =
        if config.accept_env_unprivileged.is_some() { setting.into() } else { format!("{setting} (default)") };
    let helped = on_docker(survey)
        .find(|(container, daemon, info)| shares_files(survey, daemon) && helps_itself(container, info));
    if let Some((container, ..)) = helped {
        let trace = Trace::of(CONFIG, written).and(
            format!("Config.Env of container {}", container.name),
            "NVIDIA_VISIBLE_DEVICES=all, no device requested",
        );
        return Outcome::Found(trace.about(&container.name));
    }
    let open = daemons(survey)
        .find(|(daemon, info)| shares_files(survey, daemon) && info.default_runtime.as_deref() == Some("nvidia"));
    let machine = open.map(|(daemon, _)| {
        Trace::of(CONFIG, written.clone())
            .and(format!("GET /info DefaultRuntime of {}", daemon.endpoint), "nvidia")
            .milder(Severity::Note, "any container that sets NVIDIA_VISIBLE_DEVICES=all takes all GPUs")
    });
    found_among(survey, together(machine, refused))
}

fn d49_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let refuses = survey.toolkit.config.found().is_some_and(|config| config.accept_env_unprivileged == Some(false));
    if refuses {
        return Remedy::new(
            "ask for the GPU in place of setting the variable: this machine's owner refuses the variable",
        )
        .run("docker run --rm --gpus all ubuntu nvidia-smi")
        .note("In a compose file: `deploy.resources.reservations.devices` with `driver: nvidia` and `device_ids`.");
    }
    let remedy =
        Remedy::new("let the toolkit accept the variable of privileged containers only, and ask for GPUs by name");
    let remedy = ground.daemon(
        remedy,
        "sudo nvidia-ctk config --in-place --set accept-nvidia-visible-devices-envvar-when-unprivileged=false",
    );
    let remedy = ground
        .daemon(remedy, "sudo nvidia-ctk config --in-place --set accept-nvidia-visible-devices-as-volume-mounts=true");
    also(
        remedy,
        "It counts from the next start of a container on. Containers that live by the variable then get no GPU: give them \
         `--gpus` or `--device nvidia.com/gpu=…` first. On a node set DEVICE_LIST_STRATEGY=volume-mounts (or CDI) at the \
         device plugin before.",
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

    #[test]
    fn each_hole_is_open_until_the_release_that_closed_it() {
        for (version, open) in [
            ("1.14.6", 5),
            ("1.16.1", 5),
            ("1.16.2", 3),
            ("1.17.3-1", 3),
            ("1.17.4", 2),
            ("1.17.7", 2),
            ("1.17.8-rc.1", 2),
            ("1.17.8-1", 0),
            ("1.18.0", 0),
            ("1.20.0", 0),
        ] {
            assert_eq!(holes(&Version::of(version).unwrap()).len(), open, "{version}");
            let mut survey = bench::machine();
            survey.toolkit.version = Seen::Found(version.into());
            assert_eq!(d46(&survey) == Outcome::Clear, open == 0, "{version}");
        }
    }

    #[test]
    fn a_toolkit_of_an_unknown_version_is_neither_safe_nor_not() {
        let mut survey = bench::machine();
        for seen in [Seen::NotAsked, Seen::Unreadable("no answer".into()), Seen::Found("devel".into())] {
            survey.toolkit.version = seen;
            assert!(matches!(d46(&survey), Outcome::Unknown(_)));
        }
        assert_eq!(d46(&bench::bare()), Outcome::Clear);
        survey.toolkit.programs.clear();
        survey.toolkit.version = Seen::NotAsked;
        assert_eq!(d46(&survey), Outcome::Clear, "there is none");
    }

    #[test]
    fn one_release_is_a_risk_and_broken_where_a_container_says_so() {
        let mut survey = bench::machine();
        for (version, here) in [("1.19.0", false), ("1.19.1-1", true), ("1.19.10", false), ("1.20.0", false)] {
            survey.toolkit.version = Seen::Found(version.into());
            assert_eq!(matches!(d47(&survey), Outcome::Found(_)), here, "{version}");
        }
        survey.toolkit.version = Seen::Found("1.19.1".into());
        assert_eq!(trace(d47(&survey)).milder.map(|(severity, _)| severity), Some(Severity::Risk));
        survey.containers = vec![bench::asking("")];
        survey.containers[0].log = vec!["RuntimeError: Unexpected error from cudaGetDeviceCount()".into()];
        let broken = trace(d47(&survey));
        assert_eq!((broken.milder, broken.confidence), (None, Confidence::Likely));
        assert!(d47_remedy(&survey).commands[0].line.contains("=1.19.0-1"));
    }

    #[test]
    fn a_variable_takes_gpus_only_through_the_runtime_and_where_it_is_accepted() {
        let mut survey = bench::machine();
        assert_eq!(d49(&survey), Outcome::Clear);
        let mut container = bench::container("notebook");
        container.env.insert("NVIDIA_VISIBLE_DEVICES".into(), "all".into());
        survey.containers = vec![container];
        assert_eq!(d49(&survey), Outcome::Clear, "runc does not read it");
        bench::info(&mut survey).default_runtime = Some("nvidia".into());
        assert_eq!(trace(d49(&survey)).subject.as_deref(), Some("notebook"));
        bench::info(&mut survey).default_runtime = Some("runc".into());
        survey.containers[0].runtime = Some("nvidia".into());
        assert_eq!(d49(&survey), Outcome::Clear, "its owner named the runtime");
        bench::info(&mut survey).default_runtime = Some("nvidia".into());
        let mut tegra = survey.clone();
        tegra.host.gpu.kind = GpuPathKind::Tegra;
        assert!(matches!(d49(&tegra), Outcome::NotHere(_)));
        survey.containers[0].privileged = true;
        assert_eq!(trace(d49(&survey)).milder.map(|(severity, _)| severity), Some(Severity::Note));
        let refuses = ToolkitConfig { accept_env_unprivileged: Some(false), ..ToolkitConfig::default() };
        survey.toolkit.config = Seen::Found(refuses);
        assert_eq!(d49(&survey), Outcome::Clear);
        assert!(d49_remedy(&survey).summary.starts_with("ask"));
        survey.toolkit.config = Seen::NotAsked;
        assert!(matches!(d49(&survey), Outcome::Unknown(_)));
    }
}
