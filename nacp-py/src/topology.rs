//! How the GPUs of a node reach each other.

use nacp_core::gpu::topology;
use pyo3::prelude::*;
use serde_json::json;

use crate::errors::guard;
use crate::json;
use crate::number::number;

/// A computed topology.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Topology(pub(crate) topology::Topology);

#[pymethods]
impl Topology {
    /// Everything that is known about it, as JSON.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || {
            let Self(topology) = self;
            let texts = topology.links().iter().map(ToString::to_string);
            Ok(json::text(&json!({
                "gpus": topology.gpus(),
                "links": topology.links().iter().zip(texts).map(|(link, text)| json::with_text(link, text))
                    .collect::<Result<Vec<_>, _>>()?,
                "matrix": topology.matrix(),
                "tree": topology.tree(),
                "groups": topology.groups(),
            }))?)
        })
    }

    /// The matrix as `nvidia-smi topo -m` prints it.
    fn text(&self) -> String {
        self.0.to_string()
    }

    /// The tree as indented lines.
    fn tree_text(&self) -> String {
        self.0.tree().to_string()
    }

    /// The ids of the other GPUs, the nearest first.
    fn nearest(&self, py: Python<'_>, gpu: &str) -> PyResult<Vec<String>> {
        guard(py, || {
            let nearest = self.0.nearest(&gpu.parse()?)?;
            Ok(nearest.into_iter().map(|(id, _)| id.to_string()).collect())
        })
    }

    /// The ids of the GPUs that work best together, among these where some are given.
    #[pyo3(signature = (count: "int", among: "list[str] | None") -> "list[str]")]
    fn best_group(
        &self,
        py: Python<'_>,
        count: &Bound<'_, PyAny>,
        among: Option<Vec<String>>,
    ) -> PyResult<Vec<String>> {
        guard(py, || {
            let count = number("count", count, u32::MAX)? as usize;
            let group = match among {
                None => self.0.best_group(count)?,
                Some(ids) => {
                    let ids = ids.iter().map(|id| id.parse()).collect::<Result<Vec<_>, _>>()?;
                    self.0.only(&ids)?.best_group(count)?
                }
            };
            Ok(group.into_iter().map(String::from).collect())
        })
    }
}
