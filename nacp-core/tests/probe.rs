//! The guard and its child: what comes of a child that answers, and of every kind that does not.

#![cfg(all(target_os = "linux", feature = "nvml"))]
#![allow(clippy::disallowed_methods, reason = "a test may sleep and read the real clock")]

#[cfg(feature = "sim")]
mod sim_nvml;

use std::path::Path;
use std::time::{Duration, Instant};

use nacp_core::gpu::{Node, probe};
use nacp_core::{Error, ErrorKind};
use tempfile::tempdir;

/// A child that is a shell script.
fn script(text: &str) -> probe::Guard {
    probe::Guard::new("/bin/sh").arg("-c").arg(text).limit(Duration::from_secs(20))
}

fn fails(guard: &probe::Guard, kind: ErrorKind, cause: &str) -> Error {
    let error = guard.check().expect_err("it reported");
    assert_eq!((error.kind(), error.get("cause")), (kind, Some(cause)), "{error}");
    error
}

/// The child's part, when a guard starts this test program; on its own it does nothing.
#[test]
fn child() {
    let asked = std::env::var_os("NACP_PROBE").is_some();
    assert_eq!(probe::answer(), asked);
}

/// This test program as a child.
fn this_program() -> probe::Guard {
    probe::Guard::this_program().unwrap().arg("--exact").arg("child").arg("--nocapture")
}

#[test]
fn what_is_wrong_with_the_driver_comes_back_as_it_was() {
    let absent = Path::new("/nowhere/libnvidia-ml.so.1");
    let error = fails(&this_program().library(absent), ErrorKind::DriverUnavailable, "absent");
    let here = nacp_core::gpu::Nvml::open_at(absent).unwrap_err();
    assert_eq!(error.to_string(), here.to_string());
    assert_eq!((error.operation(), error.hint_text()), (here.operation(), here.hint_text()));
    let guarded = Node::discover_guarded(&this_program().library(absent)).unwrap_err();
    assert_eq!(guarded.to_string(), here.to_string());
}

/// This test program as a child that opens the simulated library.
#[cfg(feature = "sim")]
fn simulated(node: &str, faults: &str) -> probe::Guard {
    let guard = this_program().library(sim_nvml::library()).limit(Duration::from_secs(50));
    guard.env("NACP_SIM_NODE", node).env("NACP_SIM_NVML_FAULTS", faults)
}

#[cfg(feature = "sim")]
#[test]
fn a_report_has_every_gpu_every_call_and_the_time_of_each_step() {
    let report = simulated("h100x8", "").check().unwrap();
    assert!(report.origin.simulated);
    assert_eq!((report.gpus.len(), report.samples.len()), (8, 8));
    assert!(report.support.answered() > 8 * 50, "{}", report.support.answered());
    let steps: Vec<_> = report.timings.iter().map(|timing| timing.step).collect();
    assert_eq!(steps, [probe::Step::Open, probe::Step::Inventory, probe::Step::Sample, probe::Step::Support]);
    assert!(report.timings.iter().all(|timing| timing.micros > 0), "{:?}", report.timings);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<probe::Report>(&json).unwrap(), report);
}

#[cfg(feature = "sim")]
#[test]
fn a_library_that_crashes_or_hangs_harms_the_child_alone() {
    let crash = simulated("h100x8", "nvmlDeviceGetSerial=crash");
    let error = fails(&crash, ErrorKind::DriverUnavailable, "crashed");
    assert_eq!((error.get("signal"), error.get("step")), (Some("SIGSEGV"), Some("inventory")));
    assert_eq!(Node::discover_guarded(&crash).unwrap_err().to_string(), error.to_string());

    let hang = simulated("h100x8", "nvmlDeviceGetUtilizationRates=hang").limit(Duration::from_secs(5));
    let error = fails(&hang, ErrorKind::Timeout, "hung");
    assert_eq!((error.get("limit"), error.get("step")), (Some("5s"), Some("sample")));

    let end = simulated("h100x8", "nvmlShutdown=crash");
    let error = fails(&end, ErrorKind::DriverUnavailable, "crashed");
    assert_eq!(error.get("step"), Some("end"), "it read everything, and would crash this process at its end: {error}");
}

#[test]
fn a_child_that_dies_of_a_signal_names_signal_step_and_last_words() {
    let begin = r#"echo '{"nacp_probe":1,"begin":"open"}'; echo '{"nacp_probe":1,"begin":"sample"}';"#;
    let error =
        fails(&script(&format!("{begin} echo 'oh no' >&2; kill -SEGV $$")), ErrorKind::DriverUnavailable, "crashed");
    let told = ["signal", "step", "stderr"].map(|key| error.get(key));
    assert_eq!(told, [Some("SIGSEGV"), Some("sample"), Some("\"oh no\"")]);
    let early = fails(&script("kill -BUS $$"), ErrorKind::DriverUnavailable, "crashed");
    assert_eq!((early.get("signal"), early.get("step")), (Some("SIGBUS"), None));
}

#[test]
fn a_child_that_hangs_is_killed_at_the_limit_with_what_it_started() {
    let folder = tempdir().unwrap();
    let pids = folder.path().join("pids");
    let text = format!("trap '' HUP INT TERM; sleep 600 & echo $! > {0}; echo $$ >> {0}; wait", pids.display());
    let start = Instant::now();
    let error = fails(&script(&text).limit(Duration::from_millis(500)), ErrorKind::Timeout, "hung");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(error.get("limit"), Some("500ms"));
    assert!(error.hint_text().unwrap().contains("answer()"), "it never began: {error}");
    for pid in std::fs::read_to_string(&pids).unwrap().lines() {
        // A process that was killed is there until its parent has looked.
        let alive = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
        while alive() {
            assert!(start.elapsed() < Duration::from_secs(10), "{pid} lives");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    let hung = script(r#"echo '{"nacp_probe":1,"begin":"inventory"}'; sleep 600"#).limit(Duration::from_millis(500));
    let error = fails(&hung, ErrorKind::Timeout, "hung");
    assert_eq!(error.get("step"), Some("inventory"));
    assert!(error.hint_text().unwrap().contains("driver does not answer"), "{error}");
}

#[test]
fn a_program_that_says_nothing_is_told_how_to_become_a_probe() {
    let error = fails(&script("exit 3"), ErrorKind::InvalidArgument, "not a probe");
    assert_eq!(error.get("status"), Some("exit status: 3"));
    assert_eq!(error.hint_text(), Some("call nacp_core::gpu::probe::answer() first in main"));
    let error = fails(&script("echo hello; echo '{\"gpus\": 8}'"), ErrorKind::InvalidArgument, "not a probe");
    assert_eq!(error.get("stdout"), Some(r#""hello\n{\"gpus\": 8}""#));
}

#[test]
fn a_child_that_ends_within_a_step_is_not_called_a_stranger() {
    let error =
        fails(&script(r#"echo '{"nacp_probe":1,"begin":"open"}'; exit 1"#), ErrorKind::DriverUnavailable, "ended");
    assert_eq!((error.get("step"), error.get("status")), (Some("open"), Some("exit status: 1")));
}

#[test]
fn a_report_that_cannot_be_read_says_why() {
    for (line, reason) in [
        (r#"{"nacp_probe":1,"report":{"origin":7}}"#, "invalid type"),
        (r#"{"nacp_probe":9,"begin":"open"}"#, "version 9, not 1"),
        (r#"{"nacp_probe":1,"rep"#, "EOF while parsing"),
    ] {
        let error = fails(&script(&format!("echo '{line}'")), ErrorKind::InvalidArgument, "not a probe");
        assert!(error.get("reason").unwrap().contains(reason), "{error}");
    }
}

#[test]
fn a_program_that_prints_without_end_is_stopped() {
    for text in ["yes", "cat /dev/zero", "yes '\u{FF}'"] {
        let start = Instant::now();
        let error = fails(&script(text), ErrorKind::InvalidArgument, "not a probe");
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        assert_eq!(error.message(), "the program prints without end", "{error}");
        assert!(error.to_string().len() < 4096, "its output is not repeated whole");
    }
}

#[test]
fn a_grandchild_that_keeps_the_pipes_open_delays_nothing() {
    let start = Instant::now();
    // The grandchild leaves the group, so that nobody kills it but this test.
    let error = fails(&script("setsid sleep 30 & exit 4"), ErrorKind::InvalidArgument, "not a probe");
    assert_eq!(error.get("status"), Some("exit status: 4"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = fails(&probe::Guard::new("/nowhere/program"), ErrorKind::NotFound, "not started");
    assert_eq!(error.get("program"), Some("/nowhere/program"));
    fails(&probe::Guard::new("/etc/passwd"), ErrorKind::PermissionDenied, "not started");
}

#[test]
fn a_probe_does_not_start_probes() {
    // A child whose program looks for GPUs before it answers would start itself for ever.
    let guard = probe::Guard::this_program().unwrap().arg("--exact").arg("forgetful").arg("--nocapture");
    let error = fails(&guard, ErrorKind::InvalidArgument, "not a probe");
    assert!(error.get("stdout").unwrap().contains("a probe cannot start a probe"), "{error}");
}

/// A child that forgot to answer first.
#[test]
fn forgetful() {
    if std::env::var_os("NACP_PROBE").is_some() {
        println!("{}", Node::discover_guarded(&this_program()).unwrap_err());
    }
}
