//! The plan for a whole app.

use std::cmp::Reverse;

use super::fit::{Misfit, Room};
use super::{BestFit, Candidate, Placement, Running, Strategy};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{GpuId, Snapshot, Unknown};
use crate::service::{App, GpuNeed, Service, Sharing};
use crate::units::Bytes;

/// Gives each replica of `app` its GPUs, by [`BestFit`].
///
/// Replicas that run already (found in `running` by app, service and number) stay where they are as long as their GPUs
/// answer and their need has not changed. The others are placed in the order of priority, then of memory; one that has
/// ended goes back to its GPUs if there is room for it.
///
/// # Errors
/// [`ResourceExhausted`](ErrorKind::ResourceExhausted) when a replica fits nowhere, with the reason for each GPU and
/// with what would help.
///
/// ```
/// use std::sync::Arc;
/// use nacp_core::clock::SystemClock;
/// use nacp_core::service::{App, GpuNeed, Service};
/// use nacp_core::{Bytes, gpu, placement, sim};
///
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("rtx3050ti-laptop-wsl2")?))?;
/// let snapshot = node.snapshot(&SystemClock::new())?;
/// let app = App::new("a").service("llm", Service::new("image").gpu(GpuNeed::memory(Bytes::gib(3))));
/// let placements = placement::plan(&app, &snapshot, &[])?;
/// assert_eq!(placements[0].gpus, [snapshot.gpus[0].gpu.id.clone()]);
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub fn plan(app: &App, snapshot: &Snapshot, running: &[Running]) -> Result<Vec<Placement>> {
    plan_with(&BestFit, app, snapshot, running)
}

/// As [`plan`], with the caller's choice among the GPUs that will do.
///
/// # Errors
/// As for [`plan`].
pub fn plan_with(
    strategy: &dyn Strategy,
    app: &App,
    snapshot: &Snapshot,
    running: &[Running],
) -> Result<Vec<Placement>> {
    let Split { kept, staying, leaving } = split(app, snapshot, running);
    let mut rooms: Vec<_> = snapshot.gpus.iter().map(|state| Room::new(state, &staying, &leaving)).collect();
    let mut placements = kept;
    for (name, service, replica) in queue(app) {
        if placements.iter().any(|placed| placed.service == name && placed.replica == replica) {
            continue;
        }
        placements.push(match &service.gpu {
            None => Placement {
                service: name.to_owned(),
                replica,
                gpus: Vec::new(),
                memory: Bytes::ZERO,
                reason: "it needs no GPU".to_owned(),
            },
            Some(need) => {
                let before = leaving.iter().find(|left| left.service == name && left.replica == replica);
                let before = before.map_or(&[][..], |left| &left.gpus);
                place(strategy, &mut rooms, (name, replica), need, before)
                    .map_err(|error| error.with_first("app", &app.name))?
            }
        });
    }
    placements.sort_by(|a, b| (&a.service, a.replica).cmp(&(&b.service, b.replica)));
    Ok(placements)
}

/// What happens to the replicas that run.
struct Split<'a> {
    /// Those of this app that stay where they are.
    kept: Vec<Placement>,
    /// Every promise that stands: theirs, and those of other apps.
    staying: Vec<&'a Running>,
    /// Those of this app that go or move, and so give up their memory.
    leaving: Vec<&'a Running>,
}

fn split<'a>(app: &App, snapshot: &Snapshot, running: &'a [Running]) -> Split<'a> {
    let mut split = Split { kept: Vec::new(), staying: Vec::new(), leaving: Vec::new() };
    for replica in running {
        if replica.app != app.name {
            split.staying.push(replica);
        } else if let Some(placement) = keep(app, snapshot, replica) {
            split.kept.push(placement);
            split.staying.push(replica);
        } else {
            split.leaving.push(replica);
        }
    }
    split
}

fn keep(app: &App, snapshot: &Snapshot, replica: &Running) -> Option<Placement> {
    let service = app.services.get(&replica.service)?;
    let need = service.gpu.as_ref()?;
    let count = usize::try_from(need.count).ok()?;
    let same = replica.active
        && need.memory.bytes().is_none_or(|memory| memory == replica.memory)
        && replica.gpus.len() == count
        && replica.exclusive == (need.sharing == Sharing::Exclusive)
        && replica.replica < service.replicas;
    let suits = |id: &GpuId| {
        let state = snapshot.gpus.iter().find(|state| state.gpu.id == *id);
        state.is_some_and(|state| {
            let answers = state.sample.memory.unknown() != Some(Unknown::GpuLost);
            let capable = need
                .compute
                .is_none_or(|wanted| state.gpu.compute.known().is_some_and(|has| wanted.accepts(has.major, has.minor)));
            answers && capable
        })
    };
    (same && replica.gpus.iter().all(suits)).then(|| Placement {
        service: replica.service.clone(),
        replica: replica.replica,
        gpus: replica.gpus.clone(),
        memory: replica.memory,
        reason: "it runs there already".to_owned(),
    })
}

/// All replicas in the order in which they choose: highest priority, then most memory, then name and number.
fn queue(app: &App) -> Vec<(&str, &Service, u32)> {
    let mut queue: Vec<_> = app
        .services
        .iter()
        .flat_map(|(name, service)| (0..service.replicas).map(move |replica| (name.as_str(), service, replica)))
        .collect();
    queue.sort_by_key(|(_, service, _)| {
        let need = service.gpu.as_ref();
        Reverse((service.priority, need.map(|need| (need.memory, need.count))))
    });
    queue
}

/// Places one replica; the GPUs where it was `before` come first, then the strategy's choice.
fn place(
    strategy: &dyn Strategy,
    rooms: &mut [Room<'_>],
    (service, replica): (&str, u32),
    need: &GpuNeed,
    before: &[GpuId],
) -> Result<Placement> {
    let mut fitting = Vec::new();
    let mut misfits = Vec::new();
    for (index, room) in rooms.iter().enumerate() {
        match room.check(need) {
            Ok(free) => fitting.push((index, Candidate { gpu: &room.state.gpu, free, replicas: room.replicas })),
            Err(misfit) => misfits.push((&room.state.gpu.id, misfit)),
        }
    }
    let count = usize::try_from(need.count).unwrap_or(usize::MAX);
    if fitting.len() < count {
        return Err(refuse(service, replica, need, fitting.len(), &misfits));
    }
    let elsewhere = |candidate: &Candidate<'_>| !before.contains(&candidate.gpu.id);
    fitting.sort_by(|(a_index, a), (b_index, b)| {
        elsewhere(a).cmp(&elsewhere(b)).then(strategy.compare(a, b)).then(a_index.cmp(b_index))
    });
    fitting.truncate(count);
    let free = fitting.iter().map(|(_, candidate)| candidate.free).min().unwrap_or_default();
    let memory = need.memory.bytes().unwrap_or(free);
    let choice = match fitting.iter().any(|(_, candidate)| elsewhere(candidate)) {
        false => "where it was before".to_owned(),
        true if rooms.len() == 1 => format!("{} of the only GPU", strategy.name()),
        true => format!("{} of {} GPUs", strategy.name(), rooms.len()),
    };
    let reason = format!("{choice}: {} needed, {free} free", need.memory);
    let chosen: Vec<usize> = fitting.iter().map(|(index, _)| *index).collect();
    let mut gpus = Vec::with_capacity(count);
    for index in chosen {
        rooms[index].promise(need, memory);
        gpus.push(rooms[index].state.gpu.id.clone());
    }
    Ok(Placement { service: service.to_owned(), replica, gpus, memory, reason })
}

fn refuse(service: &str, replica: u32, need: &GpuNeed, fitting: usize, misfits: &[(&GpuId, Misfit)]) -> Error {
    let error = |message: &str| {
        Error::new(ErrorKind::ResourceExhausted, "placement.plan", message)
            .with("service", service)
            .with("replica", replica)
            .with("memory", format_args!("\"{}\"", need.memory))
            .with("count", need.count)
    };
    if misfits.is_empty() && fitting == 0 {
        return error("this node has no GPU").hint("leave out `gpu` for a service that runs without one");
    }
    let why: Vec<_> = misfits.iter().map(|(id, misfit)| format!("{}: {misfit}", id.short())).collect();
    let refused = error("no GPU has room for a replica")
        .with("fitting", fitting)
        .with("gpus", format_args!("[{}]", why.join("; ")));
    let free = misfits.iter().filter_map(|(_, misfit)| match misfit {
        Misfit::Memory { free, .. } => Some(*free),
        _ => None,
    });
    match free.max() {
        Some(most) if fitting == 0 => {
            refused.hint(format!("lower `gpu.memory` to at most {most}, or free memory on a GPU"))
        }
        _ => refused.hint("lower what the service needs of its GPUs, or stop what holds them"),
    }
}

#[cfg(test)]
mod tests;
