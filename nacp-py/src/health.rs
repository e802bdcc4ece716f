//! How healthy the GPUs are.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nacp_core::clock::{Clock, SystemClock};
use nacp_core::gpu::health::{self, Change, Condition, Facts, Health, History, Thresholds, Verdict};
use nacp_core::gpu::{self, Event, Hears, Snapshot};
use nacp_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::errors::guard;
use crate::json;
use crate::node::{Node, child};
use crate::number;
use crate::runtime::{forked, wait_blocking};

/// The thresholds of a user, in YAML or JSON; the defaults without any.
fn thresholds(text: Option<&str>) -> Result<Thresholds> {
    text.map_or_else(|| Ok(Thresholds::default()), Thresholds::parse)
}

/// The health of a node as it is now, as JSON; blocks its thread.
pub(crate) fn of_node(node: &gpu::Node, text: Option<&str>) -> Result<String> {
    json::text(&described(&node.health(&SystemClock::new(), &thresholds(text)?)?)?)
}

/// The health of this machine as JSON, also where the driver does not answer. Where a program is given, it touches the
/// driver first, with these arguments, within so many seconds.
#[pyfunction]
#[pyo3(signature = (thresholds, program, arguments, limit))]
pub(crate) fn check_health(
    py: Python<'_>,
    thresholds: Option<String>,
    program: Option<PathBuf>,
    arguments: Vec<String>,
    limit: f64,
) -> PyResult<String> {
    let limit = guard(py, || Ok(number::seconds("limit", limit)?))?;
    wait_blocking(py, move || {
        let thresholds = self::thresholds(thresholds.as_deref())?;
        thresholds.validate()?;
        let found = match program {
            Some(program) => gpu::Node::discover_guarded(&child(program, arguments, limit)),
            None => gpu::Node::discover(),
        };
        json::text(&described(&health::check_found(found, &SystemClock::new(), &thresholds)?)?)
    })
}

/// The default thresholds, as JSON.
#[pyfunction]
pub(crate) fn thresholds_template() -> &'static str {
    Thresholds::TEMPLATE
}

fn described(health: &Health) -> Result<Value> {
    let mut value = json::value(health)?;
    value["conditions"] = Value::Array(health.conditions.iter().map(in_words).collect::<Result<_>>()?);
    value["verdict"] = json::value(&health.overall())?;
    value["summary"] = Value::String(summary(health));
    value["cordon"] = json::value(&health.cordon())?;
    Ok(value)
}

/// The summary, which calls a machine healthy that has nothing only with these words.
fn summary(health: &Health) -> String {
    let nothing = health.gpus.is_empty() && health.origin.driver.is_none() && health.overall() == Verdict::Healthy;
    let summary = health.summary();
    if nothing { format!("no NVIDIA GPU and no driver here; {summary}") } else { summary }
}

/// A condition with a line of text, and what has to be done in words.
fn in_words(condition: &Condition) -> Result<Value> {
    let mut value = json::with_text(condition, condition.to_string())?;
    value["action_text"] = Value::String(condition.action.to_string());
    Ok(value)
}

/// A watch over the health of a node. It belongs to the process that made it.
#[pyclass(frozen, module = "nacp._nacp")]
pub(crate) struct HealthMonitor {
    node: gpu::Node,
    process: u32,
    held: Arc<Mutex<Held>>,
}

struct Held {
    monitor: health::Monitor,
    /// Nothing where the node tells no events, or does not at the moment.
    events: Option<Box<dyn gpu::Events>>,
    /// Whether it may tell some.
    offered: bool,
    /// What was told since the last look.
    heard: Vec<Event>,
    clock: SystemClock,
    seen: Option<Snapshot>,
}

impl std::fmt::Debug for HealthMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthMonitor").field("node", &self.node).finish_non_exhaustive()
    }
}

impl HealthMonitor {
    fn is_here(&self) -> Result<()> {
        if self.process == std::process::id() { Ok(()) } else { Err(forked("gpu.health", self.process)) }
    }

    /// What stood at the last look.
    pub(crate) fn seen(&self, py: Python<'_>) -> PyResult<Option<Health>> {
        self.ask(py, |held| Ok(held.health()))
    }

    fn ask<T: Send>(&self, py: Python<'_>, question: impl FnOnce(&mut Held) -> Result<T> + Send) -> PyResult<T> {
        guard(py, || {
            self.is_here()?;
            Ok(py.detach(|| question(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner)))?)
        })
    }
}

impl Held {
    /// Listens, unless it does or the node tells no events. What fails is tried again at the next look.
    fn listen(&mut self, node: &gpu::Node) {
        if self.events.is_none() && self.offered {
            match node.events() {
                Ok(events) => self.events = Some(events),
                Err(error) => self.offered = error.kind() != ErrorKind::Unsupported,
            }
        }
    }

    /// Reads the node, and tells what changed. That it cannot be read is a condition.
    fn observe(&mut self, node: &gpu::Node) -> Vec<Change> {
        self.listen(node);
        if let Some(events) = &mut self.events
            && events.wait(Duration::ZERO, &self.clock, &mut self.heard).is_err()
        {
            self.events = None;
        }
        let mut facts = if node.is_here() { Facts::read(Path::new("/")) } else { Facts::default() };
        facts.hears = self.events.as_ref().map_or_else(Hears::default, |events| events.hears());
        let snapshot = node.reread().and_then(|node| node.snapshot(&self.clock)).unwrap_or_else(|error| {
            facts = std::mem::take(&mut facts).with_driver_error(&error);
            Snapshot { at: self.clock.wall(), origin: node.origin().clone(), gpus: Vec::new() }
        });
        let changes = self.monitor.observe(snapshot.at, &snapshot, &self.heard, &facts);
        self.heard.clear();
        self.seen = Some(snapshot);
        changes
    }

    fn health(&self) -> Option<Health> {
        self.seen.as_ref().map(|snapshot| self.monitor.health(snapshot))
    }
}

fn past(text: &str) -> Result<History> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorKind::InvalidArgument, "gpu.health", "not the history of a monitor")
            .with("parameter", "history")
            .with("reason", &cause)
            .hint("HealthMonitor.history() tells one")
            .caused_by(cause)
    })
}

fn told(changes: &[Change]) -> Result<String> {
    let parts = changes.iter().map(|change| {
        let word = match change {
            Change::Raised(_) => "raised",
            Change::Updated(_) => "updated",
            Change::Cleared(_) => "cleared",
        };
        Ok(json!({ "change": word, "condition": in_words(change.condition())? }))
    });
    json::text(&parts.collect::<Result<Vec<_>>>()?)
}

#[pymethods]
impl HealthMonitor {
    /// A monitor of this node that knows what an earlier one knew, where its history is given as JSON.
    #[new]
    #[pyo3(signature = (node, thresholds, history))]
    fn new(py: Python<'_>, node: &Node, thresholds: Option<String>, history: Option<String>) -> PyResult<Self> {
        let node = node.0.clone();
        wait_blocking(py, move || {
            let history = history.as_deref().map_or_else(|| Ok(History::default()), past)?;
            let monitor = health::Monitor::with_history(self::thresholds(thresholds.as_deref())?, history)?;
            let clock = SystemClock::new();
            let mut held = Held { monitor, events: None, offered: true, heard: Vec::new(), clock, seen: None };
            held.listen(&node);
            Ok(Self { node, process: std::process::id(), held: Arc::new(Mutex::new(held)) })
        })
    }

    /// Reads the node once and tells what changed, as JSON.
    fn observe(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(self.is_here()?))?;
        let (node, held) = (self.node.clone(), Arc::clone(&self.held));
        wait_blocking(py, move || told(&held.lock().unwrap_or_else(PoisonError::into_inner).observe(&node)))
    }

    /// What stands, as it was seen last, as JSON; None before the first look.
    fn health(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.ask(py, |held| held.health().map(|health| json::text(&described(&health)?)).transpose())
    }

    /// What it knows of Xids and restarts, as JSON.
    fn history(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |held| json::text(held.monitor.history()))
    }

    /// The machine was restarted; what that ended, as JSON.
    fn rebooted(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, |held| told(&held.monitor.rebooted()))
    }

    /// A GPU was reset; what that ended, as JSON.
    fn reset(&self, py: Python<'_>, gpu: &str) -> PyResult<String> {
        self.ask(py, |held| told(&held.monitor.reset(&gpu.parse()?)))
    }

    /// A GPU was taken out; what that ended, as JSON.
    fn forget(&self, py: Python<'_>, gpu: &str) -> PyResult<String> {
        self.ask(py, |held| told(&held.monitor.forget(&gpu.parse()?)))
    }
}

impl Drop for HealthMonitor {
    /// In a forked child the driver's handles are the parent's.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(Arc::clone(&self.held));
        }
    }
}
