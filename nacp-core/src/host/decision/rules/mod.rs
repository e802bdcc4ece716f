//! From what was observed to figures: one rule for each criterion.

mod devops;
mod overhead;
mod parity;
mod portability;
mod recovery;
mod reproducibility;
mod speed;
mod stability;
mod throughput;

#[cfg(test)]
mod tests;

use super::{Criterion, Measured, Observed};
use crate::host::RuntimeOption;

/// Which side of a machine an option is: its processes, its containers, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    /// The option.
    pub(super) option: RuntimeOption,
    /// Whether this process is one of it.
    pub(super) process: bool,
    /// Whether the containers that are started from here are.
    pub(super) containers: bool,
}

/// What a rule gives: a measured cell, or why there is none.
pub(super) type Outcome = Result<Measured, String>;

/// Measures one option by one criterion on the machine that was observed.
pub(super) fn measure(criterion: Criterion, observed: &Observed, side: Side) -> Outcome {
    if !side.process && !side.containers {
        return Err("this machine does not stand on it".into());
    }
    let outcome = match criterion {
        Criterion::Throughput => throughput::measure(observed, side),
        Criterion::Overhead => overhead::measure(observed, side),
        Criterion::Parity => parity::measure(observed, side),
        Criterion::Portability => portability::measure(observed, side),
        Criterion::Devops => devops::measure(observed, side),
        Criterion::Stability => stability::measure(observed, side),
        Criterion::Reproducibility => reproducibility::measure(observed, side),
    };
    outcome.map(|mut measured| {
        measured.simulated |= observed.survey.nvml.simulated || observed.survey.cuda.simulated;
        measured
    })
}
