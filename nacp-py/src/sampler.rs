//! Samplers: the path that is called for every tick, so the numbers go to Python without a detour through JSON.

use std::sync::{Arc, Mutex, PoisonError};

use nacp_core::gpu::{Fields, GpuId, Metric, Sample, Source};
use nacp_core::{Error, ErrorKind, gpu};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::errors::guard;
use crate::runtime::forked;

/// Reads the same numbers of every GPU again and again, as fast as the driver answers.
///
/// It comes from `Node.sampler()`. Its buffers are its own and used again at each reading. Threads may share it; the
/// GIL is free while the driver is asked. It reads on the thread of its caller, where Ctrl-C waits for the driver.
///
/// Attributes:
///     columns: The names of the numbers, as in `nacp.metrics()`.
///     gpus: The ids of the GPUs, in the order of the rows.
///
/// >>> sampler = nacp.simulated_node().sampler("power,temperature")
/// >>> sampler.columns, sampler.read()
/// (['power', 'temperature'], [(11.2, 51.0)])
#[pyclass(frozen, module = "nacp")]
#[derive(Debug)]
pub(crate) struct Sampler {
    source: Arc<dyn Source>,
    fields: Fields,
    metrics: Vec<Metric>,
    gpus: Vec<GpuId>,
    held: Mutex<Held>,
    process: u32,
}

/// What a reading leaves for the next one to use again.
#[derive(Debug, Default)]
struct Held {
    samples: Vec<Sample>,
    numbers: Vec<Option<f64>>,
}

impl Sampler {
    pub(crate) fn new(node: &gpu::Node, fields: &str) -> Result<Self, Error> {
        let fields: Fields = fields.parse()?;
        let metrics: Vec<_> = Metric::all().filter(|metric| fields.contains(metric.field())).collect();
        if metrics.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "gpu.sampler", "no number is in these readings")
                .with("fields", format_args!("\"{fields}\""))
                .hint("nacp.metrics() names the numbers, and the field of each"));
        }
        let gpus = node.gpus().iter().map(|gpu| gpu.id.clone()).collect();
        let (source, held) = (Arc::clone(node.source()), Mutex::default());
        Ok(Self { source, fields, metrics, gpus, held, process: std::process::id() })
    }

    /// The numbers of all GPUs, one after another. They are taken out of what is held, because making Python objects
    /// of them may run any code, also this again.
    fn numbers(&self, py: Python<'_>) -> Result<Vec<Option<f64>>, Error> {
        if self.process != std::process::id() {
            return Err(forked("gpu.sampler", self.process));
        }
        py.detach(|| {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let Held { samples, numbers } = &mut *held;
            self.source.sample(self.fields, samples)?;
            numbers.clear();
            for (at, id) in self.gpus.iter().enumerate() {
                let in_place = samples.get(at).filter(|sample| sample.id == *id);
                let sample = in_place.or_else(|| samples.iter().find(|sample| sample.id == *id));
                numbers.extend(self.metrics.iter().map(|metric| sample.and_then(|sample| metric.read(sample))));
            }
            Ok(std::mem::take(numbers))
        })
    }

    /// Another thread may hold the lock while the driver works. This one holds the GIL and does not wait for it: the
    /// next reading makes a new buffer.
    fn give_back(&self, numbers: Vec<Option<f64>>) {
        if let Ok(mut held) = self.held.try_lock() {
            held.numbers = numbers;
        }
    }

    fn read_with<T>(&self, py: Python<'_>, make: impl FnOnce(&[Option<f64>]) -> PyResult<T>) -> PyResult<T> {
        guard(py, || {
            let numbers = self.numbers(py)?;
            let made = make(&numbers);
            self.give_back(numbers);
            Ok(made?)
        })
    }
}

#[pymethods]
impl Sampler {
    #[getter]
    fn columns(&self) -> Vec<&'static str> {
        self.metrics.iter().map(|metric| metric.name()).collect()
    }

    #[getter]
    fn gpus(&self) -> Vec<&str> {
        self.gpus.iter().map(GpuId::as_str).collect()
    }

    /// Reads the node once: for each GPU the numbers of `columns`. One that is not known is None, never 0.
    ///
    /// Raises:
    ///     DriverUnavailable: The driver has stopped answering.
    #[pyo3(signature = () -> "list[tuple[float | None, ...]]")]
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        self.read_with(py, |numbers| {
            numbers.chunks_exact(self.metrics.len()).map(|row| PyTuple::new(py, row)).collect()
        })
    }

    /// The same for people: the numbers by name, by the id of the GPU.
    ///
    /// Raises:
    ///     DriverUnavailable: The driver has stopped answering.
    #[pyo3(signature = () -> "dict[str, dict[str, float | None]]")]
    fn read_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.read_with(py, |numbers| {
            let by_gpu = PyDict::new(py);
            for (id, row) in self.gpus.iter().zip(numbers.chunks_exact(self.metrics.len())) {
                let by_name = PyDict::new(py);
                for (metric, number) in self.metrics.iter().zip(row) {
                    by_name.set_item(metric.name(), number)?;
                }
                by_gpu.set_item(id.as_str(), by_name)?;
            }
            Ok(by_gpu)
        })
    }

    fn __repr__(&self) -> String {
        let (many, plural) = (self.gpus.len(), if self.gpus.len() == 1 { "" } else { "s" });
        format!("<Sampler of {many} GPU{plural}: {}>", self.columns().join(", "))
    }
}

/// The numbers that there are: name, unit, `gauge` or `counter`, and the field that must be read for it.
#[pyfunction]
pub(crate) fn metrics() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let kind = |metric: Metric| match metric.kind() {
        gpu::MetricKind::Gauge => "gauge",
        gpu::MetricKind::Counter => "counter",
    };
    Metric::all().map(|metric| (metric.name(), metric.unit(), kind(metric), metric.field().to_string())).collect()
}

/// The names of the readings of a sample.
#[pyfunction]
pub(crate) fn fields() -> Vec<&'static str> {
    Fields::names().map(|(name, _)| name).collect()
}
