//! What the counters of one GPU did lately, in bounded memory.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::rules::{Rates, SLOW};
use crate::gpu::Sample;

/// Over how long rates are taken.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// Readings closer together than this are kept as one.
const SPACING: SignedDuration = SignedDuration::from_secs(1);

/// What one GPU did lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    corrected_ecc: Counter,
    pcie_replays: Counter,
    crc_flit: Counter,
    crc_data: Counter,
    /// Minutes since 1970 of the newest reading.
    minute: i64,
    /// For each of [`SLOW`] one bit a minute, the newest lowest: whether the hardware slowed the GPU down.
    slow: [u64; 3],
}

impl Recent {
    pub(super) fn push(&mut self, at: Timestamp, sample: &Sample) {
        self.corrected_ecc.push(at, sample.ecc.known().map(|ecc| ecc.corrected));
        self.pcie_replays.push(at, sample.pcie_replays.known().copied());
        let links = sample.nvlink.known();
        self.crc_flit.push(at, links.and_then(|links| links.crc_flit.known().copied()));
        self.crc_data.push(at, links.and_then(|links| links.crc_data.known().copied()));
        let minute = at.as_second().div_euclid(60);
        // A clock that was set back begins no new minute.
        let gone = u32::try_from(minute.saturating_sub(self.minute).max(0)).unwrap_or(u32::MAX);
        self.minute = minute;
        let events = sample.clock_events.known().map_or(0, |events| events.0);
        for (bits, mask) in self.slow.iter_mut().zip(SLOW) {
            *bits = bits.checked_shl(gone).unwrap_or_default() | u64::from(events & mask != 0);
        }
    }

    /// The rates, with slowdowns over this many minutes.
    pub(super) fn rates(&self, window: u32) -> Rates {
        let kept = u64::MAX >> (u64::BITS - window.clamp(1, u64::BITS));
        Rates {
            corrected_ecc: self.corrected_ecc.per_minute(),
            pcie_replays: self.pcie_replays.per_minute(),
            nvlink_crc: self.nvlink_crc_per_minute(),
            slow_minutes: self.slow.map(|bits| (bits & kept).count_ones()),
        }
    }
}

impl Recent {
    /// Wrong checksums of NVLinks a minute, of the kinds that the GPU tells.
    fn nvlink_crc_per_minute(&self) -> Option<f64> {
        let kinds = [self.crc_flit.per_minute(), self.crc_data.per_minute()];
        kinds.into_iter().flatten().reduce(|flit, data| flit + data)
    }
}

/// The readings of a counter of the last minute, and the last one before.
#[derive(Clone, Debug, Default)]
struct Counter {
    points: VecDeque<(Timestamp, u64)>,
}

impl Counter {
    fn push(&mut self, at: Timestamp, value: Option<u64>) {
        let Some(value) = value else { return };
        // A counter that falls was reset with the driver, and a clock that goes back was set: both begin anew.
        if self.points.back().is_some_and(|(then, before)| value < *before || at < *then) {
            self.points.clear();
        }
        let before = self.points.len().checked_sub(2).and_then(|index| self.points.get(index));
        if before.is_some_and(|(then, _)| at.duration_since(*then) < SPACING) {
            self.points.pop_back();
        }
        self.points.push_back((at, value));
        while self.points.len() > 2 && self.points.get(1).is_some_and(|(then, _)| at.duration_since(*then) >= MINUTE) {
            self.points.pop_front();
        }
    }

    /// By how much it rose in the last minute; on average, where the readings are further apart.
    fn per_minute(&self) -> Option<f64> {
        let ((first, from), (last, to)) = (self.points.front()?, self.points.back()?);
        let time = last.duration_since(*first);
        (self.points.len() > 1).then(|| float(to.saturating_sub(*from)) * 60.0 / time.max(MINUTE).as_secs_f64())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53; beyond that a rate is off by less than 1e-15 of itself"
)]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{LinkCounters, Reading, Unknown};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_rate_is_that_of_the_last_minute_and_never_scaled_up() {
        let mut counter = Counter::default();
        counter.push(at(0), Some(100));
        assert_eq!(counter.per_minute(), None);
        counter.push(at(1), Some(104));
        assert_eq!(counter.per_minute(), Some(4.0), "one second is not made a minute");
        counter.push(at(61), Some(104));
        assert_eq!(counter.per_minute(), Some(0.0), "what is older than a minute does not count");
        counter.push(at(361), Some(154));
        assert_eq!(counter.per_minute(), Some(10.0), "fifty in five minutes");
    }

    #[test]
    fn a_counter_that_falls_begins_anew() {
        let mut counter = Counter::default();
        counter.push(at(0), Some(1000));
        counter.push(at(10), Some(3));
        assert_eq!(counter.per_minute(), None);
        counter.push(at(20), Some(5));
        assert_eq!(counter.per_minute(), Some(2.0));
        counter.push(at(30), None);
        assert_eq!(counter.per_minute(), Some(2.0), "what is unknown changes nothing");
    }

    #[test]
    fn a_kind_of_wrong_checksums_that_is_unknown_for_a_while_brings_no_history_along() {
        let mut sample = Sample::unknown("GPU-00000000-0000-4000-8000-000000000000".parse().unwrap(), Unknown::NotRead);
        let mut recent = Recent::default();
        let mut push = |second, flit, data| {
            let of = |count: Option<u64>| count.map_or(Reading::Unknown(Unknown::NotAvailable), Reading::Known);
            sample.nvlink =
                Reading::Known(LinkCounters { crc_flit: of(flit), crc_data: of(data), ..LinkCounters::default() });
            recent.push(at(second), &sample);
            recent.rates(1).nvlink_crc
        };
        assert_eq!(push(0, Some(1_000_000), None), None);
        assert_eq!(push(10, Some(1_000_003), Some(500_000)), Some(3.0));
        assert_eq!(push(20, None, Some(500_002)), Some(5.0));
        assert_eq!(push(30, Some(1_000_004), Some(500_002)), Some(6.0));
    }

    #[test]
    fn memory_is_bounded_however_often_it_is_read() {
        let mut counter = Counter::default();
        for millisecond in 0..200_000 {
            counter.push(Timestamp::from_millisecond(millisecond * 10).unwrap(), Some(millisecond.unsigned_abs()));
        }
        assert!(counter.points.len() <= 64, "{}", counter.points.len());
        let rate = counter.per_minute().unwrap();
        assert!((rate - 6000.0).abs() < 200.0, "{rate}");
    }
}
