//! Recordings of nodes, and nodes from recordings.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use nacp_core::clock::SystemClock;
use nacp_core::gpu::record::{self, Recorded};
use nacp_core::gpu::{self, AtEnd};
use nacp_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use serde_json::json;

use crate::errors::guard;
use crate::json;
use crate::node::Node;
use crate::runtime::{forked, wait_blocking};

/// A recording under way. It belongs to the process that began it.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Recording {
    process: u32,
    held: Mutex<Option<record::Recording>>,
}

impl Recording {
    pub(crate) fn new(recording: record::Recording) -> Self {
        Self { process: std::process::id(), held: Mutex::new(Some(recording)) }
    }
}

#[pymethods]
impl Recording {
    /// Ends it and tells what was written, as JSON; None where it had ended before.
    fn finish(&self, py: Python<'_>) -> PyResult<Option<String>> {
        guard(py, || {
            if self.process != std::process::id() {
                return Err(forked("gpu.record", self.process).into());
            }
            let recording = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(recording) = recording else { return Ok(None) };
            let Recorded { frames, events, lost, bytes, .. } = py.detach(|| recording.finish())?;
            Ok(Some(json::text(&json!({ "frames": frames, "events": events, "lost": lost, "bytes": bytes }))?))
        })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.held.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// A recording that is played back.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Replay(Arc<gpu::Replay>);

#[pymethods]
impl Replay {
    /// Opens a recording. Without a speed it goes on by one frame at each reading.
    #[new]
    #[pyo3(signature = (path, speed, at_end))]
    fn new(py: Python<'_>, path: PathBuf, speed: Option<f64>, at_end: String) -> PyResult<Self> {
        wait_blocking(py, move || {
            let replay = gpu::Replay::open(path)?.at_end(parse_end(&at_end)?);
            let replay = match speed {
                Some(speed) => replay.speed(speed, Arc::new(SystemClock::new()))?,
                None => replay,
            };
            Ok(Self(Arc::new(replay)))
        })
    }

    /// The node that was recorded.
    fn node(&self, py: Python<'_>) -> PyResult<Node> {
        let replay = Arc::clone(&self.0);
        wait_blocking(py, move || gpu::Node::from_source(replay)).map(Node)
    }

    /// How far it has come, as JSON.
    fn progress(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || {
            let gpu::Progress { frames, at, ended, cut, .. } = self.0.progress();
            Ok(json::text(&json!({
                "recorded_at": self.0.recorded_at(), "scrubbed": self.0.scrubbed(),
                "frames": frames, "seconds": at.as_secs_f64(), "ended": ended, "cut": cut,
            }))?)
        })
    }
}

fn parse_end(text: &str) -> Result<AtEnd> {
    match text {
        "stay" => Ok(AtEnd::Stay),
        "loop" => Ok(AtEnd::Loop),
        "fail" => Ok(AtEnd::Fail),
        other => Err(Error::new(ErrorKind::InvalidArgument, "gpu.replay", "no such end of a replay")
            .with("at_end", format_args!("{other:?}"))
            .hint("it is one of stay, loop, fail")),
    }
}
