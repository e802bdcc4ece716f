//! A container as an engine reports it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::service::Ulimit;
use crate::units::Bytes;

/// A container's id, as the engine names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerId(pub String);

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.get(..12).unwrap_or(&self.0))
    }
}

/// A container as the engine reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The image that it was created from.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is doing.
    pub state: ContainerState,
    /// Where its port is published, while it runs.
    pub address: Option<SocketAddr>,
    /// When it was created.
    pub created: Option<Timestamp>,
}

impl Container {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// It was created and never started.
    Created,
    /// Its program runs.
    Running,
    /// The engine is starting it again.
    Restarting,
    /// It is frozen.
    Paused,
    /// Its program has ended, with this code where the engine tells.
    Exited(Option<i64>),
    /// The engine is removing it, or failed to.
    Dead,
}

impl ContainerState {
    /// Whether its program is in memory, running or frozen, or is about to be again.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Restarting | Self::Paused)
    }
}

impl fmt::Display for ContainerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.pad("created"),
            Self::Running => f.pad("running"),
            Self::Restarting => f.pad("restarting"),
            Self::Paused => f.pad("paused"),
            Self::Exited(Some(code)) => f.pad(&format!("exited ({code})")),
            Self::Exited(None) => f.pad("exited"),
            Self::Dead => f.pad("dead"),
        }
    }
}

/// What a container really got, as the engine reports it. A field that an engine does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Details {
    /// The engine's id of the image's content, `sha256:…`.
    pub image_id: String,
    /// When its program was last started.
    pub started_at: Option<Timestamp>,
    /// When its program last ended.
    pub finished_at: Option<Timestamp>,
    /// Its program's last exit code.
    pub exit_code: Option<i64>,
    /// Whether the kernel ended it because it took more main memory than allowed.
    pub out_of_memory: bool,
    /// What the engine says of a start that failed.
    pub error: Option<String>,
    /// The CDI devices that it was given.
    pub cdi_devices: BTreeSet<String>,
    /// The runtime that it was started with, such as `runc` or `nvidia`.
    pub runtime: Option<String>,
    /// The GPUs that were asked of the engine's own device driver `nvidia`, by UUID.
    pub driver_gpus: BTreeSet<String>,
    /// The device nodes inside it, as far as the engine tells.
    pub devices: BTreeSet<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// As whom its program runs; empty for the image's own user.
    pub user: String,
    /// Whether its root is read-only.
    pub read_only: bool,
    /// The capabilities that were dropped, without `CAP_`: `ALL`, or each by its name.
    pub dropped_capabilities: BTreeSet<String>,
    /// The capabilities that were added, without `CAP_`.
    pub added_capabilities: BTreeSet<String>,
    /// Whether it has every capability and every device.
    pub privileged: bool,
    /// Whether its programs can gain no privileges.
    pub no_new_privileges: bool,
    /// Whether it shares the memory segments of the engine's machine.
    pub host_ipc: bool,
    /// The size of `/dev/shm`.
    pub shm: Option<Bytes>,
    /// The limit of its main memory.
    pub memory: Option<Bytes>,
    /// The limit of its CPU time, in CPUs.
    pub cpus: Option<f64>,
    /// The limit of its processes and threads.
    pub pids: Option<u64>,
    /// The kernel's limits, by their names in small letters, such as `nofile`.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Where its mounts are, memory included.
    pub mounts: BTreeSet<String>,
    /// Those of them that can only be read.
    pub read_only_mounts: BTreeSet<String>,
    /// The networks that it is in.
    pub networks: BTreeSet<String>,
    /// Where its ports are published, as the engine says it; while it runs.
    pub published: BTreeSet<SocketAddr>,
}
