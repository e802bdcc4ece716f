//! What events mean for health.

use super::rules::Finding;
use super::{Action, ConditionKind as K, Evidence, Severity};
use crate::gpu::xid::{self, Action as Advice};
use crate::gpu::{Event, EventKind, RecoveryAction};

/// What an event says: the kind of its condition, the number that came with it, and the rest. Nothing for events that are
/// no condition: clocks, power source, partitions, single errors that were corrected, and those of which a reading tells
/// more (memory retired, recovery action changed).
pub(super) fn finding(event: &Event) -> Option<(K, u64, Finding)> {
    let evidence = |source: &str, value: String| vec![Evidence::new(source, value)];
    Some(match &event.kind {
        EventKind::Xid { code, detail } => (K::Xid, *code, of_xid(*code, detail)),
        EventKind::Sxid { code, detail } => {
            let fatal = detail.to_lowercase().replace("non-fatal", "").contains("fatal");
            let finding =
                Finding::new(K::Sxid, format!("SXid {code}: {detail}"), evidence("kernel log", detail.clone()));
            (K::Sxid, *code, if fatal { finding.severity(Severity::Drain) } else { finding })
        }
        EventKind::FellOffBus => {
            let message = "the GPU has fallen off the bus".to_owned();
            (K::FellOffBus, 0, Finding::new(K::FellOffBus, message.clone(), evidence("kernel log", message)))
        }
        EventKind::DoubleBitEcc => plain(K::UncorrectableEcc, 0x2, "an error of the memory was not corrected"),
        EventKind::SingleBitStorm => plain(K::EccStorm, 0x200, "corrected errors of the memory come in a storm"),
        EventKind::DramFailure => plain(K::RowRemapFailed, 0x800, "memory could not be retired"),
        EventKind::NonFatalPoison => plain(K::Poison, 0x1000, "poisoned data was found and not used"),
        EventKind::FatalPoison => {
            let (kind, bit, finding) = plain(K::Poison, 0x2000, "poisoned data was used");
            (kind, bit, finding.severity(Severity::Drain).action(Action::ResetGpu))
        }
        EventKind::Unavailable => plain(K::GpuLost, 0x4000, "the driver tells that the GPU is unavailable"),
        EventKind::Unknown { bits, data } => {
            let value = format!("bits {bits:#x}, data {data:#x}");
            let message = format!("an event that NACP does not know: {value}");
            (K::UnknownEvent, *bits, Finding::new(K::UnknownEvent, message, evidence("nvml event", value)))
        }
        _ => return None,
    })
}

/// An event with a bit of its own. The bit is its number, so that two of one kind stay apart.
fn plain(kind: K, bit: u64, message: &str) -> (K, u64, Finding) {
    let evidence = vec![Evidence::new("nvml event", format!("{bit:#x}"))];
    (kind, bit, Finding::new(kind, message.to_owned(), evidence))
}

fn of_xid(code: u64, detail: &str) -> Finding {
    let known = u32::try_from(code).ok().and_then(xid::lookup);
    let meaning = known.map_or("not in NVIDIA's catalogue", |known| known.meaning);
    let message = format!("Xid {code}: {meaning}");
    let mut evidence = vec![Evidence::new("Xid", code)];
    if !detail.is_empty() {
        evidence.push(Evidence::new("kernel log", detail));
    }
    let Some(known) = known else { return Finding::new(K::Xid, message, evidence) };
    if let Some(asked) = asked_for(code, detail) {
        let finding = Finding::new(K::Xid, format!("{message} to {}: {asked}", asked.code()), evidence);
        let severity = if asked == RecoveryAction::None { Severity::Info } else { Severity::Drain };
        return finding.severity(severity).action(Action::of(asked));
    }
    let advice: Vec<&str> = known.immediate.iter().chain(&known.investigate).map(|advice| advice.word()).collect();
    if !advice.is_empty() {
        evidence.push(Evidence::new("NVIDIA's catalogue", advice.join(", then ")));
    }
    let severity = match known.severity() {
        _ if known.immediate == Some(Advice::RestartMachine) => Severity::Unusable,
        xid::Severity::Notice => Severity::Info,
        xid::Severity::Warning => Severity::Watch,
        xid::Severity::Critical => Severity::Drain,
    };
    let advised = known.immediate.or(known.investigate);
    let finding = Finding::new(K::Xid, message, evidence).severity(severity);
    finding.action(advised.map_or(Action::ContactSupport, of_advice))
}

/// What Xid 154 says in the kernel log: `GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)`.
fn asked_for(code: u64, detail: &str) -> Option<RecoveryAction> {
    let digits = detail.rsplit_once(" to 0x").filter(|_| code == 154)?.1.split_whitespace().next()?;
    u32::from_str_radix(digits, 16).ok().map(RecoveryAction::from_code)
}

/// The catalogue's advice as an action.
fn of_advice(advice: Advice) -> Action {
    match advice {
        Advice::Ignore | Advice::ReadRecoveryAction | Advice::WorkflowXid45 => Action::None,
        Advice::RestartApp => Action::RestartApp,
        Advice::ResetGpu => Action::ResetGpu,
        Advice::RestartVm | Advice::RestartMachine => Action::Reboot,
        Advice::CheckApp
        | Advice::CheckUvm
        | Advice::InvestigateUserSoftware
        | Advice::WorkflowXid13
        | Advice::WorkflowXid31 => Action::CheckApp,
        Advice::CheckMechanicals | Advice::InvestigateLink => Action::CheckMechanicals,
        Advice::UpdateSoftware | Advice::InvestigateSoftware => Action::UpdateDriver,
        Advice::WorkflowXid48 | Advice::WorkflowNvlink | Advice::WorkflowNvlink5 => Action::DrainAndReset,
        Advice::ReportIfAlone | Advice::ContactSupport | Advice::WorkflowXid137 => Action::ContactSupport,
    }
}
