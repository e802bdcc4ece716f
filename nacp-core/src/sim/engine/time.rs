//! The time of the simulated engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, SystemClock};

/// A clock that was passed in, or the number of what has happened so far, in seconds.
#[derive(Debug)]
pub(super) enum Time {
    Counted(AtomicU64),
    Clock(Arc<dyn Clock>),
}

impl Default for Time {
    fn default() -> Self {
        Self::Counted(AtomicU64::new(0))
    }
}

impl Time {
    pub(super) fn of(clock: Arc<dyn Clock>) -> Self {
        Self::Clock(clock)
    }

    /// The time of what happens now.
    pub(super) fn next(&self) -> Timestamp {
        if let Self::Counted(count) = self {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.now()
    }

    pub(super) fn now(&self) -> Timestamp {
        match self {
            Self::Counted(count) => Timestamp::UNIX_EPOCH + Duration::from_secs(count.load(Ordering::Relaxed)),
            Self::Clock(clock) => clock.wall(),
        }
    }

    pub(super) async fn pause(&self, pause: Duration) {
        match self {
            _ if pause.is_zero() => {}
            Self::Counted(_) => SystemClock::new().sleep(pause).await,
            Self::Clock(clock) => clock.sleep(pause).await,
        }
    }
}
