//! How healthy the GPUs are.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::health::{self, Change, Facts, Health, Thresholds};
use nacp_core::gpu::{self, Event, Hears, Snapshot};
use nacp_core::{ErrorKind, Result};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::errors::guard;
use crate::json;
use crate::node::Node;
use crate::runtime::{forked, wait_blocking};

/// The thresholds of a user, in YAML or JSON; the defaults without any.
fn thresholds(text: Option<&str>) -> Result<Thresholds> {
    text.map_or_else(|| Ok(Thresholds::default()), Thresholds::parse)
}

/// The health of a node as it is now, as JSON; blocks its thread.
pub(crate) fn of_node(node: &gpu::Node, text: Option<&str>) -> Result<String> {
    json::text(&described(&node.health(&SystemClock::new(), &thresholds(text)?)?)?)
}

/// The health of this machine as JSON, also where the driver does not answer.
#[pyfunction]
#[pyo3(signature = (thresholds))]
pub(crate) fn check_health(py: Python<'_>, thresholds: Option<String>) -> PyResult<String> {
    wait_blocking(py, move || {
        let thresholds = self::thresholds(thresholds.as_deref())?;
        json::text(&described(&health::check(&SystemClock::new(), &thresholds)?)?)
    })
}

/// The default thresholds, as JSON.
#[pyfunction]
pub(crate) fn thresholds_template() -> &'static str {
    Thresholds::TEMPLATE
}

fn described(health: &Health) -> Result<Value> {
    let mut value = json::value(health)?;
    let texts = health.conditions.iter().map(ToString::to_string);
    let conditions = health.conditions.iter().zip(texts).map(|(condition, text)| json::with_text(condition, text));
    value["conditions"] = Value::Array(conditions.collect::<Result<_>>()?);
    value["verdict"] = json::value(&health.overall())?;
    value["summary"] = Value::String(health.summary());
    value["cordon"] = json::value(&health.cordon())?;
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

    /// Reads the node, and tells what changed.
    fn observe(&mut self, node: &gpu::Node) -> Result<Vec<Change>> {
        let mut heard: Vec<Event> = Vec::new();
        self.listen(node);
        if let Some(events) = &mut self.events
            && events.wait(Duration::ZERO, &self.clock, &mut heard).is_err()
        {
            self.events = None;
        }
        let snapshot = node.reread()?.snapshot(&self.clock)?;
        let mut facts = if node.is_here() { Facts::read(Path::new("/")) } else { Facts::default() };
        facts.hears = self.events.as_ref().map_or_else(Hears::default, |events| events.hears());
        let changes = self.monitor.observe(snapshot.at, &snapshot, &heard, &facts);
        self.seen = Some(snapshot);
        Ok(changes)
    }
}

fn told(changes: &[Change]) -> Result<String> {
    let parts = changes.iter().map(|change| {
        let word = match change {
            Change::Raised(_) => "raised",
            Change::Updated(_) => "updated",
            Change::Cleared(_) => "cleared",
        };
        let condition = change.condition();
        Ok(json!({ "change": word, "condition": json::with_text(condition, condition.to_string())? }))
    });
    json::text(&parts.collect::<Result<Vec<_>>>()?)
}

#[pymethods]
impl HealthMonitor {
    /// A monitor of this node that knows of nothing yet.
    #[new]
    #[pyo3(signature = (node, thresholds))]
    fn new(py: Python<'_>, node: &Node, thresholds: Option<String>) -> PyResult<Self> {
        let node = node.0.clone();
        wait_blocking(py, move || {
            let monitor = health::Monitor::new(self::thresholds(thresholds.as_deref())?)?;
            let mut held = Held { monitor, events: None, offered: true, clock: SystemClock::new(), seen: None };
            held.listen(&node);
            Ok(Self { node, process: std::process::id(), held: Arc::new(Mutex::new(held)) })
        })
    }

    /// Reads the node once and tells what changed, as JSON.
    fn observe(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(self.is_here()?))?;
        let (node, held) = (self.node.clone(), Arc::clone(&self.held));
        wait_blocking(py, move || told(&held.lock().unwrap_or_else(PoisonError::into_inner).observe(&node)?))
    }

    /// What stands, as it was seen last, as JSON; None before the first look.
    fn health(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.ask(py, |held| {
            let health = held.seen.as_ref().map(|snapshot| held.monitor.health(snapshot));
            health.map(|health| json::text(&described(&health)?)).transpose()
        })
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
