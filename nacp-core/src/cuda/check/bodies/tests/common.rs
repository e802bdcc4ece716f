//! What holds for all of them.

use super::*;

fn machine(name: &str) -> Stage {
    if name.starts_with("p2p") { pair(Setup::default()) } else { stage(Setup::default()) }
}

#[test]
fn a_device_that_is_in_order_passes_and_gets_everything_back() {
    for (name, body) in ALL {
        let outcome = found(&machine(name), body);
        assert_eq!(outcome.status, Status::Pass, "{name}");
        assert!(!outcome.metrics.is_empty() || name == "graph.capture", "{name}");
        assert!(outcome.metrics.iter().all(|metric| metric.value.is_finite()), "{name}: {:?}", outcome.metrics);
    }
}

#[test]
fn a_check_whose_time_is_over_says_so_and_keeps_what_it_had() {
    for (name, body) in ALL {
        let mut stage = machine(name);
        let whole = {
            found(&stage, body);
            stage.driver.clock_now()
        };
        for part in [0.0, 0.3, 0.6, 0.95] {
            stage = machine(name);
            stage.until = whole.mul_f64(part);
            let Err(stop) = run(&stage, body) else {
                assert!(part > 0.5, "{name} took no notice of its limit at {part}");
                continue;
            };
            let why = Status::Skipped { why: Skip::Deadline, reason: "its time was over".into() };
            assert_eq!(stop.status, why, "{name} at {part}");
            assert!(stop.so_far.is_some(), "{name} at {part}");
        }
    }
}

#[test]
fn a_caller_who_gives_up_stops_it() {
    for (name, body) in ALL {
        let stage = machine(name);
        stage.cancelled.store(true, Ordering::Relaxed);
        let why = Status::Skipped { why: Skip::Cancelled, reason: "the caller gave up".into() };
        assert_eq!(stopped(&stage, body).status, why, "{name}");
    }
}

#[test]
fn a_device_that_is_held_by_another_program_is_busy_and_not_broken() {
    for (name, body) in ALL.into_iter().filter(|(name, _)| *name != "p2p.access") {
        let mut stage = machine(name);
        stage.driver.setup.refuses.push(("retain", 1, 46));
        let Status::Skipped { why, reason } = stopped(&stage, body).status else { panic!("{name}") };
        assert_eq!(why, Skip::Busy, "{name}");
        assert!(reason.starts_with("cuDevicePrimaryCtxRetain: "), "{name}: {reason}");
    }
}

#[test]
fn a_kernel_that_faults_is_the_driver_s_error_with_its_number() {
    for name in ["mem.pattern", "bw.d2d", "lat.launch", "thr.fma", "thr.mma", "strm.priority", "graph.capture"] {
        let mut stage = machine(name);
        stage.driver.setup.refuses.push(("launch", 1, 719));
        let (_, body) = ALL.into_iter().find(|(it, _)| *it == name).unwrap();
        let Status::Error { call, fault, .. } = stopped(&stage, body).status else { panic!("{name}") };
        assert_eq!((call.as_str(), fault), ("cuLaunchKernel", Fault { code: 719, kind: FaultKind::DeviceFault }));
    }
}

#[test]
fn a_device_without_memory_is_an_error_and_not_a_panic() {
    for (name, body) in ALL.into_iter().filter(|(name, _)| !matches!(*name, "lat.launch" | "p2p.access")) {
        let mut stage = machine(name);
        stage.driver.setup.refuses.push(("allocate", 1, 2));
        let Status::Error { call, fault, .. } = stopped(&stage, body).status else { panic!("{name}") };
        assert_eq!((call.as_str(), fault.kind), ("cuMemAlloc", FaultKind::OutOfMemory), "{name}");
    }
}

#[test]
fn a_simulated_device_is_labelled_and_never_judged_by_its_speed() {
    for (name, body) in ALL {
        let mut stage = machine(name);
        stage.sizes.simulated = true;
        stage.driver.setup = Setup {
            pinned: 1e6,
            pageable: 1e6,
            copies: 1e6,
            kernels: 1e6,
            fma: 1e6,
            mma: 1e6,
            call: Duration::from_millis(1),
            ..stage.driver.setup
        };
        let outcome = found(&stage, body);
        assert_eq!(outcome.status, Status::Pass, "{name}");
        assert_eq!(told(&outcome, "simulated"), "times of a simulated device mean nothing and are not judged");
    }
}

#[test]
fn without_a_device_there_is_nothing_to_check() {
    for (name, body) in ALL {
        let mut stage = machine(name);
        stage.seat(Vec::new());
        let Status::Skipped { why, reason } = stopped(&stage, body).status else { panic!("{name}") };
        let expected = if name.starts_with("p2p") {
            (Skip::Unsupported, "there are no two devices")
        } else {
            (Skip::Blocked, "there is no device")
        };
        assert_eq!((why, reason.as_str()), expected, "{name}");
    }
}
