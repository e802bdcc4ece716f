//! The replicas of apps.

use std::borrow::Cow;
use std::sync::Arc;

use super::encode::{Block, Value};
use super::family::Family;
use super::labels::simulated;
use crate::control::AppStatus;
use crate::engine::ContainerState;

static FAMILIES: [Family; 3] = [
    Family::gauge("nacp_replica_ready", "", "apps", "Whether a replica answers its probe"),
    Family::gauge("nacp_replica_running", "", "apps", "Whether the container of a replica runs"),
    Family::gauge(
        "nacp_replica_gpu_memory_bytes",
        "B",
        "apps",
        "Memory promised to a replica on each of its GPUs, in bytes",
    ),
];

pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter()
}

pub(super) fn blocks(apps: &[AppStatus]) -> [Block; 3] {
    let mut blocks = FAMILIES.each_ref().map(Block::new);
    for app in apps {
        for replica in &app.replicas {
            let mut labels = vec![
                ("app", Cow::Owned(app.app.clone())),
                ("service", Cow::Owned(replica.service.clone())),
                ("replica", Cow::Owned(replica.replica.to_string())),
            ];
            labels.extend(simulated(replica.simulated));
            let labels = Arc::new(labels);
            let running = replica.state == ContainerState::Running;
            let values = [replica.ready.into(), running.into(), Value::Integer(replica.memory.0)];
            for (block, value) in blocks.iter_mut().zip(values) {
                block.push(&labels, Vec::new(), value);
            }
        }
    }
    blocks
}
