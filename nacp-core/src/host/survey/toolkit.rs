//! NVIDIA Container Toolkit.

use serde::{Deserialize, Serialize};

use crate::host::{CommandOutcome, Seen};

/// NVIDIA Container Toolkit on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Toolkit {
    /// Its version, such as `1.18.0`: by `nvidia-ctk --version`, or by the package database.
    pub version: Seen<String>,
    /// The programs of it that are on the search path of the system, as paths: `nvidia-ctk`, `nvidia-cdi-hook`,
    /// `nvidia-container-runtime`, `nvidia-container-runtime-hook`, `nvidia-container-cli`.
    pub programs: Vec<String>,
    /// Its configuration, `/etc/nvidia-container-runtime/config.toml`.
    pub config: Seen<ToolkitConfig>,
    /// The state of the unit `nvidia-cdi-refresh.service`, as systemd says it (`active`, `inactive`, `failed`); absent where
    /// there is no such unit.
    pub refresh_unit: Seen<String>,
    /// When each of its programs was installed and when the daemon was started tell whether the daemon can know of it:
    /// true where a program is younger than the daemon.
    pub younger_than_daemon: Option<bool>,
    /// When its packages were last installed, in seconds since 1970, by the package database.
    pub installed: Option<i64>,
    /// When Docker's daemon of this machine was started, in seconds since 1970, by the file with its process's number.
    pub daemon_started: Option<i64>,
    /// How a dry run of `nvidia-ctk cdi generate` ended, where it was run.
    pub cdi_generate: Seen<CommandOutcome>,
    /// Where the `docker` command is, with links followed; `/snap/…` for a confined one.
    pub docker_program: Seen<String>,
    /// How `nvidia-smi` ended, where it was run.
    pub nvidia_smi: Seen<CommandOutcome>,
    /// The daemon's own configuration, `/etc/docker/daemon.json` or that of a daemon without root's rights, as JSON. Keys
    /// that may hold a secret or an address, such as those of proxies and mirrors, are left out.
    pub daemon_json: Seen<String>,
}

/// What the toolkit's configuration says, as far as it matters here. A key that is not written is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToolkitConfig {
    /// `nvidia-container-cli.no-cgroups`.
    pub no_cgroups: Option<bool>,
    /// `accept-nvidia-visible-devices-envvar-when-unprivileged`; true where it is not written.
    pub accept_env_unprivileged: Option<bool>,
    /// `nvidia-container-runtime.mode`: `auto`, `legacy`, `cdi`, `jit-cdi`.
    pub mode: Option<String>,
}
