//! The least compute capability that a service needs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::gpu::ComputeCapability;

/// At least this compute capability, written `>=8.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComputeNeed {
    /// The least that will do.
    pub at_least: ComputeCapability,
}

impl ComputeNeed {
    /// Whether a GPU of this capability will do.
    pub fn accepts(self, capability: ComputeCapability) -> bool {
        capability >= self.at_least
    }
}

impl fmt::Display for ComputeNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!(">={}", self.at_least))
    }
}

impl FromStr for ComputeNeed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let at_least = text.trim().strip_prefix(">=").and_then(|rest| rest.parse().ok());
        at_least.map(|at_least| Self { at_least }).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidArgument, "service.compute", "not a need of compute capability")
                .with("value", text.escape_debug());
            match text.trim().parse::<ComputeCapability>() {
                Ok(plain) => error.hint(format!("write \">={plain}\" for {plain} or newer")),
                Err(_) => error.hint("write the least that will do, for example \">=8.0\""),
            }
        })
    }
}

impl TryFrom<String> for ComputeNeed {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ComputeNeed> for String {
    fn from(need: ComputeNeed) -> Self {
        need.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_number_not_by_text() {
        let need: ComputeNeed = ">=8.6".parse().unwrap();
        for (capability, fits) in [("8.6", true), ("9.0", true), ("12.0", true), ("8.0", false), ("7.5", false)] {
            assert_eq!(need.accepts(capability.parse().unwrap()), fits, "{capability}");
        }
        assert!("8".parse::<ComputeNeed>().unwrap_err().to_string().contains("for example \">=8.0\""));
        assert!("8.6".parse::<ComputeNeed>().unwrap_err().to_string().contains("write \">=8.6\" for 8.6 or newer"));
    }
}
