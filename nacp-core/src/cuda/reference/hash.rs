//! `nacp_hash`: integers.

use super::fold::{Fold, halves, joined, next, start};
use super::unit::Unit;

/// What a lane writes.
pub(super) fn lane<U: Unit>(unit: &mut U, lane: u32, steps: u32, seed: u32) -> u32 {
    let mut a = start(unit, lane, seed);
    let mut b = next(unit, a);
    let mut w = unit.r64(joined(a, b));
    let mut fold = Fold::new(a);
    for _ in 0..steps {
        let t = unit.r32(a.wrapping_mul(1_664_525).wrapping_add(b));
        let h = unit.r32((u64::from(t).wrapping_mul(0xC2B2_AE35) >> 32) as u32);
        let l = unit.r32(t.wrapping_mul(h));
        let f = unit.r32((joined(l, h) << (a & 31) >> 32) as u32);
        let g = unit.r32((joined(l, h) >> (b & 31)) as u32);
        let s = unit.r32(f & 0x7777);
        let q = unit.r32(permute(f, g, s));
        let c = unit.r32(q.count_ones());
        let z = unit.r32(l.leading_zeros());
        let e = unit.r32(field(h, c, 9));
        let v = unit.r32(q.reverse_bits());
        let x = unit.r32(v ^ e);
        fold.narrow(unit, [t, h, l, f, g, s, q, c, z, e, v, x]);
        let d = unit.r64(joined(q, x));
        w = unit.r64(w.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(d));
        let k = unit.r64((u128::from(w).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 64) as u64);
        let u = unit.r64(w >> 29);
        let d = unit.r64(k ^ u);
        let sum = unit.r64(w.wrapping_add(d));
        fold.wide(unit, [w, k, u, d, sum]);
        w = sum;
        let (low, high) = halves(w);
        a = unit.r32(low.wrapping_add(z));
        b = unit.r32(high.wrapping_sub(c));
        fold.narrow(unit, [a, b]);
    }
    fold.word(unit)
}

/// `prmt.b32`: each nibble of the selector picks one of the eight bytes, or with its highest bit that byte's sign.
fn permute(low: u32, high: u32, selector: u32) -> u32 {
    let bytes = joined(low, high);
    (0..4).fold(0, |word, at| {
        let nibble = selector >> (4 * at) & 15;
        let byte = (bytes >> (8 * (nibble & 7))) as u8;
        let byte = if nibble & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 };
        word | u32::from(byte) << (8 * at)
    })
}

/// `bfe.u32`: `length` bits of a word from `position` on; there are only zeros above it.
fn field(word: u32, position: u32, length: u32) -> u32 {
    let (position, length) = (position & 0xFF, length & 0xFF);
    word.checked_shr(position).unwrap_or(0) & 1_u32.checked_shl(length).map_or(u32::MAX, |above| above - 1)
}
