//! Which device driver a container asks of its daemon, and whether the daemon has it.

use super::facts::{
    before, contained, daemons, found, gpu, has_program, on_docker, said, shares_files, silent_daemons, together,
};
use super::ground::{Engine, Ground, also};
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, Daemon, DaemonInfo, Survey};

/// From this version on `--gpus` is resolved through CDI, and the failure has the words of D07.
const VENDORS_BY_CDI: &str = "29.3";

pub(super) const D01: Entry = Entry {
    id: FindingId(1),
    title: "the daemon does not know how to give a container a GPU",
    symptoms: &[
        Symptom::of(&["could not select device driver \"\" with capabilities: [[", "gpu"]),
        Symptom::of(&["could not select device driver \\\"\\\" with capabilities: [[", "gpu"]),
        Symptom::of(&["could not select device driver '' with capabilities: [[", "gpu"]),
        Symptom::of(&["could not select device driver with capabilities: [[gpu"]),
    ],
    severity: Severity::Broken,
    cause: "the daemon looks for the toolkit's hook once, when it starts: NVIDIA Container Toolkit was not installed \
            then, or this is not the daemon for which it was installed",
    links: &[
        "https://github.com/NVIDIA/nvidia-docker/issues/1034",
        "https://github.com/NVIDIA/nvidia-docker/issues/1243",
    ],
    examine: d01,
    remedy: install_and_restart,
};

pub(super) const D02: Entry = Entry {
    id: FindingId(2),
    title: "a container asks for a GPU by the name of a device driver that the daemon does not have",
    symptoms: &[
        Symptom::of(&["could not select device driver \"", "\" with capabilities"])
            .without(&["device driver \"\"", "device driver \"cdi\""]),
        Symptom::of(&["could not select device driver \\\"", "\\\" with capabilities"])
            .without(&["device driver \\\"\\\"", "device driver \\\"cdi\\\""]),
    ],
    severity: Severity::Broken,
    cause: "Docker knows the device drivers `nvidia` and `cdi` and no other, and `nvidia` only if the toolkit's hook was \
            there when the daemon started; a CDI kind such as `nvidia.com/gpu` is the name of a device, not of a driver",
    links: &["https://github.com/mudler/LocalAI/issues/11733", "https://github.com/infiniflow/ragflow/issues/9573"],
    examine: d02,
    remedy: d02_remedy,
};

pub(super) const D03: Entry = Entry {
    id: FindingId(3),
    title: "a container asks for a CDI device, and the daemon has CDI switched off or does not know it",
    symptoms: &[
        Symptom::of(&["could not select device driver \"cdi\" with capabilities"]),
        Symptom::of(&["could not select device driver \\\"cdi\\\" with capabilities"]),
    ],
    severity: Severity::Broken,
    cause: "Docker before 25.0 has no CDI, and from 25.0 to 28.1 it is off until `features.cdi` is set in daemon.json",
    links: &["https://github.com/NVIDIA/nvidia-container-toolkit/issues/434"],
    examine: d03,
    remedy: d03_remedy,
};

pub(super) const D07: Entry = Entry {
    id: FindingId(7),
    title: "the daemon finds no CDI device of a GPU for `--gpus`",
    symptoms: &[Symptom::of(&["failed to discover GPU vendor from CDI"]), Symptom::of(&["no known GPU vendor found"])],
    severity: Severity::Broken,
    cause: "Docker 29.3 and later resolve `--gpus` through CDI, and no CDI specification of a GPU is in the daemon's \
            folders: the toolkit is not installed, or its specification was never written",
    links: &["https://github.com/moby/moby/commit/561a5a9b36", "https://github.com/ShaneIsrael/fireshare/issues/689"],
    examine: d07,
    remedy: d07_remedy,
};

/// Whether a container asks the daemon to choose, as `--gpus` does.
fn asks_by_gpus(container: &ContainerFacts) -> bool {
    container.requests.iter().any(|request| request.driver.is_empty())
}

/// What shows that a daemon of this machine cannot have the device driver `nvidia`.
fn without_hook(survey: &Survey, daemon: &Daemon, info: &DaemonInfo) -> Option<Trace> {
    if info.podman || !shares_files(survey, daemon) || before(&info.version, VENDORS_BY_CDI) != Some(true) {
        return None;
    }
    // A container that was started so shows that the daemon has found a hook, on a search path of its own.
    let asks = |container: &ContainerFacts| container.requests.iter().any(|it| matches!(&*it.driver, "" | "nvidia"));
    let started = |container: &ContainerFacts| container.error.is_empty() && container.started.is_some();
    if survey.containers.iter().any(|it| it.endpoint == daemon.endpoint && asks(it) && started(it)) {
        return None;
    }
    let hook = has_program(survey, "nvidia-container-runtime-hook");
    if hook && survey.toolkit.younger_than_daemon == Some(true) {
        return Some(Trace::of("/usr/bin/nvidia-container-runtime-hook", "installed after the daemon was started"));
    }
    // The daemon may know a toolkit outside of the search path: it would have its runtime then.
    if hook || has_program(survey, "nvidia-cdi-hook") || info.runtimes.iter().any(|runtime| runtime == "nvidia") {
        return None;
    }
    let programs = Trace::of("/usr/bin/nvidia-container-runtime-hook", "not there, nor is nvidia-cdi-hook");
    Some(programs.and(format!("GET /info of {}", daemon.endpoint), format!("runtimes: {}", info.runtimes.join(" "))))
}

fn d01(survey: &Survey) -> Outcome {
    let said = said(survey, D01.symptoms);
    let asked = on_docker(survey).find(|(container, ..)| asks_by_gpus(container));
    let machine = if let Some((container, daemon, info)) = asked {
        without_hook(survey, daemon, info).map(|trace| trace.about(&container.name).only(Confidence::Likely))
    } else {
        let lacking = daemons(survey).find_map(|(daemon, info)| without_hook(survey, daemon, info));
        lacking.zip(gpu(survey).found().cloned()).map(|(trace, gpu)| {
            let trace = trace.and(gpu.source, gpu.value).only(Confidence::Likely);
            trace.milder(Severity::Risk, "the daemon will refuse a container that asks for a GPU with `--gpus`")
        })
    };
    if said.is_none()
        && machine.is_none()
        && let Some(why) = silent_daemons(survey)
    {
        return Outcome::Unknown(format!("no daemon answered: {why}"));
    }
    found(together(machine, said))
}

/// The toolkit is installed where it is missing, and the daemon told of it.
fn install_and_restart(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    match ground.engine() {
        Engine::SnapDocker => return super::snap::out_of_the_snap(survey),
        Engine::Desktop => {
            return Remedy::new("let Docker Desktop use WSL2 and the Windows driver: it brings its own toolkit")
                .on_windows("wsl --update")
                .on_windows("nvidia-smi")
                .on_windows("docker desktop restart")
                .note(
                    "In Docker Desktop: Settings, General, `Use the WSL 2 based engine`. `nvidia-smi` must show the GPU \
                     on Windows; if it does not, install NVIDIA's driver for Windows first. On a Mac there is no \
                     NVIDIA GPU for containers.",
                );
        }
        Engine::DesktopLinux => {
            return Remedy::new("use Docker Engine: the virtual machine of Docker Desktop on Linux has no GPU")
                .run("docker context use default")
                .run("docker run --rm --gpus all ubuntu nvidia-smi")
                .note("Containers and images of Docker Desktop stay there and are not seen by Docker Engine.");
        }
        Engine::Podman => {
            let remedy = Remedy::new("ask Podman for the GPU by its CDI name");
            let remedy = ground.specify(remedy, None);
            return ground.daemon(remedy, "podman run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi");
        }
        _ => {}
    }
    let installed = !ground.daemon_is_elsewhere() && has_program(survey, "nvidia-ctk");
    let remedy = if installed {
        Remedy::new("let the toolkit, which is installed, configure the daemon, and restart the daemon")
    } else {
        ground.install_toolkit(Remedy::new(
            "install NVIDIA Container Toolkit, let it configure the daemon, and restart the daemon",
        ))
    };
    let remedy = ground.restart(ground.configure(remedy));
    let remedy = match ground.engine() {
        Engine::Kubernetes => remedy,
        _ => ground.daemon(remedy, "docker run --rm --gpus all ubuntu nvidia-smi"),
    };
    let remedy = also(remedy, ground.restart_cost());
    if contained(survey) { also(remedy, "None of it can be done from inside of a container.") } else { remedy }
}

/// Names of device drivers that this version of Docker can have.
fn known_driver(name: &str, info: &DaemonInfo) -> bool {
    match name {
        "" | "nvidia" | "cdi" => true,
        "nvidia.cdi" | "nvidia.runtime-hook" => before(&info.version, "29.2") == Some(false),
        other => other.starts_with("amd"),
    }
}

fn d02(survey: &Survey) -> Outcome {
    let unknown = |container: &ContainerFacts, info: &DaemonInfo| {
        let mut drivers = container.requests.iter().map(|request| request.driver.clone());
        drivers.find(|driver| !known_driver(driver, info))
    };
    let machine = on_docker(survey).find_map(|(container, _, info)| {
        let driver = unknown(container, info)?;
        let source = format!("HostConfig.DeviceRequests of container {}", container.name);
        Some(Trace::of(source, format!("driver {driver:?}")).about(&container.name))
    });
    found(together(machine, said(survey, D02.symptoms)))
}

fn d02_remedy(survey: &Survey) -> Remedy {
    let asks_nvidia = |container: &ContainerFacts| {
        D02.symptoms.iter().any(|symptom| symptom.find(&container.error).is_some())
            && container.requests.iter().any(|request| request.driver == "nvidia")
    };
    if survey.containers.iter().any(asks_nvidia) {
        return install_and_restart(survey);
    }
    Remedy::new(
        "write `driver: nvidia`, or `driver: cdi` with `device_ids: [\"nvidia.com/gpu=all\"]`, where the service asks for \
         its GPU, and create the container again",
    )
    .run("docker compose config | grep -B 2 -A 5 'driver:'")
    .run("docker compose up -d --force-recreate")
    .note(
        "If it says `nvidia` already, the daemon does not have that driver: install NVIDIA Container Toolkit and restart \
         the daemon. Only the container that is created again is interrupted.",
    )
}

/// Why a daemon cannot give CDI devices.
fn without_cdi(daemon: &Daemon, info: &DaemonInfo) -> Option<Trace> {
    let source = format!("GET /version of {}", daemon.endpoint);
    if info.api.as_deref().and_then(|api| before(api, "1.44")) == Some(true) {
        let api = info.api.as_deref().unwrap_or_default();
        return Some(Trace::of(source, format!("{} (API {api}): no CDI before API 1.44", info.version)));
    }
    let off = info.cdi_spec_dirs.as_ref().is_some_and(Vec::is_empty);
    let source = format!("GET /info of {}", daemon.endpoint);
    off.then(|| Trace::of(source, format!("{}: CDISpecDirs is empty, CDI is off", info.version)))
}

fn d03(survey: &Survey) -> Outcome {
    let machine = on_docker(survey).find_map(|(container, daemon, info)| {
        container.requests.iter().find(|request| request.driver == "cdi")?;
        Some(without_cdi(daemon, info)?.about(&container.name))
    });
    found(together(machine, said(survey, D03.symptoms)))
}

fn d03_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let info = survey.daemon().and_then(|daemon| daemon.answer.found());
    if let Some(info) = info.filter(|info| before(&info.version, "25.0") == Some(true) && !info.podman) {
        return Remedy::new("upgrade Docker to 28.2 or newer, where CDI is on, or ask with `--gpus` instead").note(
            format!(
                "This is Docker {}, which has no CDI. How to upgrade: https://docs.docker.com/engine/install/ . {}",
                info.version,
                ground.restart_cost()
            ),
        );
    }
    match ground.engine() {
        Engine::SnapDocker => super::snap::out_of_the_snap(survey),
        Engine::Desktop => Remedy::new("switch CDI on in Docker Desktop").on_windows("docker desktop restart").note(
            "Settings, Docker Engine: add `\"features\": {\"cdi\": true}`, then restart, or update Docker Desktop.",
        ),
        Engine::RootlessDocker => {
            let remedy = ground.daemon(
                Remedy::new("switch CDI on and restart the daemon"),
                "nvidia-ctk runtime configure --runtime=docker --config=$HOME/.config/docker/daemon.json --cdi.enabled",
            );
            also(ground.restart(remedy), ground.restart_cost())
        }
        _ => {
            let remedy = ground.daemon(
                Remedy::new("switch CDI on and restart the daemon"),
                "sudo nvidia-ctk runtime configure --runtime=docker --cdi.enabled",
            );
            let remedy = ground.restart(remedy);
            let remedy = ground.daemon(remedy, "docker info --format '{{.CDISpecDirs}}'");
            let by_hand =
                "Without the toolkit: set `\"features\": {\"cdi\": true}` in /etc/docker/daemon.json by hand.";
            also(also(remedy, by_hand), ground.restart_cost())
        }
    }
}

fn d07(survey: &Survey) -> Outcome {
    let vendorless = |info: &DaemonInfo| {
        let known = |devices: &Vec<String>| devices.iter().any(|device| device.contains(".com/gpu="));
        let late = before(&info.version, VENDORS_BY_CDI) == Some(false) && !info.podman;
        late && info.cdi_devices.as_ref().is_some_and(|devices| !known(devices))
    };
    let trace = |daemon: &Daemon, info: &DaemonInfo| {
        Trace::of(format!("GET /version of {}", daemon.endpoint), &info.version)
            .and(format!("GET /info of {}", daemon.endpoint), "DiscoveredDevices has no GPU")
    };
    let asked = on_docker(survey).find(|(container, ..)| asks_by_gpus(container));
    let machine = if let Some((container, daemon, info)) = asked {
        vendorless(info).then(|| trace(daemon, info).about(&container.name))
    } else {
        let lacking = daemons(survey).find(|(daemon, info)| vendorless(info) && shares_files(survey, daemon));
        lacking.zip(gpu(survey).found()).map(|((daemon, info), gpu)| {
            let trace = trace(daemon, info).and(&gpu.source, &gpu.value).only(Confidence::Likely);
            trace.milder(Severity::Risk, "the daemon will refuse a container that asks for a GPU with `--gpus`")
        })
    };
    found(together(machine, said(survey, D07.symptoms)))
}

fn d07_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    if matches!(ground.engine(), Engine::SnapDocker | Engine::Desktop | Engine::DesktopLinux | Engine::Podman) {
        return install_and_restart(survey);
    }
    let remedy = if !ground.daemon_is_elsewhere() && has_program(survey, "nvidia-ctk") {
        Remedy::new("write the CDI specification of the GPUs, and restart the daemon")
    } else {
        ground.install_toolkit(Remedy::new(
            "install NVIDIA Container Toolkit, let it write the CDI specification, and restart the daemon",
        ))
    };
    let remedy = ground.restart(ground.specify(remedy, None));
    let remedy = ground.daemon(remedy, "docker run --rm --gpus all ubuntu nvidia-smi");
    also(also(remedy, ground.restart_cost()), "On a machine without an NVIDIA GPU, leave `--gpus` away.")
}

#[cfg(test)]
mod tests;
