//! The certificate.

use serde::{Deserialize, Serialize};

use crate::cuda::kernels::Kernel;

/// The digest of what one kernel of the suite computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KernelDigest {
    /// The kernel's entry, such as `nacp_fma`.
    pub kernel: String,
    /// How many words were digested.
    pub words: u64,
    /// SHA-256 over the words in order, little-endian, in hexadecimal.
    pub sha256: String,
}

impl KernelDigest {
    /// The digest of these words.
    pub fn of(kernel: Kernel, words: &[u32]) -> Self {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for word in words {
            hash.update(word.to_le_bytes());
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { kernel: kernel.symbol().into(), words: words.len() as u64, sha256 }
    }
}

/// What proves that a device repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// What each kernel computed.
    pub results: Vec<KernelDigest>,
}
