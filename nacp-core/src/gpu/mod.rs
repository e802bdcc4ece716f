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
mod id;
mod inventory;
pub mod kernel_log;
mod node;
pub mod owner;
mod reading;
mod source;
pub mod xid;

pub use id::GpuId;
pub use inventory::{Clocks, ComputeCapability, Gpu, MemoryUse, Process, ProcessKind, Sample, Utilization};
pub use node::{GpuState, Node, Snapshot};
pub use reading::{Reading, Unknown};
#[cfg(feature = "nvml")]
pub use source::Nvml;
pub use source::{Origin, Source};
