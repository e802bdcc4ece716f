//! Series as text, written by prometheus-client.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, GaugeValueEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::family::Family;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::MetricKind;

/// Labels in the order in which they are written.
pub(super) type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// A value, written as what it is: a counter beyond 2^53 keeps its last digit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Integer(u64),
    Float(f64),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(value.into())
    }
}

impl EncodeGaugeValue for Value {
    fn encode(&self, encoder: &mut GaugeValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => EncodeGaugeValue::encode(value, encoder),
            Self::Float(value) => EncodeGaugeValue::encode(value, encoder),
        }
    }
}

/// One line. Most labels are those of many lines.
#[derive(Debug)]
struct Series {
    labels: (Arc<Labels>, Labels),
    value: Value,
}

/// A family with its lines.
#[derive(Debug)]
pub(super) struct Block {
    family: &'static Family,
    series: Vec<Series>,
}

impl Block {
    pub(super) fn new(family: &'static Family) -> Self {
        Self { family, series: Vec::new() }
    }

    /// Adds a line with these labels and, after them, more of its own.
    pub(super) fn push(&mut self, labels: &Arc<Labels>, own: Labels, value: Value) {
        self.series.push(Series { labels: (Arc::clone(labels), own), value });
    }
}

/// All families, in the order of the text.
#[derive(Debug)]
struct Exposition(Vec<Block>);

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Block { family, series } in self.0.iter().filter(|block| !block.series.is_empty()) {
            let kind = match family.kind {
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Counter => MetricType::Counter,
            };
            let mut lines = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for Series { labels: (shared, own), value } in series {
                // As a counter, prometheus-client would append `_total` to the name.
                lines.encode_family(&(shared.as_slice(), own.as_slice()))?.encode_gauge(value)?;
            }
        }
        Ok(())
    }
}

/// The text of these families, without those that have no line.
pub(super) fn text(blocks: Vec<Block>) -> Result<String> {
    let lines: usize = blocks.iter().map(|block| block.series.len()).sum();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition(blocks)));
    let mut text = String::with_capacity(256 * (lines + 1));
    encode_registry(&mut text, &registry).map_err(|error| {
        Error::new(ErrorKind::Internal, "observe.metrics", "cannot write the metrics").caused_by(error)
    })?;
    Ok(text)
}
