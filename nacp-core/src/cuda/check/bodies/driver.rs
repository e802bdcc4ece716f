//! The driver: whether it starts, which it is, and whether it serves what the caller wants.

use std::time::Duration;

use crate::cuda::check::{Bench, Metric, Outcome, Skip, Status, Stop, Unit};
use crate::cuda::compat::tables::branch_of;
use crate::cuda::compat::{
    self, DriverVersion, Fit, Gpu, InstalledDriver, Platform, Remedy, ToolkitVerdict, minimum_driver,
};
use crate::cuda::session::called;
use crate::cuda::{FaultKind, Version};
use crate::gpu::ComputeCapability;

/// The least CUDA version of a driver that NACP is made for, unless the caller wants an older one.
const FLOOR: Version = Version { major: 12, minor: 0 };
/// A driver whose GPUs are started answers in a part of this.
const SLOW_START: Duration = Duration::from_secs(1);
const KERNEL: &str = "/proc/driver/nvidia/version";

/// `drv.init`.
pub(super) fn init(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    outcome.read("library", bench.driver.loaded(), "cuInit");
    let begun = bench.clock.monotonic();
    let code = bench.driver.init();
    if bench.facts.probe.is_none() {
        // A driver that was asked before has started long ago.
        let took = bench.clock.monotonic().saturating_sub(begun);
        outcome.measured(Metric::once("start", took.as_secs_f64(), Unit::Seconds));
        if code == 0 && took > SLOW_START {
            let remedy = if bench.driver.loaded().wsl {
                "a driver that sleeps takes long to wake"
            } else {
                "without persistence mode each program waits for the GPUs to start; run nvidia-persistenced, or \
                 nvidia-smi -pm 1, to keep them started"
            };
            outcome.warn(format!("the driver took {:.1} s to start; {remedy}", took.as_secs_f64()));
        }
    }
    let Err(refused) = called("cuInit", if code == 0 { Ok(()) } else { Err(code) }) else {
        return Ok(outcome);
    };
    if let Some(name) = bench.driver.error_name(code) {
        outcome.read("name", name, "cuGetErrorName");
    }
    let mut stop = Stop::from(refused);
    if let Status::Error { fault, reason, .. } = &mut stop.status
        && fault.kind == FaultKind::NoDevice
        && let Some(variable) = hiding(bench)
    {
        reason.push_str(&format!("; {variable} hides devices"));
    }
    Err(stop.with(outcome))
}

/// The variable that says which devices a program sees, where it is set.
pub(super) fn hiding(bench: &Bench<'_>) -> Option<String> {
    let value = bench.facts.environment.get("CUDA_VISIBLE_DEVICES")?;
    Some(format!("CUDA_VISIBLE_DEVICES={value:?}"))
}

/// `drv.version`.
pub(super) fn version(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let cuda = served(bench)?;
    outcome.read("cuda", cuda, "cuDriverGetVersion");
    let loaded = bench.driver.loaded();
    let platform = Platform::here(loaded.wsl);
    let floor = bench.facts.wanted_cuda.map_or(FLOOR, |wanted| wanted.min(FLOOR));
    if cuda < floor {
        let install = minimum_driver(floor, platform)
            .map(|least| Remedy::InstallDriver { at_least: least.version, platform }.to_string());
        let install = install.unwrap_or_else(|| format!("install a driver of CUDA {floor} or newer"));
        outcome.fail(format!("the driver serves CUDA {cuda}, and {floor} is the least; {install}"));
    }
    let library = loaded.path.file_name().and_then(|name| name.to_str()).and_then(DriverVersion::in_file_name);
    if let Some(library) = library {
        outcome.read("library", library, loaded.path.display().to_string());
    }
    let kernel = kernel(bench);
    if let Some(kernel) = kernel {
        outcome.read("kernel", kernel, KERNEL);
    } else if let Some(text) = &bench.facts.kernel_driver {
        let first = text.lines().next().unwrap_or_default();
        outcome.read("kernel", format!("no version in {first:?}"), KERNEL);
    }
    if let (Some(library), Some(kernel)) = (library, kernel)
        && library != kernel
        && !loaded.simulated
    {
        match (loaded.compat, library > kernel) {
            (true, true) => outcome.read(
                "compat",
                format!("the library {library} comes from a cuda-compat package and is newer than the driver {kernel}"),
                "cuda-compat",
            ),
            (true, false) => outcome.fail(format!(
                "the library {library} of a cuda-compat package is older than the driver {kernel} (error 803); remove the \
                 cuda-compat package from the library path"
            )),
            (false, _) => outcome.fail(format!(
                "the library {library} and the kernel's driver {kernel} do not fit together (error 803); restart the \
                 machine to finish a driver update, or install the library of {kernel}"
            )),
        }
    }
    if let Some(row) = kernel.or(library).and_then(branch_of) {
        outcome.read("branch", branch(row, bench), "NVIDIA's list of driver branches");
    }
    Ok(outcome)
}

fn branch(row: &compat::tables::BranchRow, bench: &Bench<'_>) -> String {
    let kind = row.kind.map_or(String::new(), |kind| format!(", {kind}"));
    let today = bench.clock.wall().to_zoned(jiff::tz::TimeZone::UTC).date();
    let end = row.end.map_or(String::new(), |end| {
        let word = if end < today { "ended" } else { "ends" };
        format!(", whose support {word} on {end}")
    });
    format!("R{}{kind}{end}", row.branch)
}

/// The newest CUDA version that the driver serves.
pub(super) fn served(bench: &Bench<'_>) -> Result<Version, Stop> {
    let number = called("cuDriverGetVersion", bench.driver.version())?;
    Version::from_number(number).ok_or_else(|| {
        let reason =
            format!("the driver states no version: cuDriverGetVersion answers {number}; install the NVIDIA driver");
        Stop { status: Status::Fail { reason }, so_far: None }
    })
}

/// The version of the driver in the kernel.
fn kernel(bench: &Bench<'_>) -> Option<DriverVersion> {
    DriverVersion::in_text(bench.facts.kernel_driver.as_deref()?)
}

/// The driver as the rules of compatibility see it.
pub(super) fn installed(bench: &Bench<'_>) -> Result<InstalledDriver, Stop> {
    let loaded = bench.driver.loaded();
    let mut driver = InstalledDriver::serving(served(bench)?, Platform::here(loaded.wsl));
    driver.forward_compat = loaded.compat;
    // Under WSL2 the kernel is Linux' and the driver is Windows'.
    driver.version = kernel(bench).filter(|_| !loaded.wsl && !loaded.simulated);
    Ok(driver)
}

/// `drv.runtime_fit`.
pub(super) fn runtime_fit(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let Some(wanted) = bench.facts.wanted_cuda else {
        return Err(Stop::skip(Skip::NotAsked, "no CUDA version was asked for"));
    };
    let driver = installed(bench)?;
    let mut outcome = Outcome::pass();
    outcome.read("wanted", wanted, "the caller");
    let devices = bench.facts.probe.iter().flat_map(|probe| &probe.devices);
    let mut kinds: Vec<(ComputeCapability, &str)> = devices.map(|it| (it.compute, it.name.as_str())).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        judge(&mut outcome, &compat::toolkit(&driver, wanted, None), &driver, "the driver");
    }
    for (compute, name) in kinds {
        judge(&mut outcome, &compat::toolkit(&driver, wanted, Some(&Gpu::named(name, compute))), &driver, name);
    }
    Ok(outcome)
}

fn judge(outcome: &mut Outcome, verdict: &ToolkitVerdict, driver: &InstalledDriver, subject: &str) {
    outcome.read(format!("fit.{subject}"), verdict, verdict.rule.text());
    let reason = || format!("CUDA {} on {subject}: {verdict}", verdict.toolkit);
    match verdict.fit {
        Fit::Exact => {}
        Fit::Refused => outcome.fail(reason()),
        // What a package would bring is not here yet.
        Fit::ForwardCompat if !driver.forward_compat => outcome.fail(reason()),
        Fit::ForwardCompat | Fit::MinorVersion | Fit::Unknown => outcome.warn(reason()),
    }
}

#[cfg(test)]
mod tests;
