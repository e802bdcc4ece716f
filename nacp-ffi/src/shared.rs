//! What a context is behind its handle: the process, the runtime, the node, the engine, and who follows them.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nacp_core::control::ControlPlane;
use nacp_core::engine::{Docker, Engine, EngineInfo};
use nacp_core::gpu::probe::Guard;
use nacp_core::gpu::{Fields, Gpu, Node, Origin, Sample, Source};
use nacp_core::route::Router;
use nacp_core::{Error, ErrorKind, Result, sim};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::sigpipe::{self, Blocked};

/// How long the end of a context waits for work that cannot be interrupted.
pub(crate) const LAST_WAIT: Duration = Duration::from_secs(5);

/// Which GPUs a context uses.
#[derive(Clone, Debug)]
pub(crate) enum NodeChoice {
    /// Those of this machine, looked for behind the guard if there is one.
    Real(Option<Guard>),
    /// Those of a simulated node or of a recording.
    Given(Arc<dyn Source>),
}

/// Which engine a context uses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EngineChoice {
    Docker,
    Simulated,
}

/// What the handles that come from one context share. The last of them to be freed ends the runtime.
#[derive(Debug)]
pub(crate) struct Shared {
    process: u32,
    runtime: Option<Runtime>,
    world: Arc<World>,
}

/// What a context works with. Tasks may hold it, since it does not hold the runtime that they run on.
pub(crate) struct World {
    node_choice: NodeChoice,
    engine_choice: EngineChoice,
    node: OnceCell<Node>,
    engine: OnceCell<Arc<dyn Engine>>,
    followers: Mutex<Vec<Weak<Router>>>,
    following: AsyncMutex<()>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("node", &self.node).field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// A machine whose GPUs nobody needs.
#[derive(Debug)]
struct NoGpus(Origin);

impl Source for NoGpus {
    fn origin(&self) -> &Origin {
        &self.0
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        Ok(Vec::new())
    }

    fn sample(&self, _fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        samples.clear();
        Ok(())
    }
}

impl Shared {
    /// Starts the runtime's threads; node and engine are looked for when they are first needed.
    pub(crate) fn start(node: NodeChoice, engine: EngineChoice, threads: usize) -> Result<Arc<Self>> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("nacp-worker")
            .on_thread_start(sigpipe::block_for_good)
            .enable_all()
            .build()
            .map_err(|cause| {
                Error::new(ErrorKind::ResourceExhausted, "nacp_ctx_new", "the worker threads cannot be started")
                    .with("threads", threads)
                    .with("reason", &cause)
                    .caused_by(cause)
            })?;
        Ok(Arc::new(Self {
            process: std::process::id(),
            runtime: Some(runtime),
            world: Arc::new(World {
                node_choice: node,
                engine_choice: engine,
                node: OnceCell::new(),
                engine: OnceCell::new(),
                followers: Mutex::default(),
                following: AsyncMutex::default(),
            }),
        }))
    }

    /// Whether this is the process that made the context: threads and driver do not survive a fork.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// Refuses a forked child, in which a thread that is not there may hold a lock for ever.
    pub(crate) fn expect_this_process(&self, operation: &'static str) -> Result<()> {
        if self.is_of_this_process() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, operation, "the context does not survive a fork")
            .with("made_by", self.process)
            .with("used_by", std::process::id())
            .hint("make a new context in the child"))
    }

    /// Runs work to its end on the calling thread.
    pub(crate) fn wait<T>(&self, operation: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.expect_this_process(operation)?;
        let runtime = self.runtime.as_ref();
        let runtime = runtime.ok_or_else(|| Error::new(ErrorKind::Cancelled, operation, "the context has ended"))?;
        let _blocked = Blocked::here();
        runtime.block_on(work)
    }

    /// What the context works with.
    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl World {
    pub(crate) async fn node(&self) -> Result<&Node> {
        let find = || async {
            let guard = match &self.node_choice {
                NodeChoice::Given(source) => return Node::from_source(Arc::clone(source)),
                NodeChoice::Real(guard) => guard.clone(),
            };
            let look = move || guard.map_or_else(Node::discover, |guard| guarded(&guard));
            tokio::task::spawn_blocking(look).await.map_err(|cause| {
                Error::new(ErrorKind::Internal, "gpu.discover", "looking for GPUs failed").caused_by(cause)
            })?
        };
        self.node.get_or_try_init(find).await
    }

    /// Whether the GPUs are those of this machine.
    pub(crate) fn is_real(&self) -> bool {
        matches!(self.node_choice, NodeChoice::Real(_))
    }

    pub(crate) async fn engine(&self) -> Result<&Arc<dyn Engine>> {
        let connect = || async {
            Ok::<Arc<dyn Engine>, Error>(match self.engine_choice {
                EngineChoice::Docker => Arc::new(Docker::connect().await?),
                EngineChoice::Simulated => Arc::new(sim::Engine::new()),
            })
        };
        self.engine.get_or_try_init(connect).await
    }

    pub(crate) async fn engine_info(&self) -> Result<EngineInfo> {
        self.engine().await?.info().await
    }

    /// The control plane for an app of which some service needs a GPU.
    pub(crate) async fn plane(&self) -> Result<ControlPlane> {
        Ok(ControlPlane::new(self.node().await?.clone(), Arc::clone(self.engine().await?)))
    }

    /// The control plane for what needs no GPU: what runs can be looked at and removed without a driver.
    pub(crate) async fn plane_without_gpus(&self) -> Result<ControlPlane> {
        let node = match self.node().await {
            Ok(node) => node.clone(),
            Err(error) => {
                let origin = Origin { simulated: false, name: error.to_string(), driver: None, cuda: None };
                Node::from_source(Arc::new(NoGpus(origin)))?
            }
        };
        Ok(ControlPlane::new(node, Arc::clone(self.engine().await?)))
    }

    /// Gives a router the endpoints that are ready now, and again after every change made through this context.
    pub(crate) async fn follow(&self, router: &Arc<Router>) -> Result<()> {
        // First of all, so that a change that is made while the router learns what is there reaches it too.
        self.followers().push(Arc::downgrade(router));
        let outcome = self.refresh(router).await;
        let ours = Arc::as_ptr(router);
        let failed = outcome.is_err();
        self.followers().retain(|other| other.strong_count() > 0 && !(failed && other.as_ptr() == ours));
        outcome
    }

    fn followers(&self) -> MutexGuard<'_, Vec<Weak<Router>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a router the endpoints that are ready now.
    pub(crate) async fn refresh(&self, router: &Router) -> Result<()> {
        let _one_at_a_time = self.following.lock().await;
        router.update(self.plane_without_gpus().await?.endpoints().await?);
        Ok(())
    }

    /// Gives every router the endpoints that are ready now.
    pub(crate) async fn changed(&self) -> Result<()> {
        let _one_at_a_time = self.following.lock().await;
        let routers: Vec<_> = self.followers().iter().filter_map(Weak::upgrade).collect();
        if routers.is_empty() {
            return Ok(());
        }
        let endpoints = self.plane_without_gpus().await?.endpoints().await?;
        routers.iter().for_each(|router| router.update(endpoints.iter().cloned()));
        Ok(())
    }
}

/// Looks for the GPUs behind a guard. A hint that names the function of Rust names that of C instead.
fn guarded(guard: &Guard) -> Result<Node> {
    Node::discover_guarded(guard).map_err(|error| match error.hint_text() {
        Some(hint) => {
            let hint = hint.replace("nacp_core::gpu::probe::answer()", "nacp_probe_answer()");
            error.hint(hint)
        }
        None => error,
    })
}

/// Tells every router of a change, in a task of its own: it comes to its end when nobody waits for it any more.
pub(crate) async fn tell(world: &Arc<World>) -> Result<()> {
    let world = Arc::clone(world);
    let told = tokio::spawn(async move { world.changed().await }).await;
    told.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "router.follow", "telling the routers failed").caused_by(cause))
    })
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LAST_WAIT);
        }
    }
}

/// Frees a handle; in a forked child it only forgets it, because its threads are not there to end.
pub(crate) fn free<T>(handle: Option<Box<T>>, shared: impl Fn(&T) -> &Shared) {
    let Some(handle) = handle else { return };
    if shared(&handle).is_of_this_process() {
        crate::panic::quiet(|| drop(handle));
    } else {
        Box::leak(handle);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::apply::apply;

    const APP: &str = "{name: held, services: {llm: {image: x, model: m, port: 80, gpu: {memory: 1GiB}}}}";

    fn simulated() -> Arc<Shared> {
        let node = NodeChoice::Given(Arc::new(sim::Node::named("h100x8").unwrap()));
        Shared::start(node, EngineChoice::Simulated, 2).unwrap()
    }

    fn soon(is_so: impl Fn() -> bool) -> bool {
        (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            is_so()
        })
    }

    #[test]
    fn the_limit_of_an_apply_holds_for_telling_the_routers_too_and_they_learn_of_it_later() {
        let shared = simulated();
        let router = Arc::new(Router::new());
        shared.wait("test", shared.world().follow(&router)).unwrap();
        let others = shared.world().following.blocking_lock();
        let (done, is_done) = std::sync::mpsc::channel();
        let applying = Arc::clone(&shared);
        let thread = thread::spawn(move || done.send(apply(&applying, "nacp_apply", APP, 2000)));
        let outcome = is_done.recv_timeout(Duration::from_secs(20));
        assert_eq!(
            outcome.unwrap().unwrap_err().to_string(),
            "the routers did not learn of the app in the time allowed: app=held timeout_ms=2000; they learn of it later"
        );
        thread.join().unwrap().unwrap();
        assert!(router.endpoints().is_empty());
        drop(others);
        assert!(soon(|| !router.endpoints().is_empty()));
    }

    #[test]
    fn a_router_is_told_of_changes_from_before_it_looks_itself() {
        let shared = simulated();
        let others = shared.world().following.blocking_lock();
        let following = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let router = Arc::new(Router::new());
            following.wait("test", following.world().follow(&router)).map(|()| router)
        });
        assert!(soon(|| shared.world().followers().len() == 1));
        drop(others);
        let router = thread.join().unwrap().unwrap();
        assert_eq!(shared.world().followers()[0].as_ptr(), Arc::as_ptr(&router));
    }
}
