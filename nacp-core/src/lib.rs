//! NACP, the NVIDIA AI Control Plane, as a library.

#![deny(unsafe_code)]

pub mod clock;
pub mod engine;
pub mod error;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod gpu;
#[cfg(any(feature = "gateway", feature = "sim"))]
mod listen;
pub mod route;
#[cfg(feature = "sim")]
pub mod sim;
pub mod units;

pub use error::{Error, ErrorKind, Result, Retry};
pub use units::Bytes;
