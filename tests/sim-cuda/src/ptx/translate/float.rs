//! Floating-point numbers, as IEEE 754 rounds them: `add sub mul fma div sqrt rcp neg abs min max`.

use super::plan::Plan;
use crate::ptx::code::Demand;
use crate::ptx::lanes::{Scalar, one, three, two};
use crate::ptx::text::Type;

/// The arithmetic of a type of floating-point numbers.
pub(super) trait Float: Scalar + PartialOrd {
    /// The one way in which an answer is not a number.
    fn settled(self) -> Self;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn fma(self, factor: Self, add: Self) -> Self;
    fn root(self) -> Self;
    fn reciprocal(self) -> Self;
    fn negative(self) -> Self;
    fn absolute(self) -> Self;
    /// A number wins over what is none, and zeros are ordered by their signs.
    fn least(self, other: Self) -> Self;
    fn greatest(self, other: Self) -> Self;
}

macro_rules! floats {
    ($($type:ident, $none:literal, $sign:literal;)+) => {$(
        impl Float for $type {
            #[inline(always)]
            fn settled(self) -> Self {
                // By its bits: to a compiler, one such answer is as good as another.
                let bits = self.to_bits();
                Self::from_bits(if bits & !$sign > Self::INFINITY.to_bits() { $none } else { bits })
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                (self + other).settled()
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                (self - other).settled()
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                (self * other).settled()
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                (self / other).settled()
            }
            #[inline(always)]
            fn fma(self, factor: Self, add: Self) -> Self {
                self.mul_add(factor, add).settled()
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt().settled()
            }
            #[inline(always)]
            fn reciprocal(self) -> Self {
                (1.0 / self).settled()
            }
            #[inline(always)]
            fn negative(self) -> Self {
                Self::from_bits(self.to_bits() ^ $sign).settled()
            }
            #[inline(always)]
            fn absolute(self) -> Self {
                Self::from_bits(self.to_bits() & !$sign).settled()
            }
            #[inline(always)]
            fn least(self, other: Self) -> Self {
                let first = self < other || other.is_nan() || (self == other && self.is_sign_negative());
                (if first { self } else { other }).settled()
            }
            #[inline(always)]
            fn greatest(self, other: Self) -> Self {
                let first = self > other || other.is_nan() || (self == other && self.is_sign_positive());
                (if first { self } else { other }).settled()
            }
        }
    )+};
}

floats! {
    f32, 0x7fff_ffff, 0x8000_0000;
    f64, 0xfff8_0000_0000_0000, 0x8000_0000_0000_0000;
}

/// The function of this name for this type, if there is one.
pub(super) fn plan(name: &str, modes: &[&str], kind: Type) -> Option<Plan> {
    match kind {
        Type::Float(32) => of::<f32>(name, modes, kind),
        Type::Float(64) => of::<f64>(name, modes, kind),
        _ => None,
    }
}

fn of<T: Float>(name: &str, modes: &[&str], kind: Type) -> Option<Plan> {
    let (sources, run) = match (name, modes) {
        ("add", [] | ["rn"]) => (2, two(T::add)),
        ("sub", [] | ["rn"]) => (2, two(T::sub)),
        ("mul", [] | ["rn"]) => (2, two(T::mul)),
        ("fma" | "mad", ["rn"]) => (3, three(T::fma)),
        ("div", ["rn"]) => (2, two(T::div)),
        ("sqrt", ["rn"]) => (1, one(T::root)),
        ("rcp", ["rn"]) => (1, one(T::reciprocal)),
        ("neg", []) => (1, one(T::negative)),
        ("abs", []) => (1, one(T::absolute)),
        ("min", []) => (2, two(T::least)),
        ("max", []) => (2, two(T::greatest)),
        _ => return None,
    };
    Some(Plan::of(kind, sources, Demand::All, run))
}
