//! `nacp_fma`: fused multiply-adds of 32 bits.

use super::fold::{Fold, next, pick, start};
use super::unit::Unit;

/// What a lane writes.
pub(super) fn lane<U: Unit>(unit: &mut U, lane: u32, steps: u32, seed: u32) -> u32 {
    let first = start(unit, lane, seed);
    let mut x = f32::from_bits(pick(unit, first, 0x007F_FFFF, 0x3F00_0000));
    let second = next(unit, first);
    let c = f32::from_bits(pick(unit, second, 0x000F_FFFF, 0xBFF0_0000));
    let third = next(unit, second);
    let k = f32::from_bits(pick(unit, third, 0x003F_FFFF, 0x3F00_0000));
    let mut y = unit.f32(0.0);
    let mut fold = Fold::new(first);
    fold.narrow(unit, [x.to_bits(), c.to_bits(), k.to_bits(), third, y.to_bits()]);
    for _ in 0..steps {
        x = unit.f32(x.mul_add(x, c));
        y = unit.f32(y.mul_add(k, x));
        fold.narrow(unit, [x.to_bits(), y.to_bits()]);
    }
    fold.word(unit)
}
