//! Programs: whether the driver compiles and loads NACP's PTX, and how long that takes.

use super::{driver, measure};
use crate::cuda::check::{Bench, Level, Metric, Outcome, Skip, Status, Stop, Unit};
use crate::cuda::compat::{Platform, minimum_driver, ptx_ceiling, tables::TOOLKITS};
use crate::cuda::kernels::{Image, Kernel};
use crate::cuda::session::{Refused, Session};
use crate::cuda::{Device, Version};

/// `CUDA_ERROR_*` of loading a program, each with a reason of its own.
const NO_BINARY: i32 = 209;
const INVALID_PTX: i32 = 218;
const NO_COMPILER: i32 = 221;
const NEWER_PTX: i32 = 222;
const JIT_DISABLED: i32 = 223;

/// `mod.ptx_jit`.
pub(super) fn ptx_jit(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = compile(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn compile(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    let cuda = driver::served(bench)?;
    measure::label(bench, outcome);
    let most = ptx_ceiling(cuda).at_most;
    let fits = Image::ALL.into_iter().filter(|image| image.target() <= device.compute);
    let images: Vec<Image> = fits.collect();
    if images.is_empty() {
        return Err(Stop::skip(Skip::Unsupported, too_old(device, Image::Base)));
    }
    // Asked before anything is loaded: a driver's compiler is not to be trusted with a language that it does not know.
    for image in &images {
        if most.is_some_and(|most| image.isa() > most) {
            outcome.fail(newer_ptx(bench, *image, cuda));
            return Ok(());
        }
    }
    let session = measure::open(bench, device)?;
    for image in Image::ALL {
        if !images.contains(&image) {
            outcome.read(name(image), too_old(device, image), "compute capability");
            continue;
        }
        load(bench, &session, outcome, image).map_err(|ended| match ended {
            Ended::Refused(refused) => explain(bench, device, image, cuda, refused),
            Ended::Stopped(stop) => stop,
        })?;
    }
    Ok(())
}

/// Why loading came to no end.
enum Ended {
    Refused(Refused),
    Stopped(Stop),
}

/// Loads an image and finds its kernels. On level quick it is loaded once: where the driver keeps nothing of what it
/// compiles (`CUDA_CACHE_DISABLE=1`, a home that cannot be written) each time is a compilation. On higher levels it is
/// compiled anew first, then loaded as often as it takes that the driver knows it.
fn load(bench: &Bench<'_>, session: &Session<'_>, outcome: &mut Outcome, image: Image) -> Result<(), Ended> {
    let timed = |cold| {
        bench.go_on().map_err(Ended::Stopped)?;
        let begun = bench.clock.monotonic();
        let module = session.load(image, cold).map_err(Ended::Refused)?;
        Ok((module, bench.clock.monotonic().saturating_sub(begun).as_secs_f64()))
    };
    let mut measured = |what, seconds| {
        outcome.measured(Metric::once(format!("{}_{what}", name(image)), seconds, Unit::Seconds));
    };
    let module = if bench.level == Level::Quick {
        let (module, seconds) = timed(false)?;
        measured("load", seconds);
        module
    } else {
        let (module, cold) = timed(true)?;
        drop(module);
        measured("cold", cold);
        // The driver keeps what it compiled by its text, and this text it may never have seen.
        drop(timed(false)?);
        let (module, warm) = timed(false)?;
        measured("warm", warm);
        module
    };
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.image() == image) {
        module.function(kernel).map_err(Ended::Refused)?;
    }
    outcome.read(name(image), format!("PTX {} for {} and newer", image.isa(), image.target()), "cuModuleLoadDataEx");
    Ok(())
}

/// Why a program does not load, by the driver's number.
fn explain(bench: &Bench<'_>, device: &Device, image: Image, cuda: Version, refused: Refused) -> Stop {
    let log = refused.log.trim().to_owned();
    let wrote = if log.is_empty() { String::new() } else { format!("; the compiler wrote: {log}") };
    let reason = match refused.fault.code {
        NO_COMPILER => {
            let capabilities = bench.facts.environment.get("NVIDIA_DRIVER_CAPABILITIES");
            let container = capabilities.map_or(String::new(), |value| {
                format!(", or in this container add `compute` to NVIDIA_DRIVER_CAPABILITIES={value}")
            });
            format!(
                "libnvidia-ptxjitcompiler.so.1 is not where the driver looks for it; install it of the driver's own \
                 version{container}"
            )
        }
        NEWER_PTX => newer_ptx(bench, image, cuda),
        NO_BINARY => format!(
            "the driver has no code for compute capability {} in the {} image, which is made for {} and newer; update the \
             driver to one that knows this GPU",
            device.compute,
            name(image),
            image.target()
        ),
        INVALID_PTX => format!(
            "the driver's compiler does not accept the {} image, which is a defect of NACP or of the driver: please report it \
             with the driver's version",
            name(image)
        ),
        JIT_DISABLED => "CUDA_DISABLE_PTX_JIT keeps the driver from compiling PTX; unset it".into(),
        _ => return refused.into(),
    };
    let Refused { call, fault, .. } = refused;
    Stop { status: Status::Error { call: call.into(), fault, reason: format!("{reason}{wrote}") }, so_far: None }
}

fn newer_ptx(bench: &Bench<'_>, image: Image, cuda: Version) -> String {
    let platform = Platform::here(bench.driver.loaded().wsl);
    let knows = TOOLKITS.iter().find(|row| row.ptx.is_some_and(|ptx| ptx >= image.isa())).map(|row| row.toolkit);
    let least = knows.and_then(|toolkit| minimum_driver(toolkit, platform));
    let install = least.map_or(String::new(), |least| format!("; install driver {} or newer", least.version));
    format!(
        "the {} image is PTX {}, which is newer than what a driver of CUDA {cuda} reads{install}",
        name(image),
        image.isa()
    )
}

fn too_old(device: &Device, image: Image) -> String {
    format!("compute capability {} is below {}, which the {} image needs", device.compute, image.target(), name(image))
}

fn name(image: Image) -> &'static str {
    match image {
        Image::Base => "base",
        Image::Tensor => "tensor",
    }
}

#[cfg(test)]
mod tests;
