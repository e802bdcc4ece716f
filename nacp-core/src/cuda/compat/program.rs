//! Does a compiled program run on this GPU and driver.

use std::cmp::Reverse;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::tables::{FAMILY_TARGETS, TOOLKITS, capability};
use super::{Arch, Form, InstalledDriver, Reach, newest_toolkit};
use crate::cuda::Version;
use crate::gpu::ComputeCapability;

/// The newest PTX that a driver loads, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PtxCeiling {
    /// It loads this one and all before it; none where not even this is known.
    pub at_least: Option<Version>,
    /// It loads nothing that is newer; none where the driver is newer than the tables.
    pub at_most: Option<Version>,
}

/// The newest PTX that a driver of this CUDA version loads: that of the toolkit of the same version.
///
/// ```
/// use nacp_core::cuda::compat::ptx_ceiling;
///
/// let ceiling = ptx_ceiling("12.4".parse()?);
/// assert_eq!(ceiling.at_most, Some("8.4".parse()?));
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub fn ptx_ceiling(driver: Version) -> PtxCeiling {
    let known = || TOOLKITS.iter().filter_map(|row| Some((row.toolkit, row.ptx?)));
    PtxCeiling {
        at_least: known().rev().find(|(toolkit, _)| *toolkit <= driver).map(|(_, ptx)| ptx),
        at_most: known().find(|(toolkit, _)| *toolkit >= driver).map(|(_, ptx)| ptx),
    }
}

/// How a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramFit {
    /// It does not.
    Refused,
    /// Nothing that NVIDIA says decides.
    Unknown,
    /// The driver compiles its PTX when it is loaded.
    Compiled,
    /// Its machine code runs as it is.
    Native,
}

impl fmt::Display for ProgramFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Compiled => "compiled at load",
            Self::Native => "native",
        })
    }
}

/// What is to be said of one image of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageVerdict {
    /// What it is compiled for.
    pub arch: Arch,
    /// Whether it runs.
    pub fit: ProgramFit,
    /// The rule that decided, applied to it.
    pub reason: String,
}

/// Whether a program runs on a GPU, by which of its images, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProgramVerdict {
    /// How it runs: the best of its images.
    pub fit: ProgramFit,
    /// Every image, the best first.
    pub images: Vec<ImageVerdict>,
    /// What would help where it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl fmt::Display for ProgramVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.fit)?;
        // One image is enough to run; where none does, each has its reason.
        let shown = if self.fit >= ProgramFit::Compiled { 1 } else { self.images.len() };
        for (place, image) in self.images.iter().take(shown).enumerate() {
            write!(f, "{}{}: {}", if place == 0 { "" } else { "; " }, image.arch, image.reason)?;
        }
        if self.images.is_empty() {
            f.write_str("the program brings no image")?;
        }
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// Whether a program with this machine code and this PTX (target and version of the language) runs on a GPU of this
/// compute capability. The form of an [`Arch`] does not matter here: the list says which it is.
///
/// ```
/// use nacp_core::cuda::compat::{InstalledDriver, Platform, ProgramFit, program};
///
/// let sass = ["sm_80".parse()?, "sm_90a".parse()?];
/// let driver = InstalledDriver::serving("12.4".parse()?, Platform::Linux);
/// let verdict = program(&sass, &[], "8.6".parse()?, &driver);
/// assert_eq!(verdict.fit, ProgramFit::Native);
/// assert_eq!(verdict.to_string(), "native: sm_80: machine code for 8.0 runs on 8.6, which is of the same major version");
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub fn program(
    sass: &[Arch],
    ptx: &[(Arch, Version)],
    gpu: ComputeCapability,
    driver: &InstalledDriver,
) -> ProgramVerdict {
    let cuda = newest_toolkit(driver);
    let mut images: Vec<ImageVerdict> = sass.iter().map(|arch| machine_code(*arch, gpu)).collect();
    images.extend(ptx.iter().map(|(arch, isa)| compiled(*arch, *isa, gpu, cuda)));
    images.sort_by_key(|image| Reverse(image.fit));
    let fit = images.first().map_or(ProgramFit::Refused, |image| image.fit);
    let remedy = (fit == ProgramFit::Refused).then(|| remedy(ptx, gpu, cuda));
    ProgramVerdict { fit, images, remedy }
}

fn machine_code(arch: Arch, gpu: ComputeCapability) -> ImageVerdict {
    let arch = Arch { form: Form::Machine, ..arch };
    let image = |fit, reason| ImageVerdict { arch, fit, reason };
    let made = arch.compute;
    if made == gpu {
        return image(ProgramFit::Native, format!("machine code for exactly this GPU ({gpu})"));
    }
    if renamed(made, gpu) {
        return image(
            ProgramFit::Unknown,
            format!("{made} is the older number of {gpu}, for machine code of which nothing is promised"),
        );
    }
    match arch.reach {
        Reach::Exact => {
            return image(
                ProgramFit::Refused,
                format!("machine code with features of {made} alone does not run on {gpu}"),
            );
        }
        Reach::Family => {
            let (fit, reason) = family(made, gpu, ProgramFit::Native);
            return image(fit, reason);
        }
        Reach::Onward => {}
    }
    if made.major != gpu.major {
        return image(
            ProgramFit::Refused,
            format!("machine code for {made} does not run on {gpu}, which is of another major version"),
        );
    }
    if made.minor > gpu.minor {
        return image(ProgramFit::Refused, format!("machine code for {made} does not run on {gpu}, which is older"));
    }
    let tegra = |compute| capability(compute).is_some_and(|row| row.tegra);
    if tegra(made) || tegra(gpu) {
        let reason =
            format!("NVIDIA promises nothing for machine code for {made} on {gpu}: one is part of a system on a chip");
        return image(ProgramFit::Unknown, reason);
    }
    image(ProgramFit::Native, format!("machine code for {made} runs on {gpu}, which is of the same major version"))
}

fn compiled(arch: Arch, isa: Version, gpu: ComputeCapability, driver: Option<Version>) -> ImageVerdict {
    let arch = Arch { form: Form::Ptx, ..arch };
    let (fit, reason) = target(arch, gpu);
    if fit == ProgramFit::Refused {
        return ImageVerdict { arch, fit, reason };
    }
    if let Some(least) = capability(arch.compute).and_then(|row| row.ptx).filter(|least| *least > isa) {
        let reason = format!("PTX {isa} has no target {}; PTX {least} is the first", arch.compute);
        return ImageVerdict { arch, fit: ProgramFit::Refused, reason };
    }
    let (fit, reason) = match driver.map(|cuda| (cuda, ptx_ceiling(cuda))) {
        Some((_, PtxCeiling { at_least: Some(least), .. })) if isa <= least => (fit, reason),
        Some((cuda, PtxCeiling { at_most: Some(most), .. })) if isa > most => {
            let reason =
                format!("PTX {isa} is newer than what a driver of CUDA {cuda} reads, which is {most} (error 222)");
            (ProgramFit::Refused, reason)
        }
        Some((cuda, _)) => {
            let reason = format!("whether a driver of CUDA {cuda} reads PTX {isa} is not known");
            (fit.min(ProgramFit::Unknown), reason)
        }
        None => (fit.min(ProgramFit::Unknown), format!("which PTX the driver reads is not known, and this is {isa}")),
    };
    ImageVerdict { arch, fit, reason }
}

/// Whether the driver's compiler makes code for this GPU of PTX for this target.
fn target(arch: Arch, gpu: ComputeCapability) -> (ProgramFit, String) {
    let made = arch.compute;
    match arch.reach {
        _ if made == gpu => (ProgramFit::Compiled, format!("PTX for exactly this GPU ({gpu})")),
        Reach::Exact if renamed(made, gpu) => (ProgramFit::Compiled, format!("{made} is the older number of {gpu}")),
        Reach::Exact => (ProgramFit::Refused, format!("PTX with features of {made} alone is not compiled for {gpu}")),
        Reach::Family => family(made, gpu, ProgramFit::Compiled),
        Reach::Onward if made < gpu => {
            (ProgramFit::Compiled, format!("PTX for {made} is compiled for {gpu}, which is newer"))
        }
        Reach::Onward => (ProgramFit::Refused, format!("PTX for {made} is not compiled for {gpu}, which is older")),
    }
}

/// Whether the first is what CUDA 12 called the second: PTX for either is compiled for it (measured).
fn renamed(made: ComputeCapability, gpu: ComputeCapability) -> bool {
    (made.major, made.minor, gpu.major, gpu.minor) == (10, 1, 11, 0)
}

/// The rule of families. Outside the table nothing is promised within a major version.
fn family(made: ComputeCapability, gpu: ComputeCapability, runs: ProgramFit) -> (ProgramFit, String) {
    let row = FAMILY_TARGETS.iter().find(|(first, _)| *first == made);
    match row {
        Some((_, members)) if members.contains(&gpu) => (runs, format!("{gpu} is of the family of {made}")),
        _ if made.major == gpu.major && made < gpu && capability(gpu).is_none() => {
            (ProgramFit::Unknown, format!("whether {gpu} is of the family of {made} is not known"))
        }
        _ => (ProgramFit::Refused, format!("{gpu} is not of the family of {made}")),
    }
}

/// The nearest thing that would help a program that does not run: a newer driver where only that is missing, else an
/// image for this GPU.
fn remedy(ptx: &[(Arch, Version)], gpu: ComputeCapability, driver: Option<Version>) -> String {
    let fits = |(arch, _): &&(Arch, Version)| target(Arch { form: Form::Ptx, ..*arch }, gpu).0 == ProgramFit::Compiled;
    let reads = |(_, isa): &(Arch, Version)| {
        TOOLKITS.iter().find(|row| row.ptx.is_some_and(|newest| newest >= *isa)).map(|row| row.toolkit)
    };
    let newer = ptx.iter().filter(fits).filter_map(reads).filter(|cuda| Some(*cuda) > driver).min();
    let build = format!("build it for {}, or with PTX for it or older", Arch::machine(gpu));
    match newer {
        Some(cuda) => format!("install a driver of CUDA {cuda} or newer, or {build}"),
        None => build,
    }
}

#[cfg(test)]
mod tests;
