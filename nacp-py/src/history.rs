//! The history of telemetry as columns, for data frames.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, RecordBatch, RecordBatchIterator, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use jiff::{SignedDuration, Timestamp};
use nacp_core::gpu::telemetry::{Columns, View};
use nacp_core::gpu::{GpuId, Metric};
use nacp_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule};

use crate::errors::guard;

/// A table: a row for each tick and GPU, by time; a column for each number.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct History {
    gpus: Vec<GpuId>,
    /// When each row was read, in microseconds since 1970.
    at: Vec<i64>,
    /// Of which GPU each row is, as its position in `gpus`.
    gpu: Vec<u32>,
    columns: Vec<Numbers>,
}

/// The numbers of one column; NaN where it is unknown, and nowhere else.
#[derive(Debug)]
struct Numbers {
    metric: Metric,
    values: Vec<f64>,
}

impl History {
    /// What is kept of these numbers: of all GPUs or of some, all of it or the last of it.
    pub(crate) fn read(
        view: &View,
        metrics: &[Metric],
        only: Option<&[GpuId]>,
        last: Option<Duration>,
    ) -> Result<Self> {
        let begin = |last| view.frame()?.at.checked_sub(SignedDuration::try_from(last).ok()?).ok();
        let Columns { gpus, at, gpu, columns, .. } =
            view.columns(metrics, last.and_then(begin).unwrap_or(Timestamp::MIN))?;
        let wanted = only.unwrap_or(&gpus);
        let places = wanted.iter().map(|id| place(&gpus, id)).collect::<Result<Vec<_>>>()?;
        let places: HashMap<u32, u32> = places.into_iter().zip(0..).collect();
        let rows: Vec<usize> = (0..at.len()).filter(|row| places.contains_key(&gpu[*row])).collect();
        let numbers = |values: Vec<f64>| rows.iter().map(|row| values[*row]).collect();
        Ok(Self {
            at: rows.iter().map(|row| at[*row].as_microsecond()).collect(),
            gpu: rows.iter().map(|row| places[&gpu[*row]]).collect(),
            columns: columns
                .into_iter()
                .map(|column| Numbers { metric: column.metric, values: numbers(column.values) })
                .collect(),
            gpus: wanted.to_vec(),
        })
    }

    fn column(&self, name: &str) -> Result<&Numbers> {
        let found = self.columns.iter().find(|column| column.metric.name() == name);
        found.ok_or_else(|| {
            let known: Vec<_> = self.columns.iter().map(|column| column.metric.name()).collect();
            Error::new(ErrorKind::NotFound, "gpu.history", "no such column in this history")
                .with("name", format_args!("{name:?}"))
                .with("known", known.join(","))
        })
    }

    fn batch(&self) -> std::result::Result<RecordBatch, ArrowError> {
        let at = TimestampMicrosecondArray::from(self.at.clone()).with_timezone("UTC");
        let ids = StringArray::from_iter_values(self.gpus.iter().map(GpuId::as_str));
        let gpu = DictionaryArray::<UInt32Type>::try_new(UInt32Array::from(self.gpu.clone()), Arc::new(ids))?;
        let mut fields = vec![
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
            Field::new("gpu", gpu.data_type().clone(), false),
        ];
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(at), Arc::new(gpu)];
        for Numbers { metric, values } in &self.columns {
            let unit = HashMap::from([("unit".to_owned(), metric.unit().to_owned())]);
            fields.push(Field::new(metric.name(), DataType::Float64, true).with_metadata(unit));
            arrays.push(Arc::new(values.iter().map(|value| known(*value)).collect::<Float64Array>()));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}

fn place(gpus: &[GpuId], id: &GpuId) -> Result<u32> {
    let at = gpus.iter().position(|gpu| gpu == id).and_then(|at| u32::try_from(at).ok());
    at.ok_or_else(|| {
        let known: Vec<_> = gpus.iter().map(GpuId::as_str).collect();
        Error::new(ErrorKind::NotFound, "gpu.history", "no such GPU is read")
            .with("id", id)
            .with("known", known.join(","))
    })
}

fn known(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

fn bytes<'py, const N: usize>(py: Python<'py>, numbers: impl Iterator<Item = [u8; N]>) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &numbers.flatten().collect::<Vec<u8>>())
}

#[pymethods]
impl History {
    fn __len__(&self) -> usize {
        self.at.len()
    }

    /// The ids of the GPUs.
    #[getter]
    fn gpus(&self) -> Vec<&str> {
        self.gpus.iter().map(GpuId::as_str).collect()
    }

    /// The names of the numbers.
    #[getter]
    fn columns(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.metric.name()).collect()
    }

    /// When each row was read, in microseconds since 1970, as bytes of 64-bit integers.
    fn at<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, self.at.iter().map(|at| at.to_ne_bytes()))
    }

    /// Of which GPU each row is, as its position among them, as bytes of 32-bit integers without a sign.
    fn gpu<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, self.gpu.iter().map(|gpu| gpu.to_ne_bytes()))
    }

    /// The values of a column, None where one is not known.
    fn values(&self, py: Python<'_>, name: &str) -> PyResult<Vec<Option<f64>>> {
        guard(py, || Ok(self.column(name)?.values.iter().map(|value| known(*value)).collect()))
    }

    /// The values of a column as bytes of 64-bit floats, NaN where one is not known.
    fn raw<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyBytes>> {
        guard(py, || Ok(bytes(py, self.column(name)?.values.iter().map(|value| value.to_ne_bytes()))))
    }

    /// How many values of a column are known.
    fn known(&self, py: Python<'_>, name: &str) -> PyResult<usize> {
        guard(py, || Ok(self.column(name)?.values.iter().filter(|value| !value.is_nan()).count()))
    }

    /// The last known value of a column of one GPU.
    fn last(&self, py: Python<'_>, name: &str, gpu: u32) -> PyResult<Option<f64>> {
        guard(py, || {
            let rows = self.gpu.iter().zip(&self.column(name)?.values).rev();
            Ok(rows.filter(|(at, _)| **at == gpu).find_map(|(_, value)| known(*value)))
        })
    }

    /// The known values of a column of one GPU: position among the GPU's rows, and value; at most so many, each the mean
    /// of a stretch of rows.
    fn outline(&self, py: Python<'_>, name: &str, gpu: u32, points: usize) -> PyResult<Vec<(usize, f64)>> {
        guard(py, || {
            let values = &self.column(name)?.values;
            let of_gpu = self.gpu.iter().zip(values).filter(|(at, _)| **at == gpu).map(|(_, value)| *value);
            let of_gpu: Vec<(usize, f64)> = of_gpu.enumerate().filter(|(_, value)| !value.is_nan()).collect();
            let stretch = of_gpu.len().div_ceil(points.max(1)).max(1);
            Ok(of_gpu.chunks(stretch).map(mean).collect())
        })
    }

    /// All of it as a stream of Arrow record batches: a capsule of the Arrow PyCapsule interface.
    #[pyo3(signature = () -> "object")]
    fn arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        guard(py, || {
            let batch = py.detach(|| self.batch()).map_err(|error| {
                Error::new(ErrorKind::Internal, "gpu.history", "cannot write the history as Arrow").caused_by(error)
            })?;
            let schema = batch.schema();
            let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema)));
            Ok(PyCapsule::new_with_value(py, stream, c"arrow_array_stream")?)
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a stretch has far fewer rows than 2^53")]
fn mean(stretch: &[(usize, f64)]) -> (usize, f64) {
    let sum: f64 = stretch.iter().map(|(_, value)| value).sum();
    (stretch[stretch.len() / 2].0, sum / stretch.len() as f64)
}
