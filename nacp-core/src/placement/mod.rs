//! On which GPU: each replica of an app gets its GPUs, or the exact reason why none will do.
//!
//! [`plan`] is pure: the same app, snapshot and running replicas give the same placements. Memory counts as free only
//! when both the driver reports it free and nobody has been promised it. [`Request`] asks the same with everything that
//! may be said: GPUs that get nothing new, another strategy, what lies between the GPUs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gpu::GpuId;
use crate::units::Bytes;

mod fit;
mod gang;
mod keep;
mod plan;
mod promise;
mod refuse;
mod request;
mod strategy;
mod suit;

pub use plan::{plan, plan_with};
pub use request::Request;
pub use strategy::{BestFit, Candidate, Spread, Strategy};

/// A replica and the GPUs that it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Placement {
    /// The service.
    pub service: String,
    /// The replica's number, from 0.
    pub replica: u32,
    /// Its GPUs, or its partitions of GPUs (`MIG-…`); empty for a service that needs none.
    pub gpus: Vec<GpuId>,
    /// Memory promised to it on each of them.
    pub memory: Bytes,
    /// Why there.
    pub reason: String,
}

/// A promise of GPUs that stands already, of this app or of another: one for each container.
///
/// A replica may for a moment have two containers, the old one and the new one of an update. Those that take turns hold
/// one promise between them: on each GPU the larger one. Those that run at the same time hold both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its app.
    pub app: String,
    /// Its service.
    pub service: String,
    /// The replica's number.
    pub replica: u32,
    /// Its GPUs.
    pub gpus: Vec<GpuId>,
    /// Memory promised to it on each of them.
    pub memory: Bytes,
    /// Whether it tolerates no other replica there.
    pub exclusive: bool,
    /// Whether its program is in memory. One that has ended still has its promise, but holds no memory.
    pub active: bool,
    /// Whether it runs beside the other containers of its replica, those that stand and the one that a plan makes: then
    /// it counts beside them, and gives up nothing to them. `false` for one that has ended before another starts.
    #[serde(default)]
    pub beside: bool,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gpus: Vec<_> = self.gpus.iter().map(GpuId::short).collect();
        write!(f, "{}/{} on [{}]: {}", self.service, self.replica, gpus.join(", "), self.reason)
    }
}
