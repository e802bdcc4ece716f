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
use bollard::query_parameters as query;
use futures_util::StreamExt;
use tokio::time::timeout;

use address::Address;

use super::{
    Container, ContainerId, ContainerSpec, ContainerStats, Details, Engine, EngineEvents, EngineInfo, ExecOutput,
    GpuOffer, Image, ImageDetails, LogLines, NamedContainer, PullRequest, PullWatcher, labels,
};
use crate::error::{Error, ErrorKind, Result};

mod address;
mod cdi;
mod convert;
mod create;
mod exec;
mod failure;
mod files;
mod gpu;
mod inspect;
mod life;
mod lines;
mod list;
mod logs;
mod network;
mod raw;
mod security;
mod stats;
mod stream;
mod watch;

/// Every call to the daemon, its whole answer included, ends within this time, pulls and stops aside.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// A pull that brings nothing for so long is given up. It has no limit as a whole: images are large.
const PULL_SILENCE: Duration = Duration::from_secs(120);
/// A container that is being removed is gone within this time.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);
/// How often to look whether it is.
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

const DEFAULT_HOST: &str = if cfg!(windows) { "npipe:////./pipe/docker_engine" } else { "unix:///var/run/docker.sock" };

/// A Docker daemon, or a Podman service that speaks its API.
///
/// Every call ends within a minute, [`stop`](Engine::stop) after its grace besides. A [`pull`](Engine::pull) may last
/// as long as it brings something and ends after two minutes of silence. NACP sends a registry no credentials: pull a
/// private image with `docker pull` before.
pub struct Docker {
    client: bollard::Docker,
    address: Address,
    host: String,
}

impl Docker {
    /// The daemon that `DOCKER_HOST` names, or the one on the default socket. The contexts of the command `docker` are
    /// not read: where `docker context use` chose another daemon, set `DOCKER_HOST` to its address.
    ///
    /// # Errors
    /// [`EngineUnavailable`](ErrorKind::EngineUnavailable) when nothing answers there,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) when this user may not use it.
    pub async fn connect() -> Result<Self> {
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        Self::connect_to(host.as_deref().unwrap_or(DEFAULT_HOST)).await
    }

    /// The daemon at this address: `unix:///path/to.sock` or `tcp://host:port`. A daemon of another machine creates no
    /// container with a port, which would be published on that machine's loopback address alone.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_to(host: &str) -> Result<Self> {
        let docker = Self::at(host).map_err(|error| failure::connect(host, error))?;
        docker.version().await?;
        Ok(docker)
    }

    /// The client for this address, before it has reached anybody.
    fn at(host: &str) -> Result<Self, Api> {
        let client = bollard::Docker::connect_with_host(host)?;
        let address = Address::parse(host).ok_or_else(|| Api::UnsupportedURISchemeError { uri: host.to_owned() })?;
        // The client's own limit ends with the head of the answer; `limited` has the whole answer under one.
        Ok(Self { client: client.with_timeout(Duration::MAX), address, host: host.to_owned() })
    }

    /// Whether an image of this reference is on the engine's machine. Nothing is pulled.
    ///
    /// # Errors
    /// As for [`info`](Engine::info).
    pub async fn has_image(&self, reference: &str) -> Result<bool> {
        let found = self.image_id(reference).await;
        found.map(|id| id.is_some()).map_err(|error| failure::call("engine.has_image", error).with("image", reference))
    }

    /// The id of a local image.
    async fn image_id(&self, reference: &str) -> Result<Option<String>, Api> {
        match limited(CALL_LIMIT, self.client.inspect_image(reference)).await {
            Ok(found) => Ok(Some(found.id.unwrap_or_else(|| "unknown".to_owned()))),
            Err(error) if failure::status(&error) == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn version(&self) -> Result<SystemVersion> {
        let version = limited(CALL_LIMIT, self.client.version()).await;
        version.map_err(|error| failure::connect(&self.host, error))
    }

    async fn system(&self) -> Result<SystemInfo> {
        limited(CALL_LIMIT, self.client.info()).await.map_err(|error| failure::connect(&self.host, error))
    }

    /// How this daemon can give a container a GPU: the CDI devices that it reports (API 1.50 and later) or that the
    /// specification files on this machine name, and the runtime called `nvidia`.
    fn offer(&self, system: &SystemInfo) -> GpuOffer {
        let reported = system.discovered_devices.iter().flatten().filter_map(|device| device.id.clone());
        let mut cdi_devices: Vec<_> = reported.filter(|id| id.starts_with(crate::cdi::KIND)).collect();
        if cdi_devices.is_empty() && matches!(self.address, Address::Local(_)) {
            cdi_devices = cdi::devices(system.cdi_spec_dirs.iter().flatten());
        }
        cdi_devices.sort();
        cdi_devices.dedup();
        let nvidia_runtime = system.runtimes.iter().flatten().any(|(name, _)| name == "nvidia");
        let nvidia_driver = matches!(self.address, Address::Local(_)) && gpu::hook_is_here();
        GpuOffer { cdi_devices, nvidia_runtime, nvidia_driver }
    }

    async fn fetch(&self, reference: &str) -> Result<()> {
        let options = query::CreateImageOptionsBuilder::new().from_image(&convert::with_tag(reference)).build();
        let mut progress = std::pin::pin!(self.client.create_image(Some(options), None, None));
        loop {
            match timeout(PULL_SILENCE, progress.next()).await {
                Err(_) => {
                    return Err(Error::new(ErrorKind::Timeout, "engine.pull", "the pull has come to a standstill")
                        .with("image", reference)
                        .with("silent_for", format_args!("{}s", PULL_SILENCE.as_secs()))
                        .retry_later());
                }
                Ok(None) => return Ok(()),
                Ok(Some(step)) => drop(step.map_err(|error| failure::pull(reference, error))?),
            }
        }
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
        let (version, system) = (self.version().await?, self.system().await?);
        let podman = version.components.iter().flatten().any(|component| component.name.contains("Podman"));
        Ok(EngineInfo {
            simulated: false,
            name: if podman { "Podman" } else { "Docker Engine" }.to_owned(),
            version: version.version.unwrap_or_else(|| "unknown".to_owned()),
            api: version.api_version,
            min_api: version.min_api_version,
            id: system.id.clone(),
            address: self.host.clone(),
            gpu: self.offer(&system),
        })
    }

    async fn pull(&self, request: &PullRequest, _watcher: &dyn PullWatcher) -> Result<Image> {
        let reference = request.reference.as_str();
        let failed = |error| failure::call("engine.pull", error).with("image", reference);
        let image = |id, pulled| Image { reference: reference.to_owned(), id, digest: None, pulled };
        if let Some(id) = self.image_id(reference).await.map_err(failed)? {
            return Ok(image(id, false));
        }
        self.fetch(reference).await?;
        let missing = || {
            Error::new(ErrorKind::NotFound, "engine.pull", "the image is gone again")
                .with("image", reference)
                .retry_later()
        };
        let id = self.image_id(reference).await.map_err(failed)?.ok_or_else(missing)?;
        Ok(image(id, true))
    }

    async fn load(&self, _archive: &Path, _watcher: &dyn PullWatcher) -> Result<Vec<Image>> {
        Err(Error::new(ErrorKind::Unsupported, "engine.load", "not yet"))
    }

    async fn image(&self, _reference: &str) -> Result<Option<ImageDetails>> {
        Err(Error::new(ErrorKind::Unsupported, "engine.image", "not yet"))
    }

    async fn digest(&self, _request: &PullRequest) -> Result<String> {
        Err(Error::new(ErrorKind::Unsupported, "engine.digest", "not yet"))
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

    // 192.0.2.7 belongs to nobody, and nobody is asked: the refusal comes before any call.
    #[tokio::test]
    async fn a_port_on_another_machine_is_refused() {
        let docker = Docker::at("tcp://192.0.2.7:2375").unwrap();
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
