//! Versions of the NVIDIA driver, which are neither versions of CUDA nor decimal numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A lower number in a file's name is the number of an interface.
const LEAST_BRANCH: u32 = 300;

/// A version of the NVIDIA driver, such as `580.95.05` (Linux) or `576.57` (Windows).
///
/// It is compared number by number: `570.124.06` is newer than `570.26`. A branch alone (`580`) comes before all its
/// releases, and so reads as "any release of this branch" where a least version is asked for.
///
/// ```
/// use nacp_core::cuda::compat::DriverVersion;
///
/// let installed: DriverVersion = "570.124.06".parse()?;
/// assert!(installed > "570.26".parse()?);
/// assert_eq!(installed.to_string(), "570.124.06");
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriverVersion {
    branch: u32,
    minor: Option<u32>,
    patch: Option<u32>,
}

impl DriverVersion {
    /// Any release of a branch.
    pub const fn of_branch(branch: u32) -> Self {
        Self { branch, minor: None, patch: None }
    }

    /// A release of two numbers.
    pub(super) const fn two(branch: u32, minor: u32) -> Self {
        Self { branch, minor: Some(minor), patch: None }
    }

    /// A release of three numbers.
    pub(super) const fn three(branch: u32, minor: u32, patch: u32) -> Self {
        Self { branch, minor: Some(minor), patch: Some(patch) }
    }

    /// The branch: `580` of `580.95.05`.
    pub fn branch(self) -> u32 {
        self.branch
    }

    /// The version that stands in the text of `/proc/driver/nvidia/version`, or in one that is nothing else.
    ///
    /// The line reads `NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 …`, for the open module
    /// `… Open Kernel Module for x86_64  580.95.05  Release Build …`.
    pub fn in_text(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("NVRM version")).unwrap_or(text);
        line.split_whitespace().filter(|word| word.contains('.')).find_map(|word| word.parse().ok())
    }

    /// The version in the name of a file of the driver, such as `libcuda.so.580.95.05`. `libcuda.so.1` has none, nor has
    /// `libcuda.so.1.1`, which is the library's name on Jetson: no driver that knows CUDA's present interface is of a
    /// branch below 300.
    pub fn in_file_name(name: &str) -> Option<Self> {
        name.split_once(".so.")?
            .1
            .parse::<Self>()
            .ok()
            .filter(|version| version.minor.is_some() && version.branch >= LEAST_BRANCH)
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.branch.to_string();
        for number in [self.minor, self.patch].into_iter().flatten() {
            text.push_str(&format!(".{number:02}"));
        }
        f.pad(&text)
    }
}

impl FromStr for DriverVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |part: &str| {
            // `parse` alone would take a sign.
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
        };
        let numbers: Option<Vec<u32>> = text.trim().split('.').map(number).collect();
        match numbers.as_deref() {
            Some(&[branch]) => Ok(Self::of_branch(branch)),
            Some(&[branch, minor]) => Ok(Self::two(branch, minor)),
            Some(&[branch, minor, patch]) => Ok(Self::three(branch, minor, patch)),
            _ => {
                Err(Error::new(ErrorKind::InvalidArgument, "cuda.driver_version", "not a version of the NVIDIA driver")
                    .with("value", format_args!("{text:?}"))
                    .hint("write what `nvidia-smi` shows, for example 580.95.05"))
            }
        }
    }
}

impl TryFrom<String> for DriverVersion {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DriverVersion> for String {
    fn from(version: DriverVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> DriverVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_compared_number_by_number() {
        let ascending = [
            "450.80.02",
            "470.42.01",
            "525",
            "525.60.13",
            "525.85.12",
            "570",
            "570.26",
            "570.26.00",
            "570.124.06",
            "580.65.06",
            "580.95.05",
            "1000.1.1",
        ];
        for (place, text) in ascending.iter().enumerate() {
            for (other, later) in ascending.iter().enumerate() {
                assert_eq!(version(text).cmp(&version(later)), place.cmp(&other), "{text} and {later}");
            }
        }
    }

    #[test]
    fn what_is_no_version_is_refused_with_an_example() {
        for wrong in ["", "580.", ".95", "580.95.05.1", "580.x", "-580", "+580.1", "580 95", "99999999999.1", "５80"] {
            assert_eq!(wrong.parse::<DriverVersion>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
        assert_eq!(
            "5x".parse::<DriverVersion>().unwrap_err().to_string(),
            "not a version of the NVIDIA driver: value=\"5x\"; write what `nvidia-smi` shows, for example 580.95.05"
        );
    }

    #[test]
    fn the_version_is_found_in_the_kernels_text_and_in_a_files_name() {
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16 UTC 2025\n\
                      GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n";
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build  (dvs@x)\n";
        for (text, expected) in [
            (closed, Some("580.95.05")),
            (open, Some("575.57.08")),
            ("580.95.05", Some("580.95.05")),
            ("580.95.05\n", Some("580.95.05")),
            ("GCC version: none", None),
            ("", None),
        ] {
            assert_eq!(DriverVersion::in_text(text), expected.map(version), "{text}");
        }
        for (name, expected) in [
            ("libcuda.so.580.95.05", Some("580.95.05")),
            ("libcuda.so.1", None),
            ("libcuda.so.1.1", None),
            ("libcuda.so.299.1", None),
            ("libcuda.so.300.1", Some("300.1")),
            ("libcuda.so", None),
            ("nvcuda.dll", None),
            ("libcuda.so.x", None),
        ] {
            assert_eq!(DriverVersion::in_file_name(name), expected.map(version), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(branch in 0u32..2000, minor in proptest::option::of(0u32..1000), patch in 0u32..1000) {
            let version = DriverVersion { branch, minor, patch: minor.map(|_| patch) };
            prop_assert_eq!(version.to_string().parse::<DriverVersion>().unwrap(), version);
            let json = serde_json::to_string(&version).unwrap();
            prop_assert_eq!(serde_json::from_str::<DriverVersion>(&json).unwrap(), version);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<DriverVersion>();
            let _ = DriverVersion::in_text(&text);
            let _ = DriverVersion::in_file_name(&text);
        }
    }
}
