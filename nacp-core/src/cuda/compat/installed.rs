//! The driver that is there, as far as a caller knows it.

use serde::{Deserialize, Serialize};

use super::tables::{BRANCHES, FAMILIES, Release, TOOLKITS, ToolkitRow, branch_of};
use super::{DriverVersion, Platform};
use crate::cuda::{Probe, Version};

/// The driver that is there: what it says of itself, or what its version tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InstalledDriver {
    /// Where it runs.
    pub platform: Platform,
    /// The newest CUDA version that it serves, as it says itself (`cuDriverGetVersion`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda: Option<Version>,
    /// The version of the driver (of the kernel's part, where the two differ). Under WSL2 it is the Windows driver's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<DriverVersion>,
    /// Whether the library comes from a forward-compatibility package, so that `cuda` is newer than the kernel's driver.
    #[serde(default)]
    pub forward_compat: bool,
}

impl InstalledDriver {
    /// A driver that says which CUDA version it serves.
    pub fn serving(cuda: Version, platform: Platform) -> Self {
        Self { platform, cuda: Some(cuda), version: None, forward_compat: false }
    }

    /// A driver of which only the version is known.
    pub fn of_version(version: DriverVersion, platform: Platform) -> Self {
        Self { platform, cuda: None, version: Some(version), forward_compat: false }
    }

    /// The driver that answered a probe, with the version of the kernel's part where that is known.
    pub fn probed(probe: &Probe, version: Option<DriverVersion>) -> Self {
        let platform = Platform::here(probe.library.wsl);
        Self { platform, cuda: Some(probe.driver_version), version, forward_compat: probe.library.compat }
    }

    /// The same with its version too.
    #[must_use]
    pub fn with_version(self, version: DriverVersion) -> Self {
        Self { version: Some(version), ..self }
    }

    /// The same with a library from a forward-compatibility package, whose CUDA version is `cuda`.
    #[must_use]
    pub fn with_forward_compat(self, cuda: Version) -> Self {
        Self { cuda: Some(cuda), forward_compat: true, ..self }
    }

    /// Whether it is newer than all that the tables know, so that it may serve more than they say.
    pub(super) fn is_beyond_the_tables(&self) -> bool {
        let newest = TOOLKITS.iter().flat_map(|row| row.releases).filter_map(|it| least(it, self.platform)).max();
        self.cuda.is_none() && self.version > newest
    }

    /// The branch of its kernel's part: of its version, or else the newest whose CUDA version it serves.
    pub(super) fn branch(&self) -> Option<u32> {
        let by_cuda = || BRANCHES.iter().rev().find(|row| Some(row.cuda) <= self.cuda);
        self.version.map(DriverVersion::branch).or_else(|| by_cuda().map(|row| row.branch))
    }
}

/// The newest toolkit that a driver serves without limits: what it says itself, or else what the release notes say of
/// its version. Nothing where the driver is older than CUDA 11, or nothing of it is known.
///
/// A driver that is newer than the tables may serve more.
///
/// ```
/// use nacp_core::cuda::compat::{InstalledDriver, Platform, newest_toolkit};
///
/// let driver = InstalledDriver::of_version("570.124.06".parse()?, Platform::Linux);
/// assert_eq!(newest_toolkit(&driver).unwrap().to_string(), "12.8");
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub fn newest_toolkit(driver: &InstalledDriver) -> Option<Version> {
    driver.cuda.or_else(|| newest(driver.version?, driver.platform))
}

fn newest(version: DriverVersion, platform: Platform) -> Option<Version> {
    let served =
        |row: &&ToolkitRow| row.releases.first().and_then(|it| least(it, platform)).is_some_and(|it| it <= version);
    // A branch alone stands for any of its releases, and those that came with the toolkit are not the first of it.
    let by_release = TOOLKITS.iter().rev().find(served).map(|row| row.toolkit);
    let alone = version == DriverVersion::of_branch(version.branch()) && !platform.is_windows_driver();
    by_release.max(branch_of(version).filter(|_| alone).map(|row| row.cuda))
}

pub(super) fn least(release: &Release, platform: Platform) -> Option<DriverVersion> {
    if platform.is_windows_driver() { release.windows } else { Some(release.linux) }
}

/// The least driver for a toolkit, and why that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinimumDriver {
    /// The version.
    pub version: DriverVersion,
    /// Whether it serves the toolkit wholly; otherwise it is the least of the toolkit's family, with the limits of
    /// minor-version compatibility.
    pub whole: bool,
}

/// The least driver that serves the first release of a toolkit; where NVIDIA names none for it, the least of its family.
/// Nothing where the tables know neither.
///
/// ```
/// use nacp_core::cuda::compat::{Platform, minimum_driver};
///
/// let least = |platform| minimum_driver("12.8".parse().unwrap(), platform).unwrap().version.to_string();
/// assert_eq!(least(Platform::Linux), "570.26");
/// assert_eq!(least(Platform::Wsl2), "570.65");
/// ```
pub fn minimum_driver(toolkit: Version, platform: Platform) -> Option<MinimumDriver> {
    let row = TOOLKITS.iter().find(|row| row.toolkit == toolkit);
    let own = row.and_then(|row| least(row.releases.first()?, platform));
    let whole = own.map(|version| MinimumDriver { version, whole: true });
    whole.or_else(|| family_minimum(toolkit.major, platform).map(|version| MinimumDriver { version, whole: false }))
}

/// The least driver of a family of toolkits.
pub(super) fn family_minimum(major: u32, platform: Platform) -> Option<DriverVersion> {
    let row = FAMILIES.iter().find(|row| row.major == major)?;
    Some(if platform.is_windows_driver() { row.windows } else { row.linux })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> DriverVersion {
        text.parse().unwrap()
    }

    #[test]
    fn the_version_of_a_driver_tells_its_cuda_version() {
        use Platform::{Linux, Windows, Wsl2};
        for (driver, platform, expected) in [
            ("450.51.04", Linux, None),
            ("450.51.05", Linux, Some("11.0")),
            ("470.256.02", Linux, Some("11.4")),
            ("525.60.12", Linux, Some("11.8")),
            ("525.60.13", Linux, Some("12.0")),
            ("535.183.01", Linux, Some("12.2")),
            ("565.57.01", Linux, Some("12.6")),
            ("570.26", Linux, Some("12.8")),
            ("580.65.05", Linux, Some("12.9")),
            ("580.95.05", Linux, Some("13.0")),
            ("580", Linux, Some("13.0")),
            ("610.43.02", Linux, Some("13.3")),
            ("999.1.1", Linux, Some("13.3")),
            ("527.41", Windows, Some("12.0")),
            ("527.40", Wsl2, Some("11.8")),
            ("576.57", Wsl2, Some("12.9")),
            // NVIDIA names no Windows driver for CUDA 13: all that is certain is 12.9.
            ("591.44", Wsl2, Some("12.9")),
        ] {
            let installed = InstalledDriver::of_version(version(driver), platform);
            let served = newest_toolkit(&installed).map(|it| it.to_string());
            assert_eq!(served.as_deref(), expected, "{driver} on {platform}");
        }
    }

    #[test]
    fn what_the_driver_says_goes_before_what_its_version_tells() {
        let driver = InstalledDriver::serving("13.1".parse().unwrap(), Platform::Wsl2).with_version(version("591.44"));
        assert_eq!(newest_toolkit(&driver).unwrap().to_string(), "13.1");
        let nothing = InstalledDriver { cuda: None, version: None, ..driver };
        assert_eq!(newest_toolkit(&nothing), None);
    }

    #[test]
    fn the_least_driver_is_that_of_the_toolkit_or_else_of_its_family() {
        use Platform::{Linux, Windows, Wsl2};
        for (toolkit, platform, expected) in [
            ("11.8", Linux, Some(("520.61.05", true))),
            ("12.0", Windows, Some(("527.41", true))),
            ("12.9", Wsl2, Some(("576.02", true))),
            ("13.0", Linux, Some(("580.65.06", true))),
            ("13.0", Wsl2, Some(("580", false))),
            ("13.4", Linux, Some(("580", false))),
            ("13.99", Linux, Some(("580", false))),
            ("12.7", Linux, Some(("525.60.13", false))),
            ("14.0", Linux, None),
            ("10.2", Linux, None),
        ] {
            let least = minimum_driver(toolkit.parse().unwrap(), platform).map(|it| (it.version.to_string(), it.whole));
            assert_eq!(least, expected.map(|(text, whole)| (text.into(), whole)), "{toolkit} on {platform}");
        }
    }
}
