//! Which readings are unknown, and why.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::encode::{Block, Value};
use super::family::Family;
use super::labels::simulated;
use crate::gpu::{Fields, Sample, Snapshot, Unknown};

static UNKNOWN: Family =
    Family::gauge("nacp_gpu_unknown", "", "every reading", "How many readings of the GPUs are unknown for this reason");

pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    std::iter::once(&UNKNOWN)
}

/// How many readings of each name are unknown for each reason, over all GPUs.
pub(super) fn block(snapshot: &Snapshot) -> Block {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for state in &snapshot.gpus {
        each(&state.sample, &mut |name, reason| {
            if let Some(reason) = reason {
                *counts.entry((name, reason.to_string())).or_default() += 1;
            }
        });
    }
    let mut block = Block::new(&UNKNOWN);
    for ((reading, reason), count) in counts {
        let mut labels = vec![("reading", Cow::Borrowed(reading)), ("reason", Cow::Owned(reason))];
        labels.extend(simulated(snapshot.origin.simulated));
        block.push(&Arc::new(labels), Vec::new(), Value::Integer(count));
    }
    block
}

/// Calls `tell` for each reading, also for those within another that is known, with why it has no value if so.
fn each(sample: &Sample, tell: &mut impl FnMut(&'static str, Option<Unknown>)) {
    macro_rules! parts {
        ($field:ident, $part:ident: $($name:ident)*) => {
            $(tell(concat!(stringify!($field), ".", stringify!($name)), $part.$name.unknown());)*
        };
    }
    for (name, field) in Fields::names() {
        tell(name, sample.reason(field));
    }
    if let Some(held) = sample.slowdown.known() {
        parts!(slowdown, held: power thermal sync_boost board low_utilization reliability);
    }
    if let Some(links) = sample.nvlink.known() {
        parts!(nvlink, links: sent received active replays recoveries crc_flit crc_data);
    }
    for fan in sample.fans.known().into_iter().flatten() {
        parts!(fans, fan: speed rpm);
    }
    for process in sample.processes.known().into_iter().flatten() {
        parts!(processes, process: memory utilization);
    }
    for partition in sample.mig.known().into_iter().flatten() {
        parts!(mig, partition: memory);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::gpu::{Fan, LinkCounters, MigUse, Process, ProcessKind, Reading, Slowdown};

    fn names(sample: &Sample) -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        each(sample, &mut |name, reason| {
            assert!(reason.is_none() || names.insert(name), "{name} is told twice");
        });
        names
    }

    /// The paths of everything that is unknown in the JSON of a sample.
    fn paths(prefix: &str, value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) if map.len() == 1 && map.contains_key("unknown") => {
                found.insert(prefix.to_owned());
            }
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    paths(&format!("{prefix}.{key}"), value, found);
                }
            }
            serde_json::Value::Array(list) => list.iter().for_each(|value| paths(prefix, value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reading_of_a_sample_is_told_also_those_within_others() {
        let mut sample =
            Sample::unknown("GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap(), Unknown::NotSupported);
        sample.slowdown = Reading::Known(Slowdown::default());
        sample.nvlink = Reading::Known(LinkCounters::default());
        sample.fans = Reading::Known(vec![Fan::default()]);
        sample.processes = Reading::Known(vec![Process::new(1, ProcessKind::Compute, Reading::default())]);
        sample.mig = Reading::Known(vec![MigUse { id: sample.id.clone(), memory: Reading::default() }]);
        let mut expected = BTreeSet::new();
        paths("", &serde_json::to_value(&sample).unwrap(), &mut expected);
        let expected: BTreeSet<&str> = expected.iter().map(|path| path.trim_start_matches('.')).collect();
        assert_eq!(names(&sample), expected);
    }
}
