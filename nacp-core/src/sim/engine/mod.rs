//! A container engine that runs nothing but [`Service`](super::Service)s, in this process. Labelled simulated in its
//! [`EngineInfo`] and in the label of every container's GPUs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, broadcast};

use crate::clock::Clock;
use crate::engine::{
    Change, Container, ContainerId, ContainerSpec, ContainerStats, Details, Engine as Seam, EngineEvent, EngineEvents,
    EngineInfo, ExecOutput, GpuOffer, Image, ImageDetails, LogLines, NamedContainer, PullRequest, PullWatcher, labels,
};
use crate::error::{Error, ErrorKind, Result};

mod archive;
mod exec;
mod held;
mod images;
mod time;

use held::Held;
use images::Images;
use time::Time;

/// How many events wait for who listens slowly; the oldest of more are lost, as on a real engine that is restarted.
const EVENTS: usize = 1024;

/// A container engine without containers: each one is a simulated inference service in this process, whatever its
/// image. Everything is gone when the engine is dropped.
///
/// What a container costs and serves is set by its environment, as in a real one that runs the simulated service (see
/// [`ServiceOptions`]): an app can so be slow, crowded or never ready. Inside a container run the programs `true`,
/// `false` and `env`, and the tools of the simulated service's own program; nothing else is found.
///
/// It decides nothing by chance and reads no clock of the machine: without a [`clock`](Self::clock) of yours its time
/// goes on by a second with everything that happens.
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
#[derive(Debug)]
pub struct Engine {
    images: Images,
    time: Time,
    events: broadcast::Sender<EngineEvent>,
    world: Mutex<World>,
}

/// What the engine holds.
#[derive(Debug, Default)]
struct World {
    containers: BTreeMap<ContainerId, Held>,
    networks: BTreeMap<String, BTreeMap<String, String>>,
    next_id: u64,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            images: Images::default(),
            time: Time::default(),
            events: broadcast::Sender::new(EVENTS),
            world: Mutex::default(),
        }
    }
}

impl Engine {
    /// An engine that has every image.
    pub fn new() -> Self {
        Self::default()
    }

    /// An engine that has these images and no others; a service of another one fails with
    /// [`NotFound`](ErrorKind::NotFound), as on a machine whose registry does not have it.
    pub fn with_images<T: Into<String>>(images: impl IntoIterator<Item = T>) -> Self {
        Self { images: Images::here(images), ..Self::default() }
    }

    /// Adds images that are in a registry and not here: a [`pull`](Seam::pull) brings them.
    #[must_use]
    pub fn registry<T: Into<String>>(mut self, images: impl IntoIterator<Item = T>) -> Self {
        self.images.offer(images);
        self
    }

    /// Lets each pull of an image that is not here come in so many steps, with a pause before each; without this, a pull
    /// has one step and no pause. The pause passes on the [`clock`](Self::clock), where there is one.
    #[must_use]
    pub fn pulls_in(mut self, steps: u32, pause: Duration) -> Self {
        self.images.pace(steps, pause);
        self
    }

    /// Takes the time of containers and events from this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.time = Time::of(clock);
        self
    }

    /// Tells who listens; events of what is not NACP's are told to nobody.
    fn tell(&self, held: &Held, change: Change) {
        let Some(app) = held.spec.labels.get(labels::APP) else { return };
        let mut event = EngineEvent::new(app, &held.spec.name, held.id.clone(), change);
        event.at = Some(self.time.now());
        // Nobody may be listening.
        drop(self.events.send(event));
    }
}

impl World {
    fn held(&mut self, operation: &'static str, id: &ContainerId) -> Result<&mut Held> {
        self.containers
            .get_mut(id)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, operation, "no such container").with("container", id))
    }

    fn free(&self, operation: &'static str, name: &str) -> Result<()> {
        match self.containers.values().any(|held| held.spec.name == name) {
            false => Ok(()),
            true => Err(Error::new(ErrorKind::Conflict, operation, "a container of this name is there already")
                .with("container", name)
                .retry_later()),
        }
    }
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
            gpu: GpuOffer::default(),
        })
    }

    async fn pull(&self, request: &PullRequest, watcher: &dyn PullWatcher) -> Result<Image> {
        self.images.pull(request, watcher, &self.time).await
    }

    /// Takes the names of an archive's images, and nothing else of them.
    async fn load(&self, archive: &Path, watcher: &dyn PullWatcher) -> Result<Vec<Image>> {
        self.images.load(archive, watcher)
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageDetails>> {
        Ok(self.images.details(reference))
    }

    async fn digest(&self, request: &PullRequest) -> Result<String> {
        self.images.digest(&request.reference)
    }

    async fn create_network(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
        self.world.lock().await.networks.entry(name.to_owned()).or_insert_with(|| labels.clone());
        Ok(())
    }

    async fn remove_networks(&self, app: &str) -> Result<()> {
        let mut world = self.world.lock().await;
        let used: BTreeSet<_> = world.containers.values().flat_map(|held| held.spec.networks.iter().cloned()).collect();
        world.networks.retain(|name, its| its.get(labels::APP).is_none_or(|own| own != app) || used.contains(name));
        Ok(())
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId> {
        let mut world = self.world.lock().await;
        if !self.images.has(&spec.image) {
            return Err(Error::new(ErrorKind::NotFound, "engine.create", "the image is not on this machine")
                .with("image", &spec.image));
        }
        world.free("engine.create", &spec.name)?;
        if let Some(network) = spec.networks.iter().find(|name| !world.networks.contains_key(*name)) {
            return Err(Error::new(ErrorKind::NotFound, "engine.create", "there is no such network")
                .with("network", network)
                .with("container", &spec.name)
                .hint("create it before the containers that are to be in it"));
        }
        spec.check()?;
        let id = ContainerId(format!("simulated-{}", world.next_id));
        world.next_id += 1;
        let held = Held::new(id.clone(), spec, self.time.next());
        self.tell(&held, Change::Created);
        world.containers.insert(id.clone(), held);
        Ok(id)
    }

    async fn start(&self, id: &ContainerId) -> Result<()> {
        let mut world = self.world.lock().await;
        let held = world.held("engine.start", id)?;
        if held.runs() {
            return Ok(());
        }
        held.start(self.time.next()).await;
        self.tell(held, Change::Started);
        if let Some(code) = held.code() {
            self.tell(held, Change::Ended(Some(code)));
        }
        Ok(())
    }

    async fn stop(&self, id: &ContainerId, _grace: Duration) -> Result<()> {
        let mut world = self.world.lock().await;
        let held = world.held("engine.stop", id)?;
        if held.runs() {
            held.stop(0, self.time.next()).await;
            self.tell(held, Change::Ended(Some(0)));
        }
        Ok(())
    }

    async fn remove(&self, id: &ContainerId) -> Result<()> {
        let mut world = self.world.lock().await;
        let Some(mut held) = world.containers.remove(id) else { return Ok(()) };
        if held.runs() {
            held.stop(137, self.time.next()).await;
            self.tell(&held, Change::Ended(Some(137)));
        }
        self.time.next();
        self.tell(&held, Change::Removed);
        Ok(())
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Result<()> {
        let mut world = self.world.lock().await;
        if world.held("engine.rename", id)?.spec.name == name {
            return Ok(());
        }
        world.free("engine.rename", name)?;
        let held = world.held("engine.rename", id)?;
        name.clone_into(&mut held.spec.name);
        self.time.next();
        self.tell(held, Change::Renamed);
        Ok(())
    }

    /// What was asked for.
    async fn inspect(&self, id: &ContainerId) -> Result<Details> {
        let mut world = self.world.lock().await;
        let held = world.held("engine.inspect", id)?;
        Ok(held.details(images::digest(&held.spec.image)))
    }

    async fn list(&self, app: Option<&str>) -> Result<Vec<Container>> {
        let world = self.world.lock().await;
        let wanted = world.containers.values().filter(|held| {
            let label = held.spec.labels.get(labels::APP);
            label.is_some_and(|label| app.is_none_or(|app| app == label))
        });
        let mut described: Vec<_> = wanted.map(Held::describe).collect();
        described.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(described)
    }

    async fn names(&self) -> Result<Vec<NamedContainer>> {
        let world = self.world.lock().await;
        let running = world.containers.values().filter(|held| held.state.is_active());
        let mut names: Vec<_> = running.map(|held| NamedContainer::from(held.describe())).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    async fn logs(&self, id: &ContainerId, lines: usize) -> Result<Vec<String>> {
        let mut world = self.world.lock().await;
        let mut all = world.held("engine.logs", id)?.logs();
        Ok(all.split_off(all.len().saturating_sub(lines)))
    }

    async fn follow_logs(&self, id: &ContainerId, lines: usize) -> Result<LogLines> {
        let mut world = self.world.lock().await;
        Ok(world.held("engine.follow_logs", id)?.follow(lines))
    }

    async fn exec(&self, id: &ContainerId, command: &[String], _limit: Duration) -> Result<ExecOutput> {
        let mut world = self.world.lock().await;
        exec::run(&mut world, id, command)
    }

    async fn stats(&self, id: &ContainerId) -> Result<ContainerStats> {
        let mut world = self.world.lock().await;
        world.held("engine.stats", id)?.stats()
    }

    async fn watch(&self) -> Result<EngineEvents> {
        let events = stream::unfold(self.events.subscribe(), |mut events| async {
            loop {
                match events.recv().await {
                    Ok(event) => return Some((Ok(event), events)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        Ok(events.boxed())
    }
}

#[cfg(test)]
mod tests;
