//! Whether the GPU is there, what the driver wants done about it, how it is set up, and who still holds it.

use super::{Finding, K, Outcome, View, Why, known, reasons, when};
use crate::gpu::health::{Action, Evidence};
use crate::gpu::{Persistent, Reading, RecoveryAction, Unknown};

/// `NVML_ERROR_CORRUPTED_INFOROM`.
const CORRUPTED_INFOROM: i32 = 14;
/// `NVML_ERROR_GPU_IS_LOST`.
const GPU_IS_LOST: i32 = 15;
/// `NVML_ERROR_RESET_REQUIRED`.
const RESET_REQUIRED: i32 = 16;

pub(super) fn lost(view: &View<'_>) -> Outcome {
    answered(view, K::GpuLost, "the GPU has stopped answering", |reason| {
        matches!(reason, Unknown::GpuLost | Unknown::Code(GPU_IS_LOST))
    })
}

pub(super) fn reset_required(view: &View<'_>) -> Outcome {
    answered(view, K::ResetRequired, "the GPU must be reset before it can be used", |reason| {
        reason == Unknown::Code(RESET_REQUIRED)
    })
}

/// A reading that nobody can give is evidence of its own when the driver says why.
fn answered(view: &View<'_>, kind: K, message: &str, is_it: fn(Unknown) -> bool) -> Outcome {
    let mut found = reasons(view.sample).filter(|(_, reason)| is_it(*reason));
    let Some((field, reason)) = found.next() else {
        let read = reasons(view.sample).any(|(_, reason)| reason != Unknown::NotRead);
        let nothing = !read && view.sample.temperature.known().is_none() && view.sample.memory.known().is_none();
        return if nothing { Outcome::Unchecked(Why::Unknown(Unknown::NotRead)) } else { Outcome::Clear };
    };
    let more = found.count();
    let message = format!("{message}: {} readings are answered so", more + 1);
    Outcome::Holds(Finding::new(kind, message, vec![Evidence::new(format!("reading {field}"), reason)]))
}

pub(super) fn recovery(view: &View<'_>) -> Outcome {
    known(&view.sample.recovery, |asked| {
        when(*asked != RecoveryAction::None, || {
            let action = Action::of(*asked);
            let evidence = vec![Evidence::new("field 230 (GPU_RECOVERY_ACTION)", asked.code())];
            let message = format!("the driver asks for action {}: {asked}", asked.code());
            Finding::new(K::RecoveryAsked, message, evidence).action(action)
        })
    })
}

pub(super) fn inforom(view: &View<'_>) -> Outcome {
    let image = &view.gpu.identity.inforom.image;
    let corrupt = Unknown::Code(CORRUPTED_INFOROM);
    let finding = |source: String| {
        let evidence = vec![Evidence::new(source, corrupt)];
        Outcome::Holds(Finding::new(K::InforomCorrupt, "the InfoROM is corrupt (nvml code 14)".into(), evidence))
    };
    if let Some((field, _)) = reasons(view.sample).find(|(_, reason)| *reason == corrupt) {
        return finding(format!("reading {field}"));
    }
    match image {
        Reading::Unknown(reason) if *reason == corrupt => finding("nvmlDeviceGetInforomImageVersion".into()),
        _ => known(image, |_| Outcome::Clear),
    }
}

pub(super) fn persistence(view: &View<'_>) -> Outcome {
    if view.facts.is_guest() {
        return Outcome::Clear;
    }
    known(&view.gpu.modes.persistence, |on| {
        when(!on, || {
            let message = "persistence mode is off: the driver unloads when nobody uses the GPU".to_owned();
            Finding::new(K::PersistenceOff, message, vec![Evidence::new("nvmlDeviceGetPersistenceMode", "off")])
        })
    })
}

pub(super) fn ecc_pending(view: &View<'_>) -> Outcome {
    pending(K::EccModePending, "error correction", "nvmlDeviceGetEccMode", &view.gpu.modes.ecc)
}

pub(super) fn mig_pending(view: &View<'_>) -> Outcome {
    pending(K::MigModePending, "partitioning", "nvmlDeviceGetMigMode", &view.gpu.mig.mode)
}

fn pending(kind: K, what: &str, call: &str, mode: &Reading<Persistent>) -> Outcome {
    let word = |on| if on { "on" } else { "off" };
    known(mode, |mode| {
        when(mode.current != mode.pending, || {
            let (now, then) = (word(mode.current), word(mode.pending));
            let message = format!("{what} is {now} and will be {then} after the next reset");
            Finding::new(kind, message, vec![Evidence::new(call, format!("current {now}, pending {then}"))])
        })
    })
}

pub(super) fn zombies(view: &View<'_>) -> Outcome {
    if view.facts.is_guest() {
        return Outcome::Clear;
    }
    if view.facts.container {
        return Outcome::Unchecked(Why::Because("the process ids in a container are not the driver's"));
    }
    known(&view.facts.zombies, |zombies| {
        if zombies.is_empty() {
            return Outcome::Clear;
        }
        known(&view.sample.processes, |processes| {
            let dead = processes.iter().filter(|process| zombies.binary_search(&process.pid).is_ok());
            let pids: Vec<String> = dead.map(|process| process.pid.to_string()).collect();
            when(!pids.is_empty(), || {
                let pids = pids.join(",");
                let message = format!("dead processes still hold the GPU: pid {pids}");
                let evidence = vec![
                    Evidence::new("nvmlDeviceGetComputeRunningProcesses_v3", format!("pid {pids}")),
                    Evidence::new("/proc/PID/stat", "Z"),
                ];
                Finding::new(K::ZombieProcess, message, evidence)
            })
        })
    })
}
