//! What is pinned of a certificate of determinism: enough for another machine to compare its bits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cuda::determinism::{Certificate, Profile, Scope};
use crate::error::{Error, ErrorKind, Result};

/// What NACP's kernels computed on GPUs of one model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CertificatePin {
    /// The model, such as `NVIDIA H100 80GB HBM3`.
    pub device: String,
    /// The compute capability, such as `9.0`.
    pub compute: String,
    /// The size of the suite.
    pub profile: Profile,
    /// The version of the suite.
    pub suite: u32,
    /// SHA-256 of the suite's programs, the common ones and those for tensor units, in hexadecimal.
    pub programs: [String; 2],
    /// One SHA-256 over what all kernels computed, in hexadecimal. Equal digests are equal bits.
    pub bits: String,
    /// The SHA-256 of each kernel's words, by the kernel's entry.
    pub kernels: BTreeMap<String, String>,
    /// How far the sameness was proven to reach.
    pub scope: Scope,
    /// The version of the driver that it was made with, where the system told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Whether the device is a simulated one.
    pub simulated: bool,
}

/// Two pins with the same key ran the same programs on the same kind of device, so that their bits can be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    pub(super) device: &'a str,
    pub(super) profile: Profile,
    compute: &'a str,
    suite: u32,
    programs: &'a [String; 2],
    simulated: bool,
}

impl CertificatePin {
    pub(super) fn of(certificate: &Certificate) -> Result<Self> {
        let refused = |message: &str| {
            Error::new(ErrorKind::InvalidArgument, "host.lock.certificate", message)
                .with("device", &certificate.device.name)
        };
        if certificate.digest()? != certificate.digest {
            return Err(refused("certificate was altered: its digest is another").hint("make it anew"));
        }
        let Some(scope) = certificate.scope else {
            return Err(refused("certificate proves nothing: its runs differ, or one run is wrong")
                .hint("the device or its driver does not repeat; look at the certificate's differences"));
        };
        let kernel = |result: &crate::cuda::determinism::KernelDigest| (result.kernel.clone(), result.sha256.clone());
        Ok(Self {
            device: certificate.device.name.clone(),
            compute: certificate.device.compute.to_string(),
            profile: certificate.profile,
            suite: certificate.suite.version,
            programs: [certificate.suite.base_sha256.clone(), certificate.suite.tensor_sha256.clone()],
            bits: certificate.suite_digest.clone(),
            kernels: certificate.results.iter().map(kernel).collect(),
            scope,
            driver: certificate.driver.version.clone(),
            simulated: certificate.simulated,
        })
    }

    pub(super) fn key(&self) -> Key<'_> {
        Key {
            device: &self.device,
            profile: self.profile,
            compute: &self.compute,
            suite: self.suite,
            programs: &self.programs,
            simulated: self.simulated,
        }
    }
}
