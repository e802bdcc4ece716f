//! From whom events come, and to whom they go: nobody who tells ever waits for somebody who listens.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;

use super::{Event, EventKind};

/// How many events wait for a slow listener; then the oldest are dropped and counted.
const CAPACITY: usize = 1024;

/// Where events come from. Cloning is cheap; all clones are one source.
#[derive(Clone, Debug, Default)]
pub struct Events {
    source: Arc<Source>,
}

#[derive(Debug, Default)]
struct Source {
    listeners: Mutex<Vec<Weak<Queue>>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    lost: u64,
    ended: bool,
    waker: Option<Waker>,
}

impl Events {
    /// Hands an event to everyone who listens. It never waits.
    pub(in crate::control) fn tell(&self, event: &Event) {
        lock(&self.source.listeners).retain(|listener| {
            let Some(queue) = listener.upgrade() else { return false };
            queue.change(|waiting| waiting.push(event));
            true
        });
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        let queue = Arc::<Queue>::default();
        let mut listeners = lock(&self.source.listeners);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&queue));
        Listener { queue }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        for queue in lock(&self.listeners).iter().filter_map(Weak::upgrade) {
            queue.change(|waiting| waiting.ended = true);
        }
    }
}

impl Queue {
    /// Changes what waits, and wakes whoever waits for it.
    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = lock(&self.waiting);
        change(&mut waiting);
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Waiting {
    fn push(&mut self, event: &Event) {
        if let Some(older) = self.same_pull(event) {
            older.clone_from(event);
            return;
        }
        if self.events.len() == CAPACITY {
            self.events.pop_front();
            self.lost += 1;
        }
        self.events.push_back(event.clone());
    }

    /// What was told last of the same image, if nothing but images arriving has been told since: a pull tells so often
    /// that it would push out everything else.
    fn same_pull(&mut self, event: &Event) -> Option<&mut Event> {
        let EventKind::Pulling(new) = &event.kind else { return None };
        let pulls = self.events.iter_mut().rev().map_while(|older| match &older.kind {
            EventKind::Pulling(progress) => Some((progress.image == new.image && older.app == event.app, older)),
            _ => None,
        });
        pulls.into_iter().find_map(|(same, older)| same.then_some(older))
    }

    fn next(&mut self) -> Option<Event> {
        match (self.lost, self.events.front()) {
            (1.., Some(first)) => {
                let count = std::mem::take(&mut self.lost);
                Some(Event::new(first.at, first.app.clone(), EventKind::Lost { count }))
            }
            _ => self.events.pop_front(),
        }
    }
}

/// Who listens to events: ask for the [`next`](Self::next), or use it as a stream. Dropping it ends that.
///
/// For a listener that does not keep up, 1024 events wait; then the oldest are dropped, and the next event that it gets is
/// [`Lost`](EventKind::Lost), with their number. Nobody who tells is ever kept waiting.
pub struct Listener {
    queue: Arc<Queue>,
}

impl Listener {
    /// The next event that is there already; nothing when there is none.
    pub fn try_next(&mut self) -> Option<Event> {
        lock(&self.queue.waiting).next()
    }

    /// Waits for the next event; nothing when everyone who could tell one is gone. A wait that is given up loses none.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Listener {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut waiting = lock(&self.queue.waiting);
        match waiting.next() {
            Some(event) => Poll::Ready(Some(event)),
            None if waiting.ended => Poll::Ready(None),
            None => {
                waiting.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("waiting", &lock(&self.queue.waiting).events.len()).finish()
    }
}

/// What a thread that broke has left is whole: nothing here breaks halfway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
