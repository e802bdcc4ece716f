//! Random numbers that repeat under a seed and need no lock.

use std::sync::atomic::{AtomicU64, Ordering};

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A splitmix64 generator: its state only counts, so that threads share it with one atomic addition.
#[derive(Debug)]
pub(crate) struct Random(AtomicU64);

impl Random {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// A number of one seed and one question, the same at every call: for decisions that keep no generator.
pub(crate) fn mixed(seed: u64, question: &str) -> u64 {
    let folded = question.bytes().fold(seed, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    Random::seeded(folded).next()
}

/// A number below `bound` from 32 random bits, by multiplication instead of division; 0 when `bound` is 0.
pub(crate) fn below(bound: usize, bits: u32) -> usize {
    let wide = (bound as u128 * u128::from(bits)) >> 32;
    usize::try_from(wide).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_published_splitmix64() {
        let random = Random::seeded(1_234_567);
        let first: Vec<_> = (0..3).map(|_| random.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_question_has_one_answer_of_each_seed() {
        assert_eq!(mixed(7, "demo/llm/0"), mixed(7, "demo/llm/0"));
        let answers: std::collections::BTreeSet<_> = (0..1000)
            .flat_map(|number| [mixed(7, &format!("demo/llm/{number}")), mixed(8, &format!("demo/llm/{number}"))])
            .collect();
        assert_eq!(answers.len(), 2000, "another replica and another seed have another answer");
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        for bound in [1, 2, 3, 1024] {
            assert_eq!(below(bound, 0), 0);
            assert_eq!(below(bound, u32::MAX), bound - 1);
        }
    }
}
