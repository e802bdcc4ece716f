//! Values of the core as JSON.

use nacp_core::{Error, ErrorKind};
use serde::Serialize;
use serde_json::Value;

/// A value as compact JSON text.
pub(crate) fn text(value: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    serde_json::to_string(value).map_err(cannot)
}

/// A value as a tree, to which more can be added.
pub(crate) fn value(value: &(impl Serialize + ?Sized)) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(cannot)
}

fn cannot(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "python.json", "cannot write a value as JSON").caused_by(error)
}
