//! How long a machine stays as it is, and what breaks it.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::recovery::recovery;
use super::speed::number;
use super::{Outcome, Side};
use crate::cuda::Version;
use crate::cuda::check::Unit;
use crate::cuda::compat::tables::{BRANCHES, BranchRow};
use crate::gpu::kernel_log::What;
use crate::gpu::xid::{Severity as Gravity, lookup};
use crate::host::decision::cell::rounded;
use crate::host::decision::{Criterion, Figure, Measured, Observed};
use crate::host::doctor::Severity;
use crate::host::{DaemonPlace, GpuPathKind, LayerKind, Seen};

/// From as many days of support on, a branch counts as long-lived: a year.
const YEAR: f64 = 365.0;

/// What belongs to the criterion, each with the same weight: support, Windows, Xids, findings, recovery, and a day under
/// load, which this comparison never makes.
const PARTS: f64 = 6.0;

pub(super) fn measure(observed: &Observed, side: Side) -> Outcome {
    let (mut figures, mut missing) = (Vec::new(), vec!["a day under load: not part of this comparison".to_owned()]);
    let today = observed.at.to_zoned(TimeZone::UTC).date();
    match support(observed, today) {
        Ok(figure) => figures.push(figure),
        Err(why) => missing.push(why),
    }
    figures.push(windows(observed));
    match xids(observed) {
        Ok(figure) => figures.push(figure),
        Err(why) => missing.push(why),
    }
    let (figure, found) = findings(observed, side, &mut missing);
    figures.push(figure);
    figures.extend(recovery(observed, side, &mut missing));
    let weight: f64 = figures.iter().filter(|it| it.score.is_some()).map(|it| it.weight).sum();
    let measured = Measured::of(Criterion::Stability.rule(), figures).ok_or("nothing could be judged")?;
    let mut measured = measured.without(PARTS - weight);
    measured.missing = missing;
    for (id, title) in found {
        measured = measured.and(id, title);
    }
    Ok(measured)
}

/// How many days of support the driver's branch has left.
fn support(observed: &Observed, today: Date) -> Result<Figure, String> {
    let row = branch(observed)?;
    let end =
        row.end.ok_or_else(|| format!("days of driver support: no list names the end of branch R{}", row.branch))?;
    let days = f64::from(today.until(end).map(|span| span.get_days()).unwrap_or_default());
    let kind = row.kind.unwrap_or("no named");
    let rule = format!("branch R{} ({kind}), supported until {end}; {days} days / 365", row.branch);
    Ok(Figure::judged("days of driver support", days, Unit::Count, days / YEAR, rule))
}

/// The branch by the CUDA version that the driver serves, since a driver of Windows has other numbers; else by its version.
fn branch(observed: &Observed) -> Result<&'static BranchRow, String> {
    let survey = &observed.survey;
    let probe = observed.report.as_ref().and_then(|report| report.probe.as_ref());
    let served = probe.filter(|probe| !probe.library.compat).map(|probe| probe.driver_version);
    let told =
        || [&survey.nvml.cuda, &survey.cuda.version].into_iter().flatten().find_map(|it| it.parse::<Version>().ok());
    let serving = |cuda: Version| BRANCHES.iter().find(|row| row.cuda == cuda);
    if survey.host.gpu.kind == GpuPathKind::Native
        && let Seen::Found(version) = &survey.kernel.driver
        && let Ok(version) = version.parse()
    {
        let row = crate::cuda::compat::tables::branch_of(version);
        return row.ok_or_else(|| format!("days of driver support: the branch of {version} is in no list"));
    }
    let cuda = served.or_else(told).ok_or("days of driver support: no driver tells its version")?;
    serving(cuda).ok_or_else(|| format!("days of driver support: no branch in the list serves CUDA {cuda}"))
}

/// Whether updates of Windows change the driver and the kernel underneath.
fn windows(observed: &Observed) -> Figure {
    let host = &observed.survey.host;
    let below = host
        .layers
        .iter()
        .find(|layer| matches!(layer.kind, LayerKind::Wsl1 | LayerKind::Wsl2 | LayerKind::NativeWindows));
    let rule = match below {
        Some(layer) => format!("{}: updates of Windows change the driver and the kernel", layer.kind),
        None => "no Windows underneath".into(),
    };
    Figure::answer("free of updates of Windows", below.is_none(), 1.0, rule)
}

fn xids(observed: &Observed) -> Result<Figure, String> {
    let kernel = &observed.survey.kernel;
    if let Some(why) = kernel.log.open() {
        return Err(format!("grave Xids: the kernel's log was not read: {why}"));
    }
    let grave = |what: &What| match what {
        What::Xid { code, .. } => lookup(*code).is_some_and(|xid| xid.severity() == Gravity::Critical),
        What::FellOffBus { .. } => true,
        _ => false,
    };
    let count = kernel.events.iter().filter(|event| grave(&event.what)).count();
    let value = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let score = if count == 0 { 1.0 } else { 0.0 };
    Ok(Figure::judged("grave Xids in the kernel's log", value, Unit::Count, score, "none 1, any 0"))
}

/// What the doctor found that threatens what runs. Findings about containers count where containers are judged. Where it
/// could not look, finding nothing says nothing: the figure weighs what the entries that were answered are of all.
fn findings(observed: &Observed, side: Side, missing: &mut Vec<String>) -> (Figure, Vec<(String, String)>) {
    let counts = |finding: &&crate::host::Finding| {
        finding.severity != Severity::Note && (side.containers || finding.subject.is_none())
    };
    let diagnosis = &observed.diagnosis;
    let found: Vec<_> = diagnosis.findings.iter().filter(counts).collect();
    let unknown = diagnosis.unknown().count();
    let asked = diagnosis.examined.iter().filter(|it| it.outcome != "not_here").count();
    let looked = if asked == 0 { 0.0 } else { number(asked - unknown.min(asked)) / number(asked) };
    if unknown > 0 {
        missing.push(format!("findings of the doctor: {unknown} of {asked} entries could not be looked at"));
    }
    let value = number(found.len());
    let name = "findings of the doctor";
    let score = match found.iter().map(|finding| finding.severity).min() {
        None => 1.0,
        Some(Severity::Risk) => 0.5,
        Some(_) => 0.0,
    };
    // One finding is proof; none is none where most was not looked at.
    let figure = if found.is_empty() && looked < 0.5 {
        Figure::told(name, value, Unit::Count, "not judged: less than half of the entries could be looked at")
    } else {
        let answered = asked - unknown.min(asked);
        let rule = format!("none 1, only risks 0.5, something broken 0; {answered} of {asked} entries were answered");
        let figure = Figure::judged(name, value, Unit::Count, score, rule);
        Figure { weight: if found.is_empty() { rounded(looked) } else { 1.0 }, ..figure }
    };
    (figure, found.into_iter().map(|finding| (finding.id.to_string(), finding.title.clone())).collect())
}

/// Whether a daemon is Docker Desktop's.
pub(super) fn is_desktop(place: DaemonPlace) -> bool {
    matches!(place, DaemonPlace::DesktopWsl2 | DaemonPlace::DesktopVm | DaemonPlace::DesktopLinux)
}
