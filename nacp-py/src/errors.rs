//! The one way from a failure in Rust to an exception in Python.

use std::any::Any;
use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nacp_core::{Error, ErrorKind, Retry};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What the body of an entry point may fail with.
#[derive(Debug)]
pub(crate) enum Failure {
    Core(Error),
    Python(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

/// Runs the body of an entry point: an error becomes the exception of its kind, a panic an `InternalError`.
///
/// PyO3 alone would turn a panic into `PanicException`, which `except Exception` does not catch.
pub(crate) fn guard<T>(py: Python<'_>, body: impl FnOnce() -> Result<T, Failure>) -> PyResult<T> {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(Failure::Python(error))) => return Err(error),
        Ok(Err(Failure::Core(error))) => error,
        Err(payload) => panicked(&*payload),
    };
    Err(exception(py, &failure).unwrap_or_else(|error| error))
}

/// The error that stands for a caught panic.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Error {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown");
    Error::new(ErrorKind::Internal, "python.call", "nacp has panicked")
        .with("reason", format_args!("{text:?}"))
        .hint("this is a defect of nacp: please report it")
}

/// The exception of an error. Classes live in Python, because an exception made here could have one base only.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = py.import("nacp.exceptions")?.getattr(error.kind().python_class())?;
    let context = PyDict::new(py);
    for (key, value) in error.context() {
        context.set_item(&**key, value)?;
    }
    let mut causes = Vec::new();
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let fields = PyDict::new(py);
    fields.set_item("operation", error.operation())?;
    fields.set_item("context", context)?;
    fields.set_item("hint", error.hint_text())?;
    fields.set_item("retryable", error.retry() == Retry::Later)?;
    fields.set_item("causes", causes)?;
    Ok(PyErr::from_value(class.call((error.to_string(),), Some(&fields))?))
}

/// The core's table of kinds: name, number, Python class, C status.
#[pyfunction]
pub(crate) fn error_table() -> Vec<(&'static str, i32, &'static str, &'static str)> {
    ErrorKind::ALL.iter().map(|kind| (kind.name(), kind.code(), kind.python_class(), kind.c_status())).collect()
}

/// Panics inside the library, on purpose: a test of the boundary needs one. Raises `InternalError`.
#[pyfunction]
#[expect(clippy::panic, reason = "that is what it is for")]
pub(crate) fn panic(py: Python<'_>, message: String) -> PyResult<()> {
    guard(py, || std::panic::panic_any(message))
}
