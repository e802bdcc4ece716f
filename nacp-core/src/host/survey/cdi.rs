//! CDI specifications.

use serde::{Deserialize, Serialize};

use crate::cdi::KIND;
use crate::host::Seen;

/// The CDI specifications of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Cdi {
    /// The folders that were looked in: the daemon's, or `/etc/cdi` and `/var/run/cdi`.
    pub folders: Vec<String>,
    /// The files that were found, in order.
    pub specs: Vec<CdiSpec>,
}

/// One specification file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CdiSpec {
    /// Where it is.
    pub path: String,
    /// The kind of its devices, such as `nvidia.com/gpu`; unreadable with the reason where it cannot be read or parsed.
    pub kind: Seen<String>,
    /// Its permissions, as in `0o644`.
    pub mode: Option<u32>,
    /// Its devices, by name.
    pub devices: Vec<CdiDevice>,
    /// Host paths that it names, device nodes and mounts, and that are not there.
    pub missing: Vec<String>,
    /// Driver versions in the names of files that it mounts, such as `580.95.05`.
    pub versions: Vec<String>,
}

/// One device of a specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CdiDevice {
    /// Its name: a UUID, an index, `all`.
    pub name: String,
    /// The device nodes that it brings, as paths on the host.
    pub nodes: Vec<String>,
}

impl Cdi {
    /// The devices of the kind `nvidia.com/gpu`, as `nvidia.com/gpu=NAME`, in order and each once.
    pub fn nvidia_devices(&self) -> Vec<String> {
        let specs = self.specs.iter().filter(|spec| spec.kind.found().is_some_and(|kind| kind == KIND));
        let mut names: Vec<_> =
            specs.flat_map(|spec| &spec.devices).map(|device| format!("{KIND}={}", device.name)).collect();
        names.sort();
        names.dedup();
        names
    }
}
