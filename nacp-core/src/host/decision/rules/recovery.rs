//! What comes back by itself: read, never provoked.

use super::Side;
use super::speed::number;
use super::stability::is_desktop;
use crate::host::decision::cell::rounded;
use crate::host::decision::{Figure, Observed};
use crate::host::{Daemon, DaemonPlace, GpuPathKind, Seen};

/// Whether it recovers, and what shows it; or why that cannot be told.
type Answer = Result<(bool, String), String>;

/// One thing that recovers by itself, or does not.
struct Probe {
    what: &'static str,
    read: fn(&Observed) -> Answer,
    /// Whether it is asked only where containers are judged.
    containers: bool,
}

const PROBES: [Probe; 6] = [
    Probe { what: "recovery: containers survive a restart of the daemon", read: survive, containers: true },
    Probe { what: "recovery: containers are restarted by their policy", read: policy, containers: true },
    Probe { what: "recovery: the daemon is a running unit", read: unit, containers: true },
    Probe { what: "recovery: GPUs are kept started", read: persistence, containers: false },
    Probe { what: "recovery: devices stay through a reload of systemd", read: links, containers: true },
    Probe { what: "recovery: CDI specifications are refreshed by a unit", read: refresh, containers: true },
];

/// The probes that belong to this side, which together weigh as much as one other part of the criterion. Those that cannot
/// be told go to `missing`.
pub(super) fn recovery(observed: &Observed, side: Side, missing: &mut Vec<String>) -> Vec<Figure> {
    let probes: Vec<&Probe> = PROBES.iter().filter(|probe| side.containers || !probe.containers).collect();
    let weight = rounded(1.0 / number(probes.len()));
    let mut figures = Vec::new();
    for probe in probes {
        match (probe.read)(observed) {
            Ok((yes, why)) => figures.push(Figure::answer(probe.what, yes, weight, why)),
            Err(why) => missing.push(format!("{}: {why}", probe.what)),
        }
    }
    figures
}

fn daemon(observed: &Observed) -> Result<&Daemon, String> {
    observed.survey.daemon().ok_or_else(|| "no container daemon answered".into())
}

fn survive(observed: &Observed) -> Answer {
    let info = daemon(observed)?.answer.found().ok_or("no container daemon answered")?;
    match info.live_restore {
        _ if info.podman => Ok((true, "Podman's containers have no daemon above them".into())),
        Some(on) => Ok((on, format!("live-restore is {}", if on { "on" } else { "off" }))),
        None => Err("the daemon does not tell of live-restore".into()),
    }
}

fn policy(observed: &Observed) -> Answer {
    let running = || observed.survey.containers.iter().filter(|container| container.state == "running");
    if running().next().is_none() {
        return Err("no container with a GPU runs".into());
    }
    let policies: Option<Vec<(&str, &str)>> =
        running().map(|container| Some((container.name.as_str(), container.restart.as_deref()?))).collect();
    let policies = policies.ok_or("the daemon does not tell a policy of each")?;
    Ok(match policies.iter().find(|(_, policy)| *policy == "no") {
        Some((name, _)) => (false, format!("{name} has no policy")),
        None => (true, format!("each of {} that run has one", policies.len())),
    })
}

fn unit(observed: &Observed) -> Answer {
    let daemon = daemon(observed)?;
    if is_desktop(daemon.place) {
        return Ok((false, "Docker Desktop starts and stops it".into()));
    }
    if daemon.place != DaemonPlace::ThisKernel {
        return Err("the daemon is not on this kernel".into());
    }
    let units = &observed.survey.units;
    let known = ["docker.service", "podman.service"].iter().find_map(|unit| units.get_key_value(*unit));
    let (unit, state) = known.ok_or("no state of a unit of the daemon was read")?;
    Ok((state == "active", format!("{unit} is {state}")))
}

fn persistence(observed: &Observed) -> Answer {
    let survey = &observed.survey;
    if survey.host.gpu.kind != GpuPathKind::Native {
        return Err("no GPU has its driver in this kernel".into());
    }
    if let Some(state) = survey.units.get("nvidia-persistenced.service").filter(|state| *state == "active") {
        return Ok((true, format!("nvidia-persistenced.service is {state}")));
    }
    let modes: Option<Vec<bool>> = survey.nvml.gpus.iter().map(|gpu| gpu.persistence).collect();
    match modes.as_deref() {
        None | Some([]) => Err("no GPU told its persistence mode".into()),
        Some(modes) if modes.iter().all(|on| *on) => Ok((true, "persistence mode is on".into())),
        Some(_) => Ok((false, "persistence mode is off: the driver starts its GPUs anew for each program".into())),
    }
}

fn links(observed: &Observed) -> Answer {
    if observed.survey.host.gpu.kind != GpuPathKind::Native {
        return Err("there are no nodes of NVIDIA's driver".into());
    }
    match &observed.survey.devices.char_links {
        Seen::Found(true) => Ok((true, "/dev/char has links to the devices".into())),
        Seen::Found(false) | Seen::Absent => Ok((false, "/dev/char has no links to the devices".into())),
        seen => Err(seen.open().unwrap_or_default().into()),
    }
}

fn refresh(observed: &Observed) -> Answer {
    if daemon(observed)?.place != DaemonPlace::ThisKernel {
        return Err("the daemon is not on this kernel".into());
    }
    match &observed.survey.toolkit.refresh_unit {
        Seen::Found(state) => Ok((state != "failed", format!("nvidia-cdi-refresh.service is {state}"))),
        Seen::Absent => Ok((false, "there is no nvidia-cdi-refresh.service".into())),
        seen => Err(seen.open().unwrap_or_default().into()),
    }
}
