//! `deploy`: replicas, resources, updates.

use super::app::State;
use super::tree::{Node, Value};
use super::wrong::{NoteKind, Wrong};
use super::{without, words};
use crate::error::Result;
use crate::service::{Restart, Service, Strategy};

pub(super) fn read(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    if let Some(scale) = node.get("scale") {
        service.replicas = scale.number()?;
    }
    let Some(deploy) = node.get("deploy") else { return Ok(()) };
    let read = ["mode", "replicas", "resources", "restart_policy", "update_config"];
    state.rest(deploy, &read, without::DEPLOY)?;
    if let Some(mode) = deploy.get("mode") {
        match mode.text()?.as_str() {
            "replicated" => {}
            "global" | "replicated-job" | "global-job" => {
                let message = "there is one machine: `replicas` says how many copies run";
                state.note(NoteKind::Changed, mode, message);
            }
            other => {
                return Err(mode.wrong("unknown value").with("value", other).hint("choose one of replicated, global"));
            }
        }
    }
    if let Some(replicas) = deploy.get("replicas") {
        service.replicas = replicas.number()?;
    }
    resources(state, deploy, service)?;
    restart(state, deploy, service)?;
    update(state, deploy, service)
}

/// A number of CPUs; none is no limit.
pub(super) fn cpus(node: &Node) -> Result<Option<f64>> {
    let number: Option<f64> = node.text()?.trim().parse().ok();
    let number = number.filter(|number| number.is_finite() && *number >= 0.0).ok_or_else(|| {
        let error = node.wrong("not a number of CPUs");
        error.hint("write for example 0.5 or \"2\"")
    })?;
    Ok((number > 0.0).then_some(number))
}

/// A number of processes; none and -1 are no limit.
pub(super) fn pids(node: &Node) -> Result<Option<u32>> {
    let number: i64 = node.number()?;
    match number {
        -1 | 0 => Ok(None),
        _ => node.number().map(Some),
    }
}

fn resources(state: &mut State<'_>, deploy: &Node, service: &mut Service) -> Result<()> {
    let Some(resources) = deploy.get("resources") else { return Ok(()) };
    state.rest(resources, &["limits", "reservations"], &[])?;
    if let Some(limits) = resources.get("limits") {
        state.rest(limits, &["cpus", "memory", "pids"], &[("devices", "devices are given by reservations only")])?;
        if let Some(node) = limits.get("cpus") {
            service.resources.cpus = cpus(node)?;
        }
        if let Some(node) = limits.get("memory") {
            service.resources.memory = Some(words::size(node)?).filter(|size| size.0 != 0);
        }
        if let Some(node) = limits.get("pids") {
            service.resources.pids = pids(node)?;
        }
    }
    if let Some(reserved) = resources.get("reservations") {
        let none = "nothing of the machine is set aside; `resources` limits what others take";
        state.rest(reserved, &["devices"], &[("cpus", none), ("memory", none), ("generic_resources", none)])?;
    }
    Ok(())
}

fn restart(state: &mut State<'_>, deploy: &Node, service: &mut Service) -> Result<()> {
    let Some(policy) = deploy.get("restart_policy") else { return Ok(()) };
    state.rest(policy, &["condition"], without::RESTART)?;
    service.restart = match policy.get("condition") {
        None => Restart::Always,
        Some(node) => match node.text()?.as_str() {
            "none" => Restart::Never,
            "on-failure" => Restart::OnFailure,
            "any" => Restart::Always,
            other => {
                let error = node.wrong("unknown value").with("value", other);
                return Err(error.hint("choose one of none, on-failure, any"));
            }
        },
    };
    Ok(())
}

fn update(state: &mut State<'_>, deploy: &Node, service: &mut Service) -> Result<()> {
    let Some(update) = deploy.get("update_config") else { return Ok(()) };
    state.rest(update, &["parallelism", "order"], without::UPDATE)?;
    let parallel: u32 = update.get("parallelism").map_or(Ok(1), Node::number)?;
    let start_first = match update.get("order").map(Node::text).transpose()?.as_deref() {
        None | Some("stop-first") => false,
        Some("start-first") => true,
        Some(other) => {
            let node = update.get("order").unwrap_or(update);
            let error = node.wrong("unknown value").with("value", other);
            return Err(error.hint("choose one of stop-first, start-first"));
        }
    };
    service.strategy = match (start_first, parallel) {
        (true, 0) => Strategy::BlueGreen,
        (true, surge) => Strategy::Rolling { surge, unavailable: 0 },
        (false, 0) => Strategy::Rolling { surge: 0, unavailable: service.replicas.max(1) },
        (false, unavailable) => Strategy::Rolling { surge: 0, unavailable },
    };
    if matches!(update.get("parallelism").map(|node| &node.value), Some(Value::Int(0))) && !start_first {
        state.note(NoteKind::Changed, update, "all replicas there are now are replaced at once");
    }
    Ok(())
}
