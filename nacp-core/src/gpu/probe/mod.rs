//! The first touch of the driver, in a child process with a time limit.
//!
//! The driver's management library can crash the program that calls it, or never come back; both have been seen under
//! WSL2. A [`Guard`] lets a child process go first: it opens the library, reads every GPU once, and reports. Only when
//! that went well does [`Node::discover_guarded`](super::Node::discover_guarded) open the library in this process.
//!
//! The child is a program that calls [`answer`] first in `main`. That may be this program itself:
//!
//! ```no_run
//! use nacp_core::gpu::{Node, probe};
//!
//! fn main() -> nacp_core::Result<()> {
//!     if probe::answer() {
//!         return Ok(());
//!     }
//!     let node = Node::discover_guarded(&probe::Guard::this_program()?)?;
//!     println!("{} GPUs", node.gpus().len());
//!     Ok(())
//! }
//! ```

mod answer;
mod guard;
mod line;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::answer::answer;
pub use self::guard::Guard;

use super::{Gpu, Origin, Sample, Support};

/// Set to `1` for the child.
const ASKED: &str = "NACP_PROBE";
/// Which library the child opens; absent for the one that the loader finds.
const LIBRARY: &str = "NACP_PROBE_LIBRARY";

/// Whether this process was started to probe.
fn is_probe() -> bool {
    std::env::var_os(ASKED).is_some_and(|value| value == "1")
}

/// What the child read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// What it was read from.
    pub origin: Origin,
    /// The GPUs, in the driver's order.
    pub gpus: Vec<Gpu>,
    /// One reading of each.
    pub samples: Vec<Sample>,
    /// What every call was answered with.
    pub support: Support,
    /// How long each step took.
    pub timings: Vec<Timing>,
}

/// How long one step of the probe took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Which step.
    pub step: Step,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// What the child does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Load the library and start it.
    Open,
    /// Read what each GPU is.
    Inventory,
    /// Read what each GPU is doing.
    Sample,
    /// Make every call once.
    Support,
    /// Close the library and end the program.
    End,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Inventory => "inventory",
            Self::Sample => "sample",
            Self::Support => "support",
            Self::End => "end",
        })
    }
}
