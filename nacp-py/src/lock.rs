//! What a reproducible run needs, pinned. `nacp._lock` gives it its classes.

use std::path::PathBuf;

use nacp_core::clock::{Clock, SystemClock};
use nacp_core::cuda::Certificate;
use nacp_core::host::Root;
use nacp_core::host::lock::{Lock, Written};
use nacp_core::{Error, ErrorKind};
use pyo3::prelude::*;

use crate::app::App;
use crate::errors::guard;
use crate::json;
use crate::runtime::wait_blocking;
use crate::survey;

/// What a surveyed machine, an app and certificates are, pinned, as JSON. Where `images` says so, the machine's daemon is
/// asked for the images.
#[pyfunction]
#[pyo3(signature = (survey, app, images, root, certificates))]
pub(crate) fn lock(
    py: Python<'_>,
    survey: &str,
    app: Option<&Bound<'_, App>>,
    images: bool,
    root: Option<PathBuf>,
    certificates: Vec<String>,
) -> PyResult<String> {
    let survey = survey.to_owned();
    let app = app.map(|app| app.get().0.clone());
    wait_blocking(py, move || {
        let survey = survey::kept(&survey)?;
        let mut lock = Lock::of(&survey, SystemClock::new().wall());
        if let Some(app) = &app {
            lock = lock.app(app);
        }
        if let Some(daemon) = survey.daemon().filter(|_| images) {
            lock = lock.images(&root.map_or_else(|| Ok(Root::system()), Root::open)?, &daemon.endpoint);
        }
        for text in certificates {
            let certificate: Certificate = serde_json::from_str(&text).map_err(|cause| {
                Error::new(ErrorKind::InvalidArgument, "python.lock", "not a certificate").caused_by(cause)
            })?;
            lock = lock.certificate(&certificate)?;
        }
        json::text(&lock)
    })
}

/// A lock that was kept as JSON.
fn kept(text: &str) -> Result<Lock, Error> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorKind::InvalidArgument, "python.lock", "not a lock")
            .with("reason", &cause)
            .hint("Lock.to_json() gives one")
            .caused_by(cause)
    })
}

/// A lock from the text of its file, as JSON.
#[pyfunction]
pub(crate) fn lock_parse(py: Python<'_>, text: &str) -> PyResult<String> {
    guard(py, || Ok(json::text(&Lock::parse(text)?)?))
}

/// A lock from its file, as JSON.
#[pyfunction]
pub(crate) fn lock_read(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    wait_blocking(py, move || json::text(&Lock::read(path)?))
}

/// Writes a lock to its file; whether the file was changed.
#[pyfunction]
pub(crate) fn lock_write(py: Python<'_>, lock: &str, path: PathBuf) -> PyResult<bool> {
    let lock = lock.to_owned();
    wait_blocking(py, move || Ok(kept(&lock)?.write(path)? != Written::Unchanged))
}

/// A lock as the text of its file.
#[pyfunction]
pub(crate) fn lock_text(py: Python<'_>, lock: &str) -> PyResult<String> {
    guard(py, || Ok(kept(lock)?.to_yaml()))
}

/// How much of a lock is pinned, as JSON.
#[pyfunction]
pub(crate) fn lock_completeness(py: Python<'_>, lock: &str) -> PyResult<String> {
    guard(py, || {
        let completeness = kept(lock)?.completeness();
        let fraction = completeness.fraction();
        let mut value = json::value(&completeness)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("fraction".to_owned(), fraction.into());
        }
        Ok(json::text(&value)?)
    })
}

/// What has changed between a lock and another one, of now, as JSON, with all of it in words.
#[pyfunction]
pub(crate) fn lock_verify(py: Python<'_>, lock: &str, now: &str) -> PyResult<String> {
    guard(py, || {
        let verification = kept(lock)?.verify(&kept(now)?);
        let mut value = json::with_text(&verification, verification.to_string())?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("worst".to_owned(), verification.worst().name().into());
            fields.insert("markdown".to_owned(), verification.markdown().into());
        }
        Ok(json::text(&value)?)
    })
}

/// Raises the first change that may change results; nothing where none may.
#[pyfunction]
pub(crate) fn lock_error(py: Python<'_>, lock: &str, now: &str) -> PyResult<()> {
    guard(py, || Ok(kept(lock)?.verify(&kept(now)?).error().map_or(Ok(()), Err)?))
}

/// The lines in which two locks differ.
#[pyfunction]
pub(crate) fn lock_diff(py: Python<'_>, lock: &str, other: &str) -> PyResult<String> {
    guard(py, || Ok(kept(lock)?.diff(&kept(other)?)))
}
