//! How much of a run is pinned, and whether its bits are the same again.

use super::speed::number;
use super::{Outcome, Side};
use crate::cuda::check::Unit;
use crate::cuda::determinism::Scope;
use crate::host::decision::{Criterion, Figure, Measured, Observed, Pins};

pub(super) fn measure(observed: &Observed, side: Side) -> Outcome {
    let (mut figures, mut missing) = (Vec::new(), Vec::new());
    let mut simulated = false;
    let given = observed.pins.unwrap_or_else(|| Pins::of_survey(&observed.survey, observed.at));
    let whose = if observed.pins.is_some() { "of the lock" } else { "of what a lock of this machine could hold now" };
    if side.containers && given.total > 0 {
        let (pinned, total) = (f64::from(given.pinned.min(given.total)), f64::from(given.total));
        let rule = format!("{pinned} by digest / {total}");
        figures.push(Figure::judged("images pinned", pinned, Unit::Count, pinned / total, rule));
    } else if side.containers {
        missing.push("images pinned: there is no image".into());
    } else {
        figures.push(Figure::answer("pinned by a digest", false, 1.0, "a process is no image and has no digest"));
    }
    let part = given.lock_complete;
    if part.is_finite() {
        figures.push(Figure::judged("lock completeness", part, Unit::Ratio, part, format!("part {whose}")));
    } else {
        missing.push("lock completeness: it is no number".into());
    }
    let certificates = observed.report.as_ref().map(|report| report.certificates.as_slice()).unwrap_or_default();
    if !side.process {
        missing.push("certificate: it was made in this process, which is not of this option".into());
    } else if let Some(weakest) = certificates.iter().min_by_key(|certificate| certificate.scope) {
        simulated = weakest.simulated;
        let (score, word) = match weakest.scope {
            Some(Scope::CpuVerified) => (1.0, "every bit is what a CPU computes"),
            Some(Scope::GpuToGpu) => (0.75, "the bits are the same on several devices"),
            Some(Scope::RunToRun) => (0.5, "the bits are the same in each run"),
            _ => (0.0, "no two runs are proven to be the same"),
        };
        figures.push(Figure::judged("determinism certificate", score, Unit::Ratio, score, word));
    } else {
        missing.push("certificate: no device was certified".into());
    }
    let Some(mut measured) = Measured::of(Criterion::Reproducibility.rule(), figures) else {
        return Err(missing.join("; "));
    };
    measured = measured.without(number(missing.len()));
    measured.missing = missing;
    measured.simulated = simulated;
    for certificate in certificates.iter().filter(|_| side.process) {
        let scope = certificate.scope.map_or("none", Scope::name);
        measured = measured.and(format!("certificate of {}", certificate.device.name), format!("scope {scope}"));
    }
    Ok(measured)
}
