//! What every kernel begins and ends with: the start of a thread, and the fold of what it computes.

use super::unit::Unit;

/// The factor of the fold of 32 bits.
const FACTOR: u32 = 0x9E37_79B1;
/// The factor of the fold of 64 bits.
const WIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// How many values are folded at once at most, and one more.
const MOST: usize = 33;

const POWERS: [u32; MOST] = {
    let mut powers = [1; MOST];
    let mut at = 1;
    while at < MOST {
        powers[at] = FACTOR.wrapping_mul(powers[at - 1]);
        at += 1;
    }
    powers
};

const WIDE_POWERS: [u64; MOST] = {
    let mut powers = [1; MOST];
    let mut at = 1;
    while at < MOST {
        powers[at] = WIDE.wrapping_mul(powers[at - 1]);
        at += 1;
    }
    powers
};

/// What a thread has folded.
#[derive(Clone, Copy)]
pub(super) struct Fold {
    narrow: u32,
    wide: u64,
}

impl Fold {
    pub(super) fn new(narrow: u32, wide: u64) -> Self {
        Self { narrow, wide }
    }

    /// `narrow = narrow * FACTOR + x` for each x in order. The powers of the factor make the same of it without each
    /// product waiting for the one before.
    #[inline(always)]
    pub(super) fn narrow<const N: usize>(&mut self, unit: &mut impl Unit, values: [u32; N]) {
        let mut sum = self.narrow.wrapping_mul(POWERS[N]);
        for (value, power) in values.iter().zip(POWERS[..N].iter().rev()) {
            sum = sum.wrapping_add(value.wrapping_mul(*power));
        }
        self.narrow = unit.r32(sum);
    }

    /// The same in 64 bits.
    #[inline(always)]
    pub(super) fn wide<const N: usize>(&mut self, unit: &mut impl Unit, values: [u64; N]) {
        let mut sum = self.wide.wrapping_mul(WIDE_POWERS[N]);
        for (value, power) in values.iter().zip(WIDE_POWERS[..N].iter().rev()) {
            sum = sum.wrapping_add(value.wrapping_mul(*power));
        }
        self.wide = unit.r64(sum);
    }

    /// What was folded in 32 bits.
    pub(super) fn word(self) -> u32 {
        self.narrow
    }

    /// Both in one word.
    pub(super) fn both(mut self, unit: &mut impl Unit) -> u32 {
        let (low, high) = halves(self.wide);
        self.narrow(unit, [low, high]);
        self.narrow
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
