//! The same kernels on the CPU, bit for bit.
//!
//! What IEEE 754 rounds exactly, a CPU and a GPU compute alike, and whole numbers leave no choice at all. So the answers
//! of a device need no stored example: they are computed here, on whatever CPU there is, and compared bit by bit. The
//! results do not depend on the number of threads, nor on whether the CPU has a fused multiply-add of its own
//! ([`f32::mul_add`] is one everywhere).
//!
//! Each function answers for a range, so that a part can be checked without the whole.
//!
//! ```
//! use nacp_core::cuda::{kernels::Kernel, reference};
//!
//! let all = reference::lanes(Kernel::Ieee, 0..64, 16, 7, 2).unwrap();
//! let some = reference::lanes(Kernel::Ieee, 40..48, 16, 7, 1).unwrap();
//! assert_eq!(all[40..48], some);
//! ```

mod atomics;
mod fma;
mod fold;
mod hash;
mod ieee;
mod memory;
mod parallel;
mod rate;
mod sums;
mod tensor;
mod unit;

#[cfg(test)]
mod flips;
#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::ops::Range;

pub use atomics::atomics;
#[cfg(feature = "sim")]
pub(crate) use memory::PatternDifferences as Differences;
pub use memory::{PatternDifferences, compare, pattern, pattern_word};
pub use rate::fma_rate;
pub use sums::{reduce, rows};
pub use tensor::{mma, mma_rate};

use super::kernels::{Argument, Kernel, Launch};
use crate::error::{Error, ErrorKind, Result};
use parallel::spread;
use unit::Sound;

/// The words of a kernel of lanes, one a lane: [`Kernel::Hash`], [`Kernel::Fma`] or [`Kernel::Ieee`].
///
/// At most `threads` threads work on it, and at least one.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where the kernel is not one of lanes.
pub fn lanes(kernel: Kernel, lanes: Range<u32>, steps: u32, seed: u32, threads: usize) -> Result<Vec<u32>> {
    let lane: fn(&mut Sound, u32, u32, u32) -> u32 = match kernel {
        Kernel::Hash => hash::lane,
        Kernel::Fma => fma::lane,
        Kernel::Ieee => ieee::lane,
        _ => {
            return Err(Error::new(ErrorKind::InvalidArgument, "cuda.reference", "not a kernel of lanes")
                .with("kernel", kernel.symbol())
                .hint("the kernels of lanes are nacp_hash, nacp_fma and nacp_ieee"));
        }
    };
    Ok(spread(lanes, 1, u64::from(steps) + 1, threads, |number, words| {
        words[0] = lane(&mut Sound, number, steps, seed);
    }))
}

/// The words that a launch writes to `out`, computed on all cores; none for a kernel without answers of its own
/// ([`Atomics`](Kernel::Atomics), whose sum has a range, see [`atomics`], the kernels of memory, see [`pattern`], and
/// [`Empty`](Kernel::Empty)).
pub fn of_launch(launch: &Launch) -> Option<Vec<u32>> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let numbers: Vec<u32> = launch.arguments().iter().filter_map(Argument::u32).collect();
    Some(match (launch.kernel(), numbers.as_slice()) {
        (kernel @ (Kernel::Hash | Kernel::Fma | Kernel::Ieee), &[count, steps, seed]) => {
            return lanes(kernel, 0..count, steps, seed, threads).ok();
        }
        (Kernel::Reduce, &[chunks, seed]) => reduce(0..chunks, seed, threads),
        (Kernel::Rows, &[first, count, seed]) => rows(first..first.saturating_add(count), seed, threads),
        (Kernel::Mma, &[warps, steps, seed]) => mma(0..warps, steps, seed, threads),
        (Kernel::FmaRate, &[count, steps, seed]) => fma_rate(0..count, steps, seed, threads),
        (Kernel::MmaRate, &[warps, steps, seed]) => mma_rate(0..warps, steps, seed, threads),
        _ => return None,
    })
}
