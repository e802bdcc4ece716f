//! Apps: read and validated by the core.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use nacp_core::service::compose::{Import, Imported};
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

    /// Reads a compose file, from a text or from what is in a file; also its notes, as JSON. Without `env`, the variables
    /// are those of the environment and, where there is a folder, of the file `.env` in it.
    #[staticmethod]
    #[pyo3(signature = (content, *, file, name, folder, env, as_docker))]
    fn from_compose(
        py: Python<'_>,
        content: &[u8],
        file: Option<&str>,
        name: Option<&str>,
        folder: Option<&str>,
        env: Option<BTreeMap<String, String>>,
        as_docker: bool,
    ) -> PyResult<(Self, String)> {
        guard(py, || {
            let imported = compose(content, name, folder, env, as_docker);
            let imported = imported.map_err(|error| match file {
                Some(file) => error.with_first("file", file),
                None => error,
            })?;
            Ok((Self(imported.app), json::text(&imported.notes)?))
        })
    }

    /// The app as a compose file; also its notes, as JSON.
    fn to_compose(&self, py: Python<'_>) -> PyResult<(String, String)> {
        guard(py, || {
            let exported = service::compose::export(&self.0)?;
            Ok((exported.text, json::text(&exported.notes)?))
        })
    }

    /// The app as people write it.
    fn to_yaml(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(service::compose::to_yaml(&self.0)?))
    }

    /// What is valid and worth a second look, as JSON.
    fn warnings(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(json::text(&self.0.warnings())?))
    }

    /// The services' names in the order in which they start.
    fn start_order(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        guard(py, || Ok(self.0.start_order()?.into_iter().map(str::to_owned).collect()))
    }
}

/// The JSON Schema of an app, as JSON.
#[pyfunction]
pub(crate) fn app_schema(py: Python<'_>) -> PyResult<String> {
    guard(py, || Ok(json::text(&service::schema())?))
}

fn compose(
    content: &[u8],
    name: Option<&str>,
    folder: Option<&str>,
    env: Option<BTreeMap<String, String>>,
    as_docker: bool,
) -> Result<Imported, Error> {
    let text = utf8(content)?;
    let in_folder = |path: &str| fs::read_to_string(Path::new(folder?).join(path)).ok();
    let given = env.is_some();
    let variables = match (env, in_folder(".env")) {
        (Some(variables), _) => variables,
        (None, Some(text)) => {
            let read = service::compose::dotenv(&text).map_err(|error| error.with_first("variables", ".env"))?;
            read.into_iter().collect()
        }
        (None, None) => BTreeMap::new(),
    };
    let own = |name: &str| if given { None } else { std::env::var(name).ok() };
    let environment = |name: &str| own(name).or_else(|| variables.get(name).cloned());
    let mut import = Import::new(text).environment(&environment).files(&in_folder).as_docker(as_docker);
    if let Some(name) = name {
        import = import.name(name);
    }
    if let Some(folder) = folder {
        import = import.folder(folder);
    }
    import.run()
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
