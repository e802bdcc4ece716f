//! What the control plane asks of the GPUs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::health::{Cordon, Facts, Monitor, Thresholds};
use crate::gpu::{Event, Events, GpuId, Node, Snapshot};

/// How long the driver may take.
const LIMIT: Duration = Duration::from_secs(5);
/// So long after it was read a view is told again while the driver does not answer.
const STANDS: Duration = Duration::from_secs(60);
/// How often the node is read anew: links, modes and partitions change, and GPUs come and go.
const REREAD: Duration = Duration::from_secs(60);
/// The most events that one view takes in.
const EVENTS: usize = 1000;

/// The GPUs as the control plane sees them at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GpuView {
    /// What they are and how much of their memory is free.
    pub snapshot: Snapshot,
    /// Which of them get no further replica and lose those that they have, with the reason: a fatal finding of their
    /// health. What holds for a GPU is here for each of its partitions too.
    pub condemned: BTreeMap<GpuId, String>,
}

impl GpuView {
    /// GPUs of which none is condemned.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, condemned: BTreeMap::new() }
    }

    /// Gives a GPU to no further replica, for this reason.
    #[must_use]
    pub fn condemn(mut self, gpu: GpuId, reason: impl Into<String>) -> Self {
        self.condemned.insert(gpu, reason.into());
        self
    }
}

/// Where the control plane reads the GPUs from.
#[async_trait]
pub trait Gpus: Send + Sync + fmt::Debug {
    /// Reads them once.
    ///
    /// # Errors
    /// What the driver answers, or [`Timeout`](crate::ErrorKind::Timeout) when it does not.
    async fn view(&self) -> Result<GpuView>;
}

/// The GPUs of a [`Node`], watched by a health [`Monitor`].
///
/// A GPU is condemned when its [verdict](crate::gpu::health::Verdict) is `Drain` or `Unusable`: among others one that has
/// fallen off the bus, one of which the driver told a grave Xid, and one that must be reset. So is one that was there and
/// is not any more. It is free again when the monitor says so.
///
/// The driver is asked on a thread of its own and has 5 seconds. While it does not answer, or answers with an error, the
/// last view is told again, for a minute; its snapshot says when it was read. Events of the driver are heard from the first
/// view on.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # use std::sync::Arc;
/// use nacp_core::control::{Gpus, NodeGpus};
/// use nacp_core::{gpu, sim};
///
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
/// let view = NodeGpus::new(node).view().await?;
/// assert_eq!((view.snapshot.gpus.len(), view.condemned.len()), (8, 0));
/// # Ok::<(), nacp_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct NodeGpus {
    watch: Arc<tokio::sync::Mutex<Watch>>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Duration, GpuView)>>,
    /// Whether a question is still out that nobody waits for any more.
    hangs: Arc<AtomicBool>,
    limit: Duration,
}

impl NodeGpus {
    /// The GPUs of this node, judged by the default thresholds.
    pub fn new(node: Node) -> Self {
        let watch = Watch {
            seen: node.gpus().iter().map(|gpu| gpu.id.clone()).collect(),
            node,
            thresholds: Thresholds::default(),
            monitor: None,
            reread: Duration::ZERO,
        };
        Self {
            watch: Arc::new(tokio::sync::Mutex::new(watch)),
            clock: Arc::new(SystemClock::new()),
            last: Mutex::default(),
            hangs: Arc::default(),
            limit: LIMIT,
        }
    }

    /// Judges by these thresholds. Wrong ones are told by the first [`view`](Gpus::view).
    #[must_use]
    pub fn with_thresholds(self, thresholds: Thresholds) -> Self {
        if let Ok(mut watch) = self.watch.try_lock() {
            (watch.thresholds, watch.monitor) = (thresholds, None);
        }
        self
    }

    /// Takes the time from this clock; the machine's own otherwise. How long the driver may take is real time all the same.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    async fn read(&self) -> Result<GpuView> {
        let late = || {
            Error::new(ErrorKind::Timeout, "control.gpus", "the driver does not answer")
                .with("within", format_args!("{:?}", self.limit))
                .hint("look for a hung driver in the kernel's log; it may need a restart of the machine")
                .retry_later()
        };
        if self.hangs.load(Ordering::Acquire) {
            return Err(late());
        }
        let (clock, hangs) = (Arc::clone(&self.clock), Arc::clone(&self.hangs));
        let asking = async {
            let mut watch = Arc::clone(&self.watch).lock_owned().await;
            let (answer, answered) = oneshot::channel();
            #[expect(
                clippy::disallowed_methods,
                reason = "a pool's thread that hangs would keep its runtime from ending"
            )]
            std::thread::spawn(move || {
                let read = watch.read(&*clock);
                drop(watch);
                hangs.store(false, Ordering::Release);
                drop(answer.send(read));
            });
            answered.await
        };
        match tokio::time::timeout(self.limit, asking).await {
            Ok(Ok(read)) => read,
            Ok(Err(broke)) => {
                Err(Error::new(ErrorKind::Internal, "control.gpus", "reading the GPUs failed").caused_by(broke))
            }
            Err(_) => {
                self.hangs.store(true, Ordering::Release);
                if self.watch.try_lock().is_ok() {
                    // It has come to its end in this very moment.
                    self.hangs.store(false, Ordering::Release);
                }
                Err(late())
            }
        }
    }
}

#[async_trait]
impl Gpus for NodeGpus {
    async fn view(&self) -> Result<GpuView> {
        let read = self.read().await;
        let now = self.clock.monotonic();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (read, &*last) {
            (Ok(view), _) => {
                *last = Some((now, view.clone()));
                Ok(view)
            }
            (Err(error), Some((at, view))) if now.saturating_sub(*at) <= STANDS => {
                tracing::warn!(%error, read = %view.snapshot.at, "the last reading of the GPUs stands");
                Ok(view.clone())
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// What is known of the node from one view to the next.
#[derive(Debug)]
struct Watch {
    node: Node,
    thresholds: Thresholds,
    monitor: Option<Watched>,
    /// Every GPU that was ever there.
    seen: BTreeSet<GpuId>,
    /// When the node was last read anew.
    reread: Duration,
}

struct Watched {
    monitor: Monitor,
    facts: Facts,
    events: Option<Box<dyn Events>>,
    /// What was told before a reading that failed.
    unheard: Vec<Event>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("monitor", &self.monitor).finish_non_exhaustive()
    }
}

impl Watch {
    fn read(&mut self, clock: &dyn Clock) -> Result<GpuView> {
        let (now, begins) = (clock.monotonic(), self.monitor.is_none());
        let mut watched = match self.monitor.take() {
            Some(watched) => watched,
            None => Watched::begin(&self.node, &self.thresholds)?,
        };
        let view = self.read_with(&mut watched, begins, now, clock);
        self.monitor = Some(watched);
        view
    }

    fn read_with(&mut self, watched: &mut Watched, begins: bool, now: Duration, clock: &dyn Clock) -> Result<GpuView> {
        if begins {
            self.reread = now;
        } else if now.saturating_sub(self.reread) >= REREAD {
            self.node = self.node.reread()?;
            watched.facts = facts(&self.node, watched.events.as_deref());
            self.reread = now;
        }
        let events = watched.happened(clock);
        let snapshot = match self.node.snapshot(clock) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                watched.unheard = events;
                return Err(error);
            }
        };
        for change in watched.monitor.observe(snapshot.at, &snapshot, &events, &watched.facts) {
            tracing::info!(%change, "the health of a GPU changed");
        }
        let health = watched.monitor.health(&snapshot);
        let condemned = condemned(&snapshot, &health.cordon(), &mut self.seen);
        Ok(GpuView { snapshot, condemned })
    }
}

impl Watched {
    fn begin(node: &Node, thresholds: &Thresholds) -> Result<Self> {
        let monitor = Monitor::new(thresholds.clone())?;
        let events = match node.events() {
            Ok(events) => Some(events),
            Err(error) => {
                tracing::info!(%error, "the health of the GPUs is judged without events");
                None
            }
        };
        Ok(Self { facts: facts(node, events.as_deref()), monitor, events, unheard: Vec::new() })
    }

    /// What has happened since the last view.
    fn happened(&mut self, clock: &dyn Clock) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.unheard);
        while let Some(listener) = &mut self.events {
            let before = events.len();
            if let Err(error) = listener.wait(Duration::ZERO, clock, &mut events) {
                tracing::warn!(%error, "the driver tells no further events");
                (self.events, self.facts.hears) = (None, crate::gpu::Hears::default());
            }
            if events.len() == before || events.len() >= EVENTS {
                break;
            }
        }
        events
    }
}

/// What the machine says of its GPUs beside the driver; of GPUs that are elsewhere it says nothing.
fn facts(node: &Node, events: Option<&dyn Events>) -> Facts {
    let mut facts = if node.is_here() { Facts::read(Path::new("/")) } else { Facts::default() };
    facts.hears = events.map(Events::hears).unwrap_or_default();
    facts
}

/// The GPUs that must not be used, each with its partitions, and those that are no longer there.
fn condemned(snapshot: &Snapshot, cordons: &[Cordon], seen: &mut BTreeSet<GpuId>) -> BTreeMap<GpuId, String> {
    let mut condemned = BTreeMap::new();
    for state in &snapshot.gpus {
        let partitions = state.gpu.mig.devices.known().into_iter().flatten().map(|device| &device.id);
        let ids = || partitions.clone().chain([&state.gpu.id]).cloned();
        seen.extend(ids());
        if let Some(cordon) = cordons.iter().find(|cordon| cordon.gpu == state.gpu.id) {
            condemned.extend(ids().map(|id| (id, told(cordon))));
        }
    }
    let there: BTreeSet<&GpuId> = snapshot.gpus.iter().map(|state| &state.gpu.id).collect();
    let partitions = snapshot.gpus.iter().filter_map(|state| state.gpu.mig.devices.known()).flatten();
    let there: BTreeSet<&GpuId> = partitions.map(|device| &device.id).chain(there).collect();
    let gone = seen.iter().filter(|id| !there.contains(id));
    condemned.extend(gone.map(|id| (id.clone(), "it is no longer there".to_owned())));
    condemned
}

fn told(cordon: &Cordon) -> String {
    match cordon.until.first() {
        Some(action) => format!("{}; {action}", cordon.reason),
        None => cordon.reason.clone(),
    }
}

#[cfg(test)]
#[cfg(feature = "sim")]
mod tests;
