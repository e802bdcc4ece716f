//! The checks themselves, by theme.

mod concurrent;
mod determinism;
mod soak;
mod allocate;
mod bandwidth;
mod context;
mod driver;
mod enumerate;
mod launch;
mod measure;
mod memory;
mod peer;
mod program;
#[cfg(test)]
mod scripted;
mod stream;
#[cfg(test)]
mod tests;
mod throughput;
#[cfg(test)]
mod virtual_device;

use super::{Bench, CheckId, Outcome, Stop};

/// What does a check.
pub(crate) type Body = fn(&Bench<'_>) -> Result<Outcome, Stop>;
