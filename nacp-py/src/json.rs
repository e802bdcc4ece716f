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

/// A value as a tree, with a line of text for people beside its fields.
pub(crate) fn with_text(part: &impl Serialize, text: String) -> Result<Value, Error> {
    let mut value = value(part)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("text".to_owned(), Value::String(text));
    }
    Ok(value)
}

fn cannot(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "python.json", "cannot write a value as JSON").caused_by(error)
}
