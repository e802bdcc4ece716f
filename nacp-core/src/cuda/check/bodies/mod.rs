//! The checks themselves, by theme.

mod bandwidth;
mod launch;
mod measure;
mod memory;
mod peer;
mod stream;
#[cfg(test)]
mod virtual_device;

use super::{Bench, CheckId, Outcome, Stop};

/// What does a check.
pub(crate) type Body = fn(&Bench<'_>) -> Result<Outcome, Stop>;
