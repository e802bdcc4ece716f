//! The checks themselves, by theme.

pub(super) mod concurrent;
pub(super) mod determinism;
pub(super) mod soak;

use super::{Bench, Outcome, Stop};

/// What does a check.
pub(crate) type Body = fn(&Bench<'_>) -> Result<Outcome, Stop>;
