//! Reading what is due.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::channel::{Frame, Subscription, Update};
use super::history::Moment;
use super::options::TelemetryOptions;
use super::schedule::Schedule;
use super::view::View;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::gpu::{Fields, Node, Sample, Unknown};

/// Reads what is due, keeps it and tells it, whenever it is told to tick. See the [module](super).
#[derive(Debug)]
pub struct Poller {
    view: View,
    schedule: Schedule,
    samples: Vec<Sample>,
    /// Frames that were told; those that nobody holds any more are filled again.
    frames: Vec<Arc<Frame>>,
    ticks: u64,
    failure: Option<Arc<Error>>,
}

/// What one tick did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tick {
    /// What was read; nothing when the tick came before anything was due.
    pub read: Fields,
    /// When the next tick is due, on the caller's monotonic clock.
    pub next: Duration,
    /// How many ticks were passed over because this one was late.
    pub missed: u64,
    /// Why the source did not answer.
    pub error: Option<Arc<Error>>,
}

impl Poller {
    /// A poller of these GPUs. It reads nothing before its first tick, and that one reads everything.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for options that cannot be kept.
    pub fn new(node: Node, options: TelemetryOptions) -> Result<Self> {
        let gpus: Vec<_> = node.gpus().iter().map(|gpu| gpu.id.clone()).collect();
        options.check(&gpus)?;
        let schedule = Schedule::new(&options);
        let samples = gpus.iter().map(|id| Sample::unknown(id.clone(), Unknown::NotRead)).collect();
        let view = View::new(node, options, gpus);
        Ok(Self { view, schedule, samples, frames: Vec::new(), ticks: 0, failure: None })
    }

    /// What was read so far.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Begins to tell every update from now on. See [`View::subscribe`].
    pub fn subscribe(&self) -> Subscription {
        self.view.subscribe()
    }

    /// Reads what is due at this moment: `now` of a clock that never goes back, `at` of the date. It comes back when
    /// the source has answered.
    pub fn tick(&mut self, now: Duration, at: Timestamp) -> Tick {
        let due = self.schedule.due(now);
        let mut tick = Tick { read: due.fields, next: self.schedule.next(), missed: due.missed, error: None };
        if due.fields.is_empty() {
            return tick;
        }
        self.ticks += 1;
        let answer = self.view.node().source().sample(due.fields, &mut self.samples);
        let news = match answer {
            Ok(()) => {
                if self.failure.take().is_some() {
                    self.schedule.read_everything();
                }
                None
            }
            Err(error) => {
                self.samples.iter_mut().for_each(|sample| sample.forget(Fields::ALL, Unknown::SourceFailed));
                self.fail(error)
            }
        };
        tick.error.clone_from(&self.failure);
        let frame = self.frame(at, due.fields);
        self.view.keep(Moment::new(now, at), &frame, &tick);
        self.view.hub().tell(&Update::Samples(Arc::clone(&frame)));
        if let Some(error) = news {
            self.view.hub().tell(&Update::Error(error));
        }
        self.recycle(frame);
        tick
    }

    /// [`tick`](Self::tick) at the time of a clock, which also says how long it took.
    pub fn poll(&mut self, clock: &dyn Clock) -> Tick {
        let start = clock.monotonic();
        let tick = self.tick(start, clock.wall());
        if !tick.read.is_empty() {
            self.view.took(clock.monotonic().saturating_sub(start));
        }
        tick
    }

    /// Remembers a failure; returns it where it is another than before.
    fn fail(&mut self, error: Error) -> Option<Arc<Error>> {
        let same = |before: &Arc<Error>| before.kind() == error.kind() && before.to_string() == error.to_string();
        if self.failure.as_ref().is_some_and(same) {
            return None;
        }
        tracing::warn!(%error, "the source of GPUs does not answer");
        let error = Arc::new(error);
        self.failure = Some(Arc::clone(&error));
        Some(error)
    }

    /// A frame with what is known now.
    fn frame(&mut self, at: Timestamp, fields: Fields) -> Arc<Frame> {
        let free = self.frames.iter_mut().position(|frame| Arc::get_mut(frame).is_some());
        let mut frame = free.map_or_else(|| Arc::new(Frame::empty()), |at| self.frames.swap_remove(at));
        if let Some(frame) = Arc::get_mut(&mut frame) {
            frame.fill(&self.samples);
            (frame.at, frame.fields, frame.tick) = (at, fields, self.ticks);
        }
        frame
    }

    /// Keeps a frame for later, unless there are already as many as subscribers can hold back.
    fn recycle(&mut self, frame: Arc<Frame>) {
        let enough = 2 + self.view.hub().count() * (self.view.options().buffer + 1);
        self.frames.truncate(enough);
        if self.frames.len() < enough {
            self.frames.push(frame);
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.view.hub().end();
    }
}
