//! Virtual time: it stands still while anything can run, and jumps to the next moment at which something will.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use nacp_core::clock::Clock;

/// The clock of one run.
#[derive(Default)]
pub(crate) struct Time {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    now: Duration,
    next: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
}

impl Time {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.inner().now
    }

    /// The moment of the next timer.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.inner().timers.keys().next().map(|(at, _)| *at)
    }

    /// Goes on to this moment, and wakes whoever waits for it or for an earlier one.
    pub(crate) fn go_to(&self, moment: Duration) {
        let mut due = Vec::new();
        let mut inner = self.inner();
        inner.now = inner.now.max(moment);
        while let Some(first) = inner.timers.first_entry() {
            if first.key().0 > moment {
                break;
            }
            due.push(first.remove());
        }
        drop(inner);
        due.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Time").finish_non_exhaustive()
    }
}

impl Clock for Time {
    fn monotonic(&self) -> Duration {
        self.now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap() + self.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        let until = self.now().saturating_add(time);
        Box::pin(Sleep { time: self, until, timer: None })
    }
}

struct Sleep<'a> {
    time: &'a Time,
    until: Duration,
    timer: Option<(Duration, u64)>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.time.inner();
        if let Some(timer) = self.timer {
            inner.timers.remove(&timer);
        }
        // Also a sleep of no time lets others run first.
        if inner.now >= self.until && self.timer.is_some() {
            drop(inner);
            self.timer = None;
            return Poll::Ready(());
        }
        let timer = (self.until, inner.next);
        inner.next += 1;
        inner.timers.insert(timer, context.waker().clone());
        drop(inner);
        self.timer = Some(timer);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.time.inner().timers.remove(&timer);
        }
    }
}
