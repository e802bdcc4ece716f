//! `nacp_mma` and `nacp_mma_rate`: products of small matrices of whole numbers.
//!
//! A warp multiplies 16 rows of 8 by 8 rows of 8, and adds. Thread `l` holds of the left matrix the rows `l / 4` and
//! `l / 4 + 8`, of the right one the column `l / 4`, each at `2 (l % 4)` and the place after it, and of the sum those
//! two rows at these two columns (PTX ISA, "Matrix fragments for mma.m16n8k8").

use std::ops::Range;

use super::fold::{Fold, next, pick, start};
use super::parallel::spread;
use super::unit::{Sound, Unit};
use crate::cuda::kernels::{ACCUMULATORS, PART};

/// How many threads a warp has.
const WARP: usize = 32;
/// How many rows the left matrix and the sum have.
const ROWS: usize = 16;
/// How many columns every matrix has, and how many rows the right one.
const SIDE: usize = 8;

/// Sixteen rows of eight.
type Tall = [[f32; SIDE]; ROWS];
/// Eight rows of eight.
type Square = [[f32; SIDE]; SIDE];

/// The words of [`Kernel::Mma`](crate::cuda::kernels::Kernel::Mma) for these warps, 32 a warp. At most `threads` threads
/// work on it.
pub fn mma(warps: Range<u32>, steps: u32, seed: u32, threads: usize) -> Vec<u32> {
    spread(warps, WARP, u64::from(steps) * 64 + 64, threads, |number, words| {
        words.copy_from_slice(&warp(&mut Sound, number, steps, seed));
    })
}

/// The words of [`Kernel::MmaRate`](crate::cuda::kernels::Kernel::MmaRate) for these warps, 32 a warp. At most `threads`
/// threads work on it. The same product is added again and again and every sum is exact, so that a part of 1024 steps
/// costs no more than one.
pub fn mma_rate(warps: Range<u32>, steps: u32, seed: u32, threads: usize) -> Vec<u32> {
    let parts = u64::from(steps.div_ceil(PART));
    spread(warps, WARP, parts * 512 + 64, threads, |number, words| {
        words.copy_from_slice(&rate(number, steps, seed));
    })
}

/// What the threads of a warp write.
pub(super) fn warp<U: Unit>(unit: &mut U, warp: u32, steps: u32, seed: u32) -> [u32; WARP] {
    let mut random = first(unit, warp, seed);
    let mut folds = random.map(|word| Fold::new(word));
    let mut sums = [[0.0; SIDE]; ROWS];
    for step in 0..steps {
        if step & 7 == 0 {
            sums = begin(unit, &mut random, Some(&mut folds));
        }
        let left = [0; 2].map(|_| draw(unit, &mut random, 0x8300_8300));
        let right = draw(unit, &mut random, 0x8380_8380);
        for (thread, fold) in folds.iter_mut().enumerate() {
            fold.narrow(unit, [random[thread], left[0][thread], left[1][thread], right[thread]]);
        }
        add_product(&mut sums, &tall(&left), &square(&right), 1.0);
        for (thread, fold) in folds.iter_mut().enumerate() {
            let mine = cells(thread).map(|(row, column)| unit.f32(sums[row][column]));
            for ((row, column), sum) in cells(thread).into_iter().zip(mine) {
                sums[row][column] = sum;
            }
            fold.narrow(unit, mine.map(f32::to_bits));
        }
    }
    folds.map(|fold| fold.word(unit))
}

/// What the threads of a warp write that adds as fast as it can.
fn rate(warp: u32, steps: u32, seed: u32) -> [u32; WARP] {
    let unit = &mut Sound;
    let mut random = first(unit, warp, seed);
    let mut folds = random.map(|word| Fold::new(word));
    let mut left = steps;
    while left > 0 {
        let turn = left.min(PART);
        left -= turn;
        let tall = tall(&[0; 2].map(|_| draw(unit, &mut random, 0x8300_8300)));
        let squares = [0; ACCUMULATORS as usize].map(|_| square(&draw(unit, &mut random, 0x8380_8380)));
        let mut sums = squares.map(|_| begin(unit, &mut random, None));
        for (sums, square) in sums.iter_mut().zip(&squares) {
            add_product(sums, &tall, square, turn as f32);
            for (thread, fold) in folds.iter_mut().enumerate() {
                fold.narrow(unit, cells(thread).map(|(row, column)| sums[row][column].to_bits()));
            }
        }
    }
    folds.map(|fold| fold.word(unit))
}

/// What the threads of a warp begin with.
fn first<U: Unit>(unit: &mut U, warp: u32, seed: u32) -> [u32; WARP] {
    std::array::from_fn(|thread| start(unit, warp.wrapping_mul(32).wrapping_add(thread as u32), seed))
}

/// The next pair of whole numbers in +-[8, 16) of each thread, as numbers of 16 bits.
fn draw<U: Unit>(unit: &mut U, random: &mut [u32; WARP], keep: u32) -> [u32; WARP] {
    std::array::from_fn(|thread| {
        random[thread] = next(unit, random[thread]);
        pick(unit, random[thread], keep, 0x4800_4800)
    })
}

/// What the sums begin with: odd, in +-[2048, 4096).
fn begin<U: Unit>(unit: &mut U, random: &mut [u32; WARP], mut folds: Option<&mut [Fold; WARP]>) -> Tall {
    let mut sums = [[0.0; SIDE]; ROWS];
    for (thread, random) in random.iter_mut().enumerate() {
        let mine = cells(thread).map(|(row, column)| {
            *random = next(unit, *random);
            let word = pick(unit, *random, 0x807F_E000, 0x4500_1000);
            sums[row][column] = f32::from_bits(word);
            word
        });
        if let Some(folds) = &mut folds {
            folds[thread].narrow(unit, mine);
        }
    }
    sums
}

/// Where the four sums of a thread are: row and column.
fn cells(thread: usize) -> [(usize, usize); 4] {
    let (row, column) = (thread / 4, 2 * (thread % 4));
    [(row, column), (row, column + 1), (row + 8, column), (row + 8, column + 1)]
}

fn tall(words: &[[u32; WARP]; 2]) -> Tall {
    let mut tall = [[0.0; SIDE]; ROWS];
    for thread in 0..WARP {
        for (half, words) in words.iter().enumerate() {
            let row = &mut tall[thread / 4 + 8 * half];
            row[2 * (thread % 4)] = whole(words[thread]);
            row[2 * (thread % 4) + 1] = whole(words[thread] >> 16);
        }
    }
    tall
}

fn square(words: &[u32; WARP]) -> Square {
    let mut square = [[0.0; SIDE]; SIDE];
    for thread in 0..WARP {
        square[2 * (thread % 4)][thread / 4] = whole(words[thread]);
        square[2 * (thread % 4) + 1][thread / 4] = whole(words[thread] >> 16);
    }
    square
}

/// The whole number of the low 16 bits: sign, and the three highest bits of the fraction of a number in [8, 16).
fn whole(word: u32) -> f32 {
    f32::from_bits((word & 0x8000) << 16 | 0x4100_0000 | (word & 0x0380) << 13)
}

/// `sums += times * tall * square`, exact as long as every sum is below 2^24.
fn add_product(sums: &mut Tall, tall: &Tall, square: &Square, times: f32) {
    for (sums, row) in sums.iter_mut().zip(tall) {
        for (factor, column) in row.iter().zip(square) {
            for (sum, other) in sums.iter_mut().zip(column) {
                *sum += times * factor * other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of 16 bits as IEEE 754 has it, in 64.
    fn half(word: u32) -> f64 {
        let (exponent, fraction) = (word >> 10 & 31, f64::from(word & 0x3FF));
        let size = match exponent {
            0 => fraction * 2_f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1024.0 + fraction) * 2_f64.powi(exponent as i32 - 25),
        };
        if word & 0x8000 == 0 { size } else { -size }
    }

    #[test]
    fn the_numbers_are_whole_and_of_their_size() {
        let mut random = [5; WARP];
        for _ in 0..1000 {
            for word in draw(&mut Sound, &mut random, 0x8380_8380) {
                for word in [word, word >> 16] {
                    let number = half(word);
                    assert_eq!(number, f64::from(whole(word)));
                    assert!(number.fract() == 0.0 && (8.0..16.0).contains(&number.abs()), "{number}");
                }
            }
            for word in draw(&mut Sound, &mut random, 0x8300_8300) {
                assert_eq!(half(word) % 2.0, 0.0);
            }
        }
    }

    #[test]
    fn a_sum_is_odd_and_small_so_that_it_is_exact_and_never_zero() {
        let mut random = first(&mut Sound, 3, 7);
        for _ in 0..100 {
            let mut sums = begin(&mut Sound, &mut random, None);
            for _ in 0..8 {
                let left = tall(&[0; 2].map(|_| draw(&mut Sound, &mut random, 0x8300_8300)));
                let right = square(&draw(&mut Sound, &mut random, 0x8380_8380));
                add_product(&mut sums, &left, &right, 1.0);
                for sum in sums.as_flattened() {
                    assert!((sum % 2.0).abs() == 1.0 && sum.abs() < 32_768.0, "{sum}");
                }
            }
        }
    }

    #[test]
    fn the_largest_sum_of_the_rate_is_exact() {
        let (most, times) = (SIDE as f32 * 14.0 * 15.0, PART as f32);
        assert!(4095.0 + most * times < 16_777_216.0);
    }

    #[test]
    fn adding_one_by_one_is_adding_all_at_once() {
        let mut random = first(&mut Sound, 9, 7);
        let left = tall(&[0; 2].map(|_| draw(&mut Sound, &mut random, 0x8300_8300)));
        let right = square(&draw(&mut Sound, &mut random, 0x8380_8380));
        let mut once = begin(&mut Sound, &mut random, None);
        let mut steps = once;
        add_product(&mut once, &left, &right, 1024.0);
        for _ in 0..1024 {
            add_product(&mut steps, &left, &right, 1.0);
        }
        assert_eq!(once, steps);
    }

    /// Inside the tensor units nothing is folded: there a flip must show in the sum itself.
    #[test]
    fn a_flip_of_any_bit_of_an_operand_shows_in_the_exact_sum() {
        let mut random = first(&mut Sound, 1, 7);
        let sums = begin(&mut Sound, &mut random, None);
        let left = draw(&mut Sound, &mut random, 0x8300_8300);
        let right = draw(&mut Sound, &mut random, 0x8380_8380);
        let (mut seen, mut hidden) = (0, 0);
        for (word, other) in left.into_iter().zip(right) {
            for bit in 0..16 {
                for sum in sums.as_flattened().iter().take(8) {
                    // The largest that the other fifteen products and sums of the eight steps can make of it.
                    let rest = f64::from(*sum) + 7.0 * 14.0 * 15.0;
                    let before = rest + half(word) * half(other);
                    let after = rest + half(word ^ 1 << bit) * half(other);
                    seen += 1;
                    hidden += u32::from((before as f32).to_bits() == (after as f32).to_bits());
                }
            }
        }
        assert_eq!((seen, hidden), (32 * 16 * 8, 0));
    }
}
