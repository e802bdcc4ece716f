//! What is read about a machine, as JSON; what is made of it is computed from that JSON.

use std::path::PathBuf;
use std::sync::Arc;

use nacp_core::host::{Detection, Root, Survey};
use nacp_core::{Error, ErrorKind, Program, sim};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::json;
use crate::number;
use crate::runtime::wait_blocking;

/// Which machine, and what of it is read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    root: Option<PathBuf>,
    simulated: Option<String>,
    limit: Option<f64>,
    /// The program of the children and its arguments; nothing for threads.
    program: Option<(PathBuf, Vec<String>)>,
    containers: bool,
    commands: bool,
    thorough: bool,
    messages: Vec<String>,
}

impl Wanted {
    fn read(self) -> Result<Survey, Error> {
        let mut survey = Survey::builder().containers(self.containers).commands(self.commands).messages(self.messages);
        survey = survey.nvidia_smi(self.thorough).cdi_generate(self.thorough);
        if let Some(folder) = self.root {
            survey = survey.root(Root::open(folder)?);
        }
        if let Some(name) = &self.simulated {
            let file = node_file(name)?;
            survey = survey.source(Arc::new(sim::Node::from(file.clone()))).driver(Arc::new(sim::Cuda::from(file)));
        }
        if let Some(limit) = self.limit {
            survey = survey.limit(number::seconds("limit", limit)?);
        }
        if let Some((path, arguments)) = self.program {
            survey = survey.isolated(arguments.into_iter().fold(Program::new(path), Program::arg));
        }
        Ok(survey.read())
    }
}

/// The node file of this path, where it ends in `.json`, or the shipped one of this name.
pub(crate) fn node_file(name: &str) -> Result<sim::NodeFile, Error> {
    if name.ends_with(".json") { sim::NodeFile::open(name) } else { sim::NodeFile::shipped(name) }
}

/// Reads the machine that is asked for, as JSON, and gives what was read, as JSON.
#[pyfunction]
pub(crate) fn survey(py: Python<'_>, wanted: &str) -> PyResult<String> {
    let wanted: Result<Wanted, _> = serde_json::from_str(wanted);
    wait_blocking(py, move || {
        let wanted = wanted.map_err(|cause| {
            Error::new(ErrorKind::Internal, "python.survey", "the request cannot be read")
                .with("reason", &cause)
                .caused_by(cause)
        })?;
        json::text(&wanted.read()?)
    })
}

/// A survey that was kept as JSON.
pub(crate) fn kept(text: &str) -> Result<Survey, Error> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorKind::InvalidArgument, "python.survey", "not the survey of a machine")
            .with("reason", &cause)
            .hint("Survey.to_json() gives one")
            .caused_by(cause)
    })
}

/// The layers on which this process runs, or one on the machine in this folder, as JSON, each with its line of text.
#[pyfunction]
pub(crate) fn detect(py: Python<'_>, root: Option<PathBuf>, daemons: bool) -> PyResult<String> {
    wait_blocking(py, move || {
        let detection = Detection::new().daemons(daemons);
        let host = match root {
            Some(folder) => detection.root(Root::open(folder)?),
            None => detection,
        };
        shown(&host.run())
    })
}

/// The layers of a survey, in the same form.
#[pyfunction]
pub(crate) fn survey_host(py: Python<'_>, survey: &str) -> PyResult<String> {
    let survey = survey.to_owned();
    wait_blocking(py, move || shown(&kept(&survey)?.host))
}

fn shown(host: &nacp_core::host::Host) -> Result<String, Error> {
    let layers = host.layers.iter().map(|layer| json::with_text(layer, layer.to_string()));
    json::text(&serde_json::json!({
        "os": host.os,
        "kernel": host.kernel,
        "summary": host.summary(),
        "layers": layers.collect::<Result<Vec<_>, _>>()?,
        "gpu": json::with_text(&host.gpu, host.gpu.to_string())?,
        "daemons": host.daemons,
        "standing": host.standing(),
        "undecided": host.undecided,
    }))
}
