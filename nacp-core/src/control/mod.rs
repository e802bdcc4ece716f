//! Keeping it running: from what is wanted to what is there.
//!
//! [`ControlPlane::apply`] brings an app to what is wanted once, [`ControlPlane::keep`] keeps it there. Both are one loop:
//! look at what the engine has and at the GPUs, ask [`placement`](crate::placement) and a pure function what can be done
//! now, do it, and sleep until something happens. The engine is the database: names and labels of the containers say
//! which replica each one is, so a new process adopts what an earlier one started.

mod backoff;
mod event;
mod gpus;
mod identity;
mod lease;
mod memory;
mod observed;
mod plan;
mod plane;
mod prober;
mod reconcile;
mod secrets;
mod status;
mod wanted;

pub use backoff::Backoff;
pub use event::{Event, EventKind, Events, Listener};
pub use gpus::{GpuView, Gpus, NodeGpus};
pub use lease::{FileLeases, Lease, Leases, MemoryLeases};
pub use plan::{Action, Plan, PlanOptions, Step, plan};
pub use plane::ControlPlane;
pub use prober::{Prober, SystemProber, Target};
pub use secrets::Secrets;
pub use status::{AppStatus, Phase, ReplicaStatus};
pub use wanted::Wanted;
