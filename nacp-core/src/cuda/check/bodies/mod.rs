//! The checks themselves, by theme.

mod allocate;
mod bandwidth;
mod concurrent;
mod context;
mod determinism;
mod driver;
mod enumerate;
mod launch;
mod library;
mod measure;
mod memory;
mod peer;
mod program;
#[cfg(test)]
mod scripted;
mod soak;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod throughput;
#[cfg(test)]
mod virtual_device;

pub(super) use table::body;

use super::{Bench, CheckId, Outcome, Stop};

/// What does a check.
pub(crate) type Body = fn(&Bench<'_>) -> Result<Outcome, Stop>;
