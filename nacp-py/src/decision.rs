//! Which runtime to be on. What is told goes to Python as JSON, where `nacp._decision` gives it its classes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use nacp_core::cuda::{Level, Report};
use nacp_core::host::decision::{Decision, Profile, Weights};
use nacp_core::host::lock::Lock;
use nacp_core::host::{Evaluation, Root};
use nacp_core::{Error, ErrorKind, Program, sim};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::errors::guard;
use crate::json;
use crate::number;
use crate::runtime::wait_blocking;
use crate::survey;

/// What Python asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    survey: Option<String>,
    root: Option<PathBuf>,
    level: String,
    report: Option<String>,
    simulated: Option<String>,
    reference: Option<String>,
    image: Option<String>,
    command: Vec<String>,
    lock: Option<String>,
    weights: Option<BTreeMap<String, f64>>,
    limit: Option<f64>,
    /// The program of the children and its arguments; nothing for threads.
    program: Option<(PathBuf, Vec<String>)>,
}

impl Wanted {
    fn decide(self) -> Result<Decision, Error> {
        let mut evaluation = Evaluation::new().level(self.level.parse::<Level>()?);
        if let Some(folder) = self.root {
            evaluation = evaluation.root(Root::open(folder)?);
        }
        if let Some(survey) = &self.survey {
            evaluation = evaluation.survey(survey::kept(survey)?);
        }
        if let Some(report) = &self.report {
            let report: Report = serde_json::from_str(report).map_err(|cause| unreadable("report", cause))?;
            evaluation = evaluation.report(report);
        }
        if let Some(name) = &self.simulated {
            let file = survey::node_file(name)?;
            let node = sim::Node::from(file.clone());
            evaluation = evaluation.telemetry(Arc::new(node)).driver(Arc::new(sim::Cuda::from(file)));
        }
        if let Some(reference) = &self.reference {
            evaluation = evaluation.reference(Profile::from_json(reference)?);
        }
        if let Some(image) = self.image {
            evaluation = evaluation.image(image).command(self.command);
        }
        if let Some(lock) = &self.lock {
            let lock: Lock = serde_json::from_str(lock).map_err(|cause| unreadable("lock", cause))?;
            evaluation = evaluation.lock(&lock);
        }
        if let Some(weights) = self.weights {
            let mut given = weights.iter();
            let weights = given.try_fold(Weights::default(), |all, (name, weight)| all.with(name, *weight))?;
            evaluation = evaluation.weights(weights);
        }
        if let Some(limit) = self.limit {
            evaluation = evaluation.limit(number::seconds("limit", limit)?);
        }
        if let Some((path, arguments)) = self.program {
            evaluation = evaluation.isolated(arguments.into_iter().fold(Program::new(path), Program::arg));
        }
        Ok(evaluation.run())
    }
}

fn unreadable(what: &'static str, cause: serde_json::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, "python.evaluate", format!("not a {what}"))
        .with("reason", &cause)
        .caused_by(cause)
}

/// Measures what can be measured, as JSON says, and gives the decision, as JSON.
#[pyfunction]
pub(crate) fn evaluate(py: Python<'_>, wanted: &str) -> PyResult<String> {
    let wanted: Result<Wanted, _> = serde_json::from_str(wanted);
    wait_blocking(py, move || {
        let wanted = wanted.map_err(|cause| {
            Error::new(ErrorKind::Internal, "python.evaluate", "the request cannot be read")
                .with("reason", &cause)
                .caused_by(cause)
        })?;
        json::text(&wanted.decide()?)
    })
}

/// A decision that was kept as JSON.
fn kept(text: &str) -> Result<Decision, Error> {
    serde_json::from_str(text).map_err(|cause| unreadable("decision", cause).hint("Decision.to_json() gives one"))
}

/// A decision as a table for a console of so many columns.
#[pyfunction]
pub(crate) fn decision_text(py: Python<'_>, decision: &str, width: usize) -> PyResult<String> {
    guard(py, || Ok(format!("{:width$}", kept(decision)?)))
}

/// A decision as a page of its own.
#[pyfunction]
pub(crate) fn decision_html(py: Python<'_>, decision: &str) -> PyResult<String> {
    guard(py, || Ok(kept(decision)?.html()))
}

/// A decision as Markdown.
#[pyfunction]
pub(crate) fn decision_markdown(py: Python<'_>, decision: &str) -> PyResult<String> {
    guard(py, || Ok(kept(decision)?.markdown()))
}

/// What is different from an earlier decision, as JSON, with all of it in words.
#[pyfunction]
pub(crate) fn decision_compare(py: Python<'_>, decision: &str, earlier: &str) -> PyResult<String> {
    guard(py, || {
        let comparison = kept(decision)?.compare(&kept(earlier)?);
        Ok(json::text(&json::with_text(&comparison, comparison.to_string())?)?)
    })
}
