//! What differs from what must come out, and where on the device.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cuda::kernels::{Kernel, Launch};

/// How many threads a warp has, on every device so far.
const WARP: u64 = 32;
/// What stands in place of a block's multiprocessor before the block tells it.
pub(crate) const UNTOLD: u32 = u32::MAX;

/// What one kernel computed wrongly in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Difference {
    /// The kernel's entry, such as `nacp_fma`.
    pub kernel: String,
    /// The first lane that is wrong: the number of the thread in the kernels of lanes and of matrices, of the chunk in
    /// `nacp_reduce`, of the row in `nacp_rows`.
    pub lane: u64,
    /// The block that computed it.
    pub block: u64,
    /// The multiprocessor on which that block ran, as the device numbers them (`%smid`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiprocessor: Option<u32>,
    /// The bits that it must have, as `0x` and eight digits.
    pub expected: String,
    /// The bits that it has.
    pub found: String,
    /// All bits that are wrong in any word.
    pub mask: String,
    /// How many words are wrong.
    pub words: u64,
    /// How many were compared.
    pub of: u64,
    /// How the wrong lanes lie.
    pub pattern: LanePattern,
    /// Every multiprocessor that computed a wrong word.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub multiprocessors: BTreeSet<u32>,
}

/// How the lanes that are wrong lie. A single unit that is broken shows as one lane of every warp on one
/// multiprocessor; a fault that follows the warp, as whole warps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LanePattern {
    /// One lane.
    Single,
    /// Several lanes, all of one warp.
    OneWarp,
    /// The same place in several warps.
    SamePlaceInWarps,
    /// Whole warps.
    WholeWarps,
    /// Every lane.
    All,
    /// None of these.
    Scattered,
}

impl fmt::Display for LanePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Single => "one lane",
            Self::OneWarp => "several lanes of one warp",
            Self::SamePlaceInWarps => "the same place in several warps",
            Self::WholeWarps => "whole warps",
            Self::All => "every lane",
            Self::Scattered => "scattered lanes",
        })
    }
}

impl LanePattern {
    /// How these lanes lie among `of` ones. The lanes are in order and not empty.
    fn of(lanes: &[u64], of: u64) -> Self {
        let (Some(first), Some(last)) = (lanes.first(), lanes.last()) else { return Self::Scattered };
        let count = lanes.len() as u64;
        let warps: BTreeSet<u64> = lanes.iter().map(|lane| lane / WARP).collect();
        if count == 1 {
            Self::Single
        } else if count == of {
            Self::All
        } else if count == WARP * warps.len() as u64 {
            Self::WholeWarps
        } else if first / WARP == last / WARP {
            Self::OneWarp
        } else if lanes.iter().all(|lane| lane % WARP == first % WARP) {
            Self::SamePlaceInWarps
        } else {
            Self::Scattered
        }
    }
}

impl Difference {
    /// What differs between the words that a launch wrote and those that it must write; nothing where all are equal.
    /// `sms` has the multiprocessor of each block, and [`UNTOLD`] for a block that did not tell.
    pub(crate) fn between(launch: &Launch, expected: &[u32], found: &[u32], sms: &[u32]) -> Option<Self> {
        let wrong = || {
            let pairs = expected.iter().zip(found).enumerate();
            pairs.filter(|(_, (expected, found))| expected != found).map(|(word, (e, f))| (word as u64, *e, *f))
        };
        let (word, right, bits) = wrong().next()?;
        let per_lane = words_per_lane(launch.kernel());
        let mut lanes: Vec<u64> = wrong().map(|(word, ..)| word / per_lane).collect();
        lanes.dedup();
        let on = |lane: u64| {
            sms.get(usize::try_from(block_of(launch, lane)).ok()?)
                .copied()
                .filter(|multiprocessor| *multiprocessor != UNTOLD)
        };
        let mask = wrong().fold(0, |mask, (_, expected, found)| mask | (expected ^ found));
        let lane = word / per_lane;
        let hexadecimal = |word: u32| format!("{word:#010x}");
        Some(Self {
            kernel: launch.kernel().symbol().into(),
            lane,
            block: block_of(launch, lane),
            multiprocessor: on(lane),
            expected: hexadecimal(right),
            found: hexadecimal(bits),
            mask: hexadecimal(mask),
            words: wrong().count() as u64,
            of: expected.len() as u64,
            pattern: LanePattern::of(&lanes, expected.len() as u64 / per_lane),
            multiprocessors: lanes.iter().filter_map(|lane| on(*lane)).collect(),
        })
    }
}

/// A sum of a chunk or a row is two words.
fn words_per_lane(kernel: Kernel) -> u64 {
    if matches!(kernel, Kernel::Reduce | Kernel::Rows) { 2 } else { 1 }
}

/// The block that computes a lane.
fn block_of(launch: &Launch, lane: u64) -> u64 {
    match launch.kernel() {
        Kernel::Reduce => lane,
        Kernel::Rows => lane % u64::from(launch.grid().max(1)),
        _ => lane / u64::from(launch.block().max(1)),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, lane, block, expected, found, mask, words, of, pattern, multiprocessors, .. } = self;
        write!(f, "{kernel}: lane {lane} (block {block}")?;
        if let Some(multiprocessor) = self.multiprocessor {
            write!(f, ", multiprocessor {multiprocessor}")?;
        }
        write!(f, ") is {found} and must be {expected}; {words} of {of} words differ, mask {mask}, {pattern}")?;
        match multiprocessors.len() {
            0 | 1 => Ok(()),
            count => write!(f, ", on {count} multiprocessors"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::Memory;

    const NOWHERE: Memory = Memory { address: 0, bytes: u64::MAX };

    fn lanes(count: u32) -> Launch {
        Launch::lanes(Kernel::Fma, NOWHERE, NOWHERE, count, 1, 0, 64).unwrap()
    }

    fn changed(words: &[u32], at: &[usize], bits: u32) -> Vec<u32> {
        let mut words = words.to_vec();
        at.iter().for_each(|at| words[*at] ^= bits);
        words
    }

    #[test]
    fn what_is_equal_has_no_difference() {
        assert_eq!(Difference::between(&lanes(256), &[7; 256], &[7; 256], &[0; 4]), None);
    }

    #[test]
    fn a_wrong_bit_is_named_with_its_lane_block_and_multiprocessor() {
        let right = vec![0x10; 256];
        let difference = Difference::between(&lanes(256), &right, &changed(&right, &[71], 4), &[9, 8, 7, 6]).unwrap();
        assert_eq!(
            difference.to_string(),
            "nacp_fma: lane 71 (block 1, multiprocessor 8) is 0x00000014 and must be 0x00000010; 1 of 256 words differ, \
             mask 0x00000004, one lane"
        );
    }

    #[test]
    fn a_row_belongs_to_the_block_that_took_its_turn() {
        let launch = Launch::rows(NOWHERE, NOWHERE, 0, 8, 0, 3).unwrap();
        let right = vec![0; 16];
        let difference = Difference::between(&launch, &right, &changed(&right, &[10, 11], 1), &[5, 6, 7]).unwrap();
        assert_eq!((difference.lane, difference.block, difference.multiprocessor), (5, 2, Some(7)));
        assert_eq!((difference.words, difference.pattern), (2, LanePattern::Single));
        let launch = Launch::reduce(NOWHERE, NOWHERE, 8, 0).unwrap();
        let difference =
            Difference::between(&launch, &right, &changed(&right, &[10], 1), &[0, 1, 2, 3, 4, 50]).unwrap();
        assert_eq!((difference.lane, difference.block, difference.multiprocessor), (5, 5, Some(50)));
    }

    #[test]
    fn the_pattern_tells_how_the_lanes_lie() {
        for (lanes, pattern) in [
            (vec![3], LanePattern::Single),
            (vec![3, 31], LanePattern::OneWarp),
            (vec![3, 35, 99], LanePattern::SamePlaceInWarps),
            ((32..96).collect(), LanePattern::WholeWarps),
            ((0..128).collect(), LanePattern::All),
            (vec![31, 32], LanePattern::Scattered),
        ] {
            assert_eq!(LanePattern::of(&lanes, 128), pattern, "{lanes:?}");
        }
    }

    #[test]
    fn every_multiprocessor_that_was_wrong_is_named_and_every_bit() {
        let right = vec![0; 256];
        let mut found = changed(&right, &[0, 70], 1);
        found[200] = 0x8000_0000;
        let difference = Difference::between(&lanes(256), &right, &found, &[4, 5, 6, 4]).unwrap();
        assert_eq!((difference.mask.as_str(), difference.words), ("0x80000001", 3));
        assert_eq!(difference.multiprocessors, [4, 5].into());
        assert!(difference.to_string().ends_with("scattered lanes, on 2 multiprocessors"), "{difference}");
        // A driver that does not tell where its blocks ran loses the place and not the difference.
        for silent in [&[][..], &[UNTOLD; 4]] {
            let difference = Difference::between(&lanes(256), &right, &found, silent).unwrap();
            assert_eq!((difference.multiprocessor, difference.multiprocessors.len()), (None, 0));
        }
    }
}
