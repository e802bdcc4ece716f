//! What every kernel begins and ends with: the start of a thread, and the fold of what it computes.

use super::unit::Unit;

/// The factor of the fold. It leaves 5 when divided by 8, so that no power of it below the 2^31st is -1 modulo 2^33: two
/// flips of highest bits, such as of two signs, never take each other back.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// How many values are folded at once at most, and one more.
const MOST: usize = 33;

/// The powers of the factor, with which the values need not wait for each other.
const POWERS: [u64; MOST] = {
    let mut powers = [1; MOST];
    let mut at = 1;
    while at < MOST {
        powers[at] = FACTOR.wrapping_mul(powers[at - 1]);
        at += 1;
    }
    powers
};

/// What a thread has folded: `fold = fold * FACTOR + x` for each `x` in order.
#[derive(Clone, Copy)]
pub(super) struct Fold(u64);

impl Fold {
    pub(super) fn new(word: u32) -> Self {
        Self(u64::from(word))
    }

    /// Values of 32 bits.
    #[inline(always)]
    pub(super) fn narrow<const N: usize>(&mut self, unit: &mut impl Unit, values: [u32; N]) {
        let mut sum = self.0.wrapping_mul(POWERS[N]);
        for (value, power) in values.iter().zip(POWERS[..N].iter().rev()) {
            sum = sum.wrapping_add(u64::from(*value).wrapping_mul(*power));
        }
        self.0 = unit.r64(sum);
    }

    /// Values of 64 bits: each, and then its high half, so that its highest bits count twice.
    #[inline(always)]
    pub(super) fn wide<const N: usize>(&mut self, unit: &mut impl Unit, values: [u64; N]) {
        let mut sum = self.0.wrapping_mul(POWERS[2 * N]);
        for (value, powers) in values.iter().zip(POWERS[..2 * N].rchunks_exact(2)) {
            sum = sum.wrapping_add(value.wrapping_mul(powers[1])).wrapping_add((value >> 32).wrapping_mul(powers[0]));
        }
        self.0 = unit.r64(sum);
    }

    /// All that another thread has folded.
    pub(super) fn other(&mut self, unit: &mut impl Unit, other: Self) {
        self.wide(unit, [other.0]);
    }

    /// One word of both halves.
    pub(super) fn word(self, unit: &mut impl Unit) -> u32 {
        let (low, high) = halves(self.0);
        let high = mix(unit, high);
        unit.r32(low ^ high)
    }
}

/// A word whose bits all depend on all bits of `x`, and no two of which are the same.
pub(super) fn mix(unit: &mut impl Unit, x: u32) -> u32 {
    let x = fall(unit, x, 16);
    let x = unit.r32(x.wrapping_mul(0x7FEB_352D));
    let x = fall(unit, x, 15);
    let x = unit.r32(x.wrapping_mul(0x846C_A68B));
    fall(unit, x, 16)
}

/// The high bits also change the low ones.
fn fall(unit: &mut impl Unit, x: u32, by: u32) -> u32 {
    let high = unit.r32(x >> by);
    unit.r32(x ^ high)
}

/// What a lane begins with: `mix(lane ^ mix(seed))`.
pub(super) fn start(unit: &mut impl Unit, lane: u32, seed: u32) -> u32 {
    let seed = mix(unit, seed);
    let mixed = unit.r32(lane ^ seed);
    mix(unit, mixed)
}

/// The next of a row of numbers.
#[inline(always)]
pub(super) fn next(unit: &mut impl Unit, number: u32) -> u32 {
    unit.r32(number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
}

/// Picks bits of a random word, and sets others.
#[inline(always)]
pub(super) fn pick(unit: &mut impl Unit, word: u32, keep: u32, set: u32) -> u32 {
    let kept = unit.r32(word & keep);
    unit.r32(kept ^ set)
}

/// Low and high half.
#[inline(always)]
pub(super) fn halves(wide: u64) -> (u32, u32) {
    (wide as u32, (wide >> 32) as u32)
}

/// 64 bits of a low and a high half.
#[inline(always)]
pub(super) fn joined(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}
