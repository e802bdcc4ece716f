//! The control plane: plans, and does what the plan says.

#![expect(clippy::disallowed_methods, reason = "the control plane acts: it waits in real time")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};

use super::identity::{container_spec, promise, stored};
use super::plan::{Action, Plan, Step};
use super::probe::Prober;
use super::status::{AppStatus, ReplicaStatus};
use super::wait::Waiting;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Container, ContainerId, ContainerState, Endpoint, Engine, labels};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Node, Snapshot};
use crate::placement;
use crate::service::App;

/// How long a container may take to end when it is asked to.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// How often an app is planned in one [`apply`](ControlPlane::apply), when what was planned has been overtaken.
const ROUNDS: u32 = 4;

/// How one plan of an app ended.
enum Round {
    /// Everything is ready.
    Settled,
    /// Something changed under the plan: another program creates or stops the same replicas.
    Again(Error),
}

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
    clock: Arc<dyn Clock>,
    prober: Prober,
}

impl ControlPlane {
    /// A control plane over this node and this engine.
    pub fn new(node: Node, engine: Arc<dyn Engine>) -> Self {
        Self { node, engine, clock: Arc::new(SystemClock::new()), prober: Prober::new() }
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
        let running: Vec<_> = observed.iter().filter_map(promise).collect();
        let placements = placement::plan(app, &self.snapshot().await?, &running)?;
        super::plan::plan(app, placements, &observed)
    }

    /// Brings an app to what is wanted and waits until every replica is ready. What runs as wanted already is left
    /// alone, so applying twice changes nothing.
    ///
    /// # Errors
    /// As for [`plan`](Self::plan); [`NotFound`](ErrorKind::NotFound) for an image that cannot be had;
    /// [`Timeout`](ErrorKind::Timeout) when a replica is not ready in its time, with its last lines of log. What was
    /// started stays, so that it can be looked at; [`delete`](Self::delete) removes it.
    pub async fn apply(&self, app: &App) -> Result<AppStatus> {
        let mut pause = Duration::from_millis(200);
        for round in 1.. {
            match self.round(app).await? {
                Round::Settled => break,
                Round::Again(error) if round == ROUNDS => return Err(error),
                Round::Again(error) => tracing::info!(app = %app.name, %error, "planning again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.status(&app.name).await
    }

    /// Plans once and does it.
    async fn round(&self, app: &App) -> Result<Round> {
        let plan = self.plan(app).await?;
        tracing::info!(app = %app.name, actions = plan.actions.len(), "applying");
        let creating = plan.actions.iter().filter(|action| action.step == Step::Create);
        let images: BTreeSet<_> = creating
            .filter_map(|action| app.services.get(&action.service))
            .map(|service| service.image.as_str())
            .collect();
        try_join_all(images.into_iter().map(|image| self.engine.pull(image))).await?;
        for wave in 0..plan.waves() {
            let actions = plan.actions.iter().filter(|action| action.wave == wave);
            // All of a wave are waited for, also when one fails: a call that was given up would be done all the same.
            let done = join_all(actions.map(|action| self.act(app, &plan, action))).await;
            let started = match done.into_iter().collect::<Result<Vec<_>>>() {
                Err(error) if error.kind() == ErrorKind::Conflict => return Ok(Round::Again(error)),
                started => started?.into_iter().flatten().collect(),
            };
            if let Round::Again(error) = self.wait(app, started).await? {
                return Ok(Round::Again(error));
            }
        }
        Ok(Round::Settled)
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

    /// The names of the apps of which something is there.
    ///
    /// # Errors
    /// What the engine answers.
    pub async fn apps(&self) -> Result<Vec<String>> {
        let containers = self.engine.list(None).await?;
        let names: BTreeSet<_> = containers.iter().filter_map(|container| container.label(labels::APP)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// Where the ready replicas of all apps answer: what a router is given.
    ///
    /// # Errors
    /// What the engine answers.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let apps = self.apps().await?;
        let statuses = try_join_all(apps.iter().map(|app| self.status(app))).await?;
        Ok(statuses.iter().flat_map(AppStatus::endpoints).collect())
    }

    /// Stops and removes everything of an app, and nothing else. Volumes stay. Returns how many containers were
    /// removed; none is no error.
    ///
    /// # Errors
    /// What the engine answers.
    pub async fn delete(&self, app: &str) -> Result<usize> {
        let containers = self.engine.list(Some(app)).await?;
        let removed = join_all(containers.iter().map(|container| self.remove(&container.id))).await;
        removed.into_iter().collect::<Result<Vec<()>>>().map(|removed| removed.len())
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

    async fn snapshot(&self) -> Result<Snapshot> {
        let (node, clock) = (self.node.clone(), Arc::clone(&self.clock));
        let read = tokio::task::spawn_blocking(move || node.snapshot(&*clock)).await;
        read.map_err(|error| {
            Error::new(ErrorKind::Internal, "control.snapshot", "reading the GPUs failed").caused_by(error)
        })?
    }

    /// Does one action; returns the container that has to become ready.
    async fn act<'a>(&self, app: &'a App, plan: &Plan, action: &'a Action) -> Result<Option<Waiting<'a>>> {
        let within = |error: Error| {
            error.with("app", &app.name).with("service", &action.service).with("replica", action.replica)
        };
        tracing::info!(app = %app.name, %action, "acting");
        let id = match &action.step {
            Step::Remove(id) => {
                self.remove(id).await.map_err(within)?;
                return Ok(None);
            }
            Step::Create => self.create(app, plan, action).await.map_err(within)?,
            Step::Start(id) => {
                self.engine.start(id).await.map_err(within)?;
                id.clone()
            }
            Step::Keep(id) => id.clone(),
        };
        let probe = app.services.get(&action.service).and_then(|service| service.ready.as_ref());
        let kept = matches!(action.step, Step::Keep(_));
        Ok(Some(Waiting { id, service: &action.service, replica: action.replica, probe, kept }))
    }

    async fn create(&self, app: &App, plan: &Plan, action: &Action) -> Result<ContainerId> {
        let lost = || Error::new(ErrorKind::Internal, "control.create", "the plan has no placement for this replica");
        let matching =
            |placed: &&placement::Placement| placed.service == action.service && placed.replica == action.replica;
        let placed = plan.placements.iter().find(matching).ok_or_else(lost)?;
        let service = app.services.get(&action.service).ok_or_else(lost)?;
        let spec = container_spec(app, service, placed, self.node.origin().simulated);
        let id = self.engine.create(&spec).await?;
        self.engine.start(&id).await?;
        Ok(id)
    }

    async fn remove(&self, id: &ContainerId) -> Result<()> {
        match self.engine.stop(id, STOP_GRACE).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            stopped => stopped?,
        }
        self.engine.remove(id).await
    }

    /// Waits until every container of a wave is ready.
    async fn wait(&self, app: &App, mut waiting: Vec<Waiting<'_>>) -> Result<Round> {
        let start = self.clock.monotonic();
        let mut pause = Duration::from_millis(20);
        loop {
            let containers = self.engine.list(Some(&app.name)).await?;
            let asked = waiting.into_iter().map(|one| async {
                let seen = one.look(&containers, &self.prober).await;
                (one, seen)
            });
            let mut pending = Vec::new();
            for (one, seen) in join_all(asked).await {
                match seen {
                    Ok(()) => {}
                    Err(trouble) if trouble.fatal && one.kept => {
                        return Ok(Round::Again(one.failed(app, &trouble, &[])));
                    }
                    Err(trouble) if trouble.fatal || self.clock.monotonic() - start >= one.limit() => {
                        let log = self.engine.logs(&one.id, 5).await.unwrap_or_default();
                        return Err(one.failed(app, &trouble, &log));
                    }
                    Err(_) => pending.push(one),
                }
            }
            if pending.is_empty() {
                return Ok(Round::Settled);
            }
            waiting = pending;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    async fn replica(&self, container: &Container) -> Option<ReplicaStatus> {
        let promised = promise(container)?;
        let (model, probe) = stored(container);
        let running = container.state == ContainerState::Running;
        let ready = match (probe, container.address) {
            _ if !running => false,
            (Ok(None), _) => true,
            (Ok(Some(probe)), Some(address)) => self.prober.ask(address, &probe.http).await.is_ok(),
            (Ok(Some(_)), None) | (Err(_), _) => false,
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
