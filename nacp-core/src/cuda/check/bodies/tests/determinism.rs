//! The checks of the bits, on a device that does what a test tells it.

use std::sync::atomic::Ordering;

use super::super::{concurrent, determinism as det, soak};
use super::*;
use crate::cuda::check::{Bench, Elsewhere};
use crate::cuda::determinism::{Runs, Suite};
use crate::cuda::kernels::Kernel;
use crate::cuda::{KernelDigest, Profile};
use crate::gpu::GpuId;

const BODIES: [(&str, Body); 7] = [
    ("det.bits", det::bits),
    ("det.repeat", det::again),
    ("det.shape", det::shape),
    ("det.atomics", det::atomics),
    ("det.tensor", det::tensor),
    ("ctx.concurrent", concurrent::contexts),
    ("sdc.soak", soak::soak),
];

/// The CPU computes what this device answers, so that it is small.
fn small(setup: Setup) -> Stage {
    let mut stage = stage(setup);
    stage.sizes.simulated = true;
    stage.sizes.repeats = 2;
    stage
}

fn wrong(kernel: Kernel, lane: usize) -> Setup {
    Setup { flips: vec![(kernel.symbol(), 4 * lane, 4)], ..Setup::default() }
}

fn runs(outcome: &Outcome) -> &Runs {
    outcome.runs.as_ref().expect("runs for the certificate")
}

#[test]
fn each_ends_as_soon_as_its_time_is_over_or_the_caller_gives_up() {
    for (name, body) in BODIES {
        let mut late = small(Setup::default());
        late.until = Duration::ZERO;
        let why = Status::Skipped { why: Skip::Deadline, reason: "its time was over".into() };
        assert_eq!(stopped(&late, body).status, why, "{name}");
        let given_up = small(Setup::default());
        given_up.cancelled.store(true, Ordering::Relaxed);
        let why = Status::Skipped { why: Skip::Cancelled, reason: "the caller gave up".into() };
        assert_eq!(stopped(&given_up, body).status, why, "{name}");
    }
}

#[test]
fn each_tells_a_busy_device_from_a_broken_one_and_a_driver_that_refuses_by_its_call() {
    for (name, body) in BODIES {
        let context = if name == "ctx.concurrent" { "create_context" } else { "retain" };
        for (call, code, expected) in
            [(context, 46, None), ("launch", 719, Some("cuLaunchKernel")), ("allocate", 2, Some("cuMemAlloc"))]
        {
            let mut stage = small(Setup::default());
            stage.driver.setup.refuses.push((call, 1, code));
            match (stopped(&stage, body).status, expected) {
                (Status::Skipped { why: Skip::Busy, .. }, None) => {}
                (Status::Error { call, fault, .. }, Some(expected)) => {
                    assert_eq!((call.as_str(), fault.code), (expected, code), "{name}");
                }
                (other, _) => panic!("{name}, {call}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_kernel_that_writes_nothing_does_not_pass_with_the_answers_of_the_run_before() {
    for kernel in [Kernel::Hash, Kernel::Mma] {
        let mut stage = small(Setup::default());
        stage.driver.setup.idle = vec![(kernel, 2)];
        let outcome = found(&stage, det::again);
        assert!(reason(&outcome).starts_with(&format!("fail: the device computes wrongly: {}", kernel.symbol())));
        assert!(reason(&outcome).contains("is 0xdeadbeef"), "{}", reason(&outcome));
    }
}

#[test]
fn what_is_wrong_is_told_even_when_the_time_is_over_before_the_end() {
    let mut stage = small(wrong(Kernel::Hash, 7));
    // Time for the first kernel, and not for all.
    let whole = small(Setup::default());
    found(&whole, det::bits);
    stage.until = whole.driver.clock_now() / 2;
    let outcome = found(&stage, det::bits);
    let reason = reason(&outcome);
    assert!(reason.starts_with("fail: the device computes wrongly: nacp_hash: lane 7 (block 0)"), "{reason}");
    assert_eq!(told(&outcome, "ended_early"), "its time was over");
    assert!(runs(&outcome).results.is_empty(), "a part of a run is no answer");
}

struct Other(Result<Vec<KernelDigest>, String>);

impl Elsewhere for Other {
    fn digests(&self, _: &GpuId, _: Profile) -> Result<Vec<KernelDigest>, String> {
        self.0.clone()
    }
}

#[test]
fn another_process_must_give_the_same_digests() {
    let stage = small(Setup::default());
    let right = Suite::reference(Profile::Tiny, stage.devices[0].compute).unwrap();
    let with = |other: Result<Vec<KernelDigest>, String>| {
        let other = Other(other);
        det::again(&Bench { elsewhere: Some(&other), ..stage.bench() }).unwrap()
    };
    let same = with(Ok(right.clone()));
    assert_eq!((reason(&same), runs(&same).compared.processes), ("pass".into(), 2));
    assert_eq!(runs(&same).compared.runs, 2 * 2 * 2 * 3 + 1);
    let mut altered = right;
    altered[0].sha256 = "0".repeat(64);
    let differs = with(Ok(altered));
    assert_eq!(reason(&differs), "fail: it does not repeat: 2 different answers in 25 runs");
    let none = with(Err("it ended".into()));
    assert_eq!(reason(&none), "warn: no other process could run the suite: it ended");
    assert_eq!(runs(&none).compared.processes, 1);
}

#[test]
fn a_device_for_one_process_is_not_asked_from_a_second() {
    let with = |attributes: &[(i32, i32)]| {
        let mut stage = small(Setup::default());
        stage.driver.setup.attributes.extend(attributes.iter().copied());
        let other = Other(Err("it got no context".into()));
        det::again(&Bench { elsewhere: Some(&other), ..stage.bench() }).unwrap()
    };
    let alone = with(&[(20, 3), (133, 0)]);
    assert_eq!((reason(&alone), runs(&alone).compared.processes), ("pass".into(), 1));
    assert!(told(&alone, "another process").starts_with("not tried: the device is in exclusive mode"));
    for shared in [[(20, 3), (133, 1)], [(20, 0), (133, 0)]] {
        assert!(reason(&with(&shared)).starts_with("warn: no other process could run the suite"), "{shared:?}");
    }
}

#[test]
fn sums_that_differ_are_told_and_are_no_fault() {
    let outcome = found(&small(Setup::default()), det::atomics);
    assert_eq!((reason(&outcome), value(&outcome, "distinct_sums")), ("pass".into(), 10.0));
    assert!(value(&outcome, "spread") > 0.0);
    assert!(told(&outcome, "lesson").contains("does not repeat"));
}

#[test]
fn multiprocessors_that_took_no_part_are_a_warning() {
    let mut stage = small(Setup::default());
    stage.sizes.simulated = false;
    let outcome = found(&stage, det::tensor);
    assert!(reason(&outcome).starts_with("warn: only 0 of 2 multiprocessors took part"), "{}", reason(&outcome));
}

#[test]
fn two_contexts_at_once_find_what_is_wrong() {
    let outcome = found(&small(wrong(Kernel::Reduce, 2)), concurrent::contexts);
    assert!(reason(&outcome).starts_with("fail: the device computes wrongly: nacp_reduce: lane 1"));
    assert_eq!(value(&outcome, "runs"), 4.0);
}

#[test]
fn the_soak_compares_the_hot_kernel_with_the_cpu_lane_by_lane() {
    // The window of four lanes comes to lane 6 in the second round.
    let outcome = found(&small(wrong(Kernel::FmaRate, 6)), soak::soak);
    assert!(reason(&outcome).starts_with("fail: the device computes wrongly: nacp_fma_rate: lane 6"), "{outcome:?}");
    assert_eq!((value(&outcome, "rounds"), value(&outcome, "mismatches")), (2.0, 1.0));
    assert_eq!(told(&outcome, "soak"), "1 of 2 rounds had wrong bits");
}

#[test]
fn the_soak_tells_how_much_it_compared_and_how_hot_the_device_was() {
    let outcome = found(&small(Setup::default()), soak::soak);
    assert_eq!((reason(&outcome), value(&outcome, "mismatches")), ("pass".into(), 0.0));
    let words: u64 = Suite::reference(Profile::Tiny, "9.0".parse().unwrap()).unwrap().iter().map(|it| it.words).sum();
    close(value(&outcome, "bits_compared"), 2.0 * 32.0 * (words + 256) as f64);
    assert!(value(&outcome, "bits_compared_per_second") > 0.0);
    close(value(&outcome, "clock_sm"), 1755.0);
}

#[test]
fn the_certificate_learns_the_firmware_from_the_management_library() {
    let mut stage = small(Setup::default());
    stage.gpu().identity.vbios = crate::gpu::Reading::Known("96.00.74".into());
    assert_eq!(runs(&found(&stage, det::bits)).vbios.as_deref(), Some("96.00.74"));
}

#[test]
fn the_runs_bring_what_the_cpu_computed_so_that_a_certificate_needs_no_second_time() {
    let stage = small(Setup::default());
    let outcome = found(&stage, det::bits);
    let runs = runs(&outcome);
    let device = &stage.devices[0];
    assert_eq!(runs.reference, Suite::reference(runs.profile, device.compute).unwrap());
    assert_eq!(runs.reference, runs.results);
    let wrong = small(wrong(Kernel::Fma, 71));
    let outcome = found(&wrong, det::bits);
    let wrong_runs = outcome.runs.as_ref().unwrap();
    assert_eq!(wrong_runs.reference, runs.reference, "what is right, and not what came out");
    assert_ne!(wrong_runs.results, runs.reference);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_cpu_that_does_not_round_as_ieee_754_asks_accuses_no_device() {
    let test = "cuda::check::bodies::tests::determinism::a_cpu_that_does_not_round_as_ieee_754_asks_accuses_no_device";
    if !crate::cuda::reference::in_fast_math(test) {
        return;
    }
    let bodies = BODIES.into_iter().filter(|(name, _)| *name != "det.atomics");
    for (name, body) in bodies.chain([("thr.fma", thr::fma as Body), ("thr.mma", thr::mma)]) {
        let Status::Skipped { why, reason } = stopped(&small(Setup::default()), body).status else { panic!("{name}") };
        assert_eq!(why, Skip::Unsupported, "{name}");
        assert!(
            reason.starts_with("this CPU does not round as IEEE 754 asks: what=f32: subnormal"),
            "{name}: {reason}"
        );
    }
}
