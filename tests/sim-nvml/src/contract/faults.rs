//! Faults, latencies and the trace.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{answer, gpu, path, play, settings, start_changed, value};
use crate::calls::memory_use::nvmlDeviceGetMemoryInfo;
use crate::calls::power::{nvmlDeviceGetPowerUsage, nvmlDeviceGetTotalEnergyConsumption};
use crate::calls::system::{nvmlInit_v2, nvmlSystemGetDriverVersion};
use crate::machine::{Settings, current};
use crate::memory::{Out, blank};

#[test]
fn a_fault_answers_instead_of_its_function_on_its_gpu() {
    let faults = "GPU1:nvmlDeviceGetPowerUsage=15@1,nvmlDeviceGetMemoryInfo=999";
    let _played = play(Settings { faults, ..settings("h100x8") });
    assert_eq!(nvmlInit_v2(), 0);
    let power = |index| answer(|place| nvmlDeviceGetPowerUsage(gpu(index), place)).0;
    assert_eq!([power(1), power(0), power(1), power(0)], [0, 0, 15, 0], "one call passes");
    assert_eq!(answer(|place| nvmlDeviceGetMemoryInfo(gpu(0), place)).0, 999);
}

#[test]
fn a_sentinel_is_a_success_without_a_value() {
    let _played = play(Settings { faults: "GPU1:*=sentinel", ..settings("h100x8") });
    assert_eq!(nvmlInit_v2(), 0);
    assert_eq!(value(|place| nvmlDeviceGetTotalEnergyConsumption(gpu(1), place)), u64::MAX);
    let memory = value(|place| nvmlDeviceGetMemoryInfo(gpu(1), place));
    assert_eq!([memory.total, memory.free, memory.used], [u64::MAX; 3]);
    assert_eq!(value(|place| nvmlDeviceGetTotalEnergyConsumption(gpu(0), place)), 812_345_678, "another GPU");
    assert_eq!(value(|place| nvmlDeviceGetPowerUsage(gpu(1), place)), 245_000, "not 64 bits");
}

/// The faults of the child in which [`two_gpus_are_asked_for_their_power`] runs.
const FAULTS: &str = "NACP_TEST_SIM_NVML_FAULTS";
/// How long a call that hangs is waited for.
const LIMIT: Duration = Duration::from_secs(1);

/// The child's part of the test that follows; on its own it has no faults.
#[test]
fn two_gpus_are_asked_for_their_power() {
    let faults = std::env::var(FAULTS).unwrap_or_default();
    let _played = play(Settings { faults: &faults, ..settings("h100x8") });
    assert_eq!(nvmlInit_v2(), 0);
    for index in [0, 1] {
        let handle = gpu(index);
        println!("\nasks GPU{index}");
        assert_eq!(answer(|place| nvmlDeviceGetPowerUsage(handle, place)).0, 0);
        println!("GPU{index} answered");
    }
}

/// How the child ends, and what it says from its question to the second GPU on. One that goes on is killed.
fn ask_two_gpus(faults: &str) -> (std::process::ExitStatus, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "contract::faults::two_gpus_are_asked_for_their_power", "--nocapture"])
        .env(FAULTS, faults)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim() != "asks GPU1" {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "{faults}: the child ended before its question");
    }
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(5));
    }
    // One that has ended cannot be killed.
    let _ = child.kill();
    let status = child.wait().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    (status, rest)
}

#[test]
fn a_call_that_hangs_or_crashes_takes_its_process_with_it() {
    const KILL: i32 = 9;
    const SEGMENTATION: i32 = 11;
    let (status, rest) = ask_two_gpus("");
    assert!(status.success() && rest.contains("GPU1 answered"), "without a fault it ends: {status}, {rest}");
    for (effect, signal) in [("hang", KILL), ("crash", SEGMENTATION)] {
        let (status, rest) = ask_two_gpus(&format!("GPU1:nvmlDeviceGetPowerUsage={effect}"));
        assert_eq!(status.signal(), Some(signal), "{effect}: {status}, {rest}");
        assert!(!rest.contains("GPU1 answered"), "{effect}: {rest}");
    }
}

#[test]
fn a_start_that_is_to_fail_fails() {
    let _played = play(Settings { faults: "nvmlInit_v2=9", ..settings("h100x8") });
    assert_eq!(nvmlInit_v2(), 9);
}

#[test]
fn calls_take_the_time_of_the_file_unless_it_is_switched_off() {
    let change = |file: &mut nacp_core::sim::NodeFile| {
        file.latency_us = [("nvmlDeviceGetPowerUsage".to_owned(), 3000), ("*".to_owned(), 50)].into();
    };
    let (mut played, _) = start_changed("h100x8", change, "");
    let node = played.files[0].clone();
    let time = || {
        let handle = gpu(0);
        let start = Instant::now();
        assert_eq!(answer(|place| nvmlDeviceGetPowerUsage(handle, place)).0, 0);
        start.elapsed()
    };
    assert!(time() < Duration::from_micros(3000), "the tests play without latencies");
    let files = std::mem::take(&mut played.files);
    drop(played);
    let mut played = play(Settings { latencies: true, ..settings(node.to_str().unwrap()) });
    played.files = files;
    assert_eq!(nvmlInit_v2(), 0);
    assert!(time() >= Duration::from_micros(3000));
}

#[test]
fn a_trace_counts_the_calls_of_each_function() {
    let trace = path("trace");
    let mut played = play(Settings { trace: Some(trace.clone()), ..settings("h100x8") });
    played.files = vec![trace.clone()];
    assert_eq!(nvmlInit_v2(), 0);
    let handle = gpu(0);
    for _ in 0..3 {
        value(|place| nvmlDeviceGetPowerUsage(handle, place));
    }
    let mut text = [blank(); 32];
    assert_eq!(nvmlSystemGetDriverVersion(Out::at(text.as_mut_ptr()), 32), 0);
    current::write_trace();
    let lines = std::fs::read_to_string(trace).unwrap();
    assert_eq!(
        lines,
        "nvmlDeviceGetHandleByIndex_v2 1\nnvmlDeviceGetPowerUsage 3\nnvmlInit_v2 1\nnvmlSystemGetDriverVersion 1\n"
    );
}
