//! Which device driver a container asks of its daemon, and whether the daemon has it.

use super::driver::install_driver;
use super::facts::{
    before, daemon_is_outside, daemons, found_among, gpu, has_program, on_docker, on_wsl, said, shares_files, together,
    unless_cured,
};
use super::ground::{Engine, Ground, also};
use super::recreate::recreate;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, Daemon, DaemonInfo, Survey};

/// From this version on `--gpus` is resolved through CDI, and the failure has the words of D07.
const VENDORS_BY_CDI: &str = "29.3";
const HOOK: &str = "nvidia-container-runtime-hook";

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

/// Whether a container that asks by one of these device drivers was started by this daemon: it shows that the daemon can,
/// by a program on a search path of its own.
fn was_started(survey: &Survey, daemon: &Daemon, drivers: &[&str]) -> bool {
    let asks = |container: &ContainerFacts| container.requests.iter().any(|it| drivers.contains(&&*it.driver));
    let started = |container: &ContainerFacts| container.error.is_empty() && container.started.is_some();
    survey.containers.iter().any(|it| it.endpoint == daemon.endpoint && asks(it) && started(it))
}

/// Whether of each container that was refused with the words of this entry the daemon has started another since, which
/// asks in the same way.
fn worked_since(survey: &Survey, entry: &Entry) -> bool {
    let refused = |it: &&ContainerFacts| entry.symptoms.iter().any(|symptom| symptom.find(&it.error).is_some());
    let asks = |it: &ContainerFacts| it.requests.iter().any(|request| matches!(&*request.driver, "" | "nvidia"));
    let mut refused = survey.containers.iter().filter(refused).peekable();
    refused.peek().is_some()
        && refused.all(|refused| {
            let mut others = survey.containers.iter().filter(|it| it.endpoint == refused.endpoint && asks(it));
            others.any(|it| it.error.is_empty() && it.started.zip(refused.created).is_some_and(|(at, then)| at > then))
        })
}

/// What shows that a daemon of this machine cannot have the device driver `nvidia`.
fn without_hook(survey: &Survey, daemon: &Daemon, info: &DaemonInfo) -> Option<Trace> {
    if info.podman || !shares_files(survey, daemon) || before(&info.version, VENDORS_BY_CDI) != Some(true) {
        return None;
    }
    if was_started(survey, daemon, &["", "nvidia"]) {
        return None;
    }
    let hook = has_program(survey, HOOK);
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
            if without_driver(survey) && survey.toolkit.programs.is_empty() && survey.containers.is_empty() {
                return trace.milder(Severity::Note, "a GPU is here, and nothing that would give it to a container");
            }
            trace.milder(Severity::Risk, "the daemon will refuse a container that asks for a GPU with `--gpus`")
        })
    };
    let cured = machine.is_none() && worked_since(survey, &D01);
    found_among(survey, together(machine, unless_cured(said, cured)))
}

/// Whether no driver of NVIDIA is on this machine, as far as anybody looked.
fn without_driver(survey: &Survey) -> bool {
    let windows = on_wsl(survey) || survey.wsl.driver_store.found().is_some_and(|folders| !folders.is_empty());
    let answers = survey.nvml.driver.found().is_some() || survey.kernel.driver.found().is_some();
    !windows && !answers && survey.libraries.nvml.is_empty() && survey.kernel.driver.is_absent()
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
    let remedy = if !ground.daemon_is_elsewhere() && without_driver(survey) {
        let remedy = Remedy::new(
            "install NVIDIA's driver and restart the machine; then install NVIDIA Container Toolkit, let it configure the \
             daemon, and restart the daemon",
        );
        ground.install_toolkit(install_driver(ground, remedy))
    } else if installed {
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
    if daemon_is_outside(survey) { also(remedy, "None of it can be done from inside of a container.") } else { remedy }
}

/// Names of device drivers that this version of Docker can have.
fn known_driver(name: &str, info: &DaemonInfo) -> bool {
    match name {
        "" | "nvidia" | "cdi" => true,
        "nvidia.cdi" | "nvidia.runtime-hook" => before(&info.version, "29.2") == Some(false),
        other => other.starts_with("amd"),
    }
}

/// The name by which a container asks for a device driver that this version of Docker cannot have.
fn unknown_driver<'c>(container: &'c ContainerFacts, info: &DaemonInfo) -> Option<&'c str> {
    let mut drivers = container.requests.iter().map(|request| request.driver.as_str());
    drivers.find(|driver| !known_driver(driver, info))
}

fn d02(survey: &Survey) -> Outcome {
    let machine = on_docker(survey).find_map(|(container, _, info)| {
        let driver = unknown_driver(container, info)?;
        let source = format!("HostConfig.DeviceRequests of container {}", container.name);
        Some(Trace::of(source, format!("driver {driver:?}")).about(&container.name))
    });
    found_among(survey, together(machine, said(survey, D02.symptoms)))
}

fn d02_remedy(survey: &Survey) -> Remedy {
    let asks_nvidia = |container: &ContainerFacts| {
        D02.symptoms.iter().any(|symptom| symptom.find(&container.error).is_some())
            && container.requests.iter().any(|request| request.driver == "nvidia")
    };
    if survey.containers.iter().any(asks_nvidia) {
        return install_and_restart(survey);
    }
    let ground = Ground::of(survey);
    let wrong = on_docker(survey).filter(|(container, _, info)| unknown_driver(container, info).is_some());
    let remedy = Remedy::new(
        "write `driver: nvidia`, or `driver: cdi` with `device_ids: [\"nvidia.com/gpu=all\"]`, where the service asks for \
         its GPU, and create the container again",
    );
    also(
        recreate(ground, remedy, wrong.map(|(container, ..)| container)),
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

/// Whether every daemon of Docker that answered gives CDI devices now, by its own answer.
fn cdi_is_on(survey: &Survey) -> bool {
    let mut all = daemons(survey).filter(|(_, info)| !info.podman).peekable();
    let on = |info: &DaemonInfo| info.cdi_spec_dirs.as_ref().is_some_and(|folders| !folders.is_empty());
    all.peek().is_some() && all.all(|(_, info)| on(info))
}

fn d03(survey: &Survey) -> Outcome {
    let machine = on_docker(survey).find_map(|(container, daemon, info)| {
        container.requests.iter().find(|request| request.driver == "cdi")?;
        if was_started(survey, daemon, &["cdi"]) {
            return None;
        }
        Some(without_cdi(daemon, info)?.about(&container.name))
    });
    let said = unless_cured(said(survey, D03.symptoms), machine.is_none() && cdi_is_on(survey));
    found_among(survey, together(machine, said))
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
    let late = |info: &DaemonInfo| before(&info.version, VENDORS_BY_CDI) == Some(false) && !info.podman;
    let known = |devices: &Vec<String>| devices.iter().any(|device| device.contains(".com/gpu="));
    let vendorless = |info: &DaemonInfo| late(info) && info.cdi_devices.as_ref().is_some_and(|it| !known(it));
    let trace = |daemon: &Daemon, info: &DaemonInfo| {
        Trace::of(format!("GET /version of {}", daemon.endpoint), &info.version)
            .and(format!("GET /info of {}", daemon.endpoint), "DiscoveredDevices has no GPU")
            .only(Confidence::Likely)
    };
    // Without a specification the daemon takes the toolkit's old hook, where it found one.
    let hook = |daemon: &Daemon| shares_files(survey, daemon) && has_program(survey, HOOK);
    let asked = on_docker(survey).find(|(container, ..)| asks_by_gpus(container));
    let machine = if let Some((container, daemon, info)) = asked {
        let lacking = vendorless(info) && !was_started(survey, daemon, &["", "nvidia"]);
        lacking.then(|| trace(daemon, info).about(&container.name)).map(|trace| match hook(daemon) {
            true => trace.milder(Severity::Risk, "the daemon may refuse a container that asks for a GPU with `--gpus`"),
            false => trace,
        })
    } else {
        let lacking = daemons(survey).find(|(daemon, info)| vendorless(info) && shares_files(survey, daemon));
        lacking.zip(gpu(survey).found()).map(|((daemon, info), gpu)| {
            let trace = trace(daemon, info).and(&gpu.source, &gpu.value);
            trace.milder(Severity::Risk, "the daemon will refuse a container that asks for a GPU with `--gpus`")
        })
    };
    let gives = || {
        let mut late = daemons(survey).filter(|(_, info)| late(info)).peekable();
        late.peek().is_some() && late.all(|(_, info)| info.cdi_devices.as_ref().is_some_and(known))
    };
    let cured = machine.is_none() && (gives() || worked_since(survey, &D07));
    found_among(survey, together(machine, unless_cured(said(survey, D07.symptoms), cured)))
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
