//! The plan for a whole app.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::fit::Room;
use super::keep::{Split, split};
use super::refuse::Refusal;
use super::suit::Device;
use super::{Candidate, Placement, Request, Running, Strategy, gang};
use crate::error::Result;
use crate::gpu::topology::Topology;
use crate::gpu::{GpuId, Snapshot};
use crate::service::{App, GpuMemory, GpuNeed, Service, Topology as Wanted};
use crate::units::Bytes;

/// Gives each replica of `app` its GPUs, by [`BestFit`](super::BestFit): the simple form of [`Request::plan`].
///
/// # Errors
/// [`ResourceExhausted`](crate::ErrorKind::ResourceExhausted) when a replica fits nowhere, with the reason for each GPU
/// and with what would help.
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
    Request::new(app, snapshot).running(running).plan()
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
    Request::new(app, snapshot).running(running).strategy(strategy).plan()
}

pub(super) fn answer(request: &Request<'_>) -> Result<Vec<Placement>> {
    let topology = topology(request);
    let Split { kept, staying, leaving, before } = split(request, topology.as_ref());
    let devices: Vec<_> = Device::all(&request.snapshot.gpus).collect();
    let rooms = devices.iter().map(|device| Room::new(*device, &devices, &staying, &leaving)).collect();
    let mut table = Table { request, topology, rooms };
    let there: BTreeSet<_> = kept.iter().map(|placed| (placed.service.clone(), placed.replica)).collect();
    let mut placements = kept;
    for (name, service, replica) in queue(request.app) {
        if there.contains(&(name.to_owned(), replica)) {
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
                let before = before.get(&(name, replica)).map_or(&[][..], |promise| &promise.gpus);
                let placed = table.place((name, replica), need, before);
                placed.map_err(|error| error.with_first("app", &request.app.name))?
            }
        });
    }
    placements.sort_by(|a, b| (&a.service, a.replica).cmp(&(&b.service, b.replica)));
    Ok(placements)
}

/// What lies between the GPUs, where a service asks for it.
fn topology(request: &Request<'_>) -> Option<Topology> {
    let mut needs = request.app.services.values().filter_map(|service| service.gpu.as_ref());
    needs.any(|need| need.topology != Wanted::Any).then(|| {
        let gpus: Vec<_> = request.snapshot.gpus.iter().map(|state| state.gpu.clone()).collect();
        Topology::new(&gpus, request.pairs)
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

/// The devices while replicas are given theirs.
struct Table<'a> {
    request: &'a Request<'a>,
    topology: Option<Topology>,
    rooms: Vec<Room<'a>>,
}

impl Table<'_> {
    /// Places one replica; the devices where it was `before` come first, then the strategy's choice.
    fn place(&mut self, (service, replica): (&str, u32), need: &GpuNeed, before: &[GpuId]) -> Result<Placement> {
        let (request, rooms) = (self.request, &self.rooms);
        let mut fitting = Vec::new();
        let mut misfits = Vec::new();
        for (index, room) in rooms.iter().enumerate() {
            match room.check(request, need) {
                Ok(free) => fitting.push((index, candidate(room, free))),
                Err(misfit) => misfits.push((room.device, misfit)),
            }
        }
        let count = usize::try_from(need.count).unwrap_or(usize::MAX);
        let elsewhere = |candidate: &Candidate<'_>| !before.contains(candidate.id());
        // Who takes all that there is, or a partition of a given size, takes the emptiest.
        let emptiest = need.memory == GpuMemory::Auto || need.mig.is_some();
        fitting.sort_by(|(a_index, a), (b_index, b)| {
            let empty = if emptiest { b.free.cmp(&a.free) } else { std::cmp::Ordering::Equal };
            let preferred = empty.then_with(|| request.strategy.compare(a, b));
            elsewhere(a).cmp(&elsewhere(b)).then(preferred).then(a_index.cmp(b_index))
        });
        let apart = |a: usize, b: usize| {
            let topology = self.topology.as_ref()?;
            gang::apart(topology, need.topology, &fitting[a].1.gpu.id, &fitting[b].1.gpu.id)
        };
        let Some(chosen) = gang::choose(fitting.len(), count, |a, b| apart(a, b).is_none()) else {
            let device = |at: usize| rooms[fitting[at].0].device;
            let pairs = (0..fitting.len()).flat_map(|a| (a + 1..fitting.len()).map(move |b| (a, b)));
            let apart = pairs.filter_map(|(a, b)| Some((device(a), device(b), apart(a, b)?)));
            let apart = if fitting.len() < count { Vec::new() } else { apart.collect() };
            let fitting = fitting.len();
            return Err(Refusal { service, replica, need, fitting, misfits: &misfits, apart }.error());
        };
        let chosen: Vec<_> = chosen.into_iter().map(|at| &fitting[at]).collect();
        let free = chosen.iter().map(|(_, candidate)| candidate.free).min().unwrap_or_default();
        let memory = need.memory.bytes().unwrap_or(free);
        let choice = match (chosen.iter().any(|(_, candidate)| elsewhere(candidate)), emptiest) {
            (false, _) => "where it was before".to_owned(),
            (true, true) => of(rooms, need, "most free"),
            (true, false) => of(rooms, need, request.strategy.name()),
        };
        let choice = match need.topology {
            _ if need.count < 2 => choice,
            Wanted::Any => choice,
            Wanted::Nvlink => format!("{choice}, joined by NVLink"),
            Wanted::Numa => format!("{choice}, at one CPU socket"),
        };
        let reason = match need.memory {
            GpuMemory::Bytes(_) => format!("{choice}: {} needed, {free} free", need.memory),
            GpuMemory::Auto => format!("{choice}: all that is free, {free}, because its need is not known yet"),
        };
        let chosen: Vec<usize> = chosen.into_iter().map(|(index, _)| *index).collect();
        let gpus = chosen.iter().map(|index| rooms[*index].device.id().clone()).collect();
        chosen.into_iter().for_each(|index| self.promise(index, need, memory));
        Ok(Placement { service: service.to_owned(), replica, gpus, memory, reason })
    }

    fn promise(&mut self, index: usize, need: &GpuNeed, memory: Bytes) {
        let device = self.rooms[index].device;
        for (other, room) in self.rooms.iter_mut().enumerate() {
            if other == index {
                room.promise(need, memory);
            } else if device.part.is_some() && device.shares_memory_with(room.device) {
                room.share(memory);
            }
        }
    }
}

fn candidate<'a>(room: &Room<'a>, free: Bytes) -> Candidate<'a> {
    Candidate { gpu: &room.device.state.gpu, part: room.device.part, free, replicas: room.replicas }
}

/// By what the choice was made, and among how many.
fn of(rooms: &[Room<'_>], need: &GpuNeed, strategy: &str) -> String {
    let kind = |room: &&Room<'_>| room.device.part.is_some() == need.mig.is_some();
    let (count, noun) = (rooms.iter().filter(kind).count(), if need.mig.is_some() { "partition" } else { "GPU" });
    match count {
        1 => format!("{strategy} of the only {noun}"),
        _ => format!("{strategy} of {count} {noun}s"),
    }
}

#[cfg(test)]
mod tests;
