//! What went over the links of the GPUs, as counters of bytes: DCGM tells rates alone.

use std::sync::Arc;

use super::Metrics;
use super::encode::{Block, Labels, Value};
use super::family::Family;
use super::labels::simulated;
use crate::gpu::{Reading, Sample};
use crate::units::Bytes;

type Read = fn(&Sample) -> Option<u64>;

static COUNTED: [(Family, Read); 4] = [
    (Family::counter("nacp_gpu_pcie_sent_bytes_total", "B", "pcie_sent", "Bytes sent over PCIe"), |sample| {
        bytes(&sample.pcie_sent)
    }),
    (
        Family::counter("nacp_gpu_pcie_received_bytes_total", "B", "pcie_received", "Bytes received over PCIe"),
        |sample| bytes(&sample.pcie_received),
    ),
    (
        Family::counter("nacp_gpu_nvlink_sent_bytes_total", "B", "nvlink.sent", "Data sent over all NVLinks, in bytes"),
        |sample| kibibytes(&sample.nvlink.known()?.sent),
    ),
    (
        Family::counter(
            "nacp_gpu_nvlink_received_bytes_total",
            "B",
            "nvlink.received",
            "Data received over all NVLinks, in bytes",
        ),
        |sample| kibibytes(&sample.nvlink.known()?.received),
    ),
];

pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    COUNTED.iter().map(|(family, _)| family)
}

pub(super) fn blocks(metrics: &Metrics<'_>, gpus: &[Arc<Labels>]) -> impl Iterator<Item = Block> {
    let snapshot = metrics.snapshot;
    COUNTED.iter().map(move |(family, read)| {
        let mut block = Block::new(family);
        for (state, labels) in snapshot.gpus.iter().zip(gpus) {
            if let Some(value) = read(&state.sample) {
                block.push(labels, simulated(snapshot.origin.simulated), Value::Integer(value));
            }
        }
        block
    })
}

fn bytes(reading: &Reading<Bytes>) -> Option<u64> {
    reading.known().map(|bytes| bytes.0)
}

fn kibibytes(reading: &Reading<u64>) -> Option<u64> {
    reading.known().map(|kibibytes| kibibytes.saturating_mul(1024))
}
