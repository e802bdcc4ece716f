//! What changed between two reports of the same machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::human;
use super::{CheckReport, Metric, Report, Status, Unit};
use crate::cuda::check::CheckId;
use crate::gpu::GpuId;

/// From which part of a measured value on a difference is told. Copies and launches vary by a few percent from run to
/// run.
const MATTERS: f64 = 0.05;

/// What changed between two reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportComparison {
    /// Each change, in the order of the later report.
    pub changes: Vec<Change>,
    /// Whether one of the two is of a simulated driver and the other is not: then nothing can be compared.
    pub of_two_worlds: bool,
}

/// One difference between two reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// Which check.
    pub id: CheckId,
    /// On which device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<GpuId>,
    /// `status`, or the name of the metric.
    pub what: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
    /// Whether that is worse.
    pub worse: bool,
}

impl ReportComparison {
    /// What became worse.
    pub fn worse(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.worse)
    }
}

impl fmt::Display for ReportComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of_two_worlds {
            return f.write_str("a simulated driver and a real one cannot be compared");
        }
        if self.changes.is_empty() {
            return f.write_str("nothing changed");
        }
        for (at, change) in self.changes.iter().enumerate() {
            let Change { id, device, what, before, after, worse } = change;
            let word = if *worse { "worse " } else { "better" };
            let line = if at == 0 { "" } else { "\n" };
            let device = device.as_ref().map(|device| format!(" on {}", device.short())).unwrap_or_default();
            write!(f, "{line}{word} {id}{device}: {what} was {before}, is {after}")?;
        }
        Ok(())
    }
}

pub(super) fn compare(earlier: &Report, later: &Report) -> ReportComparison {
    if earlier.simulated != later.simulated {
        return ReportComparison { changes: Vec::new(), of_two_worlds: true };
    }
    let mut changes = Vec::new();
    for after in &later.checks {
        let Some(before) = earlier.find(after.id, after.device.as_ref()) else { continue };
        changes.extend(of_status(before, after));
        // No time of a simulated device means anything.
        let metrics = after.metrics.iter().filter(|_| !later.simulated).filter_map(|metric| {
            let old = before.metrics.iter().find(|old| old.name == metric.name && old.unit == metric.unit)?;
            of_metric(after, old, metric)
        });
        changes.extend(metrics);
    }
    ReportComparison { changes, of_two_worlds: false }
}

fn of_status(before: &CheckReport, after: &CheckReport) -> Option<Change> {
    let worse = match (rank(&before.status), rank(&after.status)) {
        (Some(old), Some(new)) if old != new => new > old,
        // What fails is told whatever was before, and what is lost too.
        (None, Some(new)) if after.status.fails() => new > 0,
        (Some(..2), None) if lost(&after.status) => true,
        _ => return None,
    };
    Some(change(after, "status", before.status.word(), after.status.word(), worse))
}

/// Whether it was not done although there was something to do.
fn lost(status: &Status) -> bool {
    matches!(status, Status::Skipped { why, .. } if !why.is_no_lack())
}

/// The better, the lower. What was not done is neither.
fn rank(status: &Status) -> Option<u8> {
    match status {
        Status::Pass => Some(0),
        Status::Warn { .. } => Some(1),
        Status::Fail { .. } | Status::Error { .. } => Some(2),
        Status::Skipped { .. } => None,
    }
}

fn of_metric(after: &CheckReport, old: &Metric, new: &Metric) -> Option<Change> {
    let more_is_better = match new.unit {
        Unit::BytesPerSecond | Unit::FlopPerSecond | Unit::PerSecond | Unit::Ratio => true,
        Unit::Seconds => false,
        // A clock, a temperature, a power or a size is neither good nor bad.
        Unit::Bytes | Unit::Megahertz | Unit::Celsius | Unit::Watts | Unit::Count => return None,
    };
    let by = (new.value - old.value) / old.value.abs();
    let matters = by.is_finite() && by.abs() > MATTERS;
    let worse = (by < 0.0) == more_is_better;
    matters.then(|| change(after, &new.name, human(old.value, old.unit), human(new.value, new.unit), worse))
}

fn change(at: &CheckReport, what: &str, before: impl Into<String>, after: impl Into<String>, worse: bool) -> Change {
    let (before, after) = (before.into(), after.into());
    Change { id: at.id, device: at.device.clone(), what: what.to_owned(), before, after, worse }
}
