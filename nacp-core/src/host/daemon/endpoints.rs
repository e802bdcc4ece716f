//! Where container daemons may listen, and which of them the command `docker` would use.

use crate::contexts::{self, Context};
use crate::host::{Root, Seen};

/// A place where a daemon may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) endpoint: String,
    pub(super) found_by: String,
    pub(super) chosen: bool,
    /// Why it is named and not asked.
    pub(super) not_asked: Option<String>,
}

const DOCKER_SOCKET: &str = "unix:///var/run/docker.sock";
const DOCKER_PIPE: &str = "npipe:////./pipe/docker_engine";

/// Every place that this machine names, the one that `docker` would use first. Contexts and sockets that lead to the same
/// place are one.
pub(super) fn candidates(root: &Root) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for candidate in named(root).into_iter().chain(usual(root)) {
        let identity = root.identity(&candidate.endpoint);
        match found.iter_mut().find(|known| root.identity(&known.endpoint) == identity) {
            // The first name is the one that counts; that docker would use it counts whatever its name.
            Some(known) => known.chosen |= candidate.chosen,
            None => found.push(candidate),
        }
    }
    // Nothing else was set, so it is the usual one, there or not.
    if !found.iter().any(|candidate| candidate.chosen) {
        let usual = if root.os() == Some("windows") { DOCKER_PIPE } else { DOCKER_SOCKET };
        match found.iter().position(|known| root.identity(&known.endpoint) == root.identity(usual)) {
            Some(index) => found[index].chosen = true,
            None => found.push(Candidate { chosen: true, ..candidate(root, usual, "default socket") }),
        }
    }
    found.sort_by_key(|candidate| !candidate.chosen);
    found
}

fn candidate(root: &Root, endpoint: &str, found_by: &str) -> Candidate {
    Candidate { endpoint: root.shortened(endpoint), found_by: found_by.to_owned(), chosen: false, not_asked: None }
}

/// What the environment and the contexts name.
fn named(root: &Root) -> Vec<Candidate> {
    let set = |name: &str| root.variable(name).filter(|value| !value.trim().is_empty());
    let mut found = Vec::new();
    let host = set("DOCKER_HOST");
    if let Some(host) = &host {
        let tls = set("DOCKER_TLS_VERIFY").filter(|_| !is_local(host));
        let not_asked = tls.map(|_| "it wants TLS: DOCKER_TLS_VERIFY is set".to_owned());
        let endpoint = without_user(host.trim());
        found.push(Candidate { chosen: true, not_asked, ..candidate(root, &endpoint, "env DOCKER_HOST") });
    }
    let Some(folder) = set("DOCKER_CONFIG").or_else(|| Some(format!("{}/.docker", root.home()?))) else {
        return found;
    };
    let current =
        set("DOCKER_CONTEXT").or_else(|| contexts::current(root.text(&format!("{folder}/config.json")).found()?));
    for (context, tls) in listed(root, &folder) {
        // A host in the environment counts more than any context.
        let chosen = host.is_none() && current.as_deref() == Some(context.name.as_str());
        let not_asked = if is_local(&context.host) {
            None
        } else if tls {
            Some("it wants TLS: its context has certificates".to_owned())
        } else if !chosen {
            Some("it is on another machine, and its context is not the current one".to_owned())
        } else {
            None
        };
        let by = format!("context {}", context.name);
        found.push(Candidate { chosen, not_asked, ..candidate(root, &without_user(&context.host), &by) });
    }
    found
}

/// Docker's contexts, and whether each has certificates: a folder of a hash for each, with its name within.
fn listed(root: &Root, folder: &str) -> Vec<(Context, bool)> {
    let Seen::Found(hashes) = root.list(&format!("{folder}/contexts/meta")) else { return Vec::new() };
    let read = |hash: &String| {
        let context = contexts::context(root.text(&format!("{folder}/contexts/meta/{hash}/meta.json")).found()?)?;
        Some((context, root.exists(&format!("{folder}/contexts/tls/{hash}/docker"))))
    };
    hashes.iter().filter_map(read).collect()
}

/// Where daemons listen unless they are told.
fn usual(root: &Root) -> Vec<Candidate> {
    let windows = root.os() == Some("windows");
    let runtime = root.variable("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).or_else(|| {
        let user = root.stat("/proc/self").found()?.uid?;
        Some(format!("/run/user/{user}"))
    });
    let places = contexts::usual(windows, runtime.as_deref(), root.home().as_deref());
    let places = places.into_iter().map(|(endpoint, by)| candidate(root, &endpoint, by));
    let known = places.filter(|candidate| is_there(root, &candidate.endpoint)).collect::<Vec<_>>();
    let others = root.recorded_daemons().into_iter().map(|endpoint| candidate(root, &endpoint, "recording"));
    known.into_iter().chain(if windows { Vec::new() } else { others.collect() }).collect()
}

/// Whether it makes sense to ask there. A pipe of Windows is asked whether it is there.
fn is_there(root: &Root, endpoint: &str) -> bool {
    if !root.is_this_machine() {
        return root.recorded_daemons().iter().any(|known| root.identity(known) == root.identity(endpoint));
    }
    match root.expanded(endpoint).strip_prefix("unix://") {
        Some(path) => root.exists(path),
        None => true,
    }
}

/// Whether an address cannot lead to another machine by itself.
pub(super) fn is_local(endpoint: &str) -> bool {
    endpoint.starts_with("unix://") || endpoint.starts_with("npipe://") || endpoint.starts_with('/')
}

/// An address without who logs in there, and with what password: that is nobody's business. It may have a scheme or none.
pub(in crate::host) fn without_user(endpoint: &str) -> String {
    if is_local(endpoint) {
        return endpoint.to_owned();
    }
    let start = endpoint.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = endpoint.split_at(start);
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let machine = authority.rsplit_once('@').map_or(authority, |(_, machine)| machine);
    format!("{scheme}{machine}{path}")
}

/// What is said of the daemon that `docker` would use where nobody could find out which one that is.
pub(super) fn unknown(root: &Root, why: &str) -> Candidate {
    let usual = if root.os() == Some("windows") { DOCKER_PIPE } else { DOCKER_SOCKET };
    let not_asked = Some(why.to_owned());
    Candidate { chosen: true, not_asked, ..candidate(root, usual, "default socket") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logs_in_is_left_out_of_every_form_of_an_address() {
        for (address, kept) in [
            ("ssh://ada@gpu-7:22", "ssh://gpu-7:22"),
            ("ssh://ada:p@ss@gpu-7/run/docker.sock", "ssh://gpu-7/run/docker.sock"),
            ("tcp://ada:secret@gpu-7:2375?x=a@b", "tcp://gpu-7:2375?x=a@b"),
            ("ada:secret@gpu-7:2375", "gpu-7:2375"),
            ("ada@gpu-7", "gpu-7"),
            ("gpu-7:2375", "gpu-7:2375"),
            ("tcp://gpu-7:2375/a@b", "tcp://gpu-7:2375/a@b"),
            ("unix:///run/user/a@b/docker.sock", "unix:///run/user/a@b/docker.sock"),
            ("/run/a@b.sock", "/run/a@b.sock"),
            ("npipe:////./pipe/a@b", "npipe:////./pipe/a@b"),
            ("@", ""),
        ] {
            assert_eq!(without_user(address), kept);
        }
    }
}
