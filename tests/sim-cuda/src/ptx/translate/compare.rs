//! `setp`: what holds of two values.

use crate::ptx::lanes::{Compare, Scalar, holds};
use crate::ptx::text::Type;

/// The relation of this name for this type, if there is one.
pub(super) fn relation(name: &str, kind: Type) -> Option<Compare> {
    match kind {
        Type::Bits(16 | 32 | 64) if matches!(name, "eq" | "ne") => ordered::<u64>(name),
        Type::Unsigned(16 | 32 | 64) => ordered::<u64>(match name {
            "lo" => "lt",
            "ls" => "le",
            "hi" => "gt",
            "hs" => "ge",
            other => other,
        }),
        Type::Signed(16) => ordered::<i16>(name),
        Type::Signed(32) => ordered::<i32>(name),
        Type::Signed(64) => ordered::<i64>(name),
        Type::Float(32) => partial::<f32>(name),
        Type::Float(64) => partial::<f64>(name),
        _ => None,
    }
}

fn ordered<T: Scalar + PartialOrd>(name: &str) -> Option<Compare> {
    Some(match name {
        "eq" => holds(|a: T, b: T| a == b),
        "ne" => holds(|a: T, b: T| a != b),
        "lt" => holds(|a: T, b: T| a < b),
        "le" => holds(|a: T, b: T| a <= b),
        "gt" => holds(|a: T, b: T| a > b),
        "ge" => holds(|a: T, b: T| a >= b),
        _ => return None,
    })
}

/// Relations of which those that end in `u` also hold where one of the two is not a number.
fn partial<T: Scalar + PartialOrd>(name: &str) -> Option<Compare> {
    let unordered = |a: T, b: T| a.partial_cmp(&b).is_none();
    Some(match name {
        "ne" => holds(move |a: T, b: T| a != b && !unordered(a, b)),
        "equ" => holds(move |a: T, b: T| a == b || unordered(a, b)),
        "neu" => holds(|a: T, b: T| a != b),
        "ltu" => holds(move |a: T, b: T| a < b || unordered(a, b)),
        "leu" => holds(move |a: T, b: T| a <= b || unordered(a, b)),
        "gtu" => holds(move |a: T, b: T| a > b || unordered(a, b)),
        "geu" => holds(move |a: T, b: T| a >= b || unordered(a, b)),
        "num" => holds(move |a: T, b: T| !unordered(a, b)),
        "nan" => holds(unordered),
        other => return ordered::<T>(other),
    })
}
