use super::*;
use crate::gpu::{Clocks, Reading};

/// What two multiprocessors of an H100 reach at the highest clock: 2 x 128 x 2 x 1980 MHz, and 2 x 4096 x 1980 MHz.
const FMA: f64 = 1.014e12;
const MMA: f64 = 16.22e12;

#[test]
fn multiply_adds_are_told_at_both_clocks() {
    let outcome = found(&stage(Setup { fma: 0.85 * FMA, ..Setup::default() }), thr::fma);
    assert_eq!(outcome.status, Status::Pass);
    close(value(&outcome, "fma_flops"), 0.85 * FMA);
    close(value(&outcome, "clock_sm"), 1755.0);
    close(value(&outcome, "ratio_at_max_clock"), 0.85);
    close(value(&outcome, "ratio_at_observed_clock"), 0.85 * 1980.0 / 1755.0);
    let formula =
        |name: &str| outcome.metrics.iter().find(|metric| metric.name == name).unwrap().formula.clone().unwrap();
    assert_eq!(formula("ratio_at_observed_clock"), "2 SM x 128 cores x 2 FLOP x 1755 MHz = 899 GFLOP/s");
    assert_eq!(formula("ratio_at_max_clock"), "2 SM x 128 cores x 2 FLOP x 1980 MHz = 1.01 TFLOP/s");
    assert!(formula("fma_flops").starts_with("2048 lanes x 64 steps x 32 FLOP"), "{}", formula("fma_flops"));
    assert_eq!(told(&outcome, "compared.short"), "8 words, one lane of each block");
    assert_eq!(told(&outcome, "compared.timed"), "64 words of the timed launch");
}

#[test]
fn tensor_units_are_told_by_the_instruction_that_was_used_and_never_as_a_peak() {
    let outcome = found(&stage(Setup { mma: 0.55 * MMA, ..Setup::default() }), thr::mma);
    assert_eq!(outcome.status, Status::Pass);
    close(value(&outcome, "mma_sync_flops"), 0.55 * MMA);
    close(value(&outcome, "ratio_at_max_clock"), 0.55);
    assert_eq!(told(&outcome, "share"), "unknown: what mma.sync.m16n8k8 reaches on Hopper has not been measured");
    assert!(names(&outcome).iter().all(|name| !name.contains("peak")));
}

#[test]
fn a_slow_device_is_told_at_the_observed_clock_alone() {
    let mut slow = stage(Setup { fma: 0.4 * FMA, mma: 0.3 * MMA, ..Setup::default() });
    assert_eq!(found(&slow, thr::mma).status, Status::Pass, "on Hopper nobody has measured what is to be expected");
    // An A100 of the same multiprocessors does half as much in a clock.
    slow.devices[0].compute = "8.0".parse().unwrap();
    slow.driver.setup.fma = 0.2 * FMA;
    let hint = "; look whether other programs use the GPU (nvidia-smi), and at what holds its clocks back (nvidia-smi -q \
                -d PERFORMANCE)";
    assert_eq!(
        reason(&found(&slow, thr::fma)),
        format!(
            "warn: fused multiply-adds of 32 bits reach 0.45 of the peak at the clock that was observed, 0.75 is \
             expected: 203 GFLOP/s of 2 SM x 64 cores x 2 FLOP x 1755 MHz = 449 GFLOP/s{hint}"
        )
    );
    assert_eq!(
        reason(&found(&slow, thr::mma)),
        format!(
            "warn: products of mma.sync reach 0.68 of the peak at the clock that was observed, 0.75 is expected: 4.86 \
             TFLOP/s of 2 SM x 2048 FLOP x 1755 MHz = 7.19 TFLOP/s{hint}"
        )
    );
    // It is slow because its clock is low: then it does what it can.
    slow.telemetry.as_mut().unwrap().clocks = Some(Clocks { graphics: 800, sm: 800, memory: 2619 });
    for body in [thr::fma as Body, thr::mma] {
        let outcome = found(&slow, body);
        assert_eq!(outcome.status, Status::Pass);
        assert!(value(&outcome, "ratio_at_max_clock") < 0.65);
    }
}

#[test]
fn where_no_clock_was_observed_speed_is_reported_and_not_judged() {
    let mut stage = stage(Setup { fma: 0.1 * FMA, ..Setup::default() });
    stage.telemetry = None;
    let outcome = found(&stage, thr::fma);
    assert_eq!(outcome.status, Status::Pass);
    close(value(&outcome, "ratio_at_max_clock"), 0.1);
    assert_eq!(told(&outcome, "ratio_at_observed_clock"), "unknown: there is no management library");
    // Without the management library's limits the driver's attribute tells the highest clock.
    stage.facts.gpus = None;
    close(value(&found(&stage, thr::fma), "ratio_at_max_clock"), 0.1);
    stage.driver.setup.attributes.remove(&13);
    assert_eq!(told(&found(&stage, thr::fma), "ratio_at_max_clock"), "unknown: the clock is not known");
}

#[test]
fn an_architecture_that_no_table_knows_is_not_slow() {
    let mut stage = stage(Setup { fma: 1e9, mma: 1e9, ..Setup::default() });
    stage.devices[0].compute = "99.0".parse().unwrap();
    let outcome = found(&stage, thr::fma);
    assert_eq!(outcome.status, Status::Pass);
    let unknown = "unknown: no table tells how many cores a multiprocessor of compute capability 99.0 has";
    assert_eq!((told(&outcome, "ratio_at_max_clock"), told(&outcome, "ratio_at_observed_clock")), (unknown, unknown));
    stage.devices[0].compute = "10.0".parse().unwrap();
    let outcome = found(&stage, thr::mma);
    assert_eq!(outcome.status, Status::Pass, "nobody has told what mma.sync reaches on it");
    assert_eq!(told(&outcome, "share"), "unknown: nothing is published for this architecture");
}

#[test]
fn a_device_without_tensor_units_is_not_asked() {
    let mut stage = stage(Setup::default());
    stage.devices[0].compute = "7.0".parse().unwrap();
    let reason = "mma.sync needs compute capability 7.5, this device has 7.0".to_owned();
    assert_eq!(stopped(&stage, thr::mma).status, Status::Skipped { why: Skip::Unsupported, reason });
}

#[test]
fn a_wrong_answer_is_a_failure_with_its_lane_and_bits() {
    let mut stage = stage(Setup::default());
    // The first block's item is its first: byte 2 of word 0.
    stage.driver.setup.flips.push(("nacp_fma_rate", 2, 0x40));
    stage.driver.setup.flips.push(("nacp_mma_rate", 4 * 7 + 3, 0x01));
    let fma = reason(&found(&stage, thr::fma));
    assert!(
        fma.starts_with("fail: the device computes wrong: kernel=nacp_fma_rate lane=0 word=0 expected=0x"),
        "{fma}"
    );
    let end = " bits=0x00400000 words=1 of 8; run det.bits, and have the board replaced if it is wrong again";
    assert!(fma.ends_with(end), "{fma}");
    let mma = reason(&found(&stage, thr::mma));
    assert!(
        mma.starts_with("fail: the device computes wrong: kernel=nacp_mma_rate warp=0 word=7 expected=0x"),
        "{mma}"
    );
    assert!(mma.contains(" bits=0x01000000 words=1 of "), "{mma}");
}

#[test]
fn an_answer_that_changes_between_rounds_is_a_failure() {
    let mut stage = stage(Setup::default());
    // Two launches are short, one tells how long the timed one is to be, the fourth warms up and is compared with the CPU;
    // the sixth is the second that is timed.
    stage.driver.setup.late_flips.push(("nacp_fma_rate", 6, 4 * 1001, 0x02));
    let reason = reason(&found(&stage, thr::fma));
    let begin = "fail: the device does not repeat: kernel=nacp_fma_rate round=2 words=1 word=1001 first=0x";
    assert!(reason.starts_with(begin), "{reason}");
    let end = " bits=0x00000002; run det.repeat, and have the board replaced if it happens again";
    assert!(reason.ends_with(end), "{reason}");
}

#[test]
fn a_partition_is_measured_with_its_own_multiprocessors_under_the_clock_of_its_gpu() {
    let mut stage = stage(Setup { fma: 0.85 * FMA, ..Setup::default() });
    let part = virtual_device::device(7, "MIG");
    let gpu = stage.gpu();
    gpu.mig.devices = Reading::Known(vec![crate::gpu::MigDevice::new(part.id.clone(), 0)]);
    stage.devices[0].id = part.id;
    let outcome = found(&stage, thr::fma);
    close(value(&outcome, "clock_sm"), 1755.0);
    close(value(&outcome, "ratio_at_max_clock"), 0.85);
}

#[test]
fn the_timed_launch_takes_a_tenth_of_the_time_that_is_wanted() {
    for (short, seconds, work_ms, steps) in [
        (64, 0.000_976_562_5, 200, 1310),
        (2, 0.000_015_258_789_062_5, 200, 2621),
        (64, 1.0, 200, 64),
        (64, 1e-12, 200, 1 << 20),
        (64, 0.0, 200, 64),
        (64, f64::NAN, 200, 64),
    ] {
        assert_eq!(thr::steps(short, seconds, work_ms), steps, "{seconds} s");
    }
}

#[test]
fn a_reading_that_takes_longer_than_the_work_makes_the_work_longer() {
    use std::time::Duration;
    for (wanted, seconds, count) in
        [(0, 0.01, 1), (100, 0.01, 11), (100, 0.03, 5), (100, 0.0, 1), (100, f64::NAN, 1), (100, 1e-12, 4097)]
    {
        assert_eq!(measure::queued(Duration::from_millis(wanted), seconds), count, "{wanted} ms of {seconds} s");
    }
    // The first reading comes too late, for the second one enough is queued.
    let mut stage = stage(Setup { fma: 0.85 * FMA, ..Setup::default() });
    stage.telemetry.as_mut().unwrap().takes =
        Some((std::sync::Arc::clone(&stage.driver.clock), Duration::from_millis(3)));
    let outcome = found(&stage, thr::fma);
    close(value(&outcome, "clock_sm"), 1755.0);
}
