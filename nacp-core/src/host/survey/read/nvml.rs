//! What the management library answers.

use std::fmt;
use std::time::Duration;

use nvml_wrapper::error::NvmlError;

use super::{Given, Put};
use crate::child::Program;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::probe::Guard;
use crate::gpu::{
    ComputeMode, DriverModel, FabricState, Fields, Gpu, Nvml, Origin, Reading, Sample, Source, Support, Unknown,
};
use crate::host::Seen;
use crate::host::survey::{NvmlFacts, NvmlFailure, NvmlGpu};

/// NVML's number for a GPU that needs a reset.
const RESET_REQUIRED: i32 = 16;

pub(super) fn read(given: &Given) -> Put {
    let facts = facts(given);
    Box::new(move |survey| survey.nvml = facts)
}

fn facts(given: &Given) -> NvmlFacts {
    if let Some(source) = &given.source {
        return of(ask(source.as_ref()));
    }
    match given.root.answer("nvml.json").then(|text| serde_json::from_str(&text).map_err(|error| error.to_string())) {
        Seen::Found(facts) => return facts,
        Seen::Unreadable(why) => return NvmlFacts { driver: Seen::Unreadable(why), ..NvmlFacts::default() },
        _ if !given.root.is_this_machine() => return NvmlFacts::default(),
        _ => {}
    }
    of(match &given.isolated {
        Some(program) => guarded(program, given.left()),
        None => Nvml::open().and_then(|nvml| ask(&nvml)),
    })
}

/// The same from a child, which may crash or hang.
fn guarded(program: &Program, limit: Duration) -> Result<Answers> {
    let report = Guard::of(program.clone()).limit(limit).check()?;
    Ok(Answers { origin: report.origin, gpus: report.gpus, samples: report.samples, support: report.support })
}

/// What a source says.
struct Answers {
    origin: Origin,
    gpus: Vec<Gpu>,
    samples: Vec<Sample>,
    support: Support,
}

fn ask(source: &dyn Source) -> Result<Answers> {
    let gpus = source.inventory()?;
    let mut samples = Vec::new();
    source.sample(Fields::ALL, &mut samples)?;
    Ok(Answers { origin: source.origin().clone(), gpus, samples, support: source.support()? })
}

fn of(answers: Result<Answers>) -> NvmlFacts {
    match answers {
        Ok(Answers { origin, gpus, samples, support }) => NvmlFacts {
            simulated: origin.simulated,
            driver: origin
                .driver
                .map_or_else(|| Seen::Unreadable("it tells no version of the driver".into()), Seen::Found),
            failure: None,
            cuda: origin.cuda,
            gpus: gpus.iter().map(|it| gpu(it, samples.iter().find(|sample| sample.id == it.id), &support)).collect(),
        },
        Err(error) => NvmlFacts {
            driver: Seen::Unreadable(error.to_string()),
            failure: Some(failure(&error)),
            ..NvmlFacts::default()
        },
    }
}

fn gpu(gpu: &Gpu, sample: Option<&Sample>, support: &Support) -> NvmlGpu {
    let calls = || support.calls.iter().filter(|call| call.gpu.as_ref() == Some(&gpu.id));
    let reasons = || calls().filter_map(|call| call.answer.unknown());
    let mut silent: Vec<String> =
        calls().filter(|call| call.answer.unknown().is_some()).map(|call| call.function.clone()).collect();
    silent.sort();
    silent.dedup();
    let of_sample = |sample: Option<&Sample>, choose: fn(&Sample) -> Option<u64>| sample.and_then(choose);
    let used = of_sample(sample, |it| it.memory.known().map(|memory| memory.used.0));
    let pending = sample.and_then(|it| {
        let rows = it.rows.known().map(|rows| rows.pending);
        let pages = it.retired_pages.known().map(|pages| pages.pending);
        Some(rows.unwrap_or(false) || pages.unwrap_or(false)).filter(|_| rows.is_some() || pages.is_some())
    });
    NvmlGpu {
        id: gpu.id.to_string(),
        name: gpu.name.clone(),
        compute: text(&gpu.compute),
        vbios: text(&gpu.identity.vbios),
        pci: text(&gpu.pci),
        memory_total: gpu.memory.known().map(|bytes| bytes.0),
        memory_used: used,
        compute_mode: gpu.modes.compute.known().map(|mode| compute_mode(*mode).into()),
        driver_model: gpu.modes.driver_model.known().map(|model| driver_model(*model).into()),
        persistence: gpu.modes.persistence.known().copied(),
        mig: gpu.mig.mode.known().map(|mode| mode.current),
        mig_devices: gpu.mig.devices.known().into_iter().flatten().map(|device| device.id.to_string()).collect(),
        lost: reasons().any(|reason| reason == Unknown::GpuLost),
        needs_reset: reasons().any(|reason| reason == Unknown::Code(RESET_REQUIRED)),
        uncorrected: of_sample(sample, |it| it.ecc.known().map(|ecc| ecc.uncorrected)),
        repair_pending: pending,
        fabric: gpu.fabric.known().and_then(|fabric| fabric_state(fabric.state, fabric.status)),
        silent,
    }
}

fn text<T: fmt::Display>(reading: &Reading<T>) -> Option<String> {
    reading.known().map(ToString::to_string)
}

fn compute_mode(mode: ComputeMode) -> &'static str {
    match mode {
        ComputeMode::Default => "default",
        ComputeMode::ExclusiveThread => "exclusive_thread",
        ComputeMode::Prohibited => "prohibited",
        ComputeMode::ExclusiveProcess => "exclusive_process",
    }
}

fn driver_model(model: DriverModel) -> &'static str {
    match model {
        DriverModel::Wddm => "wddm",
        DriverModel::Tcc => "tcc",
        DriverModel::Mcdm => "mcdm",
    }
}

fn fabric_state(state: FabricState, status: i32) -> Option<String> {
    match state {
        FabricState::NotSupported => None,
        FabricState::NotStarted => Some("not_started".into()),
        FabricState::InProgress => Some("in_progress".into()),
        FabricState::Completed if status == 0 => Some("completed".into()),
        FabricState::Completed => Some(format!("failed (NVML code {status})")),
    }
}

/// NVML's number and the signal, where an error of [`Nvml::open`] or of a guard has one.
fn failure(error: &Error) -> NvmlFailure {
    let code = match (error.get("cause"), error.kind()) {
        (Some("not loaded"), _) => Some(9),
        (Some("mismatch"), _) => Some(18),
        (_, ErrorKind::PermissionDenied) => Some(4),
        (_, ErrorKind::DeviceLost) => Some(15),
        _ => error.get("nvml").and_then(number),
    };
    NvmlFailure { code, signal: error.get("signal").and_then(signal), message: error.to_string() }
}

/// The number of an error of the wrapper, by its text.
fn number(text: &str) -> Option<i32> {
    let known = [
        (NvmlError::Uninitialized, 1),
        (NvmlError::InvalidArg, 2),
        (NvmlError::NotSupported, 3),
        (NvmlError::NoPermission, 4),
        (NvmlError::NotFound, 6),
        (NvmlError::InsufficientPower, 8),
        (NvmlError::DriverNotLoaded, 9),
        (NvmlError::Timeout, 10),
        (NvmlError::IrqIssue, 11),
        (NvmlError::LibraryNotFound, 12),
        (NvmlError::FunctionNotFound, 13),
        (NvmlError::CorruptedInfoROM, 14),
        (NvmlError::GpuLost, 15),
        (NvmlError::ResetRequired, 16),
        (NvmlError::OperatingSystem, 17),
        (NvmlError::LibRmVersionMismatch, 18),
        (NvmlError::InUse, 19),
        (NvmlError::InsufficientMemory, 20),
        (NvmlError::NoData, 21),
        (NvmlError::Unknown, 999),
    ];
    known.into_iter().find(|(error, _)| error.to_string() == text).map(|(_, code)| code)
}

/// The number of a signal, by its name.
fn signal(name: &str) -> Option<i32> {
    let known = [
        ("SIGILL", 4),
        ("SIGTRAP", 5),
        ("SIGABRT", 6),
        ("SIGBUS", 7),
        ("SIGFPE", 8),
        ("SIGKILL", 9),
        ("SIGSEGV", 11),
        ("SIGTERM", 15),
    ];
    known.into_iter().find(|(known, _)| *known == name).map(|(_, number)| number).or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(cause: &str) -> Error {
        Error::new(ErrorKind::DriverUnavailable, "gpu.open", "it does not start").with("cause", cause)
    }

    #[test]
    fn what_the_library_refuses_with_keeps_its_number() {
        let code = |error: Error| failure(&error).code;
        assert_eq!(code(error("mismatch")), Some(18));
        assert_eq!(code(error("not loaded")), Some(9));
        assert_eq!(code(error("init").with("nvml", NvmlError::OperatingSystem)), Some(17));
        assert_eq!(code(error("init").with("nvml", NvmlError::Unknown)), Some(999));
        assert_eq!(code(error("absent")), None);
        assert_eq!(code(Error::new(ErrorKind::PermissionDenied, "gpu.open", "no")), Some(4));
    }

    #[test]
    fn the_signal_that_killed_the_child_is_a_number() {
        let crashed = failure(&error("crashed").with("signal", "SIGSEGV"));
        assert_eq!((crashed.code, crashed.signal), (None, Some(11)));
        assert_eq!(signal("35"), Some(35));
        assert_eq!(signal("0xc0000005"), None);
    }

    #[test]
    fn a_registration_that_ended_badly_is_not_complete() {
        assert_eq!(fabric_state(FabricState::Completed, 0).as_deref(), Some("completed"));
        assert_eq!(fabric_state(FabricState::Completed, 999).as_deref(), Some("failed (NVML code 999)"));
        assert_eq!(fabric_state(FabricState::NotSupported, 0), None);
    }
}
