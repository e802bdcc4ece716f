//! Time as a value that is passed in.
//!
//! What decides in NACP never reads a clock by itself: it is handed a time. What acts holds a [`Clock`], so that a test
//! or a simulation can run hours in milliseconds. `clippy.toml` forbids the real clock everywhere else.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Time since a fixed moment of this clock; never goes back.
    fn monotonic(&self) -> Duration;

    /// The date and time of day.
    fn wall(&self) -> Timestamp;

    /// Ends when this clock has gone on by `time`.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()>;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where real time enters")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place where real time enters")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place where real time enters")]
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// A clock that stands still until it is moved or slept on: for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    nanoseconds: AtomicU64,
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.monotonic()
    }

    /// Moves the clock itself: who sleeps on a manual clock passes the time.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.advance(time);
        Box::pin(tokio::task::yield_now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_when_told() {
        let clock = ManualClock::default();
        assert_eq!(clock.monotonic(), Duration::ZERO);
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.monotonic(), Duration::from_secs(90));
        assert_eq!(clock.wall().to_string(), "1970-01-01T00:01:30Z");
    }

    #[tokio::test]
    async fn who_sleeps_on_a_manual_clock_passes_the_time() {
        let clock = ManualClock::default();
        clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.monotonic(), Duration::from_secs(3600));
    }
}
