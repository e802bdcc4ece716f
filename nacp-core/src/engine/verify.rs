//! Whether a container got what was asked for: an engine may answer that all is well and leave a part out.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, Details};
use crate::gpu::GpuId;
use crate::service::RootAccess;

/// The kind of NVIDIA's CDI devices.
const KIND: &str = "nvidia.com/gpu";

/// The capabilities that an engine gives where none is dropped. Podman names what it took away of these, one by one,
/// where Docker says `ALL`.
const USUAL: [&str; 11] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// What a container got, beside what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// What was asked for and is not there; the container is of no use.
    pub missing: Vec<String>,
    /// What is weaker than asked for, such as an isolation that is only cooperative.
    pub weaker: Vec<String>,
}

impl Verification {
    /// Whether the container is of use.
    pub fn is_usable(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether it got exactly what was asked for, as far as the engine tells.
    pub fn is_exact(&self) -> bool {
        self.missing.is_empty() && self.weaker.is_empty()
    }

    fn missing(&mut self, what: impl fmt::Display) {
        self.missing.push(what.to_string());
    }

    fn weaker(&mut self, what: impl fmt::Display) {
        self.weaker.push(what.to_string());
    }
}

/// Compares what was asked for with what the engine reports after the start. Pure.
///
/// A GPU counts as given where the engine reports the way in which it hands it over: its CDI device, the runtime
/// `nvidia` with the UUID in the environment, or the device driver `nvidia`. Whether a program inside can compute on it,
/// only a program inside can tell.
pub fn verify(wanted: &ContainerSpec, got: &Details) -> Verification {
    let mut found = Verification::default();
    gpus(wanted, got, &mut found);
    places(wanted, got, &mut found);
    locks(wanted, got, &mut found);
    limits(wanted, got, &mut found);
    found
}

fn gpus(wanted: &ContainerSpec, got: &Details, found: &mut Verification) {
    let told = |variable: &str, gpu: &GpuId| {
        got.env.get(variable).is_some_and(|value| value.split(',').any(|id| id == gpu.as_str()))
    };
    let all = got.cdi_devices.contains(&format!("{KIND}=all"));
    let runtime = got.runtime.as_deref() == Some("nvidia");
    let mut cooperative = Vec::new();
    for gpu in &wanted.gpus {
        let named = got.cdi_devices.contains(&format!("{KIND}={gpu}"));
        let given = got.driver_gpus.contains(gpu.as_str()) || (runtime && told("NVIDIA_VISIBLE_DEVICES", gpu));
        // The program itself is told of its GPU only where the engine gives it all of them.
        let itself = told("CUDA_VISIBLE_DEVICES", gpu);
        match (named || (given && !itself), (all || given) && itself) {
            (true, _) => {}
            (false, true) => cooperative.push(gpu.as_str()),
            (false, false) if wanted.simulated_gpus => {}
            (false, false) => found.missing(format_args!("the GPU {gpu}: the engine has dropped the request for it")),
        }
    }
    if !cooperative.is_empty() {
        let own = cooperative.join(",");
        found.weaker(format_args!(
            "the isolation of GPUs is cooperative: the container sees every GPU and is told to use {own}"
        ));
    }
    let asked: BTreeSet<_> = wanted.gpus.iter().map(GpuId::as_str).collect();
    let others = got.cdi_devices.iter().filter_map(|name| name.strip_prefix(KIND)?.strip_prefix('='));
    for other in others.filter(|name| *name != "all" && !asked.contains(name)) {
        found.weaker(format_args!("the container has a GPU that was not asked for: {other}"));
    }
}

fn places(wanted: &ContainerSpec, got: &Details, found: &mut Verification) {
    for mount in &wanted.mounts {
        if !got.mounts.contains(&mount.path) {
            found.missing(format_args!("the mount at {}", mount.path));
        } else if mount.read_only && !got.read_only_mounts.contains(&mount.path) {
            found.weaker(format_args!("the mount at {} can be written and was to be read-only", mount.path));
        }
    }
    for network in wanted.networks.iter().filter(|network| !got.networks.contains(*network)) {
        found.missing(format_args!("the network {network}"));
    }
    let Some(publish) = wanted.publish else { return };
    if got.published.is_empty() {
        found.missing(format_args!("the published port {}", publish.container));
    }
    let fixed = |port: u16| publish.port.is_none_or(|fixed| fixed == port);
    for at in got.published.iter().filter(|at| at.ip() != publish.host || !fixed(at.port())) {
        // An engine with IPv6 answers for `every address` on both.
        let both = publish.host.is_unspecified() && at.ip().is_unspecified() && fixed(at.port());
        if !both {
            found.weaker(format_args!("the port {} is published at {at} too", publish.container));
        }
    }
    let exact = got.published.iter().any(|at| at.ip() == publish.host && fixed(at.port()));
    if !got.published.is_empty() && !exact {
        found.missing(format_args!("the published port {} at {}", publish.container, publish.host));
    }
}

fn locks(wanted: &ContainerSpec, got: &Details, found: &mut Verification) {
    if wanted.user.as_ref().is_some_and(|user| *user != got.user) {
        let is = if got.user.is_empty() { "the image's own user" } else { &got.user };
        found.weaker(format_args!(
            "the program runs as {is} and was to run as {}",
            wanted.user.as_deref().unwrap_or_default()
        ));
    }
    if wanted.root != RootAccess::Writable && !got.read_only {
        found.weaker("the root can be written and was to be read-only");
    }
    if !wanted.new_privileges && !got.no_new_privileges {
        found.weaker("programs can gain privileges and were not to");
    }
    if got.privileged {
        found.weaker("the container is privileged: it has every capability and every device");
    }
    if got.host_ipc && !wanted.host_ipc {
        found.weaker("the container shares the memory segments of the machine and was not to");
    }
    if wanted.host_ipc && !got.host_ipc {
        found.missing("the memory segments of the machine");
    }
    capabilities(wanted, got, found);
}

fn capabilities(wanted: &ContainerSpec, got: &Details, found: &mut Verification) {
    let asked: BTreeSet<_> = wanted.capabilities.iter().map(|name| plain(name)).collect();
    let all_kept = asked.contains("ALL");
    let all_dropped = got.dropped_capabilities.contains("ALL");
    let kept: Vec<_> =
        USUAL.into_iter().filter(|name| !all_dropped && !got.dropped_capabilities.contains(*name)).collect();
    let held = |name: &str| {
        got.privileged
            || got.added_capabilities.contains("ALL")
            || got.added_capabilities.contains(name)
            || kept.contains(&name)
    };
    for name in asked.iter().filter(|name| *name != "ALL" && !held(name)) {
        found.missing(format_args!("the capability {name}"));
    }
    let extra: BTreeSet<_> = kept
        .iter()
        .copied()
        .chain(got.added_capabilities.iter().map(String::as_str))
        .filter(|name| !asked.contains(*name))
        .collect();
    if !all_kept && !extra.is_empty() {
        let names: Vec<_> = extra.into_iter().collect();
        found.weaker(format_args!("the container has capabilities that were to be dropped: {}", names.join(",")));
    }
}

/// A capability's name in capitals and without `CAP_`.
pub(crate) fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").map_or(name.clone(), str::to_owned)
}

fn limits(wanted: &ContainerSpec, got: &Details, found: &mut Verification) {
    // A host's memory segments have the size that they have.
    if let (Some(shm), Some(size)) = (wanted.shm.filter(|_| !wanted.host_ipc), got.shm)
        && size < shm
    {
        found.missing(format_args!("/dev/shm of {shm}: it has {size}"));
    }
    if let Some(memory) = wanted.memory {
        match got.memory {
            None => found.weaker(format_args!("main memory has no limit and was to have {memory}: {CGROUPS}")),
            Some(limit) if limit > memory => {
                found.weaker(format_args!("the limit of main memory is {limit} and was to be {memory}"));
            }
            Some(limit) if limit < memory => {
                found.missing(format_args!("main memory of {memory}: the limit is {limit}"));
            }
            Some(_) => {}
        }
    }
    if let Some(cpus) = wanted.cpus {
        match got.cpus {
            None => found.weaker(format_args!("CPU time has no limit and was to have {cpus} CPUs: {CGROUPS}")),
            Some(limit) if (limit - cpus).abs() > 0.01 => {
                found.weaker(format_args!("the limit of CPU time is {limit} CPUs and was to be {cpus}"));
            }
            Some(_) => {}
        }
    }
    if let Some(pids) = wanted.pids {
        match got.pids {
            None => found.weaker(format_args!("processes have no limit and were to have {pids}: {CGROUPS}")),
            Some(limit) if limit != u64::from(pids) => {
                found.weaker(format_args!("the limit of processes is {limit} and was to be {pids}"));
            }
            Some(_) => {}
        }
    }
    for (name, limit) in &wanted.ulimits {
        if got.ulimits.get(name) != Some(limit) {
            found.weaker(format_args!("the kernel's limit {name} is not the one that was asked for"));
        }
    }
}

/// Why an engine sets no limits.
const CGROUPS: &str = "an engine without root needs cgroup v2 and the delegation of controllers for it";

#[cfg(test)]
mod tests;
