//! What Python tells Prometheus of a node.

use nacp_core::Result;
use nacp_core::gpu::health::Health;
use nacp_core::gpu::owner::{GpuProcesses, Owner, OwnerCache, Processes};
use nacp_core::gpu::telemetry::PollerStatus;
use nacp_core::gpu::{Node, Snapshot};
use nacp_core::observe::{HostnameLabel, Metrics};
use pyo3::prelude::*;

use crate::errors::guard;
use crate::health::HealthMonitor;

/// What stands on the page beside the readings.
pub(crate) struct Page {
    hostname: Option<(HostnameLabel, String)>,
    pub(crate) health: Option<Health>,
    processes: bool,
}

impl Page {
    /// With a monitor, what stood at its last look is told.
    pub(crate) fn new(
        py: Python<'_>,
        hostname: Option<String>,
        label: &str,
        monitor: Option<&HealthMonitor>,
        processes: bool,
    ) -> PyResult<Self> {
        let label: HostnameLabel = guard(py, || Ok(label.parse()?))?;
        let health = monitor.map(|monitor| monitor.seen(py)).transpose()?.flatten();
        Ok(Self { hostname: hostname.map(|name| (label, name)), health, processes })
    }

    /// The text of a snapshot of this node; blocks its thread.
    pub(crate) fn render(&self, node: &Node, snapshot: &Snapshot, status: Option<&PollerStatus>) -> Result<String> {
        let owners = if self.processes { owners(node, snapshot) } else { Vec::new() };
        let mut metrics = Metrics::new(snapshot).owners(&owners);
        if let Some((label, name)) = &self.hostname {
            metrics = metrics.hostname(*label, name);
        }
        if let Some(health) = &self.health {
            metrics = metrics.health(health);
        }
        if let Some(status) = status {
            metrics = metrics.telemetry(status);
        }
        metrics.render()
    }
}

fn owners(node: &Node, snapshot: &Snapshot) -> Vec<Owner> {
    let samples: Vec<_> = snapshot.gpus.iter().map(|state| state.sample.clone()).collect();
    let mut owners = OwnerCache::new(Processes::system());
    let found = GpuProcesses::of(&samples, node.is_here(), &mut owners);
    found.processes.into_iter().map(|process| process.owner).collect()
}
