//! What is wrong on a machine. What is told goes to Python as JSON, where `nacp._doctor` gives it its classes.

use nacp_core::host::doctor::FindingId;
use nacp_core::host::{self, Diagnosis, Doctor};
use nacp_core::{Error, ErrorKind};
use pyo3::prelude::*;

use crate::errors::guard;
use crate::json;
use crate::survey;

/// What is wrong on a surveyed machine, as JSON.
#[pyfunction]
pub(crate) fn diagnose(py: Python<'_>, survey: &str) -> PyResult<String> {
    guard(py, || Ok(json::text(&host::diagnose(&survey::kept(survey)?).with_verdict())?))
}

/// What the text of an error, or an entry of the catalogue by its id, means on a surveyed machine, as JSON, with all of it in
/// words, as Markdown and as a page.
#[pyfunction]
pub(crate) fn explain(py: Python<'_>, text: &str, survey: &str) -> PyResult<String> {
    guard(py, || {
        let doctor = Doctor::of(survey::kept(survey)?);
        let explanation = match text.parse::<FindingId>() {
            Ok(id) => doctor.explain_entry(id),
            Err(_) => doctor.explain(text),
        };
        let mut value = json::with_text(&explanation, explanation.to_string())?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("markdown".to_owned(), explanation.markdown().into());
            fields.insert("html".to_owned(), explanation.html().into());
        }
        Ok(json::text(&value)?)
    })
}

/// A diagnosis that was kept as JSON.
fn kept(text: &str) -> Result<Diagnosis, Error> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorKind::InvalidArgument, "python.doctor", "not the diagnosis of a machine")
            .with("reason", &cause)
            .hint("Diagnosis.to_json() gives one")
            .caused_by(cause)
    })
}

/// A diagnosis in words.
#[pyfunction]
pub(crate) fn diagnosis_text(py: Python<'_>, diagnosis: &str) -> PyResult<String> {
    guard(py, || Ok(kept(diagnosis)?.to_string()))
}

/// A diagnosis as a page of its own.
#[pyfunction]
pub(crate) fn diagnosis_html(py: Python<'_>, diagnosis: &str) -> PyResult<String> {
    guard(py, || Ok(kept(diagnosis)?.html()))
}

/// A diagnosis as Markdown.
#[pyfunction]
pub(crate) fn diagnosis_markdown(py: Python<'_>, diagnosis: &str) -> PyResult<String> {
    guard(py, || Ok(kept(diagnosis)?.markdown()))
}

/// Raises what is broken first; nothing where nothing is.
#[pyfunction]
pub(crate) fn diagnosis_error(py: Python<'_>, diagnosis: &str) -> PyResult<()> {
    guard(py, || Ok(kept(diagnosis)?.error().map_or(Ok(()), Err)?))
}
