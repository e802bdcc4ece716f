//! Whole numbers: `add sub mul mad div rem min max neg abs`, with their halves and widths.

use super::plan::Plan;
use crate::ptx::code::Demand;
use crate::ptx::lanes::{Scalar, one, three, two};
use crate::ptx::text::Type;

/// The arithmetic of a type of whole numbers.
trait Integer: Scalar + Ord {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn low(self, other: Self) -> Self;
    /// The upper half of the product.
    fn high(self, other: Self) -> Self;
    fn negative(self) -> Self;
    /// All ones where the divisor is zero.
    fn quotient(self, other: Self) -> Self;
    /// The dividend where the divisor is zero.
    fn remainder(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($type:ident, $wide:ident;)+) => {$(
        impl Integer for $type {
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn low(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "the upper half of a product fits")]
            fn high(self, other: Self) -> Self {
                ((<$wide>::from(self) * <$wide>::from(other)) >> Self::BITS) as Self
            }
            #[inline(always)]
            fn negative(self) -> Self {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn quotient(self, other: Self) -> Self {
                if other == 0 { !0 } else { self.wrapping_div(other) }
            }
            #[inline(always)]
            fn remainder(self, other: Self) -> Self {
                if other == 0 { self } else { self.wrapping_rem(other) }
            }
        }
    )+};
}

integers! {
    u16, u32;
    i16, i32;
    u32, u64;
    i32, i64;
    u64, u128;
    i64, i128;
}

/// The function of this name for this type, if there is one.
pub(super) fn plan(name: &str, modes: &[&str], kind: Type) -> Option<Plan> {
    if matches!((name, modes), ("mul" | "mad", ["wide"])) {
        return wide(name, kind);
    }
    match kind {
        Type::Unsigned(16) => narrow::<u16>(name, modes, kind),
        Type::Signed(16) => narrow::<i16>(name, modes, kind),
        Type::Unsigned(32) => narrow::<u32>(name, modes, kind),
        Type::Signed(32) => narrow::<i32>(name, modes, kind),
        Type::Unsigned(64) => narrow::<u64>(name, modes, kind),
        Type::Signed(64) => narrow::<i64>(name, modes, kind),
        _ => None,
    }
}

fn narrow<T: Integer>(name: &str, modes: &[&str], kind: Type) -> Option<Plan> {
    use Demand::{All, Low};
    let signed = matches!(kind, Type::Signed(_));
    let (sources, demand, run) = match (name, modes) {
        ("add", []) => (2, Low, two(T::add)),
        ("sub", []) => (2, Low, two(T::sub)),
        ("mul", ["lo"]) => (2, Low, two(T::low)),
        ("mul", ["hi"]) => (2, All, two(T::high)),
        ("mad", ["lo"]) => (3, Low, three(|a: T, b: T, c: T| a.low(b).add(c))),
        ("mad", ["hi"]) => (3, All, three(|a: T, b: T, c: T| a.high(b).add(c))),
        ("div", []) => (2, All, two(T::quotient)),
        ("rem", []) => (2, All, two(T::remainder)),
        ("min", []) => (2, All, two(T::min)),
        ("max", []) => (2, All, two(T::max)),
        ("neg", []) if signed => (1, Low, one(T::negative)),
        ("abs", []) if signed => (1, All, one(|a: T| a.max(a.negative()))),
        _ => return None,
    };
    Some(Plan::of(kind, sources, demand, run))
}

/// Products that are twice as wide as their factors.
fn wide(name: &str, kind: Type) -> Option<Plan> {
    let add = name == "mad";
    let (to, run) = match kind {
        Type::Unsigned(16) if add => {
            (Type::Unsigned(32), three(|a: u16, b: u16, c: u32| product_u16(a, b).wrapping_add(c)))
        }
        Type::Unsigned(16) => (Type::Unsigned(32), two(product_u16)),
        Type::Signed(16) if add => {
            (Type::Signed(32), three(|a: i16, b: i16, c: i32| product_i16(a, b).wrapping_add(c)))
        }
        Type::Signed(16) => (Type::Signed(32), two(product_i16)),
        Type::Unsigned(32) if add => {
            (Type::Unsigned(64), three(|a: u32, b: u32, c: u64| product_u32(a, b).wrapping_add(c)))
        }
        Type::Unsigned(32) => (Type::Unsigned(64), two(product_u32)),
        Type::Signed(32) if add => {
            (Type::Signed(64), three(|a: i32, b: i32, c: i64| product_i32(a, b).wrapping_add(c)))
        }
        Type::Signed(32) => (Type::Signed(64), two(product_i32)),
        _ => return None,
    };
    let plan = Plan::of(kind, 2 + usize::from(add), Demand::All, run).gives(to);
    Some(plan.takes(2, to))
}

fn product_u16(a: u16, b: u16) -> u32 {
    u32::from(a) * u32::from(b)
}

fn product_i16(a: i16, b: i16) -> i32 {
    i32::from(a) * i32::from(b)
}

fn product_u32(a: u32, b: u32) -> u64 {
    u64::from(a) * u64::from(b)
}

fn product_i32(a: i32, b: i32) -> i64 {
    i64::from(a) * i64::from(b)
}
