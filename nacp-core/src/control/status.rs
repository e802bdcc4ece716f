//! What runs, as the engine tells it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::engine::{ContainerId, ContainerState, Endpoint};
use crate::gpu::GpuId;
use crate::units::Bytes;

/// The replicas of one app that are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AppStatus {
    /// The app's name.
    pub app: String,
    /// Its replicas, ordered by service and number; empty when nothing of the app is there.
    pub replicas: Vec<ReplicaStatus>,
}

impl AppStatus {
    /// Whether there are replicas and all that are there are ready. How many there should be only the app tells.
    pub fn ready(&self) -> bool {
        !self.replicas.is_empty() && self.replicas.iter().all(|replica| replica.ready)
    }

    /// Where the ready replicas answer.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let ready = self.replicas.iter().filter(|replica| replica.ready);
        ready
            .filter_map(|replica| {
                let endpoint = Endpoint::new(&self.app, &replica.service, &replica.name, replica.address?);
                Some(match &replica.model {
                    Some(model) => endpoint.model(model),
                    None => endpoint,
                })
            })
            .collect()
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
}
