//! What is run, and what must come out.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{KernelDigest, Profile};
use crate::cuda::kernels::{Image, Kernel, Launch, SUITE_VERSION};
use crate::cuda::{Memory, reference};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::ComputeCapability;

impl Profile {
    /// Where the kernels' numbers begin: "nacp" in ASCII.
    pub(crate) const SEED: u32 = 0x6e61_6370;
}

/// Which suite was run: certificates of different suites cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Suite {
    /// Its version, [`SUITE_VERSION`] of the NACP that ran it.
    pub version: u32,
    /// SHA-256 of the PTX text that every device runs, in hexadecimal.
    pub base_sha256: String,
    /// SHA-256 of the PTX text for tensor units.
    pub tensor_sha256: String,
}

impl Suite {
    /// The suite of this version of NACP.
    pub fn current() -> Self {
        let of = |image: Image| hexadecimal(&Sha256::digest(image.ptx()));
        Self { version: SUITE_VERSION, base_sha256: of(Image::Base), tensor_sha256: of(Image::Tensor) }
    }

    /// The digests that a device of this compute capability must have, computed on this CPU.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) where the reference lacks a kernel.
    pub fn reference(profile: Profile, compute: ComputeCapability) -> Result<Vec<KernelDigest>> {
        kernels(compute).map(|kernel| Ok(expected(profile, kernel)?.digest.clone())).collect()
    }
}

/// One digest over the digests of all kernels.
pub(super) fn digest_of(results: &[KernelDigest]) -> String {
    let mut hash = Sha256::new();
    for KernelDigest { kernel, words, sha256 } in results {
        hash.update(format!("{kernel} {words} {sha256}\n"));
    }
    hexadecimal(&hash.finalize())
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The kernels of the suite, in their order.
const KERNELS: [Kernel; 6] = [Kernel::Hash, Kernel::Fma, Kernel::Ieee, Kernel::Reduce, Kernel::Rows, Kernel::Mma];

/// Those that a device of this compute capability runs.
pub(crate) fn kernels(compute: ComputeCapability) -> impl Iterator<Item = Kernel> {
    KERNELS.into_iter().filter(move |kernel| kernel.image().target() <= compute)
}

/// How the work is cut, where that must not change an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many threads a block of the kernels of lanes has.
    pub(crate) block: u32,
    /// How many blocks take the rows in turns.
    pub(crate) grid: u32,
}

impl Shape {
    /// The ways to cut it, the usual one first. 512 threads fit every device, whatever registers its compiler gives.
    pub(crate) const ALL: [Self; 3] =
        [Self { block: 256, grid: 8 }, Self { block: 64, grid: 3 }, Self { block: 512, grid: 64 }];
}

/// How many words a kernel writes.
pub(crate) fn words(profile: Profile, kernel: Kernel) -> u32 {
    match kernel {
        Kernel::Reduce => 2 * profile.chunks(),
        Kernel::Rows => 2 * profile.rows(),
        Kernel::Mma => 32 * profile.warps(),
        _ => profile.lanes(),
    }
}

/// The most blocks that a kernel of the suite has, however it is cut.
pub(crate) fn most_blocks(profile: Profile, kernel: Kernel) -> u32 {
    let blocks = |shape: Shape| match kernel {
        Kernel::Reduce => profile.chunks(),
        Kernel::Rows => shape.grid,
        Kernel::Mma => profile.warps(),
        _ => profile.lanes().div_ceil(shape.block),
    };
    Shape::ALL.map(blocks).into_iter().max().unwrap_or_default()
}

/// One start of a kernel of the suite.
///
/// # Errors
/// As those of [`Launch`]; [`InvalidArgument`](ErrorKind::InvalidArgument) for a kernel that is not in the suite.
pub(crate) fn launch(profile: Profile, kernel: Kernel, shape: Shape, out: Memory, sms: Memory) -> Result<Launch> {
    match kernel {
        Kernel::Hash | Kernel::Fma | Kernel::Ieee => {
            Launch::lanes(kernel, out, sms, profile.lanes(), profile.steps(), Profile::SEED, shape.block)
        }
        Kernel::Reduce => Launch::reduce(out, sms, profile.chunks(), Profile::SEED),
        Kernel::Rows => Launch::rows(out, sms, 0, profile.rows(), Profile::SEED, shape.grid),
        Kernel::Mma => Launch::mma(out, sms, profile.warps(), profile.steps(), Profile::SEED),
        other => {
            let error = Error::new(ErrorKind::InvalidArgument, "cuda.suite", "not a kernel of the suite");
            Err(error.with("kernel", other.symbol()))
        }
    }
}

/// What a kernel of the suite must write.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) words: Vec<u32>,
    pub(crate) digest: KernelDigest,
}

/// What a kernel of the suite must write, computed on this CPU once in the life of the process: about a second for
/// the largest profile.
///
/// # Errors
/// As for [`Suite::reference`].
pub(crate) fn expected(profile: Profile, kernel: Kernel) -> Result<&'static Expected> {
    static KNOWN: [[OnceLock<Expected>; KERNELS.len()]; 3] = [const { [const { OnceLock::new() }; KERNELS.len()] }; 3];
    let row = match profile {
        Profile::Tiny => 0,
        Profile::Small => 1,
        Profile::Standard => 2,
    };
    let column = KERNELS.iter().position(|known| *known == kernel);
    let cell = column.and_then(|column| KNOWN.get(row)?.get(column));
    if let Some(known) = cell.and_then(OnceLock::get) {
        return Ok(known);
    }
    // A piece of memory that is never touched: the launch only carries its numbers to the reference.
    let nowhere = Memory { address: 0, bytes: u64::MAX };
    let words = reference::of_launch(&launch(profile, kernel, Shape::ALL[0], nowhere, nowhere)?);
    match (cell, words) {
        (Some(cell), Some(words)) => {
            Ok(cell.get_or_init(|| Expected { digest: KernelDigest::of(kernel, &words), words }))
        }
        _ => Err(Error::new(ErrorKind::Internal, "cuda.suite", "the reference lacks a kernel of the suite")
            .with("kernel", kernel.symbol())),
    }
}
