//! What can be known about CUDA on this machine: a list of checks, each with a typed report and a hard limit of time.
//!
//! [`Check`] says what is wanted. `needs` and `schedule` decide what comes next and what need not be tried, `run` asks
//! for one check after the other and waits for no longer than each may take, and `worker` does them with the bodies of
//! `bodies`: in a thread or in a child process (`executor`, `task`).

mod answer;
mod bench;
mod bodies;
mod builder;
mod certificates;
mod elsewhere;
mod executor;
mod id;
mod level;
mod needs;
pub(crate) mod page;
mod passes;
mod report;
mod run;
mod schedule;
mod sizes;
mod surroundings;
mod task;
#[cfg(test)]
mod tests;
mod worker;

pub use answer::answer;
pub use builder::{Check, Isolation, check};
pub use id::{CheckId, Scope};
pub use level::Level;
pub use report::{
    Change, CheckReport, Evidence, Metric, Progress, Report, ReportComparison, Skip, Status, Unit, Verdict,
};

pub use crate::child::Program;

#[cfg(feature = "doctor")]
pub(crate) use report::human;

pub(crate) use bench::{Bench, Deadline, Elsewhere, Facts, Outcome, Stop};
pub(crate) use sizes::Sizes;
