//! Certificates of determinism, which Python keeps as JSON.

use nacp_core::cuda::Certificate;
use nacp_core::cuda::determinism::compare;
use pyo3::prelude::*;

use crate::errors::{Failure, guard};
use crate::json;
use crate::runtime::wait_blocking;

/// A certificate in its canonical form, from JSON of any form.
#[pyfunction]
pub(crate) fn certificate_text(py: Python<'_>, text: &str) -> PyResult<String> {
    guard(py, || Ok(Certificate::parse(text)?.canonical()?))
}

/// A certificate in words.
#[pyfunction]
pub(crate) fn certificate_words(py: Python<'_>, text: &str) -> PyResult<String> {
    guard(py, || Ok::<_, Failure>(Certificate::parse(text)?.to_string()))
}

/// What holds of a certificate, as JSON.
#[pyfunction]
pub(crate) fn certificate_verify(py: Python<'_>, text: String) -> PyResult<String> {
    wait_blocking(py, move || {
        let verification = Certificate::parse(&text)?.verify();
        let mut value = json::with_text(&verification, verification.to_string())?;
        value["verified"] = verification.is_verified().into();
        json::text(&value)
    })
}

/// What two certificates have in common, as JSON.
#[pyfunction]
pub(crate) fn certificate_compare(py: Python<'_>, first: String, second: String) -> PyResult<String> {
    wait_blocking(py, move || {
        let comparison = compare(&Certificate::parse(&first)?, &Certificate::parse(&second)?);
        json::text(&json::with_text(&comparison, comparison.to_string())?)
    })
}
