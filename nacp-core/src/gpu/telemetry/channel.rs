//! Those who are told of everything, each at its own pace.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::lock;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Event, Fields, Sample};

/// What all GPUs were doing at one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// When it was read.
    pub at: Timestamp,
    /// Which tick it was, from 1.
    pub tick: u64,
    /// What was read at this tick; the other readings are the last ones before.
    pub fields: Fields,
    /// A sample for each GPU.
    pub samples: Vec<Sample>,
}

impl Frame {
    pub(super) fn empty() -> Self {
        Self { at: Timestamp::UNIX_EPOCH, tick: 0, fields: Fields::NONE, samples: Vec::new() }
    }

    /// Takes over samples without giving memory back.
    pub(super) fn fill(&mut self, samples: &[Sample]) {
        self.samples.truncate(samples.len());
        for (at, sample) in samples.iter().enumerate() {
            match self.samples.get_mut(at) {
                Some(old) => {
                    old.id.clone_from(&sample.id);
                    old.update(sample, Fields::ALL);
                }
                None => self.samples.push(sample.clone()),
            }
        }
    }
}

/// What a subscriber is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Update {
    /// A tick was read. The frame is used again once nobody holds it any more.
    Samples(Arc<Frame>),
    /// Something happened to a GPU.
    Event(Event),
    /// The source has begun to fail, or fails for another reason than before. Its readings are unknown until it answers
    /// again.
    Error(Arc<Error>),
    /// This many updates were lost before the next one, because the subscriber was too slow.
    Lagged(u64),
    /// The poller has ended; nothing more will come.
    Ended,
}

/// All subscribers.
#[derive(Debug, Default)]
pub(super) struct Hub {
    queues: Mutex<Queues>,
    lagged: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Queues {
    list: Vec<Arc<Queue>>,
    ended: bool,
}

impl Hub {
    pub(super) fn subscribe(&self, capacity: usize) -> Subscription {
        let mut queues = lock(&self.queues);
        let state = State { updates: VecDeque::with_capacity(capacity), ended: queues.ended, ..State::default() };
        let queue = Arc::new(Queue {
            state: Mutex::new(state),
            capacity,
            ready: Condvar::new(),
            notify: Notify::new(),
            lagged: Arc::clone(&self.lagged),
        });
        if !queues.ended {
            queues.list.push(Arc::clone(&queue));
        }
        Subscription { queue }
    }

    /// Tells everybody; never waits for any of them.
    pub(super) fn tell(&self, update: &Update) {
        lock(&self.queues).list.retain(|queue| queue.push(update));
    }

    /// Tells everybody that nothing more will come.
    pub(super) fn end(&self) {
        let mut queues = lock(&self.queues);
        queues.ended = true;
        for queue in queues.list.drain(..) {
            lock(&queue.state).ended = true;
            queue.wake();
        }
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.queues).list.len()
    }

    /// How many updates all subscribers together have lost.
    pub(super) fn lagged(&self) -> u64 {
        self.lagged.load(Ordering::Relaxed)
    }
}

struct Queue {
    state: Mutex<State>,
    capacity: usize,
    ready: Condvar,
    notify: Notify,
    lagged: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    updates: VecDeque<Update>,
    /// Updates that were lost since the subscriber was last told.
    lagged: u64,
    /// The poller is gone.
    ended: bool,
    /// The subscriber is gone.
    closed: bool,
}

impl Queue {
    /// Whether the subscriber is still there.
    fn push(&self, update: &Update) -> bool {
        let mut state = lock(&self.state);
        if state.closed {
            return false;
        }
        if state.updates.len() == self.capacity {
            // What happened is worth more than one of many readings.
            let oldest = state.updates.iter().position(|update| matches!(update, Update::Samples(_)));
            state.updates.remove(oldest.unwrap_or(0));
            state.lagged += 1;
            self.lagged.fetch_add(1, Ordering::Relaxed);
        }
        state.updates.push_back(update.clone());
        drop(state);
        self.wake();
        true
    }

    fn wake(&self) {
        self.ready.notify_one();
        self.notify.notify_one();
    }
}

impl State {
    fn take(&mut self) -> Option<Update> {
        if self.lagged > 0 {
            return Some(Update::Lagged(std::mem::take(&mut self.lagged)));
        }
        self.updates.pop_front().or_else(|| self.ended.then_some(Update::Ended))
    }
}

/// What one subscriber has still to be told. Dropping it ends the subscription.
///
/// It can be waited for from a thread ([`next`](Self::next)) and from a task ([`recv`](Self::recv)).
pub struct Subscription {
    queue: Arc<Queue>,
}

impl Subscription {
    /// The next update, if there is one already.
    pub fn try_next(&mut self) -> Option<Update> {
        lock(&self.queue.state).take()
    }

    /// Waits for the next update, at most for `limit` of real time. [`Update::Ended`] comes again at every call.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) when none came.
    pub fn next(&mut self, limit: Duration) -> Result<Update> {
        let empty = |state: &mut State| state.updates.is_empty() && state.lagged == 0 && !state.ended;
        let state = lock(&self.queue.state);
        let waited = self.queue.ready.wait_timeout_while(state, limit, empty);
        let (mut state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        state.take().ok_or_else(|| {
            Error::new(ErrorKind::Timeout, "gpu.telemetry.next", "no update came in time")
                .with("limit", format_args!("{limit:?}"))
                .retry_later()
        })
    }

    /// Waits for the next update without holding up the thread, on any runtime. It may be cancelled at any time, and
    /// nothing is lost.
    pub async fn recv(&mut self) -> Update {
        loop {
            if let Some(update) = self.try_next() {
                return update;
            }
            self.queue.notify.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = lock(&self.queue.state);
        state.closed = true;
        state.updates.clear();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("waiting", &lock(&self.queue.state).updates.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{EventKind, Via};

    fn frame(tick: u64) -> Update {
        Update::Samples(Arc::new(Frame { tick, ..Frame::empty() }))
    }

    fn event() -> Update {
        Update::Event(Event::new(Timestamp::UNIX_EPOCH, None, EventKind::Clock, Via::Simulated))
    }

    fn drain(subscription: &mut Subscription) -> Vec<String> {
        let told = std::iter::from_fn(|| subscription.try_next().filter(|update| !matches!(update, Update::Ended)));
        told.map(|update| match update {
            Update::Samples(frame) => frame.tick.to_string(),
            Update::Lagged(many) => format!("lagged {many}"),
            _ => "event".to_owned(),
        })
        .collect()
    }

    #[test]
    fn a_slow_subscriber_loses_the_oldest_frames_no_event_and_is_told_how_many() {
        let hub = Hub::default();
        let (mut slow, mut quick) = (hub.subscribe(3), hub.subscribe(100));
        hub.tell(&event());
        (1..=7).for_each(|tick| hub.tell(&frame(tick)));
        assert_eq!(drain(&mut slow), ["lagged 5", "event", "6", "7"]);
        assert_eq!(drain(&mut quick).len(), 8);
        assert_eq!((hub.lagged(), hub.count()), (5, 2));
        hub.tell(&frame(8));
        assert_eq!(drain(&mut slow), ["8"], "it has caught up");
        drop(slow);
        hub.tell(&frame(9));
        assert_eq!(hub.count(), 1, "who is gone is told nothing");
    }

    #[test]
    fn after_the_end_what_waits_is_still_told() {
        let hub = Hub::default();
        let mut subscription = hub.subscribe(3);
        let error = subscription.next(Duration::from_millis(1)).unwrap_err();
        assert_eq!((error.kind(), error.get("limit")), (ErrorKind::Timeout, Some("1ms")));
        hub.tell(&frame(1));
        hub.end();
        assert!(matches!(subscription.next(Duration::ZERO), Ok(Update::Samples(_))));
        for _ in 0..2 {
            assert!(matches!(subscription.next(Duration::from_secs(60)), Ok(Update::Ended)));
        }
        assert!(matches!(hub.subscribe(3).try_next(), Some(Update::Ended)), "who comes too late is told so");
    }

    #[tokio::test]
    async fn a_task_is_woken_by_what_comes() {
        let hub = Arc::new(Hub::default());
        let mut subscription = hub.subscribe(3);
        let teller = Arc::clone(&hub);
        let waiting = tokio::spawn(async move { subscription.recv().await });
        tokio::task::yield_now().await;
        teller.tell(&frame(4));
        assert!(matches!(waiting.await.unwrap(), Update::Samples(frame) if frame.tick == 4));
    }
}
