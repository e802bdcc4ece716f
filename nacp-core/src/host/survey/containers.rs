//! The containers that want a GPU.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A container that wants a GPU, as its daemon describes it.
///
/// A container wants one if it requests devices, names the runtime `nvidia`, has a CDI device or a `/dev/nvidia*` node, or
/// carries `NVIDIA_VISIBLE_DEVICES` with anything but `void` or `none`. Values of other variables are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ContainerFacts {
    /// Its name.
    pub name: String,
    /// The image that it was created from.
    pub image: String,
    /// The endpoint of its daemon.
    pub endpoint: String,
    /// `created`, `running`, `exited` and so on.
    pub state: String,
    /// How its program ended.
    pub exit_code: Option<i64>,
    /// Whether it was killed for want of memory of the machine.
    pub oom_killed: bool,
    /// What the daemon says of its failed start.
    pub error: String,
    /// When it was last started, in seconds since 1970.
    pub started: Option<i64>,
    /// When it was created, in seconds since 1970.
    pub created: Option<i64>,
    /// When its program last ended, in seconds since 1970.
    pub finished: Option<i64>,
    /// The project of Compose that it belongs to (the label `com.docker.compose.project`).
    pub project: Option<String>,
    /// Its service in that project (the label `com.docker.compose.service`).
    pub service: Option<String>,
    /// What it requests of devices.
    pub requests: Vec<DeviceRequest>,
    /// The runtime that it names.
    pub runtime: Option<String>,
    /// Device nodes that it is given by path.
    pub devices: Vec<String>,
    /// Its variables that decide about GPUs, such as `NVIDIA_VISIBLE_DEVICES` and `LD_LIBRARY_PATH`; the image's own among
    /// them.
    pub env: BTreeMap<String, String>,
    /// Bytes of its `/dev/shm`.
    pub shm_bytes: Option<u64>,
    /// Its IPC mode: `private`, `host`, `shareable`.
    pub ipc: Option<String>,
    /// Its policy of restarts: `no`, `always`, `unless-stopped`, `on-failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
    /// Whether it runs with all rights.
    pub privileged: bool,
    /// Its ulimits, by name, the soft one.
    pub ulimits: BTreeMap<String, i64>,
    /// Security options, such as `label=disable`.
    pub security: Vec<String>,
    /// The last lines that it wrote, where its program has ended badly; 40 at most.
    pub log: Vec<String>,
    /// What looking for a GPU inside it gave, where it runs and was looked into: device nodes that are there.
    pub inside: Option<Vec<String>>,
}

/// A request for devices (`HostConfig.DeviceRequests`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRequest {
    /// ``, `nvidia`, `cdi` or what its author believed.
    pub driver: String,
    /// How many; -1 for all.
    pub count: i64,
    /// Which.
    pub ids: Vec<String>,
    /// The capabilities, flattened.
    pub capabilities: Vec<String>,
}
