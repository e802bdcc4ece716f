//! The checks of CUDA. What they tell goes to Python as JSON, where `nacp._report` gives it its classes.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nacp_core::cuda::check::{Isolation, Program};
use nacp_core::cuda::compat::Arch;
use nacp_core::cuda::{Check, Level, Library, Progress, Report};
use nacp_core::{Error, ErrorKind, sim};
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::{Failure, guard};
use crate::json;
use crate::number;
use crate::runtime::wait_blocking;

/// How often a waiting thread looks for signals: Ctrl-C is answered within this time.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

/// What Python asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    level: String,
    devices: Vec<String>,
    checks: Option<Vec<String>>,
    cuda: Option<String>,
    sass: Vec<String>,
    ptx: Option<(String, String)>,
    limit: Option<f64>,
    library: Option<PathBuf>,
    simulated: Option<String>,
    even_if_busy: bool,
    /// The program of the children and its arguments; nothing for a thread.
    program: Option<(PathBuf, Vec<String>)>,
}

impl Wanted {
    fn check(self) -> Result<Check<'static>, Error> {
        let mut check = Check::new(self.level.parse::<Level>()?).even_if_busy(self.even_if_busy);
        check = check.devices(all(&self.devices)?);
        if let Some(names) = &self.checks {
            check = check.only(all(names)?);
        }
        if let Some(version) = &self.cuda {
            check = check.wants_cuda(version.parse()?);
        }
        check = check.wants_sass(all::<Arch>(&self.sass)?);
        if let Some((version, target)) = &self.ptx {
            check = check.wants_ptx(version.parse()?, target.parse::<Arch>()?);
        }
        if let Some(limit) = self.limit {
            check = check.limit(number::seconds("limit", limit)?);
        }
        if let Some(library) = self.library {
            check = check.library(library);
        }
        if let Some(name) = &self.simulated {
            let file = match name.ends_with(".json") {
                true => sim::NodeFile::open(name)?,
                false => sim::NodeFile::shipped(name)?,
            };
            check = check.telemetry(Arc::new(sim::Node::from(file.clone()))).driver(Arc::new(sim::Cuda::from(file)));
        }
        if let Some((path, arguments)) = self.program {
            let program = arguments.into_iter().fold(Program::new(path), Program::arg);
            check = check.isolated(Isolation::Child(program));
        }
        Ok(check)
    }
}

fn all<T: FromStr<Err = Error>>(names: &[String]) -> Result<Vec<T>, Error> {
    names.iter().map(|name| name.parse()).collect()
}

/// What a run says while Python waits for it.
enum Word {
    Step(Value),
    Report(Box<Report>),
}

/// Runs the checks that are asked for, as JSON, and gives the report, as JSON. Each step is told to `listener`, if there is
/// one; an exception that it or a signal raises ends the run.
#[pyfunction]
#[pyo3(signature = (wanted, listener))]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over what may be None by value")]
pub(crate) fn check(py: Python<'_>, wanted: &str, listener: Option<Py<PyAny>>) -> PyResult<String> {
    let listener = listener.as_ref();
    guard(py, || {
        let wanted: Wanted = serde_json::from_str(wanted).map_err(unreadable)?;
        let cancelled = Arc::new(AtomicBool::new(false));
        let (say, said) = channel();
        let said = Mutex::new(said);
        let steps = say.clone();
        let check = wanted.check()?.cancel_with(Arc::clone(&cancelled)).on_progress(move |progress| {
            if let Some(step) = step(progress) {
                // Whoever waits may be gone.
                let _ = steps.send(Word::Step(step));
            }
        });
        let run = move || {
            let _ = say.send(Word::Report(Box::new(check.run())));
        };
        thread::Builder::new().name("nacp-check".into()).spawn(run).map_err(no_thread)?;
        let told = (|| {
            loop {
                let next = || said.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(SIGNAL_POLL);
                match py.detach(next) {
                    Ok(Word::Report(report)) => return Ok(json::text(&report)?),
                    Ok(Word::Step(step)) => {
                        if let Some(listener) = listener {
                            listener.call1(py, (step.to_string(),))?;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Err(Failure::from(ended())),
                }
                py.check_signals()?;
            }
        })();
        cancelled.store(true, Ordering::Relaxed);
        told
    })
}

fn step(progress: &Progress) -> Option<Value> {
    match progress {
        Progress::Started { id, device, done, total } => {
            Some(json!({ "id": id, "device": device, "done": done, "total": total }))
        }
        Progress::Finished { report, done, total } => Some(json!({
            "id": report.id, "device": report.device, "done": done, "total": total, "report": report
        })),
        _ => None,
    }
}

fn unreadable(cause: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "python.check", "the request cannot be read")
        .with("reason", &cause)
        .caused_by(cause)
}

fn no_thread(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::ResourceExhausted, "python.check", "no thread can be started")
        .with("reason", &cause)
        .caused_by(cause)
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "python.check", "the checks ended without a report")
}

/// Whether there is a CUDA driver's library that opens. Nothing of it is called.
#[pyfunction]
pub(crate) fn cuda_opens(py: Python<'_>, library: Option<PathBuf>) -> PyResult<bool> {
    wait_blocking(py, move || Ok(library.map_or_else(Library::open, |path| Library::open_at(&path)).is_ok()))
}

/// A report that was kept as JSON.
fn kept(text: &str) -> Result<Report, Error> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorKind::InvalidArgument, "python.check", "not the report of a check")
            .with("reason", &cause)
            .hint("Report.to_json() gives one")
            .caused_by(cause)
    })
}

/// A report as a table for a console.
#[pyfunction]
pub(crate) fn report_text(py: Python<'_>, report: &str) -> PyResult<String> {
    guard(py, || Ok(kept(report)?.to_string()))
}

/// A report as a page of its own.
#[pyfunction]
pub(crate) fn report_html(py: Python<'_>, report: &str) -> PyResult<String> {
    guard(py, || Ok(kept(report)?.html()))
}

/// What became better or worse since an earlier report, as JSON.
#[pyfunction]
pub(crate) fn report_compare(py: Python<'_>, report: &str, earlier: &str) -> PyResult<String> {
    guard(py, || {
        let comparison = kept(report)?.compare(&kept(earlier)?);
        Ok(json::text(&json::with_text(&comparison, comparison.to_string())?)?)
    })
}

/// A report as Markdown.
#[pyfunction]
pub(crate) fn report_markdown(py: Python<'_>, report: &str) -> PyResult<String> {
    guard(py, || Ok(kept(report)?.markdown()))
}

/// Raises what does not work first; nothing if everything does.
#[pyfunction]
pub(crate) fn report_error(py: Python<'_>, report: &str) -> PyResult<()> {
    guard(py, || Ok(kept(report)?.error().map_or(Ok(()), Err)?))
}
