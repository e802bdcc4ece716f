//! The engine as a program reaches it: every call takes time, and may fail before its effect or after it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use nacp_core::clock::Clock as _;
use nacp_core::engine::{
    Container, ContainerId, ContainerSpec, ContainerStats, Details, Engine, EngineEvents, EngineInfo, ExecOutput,
    GpuOffer, Image, ImageDetails, LogLines, NamedContainer, PullProgress, PullRequest, PullWatcher, labels,
};
use nacp_core::{Bytes, Error, ErrorKind, Result};

use crate::faults::Fault;
use crate::mutation::Mutation;
use crate::time::Time;
use crate::world::{Answer, Effect, Happening, Who, World, find, missing, timeout, unavailable};

/// The world, as everything in a run shares it.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) time: Arc<Time>,
    world: Arc<Mutex<World>>,
}

impl Shared {
    pub(crate) fn new(time: Arc<Time>, world: World) -> Self {
        Self { time, world: Arc::new(Mutex::new(world)) }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The engine in the hands of one program.
#[derive(Clone, Debug)]
pub(crate) struct SimEngine {
    pub(crate) shared: Shared,
    pub(crate) who: Who,
    pub(crate) mutation: Mutation,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It fails, and nothing is done.
    Refused,
    /// It is done, and the answer is lost.
    Unheard,
    /// It is done later, when nobody waits for it any more.
    Late,
}

/// A call on its way to the engine. When the program is killed meanwhile, the engine may do it all the same.
struct InFlight<'a> {
    engine: &'a SimEngine,
    effect: Option<&'a Effect>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let Some(effect) = self.effect else { return };
        let mut world = self.engine.shared.world();
        let delay = world.rng.millis(1..4_000);
        if world.fault(Fault::CrashInCall, 500) {
            let who = self.engine.who;
            world.tell(format_args!("{who} is gone; on its way: {}", effect.told()));
            world.schedule(delay, Happening::Late(who, effect.clone()));
        }
    }
}

impl SimEngine {
    /// Waits as long as the way to the engine takes, and draws how the call ends.
    async fn way(&self, operation: &'static str) -> Result<Fate> {
        let (delay, fate) = {
            let mut world = self.shared.world();
            world.calls += 1;
            world.counts.add(operation);
            let rate = world.rates.call;
            let slow = world.fault(Fault::SlowCall, rate);
            let delay = if slow { world.rng.millis(1_000..9_000) } else { world.rng.millis(1..12) };
            let before = world.fault(Fault::ErrorBefore, rate);
            let after = world.fault(Fault::ErrorAfter, rate);
            let late = world.fault(Fault::TimeoutLate, rate / 3);
            let fate = match () {
                () if before => Fate::Refused,
                () if after => Fate::Unheard,
                () if late => Fate::Late,
                () => Fate::Answered,
            };
            (delay, fate)
        };
        self.shared.time.sleep(delay).await;
        if self.shared.world().is_down() {
            return Err(unavailable(operation));
        }
        Ok(fate)
    }

    async fn back(&self) {
        let delay = self.shared.world().rng.millis(0..6);
        self.shared.time.sleep(delay).await;
    }

    fn failure(&self, operation: &'static str) -> Error {
        match self.shared.world().rng.below(3) {
            0 => timeout(operation),
            1 => unavailable(operation),
            _ => Error::new(ErrorKind::Internal, operation, "the engine has an error of its own"),
        }
    }

    /// A call that changes something.
    async fn change(&self, effect: Effect) -> Result<Answer> {
        let operation = effect.name();
        {
            let mut world = self.shared.world();
            world.changes += 1;
            world.tell(format_args!("{} {}", self.who, effect.told()));
            world.check_allowed(self.who, &effect);
        }
        let mut in_flight = InFlight { engine: self, effect: Some(&effect) };
        let way = self.way(operation).await;
        in_flight.effect = None;
        drop(in_flight);
        let done = match way {
            Err(error) => Err(error),
            Ok(Fate::Refused) => Err(self.failure(operation)),
            Ok(Fate::Late) => {
                let mut world = self.shared.world();
                let delay = world.rng.millis(100..15_000);
                world.schedule(delay, Happening::Late(self.who, effect.clone()));
                Err(timeout(operation))
            }
            Ok(fate) => {
                let done = self.shared.world().effect(self.who, &effect);
                match fate {
                    Fate::Unheard => Err(self.failure(operation)),
                    _ => done,
                }
            }
        };
        self.back().await;
        if let Err(error) = &done {
            let told = effect.container().unwrap_or_default();
            let mut world = self.shared.world();
            world.tell(format_args!("{} {operation} {told} failed: {}", self.who, error.message()));
        }
        done
    }

    /// A call that only reads.
    async fn read<T>(&self, operation: &'static str, read: impl FnOnce(&mut World) -> Result<T> + Send) -> Result<T> {
        let done = match self.way(operation).await {
            Err(error) => Err(error),
            Ok(Fate::Answered) => read(&mut self.shared.world()),
            Ok(_) => Err(self.failure(operation)),
        };
        self.back().await;
        done
    }
}

#[async_trait]
impl Engine for SimEngine {
    async fn info(&self) -> Result<EngineInfo> {
        self.read("info", |_| {
            Ok(EngineInfo {
                simulated: true,
                name: "simulation".to_owned(),
                version: "1".to_owned(),
                api: None,
                min_api: None,
                id: Some("the-one-engine".to_owned()),
                address: "in this process".to_owned(),
                context: None,
                podman: false,
                rootless: false,
                gpu: GpuOffer::default(),
            })
        })
        .await
    }

    async fn pull(&self, request: &PullRequest, watcher: &dyn PullWatcher) -> Result<Image> {
        let reference = request.reference.clone();
        let image = |pulled| Image {
            reference: reference.clone(),
            id: format!("sha256:{reference}"),
            digest: Some(format!("sha256:{reference}")),
            pulled,
        };
        if self.read("pull", |world| Ok(world.images.contains(&reference))).await? {
            return Ok(image(false));
        }
        let (pause, fails) = {
            let mut world = self.shared.world();
            world.tell(format_args!("{} pulls {reference}", self.who));
            let rate = world.rates.call;
            let slow = world.fault(Fault::SlowPull, rate * 3);
            let pause = if slow { world.rng.millis(5_000..40_000) } else { world.rng.millis(100..1500) };
            (pause, world.fault(Fault::PullFails, rate * 2))
        };
        for part in 1..=3u64 {
            self.shared.time.sleep(pause).await;
            let mut progress = PullProgress::default();
            progress.image.clone_from(&reference);
            (progress.done, progress.total) = (Bytes::mib(part), Bytes::mib(3));
            watcher.tell(&progress);
            if self.shared.world().is_down() {
                return Err(unavailable("pull"));
            }
            if fails && part == 2 {
                return Err(Error::new(ErrorKind::NotFound, "pull", "the registry cannot be reached").retry_later());
            }
        }
        let mut world = self.shared.world();
        world.images.insert(reference.clone());
        world.tell(format_args!("    {reference} has arrived"));
        Ok(image(true))
    }

    async fn load(&self, _archive: &Path, _watcher: &dyn PullWatcher) -> Result<Vec<Image>> {
        Ok(Vec::new())
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageDetails>> {
        let reference = reference.to_owned();
        self.read("image", move |world| {
            Ok(world.images.contains(&reference).then(|| {
                let mut details = ImageDetails::default();
                details.id = format!("sha256:{reference}");
                details
            }))
        })
        .await
    }

    async fn digest(&self, request: &PullRequest) -> Result<String> {
        let digest = format!("sha256:{}", request.reference);
        self.read("digest", move |_| Ok(digest)).await
    }

    async fn create_network(&self, name: &str, _labels: &BTreeMap<String, String>) -> Result<()> {
        self.change(Effect::Network(name.to_owned())).await.map(drop)
    }

    async fn remove_networks(&self, app: &str) -> Result<()> {
        self.change(Effect::Networks(app.to_owned())).await.map(drop)
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId> {
        let mut spec = spec.clone();
        if self.mutation == Mutation::CreateAcceptsTakenName {
            let mut world = self.shared.world();
            let number = world.number();
            if world.containers.values().any(|held| held.name == spec.name) {
                spec.name = format!("{}#{number}", spec.name);
            }
        }
        match self.change(Effect::Create(Box::new(spec))).await? {
            Answer::Created(id) => Ok(id),
            Answer::Done => Err(unavailable("create")),
        }
    }

    async fn start(&self, id: &ContainerId) -> Result<()> {
        self.change(Effect::Start(id.0.clone())).await.map(drop)
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        self.change(Effect::Stop(id.0.clone(), grace)).await?;
        // The answer comes when the program has ended.
        let limit = self.shared.time.now() + grace + Duration::from_secs(5);
        loop {
            match self.shared.world().containers.get(&id.0) {
                Some(held) if held.active() && held.stopping => {}
                _ => return Ok(()),
            }
            self.shared.time.sleep(Duration::from_millis(100)).await;
            if self.shared.world().is_down() {
                return Err(unavailable("stop"));
            }
            if self.shared.time.now() > limit {
                return Err(timeout("stop"));
            }
        }
    }

    async fn remove(&self, id: &ContainerId) -> Result<()> {
        self.change(Effect::Remove(id.0.clone())).await.map(drop)
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Result<()> {
        self.change(Effect::Rename(id.0.clone(), name.to_owned())).await.map(drop)
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Details> {
        let id = id.0.clone();
        self.read("inspect", move |world| {
            let start = world.time.wall() - world.now();
            let held = world.containers.get(&id).ok_or_else(|| missing("inspect", &id))?;
            let mut details = Details::default();
            details.image_id = format!("sha256:{}", held.image);
            details.started_at = (held.runs > 0).then(|| start + held.started);
            details.exit_code = match held.state {
                nacp_core::engine::ContainerState::Exited(code) => code,
                _ => None,
            };
            details.read_only = true;
            details.no_new_privileges = true;
            details.dropped_capabilities = ["ALL".to_owned()].into();
            details.networks = held.networks.clone();
            details.cdi_devices =
                held.gpus.iter().map(|gpu| format!("nvidia.com/gpu={}", world.gpus[*gpu].id)).collect();
            details.published = held.address.into_iter().collect();
            Ok(details)
        })
        .await
    }

    async fn list(&self, app: Option<&str>) -> Result<Vec<Container>> {
        let app = app.map(str::to_owned);
        let mut list = self.read("list", move |world| Ok(world.list(app.as_deref(), true))).await?;
        if self.mutation == Mutation::NamesNotCompared {
            for one in &mut list {
                if one.name.starts_with("copy-of") {
                    let label = |name: &str| one.label(name).unwrap_or_default().to_owned();
                    let (app, service) = (label(labels::APP), label(labels::SERVICE));
                    one.name = format!("nacp.{app}.{service}.{}", label(labels::REPLICA));
                }
            }
        }
        Ok(list)
    }

    async fn names(&self) -> Result<Vec<NamedContainer>> {
        self.read("names", |world| {
            let all = world.list(None, false).into_iter();
            Ok(all.filter(|one| one.state.is_active()).map(NamedContainer::from).collect())
        })
        .await
    }

    async fn logs(&self, id: &ContainerId, lines: usize) -> Result<Vec<String>> {
        let id = id.0.clone();
        self.read("logs", move |world| {
            let log = &find(&mut world.containers, "logs", &id)?.log;
            Ok(log[log.len().saturating_sub(lines)..].to_vec())
        })
        .await
    }

    async fn follow_logs(&self, id: &ContainerId, lines: usize) -> Result<LogLines> {
        let log = self.logs(id, lines).await?;
        let line = |text| Ok(nacp_core::engine::LogLine { error: false, text });
        Ok(stream::iter(log.into_iter().map(line)).boxed())
    }

    async fn exec(&self, id: &ContainerId, _command: &[String], _limit: Duration) -> Result<ExecOutput> {
        let id = id.0.clone();
        self.read("exec", move |world| {
            let held = find(&mut world.containers, "exec", &id)?;
            if !held.active() {
                return Err(Error::new(ErrorKind::Conflict, "exec", "the container does not run"));
            }
            Ok(ExecOutput { code: i64::from(!held.ready), ..ExecOutput::default() })
        })
        .await
    }

    async fn stats(&self, _id: &ContainerId) -> Result<ContainerStats> {
        Ok(ContainerStats::default())
    }

    async fn watch(&self) -> Result<EngineEvents> {
        let number = self
            .read("watch", |world| {
                let number = world.number();
                world.watchers.insert(number, crate::world::Watcher::default());
                Ok(number)
            })
            .await?;
        let watch = Watch { shared: self.shared.clone(), number };
        let events = stream::poll_fn(move |context| {
            let mut world = watch.shared.world();
            let Some(watcher) = world.watchers.get_mut(&watch.number) else { return Poll::Ready(None) };
            match watcher.events.pop_front() {
                Some(event) => Poll::Ready(Some(Ok(event))),
                None if watcher.closed => Poll::Ready(None),
                None => {
                    watcher.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        Ok(events.boxed())
    }
}

/// Ends the watch when its stream is dropped.
struct Watch {
    shared: Shared,
    number: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.world().watchers.remove(&self.number);
    }
}
