//! The lines of the GPUs: each metric of the table, of each GPU or of its GPU instances.

use std::borrow::Cow;
use std::sync::Arc;

use super::Metrics;
use super::dcgm::{DCGM, Read, Row};
use super::encode::{Block, Labels, Value};
use super::labels::{Instance, full};
use super::process::Owners;
use crate::gpu::{Event, EventKind, GpuId, GpuState, MemoryUse, Process, Sample, xid};
use crate::units::Bytes;

/// A GPU with the labels of its lines.
struct Lines<'a> {
    state: &'a GpuState,
    /// The same GPU in the snapshot before.
    before: Option<&'a Sample>,
    labels: Arc<Labels>,
    /// Its memory: one, or that of each GPU instance.
    memory: Vec<(MemoryUse, Arc<Labels>)>,
    xid: Option<(u64, Arc<Labels>)>,
}

/// The metrics of dcgm-exporter.
pub(super) fn blocks(metrics: &Metrics<'_>, owners: &Owners<'_>) -> impl Iterator<Item = Block> {
    let lines: Vec<Lines<'_>> = metrics.snapshot.gpus.iter().map(|state| Lines::new(metrics, owners, state)).collect();
    let seconds = metrics.before.map_or(0.0, |before| metrics.snapshot.at.duration_since(before.at).as_secs_f64());
    DCGM.iter().map(move |Row { family, read }| {
        let mut block = Block::new(family);
        for gpu in &lines {
            match read {
                Read::Gpu(read) => {
                    if let Some(value) = read(gpu.state) {
                        block.push(&gpu.labels, Vec::new(), value);
                    }
                }
                Read::Memory(read) => {
                    for (memory, labels) in &gpu.memory {
                        block.push(labels, Vec::new(), Value::Integer(mebibytes(read(memory))));
                    }
                }
                Read::LastXid => {
                    if let Some((code, labels)) = &gpu.xid {
                        block.push(labels, Vec::new(), Value::Integer(*code));
                    }
                }
                Read::LinkRate => {
                    if let Some(value) = link_rate(gpu.before, &gpu.state.sample, seconds) {
                        block.push(&gpu.labels, Vec::new(), Value::Integer(value));
                    }
                }
            }
        }
        block
    })
}

impl<'a> Lines<'a> {
    fn new(metrics: &Metrics<'a>, owners: &Owners<'_>, state: &'a GpuState) -> Self {
        let labels = |instance: Option<&Instance<'_>>, attributes| {
            let hostname = metrics.hostname.as_ref().map(|(label, name)| (*label, name.as_ref()));
            Arc::new(full(metrics.snapshot, state, instance, hostname, attributes))
        };
        let processes = || state.sample.processes.known().into_iter().flatten();
        let on = |process: &Process, instance| process.partitions.iter().any(|it| it.gpu_instance == instance);
        let whole = owners.sole(processes());
        let mut memory = Vec::new();
        for (instance, used) in instances(state) {
            let sole = owners.sole(processes().filter(|process| on(process, instance.id)));
            memory.push((used, labels(Some(&instance), sole)));
        }
        let xid = metrics.events.map(|events| {
            let code = last_xid(events, &state.gpu.id);
            let mut attributes = whole.clone();
            attributes.push(("err_code", Cow::Owned(code.to_string())));
            attributes.push(("err_msg", Cow::Borrowed(xid_message(code))));
            attributes.sort_by_key(|(label, _)| *label);
            (code, labels(None, attributes))
        });
        let whole = labels(None, whole);
        if memory.is_empty() {
            memory.extend(state.sample.memory.known().map(|memory| (*memory, Arc::clone(&whole))));
        }
        let before = metrics.before.and_then(|before| before.gpus.iter().find(|gpu| gpu.gpu.id == state.gpu.id));
        Self { state, before: before.map(|gpu| &gpu.sample), labels: whole, memory, xid }
    }
}

/// The GPU instances of a GPU whose memory is known. Partitions that share one share its memory.
fn instances(state: &GpuState) -> Vec<(Instance<'_>, MemoryUse)> {
    let mut found: Vec<(Instance<'_>, MemoryUse)> = Vec::new();
    let devices = state.gpu.mig.devices.known().map_or(&[][..], Vec::as_slice);
    for partition in state.sample.mig.known().into_iter().flatten() {
        let device = devices.iter().find(|device| device.id == partition.id);
        if let Some((instance, memory)) = device.and_then(Instance::of).zip(partition.memory.known())
            && found.iter().all(|(other, _)| other.id != instance.id)
        {
            found.push((instance, *memory));
        }
    }
    found
}

/// The number of the last Xid among the events of a GPU; 0 if there is none.
fn last_xid(events: &[Event], gpu: &GpuId) -> u64 {
    let of_gpu = events.iter().rev().filter(|event| event.gpu.as_ref() == Some(gpu));
    of_gpu
        .filter_map(|event| if let EventKind::Xid { code, .. } = event.kind { Some(code) } else { None })
        .next()
        .unwrap_or(0)
}

/// What an Xid means, in the words of the catalogue.
fn xid_message(code: u64) -> &'static str {
    let known = u32::try_from(code).ok().and_then(xid::lookup);
    match (code, known) {
        (0, _) => "No Error",
        (_, Some(xid)) => xid.meaning,
        (_, None) => "Unknown Error",
    }
}

/// What went over all NVLinks between two samples, in thousands of KiB a second, as DCGM computes its MB/s.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that is not negative, far below 2^53"
)]
fn link_rate(before: Option<&Sample>, now: &Sample, seconds: f64) -> Option<u64> {
    let sum = |sample: &Sample| {
        let links = sample.nvlink.known()?;
        links.sent.known()?.checked_add(*links.received.known()?)
    };
    let kibibytes = sum(now)?.checked_sub(sum(before?)?)?;
    (seconds > 0.0).then(|| (kibibytes as f64 / seconds / 1e3) as u64)
}

/// Whole ones, as DCGM tells memory.
fn mebibytes(bytes: Bytes) -> u64 {
    bytes.0 / Bytes::mib(1).0
}
