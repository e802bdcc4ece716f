//! The world around the loop: an engine with its containers, GPUs, programs that start and fail, and strangers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use nacp_core::engine::{EngineEvent, labels};
use nacp_core::{Error, ErrorKind, Result};

use crate::faults::{Counts, Fault, Mask};
use crate::rng::Rng;
use crate::time::Time;
use crate::trace::Trace;

mod container;
mod effect;
mod gpus;
mod happen;
mod wanted;

pub(crate) use container::{Held, Replica};
pub(crate) use effect::{Answer, Effect};
pub(crate) use gpus::SimGpu;
pub(crate) use happen::Happening;
pub(crate) use wanted::Desire;

/// A program with a control plane in it: the same program after a crash has another life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) program: usize,
    pub(crate) life: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}.{}", self.program, self.life)
    }
}

/// What must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The name of what was violated.
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

/// What the world asks of the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A program is killed where it stands.
    Crash(usize),
}

/// Who listens to the engine's events.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    pub(crate) events: VecDeque<EngineEvent>,
    pub(crate) waker: Option<Waker>,
    pub(crate) closed: bool,
}

/// How often things go wrong, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// Per call of the engine.
    pub(crate) call: u64,
    /// Per start of a program.
    pub(crate) program: u64,
    /// Per event.
    pub(crate) event: u64,
}

/// Everything that the loop can see or touch.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) time: Arc<Time>,
    pub(crate) rng: Rng,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
    pub(crate) mask: Mask,
    pub(crate) rates: Rates,
    /// Whether things still go wrong.
    pub(crate) chaos: bool,
    pub(crate) containers: BTreeMap<String, Held>,
    pub(crate) images: BTreeSet<String>,
    pub(crate) networks: BTreeSet<String>,
    pub(crate) gpus: Vec<SimGpu>,
    pub(crate) watchers: BTreeMap<u64, Watcher>,
    pub(crate) agenda: BTreeMap<(Duration, u64), Happening>,
    /// Until when the engine does not answer.
    pub(crate) down: Option<Duration>,
    /// Services whose programs end at once, until then.
    pub(crate) crashing: BTreeMap<(String, String), Duration>,
    /// Who keeps which app.
    pub(crate) leases: BTreeMap<String, Who>,
    /// What each program is told to keep.
    pub(crate) desires: Vec<Desire>,
    pub(crate) requests: Vec<Request>,
    pub(crate) violation: Option<Violation>,
    /// Whether something changed since the invariants were last looked at.
    pub(crate) dirty: bool,
    /// Calls that the loop began: all, and those that change something.
    pub(crate) calls: u64,
    pub(crate) changes: u64,
    /// For each replica of each app, what it has ever been.
    pub(crate) history: BTreeMap<(String, String, u32), Past>,
    /// Since when the promises on a GPU are more than it has.
    pub(crate) overbooked: BTreeMap<usize, Duration>,
    /// How many replicas of a service must be ready while it is updated and nothing goes wrong.
    pub(crate) least: BTreeMap<(String, String), usize>,
    /// The containers to which a program's router sends nothing more, by program and name.
    pub(crate) withdrawn: BTreeMap<(usize, String), String>,
    next: u64,
}

/// What a replica has been at least once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    pub(crate) started: bool,
    pub(crate) ready: bool,
    pub(crate) completed: bool,
}

impl World {
    pub(crate) fn new(time: Arc<Time>, rng: Rng, mask: Mask) -> Self {
        Self {
            time,
            rng,
            trace: Trace::default(),
            counts: Counts::default(),
            mask,
            rates: Rates::default(),
            chaos: true,
            containers: BTreeMap::new(),
            images: BTreeSet::new(),
            networks: BTreeSet::new(),
            gpus: Vec::new(),
            watchers: BTreeMap::new(),
            agenda: BTreeMap::new(),
            down: None,
            crashing: BTreeMap::new(),
            leases: BTreeMap::new(),
            desires: Vec::new(),
            requests: Vec::new(),
            violation: None,
            dirty: false,
            calls: 0,
            changes: 0,
            history: BTreeMap::new(),
            overbooked: BTreeMap::new(),
            least: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.time.now()
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn tell(&mut self, line: fmt::Arguments<'_>) {
        let now = self.time.now();
        self.trace.write(now, line);
    }

    /// Whether a fault of this class happens now. Chance is drawn also where the class is switched off, so that the rest
    /// of the run stays as like as can be.
    pub(crate) fn fault(&mut self, fault: Fault, per_mille: u64) -> bool {
        let drawn = self.rng.chance(per_mille);
        let happens = drawn && self.chaos && self.mask.allows(fault);
        if happens {
            self.counts.add(fault.name());
        }
        happens
    }

    pub(crate) fn schedule(&mut self, after: Duration, happening: Happening) {
        let key = (self.now() + after, self.number());
        self.agenda.insert(key, happening);
    }

    pub(crate) fn violate(&mut self, invariant: &'static str, what: String) {
        if self.violation.is_none() {
            self.tell(format_args!("!!! {invariant}: {what}"));
            self.violation = Some(Violation { invariant, what });
        }
    }

    /// Tells the watchers what happened to a container.
    pub(crate) fn announce(&mut self, id: &str, change: nacp_core::engine::Change) {
        let Some(held) = self.containers.get(id) else { return };
        let Some(app) = held.labels.get(labels::APP).cloned() else { return };
        let event = EngineEvent::new(app, held.name.clone(), nacp_core::engine::ContainerId(id.to_owned()), change);
        let watchers: Vec<_> = self.watchers.keys().copied().collect();
        for watcher in watchers {
            let rate = self.rates.event;
            if self.fault(Fault::EventLost, rate) {
                continue;
            }
            let twice = self.fault(Fault::EventTwice, rate);
            for _ in 0..=u32::from(twice) {
                let late = self.fault(Fault::EventLate, rate);
                let delay = if late { self.rng.millis(500..20_000) } else { self.rng.millis(0..30) };
                self.schedule(delay, Happening::Deliver(watcher, event.clone()));
            }
        }
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.is_some_and(|until| self.now() < until)
    }
}

pub(crate) fn unavailable(operation: &'static str) -> Error {
    Error::new(ErrorKind::EngineUnavailable, operation, "the engine does not answer").retry_later()
}

pub(crate) fn timeout(operation: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, operation, "no answer in time").retry_later()
}

pub(crate) fn missing(operation: &'static str, id: &str) -> Error {
    Error::new(ErrorKind::NotFound, operation, "no such container").with("container", id)
}

pub(crate) fn find<'a>(
    containers: &'a mut BTreeMap<String, Held>,
    operation: &'static str,
    id: &str,
) -> Result<&'a mut Held> {
    containers.get_mut(id).ok_or_else(|| missing(operation, id))
}
