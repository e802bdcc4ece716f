//! What can be known about CUDA on this machine: a list of checks, each with a typed report and a hard limit of time.

mod bench;
mod bodies;
mod id;
mod level;
mod report;
mod sizes;

pub use id::{CheckId, Scope};
pub use level::Level;
pub use report::{CheckReport, Evidence, Metric, Progress, Report, Skip, Status, Unit, Verdict};

pub(crate) use bench::{Bench, Deadline, Facts, Outcome, Stop};
pub(crate) use sizes::Sizes;
