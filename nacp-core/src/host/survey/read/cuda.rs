//! What the CUDA driver answers.

use super::{Given, Put};
use crate::cuda::check::Report;
use crate::cuda::check::{Isolation, Skip, Status};
use crate::cuda::{Check, CheckId, Level, Probe};
use crate::host::Seen;
use crate::host::survey::{CudaDeviceFacts, CudaFacts, CudaFailure};

pub(super) fn read(given: &Given) -> Put {
    let facts = facts(given);
    Box::new(move |survey| survey.cuda = facts)
}

fn facts(given: &Given) -> CudaFacts {
    if given.driver.is_none() {
        match given.root.answer("cuda.json").then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
        {
            Seen::Found(facts) => return facts,
            Seen::Unreadable(why) => return CudaFacts { library: Seen::Unreadable(why), ..CudaFacts::default() },
            _ if !given.root.is_this_machine() => return CudaFacts::default(),
            _ => {}
        }
    }
    let mut check = Check::new(Level::Quick).only([CheckId::DevEnumerate]).limit(given.left());
    if let Some(driver) = &given.driver {
        check = check.driver(driver.clone());
        if let Some(source) = &given.source {
            check = check.telemetry(source.clone());
        }
    } else if let Some(program) = &given.isolated {
        check = check.isolated(Isolation::Child(program.clone()));
    }
    of(&check.run())
}

fn of(report: &Report) -> CudaFacts {
    let failure = report.checks.iter().find_map(|check| failure(check.id, &check.status));
    match &report.probe {
        Some(probe) => {
            CudaFacts { simulated: report.simulated, failure: failure.or_else(|| refused(probe)), ..answered(probe) }
        }
        None => {
            let opened = report.checks.iter().find(|check| check.id == CheckId::LibOpen);
            let told = |what: &str| opened?.evidence.iter().find(|it| it.what == what);
            let file = told("real path").or_else(|| told("library"));
            let library = match (file, opened.and_then(|check| check.status.reason())) {
                (Some(file), _) => Seen::Found(file.value.clone()),
                (None, Some(reason)) => Seen::Unreadable(reason),
                (None, None) => {
                    failure.as_ref().map_or(Seen::NotAsked, |failure| Seen::Unreadable(failure.message.clone()))
                }
            };
            let place = library.found().map(crate::cuda::Loaded::at);
            CudaFacts {
                simulated: report.simulated,
                compat: place.as_ref().is_some_and(|place| place.compat),
                wsl: place.as_ref().is_some_and(|place| place.wsl),
                library,
                failure,
                ..CudaFacts::default()
            }
        }
    }
}

fn answered(probe: &Probe) -> CudaFacts {
    let devices = probe.devices.iter().map(|device| CudaDeviceFacts {
        id: device.id.to_string(),
        name: device.name.clone(),
        compute: device.compute.to_string(),
        memory: device.memory.0,
    });
    CudaFacts {
        library: Seen::Found(probe.library.path.display().to_string()),
        compat: probe.library.compat,
        wsl: probe.library.wsl,
        version: Some(probe.driver_version.to_string()),
        devices: devices.collect(),
        ..CudaFacts::default()
    }
}

/// A device that did not answer, or the driver's word that there is none.
fn refused(probe: &Probe) -> Option<CudaFailure> {
    if let Some(silent) = probe.silent.first() {
        let message = format!("device {} does not answer: {}", silent.ordinal, silent.fault);
        return Some(CudaFailure { call: silent.call.clone(), code: Some(silent.fault.code), message });
    }
    let message = probe.no_device.clone()?;
    let field = |name: &str| {
        let (_, rest) = message.split_once(name)?;
        rest.split([' ', ';']).next().map(str::to_owned)
    };
    let code = field("code=").and_then(|code| code.parse().ok());
    Some(CudaFailure { call: field("call=").unwrap_or_default(), code, message })
}

/// How a check failed that says something of the driver. A library that is not there is told elsewhere.
fn failure(id: CheckId, status: &Status) -> Option<CudaFailure> {
    let call = match id {
        CheckId::LibOpen => return None,
        CheckId::DrvInit => "cuInit",
        CheckId::DevEnumerate => "cuDeviceGetCount",
        _ => "",
    };
    match status {
        Status::Error { call, fault, .. } => Some(CudaFailure {
            call: call.clone(),
            code: Some(fault.code),
            message: status.reason().unwrap_or_default(),
        }),
        Status::Fail { reason } => Some(CudaFailure { call: call.into(), code: None, message: reason.clone() }),
        Status::Skipped { why: Skip::Deadline | Skip::Poisoned, reason } => {
            Some(CudaFailure { call: call.into(), code: None, message: reason.clone() })
        }
        _ => None,
    }
}
