//! On how many engines one image runs with a GPU.

use super::speed::number;
use super::{Outcome, Side};
use crate::cuda::CheckId;
use crate::cuda::check::{Status, Unit};
use crate::host::decision::image::offers;
use crate::host::decision::{Criterion, Figure, ImageRuns, Measured, Observed};

pub(super) fn measure(observed: &Observed, side: Side) -> Outcome {
    if !side.containers {
        return Err("no daemon that answers belongs to it: a process is no image".into());
    }
    let offers = offers(&observed.survey);
    if offers.is_empty() {
        return Err("no container engine answered".into());
    }
    let (offered, possible) = (count(offers.iter().filter(|offer| offer.offered)), count(offers.iter()));
    let rule = format!("{offered} offered / {possible} that the engines here could offer");
    let mut figures =
        vec![Figure::judged("ways that give an image a GPU", offered, Unit::Count, offered / possible, rule)];
    let mut missing = Vec::new();
    match &observed.image {
        Some(image) => figures.extend(runs(image, &mut missing)),
        None => missing.push("one image on each way: no image was named to be run".into()),
    }
    figures.extend(by_request(observed));
    figures.extend(fits(observed));
    let mut measured = Measured::of(Criterion::Portability.rule(), figures).ok_or("nothing could be counted")?;
    measured = measured.without(number(missing.len()));
    measured.missing = missing;
    measured.lacks = offers.iter().filter(|offer| !offer.offered).map(|it| format!("{}: {}", it.way, it.why)).collect();
    for offer in offers.iter().filter(|offer| offer.offered) {
        measured = measured.and(offer.way.title(), &offer.why);
    }
    for run in observed.image.iter().flat_map(|image| &image.runs) {
        measured = measured.and(format!("run on {}", run.way), run.outcome.to_string());
    }
    Ok(measured)
}

fn runs(image: &ImageRuns, missing: &mut Vec<String>) -> Vec<Figure> {
    let tried: Vec<_> = image.runs.iter().filter(|run| run.outcome.worked().is_some()).collect();
    if tried.is_empty() {
        missing.push(format!("{} was tried on no way", image.image));
        return Vec::new();
    }
    let (ran, all) = (count(tried.iter().filter(|run| run.outcome.worked() == Some(true))), count(tried.iter()));
    let name = format!("ways on which {} ran", image.image);
    let mut figures = vec![Figure::judged(name, ran, Unit::Count, ran / all, format!("{ran} ran / {all} tried"))];
    let mut digests: Vec<&str> = tried.iter().filter_map(|run| run.digest.as_deref()).collect();
    digests.sort_unstable();
    digests.dedup();
    if !digests.is_empty() {
        let rule = format!("{} digests on {all} ways; 1 is one image", digests.len());
        figures.push(Figure::answer("the same digest on each", digests.len() == 1, 1.0, rule));
    }
    figures
}

/// Whether the containers that are here ask their engine for GPUs, or are given nodes of this machine by path.
fn by_request(observed: &Observed) -> Option<Figure> {
    let containers = &observed.survey.containers;
    if containers.is_empty() {
        return None;
    }
    let bound = |path: &String| path.starts_with("/dev/nvidia") || path.starts_with("/dev/dxg");
    let free = count(containers.iter().filter(|it| !it.privileged && !it.devices.iter().any(bound)));
    let all = count(containers.iter());
    let rule = format!("{free} without device nodes by path and without all rights / {all} that want a GPU");
    Some(Figure::judged("containers that ask their engine for a GPU", free, Unit::Count, free / all, rule))
}

/// Whether the programs that the caller named run on the GPU.
fn fits(observed: &Observed) -> Option<Figure> {
    let report = observed.report.as_ref()?;
    let checks = || report.checks.iter().filter(|check| check.id == CheckId::DevArchFit);
    let failed = checks().find(|check| check.status.fails());
    let passed = checks().any(|check| matches!(check.status, Status::Pass | Status::Warn { .. }));
    if failed.is_none() && !passed {
        return None;
    }
    let why = failed.and_then(|check| check.status.reason()).unwrap_or_else(|| "dev.arch_fit passed".into());
    Some(Figure::answer("programs fit the GPU", failed.is_none(), 1.0, why))
}

/// How many there are; a machine has no more than a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn count(of: impl Iterator) -> f64 {
    of.count() as f64
}
