//! `nacp_ieee`: what IEEE 754 rounds exactly.

use super::fold::{Fold, halves, joined, next, pick, start};
use super::unit::Unit;

/// What a lane writes.
pub(super) fn lane<U: Unit>(unit: &mut U, lane: u32, steps: u32, seed: u32) -> u32 {
    let first = start(unit, lane, seed);
    let second = next(unit, first);
    let mut state = unit.r64(joined(first, second));
    let mut fold = Fold::new(first);
    for step in 0..steps {
        let drawn = Drawn::new(unit, &mut state);
        let [r0, r1, r2, r3] = drawn.words;
        fold.narrow(unit, [r0, r1, r2, r3]);
        let b = narrow(unit, &mut fold, drawn);
        let bb = wide(unit, &mut fold, drawn);
        if step & 63 == 0 {
            narrow_subnormal(unit, &mut fold, drawn.words, b);
            wide_subnormal(unit, &mut fold, drawn.words, bb);
        }
    }
    fold.word(unit)
}

/// Four random words, and the last two as one.
#[derive(Clone, Copy)]
struct Drawn {
    words: [u32; 4],
    last: u64,
}

impl Drawn {
    #[inline(always)]
    fn new<U: Unit>(unit: &mut U, state: &mut u64) -> Self {
        let mut draw = |state: &mut u64| {
            *state = unit.r64(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
            let above = unit.r64(*state >> 29);
            unit.r64(*state ^ above)
        };
        let (first, last) = (draw(state), draw(state));
        let ((r0, r1), (r2, r3)) = (halves(first), halves(last));
        Self { words: [r0, r1, r2, r3].map(|word| unit.r32(word)), last }
    }
}

/// Normal numbers of 32 bits. Returns the second operand.
#[inline(always)]
fn narrow<U: Unit>(unit: &mut U, fold: &mut Fold, drawn: Drawn) -> f32 {
    let [r0, r1, r2, r3] = drawn.words;
    let a = f32::from_bits(pick(unit, r0, 0x87FF_FFFF, 0x4000_0000));
    let b = f32::from_bits(pick(unit, r1, 0x87FF_FFFF, 0x4000_0000));
    let sum = unit.f32(a + b);
    let difference = unit.f32(a - b);
    let product = unit.f32(a * b);
    let negative = unit.f32(-product);
    fold.narrow(unit, [a, b, sum, difference, product, negative].map(f32::to_bits));
    let lost = unit.f32(a.mul_add(b, negative));
    let both = unit.f32(a.mul_add(b, sum));
    fold.narrow(unit, [lost, both].map(f32::to_bits));
    let quotient = unit.f32(a / b);
    let reciprocal = unit.f32(1.0 / b);
    fold.narrow(unit, [quotient, reciprocal].map(f32::to_bits));
    let widened = unit.f64(f64::from(quotient));
    fold.wide(unit, [widened.to_bits()]);
    let positive = unit.f32(a.abs());
    let root = unit.f32(positive.sqrt());
    fold.narrow(unit, [positive, root].map(f32::to_bits));
    let nearest = unit.r32(a.round_ties_even() as i32 as u32);
    let unsigned = unit.f32(r2 as f32);
    let signed = unit.f32(r3 as i32 as f32);
    fold.narrow(unit, [nearest, unsigned.to_bits(), signed.to_bits()]);
    b
}

/// Normal numbers of 64 bits. Returns the second operand.
#[inline(always)]
fn wide<U: Unit>(unit: &mut U, fold: &mut Fold, drawn: Drawn) -> f64 {
    let [r0, r1, r2, r3] = drawn.words;
    let a = number(unit, r2, r0, 0x80FF_FFFF, 0x4000_0000);
    let b = number(unit, r3, r1, 0x80FF_FFFF, 0x4000_0000);
    let sum = unit.f64(a + b);
    let difference = unit.f64(a - b);
    let product = unit.f64(a * b);
    let negative = unit.f64(-product);
    fold.wide(unit, [a, b, sum, difference, product, negative].map(f64::to_bits));
    let lost = unit.f64(a.mul_add(b, negative));
    let both = unit.f64(a.mul_add(b, sum));
    fold.wide(unit, [lost, both].map(f64::to_bits));
    let quotient = unit.f64(a / b);
    let reciprocal = unit.f64(1.0 / b);
    fold.wide(unit, [quotient, reciprocal].map(f64::to_bits));
    let positive = unit.f64(a.abs());
    let root = unit.f64(positive.sqrt());
    fold.wide(unit, [positive, root].map(f64::to_bits));
    let whole = unit.f64(drawn.last as f64);
    fold.wide(unit, [whole.to_bits()]);
    let rounded = unit.f32(product as f32);
    fold.narrow(unit, [rounded.to_bits()]);
    b
}

/// Subnormal operands and results of 32 bits.
fn narrow_subnormal<U: Unit>(unit: &mut U, fold: &mut Fold, [r0, r1, r2, r3]: [u32; 4], b: f32) {
    let s = f32::from_bits(unit.r32(r0 & 0x807F_FFFF));
    let d = f32::from_bits(unit.r32(r1 & 0x807F_FFFF));
    let sum = unit.f32(s + d);
    let difference = unit.f32(s - d);
    fold.narrow(unit, [s, d, sum, difference].map(f32::to_bits));
    let product = unit.f32(s * b);
    let both = unit.f32(s.mul_add(b, d));
    fold.narrow(unit, [product, both].map(f32::to_bits));
    let quotient = unit.f32(s / b);
    let positive = unit.f32(s.abs());
    let root = unit.f32(positive.sqrt());
    fold.narrow(unit, [quotient, positive, root].map(f32::to_bits));
    let widened = unit.f64(f64::from(s));
    fold.wide(unit, [widened.to_bits()]);
    let kept = unit.r32(r2 & 0x807F_FFFF);
    let large = f32::from_bits(unit.r32(kept ^ 0x7E80_0000));
    let reciprocal = unit.f32(1.0 / large);
    fold.narrow(unit, [kept, large.to_bits(), reciprocal.to_bits()]);
    let left = f32::from_bits(unit.r32(kept ^ 0x2000_0000));
    let right = f32::from_bits(pick(unit, r3, 0x807F_FFFF, 0x1F80_0000));
    let small = unit.f32(left * right);
    fold.narrow(unit, [left, right, small].map(f32::to_bits));
}

/// Subnormal operands and results of 64 bits.
fn wide_subnormal<U: Unit>(unit: &mut U, fold: &mut Fold, [r0, r1, r2, r3]: [u32; 4], b: f64) {
    let high = unit.r32(r0 & 0x800F_FFFF);
    let s = unit.f64(f64::from_bits(joined(r2, high)));
    let d = number(unit, r3, r1, 0x800F_FFFF, 0);
    let sum = unit.f64(s + d);
    let difference = unit.f64(s - d);
    fold.wide(unit, [s, d, sum, difference].map(f64::to_bits));
    let product = unit.f64(s * b);
    let both = unit.f64(s.mul_add(b, d));
    fold.wide(unit, [product, both].map(f64::to_bits));
    let quotient = unit.f64(s / b);
    let positive = unit.f64(s.abs());
    let root = unit.f64(positive.sqrt());
    fold.wide(unit, [quotient, positive, root].map(f64::to_bits));
    let large = unit.r32(high ^ 0x7FD0_0000);
    let large = unit.f64(f64::from_bits(joined(r2, large)));
    let reciprocal = unit.f64(1.0 / large);
    fold.wide(unit, [large, reciprocal].map(f64::to_bits));
    let small = unit.r32(high ^ 0x37E0_0000);
    let small = unit.f64(f64::from_bits(joined(r2, small)));
    let rounded = unit.f32(small as f32);
    fold.wide(unit, [small.to_bits()]);
    fold.narrow(unit, [rounded.to_bits()]);
}

/// A number of 64 bits of two random words, the high one shaped.
#[inline(always)]
fn number<U: Unit>(unit: &mut U, low: u32, high: u32, keep: u32, set: u32) -> f64 {
    let high = pick(unit, high, keep, set);
    unit.f64(f64::from_bits(joined(low, high)))
}
