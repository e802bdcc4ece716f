//! `cvt`: from one type to another.

use half::f16;

use super::bits::signed;
use super::float::Float;
use crate::ptx::code::Demand;
use crate::ptx::lanes::{Compute, one, ones};
use crate::ptx::text::Type;

/// The conversion between these types, and which bits of the source it needs. The register that it goes to has `room`
/// bits, which may be more than the type has.
pub(super) fn conversion(modes: &[&str], to: Type, from: Type, room: u32) -> Option<(Compute, Demand)> {
    use Type::{Float, Signed, Unsigned};
    let all = |run| Some((run, Demand::All));
    match (to, from) {
        (Signed(_) | Unsigned(_), Signed(_) | Unsigned(_)) if modes.is_empty() => Some(between(to, from, room)),
        (Float(width), Signed(_) | Unsigned(_)) if modes == ["rn"] => all(from_whole(width, from)?),
        (Signed(_) | Unsigned(_), Float(width)) => match modes {
            [mode] => all(to_whole(mode, to, width, room)?),
            _ => None,
        },
        (Float(to), Float(from)) => all(between_floats(modes, to, from)?),
        _ => None,
    }
}

/// Cuts off or fills up, with the sign if the source has one; then the same to the register.
fn between(to: Type, from: Type, room: u32) -> (Compute, Demand) {
    let is_signed = |kind| matches!(kind, Type::Signed(_));
    let (given, kept) = (from.bits(), to.bits());
    let (from_signed, to_signed) = (is_signed(from), is_signed(to));
    let extend = |bits: u64, width: u32, sign: bool| {
        if sign { signed(bits, width).cast_unsigned() } else { bits & ones(width) }
    };
    let run = one(move |bits: u64| extend(extend(bits, given, from_signed), kept, to_signed) & ones(room));
    let narrow = given.min(kept);
    (run, Demand::Narrow { bits: narrow, signed: if kept < given { to_signed } else { from_signed } })
}

/// To the nearest, and of two equally near the even one.
#[expect(clippy::cast_precision_loss, reason = "that is the conversion, and it rounds once")]
fn from_whole(to: u32, from: Type) -> Option<Compute> {
    let width = from.bits();
    Some(match (to, from) {
        (32, Type::Signed(_)) => one(move |bits: u64| signed(bits, width) as f32),
        (32, _) => one(move |bits: u64| (bits & ones(width)) as f32),
        (64, Type::Signed(_)) => one(move |bits: u64| signed(bits, width) as f64),
        (64, _) => one(move |bits: u64| (bits & ones(width)) as f64),
        // What 32 bits cannot hold exactly is more than 16 can hold at all.
        (16, Type::Signed(_)) => one(move |bits: u64| f16::from_f32(signed(bits, width) as f32)),
        (16, _) => one(move |bits: u64| f16::from_f32((bits & ones(width)) as f32)),
        _ => return None,
    })
}

/// The nearest whole number in a direction, and the nearest that there is where the type ends.
fn to_whole(mode: &str, to: Type, from: u32, room: u32) -> Option<Compute> {
    let round: fn(f64) -> f64 = match mode {
        "rni" => f64::round_ties_even,
        "rzi" => f64::trunc,
        "rmi" => f64::floor,
        "rpi" => f64::ceil,
        _ => return None,
    };
    let width = to.bits();
    let none = if from == 64 || width == 64 { 1 << (width - 1) } else { 0 };
    let fit: fn(f64, u32) -> u64 = if matches!(to, Type::Signed(_)) { fit_signed } else { fit_unsigned };
    let filled = move |value: f64| {
        let bits = if value.is_nan() { none } else { fit(round(value), width) };
        if matches!(to, Type::Signed(_)) { signed(bits, width).cast_unsigned() & ones(room) } else { bits }
    };
    Some(match from {
        16 => one(move |value: f16| filled(value.to_f64())),
        32 => one(move |value: f32| filled(f64::from(value))),
        64 => one(filled),
        _ => return None,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the cast stops at the ends of the type, which is what is wanted")]
fn fit_signed(value: f64, width: u32) -> u64 {
    let most = i64::MAX >> (64 - width);
    (value as i64).clamp(-most - 1, most).cast_unsigned() & ones(width)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast stops at the ends of the type, which is what is wanted"
)]
fn fit_unsigned(value: f64, width: u32) -> u64 {
    (value as u64).min(ones(width))
}

#[expect(clippy::cast_possible_truncation, reason = "that is the conversion, and it rounds once")]
fn between_floats(modes: &[&str], to: u32, from: u32) -> Option<Compute> {
    Some(match (modes, to, from) {
        ([], 64, 32) => one(|value: f32| f64::from(value).settled()),
        (["rn"], 32, 64) => one(|value: f64| (value as f32).settled()),
        ([], 32, 16) => one(|value: f16| value.to_f32().settled()),
        ([], 64, 16) => one(|value: f16| value.to_f64().settled()),
        (["rn"], 16, 32) => {
            one(|value: f32| if value.is_nan() { f16::from_bits(0x7fff) } else { f16::from_f32(value) })
        }
        (["rni"], 32, 32) => one(|value: f32| value.round_ties_even().settled()),
        (["rzi"], 32, 32) => one(|value: f32| value.trunc().settled()),
        (["rmi"], 32, 32) => one(|value: f32| value.floor().settled()),
        (["rpi"], 32, 32) => one(|value: f32| value.ceil().settled()),
        (["rni"], 64, 64) => one(|value: f64| value.round_ties_even().settled()),
        (["rzi"], 64, 64) => one(|value: f64| value.trunc().settled()),
        (["rmi"], 64, 64) => one(|value: f64| value.floor().settled()),
        (["rpi"], 64, 64) => one(|value: f64| value.ceil().settled()),
        _ => return None,
    })
}
