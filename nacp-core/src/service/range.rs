//! Ranges of versions, such as `>=12.4`, `<13` or `>=8.0 <10.0`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// A range of versions of two numbers: at least this one, and less than that one. Either end may be open.
///
/// ```
/// use nacp_core::service::VersionRange;
///
/// let range: VersionRange = ">=8.0 <10.0".parse()?;
/// assert!(range.accepts(8, 9) && !range.accepts(10, 0) && !range.accepts(7, 5));
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct VersionRange {
    /// The least that will do, as major and minor.
    pub at_least: Option<(u32, u32)>,
    /// The first that will no longer do.
    pub below: Option<(u32, u32)>,
}

impl VersionRange {
    /// This version or newer.
    pub const fn at_least(major: u32, minor: u32) -> Self {
        Self { at_least: Some((major, minor)), below: None }
    }

    /// Sets the first version that will no longer do.
    #[must_use]
    pub const fn below(mut self, major: u32, minor: u32) -> Self {
        self.below = Some((major, minor));
        self
    }

    /// Whether this version will do.
    pub fn accepts(self, major: u32, minor: u32) -> bool {
        self.at_least.is_none_or(|least| (major, minor) >= least) && self.below.is_none_or(|end| (major, minor) < end)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.at_least.map(|(major, minor)| format!(">={major}.{minor}"));
        let below = self.below.map(|(major, minor)| format!("<{major}.{minor}"));
        f.pad(&least.into_iter().chain(below).collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for VersionRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let version = |text: &str| {
            let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
            Some((major.parse().ok()?, minor.parse().ok()?))
        };
        let mut range = Self::default();
        for part in text.split([' ', ',']).filter(|part| !part.is_empty()) {
            let end = match part.strip_prefix(">=") {
                Some(rest) => version(rest).map(|least| range.at_least.replace(least)),
                None => part.strip_prefix('<').and_then(version).map(|end| range.below.replace(end)),
            };
            if end != Some(None) {
                return Err(refused(text));
            }
        }
        match range {
            Self { at_least: None, below: None } => Err(refused(text)),
            range => Ok(range),
        }
    }
}

fn refused(text: &str) -> Error {
    let error = Error::new(ErrorKind::InvalidArgument, "service.range", "not a range of versions")
        .with("value", text.escape_debug());
    match text.trim() {
        plain if plain.parse::<f32>().is_ok_and(f32::is_finite) => {
            error.hint(format!("write \">={plain}\" for {plain} or newer"))
        }
        _ => error.hint("write the least that will do and, if need be, an end: \">=8.0\" or \">=8.0 <10.0\""),
    }
}

impl TryFrom<String> for VersionRange {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<VersionRange> for String {
    fn from(range: VersionRange) -> Self {
        range.to_string()
    }
}
