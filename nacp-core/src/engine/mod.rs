//! Who runs the containers: the third of the four seams.
//!
//! An [`Engine`] creates, starts, lists and removes containers. It keeps no state of NACP's: what runs is read back
//! from the engine itself, through the labels that each container carries ([`labels`]).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;

mod container;
#[cfg(feature = "docker")]
mod docker;
mod endpoint;
mod event;
mod exec;
mod image;
mod info;
mod names;
mod progress;
mod spec;
mod stats;
mod traffic;
mod verify;

pub use container::{Container, ContainerId, ContainerState, Details};
#[cfg(feature = "docker")]
pub use docker::Docker;
pub use endpoint::Endpoint;
pub use event::{Change, EngineEvent, EngineEvents};
pub use exec::{ExecOutput, LogLine, LogLines};
pub use image::{Image, ImageDetails, PullRequest};
pub use info::{EngineInfo, GpuOffer};
pub use names::{NamedContainer, name_owners};
pub use progress::{NoProgress, PullProgress, PullWatcher};
#[cfg(any(feature = "docker", feature = "sim"))]
pub(crate) use spec::lies_in;
pub use spec::{ContainerSpec, FileSpec, MountSpec, PublishSpec};
pub use stats::ContainerStats;
pub use traffic::{NoTraffic, Traffic};
#[cfg(any(feature = "docker", feature = "sim"))]
pub(crate) use verify::plain;
pub use verify::{Verification, verify};

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
    /// `true` when the replica's GPU memory is promised beside that of the container whose place it is to take, so that both
    /// may run at the same time; absent otherwise.
    pub const BESIDE: &str = "nacp.beside";
    /// The variables that NACP set so that the replica can repeat, as `NAME=value` separated by commas; absent where the
    /// service does not ask for it.
    pub const DETERMINISM: &str = "nacp.determinism";
    /// `true` when the replica's GPUs or its engine are simulated.
    pub const SIMULATED: &str = "nacp.simulated";
    /// How the GPUs get into the container: `cdi`, `nvidia-runtime`, or `none` with the reason.
    pub const GPU_INJECTION: &str = "nacp.gpu-injection";
    /// A salted digest of the container's secrets, to tell that one has changed; absent where there are none.
    pub const SECRETS: &str = "nacp.secrets";
    /// `read-only`, or `writable` with the reason: whether the container's root can be written.
    pub const ROOT: &str = "nacp.root";
    /// How long the replica may take to end when it is asked to, in milliseconds, as its service said at its creation.
    pub const STOP_GRACE: &str = "nacp.stop-grace";
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

    /// Makes sure that an image is there: uses the local one, or pulls it, as the request says. What arrives is told to
    /// `watcher`.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when it is neither here nor in its registry, to be tried again later
    /// when the registry cannot be reached; [`PermissionDenied`](crate::ErrorKind::PermissionDenied) when the registry
    /// wants other credentials; [`ResourceExhausted`](crate::ErrorKind::ResourceExhausted) when there is no room for it
    /// or the registry answers no more requests for now; [`Conflict`](crate::ErrorKind::Conflict) when the reference
    /// names a digest and another content is here.
    async fn pull(&self, request: &PullRequest, watcher: &dyn PullWatcher) -> Result<Image>;

    /// Loads the images of an archive, as `docker save` writes it: for machines without a registry.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) for a file that is not there,
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for one that is no archive of images.
    async fn load(&self, archive: &Path, watcher: &dyn PullWatcher) -> Result<Vec<Image>>;

    /// What an image of this reference on the engine's machine says of itself; nothing where there is none.
    ///
    /// # Errors
    /// As for [`info`](Self::info).
    async fn image(&self, reference: &str) -> Result<Option<ImageDetails>>;

    /// The digest, `sha256:…`, that a reference has in its registry now.
    ///
    /// # Errors
    /// As for [`pull`](Self::pull).
    async fn digest(&self, request: &PullRequest) -> Result<String>;

    /// Makes sure that a network of this name is there, with these labels.
    ///
    /// # Errors
    /// What the engine answers; one that is there already is no error.
    async fn create_network(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()>;

    /// Removes the networks that carry this app's label and that no container uses.
    ///
    /// # Errors
    /// What the engine answers; a network that is still used stays and is no error.
    async fn remove_networks(&self, app: &str) -> Result<()>;

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

    /// Removes a container and the unnamed volumes that it has, ending it first where it runs.
    ///
    /// # Errors
    /// What the engine answers; a container that is gone already is no error.
    async fn remove(&self, id: &ContainerId) -> Result<()>;

    /// Gives a container another name, running or not.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when the name is taken, [`NotFound`](crate::ErrorKind::NotFound).
    async fn rename(&self, id: &ContainerId, name: &str) -> Result<()>;

    /// What a container really got: its devices, mounts, limits and locks, as the engine reports them.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound).
    async fn inspect(&self, id: &ContainerId) -> Result<Details>;

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

    /// What a container writes from now on, line by line, with the last `lines` lines before; it ends with the container.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound).
    async fn follow_logs(&self, id: &ContainerId, lines: usize) -> Result<LogLines>;

    /// Runs a program in a running container and waits for its end, `limit` at most; then the wait ends, and what was
    /// started may go on.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is no such container or program,
    /// [`Conflict`](crate::ErrorKind::Conflict) when the container does not run,
    /// [`Timeout`](crate::ErrorKind::Timeout).
    async fn exec(&self, id: &ContainerId, command: &[String], limit: Duration) -> Result<ExecOutput>;

    /// What a container uses of the machine now.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`Conflict`](crate::ErrorKind::Conflict) when it does not run.
    async fn stats(&self, id: &ContainerId) -> Result<ContainerStats>;

    /// What happens to the containers that carry the label `nacp.app`, from now on. Events may be lost or come twice: whoever
    /// listens looks again from time to time all the same. The stream ends when the engine hangs up.
    ///
    /// # Errors
    /// As for [`info`](Self::info).
    async fn watch(&self) -> Result<EngineEvents>;
}
