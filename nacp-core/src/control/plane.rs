//! The control plane, as a program uses it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select, try_join_all};
use tokio::sync::Mutex;

use super::backoff::Backoff;
use super::event::Events;
use super::gpus::Gpus;
use super::identity::{identify, promise, stored};
use super::lease::Leases;
use super::plan::Plan;
use super::prober::{Prober, SystemProber, Target};
use super::status::{AppStatus, ReplicaStatus};
use super::wanted::Wanted;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Container, ContainerState, Endpoint, Engine, NoTraffic, Traffic, labels};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Node, Snapshot};
use crate::placement::{self, BestFit, Strategy};
use crate::service::App;

/// How often an app's containers are listed and removed until none is left.
const DELETE_ROUNDS: u32 = 5;

/// How often everything is looked at again when nothing has happened.
const RESYNC: Duration = Duration::from_secs(30);

/// Runs apps on the GPUs of a node through a container engine.
///
/// It keeps no state of its own: what runs is read back from the engine, so a program that was killed and started again
/// finds everything as it is. Cloning is cheap.
///
/// ```
/// use std::sync::Arc;
/// use nacp_core::service::{App, Service};
/// use nacp_core::{control::ControlPlane, gpu, sim};
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("rtx3050ti-laptop-wsl2")?))?;
/// let plane = ControlPlane::new(node, Arc::new(sim::Engine::new()));
/// let app = App::new("demo").service("llm", Service::new("example/llm:1").model("tiny").port(8000));
/// let status = plane.apply(&app).await?;
/// assert!(status.ready());
/// plane.delete("demo").await?;
/// # Ok::<(), nacp_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ControlPlane {
    node: Node,
    engine: Arc<dyn Engine>,
    strategy: Arc<dyn Strategy>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) prober: Arc<dyn Prober>,
    pub(super) gpus: Option<Arc<dyn Gpus>>,
    pub(super) leases: Option<Arc<dyn Leases>>,
    pub(super) traffic: Arc<dyn Traffic>,
    pub(super) backoff: Backoff,
    pub(super) seed: u64,
    pub(super) events: Events,
    /// Held by whoever creates or removes containers.
    pub(super) changes: Arc<Mutex<()>>,
}

impl ControlPlane {
    /// A control plane over this node and this engine.
    pub fn new(node: Node, engine: Arc<dyn Engine>) -> Self {
        Self {
            node,
            engine,
            strategy: Arc::new(BestFit),
            clock: Arc::new(SystemClock::new()),
            prober: Arc::new(SystemProber::new()),
            gpus: None,
            leases: None,
            traffic: Arc::new(NoTraffic),
            backoff: Backoff::default(),
            seed: 0,
            events: Events::default(),
            changes: Arc::default(),
        }
    }

    /// Chooses among the GPUs on which a replica fits by this strategy; [`BestFit`] otherwise.
    #[must_use]
    pub fn with_strategy(mut self, strategy: Arc<dyn Strategy>) -> Self {
        self.strategy = strategy;
        self
    }

    /// Waits by this clock; the machine's own otherwise.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Asks replicas whether they are ready in this way; by a [`SystemProber`] otherwise.
    #[must_use]
    pub fn with_prober(mut self, prober: Arc<dyn Prober>) -> Self {
        self.prober = prober;
        self
    }

    /// Reads the GPUs here; from the node otherwise.
    #[must_use]
    pub fn with_gpus(mut self, gpus: Arc<dyn Gpus>) -> Self {
        self.gpus = Some(gpus);
        self
    }

    /// Takes the lease of an app here before it changes anything of it.
    #[must_use]
    pub fn with_leases(mut self, leases: Arc<dyn Leases>) -> Self {
        self.leases = Some(leases);
        self
    }

    /// Asks here how many requests are in flight before it stops a replica; otherwise nothing is known of requests.
    #[must_use]
    pub fn with_traffic(mut self, traffic: Arc<dyn Traffic>) -> Self {
        self.traffic = traffic;
        self
    }

    /// Waits so long before what failed is tried again; [`Backoff::default`] otherwise.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Draws everything random from this seed; two runs over the same world with the same seed do the same.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What happens from now on: to be listened to.
    pub fn events(&self) -> Events {
        self.events.clone()
    }

    /// Keeps an app as it is wanted until it is dropped: looks what the engine has, does what is missing, tells it as
    /// [`events`](Self::events), and sleeps until something happens. What this program did not finish before it was
    /// dropped or killed, the next one finishes. While another program keeps the same app, this one only waits.
    ///
    /// # Errors
    /// None that may pass by itself: those are told and tried again. [`PermissionDenied`](ErrorKind::PermissionDenied)
    /// when the engine refuses this user.
    pub async fn keep(&self, wanted: &Wanted) -> Result<Infallible> {
        let mut following = wanted.follow();
        loop {
            let desired = wanted.desired();
            if !desired.paused
                && let Err(error) = self.converge(&desired.effective()).await
            {
                tracing::warn!(app = %desired.app.name, %error, "it is tried again");
            }
            let changed = std::pin::pin!(following.changed());
            select(changed, self.clock.sleep(RESYNC)).await;
        }
    }

    /// The node whose GPUs are used.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The engine that runs the containers.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// What [`apply`](Self::apply) would do, without doing it.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an app that is not valid,
    /// [`ResourceExhausted`](ErrorKind::ResourceExhausted) when a replica fits on no GPU, or what node and engine answer.
    pub async fn plan(&self, app: &App) -> Result<Plan> {
        app.validate()?;
        let observed = self.engine.list(None).await?;
        self.plan_over(app, &self.snapshot().await?, &observed)
    }

    pub(super) fn plan_over(&self, app: &App, snapshot: &Snapshot, observed: &[Container]) -> Result<Plan> {
        let running: Vec<_> = observed.iter().filter_map(promise).collect();
        let placements = placement::plan_with(&*self.strategy, app, snapshot, &running)?;
        super::plan::plan(app, placements, observed)
    }

    /// Brings an app to what is wanted and waits until every replica is ready. What runs as wanted already is left
    /// alone, so applying twice changes nothing.
    ///
    /// All containers are created before the first is started: one that is there holds the promise of its memory. Giving
    /// up the wait leaves what was created; [`delete`](Self::delete) removes it.
    ///
    /// # Errors
    /// As for [`plan`](Self::plan); [`NotFound`](ErrorKind::NotFound) for an image that cannot be had;
    /// [`ServiceFailed`](ErrorKind::ServiceFailed) when a replica ends before it is ready, and
    /// [`Timeout`](ErrorKind::Timeout) when one is not ready in its time, both with its last lines of log;
    /// [`Conflict`](ErrorKind::Conflict) when another program changes the same app meanwhile. What was started stays, so
    /// that it can be looked at.
    pub async fn apply(&self, app: &App) -> Result<AppStatus> {
        self.converge(app).await?;
        self.status(&app.name).await
    }

    /// What of an app is there now. An app of which nothing is there has no replicas.
    ///
    /// # Errors
    /// What the engine answers.
    pub async fn status(&self, app: &str) -> Result<AppStatus> {
        let containers = self.engine.list(Some(app)).await?;
        let mut replicas: Vec<_> =
            join_all(containers.iter().map(|container| self.replica(container))).await.into_iter().flatten().collect();
        replicas.sort_by(|a, b| (&a.service, a.replica).cmp(&(&b.service, b.replica)));
        Ok(AppStatus { app: app.to_owned(), replicas })
    }

    /// What is there now of every app of which something is there, ordered by name.
    ///
    /// # Errors
    /// What the engine answers.
    pub async fn statuses(&self) -> Result<Vec<AppStatus>> {
        let apps = self.apps().await?;
        try_join_all(apps.iter().map(|app| self.status(app))).await
    }

    /// The names of the apps of which something is there, in order.
    ///
    /// # Errors
    /// What the engine answers.
    pub async fn apps(&self) -> Result<Vec<String>> {
        let containers = self.engine.list(None).await?;
        let names: BTreeSet<_> = containers.iter().filter_map(identify).map(|identity| identity.app).collect();
        Ok(names.into_iter().collect())
    }

    /// Where the ready replicas of all apps answer: what a router is given.
    ///
    /// # Errors
    /// What the engine answers.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>> {
        Ok(self.statuses().await?.iter().flat_map(AppStatus::endpoints).collect())
    }

    /// Tells what is there, now and whenever it has changed: looks every `interval`, and ends only when it is dropped.
    /// While the engine does not answer, what was told last stands.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use std::time::Duration;
    /// # use nacp_core::{control::{AppStatus, ControlPlane}, route::Router};
    /// # fn example(plane: ControlPlane, router: Arc<Router>) {
    /// tokio::spawn(async move {
    ///     let tell = |apps: &[AppStatus]| router.update(apps.iter().flat_map(AppStatus::endpoints));
    ///     plane.follow(Duration::from_secs(1), tell).await
    /// });
    /// # }
    /// ```
    pub async fn follow(&self, interval: Duration, mut tell: impl FnMut(&[AppStatus])) {
        let mut told = None;
        loop {
            match self.statuses().await {
                Ok(seen) if told.as_ref() == Some(&seen) => {}
                Ok(seen) => {
                    tell(&seen);
                    told = Some(seen);
                }
                Err(error) => tracing::warn!(%error, "the engine does not tell what is there; the last answer stands"),
            }
            self.clock.sleep(interval).await;
        }
    }

    /// Stops and removes everything of an app, and nothing else. Volumes stay. Returns how many containers were
    /// removed; none is no error.
    ///
    /// # Errors
    /// What the engine answers; [`Conflict`](ErrorKind::Conflict) when another program goes on creating.
    pub async fn delete(&self, app: &str) -> Result<usize> {
        let _alone = self.changes.lock().await;
        let mut removed = 0;
        for _ in 0..DELETE_ROUNDS {
            let containers = self.engine.list(Some(app)).await?;
            let own: Vec<_> = containers.iter().filter(|container| identify(container).is_some()).collect();
            if own.is_empty() {
                return Ok(removed);
            }
            let done = join_all(own.iter().map(|container| self.remove(&container.id))).await;
            removed += done.iter().filter(|one| one.is_ok()).count();
            let failed = done.iter().filter(|one| one.is_err()).count();
            if let Some(error) = done.into_iter().find_map(Result::err) {
                return Err(error.with("app", app).with("left", failed));
            }
        }
        Err(Error::new(ErrorKind::Conflict, "control.delete", "containers come back as fast as they are removed")
            .with("app", app)
            .hint("another program is applying the same app; stop it first")
            .retry_later())
    }

    /// The last lines that a replica wrote.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the app has no such replica.
    pub async fn logs(&self, app: &str, service: &str, replica: u32, lines: usize) -> Result<Vec<String>> {
        let name = super::identity::container_name(app, service, replica);
        let containers = self.engine.list(Some(app)).await?;
        let found = containers.iter().find(|container| container.name == name).ok_or_else(|| {
            let known: Vec<_> = containers.iter().map(|container| container.name.as_str()).collect();
            Error::new(ErrorKind::NotFound, "control.logs", "no such replica")
                .with("name", name)
                .with("known", format_args!("[{}]", known.join(", ")))
        })?;
        self.engine.logs(&found.id, lines).await
    }

    pub(super) async fn snapshot(&self) -> Result<Snapshot> {
        let (node, clock) = (self.node.clone(), Arc::clone(&self.clock));
        #[expect(clippy::disallowed_methods, reason = "the driver may block; its answer is waited for")]
        let read = tokio::task::spawn_blocking(move || node.snapshot(&*clock)).await;
        let broke =
            |error| Error::new(ErrorKind::Internal, "control.snapshot", "reading the GPUs failed").caused_by(error);
        read.map_err(broke)?
    }

    async fn replica(&self, container: &Container) -> Option<ReplicaStatus> {
        let promised = promise(container)?;
        let (model, probe) = stored(container);
        let running = container.state == ContainerState::Running;
        let ready = match probe {
            _ if !running => false,
            Ok(None) => true,
            Ok(Some(probe)) => self.prober.ask(Target::of(&*self.engine, container), &probe).await.is_ok(),
            Err(_) => false,
        };
        Some(ReplicaStatus {
            service: promised.service,
            replica: promised.replica,
            name: container.name.clone(),
            container: container.id.clone(),
            image: container.image.clone(),
            model,
            simulated: container.label(labels::SIMULATED) == Some("true"),
            state: container.state,
            ready,
            address: container.address,
            gpus: promised.gpus,
            memory: promised.memory,
            gpu_injection: container.label(labels::GPU_INJECTION).map(str::to_owned),
        })
    }
}
