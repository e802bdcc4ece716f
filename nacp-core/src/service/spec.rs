//! One service of an app, and what identifies its containers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::{Digest, Sha256};

use super::{
    Condition, Dependencies, Determinism, GpuNeed, Mount, Probe, Resources, Restart, Secret, Security, Strategy,
    Ulimit, duration,
};
use crate::units::Bytes;

/// One service of an [`App`](super::App): an image, what it serves and what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Service {
    /// The container image.
    pub image: String,
    /// The arguments of the image's program; empty for the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The program that is run in place of the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Where the program is started; the image's own folder if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The model that it serves. Requests that name this model are routed here; the container sees it as `NACP_MODEL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it speaks at its port; plain HTTP if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Environment variables. `CUDA_VISIBLE_DEVICES` and `NVIDIA_VISIBLE_DEVICES` are refused: NACP sets them from
    /// [`gpu`](Self::gpu).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Secrets by name: the container reads them from `/run/secrets/NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// What each replica needs of the GPUs; absent for a service without a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuNeed>,
    /// The port on which the program listens inside the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where on the engine's machine that port is published; on a free port of the loopback address if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Publish>,
    /// How to tell that a replica is ready for requests; absent when running is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Probe>,
    /// How to tell that a replica that was ready is still alive; one that is not is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Probe>,
    /// What is mounted, by a name that is unique in the service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Mount>,
    /// Networks of the app's own in which its services find each other by their names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub networks: BTreeSet<String>,
    /// The size of `/dev/shm`; the engine's own, mostly 64 MiB, if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm: Option<Bytes>,
    /// The kernel's limits by name, such as `nofile`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// What it may use of the machine beside its GPUs.
    #[serde(default, skip_serializing_if = "Resources::is_default")]
    pub resources: Resources,
    /// How far its containers are locked up.
    #[serde(default, skip_serializing_if = "Security::is_default")]
    pub security: Security,
    /// What happens when a replica's program ends.
    #[serde(default, skip_serializing_if = "Restart::is_default")]
    pub restart: Restart,
    /// How long a replica may take to end when it is asked to; 10 seconds if it is not set.
    #[serde(default = "ten_seconds", skip_serializing_if = "is_ten_seconds", with = "duration")]
    pub stop_grace: Duration,
    /// The signal that asks it to end, such as `SIGINT`; the image's own if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How many copies run; 0 keeps the service defined and runs none.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub replicas: u32,
    /// How the replicas are replaced when the specification changes.
    #[serde(default, skip_serializing_if = "Strategy::is_default")]
    pub strategy: Strategy,
    /// Which services this one waits for, and until when.
    #[serde(default, skip_serializing_if = "Dependencies::is_empty")]
    pub depends_on: Dependencies,
    /// After how long without a request it may be swapped out when memory is scarce.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub idle: Option<Duration>,
    /// Services of higher priority choose their GPUs first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Whether its containers get the environment that lets CUDA programs repeat; see
    /// [`determinism`](super::determinism). A variable of [`env`](Self::env) stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub determinism: Option<Determinism>,
    /// Labels of the user's own; names that begin with `nacp.` are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The platform of the image, such as `linux/amd64`; the engine's own if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// When the image is pulled.
    #[serde(default, skip_serializing_if = "Pull::is_default")]
    pub pull: Pull,
}

/// What a service speaks at its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Api {
    /// OpenAI's.
    Openai,
    /// Ollama's.
    Ollama,
    /// KServe's, version 2.
    Kserve,
    /// Any other over HTTP.
    Http,
}

/// Where a service's port is published on the engine's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Publish {
    /// The address; loopback if it is not set. Any other lets other machines in.
    #[serde(default = "loopback", skip_serializing_if = "is_default_host", deserialize_with = "address")]
    pub host: IpAddr,
    /// The port; a free one if it is not set. A fixed one allows one replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Publish {
    /// At this address, on a free port.
    pub const fn at(host: IpAddr) -> Self {
        Self { host, port: None }
    }

    /// Sets the port.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

impl Default for Publish {
    fn default() -> Self {
        Self::at(loopback())
    }
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pull {
    /// When it is not on the engine's machine.
    #[default]
    Missing,
    /// Before each container is created.
    Always,
    /// Never: it must be there.
    Never,
}

impl Pull {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn is_default_host(host: &IpAddr) -> bool {
    *host == loopback()
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format!("not an address: value={text:?}; write for example 127.0.0.1, 0.0.0.0 or ::1"))
    })
}

fn loopback() -> IpAddr {
    IpAddr::from([127, 0, 0, 1])
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn ten_seconds() -> Duration {
    TEN_SECONDS
}

fn is_ten_seconds(grace: &Duration) -> bool {
    *grace == TEN_SECONDS
}

pub(super) fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(super) fn is_one(count: &u32) -> bool {
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
            entrypoint: Vec::new(),
            working_dir: None,
            model: None,
            api: None,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            gpu: None,
            port: None,
            publish: None,
            ready: None,
            live: None,
            volumes: BTreeMap::new(),
            networks: BTreeSet::new(),
            shm: None,
            ulimits: BTreeMap::new(),
            resources: Resources::default(),
            security: Security::default(),
            restart: Restart::default(),
            stop_grace: TEN_SECONDS,
            stop_signal: None,
            replicas: 1,
            strategy: Strategy::default(),
            depends_on: Dependencies::default(),
            idle: None,
            priority: 0,
            determinism: None,
            labels: BTreeMap::new(),
            platform: None,
            pull: Pull::default(),
        }
    }

    /// Sets the arguments of the image's program.
    #[must_use]
    pub fn command<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.command = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Runs this program in place of the image's own.
    #[must_use]
    pub fn entrypoint<T: Into<String>>(mut self, program: impl IntoIterator<Item = T>) -> Self {
        self.entrypoint = program.into_iter().map(Into::into).collect();
        self
    }

    /// Starts the program in this folder.
    #[must_use]
    pub fn working_dir(mut self, folder: impl Into<String>) -> Self {
        self.working_dir = Some(folder.into());
        self
    }

    /// Says what it speaks at its port.
    #[must_use]
    pub fn api(mut self, api: Api) -> Self {
        self.api = Some(api);
        self
    }

    /// Publishes its port at this address of the engine's machine.
    #[must_use]
    pub fn publish(mut self, publish: Publish) -> Self {
        self.publish = Some(publish);
        self
    }

    /// Joins a network of the app's own.
    #[must_use]
    pub fn network(mut self, name: impl Into<String>) -> Self {
        self.networks.insert(name.into());
        self
    }

    /// Sets the size of `/dev/shm`.
    #[must_use]
    pub fn shm(mut self, size: Bytes) -> Self {
        self.shm = Some(size);
        self
    }

    /// Sets a limit of the kernel's, such as `nofile`.
    #[must_use]
    pub fn ulimit(mut self, name: impl Into<String>, limit: Ulimit) -> Self {
        self.ulimits.insert(name.into(), limit);
        self
    }

    /// Sets how long a replica may take to end.
    #[must_use]
    pub fn stop_grace(mut self, limit: Duration) -> Self {
        self.stop_grace = limit;
        self
    }

    /// Sets the signal that asks a replica to end.
    #[must_use]
    pub fn stop_signal(mut self, signal: impl Into<String>) -> Self {
        self.stop_signal = Some(signal.into());
        self
    }

    /// Lets it be swapped out after so long without a request.
    #[must_use]
    pub fn idle(mut self, after: Duration) -> Self {
        self.idle = Some(after);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Sets the platform of the image, such as `linux/amd64`.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }

    /// Says when the image is pulled.
    #[must_use]
    pub fn pull(mut self, pull: Pull) -> Self {
        self.pull = pull;
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

    /// Mounts a volume of this name at a path, or whatever the mount says.
    #[must_use]
    pub fn volume(mut self, name: impl Into<String>, mount: impl Into<Mount>) -> Self {
        self.volumes.insert(name.into(), mount.into());
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
    pub fn depends_on(self, service: impl Into<String>) -> Self {
        self.waits_for(service, Condition::Ready)
    }

    /// Adds a service that this one waits for, until that condition holds.
    #[must_use]
    pub fn waits_for(mut self, service: impl Into<String>, condition: Condition) -> Self {
        self.depends_on.0.insert(service.into(), condition);
        self
    }

    /// Sets how to tell that a replica is still alive.
    #[must_use]
    pub fn live(mut self, probe: Probe) -> Self {
        self.live = Some(probe);
        self
    }

    /// Adds a secret: the container reads it from `/run/secrets/NAME`.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, secret: Secret) -> Self {
        self.secrets.insert(name.into(), secret);
        self
    }

    /// Sets how the replicas are replaced when the specification changes.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets what happens when a replica's program ends.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Sets how far its containers are locked up.
    #[must_use]
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Sets what it may use of the machine beside its GPUs.
    #[must_use]
    pub fn resources(mut self, resources: Resources) -> Self {
        self.resources = resources;
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
    /// digits. Two services with the same hash run the same containers. What can change while a container stays is not
    /// part of it: replicas, `depends_on`, priority, strategy, restart, idle, `stop_grace`, pull and `live`. A field that is not set does not count, so that a later version of
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
        Self {
            replicas: one(),
            depends_on: Dependencies::default(),
            priority: 0,
            strategy: Strategy::default(),
            restart: Restart::default(),
            idle: None,
            stop_grace: TEN_SECONDS,
            pull: Pull::default(),
            live: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests;
