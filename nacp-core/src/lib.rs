//! NACP, the NVIDIA AI Control Plane, as a library.

#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]
#![deny(clippy::disallowed_methods)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test may sleep, spawn and read the real clock"))]

pub mod clock;
pub mod control;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod engine;
pub mod error;
pub mod gpu;
#[cfg(any(feature = "gateway", feature = "sim"))]
mod listen;
pub mod observe;
pub mod placement;
pub mod route;
pub mod service;
#[cfg(feature = "sim")]
pub mod sim;
pub mod units;

pub use error::{Error, ErrorKind, Result, Retry};
pub use units::Bytes;
