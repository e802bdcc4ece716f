//! How the poller fares that has read the GPUs.

use std::sync::Arc;
use std::time::Duration;

use super::encode::{Block, Value};
use super::family::Family;
use super::labels::simulated;
use crate::gpu::telemetry::{Listening, PollerStatus};

type Read = fn(&PollerStatus) -> Option<Value>;

static STATUS: [(Family, Read); 9] = [
    (
        Family::counter("nacp_telemetry_ticks_total", "", "telemetry.ticks", "Ticks on which something was read"),
        |status| Some(Value::Integer(status.ticks)),
    ),
    (
        Family::counter(
            "nacp_telemetry_missed_total",
            "",
            "telemetry.missed",
            "Ticks passed over because the one before took too long",
        ),
        |status| Some(Value::Integer(status.missed)),
    ),
    (
        Family::counter(
            "nacp_telemetry_errors_total",
            "",
            "telemetry.errors",
            "Ticks on which the source of the GPUs did not answer",
        ),
        |status| Some(Value::Integer(status.errors)),
    ),
    (
        Family::counter(
            "nacp_telemetry_lagged_total",
            "",
            "telemetry.lagged",
            "Updates that subscribers lost because they were too slow",
        ),
        |status| Some(Value::Integer(status.lagged)),
    ),
    (
        Family::gauge(
            "nacp_telemetry_failing",
            "",
            "telemetry.error",
            "Whether the source of the GPUs does not answer now",
        ),
        |status| Some(status.error.is_some().into()),
    ),
    (
        Family::gauge("nacp_telemetry_listening", "", "telemetry.events", "Whether what happens to the GPUs is heard"),
        |status| Some(matches!(status.events, Listening::On).into()),
    ),
    (
        Family::gauge(
            "nacp_telemetry_last_timestamp_seconds",
            "s",
            "telemetry.last",
            "When the GPUs were read last, in seconds since 1970",
        ),
        |status| status.last.map(|last| Value::Float(last.as_duration().as_secs_f64())),
    ),
    (
        Family::gauge(
            "nacp_telemetry_last_duration_seconds",
            "s",
            "telemetry.last_duration",
            "How long the last tick took, in seconds",
        ),
        |status| status.last_duration.map(seconds),
    ),
    (
        Family::gauge(
            "nacp_telemetry_longest_duration_seconds",
            "s",
            "telemetry.longest_duration",
            "How long the longest tick took, in seconds",
        ),
        |status| status.longest_duration.map(seconds),
    ),
];

pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    STATUS.iter().map(|(family, _)| family)
}

pub(super) fn blocks(status: Option<&PollerStatus>, made_up: bool) -> impl Iterator<Item = Block> {
    let labels = Arc::new(simulated(made_up));
    STATUS.iter().map(move |(family, read)| {
        let mut block = Block::new(family);
        if let Some(value) = status.and_then(read) {
            block.push(&labels, Vec::new(), value);
        }
        block
    })
}

fn seconds(time: Duration) -> Value {
    Value::Float(time.as_secs_f64())
}
