use super::*;
use crate::gpu::{PcieLink, Reading};

/// Copies by the driver alone, at these speeds.
fn speeds(pinned: f64, pageable: f64) -> Setup {
    Setup { pinned, pageable, ..Setup::default() }
}

#[test]
fn copies_between_host_and_device_are_told_beside_the_link() {
    for body in [bw::host_to_device as Body, bw::device_to_host] {
        let outcome = found(&stage(speeds(25e9, 8e9)), body);
        close(value(&outcome, "pinned"), 25e9);
        close(value(&outcome, "pageable"), 8e9);
        close(value(&outcome, "link"), 31.5e9);
        close(value(&outcome, "ratio_to_link"), 25.0 / 31.5);
        assert_eq!(value(&outcome, "size"), f64::from(1 << 20));
        let link = outcome.metrics.iter().find(|metric| metric.name == "link").unwrap();
        let formula = "PCIe 4: 16 lanes x 16 GT/s x 128/130 / 8 = 31.5 GB/s";
        assert_eq!(link.formula.as_deref(), Some(formula));
        assert_eq!(told(&outcome, "pinned.verified"), "1048576 bytes, none differs");
        assert_eq!(told(&outcome, "pageable.verified"), "1048576 bytes, none differs");
        let pinned = outcome.metrics.iter().find(|metric| metric.name == "pinned").unwrap();
        assert_eq!((pinned.n, pinned.p50.is_some()), (3, true), "as many as the rounds, without those that warm up");
    }
}

#[test]
fn copies_that_are_slow_for_their_link_are_told() {
    let outcome = found(&stage(speeds(12e9, 8e9)), bw::host_to_device);
    assert_eq!(
        reason(&outcome),
        "warn: pinned copies reach 0.38 of the PCIe link, 0.75 is expected: 12.0 GB/s of PCIe 4: 16 lanes x 16 GT/s x \
         128/130 / 8 = 31.5 GB/s; run on the processors near the GPU (nvidia-smi topo -m), and look whether other \
         programs copy at the same time"
    );
}

#[test]
fn a_link_below_what_gpu_and_slot_have_in_common_is_told() {
    let mut stage = stage(speeds(12.7e9, 8e9));
    stage.telemetry.as_mut().unwrap().link = Some(PcieLink { generation: 4, width: 8 });
    assert_eq!(
        reason(&found(&stage, bw::device_to_host)),
        "warn: the PCIe link runs at generation 4 x8 under load, GPU and slot have generation 4 x16 in common; reseat \
         the board, and look at the slot's settings in the firmware"
    );
}

#[test]
fn a_link_that_nobody_tells_is_unknown_and_not_judged() {
    let unknown = |change: fn(&mut Stage), reason: &str| {
        let mut stage = stage(speeds(1e9, 1e9));
        change(&mut stage);
        let outcome = found(&stage, bw::host_to_device);
        assert_eq!(outcome.status, Status::Pass, "{reason}");
        assert_eq!(told(&outcome, "link"), reason);
        assert!(!names(&outcome).contains(&"ratio_to_link"), "{reason}");
    };
    unknown(|stage| stage.telemetry = None, "unknown: there is no management library");
    unknown(|stage| stage.facts.gpus = Some(Vec::new()), "unknown: the management library does not know this device");
    unknown(|stage| stage.telemetry.as_mut().unwrap().link = None, "unknown: nothing was read while the device worked");
    unknown(
        |stage| stage.telemetry.as_mut().unwrap().link = Some(PcieLink { generation: 9, width: 16 }),
        "unknown: no table tells the speed of PCIe generation 9",
    );
    unknown(
        |stage| stage.gpu().c2c = Reading::Known(true),
        "the chip-to-chip link to the CPU; PCIe says nothing about it",
    );
    unknown(
        |stage| stage.driver.setup.attributes.extend([(18, 1)]),
        "none: the device shares its memory with the machine",
    );
}

#[test]
fn a_link_that_was_read_when_the_work_was_done_does_not_count() {
    // The copy is over before the management library has answered.
    let stage = stage(Setup { pinned: 1e18, ..Setup::default() });
    let outcome = found(&stage, bw::host_to_device);
    assert_eq!(told(&outcome, "link"), "unknown: nothing was read while the device worked");
}

#[test]
fn data_that_arrives_changed_is_a_failure_with_the_place() {
    for (body, spoilt, copy) in [
        (bw::host_to_device as Body, "upload_pinned", "pinned"),
        (bw::device_to_host, "download_pinned", "pinned"),
        (bw::host_to_device, "upload", "pageable"),
        (bw::device_to_host, "download", "pageable"),
    ] {
        let mut stage = stage(Setup::default());
        stage.driver.setup.flips.push((spoilt, 70, 0x10));
        let outcome = found(&stage, body);
        let reason = reason(&outcome);
        let begin = format!("fail: the data that arrived is not what was sent: copy={copy} bytes=1048576 words=1 ");
        assert!(reason.starts_with(&begin), "{reason}");
        assert!(reason.contains(" first=0x44 sent=") && reason.contains(" bits=0x00100000; reseat"), "{reason}");
    }
}

#[test]
fn without_pinned_memory_pageable_copies_are_measured_and_it_is_said() {
    let mut stage = stage(Setup::default());
    stage.driver.setup.refuses.push(("allocate_pinned", 1, 2));
    let outcome = found(&stage, bw::host_to_device);
    assert_eq!(
        reason(&outcome),
        "warn: pinned memory of the host was refused, so only pageable copies were measured: cuMemHostAlloc: not \
         enough memory on the GPU (2); under WSL2 it is limited, elsewhere look at the free memory of the machine, \
         and of the container"
    );
    close(value(&outcome, "pageable"), 8e9);
    assert!(!names(&outcome).contains(&"pinned"));
}

#[test]
fn a_device_with_little_memory_copies_less() {
    let mut stage = stage(Setup { largest: 1 << 20, ..Setup::default() });
    stage.sizes.copy = 4 << 20;
    let outcome = found(&stage, bw::host_to_device);
    assert_eq!(value(&outcome, "size"), f64::from(1 << 20));
    stage.driver.setup.largest = (1 << 20) - 1;
    let Status::Error { call, fault, .. } = stopped(&stage, bw::host_to_device).status else { panic!() };
    assert_eq!((call.as_str(), fault.code), ("cuMemAlloc", 2));
}

#[test]
fn a_failure_is_told_even_where_the_time_is_over_before_the_end() {
    let mut stage = stage(Setup::default());
    stage.driver.setup.flips.push(("upload_pinned", 0, 1));
    // The pageable copies take longest; the pinned ones have been compared by then.
    let whole = {
        found(&stage, bw::host_to_device);
        stage.driver.clock_now()
    };
    let flips = stage.driver.setup.flips.clone();
    let mut again = super::stage(Setup { flips, ..Setup::default() });
    again.until = whole.mul_f64(0.8);
    let outcome = found(&again, bw::host_to_device);
    assert!(reason(&outcome).starts_with("fail: the data that arrived"), "{}", reason(&outcome));
    assert_eq!(told(&outcome, "ended_early"), "its time was over");
}

#[test]
fn copies_on_the_device_are_counted_once_and_as_read_and_write() {
    let outcome = found(&stage(Setup { copies: 2.9e12, kernels: 2.8e12, ..Setup::default() }), bw::on_device);
    // The mark after a copy waits for nothing, the start of a kernel costs 2 µs of 3 µs that its work takes.
    close(value(&outcome, "copy_engine"), 1.45e12);
    close(value(&outcome, "copy_engine_read_and_write"), 2.9e12);
    let kernel = value(&outcome, "kernel");
    close(value(&outcome, "kernel_read_and_write"), 2.0 * kernel);
    close(value(&outcome, "memory_peak"), 3.352e12);
    close(value(&outcome, "ratio_at_max_clock"), 2.9 / 3.352);
    close(value(&outcome, "ratio_at_observed_clock"), 2.9 / 3.352);
    close(value(&outcome, "clock_memory"), 2619.0);
    let of = |name: &str| outcome.metrics.iter().find(|metric| metric.name == name).unwrap().formula.clone().unwrap();
    assert_eq!(of("copy_engine"), "bytes counted once");
    assert_eq!(of("copy_engine_read_and_write"), "bytes read + bytes written");
    assert_eq!(of("ratio_at_max_clock"), "2 x 2619 MHz x 5120 bit / 8 = 3.35 TB/s");
}

#[test]
fn slow_memory_is_told_at_the_clock_that_was_observed() {
    let mut stage = stage(Setup { copies: 1e12, kernels: 1e12, ..Setup::default() });
    assert_eq!(
        reason(&found(&stage, bw::on_device)),
        "warn: copies on the device reach 0.30 of its memory's peak, 0.7 is expected: 1.00 TB/s read and written of 2 x \
         2619 MHz x 5120 bit / 8 = 3.35 TB/s; look whether other programs use the GPU, and at what holds its clocks \
         back (nvidia-smi -q -d PERFORMANCE)"
    );
    // At a third of the clock it is as it should be.
    stage.telemetry.as_mut().unwrap().clocks.as_mut().unwrap().memory = 873;
    let outcome = found(&stage, bw::on_device);
    assert_eq!(outcome.status, Status::Pass);
    close(value(&outcome, "ratio_at_max_clock"), 0.298);
    close(value(&outcome, "ratio_at_observed_clock"), 0.895);
}

#[test]
fn memory_whose_peak_is_not_known_is_not_judged() {
    let mut stage = stage(Setup { copies: 1e9, kernels: 1e9, ..Setup::default() });
    stage.gpu().processor.memory_bus = Reading::default();
    stage.driver.setup.attributes.remove(&37);
    let outcome = found(&stage, bw::on_device);
    assert_eq!(outcome.status, Status::Pass);
    let unknown = "unknown: the driver does not tell the width of the memory's bus";
    assert_eq!((told(&outcome, "ratio_at_max_clock"), told(&outcome, "ratio_at_observed_clock")), (unknown, unknown));
}

#[test]
fn a_part_of_a_gpu_has_no_peak_of_its_memory() {
    let mut stage = stage(Setup { copies: 1e9, kernels: 1e9, ..Setup::default() });
    stage.devices = vec![virtual_device::device(0, "MIG")];
    let outcome = found(&stage, bw::on_device);
    assert_eq!(outcome.status, Status::Pass);
    assert_eq!(
        told(&outcome, "memory_peak"),
        "not computed: a MIG device has a part of the memory's bandwidth, and no table tells which"
    );
}

#[test]
fn without_a_compiler_the_copy_engine_is_still_measured() {
    let mut stage = stage(Setup::default());
    stage.driver.setup.refuses.push(("load", 1, 221));
    let outcome = found(&stage, bw::on_device);
    let reason = reason(&outcome);
    let begin = "warn: the kernel that copies could not be loaded, so only the copy engine was measured: \
                 cuModuleLoadDataEx: ";
    assert!(reason.starts_with(begin) && reason.ends_with("(221); mod.ptx_jit says more"), "{reason}");
    close(value(&outcome, "copy_engine"), 1.45e12);
    assert!(!names(&outcome).contains(&"kernel"));
}

#[test]
fn wrong_copies_on_the_device_name_who_made_them() {
    for (spoilt, copy) in [("copy", "copy_engine"), ("kernel", "kernel")] {
        let mut stage = stage(Setup::default());
        stage.driver.setup.flips.push((spoilt, 3, 0x80));
        let reason = reason(&found(&stage, bw::on_device));
        let begin =
            format!("fail: the data that arrived is not what was sent: copy={copy} bytes=1048576 words=1 first=0x0 ");
        assert!(reason.starts_with(&begin), "{reason}");
    }
}
