//! The container daemons that this process can reach, and where they really run.
//!
//! The daemon may be elsewhere than the process that asks it: in Docker Desktop's virtual machine, in another WSL
//! distribution, on another machine. What `/dev` shows here says nothing of the GPUs there, so each [`Daemon`] has its
//! own place, with the evidence of its own answers.

#[cfg_attr(not(feature = "doctor"), allow(dead_code, reason = "a survey reads more than detection"))]
pub(super) mod ask;
mod endpoints;
mod find;
mod info;
mod place;
mod show;

use serde::{Deserialize, Serialize};

#[cfg(feature = "doctor")]
pub(super) use self::endpoints::without_user;
pub(super) use self::find::find;
pub(super) use self::place::is_wsl2;
pub use self::place::place;
use super::{Evidence, Seen};

/// A container daemon: where it was looked for, and what it answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Daemon {
    /// Its address, such as `unix:///var/run/docker.sock`. A `~` is the home of this user; who logs in is left out.
    pub endpoint: String,
    /// What named the address: `env DOCKER_HOST`, `context desktop-linux`, `default socket`, `podman socket`.
    pub found_by: String,
    /// Whether the command `docker` would use this one.
    pub chosen: bool,
    /// What it says of itself.
    pub answer: Seen<DaemonInfo>,
    /// Where it runs.
    pub place: DaemonPlace,
    /// What the place was concluded from.
    pub evidence: Vec<Evidence>,
}

/// Where a daemon runs, seen from the process that asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DaemonPlace {
    /// On the same kernel.
    ThisKernel,
    /// In Docker Desktop's virtual machine on WSL2.
    DesktopWsl2,
    /// In Docker Desktop's virtual machine on Hyper-V or macOS.
    DesktopVm,
    /// In Docker Desktop's virtual machine on Linux.
    DesktopLinux,
    /// In another virtual machine on this machine: that of Podman, or a WSL2 distribution seen from Windows.
    OtherVm,
    /// On another machine, reached over a network.
    Remote,
    /// It cannot be told.
    #[default]
    Unknown,
}

/// What a daemon says of itself (`GET /version` and `GET /info`), as far as NACP uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DaemonInfo {
    /// `Docker Engine`, `Docker Desktop` or `Podman`.
    pub name: String,
    /// Its version, such as `26.1.5`.
    pub version: String,
    /// What its maker calls the whole, such as `Docker Desktop 4.37.1 (178610)` or `Docker Engine - Community`.
    pub platform: Option<String>,
    /// The newest API version that it speaks.
    pub api: Option<String>,
    /// The oldest API version that it speaks.
    pub min_api: Option<String>,
    /// Whether it is Podman behind its Docker-compatible socket.
    pub podman: bool,
    /// What it calls its operating system, such as `Debian GNU/Linux 12 (bookworm)` or `Docker Desktop`.
    pub operating_system: Option<String>,
    /// The release of the kernel that it runs on.
    pub kernel: Option<String>,
    /// `linux` or `windows`: what its containers are.
    pub os_type: Option<String>,
    /// Its machine's name; kept only where it is Docker Desktop's own, `docker-desktop`.
    pub hostname: Option<String>,
    /// `systemd`, `cgroupfs` or `none`.
    pub cgroup_driver: Option<String>,
    /// `1` or `2`.
    pub cgroup_version: Option<String>,
    /// Its security options, such as `name=rootless` or `name=seccomp,profile=builtin`.
    pub security: Vec<String>,
    /// The names of its runtimes.
    pub runtimes: Vec<String>,
    /// The runtime that it uses unless it is told.
    pub default_runtime: Option<String>,
    /// The folders in which it looks for CDI specifications; none where it does not say (API before 1.44, Podman), empty
    /// where CDI is off.
    pub cdi_spec_dirs: Option<Vec<String>>,
    /// The CDI devices that it has found; none where it does not say (API before 1.50).
    pub cdi_devices: Option<Vec<String>>,
    /// Where it keeps its files, such as `/var/lib/docker` or `/var/snap/docker/…`; names of homes are `…`.
    pub root_dir: Option<String>,
    /// Whether its containers go on while it is restarted (`LiveRestoreEnabled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_restore: Option<bool>,
    /// Which of the two questions had no answer, and why; the fields above that stand in it are unknown then.
    pub incomplete: Option<String>,
}

impl DaemonInfo {
    /// Whether it runs without root's rights.
    pub fn rootless(&self) -> bool {
        self.security.iter().any(|option| option.split(',').any(|part| part == "name=rootless"))
    }
}
