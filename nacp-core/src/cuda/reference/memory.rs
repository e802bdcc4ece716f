//! `nacp_pattern_write` and `nacp_pattern_check`: what memory is filled with, and what differs from it.

use super::fold::mix;
use super::unit::Sound;
use crate::cuda::kernels::Pattern;

/// The word of a pattern at a position, which counts words.
pub fn pattern_word(pattern: Pattern, position: u64) -> u32 {
    match pattern {
        Pattern::Constant(word) => word,
        Pattern::Address(seed) => {
            let (low, high) = super::fold::halves(position);
            mix(&mut Sound, (low ^ seed).wrapping_add(high.wrapping_mul(0x9E37_79B1)))
        }
        Pattern::Modulo20 { offset, here, elsewhere } => {
            if position % 20 == u64::from(offset) {
                here
            } else {
                elsewhere
            }
        }
    }
}

/// The words of a pattern from a position on.
pub fn pattern(pattern: Pattern, position: u64) -> impl Iterator<Item = u32> {
    (position..).map(move |position| pattern_word(pattern, position))
}

/// How memory differs from a pattern: what [`Kernel::PatternCheck`](crate::cuda::kernels::Kernel::PatternCheck) writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternDifferences {
    /// How many words differ.
    pub count: u64,
    /// The lowest position that differs; the greatest number where none does.
    pub first: u64,
    /// Every bit that differed in any word.
    pub bits: u32,
}

impl PatternDifferences {
    /// None: what is at `errors` before the first check.
    pub const NONE: Self = Self { count: 0, first: u64::MAX, bits: 0 };

    /// As the kernel has them in memory.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.count.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.bits.to_le_bytes());
        bytes
    }

    /// Reads what the kernel has in memory.
    pub fn from_bytes(bytes: [u8; 24]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |at: usize| words.get(at).map_or(0, |word| u32::from_le_bytes(*word));
        Self {
            count: super::fold::joined(word(0), word(1)),
            first: super::fold::joined(word(2), word(3)),
            bits: word(4),
        }
    }
}

/// Compares words with a pattern that begins with the first of them, and adds to the differences so far.
pub fn compare(words: &[u32], pattern: Pattern, so_far: PatternDifferences) -> PatternDifferences {
    (0_u64..).zip(words).fold(so_far, |mut differences, (position, word)| {
        let bits = word ^ pattern_word(pattern, position);
        if bits != 0 {
            differences.count += 1;
            differences.first = differences.first.min(position);
            differences.bits |= bits;
        }
        differences
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_addresses_tells_positions_apart() {
        let words: std::collections::HashSet<u32> = pattern(Pattern::Address(7), 0).take(100_000).collect();
        assert_eq!(words.len(), 100_000);
        let far = pattern_word(Pattern::Address(7), 1 << 32);
        assert_ne!(far, pattern_word(Pattern::Address(7), 0));
        assert_ne!(far, pattern_word(Pattern::Address(8), 1 << 32));
    }

    #[test]
    fn every_twentieth_word_is_another_one() {
        let words: Vec<u32> = pattern(Pattern::Modulo20 { offset: 3, here: 1, elsewhere: 0 }, 20).take(40).collect();
        let here: Vec<usize> = (0..40).filter(|at| words[*at] == 1).collect();
        assert_eq!(here, [3, 23]);
    }

    #[test]
    fn differences_are_counted_and_the_lowest_is_named() {
        let pattern = Pattern::Address(7);
        let mut words: Vec<u32> = super::pattern(pattern, 0).take(1000).collect();
        assert_eq!(compare(&words, pattern, PatternDifferences::NONE), PatternDifferences::NONE);
        words[900] ^= 0x10;
        words[77] ^= 0x8000_0001;
        let found = compare(&words, pattern, PatternDifferences::NONE);
        assert_eq!(found, PatternDifferences { count: 2, first: 77, bits: 0x8000_0011 });
        assert_eq!(compare(&words, pattern, found).count, 4);
        assert_eq!(PatternDifferences::from_bytes(found.to_bytes()), found);
    }
}
