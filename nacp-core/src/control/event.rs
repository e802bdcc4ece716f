//! What happens while apps are brought up and kept: one shape for all three doors.
//!
//! An [`Event`] is one flat object in JSON. `event` names what happened, and the fields of that kind stand beside it.
//! Times are in UTC as RFC 3339 writes them, and every duration is a number of seconds:
//!
//! ```
//! # use std::time::Duration;
//! # use nacp_core::control::{Event, EventKind};
//! let kind = EventKind::Ready { after: Duration::from_millis(1500) };
//! let event = Event::new(jiff::Timestamp::UNIX_EPOCH, "demo", kind).of("llm", 0);
//! assert_eq!(
//!     serde_json::to_string(&event).unwrap(),
//!     r#"{"at":"1970-01-01T00:00:00Z","app":"demo","service":"llm","replica":0,"event":"ready","after":1.5}"#
//! );
//! assert_eq!(event.to_string(), "00:00:00 demo/llm/0: ready after 1.5s");
//! ```

mod queue;
mod text;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::plan::Step;
use crate::engine::PullProgress;
use crate::gpu::GpuId;

pub use queue::{Events, Listener};

/// Something that happened while an app was brought up or kept, with its reason. `Display` gives one line, whatever the
/// programs in the containers wrote.
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

impl Event {
    /// Something that happened to an app as a whole.
    pub fn new(at: Timestamp, app: impl Into<String>, kind: EventKind) -> Self {
        Self { at, app: app.into(), service: None, replica: None, kind }
    }

    /// The same, as something that happened to one replica.
    #[must_use]
    pub fn of(mut self, service: impl Into<String>, replica: u32) -> Self {
        (self.service, self.replica) = (Some(service.into()), Some(replica));
        self
    }

    /// Whether the replicas that serve may be others now: when a router should look again.
    pub const fn may_change_endpoints(&self) -> bool {
        matches!(
            self.kind,
            EventKind::Ready { .. }
                | EventKind::NotReady { .. }
                | EventKind::Ended { .. }
                | EventKind::Done { .. }
                | EventKind::RolledBack { .. }
                | EventKind::Converged
                | EventKind::Lost { .. }
        )
    }

    /// The same, as something that happened to one service.
    #[must_use]
    pub fn of_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }
}

/// What happened; in JSON the field `event` names it, in words such as `rolled_back`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// An image arrives. Of one image only the newest of these waits for a slow listener.
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
        #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds::optional")]
        again: Option<Duration>,
    },
    /// A replica runs and is not ready yet; told when what it answers has changed.
    Waiting {
        /// What its probe said last.
        last: String,
    },
    /// A replica is ready for requests, so long after its start.
    Ready {
        /// How long it took.
        #[serde(with = "seconds")]
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i64>,
        /// The last lines that it wrote.
        log: Vec<String>,
        /// After how long it is started again; nothing when it stays ended.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds::optional")]
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The container is weaker than it was asked to be, such as an isolation that is only cooperative.
    Weaker {
        /// What.
        what: String,
    },
    /// The engine does not answer; what runs goes on, and nothing is changed until it answers again.
    EngineLost {
        /// What went wrong.
        message: String,
    },
    /// The engine answers again, so long after it was lost.
    EngineBack {
        /// How long it was away.
        #[serde(with = "seconds")]
        after: Duration,
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

/// Durations as numbers of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| de::Error::custom(format_args!("not a duration in seconds: value={seconds}")))
    }

    /// The same for a duration that may be absent.
    pub(super) mod optional {
        use std::time::Duration;

        use serde::{Deserializer, Serializer};

        #[expect(clippy::ref_option, reason = "serde hands over a reference")]
        pub(in super::super) fn serialize<S: Serializer>(
            duration: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match duration {
                Some(duration) => super::serialize(duration, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests;
