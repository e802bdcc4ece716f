//! Figures over a stretch of time.

use std::time::Duration;

use jiff::Timestamp;

use super::history::Reading;
use crate::gpu::{Metric, MetricKind};

/// What one number did over a stretch of time that ends with the last tick.
///
/// Each reading counts the same; a tick that came late or was missed leaves a gap that nobody fills. A figure is absent
/// where nothing was known, and never zero for it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Window {
    /// Which number; its [`unit`](Metric::unit) is that of all figures here.
    pub metric: Metric,
    /// When the first reading was made; nothing where there was none.
    pub from: Option<Timestamp>,
    /// When the last one was made.
    pub to: Option<Timestamp>,
    /// Readings with a value.
    pub count: usize,
    /// Readings without one.
    pub unknown: usize,
    /// The first value.
    pub first: Option<f64>,
    /// The last value.
    pub last: Option<f64>,
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// The mean of all values.
    pub mean: Option<f64>,
    /// The median: the smallest value that at least half of all do not exceed.
    pub p50: Option<f64>,
    /// The smallest value that at least 99 % of all do not exceed.
    pub p99: Option<f64>,
    /// For a counter: by how much it rose from the first reading to the last. Where it fell (the driver was loaded
    /// anew) it counts from zero again, so that this is the least that it rose.
    pub delta: Option<f64>,
    /// For a counter: the rise a second.
    pub rate: Option<f64>,
    /// For a counter: how often it fell.
    pub resets: usize,
}

/// How much energy a GPU used.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Energy {
    /// Joules, from the first known reading of the time to the last.
    pub joules: f64,
    /// The time between these two readings.
    pub over: Duration,
    /// What it was read from.
    pub by: EnergyBy,
}

/// What energy was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnergyBy {
    /// The GPU's own counter: exact between two readings.
    Counter,
    /// The power at each reading, as if it changed evenly until the next one.
    Power,
}

impl Window {
    /// The figures of these readings, which are in the order of time.
    pub(super) fn of(metric: Metric, readings: &mut [Reading]) -> Self {
        let at = |reading: Option<&Reading>| reading.map(|(moment, _)| moment.at());
        let (from, to) = (at(readings.first()), at(readings.last()));
        let known = known_first(readings);
        let unknown = readings.len() - known;
        let readings = &mut readings[..known];
        let rise = (metric.kind() == MetricKind::Counter && known > 0).then(|| Rise::of(readings));
        let value = |reading: Option<&Reading>| reading.map(|(_, value)| *value);
        let (first, last) = (value(readings.first()), value(readings.last()));
        let mean = mean(readings);
        let (p50, p99) = (quantile(readings, 50), quantile(readings, 99));
        let values = || readings.iter().map(|(_, value)| *value);
        Self {
            metric,
            from,
            to,
            count: known,
            unknown,
            first,
            last,
            min: values().reduce(f64::min),
            max: values().reduce(f64::max),
            mean,
            p50,
            p99,
            delta: rise.map(|rise| rise.by),
            rate: rise.filter(|rise| rise.seconds > 0.0).map(|rise| rise.by / rise.seconds),
            resets: rise.map_or(0, |rise| rise.resets),
        }
    }
}

/// By how much a counter rose.
#[derive(Clone, Copy, Debug)]
struct Rise {
    by: f64,
    seconds: f64,
    resets: usize,
}

impl Rise {
    fn of(readings: &[Reading]) -> Self {
        let mut rise = Self { by: 0.0, seconds: 0.0, resets: 0 };
        for pair in readings.windows(2) {
            let [(earlier, before), (later, after)] = pair else { continue };
            rise.seconds += later.seconds_since(*earlier);
            let fell = after < before;
            rise.by += if fell { *after } else { after - before };
            rise.resets += usize::from(fell);
        }
        rise
    }
}

impl Energy {
    /// From readings of the energy counter.
    pub(super) fn from_counter(readings: &mut [Reading]) -> Option<Self> {
        let known = known_first(readings);
        (known > 1).then(|| {
            let rise = Rise::of(&readings[..known]);
            Self { joules: rise.by, over: Duration::from_secs_f64(rise.seconds), by: EnergyBy::Counter }
        })
    }

    /// From readings of power. A time at whose start or end the power is unknown does not count.
    pub(super) fn from_power(readings: &[Reading]) -> Option<Self> {
        let pairs = readings.windows(2).filter_map(|pair| match pair {
            [(earlier, before), (later, after)] if !before.is_nan() && !after.is_nan() => {
                let seconds = later.seconds_since(*earlier);
                Some((seconds, seconds * f64::midpoint(*before, *after)))
            }
            _ => None,
        });
        let (seconds, joules) = pairs.reduce(|all, one| (all.0 + one.0, all.1 + one.1))?;
        Some(Self { joules, over: Duration::from_secs_f64(seconds), by: EnergyBy::Power })
    }
}

/// Brings the known readings to the front, in their order, and tells how many there are.
fn known_first(readings: &mut [Reading]) -> usize {
    let mut known = 0;
    for at in 0..readings.len() {
        if !readings[at].1.is_nan() {
            readings.swap(known, at);
            known += 1;
        }
    }
    known
}

/// The mean, in one pass that does not lose digits to a large sum.
fn mean(readings: &[Reading]) -> Option<f64> {
    let mut count = 0.0;
    readings.iter().map(|(_, value)| *value).reduce(|mean, value| {
        count += 1.0;
        mean + (value - mean) / (count + 1.0)
    })
}

/// The smallest value that at least `percent` of all do not exceed. Changes the order.
fn quantile(readings: &mut [Reading], percent: usize) -> Option<f64> {
    let place = (readings.len() * percent).div_ceil(100).checked_sub(1)?;
    Some(readings.select_nth_unstable_by(place, |a, b| a.1.total_cmp(&b.1)).1.1)
}

#[cfg(test)]
mod tests {
    use super::super::history::Moment;
    use super::*;
    use proptest::prelude::*;

    fn readings(values: &[Option<f64>]) -> Vec<Reading> {
        let moment = |second: u32| Moment { monotonic: u64::from(second) * 1_000_000, wall: i64::from(second) };
        values.iter().zip(0..).map(|(value, at)| (moment(at), value.unwrap_or(f64::NAN))).collect()
    }

    fn close(a: Option<f64>, b: Option<f64>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
            (a, b) => a == b,
        }
    }

    proptest! {
        #[test]
        fn the_figures_are_those_of_a_naive_computation(
            values in prop::collection::vec(prop::option::weighted(0.8, 0u32..10_000).prop_map(|it| it.map(f64::from)), 0..200),
        ) {
            let window = Window::of(Metric::Energy, &mut readings(&values));
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            let mut sorted = known.clone();
            sorted.sort_by(f64::total_cmp);
            let count = known.len();
            prop_assert_eq!((window.count, window.unknown), (count, values.len() - count));
            prop_assert_eq!((window.first, window.last), (known.first().copied(), known.last().copied()));
            prop_assert_eq!((window.min, window.max), (sorted.first().copied(), sorted.last().copied()));
            let mean = (count > 0).then(|| known.iter().sum::<f64>() / f64::from(u32::try_from(count).unwrap()));
            prop_assert!(close(window.mean, mean), "{:?} {:?}", window.mean, mean);
            for (percent, found) in [(50, window.p50), (99, window.p99)] {
                let naive = sorted.iter().copied().find(|value| {
                    known.iter().filter(|other| *other <= value).count() * 100 >= count * percent
                });
                prop_assert_eq!(found, naive);
            }
            let rises = known.windows(2).map(|pair| if pair[1] < pair[0] { pair[1] } else { pair[1] - pair[0] });
            prop_assert_eq!(window.delta, (count > 0).then(|| rises.sum::<f64>()));
            prop_assert_eq!(window.resets, known.windows(2).filter(|pair| pair[1] < pair[0]).count());
        }
    }

    #[test]
    fn a_gauge_has_no_rate_and_an_empty_window_no_figure() {
        let window = Window::of(Metric::Power, &mut readings(&[Some(1.0), Some(3.0)]));
        assert_eq!((window.mean, window.delta, window.rate), (Some(2.0), None, None));
        let nothing = Window::of(Metric::Energy, &mut readings(&[None, None]));
        assert_eq!((nothing.count, nothing.unknown), (0, 2));
        let figures = [nothing.first, nothing.min, nothing.mean, nothing.p99, nothing.delta, nothing.rate];
        assert_eq!(figures, [None; 6], "unknown is not zero");
    }

    #[test]
    fn a_counter_that_starts_anew_counts_from_zero() {
        let values = [Some(100.0), Some(160.0), None, Some(20.0), Some(50.0)];
        let window = Window::of(Metric::Energy, &mut readings(&values));
        assert_eq!((window.delta, window.resets), (Some(60.0 + 20.0 + 30.0), 1));
        assert_eq!(window.rate, Some(110.0 / 4.0));
    }

    #[test]
    fn power_is_integrated_evenly_and_not_over_what_is_unknown() {
        let energy = Energy::from_power(&readings(&[Some(100.0), Some(200.0), None, Some(50.0), Some(50.0)])).unwrap();
        assert_eq!((energy.joules, energy.over), (200.0, Duration::from_secs(2)));
        assert_eq!(Energy::from_power(&readings(&[Some(100.0), None, Some(100.0)])), None);
        let counter = Energy::from_counter(&mut readings(&[Some(10.0), None, Some(40.0)])).unwrap();
        assert_eq!((counter.joules, counter.over, counter.by), (30.0, Duration::from_secs(2), EnergyBy::Counter));
        assert_eq!(Energy::from_counter(&mut readings(&[Some(10.0)])), None);
    }
}
