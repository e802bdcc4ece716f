//! What a metric is called, and what it means.

use crate::gpu::MetricKind;

/// A metric family of the text: what stands in its `HELP` and `TYPE` lines, and where its values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// The name of each of its lines.
    pub name: &'static str,
    /// Whether it goes up and down or only rises. For what dcgm-exporter has too this is dcgm-exporter's word.
    pub kind: MetricKind,
    /// The unit of the values; empty for plain numbers.
    pub unit: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Where the values come from: a path in [`Sample`](crate::gpu::Sample), or what was given to
    /// [`Metrics`](super::Metrics).
    pub source: &'static str,
    /// Who has it.
    pub set: FamilySet,
}

/// Who has a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FamilySet {
    /// dcgm-exporter as it is delivered.
    DcgmDefault,
    /// dcgm-exporter, with a longer list of counters.
    DcgmOptional,
    /// NACP alone.
    Nacp,
}

impl Family {
    /// One of NACP's own that goes up and down.
    pub(super) const fn gauge(
        name: &'static str,
        unit: &'static str,
        source: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, kind: MetricKind::Gauge, unit, help, source, set: FamilySet::Nacp }
    }

    /// One of NACP's own that only rises.
    pub(super) const fn counter(
        name: &'static str,
        unit: &'static str,
        source: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, kind: MetricKind::Counter, unit, help, source, set: FamilySet::Nacp }
    }
}
