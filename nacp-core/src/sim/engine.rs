//! A container engine that runs nothing but [`Service`]s, in this process. Labelled simulated in its
//! [`EngineInfo`] and in the label of every container's GPUs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{Service, ServiceOptions};
use crate::engine::{
    Container, ContainerId, ContainerSpec, ContainerState, ContainerStats, Details, Engine as Seam, EngineEvents,
    EngineInfo, ExecOutput, GpuOffer, Image, ImageDetails, LogLines, NamedContainer, PullRequest, PullWatcher, labels,
};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::GpuId;

/// A container engine without containers: each one is a simulated inference service in this process, whatever its
/// image. Everything is gone when the engine is dropped.
///
/// What a container costs and serves is set by its environment, as in a real one that runs the simulated service (see
/// [`ServiceOptions`]): an app can so be slow, crowded or never ready.
///
/// ```
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use nacp_core::control::ControlPlane;
/// use nacp_core::service::{App, Service};
/// use nacp_core::{ErrorKind, gpu, sim};
///
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
/// let plane = ControlPlane::new(node, Arc::new(sim::Engine::with_images(["example/llm:1"])));
/// let llm = Service::new("example/llm:1").port(8000).env("NACP_SIM_TTFT_MS", "200");
/// plane.apply(&App::new("slow").service("llm", llm)).await?;
///
/// let typo = App::new("typo").service("llm", Service::new("example/lm:1"));
/// assert_eq!(plane.apply(&typo).await.unwrap_err().kind(), ErrorKind::NotFound);
/// # plane.delete("slow").await?;
/// # Ok::<(), nacp_core::Error>(()) }).unwrap();
/// ```
///
/// [`ServiceOptions`]: super::ServiceOptions
#[derive(Debug, Default)]
pub struct Engine {
    images: Option<BTreeSet<String>>,
    containers: Mutex<BTreeMap<ContainerId, Held>>,
    next_id: AtomicU64,
}

/// One made-up container.
#[derive(Debug)]
struct Held {
    id: ContainerId,
    spec: ContainerSpec,
    state: ContainerState,
    service: Option<Service>,
    logs: Vec<String>,
}

impl Engine {
    /// An engine that has every image.
    pub fn new() -> Self {
        Self::default()
    }

    /// An engine that has these images and no others; a service of another one fails with
    /// [`NotFound`](ErrorKind::NotFound), as on a machine whose registry does not have it.
    pub fn with_images<T: Into<String>>(images: impl IntoIterator<Item = T>) -> Self {
        Self { images: Some(images.into_iter().map(Into::into).collect()), ..Self::default() }
    }

    fn has(&self, image: &str) -> bool {
        self.images.as_ref().is_none_or(|images| images.contains(image))
    }
}

fn missing(operation: &'static str, id: &ContainerId) -> Error {
    Error::new(ErrorKind::NotFound, operation, "no such container").with("container", id)
}

#[async_trait]
impl Seam for Engine {
    async fn info(&self) -> Result<EngineInfo> {
        Ok(EngineInfo {
            simulated: true,
            name: "simulated engine".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api: None,
            min_api: None,
            id: None,
            address: "in this process".to_owned(),
            context: None,
            podman: false,
            rootless: false,
            gpu: GpuOffer::default(),
        })
    }

    async fn pull(&self, request: &PullRequest, _watcher: &dyn PullWatcher) -> Result<Image> {
        let reference = request.reference.as_str();
        if self.has(reference) {
            let id = format!("simulated:{reference}");
            return Ok(Image { reference: reference.to_owned(), id, digest: None, pulled: false });
        }
        Err(Error::new(ErrorKind::NotFound, "engine.pull", "the simulated engine has no such image")
            .with("image", reference))
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

    async fn create_network(&self, _name: &str, _labels: &BTreeMap<String, String>) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "engine.create_network", "not yet"))
    }

    async fn remove_networks(&self, _app: &str) -> Result<()> {
        Ok(())
    }

    async fn rename(&self, _id: &ContainerId, _name: &str) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "engine.rename", "not yet"))
    }

    async fn inspect(&self, _id: &ContainerId) -> Result<Details> {
        Err(Error::new(ErrorKind::Unsupported, "engine.inspect", "not yet"))
    }

    async fn follow_logs(&self, _id: &ContainerId, _lines: usize) -> Result<LogLines> {
        Err(Error::new(ErrorKind::Unsupported, "engine.follow_logs", "not yet"))
    }

    async fn exec(&self, _id: &ContainerId, _command: &[String], _limit: Duration) -> Result<ExecOutput> {
        Err(Error::new(ErrorKind::Unsupported, "engine.exec", "not yet"))
    }

    async fn stats(&self, _id: &ContainerId) -> Result<ContainerStats> {
        Err(Error::new(ErrorKind::Unsupported, "engine.stats", "not yet"))
    }

    async fn watch(&self) -> Result<EngineEvents> {
        Err(Error::new(ErrorKind::Unsupported, "engine.watch", "not yet"))
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId> {
        let mut containers = self.containers.lock().await;
        if !self.has(&spec.image) {
            return Err(Error::new(ErrorKind::NotFound, "engine.create", "the image is not on this machine")
                .with("image", &spec.image));
        }
        if containers.values().any(|held| held.spec.name == spec.name) {
            return Err(Error::new(ErrorKind::Conflict, "engine.create", "a container of this name is there already")
                .with("container", &spec.name)
                .retry_later());
        }
        let mut spec = spec.clone();
        spec.labels.insert(labels::SIMULATED.to_owned(), true.to_string());
        if !spec.gpus.is_empty() {
            spec.labels.insert(labels::GPU_INJECTION.to_owned(), "none, the engine is simulated".to_owned());
        }
        let id = ContainerId(format!("simulated-{}", self.next_id.fetch_add(1, Ordering::Relaxed)));
        let held = Held { id: id.clone(), spec, state: ContainerState::Created, service: None, logs: Vec::new() };
        containers.insert(id.clone(), held);
        Ok(id)
    }

    async fn start(&self, id: &ContainerId) -> Result<()> {
        let mut containers = self.containers.lock().await;
        let held = containers.get_mut(id).ok_or_else(|| missing("engine.start", id))?;
        if held.service.is_some() {
            return Ok(());
        }
        match launch(&held.spec).await {
            Ok(service) => {
                held.service = Some(service);
                held.state = ContainerState::Running;
            }
            Err(error) => {
                held.logs.push(error.to_string());
                held.state = ContainerState::Exited(Some(1));
            }
        }
        Ok(())
    }

    async fn stop(&self, id: &ContainerId, _grace: Duration) -> Result<()> {
        let mut containers = self.containers.lock().await;
        let held = containers.get_mut(id).ok_or_else(|| missing("engine.stop", id))?;
        if let Some(service) = held.service.take() {
            held.logs.extend(service.logs());
            service.shutdown().await;
            held.state = ContainerState::Exited(Some(0));
        }
        Ok(())
    }

    async fn remove(&self, id: &ContainerId) -> Result<()> {
        self.containers.lock().await.remove(id);
        Ok(())
    }

    async fn list(&self, app: Option<&str>) -> Result<Vec<Container>> {
        let containers = self.containers.lock().await;
        let wanted = containers.values().filter(|held| {
            let label = held.spec.labels.get(labels::APP);
            label.is_some_and(|label| app.is_none_or(|app| app == label))
        });
        let mut described: Vec<_> = wanted.map(Held::describe).collect();
        described.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(described)
    }

    async fn names(&self) -> Result<Vec<NamedContainer>> {
        let containers = self.containers.lock().await;
        let running = containers.values().filter(|held| held.state.is_active());
        let mut names: Vec<_> = running.map(|held| NamedContainer::from(held.describe())).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    async fn logs(&self, id: &ContainerId, lines: usize) -> Result<Vec<String>> {
        let containers = self.containers.lock().await;
        let held = containers.get(id).ok_or_else(|| missing("engine.logs", id))?;
        let mut all = held.logs.clone();
        all.extend(held.service.iter().flat_map(Service::logs));
        Ok(all.split_off(all.len().saturating_sub(lines)))
    }
}

impl Held {
    fn describe(&self) -> Container {
        Container {
            id: self.id.clone(),
            name: self.spec.name.clone(),
            image: self.spec.image.clone(),
            labels: self.spec.labels.clone(),
            state: self.state,
            address: self.spec.publish.and(self.service.as_ref()).map(Service::address),
            created: None,
        }
    }
}

/// Starts the service that the container's environment describes, with the GPUs of the container as a program would
/// see them.
async fn launch(spec: &ContainerSpec) -> Result<Service> {
    let mut env = spec.env.clone();
    let gpus: Vec<_> = spec.gpus.iter().map(GpuId::as_str).collect();
    env.entry("CUDA_VISIBLE_DEVICES".to_owned()).or_insert_with(|| gpus.join(","));
    let options = ServiceOptions::from_env(&env)?;
    Service::start(options, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
}
