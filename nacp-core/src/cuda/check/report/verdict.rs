//! All reports in one word: pure.

use std::collections::BTreeMap;

use super::{CheckReport, Status, Verdict};
use crate::cuda::Probe;
use crate::cuda::check::{CheckId, Scope};
use crate::gpu::GpuId;

/// What these reports come to.
///
/// 1. [`Fail`](Verdict::Fail): a check failed, or the driver refused a call; or the driver answers and has no device.
/// 2. [`Unknown`](Verdict::Unknown): of a device that was asked about it is not known that it works. It is known of a
///    device whose `det.bits` passed or warned, or, where `det.bits` was not asked for, of which any check did. A device
///    that does not have it counts only where there is no other. Where no device was asked about, any check counts.
/// 3. [`Warn`](Verdict::Warn): a check warned, or was skipped although there was something to look at: not where device or
///    driver do not have it, or the caller did not ask.
/// 4. [`Pass`](Verdict::Pass): everything else.
pub(in crate::cuda::check) fn verdict(reports: &[CheckReport], probe: Option<&Probe>) -> Verdict {
    if reports.iter().any(|report| report.status.fails()) || probe.is_some_and(|probe| probe.devices.is_empty()) {
        return Verdict::Fail;
    }
    if !known(reports) {
        return Verdict::Unknown;
    }
    let partly = |report: &CheckReport| match &report.status {
        Status::Warn { .. } => true,
        Status::Skipped { why, .. } => !why.is_no_lack(),
        _ => false,
    };
    if reports.iter().any(partly) { Verdict::Warn } else { Verdict::Pass }
}

/// The devices of which it is known neither that they work nor that they do not, for want of time or because others hold
/// them.
pub(super) fn unknown(reports: &[CheckReport]) -> Vec<Option<&GpuId>> {
    let devices = devices(reports);
    let lacks = |reports: &[&CheckReport]| match bits(reports) {
        Some(bits) => no_lack(bits),
        None => reports.iter().all(|report| no_lack(report)),
    };
    // What no device has says nothing of any.
    let any = devices.values().any(|reports| works(reports));
    let fails = |reports: &[&CheckReport]| reports.iter().any(|report| report.status.fails());
    let excused = |reports: &[&CheckReport]| works(reports) || fails(reports) || (any && lacks(reports));
    let unknown = devices.iter().filter(|(_, reports)| !excused(reports));
    unknown.map(|(device, _)| *device).collect()
}

type Devices<'a> = BTreeMap<Option<&'a GpuId>, Vec<&'a CheckReport>>;

fn devices(reports: &[CheckReport]) -> Devices<'_> {
    let mut devices = Devices::new();
    for report in reports.iter().filter(|report| report.id.scope() == Scope::Device) {
        devices.entry(report.device.as_ref()).or_default().push(report);
    }
    devices
}

fn bits<'a>(reports: &[&'a CheckReport]) -> Option<&'a CheckReport> {
    reports.iter().copied().find(|report| report.id == CheckId::DetBits)
}

fn did_well(report: &CheckReport) -> bool {
    matches!(report.status, Status::Pass | Status::Warn { .. })
}

fn no_lack(report: &CheckReport) -> bool {
    matches!(&report.status, Status::Skipped { why, .. } if why.is_no_lack())
}

/// Whether it is known of a device that it works.
fn works(reports: &[&CheckReport]) -> bool {
    match bits(reports) {
        Some(bits) => did_well(bits),
        None => reports.iter().any(|report| did_well(report)),
    }
}

fn known(reports: &[CheckReport]) -> bool {
    if devices(reports).is_empty() { reports.iter().any(did_well) } else { unknown(reports).is_empty() }
}
