//! What the way to the GPU costs.

use super::speed::{devices, number, reference, why_not};
use super::{Outcome, Side};
use crate::cuda::check::{Report, Unit};
use crate::cuda::{CheckId, Device};
use crate::host::decision::profile::{measured, passed};
use crate::host::decision::{Criterion, Figure, Measured, Observed};

/// A figure, and the mark against which it is held without a reference.
struct Cost {
    id: CheckId,
    metric: &'static str,
    unit: Unit,
    /// The time from which on a check warns, in seconds; none where there is no such mark.
    mark: Option<f64>,
}

/// The marks are those of native Linux also elsewhere: what the way costs is the question.
const TIMES: [Cost; 5] = [
    Cost { id: CheckId::LatLaunch, metric: "host_cost", unit: Unit::Seconds, mark: Some(20e-6) },
    Cost { id: CheckId::LatLaunch, metric: "synchronised", unit: Unit::Seconds, mark: None },
    Cost { id: CheckId::LatLaunch, metric: "graph_host_cost", unit: Unit::Seconds, mark: None },
    Cost { id: CheckId::CtxCreate, metric: "create", unit: Unit::Seconds, mark: Some(1.5) },
    Cost { id: CheckId::ModPtxJit, metric: "base_cold", unit: Unit::Seconds, mark: None },
];
const LINKS: [CheckId; 2] = [CheckId::BwH2d, CheckId::BwD2h];
/// The part of the link's rate from which on a copy passes.
const LINK_PASS: f64 = 0.75;

/// The machine is as good as its worst device.
pub(super) fn measure(observed: &Observed, side: Side) -> Outcome {
    let (report, devices) = devices(observed, side)?;
    let against = reference(observed, report);
    let mut worst: Option<Measured> = None;
    let mut reasons = Vec::new();
    for device in devices {
        let native = |name: &str| against.as_ref().ok().map(|profile| profile.figure(&device.name, name));
        let mut missing = Vec::new();
        let mut figures: Vec<Figure> = Vec::new();
        let mut take = |figure: Result<Figure, String>| match figure {
            Ok(figure) => figures.push(figure),
            Err(why) => missing.push(why),
        };
        for cost in TIMES {
            take(time(report, device, &cost, &native));
        }
        for id in LINKS {
            take(link(report, device, id, &native));
        }
        take(usable(observed, device));
        missing.sort();
        missing.dedup();
        let Some(mut measured) = Measured::of(Criterion::Overhead.rule(), figures) else {
            reasons.append(&mut missing);
            continue;
        };
        missing.extend(against.as_ref().err().map(|why| format!("{why}; compared with the marks of the checks")));
        let judged = measured.figures.iter().filter(|figure| figure.score.is_some()).count();
        // The share of memory is one more.
        measured = measured.without(number((TIMES.len() + LINKS.len() + 1).saturating_sub(judged)));
        measured.missing = missing;
        measured.simulated = report.simulated;
        let measured = measured.and("cuda check", format!("{}, level {}", device.name, report.level));
        if worst.as_ref().is_none_or(|worst| measured.score < worst.score) {
            worst = Some(measured);
        }
    }
    reasons.sort();
    reasons.dedup();
    worst.ok_or_else(|| reasons.join("; "))
}

type Native<'a> = &'a dyn Fn(&str) -> Option<Option<f64>>;

fn time(report: &Report, device: &Device, cost: &Cost, native: Native<'_>) -> Result<Figure, String> {
    let name = format!("{} {}", cost.id, cost.metric);
    let value = measured(report, device, cost.id, cost.metric).ok_or_else(|| why_not(report, device, cost.id))?;
    Ok(match (native(&name), cost.mark) {
        (Some(Some(native)), _) if native > 0.0 => {
            let rule = format!("native {native:.3e} s / here {value:.3e} s");
            Figure::judged(name, value, cost.unit, native / value, rule)
        }
        (Some(_), _) => Figure::told(name, value, cost.unit, "not judged: the reference has no such figure"),
        (None, Some(mark)) => {
            let rule = format!("mark {mark:.3e} s / here {value:.3e} s");
            Figure::judged(name, value, cost.unit, mark / value, rule)
        }
        (None, None) => Figure::told(name, value, cost.unit, "not judged without a reference: there is no mark for it"),
    })
}

fn link(report: &Report, device: &Device, id: CheckId, native: Native<'_>) -> Result<Figure, String> {
    let name = format!("{id} pinned");
    let value = measured(report, device, id, "pinned").ok_or_else(|| why_not(report, device, id))?;
    let unit = Unit::BytesPerSecond;
    if let Some(native) = native(&name) {
        let native = native.filter(|native| *native > 0.0);
        return Ok(match native {
            Some(native) => {
                let ratio = value / native;
                Figure::judged(name, value, unit, ratio, format!("{ratio:.3} of native Linux"))
            }
            None => Figure::told(name, value, unit, "not judged: the reference has no such figure"),
        });
    }
    let check = passed(report, device, id).ok_or_else(|| why_not(report, device, id))?;
    let share = check.metrics.iter().find(|metric| metric.name == "ratio_to_link").map(|metric| metric.value);
    Ok(match share {
        Some(share) => {
            let rule = format!("{share:.3} of the link / {LINK_PASS}");
            Figure::judged(name, value, unit, share / LINK_PASS, rule)
        }
        None => Figure::told(name, value, unit, "not judged: the rate of the link is not known"),
    })
}

/// Which part of the device's memory programs can use.
fn usable(observed: &Observed, device: &Device) -> Result<Figure, String> {
    let gpu = observed.survey.nvml.gpus.iter().find(|gpu| gpu.id == device.id.as_str());
    let total = gpu.and_then(|gpu| gpu.memory_total).filter(|total| *total > 0);
    let total = total.ok_or("share of memory: the management library does not tell how much the device has")?;
    let share = part(device.memory.0, total);
    Ok(Figure::judged("usable memory", share, Unit::Ratio, share, "memory that CUDA tells / memory that NVML tells"))
}

/// Programs can use no more than there is, whatever the two libraries say.
#[expect(clippy::cast_precision_loss, reason = "a share of memory needs no more than 53 bits")]
fn part(of: u64, total: u64) -> f64 {
    (of as f64 / total as f64).min(1.0)
}
