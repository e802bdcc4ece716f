//! Reading one process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::cgroup::{container_of, pod_of};
use super::files::{Stat, arguments, bytes, text, uid, user_name, variable};
use super::{Owner, PodKind, PodRef, ProcessState, Started, User};
use crate::gpu::{Reading, Unknown, boot};

/// How long a tick is, in milliseconds, in every interface of the kernel, on each architecture that NVIDIA has drivers for.
const TICK_MS: u64 = 10;
/// Of a command line; more than anyone reads.
const COMMAND_LINE: u64 = 32 * 1024;
/// Of any other file of a process.
const FILE: u64 = 256 * 1024;
/// Of `/etc/passwd`.
const PASSWD: u64 = 4 << 20;
/// The number that the first cgroup namespace of a machine always has.
const FIRST_NAMESPACE: &str = "cgroup:[4026531835]";

/// The processes of this machine, or of a folder that holds another machine's `/proc`.
#[derive(Clone, Debug)]
pub struct Processes {
    root: PathBuf,
    /// When the machine was started.
    boot: Reading<Timestamp>,
    /// Whether process ids of the driver mean nothing here.
    foreign_ids: bool,
    /// Whether this process sees control groups from a namespace of its own.
    namespaced: bool,
}

impl Processes {
    /// The processes of this machine, as this process sees them.
    pub fn system() -> Self {
        Self::at("/")
    }

    /// The processes of a folder laid out like the root of a machine (`proc/…`, `etc/passwd`). Where NACP runs in a
    /// container, this is where the machine's own files are mounted.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let release = text(&root.join("proc/sys/kernel/osrelease"), FILE);
        let wsl = release.known().is_some_and(|release| release.to_ascii_lowercase().contains("microsoft"));
        let namespace = std::fs::read_link(root.join("proc/self/ns/cgroup"));
        Self {
            boot: boot::time(&root),
            foreign_ids: wsl || root.join("dev/dxg").exists(),
            namespaced: namespace.is_ok_and(|namespace| namespace != Path::new(FIRST_NAMESPACE)),
            root,
        }
    }

    /// Who is behind a process id that the driver gave. NVIDIA's kernel modules give ids as the process that asks sees
    /// them, so that they are right in a container too.
    pub fn owner(&self, pid: u32) -> Owner {
        match self.stat(pid) {
            Reading::Known(stat) => self.known(pid, &stat),
            Reading::Unknown(reason) => Owner::unknown(pid, reason),
        }
    }

    /// The short answer: whether it is there, and which process it is.
    pub(super) fn stat(&self, pid: u32) -> Reading<Stat> {
        if self.foreign_ids {
            return Reading::Unknown(Unknown::NotAvailable);
        }
        match text(&self.file(pid, "stat"), FILE) {
            Reading::Known(text) => Stat::parse(&text).map_or(Reading::Unknown(Unknown::NotAvailable), Reading::Known),
            Reading::Unknown(reason) => Reading::Unknown(reason),
        }
    }

    /// Everything about a process that is there.
    pub(super) fn known(&self, pid: u32, stat: &Stat) -> Owner {
        let cgroup = text(&self.file(pid, "cgroup"), FILE);
        let (container, pod) = match &cgroup {
            Reading::Known(cgroup) => (container_of(cgroup, self.namespaced), pod_of(cgroup, self.namespaced)),
            Reading::Unknown(reason) => (Reading::Unknown(*reason), Reading::Unknown(*reason)),
        };
        Owner {
            pid,
            command: Reading::Known(stat.command.clone()),
            command_line: self.command_line(pid, stat.state),
            user: self.user(pid),
            started: Reading::Known(Started { ticks: stat.ticks, at: self.started_at(stat.ticks) }),
            container,
            pod: pod.map(|pod| pod.map(|(kind, uid)| self.pod(pid, stat.state, kind, uid))),
            state: Reading::Known(stat.state),
        }
    }

    /// The command line, unless reading it could hang: a process that waits in the driver may hold the lock of its
    /// memory, where the command line and the environment are.
    pub(super) fn command_line(&self, pid: u32, state: ProcessState) -> Reading<Vec<String>> {
        if state == ProcessState::DiskSleep {
            return Reading::Unknown(Unknown::NotRead);
        }
        match bytes(&self.file(pid, "cmdline"), COMMAND_LINE) {
            Reading::Known(line) => arguments(&line).map_or(Reading::Unknown(Unknown::NotAvailable), Reading::Known),
            Reading::Unknown(reason) => Reading::Unknown(reason),
        }
    }

    fn user(&self, pid: u32) -> Reading<User> {
        let uid = match text(&self.file(pid, "status"), FILE) {
            Reading::Known(status) => uid(&status),
            Reading::Unknown(reason) => return Reading::Unknown(reason),
        };
        let Some(uid) = uid else { return Reading::Unknown(Unknown::NotAvailable) };
        let passwd = text(&self.root.join("etc/passwd"), PASSWD);
        Reading::Known(User { uid, name: passwd.known().and_then(|passwd| user_name(passwd, uid)) })
    }

    fn started_at(&self, ticks: u64) -> Reading<Timestamp> {
        let boot = match &self.boot {
            Reading::Known(boot) => *boot,
            Reading::Unknown(reason) => return Reading::Unknown(*reason),
        };
        let since = ticks.checked_mul(TICK_MS).map(Duration::from_millis);
        let at = since.and_then(|since| boot.checked_add(since).ok());
        at.map_or(Reading::Unknown(Unknown::NotAvailable), Reading::Known)
    }

    fn pod(&self, pid: u32, state: ProcessState, kind: PodKind, uid: String) -> PodRef {
        let (name, namespace) = match (kind, state) {
            // Podman puts the pod's name into no variable that would be sure to be its.
            (PodKind::Podman, _) => (Reading::Unknown(Unknown::NotAvailable), Reading::Unknown(Unknown::NotAvailable)),
            (_, ProcessState::DiskSleep) => (Reading::Unknown(Unknown::NotRead), Reading::Unknown(Unknown::NotRead)),
            _ => match bytes(&self.file(pid, "environ"), FILE) {
                Reading::Unknown(reason) => (Reading::Unknown(reason), Reading::Unknown(reason)),
                Reading::Known(environ) => {
                    let read = |name| variable(&environ, name);
                    let known =
                        |value: Option<_>| value.map_or(Reading::Unknown(Unknown::NotAvailable), Reading::Known);
                    let host = || read("HOSTNAME").filter(|name| !self.is_host_name(name));
                    (known(read("POD_NAME").or_else(host)), known(read("POD_NAMESPACE")))
                }
            },
        };
        PodRef { kind, uid, name, namespace, container_name: Reading::Unknown(Unknown::NotAvailable) }
    }

    fn is_host_name(&self, name: &str) -> bool {
        text(&self.root.join("proc/sys/kernel/hostname"), FILE).known().is_some_and(|host| host.trim() == name)
    }

    fn file(&self, pid: u32, name: &str) -> PathBuf {
        self.root.join(format!("proc/{pid}/{name}"))
    }
}

#[cfg(test)]
mod tests;
