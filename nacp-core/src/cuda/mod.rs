//! Does CUDA work here: the driver's library, opened and asked by NACP itself.
//!
//! [`probe`] walks the names under which `libcuda` may be found, opens the first that loads, and asks it for its
//! version and its devices through a dozen raw calls. Each answer is a raw number first and a [`Fault`] second, so
//! that a code newer than this library keeps its number. Nothing here panics, with or without a driver, and nothing
//! relies on catching a panic: a program built with `panic = "abort"` is as safe.
//!
//! A machine without a driver is a typed error ([`DriverUnavailable`](crate::ErrorKind::DriverUnavailable) with
//! `cause=absent`). A driver without a device is no error: it is a [`Probe`] with an empty list and the reason.
//!
//! The calls are behind the trait [`Driver`], the second of the four seams: [`Library`] is the real library.
//!
//! ```no_run
//! match nacp_core::cuda::probe() {
//!     Ok(probe) => println!("{probe}"),
//!     Err(error) => println!("no CUDA: {error}"),
//! }
//! ```

mod attribute;
pub mod check;
pub mod compat;
pub mod determinism;
mod driver;
pub mod efficiency;
mod execute;
mod fault;
pub mod kernels;
mod library;
mod preflight;
mod probe;
pub mod reference;
pub(crate) mod session;

pub use attribute::Attribute;
pub use check::{Check, CheckId, CheckReport, Level, Progress, Report, check};
pub use determinism::{Certificate, KernelDigest, Profile};
pub use driver::Driver;
pub use execute::{
    ContextHandle, EventHandle, Execute, FunctionHandle, GraphHandle, Memory, ModuleHandle, Pinned, StreamHandle,
};
pub use fault::{Fault, FaultKind};
pub(crate) use library::hits;
pub use library::{Compiler, Library, Loaded, Manifest, Need, Symbol};
pub use preflight::Preflight;
pub use probe::{Device, Probe, Silent, Version, probe, probe_at, probe_with};
