//! Everything that may be said when GPUs are asked for.

use std::collections::BTreeMap;

use super::{BestFit, Placement, Running, Strategy};
use crate::error::Result;
use crate::gpu::{GpuId, Pair, Snapshot};
use crate::service::App;

/// A question for the GPUs of an app's replicas. Only app and snapshot are needed.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
/// use nacp_core::clock::SystemClock;
/// use nacp_core::placement::{Request, Spread};
/// use nacp_core::service::{App, GpuNeed, Service};
/// use nacp_core::{Bytes, gpu, sim};
///
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
/// let snapshot = node.snapshot(&SystemClock::new())?;
/// let app = App::new("a").service("llm", Service::new("image").gpu(GpuNeed::memory(Bytes::gib(3))));
/// let first = snapshot.gpus[0].gpu.id.clone();
/// let condemned = BTreeMap::from([(first.clone(), "it fell off the bus".to_owned())]);
/// let placements = Request::new(&app, &snapshot).condemned(&condemned).strategy(&Spread).plan()?;
/// assert_ne!(placements[0].gpus, [first]);
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The app.
    pub app: &'a App,
    /// The GPUs as they are now.
    pub snapshot: &'a Snapshot,
    /// The promises that stand, of all apps.
    pub running: &'a [Running],
    /// GPUs that get no replica, and that no replica of this app stays on, each with the reason. A GPU's id stands for
    /// its partitions too.
    pub condemned: &'a BTreeMap<GpuId, String>,
    /// Which of the GPUs that will do is taken.
    pub strategy: &'a dyn Strategy,
    /// What the driver tells of each two GPUs ([`Node::pairs`](crate::gpu::Node::pairs)). Without it the topology is what
    /// the GPUs tell of their own NVLinks and of the memory near them.
    pub pairs: &'a [Pair],
}

static NONE_CONDEMNED: BTreeMap<GpuId, String> = BTreeMap::new();

impl<'a> Request<'a> {
    /// Asks for the GPUs of this app on a node where nothing runs, by [`BestFit`].
    pub fn new(app: &'a App, snapshot: &'a Snapshot) -> Self {
        Self { app, snapshot, running: &[], condemned: &NONE_CONDEMNED, strategy: &BestFit, pairs: &[] }
    }

    /// Tells what has been promised already.
    #[must_use]
    pub fn running(mut self, running: &'a [Running]) -> Self {
        self.running = running;
        self
    }

    /// Tells which GPUs are out of use, and why.
    #[must_use]
    pub fn condemned(mut self, condemned: &'a BTreeMap<GpuId, String>) -> Self {
        self.condemned = condemned;
        self
    }

    /// Chooses among the GPUs that will do.
    #[must_use]
    pub fn strategy(mut self, strategy: &'a dyn Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Tells what lies between the GPUs.
    #[must_use]
    pub fn pairs(mut self, pairs: &'a [Pair]) -> Self {
        self.pairs = pairs;
        self
    }

    /// Gives each replica of the app its GPUs.
    ///
    /// Replicas that run already (found in `running` by app, service and number) stay where they are as long as their
    /// GPUs answer, are not condemned and their need has not changed. Of several containers of one replica that could
    /// stay, the last in `running` is the replica. The others are placed in the order of priority, then of memory; one
    /// that has ended goes back to its GPUs if there is room for it.
    ///
    /// A replica whose memory is `auto` is promised all that is free on the GPU with the most of it, and needs a GPU on
    /// which nothing else is promised: nobody knows yet what it will take.
    ///
    /// A partition (`mig`) is given to one replica, and a GPU that is partitioned is not given as a whole. Partitions
    /// that share the memory of one GPU instance share one account.
    ///
    /// # Errors
    /// [`ResourceExhausted`](crate::ErrorKind::ResourceExhausted) when a replica fits nowhere, with the reason for each
    /// GPU and with what would help.
    pub fn plan(&self) -> Result<Vec<Placement>> {
        super::plan::answer(self)
    }
}
