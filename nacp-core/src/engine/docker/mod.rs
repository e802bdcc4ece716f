//! Docker Engine, and Podman through its Docker-compatible socket.
//!
//! What the daemon can do is read from its own `/version` and `/info`: the client library sends its requests without an
//! API version and does not negotiate one.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error as Api;
use bollard::models::{SystemInfo, SystemVersion};
use tokio::time::timeout;

use address::Address;
use context::{Choice, Surroundings, Way};
use tls::Tls;
use version::{Feature, Version};

use super::{
    Container, ContainerId, ContainerSpec, ContainerStats, Details, Engine, EngineEvents, EngineInfo, ExecOutput,
    Image, ImageDetails, LogLines, NamedContainer, PullRequest, PullWatcher, labels,
};
use crate::error::Result;

mod address;
mod cdi;
mod context;
mod convert;
mod create;
mod credentials;
mod exec;
mod failure;
mod files;
mod gpu;
mod image;
mod inspect;
mod life;
mod lines;
mod list;
mod load;
mod logs;
mod network;
mod offer;
mod progress;
mod pull;
mod raw;
mod reference;
mod security;
mod ssh;
mod stats;
mod stream;
mod tls;
mod transport;
mod version;
mod watch;

/// Every call to the daemon, its whole answer included, ends within this time, pulls and stops aside.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// A container is created within this time: the daemon copies what the image has in a folder that becomes a volume.
const CREATE_LIMIT: Duration = Duration::from_secs(600);
/// A container that is being removed is gone within this time.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);
/// How often to look whether it is.
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// A Docker daemon, or a Podman service that speaks its API.
///
/// Every call ends within a minute, [`stop`](Engine::stop) after its grace besides and [`create`](Engine::create) within
/// about ten, since the daemon may have much to copy. A [`pull`](Engine::pull) may last
/// as long as it brings something and ends after two minutes of silence; a [`load`](Engine::load) may too. A registry is
/// sent the credentials that `docker login` has kept, its helpers included; they are in no log and no error.
pub struct Docker {
    client: bollard::Docker,
    address: Address,
    host: String,
    context: Option<String>,
    version: Version,
    pulls: pull::Pulls,
}

impl Docker {
    /// The daemon that the command `docker` would use: the one that `DOCKER_HOST` names, else the context that
    /// `DOCKER_CONTEXT` or `docker context use` has chosen, else the first that answers in the usual places of Docker,
    /// Docker Desktop and Podman.
    ///
    /// # Errors
    /// [`EngineUnavailable`](crate::ErrorKind::EngineUnavailable) when nothing answers there,
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) when this user may not use it or one side does not trust the
    /// other's certificate, [`NotFound`](crate::ErrorKind::NotFound) when there is no such context or no certificates,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) when it is older than Docker 19.03.
    pub async fn connect() -> Result<Self> {
        match Surroundings::of_this_process().choose()? {
            Choice::Named(way) => Self::reach(way).await,
            Choice::Usual(ways) => Self::first(ways).await,
        }
    }

    /// The daemon at this address: `unix:///path/to.sock`, `npipe:////./pipe/name`, `tcp://host:port`,
    /// `https://host:port` or `ssh://user@host`. TLS is spoken with `https`, and with `tcp` where `DOCKER_TLS_VERIFY` is
    /// set; its certificates are those of the folder that `DOCKER_CERT_PATH` names. A daemon of another machine creates
    /// no container with a port, which would be published on that machine's loopback address alone.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_to(host: &str) -> Result<Self> {
        Self::reach(Surroundings::of_this_process().way(host)?).await
    }

    /// The daemon at this address, `tcp://host:port`, behind TLS with the certificates of a folder: `ca.pem`, whom to
    /// trust, and `cert.pem` with `key.pem`, who this side is. Without `ca.pem` those count whom this machine trusts.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_tls(host: &str, certificates: &Path) -> Result<Self> {
        Self::reach(context::way(host, Some(Tls::from_folder(certificates)?), None)?).await
    }

    /// The daemon of a context, as `docker context ls` names it.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect); [`NotFound`](crate::ErrorKind::NotFound) tells the nearest name.
    pub async fn connect_context(name: &str) -> Result<Self> {
        let surroundings = Surroundings::of_this_process();
        match name {
            "default" => Self::first(surroundings.usual()).await,
            _ => Self::reach(surroundings.context(name)?).await,
        }
    }

    /// The first of these that answers; what is told of the others goes into the error.
    async fn first(ways: Vec<Way>) -> Result<Self> {
        let mut refusals = Vec::new();
        for way in ways {
            let host = way.host.clone();
            match Self::reach(way).await {
                Ok(docker) => return Ok(docker),
                Err(error) => refusals.push((host, error)),
            }
        }
        Err(failure::nobody(refusals))
    }

    async fn reach(way: Way) -> Result<Self> {
        let mut docker = Self::along(way)?;
        docker.version = Version::from(&docker.version().await?);
        docker
            .version
            .require(Feature::DeviceRequests, "engine.connect")
            .map_err(|error| error.with("host", &docker.host))?;
        Ok(docker)
    }

    /// The client for this way, before it has reached anybody.
    fn along(way: Way) -> Result<Self> {
        let Way { host, address, context } = way;
        let client = transport::client(&address).map_err(|error| failure::connect(&host, error))?;
        Ok(Self { client, address, host, context, version: Version::default(), pulls: pull::Pulls::default() })
    }

    /// Whether an image of this reference is on the engine's machine. Nothing is pulled.
    ///
    /// # Errors
    /// As for [`info`](Engine::info).
    pub async fn has_image(&self, reference: &str) -> Result<bool> {
        let found = self.inspected(reference).await;
        found.map(|it| it.is_some()).map_err(|error| failure::call("engine.has_image", error).with("image", reference))
    }

    async fn version(&self) -> Result<SystemVersion> {
        let version = limited(CALL_LIMIT, self.client.version()).await;
        version.map_err(|error| failure::connect(&self.host, error))
    }

    async fn system(&self) -> Result<SystemInfo> {
        limited(CALL_LIMIT, self.client.info()).await.map_err(|error| failure::connect(&self.host, error))
    }
}

/// The call's outcome, or the client library's time-out when its limit passes.
async fn limited<T>(limit: Duration, call: impl Future<Output = Result<T, Api>>) -> Result<T, Api> {
    timeout(limit, call).await.unwrap_or(Err(Api::RequestTimeoutError))
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Docker").field("host", &self.host).finish_non_exhaustive()
    }
}

#[async_trait]
impl Engine for Docker {
    async fn info(&self) -> Result<EngineInfo> {
        Ok(self.described(self.version().await?, &self.system().await?))
    }

    async fn pull(&self, request: &PullRequest, watcher: &dyn PullWatcher) -> Result<Image> {
        self.pulled(request, watcher).await
    }

    async fn load(&self, archive: &Path, watcher: &dyn PullWatcher) -> Result<Vec<Image>> {
        self.loaded(archive, watcher).await
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageDetails>> {
        self.image_details(reference).await
    }

    async fn digest(&self, request: &PullRequest) -> Result<String> {
        self.registry_digest(request).await
    }

    async fn create_network(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
        self.make_network(name, labels).await
    }

    async fn remove_networks(&self, app: &str) -> Result<()> {
        self.unmake_networks(app).await
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId> {
        self.make(spec).await
    }

    async fn start(&self, id: &ContainerId) -> Result<()> {
        self.launch(id).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        self.end(id, grace).await
    }

    async fn remove(&self, id: &ContainerId) -> Result<()> {
        self.erase(id).await
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Result<()> {
        self.call_it(id, name).await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Details> {
        self.look("engine.inspect", id).await.map(inspect::details)
    }

    async fn follow_logs(&self, id: &ContainerId, lines: usize) -> Result<LogLines> {
        self.listen(id, lines).await
    }

    async fn exec(&self, id: &ContainerId, command: &[String], limit: Duration) -> Result<ExecOutput> {
        self.run(id, command, limit).await
    }

    async fn stats(&self, id: &ContainerId) -> Result<ContainerStats> {
        self.usage(id).await
    }

    async fn watch(&self) -> Result<EngineEvents> {
        self.events().await
    }

    async fn list(&self, app: Option<&str>) -> Result<Vec<Container>> {
        let label = app.map_or_else(|| labels::APP.to_owned(), |app| format!("{}={app}", labels::APP));
        let filters = serde_json::json!({ "label": [label] }).to_string();
        let path = format!("/containers/json?all=true&filters={}", raw::encoded(&filters));
        self.listed(&path).await.map_err(|error| failure::call("engine.list", error))
    }

    async fn names(&self) -> Result<Vec<NamedContainer>> {
        let running = self.listed("/containers/json").await.map_err(|error| failure::call("engine.names", error))?;
        Ok(running.into_iter().map(NamedContainer::from).collect())
    }

    async fn logs(&self, id: &ContainerId, lines: usize) -> Result<Vec<String>> {
        self.last_words(id, lines).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::PublishSpec;
    use crate::error::ErrorKind;

    // 192.0.2.7 belongs to nobody, and nobody is asked: the refusal comes before any call.
    #[tokio::test]
    async fn a_port_on_another_machine_is_refused() {
        let docker = Docker::along(context::way("tcp://192.0.2.7:2375", None, None).unwrap()).unwrap();
        let spec = ContainerSpec {
            publish: Some(PublishSpec::loopback(8000)),
            ..ContainerSpec::new("nacp-a-llm-0", "busybox")
        };
        let error = docker.create(&spec).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "the engine is on another machine, and a container's port is published on that machine alone: \
             host=tcp://192.0.2.7:2375 container=nacp-a-llm-0; run NACP on the engine's machine"
        );
    }
}
