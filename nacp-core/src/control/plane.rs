//! The control plane, as a program uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, Shared, join_all, try_join_all};
use jiff::Timestamp;

use super::backoff::Backoff;
use super::event::{Event, EventKind, Events};
use super::gpus::{GpuView, Gpus, NodeGpus};
use super::identity::{container_name, identify, next_name, stored, stored_grace};
use super::lease::{FileLeases, Lease, Leases};
use super::observed::Seen;
use super::plan::{Plan, PlanOptions, plan};
use super::prober::{Prober, SystemProber, Target};
use super::reconcile::{AWAY_LIMIT, AWAY_PAUSE, Keeper};
use super::secrets::Secrets;
use super::status::{AppStatus, Phase, ReplicaStatus};
use super::wanted::Wanted;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Container, ContainerId, ContainerState, Endpoint, Engine, NoTraffic, Traffic, labels};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::gpu::Node;
use crate::placement::{BestFit, Strategy};
use crate::service::App;

/// How often an app's containers are listed and removed until none is left.
const DELETE_ROUNDS: u32 = 5;

/// How long an apply or a delete waits for whoever changes the same app.
const LEASE_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked whether the lease of an app is free: at first, and at most.
const LEASE_FIRST: Duration = Duration::from_millis(20);
const LEASE_LAST: Duration = Duration::from_secs(1);

/// How long a container may take to end when its app is deleted and does not say it.
const STOP_GRACE: Duration = Duration::from_secs(10);

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
    pub(super) strategy: Arc<dyn Strategy>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) prober: Arc<dyn Prober>,
    pub(super) gpus: Arc<dyn Gpus>,
    leases: Arc<dyn Leases>,
    pub(super) traffic: Arc<dyn Traffic>,
    pub(super) backoff: Backoff,
    pub(super) seed: u64,
    pub(super) events: Events,
    /// Creations that have been begun; whoever gave up the wait for one leaves it here.
    pub(super) begun: Arc<Mutex<Vec<Begun>>>,
    /// What the loops know of the apps that they applied or keep.
    overviews: Arc<Mutex<BTreeMap<String, Overview>>>,
    /// What tells the engine from every other, once it was asked.
    engine_key: Arc<Mutex<Option<String>>>,
}

/// A call that is under way.
pub(super) type Begun = Shared<BoxFuture<'static, ()>>;

/// What only a loop knows of an app.
#[derive(Clone, Debug, Default)]
pub(super) struct Overview {
    pub(super) phase: Phase,
    pub(super) reason: Option<String>,
    pub(super) wanted: BTreeMap<String, u32>,
    pub(super) facts: BTreeMap<ContainerId, Facts>,
}

/// What only a loop knows of a container.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) restarts: u32,
    pub(super) started_at: Option<Timestamp>,
    pub(super) last_end: Option<String>,
    pub(super) done: bool,
    pub(super) withdrawn: bool,
}

impl ControlPlane {
    /// A control plane over this node and this engine.
    pub fn new(node: Node, engine: Arc<dyn Engine>) -> Self {
        Self {
            gpus: Arc::new(NodeGpus::new(node.clone())),
            node,
            engine,
            strategy: Arc::new(BestFit),
            clock: Arc::new(SystemClock::new()),
            prober: Arc::new(SystemProber::new()),
            leases: Arc::new(FileLeases::new()),
            traffic: Arc::new(NoTraffic),
            backoff: Backoff::default(),
            seed: 0,
            events: Events::default(),
            begun: Arc::default(),
            overviews: Arc::default(),
            engine_key: Arc::default(),
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

    /// Reads the GPUs and judges them here; by a [`NodeGpus`] of the node otherwise.
    #[must_use]
    pub fn with_gpus(mut self, gpus: Arc<dyn Gpus>) -> Self {
        self.gpus = gpus;
        self
    }

    /// Takes the lease of an app here before it changes anything of it; by [`FileLeases`] otherwise.
    #[must_use]
    pub fn with_leases(mut self, leases: Arc<dyn Leases>) -> Self {
        self.leases = leases;
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
        let app = wanted.name();
        let mut failures = 0;
        loop {
            let lease = self.lease_of(&app).await;
            self.finish_begun().await;
            let kept = Keeper::new(self, wanted.follow(), false).run(&*lease).await;
            let error = match kept {
                Ok(()) => continue,
                Err(error) => error,
            };
            if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidArgument) {
                return Err(error);
            }
            failures = self.backoff.failures(failures, Duration::ZERO);
            tracing::warn!(%app, %error, "keeping it was interrupted");
            drop(lease);
            self.clock.sleep(self.backoff.pause_of(&app, failures, self.seed)).await;
        }
    }

    /// Waits for the lease of an app, however long it takes.
    async fn lease_of(&self, app: &str) -> Box<dyn Lease> {
        let mut told = None;
        let mut pause = LEASE_FIRST;
        let tell = |kind| self.events.tell(&Event::new(self.clock.wall(), app, kind));
        loop {
            match self.take(app).await {
                Ok(Ok(lease)) => {
                    tell(EventKind::Keeping);
                    return lease;
                }
                Ok(Err(holder)) => {
                    if told.as_ref() != Some(&holder) {
                        tell(EventKind::Standby { holder: holder.clone() });
                        told = Some(holder);
                    }
                }
                Err(error) => tracing::warn!(%app, %error, "its lease cannot be had; it is tried again"),
            }
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(LEASE_LAST);
        }
    }

    /// Takes the lease of an app; waits a while for whoever has it.
    async fn lease(&self, operation: &'static str, app: &str) -> Result<Box<dyn Lease>> {
        let start = self.clock.monotonic();
        let mut pause = LEASE_FIRST;
        loop {
            let holder = match self.take(app).await? {
                Ok(lease) => return Ok(lease),
                Err(holder) => holder,
            };
            if self.clock.monotonic().saturating_sub(start) >= LEASE_LIMIT {
                return Err(Error::new(ErrorKind::Conflict, operation, "another program keeps this app")
                    .with("app", app)
                    .with("holder", format_args!("{holder:?}"))
                    .hint("change it there, or stop that program first")
                    .retry_later());
            }
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(LEASE_LAST);
        }
    }

    async fn take(&self, app: &str) -> Result<Result<Box<dyn Lease>, String>> {
        let known = self.engine_key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let key = match known {
            Some(key) => key,
            None => {
                let info = self.engine.info().await?;
                // A simulated engine is known in its own process alone.
                let own = || format!("{} {:p}", info.address, Arc::as_ptr(&self.engine).cast::<()>());
                let key = info.id.clone().unwrap_or_else(|| if info.simulated { own() } else { info.address.clone() });
                *self.engine_key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
                key
            }
        };
        self.leases.take(&key, app).await
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
        let with = app.services.iter().filter(|(_, service)| !service.secrets.is_empty());
        let secrets = with.map(|(name, service)| Ok((name.clone(), Secrets::read(name, &service.secrets)?)));
        let secrets = secrets.collect::<Result<BTreeMap<_, _>>>()?;
        let containers = self.engine.list(None).await?;
        let view = self.view().await?;
        let options =
            PlanOptions { condemned: Some(&view.condemned), secrets: Some(&secrets), strategy: Some(&*self.strategy) };
        plan(app, &view.snapshot, &containers, options)
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
        let wanted = Wanted::new(app.clone())?;
        let lease = self.lease("control.apply", &app.name).await?;
        self.finish_begun().await;
        Keeper::new(self, wanted.follow(), true).run(&*lease).await?;
        drop(lease);
        self.status_again(&app.name).await
    }

    /// The status, also where the engine is away for a moment.
    async fn status_again(&self, app: &str) -> Result<AppStatus> {
        let start = self.clock.monotonic();
        loop {
            match self.status(app).await {
                Err(error)
                    if error.retry() == Retry::Later && self.clock.monotonic().saturating_sub(start) < AWAY_LIMIT => {}
                told => return told,
            }
            self.clock.sleep(AWAY_PAUSE).await;
        }
    }

    /// What of an app is there now. An app of which nothing is there has no replicas.
    ///
    /// # Errors
    /// What the engine answers.
    pub async fn status(&self, app: &str) -> Result<AppStatus> {
        let containers = self.engine.list(Some(app)).await?;
        let mut replicas: Vec<_> =
            join_all(containers.iter().map(|container| self.replica(container))).await.into_iter().flatten().collect();
        replicas.sort_by(|a, b| (&a.service, a.replica, a.successor).cmp(&(&b.service, b.replica, b.successor)));
        let overview = self.overviews.lock().unwrap_or_else(PoisonError::into_inner).get(app).cloned();
        let known = overview.is_some();
        let Overview { phase, reason, wanted, facts } = overview.unwrap_or_default();
        let mut status = AppStatus { app: app.to_owned(), phase, reason, wanted, replicas };
        for replica in &mut status.replicas {
            let Some(facts) = facts.get(&replica.container).cloned() else { continue };
            let ended = matches!(replica.state, ContainerState::Exited(_));
            (replica.restarts, replica.done) = (facts.restarts, facts.done && ended);
            (replica.started_at, replica.last_end) = (facts.started_at, facts.last_end);
            replica.ready &= !facts.withdrawn;
        }
        status.mark_serving();
        if !known {
            status.phase = match () {
                () if status.replicas.is_empty() => Phase::Absent,
                () if status.replicas.iter().any(|replica| replica.successor) => Phase::Updating,
                () if status.ready() => Phase::Ready,
                () if status.replicas.iter().any(|replica| replica.ready) => Phase::Degraded,
                () => Phase::Starting,
            };
        }
        Ok(status)
    }

    pub(super) fn publish(&self, app: &str, mut overview: Overview) {
        let mut overviews = self.overviews.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = overviews.get(app) {
            for (id, facts) in &mut overview.facts {
                let Some(before) = before.facts.get(id) else { continue };
                facts.restarts = facts.restarts.max(before.restarts);
                facts.started_at = facts.started_at.or(before.started_at);
                facts.last_end = facts.last_end.take().or_else(|| before.last_end.clone());
            }
        }
        overviews.insert(app.to_owned(), overview);
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
        let _lease = self.lease("control.delete", app).await?;
        self.finish_begun().await;
        let mut removed = 0;
        for _ in 0..DELETE_ROUNDS {
            let containers = self.engine.list(Some(app)).await?;
            let own: Vec<_> = containers.iter().filter(|container| identify(container).is_some()).collect();
            if own.is_empty() {
                self.engine.remove_networks(app).await?;
                self.overviews.lock().unwrap_or_else(PoisonError::into_inner).remove(app);
                return Ok(removed);
            }
            let done = join_all(own.iter().map(|container| {
                let grace = stored_grace(container).unwrap_or(STOP_GRACE);
                self.remove(&container.id, grace)
            }))
            .await;
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
        let name = container_name(app, service, replica);
        let containers = self.engine.list(Some(app)).await?;
        // Of two containers of one replica the one that runs writes.
        let called = |name: &str| containers.iter().find(|container| container.name == name);
        let next = called(&next_name(&name)).filter(|next| next.state.is_active());
        let found = next.or_else(|| called(&name)).ok_or_else(|| {
            let known: Vec<_> = containers.iter().map(|container| container.name.as_str()).collect();
            Error::new(ErrorKind::NotFound, "control.logs", "no such replica")
                .with("name", name)
                .with("known", format_args!("[{}]", known.join(", ")))
        })?;
        self.engine.logs(&found.id, lines).await
    }

    /// Reads the GPUs.
    pub(super) async fn view(&self) -> Result<GpuView> {
        self.gpus.view().await
    }

    async fn replica(&self, container: &Container) -> Option<ReplicaStatus> {
        let seen = Seen::of(container)?;
        let (model, probe) = stored(container);
        let running = container.state == ContainerState::Running;
        let ready = match probe {
            _ if !running => false,
            Ok(None) => true,
            Ok(Some(probe)) => self.prober.ask(Target::of(&*self.engine, container), &probe).await.is_ok(),
            Err(_) => false,
        };
        Some(ReplicaStatus {
            replica: seen.replica,
            name: container.name.clone(),
            container: container.id.clone(),
            image: container.image.clone(),
            model,
            simulated: container.label(labels::SIMULATED) == Some("true"),
            state: container.state,
            ready,
            address: container.address,
            gpus: seen.held().to_vec(),
            memory: seen.memory,
            gpu_injection: container.label(labels::GPU_INJECTION).map(str::to_owned),
            spec_hash: container.label(labels::SPEC_HASH).map(str::to_owned),
            successor: seen.next,
            serving: false,
            done: false,
            restarts: 0,
            started_at: None,
            last_end: None,
            service: seen.service,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A caller may run each of them in a task.
    #[test]
    fn what_is_waited_for_may_go_from_thread_to_thread() {
        fn sent(_: &(impl Send + ?Sized)) {}
        fn all(plane: &ControlPlane, app: &App, wanted: &Wanted) {
            sent(&plane.apply(app));
            sent(&plane.keep(wanted));
            sent(&plane.delete("a"));
            sent(&plane.statuses());
        }
        let _compiles: fn(&ControlPlane, &App, &Wanted) = all;
    }
}
