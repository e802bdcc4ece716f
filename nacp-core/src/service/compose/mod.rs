//! Docker Compose: reading its files as apps, and writing apps as such files.
//!
//! Nothing is read here beside the text: neither files nor the environment; [`Import`] is told of them. What Compose has
//! and NACP has not gives a [`Note`] with its line; what NACP has and Compose has not stands in the extension `x-nacp` of
//! a service, which is a merge patch in the words of `nacp.yaml`, so that an app that was exported and imported is the
//! same app.
//!
//! ```
//! use nacp_core::service::compose;
//!
//! let text = "
//! services:
//!   llm:
//!     image: vllm/vllm-openai:v0.11.0
//!     ports: ['127.0.0.1:8000:8000']
//!     deploy: { resources: { reservations: { devices: [{ driver: nvidia, count: 1, capabilities: [gpu] }] } } }
//! ";
//! let imported = compose::import(text, Some("chat"), &|_| None)?;
//! assert_eq!(imported.app.services["llm"].port, Some(8000));
//! assert!(imported.notes.iter().any(|note| note.message.contains("GPU memory")));
//!
//! let exported = compose::export(&imported.app)?;
//! assert_eq!(compose::import(&exported.text, None, &|_| None)?.app, imported.app);
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod app;
mod deploy;
mod emit;
mod env;
mod export;
mod gpu;
mod health;
mod mounts;
mod names;
mod patch;
mod ports;
mod secrets;
mod security;
mod service;
#[cfg(test)]
mod tests;
mod tree;
mod variables;
mod without;
mod words;
mod write;
mod wrong;

use serde::Serialize;

pub use app::Import;
pub use export::export;
pub use write::to_yaml;
pub use wrong::{Note, NoteKind};

use super::App;
use crate::error::Result;

/// An app that was read from a compose file, and what its user has to know.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Imported {
    /// The app, valid.
    pub app: App,
    /// What has no counterpart, means something else or was assumed, in the order of the file.
    pub notes: Vec<Note>,
}

/// A compose file that was made of an app, and what its user has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Exported {
    /// The file.
    pub text: String,
    /// What Compose does otherwise than NACP.
    pub notes: Vec<Note>,
}

/// Reads a compose file as an app of this name (that of the file if it is absent), with the variables that `env` gives.
/// [`Import`] can be told of more.
///
/// # Errors
/// As [`Import::run`].
pub fn import(text: &str, name: Option<&str>, env: &dyn Fn(&str) -> Option<String>) -> Result<Imported> {
    let import = Import::new(text).environment(env);
    match name {
        Some(name) => import.name(name).run(),
        None => import.run(),
    }
}

/// The variables in the text of a `.env` file, in order: `NAME=value` in each line, `#` for comments, quotes around
/// values. Names without a value are left out.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) with the line that is none of this.
pub fn dotenv(text: &str) -> Result<Vec<(String, String)>> {
    let variables = variables::file(text, false).map_err(env::malformed)?;
    Ok(variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}
