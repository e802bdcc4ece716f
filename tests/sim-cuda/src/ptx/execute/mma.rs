//! Products of small matrices, of which each lane of a warp holds a part.
//!
//! With `g` = lane / 4 and `t` = lane % 4, two halves a register, the lower one first:
//!
//! | matrix | register | rows | columns |
//! |---|---|---|---|
//! | left, 16 x 8 | 0, 1 | g, g + 8 | 2t, 2t + 1 |
//! | left, 16 x 16 | 2, 3 as well | g, g + 8 | 2t + 8, 2t + 9 |
//! | right, 8 x 8 | 0 | 2t, 2t + 1 | g |
//! | right, 16 x 8 | 1 as well | 2t + 8, 2t + 9 | g |
//! | sum, 16 x 8 | 0 and 1, 2 and 3 | g, g + 8 | 2t and 2t + 1 |
//!
//! What a tensor unit does with sums that it cannot hold exactly differs between devices. Here a sum is taken in 64 bits
//! and rounded once, so that it is exact where the answer is.

use half::f16;

use crate::ptx::lanes::{Lanes, Scalar};

/// The four registers of `left * right + add`. `left` has two registers for each one of `right`.
pub(super) fn multiply(left: &[&Lanes], right: &[&Lanes], add: [&Lanes; 4]) -> [Lanes; 4] {
    let depth = 8 * right.len();
    let mut a = [[0.0_f64; 16]; 16];
    let mut b = [[0.0_f64; 16]; 8];
    for lane in 0..32 {
        let (group, thread) = (lane / 4, lane % 4);
        for (register, values) in left.iter().enumerate() {
            let (row, column) = (group + 8 * (register % 2), 2 * thread + 8 * (register / 2));
            [a[row][column], a[row][column + 1]] = halves(values[lane]);
        }
        for (register, values) in right.iter().enumerate() {
            let row = 2 * thread + 8 * register;
            [b[group][row], b[group][row + 1]] = halves(values[lane]);
        }
    }
    let mut to = [[0; 32]; 4];
    for lane in 0..32 {
        let (group, thread) = (lane / 4, lane % 4);
        for register in 0..4 {
            let (row, column) = (group + 8 * (register / 2), 2 * thread + register % 2);
            let pairs = a[row][..depth].iter().zip(&b[column][..depth]);
            let start = f64::from(f32::of(add[register][lane]));
            let sum = pairs.fold(start, |sum, (a, b)| sum + a * b);
            to[register][lane] = single(sum).bits();
        }
    }
    to
}

fn halves(word: u64) -> [f64; 2] {
    [f16::of(word).to_f64(), f16::of(word >> 16).to_f64()]
}

#[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
fn single(sum: f64) -> f32 {
    if sum.is_nan() { f32::from_bits(0x7fff_ffff) } else { sum as f32 }
}
