//! `nacp_fma_rate`: as many fused multiply-adds as there can be.

use std::ops::Range;

use super::fold::{Fold, next, pick, start};
use super::parallel::spread;
use super::unit::{Sound, Unit};
use crate::cuda::kernels::{CHAINS, PART};

/// The words of [`Kernel::FmaRate`](crate::cuda::kernels::Kernel::FmaRate) for these lanes, one a lane. At most `threads`
/// threads work on it. Each lane costs 16 multiply-adds a step: for a long launch ask for some lanes of it.
pub fn fma_rate(lanes: Range<u32>, steps: u32, seed: u32, threads: usize) -> Vec<u32> {
    spread(lanes, 1, u64::from(steps) * u64::from(CHAINS) + 1, threads, |number, words| {
        words[0] = lane(&mut Sound, number, steps, seed);
    })
}

/// What a lane writes.
pub(super) fn lane<U: Unit>(unit: &mut U, lane: u32, steps: u32, seed: u32) -> u32 {
    let first = start(unit, lane, seed);
    let mut random = next(unit, first);
    let c = f32::from_bits(pick(unit, random, 0x000F_FFFF, 0xBFF0_0000));
    let mut chains = [0.0_f32; CHAINS as usize].map(|_| {
        let x = f32::from_bits(pick(unit, random, 0x007F_FFFF, 0x3F00_0000));
        random = next(unit, random);
        x
    });
    let mut fold = Fold::new(first);
    let mut left = steps;
    while left > 0 {
        let turn = left.min(PART);
        left -= turn;
        for _ in 0..turn {
            for x in &mut chains {
                *x = unit.f32(x.mul_add(*x, c));
            }
        }
        fold.narrow(unit, chains.map(f32::to_bits));
    }
    fold.word(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_stay_small_and_normal_and_never_settle() {
        /// Looks at each number that passes.
        struct Watch {
            seen: usize,
            last: [f32; CHAINS as usize],
            settled: usize,
            strange: usize,
        }
        impl Unit for Watch {
            fn r32(&mut self, result: u32) -> u32 {
                result
            }
            fn r64(&mut self, result: u64) -> u64 {
                result
            }
            fn f32(&mut self, result: f32) -> f32 {
                let last = &mut self.last[self.seen % CHAINS as usize];
                self.settled += usize::from(*last == result);
                self.strange += usize::from(result.is_nan() || result.abs() > 2.0 || result.is_subnormal());
                *last = result;
                self.seen += 1;
                result
            }
        }
        let mut watch = Watch { seen: 0, last: [0.0; CHAINS as usize], settled: 0, strange: 0 };
        for number in 0..64 {
            lane(&mut watch, number, 10_000, 7);
        }
        assert_eq!((watch.seen, watch.settled, watch.strange), (64 * 16 * 10_000, 0, 0));
    }
}
