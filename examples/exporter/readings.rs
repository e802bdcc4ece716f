//! The latest readings: scrapes that come close together cost one.

use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::{Clock, SystemClock};
use nacp_core::gpu::{Node, Snapshot};
use nacp_core::{Error, ErrorKind};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};

/// For how long a reading is as good as a new one.
const FRESH: Duration = Duration::from_millis(100);

/// A reading, and the one before.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) latest: Arc<Snapshot>,
    pub(crate) before: Option<Arc<Snapshot>>,
}

/// Reads a node when somebody asks.
#[derive(Debug)]
pub(crate) struct Readings {
    node: Node,
    clock: SystemClock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<(Duration, Pair)>,
    /// A reading that is under way. Whoever asked for it may have gone; a driver that hangs is asked once.
    under_way: Option<JoinHandle<Result<Snapshot, Error>>>,
}

impl Readings {
    pub(crate) fn new(node: Node) -> Self {
        Self { node, clock: SystemClock::new(), state: Mutex::default() }
    }

    /// A reading that is fresh.
    pub(crate) async fn get(&self) -> Result<Pair, Error> {
        let mut state = self.state.lock().await;
        let now = self.clock.monotonic();
        if let Some((at, pair)) = &state.last
            && now.saturating_sub(*at) < FRESH
        {
            return Ok(pair.clone());
        }
        let (node, clock) = (self.node.clone(), self.clock);
        let reading = state.under_way.get_or_insert_with(|| spawn_blocking(move || node.snapshot(&clock)));
        let read = reading.await;
        state.under_way = None;
        let latest = read.map_err(|cause| {
            Error::new(ErrorKind::Internal, "exporter.read", "the reading ended before its time").caused_by(cause)
        })??;
        let before = state.last.take().map(|(_, pair)| pair.latest);
        let pair = Pair { latest: Arc::new(latest), before };
        state.last = Some((self.clock.monotonic(), pair.clone()));
        Ok(pair)
    }
}
