//! NACP, the NVIDIA AI Control Plane, as a library.

#![deny(unsafe_code)]

pub mod clock;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod error;
pub mod gpu;
pub mod host;
#[cfg(feature = "sim")]
pub mod sim;
pub mod units;

pub use error::{Error, ErrorKind, Result, Retry};
pub use units::Bytes;
