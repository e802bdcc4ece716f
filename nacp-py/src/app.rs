//! Apps: read and validated by the core.

use nacp_core::service;
use pyo3::prelude::*;

use crate::errors::guard;
use crate::json;

/// A valid app.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct App(pub(crate) service::App);

#[pymethods]
impl App {
    /// Reads an app from YAML or JSON and validates it. `file` is named in errors.
    #[staticmethod]
    #[pyo3(signature = (text, file = None))]
    fn parse(py: Python<'_>, text: &str, file: Option<&str>) -> PyResult<Self> {
        guard(py, || match (service::App::parse(text), file) {
            (Ok(app), _) => Ok(Self(app)),
            (Err(error), Some(file)) => Err(error.with_first("file", file).into()),
            (Err(error), None) => Err(error.into()),
        })
    }

    /// The app in its normal form, as JSON.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(json::text(&self.0)?))
    }

    /// The services' names in the order in which they start.
    fn start_order(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        guard(py, || Ok(self.0.start_order()?.into_iter().map(str::to_owned).collect()))
    }
}
