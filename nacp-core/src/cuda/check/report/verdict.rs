//! All reports in one word: pure.

use std::collections::BTreeMap;

use super::{CheckReport, Status, Verdict};
use crate::cuda::Probe;
use crate::cuda::check::{CheckId, Scope};
use crate::gpu::GpuId;

/// What these reports come to.
///
/// 1. [`Fail`](Verdict::Fail): a check failed, or the driver refused a call; or the driver answers and has no device.
/// 2. [`Unknown`](Verdict::Unknown): of no device is it known that it works. It is known of a device whose `det.bits`
///    passed or warned, or, where `det.bits` was not asked for, of which any check did. Where no device was asked
///    about, any check counts.
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

fn known(reports: &[CheckReport]) -> bool {
    let works = |report: &CheckReport| matches!(report.status, Status::Pass | Status::Warn { .. });
    let of_a_device = reports.iter().filter(|report| report.id.scope() == Scope::Device);
    let mut devices: BTreeMap<Option<&GpuId>, Vec<&CheckReport>> = BTreeMap::new();
    for report in of_a_device {
        devices.entry(report.device.as_ref()).or_default().push(report);
    }
    if devices.is_empty() {
        return reports.iter().any(works);
    }
    devices.values().any(|reports| match reports.iter().find(|report| report.id == CheckId::DetBits) {
        Some(bits) => works(bits),
        None => reports.iter().any(|report| works(report)),
    })
}
