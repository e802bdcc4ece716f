//! What a container is to be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::error::{Error, ErrorKind, Result};
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

    /// Whether what stands in it fits together: where files and mounts lie. Every engine asks before it creates.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a path that does not begin at the root or goes up again, for
    /// two mounts at one path, and for a file that would lie in a mount, where it would outlive the container or reach
    /// the engine's machine.
    pub fn check(&self) -> Result<()> {
        let refused = |message: &str, path: &str| {
            Error::new(ErrorKind::InvalidArgument, "engine.create", message)
                .with("container", &self.name)
                .with("path", path)
        };
        let mut taken = BTreeSet::new();
        for path in self.mounts.iter().map(|mount| &mount.path).chain(self.files.iter().map(|file| &file.path)) {
            let whole = path.starts_with('/') && path.len() > 1 && !path.ends_with('/');
            if !whole || path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(refused("not the path of something in a container", path)
                    .hint("write it from the root, without `.` and `..`, such as /data/models"));
            }
            if !taken.insert(path) {
                return Err(
                    refused("two things are to lie at one path in the container", path).hint("move one of them")
                );
            }
        }
        let within = |file: &&FileSpec| self.mounts.iter().any(|mount| lies_in(&file.path, &mount.path));
        match self.files.iter().find(within) {
            Some(file) => Err(refused("a file cannot be put into a mount", &file.path)
                .hint("choose a path outside the mounts, such as /run/secrets/NAME")),
            None => Ok(()),
        }
    }

    /// The port on which its program listens.
    pub fn port(&self) -> Option<u16> {
        self.publish.map(|publish| publish.container)
    }
}

/// Whether a path is a folder's own or lies in it.
pub(crate) fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder == "/")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(path: &str) -> MountSpec {
        MountSpec { path: path.into(), source: MountSource::Volume, name: None, read_only: false }
    }

    fn file(path: &str) -> FileSpec {
        FileSpec { path: path.into(), content: SecretValue::new("hush") }
    }

    #[test]
    fn what_does_not_fit_together_names_the_path() {
        let with = |mounts: &[&str], files: &[&str]| ContainerSpec {
            mounts: mounts.iter().map(|path| mounted(path)).collect(),
            files: files.iter().map(|path| file(path)).collect(),
            ..ContainerSpec::new("n", "i")
        };
        for (spec, path) in [
            (with(&["data"], &[]), "data"),
            (with(&["/"], &[]), "/"),
            (with(&["/data/"], &[]), "/data/"),
            (with(&["/data/../etc"], &[]), "/data/../etc"),
            (with(&["/data//x"], &[]), "/data//x"),
            (with(&["/data", "/data"], &[]), "/data"),
            (with(&[], &["/run/secrets/a", "/run/secrets/a"]), "/run/secrets/a"),
            (with(&[], &["secret"]), "secret"),
            (with(&["/data"], &["/data/key"]), "/data/key"),
        ] {
            let error = spec.check().unwrap_err();
            assert_eq!((error.kind(), error.get("path")), (ErrorKind::InvalidArgument, Some(path)));
            assert!(error.hint_text().is_some() && !error.to_string().contains("hush"), "{error}");
        }
        assert!(with(&["/data", "/data/models"], &["/database/key", "/run/secrets/a"]).check().is_ok());
    }

    #[test]
    fn a_secret_is_in_no_output_of_a_specification() {
        let spec = ContainerSpec { files: vec![file("/run/secrets/a")], ..ContainerSpec::new("n", "i") };
        let shown = format!("{spec:?}");
        assert!(shown.contains("/run/secrets/a") && shown.contains("<hidden>") && !shown.contains("hush"), "{shown}");
    }
}
