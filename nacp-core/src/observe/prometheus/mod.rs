//! Metrics as Prometheus text.

mod dcgm;
mod encode;
mod family;
mod gpu;
mod health;
mod labels;
mod process;
mod replica;
mod telemetry;
mod traffic;
mod unknown;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

pub use self::family::{Family, FamilySet};
pub use self::labels::HostnameLabel;

use self::process::Owners;
use crate::control::AppStatus;
use crate::error::Result;
use crate::gpu::health::Health;
use crate::gpu::owner::Owner;
use crate::gpu::telemetry::PollerStatus;
use crate::gpu::{Event, Snapshot};

/// What an HTTP server has to say about the text: Prometheus' own format. It is no OpenMetrics, which wants `_total` at
/// the name of each counter, where dcgm-exporter's have none.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every metric family that [`Metrics`] can write, in the order of the text.
pub fn families() -> impl Iterator<Item = &'static Family> {
    let dcgm = dcgm::DCGM.iter().map(|row| &row.family);
    let of_gpus = traffic::families().chain(process::families()).chain(health::families()).chain(unknown::families());
    dcgm.chain(of_gpus).chain(telemetry::families()).chain(replica::families())
}

/// The GPUs of a snapshot and the replicas of apps, as Prometheus text: the short form of [`Metrics`].
///
/// # Errors
/// As for [`Metrics::render`].
///
/// ```
/// use std::sync::Arc;
/// use nacp_core::clock::SystemClock;
/// use nacp_core::{gpu, observe, sim};
///
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
/// let text = observe::metrics(&node.snapshot(&SystemClock::new())?, &[])?;
/// assert!(text.contains("DCGM_FI_DEV_GPU_TEMP"));
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub fn metrics(snapshot: &Snapshot, apps: &[AppStatus]) -> Result<String> {
    Metrics::new(snapshot).apps(apps).render()
}

/// What is to be told about a node: its GPUs as a snapshot shows them, and whatever else is at hand.
///
/// A reading that is unknown gives no line, never a zero; `nacp_gpu_unknown` counts it. Everything about simulated GPUs,
/// and about replicas on simulated GPUs or engines, carries the label `simulated="true"`.
///
/// ```
/// use std::sync::Arc;
/// use nacp_core::clock::SystemClock;
/// use nacp_core::observe::{HostnameLabel, Metrics};
/// use nacp_core::{gpu, sim};
///
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("rtx3050ti-laptop-wsl2")?))?;
/// let snapshot = node.snapshot(&SystemClock::new())?;
/// let text = Metrics::new(&snapshot).hostname(HostnameLabel::Upper, "laptop").render()?;
/// assert!(text.contains("Hostname=\"laptop\""));
/// assert!(!text.contains("DCGM_FI_DEV_MEMORY_TEMP"), "it does not tell that");
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Metrics<'a> {
    snapshot: &'a Snapshot,
    before: Option<&'a Snapshot>,
    hostname: Option<(HostnameLabel, Cow<'a, str>)>,
    events: Option<&'a [Event]>,
    owners: &'a [Owner],
    health: Option<&'a Health>,
    telemetry: Option<&'a PollerStatus>,
    apps: &'a [AppStatus],
}

impl<'a> Metrics<'a> {
    /// The GPUs as they are in this snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            before: None,
            hostname: None,
            events: None,
            owners: &[],
            health: None,
            telemetry: None,
            apps: &[],
        }
    }

    /// The snapshot before. With it there is `DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL`, which is an average over the time
    /// between two readings.
    pub fn before(mut self, before: &'a Snapshot) -> Self {
        self.before = Some(before);
        self
    }

    /// The name of the machine, and under which label it stands at the metrics of dcgm-exporter.
    pub fn hostname(mut self, label: HostnameLabel, name: impl Into<Cow<'a, str>>) -> Self {
        self.hostname = Some((label, name.into()));
        self
    }

    /// What has happened to the GPUs, the oldest first. With it, also while it is empty, there is
    /// `DCGM_FI_DEV_XID_ERRORS`; without it nobody listens, and there is none.
    pub fn events(mut self, events: &'a [Event]) -> Self {
        self.events = Some(events);
        self
    }

    /// Who is behind the processes of the GPUs. With it the memory of a process says whose it is, and a GPU that one
    /// container has for itself carries the labels `container`, `namespace` and `pod`, as far as they are known.
    pub fn owners(mut self, owners: &'a [Owner]) -> Self {
        self.owners = owners;
        self
    }

    /// How healthy the GPUs are, as it was found on this snapshot or one before.
    pub fn health(mut self, health: &'a Health) -> Self {
        self.health = Some(health);
        self
    }

    /// How the poller fares that has read the snapshot.
    pub fn telemetry(mut self, status: &'a PollerStatus) -> Self {
        self.telemetry = Some(status);
        self
    }

    /// The apps whose replicas are to be told.
    pub fn apps(mut self, apps: &'a [AppStatus]) -> Self {
        self.apps = apps;
        self
    }

    /// The text, in Prometheus' own format ([`CONTENT_TYPE`]).
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when the text cannot be written.
    pub fn render(&self) -> Result<String> {
        let gpus: Vec<_> = self.snapshot.gpus.iter().map(|state| Arc::new(labels::short(state))).collect();
        let owners = Owners::new(self.owners);
        let mut blocks: Vec<_> = gpu::blocks(self, &owners).collect();
        blocks.extend(traffic::blocks(self, &gpus));
        blocks.push(owners.memory(self, &gpus));
        blocks.extend(self.health.into_iter().flat_map(|health| health::blocks(health, self.snapshot, &gpus)));
        blocks.push(unknown::block(self.snapshot));
        blocks.extend(telemetry::blocks(self.telemetry, self.snapshot.origin.simulated));
        blocks.extend(replica::blocks(self.apps));
        encode::text(blocks)
    }
}
