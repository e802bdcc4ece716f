//! Doing what can be done now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use futures_util::stream::{self, StreamExt as _};

use super::look::{World, hash_of};
use super::{Goal, Keeper};
use crate::control::identity::{Particulars, container_spec};
use crate::control::memory::Trouble;
use crate::control::observed::Seen;
use crate::control::plan::{Act, Job};
use crate::control::secrets::Secrets;
use crate::engine::{ContainerId, ContainerSpec, PullProgress, PullWatcher, Verification, labels, verify};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::placement::Placement;
use crate::service::Pull;

/// How many calls to the engine are under way at the same time.
const TOGETHER: usize = 32;
/// How often a name that somebody else has just taken is waited for.
const CONFLICTS: u32 = 5;

/// Whether the engine failed in a way in which one fails that is being restarted.
fn may_pass(error: &Error) -> bool {
    error.kind() == ErrorKind::EngineUnavailable && error.retry() == Retry::Later
}

/// What a job has brought.
enum Brought {
    Nothing,
    Container(ContainerId),
    Started(Verification),
}

impl Keeper<'_> {
    pub(super) async fn act(
        &mut self,
        goal: &Goal,
        secrets: &BTreeMap<String, Secrets>,
        world: &World,
        jobs: &[&Job],
    ) -> Result<()> {
        self.converged = false;
        for job in jobs {
            self.tell_doing(goal, job);
            self.before(job);
        }
        let specs: Vec<_> = jobs.iter().map(|job| self.spec(goal, secrets, world, job)).collect();
        let plane = self.plane;
        let watcher = Told { events: self.pulling(goal) };
        let watcher = &watcher;
        // Boxed, or the compiler does not see that all of it may go from thread to thread.
        let doing: Vec<BoxFuture<'_, _>> = jobs
            .iter()
            .zip(specs)
            .enumerate()
            .map(|(index, (job, spec))| async move { (index, plane.carry_out(&job.act, spec, watcher).await) }.boxed())
            .collect();
        let mut done: Vec<_> = stream::iter(doing).buffer_unordered(TOGETHER).collect().await;
        done.sort_by_key(|(index, _)| *index);
        let passes = |brought: &Result<Brought>| brought.as_ref().is_err_and(may_pass);
        self.refusals += u32::from(done.iter().any(|(_, brought)| passes(brought)));
        let mut failure = None;
        let all = done.len();
        let (mut failed, mut unpaced) = (0, 0);
        for ((_, brought), job) in done.into_iter().zip(jobs) {
            match brought {
                Ok(brought) => {
                    // Also one of an older specification that comes back gets requests again.
                    let started =
                        world.containers.iter().find(|one| matches!(&job.act, Act::Start(id) if *id == one.id));
                    started.into_iter().for_each(|one| self.plane.traffic.restore(&one.name));
                    self.after(goal, job, brought);
                }
                Err(error) => {
                    failed += 1;
                    let again = self.failed(goal, job, &error);
                    unpaced += usize::from(again.is_none());
                    self.tell_failed(goal, job, &error, again);
                    if self.once && self.ends_with(world, job, &error) {
                        let error = match job.act {
                            Act::Start(_) => error.with("service", &job.service).with("replica", job.replica),
                            _ => error,
                        };
                        failure = failure.or(Some(error));
                    }
                }
            }
        }
        if let Some(error) = failure {
            let error = error.with("app", &goal.app.name);
            self.give_up(&error).await;
            return Err(error);
        }
        // What has a pause of its own keeps nobody else waiting, least of all the probes.
        if failed == all && (self.once || unpaced > 0) {
            let (backoff, seed) = (self.plane.backoff, self.plane.seed);
            let (now, name) = (self.now(), &goal.app.name);
            let pause = self.engine.fail(name, String::new(), now, &backoff, seed);
            self.pause(if self.once { pause.min(Duration::from_millis(250)) } else { pause }).await;
        }
        Ok(())
    }

    /// Remembers what is about to be done, so that its consequences are no surprise.
    fn before(&mut self, job: &Job) {
        let (Act::Stop(id, _) | Act::Remove(id, _)) = &job.act else { return };
        if let Some(known) = self.memory.known.get_mut(id) {
            known.stopping = known.unwell.is_none() && known.trouble.is_none();
            known.stopped = true;
        }
    }

    fn after(&mut self, goal: &Goal, job: &Job, brought: Brought) {
        let now = self.now();
        match (&job.act, brought) {
            (Act::Pull(request), _) => drop(self.memory.images.insert(request.reference.clone(), None)),
            (Act::Network(name), _) => {
                self.memory.networks.insert(name.clone());
            }
            (Act::Create { placement, .. }, Brought::Container(id)) => {
                self.memory.created.insert(id);
                let service = goal.app.services.get(&placement.service);
                if let Some(service) = service.filter(|service| service.pull == Pull::Always) {
                    self.memory.images.remove(&service.image);
                }
            }
            (Act::Start(id), Brought::Started(found)) => {
                self.memory.created.remove(id);
                for what in found.weaker {
                    self.tell_weaker(goal, job, what);
                }
                if let Some(known) = self.memory.known.get_mut(id) {
                    known.begin(now, false);
                    if !found.missing.is_empty() {
                        let missing = found.missing.join(", ");
                        known.trouble = Some(Trouble::Missing(missing.clone()));
                        known.unwell = Some(format!("the engine did not give it what was asked for: {missing}"));
                    }
                }
            }
            (Act::Rename(id, name), _) => {
                self.plane.traffic.restore(name);
                tracing::debug!(container = %id, %name, "it has its name");
            }
            _ => {}
        }
        self.tell_done(goal, job);
    }

    /// Counts a failure; tells after how long it is tried again.
    fn failed(&mut self, goal: &Goal, job: &Job, error: &Error) -> Option<Duration> {
        let (now, backoff, seed) = (self.now(), self.plane.backoff, self.plane.seed);
        let last = error.to_string();
        let thing = format!("{}/{}/{}", goal.app.name, job.service, job.replica);
        match &job.act {
            Act::Pull(request) => {
                let tries = self.memory.images.entry(request.reference.clone()).or_default();
                Some(tries.get_or_insert_default().fail(&request.reference, last, now, &backoff, seed))
            }
            Act::Create { placement, next, .. } => {
                // Somebody has removed the image or a network meanwhile: what is there is found out anew.
                if error.kind() == ErrorKind::NotFound {
                    if let Some(service) = goal.app.services.get(&placement.service) {
                        self.memory.images.remove(&service.image);
                    }
                    self.memory.networks.clear();
                }
                let name =
                    super::super::identity::container_name(&goal.app.name, &placement.service, placement.replica);
                let name = if *next { super::super::identity::next_name(&name) } else { name };
                Some(self.memory.creating.entry(name).or_default().fail(&thing, last, now, &backoff, seed))
            }
            Act::Start(id) if error.kind() != ErrorKind::NotFound => {
                let known = self.memory.known.get_mut(id)?;
                if matches!(error.kind(), ErrorKind::EngineUnavailable | ErrorKind::Timeout | ErrorKind::Internal) {
                    // It may have been done, and the list not tell so yet.
                    (known.began, known.doubtful) = (Some(now), true);
                }
                // An engine that goes away refuses too; one that comes back does not do so twice.
                if !may_pass(error) || known.tries.failures > 0 {
                    known.trouble = Some(Trouble::Refused(error.kind(), last.clone()));
                    known.ours = true;
                }
                Some(known.tries.fail(&thing, last, now, &backoff, seed))
            }
            Act::Stop(id, _) | Act::Remove(id, _) => {
                let known = self.memory.known.get_mut(id)?;
                known.stuck += 1;
                known.stopping = false;
                Some(known.tries.fail(&thing, last, now, &backoff, seed))
            }
            _ => None,
        }
    }

    /// Whether an apply ends with this failure.
    fn ends_with(&mut self, world: &World, job: &Job, error: &Error) -> bool {
        let named = |id: &ContainerId| world.containers.iter().find(|container| container.id == *id);
        let beside = matches!(&job.act, Act::Start(id) if named(id).and_then(Seen::of).is_some_and(|seen| seen.next));
        if error.kind() == ErrorKind::Conflict && error.retry() == Retry::Later {
            self.conflicts += 1;
            self.memory.creating.clear();
            return self.conflicts >= CONFLICTS;
        }
        match &job.act {
            Act::Pull(_) | Act::Network(_) | Act::Create { .. } => {
                // It fails like this once while it is being restarted, and then no longer answers.
                !may_pass(error) || self.refusals > 1
            }
            // What has been removed meanwhile is created anew; a new one beside an old one makes way for it again.
            Act::Start(id) => {
                let passes = error.kind() == ErrorKind::NotFound || (may_pass(error) && self.refusals <= 1);
                !passes && self.memory.created.contains(id) && !beside
            }
            Act::Stop(id, _) | Act::Remove(id, _) => {
                self.memory.known.get(id).is_some_and(|known| known.stuck >= CONFLICTS)
            }
            Act::Rename(..) | Act::Withdraw(..) => false,
        }
    }

    /// Takes back what was reserved and never started, where an apply ends before anything has begun.
    pub(super) async fn give_up(&mut self, error: &Error) {
        let reserved = !matches!(error.kind(), ErrorKind::ServiceFailed | ErrorKind::Timeout);
        if reserved {
            let engine = self.plane.engine();
            join_all(self.memory.created.iter().map(|id| engine.remove(id))).await;
        }
    }

    /// What a container is to be that is created, or was to be that is started.
    fn spec(
        &self,
        goal: &Goal,
        secrets: &BTreeMap<String, Secrets>,
        world: &World,
        job: &Job,
    ) -> Option<ContainerSpec> {
        let service = goal.app.services.get(&job.service)?;
        let secrets = secrets.get(&job.service).map(|secrets| (secrets, self.plane.clock.wall()));
        let simulated_gpus = !self.plane.node().is_here();
        match &job.act {
            Act::Create { placement, next, beside, root } => {
                let particulars =
                    Particulars { next: *next, beside: *beside, root: root.as_deref(), secrets, simulated_gpus };
                Some(container_spec(&goal.app, service, placement, particulars))
            }
            Act::Start(id) => {
                let container = world.containers.iter().find(|container| container.id == *id)?;
                let own = hash_of(container) == goal.hashes.get(&job.service).map(String::as_str);
                let seen = Seen::of(container).filter(|_| own)?;
                let placement = Placement {
                    service: seen.service.clone(),
                    replica: seen.replica,
                    gpus: seen.held().to_vec(),
                    memory: seen.memory,
                    reason: String::new(),
                };
                let particulars =
                    Particulars { next: seen.next, beside: seen.beside, root: seen.root(), secrets, simulated_gpus };
                let mut spec = container_spec(&goal.app, service, &placement, particulars);
                let injection = container.label(labels::GPU_INJECTION).unwrap_or_default();
                if injection.starts_with("none") {
                    spec.gpus.clear();
                }
                Some(spec)
            }
            _ => None,
        }
    }
}

/// Tells how far images have arrived.
struct Told<F> {
    events: F,
}

impl<F> std::fmt::Debug for Told<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

impl<F: Fn(&PullProgress) + Send + Sync> PullWatcher for Told<F> {
    fn tell(&self, progress: &PullProgress) {
        (self.events)(progress);
    }
}

impl crate::control::plane::ControlPlane {
    async fn carry_out(&self, act: &Act, spec: Option<ContainerSpec>, watcher: &dyn PullWatcher) -> Result<Brought> {
        let engine = self.engine();
        match act {
            Act::Pull(request) => engine.pull(request, watcher).await.map(|_| Brought::Nothing),
            Act::Network(name) => {
                let app = name.split('.').nth(1).unwrap_or_default().to_owned();
                let labels = BTreeMap::from([(labels::APP.to_owned(), app)]);
                engine.create_network(name, &labels).await.map(|()| Brought::Nothing)
            }
            Act::Create { .. } => {
                let lost = || Error::new(ErrorKind::Internal, "control.create", "the app has no such service");
                self.create(spec.ok_or_else(lost)?).await.map(Brought::Container)
            }
            Act::Start(id) => {
                engine.start(id).await?;
                if let Some(name) = spec.as_ref().map(|spec| spec.name.as_str()) {
                    self.traffic.restore(name);
                }
                let Some(spec) = spec else { return Ok(Brought::Started(Verification::default())) };
                // What cannot be told is no reason to stop it: the probe has the last word.
                let found = engine.inspect(id).await.map(|got| {
                    // What has ended already has nothing any more; its end is told for itself. Its times do not tell:
                    // Docker dates an end that comes at once before the start.
                    match got.finished_at {
                        Some(_) => Verification::default(),
                        None => verify(&spec, &got),
                    }
                });
                Ok(Brought::Started(found.unwrap_or_default()))
            }
            Act::Stop(id, grace) => match engine.stop(id, *grace).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Brought::Nothing),
                stopped => stopped.map(|()| Brought::Nothing),
            },
            Act::Remove(id, grace) => self.remove(id, *grace).await.map(|()| Brought::Nothing),
            Act::Rename(id, name) => match engine.rename(id, name).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Brought::Nothing),
                renamed => renamed.map(|()| Brought::Nothing),
            },
            Act::Withdraw(..) => Ok(Brought::Nothing),
        }
    }

    /// Creates a container. A call that was begun is not given up half done: whoever changes the same engine through
    /// this control plane next waits for it.
    async fn create(&self, spec: ContainerSpec) -> Result<ContainerId> {
        let (engine, slot) = (Arc::clone(self.engine()), Arc::new(Mutex::new(None)));
        let result = Arc::clone(&slot);
        let creating = async move {
            let created = engine.create(&spec).await;
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(created);
        };
        let creating = creating.boxed().shared();
        {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.retain(|one| one.peek().is_none());
            begun.push(creating.clone());
        }
        creating.await;
        let created = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        created
            .unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "control.create", "the creation brought nothing")))
    }

    /// Waits for what was begun and given up.
    pub(in crate::control) async fn finish_begun(&self) {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        join_all(begun).await;
    }

    /// Ends a container and removes it. One that does not end is removed by force.
    pub(in crate::control) async fn remove(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        match self.engine().stop(id, grace).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => tracing::warn!(container = %id, %error, "it does not stop; it is removed by force"),
        }
        self.engine().remove(id).await
    }
}
