//! Does it repeat, bit for bit: the suite, its digests and the certificate over them.
//!
//! [`certify`] runs the suite on a device in every way in which the answer must not change, compares every word with
//! what the [CPU](super::reference) computes and names each [`Difference`]. The [`Certificate`] that it gives is a text
//! that anybody can [verify](Certificate::verify) without a GPU, and [`compare`] tells why two of them differ. Its
//! [`Scope`] says what is claimed, and all of it is about NACP's own kernels: nothing is said of other programs.
//!
//! ```
//! # #[cfg(feature = "sim")] {
//! use nacp_core::cuda::determinism::{Agreement, Certificate, Circumstances, Scope, certify, compare};
//! use nacp_core::cuda::{Profile, kernels::Kernel, probe_with};
//! use nacp_core::sim;
//!
//! // Two simulated devices of the same kind. The second gets one bit wrong, each time, in one lane of one kernel.
//! let driver = sim::Cuda::named("h100x8")?.flipping(1, Kernel::Fma, 71, 5);
//! let devices = probe_with(&driver)?.devices;
//! let place = Circumstances::at("2026-11-24T09:00:00Z".parse().unwrap()).environment(std::env::vars());
//! let healthy = certify(&driver, &devices[0], Profile::Tiny, &place)?;
//! let faulty = certify(&driver, &devices[1], Profile::Tiny, &place)?;
//!
//! // A certificate travels as text, and is verified wherever it arrives.
//! let arrived = Certificate::parse(&healthy.canonical()?)?;
//! assert!(arrived.verify().is_verified() && arrived.simulated);
//! assert_eq!(arrived.scope, Some(Scope::CpuVerified));
//!
//! // The faulty device repeats, and says itself what is wrong.
//! assert_eq!(faulty.scope, Some(Scope::RunToRun));
//! assert_eq!((faulty.differences[0].kernel.as_str(), faulty.differences[0].lane), ("nacp_fma", 71));
//!
//! let comparison = compare(&healthy, &faulty);
//! assert_eq!(comparison.agreement, Agreement::Broken);
//! assert!(comparison.to_string().contains("nacp_fma gave different bits; the second is not what the CPU computes"));
//! # }
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod canonical;
mod certificate;
mod certify;
mod compare;
mod difference;
mod environment;
mod evidence;
mod profile;
mod run;
mod suite;
mod verify;

#[cfg(test)]
mod tests;

pub use certificate::{Certificate, CertifiedDevice, CertifiedDriver, Circumstances, KernelDigest, Scope, agree};
pub use certify::certify;
pub use compare::{Agreement, Comparison, Faulty, Reason, Side, compare};
pub use difference::{Difference, LanePattern};
pub use environment::{Influence, RECORDED};
pub use evidence::Compared;
pub use profile::Profile;
pub use run::{SuiteRun, digests, run};
pub use suite::Suite;
pub use verify::{Field, Verification, Verified};

pub(crate) use certificate::file_sha256;
pub(crate) use certify::repeat;
pub(crate) use difference::UNTOLD;
pub(crate) use evidence::Runs;
pub(crate) use run::{Runner, UNWRITTEN, handle};
pub(crate) use suite::{Shape, expected, kernels};
