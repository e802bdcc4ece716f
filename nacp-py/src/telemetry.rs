//! Telemetry: the poller of the core, and what it tells.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::record::RecordOptions;
use nacp_core::gpu::telemetry::{self as core, EnergyBy, Listening, TelemetryOptions, Tier, View};
use nacp_core::gpu::{self, Fields, GpuId, Metric, MetricKind, Reading};
use nacp_core::{Bytes, Error, ErrorKind, Result};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::errors::guard;
use crate::health::HealthMonitor;
use crate::history::History;
use crate::json;
use crate::metrics::Page;
use crate::number;
use crate::record::Recording;
use crate::runtime::{forked, wait_blocking, wait_in_turns};
use crate::subscription::Subscription;

/// How long closing waits for a source that does not answer.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often a caller looks whether the first tick is there.
const GLANCE: Duration = Duration::from_millis(2);

/// A running poller. It belongs to the process that started it: a forked child has none of its threads.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Telemetry {
    view: View,
    held: Arc<Mutex<Option<core::Telemetry>>>,
    /// Told apart from `held`, which closing and recording keep locked for as long as a source takes.
    closed: AtomicBool,
    process: u32,
}

/// How often to read, and how much to keep.
pub(crate) struct Pace {
    pub(crate) fast: Option<f64>,
    pub(crate) medium: Option<f64>,
    pub(crate) slow: Option<f64>,
    /// The fields of each tier, where they are not the usual ones.
    pub(crate) own: [Option<String>; 3],
    pub(crate) history: f64,
    pub(crate) memory: u64,
    pub(crate) buffer: usize,
}

impl Pace {
    fn options(&self, fields: Fields) -> Result<TelemetryOptions> {
        let tier = |name, every: Option<f64>, own: &Option<String>, usual: Fields| {
            let every = every.map(|every| number::seconds(name, every)).transpose()?;
            let own = own.as_deref().map_or(Ok(usual), str::parse)?;
            let fields = if every.is_some() { own & fields } else { Fields::NONE };
            Ok::<_, Error>(Tier { every: every.unwrap_or_default(), fields })
        };
        let [fast, medium, slow] = &self.own;
        Ok(TelemetryOptions {
            fast: tier("fast", self.fast, fast, Fields::FAST)?,
            medium: tier("medium", self.medium, medium, Fields::MEDIUM)?,
            slow: tier("slow", self.slow, slow, Fields::SLOW)?,
            history: number::seconds("history", self.history)?,
            memory: Bytes(self.memory),
            buffer: self.buffer,
        })
    }
}

impl Telemetry {
    pub(crate) fn start(py: Python<'_>, node: &gpu::Node, pace: &Pace, fields: &str) -> PyResult<Self> {
        let node = node.clone();
        let options = guard(py, || Ok(pace.options(fields.parse()?)?))?;
        let started = wait_blocking(py, move || core::Telemetry::start(node, options, Arc::new(SystemClock::new())))?;
        let (view, held) = (started.view().clone(), Arc::new(Mutex::new(Some(started))));
        Ok(Self { view, held, closed: AtomicBool::new(false), process: std::process::id() })
    }

    fn view(&self) -> Result<&View> {
        if self.process == std::process::id() { Ok(&self.view) } else { Err(forked("gpu.telemetry", self.process)) }
    }

    fn held(&self) -> MutexGuard<'_, Option<core::Telemetry>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The GPU that is meant: the only one, where none is named.
    fn gpu(&self, named: Option<&str>) -> Result<GpuId> {
        match (named, self.view.node().gpus()) {
            (Some(id), _) => id.parse(),
            (None, [only]) => Ok(only.id.clone()),
            (None, gpus) => {
                let known: Vec<_> = gpus.iter().map(|gpu| gpu.id.as_str()).collect();
                Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "gpu.telemetry",
                    "there are several GPUs, and none is named",
                )
                .with("known", known.join(","))
                .hint("name one: gpu=\"GPU-…\""))
            }
        }
    }
}

#[pymethods]
impl Telemetry {
    /// Waits for the first reading, so many seconds at most.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        guard(py, || {
            let view = self.view()?;
            wait_in_turns(py, number::seconds("wait", seconds)?, |turn| {
                if view.frame().is_none() {
                    std::thread::sleep(turn.min(GLANCE));
                }
                Ok(view.frame().is_some())
            })
        })
    }

    /// The last readings as a snapshot, as JSON; None before the first.
    fn latest(&self, py: Python<'_>) -> PyResult<Option<String>> {
        guard(py, || Ok(self.view()?.latest().map(|snapshot| json::text(&snapshot)).transpose()?))
    }

    /// The figures of a number over the last seconds, as JSON.
    #[pyo3(signature = (metric, gpu, last))]
    fn window(&self, py: Python<'_>, metric: &str, gpu: Option<&str>, last: f64) -> PyResult<String> {
        guard(py, || {
            let (view, metric, over) = (self.view()?, metric.parse::<Metric>()?, number::seconds("last", last)?);
            let gpu = self.gpu(gpu)?;
            let core::Window {
                from,
                to,
                count,
                unknown,
                first,
                last,
                min,
                max,
                mean,
                p50,
                p99,
                delta,
                rate,
                resets,
                ..
            } = view.window(&gpu, metric, over)?;
            Ok(json::text(&json!({
                "gpu": gpu, "metric": metric.name(), "unit": metric.unit(), "from": from, "to": to,
                "count": count, "missing": unknown, "first": first, "last": last, "min": min, "max": max,
                "mean": mean, "p50": p50, "p99": p99, "delta": delta, "rate": rate,
                "resets": (metric.kind() == MetricKind::Counter).then_some(resets),
            }))?)
        })
    }

    /// The energy that a GPU used in the last seconds, as JSON.
    #[pyo3(signature = (gpu, last))]
    fn energy(&self, py: Python<'_>, gpu: Option<&str>, last: f64) -> PyResult<String> {
        guard(py, || {
            let gpu = self.gpu(gpu)?;
            let by = |by| match by {
                EnergyBy::Counter => "counter",
                _ => "power",
            };
            Ok(json::text(&match self.view()?.energy(&gpu, number::seconds("last", last)?)? {
                Reading::Known(energy) => json!({
                    "gpu": gpu, "joules": energy.joules, "seconds": energy.over.as_secs_f64(), "by": by(energy.by),
                }),
                Reading::Unknown(reason) => {
                    let unknown = json!({ "unknown": reason.to_string() });
                    json!({ "gpu": gpu, "joules": unknown, "seconds": unknown, "by": unknown })
                }
            })?)
        })
    }

    /// The readings that are kept: of these numbers and GPUs, where they are named, and of the last seconds.
    #[pyo3(signature = (metrics, gpus, last))]
    fn history(
        &self,
        py: Python<'_>,
        metrics: Option<Vec<String>>,
        gpus: Option<Vec<String>>,
        last: Option<f64>,
    ) -> PyResult<History> {
        guard(py, || {
            let view = self.view()?;
            let metrics = match metrics {
                Some(names) => names.iter().map(|name| name.parse()).collect::<Result<_>>()?,
                None => view.metrics(),
            };
            let gpus = gpus.map(|ids| ids.iter().map(|id| id.parse()).collect::<Result<Vec<_>>>()).transpose()?;
            let last = last.map(|last| number::seconds("last", last)).transpose()?;
            Ok(py.detach(|| History::read(view, &metrics, gpus.as_deref(), last))?)
        })
    }

    /// How the poller fares, as JSON.
    fn status(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(json::text(&status(self.view()?))?))
    }

    /// The last readings as Prometheus text, with how the poller fares; None before the first.
    #[pyo3(signature = (hostname, label, monitor, processes))]
    fn render(
        &self,
        py: Python<'_>,
        hostname: Option<String>,
        label: &str,
        monitor: Option<&HealthMonitor>,
        processes: bool,
    ) -> PyResult<Option<String>> {
        let view = guard(py, || Ok(self.view()?.clone()))?;
        let page = Page::new(py, hostname, label, monitor, processes)?;
        wait_blocking(py, move || {
            view.latest().map(|snapshot| page.render(view.node(), &snapshot, Some(&view.status()))).transpose()
        })
    }

    /// The names of the numbers that are read.
    fn metrics(&self) -> Vec<&'static str> {
        self.view.metrics().into_iter().map(Metric::name).collect()
    }

    /// Begins to be told every reading and every event from now on.
    fn subscribe(&self, py: Python<'_>) -> PyResult<Subscription> {
        guard(py, || Ok(Subscription::new(self.view()?.subscribe())))
    }

    /// Records every reading and every event from now on to a new file.
    fn record(&self, py: Python<'_>, path: PathBuf, scrub: bool, level: i32) -> PyResult<Recording> {
        guard(py, || Ok(self.view().map(drop)?))?;
        let held = Arc::clone(&self.held);
        wait_blocking(py, move || {
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            let telemetry = held.as_ref().ok_or_else(|| {
                Error::new(ErrorKind::Conflict, "gpu.record", "the telemetry has ended").with("path", path.display())
            })?;
            Ok(Recording::new(telemetry.record_to(&path, RecordOptions { scrub, level })?))
        })
    }

    /// Whether it has ended, or was started by another process.
    #[getter]
    fn closed(&self) -> bool {
        self.view().is_err() || self.closed.load(Ordering::Acquire)
    }

    /// Ends it. What was read can still be asked for. In a forked child it does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        guard(py, || {
            if self.view().is_ok() {
                py.detach(|| {
                    self.closed.store(true, Ordering::Release);
                    let held = self.held().take();
                    held.map_or(Ok(()), |telemetry| telemetry.stop(FAREWELL))
                })?;
            }
            Ok(())
        })
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(Arc::clone(&self.held));
            std::mem::forget(self.view.clone());
        }
    }
}

fn status(view: &View) -> Value {
    let status = view.status();
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    let (events, why) = match &status.events {
        Listening::On => ("on", None),
        Listening::NotOffered(error) => ("not_offered", Some(error.to_string())),
        Listening::Failing(error) => ("failing", Some(error.to_string())),
        _ => ("off", None),
    };
    json!({
        "ticks": status.ticks, "missed": status.missed, "errors": status.errors,
        "error": status.error.map(|error| error.to_string()), "last": status.last,
        "last_duration": seconds(status.last_duration), "longest_duration": seconds(status.longest_duration),
        "events": events, "hears": status.hears, "events_error": why, "subscribers": status.subscribers, "lagged": status.lagged,
    })
}
