//! Limits of the machine, and how far a container is locked up.

use super::{At, choices, meant, quoted, size};
use crate::error::{Result, nearest};
use crate::service::{Service, Ulimit};
use crate::units::Bytes;

/// What the kernel limits, as the engines name it.
pub(in super::super) const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// The capabilities of Linux, without their common beginning `CAP_`.
pub(in super::super) const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Signals that may ask a program to end.
pub(in super::super) const SIGNALS: [&str; 12] = [
    "SIGABRT", "SIGALRM", "SIGHUP", "SIGINT", "SIGKILL", "SIGPIPE", "SIGPWR", "SIGQUIT", "SIGTERM", "SIGUSR1",
    "SIGUSR2", "SIGWINCH",
];

/// What an engine needs to start a container at all.
pub(in super::super) const LEAST_MAIN_MEMORY: Bytes = Bytes::mib(6);
const MOST_CPUS: f64 = 8192.0;

pub(super) fn check(at: &At, service: &Service) -> Result<()> {
    resources(&at.inner("resources"), service)?;
    if let Some(shm) = service.shm {
        size(&at.path("shm"), "too little for /dev/shm", shm)?;
        if service.security.host_ipc {
            return Err(at
                .error("shm", "a container that shares the machine's memory segments has no /dev/shm of its own")
                .hint("leave out `shm`, or `security.host_ipc`"));
        }
    }
    for (name, limit) in &service.ulimits {
        ulimit(at, name, *limit)?;
    }
    for capability in &service.security.capabilities {
        check_capability(at, capability)?;
    }
    if let Some(user) = &service.security.user
        && !is_user(user)
    {
        return Err(at.wrong("security.user", "not a user", quoted(user)).hint("write 1000, 1000:1000 or a name"));
    }
    match &service.stop_signal {
        Some(signal) => check_signal(at, signal),
        None => Ok(()),
    }
}

fn resources(at: &At, service: &Service) -> Result<()> {
    let resources = &service.resources;
    if let Some(cpus) = resources.cpus
        && !(0.01..=MOST_CPUS).contains(&cpus)
    {
        return Err(at.wrong("cpus", "CPU time is out of range", cpus).hint(format!("choose 0.01 to {MOST_CPUS}")));
    }
    if let Some(memory) = resources.memory
        && memory < LEAST_MAIN_MEMORY
    {
        return Err(at
            .wrong("memory", "too little memory for a container", quoted(&memory.to_string()))
            .hint(format!("write {LEAST_MAIN_MEMORY} or more; did you forget the unit? write for example 2GiB")));
    }
    if resources.pids == Some(0) {
        return Err(at.wrong("pids", "a program is a process", 0).hint("choose 1 or more, or leave it out"));
    }
    Ok(())
}

fn ulimit(at: &At, name: &str, limit: Ulimit) -> Result<()> {
    if !ULIMITS.contains(&name) {
        return Err(meant(at.wrong("ulimits", "the kernel has no such limit", quoted(name)), name, &ULIMITS));
    }
    let at = at.inner("ulimits");
    let Ulimit { soft, hard } = limit;
    if let Some(wrong) = [soft, hard].into_iter().find(|value| *value < Ulimit::NONE) {
        return Err(at.wrong(name, "a limit cannot be negative", wrong).hint("write -1 for none"));
    }
    let endless = |value: i64| if value == Ulimit::NONE { i64::MAX } else { value };
    if endless(soft) > endless(hard) {
        return Err(at
            .wrong(name, "the soft limit is above the hard one", format_args!("\"soft {soft}, hard {hard}\""))
            .hint("lower `soft` or raise `hard`; -1 is none"));
    }
    Ok(())
}

fn check_capability(at: &At, capability: &str) -> Result<()> {
    if CAPABILITIES.contains(&capability) {
        return Ok(());
    }
    let error = at.wrong("security.capabilities", "not a capability", quoted(capability));
    let upper = capability.to_uppercase();
    let plain = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if plain == "ALL" {
        return Err(error.hint("name those that the program needs, one by one"));
    }
    if CAPABILITIES.contains(&plain) {
        return Err(error.hint(format!("write {plain}: in capitals, without CAP_")));
    }
    Err(match nearest(plain, CAPABILITIES) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("man 7 capabilities lists them; write them without CAP_, for example CHOWN"),
    })
}

/// `UID`, `UID:GID`, or names of the image's.
fn is_user(user: &str) -> bool {
    let part = |text: &str| {
        let number = text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u32>().is_ok();
        let name = text.len() <= 32
            && text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte));
        number || name
    };
    match user.split_once(':') {
        Some((user, group)) => part(user) && part(group),
        None => part(user),
    }
}

fn check_signal(at: &At, signal: &str) -> Result<()> {
    let real_time = |prefix: &str| {
        signal.strip_prefix(prefix).is_some_and(|offset| offset.parse::<u8>().is_ok_and(|number| number <= 30))
    };
    let number = signal.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    if SIGNALS.contains(&signal) || number || real_time("SIGRTMIN+") || real_time("SIGRTMAX-") {
        return Ok(());
    }
    let error = at.wrong("stop_signal", "not a signal that asks a program to end", quoted(signal));
    let upper = signal.to_uppercase();
    let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    let stops = ["SIGSTOP", "SIGTSTP", "SIGCONT"].contains(&full.as_str());
    Err(match nearest(&full, SIGNALS).filter(|_| !stops) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(choices(SIGNALS)),
    })
}
