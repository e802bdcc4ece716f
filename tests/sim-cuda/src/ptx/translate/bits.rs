//! Bits: `and or xor not cnot shl shr shf bfe bfi brev popc clz prmt lop3`.

use super::plan::Plan;
use crate::ptx::code::Demand;
use crate::ptx::lanes::{four, one, ones, three, two};
use crate::ptx::text::Type;

/// The function of this name for this type, if there is one.
pub(super) fn plan(name: &str, modes: &[&str], kind: Type) -> Option<Plan> {
    use Type::{Bits, Signed, Unsigned};
    let amount = Unsigned(32);
    Some(match (name, modes, kind) {
        ("and", [], Bits(16 | 32 | 64)) => Plan::of(kind, 2, Demand::And, two(|a: u64, b: u64| a & b)),
        ("or", [], Bits(16 | 32 | 64)) => Plan::of(kind, 2, Demand::Or, two(|a: u64, b: u64| a | b)),
        ("xor", [], Bits(16 | 32 | 64)) => Plan::of(kind, 2, Demand::Same, two(|a: u64, b: u64| a ^ b)),
        ("not", [], Bits(width @ (16 | 32 | 64))) => {
            let mask = ones(width);
            Plan::of(kind, 1, Demand::Same, one(move |a: u64| !a & mask))
        }
        ("cnot", [], Bits(16 | 32 | 64)) => Plan::of(kind, 1, Demand::All, one(|a: u64| u64::from(a == 0))),
        ("shl", [], Bits(width @ (16 | 32 | 64))) => {
            let mask = ones(width);
            let run = two(move |a: u64, by: u32| if by < width { a << by & mask } else { 0 });
            Plan::of(kind, 2, Demand::Left, run).takes(1, amount)
        }
        ("shr", [], Bits(width @ (16 | 32 | 64)) | Unsigned(width @ (16 | 32 | 64))) => {
            let run = two(move |a: u64, by: u32| if by < width { a >> by } else { 0 });
            Plan::of(kind, 2, Demand::Right { sign: None }, run).takes(1, amount)
        }
        ("shr", [], Signed(width @ (16 | 32 | 64))) => {
            let mask = ones(width);
            let run = two(move |a: u64, by: u32| signed(a, width).wrapping_shr(by.min(63)).cast_unsigned() & mask);
            Plan::of(kind, 2, Demand::Right { sign: Some(width - 1) }, run).takes(1, amount)
        }
        ("shf", ["l", "wrap"], Bits(32)) => funnel(true, false),
        ("shf", ["l", "clamp"], Bits(32)) => funnel(true, true),
        ("shf", ["r", "wrap"], Bits(32)) => funnel(false, false),
        ("shf", ["r", "clamp"], Bits(32)) => funnel(false, true),
        ("bfe", [], Unsigned(width @ (32 | 64))) => {
            let run = three(move |a: u64, at: u32, length: u32| field(a, at, length, width));
            Plan::of(kind, 3, Demand::All, run).takes(1, amount)
        }
        ("bfe", [], Signed(width @ (32 | 64))) => {
            let run = three(move |a: u64, at: u32, length: u32| signed_field(a, at, length, width));
            Plan::of(kind, 3, Demand::All, run).takes(1, amount)
        }
        ("bfi", [], Bits(width @ (32 | 64))) => {
            let run = four(move |a: u64, b: u64, at: u64, length: u64| insert(a, b, at & 255, length & 255, width));
            Plan::of(kind, 4, Demand::All, run).takes(2, amount)
        }
        ("brev", [], Bits(width @ (32 | 64))) => {
            Plan::of(kind, 1, Demand::All, one(move |a: u64| a.reverse_bits() >> (64 - width)))
        }
        ("popc", [], Bits(32 | 64)) => Plan::of(kind, 1, Demand::All, one(u64::count_ones)).gives(amount),
        ("clz", [], Bits(width @ (32 | 64))) => {
            let run = one(move |a: u64| a.leading_zeros() - (64 - width));
            Plan::of(kind, 1, Demand::All, run).gives(amount)
        }
        ("prmt", [], Bits(32)) => Plan::of(kind, 3, Demand::All, three(permute)),
        _ => return None,
    })
}

/// `lop3`: any function of three bits, which `table` gives.
pub(super) fn lop3(table: u64) -> Plan {
    let run = three(move |a: u32, b: u32, c: u32| {
        (0..8_u32).filter(|row| table >> row & 1 == 1).fold(0, |found, row| {
            let pick = |word: u32, bit: u32| if row >> bit & 1 == 1 { word } else { !word };
            found | pick(a, 2) & pick(b, 1) & pick(c, 0)
        })
    });
    Plan::of(Type::Bits(32), 3, Demand::Same, run)
}

/// The low bits as a number with a sign.
pub(super) fn signed(bits: u64, width: u32) -> i64 {
    (bits << (64 - width)).cast_signed() >> (64 - width)
}

/// A window of 32 bits in the 64 bits of two words: of `b` above `a`, moved by the low bits of the third.
fn funnel(left: bool, clamp: bool) -> Plan {
    let run = three(move |a: u32, b: u32, by: u32| {
        let by = if clamp { by.min(32) } else { by & 31 };
        let both = u64::from(b) << 32 | u64::from(a);
        if left { both << by >> 32 & ones(32) } else { both >> by & ones(32) }
    });
    Plan::of(Type::Bits(32), 3, Demand::All, run).takes(2, Type::Unsigned(32))
}

fn field(a: u64, at: u32, length: u32, width: u32) -> u64 {
    let (at, length) = (at & 255, length & 255);
    if at >= width || length == 0 {
        return 0;
    }
    a >> at & ones(length.min(width))
}

/// Where the field reaches beyond the word, or is empty of bits, the sign is that of the word's topmost bit.
fn signed_field(a: u64, at: u32, length: u32, width: u32) -> u64 {
    let (at, length) = (at & 255, length & 255);
    if length == 0 {
        return 0;
    }
    let top = (at + length - 1).min(width - 1);
    let sign = if a >> top & 1 == 1 { u64::MAX } else { 0 };
    let inside = width.saturating_sub(at).min(length);
    if inside == 0 {
        return sign & ones(width);
    }
    let known = ones(inside);
    (a >> at & known | sign & !known) & ones(width)
}

fn insert(a: u64, b: u64, at: u64, length: u64, width: u32) -> u64 {
    let width = u64::from(width);
    if length == 0 || at >= width {
        return b;
    }
    let mask = (u64::MAX >> (64 - length.min(width - at))) << at;
    b & !mask | a << at & mask
}

/// Each byte of the answer is one of the eight, or its sign all over.
fn permute(a: u32, b: u32, which: u32) -> u32 {
    let both = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
    let chosen: [u8; 4] = std::array::from_fn(|place| {
        let choice = which >> (4 * place) & 15;
        let byte = both.get((choice & 7) as usize).copied().unwrap_or(0);
        match (choice & 8 != 0, byte & 128 != 0) {
            (false, _) => byte,
            (true, sign) => {
                if sign {
                    255
                } else {
                    0
                }
            }
        }
    });
    u32::from_le_bytes(chosen)
}
