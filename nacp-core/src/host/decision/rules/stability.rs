//! How long a machine stays as it is, and what breaks it.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Outcome, Side};
use crate::cuda::Version;
use crate::cuda::check::Unit;
use crate::cuda::compat::tables::{BRANCHES, BranchRow};
use crate::gpu::kernel_log::What;
use crate::gpu::xid::{Severity as Gravity, lookup};
use crate::host::decision::{Criterion, Figure, Measured, Observed};
use crate::host::doctor::Severity;
use crate::host::{DaemonPlace, GpuPathKind, LayerKind, Seen};

/// From as many days of support on, a branch counts as long-lived: a year.
const YEAR: f64 = 365.0;

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
    let (figure, found) = findings(observed, side);
    figures.push(figure);
    let mut measured = Measured::of(Criterion::Stability.rule(), figures).ok_or("nothing could be judged")?;
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

/// What the doctor found that threatens what runs. Findings about containers count where containers are judged.
fn findings(observed: &Observed, side: Side) -> (Figure, Vec<(String, String)>) {
    let counts = |finding: &&crate::host::Finding| {
        finding.severity != Severity::Note && (side.containers || finding.subject.is_none())
    };
    let found: Vec<_> = observed.diagnosis.findings.iter().filter(counts).collect();
    let worst = found.iter().map(|finding| finding.severity).min();
    let score = match worst {
        None => 1.0,
        Some(Severity::Risk) => 0.5,
        Some(_) => 0.0,
    };
    let value = f64::from(u32::try_from(found.len()).unwrap_or(u32::MAX));
    let figure = Figure::judged(
        "findings of the doctor",
        value,
        Unit::Count,
        score,
        "none 1, only risks 0.5, something broken 0",
    );
    (figure, found.into_iter().map(|finding| (finding.id.to_string(), finding.title.clone())).collect())
}

/// Whether a daemon is Docker Desktop's.
pub(super) fn is_desktop(place: DaemonPlace) -> bool {
    matches!(place, DaemonPlace::DesktopWsl2 | DaemonPlace::DesktopVm | DaemonPlace::DesktopLinux)
}
