//! What happens while apps are brought up and kept: one shape for all three doors.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::plan::Step;
use crate::engine::PullProgress;
use crate::gpu::GpuId;

/// Something that happened while an app was brought up or kept, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The app.
    pub app: String,
    /// The service, for what concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The replica's number, for what concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened; in JSON the field `event` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// An image arrives.
    Pulling(PullProgress),
    /// Something is about to be done, for this reason.
    Doing {
        /// What.
        step: Step,
        /// Why.
        reason: String,
    },
    /// It was done.
    Done {
        /// What.
        step: Step,
    },
    /// It failed, and is tried again or given up as `again` says.
    Failed {
        /// What.
        step: Step,
        /// What went wrong.
        message: String,
        /// The name of its kind, such as `Timeout`.
        kind: String,
        /// After how long it is tried again; nothing when it is given up.
        again: Option<Duration>,
    },
    /// A replica is ready for requests, so long after its start.
    Ready {
        /// How long it took.
        after: Duration,
    },
    /// A replica that was ready no longer is.
    NotReady {
        /// What its probe said last.
        last: String,
    },
    /// A replica's program ended.
    Ended {
        /// With this code, where the engine tells.
        code: Option<i64>,
        /// The last lines that it wrote.
        log: Vec<String>,
        /// After how long it is started again; nothing when it stays ended.
        again: Option<Duration>,
    },
    /// A new specification did not become ready; the old one comes back.
    RolledBack {
        /// Why.
        reason: String,
    },
    /// A GPU is no longer given to replicas, or is again.
    Cordoned {
        /// The GPU.
        gpu: GpuId,
        /// Why it is not given; nothing when it is again.
        reason: Option<String>,
    },
    /// The container is weaker than it was asked to be, such as an isolation that is only cooperative.
    Weaker {
        /// What.
        what: String,
    },
    /// Another program keeps this app; this one only reads until it is gone.
    Standby {
        /// Who.
        holder: String,
    },
    /// This program keeps the app now.
    Keeping,
    /// Everything is as it is wanted.
    Converged,
    /// So many events were lost because the listener was slow.
    Lost {
        /// How many.
        count: u64,
    },
}

/// How many events wait for a slow listener; then the oldest are dropped and counted.
const CAPACITY: usize = 1024;

/// Where events come from. Cloning is cheap; all clones are one source.
#[derive(Clone, Debug, Default)]
pub struct Events {
    listeners: Arc<Mutex<Vec<Weak<Queue>>>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    lost: u64,
}

impl Events {
    /// Hands an event to everyone who listens. It never waits.
    pub(super) fn tell(&self, event: &Event) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| {
            let Some(queue) = listener.upgrade() else { return false };
            let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.events.len() == CAPACITY {
                waiting.events.pop_front();
                waiting.lost += 1;
            }
            waiting.events.push_back(event.clone());
            drop(waiting);
            queue.arrived.notify_one();
            true
        });
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        let queue = Arc::<Queue>::default();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&queue));
        Listener { queue }
    }
}

/// Who listens to events. Dropping it ends that.
pub struct Listener {
    queue: Arc<Queue>,
}

impl Listener {
    /// The next event that is there already; nothing when there is none.
    pub fn try_next(&mut self) -> Option<Event> {
        let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lost > 0 {
            let lost = std::mem::take(&mut waiting.lost);
            let first = waiting.events.front()?;
            let kind = EventKind::Lost { count: lost };
            return Some(Event { at: first.at, app: first.app.clone(), service: None, replica: None, kind });
        }
        waiting.events.pop_front()
    }

    /// Waits for the next event.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.try_next() {
                return event;
            }
            self.queue.arrived.notified().await;
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}
