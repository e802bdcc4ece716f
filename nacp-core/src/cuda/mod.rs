//! CUDA on this machine: does it work, how fast, and does it repeat bit for bit.
//!
//! Nothing here panics, with or without a driver, and nothing relies on catching a panic: a program built with
//! `panic = "abort"` is as safe. Every wait has a limit.
//!
//! # From the driver to a verdict
//!
//! | step | asks | answers |
//! |---|---|---|
//! | [`probe`] | which library is there, which devices does it have | [`Probe`], or why there is none |
//! | [`check`](fn@check) | does each device compute, how fast, does it repeat | [`Report`] of one [`CheckReport`] a check |
//! | [`determinism`] | are the bits right, here and elsewhere | [`Certificate`], verified without a GPU |
//! | [`compat`] | do driver, toolkit, GPU and program fit | a verdict from tables, without any driver |
//! | [`efficiency`] | what could this device do at most | a peak with its formula and source |
//! | [`Preflight`] | may cudarc be used in this process | cudarc's context, behind calls that have succeeded |
//!
//! [`check`](fn@check) is what most programs need. It begins with what the probe does, makes each device run NACP's own
//! [`kernels`], and compares every word with what [`mod@reference`] computes on the CPU. [`Check`] chooses devices, checks and
//! limits, and says whether a thread or child processes touch the driver. A machine without a driver is a report that fails
//! at its first check.
//!
//! ```
//! # #[cfg(feature = "sim")] {
//! use std::sync::Arc;
//! use nacp_core::cuda::check::Verdict;
//! use nacp_core::cuda::{Check, Level};
//! use nacp_core::sim;
//!
//! // `cuda::check(Level::Quick)` is this machine; here it is a simulated one.
//! let report = Check::new(Level::Quick).driver(Arc::new(sim::Cuda::named("rtx3050ti-laptop-wsl2")?)).run();
//! assert_eq!((report.verdict, report.simulated), (Verdict::Pass, true));
//! assert!(report.certificates[0].verify().is_verified());
//! # }
//! # Ok::<(), nacp_core::Error>(())
//! ```
//!
//! # The two traits
//!
//! The calls of the driver are behind the second of the four seams. [`Driver`] asks: version, devices, attributes.
//! [`Execute`] makes a device work: contexts, memory, programs, streams, events, graphs. Each answer is a raw number first
//! and a [`Fault`] second, so that a code that is newer than this library keeps its number. [`Library`] is the real
//! driver: it walks the names under which `libcuda` may be found, opens the first that loads, and looks every handle,
//! address and length up before the driver sees it; its [`Manifest`] tells which functions a driver lacks.
//! `sim::Cuda` (feature `sim`) is a driver without a GPU.
//!
//! Asking the machine is [`probe`]. No driver is a typed error
//! ([`DriverUnavailable`](crate::ErrorKind::DriverUnavailable) with a `cause`, such as `absent`). A driver without a device
//! is no error: it is a [`Probe`] with an empty list and the reason.
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
