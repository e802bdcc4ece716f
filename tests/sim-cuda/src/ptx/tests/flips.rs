//! One wrong bit, anywhere in a kernel, and what becomes of it.

use std::collections::BTreeMap;

use nacp_core::cuda::kernels::{Kernel, Launch};
use nacp_core::cuda::reference;
use nacp_core::cuda::{KernelDigest, Profile};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::bench::Bench;
use super::kernels::{Images, OUT, SMS, answers, suite};
use crate::ptx::Flip;

fn flip(lane: u64, step: u64, bit: u32) -> Flip {
    Flip { kernel: None, lane, step, bit }
}

/// What a body leaves with one wrong bit.
fn flipped(body: &str, threads: u32, flip: Flip) -> (Vec<u32>, Option<u32>) {
    let mut bench = Bench::new(4 * 64, threads);
    bench.flip = Some(flip);
    let stats = bench.body(body).unwrap();
    (bench.words(), stats.flipped)
}

#[test]
fn a_wrong_bit_changes_every_kernel_of_the_suite() {
    let images = Images::new();
    let launches = suite(Profile::Tiny);
    let whole: Vec<(Vec<u32>, KernelDigest)> = launches
        .iter()
        .map(|launch| {
            let words = reference::of_launch(launch).unwrap();
            let digest = KernelDigest::of(launch.kernel(), &words);
            (words, digest)
        })
        .collect();
    let mut hits: BTreeMap<&str, u32> = BTreeMap::new();
    let places = (0..launches.len(), any::<u64>(), any::<u64>(), any::<u32>());
    let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let hit = std::cell::RefCell::new(&mut hits);
    let outcome = runner.run(&places, |(number, lane, step, bit)| {
        let launch = &launches[number];
        let threads = u64::from(launch.grid()) * u64::from(launch.block());
        let flip = flip(lane % threads, step, bit);
        let (bench, stats) = images.launch(launch, Some(flip), None);
        prop_assert!(stats.flipped.is_some(), "{:?}: nothing to hit", launch.kernel());
        let words = answers(&bench, whole[number].0.len());
        let digest = KernelDigest::of(launch.kernel(), &words);
        prop_assert_ne!(&digest, &whole[number].1, "{:?}: line {:?}", launch.kernel(), stats.flipped);
        *hit.borrow_mut().entry(launch.kernel().symbol()).or_default() += 1;
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(hits.values().sum::<u32>(), 1000);
    assert_eq!(hits.len(), 6, "{hits:?}");
}

#[test]
fn no_value_of_a_short_run_is_too_small_to_matter() {
    let images = Images::new();
    let mut launches: Vec<Launch> = [Kernel::Hash, Kernel::Fma, Kernel::Ieee]
        .map(|kernel| Launch::lanes(kernel, OUT, SMS, 32, 1, 3, 32).unwrap())
        .into();
    launches.push(Launch::reduce(OUT, SMS, 1, 3).unwrap());
    launches.push(Launch::rows(OUT, SMS, 0, 1, 3, 1).unwrap());
    launches.push(Launch::mma(OUT, SMS, 4, 1, 3).unwrap());
    for launch in &launches {
        let whole = reference::of_launch(launch).unwrap();
        let steps = images.launch(launch, Some(flip(1, 0, 0)), None).1.steps;
        assert!(steps > 20, "{:?} has {steps}", launch.kernel());
        // The highest and the lowest bits of words and of halves.
        for (step, bit) in (0..steps).flat_map(|step| [0, 1, 2, 31, 32, 63].map(|bit| (step, bit))) {
            let (bench, stats) = images.launch(launch, Some(flip(1, step, bit)), None);
            let line = stats.flipped.unwrap();
            assert_ne!(answers(&bench, whole.len()), whole, "{:?} step {step} bit {bit} line {line}", launch.kernel());
        }
    }
}

#[test]
fn a_wrong_bit_stays_in_its_lane_where_lanes_do_not_meet() {
    let images = Images::new();
    for launch in &suite(Profile::Tiny)[..3] {
        let whole = reference::of_launch(launch).unwrap();
        for lane in [0, 31, 71, 255] {
            let (bench, _) = images.launch(launch, Some(flip(lane, 12_345, 7)), None);
            let differ: Vec<u64> = (0..)
                .zip(answers(&bench, 256))
                .filter(|(at, word)| whole[*at] != *word)
                .map(|(at, _)| at as u64)
                .collect();
            assert_eq!(differ, [lane], "{:?}", launch.kernel());
        }
    }
}

#[test]
fn a_wrong_bit_strikes_once_and_only_where_it_is_told() {
    let images = Images::new();
    let launch: &Launch = &suite(Profile::Tiny)[0];
    let whole = reference::of_launch(launch).unwrap();
    let named = |kernel: Kernel, lane| Flip { kernel: Some(kernel.symbol().into()), ..flip(lane, 5, 5) };
    for (flip, strikes) in [
        (named(Kernel::Hash, 3), true),
        (named(Kernel::Fma, 3), false),
        (named(Kernel::Hash, 256), false),
        (named(Kernel::Hash, u64::MAX), false),
    ] {
        let (bench, stats) = images.launch(launch, Some(flip.clone()), None);
        assert_eq!(stats.flipped.is_some(), strikes, "{flip:?}");
        assert_eq!(answers(&bench, 256) != whole, strikes, "{flip:?}");
    }
}

#[test]
fn the_steps_of_a_lane_are_what_it_computes_and_leaves() {
    // Line 8 to 17; the steps are the lines 13, 14 and 16.
    let body = "mov.u32 %r1, %tid.x;
        mul.wide.u32 %d1, %r1, 4;
        add.u64 %d1, %d0, %d1;
        mov.u32 %r2, 0;
        LOOP:
        mov.u32 %r3, 5;
        add.u32 %r3, %r3, 3;
        mul.lo.u32 %r4, %r3, %r3;
        mov.u32 %r5, %r3;
        add.u32 %r2, %r2, 1; setp.lt.u32 %p1, %r2, 1; @%p1 bra LOOP;
        st.global.u32 [%d1], %r5;";
    let (whole, none) = flipped(body, 32, flip(99, 0, 0));
    assert_eq!((whole[4], none), (8, None));
    let mut bench = Bench::new(256, 32);
    bench.flip = Some(flip(4, 0, 0));
    assert_eq!(bench.body(body).unwrap().steps, 3);
    let struck: Vec<(u32, u32)> = (0..6)
        .map(|step| {
            let (words, line) = flipped(body, 32, flip(4, step, 33));
            assert_eq!(words.iter().zip(&whole).filter(|(a, b)| a != b).count(), 1);
            (line.unwrap(), words[4])
        })
        .collect();
    // A wrong 5 + 3, a wrong sum, a wrong copy, and the same again from the first on.
    let round = [(13, 10), (14, 10), (16, 10)];
    assert_eq!(struck, [round, round].concat());
}

#[test]
fn of_a_value_only_the_bits_that_matter_turn_over() {
    let one = |body: &str, step: u64, bit: u32| {
        let (words, line) =
            flipped(&format!("mov.u32 %r1, 0x0F0F;\n{body}\nst.global.u32 [%d0], %r2;"), 1, flip(0, step, bit));
        (words[0], line.unwrap())
    };
    // Bit 0 of the first line is cut off: the next higher one that is left is bit 4.
    assert_eq!(one("shr.u32 %r2, %r1, 4;", 0, 0), (0x0F0 ^ 1, 8));
    assert_eq!(one("shr.u32 %r2, %r1, 4;", 1, 0), (0x0F0 ^ 1, 9));
    assert_eq!(one("and.b32 %r2, %r1, 0x100;", 0, 0), (0, 8));
    assert_eq!(one("or.b32 %r2, %r1, 0xFFFFFFFD;", 0, 0), (0xFFFF_FFFD, 8));
    assert_eq!(one("shl.b32 %r2, %r1, 24;", 0, 9), (0x0E00_0000, 8));
    assert_eq!(one("cvt.u32.u8 %r2, %r1;", 0, 9), (0x0E, 8));
    assert_eq!(one("cvt.u64.u32 %d1, %r1; cvt.u32.u64 %r2, %d1;", 1, 40), (0x0F0E, 9));
    assert_eq!(one("shr.s32 %r2, %r1, 40;", 0, 3), (u32::MAX, 8));
    assert_eq!(one("cvt.s32.s8 %r2, %r1;", 0, 8), (0x0E, 8));
}

#[test]
fn a_lane_that_leaves_nothing_has_nothing_to_flip() {
    for body in ["", "mov.u32 %r1, 5;", "mov.u32 %r1, %smid; st.global.u32 [%d0], %r1;"] {
        assert_eq!(flipped(body, 32, flip(0, 7, 7)).1, None, "{body}");
    }
}

#[test]
fn a_wrong_value_passes_from_lane_to_lane_through_the_memory_of_the_block() {
    let body = ".shared .u32 s[32]; mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 2; mov.u32 %r3, s; add.u32 %r3, %r3, %r2;
        mov.u32 %r5, 1; add.u32 %r5, %r5, %r5; st.shared.u32 [%r3], %r5; bar.sync 0; xor.b32 %r4, %r2, 4;
        mov.u32 %r3, s; add.u32 %r3, %r3, %r4; ld.shared.u32 %r6, [%r3]; mul.wide.u32 %d1, %r1, 4;
        add.u64 %d1, %d0, %d1; st.global.u32 [%d1], %r6;";
    let (words, _) = flipped(body, 32, flip(6, 1, 8));
    assert_eq!(words[..9], [2, 2, 2, 2, 2, 2, 2, 258, 2]);
}

#[test]
fn the_trial_before_a_wrong_bit_leaves_nothing_behind() {
    // Without the wrong bit 32 lanes add 1 to what is there; a trial that left its sums would show them twice.
    let body = "mov.u32 %r1, 1; atom.global.add.u32 %r2, [%d0], %r1; st.global.u32 [%d0+4], %r2;";
    let (words, line) = flipped(body, 32, flip(31, 0, 4));
    assert_eq!((words[0], words[1], line), (32 ^ 16 | 32, 31, Some(8)));
}

#[test]
fn a_trial_sees_what_it_wrote_itself() {
    // What is flipped lies behind a branch that is taken because of what was written before.
    for write in ["st.global.u32 [%d0+8], 1;", "red.global.add.u32 [%d0+8], 1;"] {
        let body = format!(
            "{write} ld.global.u32 %r1, [%d0+8]; setp.ne.u32 %p1, %r1, 1; @%p1 bra END; mov.u32 %r2, 5;
             st.global.u32 [%d0], %r2; END:"
        );
        assert_eq!(flipped(&body, 1, flip(0, 0, 1)).0[..3], [7, 0, 1], "{write}");
    }
}

#[test]
fn a_value_that_is_also_an_address_or_a_decision_is_left_alone() {
    let count = |body: &str| {
        let mut bench = Bench::new(256, 1);
        bench.flip = Some(flip(0, 0, 0));
        bench.body(&format!("mov.u32 %r1, 8; add.u32 %r1, %r1, 4; {body} st.global.u32 [%d0], %r1;")).unwrap().steps
    };
    assert_eq!(count(""), 2);
    assert_eq!(count(".shared .u32 s[64]; ld.shared.u32 %r2, [%r1];"), 0);
    assert_eq!(count(".shared .u32 s[64]; ld.shared.u32 %r2, [%r1]; st.global.u32 [%d0+4], %r2;"), 1);
    assert_eq!(count(".shared .u32 s[64]; st.shared.u32 [%r1], 1;"), 0);
    assert_eq!(count(".shared .u32 s[64]; red.shared.add.u32 [%r1], 1;"), 0);
    assert_eq!(count("setp.eq.u32 %p1, %r1, 0; @%p1 bra END; END:"), 0);
    assert_eq!(count("setp.eq.u32 %p1, %r1, 0; not.pred %p2, %p1; @%p2 mov.u32 %r3, 1;"), 0);
    assert_eq!(count("setp.eq.u32 %p1, %r1, 0; selp.u32 %r3, 3, 4, %p1; st.global.u32 [%d0+4], %r3;"), 3);
    // Only what flows from the written one on: its first value is the address.
    assert_eq!(count(".shared .u32 s[64]; ld.shared.u32 %r2, [%r1]; mov.u32 %r1, 5;"), 1);
}
