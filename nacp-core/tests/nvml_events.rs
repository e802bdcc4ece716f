//! Events through NVML: what the driver tells, of whom, and how long a wait lasts.

#![cfg(all(target_os = "linux", feature = "nvml", feature = "sim"))]
#![allow(clippy::disallowed_methods, reason = "a test may read the real clock")]

mod sim_nvml;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nacp_core::ErrorKind;
use nacp_core::clock::SystemClock;
use nacp_core::gpu::{Event, EventKind, Events, Partition, Source, Via};
use nacp_core::sim;
use serde_json::{Value, json};

use sim_nvml::alone;

/// A machine of one's own with a script, and the file that says at which tick it is; the same in parent and child.
fn scripted(test: &str, script: Value) -> (String, PathBuf) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = serde_json::to_value(sim::NodeFile::shipped("h100x8").unwrap()).unwrap();
    file["script"] = script;
    let path = folder.join("node.json");
    std::fs::write(&path, file.to_string()).unwrap();
    (path.to_str().unwrap().to_owned(), folder.join("ticks"))
}

fn wait(events: &mut dyn Events, limit: Duration) -> Vec<Event> {
    let mut told = Vec::new();
    events.wait(limit, &SystemClock::new(), &mut told).unwrap();
    told
}

#[test]
fn what_happens_is_told_of_its_gpu_also_what_nobody_knows() {
    let name = "what_happens_is_told_of_its_gpu_also_what_nobody_knows";
    let (node, ticks) = scripted(
        name,
        json!([
            { "tick": 3, "gpu": 2, "xid": 79 },
            { "tick": 4, "gpu": 5, "event": { "kind": 0x8000, "data": 2 } },
            { "tick": 5, "gpu": 1, "event": { "kind": 8, "data": 94, "gpu_instance": 3, "compute_instance": 0 } },
        ]),
    );
    let at = |tick: u32| std::fs::write(&ticks, tick.to_string()).unwrap();
    at(0);
    let environment = [("NACP_SIM_NODE", node.as_str()), ("NACP_SIM_TICK_FILE", ticks.to_str().unwrap())];
    let Some(nvml) = alone(name, &environment) else { return };
    let gpus = nvml.inventory().unwrap();
    let mut events = nvml.events().unwrap();
    assert_eq!(wait(&mut *events, Duration::ZERO), []);

    at(5);
    let told = wait(&mut *events, Duration::from_secs(5));
    let kinds: Vec<_> = told.iter().map(|event| (event.gpu.clone(), event.kind.clone())).collect();
    let xid = |code| EventKind::Xid { code, detail: String::new() };
    assert_eq!(
        kinds,
        [
            (Some(gpus[2].id.clone()), xid(79)),
            (Some(gpus[5].id.clone()), EventKind::RecoveryAction),
            (Some(gpus[1].id.clone()), xid(94)),
        ]
    );
    let partition = Partition { gpu_instance: 3, compute_instance: Some(0) };
    assert_eq!((told[0].partition, told[2].partition), (None, Some(partition)));
    assert!(told.iter().all(|event| event.via == Via::Nvml));
}

#[test]
fn a_wait_ends_at_its_limit() {
    let name = "a_wait_ends_at_its_limit";
    let Some(nvml) = alone(name, &[("NACP_SIM_NODE", "h100x8")]) else { return };
    let mut events = nvml.events().unwrap();
    let start = Instant::now();
    assert_eq!(wait(&mut *events, Duration::from_millis(120)), []);
    let waited = start.elapsed();
    assert!((Duration::from_millis(100)..Duration::from_secs(2)).contains(&waited), "{waited:?}");
    for limit in [Duration::ZERO, Duration::from_micros(300)] {
        let start = Instant::now();
        assert_eq!(wait(&mut *events, limit), []);
        assert!(start.elapsed() < Duration::from_millis(100), "{limit:?}: {:?}", start.elapsed());
    }
}

#[test]
fn a_driver_that_does_not_wait_makes_nobody_spin_and_nobody_hang() {
    let name = "a_driver_that_does_not_wait_makes_nobody_spin_and_nobody_hang";
    let faults = [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_NVML_FAULTS", "nvmlEventSetWait_v2=10")];
    let Some(nvml) = alone(name, &faults) else { return };
    let mut events = nvml.events().unwrap();
    let start = Instant::now();
    assert_eq!(wait(&mut *events, Duration::MAX), []);
    let waited = start.elapsed();
    assert!((Duration::from_millis(5)..Duration::from_secs(2)).contains(&waited), "{waited:?}");
}

#[test]
fn a_driver_that_tells_nothing_says_so_of_each_gpu() {
    let name = "a_driver_that_tells_nothing_says_so_of_each_gpu";
    let Some(nvml) = alone(name, &[("NACP_SIM_NODE", "rtx3050ti-laptop-wsl2")]) else { return };
    let error = nvml.events().err().expect("WSL2 has no events");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("WSL2"), "{error}");
}

#[test]
fn a_driver_that_breaks_down_is_an_error_of_the_wait() {
    let name = "a_driver_that_breaks_down_is_an_error_of_the_wait";
    let faults = [("NACP_SIM_NODE", "h100x8"), ("NACP_SIM_NVML_FAULTS", "nvmlEventSetWait_v2=999")];
    let Some(nvml) = alone(name, &faults) else { return };
    let mut events = nvml.events().unwrap();
    let error = events.wait(Duration::ZERO, &SystemClock::new(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DriverUnavailable);
}
