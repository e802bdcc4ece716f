//! Machines and their GPUs. What is read goes to Python as JSON, where `nacp._types` gives it its classes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::health::Thresholds;
use nacp_core::gpu::probe::Guard;
use nacp_core::{Bytes, gpu, placement, sim};
use pyo3::prelude::*;

use crate::app::App;
use crate::errors::guard;
use crate::events::Events;
use crate::health::{self, HealthMonitor};
use crate::json;
use crate::metrics::Page;
use crate::number::{self, number};
use crate::owner;
use crate::plane::connect;
use crate::runtime::{wait, wait_blocking};
use crate::sampler::Sampler;
use crate::telemetry::{Pace, Telemetry};
use crate::topology::Topology;

/// A machine with its GPUs.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Node(pub(crate) gpu::Node);

#[pymethods]
impl Node {
    /// Finds the GPUs of this machine through the NVIDIA driver.
    #[staticmethod]
    fn discover(py: Python<'_>) -> PyResult<Self> {
        wait_blocking(py, gpu::Node::discover).map(Self)
    }

    /// The same after a child process did it first: this program with these arguments, within so many seconds.
    #[staticmethod]
    fn discover_guarded(py: Python<'_>, program: PathBuf, arguments: Vec<String>, seconds: f64) -> PyResult<Self> {
        let limit = guard(py, || Ok(number::seconds("limit", seconds)?))?;
        wait_blocking(py, move || gpu::Node::discover_guarded(&child(program, arguments, limit))).map(Self)
    }

    /// A simulated machine that comes with NACP.
    #[staticmethod]
    fn simulated(py: Python<'_>, name: &str) -> PyResult<Self> {
        guard(py, || Ok(Self(gpu::Node::from_source(Arc::new(sim::Node::named(name)?))?)))
    }

    /// A simulated machine from a node file.
    #[staticmethod]
    fn simulated_from(py: Python<'_>, file: &str) -> PyResult<Self> {
        guard(py, || {
            let node = sim::Node::from(sim::NodeFile::parse(file)?);
            Ok(Self(gpu::Node::from_source(Arc::new(node))?))
        })
    }

    /// The node file of a simulated machine that comes with NACP, as JSON.
    #[staticmethod]
    fn node_file(py: Python<'_>, name: &str) -> PyResult<String> {
        guard(py, || Ok(json::text(&sim::NodeFile::shipped(name)?)?))
    }

    /// The names of the simulated machines.
    #[staticmethod]
    fn simulated_names() -> Vec<&'static str> {
        sim::Node::names()
    }

    /// What the node is read from, as JSON.
    fn origin(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(json::text(self.0.origin())?))
    }

    /// The GPUs, as JSON.
    fn gpus(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(json::text(&self.0.gpus())?))
    }

    /// The GPU with this id, as JSON.
    fn gpu(&self, py: Python<'_>, id: &str) -> PyResult<String> {
        guard(py, || Ok(json::text(self.0.gpu(&id.parse()?)?)?))
    }

    /// One reading of every GPU, as JSON.
    fn snapshot(&self, py: Python<'_>) -> PyResult<String> {
        let node = self.0.clone();
        wait_blocking(py, move || json::text(&node.snapshot(&SystemClock::new())?))
    }

    /// The same node with its GPUs read anew.
    fn reread(&self, py: Python<'_>) -> PyResult<Self> {
        let node = self.0.clone();
        wait_blocking(py, move || node.reread()).map(Self)
    }

    /// Something that reads these fields of every GPU again and again.
    fn sampler(&self, py: Python<'_>, fields: &str) -> PyResult<Sampler> {
        guard(py, || Ok(Sampler::new(&self.0, fields)?))
    }

    /// Reads the GPUs at a steady pace from now on. A tier without a time is not read.
    #[pyo3(signature = (
        fast: "float | None", medium: "float | None", slow: "float | None", own: "tuple[str | None, str | None, str | None]",
        history: "float", fields: "str", memory: "int", buffer: "int"
    ) -> "Telemetry")]
    #[expect(clippy::too_many_arguments, reason = "the options of the core, which Python names")]
    fn telemetry(
        &self,
        py: Python<'_>,
        fast: Option<f64>,
        medium: Option<f64>,
        slow: Option<f64>,
        own: (Option<String>, Option<String>, Option<String>),
        history: f64,
        fields: &str,
        memory: &Bound<'_, PyAny>,
        buffer: &Bound<'_, PyAny>,
    ) -> PyResult<Telemetry> {
        let (memory, buffer) =
            guard(py, || Ok((number("memory", memory, u64::MAX)?, number("buffer", buffer, u32::MAX)? as usize)))?;
        Telemetry::start(py, &self.0, &Pace { fast, medium, slow, own: own.into(), history, memory, buffer }, fields)
    }

    /// What each two GPUs are to each other, as JSON.
    fn pairs(&self, py: Python<'_>) -> PyResult<String> {
        let node = self.0.clone();
        wait_blocking(py, move || json::text(&node.pairs()?))
    }

    /// How the GPUs reach each other.
    fn topology(&self, py: Python<'_>) -> PyResult<Topology> {
        let node = self.0.clone();
        wait_blocking(py, move || node.topology()).map(Topology)
    }

    /// The processes on the GPUs with their owners, as JSON; containers have the names that this engine knows.
    #[pyo3(signature = (engine: "str | None") -> "str")]
    fn processes(&self, py: Python<'_>, engine: Option<String>) -> PyResult<String> {
        let node = self.0.clone();
        let names = match engine {
            None => Vec::new(),
            Some(engine) => wait(py, async move { connect(&engine).await?.names().await })?,
        };
        wait_blocking(py, move || owner::processes(&node, &names))
    }

    /// What every call of the driver's library was answered with, as JSON.
    fn support(&self, py: Python<'_>) -> PyResult<String> {
        let node = self.0.clone();
        wait_blocking(py, move || json::text(&node.support()?))
    }

    /// Begins to listen for what happens to the GPUs.
    fn events(&self, py: Python<'_>) -> PyResult<Events> {
        let node = self.0.clone();
        wait_blocking(py, move || node.events()).map(Events::new)
    }

    /// How healthy the GPUs are, by these thresholds, as JSON.
    #[pyo3(signature = (thresholds))]
    fn health(&self, py: Python<'_>, thresholds: Option<String>) -> PyResult<String> {
        let node = self.0.clone();
        wait_blocking(py, move || health::of_node(&node, thresholds.as_deref()))
    }

    /// One reading of every GPU as Prometheus text, with the machine's name under this label where there is one.
    #[pyo3(signature = (hostname, label, health, monitor, processes))]
    fn metrics(
        &self,
        py: Python<'_>,
        hostname: Option<String>,
        label: &str,
        health: bool,
        monitor: Option<&HealthMonitor>,
        processes: bool,
    ) -> PyResult<String> {
        let mut page = Page::new(py, hostname, label, monitor, processes)?;
        let node = self.0.clone();
        wait_blocking(py, move || {
            if health {
                page.health = Some(node.health(&SystemClock::new(), &Thresholds::default())?);
            }
            page.render(&node, &node.snapshot(&SystemClock::new())?, None)
        })
    }
}

/// The child process that touches the driver first.
pub(crate) fn child(program: PathBuf, arguments: Vec<String>, limit: Duration) -> Guard {
    arguments.into_iter().fold(Guard::new(program).limit(limit), Guard::arg)
}

/// Which GPUs each replica of an app would get on a node where nothing runs, as JSON.
#[pyfunction]
pub(crate) fn place(py: Python<'_>, app: &App, node: &Node) -> PyResult<String> {
    let (app, node) = (app.0.clone(), node.0.clone());
    wait_blocking(py, move || json::text(&placement::plan(&app, &node.snapshot(&SystemClock::new())?, &[])?))
}

/// A number of bytes with the binary unit that fits, such as `3.50 GiB`.
#[pyfunction]
pub(crate) fn size(bytes: u64) -> String {
    Bytes(bytes).to_string()
}

/// Does what a child process of the library does, if this process was started as one; whether it was.
#[pyfunction]
pub(crate) fn answer_probe() -> bool {
    nacp_core::answer()
}
