//! The suite does not change by accident, does not depend on how it is computed, and keeps to the numbers that it is
//! made for.

use super::*;
use crate::cuda::kernels::SUITE_VERSION;
use crate::cuda::{KernelDigest, Memory, Profile};

const OUT: Memory = Memory { address: 0x1_0000, bytes: 0x100_0000 };
const SMS: Memory = Memory { address: 0x200_0000, bytes: 0x1_0000 };
const SEED: u32 = 7;

/// What the CPU computes for the smallest profile with seed 7. Whoever changes a kernel on purpose writes these anew
/// and raises `SUITE_VERSION`.
const PINNED: (u32, [(Kernel, &str); 8]) = (
    1,
    [
        (Kernel::Hash, "0dfb197323084d6b"),
        (Kernel::Fma, "af0e7c6959258d1d"),
        (Kernel::Ieee, "82b54501ceb5f399"),
        (Kernel::Reduce, "1906440dd0713969"),
        (Kernel::Rows, "a0cbf7e13bf9f593"),
        (Kernel::Mma, "692946aaa3db77a3"),
        (Kernel::FmaRate, "92abffe370c91a78"),
        (Kernel::MmaRate, "96e26b12d57a7781"),
    ],
);

fn launch(kernel: Kernel, profile: Profile) -> Launch {
    let (lanes, steps) = (profile.lanes(), profile.steps());
    match kernel {
        Kernel::Reduce => Launch::reduce(OUT, SMS, profile.chunks(), SEED),
        Kernel::Rows => Launch::rows(OUT, SMS, 0, profile.rows(), SEED, 4),
        Kernel::Mma => Launch::mma(OUT, SMS, profile.warps(), steps, SEED),
        Kernel::FmaRate => Launch::fma_rate(OUT, 32, 1030, SEED, 32),
        Kernel::MmaRate => Launch::mma_rate(OUT, 8, 1030, SEED),
        _ => Launch::lanes(kernel, OUT, SMS, lanes, steps, SEED, 128),
    }
    .unwrap()
}

#[test]
fn the_suite_is_the_one_of_its_version() {
    let (version, pinned) = PINNED;
    let computed = pinned.map(|(kernel, _)| {
        let words = of_launch(&launch(kernel, Profile::Tiny)).unwrap();
        (kernel, KernelDigest::of(kernel, &words).sha256[..16].to_owned())
    });
    let expected = pinned.map(|(kernel, digest)| (kernel, digest.to_owned()));
    assert_eq!((SUITE_VERSION, computed), (version, expected));
}

#[test]
fn any_number_of_threads_gives_the_same_words() {
    for threads in [0, 1, 2, 3, 7] {
        let profile = Profile::Tiny;
        for kernel in [Kernel::Hash, Kernel::Fma, Kernel::Ieee] {
            let words = lanes(kernel, 0..4096, profile.steps(), SEED, threads).unwrap();
            assert_eq!(words[..256], of_launch(&launch(kernel, profile)).unwrap(), "{kernel:?} on {threads}");
        }
        assert_eq!(mma(0..64, 64, SEED, threads)[..32], mma(0..1, 64, SEED, 1));
    }
}

#[test]
fn a_part_has_the_words_that_it_has_in_the_whole() {
    assert_eq!(rows(0..64, SEED, 2)[2 * 40..2 * 48], rows(40..48, SEED, 1));
    assert_eq!(reduce(0..64, SEED, 2)[126..], rows(63..64, SEED, 1));
    assert_eq!(mma(0..8, 9, SEED, 1)[32 * 5..32 * 6], mma(5..6, 9, SEED, 1));
    assert_eq!(mma_rate(0..8, 9, SEED, 1)[32 * 5..32 * 6], mma_rate(5..6, 9, SEED, 1));
    assert_eq!(fma_rate(0..64, 9, SEED, 2)[40..48], fma_rate(40..48, 9, SEED, 1));
}

#[test]
fn the_first_word_of_a_row_is_its_sum() {
    for (row, words) in rows(0..64, SEED, 1).chunks(2).enumerate() {
        let sum = f32::from_bits(words[0]);
        assert!(sum.abs() < 300.0 && sum.is_normal(), "row {row}: {sum}");
    }
}

#[test]
fn other_seeds_lanes_and_steps_give_other_words() {
    for kernel in [Kernel::Hash, Kernel::Fma, Kernel::Ieee] {
        let words = |range, steps, seed| lanes(kernel, range, steps, seed, 1).unwrap();
        let distinct: std::collections::HashSet<u32> = words(0..10_000, 4, SEED).into_iter().collect();
        assert!(distinct.len() > 9_980, "{kernel:?}: {}", distinct.len());
        let first = words(0..64, 4, SEED);
        assert!(first.iter().zip(words(0..64, 4, SEED + 1)).all(|(one, other)| *one != other));
        assert!(first.iter().zip(words(0..64, 5, SEED)).all(|(one, other)| *one != other));
    }
}

#[test]
fn only_kernels_with_answers_of_their_own_have_words() {
    let pattern = crate::cuda::kernels::Pattern::Constant(1);
    for launch in [
        Launch::atomics(OUT, 10, SEED).unwrap(),
        Launch::pattern_write(OUT, 10, pattern, 1).unwrap(),
        Launch::pattern_check(OUT, 10, pattern, false, SMS, 1).unwrap(),
        Launch::copy(OUT, SMS, 16, 1).unwrap(),
        Launch::empty(),
    ] {
        assert_eq!(of_launch(&launch), None, "{:?}", launch.kernel());
    }
    let error = lanes(Kernel::Copy, 0..1, 1, SEED, 1).unwrap_err();
    assert!(error.to_string().contains("kernel=nacp_copy"), "{error}");
}

/// What passes through `nacp_ieee`.
#[derive(Default)]
struct Watch {
    strange: u32,
    subnormal: u32,
    numbers: u32,
}

impl unit::Unit for Watch {
    fn r32(&mut self, result: u32) -> u32 {
        result
    }

    fn r64(&mut self, result: u64) -> u64 {
        result
    }

    fn f32(&mut self, result: f32) -> f32 {
        self.numbers += 1;
        self.strange += u32::from(!result.is_finite());
        self.subnormal += u32::from(result.is_subnormal());
        result
    }

    fn f64(&mut self, result: f64) -> f64 {
        self.numbers += 1;
        self.strange += u32::from(!result.is_finite());
        self.subnormal += u32::from(result.is_subnormal());
        result
    }
}

#[test]
fn what_ieee_rounds_is_finite_and_often_subnormal() {
    let mut watch = Watch::default();
    for lane in 0..2000 {
        ieee::lane(&mut watch, lane, 1, SEED);
    }
    assert_eq!(watch.strange, 0);
    assert!(watch.subnormal > 2000 * 12, "{} of {}", watch.subnormal, watch.numbers);
}
