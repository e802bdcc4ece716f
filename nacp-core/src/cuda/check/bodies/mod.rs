//! The checks themselves, by theme.

use super::{Bench, CheckId, Outcome, Stop};

/// What does a check.
pub(crate) type Body = fn(&Bench<'_>) -> Result<Outcome, Stop>;
