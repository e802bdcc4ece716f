//! Who is behind a process id: program, user, container and pod.
//!
//! The driver tells which processes use a GPU by their ids alone. [`Processes`] reads the rest from `/proc`: it needs no
//! container engine and no kubelet, and so it works the same where several containers share one GPU, by time slicing or
//! through MPS. [`OwnerCache`] does it again and again for little, and `engine::name_owners` adds the names that an
//! engine has given to its containers.
//!
//! ```
//! use nacp_core::gpu::owner::Processes;
//!
//! let me = Processes::system().owner(std::process::id());
//! println!("{} of {:?} in {:?}", me.command, me.user, me.container);
//! ```
//!
//! What cannot be told is [`Unknown`] with the reason, never an error:
//!
//! | where | what |
//! |---|---|
//! | no such process (any more) | everything is not available |
//! | WSL2 | everything is not available: the driver's ids are those of Windows and mean nothing in the guest |
//! | `/proc` mounted with `hidepid` | no permission, or not available |
//! | in a container with a cgroup namespace of its own | the container of another process is hidden by a namespace |
//! | a process that waits in the driver, as at a hung GPU | command line and pod's name are not read: that could hang too |
//!
//! A process has a container where its control group says so. What makes no control group, such as Apptainer or a bare
//! `chroot`, is no container here.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Reading, Unknown};

mod cache;
mod cgroup;
mod files;
mod gpus;
mod read;

pub use cache::OwnerCache;
pub use cgroup::container_of;
pub use gpus::{GpuProcess, GpuProcesses};
pub use read::Processes;

/// Who is behind a process id.
///
/// The process is told apart from a later one of the same id by [`started`](Self::started).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Owner {
    /// The process id that was asked for.
    pub pid: u32,
    /// The name of the program, at most 15 bytes long, as the kernel keeps it (`/proc/PID/stat`).
    pub command: Reading<String>,
    /// The program and its arguments (`/proc/PID/cmdline`), at most 32 KiB of them. A program may overwrite it with a
    /// title, and it may hold secrets that were given as arguments.
    pub command_line: Reading<Vec<String>>,
    /// The user for whom it runs, as the machine numbers it: in a container the same number may have another name.
    pub user: Reading<User>,
    /// When it was started.
    pub started: Reading<Started>,
    /// The innermost container that it is in; known to be `None` where it is in none.
    pub container: Reading<Option<ContainerRef>>,
    /// The pod that it is in; known to be `None` where it is in none.
    pub pod: Reading<Option<PodRef>>,
    /// What its first thread was doing.
    pub state: Reading<ProcessState>,
}

impl Owner {
    /// An owner of whom everything is unknown for the same reason.
    pub fn unknown(pid: u32, reason: Unknown) -> Self {
        Self {
            pid,
            command: Reading::Unknown(reason),
            command_line: Reading::Unknown(reason),
            user: Reading::Unknown(reason),
            started: Reading::Unknown(reason),
            container: Reading::Unknown(reason),
            pod: Reading::Unknown(reason),
            state: Reading::Unknown(reason),
        }
    }
}

/// The user of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct User {
    /// The effective user id.
    pub uid: u32,
    /// The name that `/etc/passwd` gives to it; `None` where it gives none, as for users of a directory service.
    pub name: Option<String>,
}

/// When a process was started.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Started {
    /// Hundredths of a second from the start of the machine: with the process id it names one process.
    pub ticks: u64,
    /// The time of day, to a second or so: the kernel computes the machine's start anew whenever its clock is set.
    pub at: Reading<Timestamp>,
}

/// The container of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContainerRef {
    /// Its id: 64 hexadecimal digits as a rule. Under LXC and systemd-nspawn, which have no ids, its name.
    pub id: String,
    /// What runs it, as far as the control group tells.
    pub runtime: Runtime,
    /// The line of `/proc/PID/cgroup` that says so.
    pub cgroup: String,
    /// The name that its engine has given to it: see `engine::name_owners`.
    pub name: Option<String>,
}

/// What runs a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Runtime {
    /// Docker Engine.
    Docker,
    /// containerd, for Kubernetes or through nerdctl.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
    /// LXC, also under Incus, LXD and Proxmox.
    Lxc,
    /// systemd-nspawn.
    Nspawn,
    /// The control group does not tell: under the `cgroupfs` driver of Kubernetes it is named by the id alone.
    Unknown,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::Nspawn => "nspawn",
            Self::Unknown => "unknown",
        })
    }
}

/// The pod of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRef {
    /// Whose pod it is.
    pub kind: PodKind,
    /// Its UID in Kubernetes (of a static pod, the 32 digits of its hash), or its id in Podman.
    pub uid: String,
    /// Its name: `POD_NAME`, or else `HOSTNAME`, in the environment of the process, which only its own user and root may
    /// read. A pod on the machine's own network has the machine's host name there, which is not taken for its name. An
    /// engine that knows the name fills it in too.
    pub name: Reading<String>,
    /// Its namespace: `POD_NAMESPACE` in the environment, where the pod's author has put it, or what an engine knows.
    pub namespace: Reading<String>,
    /// What the pod calls the container; only an engine knows.
    pub container_name: Reading<String>,
}

/// Whose pods there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PodKind {
    /// A pod of Kubernetes.
    Kubernetes,
    /// A pod of Podman.
    Podman,
}

/// What a process was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProcessState {
    /// It computes, or waits for a processor.
    Running,
    /// It waits for something and can be woken.
    Sleeping,
    /// It waits in the kernel and cannot be ended until that is over: long, it is the mark of a hung device.
    DiskSleep,
    /// It was stopped.
    Stopped,
    /// A debugger holds it.
    Traced,
    /// It has ended and its parent has not asked how. Its GPU memory may still be held.
    Zombie,
    /// It is being removed.
    Dead,
    /// A thread of the kernel that has nothing to do.
    Idle,
    /// A letter of the kernel that is not in this list.
    Other(char),
}

impl ProcessState {
    /// The state of the letter in `/proc/PID/stat`.
    fn of(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' => Self::Sleeping,
            'D' => Self::DiskSleep,
            'T' => Self::Stopped,
            't' => Self::Traced,
            'Z' => Self::Zombie,
            'X' | 'x' => Self::Dead,
            'I' => Self::Idle,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::DiskSleep => "disk sleep",
            Self::Stopped => "stopped",
            Self::Traced => "traced",
            Self::Zombie => "zombie",
            Self::Dead => "dead",
            Self::Idle => "idle",
            Self::Other(letter) => return write!(f, "state {letter}"),
        })
    }
}
