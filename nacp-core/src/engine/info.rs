//! What an engine is and what it offers.

use serde::{Deserialize, Serialize};

/// What an engine is and what it offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Whether its containers are made up.
    pub simulated: bool,
    /// What it calls itself, such as `Docker Engine`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The newest API version that it speaks, as its `/version` says.
    pub api: Option<String>,
    /// The oldest API version that it still speaks.
    pub min_api: Option<String>,
    /// What tells this engine from every other, where it says: two addresses of one engine have one id.
    pub id: Option<String>,
    /// Where it was reached.
    pub address: String,
    /// The context of the command `docker` that named it, where one did.
    pub context: Option<String>,
    /// Whether it is a Podman, whose answers differ from Docker's here and there.
    pub podman: bool,
    /// Whether it runs without the rights of root.
    pub rootless: bool,
    /// How it can give a container a GPU.
    pub gpu: GpuOffer,
}

/// How an engine can give a container a GPU, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuOffer {
    /// The CDI devices of the kind `nvidia.com/gpu` that it can resolve, such as `nvidia.com/gpu=GPU-…`.
    pub cdi_devices: Vec<String>,
    /// Whether it has a runtime named `nvidia`.
    pub nvidia_runtime: bool,
    /// Whether it has a device driver named `nvidia`, as far as can be seen from here: an engine does not tell.
    #[serde(default)]
    pub nvidia_driver: bool,
    /// Whether its kernel is that of WSL2, where every container that gets one GPU sees all of them.
    #[serde(default)]
    pub wsl: bool,
}
