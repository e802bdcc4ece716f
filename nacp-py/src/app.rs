//! Apps: read and validated by the core.

use std::fmt::Write as _;

use nacp_core::{Error, ErrorKind, service};
use pyo3::prelude::*;

use crate::errors::guard;
use crate::json;

/// A valid app.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct App(pub(crate) service::App);

#[pymethods]
impl App {
    /// Reads an app from YAML or JSON and validates it.
    #[staticmethod]
    fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        guard(py, || Ok(Self(service::App::parse(text)?)))
    }

    /// As `parse`, from what is in a file. `file` is named in errors.
    #[staticmethod]
    fn read(py: Python<'_>, content: &[u8], file: &str) -> PyResult<Self> {
        guard(py, || {
            let parsed = utf8(content).and_then(service::App::parse);
            Ok(Self(parsed.map_err(|error| error.with_first("file", file))?))
        })
    }

    /// The app in its normal form, as JSON that is YAML too.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(escaped(&json::text(&self.0)?)))
    }

    /// The services' names in the order in which they start.
    fn start_order(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        guard(py, || Ok(self.0.start_order()?.into_iter().map(str::to_owned).collect()))
    }
}

fn utf8(content: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(content).map_err(|wrong| {
        Error::new(ErrorKind::InvalidArgument, "service.parse", "the text is not UTF-8")
            .with("byte", wrong.valid_up_to())
            .hint("save it as UTF-8")
    })
}

/// JSON text with those characters escaped that YAML does not take as they are, or takes as the end of a line.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _never_fails = write!(text, "\\u{:04x}", u32::from(character));
            }
            other => text.push(other),
        }
    }
    text
}
