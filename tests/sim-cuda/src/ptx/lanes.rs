//! The 32 lanes of a warp: what a register holds in each, and how a function of one lane becomes one of all.

use half::f16;

/// A register of a warp. Each lane's value stands in the low bits, and the bits above the register's width are zero.
pub(super) type Lanes = [u64; 32];

/// What an instruction computes from up to four registers.
pub(super) type Compute = Box<dyn Fn([&Lanes; 4], &mut Lanes) + Send + Sync>;

/// In which lanes something holds of two registers.
pub(super) type Compare = Box<dyn Fn([&Lanes; 2]) -> u32 + Send + Sync>;

/// A type of values that a register may hold.
pub(super) trait Scalar: Copy + Send + Sync + 'static {
    /// The value that these bits mean; bits above the type's width do not count.
    fn of(bits: u64) -> Self;
    /// Its bits, with zeros above them.
    fn bits(self) -> u64;
}

macro_rules! scalars {
    ($($type:ty: $bits:ident => $of:expr, $value:ident => $into:expr;)+) => {$(
        impl Scalar for $type {
            #[inline(always)]
            #[expect(clippy::cast_possible_truncation, reason = "the bits above the width do not count")]
            fn of($bits: u64) -> Self {
                $of
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                let $value = self;
                $into
            }
        }
    )+};
}

scalars! {
    u8: bits => bits as u8, value => u64::from(value);
    i8: bits => (bits as u8).cast_signed(), value => u64::from(value.cast_unsigned());
    u16: bits => bits as u16, value => u64::from(value);
    i16: bits => (bits as u16).cast_signed(), value => u64::from(value.cast_unsigned());
    u32: bits => bits as u32, value => u64::from(value);
    i32: bits => (bits as u32).cast_signed(), value => u64::from(value.cast_unsigned());
    f16: bits => f16::from_bits(bits as u16), value => u64::from(value.to_bits());
    f32: bits => f32::from_bits(bits as u32), value => u64::from(value.to_bits());
}

impl Scalar for u64 {
    #[inline(always)]
    fn of(bits: u64) -> Self {
        bits
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        self
    }
}

impl Scalar for i64 {
    #[inline(always)]
    fn of(bits: u64) -> Self {
        bits.cast_signed()
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        self.cast_unsigned()
    }
}

impl Scalar for f64 {
    #[inline(always)]
    fn of(bits: u64) -> Self {
        f64::from_bits(bits)
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// A function of one value, in all lanes.
pub(super) fn one<A: Scalar, R: Scalar>(f: impl Fn(A) -> R + Send + Sync + 'static) -> Compute {
    Box::new(move |[a, ..], to| {
        for (to, a) in to.iter_mut().zip(a) {
            *to = f(A::of(*a)).bits();
        }
    })
}

/// A function of two values, in all lanes.
pub(super) fn two<A: Scalar, B: Scalar, R: Scalar>(f: impl Fn(A, B) -> R + Send + Sync + 'static) -> Compute {
    Box::new(move |[a, b, ..], to| {
        for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
            *to = f(A::of(*a), B::of(*b)).bits();
        }
    })
}

/// A function of three values, in all lanes.
pub(super) fn three<A: Scalar, B: Scalar, C: Scalar, R: Scalar>(
    f: impl Fn(A, B, C) -> R + Send + Sync + 'static,
) -> Compute {
    Box::new(move |[a, b, c, _], to| {
        for (((to, a), b), c) in to.iter_mut().zip(a).zip(b).zip(c) {
            *to = f(A::of(*a), B::of(*b), C::of(*c)).bits();
        }
    })
}

/// A function of four values, in all lanes.
pub(super) fn four<A: Scalar>(f: impl Fn(A, A, A, A) -> A + Send + Sync + 'static) -> Compute {
    Box::new(move |[a, b, c, d], to| {
        for ((((to, a), b), c), d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *to = f(A::of(*a), A::of(*b), A::of(*c), A::of(*d)).bits();
        }
    })
}

/// In which lanes this holds.
pub(super) fn holds<A: Scalar>(f: impl Fn(A, A) -> bool + Send + Sync + 'static) -> Compare {
    Box::new(move |[a, b]| {
        let pairs = a.iter().zip(b).enumerate();
        pairs.fold(0, |mask, (lane, (a, b))| mask | u32::from(f(A::of(*a), A::of(*b))) << lane)
    })
}

/// The numbers of the lanes in a mask, from the lowest.
pub(super) fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (lane < 32).then_some(lane as usize)
    })
}

/// So many ones.
pub(super) fn ones(width: u32) -> u64 {
    u64::MAX >> (64 - width.clamp(1, 64))
}
