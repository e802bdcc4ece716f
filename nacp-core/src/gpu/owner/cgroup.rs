//! The container and the pod that a control group belongs to, told by its path.
//!
//! Each line of `/proc/PID/cgroup` is `number:controllers:path`; the second version has one line, `0::path`, the first
//! one for each hierarchy, and a hybrid both. Every runtime puts the id of its container into the path in a way of its
//! own, and the drivers `systemd` and `cgroupfs` differ once more.

use super::{ContainerRef, PodKind, Runtime};
use crate::gpu::{Reading, Unknown};

/// The container that a process is in, from the text of its `/proc/PID/cgroup`: the innermost one, where a container runs
/// in a container. The monitor that CRI-O and Podman run beside each container, `conmon`, is in none.
///
/// `namespaced` says whether whoever read the text is in a cgroup namespace of its own. It then sees paths from where its
/// own namespace begins, and one without a container says nothing: that is unknown, as is a text without a path.
///
/// ```
/// use nacp_core::gpu::Unknown;
/// use nacp_core::gpu::owner::{Runtime, container_of};
///
/// let id = "5f0c9a".repeat(10) + "9d27";
/// let line = format!("0::/system.slice/docker-{id}.scope");
/// let container = container_of(&line, false).known().cloned().flatten().unwrap();
/// assert_eq!((container.id, container.runtime), (id, Runtime::Docker));
///
/// assert_eq!(container_of("0::/user.slice", false).known(), Some(&None));
/// assert_eq!(container_of("0::/../../init.scope", true).unknown(), Some(Unknown::Namespaced));
/// ```
pub fn container_of(cgroup: &str, namespaced: bool) -> Reading<Option<ContainerRef>> {
    let found = deepest(cgroup, container);
    let container =
        found.map(|(line, (runtime, id))| ContainerRef { id, runtime, cgroup: line.to_owned(), name: None });
    settle(cgroup, namespaced, container)
}

/// The pod that a process is in, as [`container_of`] tells the container.
pub(super) fn pod_of(cgroup: &str, namespaced: bool) -> Reading<Option<(PodKind, String)>> {
    settle(cgroup, namespaced, deepest(cgroup, pod).map(|(_, pod)| pod))
}

/// What was found; otherwise whether that means that there is none.
fn settle<T>(cgroup: &str, namespaced: bool, found: Option<T>) -> Reading<Option<T>> {
    let mut paths = lines(cgroup).map(|(_, path)| path).peekable();
    match found {
        Some(found) => Reading::Known(Some(found)),
        None if paths.peek().is_none() => Reading::Unknown(Unknown::NotAvailable),
        None if namespaced || paths.any(|path| path.starts_with("/..")) => Reading::Unknown(Unknown::Namespaced),
        None => Reading::Known(None),
    }
}

/// The lines, each with its path.
fn lines(cgroup: &str) -> impl Iterator<Item = (&str, &str)> {
    cgroup.lines().filter_map(|line| {
        let path = line.splitn(3, ':').nth(2).filter(|path| path.starts_with('/'))?;
        Some((line, path.strip_suffix(" (deleted)").unwrap_or(path)))
    })
}

/// What `tell` makes of the innermost group of which it can tell anything, over all lines, with the line.
fn deepest<T>(cgroup: &str, tell: fn(&str, &str) -> Option<T>) -> Option<(&str, T)> {
    let mut best: Option<(usize, &str, T)> = None;
    for (line, path) in lines(cgroup) {
        let mut outer = "";
        for (depth, group) in path.split('/').enumerate() {
            if let Some(told) = tell(outer, group)
                && best.as_ref().is_none_or(|(best_depth, ..)| depth > *best_depth)
            {
                best = Some((depth, line, told));
            }
            outer = group;
        }
    }
    best.map(|(_, line, told)| (line, told))
}

/// The container that a group named `group` inside a group named `outer` is.
fn container(outer: &str, group: &str) -> Option<(Runtime, String)> {
    if let Some(name) = lxc(outer, group) {
        return Some((Runtime::Lxc, name.to_owned()));
    }
    if let Some(name) = nspawn(group) {
        return Some((Runtime::Nspawn, name));
    }
    let unit = group.strip_suffix(".scope").unwrap_or(group);
    if is_id(unit) {
        let runtime = match outer {
            // Here the id is the pod's, and the containers are below.
            "libpod_parent" => return None,
            "docker" => Runtime::Docker,
            "default" => Runtime::Containerd,
            _ => Runtime::Unknown,
        };
        return Some((runtime, unit.to_owned()));
    }
    // `docker-ID.scope`, and `SLICE:cri-containerd:ID` where the runtime's driver is not the kubelet's.
    let (who, id) = unit.rsplit_once(['-', ':'])?;
    let who = who.rsplit_once(':').map_or(who, |(_, who)| who);
    if !is_id(id) || who.ends_with("conmon") {
        return None;
    }
    let runtime = match who {
        "docker" => Runtime::Docker,
        "cri-containerd" | "containerd" | "nerdctl" => Runtime::Containerd,
        "crio" => Runtime::CriO,
        "libpod" | "libpod-payload" => Runtime::Podman,
        _ => Runtime::Unknown,
    };
    Some((runtime, id.to_owned()))
}

fn lxc<'a>(outer: &str, group: &'a str) -> Option<&'a str> {
    let name = match outer {
        "lxc" | "lxc.payload" => group,
        _ => group.strip_prefix("lxc.payload.")?,
    };
    let name = name.strip_suffix(".scope").unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

/// `systemd-nspawn@NAME.service`, or `machine-NAME.scope` where it was started by hand. The machine that libvirt makes is
/// a virtual one: the process is an emulator outside of it.
fn nspawn(group: &str) -> Option<String> {
    let service = group.strip_prefix("systemd-nspawn@").and_then(|name| name.strip_suffix(".service"));
    let scope = group.strip_prefix("machine-").and_then(|name| name.strip_suffix(".scope"));
    let name = service.or(scope.filter(|name| !name.starts_with("qemu")))?.replace("\\x2d", "-");
    (!name.is_empty()).then_some(name)
}

/// The pod that a group named `group` inside a group named `outer` is.
fn pod(outer: &str, group: &str) -> Option<(PodKind, String)> {
    let unit = group.split(':').next().unwrap_or(group);
    let unit = unit.strip_suffix(".slice").unwrap_or(unit);
    let podman = unit.rsplit_once("libpod_pod_").map(|(_, id)| id).or((outer == "libpod_parent").then_some(unit));
    if let Some(id) = podman.filter(|id| is_id(id)) {
        return Some((PodKind::Podman, id.to_owned()));
    }
    let uid = match unit.rsplit_once("-pod") {
        Some((slice, uid)) if slice.contains("kubepods") => uid,
        _ => unit.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    is_pod_uid(&uid).then_some((PodKind::Kubernetes, uid))
}

/// An id of 64 digits, or of a task in Amazon's ECS: 32 digits, a dash and a number.
fn is_id(text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match text.split_once('-') {
        None => text.len() == 64 && hex(text),
        Some((task, number)) => {
            task.len() == 32 && hex(task) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        }
    }
}

fn is_pod_uid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    (groups == [8, 4, 4, 4, 12] || groups == [32]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
