//! What throughput and overhead have in common: a report of the checks, and a reference to hold it against.

use super::Side;
use crate::cuda::check::{Report, Status};
use crate::cuda::{CheckId, Device, Level};
use crate::host::RuntimeOption;
use crate::host::decision::{Observed, Profile};

/// The report and the devices to judge; why there are none.
pub(super) fn devices(observed: &Observed, side: Side) -> Result<(&Report, &[Device]), String> {
    if !side.process {
        return Err("the checks of CUDA run in this process, which is not of this option".into());
    }
    let report = observed.report.as_ref().ok_or("no check of CUDA was made")?;
    let devices = report.probe.as_ref().map(|probe| probe.devices.as_slice()).unwrap_or_default();
    if devices.is_empty() {
        let why = report.failures().next().and_then(|check| Some(format!("{}: {}", check.id, check.status.reason()?)));
        return Err(why.unwrap_or_else(|| "the CUDA driver has no device".into()));
    }
    Ok((report, devices))
}

/// Why a check gave no figure.
pub(super) fn why_not(report: &Report, device: &Device, id: CheckId) -> String {
    match report.find(id, Some(&device.id)) {
        Some(check) if matches!(check.status, Status::Pass | Status::Warn { .. }) => {
            format!("{id} told no such figure")
        }
        Some(check) => format!("{id}: {}", check.status.reason().unwrap_or_default()),
        None if id.level() > report.level => {
            let level = if id.level() == Level::Standard { "standard" } else { "full" };
            format!("{id} was not run at level {}; ask for {level}", report.level)
        }
        None => format!("{id} was not asked for"),
    }
}

/// The reference, where one was given and it can be compared; else why not.
pub(super) fn reference<'a>(observed: &'a Observed, report: &Report) -> Result<&'a Profile, String> {
    let profile = observed.reference.as_ref().ok_or("no reference of native Linux was given")?;
    if profile.simulated != report.simulated {
        return Err("the reference is not used: one of the two is simulated and the other is not".into());
    }
    match profile.option {
        Some(RuntimeOption::NativeLinux) | None => Ok(profile),
        Some(other) => Err(format!("the reference is not used: it was measured on {other}, not on native Linux")),
    }
}

/// How many, as a weight.
pub(super) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
