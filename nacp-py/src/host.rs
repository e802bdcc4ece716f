//! Whether CUDA answers.

use nacp_core::cuda;
use pyo3::prelude::*;

use crate::json;
use crate::runtime::wait_blocking;

/// What the CUDA driver says about this machine, as JSON.
#[pyfunction]
pub(crate) fn probe_cuda(py: Python<'_>) -> PyResult<String> {
    wait_blocking(py, || json::text(&cuda::probe()?))
}
