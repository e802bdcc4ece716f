//! Does it repeat, bit for bit: the suite, its digests and the certificate over them.

mod certificate;
mod profile;

pub use certificate::{Certificate, KernelDigest};
pub use profile::Profile;
