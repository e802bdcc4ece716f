//! The history as columns: for plots, data frames and files.

use jiff::Timestamp;

use super::history::{History, Moment};
use crate::gpu::{GpuId, Metric};

/// The readings of one number of one GPU, the oldest first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// Which number.
    pub metric: Metric,
    /// When each was read.
    pub at: Vec<Timestamp>,
    /// The values, in the [`unit`](Metric::unit) of the number; NaN where it was unknown, and nowhere else.
    pub values: Vec<f64>,
}

/// The history as a wide table: a row for each tick and GPU, by time and then in the order of the GPUs; a column for
/// each number. All columns are of the same length.
///
/// A number that was not read on a tick is as unknown there as one that the GPU does not tell; nothing is filled in.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Columns {
    /// The GPUs.
    pub gpus: Vec<GpuId>,
    /// When each row was read.
    pub at: Vec<Timestamp>,
    /// Of which GPU each row is: its position in [`gpus`](Self::gpus).
    pub gpu: Vec<u32>,
    /// The numbers.
    pub columns: Vec<Column>,
}

/// One number of all rows of [`Columns`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// Which number.
    pub metric: Metric,
    /// The values, in the [`unit`](Metric::unit) of the number; NaN where it is unknown, and nowhere else.
    pub values: Vec<f64>,
}

impl Series {
    /// For each value, whether it is known: the validity of an Arrow array.
    pub fn valid(&self) -> impl Iterator<Item = bool> {
        self.values.iter().map(|value| !value.is_nan())
    }
}

impl Column {
    /// For each value, whether it is known: the validity of an Arrow array.
    pub fn valid(&self) -> impl Iterator<Item = bool> {
        self.values.iter().map(|value| !value.is_nan())
    }
}

impl Columns {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.at.len()
    }

    /// The column of a number, if it was asked for and is read.
    pub fn column(&self, metric: Metric) -> Option<&Column> {
        self.columns.iter().find(|column| column.metric == metric)
    }

    /// The rows of these copies. To build them takes long, and needs no lock.
    pub(super) fn of(copies: Vec<Copied>, gpus: Vec<GpuId>) -> Self {
        let mut moments: Vec<Moment> = Vec::new();
        let mut seen = None;
        for copied in &copies {
            // The metrics of one field share its moments.
            if seen.replace(copied.metric.field()) != Some(copied.metric.field()) {
                moments.extend(&copied.moments);
            }
        }
        moments.sort_unstable();
        moments.dedup();
        let columns = copies.into_iter().map(|copied| {
            let mut values = vec![f64::NAN; moments.len() * gpus.len()];
            for (gpu, readings) in copied.values.iter().enumerate() {
                let mut rows = moments.iter().enumerate();
                for (moment, value) in copied.moments.iter().zip(readings) {
                    if let Some((row, _)) = rows.find(|(_, row)| *row == moment) {
                        values[row * gpus.len() + gpu] = *value;
                    }
                }
            }
            Column { metric: copied.metric, values }
        });
        Self {
            columns: columns.collect(),
            at: moments.iter().flat_map(|moment| std::iter::repeat_n(moment.at(), gpus.len())).collect(),
            gpu: moments.iter().flat_map(|_| (0u32..).take(gpus.len())).collect(),
            gpus,
        }
    }
}

/// The readings of one number of all GPUs, taken out of the history.
#[derive(Debug)]
pub(super) struct Copied {
    metric: Metric,
    moments: Vec<Moment>,
    /// Those of each GPU, one for each moment.
    values: Vec<Vec<f64>>,
}

impl Copied {
    /// Those after a moment; nothing for a number that is not kept.
    pub(super) fn of(history: &History, metric: Metric, after: Timestamp) -> Option<Self> {
        let (track, place) = history.find(metric)?;
        let after = after.as_microsecond();
        let keep = |moment: Moment| moment.wall > after;
        let values = |gpu| track.readings(gpu, place, keep).map(|(_, value)| value).collect();
        let gpus = 0..history.gpus().len();
        Some(Self { metric, moments: track.moments(keep).collect(), values: gpus.map(values).collect() })
    }
}
