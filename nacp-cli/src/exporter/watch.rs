//! What the exporter knows about the GPUs: a poller reads them at its own pace, and a scrape never waits for the driver.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::health::{Facts, Health, Monitor, Thresholds};
use nacp_core::gpu::owner::{Owner, OwnerCache, Processes};
use nacp_core::gpu::telemetry::{
    Listening, PollerStatus, Subscription, Telemetry, TelemetryOptions, Tier, Update, View,
};
use nacp_core::gpu::{Event, EventKind, Fields, Gpu, Node, Snapshot};
use nacp_core::observe::{HostnameLabel, Metrics};
use nacp_core::{Error, ErrorKind};
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};
use tokio::time::{Instant, timeout};

/// How long the first reading may take before the exporter answers without it.
const FIRST: Duration = Duration::from_secs(10);
/// How often at most fields are read that change slowly or are slow to read, and how often health is looked at.
const SLOW: Duration = Duration::from_secs(10);
/// How soon health is looked at when something has happened.
const SOON: Duration = Duration::from_secs(1);
/// How many events are kept until health is looked at; beyond it the oldest is lost.
const MOST: usize = 1024;
/// Readings that are older than so many periods, and than this, are not told: the driver hangs.
const PERIODS: u32 = 3;
const STALE: Duration = Duration::from_secs(10);
/// How often the inventory and the machine are read anew: partitions and modes can change.
const ANEW: Duration = Duration::from_secs(60);

/// The GPUs of a node, watched.
#[derive(Debug)]
pub(crate) struct Watch {
    telemetry: Telemetry,
    every: Duration,
    hostname: (HostnameLabel, String),
    seen: Rc<RefCell<Seen>>,
    owners: RefCell<OwnerCache>,
    scraped: RefCell<Scraped>,
}

/// What came with the readings.
#[derive(Debug)]
struct Seen {
    gpus: Vec<Gpu>,
    /// The last Xid of each GPU.
    xids: Vec<Event>,
    health: Option<Health>,
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
        let monitor = Monitor::new(Thresholds::default())?;
        let seen = Rc::new(RefCell::new(Seen { gpus: node.gpus().to_vec(), xids: Vec::new(), health: None }));
        let telemetry = Telemetry::start(node, options, Arc::new(SystemClock::new()))?;
        let updates = telemetry.subscribe();
        let mut first = telemetry.subscribe();
        let read = async { while telemetry.frame().is_none() && !matches!(first.recv().await, Update::Ended) {} };
        let _ = timeout(FIRST, read).await;
        let mut follower = Follower::new(telemetry.view().clone(), monitor, Rc::clone(&seen));
        follower.look();
        spawn_local(follower.follow(updates));
        let owners = RefCell::new(OwnerCache::new(Processes::system()));
        Ok(Self { telemetry, every, hostname, seen, owners, scraped: RefCell::default() })
    }

    /// Whether the GPUs answer.
    pub(crate) fn answers(&self) -> Result<(), Error> {
        match self.telemetry.status() {
            PollerStatus { error: Some(error), .. } => Err(Error::new(error.kind(), "exporter", error.to_string())),
            PollerStatus { last: None, .. } => Err(not_read()),
            _ => fresh(self.telemetry.age(), self.every),
        }
    }

    /// What Prometheus is told.
    pub(crate) fn metrics(&self) -> Result<String, Error> {
        fresh(self.telemetry.age(), self.every)?;
        let seen = self.seen.borrow();
        let latest = latest(&self.telemetry, &seen.gpus).ok_or_else(not_read)?;
        let mut scraped = self.scraped.borrow_mut();
        if scraped.latest.as_ref().is_none_or(|known| known.at != latest.at) {
            scraped.before = scraped.latest.take();
        }
        let latest = scraped.latest.insert(Rc::new(latest)).clone();

        let status = self.telemetry.status();
        let owners = self.owners(&latest);
        let (label, name) = &self.hostname;
        let mut metrics = Metrics::new(&latest).hostname(*label, name).owners(&owners).telemetry(&status);
        if let Some(before) = &scraped.before {
            metrics = metrics.before(before);
        }
        if matches!(status.events, Listening::On) {
            metrics = metrics.events(&seen.xids);
        }
        if let Some(health) = &seen.health {
            metrics = metrics.health(health);
        }
        metrics.render()
    }

    /// Who is behind the processes. Those of another machine's GPUs are nobody's here, whatever their numbers are.
    fn owners(&self, snapshot: &Snapshot) -> Vec<Owner> {
        if !self.telemetry.node().is_here() {
            return Vec::new();
        }
        let processes = snapshot.gpus.iter().filter_map(|state| state.sample.processes.known()).flatten();
        let mut pids: Vec<_> = processes.map(|process| process.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        self.owners.borrow_mut().owners(pids)
    }
}

/// The last readings, with the GPUs as they were read last.
fn latest(view: &View, gpus: &[Gpu]) -> Option<Snapshot> {
    let mut snapshot = view.latest()?;
    for state in &mut snapshot.gpus {
        if let Some(gpu) = gpus.iter().find(|gpu| gpu.id == state.gpu.id) {
            state.gpu.clone_from(gpu);
        }
    }
    Some(snapshot)
}

fn not_read() -> Error {
    Error::new(ErrorKind::Timeout, "exporter", "the GPUs have not been read yet").retry_later()
}

/// Whether readings of this age may be told.
fn fresh(age: Option<Duration>, every: Duration) -> Result<(), Error> {
    match age {
        Some(age) if age > STALE.max(every * PERIODS) => {
            let error = Error::new(ErrorKind::Timeout, "exporter", "the driver hangs: the GPUs do not answer");
            Err(error.with("age", format_args!("{}s", age.as_secs())).retry_later())
        }
        _ => Ok(()),
    }
}

/// Follows the poller: keeps Xids, looks at health, reads the inventory anew.
struct Follower {
    view: View,
    monitor: Monitor,
    seen: Rc<RefCell<Seen>>,
    /// What has happened since health was looked at.
    events: Vec<Event>,
    facts: Facts,
    /// Facts and inventory while they are being read: files and the driver may be slow.
    reading: Option<JoinHandle<(Facts, Option<Node>)>>,
    looked: Option<Instant>,
    read: Option<Instant>,
}

impl Follower {
    fn new(view: View, monitor: Monitor, seen: Rc<RefCell<Seen>>) -> Self {
        let facts = Facts::default();
        Self { view, monitor, seen, events: Vec::new(), facts, reading: None, looked: None, read: None }
    }

    /// Looks also while no readings come: a driver that hangs can still tell events.
    async fn follow(mut self, mut updates: Subscription) {
        loop {
            match timeout(SOON, updates.recv()).await {
                Ok(Update::Event(event)) => self.hear(event),
                Ok(Update::Samples(_)) => self.read_anew().await,
                Ok(Update::Ended) => return,
                _ => {}
            }
            let pause = if self.events.is_empty() { SLOW } else { SOON };
            if self.looked.is_none_or(|looked| looked.elapsed() >= pause) {
                self.look();
            }
        }
    }

    fn hear(&mut self, event: Event) {
        if matches!(event.kind, EventKind::Xid { .. }) {
            let mut seen = self.seen.borrow_mut();
            seen.xids.retain(|other| other.gpu != event.gpu);
            seen.xids.push(event.clone());
        }
        if self.events.len() == MOST {
            self.events.remove(0);
        }
        self.events.push(event);
    }

    /// Begins to read inventory and machine when that is due, and takes over what has been read. One that hangs is not
    /// begun again.
    async fn read_anew(&mut self) {
        if let Some(reading) = self.reading.take_if(|reading| reading.is_finished())
            && let Ok((facts, node)) = reading.await
        {
            self.facts = facts;
            self.looked = None;
            if let Some(node) = node {
                self.seen.borrow_mut().gpus = node.gpus().to_vec();
            }
        }
        if self.reading.is_none() && self.read.is_none_or(|read| read.elapsed() >= ANEW) {
            self.read = Some(Instant::now());
            let node = self.view.node().clone();
            // The machine says nothing about GPUs that are not its own.
            self.reading = Some(spawn_blocking(move || match node.is_here() {
                true => (Facts::read(Path::new("/")), node.reread().ok()),
                false => (Facts::default(), node.reread().ok()),
            }));
        }
    }

    fn look(&mut self) {
        let mut seen = self.seen.borrow_mut();
        let Some(snapshot) = latest(&self.view, &seen.gpus) else { return };
        let status = self.view.status();
        let mut facts = self.facts.clone();
        facts.hears = status.hears;
        if let Some(error) = &status.error {
            facts = facts.with_driver_error(error);
        }
        self.monitor.observe(snapshot.at, &snapshot, &self.events, &facts);
        self.events.clear();
        seen.health = Some(self.monitor.health(&snapshot));
        self.looked = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use nacp_core::Result;
    use nacp_core::clock::{Clock, ManualClock};
    use nacp_core::gpu::{Origin, Sample, Source, Via};

    use super::*;

    #[test]
    fn readings_are_told_until_they_are_several_periods_old() {
        let seconds = Duration::from_secs;
        assert!(fresh(None, seconds(1)).is_ok() && fresh(Some(seconds(10)), seconds(1)).is_ok());
        let error = fresh(Some(seconds(11)), seconds(1)).unwrap_err();
        assert_eq!(error.to_string(), "the driver hangs: the GPUs do not answer: age=11s");
        assert!(fresh(Some(seconds(90)), seconds(30)).is_ok() && fresh(Some(seconds(91)), seconds(30)).is_err());
    }

    /// A source without GPUs that hangs from its second answer on.
    #[derive(Debug)]
    struct Hangs(Origin, AtomicBool);

    impl Source for Hangs {
        fn origin(&self) -> &Origin {
            &self.0
        }

        fn inventory(&self) -> Result<Vec<Gpu>> {
            Ok(Vec::new())
        }

        fn sample(&self, _: Fields, _: &mut Vec<Sample>) -> Result<()> {
            while self.1.swap(true, Ordering::Relaxed) {
                std::thread::park();
            }
            Ok(())
        }
    }

    #[test]
    fn a_driver_that_hangs_is_told_instead_of_old_readings_and_events_do_not_pile_up() {
        let origin = Origin { simulated: true, name: "hangs".into(), driver: None, cuda: None };
        let node = Node::from_source(Arc::new(Hangs(origin, AtomicBool::new(false)))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        let (every, hostname) = (Duration::from_secs(1), (HostnameLabel::None, String::new()));
        let mut watch = local.block_on(&runtime, Watch::start(node.clone(), every, hostname)).unwrap();
        assert!(watch.answers().is_ok() && watch.metrics().is_ok());
        let clock = Arc::new(ManualClock::default());
        let options = TelemetryOptions { history: Duration::ZERO, ..TelemetryOptions::default() };
        watch.telemetry = Telemetry::start(node, options, Arc::clone(&clock) as _).unwrap();
        assert_eq!(watch.answers().unwrap_err().kind(), ErrorKind::Timeout, "it never answered");
        let mut follower = Follower::new(
            watch.telemetry.view().clone(),
            Monitor::new(Thresholds::default()).unwrap(),
            Rc::clone(&watch.seen),
        );
        for _ in 0..2 * MOST {
            let kind = EventKind::Xid { code: 79, detail: String::new() };
            follower.hear(Event::new(SystemClock::new().wall(), None, kind, Via::Simulated));
        }
        assert_eq!(follower.events.len(), MOST);
    }
}
