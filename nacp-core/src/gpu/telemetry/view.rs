//! Looking at what was read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::channel::{Frame, Hub, Subscription};
use super::history::{History, Moment, Reading as Point};
use super::lock;
use super::options::TelemetryOptions;
use super::poller::Tick;
use super::table::{Columns, Copied, Series};
use super::window::{Energy, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{GpuId, GpuState, Hears, Metric, Node, Reading, Sample, Snapshot, Unknown};

/// What a poller has read so far: the last readings, the history, its state, and the way to be told. Cloning is cheap;
/// it may be used from any thread, also while the poller reads, and stays after the poller has ended.
#[derive(Clone, Debug)]
pub struct View(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: Node,
    options: TelemetryOptions,
    history: Mutex<History>,
    state: Mutex<State>,
    /// Where windows are computed: used again and again.
    scratch: Mutex<Vec<Point>>,
    hub: Hub,
}

#[derive(Debug, Default)]
struct State {
    latest: Option<Arc<Frame>>,
    /// When the last tick began, on the monotonic clock.
    ticked: Option<Duration>,
    status: PollerStatus,
}

/// How a poller fares.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PollerStatus {
    /// Ticks that read something: each is one call of the source.
    pub ticks: u64,
    /// Ticks that were passed over because the one before took too long, or the machine was too busy.
    pub missed: u64,
    /// Ticks on which the source did not answer.
    pub errors: u64,
    /// Why it does not answer now; nothing while it does.
    pub error: Option<Arc<Error>>,
    /// When the last tick was.
    pub last: Option<Timestamp>,
    /// How long the last tick took; nothing where no clock measured it.
    pub last_duration: Option<Duration>,
    /// How long the longest tick took.
    pub longest_duration: Option<Duration>,
    /// Whether it hears what happens to the GPUs.
    pub events: Listening,
    /// What it hears while it does.
    pub hears: Hears,
    /// How many subscribers there are.
    pub subscribers: usize,
    /// How many updates they have lost because they were too slow.
    pub lagged: u64,
}

/// Whether a poller hears what happens to the GPUs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Listening {
    /// It does not try: it has no thread for it, or has ended.
    #[default]
    Off,
    /// It does.
    On,
    /// The source tells nothing of the kind; the error says which one.
    NotOffered(Arc<Error>),
    /// The source has failed to tell; it is tried again.
    Failing(Arc<Error>),
}

impl View {
    pub(super) fn new(node: Node, options: TelemetryOptions, gpus: Vec<GpuId>) -> Self {
        let history = Mutex::new(History::new(&options, gpus));
        Self(Arc::new(Inner {
            node,
            options,
            history,
            state: Mutex::default(),
            scratch: Mutex::default(),
            hub: Hub::default(),
        }))
    }

    /// The GPUs that are read.
    pub fn node(&self) -> &Node {
        &self.0.node
    }

    /// How often what is read.
    pub fn options(&self) -> &TelemetryOptions {
        &self.0.options
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Keeps what a tick has read.
    pub(super) fn keep(&self, moment: Moment, frame: &Arc<Frame>, tick: &Tick) {
        lock(&self.0.history).append(moment, frame.fields, &frame.samples);
        let mut state = lock(&self.0.state);
        state.latest = Some(Arc::clone(frame));
        state.ticked = Some(Duration::from_micros(moment.monotonic));
        let status = &mut state.status;
        status.ticks += 1;
        status.missed = status.missed.saturating_add(tick.missed);
        status.errors += u64::from(tick.error.is_some());
        status.error.clone_from(&tick.error);
        status.last = Some(frame.at);
    }

    /// When the last tick that has come back began, on the monotonic clock.
    pub(super) fn ticked(&self) -> Option<Duration> {
        lock(&self.0.state).ticked
    }

    /// Notes how long a tick took.
    pub(super) fn took(&self, time: Duration) {
        let status = &mut lock(&self.0.state).status;
        status.last_duration = Some(time);
        status.longest_duration = status.longest_duration.max(Some(time));
    }

    /// Notes that it hears this from now on.
    pub(super) fn hear(&self, hears: Hears) {
        let status = &mut lock(&self.0.state).status;
        (status.events, status.hears) = (Listening::On, hears);
    }

    /// Notes that it hears nothing from now on, and why.
    pub(super) fn deaf(&self, why: Listening) {
        let status = &mut lock(&self.0.state).status;
        (status.events, status.hears) = (why, Hears::default());
    }

    /// Begins to be told every update from now on. Of those that a slow subscriber has not taken,
    /// [`buffer`](TelemetryOptions::buffer) are kept; then it loses the oldest readings and is told how many.
    pub fn subscribe(&self) -> Subscription {
        self.0.hub.subscribe(self.0.options.buffer)
    }

    /// The last readings, as they are told to subscribers; nothing before the first tick.
    pub fn frame(&self) -> Option<Arc<Frame>> {
        lock(&self.0.state).latest.clone()
    }

    /// The last readings with what each GPU is, as a copy; nothing before the first tick. Each field is as old as its
    /// tier allows.
    pub fn latest(&self) -> Option<Snapshot> {
        let frame = self.frame()?;
        let node = &self.0.node;
        let gpus = node.gpus().iter().map(|gpu| {
            let sample = frame.samples.iter().find(|sample| sample.id == gpu.id);
            let unknown = || Sample::unknown(gpu.id.clone(), Unknown::NotRead);
            GpuState { gpu: gpu.clone(), sample: sample.cloned().unwrap_or_else(unknown) }
        });
        Some(Snapshot { at: frame.at, origin: node.origin().clone(), gpus: gpus.collect() })
    }

    /// How the poller fares.
    pub fn status(&self) -> PollerStatus {
        let mut status = lock(&self.0.state).status.clone();
        (status.subscribers, status.lagged) = (self.0.hub.count(), self.0.hub.lagged());
        status
    }

    /// What a number of a GPU did in the last `over` before the last tick, as far as the history goes back.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for another GPU, [`InvalidArgument`](ErrorKind::InvalidArgument) for a number
    /// that no tier reads.
    pub fn window(&self, gpu: &GpuId, metric: Metric, over: Duration) -> Result<Window> {
        let mut scratch = lock(&self.0.scratch);
        self.collect(gpu, metric, over, &mut scratch)?;
        Ok(Window::of(metric, &mut scratch))
    }

    /// The energy that a GPU used in the last `over` before the last tick, in joules: from its counter, or from its
    /// power where it has none. Unknown while there are less than two readings, for the reason of the last one.
    ///
    /// # Errors
    /// As for [`window`](Self::window), where neither energy nor power is read.
    pub fn energy(&self, gpu: &GpuId, over: Duration) -> Result<Reading<Energy>> {
        let mut scratch = lock(&self.0.scratch);
        let counter =
            self.collect(gpu, Metric::Energy, over, &mut scratch).map(|()| Energy::from_counter(&mut scratch));
        if let Ok(Some(energy)) = counter {
            return Ok(Reading::Known(energy));
        }
        let power = self.collect(gpu, Metric::Power, over, &mut scratch).map(|()| Energy::from_power(&scratch));
        match (counter, power) {
            (_, Ok(Some(energy))) => Ok(Reading::Known(energy)),
            (Err(_), Err(error)) => Err(error),
            _ => {
                let frame = self.frame();
                let sample = frame.as_ref().and_then(|frame| frame.samples.iter().find(|sample| sample.id == *gpu));
                let reason = sample.and_then(|sample| sample.power.unknown().or(sample.energy.unknown()));
                Ok(Reading::Unknown(reason.unwrap_or(Unknown::NotRead)))
            }
        }
    }

    /// The readings of a number of a GPU after a moment, the oldest first; [`Timestamp::MIN`] for all that are kept.
    ///
    /// # Errors
    /// As for [`window`](Self::window).
    pub fn history(&self, gpu: &GpuId, metric: Metric, after: Timestamp) -> Result<Series> {
        let readings: Vec<Point> = {
            let history = lock(&self.0.history);
            let place = place_of(&history, gpu)?;
            let (track, column) = history.find(metric).ok_or_else(|| self.not_read(metric))?;
            let after = after.as_microsecond();
            track.readings(place, column, |moment| moment.wall > after).collect()
        };
        let (at, values) = readings.into_iter().map(|(moment, value)| (moment.at(), value)).unzip();
        Ok(Series { metric, at, values })
    }

    /// These numbers of all GPUs after a moment, as a table; [`Timestamp::MIN`] for all that is kept. A table of an
    /// hour with numbers of the fast tier has 36 000 rows for each GPU.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a number that no tier reads; [`View::metrics`] are those
    /// that are read.
    pub fn columns(&self, metrics: &[Metric], after: Timestamp) -> Result<Columns> {
        let (copies, gpus) = {
            let history = lock(&self.0.history);
            let copy = |metric: &Metric| Copied::of(&history, *metric, after).ok_or_else(|| self.not_read(*metric));
            (metrics.iter().map(copy).collect::<Result<_>>()?, history.gpus().to_vec())
        };
        Ok(Columns::of(copies, gpus))
    }

    /// The numbers that are read, whether or not the GPUs tell them.
    pub fn metrics(&self) -> Vec<Metric> {
        Metric::all().filter(|metric| self.0.options.fields().contains(metric.field())).collect()
    }

    /// Copies the readings of the last `over` into `to`.
    fn collect(&self, gpu: &GpuId, metric: Metric, over: Duration, to: &mut Vec<Point>) -> Result<()> {
        to.clear();
        let history = lock(&self.0.history);
        let place = place_of(&history, gpu)?;
        let (track, column) = history.find(metric).ok_or_else(|| self.not_read(metric))?;
        let end = history.last().map_or(0, |moment| moment.monotonic);
        let over = u64::try_from(over.as_micros()).unwrap_or(u64::MAX);
        to.extend(track.readings(place, column, |moment| end.saturating_sub(moment.monotonic) <= over));
        Ok(())
    }

    fn not_read(&self, metric: Metric) -> Error {
        Error::new(ErrorKind::InvalidArgument, "gpu.telemetry", "no tier reads this number")
            .with("metric", metric)
            .with("read", self.0.options.fields())
            .hint(format!("add {} to the fields of a tier", metric.field()))
    }
}

fn place_of(history: &History, gpu: &GpuId) -> Result<usize> {
    history.gpus().iter().position(|id| id == gpu).ok_or_else(|| {
        let known: Vec<_> = history.gpus().iter().map(GpuId::as_str).collect();
        Error::new(ErrorKind::NotFound, "gpu.telemetry", "no such GPU is read")
            .with("id", gpu)
            .with("known", known.join(","))
    })
}
