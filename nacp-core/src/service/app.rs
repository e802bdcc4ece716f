//! An app: the services that belong together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Service;
use crate::error::Result;

/// A set of services that belong together, as `nacp.yaml` describes them.
///
/// ```
/// use nacp_core::Bytes;
/// use nacp_core::service::{App, GpuNeed, Service};
///
/// let app = App::new("assistant")
///     .service("llm", Service::new("ollama/ollama:0.16.1").model("phi3:mini").gpu(GpuNeed::memory(Bytes::gib(3))).port(11434))
///     .service("embed", Service::new("example/embedder:2").replicas(2).depends_on("llm"));
/// app.validate()?;
/// assert_eq!(app.start_order()?, ["llm", "embed"]);
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The app's name: lower-case letters, digits and hyphens, 40 at most.
    pub name: String,
    /// The services by name; names follow the same rule.
    pub services: BTreeMap<String, Service>,
}

impl App {
    /// An app without services.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), services: BTreeMap::new() }
    }

    /// Adds a service, or replaces the one of that name.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>, service: Service) -> Self {
        self.services.insert(name.into(), service);
        self
    }

    /// Reads an app from YAML or JSON text and validates it.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) with line, column and, for an unknown field, the nearest
    /// one that exists.
    pub fn parse(text: &str) -> Result<Self> {
        super::parse::app(text)
    }

    /// Checks everything that can be checked without a machine: names, ports, paths, times, replica counts,
    /// dependencies. [`parse`](Self::parse) does it by itself; an app from builders needs the call.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) with the path of the first field that is wrong.
    pub fn validate(&self) -> Result<()> {
        super::validate::app(self)
    }

    /// The services' names in the order in which they start: what a service depends on comes first.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when the dependencies form a circle.
    pub fn start_order(&self) -> Result<Vec<&str>> {
        super::validate::start_order(self)
    }
}
