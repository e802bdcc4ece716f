//! How healthy the GPUs are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::encode::{Block, Labels, Value};
use super::family::Family;
use super::labels::simulated;
use crate::gpu::Snapshot;
use crate::gpu::health::{Condition, Health, Verdict};

static FAMILIES: [Family; 3] = [
    Family::gauge("nacp_gpu_health", "", "health.conditions", "Something is wrong with a GPU or the machine: always 1"),
    Family::gauge(
        "nacp_gpu_verdict",
        "",
        "health.gpus[].verdict",
        "What may be done with a GPU: 0 healthy, 1 watch, 2 drain, 3 unusable",
    ),
    Family::gauge(
        "nacp_gpu_unchecked",
        "",
        "health.unchecked",
        "On how many GPUs a condition cannot be checked for this reason; 1 where it concerns the machine",
    ),
];

pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter()
}

pub(super) fn blocks(health: &Health, snapshot: &Snapshot, gpus: &[Arc<Labels>]) -> [Block; 3] {
    let [mut conditions, mut verdicts, mut unchecked] = FAMILIES.each_ref().map(Block::new);
    let made_up = health.origin.simulated;
    let nowhere = Arc::new(Labels::new());
    let labels_of = |id| {
        let known = snapshot.gpus.iter().zip(gpus).find(|(state, _)| Some(&state.gpu.id) == id);
        match (known, id) {
            (Some((_, labels)), _) => Arc::clone(labels),
            (None, Some(id)) => Arc::new(vec![("UUID", Cow::Owned(id.as_str().to_owned()))]),
            (None, None) => Arc::clone(&nowhere),
        }
    };
    for condition in &health.conditions {
        let mut own = what(condition);
        own.extend(simulated(made_up));
        conditions.push(&labels_of(condition.gpu.as_ref()), own, Value::Integer(1));
    }
    for gpu in &health.gpus {
        verdicts.push(&labels_of(Some(&gpu.id)), simulated(made_up), Value::Integer(number(gpu.verdict)));
    }
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for it in &health.unchecked {
        *counts.entry((it.kind.name(), &it.reason)).or_default() += 1;
    }
    for ((kind, reason), count) in counts {
        let mut labels = vec![("condition", Cow::Owned(kind.to_owned())), ("reason", Cow::Owned(reason.to_owned()))];
        labels.extend(simulated(made_up));
        unchecked.push(&nowhere, labels, Value::Integer(count));
    }
    [conditions, verdicts, unchecked]
}

/// What is wrong: two conditions of one kind on one GPU differ in the partition or in the code.
fn what(condition: &Condition) -> Labels {
    let mut labels = vec![
        ("condition", Cow::Borrowed(condition.kind.name())),
        ("severity", Cow::Owned(condition.severity.to_string())),
    ];
    if let Some(partition) = condition.partition {
        labels.push(("GPU_I_ID", Cow::Owned(partition.gpu_instance.to_string())));
        labels.extend(partition.compute_instance.map(|id| ("GPU_CI_ID", Cow::Owned(id.to_string()))));
    }
    labels.extend(condition.code.map(|code| ("code", Cow::Owned(code.to_string()))));
    labels
}

fn number(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Healthy => 0,
        Verdict::Watch => 1,
        Verdict::Drain => 2,
        Verdict::Unusable => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::health::{Facts, Monitor, Thresholds, assess};
    use crate::gpu::{Event, EventKind, Hears, Partition, Reading, Rows, Unknown, Via};
    use crate::observe::prometheus::Metrics;
    use crate::observe::prometheus::tests::{snapshot, value};

    fn text(snapshot: &Snapshot, health: &Health) -> String {
        Metrics::new(snapshot).health(health).render().unwrap()
    }

    #[test]
    fn a_condition_is_a_line_of_its_gpu_and_the_verdict_is_a_number() {
        let mut snapshot = snapshot("h100x8");
        snapshot.gpus[2].sample.rows = Reading::Known(Rows { failed: true, ..Rows::default() });
        let health = assess(&Thresholds::default(), &snapshot, &Facts::default());
        let text = text(&snapshot, &health);
        let id = &snapshot.gpus[2].gpu.id;
        let condition = health.of(id).next().unwrap();
        let (kind, severity) = (condition.kind.name(), condition.severity);
        let start = format!("nacp_gpu_health{{gpu=\"2\",UUID=\"{id}\",condition=\"{kind}\",severity=\"{severity}\"");
        assert_eq!(value(&text, &format!("{start},simulated=\"true\"}}")), "1");
        let verdict = number(health.verdict(id).unwrap());
        assert!(verdict >= 2, "{health}");
        assert_eq!(value(&text, &format!("nacp_gpu_verdict{{gpu=\"2\",UUID=\"{id}\"")), verdict.to_string());
        assert_eq!(value(&text, "nacp_gpu_verdict{gpu=\"1\""), number(health.gpus[1].verdict).to_string());
    }

    #[test]
    fn the_same_condition_with_other_codes_and_on_other_partitions_is_another_line() {
        let snapshot = snapshot("h100x8");
        let id = &snapshot.gpus[0].gpu.id;
        let xid = |code, partition| {
            let kind = EventKind::Xid { code, detail: String::new() };
            let mut event = Event::new(snapshot.at, Some(id.clone()), kind, Via::Simulated);
            event.partition = partition;
            event
        };
        let on = |gpu_instance| Some(Partition { gpu_instance, compute_instance: Some(0) });
        let events = [xid(48, None), xid(74, None), xid(94, on(1)), xid(94, on(2))];
        let facts = Facts { hears: Hears { driver: true, kernel_log: true }, ..Facts::default() };
        let mut monitor = Monitor::new(Thresholds::default()).unwrap();
        monitor.observe(snapshot.at, &snapshot, &events, &facts);
        let text = text(&snapshot, &monitor.health(&snapshot));
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("nacp_gpu_health{gpu=\"0\"")).collect();
        for label in ["code=\"48\"", "code=\"74\"", "GPU_I_ID=\"1\",GPU_CI_ID=\"0\",code=\"94\"", "GPU_I_ID=\"2\""] {
            assert_eq!(lines.iter().filter(|line| line.contains(label)).count(), 1, "{label} in {lines:#?}");
        }
    }

    #[test]
    fn what_could_not_be_checked_is_counted_with_its_reason() {
        let mut snapshot = snapshot("rtx3050ti-laptop-wsl2");
        snapshot.gpus[0].sample.rows = Reading::Unknown(Unknown::NotSupported);
        let health = assess(&Thresholds::default(), &snapshot, &Facts::default());
        let text = text(&snapshot, &health);
        assert!(!health.unchecked.is_empty());
        for unchecked in &health.unchecked {
            let labels = format!("{{condition=\"{}\",reason=\"{}\"", unchecked.kind.name(), unchecked.reason);
            let same =
                health.unchecked.iter().filter(|it| (it.kind, &it.reason) == (unchecked.kind, &unchecked.reason));
            assert_eq!(value(&text, &format!("nacp_gpu_unchecked{labels}")), same.count().to_string());
        }
    }
}
