//! What a container is to be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::gpu::GpuId;
use crate::service::{MountSource, RootAccess, SecretValue, Ulimit};
use crate::units::Bytes;

/// What a container is to be. What is not said is strict: nothing is published beyond loopback, no capability is kept, no
/// privilege can be gained.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSpec {
    /// Its name; unique in the engine.
    pub name: String,
    /// The image.
    pub image: String,
    /// The arguments; empty for the image's own.
    pub command: Vec<String>,
    /// The program that is run in place of the image's own; empty for that.
    pub entrypoint: Vec<String>,
    /// Where the program is started.
    pub working_dir: Option<String>,
    /// Environment variables. What the engine must set to give the container its GPUs, and no others, wins over them.
    pub env: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The GPUs that it gets, by UUID.
    pub gpus: Vec<GpuId>,
    /// Whether those GPUs are simulated: then an engine that does not know them gives none, and says so.
    pub simulated_gpus: bool,
    /// The port on which its program listens, and where it is published.
    pub publish: Option<PublishSpec>,
    /// What is mounted.
    pub mounts: Vec<MountSpec>,
    /// Files that are put into it before it starts.
    pub files: Vec<FileSpec>,
    /// The networks that it is in, by their names in the engine; the engine's own where there is none.
    pub networks: BTreeSet<String>,
    /// The name by which others in those networks find it.
    pub alias: Option<String>,
    /// The size of `/dev/shm`.
    pub shm: Option<Bytes>,
    /// The kernel's limits.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// CPU time, in CPUs.
    pub cpus: Option<f64>,
    /// Main memory.
    pub memory: Option<Bytes>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// As whom the program runs; the image's own user if it is not set.
    pub user: Option<String>,
    /// Whether its root can be written.
    pub root: RootAccess,
    /// The capabilities that it keeps.
    pub capabilities: BTreeSet<String>,
    /// Whether its programs may gain privileges.
    pub new_privileges: bool,
    /// Whether it shares the memory segments of the engine's machine.
    pub host_ipc: bool,
    /// The signal that asks it to end.
    pub stop_signal: Option<String>,
    /// The platform of the image.
    pub platform: Option<String>,
}

impl ContainerSpec {
    /// A container of this name and image: its image's own program, without GPUs, port, mounts or labels.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            image: image.into(),
            command: Vec::new(),
            entrypoint: Vec::new(),
            working_dir: None,
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            gpus: Vec::new(),
            simulated_gpus: false,
            publish: None,
            mounts: Vec::new(),
            files: Vec::new(),
            networks: BTreeSet::new(),
            alias: None,
            shm: None,
            ulimits: BTreeMap::new(),
            cpus: None,
            memory: None,
            pids: None,
            user: None,
            root: RootAccess::Auto,
            capabilities: BTreeSet::new(),
            new_privileges: false,
            host_ipc: false,
            stop_signal: None,
            platform: None,
        }
    }

    /// The port on which its program listens.
    pub fn port(&self) -> Option<u16> {
        self.publish.map(|publish| publish.container)
    }
}

/// A port of a container and where on the engine's machine it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublishSpec {
    /// The port on which the program listens.
    pub container: u16,
    /// The address on the engine's machine.
    pub host: IpAddr,
    /// The port there; a free one if it is not set.
    pub port: Option<u16>,
}

impl PublishSpec {
    /// This port of the container, on a free port of the loopback address.
    pub const fn loopback(container: u16) -> Self {
        Self { container, host: IpAddr::V4(Ipv4Addr::LOCALHOST), port: None }
    }
}

/// One mount of a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MountSpec {
    /// Where in the container.
    pub path: String,
    /// What. A [`Volume`](MountSource::Volume) without a name is removed with the container.
    pub source: MountSource,
    /// The name of the volume in the engine, for a [`Volume`](MountSource::Volume).
    pub name: Option<String>,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// A file that is put into a container before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Where in the container.
    pub path: String,
    /// What is in it.
    pub content: SecretValue,
}
