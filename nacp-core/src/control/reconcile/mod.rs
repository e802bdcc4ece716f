//! The loop that keeps one app: look, decide, act, sleep until something happens.
//!
//! It starts no task and has no timer but the clock that it is given, so that it can be dropped at any moment, which is
//! what a crash is, and played under a seed. What it must not forget stands in the engine.

mod act;
pub(super) mod look;
mod sleep;
mod tell;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use self::look::World;
use self::sleep::Answer;
use super::lease::Lease;
use super::memory::{Memory, Tries};
use super::plan::{Act, Turn};
use super::plane::ControlPlane;
use super::secrets::{LastRead, Secrets};
use super::wanted::Desired;
use crate::engine::{ContainerId, EngineEvents};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::gpu::GpuId;
use crate::service::App;

/// How often everything is looked at again when nothing has happened.
const RESYNC: Duration = Duration::from_secs(30);
/// The same while something is still to come.
const RESYNC_UNSETTLED: Duration = Duration::from_secs(5);
/// The same where the engine tells no events.
const RESYNC_BLIND: Duration = Duration::from_millis(500);
/// How long an apply that has begun waits for an engine that no longer answers.
pub(super) const AWAY_LIMIT: Duration = Duration::from_secs(60);
/// How often it asks whether it answers again.
pub(super) const AWAY_PAUSE: Duration = Duration::from_millis(250);

/// What was seen longer ago than this is looked at again before anything starts that others may have no room for.
const FRESH: Duration = Duration::from_millis(10);

/// Keeps one app.
pub(super) struct Keeper<'a> {
    plane: &'a ControlPlane,
    following: watch::Receiver<Arc<Desired>>,
    memory: Memory,
    /// Whether it ends when the app is as wanted, or cannot be.
    once: bool,
    stream: Option<EngineEvents>,
    watching: Tries,
    engine: Tries,
    lost_since: Option<Duration>,
    /// In how many rounds it failed to do something since it was away last.
    refusals: u32,
    /// Whether the engine, or its stream of events, has been away since the last look.
    interrupted: bool,
    /// Why the replicas cannot be placed.
    unplaced: Option<String>,
    refusal: Option<Error>,
    condemned: BTreeMap<GpuId, String>,
    asking: FuturesUnordered<BoxFuture<'static, Answer>>,
    asked: BTreeSet<(ContainerId, bool)>,
    converged: bool,
    conflicts: u32,
    secrets: LastRead,
    /// What had been said when the secrets were read last, and when that was.
    read: Option<(u64, Duration)>,
    /// By service: why its secrets cannot be read.
    unread: BTreeMap<String, String>,
}

/// What is wanted, worked out once for each state of it.
struct Goal {
    desired: Arc<Desired>,
    app: App,
    hashes: BTreeMap<String, String>,
    needs_gpus: bool,
}

impl Goal {
    fn of(desired: Arc<Desired>) -> Self {
        let app = desired.effective();
        let hashes = app.services.iter().map(|(name, service)| (name.clone(), service.hash())).collect();
        let needs_gpus = app.services.values().any(|service| service.gpu.is_some());
        Self { desired, app, hashes, needs_gpus }
    }
}

impl<'a> Keeper<'a> {
    pub(super) fn new(plane: &'a ControlPlane, following: watch::Receiver<Arc<Desired>>, once: bool) -> Self {
        Self {
            plane,
            following,
            memory: Memory { retry_ended: once, ..Memory::default() },
            once,
            stream: None,
            watching: Tries::default(),
            engine: Tries::default(),
            lost_since: None,
            refusals: 0,
            interrupted: false,
            unplaced: None,
            refusal: None,
            condemned: BTreeMap::new(),
            asking: FuturesUnordered::new(),
            asked: BTreeSet::new(),
            converged: false,
            conflicts: 0,
            secrets: LastRead::default(),
            read: None,
            unread: BTreeMap::new(),
        }
    }

    /// Keeps the app. Ends with an error that does not pass by itself, and where it runs once, when the app is as wanted.
    pub(super) async fn run(mut self, _lease: &dyn Lease) -> Result<()> {
        loop {
            let desired = Arc::clone(&self.following.borrow_and_update());
            self.memory.hear(desired.said);
            let goal = Goal::of(desired);
            let secrets = match self.secrets(&goal) {
                Ok(secrets) => secrets,
                Err(error) => {
                    self.endure(&goal, error).await?;
                    continue;
                }
            };
            match self.look(&goal).await {
                Ok(world) => {
                    if self.attend(&goal, &secrets, &world).await? {
                        return Ok(());
                    }
                }
                Err(error) => self.endure(&goal, error).await?,
            }
        }
    }

    /// The secrets of the app: read when something was said, and now and then. One that cannot be read again is still
    /// the one that it was; a service whose secrets were never read gets no container.
    fn secrets(&mut self, goal: &Goal) -> Result<BTreeMap<String, Secrets>> {
        let (now, said) = (self.now(), goal.desired.said);
        let pause = if self.unread.is_empty() { RESYNC } else { RESYNC_UNSETTLED };
        if self.read.is_none_or(|(heard, at)| heard != said || now.saturating_sub(at) >= pause) {
            self.read = Some((said, now));
            let failures = self.secrets.refresh(&goal.app);
            self.tell_unread(goal, &failures);
            let values = self.secrets.values();
            let never = failures.into_iter().find(|(service, _)| !values.contains_key(service));
            if let (true, Some((_, error))) = (self.once, never) {
                return Err(error);
            }
        }
        Ok(self.secrets.values())
    }

    /// Thinks and sleeps over one look at the world, until something was done or has happened. Returns whether that was
    /// all.
    async fn attend(&mut self, goal: &Goal, secrets: &BTreeMap<String, Secrets>, world: &World) -> Result<bool> {
        let limit = self.now() + if self.converged { RESYNC } else { RESYNC_UNSETTLED };
        let looked = self.now();
        loop {
            // How long it thinks does not count, or a large app would never begin.
            let stale = self.now() > looked + FRESH;
            let turn = self.think(goal, secrets, world).await?;
            if let Some(verdict) = self.verdict(goal, world, &turn) {
                return match verdict {
                    Ok(()) => Ok(true),
                    Err(error) => {
                        self.give_up(&error).await;
                        Err(error)
                    }
                };
            }
            if self.withdraw(goal, &turn) {
                continue;
            }
            let jobs: Vec<_> = turn.jobs.iter().filter(|job| !matches!(job.act, Act::Withdraw(..))).collect();
            if stale && jobs.iter().any(|job| matches!(job.act, Act::Start(_))) {
                // Another program may have been given the same memory since.
                return Ok(false);
            }
            if !jobs.is_empty() {
                // What was said while it looked counts: one that is paused begins nothing.
                if !self.following.has_changed().unwrap_or_default() {
                    self.act(goal, secrets, world, &jobs).await?;
                }
                return Ok(false);
            }
            if self.sleep(goal, world, &turn, limit).await {
                return Ok(false);
            }
        }
    }

    /// Waits after a look that failed, or ends where waiting does not help.
    async fn endure(&mut self, goal: &Goal, error: Error) -> Result<()> {
        let passes = !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidArgument);
        let now = self.now();
        let away = now.saturating_sub(self.lost_since.unwrap_or(now));
        // It has answered whoever took the lease.
        let returns = error.retry() == Retry::Later && away < AWAY_LIMIT;
        if !passes || (self.once && !returns) {
            return Err(error);
        }
        self.memory.away = true;
        if self.lost_since.is_none() {
            self.lost_since = Some(now);
            self.tell_lost(goal, &error);
        }
        let (backoff, seed) = (self.plane.backoff, self.plane.seed);
        let pause = self.engine.fail(&goal.app.name, error.to_string(), now, &backoff, seed);
        (self.stream, self.interrupted) = (None, true);
        self.pause(if self.once { pause.min(AWAY_PAUSE) } else { pause }).await;
        Ok(())
    }

    fn now(&self) -> Duration {
        self.plane.clock.monotonic()
    }

    /// Sends nothing more to the replicas that go, and asks how many still wait; returns whether the turn is to be thought
    /// anew.
    fn withdraw(&mut self, goal: &Goal, turn: &Turn) -> bool {
        let now = self.now();
        let mut again = false;
        for job in &turn.jobs {
            let Act::Withdraw(id, name) = &job.act else { continue };
            let in_flight = self.plane.traffic.withdraw(name);
            self.tell_doing(goal, job);
            if let Some(known) = self.memory.known.get_mut(id) {
                known.withdrawn = Some(super::memory::Withdrawn { since: now, in_flight });
                again = true;
            }
        }
        again
    }
}
