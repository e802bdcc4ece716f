//! NACP's own programs for the GPU: PTX text, written by hand, that every driver since CUDA 9 compiles for every device.
//!
//! There are two images. [`Image::Base`] is written for PTX 6.0 and compute capability 5.0, [`Image::Tensor`] for PTX 6.5
//! and 7.5, whose tensor units it uses. Nothing is compiled when NACP is built. Each result has a twin in
//! [`reference`](super::reference) that computes the same bits on the CPU.
//!
//! Every operation on floating-point numbers says `.rn`, none says `.ftz` or `.approx`, so that IEEE 754 alone decides
//! the bits. Whatever a kernel of the suite computes on the way is folded into an integer of 64 bits,
//! `acc * 0x9E3779B97F4A7C15 + x`: the factor is odd, so that no later fold takes back a difference.
//!
//! The text keeps to these instructions, so that it can be read, and interpreted, without the whole of PTX:
//!
//! | theme | instructions |
//! |---|---|
//! | integers | `add sub mul.lo mul.hi mad.lo min` of `u32`, `mul.wide.u32`, `add sub mad.lo mul.hi rem` of `u64` |
//! | bits | `and xor not shl` of `b32`, `and xor shl` of `b64`, `shr.u32 shr.u64 popc.b32 clz.b32 brev.b32 bfe.u32 prmt.b32`, `shf.l.wrap.b32 shf.r.wrap.b32` |
//! | floats | `add.rn sub.rn mul.rn fma.rn div.rn sqrt.rn rcp.rn` of `f32` and `f64` |
//! | conversions | `cvt.rn.f32.f64 cvt.f64.f32 cvt.rn.f32.u32 cvt.rn.f32.s32 cvt.rn.f64.u64 cvt.rni.s32.f32 cvt.u32.u64 cvt.u64.u32` |
//! | moves | `mov.u32 mov.b32 mov.b64` (also `{lo, hi}` from and to 64 bits, the name of shared memory, special registers), `selp.b32` |
//! | order | `setp.eq.u32 setp.ne.u32 setp.ge.u32 setp.lt.u32 setp.ge.u64 setp.lt.u64`, `bra`, `ret`, `bar.sync 0` |
//! | memory | `ld.param.u32 ld.param.u64 cvta.to.global.u64`, `ld.global` and `st.global` of `u32` and `v4.u32`, `st.global.v2.u32`, `ld.shared` and `st.shared` of `u32` and `u64` |
//! | atomics | `atom.global` with `add.f32 add.u64 min.u64 or.b32` |
//! | tensor units | `mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32` |
//!
//! Only branches have a predicate, `@p bra LABEL`, and predicates are never negated. Registers have names, `x<16>` stands
//! for `x0` to `x15`; special registers are `%tid.x %ctaid.x %ntid.x %nctaid.x %smid`; addresses are `[name]` and
//! `[name + bytes]`. Between the parameters and the body of an entry there may be `.maxntid`.

mod cost;
mod launch;
#[cfg(test)]
mod tests;

pub(crate) use launch::{ACCUMULATORS, CHAINS, DIFFERENCES, PART, ROW};
pub use launch::{Argument, Filling, Launch, Pattern};

use super::Version;
use crate::gpu::ComputeCapability;

/// The version of the suite: it grows whenever a kernel of it computes other bits or a profile gives other digests, so
/// that digests of different suites are never compared.
pub const SUITE_VERSION: u32 = 1;

/// A text of PTX that the driver loads as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Image {
    /// Everything that every device can do.
    Base,
    /// What needs tensor units.
    Tensor,
}

impl Image {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Base, Self::Tensor];

    /// The text.
    pub fn ptx(self) -> &'static str {
        match self {
            Self::Base => include_str!("base.ptx"),
            Self::Tensor => include_str!("tensor.ptx"),
        }
    }

    /// The version of the PTX language that it is written in.
    pub fn isa(self) -> Version {
        match self {
            Self::Base => Version { major: 6, minor: 0 },
            Self::Tensor => Version { major: 6, minor: 5 },
        }
    }

    /// The least compute capability that it serves.
    pub fn target(self) -> ComputeCapability {
        match self {
            Self::Base => ComputeCapability { major: 5, minor: 0 },
            Self::Tensor => ComputeCapability { major: 7, minor: 5 },
        }
    }
}

/// A program of an [`Image`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kernel {
    /// Mixes integers.
    Hash,
    /// A chain of fused multiply-adds of 32 bits, every link folded into an integer.
    Fma,
    /// Every operation that IEEE 754 rounds exactly, in 32 and 64 bits, folded.
    Ieee,
    /// Sums chunks in a shape that never depends on the device.
    Reduce,
    /// Sums rows, each by itself: the same row in any batch.
    Rows,
    /// Sums by atomics, in whatever order they come: the counterexample.
    Atomics,
    /// Multiplies small matrices of whole numbers on the tensor units, where every sum is exact.
    Mma,
    /// Fills memory with a pattern.
    PatternWrite,
    /// Compares memory with a pattern, and tells the differences.
    PatternCheck,
    /// Copies memory with the multiprocessors.
    Copy,
    /// Nothing.
    Empty,
    /// As many fused multiply-adds as the device can do.
    FmaRate,
    /// As many products on the tensor units as `mma.sync` can do.
    MmaRate,
}

impl Kernel {
    /// All, in the order of the images' text.
    pub const ALL: [Self; 13] = [
        Self::Hash,
        Self::Fma,
        Self::Ieee,
        Self::Reduce,
        Self::Rows,
        Self::Atomics,
        Self::PatternWrite,
        Self::PatternCheck,
        Self::Copy,
        Self::Empty,
        Self::FmaRate,
        Self::Mma,
        Self::MmaRate,
    ];

    /// The name of its entry in the text.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Hash => "nacp_hash",
            Self::Fma => "nacp_fma",
            Self::Ieee => "nacp_ieee",
            Self::Reduce => "nacp_reduce",
            Self::Rows => "nacp_rows",
            Self::Atomics => "nacp_atomics",
            Self::Mma => "nacp_mma",
            Self::PatternWrite => "nacp_pattern_write",
            Self::PatternCheck => "nacp_pattern_check",
            Self::Copy => "nacp_copy",
            Self::Empty => "nacp_empty",
            Self::FmaRate => "nacp_fma_rate",
            Self::MmaRate => "nacp_mma_rate",
        }
    }

    /// The image that it is in.
    pub fn image(self) -> Image {
        match self {
            Self::Mma | Self::MmaRate => Image::Tensor,
            _ => Image::Base,
        }
    }
}
