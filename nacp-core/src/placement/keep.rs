//! Which replicas stay where they run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Placement, Request, Running, suit};
use crate::gpu::topology::Topology;
use crate::service::Sharing;

/// What happens to the promises that stand.
pub(super) struct Split<'a> {
    /// The replicas of this app that stay where they are.
    pub(super) kept: Vec<Placement>,
    /// Every promise that stands: theirs, those of other apps, and those of containers that run beside the replica that
    /// takes their place.
    pub(super) staying: Vec<&'a Running>,
    /// Those of this app that go or move, and so give up their memory.
    pub(super) leaving: Vec<&'a Running>,
    /// Where the replicas that are to be placed were before, by service and number.
    pub(super) before: BTreeMap<(&'a str, u32), &'a Running>,
}

pub(super) fn split<'a>(request: &Request<'a>, topology: Option<&Topology>) -> Split<'a> {
    let mut split = Split { kept: Vec::new(), staying: Vec::new(), leaving: Vec::new(), before: BTreeMap::new() };
    let mut kept = BTreeSet::new();
    let mut others = Vec::new();
    for promise in request.running.iter().rev() {
        let replica = (promise.service.as_str(), promise.replica);
        if promise.app != request.app.name {
            split.staying.push(promise);
        } else if let (false, Some(placement)) = (kept.contains(&replica), keep(request, topology, promise)) {
            kept.insert(replica);
            split.kept.push(placement);
            split.staying.push(promise);
        } else {
            others.push((replica, promise));
        }
    }
    for (replica, promise) in others {
        // Beside the container that is the replica another one that runs still holds what it holds.
        if kept.contains(&replica) || (promise.beside && promise.active) {
            split.staying.push(promise);
        } else {
            split.leaving.push(promise);
        }
        split.before.entry(replica).or_insert(promise);
    }
    split
}

fn keep(request: &Request<'_>, topology: Option<&Topology>, promise: &Running) -> Option<Placement> {
    let service = request.app.services.get(&promise.service)?;
    let need = service.gpu.as_ref()?;
    let count = usize::try_from(need.count).ok()?;
    let same = promise.active
        && need.memory.bytes().is_none_or(|memory| memory == promise.memory)
        && promise.gpus.len() == count
        && promise.exclusive == (need.sharing == Sharing::Exclusive)
        && promise.replica < service.replicas;
    (same && suit::holds(request, topology, &promise.gpus, need)).then(|| Placement {
        service: promise.service.clone(),
        replica: promise.replica,
        gpus: promise.gpus.clone(),
        memory: promise.memory,
        reason: "it runs there already".to_owned(),
    })
}
