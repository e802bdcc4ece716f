//! What subscribers of telemetry are told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nacp_core::gpu::telemetry::{self as core, Update};
use nacp_core::gpu::{Fields, Metric};
use nacp_core::{Error, ErrorKind, Result};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;

use crate::errors::{exception, guard};
use crate::events::described;
use crate::json;
use crate::number;
use crate::runtime::{forked, wait_in_turns};

/// What all GPUs were doing at one tick. It stays native until somebody looks into it.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Frame(Arc<core::Frame>);

#[pymethods]
impl Frame {
    /// When it was read, in microseconds since 1970.
    #[getter]
    fn at(&self) -> i64 {
        self.0.at.as_microsecond()
    }

    /// Which tick it was, from 1.
    #[getter]
    fn tick(&self) -> u64 {
        self.0.tick
    }

    /// The names of the readings that were read at this tick.
    #[getter]
    fn fields(&self) -> Vec<&'static str> {
        Fields::names().filter(|(_, field)| self.0.fields.contains(*field)).map(|(name, _)| name).collect()
    }

    /// A number of each GPU, in the order of the samples; None where it is not known.
    fn values(&self, py: Python<'_>, metric: &str) -> PyResult<Vec<Option<f64>>> {
        guard(py, || {
            let metric: Metric = metric.parse()?;
            Ok(self.0.samples.iter().map(|sample| metric.read(sample)).collect())
        })
    }

    /// A sample of each GPU, as JSON.
    fn samples(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(json::text(&self.0.samples)?))
    }
}

/// What one subscriber has still to be told.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Subscription {
    process: u32,
    held: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    /// Nothing once it is closed.
    open: Option<core::Subscription>,
    next: Option<Update>,
}

impl Subscription {
    pub(crate) fn new(subscription: core::Subscription) -> Self {
        let held = Mutex::new(Told { open: Some(subscription), next: None });
        Self { process: std::process::id(), held }
    }

    fn held(&self) -> Result<MutexGuard<'_, Told>> {
        if self.process != std::process::id() {
            return Err(forked("gpu.telemetry", self.process));
        }
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn listen(&self, limit: Duration) -> Result<bool> {
        let mut held = self.held()?;
        let Told { open, next } = &mut *held;
        let Some(open) = open.as_mut().filter(|_| next.is_none()) else { return Ok(true) };
        match open.next(limit) {
            Ok(update) => *next = Some(update),
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            Err(error) => return Err(error),
        }
        Ok(next.is_some())
    }
}

/// What a subscriber is told, for Python.
#[derive(IntoPyObject)]
enum Taken {
    Frame(Frame),
    Event(String),
    Lagged(u64),
    Failed(Py<PyBaseException>),
}

#[pymethods]
impl Subscription {
    /// Waits until `take` has something to give or nothing more will come, at most this many seconds. False when they
    /// have passed.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        guard(py, || wait_in_turns(py, number::seconds("timeout", seconds)?, |turn| self.listen(turn)))
    }

    /// The next update, if there is one: a `Frame`, an event's JSON, the number of updates that were lost, or the
    /// exception of a source that has begun to fail.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Taken>> {
        guard(py, || {
            let update = py.detach(|| {
                let mut held = self.held()?;
                let Told { open, next } = &mut *held;
                let update = next.take().or_else(|| open.as_mut().and_then(core::Subscription::try_next));
                if matches!(update, Some(Update::Ended)) {
                    *open = None;
                }
                Ok::<_, Error>(update)
            })?;
            Ok(match update {
                Some(Update::Samples(frame)) => Some(Taken::Frame(Frame(frame))),
                Some(Update::Event(event)) => Some(Taken::Event(described(&event)?)),
                Some(Update::Lagged(many)) => Some(Taken::Lagged(many)),
                Some(Update::Error(error)) => Some(Taken::Failed(exception(py, &error)?.into_value(py))),
                _ => None,
            })
        })
    }

    /// Whether nothing more will come, or it was opened by another process.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.held().map_or(true, |held| held.open.is_none() && held.next.is_none()))
    }

    /// Ends the subscription. In a forked child it does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            if let Ok(mut held) = self.held() {
                (held.open, held.next) = (None, None);
            }
        });
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(held.open.take());
        }
    }
}
