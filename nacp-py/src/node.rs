//! Machines and their GPUs. What is read goes to Python as JSON, where `nacp._types` gives it its classes.

use std::sync::Arc;

use nacp_core::clock::SystemClock;
use nacp_core::{Bytes, gpu, observe, placement, sim};
use pyo3::prelude::*;

use crate::app::App;
use crate::errors::guard;
use crate::json;
use crate::runtime::wait_blocking;

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

    /// A simulated machine that comes with NACP.
    #[staticmethod]
    fn simulated(py: Python<'_>, name: &str) -> PyResult<Self> {
        guard(py, || Ok(Self(gpu::Node::from_source(Arc::new(sim::Node::named(name)?))?)))
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

    /// One reading of every GPU, as Prometheus text.
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        let node = self.0.clone();
        wait_blocking(py, move || observe::metrics(&node.snapshot(&SystemClock::new())?, &[]))
    }
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
