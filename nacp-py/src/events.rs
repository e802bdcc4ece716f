//! Waiting for what happens to the GPUs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nacp_core::Error;
use nacp_core::clock::SystemClock;
use nacp_core::gpu::{self, Event};
use pyo3::prelude::*;

use crate::errors::guard;
use crate::json;
use crate::number;
use crate::runtime::{forked, wait_in_turns};

/// A wait for events. It belongs to the process that opened it.
#[pyclass(frozen, module = "nacp._nacp")]
pub(crate) struct Events {
    process: u32,
    clock: SystemClock,
    held: Mutex<Held>,
}

/// What is listened to, nothing once it is closed, and what came and was not taken yet.
struct Held {
    open: Option<Box<dyn gpu::Events>>,
    came: VecDeque<Event>,
    buffer: Vec<Event>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn new(open: Box<dyn gpu::Events>) -> Self {
        let held = Held { open: Some(open), came: VecDeque::new(), buffer: Vec::new() };
        Self { process: std::process::id(), clock: SystemClock::new(), held: Mutex::new(held) }
    }

    fn held(&self) -> Result<MutexGuard<'_, Held>, Error> {
        if self.process != std::process::id() {
            return Err(forked("gpu.events", self.process));
        }
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits once, unless something is there already. Whether something is there, or it is closed.
    fn listen(&self, limit: Duration) -> Result<bool, Error> {
        let mut held = self.held()?;
        let Held { open, came, buffer } = &mut *held;
        let Some(open) = open.as_mut().filter(|_| came.is_empty()) else { return Ok(true) };
        let outcome = open.wait(limit, &self.clock, buffer);
        came.extend(buffer.drain(..));
        outcome.map(|()| !came.is_empty())
    }
}

/// An event as JSON with a line of text.
pub(crate) fn described(event: &Event) -> Result<String, Error> {
    json::text(&json::with_text(event, event.kind.to_string())?)
}

#[pymethods]
impl Events {
    /// Waits until `take` has something to give or nothing more will come, at most this many seconds. False when they
    /// have passed.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        guard(py, || wait_in_turns(py, number::seconds("timeout", seconds)?, |turn| self.listen(turn)))
    }

    /// The event that came first of those that were not taken yet, as JSON with a line of text.
    fn take(&self, py: Python<'_>) -> PyResult<Option<String>> {
        guard(py, || {
            let event = py.detach(|| self.held().map(|mut held| held.came.pop_front()))?;
            Ok(event.map(|event| described(&event)).transpose()?)
        })
    }

    /// Whether it has been closed, or was opened by another process.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.held().map_or(true, |held| held.open.is_none()))
    }

    /// Stops listening. What came before can still be taken. In a forked child it does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            if let Ok(mut held) = self.held() {
                held.open = None;
            }
        });
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(held.open.take());
        }
    }
}
