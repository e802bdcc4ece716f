//! Looks for every daemon and asks all of them at once.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::endpoints::{self, Candidate};
use super::info::Identity;
use super::place::elsewhere;
use super::{Daemon, DaemonPlace, info, place};
use crate::host::root::memory;
use crate::host::{Host, Root, Seen};

/// The daemons that a process on `host` can reach, the one that `docker` would use first. Each has `limit` to answer, all at
/// the same time. In a folder without recorded daemons nobody looks. The contexts that name them are files of the user's,
/// perhaps on another machine's disk: they have the same limit before.
pub(in crate::host) fn find(root: &Root, host: &Host, limit: Duration) -> Vec<Daemon> {
    if !root.is_this_machine() && root.recorded_daemons().is_empty() {
        return Vec::new();
    }
    let candidates = named_within(root, limit);
    let here = here(root);
    let asked: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.not_asked.is_none()).collect();
    let questions: Vec<_> =
        asked.iter().flat_map(|it| [(it.endpoint.as_str(), "/version"), (it.endpoint.as_str(), "/info")]).collect();
    let mut answers = root.ask_all(&questions, limit).into_iter().map(text);
    let mut found: Vec<(Daemon, Identity)> = Vec::new();
    for candidate in &candidates {
        let (answer, identity) = match &candidate.not_asked {
            Some(reason) => (Seen::Unreadable(format!("it is not asked: {reason}")), Identity::default()),
            None => {
                let mut next = || answers.next().unwrap_or_default();
                info::read(next(), next())
            }
        };
        // What docker would use is told of also where nothing is; a pipe that is not there is nobody's daemon.
        if answer.is_absent() && !candidate.chosen && !named(candidate) {
            continue;
        }
        // One daemon behind several local addresses gives the same number everywhere.
        let known = |(known, other): &&mut (Daemon, Identity)| {
            identity.id.is_some()
                && other.id == identity.id
                && [&known.endpoint, &candidate.endpoint].map(|it| endpoints::is_local(it)) == [true; 2]
        };
        if let Some((known, _)) = found.iter_mut().find(known) {
            known.found_by = format!("{}, {}", known.found_by, candidate.found_by);
            continue;
        }
        let (mut place, mut evidence) = place(answer.found(), &candidate.endpoint, host);
        if place == DaemonPlace::ThisKernel && desktop(&answer).is_none() {
            let other = elsewhere(&identity, &here, host);
            place = if other.is_some() { DaemonPlace::Unknown } else { place };
            evidence.extend(other);
        }
        let (endpoint, found_by) = (candidate.endpoint.clone(), candidate.found_by.clone());
        found.push((Daemon { endpoint, found_by, chosen: candidate.chosen, answer, place, evidence }, identity));
    }
    found.into_iter().map(|(daemon, _)| daemon).collect()
}

/// The places that the machine names, or why nobody could find out.
fn named_within(root: &Root, limit: Duration) -> Vec<Candidate> {
    let (said, heard) = channel();
    let own = root.clone();
    let look = move || {
        // Nobody may be there any more.
        let _ = said.send(endpoints::candidates(&own));
    };
    let began = thread::Builder::new().name("nacp-contexts".into()).spawn(look);
    let found = began.map_err(|error| format!("there is no thread to look in: {error}")).and_then(|_| {
        let late = |_| format!("the contexts of docker could not be read within {} ms", limit.as_millis());
        heard.recv_timeout(limit).map_err(late)
    });
    found.unwrap_or_else(|why| vec![endpoints::unknown(root, &why)])
}

/// What tells this machine from others.
fn here(root: &Root) -> Identity {
    let name = root.text("/proc/sys/kernel/hostname").found().map(|name| name.trim().to_owned());
    Identity {
        id: None,
        name: name.filter(|name| !name.is_empty()),
        memory: memory(root),
        processors: root.text("/sys/devices/system/cpu/online").found().and_then(|list| processors(list)),
    }
}

/// How many there are in a list such as `0-7,16-23`.
fn processors(list: &str) -> Option<u64> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.trim().split(',').map(count).try_fold(0_u64, |all, count| all.checked_add(count?))
}

/// Docker Desktop's name for its machine, which is never that of the machine under it.
fn desktop(answer: &Seen<super::DaemonInfo>) -> Option<&str> {
    answer.found()?.hostname.as_deref()
}

/// Whether somebody has named it, so that its absence is news.
fn named(candidate: &Candidate) -> bool {
    candidate.found_by.starts_with("env ") || candidate.found_by.starts_with("context ")
}

fn text(bytes: Seen<Vec<u8>>) -> Seen<String> {
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_in_ranges() {
        assert_eq!((processors("0-15\n"), processors("0-7,16-23"), processors("0")), (Some(16), Some(16), Some(1)));
        for broken in ["", "a", "7-0", "0-", "0-18446744073709551615", "0-9223372036854775807,0-9223372036854775807"] {
            assert_eq!(processors(broken), None, "{broken}");
        }
    }

    #[test]
    fn contexts_that_do_not_come_in_time_are_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("home")).unwrap();
        let root = Root::at(folder.path(), std::collections::BTreeMap::new());
        let late = named_within(&root, Duration::ZERO);
        assert_eq!(late.len(), 1);
        if let Some(why) = &late[0].not_asked {
            assert_eq!((why.as_str(), late[0].chosen), ("the contexts of docker could not be read within 0 ms", true));
        }
        assert!(named_within(&root, Duration::from_secs(60))[0].not_asked.is_none());
    }
}
