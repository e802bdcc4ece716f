//! Everything that is read about a machine before it is judged, as data.
//!
//! A [`Survey`] is what the doctor, the comparison of runtimes and the lock are computed from. It is read once, with a
//! limit of time for everything that can hang, and can be kept and sent: two that are equal give equal answers.
//!
//! # What is read
//!
//! | part | from |
//! |---|---|
//! | devices | nodes of `/dev` and their permissions, links in `/dev/char`, `/sys/bus/pci/devices`, `/proc/self/status` |
//! | SELinux | the end of `/var/log/audit/audit.log`, the boolean `container_use_devices` |
//! | kernel | `/proc/modules`, `/proc/driver/nvidia/version`, `/lib/modules`, the firmware's `SecureBoot`, SELinux, the mounts, the log (`/dev/kmsg`) |
//! | libraries | names and links of `libcuda`, `libnvidia-ml` and `libdxcore` in the loader's folders; `/etc/ld.so.cache` |
//! | toolkit | its programs, its `config.toml`, the daemon's `daemon.json`, dpkg's list of packages |
//! | CDI | the specifications in the daemons' folders, and whether the paths in them are there |
//! | daemons | `GET` requests: version, information, containers, the last lines of those that ended badly and of those that run |
//! | NVML, CUDA | the libraries themselves, in children where a program is named for them |
//! | programs | `nvidia-ctk --version` and, where systemd runs, `systemctl show`; `nvidia-smi -L` and `nvidia-ctk cdi generate` only where the caller says so |
//! | Kubernetes | containerd's configuration, sockets of device plugins, numbers in the kubelet's checkpoint |
//! | WSL2 | two keys of `.wslconfig`, the folder of the Windows driver, files of a Linux driver |
//!
//! # What is not
//!
//! Serial numbers, names of machines and users, ids of pods, and secrets are not kept. Of the variables of this process
//! and of containers only those of a list are, such as `NVIDIA_VISIBLE_DEVICES`, and none whose name speaks of a key, a
//! token or a password; of the daemon's configuration only keys that cannot hold a secret. Names of users are left out of
//! paths wherever they stand. Lines that a container wrote are kept as they are, with names of users in paths left out:
//! what a program writes of itself, a survey cannot know. Nothing is changed, nothing is executed within a container, and
//! nobody outside of the machine is asked.

mod builder;
mod cdi;
mod containers;
mod cuda;
mod devices;
mod discreet;
mod gap;
mod kernel;
mod kubernetes;
mod libraries;
mod nvml;
mod read;
mod selinux;
mod system;
mod toolkit;
mod wsl;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use builder::SurveyBuilder;
pub use cdi::{Cdi, CdiDevice, CdiSpec};
pub use containers::{ContainerFacts, DeviceRequest};
pub use cuda::{CudaDeviceFacts, CudaFacts, CudaFailure};
pub use devices::{DeviceNode, Devices};
pub use gap::Gap;
pub use kernel::{KernelFacts, SecureBoot};
pub use kubernetes::Kubernetes;
pub use libraries::{Libraries, LibraryFile};
pub use nvml::{NvmlFacts, NvmlFailure, NvmlGpu};
pub use selinux::Selinux;
pub use system::System;
pub use toolkit::{Toolkit, ToolkitConfig};
pub use wsl::Wsl;

pub use super::CommandOutcome;
use super::{Daemon, Host, Seen};

/// Everything that was read about a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Survey {
    /// The layers on which it stands.
    pub host: Host,
    /// When it was read, in seconds since 1970; none where nobody had a clock.
    #[serde(default)]
    pub at: Option<i64>,
    /// What could not be read, where the part that is missing has no reason of its own.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// Variables of the environment that decide which GPUs, libraries and daemons are used: `CUDA_VISIBLE_DEVICES`,
    /// `NVIDIA_VISIBLE_DEVICES`, `LD_LIBRARY_PATH`, `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_API_VERSION`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What installs its packages and starts its services.
    #[serde(default)]
    pub system: System,
    /// The device nodes of GPUs.
    #[serde(default)]
    pub devices: Devices,
    /// The kernel, its modules and what the NVIDIA module wrote.
    #[serde(default)]
    pub kernel: KernelFacts,
    /// What SELinux kept containers from.
    #[serde(default)]
    pub selinux: Selinux,
    /// The driver's libraries as files.
    #[serde(default)]
    pub libraries: Libraries,
    /// NVIDIA Container Toolkit.
    #[serde(default)]
    pub toolkit: Toolkit,
    /// The CDI specifications of this machine.
    #[serde(default)]
    pub cdi: Cdi,
    /// What the management library answers.
    #[serde(default)]
    pub nvml: NvmlFacts,
    /// What the CUDA driver answers.
    #[serde(default)]
    pub cuda: CudaFacts,
    /// How the services of systemd stand that GPUs depend on, by unit, such as `nvidia-fabricmanager.service`: `active`,
    /// `inactive`, `failed`. A unit that does not exist is not listed.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// Versions of NVIDIA's packages that the package database (dpkg's) lists as installed, by name, such as
    /// `nvidia-fabricmanager-580`; absent where there is no such database.
    #[serde(default)]
    pub packages: Seen<BTreeMap<String, String>>,
    /// The containers that want a GPU, running or not, of each daemon that answered.
    #[serde(default)]
    pub containers: Vec<ContainerFacts>,
    /// The node's or the pod's side of Kubernetes.
    #[serde(default)]
    pub kubernetes: Kubernetes,
    /// What is particular to WSL2.
    #[serde(default)]
    pub wsl: Wsl,
}

impl Survey {
    /// A reader of this machine, or of another.
    pub fn builder() -> SurveyBuilder {
        SurveyBuilder::new()
    }

    /// The daemon that the command `docker` would use, where one answered.
    pub fn daemon(&self) -> Option<&Daemon> {
        let answered = |daemon: &&Daemon| daemon.answer.found().is_some();
        self.host.daemons.iter().filter(answered).max_by_key(|daemon| daemon.chosen)
    }

    /// A machine of which only the layers are known.
    pub fn of_host(host: Host) -> Self {
        Self {
            host,
            at: None,
            gaps: Vec::new(),
            environment: BTreeMap::new(),
            system: System::default(),
            devices: Devices::default(),
            kernel: KernelFacts::default(),
            selinux: Selinux::default(),
            libraries: Libraries::default(),
            toolkit: Toolkit::default(),
            cdi: Cdi::default(),
            nvml: NvmlFacts::default(),
            cuda: CudaFacts::default(),
            units: BTreeMap::new(),
            packages: Seen::default(),
            containers: Vec::new(),
            kubernetes: Kubernetes::default(),
            wsl: Wsl::default(),
        }
    }
}
