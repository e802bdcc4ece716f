//! How long to wait before something that failed is tried again.

use std::time::Duration;

use crate::random::mixed;

/// Pauses that double from `least` to `most`, each of them shortened at random by up to a half, so that many replicas
/// that failed together do not come back together.
///
/// It keeps nothing: whoever counts the failures asks for the pause after each.
///
/// ```
/// use std::time::Duration;
/// use nacp_core::control::Backoff;
///
/// let pauses: Vec<_> = (1..=8).map(|failures| Backoff::default().pause(failures, u64::MAX).as_secs()).collect();
/// assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub least: Duration,
    /// The longest pause; it wins over `least`.
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
    /// The pause after so many failures in a row, from 1. `random` is any number, and the same one gives the same pause:
    /// half of the doubled time for 0, all of it for the largest, evenly in between.
    pub fn pause(&self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1);
        let whole = 1_u32.checked_shl(doublings).map_or(self.most, |factor| self.least.saturating_mul(factor));
        let half = whole.min(self.most) / 2;
        let rest = whole.min(self.most) - half;
        // The upper bits: those of a bad generator are the better ones.
        let share = u32::try_from(random >> 32).unwrap_or_default();
        half + part(rest, share)
    }

    /// The pause of one thing, such as `demo/llm/0`, after so many failures in a row: another one for each thing, and the
    /// same one of each seed.
    pub fn pause_of(&self, thing: &str, failures: u32, seed: u64) -> Duration {
        self.pause(failures, mixed(seed.wrapping_add(u64::from(failures)), thing))
    }

    /// How many failures in a row there are with one more, the one before it having been `since` ago.
    pub fn failures(&self, before: u32, since: Duration) -> u32 {
        if since >= self.forget_after { 1 } else { before.saturating_add(1) }
    }
}

/// So many parts of 2³²−1 of a time; whole for the largest.
fn part(time: Duration, share: u32) -> Duration {
    let nanoseconds = time.as_nanos() * u128::from(share) / u128::from(u32::MAX);
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanoseconds % 1_000_000_000).unwrap_or_default();
    Duration::new(seconds, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_until_the_longest() {
        let pauses: Vec<_> = (0..=9).map(|failures| Backoff::default().pause(failures, u64::MAX).as_secs()).collect();
        assert_eq!(pauses, [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let shortest: Vec<_> = (1..=4).map(|failures| Backoff::default().pause(failures, 0).as_millis()).collect();
        assert_eq!(shortest, [500, 1000, 2000, 4000]);
    }

    #[test]
    fn any_number_of_failures_and_any_time_give_a_pause() {
        let endless = Backoff { least: Duration::MAX, most: Duration::MAX, forget_after: Duration::MAX };
        for failures in [0, 1, 2, 31, 32, 33, 64, u32::MAX] {
            assert_eq!(endless.pause(failures, u64::MAX), Duration::MAX);
            assert!(Backoff::default().pause(failures, u64::MAX) <= 60 * SECOND);
        }
        let none = Backoff { least: Duration::ZERO, most: Duration::ZERO, ..Backoff::default() };
        assert_eq!(none.pause(u32::MAX, u64::MAX), Duration::ZERO);
        let crossed = Backoff { least: 9 * SECOND, most: 2 * SECOND, ..Backoff::default() };
        assert_eq!(crossed.pause(1, u64::MAX), 2 * SECOND);
        assert_eq!(Backoff::default().pause(40, u64::MAX), 60 * SECOND, "more doublings than a number has bits");
    }

    #[test]
    fn replicas_that_failed_together_come_back_spread_over_half_of_the_pause() {
        let backoff = Backoff::default();
        let pause = |replica: u32, seed| backoff.pause_of(&format!("demo/llm/{replica}"), 4, seed);
        let pauses: Vec<_> = (0..1000).map(|replica| pause(replica, 7)).collect();
        for quarter in 0..4 {
            let from = 4 * SECOND + quarter * SECOND;
            let count = pauses.iter().filter(|pause| (from..from + SECOND).contains(pause)).count();
            assert!((200..300).contains(&count), "{count} of 1000 in the {quarter}th quarter");
        }
        assert_eq!(pauses, (0..1000).map(|replica| pause(replica, 7)).collect::<Vec<_>>());
        assert_ne!(pauses, (0..1000).map(|replica| pause(replica, 8)).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_peace_begins_the_count_anew() {
        let backoff = Backoff { forget_after: 10 * SECOND, ..Backoff::default() };
        assert_eq!(backoff.failures(0, Duration::MAX), 1);
        assert_eq!(backoff.failures(3, 9 * SECOND), 4);
        assert_eq!(backoff.failures(3, 10 * SECOND), 1);
        assert_eq!(backoff.failures(u32::MAX, SECOND), u32::MAX);
    }

    proptest! {
        #[test]
        fn a_pause_lies_between_half_of_the_doubled_time_and_all_of_it(
            least in 0_u64..100_000, more in 0_u64..10_000_000, failures in 0_u32..100, random: u64,
        ) {
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(least + more));
            let backoff = Backoff { least, most, ..Backoff::default() };
            let whole = (0..failures.saturating_sub(1).min(40)).fold(least, |pause, _| (pause * 2).min(most));
            let pause = backoff.pause(failures, random);
            prop_assert!(whole / 2 <= pause && pause <= whole, "{pause:?} of {whole:?}");
        }
    }
}
