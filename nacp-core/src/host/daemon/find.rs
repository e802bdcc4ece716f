//! Looks for every daemon and asks all of them at once.

use std::time::Duration;

use super::endpoints::{self, Candidate};
use super::{Daemon, info, place};
use crate::host::{Host, Root, Seen};

/// The daemons that a process on `host` can reach, the one that `docker` would use first. Each has `limit` to answer, all at
/// the same time. In a folder without recorded daemons nobody looks.
pub(in crate::host) fn find(root: &Root, host: &Host, limit: Duration) -> Vec<Daemon> {
    if !root.is_this_machine() && root.recorded_daemons().is_empty() {
        return Vec::new();
    }
    let candidates = endpoints::candidates(root);
    let asked: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.not_asked.is_none()).collect();
    let questions: Vec<_> =
        asked.iter().flat_map(|it| [(it.endpoint.as_str(), "/version"), (it.endpoint.as_str(), "/info")]).collect();
    let mut answers = root.ask_all(&questions, limit).into_iter().map(text);
    let mut found: Vec<(Daemon, Option<String>)> = Vec::new();
    for candidate in &candidates {
        let (answer, id) = match &candidate.not_asked {
            Some(reason) => (Seen::Unreadable(format!("it is not asked: {reason}")), None),
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
        let known = |(known, other): &&mut (Daemon, Option<String>)| {
            id.is_some()
                && *other == id
                && [&known.endpoint, &candidate.endpoint].map(|it| endpoints::is_local(it)) == [true; 2]
        };
        if let Some((known, _)) = found.iter_mut().find(known) {
            known.found_by = format!("{}, {}", known.found_by, candidate.found_by);
            continue;
        }
        let (place, evidence) = place(answer.found(), &candidate.endpoint, host);
        let (endpoint, found_by) = (candidate.endpoint.clone(), candidate.found_by.clone());
        found.push((Daemon { endpoint, found_by, chosen: candidate.chosen, answer, place, evidence }, id));
    }
    found.into_iter().map(|(daemon, _)| daemon).collect()
}

/// Whether somebody has named it, so that its absence is news.
fn named(candidate: &Candidate) -> bool {
    candidate.found_by.starts_with("env ") || candidate.found_by.starts_with("context ")
}

fn text(bytes: Seen<Vec<u8>>) -> Seen<String> {
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
