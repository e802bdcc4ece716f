//! What was measured on one machine, so that another run can be held against it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Decision;
use super::cell::significant;
use crate::cuda::check::{CheckReport, Report, Status};
use crate::cuda::{CheckId, Device};
use crate::error::{Error, ErrorKind, Result};
use crate::host::RuntimeOption;

/// The figures that are compared, and whether more is better.
const COMPARED: [(CheckId, &str, bool); 12] = [
    (CheckId::ThrFma, "fma_flops", true),
    (CheckId::ThrMma, "mma_sync_flops", true),
    (CheckId::BwD2d, "copy_engine", true),
    (CheckId::LatLaunch, "host_cost", false),
    (CheckId::LatLaunch, "synchronised", false),
    (CheckId::LatLaunch, "graph_host_cost", false),
    (CheckId::CtxCreate, "create", false),
    (CheckId::ModPtxJit, "base_cold", false),
    (CheckId::BwH2d, "pinned", true),
    (CheckId::BwH2d, "pageable", true),
    (CheckId::BwD2h, "pinned", true),
    (CheckId::BwD2h, "pageable", true),
];

/// What was measured of the GPUs of one machine.
///
/// Kept from a run on native Linux, it is the [reference](super::Evaluation::reference) that makes throughput and
/// overhead ratios. Every [`Decision`] carries its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Profile {
    /// On which option the process stood; none where that is not known, as for a report of the checks alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<RuntimeOption>,
    /// Whether the devices are simulated.
    pub simulated: bool,
    /// By the product's name and the figure's, such as `thr.fma fma_flops`, the value in the unit of its check. Of several
    /// devices of one name it is the worst.
    pub devices: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Profile {
    /// What a report of the checks has measured. Figures of a check that failed are left out.
    pub fn of(report: &Report) -> Self {
        let mut profile = Self { option: None, simulated: report.simulated, devices: BTreeMap::new() };
        for device in report.probe.iter().flat_map(|probe| &probe.devices) {
            let figures = profile.devices.entry(device.name.clone()).or_default();
            for (id, name, more) in COMPARED {
                let Some(value) = measured(report, device, id, name) else { continue };
                let kept = figures.entry(format!("{id} {name}")).or_insert(value);
                *kept = if more { kept.min(value) } else { kept.max(value) };
            }
        }
        profile.devices.retain(|_, figures| !figures.is_empty());
        profile
    }

    /// Reads a profile, or takes it from a [`Decision`] or a report of the checks, whichever the JSON is.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) where it is none of them, or nothing in it was measured.
    pub fn from_json(text: &str) -> Result<Self> {
        let refuse = |message: &str| {
            let error = Error::new(ErrorKind::InvalidArgument, "host.evaluate", message);
            error.hint("give the JSON of a decision or of a check of level standard, made on native Linux")
        };
        let profile = if let Ok(decision) = serde_json::from_str::<Decision>(text) {
            decision.profile.ok_or_else(|| refuse("this decision has measured no GPU"))?
        } else if let Ok(report) = serde_json::from_str::<Report>(text) {
            Self::of(&report)
        } else {
            serde_json::from_str(text).map_err(|error| refuse("this is no profile").with("reason", error))?
        };
        if profile.devices.is_empty() {
            return Err(refuse("this profile has no figures"));
        }
        Ok(profile)
    }

    /// A figure of the device of this name.
    pub fn figure(&self, device: &str, name: &str) -> Option<f64> {
        self.devices.get(device)?.get(name).copied()
    }
}

/// What a check that went well measured on a device.
pub(super) fn measured(report: &Report, device: &Device, id: CheckId, name: &str) -> Option<f64> {
    let check = passed(report, device, id)?;
    let value = check.metrics.iter().find(|metric| metric.name == name)?.value;
    (value.is_finite() && value > 0.0).then(|| significant(value))
}

/// A check of a device that did not fail and was not left out.
pub(super) fn passed<'a>(report: &'a Report, device: &Device, id: CheckId) -> Option<&'a CheckReport> {
    let check = report.find(id, Some(&device.id))?;
    matches!(check.status, Status::Pass | Status::Warn { .. }).then_some(check)
}
