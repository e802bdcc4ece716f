//! What works without a person at a screen.

use super::speed::number;
use super::stability::is_desktop;
use super::{Outcome, Side};
use crate::host::decision::{Criterion, Figure, Measured, Observed};
use crate::host::{Daemon, DaemonInfo, DaemonPlace, Seen};

/// A question: passed with what shows it, failed with what shows it, or why it cannot be told.
type Answer = Result<(bool, String), String>;

pub(super) fn measure(observed: &Observed, side: Side) -> Outcome {
    if !side.containers {
        return Err("no daemon that answers belongs to it".into());
    }
    let Some(daemon) = observed.survey.daemon() else {
        return Err("no container daemon answered; what operates a cluster is not asked".into());
    };
    let Some(info) = daemon.answer.found() else { return Err("no container daemon answered".into()) };
    let questions = [
        ("installed and started without a screen, a licence or a login", headless(daemon)),
        ("restarted by a unit of the system", unit(observed, daemon, info)),
        ("configured by files", files(observed, daemon)),
        ("runs without root's rights", rootless(daemon, info)),
        ("reached from other machines", remote(daemon)),
        ("CDI specifications are kept fresh by a unit", refresh(observed, daemon)),
        ("the toolkit is configured by a command", command(observed, daemon)),
        ("tells exit codes and logs", tells(observed)),
    ];
    let (mut figures, mut missing, mut lacks, mut evidence) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (what, answer) in questions {
        match answer {
            Ok((passed, why)) => {
                if !passed {
                    lacks.push(format!("{what}: {why}"));
                }
                evidence.push((what, why.clone()));
                figures.push(Figure::answer(what, passed, 1.0, why));
            }
            Err(why) => missing.push(format!("{what}: {why}")),
        }
    }
    let mut measured = Measured::of(Criterion::Devops.rule(), figures).ok_or_else(|| missing.join("; "))?;
    measured = measured.without(number(missing.len()));
    (measured.missing, measured.lacks) = (missing, lacks);
    for (what, why) in evidence {
        measured = measured.and(what, why);
    }
    Ok(measured)
}

fn headless(daemon: &Daemon) -> Answer {
    match daemon.place {
        place if is_desktop(place) => {
            Ok((false, "Docker Desktop: a desktop program with a licence owns the daemon".into()))
        }
        DaemonPlace::ThisKernel => Ok((true, format!("{} answers on this kernel", daemon.endpoint))),
        DaemonPlace::Remote => Ok((true, format!("{} answers over the network", daemon.endpoint))),
        _ => Err("it is not known where the daemon runs".into()),
    }
}

fn unit(observed: &Observed, daemon: &Daemon, info: &DaemonInfo) -> Answer {
    if is_desktop(daemon.place) {
        return Ok((false, "Docker Desktop starts and stops it".into()));
    }
    let state = ["docker.service", "podman.service"].iter().find_map(|unit| observed.survey.units.get_key_value(*unit));
    if let Some((unit, state)) = state.filter(|_| daemon.place == DaemonPlace::ThisKernel) {
        return Ok((state == "active", format!("{unit} is {state}")));
    }
    match info.cgroup_driver.as_deref() {
        Some("systemd") => Ok((true, "its control groups are systemd's, so systemd runs there".into())),
        Some(other) => Err(format!("its control groups are made by {other}, which tells nothing of units")),
        None => Err("the daemon does not tell who makes its control groups".into()),
    }
}

fn files(observed: &Observed, daemon: &Daemon) -> Answer {
    if is_desktop(daemon.place) {
        return Ok((false, "settings of Docker Desktop are behind a screen".into()));
    }
    match &observed.survey.toolkit.daemon_json {
        Seen::Found(_) => Ok((true, "/etc/docker/daemon.json".into())),
        Seen::Absent => Ok((true, "by its command line; /etc/docker/daemon.json is not there".into())),
        seen => Err(seen.open().unwrap_or_default().into()),
    }
}

fn rootless(daemon: &Daemon, info: &DaemonInfo) -> Answer {
    if is_desktop(daemon.place) {
        return Err("Docker Desktop's daemon is root in a machine of its own".into());
    }
    let yes = info.rootless();
    Ok((yes, format!("security options: {}", info.security.join(" "))))
}

fn remote(daemon: &Daemon) -> Answer {
    match daemon.endpoint.split_once("://") {
        Some(("ssh", _)) => Ok((true, "it was reached by ssh".into())),
        Some(("tcp" | "https", _)) if daemon.place == DaemonPlace::Remote => {
            Ok((true, "it was reached over the network".into()))
        }
        _ => Err(format!("it was reached locally, at {}", daemon.endpoint)),
    }
}

fn refresh(observed: &Observed, daemon: &Daemon) -> Answer {
    if daemon.place != DaemonPlace::ThisKernel {
        return Err("the daemon is not on this kernel".into());
    }
    match &observed.survey.toolkit.refresh_unit {
        Seen::Found(state) => Ok((state != "failed", format!("nvidia-cdi-refresh.service is {state}"))),
        Seen::Absent => Ok((false, "there is no nvidia-cdi-refresh.service".into())),
        seen => Err(seen.open().unwrap_or_default().into()),
    }
}

fn command(observed: &Observed, daemon: &Daemon) -> Answer {
    if is_desktop(daemon.place) {
        return Ok((false, "Docker Desktop brings its own toolkit, which no command configures".into()));
    }
    if daemon.place != DaemonPlace::ThisKernel {
        return Err("the daemon is not on this kernel".into());
    }
    let toolkit = &observed.survey.toolkit;
    let path = toolkit.programs.iter().find(|path| path.ends_with("/nvidia-ctk"));
    match (path, &toolkit.version) {
        (Some(path), _) => Ok((true, path.clone())),
        (None, Seen::NotAsked) => Err("nobody looked".into()),
        (None, _) => Ok((false, "nvidia-ctk is not on the search path".into())),
    }
}

/// Only what was really asked of the daemon counts: the runs of an image.
fn tells(observed: &Observed) -> Answer {
    let image = observed.image.as_ref().ok_or("no image was named to be run")?;
    let tried = image.runs.iter().filter_map(|run| Some((run.way, run.outcome.worked()?))).next();
    let (way, _) = tried.ok_or("no way was tried")?;
    Ok((true, format!("asked after a run on {way}")))
}
