//! Where we run, and whether CUDA answers.

use nacp_core::{cuda, host};
use pyo3::prelude::*;
use serde_json::json;

use crate::json;
use crate::runtime::wait_blocking;

/// The layers on which this process runs, as JSON, each with its line of text.
#[pyfunction]
pub(crate) fn detect(py: Python<'_>) -> PyResult<String> {
    wait_blocking(py, || {
        let host = host::detect();
        let layers = host.layers.iter().map(|layer| json::with_text(layer, layer.to_string()));
        json::text(&json!({
            "os": host.os,
            "kernel": host.kernel,
            "summary": host.summary(),
            "layers": layers.collect::<Result<Vec<_>, _>>()?,
            "gpu": json::with_text(&host.gpu, host.gpu.to_string())?,
            "undecided": host.undecided,
        }))
    })
}

/// What the CUDA driver says about this machine, as JSON.
#[pyfunction]
pub(crate) fn probe_cuda(py: Python<'_>) -> PyResult<String> {
    wait_blocking(py, || json::text(&cuda::probe()?))
}
