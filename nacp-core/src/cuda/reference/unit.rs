//! What computes. Each result of an instruction passes through it, so that a test can spoil one.

/// What computes.
pub(super) trait Unit {
    /// A result of 32 bits.
    fn r32(&mut self, result: u32) -> u32;
    /// A result of 64 bits.
    fn r64(&mut self, result: u64) -> u64;

    /// A result of 32 bits that is a number.
    fn f32(&mut self, result: f32) -> f32 {
        f32::from_bits(self.r32(result.to_bits()))
    }

    /// A result of 64 bits that is a number.
    fn f64(&mut self, result: f64) -> f64 {
        f64::from_bits(self.r64(result.to_bits()))
    }
}

/// One that makes no errors.
pub(super) struct Sound;

impl Unit for Sound {
    #[inline(always)]
    fn r32(&mut self, result: u32) -> u32 {
        result
    }

    #[inline(always)]
    fn r64(&mut self, result: u64) -> u64 {
        result
    }
}
