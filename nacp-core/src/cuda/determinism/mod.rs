//! Does it repeat, bit for bit: the suite, its digests and the certificate over them.

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
pub(crate) use evidence::Runs;
pub(crate) use run::{Runner, handle};
pub(crate) use suite::{Shape, expected};
