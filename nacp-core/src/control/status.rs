//! What runs, as the engine tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::{ContainerId, ContainerState, Endpoint};
use crate::gpu::GpuId;
use crate::units::Bytes;

/// The replicas of one app that are there.
///
/// How many there should be, and what happened to them, stands in no label: those fields are filled by a
/// [`ControlPlane`](super::ControlPlane) that applied or keeps the app itself, or by one of its clones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AppStatus {
    /// The app's name.
    pub app: String,
    /// How it is as a whole.
    #[serde(default)]
    pub phase: Phase,
    /// Why it is not as it should be, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many replicas of each service are wanted; empty where this is not known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wanted: BTreeMap<String, u32>,
    /// Its replicas, ordered by service and number; empty when nothing of the app is there.
    pub replicas: Vec<ReplicaStatus>,
}

/// How an app is as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Phase {
    /// Nothing of it is there, and nothing is wanted as far as is known.
    #[default]
    Absent,
    /// It is being brought up.
    Starting,
    /// Every replica is ready.
    Ready,
    /// Replicas are replaced by others of a new specification.
    Updating,
    /// It serves, and less than it should: replicas are missing, or a new specification did not become ready.
    Degraded,
    /// Nothing of it is ready, and something has failed.
    Failed,
    /// Its user has paused it: nothing is changed.
    Paused,
}

impl Phase {
    /// The phase's name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Updating => "updating",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Paused => "paused",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl AppStatus {
    /// Whether every replica that is wanted is ready or has done its work. Where it is not known how many are wanted,
    /// those that are there are taken for all.
    pub fn ready(&self) -> bool {
        let fine = |replica: &&ReplicaStatus| replica.ready || replica.done;
        if self.wanted.is_empty() {
            return !self.replicas.is_empty() && self.replicas.iter().all(|replica| fine(&replica));
        }
        self.wanted.iter().all(|(service, count)| {
            let of = self.replicas.iter().filter(|replica| replica.service == *service && !replica.successor);
            of.filter(fine).count() >= usize::try_from(*count).unwrap_or(usize::MAX)
        })
    }

    /// Where the replicas answer that requests are to be sent to.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let serving = self.replicas.iter().filter(|replica| replica.serving);
        serving
            .filter_map(|replica| {
                let endpoint = Endpoint::new(&self.app, &replica.service, &replica.name, replica.address?);
                Some(match &replica.model {
                    Some(model) => endpoint.model(model),
                    None => endpoint,
                })
            })
            .collect()
    }

    /// Marks the replicas that requests are sent to. Of an old replica and its ready successor the old one serves as long
    /// as it runs, until all successors of its service are ready: then these do.
    pub(super) fn mark_serving(&mut self) {
        let mut arrived: BTreeMap<String, bool> = BTreeMap::new();
        let mut old_runs = BTreeSet::new();
        for replica in &self.replicas {
            if replica.successor {
                *arrived.entry(replica.service.clone()).or_insert(true) &= replica.ready;
            } else if replica.ready {
                old_runs.insert((replica.service.clone(), replica.replica));
            }
        }
        for replica in &mut self.replicas {
            let all_arrived = arrived.get(&replica.service).copied().unwrap_or(false);
            let beside = old_runs.contains(&(replica.service.clone(), replica.replica));
            replica.serving = replica.ready && (if replica.successor { all_arrived || !beside } else { true });
        }
        let replaced: BTreeSet<_> = self
            .replicas
            .iter()
            .filter(|replica| replica.successor && replica.serving)
            .map(|replica| (replica.service.clone(), replica.replica))
            .collect();
        for replica in self.replicas.iter_mut().filter(|replica| !replica.successor) {
            replica.serving &= !replaced.contains(&(replica.service.clone(), replica.replica));
        }
    }
}

/// One replica that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReplicaStatus {
    /// The service.
    pub service: String,
    /// The replica's number, from 0.
    pub replica: u32,
    /// The name of its container.
    pub name: String,
    /// The id of its container.
    pub container: ContainerId,
    /// The image.
    pub image: String,
    /// The model that it serves, if the service names one.
    pub model: Option<String>,
    /// Whether its GPUs or its engine are simulated.
    pub simulated: bool,
    /// What its container is doing.
    pub state: ContainerState,
    /// Whether it runs and answers its probe.
    pub ready: bool,
    /// Where it answers.
    pub address: Option<SocketAddr>,
    /// Its GPUs.
    pub gpus: Vec<GpuId>,
    /// Memory promised to it on each of them.
    pub memory: Bytes,
    /// How the GPUs got into the container, if it has any.
    pub gpu_injection: Option<String>,
    /// The hash of the specification that it was created from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_hash: Option<String>,
    /// Whether it is to take the place of another container of the same replica.
    #[serde(default)]
    pub successor: bool,
    /// Whether requests are to be sent to it.
    #[serde(default)]
    pub serving: bool,
    /// Whether it has ended with 0 and stays so, as its service says.
    #[serde(default)]
    pub done: bool,
    /// How often its program was started again; 0 where this is not known.
    #[serde(default)]
    pub restarts: u32,
    /// When its program was started last, where this is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How its program ended last, in a few words, where this is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<String>,
}
