//! The checks themselves, by theme.

mod concurrent;
mod determinism;
mod soak;

use super::{Bench, CheckId, Outcome, Stop};

/// What does a check.
pub(crate) type Body = fn(&Bench<'_>) -> Result<Outcome, Stop>;
