//! Who runs the containers: the third of the four seams.
//!
//! An [`Engine`] creates, starts, lists and removes containers. It keeps no state of NACP's: what runs is read back
//! from the engine itself, through the labels that each container carries ([`labels`]).

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::gpu::GpuId;

#[cfg(feature = "docker")]
mod docker;
mod endpoint;
mod names;

#[cfg(feature = "docker")]
pub use docker::Docker;
pub use endpoint::Endpoint;
pub use names::{NamedContainer, name_owners};

/// The labels that NACP puts on what it owns. Nothing without [`APP`](labels::APP) is ever touched.
pub mod labels {
    /// The name of the app.
    pub const APP: &str = "nacp.app";
    /// The name of the service.
    pub const SERVICE: &str = "nacp.service";
    /// The number of the replica, from 0.
    pub const REPLICA: &str = "nacp.replica";
    /// The part of the service's specification that makes up the container, as JSON; of its environment the names alone.
    pub const SPEC: &str = "nacp.spec";
    /// The hash of that part, the values of the environment included.
    pub const SPEC_HASH: &str = "nacp.spec-hash";
    /// The UUIDs of the replica's GPUs, separated by commas.
    pub const GPUS: &str = "nacp.gpus";
    /// Bytes of memory promised to the replica on each of its GPUs.
    pub const GPU_MEMORY: &str = "nacp.gpu-memory";
    /// `true` when the replica tolerates no other on its GPUs.
    pub const GPU_EXCLUSIVE: &str = "nacp.gpu-exclusive";
    /// The variables that NACP set so that the replica can repeat, as `NAME=value` separated by commas; absent where the
    /// service does not ask for it.
    pub const DETERMINISM: &str = "nacp.determinism";
    /// `true` when the replica's GPUs or its engine are simulated.
    pub const SIMULATED: &str = "nacp.simulated";
    /// How the GPUs get into the container: `cdi`, `nvidia-runtime`, or `none` with the reason.
    pub const GPU_INJECTION: &str = "nacp.gpu-injection";
}

/// Something that runs containers: Docker or Podman, a simulated engine, or a user's own.
///
/// Calls are idempotent where the engine allows it: starting what runs and removing what is gone succeed. Every call
/// has a time limit of the implementation's and ends with [`Timeout`](crate::ErrorKind::Timeout) when it passes; a
/// [`pull`](Self::pull) may last as long as it brings something.
///
/// An engine of your own provides every method: none has a body of its own here. NACP relies on [`list`](Self::list)
/// giving back the labels of [`create`](Self::create) as they were, and on [`create`](Self::create) refusing a name
/// that is taken: these two are all that keeps two control planes from running one replica twice.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// What the engine is and what it offers.
    ///
    /// # Errors
    /// [`EngineUnavailable`](crate::ErrorKind::EngineUnavailable) or
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) when it does not answer.
    async fn info(&self) -> Result<EngineInfo>;

    /// Makes sure that an image is there: uses the local one, or pulls it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when it is neither here nor in its registry, to be tried again later
    /// when the registry cannot be reached; [`PermissionDenied`](crate::ErrorKind::PermissionDenied) when the registry
    /// wants credentials; [`ResourceExhausted`](crate::ErrorKind::ResourceExhausted) when there is no room for it or
    /// the registry answers no more requests for now.
    async fn pull(&self, reference: &str) -> Result<Image>;

    /// Creates a container, stopped.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when the name is taken, [`Unsupported`](crate::ErrorKind::Unsupported)
    /// when the engine cannot give it the GPUs or the port that it asks for.
    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId>;

    /// Starts a container.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), or what the engine says of the container's program or devices.
    async fn start(&self, id: &ContainerId) -> Result<()>;

    /// Asks a container to end and ends it after `grace`.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound).
    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<()>;

    /// Removes a container, ending it first where it runs.
    ///
    /// # Errors
    /// What the engine answers; a container that is gone already is no error.
    async fn remove(&self, id: &ContainerId) -> Result<()>;

    /// The containers that carry the label `nacp.app`, of one app or of all, running or not, ordered by name. A state may
    /// lag a moment behind what the engine has just done.
    ///
    /// # Errors
    /// As for [`info`](Self::info).
    async fn list(&self, app: Option<&str>) -> Result<Vec<Container>>;

    /// Every container that runs or is frozen, NACP's or not, ordered by name: to tell whose a process is
    /// ([`name_owners`]). Nothing is ever done to a container because it is in this list.
    ///
    /// # Errors
    /// As for [`info`](Self::info).
    async fn names(&self) -> Result<Vec<NamedContainer>>;

    /// The last `lines` lines of what a container wrote, oldest first. An engine may leave out the oldest of them where
    /// they are very long.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound).
    async fn logs(&self, id: &ContainerId, lines: usize) -> Result<Vec<String>>;
}

/// What an engine is and what it offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Whether its containers are made up.
    pub simulated: bool,
    /// What it calls itself, such as `Docker Engine`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The newest API version that it speaks, as its `/version` says.
    pub api: Option<String>,
    /// Where it was reached.
    pub address: String,
    /// How it can give a container a GPU.
    pub gpu: GpuOffer,
}

/// How an engine can give a container a GPU, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuOffer {
    /// The CDI devices of the kind `nvidia.com/gpu` that it can resolve, such as `nvidia.com/gpu=GPU-…`.
    pub cdi_devices: Vec<String>,
    /// Whether it has a runtime named `nvidia`.
    pub nvidia_runtime: bool,
}

/// An image that is on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The reference that was asked for.
    pub reference: String,
    /// The engine's id of the image's content, `sha256:…`.
    pub id: String,
    /// Whether it was pulled just now.
    pub pulled: bool,
}

/// A container's id, as the engine names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerId(pub String);

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.get(..12).unwrap_or(&self.0))
    }
}

/// What a container is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Its name; unique in the engine.
    pub name: String,
    /// The image.
    pub image: String,
    /// The arguments; empty for the image's own.
    pub command: Vec<String>,
    /// Environment variables. What the engine must set to give the container its GPUs, and no others, wins over them.
    pub env: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The GPUs that it gets, by UUID.
    pub gpus: Vec<GpuId>,
    /// Whether those GPUs are simulated: then an engine that does not know them gives none, and says so.
    pub simulated_gpus: bool,
    /// The port on which its program listens; published on a free port of the loopback address.
    pub port: Option<u16>,
    /// Named volumes and where they are mounted.
    pub volumes: BTreeMap<String, String>,
}

impl ContainerSpec {
    /// A container of this name and image: its image's own program, without GPUs, port, volumes or labels.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        Self { name: name.into(), image: image.into(), ..Self::default() }
    }
}

/// A container as the engine reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The image that it was created from.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is doing.
    pub state: ContainerState,
    /// Where its port is published, while it runs.
    pub address: Option<SocketAddr>,
}

impl Container {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// It was created and never started.
    Created,
    /// Its program runs.
    Running,
    /// The engine is starting it again.
    Restarting,
    /// It is frozen.
    Paused,
    /// Its program has ended, with this code where the engine tells.
    Exited(Option<i64>),
    /// The engine is removing it, or failed to.
    Dead,
}

impl ContainerState {
    /// Whether its program is in memory, running or frozen, or is about to be again.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Restarting | Self::Paused)
    }
}

impl fmt::Display for ContainerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.pad("created"),
            Self::Running => f.pad("running"),
            Self::Restarting => f.pad("restarting"),
            Self::Paused => f.pad("paused"),
            Self::Exited(Some(code)) => f.pad(&format!("exited ({code})")),
            Self::Exited(None) => f.pad("exited"),
            Self::Dead => f.pad("dead"),
        }
    }
}
