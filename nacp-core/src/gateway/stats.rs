//! What the gateway counts and times.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram as Quantiles;
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Clock;
use crate::engine::Endpoint;

/// Upper bounds of the histograms' buckets, in seconds: from a cached embedding to a long answer.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];
/// The longest time that the quantiles tell apart, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// What a gateway has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayStats {
    /// Requests that are over, by service and class of status.
    pub requests: Vec<RequestCount>,
    /// Requests that are not over.
    pub in_flight: u64,
    /// Attempts on a further replica because one could not be connected to.
    pub retries: u64,
    /// Requests whose client left before the end of the answer.
    pub client_left: u64,
    /// Requests whose replica broke off in the middle of the answer.
    pub replica_broke: u64,
    /// Time from a request's arrival to the first byte of its answer's body, of the answers that came from a replica.
    pub first_byte: Latency,
    /// Time from a request's arrival to the end of its answer, of the answers that came whole from a replica.
    pub total: Latency,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
struct Labels {
    app: String,
    service: String,
    model: String,
    class: &'static str,
}

/// A number of requests of one service that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestCount {
    /// The app; empty when no replica was chosen.
    pub app: String,
    /// The service; empty when no replica was chosen.
    pub service: String,
    /// The model that the service serves; empty where it names none.
    pub model: String,
    /// The class of the answer's status: `2xx`, `3xx`, `4xx`, `5xx`; `left` when the client left before there was one.
    pub class: &'static str,
    /// How many.
    pub count: u64,
}

/// Quantiles of a time, exact to three digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// How many requests they are of.
    pub count: u64,
    /// Half of the requests took at most this long.
    pub p50: Duration,
    /// 99 of 100 requests took at most this long.
    pub p99: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    app: String,
    service: String,
}

type Times = Family<ServiceLabels, Histogram, fn() -> Histogram>;

pub(super) struct Stats {
    clock: Arc<dyn Clock>,
    registry: Registry,
    requests: Family<Labels, Counter>,
    /// The same once more: a family can be written as text, but not be walked.
    counts: Mutex<BTreeMap<Labels, u64>>,
    in_flight: Gauge<i64, std::sync::atomic::AtomicI64>,
    retries: Counter,
    client_left: Counter,
    replica_broke: Counter,
    first_byte: Times,
    total: Times,
    quantiles: Mutex<Option<[Quantiles<u64>; 2]>>,
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stats").finish_non_exhaustive()
    }
}

impl Stats {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let times = || Times::new_with_constructor(|| Histogram::new(BUCKETS));
        let quantiles = || Quantiles::new_with_bounds(1, LONGEST, 3);
        let mut stats = Self {
            clock,
            registry: Registry::with_prefix("nacp_gateway"),
            requests: Family::default(),
            counts: Mutex::default(),
            in_flight: Gauge::default(),
            retries: Counter::<u64, AtomicU64>::default(),
            client_left: Counter::default(),
            replica_broke: Counter::default(),
            first_byte: times(),
            total: times(),
            quantiles: Mutex::new(quantiles().ok().zip(quantiles().ok()).map(Into::into)),
        };
        let registry = &mut stats.registry;
        registry.register("requests", "Requests that are over", stats.requests.clone());
        registry.register("in_flight", "Requests that are not over", stats.in_flight.clone());
        registry.register("retries", "Attempts on a further replica", stats.retries.clone());
        registry.register("client_left", "Requests whose client left early", stats.client_left.clone());
        registry.register("replica_broke", "Requests whose replica broke off", stats.replica_broke.clone());
        let (first, total) = (stats.first_byte.clone(), stats.total.clone());
        registry.register_with_unit("time_to_first_byte", "Time to the first byte of the answer", Unit::Seconds, first);
        registry.register_with_unit("duration", "Time to the end of the answer", Unit::Seconds, total);
        stats
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode_registry(&mut text, &self.registry);
        text
    }

    pub(super) fn retried(&self) {
        self.retries.inc();
    }

    pub(super) fn snapshot(&self) -> GatewayStats {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = counts.iter().map(|(labels, count)| RequestCount {
            app: labels.app.clone(),
            service: labels.service.clone(),
            model: labels.model.clone(),
            class: labels.class,
            count: *count,
        });
        let quantiles = self.quantiles.lock().unwrap_or_else(PoisonError::into_inner);
        let latency = |index: usize| quantiles.as_ref().map(|both| latency(&both[index])).unwrap_or_default();
        GatewayStats {
            requests: requests.collect(),
            in_flight: u64::try_from(self.in_flight.get()).unwrap_or(0),
            retries: self.retries.get(),
            client_left: self.client_left.get(),
            replica_broke: self.replica_broke.get(),
            first_byte: latency(0),
            total: latency(1),
        }
    }
}

fn latency(times: &Quantiles<u64>) -> Latency {
    let quantile = |quantile| Duration::from_micros(times.value_at_quantile(quantile));
    match times.len() {
        0 => Latency::default(),
        count => Latency { count, p50: quantile(0.5), p99: quantile(0.99) },
    }
}

/// One request from its arrival to its end; it is counted when it is dropped.
#[derive(Debug)]
pub(super) struct Record {
    stats: Arc<Stats>,
    arrived: Duration,
    service: (String, String, String),
    status: Option<StatusCode>,
    first_byte: Option<Duration>,
    /// From a replica, and not from the gateway itself.
    passed: bool,
    ended: bool,
    broken: bool,
}

impl Record {
    pub(super) fn begin(stats: &Arc<Stats>) -> Self {
        stats.in_flight.inc();
        Self {
            stats: Arc::clone(stats),
            arrived: stats.clock.monotonic(),
            service: Default::default(),
            status: None,
            first_byte: None,
            passed: false,
            ended: false,
            broken: false,
        }
    }

    /// The service that was chosen.
    pub(super) fn service(&mut self, endpoint: &Endpoint) {
        let model = endpoint.model.clone().unwrap_or_default();
        self.service = (endpoint.app.clone(), endpoint.service.clone(), model);
    }

    /// The replica answers with this status.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.passed = true;
    }

    /// The gateway answers by itself.
    pub(super) fn refused(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.ended = true;
    }

    pub(super) fn piece(&mut self) {
        if self.first_byte.is_none() {
            self.first_byte = Some(self.elapsed());
        }
    }

    pub(super) fn ended(&mut self) {
        self.ended = true;
    }

    pub(super) fn broken(&mut self) {
        self.broken = true;
    }

    fn elapsed(&self) -> Duration {
        self.stats.clock.monotonic().saturating_sub(self.arrived)
    }

    fn time(&self, family: &Times, index: usize, time: Duration) {
        let (app, service, _) = self.service.clone();
        family.get_or_create(&ServiceLabels { app, service }).observe(time.as_secs_f64());
        if let Some(both) = self.stats.quantiles.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            both[index].saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.stats.in_flight.dec();
        if self.broken {
            self.stats.replica_broke.inc();
        } else if !self.ended {
            self.stats.client_left.inc();
        }
        if let Some(time) = self.first_byte {
            self.time(&self.stats.first_byte, 0, time);
        }
        if self.passed && self.ended {
            self.time(&self.stats.total, 1, self.elapsed());
        }
        let (app, service, model) = std::mem::take(&mut self.service);
        let labels = Labels { app, service, model, class: class(self.status) };
        self.stats.requests.get_or_create(&labels).inc();
        *self.stats.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default() += 1;
    }
}

fn class(status: Option<StatusCode>) -> &'static str {
    match status.map(|status| status.as_u16() / 100) {
        None => "left",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(_) => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn times_are_taken_from_the_arrival() {
        let clock = Arc::new(ManualClock::default());
        let stats = Arc::new(Stats::new(Arc::<ManualClock>::clone(&clock)));
        for total in 1..=100 {
            let mut record = Record::begin(&stats);
            record.answered(StatusCode::OK);
            clock.advance(Duration::from_millis(10));
            record.piece();
            clock.advance(Duration::from_millis(total));
            record.piece();
            record.ended();
        }
        let snapshot = stats.snapshot();
        let near = |time: Duration, milliseconds: u64| time.as_millis().abs_diff(milliseconds.into()) <= 1;
        assert!(near(snapshot.first_byte.p99, 10), "{snapshot:?}");
        assert!(near(snapshot.total.p50, 60) && near(snapshot.total.p99, 109), "{snapshot:?}");
        assert_eq!((snapshot.total.count, snapshot.in_flight, snapshot.client_left), (100, 0, 0));
    }

    #[test]
    fn a_record_that_is_dropped_early_counts_as_left() {
        let stats = Arc::new(Stats::new(Arc::new(ManualClock::default())));
        drop(Record::begin(&stats));
        let snapshot = stats.snapshot();
        assert_eq!((snapshot.client_left, snapshot.requests[0].class, snapshot.total.count), (1, "left", 0));
        assert!(stats.text().contains("nacp_gateway_client_left_total 1"), "{}", stats.text());
    }
}
