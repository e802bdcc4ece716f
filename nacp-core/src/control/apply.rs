//! Doing what the plan says: reserve everything first, then start it wave by wave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};

use super::identity::{container_spec, promise};
use super::plan::{Action, Plan, Step};
use super::plane::ControlPlane;
use super::wait::{Trouble, Waiting};
use crate::engine::{Container, ContainerId, Image, NoProgress, PullRequest};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::gpu::{GpuId, Snapshot};
use crate::placement::Running;
use crate::service::App;
use crate::units::Bytes;

/// How often an app is planned in one `apply`, when what was planned has been overtaken.
const ROUNDS: u32 = 5;

/// How long a container may take to end when it is asked to.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// How one plan of an app ended.
pub(super) enum Round {
    /// Everything is ready.
    Settled,
    /// Something changed under the plan: another program applies, or a replica that was to stay has ended.
    Again(Error),
}

/// A plan whose containers are all there, not all of them started. A container that is there holds the promise of its
/// memory, so nobody else can be given it while this plan starts one wave after the other.
struct Reserved {
    plan: Plan,
    created: BTreeMap<(String, u32), ContainerId>,
}

impl ControlPlane {
    /// Plans and does it until everything is ready.
    pub(super) async fn converge(&self, app: &App) -> Result<()> {
        // Programs that got into each other's way come back at different moments.
        let own = app.name.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))) % 100;
        let mut pause = Duration::from_millis(150 + own);
        for round in 1.. {
            match self.round(app).await? {
                Round::Settled => break,
                Round::Again(error) if round == ROUNDS => return Err(error),
                Round::Again(error) => tracing::info!(app = %app.name, %error, "planning again"),
            }
            self.clock.sleep(pause).await;
            pause *= 2;
        }
        Ok(())
    }

    async fn round(&self, app: &App) -> Result<Round> {
        self.pull_images(app).await?;
        let reserved = match self.reserve(app).await {
            Err(error) if error.kind() == ErrorKind::Conflict && error.retry() == Retry::Later => {
                return Ok(Round::Again(error));
            }
            reserved => reserved?,
        };
        for wave in 0..reserved.plan.waves() {
            let actions = reserved.plan.actions.iter().filter(|action| action.wave == wave);
            let started = join_all(actions.map(|action| self.begin(app, &reserved, action))).await;
            let started = started.into_iter().collect::<Result<Vec<_>>>()?;
            if let Round::Again(error) = self.wait(app, started.into_iter().flatten().collect()).await? {
                return Ok(Round::Again(error));
            }
        }
        Ok(Round::Settled)
    }

    /// Pulls what the plan needs before anything is removed, and before anybody is kept waiting for the plan.
    async fn pull_images(&self, app: &App) -> Result<()> {
        let plan = self.plan(app).await?;
        let creating = plan.actions.iter().filter(|action| action.step == Step::Create);
        let images: BTreeSet<_> = creating
            .filter_map(|action| app.services.get(&action.service))
            .map(|service| service.image.as_str())
            .collect();
        try_join_all(images.into_iter().map(|image| self.pull_one(image))).await.map(drop)
    }

    async fn pull_one(&self, image: &str) -> Result<Image> {
        self.engine().pull(&PullRequest::new(image), &NoProgress).await
    }

    /// Removes what has to go and creates what is missing. It is done to its end even when nobody waits for it any
    /// more, and nothing else of this control plane's changes the engine meanwhile: so `delete` finds everything.
    async fn reserve(&self, app: &App) -> Result<Reserved> {
        let alone = Arc::clone(&self.changes).lock_owned().await;
        let (plane, app) = (self.clone(), app.clone());
        #[expect(clippy::disallowed_methods, reason = "a creation that was begun is not given up half done")]
        let task = tokio::spawn(async move {
            let _alone = alone;
            plane.reserve_alone(&app).await
        });
        task.await
            .map_err(|error| Error::new(ErrorKind::Internal, "control.apply", "the task broke").caused_by(error))?
    }

    async fn reserve_alone(&self, app: &App) -> Result<Reserved> {
        let observed = self.engine().list(None).await?;
        let snapshot = self.snapshot().await?;
        let plan = self.plan_over(app, &snapshot, &observed)?;
        tracing::info!(app = %app.name, %plan, "applying");
        let removals = plan.actions.iter().filter_map(|action| match &action.step {
            Step::Remove(id) => Some(self.remove(id)),
            _ => None,
        });
        join_all(removals).await.into_iter().collect::<Result<Vec<()>>>()?;
        let missing = plan.actions.iter().filter(|action| action.step == Step::Create);
        // All are waited for, also when one fails: a call that was given up would be done all the same.
        let done = join_all(missing.map(|action| self.create(app, &plan, action))).await;
        let created: BTreeMap<_, _> = done.iter().filter_map(|one| one.as_ref().ok().cloned()).collect();
        let failed = done.into_iter().find_map(Result::err);
        let over = match &failed {
            None => self.overbooked(&snapshot, &created).await?,
            Some(_) => None,
        };
        if let Some(error) = failed.or(over) {
            join_all(created.values().map(|id| self.engine().remove(id))).await;
            return Err(error.with("app", &app.name));
        }
        Ok(Reserved { plan, created })
    }

    async fn create(&self, app: &App, plan: &Plan, action: &Action) -> Result<((String, u32), ContainerId)> {
        let lost = || Error::new(ErrorKind::Internal, "control.create", "the plan has no placement for this replica");
        let mut placements = plan.placements.iter();
        let placed = placements.find(|placed| placed.service == action.service && placed.replica == action.replica);
        let placed = placed.ok_or_else(lost)?;
        let service = app.services.get(&action.service).ok_or_else(lost)?;
        let spec = container_spec(app, service, placed, !self.node().is_here());
        let id = self.engine().create(&spec).await.map_err(|error| of(error, action))?;
        Ok(((action.service.clone(), action.replica), id))
    }

    /// Whether another program promised the same memory between this one's plan and its creation. Each of two such
    /// programs may see it; each then steps back and plans again.
    async fn overbooked(
        &self,
        snapshot: &Snapshot,
        created: &BTreeMap<(String, u32), ContainerId>,
    ) -> Result<Option<Error>> {
        if created.is_empty() {
            return Ok(None);
        }
        let observed = self.engine().list(None).await?;
        let own = |container: &&Container| created.values().any(|id| *id == container.id);
        let promises: Vec<_> = observed.iter().filter_map(promise).collect();
        let gpus: BTreeSet<_> = observed.iter().filter(own).filter_map(promise).flat_map(|own| own.gpus).collect();
        Ok(gpus.iter().find(|gpu| is_overbooked(snapshot, gpu, &promises)).map(|gpu| {
            Error::new(
                ErrorKind::Conflict,
                "control.apply",
                "another program was given the same memory at the same time",
            )
            .with("gpu", gpu)
            .retry_later()
        }))
    }

    /// Starts what an action asks for; returns the container that has to become ready.
    async fn begin<'a>(&self, app: &'a App, reserved: &Reserved, action: &'a Action) -> Result<Option<Waiting<'a>>> {
        let created = || reserved.created.get(&(action.service.clone(), action.replica)).cloned();
        let (id, kept) = match &action.step {
            Step::Remove(_) => return Ok(None),
            Step::Keep(id) => (id.clone(), true),
            Step::Start(id) => (id.clone(), false),
            Step::Create => {
                let lost = || Error::new(ErrorKind::Internal, "control.apply", "a container was not reserved");
                (created().ok_or_else(lost)?, false)
            }
        };
        let probe = app.services.get(&action.service).and_then(|service| service.ready.as_ref());
        let one = Waiting { id, service: &action.service, replica: action.replica, probe, kept };
        if kept {
            return Ok(Some(one));
        }
        match self.engine().start(&one.id).await {
            Ok(()) => Ok(Some(one)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(one.failed(app, &Trouble::Gone, &[])),
            Err(error) => {
                // What cannot be started would be found and started again by every later plan.
                let _ = self.engine().remove(&one.id).await;
                Err(of(error, action).with("app", &app.name))
            }
        }
    }

    /// Waits until every container of a wave is ready.
    async fn wait(&self, app: &App, mut waiting: Vec<Waiting<'_>>) -> Result<Round> {
        let start = self.clock.monotonic();
        let mut pause = Duration::from_millis(20);
        while !waiting.is_empty() {
            let containers = self.engine().list(Some(&app.name)).await?;
            let after = self.clock.monotonic().saturating_sub(start);
            let asked = waiting.into_iter().map(|one| async {
                let seen = one.look(&containers, &**self.engine(), &*self.prober, after).await;
                (one, seen)
            });
            waiting = Vec::new();
            for (one, seen) in join_all(asked).await {
                let Err(trouble) = seen else { continue };
                match &trouble {
                    Trouble::NotYet(_) if after < one.limit() => waiting.push(one),
                    Trouble::Ended(_) if one.kept => return Ok(Round::Again(one.failed(app, &trouble, &[]))),
                    _ => {
                        let log = self.engine().logs(&one.id, 5).await.unwrap_or_default();
                        return Err(one.failed(app, &trouble, &log));
                    }
                }
            }
            if !waiting.is_empty() {
                self.clock.sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(500));
            }
        }
        Ok(Round::Settled)
    }

    /// Ends a container and removes it. One that does not end is removed by force.
    pub(super) async fn remove(&self, id: &ContainerId) -> Result<()> {
        match self.engine().stop(id, STOP_GRACE).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => tracing::warn!(container = %id, %error, "it does not stop; it is removed by force"),
        }
        self.engine().remove(id).await
    }
}

/// Names the replica that an error is about.
fn of(error: Error, action: &Action) -> Error {
    error.with("service", &action.service).with("replica", action.replica)
}

/// Whether more has been promised on a GPU than it has, or an exclusive replica is not alone there.
fn is_overbooked(snapshot: &Snapshot, gpu: &GpuId, promises: &[Running]) -> bool {
    let here = || promises.iter().filter(|promise| promise.gpus.contains(gpu));
    let promised: Bytes = here().map(|promise| promise.memory).sum();
    let state = snapshot.gpus.iter().find(|state| state.gpu.id == *gpu);
    let memory = state.and_then(|state| state.sample.memory.known());
    let too_much = memory.is_some_and(|memory| promised > memory.total.saturating_sub(memory.reserved));
    too_much || (here().count() > 1 && here().any(|promise| promise.exclusive))
}
