//! An app that is brought up or kept in the background, and what is told of it meanwhile.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nacp_core::control::{Event, Listener, Wanted};
use nacp_core::gpu::GpuId;
use nacp_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::errors::{Failure, guard};
use crate::json;
use crate::number::{self, number};
use crate::runtime::{forked, lost, on_runtime, spawn, wait_in_turns};

/// Work that goes on in the background: an `apply`, or the keeping of an app. What it tells is taken one by one; when it is
/// over, it has a result.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Work {
    process: u32,
    /// Of which app it is told.
    app: String,
    wanted: Option<Wanted>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// Nothing once it is closed.
    listener: Option<Listener>,
    next: Option<Event>,
    /// Nothing once it is over.
    task: Option<JoinHandle<Result<String>>>,
    /// How it ended; taken by whoever asks.
    result: Option<Result<String>>,
}

impl Work {
    /// Starts the work; `listener` was made before, so that nothing of it is missed.
    pub(crate) fn start(
        app: &str,
        listener: Listener,
        wanted: Option<Wanted>,
        work: impl Future<Output = Result<String>> + Send + 'static,
    ) -> Result<Self> {
        let held = Held { listener: Some(listener), next: None, task: Some(spawn(work)?), result: None };
        Ok(Self { process: std::process::id(), app: app.to_owned(), wanted, held: Mutex::new(held) })
    }

    fn held(&self) -> Result<MutexGuard<'_, Held>> {
        if self.process != std::process::id() {
            return Err(forked("control.work", self.process));
        }
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wanted(&self) -> Result<&Wanted> {
        drop(self.held()?);
        self.wanted.as_ref().ok_or_else(|| Error::new(ErrorKind::Conflict, "control.keep", "nothing is kept here"))
    }

    /// Whether there is something to take, or it is over, within the limit.
    fn look(&self, limit: Duration) -> Result<bool> {
        let mut held = self.held()?;
        let Held { listener, next, task, result } = &mut *held;
        if next.is_some() || task.is_none() || listener.is_none() {
            return Ok(true);
        }
        on_runtime(async {
            let event = async {
                match listener {
                    Some(listener) => next_of(&self.app, listener).await,
                    None => None,
                }
            };
            let ended = async {
                match task {
                    Some(task) => Some(task.await),
                    None => None,
                }
            };
            let first = async {
                tokio::select! {
                    biased;
                    event = event => *next = event,
                    ended = ended => *result = ended.map(|ended| ended.unwrap_or_else(|error| Err(lost(error)))),
                }
            };
            let seen = tokio::time::timeout(limit, first).await.is_ok();
            if result.is_some() {
                *task = None;
            }
            seen
        })
    }
}

/// The next event of this app: a plane tells of all its apps.
async fn next_of(app: &str, listener: &mut Listener) -> Option<Event> {
    loop {
        let event = listener.next().await?;
        if event.app == app {
            return Some(event);
        }
    }
}

#[pymethods]
impl Work {
    /// Waits until `take` has something to give or the work is over, at most this many seconds. False when they have passed.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        guard(py, || wait_in_turns(py, number::seconds("timeout", seconds)?, |turn| self.look(turn)))
    }

    /// The next event as JSON, with one line of text for people, if there is one.
    fn take(&self, py: Python<'_>) -> PyResult<Option<String>> {
        guard(py, || {
            let event = py.detach(|| {
                let mut held = self.held()?;
                let Held { listener, next, .. } = &mut *held;
                Ok::<_, Error>(next.take().or_else(|| {
                    let listener = listener.as_mut()?;
                    std::iter::from_fn(|| listener.try_next()).find(|event| event.app == self.app)
                }))
            })?;
            let described = |event: Event| Ok::<_, Error>(json::with_text(&event, event.to_string())?.to_string());
            Ok(event.map(described).transpose()?)
        })
    }

    /// Whether nothing more will come, or it was started by another process.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        py.detach(|| match self.held() {
            Ok(held) => held.next.is_none() && (held.task.is_none() || held.listener.is_none()),
            Err(_) => true,
        })
    }

    /// What the work gave, as JSON; raises what it failed with. None while it goes on, and once it was asked.
    fn result(&self, py: Python<'_>) -> PyResult<Option<String>> {
        guard(py, || Ok(py.detach(|| self.held().map(|mut held| held.result.take()))?.transpose()?))
    }

    /// Ends the work where it is; what runs goes on. In a forked child it does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            if let Ok(mut held) = self.held() {
                if let Some(task) = held.task.take() {
                    task.abort();
                    // The lease of the app is given back when the task is really gone.
                    let _ended = on_runtime(async { tokio::time::timeout(Duration::from_secs(1), task).await });
                }
                held.listener = None;
            }
        });
    }

    /// Wants this specification from now on.
    fn set(&self, py: Python<'_>, app: &App) -> PyResult<()> {
        guard(py, || Ok(self.wanted()?.set(app.0.clone())?))
    }

    /// Wants so many replicas of a service.
    #[pyo3(signature = (service: "str", replicas: "int") -> "None")]
    fn scale(&self, py: Python<'_>, service: &str, replicas: &Bound<'_, PyAny>) -> PyResult<()> {
        guard(py, || {
            let replicas = number("replicas", replicas, u32::MAX)?;
            Ok(self.wanted()?.scale(service, replicas)?)
        })
    }

    /// Changes nothing until `resume`.
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        guard(py, || {
            self.wanted()?.pause();
            Ok(())
        })
    }

    /// Ends a `pause`.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        guard(py, || {
            self.wanted()?.resume();
            Ok(())
        })
    }

    /// Empties a service, or ends that.
    fn drain(&self, py: Python<'_>, service: &str, drained: bool) -> PyResult<()> {
        guard(py, || {
            let wanted = self.wanted()?;
            match drained {
                true => wanted.drain(service)?,
                false => wanted.undrain(service)?,
            }
            Ok(())
        })
    }

    /// Gives a GPU to no further replica and moves those that it has, for this reason; without one ends that.
    fn cordon(&self, py: Python<'_>, gpu: &str, reason: Option<String>) -> PyResult<()> {
        guard(py, || {
            let (wanted, gpu): (_, GpuId) = (self.wanted()?, gpu.parse()?);
            match reason {
                Some(reason) => wanted.cordon(gpu, reason),
                None => wanted.uncordon(&gpu),
            };
            Ok::<_, Failure>(())
        })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        if self.process != std::process::id() {
            std::mem::forget((held.listener.take(), held.task.take()));
        } else if let Some(task) = held.task.take() {
            task.abort();
        }
    }
}
