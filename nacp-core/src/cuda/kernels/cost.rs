//! What a launch costs, counted from the text of its kernel.

use super::{ACCUMULATORS, Argument, CHAINS, Kernel, Launch, ROW};

impl Launch {
    /// How many operations on floating-point numbers it does: each addition, product, quotient, root or reciprocal is
    /// one, a fused multiply-add is two, a conversion none. A product of matrices of 16 by 8 by 8 is 2,048.
    pub fn flops(&self) -> u64 {
        let [first, second] = self.counts();
        match self.kernel() {
            Kernel::Fma => times(&[first, second, 4]),
            // 10 each in 32 and 64 bits, and 17 among the subnormals in each sixty-fourth step.
            Kernel::Ieee => times(&[first, times(&[second, 20]).saturating_add(17 * second.div_ceil(64))]),
            Kernel::Reduce => times(&[first, u64::from(ROW) - 1]),
            Kernel::Rows => times(&[second, u64::from(ROW) - 1]),
            Kernel::Atomics => first,
            Kernel::FmaRate => times(&[first, second, u64::from(CHAINS), 2]),
            Kernel::Mma => times(&[first, second, 2048]),
            Kernel::MmaRate => times(&[first, second, u64::from(ACCUMULATORS), 2048]),
            Kernel::Hash | Kernel::PatternWrite | Kernel::PatternCheck | Kernel::Copy | Kernel::Empty => 0,
        }
    }

    /// How many bytes of the device's memory it reads and writes: a byte that is copied counts twice, as it is read and
    /// written.
    pub fn bytes(&self) -> u64 {
        let [first, second] = self.counts();
        let sms = 4 * u64::from(self.grid());
        let long = self.arguments().iter().find_map(|argument| match argument {
            Argument::U64(number) => Some(*number),
            _ => None,
        });
        let long = long.unwrap_or(0);
        match self.kernel() {
            Kernel::Hash | Kernel::Fma | Kernel::Ieee => times(&[first, 4]).saturating_add(sms),
            Kernel::Reduce => times(&[first, 8]).saturating_add(sms),
            Kernel::Rows => times(&[second, 8]).saturating_add(sms),
            Kernel::Mma => times(&[first, 128]).saturating_add(sms),
            // Each addition reads the sum and writes it.
            Kernel::Atomics => times(&[first, 8]),
            Kernel::FmaRate => times(&[first, 4]),
            Kernel::MmaRate => times(&[first, 128]),
            Kernel::PatternWrite => times(&[long, 4]),
            Kernel::PatternCheck => {
                let inverts = self.arguments().last() == Some(&Argument::U32(1));
                times(&[long, if inverts { 8 } else { 4 }])
            }
            Kernel::Copy => times(&[long, 32]),
            Kernel::Empty => 0,
        }
    }

    /// The first two numbers of 32 bits that it is given.
    fn counts(&self) -> [u64; 2] {
        let mut numbers = self.arguments().iter().filter_map(Argument::u32).map(u64::from);
        [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
    }
}

fn times(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor))
}
