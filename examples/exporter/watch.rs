//! What the exporter knows about the GPUs: a poller reads them at its own pace, and a scrape never waits for the driver.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::owner::{Owner, OwnerCache, Processes};
use nacp_core::gpu::telemetry::{Listening, Subscription, Telemetry, TelemetryOptions, Tier, Update};
use nacp_core::gpu::{Event, EventKind, Fields, Node, Snapshot};
use nacp_core::observe::{HostnameLabel, Metrics};
use nacp_core::{Error, ErrorKind};
use tokio::task::spawn_local;
use tokio::time::timeout;

/// How long the first reading may take before the exporter answers without it.
const FIRST: Duration = Duration::from_secs(10);
/// How often at most fields are read that change slowly or are slow to read.
const SLOW: Duration = Duration::from_secs(10);

/// The GPUs of a node, watched.
#[derive(Debug)]
pub(crate) struct Watch {
    telemetry: Telemetry,
    hostname: (HostnameLabel, String),
    /// The last Xid of each GPU.
    xids: Rc<RefCell<Vec<Event>>>,
    owners: RefCell<OwnerCache>,
    scraped: RefCell<Scraped>,
}

/// The readings of the last two scrapes that differ.
#[derive(Debug, Default)]
struct Scraped {
    latest: Option<Rc<Snapshot>>,
    before: Option<Rc<Snapshot>>,
}

impl Watch {
    /// Begins to read the node, and waits for the first reading.
    pub(crate) async fn start(node: Node, every: Duration, hostname: (HostnameLabel, String)) -> Result<Self, Error> {
        // A rate over NVLinks needs their counters at the time of the frame.
        let fast = Fields::FAST | Fields::MEDIUM | Fields::NVLINK;
        let options = TelemetryOptions {
            fast: Tier { every, fields: fast },
            medium: Tier { every, fields: Fields::NONE },
            slow: Tier { every: every.max(SLOW), fields: !fast },
            history: Duration::ZERO,
            ..TelemetryOptions::default()
        };
        let telemetry = Telemetry::start(node, options, Arc::new(SystemClock::new()))?;
        let mut updates = telemetry.subscribe();
        if telemetry.frame().is_none() {
            let _ = timeout(FIRST, updates.recv()).await;
        }
        let xids = Rc::default();
        spawn_local(listen(updates, Rc::clone(&xids)));
        let owners = RefCell::new(OwnerCache::new(Processes::system()));
        Ok(Self { telemetry, hostname, xids, owners, scraped: RefCell::default() })
    }

    /// Whether the GPUs answer.
    pub(crate) fn health(&self) -> Result<(), Error> {
        let status = self.telemetry.status();
        match status.error {
            Some(error) => Err(Error::new(error.kind(), "exporter", error.to_string())),
            None if status.last.is_none() => Err(not_read()),
            None => Ok(()),
        }
    }

    /// What Prometheus is told.
    pub(crate) fn metrics(&self) -> Result<String, Error> {
        let latest = self.telemetry.latest().ok_or_else(not_read)?;
        let mut scraped = self.scraped.borrow_mut();
        if scraped.latest.as_ref().is_none_or(|known| known.at != latest.at) {
            scraped.before = scraped.latest.replace(Rc::new(latest));
        }
        let Scraped { latest: Some(latest), before } = &*scraped else { return Err(not_read()) };

        let status = self.telemetry.status();
        let owners = self.owners(latest);
        let xids = self.xids.borrow();
        let (label, name) = &self.hostname;
        let mut metrics = Metrics::new(latest).hostname(*label, name).owners(&owners).telemetry(&status);
        if let Some(before) = before {
            metrics = metrics.before(before);
        }
        if matches!(status.events, Listening::On) {
            metrics = metrics.events(&xids);
        }
        metrics.render()
    }

    /// Who is behind the processes. Those of a simulated node are not of this machine, whatever their numbers are.
    fn owners(&self, snapshot: &Snapshot) -> Vec<Owner> {
        if snapshot.origin.simulated {
            return Vec::new();
        }
        let processes = snapshot.gpus.iter().filter_map(|state| state.sample.processes.known()).flatten();
        let mut pids: Vec<_> = processes.map(|process| process.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        self.owners.borrow_mut().owners(pids)
    }
}

/// Keeps the last Xid of each GPU.
async fn listen(mut updates: Subscription, xids: Rc<RefCell<Vec<Event>>>) {
    loop {
        match updates.recv().await {
            Update::Event(event) if matches!(event.kind, EventKind::Xid { .. }) => {
                let mut xids = xids.borrow_mut();
                xids.retain(|other| other.gpu != event.gpu);
                xids.push(event);
            }
            Update::Ended => return,
            _ => {}
        }
    }
}

fn not_read() -> Error {
    Error::new(ErrorKind::Timeout, "exporter", "the GPUs have not been read yet").retry_later()
}
