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
