//! What to run: an app, its services and what each of them needs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ComputeNeed, Determinism, duration};
use crate::error::Result;
use crate::units::Bytes;

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

/// One service of an [`App`]: an image, what it serves and what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Service {
    /// The container image.
    pub image: String,
    /// The arguments of the image's program; empty for the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The model that it serves. Requests that name this model are routed here; the container sees it as `NACP_MODEL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Environment variables. `CUDA_VISIBLE_DEVICES` and `NVIDIA_VISIBLE_DEVICES` are refused: NACP sets them from
    /// [`gpu`](Self::gpu).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What each replica needs of the GPUs; absent for a service without a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuNeed>,
    /// The port on which the program listens inside the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How to tell that a replica is ready for requests; absent when running is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Probe>,
    /// Named volumes and where they are mounted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, String>,
    /// How many copies run.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub replicas: u32,
    /// Which services must be ready before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Services of higher priority choose their GPUs first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Whether its containers get the environment that lets CUDA programs repeat; see
    /// [`determinism`](super::determinism). A variable of [`env`](Self::env) stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub determinism: Option<Determinism>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_one(count: &u32) -> bool {
    *count == one()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

impl Service {
    /// A service with one replica of this image and no needs.
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            command: Vec::new(),
            model: None,
            env: BTreeMap::new(),
            gpu: None,
            port: None,
            ready: None,
            volumes: BTreeMap::new(),
            replicas: 1,
            depends_on: Vec::new(),
            priority: 0,
            determinism: None,
        }
    }

    /// Sets the arguments of the image's program.
    #[must_use]
    pub fn command<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.command = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the model that it serves.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets what each replica needs of the GPUs.
    #[must_use]
    pub fn gpu(mut self, need: GpuNeed) -> Self {
        self.gpu = Some(need);
        self
    }

    /// Sets the port on which the program listens.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets how to tell that a replica is ready.
    #[must_use]
    pub fn ready(mut self, probe: Probe) -> Self {
        self.ready = Some(probe);
        self
    }

    /// Mounts a named volume.
    #[must_use]
    pub fn volume(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.volumes.insert(name.into(), path.into());
        self
    }

    /// Sets how many copies run.
    #[must_use]
    pub fn replicas(mut self, count: u32) -> Self {
        self.replicas = count;
        self
    }

    /// Adds a service that must be ready before this one starts.
    #[must_use]
    pub fn depends_on(mut self, service: impl Into<String>) -> Self {
        self.depends_on.push(service.into());
        self
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Gives its containers the environment that lets CUDA programs repeat.
    #[must_use]
    pub fn determinism(mut self, determinism: Determinism) -> Self {
        self.determinism = Some(determinism);
        self
    }

    /// Identifies everything that makes up a container of this service: `v1:` and the SHA-256 of it in hexadecimal
    /// digits. Two services with the same hash run the same containers; how many replicas there are, what they depend
    /// on and their priority are not part of it. A field that is not set does not count, so that a later version of
    /// NACP with more fields gives the same hash.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(serde_json::json!(self.container()).to_string());
        digest.iter().fold("v1:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// What a container's label keeps of the specification: what makes up the container, without the values of its
    /// environment, which may be secrets.
    pub(crate) fn stored(&self) -> serde_json::Value {
        let mut container = self.container();
        container.env.values_mut().for_each(String::clear);
        serde_json::json!(container)
    }

    /// The service with everything at its default that does not make up a container.
    fn container(&self) -> Self {
        Self { replicas: one(), depends_on: Vec::new(), priority: 0, ..self.clone() }
    }
}

/// What each replica of a service needs of the GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GpuNeed {
    /// Memory on each GPU, in bytes; at least 1 MiB.
    pub memory: Bytes,
    /// How many GPUs.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u32,
    /// Whether other replicas may use the same GPU.
    #[serde(default, skip_serializing_if = "Sharing::is_default")]
    pub sharing: Sharing,
    /// The least compute capability, written `>=8.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeNeed>,
}

impl GpuNeed {
    /// One shared GPU with this much memory.
    pub fn memory(memory: Bytes) -> Self {
        Self { memory, count: 1, sharing: Sharing::Shared, compute: None }
    }

    /// Asks for several GPUs.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// Asks for GPUs that no other replica uses.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.sharing = Sharing::Exclusive;
        self
    }

    /// Asks for at least this compute capability.
    #[must_use]
    pub fn compute(mut self, need: ComputeNeed) -> Self {
        self.compute = Some(need);
        self
    }
}

/// Whether a replica tolerates others on its GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Sharing {
    /// It shares the GPU as far as memory allows.
    #[default]
    Shared,
    /// It has the GPU to itself among NACP's replicas.
    Exclusive,
}

impl Sharing {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How to tell that a replica is ready: `GET` on a path answers 200 to 399.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Probe {
    /// The path, beginning with a slash, with a query if need be, as it stands in a request: a blank is `%20`.
    pub http: String,
    /// How long it may take after the start, written `90s` or `10m`; 1 second to 7 days, 1 minute if it is not set.
    #[serde(default = "Probe::default_within", with = "duration")]
    pub within: Duration,
}

impl Probe {
    /// A probe of this path, within one minute.
    pub fn http(path: impl Into<String>) -> Self {
        Self { http: path.into(), within: Self::default_within() }
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    fn default_within() -> Duration {
        Duration::from_secs(60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_changes_with_the_container_and_with_nothing_else() {
        let service = Service::new("image:1").model("m").port(80);
        let same = service.clone().replicas(3).priority(9).depends_on("other");
        assert_eq!(service.hash(), same.hash());
        // Pinned: a hash that changes with NACP's version would restart every service at an upgrade.
        assert_eq!(service.hash(), "v1:b047a22013e9efe8fb3fbfd764e6aad451fd50e8b8f8206c5e23ec14548cb406");
        for other in [
            service.clone().env("A", "1"),
            service.clone().port(81),
            service.clone().ready(Probe::http("/")),
            service.clone().gpu(GpuNeed::memory(Bytes::gib(1))),
            service.clone().command(["--x"]),
            service.clone().volume("v", "/v"),
            service.clone().determinism(Determinism::Strict),
            Service { image: "image:2".into(), ..service.clone() },
        ] {
            assert_ne!(service.hash(), other.hash(), "{other:?}");
        }
    }

    #[test]
    fn what_is_stored_in_a_label_has_no_values_of_the_environment() {
        let stored = Service::new("image").env("TOKEN", "hunter2").ready(Probe::http("/x")).stored().to_string();
        assert!(stored.contains("TOKEN") && !stored.contains("hunter2"), "{stored}");
        assert!(stored.contains("/x"));
    }
}
