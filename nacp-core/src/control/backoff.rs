//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// Pauses that double from `least` to `most`, each of them shortened at random by up to a half, so that many replicas
/// that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub least: Duration,
    /// The longest pause.
    pub most: Duration,
    /// After so long without a failure the count begins anew.
    pub forget_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { least: Duration::from_secs(1), most: Duration::from_secs(60), forget_after: Duration::from_secs(600) }
    }
}

impl Backoff {
    /// The pause after so many failures in a row, from 1; `random` is any number, and the same one gives the same pause.
    pub fn pause(&self, failures: u32, random: u64) -> Duration {
        let doubled = self.least.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.most);
        let half = doubled / 2;
        let share = u32::try_from(random & 0xffff).unwrap_or_default();
        half + half.mul_f64(f64::from(share) / f64::from(0xffff_u32))
    }
}
