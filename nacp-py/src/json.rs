//! Values of the core as JSON text.

use nacp_core::{Error, ErrorKind};

/// A value as compact JSON.
pub(crate) fn text(value: &(impl serde::Serialize + ?Sized)) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::Internal, "python.json", "cannot write a value as JSON").caused_by(error)
    })
}
