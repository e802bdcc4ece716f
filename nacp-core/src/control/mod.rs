//! Keeping it running: from what is wanted to what is there.
//!
//! [`ControlPlane::apply`] reads what the engine runs, asks [`placement`](crate::placement) for GPUs, lets the pure
//! function [`plan`] compare both, and does what the plan says. The engine is the database: names and labels of the
//! containers say which replica each one is, so a new process adopts what an earlier one started.

mod apply;
mod backoff;
mod event;
mod gpus;
mod identity;
mod lease;
mod plan;
mod plane;
mod prober;
mod secrets;
mod status;
mod wait;
mod wanted;

pub use backoff::Backoff;
pub use event::{Event, EventKind, Events, Listener};
pub use gpus::{GpuView, Gpus};
pub use lease::{FileLeases, Lease, Leases, MemoryLeases};
pub use plan::{Action, Plan, Step, plan};
pub use plane::ControlPlane;
pub use prober::{Prober, SystemProber, Target};
pub use secrets::Secrets;
pub use status::{AppStatus, ReplicaStatus};
pub use wanted::Wanted;
