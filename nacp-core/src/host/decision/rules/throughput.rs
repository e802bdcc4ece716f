//! How fast the GPU computes and copies.

use super::speed::{devices, number, reference, why_not};
use super::{Outcome, Side};
use crate::cuda::check::{Report, Unit};
use crate::cuda::efficiency::{AT_MAX_CLOCK, AT_OBSERVED_CLOCK, mma_sync_share};
use crate::cuda::{CheckId, Device};
use crate::host::decision::profile::{measured, passed};
use crate::host::decision::{Criterion, Figure, Measured, Observed};

/// The ratio to native Linux from which on a machine is as fast.
const AS_NATIVE: f64 = 0.95;

struct Work {
    id: CheckId,
    metric: &'static str,
    unit: Unit,
    /// The part of the computed peak from which on the check passes.
    pass: f64,
}

const WORK: [Work; 3] = [
    Work { id: CheckId::ThrFma, metric: "fma_flops", unit: Unit::FlopPerSecond, pass: 0.75 },
    Work { id: CheckId::ThrMma, metric: "mma_sync_flops", unit: Unit::FlopPerSecond, pass: 0.75 },
    Work { id: CheckId::BwD2d, metric: "copy_engine", unit: Unit::BytesPerSecond, pass: 0.70 },
];

/// The machine is as fast as its slowest device.
pub(super) fn measure(observed: &Observed, side: Side) -> Outcome {
    let (report, devices) = devices(observed, side)?;
    let against = reference(observed, report);
    let mut slowest: Option<Measured> = None;
    let mut reasons = Vec::new();
    for device in devices {
        let (mut figures, mut missing) = (Vec::new(), Vec::new());
        for work in WORK {
            let native = against.as_ref().ok().map(|profile| profile.figure(&device.name, &name(&work)));
            match figure(report, device, &work, native) {
                Ok(figure) => figures.push(figure),
                Err(why) => missing.push(why),
            }
        }
        let Some(mut measured) = Measured::of(Criterion::Throughput.rule(), figures) else {
            reasons.append(&mut missing);
            continue;
        };
        let judged = measured.figures.iter().filter(|figure| figure.score.is_some()).count();
        measured = measured.without(number(WORK.len() - judged.min(WORK.len())));
        measured.missing = missing;
        measured.simulated = report.simulated;
        measured.missing.extend(against.as_ref().err().map(|why| format!("{why}; compared with the computed peak")));
        let measured = measured.and("cuda check", format!("{}, level {}", device.name, report.level));
        if slowest.as_ref().is_none_or(|slowest| measured.score < slowest.score) {
            slowest = Some(measured);
        }
    }
    reasons.sort();
    reasons.dedup();
    slowest.ok_or_else(|| reasons.join("; "))
}

fn name(work: &Work) -> String {
    format!("{} {}", work.id, work.metric)
}

/// `native` is the reference's figure, none where there is no reference at all.
fn figure(report: &Report, device: &Device, work: &Work, native: Option<Option<f64>>) -> Result<Figure, String> {
    if let Some(check) = report.find(work.id, Some(&device.id)).filter(|check| check.status.fails()) {
        let reason = check.status.reason().unwrap_or_default();
        return Ok(Figure::judged(name(work), 0.0, work.unit, 0.0, format!("the check failed: {reason}")));
    }
    let value = measured(report, device, work.id, work.metric).ok_or_else(|| why_not(report, device, work.id))?;
    if let Some(native) = native {
        let native = native
            .filter(|native| *native > 0.0)
            .ok_or_else(|| format!("{}: the reference has no such figure of {}", name(work), device.name))?;
        let ratio = value / native;
        let rule = format!("{ratio:.3} of native Linux / {AS_NATIVE}");
        return Ok(Figure::judged(name(work), value, work.unit, ratio / AS_NATIVE, rule));
    }
    let check = passed(report, device, work.id).ok_or_else(|| why_not(report, device, work.id))?;
    let ratio = [AT_OBSERVED_CLOCK, AT_MAX_CLOCK].into_iter().find_map(|name| {
        let metric = check.metrics.iter().find(|metric| metric.name == name)?;
        Some((metric.value, if name == AT_OBSERVED_CLOCK { "observed" } else { "highest" }))
    });
    let Some((ratio, clock)) = ratio else {
        return Ok(Figure::told(name(work), value, work.unit, "not judged: no peak of this device is known"));
    };
    let reach = match work.id {
        CheckId::ThrMma => match mma_sync_share(device.compute) {
            Ok(share) => share.value,
            Err(why) => return Ok(Figure::told(name(work), value, work.unit, format!("not judged: {why}"))),
        },
        _ => 1.0,
    };
    let rule = format!("{ratio:.3} of the peak at the {clock} clock / {}", work.pass);
    Ok(Figure::judged(name(work), value, work.unit, ratio / reach / work.pass, rule))
}
