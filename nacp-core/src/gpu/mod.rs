//! What is here: the GPUs of a machine.
//!
//! A [`Node`] is read from a [`Source`]: the NVIDIA driver's management library, or a simulated machine. Its [`Gpu`]s
//! are named by [`GpuId`], never by index. A [`Snapshot`] is one consistent reading of all of them; every value in it is
//! a [`Reading`], known or unknown with the reason.
//!
//! ```no_run
//! use nacp_core::clock::SystemClock;
//! use nacp_core::gpu::Node;
//!
//! let node = Node::discover()?;
//! for state in node.snapshot(&SystemClock::new())?.gpus {
//!     println!("{} {}: {} °C", state.gpu.id, state.gpu.name, state.sample.temperature);
//! }
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod boot;
mod event;
pub mod health;
mod id;
pub(crate) mod inventory;
pub mod kernel_log;
mod node;
pub mod owner;
mod pair;
#[cfg(feature = "nvml")]
pub mod probe;
mod reading;
#[cfg(feature = "record")]
pub mod record;
mod sample;
mod source;
mod support;
pub mod telemetry;
pub mod topology;
pub mod xid;

pub use event::{Event, EventKind, Events, Hears, Via};
pub use id::GpuId;
pub use inventory::{
    Affinity, ComputeCapability, ComputeMode, DriverModel, Fabric, FabricState, Gpu, GpuInstance, Identity, InfoRom,
    Limits, Mig, MigDevice, MigPlacement, MigProfile, Modes, NvLink, Pcie, Persistent, Platform, Processor,
    RemoteDevice, TemperatureLimits,
};
pub use node::{GpuState, Node, Snapshot};
pub use pair::{Ancestor, Pair, PeerAccess, PeerStatus};
pub use reading::{Reading, Unknown};
pub use sample::{
    ClockEvents, Clocks, Ecc, Fan, Fields, LinkCounters, MemoryUse, Metric, MetricKind, MigUse, Partition, PcieLink,
    Process, ProcessKind, ProcessUtilization, Profile, RecoveryAction, RetiredPages, Rows, Sample, Slowdown, SramEcc,
    Utilization,
};
#[cfg(feature = "nvml")]
pub use source::Nvml;
#[cfg(feature = "record")]
pub use source::{AtEnd, Progress, Replay};
pub use source::{Origin, Source};
pub use support::{Call, Support};
