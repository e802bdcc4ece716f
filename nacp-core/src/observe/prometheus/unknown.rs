//! Which readings of a sample are unknown, and why.

use std::collections::BTreeMap;

use crate::gpu::{Sample, Snapshot, Unknown};

/// How many readings of each name are unknown for each reason, over all GPUs.
pub(super) fn unknown(snapshot: &Snapshot) -> BTreeMap<(&'static str, String), u64> {
    let mut counts = BTreeMap::new();
    for state in &snapshot.gpus {
        each(&state.sample, &mut |name, reason| {
            if let Some(reason) = reason {
                *counts.entry((name, reason.to_string())).or_default() += 1;
            }
        });
    }
    counts
}

/// Calls `tell` for each reading, also for those within another that is known, with why it has no value if so.
fn each(sample: &Sample, tell: &mut impl FnMut(&'static str, Option<Unknown>)) {
    macro_rules! readings {
        ($($field:ident)*) => { $(tell(stringify!($field), sample.$field.unknown());)* };
    }
    macro_rules! parts {
        ($field:ident, $part:ident: $($name:ident)*) => {
            $(tell(concat!(stringify!($field), ".", stringify!($name)), $part.$name.unknown());)*
        };
    }
    readings! {
        memory utilization temperature power power_limit clocks processes video_clock performance clock_events slowdown
        energy memory_temperature margin fans encoder decoder jpeg optical_flow bar1_used pcie pcie_replays pcie_sent
        pcie_received ecc sram rows retired_pages nvlink recovery profile mig
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
    use crate::gpu::{Fan, Fields, LinkCounters, MigUse, Process, ProcessKind, Reading, Slowdown};

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
        assert_eq!(names(&sample), Fields::names().map(|(name, _)| name).collect());
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
