use super::*;

/// Every call takes its caller this long.
fn calls_of(microseconds: u64) -> Setup {
    Setup { call: Duration::from_micros(microseconds), kernel: 2e-6, ..Setup::default() }
}

#[test]
fn what_a_launch_costs_is_told_with_its_median_and_its_tail() {
    let outcome = found(&stage(calls_of(4)), lat::launch);
    assert_eq!(outcome.status, Status::Pass);
    close(value(&outcome, "host_cost"), 4e-6);
    // 40 launches of 4 µs and the wait at their end, which is a call too.
    close(value(&outcome, "throughput"), 40.0 / (41.0 * 4e-6));
    close(value(&outcome, "synchronised"), 8e-6);
    close(value(&outcome, "graph_host_cost"), 4e-6);
    assert!(value(&outcome, "graph_throughput") > value(&outcome, "throughput"));
    let metric = |name: &str| outcome.metrics.iter().find(|metric| metric.name == name).unwrap();
    assert_eq!((metric("host_cost").n, metric("synchronised").n), (40, 40));
    assert!(metric("synchronised").p99.is_some());
    assert_eq!(metric("graph_throughput").formula.as_deref(), Some("one graph of 20 kernels"));
}

#[test]
fn a_slow_launch_is_told_and_windows_is_given_more() {
    let slow = stage(calls_of(15));
    let expected = |most: &str, p50: &str| {
        format!(
            "warn: starting a kernel and waiting for it takes long: p50={p50} µs, at most {most} µs is expected; look \
             whether processors sleep deeply or clock low (cpupower frequency-info), whether a profiler is attached \
             (CUDA_LAUNCH_BLOCKING, CUDA_INJECTION64_PATH), and how busy the machine is"
        )
    };
    assert_eq!(reason(&found(&slow, lat::launch)), expected("20", "30.0"));
    let under_wsl = |microseconds| {
        let mut stage = stage(Setup::default());
        stage.driver = virtual_device::VirtualDevice::new(calls_of(microseconds)).under_wsl();
        found(&stage, lat::launch)
    };
    assert_eq!(under_wsl(15).status, Status::Pass);
    assert_eq!(reason(&under_wsl(26)), expected("50", "52.0"));
    let mut windows = stage(calls_of(15));
    windows.gpu().modes.driver_model = crate::gpu::Reading::Known(crate::gpu::DriverModel::Wddm);
    assert_eq!(found(&windows, lat::launch).status, Status::Pass);
}

#[test]
fn a_driver_without_graphs_is_no_fault() {
    for (call, code, expected) in [
        ("begin_capture", 500, "not measured: this driver has no cuStreamBeginCapture"),
        ("begin_capture", 801, "not measured: the CUDA driver answered with an unknown code (801)"),
        ("end_capture", 500, "not measured: this driver has no cuStreamEndCapture"),
    ] {
        let mut stage = stage(Setup::default());
        stage.driver.setup.refuses.push((call, 1, code));
        let outcome = found(&stage, lat::launch);
        assert_eq!(outcome.status, Status::Pass, "{call}");
        assert_eq!(told(&outcome, "graph"), expected);
        assert!(!names(&outcome).contains(&"graph_host_cost"));
    }
}

#[test]
fn a_graph_that_fails_is_an_error() {
    let mut stage = stage(Setup::default());
    stage.driver.setup.refuses.push(("launch_graph", 1, 719));
    let stop = stopped(&stage, lat::launch);
    let Status::Error { call, fault, .. } = stop.status else { panic!() };
    assert_eq!((call.as_str(), fault.code), ("cuGraphLaunch", 719));
    assert!(value(&stop.so_far.unwrap(), "synchronised") > 0.0, "what was measured until then is kept");
}

#[test]
fn without_a_compiler_nothing_can_be_started() {
    let mut stage = stage(Setup::default());
    stage.driver.setup.refuses.push(("load", 1, 221));
    let Status::Error { call, fault, reason } = stopped(&stage, lat::launch).status else { panic!() };
    assert_eq!((call.as_str(), fault.kind), ("cuModuleLoadDataEx", FaultKind::JitCompilerMissing));
    assert!(reason.ends_with("the compiler wrote: ptxas fatal: no such thing"), "{reason}");
}
