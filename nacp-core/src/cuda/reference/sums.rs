//! `nacp_reduce` and `nacp_rows`: sums whose shape never depends on the device.

use std::ops::Range;

use super::fold::{Fold, mix, start};
use super::parallel::spread;
use super::unit::{Sound, Unit};
use crate::cuda::kernels::ROW;

/// How many threads sum a row.
const TREE: usize = 256;

/// The words of [`Kernel::Reduce`](crate::cuda::kernels::Kernel::Reduce), two a chunk: the bits of the sum, and the fold
/// of everything on the way. At most `threads` threads work on it.
pub fn reduce(chunks: Range<u32>, seed: u32, threads: usize) -> Vec<u32> {
    rows(chunks, seed, threads)
}

/// The words of [`Kernel::Rows`](crate::cuda::kernels::Kernel::Rows) for these rows, two a row as for [`reduce`]. A row
/// has the same words in every batch.
pub fn rows(rows: Range<u32>, seed: u32, threads: usize) -> Vec<u32> {
    spread(rows, 2, u64::from(ROW) * 4, threads, |number, words| {
        words.copy_from_slice(&row(&mut Sound, number, seed));
    })
}

/// The bits of the sum of a row, and the fold.
pub(super) fn row<U: Unit>(unit: &mut U, row: u32, seed: u32) -> [u32; 2] {
    let base = start(unit, row, seed);
    let mut sums = [0.0_f32; TREE];
    let mut folds = [Fold::new(base); TREE];
    for ((thread, sum), fold) in (0_u32..).zip(&mut sums).zip(&mut folds) {
        let (random, first) = value(unit, base, thread);
        *sum = first;
        fold.narrow(unit, [random, first.to_bits()]);
        for turn in 1..4 {
            let (random, next) = value(unit, base, thread + 256 * turn);
            *sum = unit.f32(*sum + next);
            fold.narrow(unit, [random, next.to_bits(), sum.to_bits()]);
        }
    }
    let mut width = TREE / 2;
    while width > 0 {
        let (sums, others) = sums.split_at_mut(width);
        let (folds, beside) = folds.split_at_mut(width);
        for (((sum, fold), other), beside) in sums.iter_mut().zip(folds).zip(others).zip(beside) {
            let other = unit.f32(*other);
            *sum = unit.f32(*sum + other);
            fold.other(unit, *beside);
            fold.narrow(unit, [other.to_bits(), sum.to_bits()]);
        }
        width /= 2;
    }
    [sums[0].to_bits(), folds[0].word(unit)]
}

/// A random word, and the number in +-[2^-7, 2) that is made of it.
fn value<U: Unit>(unit: &mut U, base: u32, position: u32) -> (u32, f32) {
    let at = unit.r32(base ^ position);
    let random = mix(unit, at);
    let kept = unit.r32(random & 0x807F_FFFF);
    let exponent = unit.r32(random >> 1 & 0x0380_0000);
    let both = unit.r32(kept ^ exponent);
    (random, f32::from_bits(unit.r32(both ^ 0x3C00_0000)))
}
