//! Who uses a GPU: its processes, and the container that has it for itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::Metrics;
use super::encode::{Block, Labels, Value};
use super::family::Family;
use super::labels::simulated;
use crate::gpu::owner::{ContainerRef, Owner, PodRef};
use crate::gpu::{Process, Reading};

static MEMORY: Family = Family::gauge(
    "nacp_gpu_process_memory_bytes",
    "B",
    "processes[].memory, owners",
    "Memory of a GPU that a process holds, in bytes",
);

pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    std::iter::once(&MEMORY)
}

/// Who is behind the processes, by their ids.
#[derive(Debug)]
pub(super) struct Owners<'a>(HashMap<u32, &'a Owner>);

impl<'a> Owners<'a> {
    pub(super) fn new(owners: &'a [Owner]) -> Self {
        Self(owners.iter().map(|owner| (owner.pid, owner)).collect())
    }

    /// The memory of each process whose memory is known, with as much as is known of who it is.
    pub(super) fn memory(&self, metrics: &Metrics<'_>, gpus: &[Arc<Labels>]) -> Block {
        let mut block = Block::new(&MEMORY);
        for (state, labels) in metrics.snapshot.gpus.iter().zip(gpus) {
            for process in state.sample.processes.known().into_iter().flatten() {
                let Some(memory) = process.memory.known() else { continue };
                let mut own = vec![("pid", Cow::Owned(process.pid.to_string()))];
                own.extend(self.0.get(&process.pid).into_iter().flat_map(|owner| who(owner)));
                own.extend(simulated(metrics.snapshot.origin.simulated));
                block.push(labels, own, Value::Integer(memory.0));
            }
        }
        block
    }

    /// The labels of the container that has these processes for itself, sorted by name; none while a process is in
    /// another or in none, or while it is not known in which one it is.
    pub(super) fn sole<'p>(&self, processes: impl Iterator<Item = &'p Process>) -> Labels {
        let mut found: Option<(&ContainerRef, &Owner)> = None;
        for process in processes {
            let owner = self.0.get(&process.pid);
            let Some((owner, container)) = owner.and_then(|owner| Some((*owner, inside(&owner.container)?))) else {
                return Vec::new();
            };
            if found.is_some_and(|(other, _)| other.id != container.id) {
                return Vec::new();
            }
            found = Some((container, owner));
        }
        let Some((container, owner)) = found else { return Vec::new() };
        let pod = inside(&owner.pod);
        [("container", Some(container_name(container, pod))), ("namespace", namespace(pod)), ("pod", pod_name(pod))]
            .into_iter()
            .filter_map(|(label, value)| Some((label, Cow::Owned(value?))))
            .collect()
    }
}

/// Program, user, container and pod, as far as they are known.
fn who(owner: &Owner) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
    let user = owner.user.known().map(|user| user.name.clone().unwrap_or_else(|| user.uid.to_string()));
    let pod = inside(&owner.pod);
    let labels = [
        ("command", owner.command.known().cloned()),
        ("user", user),
        ("container", inside(&owner.container).map(|container| container_name(container, pod))),
        ("pod", pod_name(pod)),
        ("namespace", namespace(pod)),
        ("pod_uid", pod.map(|pod| pod.uid.clone())),
    ];
    labels.into_iter().filter_map(|(label, value)| Some((label, Cow::Owned(value?))))
}

fn inside<T>(reading: &Reading<Option<T>>) -> Option<&T> {
    reading.known()?.as_ref()
}

/// What the pod calls it, else what its engine calls it, else its id.
fn container_name(container: &ContainerRef, pod: Option<&PodRef>) -> String {
    let of_pod = pod.and_then(|pod| pod.container_name.known());
    of_pod.or(container.name.as_ref()).unwrap_or(&container.id).clone()
}

fn pod_name(pod: Option<&PodRef>) -> Option<String> {
    pod?.name.known().cloned()
}

fn namespace(pod: Option<&PodRef>) -> Option<String> {
    pod?.namespace.known().cloned()
}

#[cfg(test)]
mod tests;
