//! How long calls take, as the node file says.

use std::time::{Duration, Instant};

use nacp_core::sim::node::JitterFile;

/// How early to wake up before a moment that is slept for: the operating system wakes late.
const EARLY: Duration = Duration::from_micros(200);

/// The time that calls of one function take.
#[derive(Debug)]
pub(crate) struct Latency {
    time: Duration,
    jitter: Option<JitterFile>,
}

impl Latency {
    pub(crate) fn new(microseconds: u64, jitter: Option<JitterFile>) -> Self {
        Self { time: Duration::from_micros(microseconds), jitter }
    }

    /// The time of the `nth` call: the same row of figures for the same seed.
    fn of(&self, nth: u64) -> Duration {
        let Some(JitterFile { percent, seed }) = self.jitter else { return self.time };
        let nanoseconds = u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX);
        let most = nanoseconds.saturating_mul(percent.into()) / 100;
        let shift = if most == 0 { 0 } else { scatter(seed.wrapping_add(nth)) % (2 * most + 1) };
        Duration::from_nanos((nanoseconds + shift).saturating_sub(most))
    }

    /// Lets it pass: what is long is slept, the rest is waited for, so that it is true to about a microsecond.
    pub(crate) fn pass(&self, nth: u64) {
        let end = Instant::now() + self.of(nth);
        let left = end.saturating_duration_since(Instant::now());
        if left > 2 * EARLY {
            std::thread::sleep(left - EARLY);
        }
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}

/// A number that looks made up, the same for the same number (SplitMix64).
fn scatter(number: u64) -> u64 {
    let mut value = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_its_time() {
        for microseconds in [5, 50, 2000] {
            let latency = Latency::new(microseconds, None);
            let start = Instant::now();
            latency.pass(0);
            assert!(start.elapsed() >= Duration::from_micros(microseconds));
        }
    }

    #[test]
    fn times_vary_within_their_bounds_and_the_same_way_again() {
        let row = |seed| {
            let latency = Latency::new(100, Some(JitterFile { percent: 10, seed }));
            (0..1000).map(|nth| latency.of(nth)).collect::<Vec<_>>()
        };
        let times = row(7);
        let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*least >= Duration::from_micros(90) && *least < Duration::from_micros(92), "{least:?}");
        assert!(*most <= Duration::from_micros(110) && *most > Duration::from_micros(108), "{most:?}");
        assert_eq!(times, row(7));
        assert_ne!(times, row(8));
    }
}
