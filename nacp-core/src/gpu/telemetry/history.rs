//! What was read: a ring of fixed size for each field.

use std::time::Duration;

use jiff::Timestamp;

use super::options::TelemetryOptions;
use crate::gpu::{Fields, GpuId, Metric, Sample};

/// A moment, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// Microseconds of the monotonic clock: what times are measured with.
    pub(super) monotonic: u64,
    /// Microseconds since 1970: what is shown.
    pub(super) wall: i64,
}

impl Moment {
    pub(super) fn new(now: Duration, at: Timestamp) -> Self {
        Self { monotonic: now.as_micros().try_into().unwrap_or(u64::MAX), wall: at.as_microsecond() }
    }

    pub(super) fn at(self) -> Timestamp {
        Timestamp::from_microsecond(self.wall).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Seconds since an earlier moment.
    pub(super) fn seconds_since(self, earlier: Self) -> f64 {
        Duration::from_micros(self.monotonic.saturating_sub(earlier.monotonic)).as_secs_f64()
    }
}

/// One reading of a number; NaN where it was unknown. No GPU tells NaN: all numbers come from integers.
pub(super) type Reading = (Moment, f64);

/// The readings of one field: for each tick on which it was read, its metrics for all GPUs.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) field: Fields,
    pub(super) metrics: Vec<Metric>,
    capacity: usize,
    moments: Vec<Moment>,
    /// A row for each moment: for each GPU, its metrics.
    values: Vec<f64>,
    /// Where the oldest row is, once the ring is full.
    oldest: usize,
}

impl Track {
    /// The memory that it takes when it is full, in bytes.
    pub(super) fn bytes(&self, gpus: usize) -> usize {
        let row = size_of::<Moment>().saturating_add(gpus.saturating_mul(self.metrics.len() * size_of::<f64>()));
        self.capacity.saturating_mul(row)
    }

    /// Reserves the memory. The system gives it out only as it is filled.
    fn reserve(&mut self, gpus: usize) {
        self.moments.reserve_exact(self.capacity);
        self.values.reserve_exact(self.capacity * gpus * self.metrics.len());
    }

    fn push(&mut self, moment: Moment, row: impl Iterator<Item = f64>) {
        if self.moments.len() < self.capacity {
            self.moments.push(moment);
            self.values.extend(row);
            return;
        }
        let width = self.values.len() / self.capacity;
        self.moments[self.oldest] = moment;
        self.values[self.oldest * width..].iter_mut().zip(row).for_each(|(to, value)| *to = value);
        self.oldest = (self.oldest + 1) % self.capacity;
    }

    /// The moments after `since` (microseconds of the monotonic clock), the oldest first, each with its place.
    fn places(&self, keep: impl Fn(Moment) -> bool) -> impl Iterator<Item = (Moment, usize)> {
        let rows = self.moments.len();
        (0..rows)
            .map(move |turn| (self.oldest + turn) % rows)
            .map(|place| (self.moments[place], place))
            .filter(move |(moment, _)| keep(*moment))
    }

    /// The moments that `keep` keeps, the oldest first.
    pub(super) fn moments(&self, keep: impl Fn(Moment) -> bool) -> impl Iterator<Item = Moment> {
        self.places(keep).map(|(moment, _)| moment)
    }

    /// The readings of one of its metrics for one GPU at the moments that `keep` keeps, the oldest first.
    pub(super) fn readings(
        &self,
        gpu: usize,
        metric: usize,
        keep: impl Fn(Moment) -> bool,
    ) -> impl Iterator<Item = Reading> {
        let width = self.values.len() / self.moments.len().max(1);
        let column = gpu * self.metrics.len() + metric;
        self.places(keep).map(move |(moment, place)| (moment, self.values[place * width + column]))
    }
}

/// What was read of all GPUs.
#[derive(Debug)]
pub(super) struct History {
    gpus: Vec<GpuId>,
    tracks: Vec<Track>,
    last: Option<Moment>,
}

impl History {
    /// The tracks that these options ask for, empty.
    pub(super) fn plan(options: &TelemetryOptions) -> impl Iterator<Item = Track> {
        let history = options.history;
        options.tiers().into_iter().flat_map(move |(_, tier)| {
            let ticks = history.as_nanos() / tier.every.as_nanos().max(1);
            let capacity = usize::try_from(ticks).unwrap_or(usize::MAX).saturating_add(2);
            let fields = Fields::names().map(|(_, field)| field).filter(move |field| tier.fields.contains(*field));
            fields
                .map(move |field| Track {
                    field,
                    metrics: Metric::all().filter(|metric| metric.field() == field).collect(),
                    capacity,
                    moments: Vec::new(),
                    values: Vec::new(),
                    oldest: 0,
                })
                .filter(|track| !track.metrics.is_empty())
        })
    }

    pub(super) fn new(options: &TelemetryOptions, gpus: Vec<GpuId>) -> Self {
        let mut tracks: Vec<_> = Self::plan(options).collect();
        tracks.iter_mut().for_each(|track| track.reserve(gpus.len()));
        Self { gpus, tracks, last: None }
    }

    pub(super) fn gpus(&self) -> &[GpuId] {
        &self.gpus
    }

    /// The last tick.
    pub(super) fn last(&self) -> Option<Moment> {
        self.last
    }

    /// Where a metric is kept: its track, and its position there.
    pub(super) fn find(&self, metric: Metric) -> Option<(&Track, usize)> {
        let track = self.tracks.iter().find(|track| track.field == metric.field())?;
        Some((track, track.metrics.iter().position(|it| *it == metric)?))
    }

    /// Keeps what a tick has read: of these fields, of every GPU.
    pub(super) fn append(&mut self, moment: Moment, fields: Fields, samples: &[Sample]) {
        let Self { gpus, tracks, last } = self;
        *last = Some(moment);
        for track in tracks.iter_mut().filter(|track| fields.contains(track.field)) {
            let metrics = std::mem::take(&mut track.metrics);
            let values = gpus.iter().enumerate().flat_map(|(at, id)| {
                let sample = sample_of(samples, at, id);
                metrics.iter().map(move |metric| sample.and_then(|it| metric.read(it)).unwrap_or(f64::NAN))
            });
            track.push(moment, values);
            track.metrics = metrics;
        }
    }
}

/// The sample of a GPU: at its place in the inventory, or wherever else it is.
fn sample_of<'a>(samples: &'a [Sample], place: usize, id: &GpuId) -> Option<&'a Sample> {
    samples.get(place).filter(|it| it.id == *id).or_else(|| samples.iter().find(|it| it.id == *id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Reading, Unknown};

    fn id(last: u8) -> GpuId {
        format!("GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789{last:02x}").parse().unwrap()
    }

    fn sample(last: u8, power: u32) -> Sample {
        let mut sample = Sample::unknown(id(last), Unknown::NotSupported);
        sample.power = Reading::Known(power * 1000);
        sample
    }

    #[test]
    fn a_full_ring_forgets_the_oldest_and_keeps_each_gpu_apart() {
        let mut options = TelemetryOptions { history: Duration::from_secs(1), ..TelemetryOptions::default() };
        options.fast.every = Duration::from_millis(250);
        let mut history = History::new(&options, vec![id(0), id(1)]);
        for tick in 0..20u32 {
            let moment = Moment { monotonic: u64::from(tick) * 250_000, wall: 0 };
            // The second GPU is gone for one tick, and then comes first.
            let mut samples = vec![sample(1, tick + 100), sample(0, tick)];
            samples.retain(|it| tick != 17 || it.id == id(0));
            history.append(moment, Fields::FAST, &samples);
        }
        let (track, place) = history.find(Metric::Power).unwrap();
        let values = |gpu| track.readings(gpu, place, |_| true).map(|(_, value)| value).collect::<Vec<_>>();
        assert_eq!(values(0), [14.0, 15.0, 16.0, 17.0, 18.0, 19.0], "4 ticks in a second, and both ends");
        assert_eq!(values(1)[..3], [114.0, 115.0, 116.0]);
        assert!(values(1)[3].is_nan(), "absent is unknown");
        assert!(track.moments(|_| true).is_sorted());
        assert_eq!(track.readings(0, place, |moment| moment.monotonic > 4_500_000).count(), 1);
        assert!(history.find(Metric::Temperature).unwrap().0.moments(|_| true).next().is_none());
    }

    #[test]
    fn eight_gpus_for_an_hour_take_less_than_14_mib() {
        let options = TelemetryOptions::default();
        let bound = options.memory_for(8);
        assert!(bound < crate::Bytes::mib(14), "{bound}");
        let history = History::new(&options, (0..8).map(id).collect());
        let reserved: usize = history
            .tracks
            .iter()
            .map(|track| track.moments.capacity() * size_of::<Moment>() + track.values.capacity() * size_of::<f64>())
            .sum();
        assert_eq!(u64::try_from(reserved).unwrap(), bound.0, "what is reserved is what was said");
    }
}
