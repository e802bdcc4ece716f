//! What a check reports of each thing that a simulated CUDA driver can be asked to do wrong.
#![cfg(all(feature = "cuda", feature = "sim"))]

use std::sync::Arc;
use std::time::Duration;

use nacp_core::cuda::check::Status;
use nacp_core::cuda::kernels::Kernel;
use nacp_core::cuda::{Check, CheckId, Level};
use nacp_core::sim;

/// What one check says of each device of two, or once for all, in short.
fn told(driver: sim::Cuda, check: CheckId) -> Vec<String> {
    let report = Check::new(Level::Quick).only([check]).driver(Arc::new(driver)).run();
    assert!(report.simulated);
    report.checks.iter().filter(|found| found.id == check).map(|found| format!("{:?}", found.status)).collect()
}

fn two() -> sim::Cuda {
    let mut node = sim::NodeFile::shipped("h100x8").unwrap();
    node.gpus.truncate(2);
    node.into()
}

/// The first device fails and the second passes, or the other way round.
#[track_caller]
fn fails_on(device: usize, driver: sim::Cuda, check: CheckId, text: &str) {
    let healthy = format!("{:?}", Status::Pass);
    assert_eq!(told(two(), check), [healthy.clone(), healthy.clone()], "without the fault");
    let told = told(driver, check);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1 - device], healthy, "{told:?}");
    assert!(told[device].contains(text), "{told:?}");
}

#[test]
fn a_call_that_fails_on_one_device_is_told_there() {
    fails_on(1, two().failing("cuMemAlloc", 1, 700), CheckId::MemAlloc, "code: 700, kind: DeviceFault");
}

#[test]
fn a_wrong_bit_of_a_kernel_is_told_on_its_device() {
    fails_on(0, two().flipping(0, Kernel::Fma, 3, 7), CheckId::DetBits, "Fail");
}

#[test]
fn a_bit_that_sticks_is_told_on_its_device() {
    let stuck = (0..8).fold(two(), |driver, bit| driver.sticking(1, 4096, bit));
    fails_on(1, stuck, CheckId::MemPattern, "Fail");
}

#[test]
fn a_driver_that_does_not_start_at_first_is_told_by_its_number() {
    let told = told(two().failing_nth("cuInit", 1, 802), CheckId::DrvInit);
    assert!(told.len() == 1 && told[0].contains("call: \"cuInit\", fault: Fault { code: 802"), "{told:?}");
}

#[test]
fn a_call_that_does_not_come_back_is_cut_off() {
    let told = told(two().hanging("cuInit", Duration::from_secs(20)), CheckId::DrvInit);
    assert!(told.len() == 1 && told[0] != format!("{:?}", Status::Pass), "{told:?}");
}

#[test]
fn a_function_that_is_not_there_is_named() {
    let told = told(two().without("cuMemAlloc"), CheckId::LibSymbols);
    assert!(told.len() == 1 && told[0].contains("missing for mem.alloc,det.bits"), "{told:?}");
}

#[test]
fn a_driver_that_is_too_old_for_the_program_is_told() {
    let told = told(two().serving(8000), CheckId::ModPtxJit);
    assert!(told.len() == 2 && told.iter().all(|status| status.contains("newer than what a driver of CUDA 8.0 reads")));
}

#[test]
fn memory_that_is_all_taken_is_told_on_its_device() {
    let told = told(two().with_free(0, 1 << 10), CheckId::MemAlloc);
    let healthy = format!("{:?}", Status::Pass);
    assert!(told[0] != healthy && told[1] == healthy, "{told:?}");
}
