//! The driver's libraries as files.

use serde::{Deserialize, Serialize};

/// The driver's libraries on this machine, wherever the loader may find them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Libraries {
    /// Files named `libcuda.so*`.
    pub cuda: Vec<LibraryFile>,
    /// Files named `libnvidia-ml.so*`.
    pub nvml: Vec<LibraryFile>,
    /// Whether the loader's cache (`/etc/ld.so.cache`) names `libnvidia-ml.so.1`; none where it cannot be read.
    pub cached: Option<bool>,
    /// Whether WSL's loader library, `libdxcore.so`, is there.
    pub dxcore: bool,
}

/// One library file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LibraryFile {
    /// Where it is.
    pub path: String,
    /// Where it leads, if it is a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The driver's version in its name or its target's, such as `580.95.05`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its size in bytes; copies of one library have one size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Whether it is in a folder of a forward-compatibility package (`/usr/local/cuda*/compat`).
    #[serde(default)]
    pub compat: bool,
    /// Whether the search path `LD_LIBRARY_PATH` leads to it before the system's folders.
    #[serde(default)]
    pub preferred: bool,
}
