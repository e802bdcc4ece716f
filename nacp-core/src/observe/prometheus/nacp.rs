//! What only NACP tells.

use std::borrow::Cow;
use std::sync::Arc;

use super::encode::{Block, Labels, Value};
use super::family::{Family, FamilySet};
use super::labels::simulated;
use super::unknown::unknown;
use crate::control::AppStatus;
use crate::engine::ContainerState;
use crate::gpu::{MetricKind, Reading, Sample, Snapshot};
use crate::units::Bytes;

/// A counter of a GPU, in bytes.
struct Counted {
    family: Family,
    read: fn(&Sample) -> Option<u64>,
}

static COUNTED: [Counted; 4] = [
    Counted {
        family: counter("nacp_gpu_pcie_sent_bytes_total", "B", "pcie_sent", "Bytes sent over PCIe"),
        read: |sample| bytes(&sample.pcie_sent),
    },
    Counted {
        family: counter("nacp_gpu_pcie_received_bytes_total", "B", "pcie_received", "Bytes received over PCIe"),
        read: |sample| bytes(&sample.pcie_received),
    },
    Counted {
        family: counter("nacp_gpu_nvlink_sent_bytes_total", "B", "nvlink.sent", "Bytes of data sent over all NVLinks"),
        read: |sample| kibibytes(&sample.nvlink.known()?.sent),
    },
    Counted {
        family: counter(
            "nacp_gpu_nvlink_received_bytes_total",
            "B",
            "nvlink.received",
            "Bytes of data received over all NVLinks",
        ),
        read: |sample| kibibytes(&sample.nvlink.known()?.received),
    },
];

static PROCESS_MEMORY: Family =
    gauge("nacp_gpu_process_memory_bytes", "B", "processes[].memory", "Memory of a GPU that a process holds, in bytes");
static UNKNOWN: Family =
    gauge("nacp_gpu_unknown", "", "every reading", "How many readings of the GPUs are unknown for this reason");
static READY: Family = gauge("nacp_replica_ready", "", "apps", "Whether a replica answers its probe");
static RUNNING: Family = gauge("nacp_replica_running", "", "apps", "Whether the container of a replica runs");
static PROMISED: Family =
    gauge("nacp_replica_gpu_memory_bytes", "B", "apps", "Memory promised to a replica on each of its GPUs, in bytes");

/// Every family, in the order of the text.
pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    let own = [&PROCESS_MEMORY, &UNKNOWN, &READY, &RUNNING, &PROMISED];
    COUNTED.iter().map(|counted| &counted.family).chain(own)
}

/// The traffic of the GPUs, as counters.
pub(super) fn traffic(snapshot: &Snapshot, shorts: &[Arc<Labels>]) -> impl Iterator<Item = Block> {
    COUNTED.iter().map(move |Counted { family, read }| {
        let mut block = Block::new(family);
        for (state, labels) in snapshot.gpus.iter().zip(shorts) {
            if let Some(value) = read(&state.sample) {
                block.push(labels, simulated(snapshot.origin.simulated), Value::Integer(value));
            }
        }
        block
    })
}

/// The memory of each process whose memory is known.
pub(super) fn processes(snapshot: &Snapshot, shorts: &[Arc<Labels>]) -> Block {
    let mut block = Block::new(&PROCESS_MEMORY);
    for (state, labels) in snapshot.gpus.iter().zip(shorts) {
        for process in state.sample.processes.known().into_iter().flatten() {
            if let Some(memory) = process.memory.known() {
                let mut own = vec![("pid", Cow::Owned(process.pid.to_string()))];
                own.extend(simulated(snapshot.origin.simulated));
                block.push(labels, own, Value::Integer(memory.0));
            }
        }
    }
    block
}

/// How many readings are unknown, and why.
pub(super) fn unknowns(snapshot: &Snapshot) -> Block {
    let mut block = Block::new(&UNKNOWN);
    for ((reading, reason), count) in unknown(snapshot) {
        let mut labels = vec![("reading", Cow::Borrowed(reading)), ("reason", Cow::Owned(reason))];
        labels.extend(simulated(snapshot.origin.simulated));
        block.push(&Arc::new(labels), Vec::new(), Value::Integer(count));
    }
    block
}

/// The replicas of the apps.
pub(super) fn replicas(apps: &[AppStatus]) -> [Block; 3] {
    let [mut ready, mut running, mut promised] = [&READY, &RUNNING, &PROMISED].map(Block::new);
    for app in apps {
        for replica in &app.replicas {
            let mut labels = vec![
                ("app", Cow::Owned(app.app.clone())),
                ("service", Cow::Owned(replica.service.clone())),
                ("replica", Cow::Owned(replica.replica.to_string())),
            ];
            labels.extend(simulated(replica.simulated));
            let labels = Arc::new(labels);
            ready.push(&labels, Vec::new(), replica.ready.into());
            running.push(&labels, Vec::new(), (replica.state == ContainerState::Running).into());
            promised.push(&labels, Vec::new(), Value::Integer(replica.memory.0));
        }
    }
    [ready, running, promised]
}

fn bytes(reading: &Reading<Bytes>) -> Option<u64> {
    reading.known().map(|bytes| bytes.0)
}

fn kibibytes(reading: &Reading<u64>) -> Option<u64> {
    reading.known().map(|kibibytes| kibibytes.saturating_mul(1024))
}

const fn gauge(name: &'static str, unit: &'static str, source: &'static str, help: &'static str) -> Family {
    Family { name, kind: MetricKind::Gauge, unit, help, source, set: FamilySet::Nacp }
}

const fn counter(name: &'static str, unit: &'static str, source: &'static str, help: &'static str) -> Family {
    Family { name, kind: MetricKind::Counter, unit, help, source, set: FamilySet::Nacp }
}
