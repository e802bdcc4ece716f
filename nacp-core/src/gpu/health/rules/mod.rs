//! The rules: each looks at one reading of one GPU, or at the machine, and says whether its condition holds.
//!
//! A rule has three answers. That it holds, with the evidence; that it does not; or that it cannot be told, because what
//! it needs is unknown. The third is neither sickness nor health.

mod links;
mod machine;
mod memory;
mod state;
mod thermal;

use super::{Action, ConditionKind, Evidence, Facts, Severity, Thresholds};
use crate::gpu::{Fields, Gpu, GpuState, Reading, Sample, Snapshot, Unknown};

pub(super) use self::machine::MACHINE_RULES;
pub(super) use self::thermal::SLOW;

use ConditionKind as K;

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It does not hold, or cannot hold here.
    Clear,
    /// It holds.
    Holds(Finding),
    /// It cannot be told.
    Unchecked(Why),
}

/// Why a rule cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// What it reads is unknown.
    Unknown(Unknown),
    /// Something else, in words.
    Because(&'static str),
}

/// What a rule has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) evidence: Vec<Evidence>,
    pub(super) action: Action,
}

impl Finding {
    /// With the severity and the action of the table.
    pub(super) fn new(kind: K, message: String, evidence: Vec<Evidence>) -> Self {
        Self { severity: kind.severity(), message, evidence, action: kind.action() }
    }

    pub(super) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(super) fn action(mut self, action: Action) -> Self {
        self.action = action;
        self
    }
}

/// What a rule for one GPU sees.
pub(super) struct View<'a> {
    pub(super) limits: &'a Thresholds,
    pub(super) facts: &'a Facts,
    pub(super) gpu: &'a Gpu,
    pub(super) sample: &'a Sample,
    /// What the readings before have added up to; nothing in a single look.
    pub(super) rates: Option<Rates>,
    /// Whether a condition of this kind stands already.
    pub(super) stands: &'a dyn Fn(K) -> bool,
}

impl<'a> View<'a> {
    pub(super) fn of(
        state: &'a GpuState,
        limits: &'a Thresholds,
        facts: &'a Facts,
        rates: Option<Rates>,
        stands: &'a dyn Fn(K) -> bool,
    ) -> Self {
        Self { limits, facts, gpu: &state.gpu, sample: &state.sample, rates, stands }
    }
}

/// What a rule for the machine sees.
pub(super) struct Machine<'a> {
    pub(super) limits: &'a Thresholds,
    pub(super) facts: &'a Facts,
    pub(super) snapshot: &'a Snapshot,
}

/// What counters have done lately. Each is unknown until there are two readings of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// Corrected errors of the memory a minute.
    pub(super) corrected_ecc: Option<f64>,
    /// PCIe packets sent again a minute.
    pub(super) pcie_replays: Option<f64>,
    /// Wrong NVLink checksums a minute.
    pub(super) nvlink_crc: Option<f64>,
    /// In how many minutes of the window the hardware slowed the GPU down: at all, for heat, for power.
    pub(super) slow_minutes: [u32; 3],
}

pub(super) type GpuRule = fn(&View<'_>) -> Outcome;

/// The rules for one GPU. What is told by events has none.
pub(super) const GPU_RULES: [(K, GpuRule); 26] = [
    (K::GpuLost, state::lost),
    (K::ResetRequired, state::reset_required),
    (K::RecoveryAsked, state::recovery),
    (K::RowRemapPending, memory::row_pending),
    (K::RowRemapFailed, memory::row_failed),
    (K::RetiredPagesPending, memory::page_pending),
    (K::RetiredPagesMany, memory::pages_many),
    (K::UncorrectableEcc, memory::uncorrectable),
    (K::SramThreshold, memory::sram),
    (K::EccStorm, memory::storm),
    (K::InforomCorrupt, state::inforom),
    (K::Hot, thermal::hot),
    (K::MemoryHot, thermal::memory_hot),
    (K::ThermalMargin, thermal::margin),
    (K::ClockSlowdown, thermal::slowdown),
    (K::NvlinkInactive, links::inactive),
    (K::NvlinkSlow, links::slow),
    (K::NvlinkErrors, links::errors),
    (K::FabricUnhealthy, links::fabric),
    (K::PcieDowngraded, links::downgraded),
    (K::PcieReplays, links::replays),
    (K::PowerOutOfRange, thermal::power),
    (K::PersistenceOff, state::persistence),
    (K::EccModePending, state::ecc_pending),
    (K::MigModePending, state::mig_pending),
    (K::ZombieProcess, state::zombies),
];

/// What is read must be known; if it is not, the rule cannot be told.
fn known<T>(reading: &Reading<T>, rule: impl FnOnce(&T) -> Outcome) -> Outcome {
    match reading {
        Reading::Known(value) => rule(value),
        Reading::Unknown(reason) => Outcome::Unchecked(Why::Unknown(*reason)),
    }
}

fn when(holds: bool, finding: impl FnOnce() -> Finding) -> Outcome {
    if holds { Outcome::Holds(finding()) } else { Outcome::Clear }
}

/// For each reading of a sample why it is unknown, or nothing where it is known.
fn answers(sample: &Sample) -> impl Iterator<Item = (Fields, Option<Unknown>)> {
    Fields::names().map(|(_, field)| (field, sample.reason(field)))
}

/// Why the readings of a sample are unknown, each with its field.
fn reasons(sample: &Sample) -> impl Iterator<Item = (Fields, Unknown)> {
    answers(sample).filter_map(|(field, reason)| Some((field, reason?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::gpu::health::Class;

    #[test]
    fn every_kind_that_is_not_told_by_events_has_one_rule() {
        let mut rules: BTreeMap<K, u32> = BTreeMap::new();
        for kind in GPU_RULES.map(|(kind, _)| kind).into_iter().chain(MACHINE_RULES.map(|(kind, _)| kind)) {
            *rules.entry(kind).or_default() += 1;
        }
        for kind in K::ALL {
            let expected = u32::from(kind.class() != Class::Event);
            assert_eq!(rules.get(kind).copied().unwrap_or_default(), expected, "{kind}");
        }
    }
}
