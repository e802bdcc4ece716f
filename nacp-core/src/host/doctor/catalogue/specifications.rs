//! CDI specifications: names that do not resolve, files that are stale, files that cannot be made.

use std::collections::BTreeSet;

use super::facts::{
    asks_of_cdi, contained, daemon_is_outside, found, found_among, gpu, on_wsl, owned, said, shares_files, shortened,
    together, unless_cured,
};
use super::ground::{Engine, Ground, also};
use crate::host::doctor::remedy::quoted;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::CdiSpec;
use crate::host::{Daemon, DaemonInfo, Seen, Survey};

const KIND: &str = "nvidia.com/gpu";
/// As many of a list as a person reads.
const SHOWN: usize = 8;

pub(super) const D04: Entry = Entry {
    id: FindingId(4),
    title: "a container asks for a CDI device that no specification describes",
    symptoms: &[Symptom::of(&["unresolvable CDI device"])],
    severity: Severity::Broken,
    cause: "the name is in no specification that the daemon reads: none was written, it lies in another folder or cannot \
            be read, the GPUs were renumbered, or the name is a UUID on WSL2, where only `all` exists",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/146",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/1239",
        "https://github.com/NixOS/nixpkgs/issues/420638",
    ],
    examine: d04,
    remedy: d04_remedy,
};

pub(super) const D05: Entry = Entry {
    id: FindingId(5),
    title: "a CDI specification names files that are not there any more",
    symptoms: &[
        Symptom::of(&["failed to stat CDI host device"]),
        Symptom::of(&["error mounting", "libnvidia-", "no such file or directory"]),
        Symptom::of(&["error mounting", "libcuda.so.", "no such file or directory"]),
        Symptom::of(&["cannot stat", "libnvidia-", "no such file or directory"]),
        Symptom::of(&["cannot stat", "_nvidia.so.", "no such file or directory"]),
        Symptom::of(&["cannot stat", "libcuda.so.", "no such file or directory"]),
        Symptom::of(&["error stat'ing file", "/dev/nvidia", "no such file or directory"]),
    ],
    severity: Severity::Broken,
    cause: "the specification was written for another driver or other GPUs: the driver was upgraded, or a GPU was taken \
            out or renumbered, and the specification was not written anew",
    links: &["https://github.com/NVIDIA/nvidia-container-toolkit/issues/885"],
    examine: d05,
    remedy: d05_remedy,
};

pub(super) const D06: Entry = Entry {
    id: FindingId(6),
    title: "no CDI specification can be made of this machine's GPUs",
    symptoms: &[
        Symptom::of(&["invalid device, empty device edits"]),
        Symptom::of(&["failed to generate CDI spec"]),
        Symptom::of(&["failed to create device CDI specs"]),
        Symptom::of(&["nvidia-cdi-refresh.service", "failed"]),
    ],
    severity: Severity::Broken,
    cause: "`nvidia-ctk cdi generate` fails, and what runs it (a unit, the device plugin) goes on without devices",
    links: &["https://github.com/kaito-project/kaito/issues/2326"],
    examine: d06,
    remedy: d06_remedy,
};

/// The specifications of NVIDIA's GPUs.
fn of_gpus(survey: &Survey) -> impl Iterator<Item = &CdiSpec> {
    survey.cdi.specs.iter().filter(|spec| spec.kind.found().is_some_and(|kind| kind == KIND))
}

/// The devices that a daemon can give, and where that was read; none where it cannot be told.
fn known(survey: &Survey, daemon: &Daemon, info: &DaemonInfo) -> Option<(Vec<String>, String)> {
    let files = || of_gpus(survey).next().map_or_else(|| "/etc/cdi".into(), |spec| spec.path.clone());
    match &info.cdi_devices {
        Some(devices) => Some((devices.clone(), format!("GET /info DiscoveredDevices of {}", daemon.endpoint))),
        None if shares_files(survey, daemon) => Some((survey.cdi.nvidia_devices(), files())),
        None => None,
    }
}

fn d04(survey: &Survey) -> Outcome {
    let mut untold = None;
    let (mut machine, mut asked_any) = (None, false);
    for (container, daemon, info) in owned(survey) {
        // With CDI off nothing is looked up (D03), and old Podmans drop the request (D43).
        let off = info.cdi_spec_dirs.as_ref().is_some_and(Vec::is_empty);
        let asked: Vec<&str> = asks_of_cdi(container).collect();
        if asked.is_empty() || off {
            continue;
        }
        let Some((devices, source)) = known(survey, daemon, info) else {
            untold = Some(format!("{} does not say which CDI devices it has", daemon.endpoint));
            continue;
        };
        asked_any = true;
        // The files here tell only of this kind.
        let ours = |id: &&&str| info.cdi_devices.is_some() || id.starts_with(KIND) || !id.contains('=');
        let missing: Vec<&str> =
            asked.iter().filter(ours).filter(|id| !devices.iter().any(|known| known == **id)).copied().collect();
        if missing.is_empty() {
            continue;
        }
        let there = if devices.is_empty() { "devices are not there".into() } else { some(&devices) };
        let trace = Trace::of(format!("HostConfig.DeviceRequests of container {}", container.name), missing.join(" "));
        machine.get_or_insert(trace.and(source, there).about(&container.name));
    }
    let machine = machine.map(|trace| with_unreadable(survey, trace));
    let said = unless_cured(said(survey, D04.symptoms), machine.is_none() && untold.is_none() && asked_any);
    match (together(machine, said), untold) {
        (None, Some(why)) => Outcome::Unknown(why),
        (trace, _) => found_among(survey, trace),
    }
}

/// The specifications that cannot be read, or not by the user of a rootless daemon, as further evidence.
fn with_unreadable(survey: &Survey, trace: Trace) -> Trace {
    survey.cdi.specs.iter().fold(trace, |trace, spec| match (&spec.kind, spec.mode) {
        (Seen::Unreadable(why), _) => trace.and(&spec.path, why),
        (_, Some(mode)) if mode & 0o004 == 0 => {
            trace.and(&spec.path, format!("mode {mode:o}: only its owner reads it"))
        }
        _ => trace,
    })
}

fn d04_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    if ground.engine() == Engine::Desktop || on_wsl(survey) {
        let remedy = Remedy::new("ask for `nvidia.com/gpu=all`: on WSL2 it is the only CDI device there is");
        let remedy = match ground.engine() {
            Engine::Desktop => remedy,
            _ => ground.specify(remedy, None),
        };
        return ground
            .daemon(remedy, "docker run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi")
            .note("To keep a program to one of several GPUs there, set CUDA_VISIBLE_DEVICES in its container.");
    }
    let closed = survey.cdi.specs.iter().find(|spec| spec.mode.is_some_and(|mode| mode & 0o004 == 0));
    if let Some(spec) = closed.filter(|_| !daemon_is_outside(survey)) {
        let remedy = Remedy::new("let everybody read the CDI specification, and start the container again");
        let remedy = match quoted(&spec.path) {
            Some(path) => remedy.run(format!("sudo chmod 644 {path}")).run("nvidia-ctk cdi list"),
            None => remedy.run("nvidia-ctk cdi list"),
        };
        return remedy.note("Nothing that runs is interrupted.");
    }
    let remedy = Remedy::new("write the CDI specification anew, and ask for a name that `nvidia-ctk cdi list` shows");
    let remedy = ground.specify(remedy, of_gpus(survey).next().map(|spec| spec.path.as_str()));
    let remedy = match ground.engine() {
        Engine::Podman => ground.daemon(remedy, "podman run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi"),
        Engine::Kubernetes => remedy,
        _ => {
            let remedy = ground.daemon(remedy, "docker info --format '{{.CDISpecDirs}}'");
            ground.daemon(remedy, "docker run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi")
        }
    };
    also(
        remedy,
        "Nothing that runs is interrupted. Ask by UUID (`nvidia.com/gpu=GPU-…`): numbers change when GPUs do. The \
         specification must lie in one of the daemon's CDISpecDirs.",
    )
}

/// What makes a specification stale: files that are missing, or a driver that is not installed.
fn stale(survey: &Survey, spec: &CdiSpec) -> Option<Trace> {
    if !spec.missing.is_empty() {
        return Some(Trace::of(&spec.path, format!("names {}, not there", some(&spec.missing))));
    }
    let files = survey.libraries.nvml.iter().filter(|file| !file.compat);
    let mut installed: BTreeSet<&str> = files.clone().filter_map(|file| file.version.as_deref()).collect();
    let source = match (files.clone().find(|file| file.version.is_some()), &survey.kernel.driver) {
        (Some(file), _) => file.path.as_str(),
        (None, Seen::Found(version)) => {
            installed.insert(version);
            "/proc/driver/nvidia/version"
        }
        _ => return None,
    };
    let other: Vec<String> =
        spec.versions.iter().filter(|version| !installed.contains(version.as_str())).cloned().collect();
    if other.is_empty() {
        return None;
    }
    let installed = installed.into_iter().collect::<Vec<_>>().join(" ");
    Some(Trace::of(&spec.path, format!("for driver {}", some(&other))).and(source, installed))
}

fn d05(survey: &Survey) -> Outcome {
    let machine = of_gpus(survey).filter_map(|spec| stale(survey, spec)).reduce(|mut all, one| {
        all.evidence.extend(one.evidence);
        all
    });
    let said = said(survey, D05.symptoms);
    let untold = survey.kernel.driver.open().is_some() && survey.libraries.nvml.is_empty();
    if machine.is_none() && said.is_none() && untold && of_gpus(survey).any(|spec| !spec.versions.is_empty()) {
        return Outcome::Unknown("which driver is installed was not read".into());
    }
    let known = survey.kernel.driver.found().is_some() && !contained(survey);
    let cured = machine.is_none() && known && of_gpus(survey).any(|spec| !spec.versions.is_empty());
    found(together(machine, unless_cured(said, cured)))
}

fn d05_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new("write the CDI specification anew for the driver that is installed");
    if ground.engine() == Engine::Desktop {
        return remedy
            .on_windows("docker desktop restart")
            .note("Docker Desktop writes its specification when it starts; the restart stops its containers.");
    }
    let stale: Vec<_> = of_gpus(survey).filter(|spec| stale(survey, spec).is_some()).collect();
    let remedy = match stale.first() {
        None => ground.specify(remedy, of_gpus(survey).next().map(|spec| spec.path.as_str())),
        Some(_) => stale.iter().fold(remedy, |remedy, spec| ground.specify(remedy, Some(&spec.path))),
    };
    let remedy = if ground.systemd() && survey.toolkit.refresh_unit.is_absent() {
        ground.daemon(remedy, "systemctl list-unit-files 'nvidia-cdi-refresh.*'")
    } else if ground.systemd() {
        ground.daemon(remedy, "sudo systemctl enable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service")
    } else {
        remedy
    };
    also(
        remedy,
        "Nothing that runs is interrupted; containers that failed are started again as usual. The toolkit from 1.18 on \
         keeps /var/run/cdi/nvidia.yaml up to date by nvidia-cdi-refresh; without it, write the specification anew after \
         each change of the driver.",
    )
}

fn d06(survey: &Survey) -> Outcome {
    let said = said(survey, D06.symptoms);
    let failed = survey.toolkit.cdi_generate.found().filter(|ended| ended.code != Some(0));
    let unit = survey.toolkit.refresh_unit.found().filter(|state| *state == "failed");
    let machine = failed.map(|ended| {
        let how = ended.code.map_or_else(|| "no exit status".into(), |code| format!("exit {code}"));
        Trace::of("nvidia-ctk cdi generate", format!("{how}: {}", shortened(&ended.output)))
    });
    let machine = match (machine, unit) {
        (Some(trace), Some(state)) => Some(trace.and("nvidia-cdi-refresh.service", state)),
        (None, Some(state)) => Some(Trace::of("nvidia-cdi-refresh.service", state)),
        (trace, None) => trace,
    };
    let Some(machine) = machine else { return found(said) };
    if said.is_none() {
        match gpu(survey) {
            Seen::Found(_) => {}
            // There is nothing to describe.
            Seen::Absent => return Outcome::Clear,
            Seen::Unreadable(why) => return Outcome::Unknown(why),
            Seen::NotAsked => return Outcome::Unknown("whether a GPU is here was not asked".into()),
        }
        if survey.nvml.failure.is_some() {
            return Outcome::Unknown(
                "the driver itself does not answer, and a specification is made of its answers".into(),
            );
        }
    }
    found(together(Some(machine), said))
}

fn d06_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy =
        Remedy::new("see why the specification cannot be made, and let the toolkit inject GPUs without it meanwhile");
    let remedy = ground.daemon(remedy, "nvidia-smi");
    let remedy = ground.daemon(remedy, "sudo nvidia-ctk --debug cdi generate --output=/tmp/nvidia-cdi.yaml");
    let remedy = if ground.systemd() {
        ground.daemon(remedy, "journalctl --no-pager -b -u nvidia-cdi-refresh.service")
    } else {
        remedy
    };
    let remedy = ground.daemon(remedy, "sudo nvidia-ctk config --in-place --set nvidia-container-runtime.mode=legacy");
    let remedy = ground.restart(remedy);
    let what = match ground.engine() {
        Engine::Kubernetes => "Under the GPU operator set `toolkit.env` CDI_ENABLED=false, or upgrade the operator. ",
        _ => "",
    };
    also(
        remedy,
        &format!(
            "{what}The mode `legacy` is a way round until the toolkit is upgraded; set it back to `auto` then. {}",
            ground.restart_cost()
        ),
    )
}

/// The first of a list, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(" ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
