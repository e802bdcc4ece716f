//! Docker Engine, and Podman through its Docker-compatible socket.
//!
//! What the daemon can do is read from its own `/version` and `/info`: the client library sends its requests without an
//! API version and does not negotiate one.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::{SystemInfo, SystemVersion};
use bollard::query_parameters as query;
use futures_util::{StreamExt, TryStreamExt};

use super::{Container, ContainerId, ContainerSpec, Engine, EngineInfo, GpuOffer, Image, labels};
use crate::error::{Error, ErrorKind, Result};

mod cdi;
mod convert;
mod failure;
mod gpu;

/// Every call to the daemon ends within this time, pulls and stops aside.
const CALL_LIMIT_SECONDS: u64 = 60;
/// A pull that brings nothing for so long is given up.
const PULL_SILENCE: Duration = Duration::from_secs(120);

const DEFAULT_HOST: &str = if cfg!(windows) { "npipe:////./pipe/docker_engine" } else { "unix:///var/run/docker.sock" };

/// A Docker daemon, or a Podman service that speaks its API.
pub struct Docker {
    client: bollard::Docker,
    host: String,
}

impl Docker {
    /// The daemon that `DOCKER_HOST` names, or the one on the default socket.
    ///
    /// # Errors
    /// [`EngineUnavailable`](ErrorKind::EngineUnavailable) when nothing answers there,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) when this user may not use it.
    pub async fn connect() -> Result<Self> {
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        Self::connect_to(host.as_deref().unwrap_or(DEFAULT_HOST)).await
    }

    /// The daemon at this address: `unix:///path/to.sock` or `tcp://host:port`.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_to(host: &str) -> Result<Self> {
        let client = bollard::Docker::connect_with_host(host).map_err(|error| failure::connect(host, error))?;
        let client = client.with_timeout(Duration::from_secs(CALL_LIMIT_SECONDS));
        let docker = Self { client, host: host.to_owned() };
        docker.version().await?;
        Ok(docker)
    }

    async fn version(&self) -> Result<SystemVersion> {
        self.client.version().await.map_err(|error| failure::connect(&self.host, error))
    }

    async fn system(&self) -> Result<SystemInfo> {
        self.client.info().await.map_err(|error| failure::connect(&self.host, error))
    }

    /// How this daemon can give a container a GPU: the CDI devices that it reports (API 1.50 and later) or that the
    /// specification files on this machine name, and the runtime called `nvidia`.
    fn offer(&self, system: &SystemInfo) -> GpuOffer {
        let reported = system.discovered_devices.iter().flatten().filter_map(|device| device.id.clone());
        let mut cdi_devices: Vec<_> = reported.filter(|id| id.starts_with(gpu::CDI_KIND)).collect();
        let local = self.host.starts_with("unix://");
        if cdi_devices.is_empty() && local {
            cdi_devices = cdi::devices(system.cdi_spec_dirs.iter().flatten());
        }
        cdi_devices.sort();
        cdi_devices.dedup();
        let nvidia_runtime = system.runtimes.iter().flatten().any(|(name, _)| name == "nvidia");
        GpuOffer { cdi_devices, nvidia_runtime }
    }

    async fn fetch(&self, reference: &str) -> Result<()> {
        let options = query::CreateImageOptionsBuilder::new().from_image(&convert::with_tag(reference)).build();
        let mut progress = std::pin::pin!(self.client.create_image(Some(options), None, None));
        loop {
            match tokio::time::timeout(PULL_SILENCE, progress.next()).await {
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
            address: self.host.clone(),
            gpu: self.offer(&system),
        })
    }

    async fn pull(&self, reference: &str) -> Result<Image> {
        let image = |id: Option<String>, pulled| Image {
            reference: reference.to_owned(),
            id: id.unwrap_or_else(|| "unknown".to_owned()),
            pulled,
        };
        match self.client.inspect_image(reference).await {
            Ok(found) => return Ok(image(found.id, false)),
            Err(error) if failure::status(&error) == Some(404) => {}
            Err(error) => return Err(failure::call("engine.pull", error).with("image", reference)),
        }
        self.fetch(reference).await?;
        let found = self.client.inspect_image(reference).await;
        found.map(|found| image(found.id, true)).map_err(|error| failure::call("engine.pull", error))
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId> {
        let access = match spec.gpus.is_empty() {
            true => None,
            false => Some(gpu::choose(&self.offer(&self.system().await?), &spec.gpus, spec.simulated_gpus)?),
        };
        let options = query::CreateContainerOptionsBuilder::new().name(&spec.name).build();
        let created = self.client.create_container(Some(options), convert::body(spec, access.as_ref())).await;
        created.map(|container| ContainerId(container.id)).map_err(|error| failure::create(spec, error))
    }

    async fn start(&self, id: &ContainerId) -> Result<()> {
        match self.client.start_container(&id.0, None::<query::StartContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(error) if failure::status(&error) == Some(304) => Ok(()),
            Err(error) => Err(failure::start(id, error)),
        }
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = query::StopContainerOptionsBuilder::new().t(seconds).build();
        let limit = grace + Duration::from_secs(CALL_LIMIT_SECONDS);
        let patient = self.client.clone().with_timeout(limit);
        match patient.stop_container(&id.0, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if failure::status(&error) == Some(304) => Ok(()),
            Err(error) => Err(failure::call("engine.stop", error).with("container", id)),
        }
    }

    async fn remove(&self, id: &ContainerId) -> Result<()> {
        let options = query::RemoveContainerOptionsBuilder::new().force(true).build();
        match self.client.remove_container(&id.0, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if matches!(failure::status(&error), Some(404 | 409)) => Ok(()),
            Err(error) => Err(failure::call("engine.remove", error).with("container", id)),
        }
    }

    async fn list(&self, app: Option<&str>) -> Result<Vec<Container>> {
        let label = app.map_or_else(|| labels::APP.to_owned(), |app| format!("{}={app}", labels::APP));
        let filters = std::collections::HashMap::from([("label".to_owned(), vec![label])]);
        let options = query::ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found = self.client.list_containers(Some(options)).await;
        let found = found.map_err(|error| failure::call("engine.list", error))?;
        let mut containers: Vec<_> = found.into_iter().filter_map(convert::container).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    async fn logs(&self, id: &ContainerId, lines: usize) -> Result<Vec<String>> {
        let options = query::LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let chunks: Vec<_> = self
            .client
            .logs(&id.0, Some(options))
            .try_collect()
            .await
            .map_err(|error| failure::call("engine.logs", error).with("container", id))?;
        let text: String =
            chunks.into_iter().map(|chunk| String::from_utf8_lossy(&chunk.into_bytes()).into_owned()).collect();
        let all: Vec<_> = text.lines().map(str::to_owned).collect();
        Ok(all[all.len().saturating_sub(lines)..].to_vec())
    }
}
