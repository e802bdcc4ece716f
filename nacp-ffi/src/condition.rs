//! What can be wrong with a GPU, as C sees it.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::gpu::GpuId;
use nacp_core::gpu::health::{Action, Condition, ConditionKind, Severity, Verdict};

use crate::ffi::{Versioned, zero};
use crate::text::Texts;

/// How bad a condition is: NACP_SEVERITY_INFO and the like. The larger the worse.
pub type nacp_severity = u32;

/// Worth knowing; the GPU is as healthy as without it.
pub const NACP_SEVERITY_INFO: nacp_severity = 0;
/// It works, and somebody should look at it.
pub const NACP_SEVERITY_WATCH: nacp_severity = 1;
/// Give it no new work, and move off what runs.
pub const NACP_SEVERITY_DRAIN: nacp_severity = 2;
/// It does not work.
pub const NACP_SEVERITY_UNUSABLE: nacp_severity = 3;

/// What may be done with a GPU, the worst of its conditions: NACP_VERDICT_HEALTHY and the like. The larger the worse.
pub type nacp_verdict = u32;

/// Nothing that was checked speaks against it.
pub const NACP_VERDICT_HEALTHY: nacp_verdict = 0;
/// It can be used; something should be looked at.
pub const NACP_VERDICT_WATCH: nacp_verdict = 1;
/// It should get no new work, and what runs should move.
pub const NACP_VERDICT_DRAIN: nacp_verdict = 2;
/// It cannot be used.
pub const NACP_VERDICT_UNUSABLE: nacp_verdict = 3;

/// The driver does not answer at all.
pub const NACP_CONDITION_DRIVER_UNAVAILABLE: u32 = 1;
/// The driver that is loaded and its library on the disk have different versions.
pub const NACP_CONDITION_LIBRARY_MISMATCH: u32 = 2;
/// The driver lists fewer GPUs than there are.
pub const NACP_CONDITION_COUNT_MISMATCH: u32 = 3;
/// The GPU has stopped answering.
pub const NACP_CONDITION_GPU_LOST: u32 = 4;
/// The GPU cannot be used before it is reset.
pub const NACP_CONDITION_RESET_REQUIRED: u32 = 5;
/// The driver asks for something to be done.
pub const NACP_CONDITION_RECOVERY_ASKED: u32 = 6;
/// The driver reported an error by number; `code` is the Xid.
pub const NACP_CONDITION_XID: u32 = 7;
/// An NVSwitch reported an error by number; `code` is the SXid.
pub const NACP_CONDITION_SXID: u32 = 8;
/// The GPU has fallen off the bus.
pub const NACP_CONDITION_FELL_OFF_BUS: u32 = 9;
/// A row of memory is to be replaced at the next reset.
pub const NACP_CONDITION_ROW_REMAP_PENDING: u32 = 10;
/// Replacing a row of memory has failed.
pub const NACP_CONDITION_ROW_REMAP_FAILED: u32 = 11;
/// A page of memory is to be retired when the driver is loaded next.
pub const NACP_CONDITION_RETIRED_PAGES_PENDING: u32 = 12;
/// So many pages of memory are retired that NVIDIA's diagnostic fails the GPU.
pub const NACP_CONDITION_RETIRED_PAGES_MANY: u32 = 13;
/// Errors of the memory were not corrected.
pub const NACP_CONDITION_UNCORRECTABLE_ECC: u32 = 14;
/// So many errors within the chip that NVIDIA wants the GPU replaced.
pub const NACP_CONDITION_SRAM_THRESHOLD: u32 = 15;
/// Corrected errors of the memory come in a storm.
pub const NACP_CONDITION_ECC_STORM: u32 = 16;
/// Poisoned data was found.
pub const NACP_CONDITION_POISON: u32 = 17;
/// The InfoROM is corrupt.
pub const NACP_CONDITION_INFOROM_CORRUPT: u32 = 18;
/// The GPU is too hot.
pub const NACP_CONDITION_HOT: u32 = 19;
/// The memory is too hot.
pub const NACP_CONDITION_MEMORY_HOT: u32 = 20;
/// The GPU is close to the temperature at which it slows down.
pub const NACP_CONDITION_THERMAL_MARGIN: u32 = 21;
/// The hardware slows the GPU down again and again.
pub const NACP_CONDITION_CLOCK_SLOWDOWN: u32 = 22;
/// NVLinks are down.
pub const NACP_CONDITION_NVLINK_INACTIVE: u32 = 23;
/// NVLinks are slow.
pub const NACP_CONDITION_NVLINK_SLOW: u32 = 24;
/// NVLinks count errors.
pub const NACP_CONDITION_NVLINK_ERRORS: u32 = 25;
/// The GPU is not well in its NVLink fabric.
pub const NACP_CONDITION_FABRIC_UNHEALTHY: u32 = 26;
/// The PCIe link is narrower or slower than it can be.
pub const NACP_CONDITION_PCIE_DOWNGRADED: u32 = 27;
/// PCIe packets are sent again too often.
pub const NACP_CONDITION_PCIE_REPLAYS: u32 = 28;
/// The board draws less or more than it should.
pub const NACP_CONDITION_POWER_OUT_OF_RANGE: u32 = 29;
/// The driver is unloaded when nobody uses the GPU.
pub const NACP_CONDITION_PERSISTENCE_OFF: u32 = 30;
/// The mode of error correction changes at the next reset.
pub const NACP_CONDITION_ECC_MODE_PENDING: u32 = 31;
/// Partitioning changes at the next reset.
pub const NACP_CONDITION_MIG_MODE_PENDING: u32 = 32;
/// A dead process still holds the GPU.
pub const NACP_CONDITION_ZOMBIE_PROCESS: u32 = 33;
/// The driver told something that the library does not know; `code` has its bits.
pub const NACP_CONDITION_UNKNOWN_EVENT: u32 = 34;

/// Something that is wrong with a GPU or with the machine. Its texts live as long as what it was read from.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_condition {
    /// sizeof(nacp_condition); NACP_CONDITION_INIT sets it.
    pub struct_size: u32,
    /// What is wrong: NACP_CONDITION_HOT and the like. Be ready for numbers that are not here; `name` has a name for them.
    pub kind: u32,
    /// How bad it is: NACP_SEVERITY_WATCH and the like.
    pub severity: nacp_severity,
    /// What it is of: 0 the GPU as a whole, 1 one GPU instance, 2 one compute instance of it.
    pub part: u32,
    /// The id of the GPU instance (`part` 1 and 2).
    pub gpu_instance: u32,
    /// The id of the compute instance (`part` 2).
    pub compute_instance: u32,
    /// The number of the Xid or SXid, or the bits of an unknown event; else 0.
    pub code: u64,
    /// When it was seen first, in milliseconds since 1970-01-01 00:00 UTC.
    pub since_ms: i64,
    /// When it was seen last.
    pub last_ms: i64,
    /// How often it was seen: readings that showed it, or events that told it.
    pub count: u64,
    /// The UUID of the GPU; NULL where it concerns the machine, or a GPU that the driver does not list.
    pub gpu: *const c_char,
    /// What is wrong, by name, such as "hot": as in the thresholds.
    pub name: *const c_char,
    /// What is wrong in one line, with the numbers.
    pub message: *const c_char,
    /// What was read and where, a line each.
    pub evidence: *const c_char,
    /// What has to be done, by name, such as "reset_gpu".
    pub action: *const c_char,
    /// The same in words, such as "reset the GPU".
    pub action_text: *const c_char,
    /// The command that does it; NULL where no single command does.
    pub command: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_condition {
    const FIRST: usize = offset_of!(Self, command) + size_of::<*const c_char>();
}

impl nacp_condition {
    /// A condition whose texts `texts` keeps.
    pub(crate) fn of(condition: &Condition, texts: &mut Texts) -> Self {
        let mut out: Self = zero();
        out.kind = number(condition.kind);
        out.severity = severity(condition.severity);
        if let Some(partition) = condition.partition {
            (out.part, out.gpu_instance) = (1, partition.gpu_instance);
            if let Some(compute_instance) = partition.compute_instance {
                (out.part, out.compute_instance) = (2, compute_instance);
            }
        }
        out.code = condition.code.unwrap_or_default();
        out.since_ms = condition.since.as_millisecond();
        out.last_ms = condition.last.as_millisecond();
        out.count = condition.count;
        out.gpu = texts.lend_some(condition.gpu.as_ref().map(GpuId::as_str));
        out.name = texts.lend(condition.kind.name());
        out.message = texts.lend(&*condition.message);
        let evidence: Vec<_> = condition.evidence.iter().map(ToString::to_string).collect();
        out.evidence = texts.lend(evidence.join("\n"));
        out.action = texts.lend(action(condition.action));
        out.action_text = texts.lend(condition.action.to_string());
        out.command = texts.lend_some(condition.command.as_deref());
        out
    }
}

/// The name of an action, as JSON has it.
fn action(action: Action) -> String {
    match serde_json::to_value(action) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn severity(severity: Severity) -> nacp_severity {
    match severity {
        Severity::Info => NACP_SEVERITY_INFO,
        Severity::Watch => NACP_SEVERITY_WATCH,
        Severity::Drain => NACP_SEVERITY_DRAIN,
        Severity::Unusable => NACP_SEVERITY_UNUSABLE,
    }
}

/// The number of a verdict.
pub(crate) fn verdict(verdict: Verdict) -> nacp_verdict {
    match verdict {
        Verdict::Healthy => NACP_VERDICT_HEALTHY,
        Verdict::Watch => NACP_VERDICT_WATCH,
        Verdict::Drain => NACP_VERDICT_DRAIN,
        Verdict::Unusable => NACP_VERDICT_UNUSABLE,
    }
}

/// The number of a kind; 0 for one that this header does not know.
pub(crate) fn number(kind: ConditionKind) -> u32 {
    match kind {
        ConditionKind::DriverUnavailable => NACP_CONDITION_DRIVER_UNAVAILABLE,
        ConditionKind::LibraryMismatch => NACP_CONDITION_LIBRARY_MISMATCH,
        ConditionKind::CountMismatch => NACP_CONDITION_COUNT_MISMATCH,
        ConditionKind::GpuLost => NACP_CONDITION_GPU_LOST,
        ConditionKind::ResetRequired => NACP_CONDITION_RESET_REQUIRED,
        ConditionKind::RecoveryAsked => NACP_CONDITION_RECOVERY_ASKED,
        ConditionKind::Xid => NACP_CONDITION_XID,
        ConditionKind::Sxid => NACP_CONDITION_SXID,
        ConditionKind::FellOffBus => NACP_CONDITION_FELL_OFF_BUS,
        ConditionKind::RowRemapPending => NACP_CONDITION_ROW_REMAP_PENDING,
        ConditionKind::RowRemapFailed => NACP_CONDITION_ROW_REMAP_FAILED,
        ConditionKind::RetiredPagesPending => NACP_CONDITION_RETIRED_PAGES_PENDING,
        ConditionKind::RetiredPagesMany => NACP_CONDITION_RETIRED_PAGES_MANY,
        ConditionKind::UncorrectableEcc => NACP_CONDITION_UNCORRECTABLE_ECC,
        ConditionKind::SramThreshold => NACP_CONDITION_SRAM_THRESHOLD,
        ConditionKind::EccStorm => NACP_CONDITION_ECC_STORM,
        ConditionKind::Poison => NACP_CONDITION_POISON,
        ConditionKind::InforomCorrupt => NACP_CONDITION_INFOROM_CORRUPT,
        ConditionKind::Hot => NACP_CONDITION_HOT,
        ConditionKind::MemoryHot => NACP_CONDITION_MEMORY_HOT,
        ConditionKind::ThermalMargin => NACP_CONDITION_THERMAL_MARGIN,
        ConditionKind::ClockSlowdown => NACP_CONDITION_CLOCK_SLOWDOWN,
        ConditionKind::NvlinkInactive => NACP_CONDITION_NVLINK_INACTIVE,
        ConditionKind::NvlinkSlow => NACP_CONDITION_NVLINK_SLOW,
        ConditionKind::NvlinkErrors => NACP_CONDITION_NVLINK_ERRORS,
        ConditionKind::FabricUnhealthy => NACP_CONDITION_FABRIC_UNHEALTHY,
        ConditionKind::PcieDowngraded => NACP_CONDITION_PCIE_DOWNGRADED,
        ConditionKind::PcieReplays => NACP_CONDITION_PCIE_REPLAYS,
        ConditionKind::PowerOutOfRange => NACP_CONDITION_POWER_OUT_OF_RANGE,
        ConditionKind::PersistenceOff => NACP_CONDITION_PERSISTENCE_OFF,
        ConditionKind::EccModePending => NACP_CONDITION_ECC_MODE_PENDING,
        ConditionKind::MigModePending => NACP_CONDITION_MIG_MODE_PENDING,
        ConditionKind::ZombieProcess => NACP_CONDITION_ZOMBIE_PROCESS,
        ConditionKind::UnknownEvent => NACP_CONDITION_UNKNOWN_EVENT,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_of_its_own_under_its_own_name() {
        let source = include_str!("condition.rs");
        let mut numbers = Vec::new();
        for kind in ConditionKind::ALL {
            let constant = format!("pub const NACP_CONDITION_{}: u32 = {};", kind.name().to_uppercase(), number(*kind));
            assert!(source.contains(&constant), "`{constant}` is not in this file");
            numbers.push(number(*kind));
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ConditionKind::ALL.len());
        assert!(!numbers.contains(&0));
    }

    #[test]
    fn the_numbers_grow_with_what_is_wrong() {
        let severities = [Severity::Info, Severity::Watch, Severity::Drain, Severity::Unusable];
        assert_eq!(severities.map(severity), [0, 1, 2, 3]);
        assert_eq!(severities.map(|severity| verdict(severity.into())), [0, 1, 2, 3]);
        assert_eq!(action(Action::ResetGpu), "reset_gpu");
    }
}
