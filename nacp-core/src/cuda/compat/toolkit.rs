//! Does a program that is built with a toolkit run on this driver and GPU.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::installed::{family_minimum, minimum_driver, newest_toolkit};
use super::program::ptx_ceiling;
use super::tables::{FAMILIES, TOOLKITS, capability, last_branch};
use super::{DriverVersion, InstalledDriver, Platform, Product};
use crate::cuda::Version;
use crate::gpu::ComputeCapability;

/// A GPU, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its compute capability.
    pub compute: ComputeCapability,
    /// What kind of product it is.
    pub product: Product,
}

impl Gpu {
    /// The GPU of this name.
    pub fn named(name: &str, compute: ComputeCapability) -> Self {
        Self { compute, product: Product::of(name) }
    }
}

/// How well a toolkit fits, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It does not run.
    Refused,
    /// Neither the tables nor a rule of NVIDIA's says.
    Unknown,
    /// It runs with a driver library of a `cuda-compat` package.
    ForwardCompat,
    /// It runs with the limits of minor-version compatibility.
    MinorVersion,
    /// It runs.
    Exact,
}

impl Fit {
    /// All, the worst first.
    pub const ALL: [Self; 5] = [Self::Refused, Self::Unknown, Self::ForwardCompat, Self::MinorVersion, Self::Exact];
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::ForwardCompat => "forward compatibility",
            Self::MinorVersion => "minor-version compatibility",
            Self::Exact => "exact",
        })
    }
}

/// The rule that decided about a toolkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// A driver serves its own CUDA version and all before it.
    Backward,
    /// A driver from the least of a family on serves all toolkits of the family, with limits.
    Family,
    /// A `cuda-compat` package brings a newer driver library to some GPUs on Linux.
    ForwardCompat,
    /// A `cuda-compat` package does nothing for this GPU or platform.
    ForwardCompatElsewhere,
    /// The driver is older than the least of the toolkit's family.
    TooOld,
    /// A newer branch of the driver than the last one for this GPU.
    DriverDroppedGpu,
    /// A newer toolkit than the last one for this GPU.
    ToolkitDroppedGpu,
    /// The tables and the rules do not reach that far.
    NotInTables,
}

impl Rule {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Backward,
        Self::Family,
        Self::ForwardCompat,
        Self::ForwardCompatElsewhere,
        Self::TooOld,
        Self::DriverDroppedGpu,
        Self::ToolkitDroppedGpu,
        Self::NotInTables,
    ];

    /// The rule in a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Self::Backward => "a driver serves its own CUDA version and all before it",
            Self::Family => "from its family's least driver on, a toolkit runs with limits",
            Self::ForwardCompat => {
                "a cuda-compat package brings a newer library to data-centre GPUs, some RTX cards and Jetson, on Linux"
            }
            Self::ForwardCompatElsewhere => "a cuda-compat package is not for this GPU or platform (error 804)",
            Self::TooOld => "a driver that is older than the least of the toolkit's family does not run it (error 35)",
            Self::DriverDroppedGpu => "newer branches of the driver have dropped this GPU",
            Self::ToolkitDroppedGpu => "newer toolkits write no machine code for this GPU (error 209)",
            Self::NotInTables => "this is newer than the tables, and no rule of NVIDIA's decides",
        }
    }
}

/// What would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remedy {
    /// Install a newer driver.
    InstallDriver {
        /// The least version.
        at_least: DriverVersion,
        /// The driver of which system.
        platform: Platform,
    },
    /// Install a driver of an older branch.
    UseBranch {
        /// The newest branch for this GPU.
        newest: u32,
    },
    /// Use an older toolkit.
    UseToolkit {
        /// The newest that fits.
        newest: Version,
    },
    /// Put a forward-compatibility package before the driver's library.
    InstallCompat {
        /// The toolkit of the package.
        toolkit: Version,
    },
    /// Take the forward-compatibility package away.
    RemoveCompat,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstallDriver { at_least, platform: Platform::Wsl2 } => {
                write!(f, "install driver {at_least} or newer on Windows, and none inside WSL2")
            }
            Self::InstallDriver { at_least, .. } => write!(f, "install driver {at_least} or newer"),
            Self::UseBranch { newest } => write!(f, "install a driver of branch R{newest} or older"),
            Self::UseToolkit { newest } => write!(f, "use CUDA {newest} or older"),
            Self::InstallCompat { toolkit } => write!(f, "install cuda-compat-{}-{}", toolkit.major, toolkit.minor),
            Self::RemoveCompat => f.write_str("remove the cuda-compat package from the library path"),
        }
    }
}

/// Whether programs of a toolkit run here, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolkitVerdict {
    /// The toolkit.
    pub toolkit: Version,
    /// How well it fits.
    pub fit: Fit,
    /// The rule that decided.
    pub rule: Rule,
    /// The rule applied to what is here.
    pub reason: String,
    /// What does not work all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// What would help, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
}

impl ToolkitVerdict {
    /// The remedies as one phrase; none where there is none.
    pub fn remedy(&self) -> Option<String> {
        let all: Vec<_> = self.remedies.iter().map(ToString::to_string).collect();
        (!all.is_empty()).then(|| all.join(", or "))
    }
}

impl fmt::Display for ToolkitVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fit, self.reason)?;
        for limit in &self.limits {
            write!(f, "; {limit}")?;
        }
        match self.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// Whether programs that are built with `toolkit` run on this driver; with a GPU, whether they run on it.
///
/// What a program brings is another question: see [`program`](super::program()).
pub fn toolkit(driver: &InstalledDriver, toolkit: Version, gpu: Option<&Gpu>) -> ToolkitVerdict {
    let case = Case { driver, toolkit, gpu };
    let mut verdict = case.dropped().or_else(|| case.misplaced_compat()).unwrap_or_else(|| case.by_version());
    if verdict.fit > Fit::Unknown {
        verdict.limits.extend(case.no_machine_code());
    }
    verdict
}

/// One question.
struct Case<'a> {
    driver: &'a InstalledDriver,
    toolkit: Version,
    gpu: Option<&'a Gpu>,
}

impl Case<'_> {
    fn verdict(&self, fit: Fit, rule: Rule, reason: String) -> ToolkitVerdict {
        ToolkitVerdict { toolkit: self.toolkit, fit, rule, reason, limits: Vec::new(), remedies: Vec::new() }
    }

    /// The newest CUDA version that the driver serves.
    fn served(&self) -> Option<Version> {
        newest_toolkit(self.driver)
    }

    /// What the driver is called in a sentence.
    fn subject(&self) -> String {
        match (self.driver.version, self.served()) {
            (Some(version), Some(cuda)) if self.driver.forward_compat => {
                format!("the cuda-compat library on driver {version} serves CUDA {cuda}")
            }
            (Some(version), Some(cuda)) => format!("driver {version} serves CUDA {cuda}"),
            (None, Some(cuda)) => format!("the driver serves CUDA {cuda}"),
            (Some(version), None) => format!("driver {version} is older than CUDA 11"),
            (None, None) => "nothing is known of the driver".into(),
        }
    }

    /// A GPU that the driver or the toolkit does not know any more.
    fn dropped(&self) -> Option<ToolkitVerdict> {
        let compute = self.gpu?.compute;
        let last = last_branch(compute);
        let name = capability(compute).map_or("GPUs", |row| row.name);
        if let (Some(last), Some(branch)) = (last, self.driver.branch())
            && (branch > last.branch || self.driver.cuda > Some(last.cuda))
        {
            let reason = format!("R{} is the last branch that drives {name} ({compute})", last.branch);
            let mut verdict = self.verdict(Fit::Refused, Rule::DriverDroppedGpu, reason);
            verdict.remedies.push(Remedy::UseBranch { newest: last.branch });
            return Some(verdict);
        }
        let last = capability(compute)?.last.filter(|last| *last < self.toolkit)?;
        let reason = format!("CUDA {last} is the last toolkit for {name} ({compute})");
        let mut verdict = self.verdict(Fit::Refused, Rule::ToolkitDroppedGpu, reason);
        let newest = self.newest_that_fits(self.served().map_or(last, |served| served.min(last)));
        verdict.remedies.push(Remedy::UseToolkit { newest });
        Some(verdict)
    }

    /// A forward-compatibility library where it cannot work.
    fn misplaced_compat(&self) -> Option<ToolkitVerdict> {
        if !self.driver.forward_compat || self.may_use_compat() != Some(false) {
            return None;
        }
        let place = match (self.driver.platform, self.gpu) {
            (Platform::Linux, Some(gpu)) => gpu.product.to_string(),
            (platform, _) => platform.to_string(),
        };
        let reason = format!("a cuda-compat library is loaded, which is not for {place}");
        let mut verdict = self.verdict(Fit::Refused, Rule::ForwardCompatElsewhere, reason);
        verdict.remedies.push(Remedy::RemoveCompat);
        verdict.remedies.extend(self.driver_remedy());
        Some(verdict)
    }

    /// Whether a forward-compatibility package is for this GPU and platform.
    fn may_use_compat(&self) -> Option<bool> {
        match (self.driver.platform, self.gpu) {
            (Platform::Linux, Some(gpu)) => gpu.product.has_forward_compat(),
            (Platform::Linux, None) => None,
            _ => Some(false),
        }
    }

    fn by_version(&self) -> ToolkitVerdict {
        let (toolkit, subject) = (self.toolkit, self.subject());
        let Some(served) = self.served() else {
            return match self.driver.version {
                Some(_) => self.refused(format!("{subject}, and CUDA {toolkit} is newer")),
                None => self.verdict(Fit::Unknown, Rule::NotInTables, subject),
            };
        };
        if served >= toolkit {
            return self.serves(&subject);
        }
        let family = format!("{}.x", toolkit.major);
        if let Some(least) = family_minimum(toolkit.major, self.driver.platform)
            && self.is_of_family(served, least)
        {
            let reason =
                format!("{subject}, and CUDA {toolkit} is of a family ({family}) whose least driver is {least}");
            let mut verdict = self.verdict(Fit::MinorVersion, Rule::Family, reason);
            verdict.limits = self.limits_of_the_family(served);
            return verdict;
        }
        let newest_family = FAMILIES.iter().map(|row| row.major).max();
        let unheard = Some(toolkit.major) > newest_family;
        let may_be = self.driver.is_beyond_the_tables() || served.major == toolkit.major;
        if unheard && (may_be || self.may_use_compat() == Some(true)) {
            let reason = format!("{subject}, and no rule is known for CUDA {family}");
            return self.verdict(Fit::Unknown, Rule::NotInTables, reason);
        }
        match self.may_use_compat() {
            Some(true) if !unheard => {
                let reason = format!("{subject}, and CUDA {toolkit} runs with the library of its cuda-compat package");
                let mut verdict = self.verdict(Fit::ForwardCompat, Rule::ForwardCompat, reason);
                verdict.limits.push(NEWER_CALLS_OF_COMPAT.into());
                verdict.remedies.push(Remedy::InstallCompat { toolkit });
                verdict.remedies.extend(self.driver_remedy());
                verdict
            }
            _ => self.refused(format!("{subject}, and CUDA {toolkit} is newer")),
        }
    }

    /// The driver serves the toolkit by itself, or through a library that is newer than it.
    fn serves(&self, subject: &str) -> ToolkitVerdict {
        let reason = format!("{subject}, and CUDA {} is not newer", self.toolkit);
        if !self.driver.forward_compat {
            return self.verdict(Fit::Exact, Rule::Backward, reason);
        }
        let fit = if self.may_use_compat() == Some(true) { Fit::ForwardCompat } else { Fit::Unknown };
        let mut verdict = self.verdict(fit, Rule::ForwardCompat, reason);
        if fit == Fit::Unknown {
            verdict.reason.push_str("; whether cuda-compat is for this GPU is not known");
        } else {
            verdict.limits.push(NEWER_CALLS_OF_COMPAT.into());
        }
        verdict
    }

    /// Whether the driver is at least the family's least one. Without its version, any CUDA version of the family
    /// proves it but 11.0, which an older driver served too.
    fn is_of_family(&self, served: Version, least: DriverVersion) -> bool {
        match self.driver.version {
            Some(version) if !self.driver.forward_compat => version >= least,
            _ => served.major == self.toolkit.major && served > Version { major: 11, minor: 0 },
        }
    }

    fn limits_of_the_family(&self, served: Version) -> Vec<String> {
        let ptx = match ptx_ceiling(served).at_least {
            Some(isa) => format!("PTX that is newer than {isa} does not load (error 222)"),
            None => "PTX that is newer than the driver's does not load (error 222)".into(),
        };
        vec![ptx, format!("calls that are newer than CUDA {served} answer an error")]
    }

    fn refused(&self, reason: String) -> ToolkitVerdict {
        let rule = if family_minimum(self.toolkit.major, self.driver.platform).is_some() {
            Rule::TooOld
        } else {
            Rule::NotInTables
        };
        let rule =
            if self.served().is_some_and(|served| served.major < self.toolkit.major) { Rule::TooOld } else { rule };
        let mut verdict = self.verdict(Fit::Refused, rule, reason);
        verdict.remedies.extend(self.driver_remedy());
        if let Some(served) = self.served() {
            verdict.remedies.push(Remedy::UseToolkit { newest: self.newest_that_fits(served) });
        }
        verdict
    }

    fn driver_remedy(&self) -> Option<Remedy> {
        let least = minimum_driver(self.toolkit, self.driver.platform)?;
        Some(Remedy::InstallDriver { at_least: least.version, platform: self.driver.platform })
    }

    /// The newest toolkit of the tables that this driver serves and this GPU knows, at most `most`.
    fn newest_that_fits(&self, most: Version) -> Version {
        let last = self.gpu.and_then(|gpu| capability(gpu.compute)?.last).map_or(most, |last| last.min(most));
        TOOLKITS.iter().map(|row| row.toolkit).rev().find(|it| *it <= last).unwrap_or(last)
    }

    /// A toolkit that is older than the GPU: it cannot write machine code for it.
    fn no_machine_code(&self) -> Option<String> {
        let compute = self.gpu?.compute;
        let first = capability(compute)?.first.filter(|first| *first > self.toolkit)?;
        Some(format!(
            "CUDA {} writes no machine code for {compute} (CUDA {first} is the first that does): only programs that bring \
             PTX run",
            self.toolkit
        ))
    }
}

const NEWER_CALLS_OF_COMPAT: &str = "the package lists the branches of the driver that it works on, and calls that need \
                                     the newer kernel driver answer an error (36)";

#[cfg(test)]
mod tests;
