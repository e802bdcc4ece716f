//! Does it fit: the driver, a toolkit, a GPU and a program, judged from tables and rules.
//!
//! Everything here is a pure function: nothing is opened, no driver is asked. Each verdict names the rule that decided,
//! its limits, and the nearest thing that would help. What NVIDIA has not said, or what is newer than the tables, is
//! [`Fit::Unknown`] and never a promise.
//!
//! ```
//! use nacp_core::cuda::compat::{self, Fit, Gpu, InstalledDriver, Platform};
//!
//! let driver = InstalledDriver::of_version("550.54.15".parse()?, Platform::Linux);
//! let gpu = Gpu::named("NVIDIA GeForce RTX 4090", "8.9".parse()?);
//! let verdict = compat::toolkit(&driver, "12.8".parse()?, Some(&gpu));
//! assert_eq!(verdict.fit, Fit::MinorVersion);
//! println!("{verdict}");
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod arch;
mod installed;
mod platform;
mod program;
pub mod tables;
mod toolkit;
mod version;

pub use arch::{Arch, Form, Reach};
pub use installed::{InstalledDriver, MinimumDriver, minimum_driver, newest_toolkit};
pub use platform::{Platform, Product};
pub use program::{ImageVerdict, ProgramFit, ProgramVerdict, PtxCeiling, program, ptx_ceiling};
pub use toolkit::{Fit, Gpu, Remedy, Rule, ToolkitVerdict, toolkit};
pub use version::DriverVersion;
