//! Every function of the management library that NACP calls, with every code that it can answer, and missing: nothing
//! panics, nothing hangs, the reason arrives, and what does not come from the function stays as it was.
//!
//! The simulated library reads its faults once per process, so a case needs a process of its own. A node with as many
//! GPUs as there are codes makes it one process per function: on each GPU it answers with another code.

#![cfg(all(target_os = "linux", feature = "nvml", feature = "sim"))]
#![allow(clippy::disallowed_methods, reason = "a test may spawn and read the real clock")]

mod faults;
mod sim_nvml;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::tempdir;

use faults::dependents::{Dependent, of, per_gpu};
use faults::library::{alike, called, node, without, write};
use faults::worker::{Case, Changes, Seen, changes, run};
use sim_nvml::library;

/// The codes of nvml.h that stand for something that happens, and the success that has no value.
const CODES: [&str; 21] = [
    "1", "2", "3", "4", "6", "7", "9", "10", "12", "13", "14", "15", "16", "17", "18", "20", "21", "25", "27", "999",
    "sentinel",
];

/// The code that is a success: for functions that answer about one GPU.
const SENTINEL: &str = "sentinel";

/// Codes after which an older function may answer, or that say that there is nothing.
const SPECIAL: [&str; 7] = ["2", "3", "6", "7", "13", "25", "sentinel"];

/// Nodes that together make NACP call every function that it knows: new, divided, old.
const NODES: [&str; 3] = ["h100x8", "a100-mig", "old-driver-470"];

/// What a code becomes.
fn reason(code: &str) -> String {
    match code {
        "3" => "not supported".into(),
        "4" => "no permission".into(),
        "13" => "driver library too old".into(),
        "15" => "gpu lost".into(),
        "sentinel" => "not available".into(),
        code => format!("nvml code {code}"),
    }
}

/// Runs `job` over all `items` on all processors and returns what it found wrong.
fn over_all<T: Sync>(items: &[T], job: impl Fn(&T) -> Vec<String> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                failures.extend(job(item));
            }
            failures
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn report(what: &str, cases: usize, start: Instant, failures: &[String]) {
    println!("{what}: {cases} cases in {:.1} s, {} failures", start.elapsed().as_secs_f64(), failures.len());
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

#[test]
fn a_code_from_one_function_on_one_gpu_harms_nothing_else() {
    let start = Instant::now();
    let mut cases = 0;
    let mut failures = Vec::new();
    for name in NODES {
        let node = node(name, CODES.len());
        let before = run(&Case::plain(&library(), &node.path));
        let functions: Vec<String> = called(&node.path).into_iter().filter(|function| per_gpu(function)).collect();
        cases += functions.len() * CODES.len();
        failures.extend(over_all(&functions, |function: &String| {
            let faults = CODES.iter().enumerate().map(|(gpu, code)| format!("GPU{gpu}:{function}={code}"));
            let faults = faults.collect::<Vec<_>>().join(",");
            let after = run(&Case { faults: &faults, ..Case::plain(&library(), &node.path) });
            judge(name, function, &before, &after)
        }));
    }
    report("one function, one GPU, one code", cases, start, &failures);
}

fn judge(name: &str, function: &str, before: &Seen, after: &Seen) -> Vec<String> {
    let Some(dependent) = of(function) else { return vec![format!("what depends on {function} of {name}?")] };
    let mut failures = beyond(dependent, &format!("{name}: {function}"), before, after);
    for (gpu, code) in CODES.iter().enumerate() {
        let changes = changes(&before.gpus[gpu], after.gpus.get(gpu).unwrap_or(&Value::Null));
        let case = format!("{name}: {function}={code}");
        let judged = !SPECIAL.contains(code) || *code == SENTINEL && function.contains("MemoryInfo");
        if judged {
            failures.extend(untold(&changes, code).map(|what| format!("{case} {what}")));
        }
        if changes.is_empty() && *code == "999" && !dependent.paths.is_empty() {
            failures.push(format!("{case} went unnoticed"));
        }
    }
    failures
}

/// What changed although it does not depend on the function.
fn beyond(dependent: &Dependent, case: &str, before: &Seen, after: &Seen) -> Vec<String> {
    let mut failures = Vec::new();
    for (operation, kind) in &after.failures {
        if !dependent.operations.contains(&operation.as_str()) {
            failures.push(format!("{case} made {operation} fail with {kind}"));
        }
    }
    if dependent.operations.contains(&"inventory") {
        return failures;
    }
    for (gpu, before) in before.gpus.iter().enumerate() {
        for (path, values) in changes(before, after.gpus.get(gpu).unwrap_or(&Value::Null)) {
            if !dependent.paths.iter().any(|known| path.starts_with(known)) {
                failures.push(format!("{case} changed {path} of GPU {gpu} into {values:?}"));
            }
        }
    }
    failures
}

/// What is not unknown, or for another reason than this code.
fn untold(changes: &Changes, code: &str) -> impl Iterator<Item = String> {
    let tells = |value: &Value| {
        let reasons = reasons_of(value);
        *value == json!("unknown GPU") || !reasons.is_empty() && reasons.iter().all(|told| *told == reason(code))
    };
    let wrong = changes.iter().filter(move |(_, values)| !values.iter().all(tells));
    wrong.map(|(path, values)| format!("is told at {path} as {values:?}"))
}

/// All reasons within a value.
fn reasons_of(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(map) => match map.get("unknown").and_then(Value::as_str) {
            Some(reason) => vec![reason],
            None => map.values().flat_map(reasons_of).collect(),
        },
        Value::Array(list) => list.iter().flat_map(reasons_of).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_code_from_a_function_of_the_whole_machine_is_an_error_of_its_kind_or_harms_what_it_tells_alone() {
    let start = Instant::now();
    let mut cases = 0;
    let mut failures = Vec::new();
    for name in NODES {
        let node = node(name, 2);
        let before = run(&Case::plain(&library(), &node.path));
        let codes = || CODES.into_iter().filter(|code| *code != SENTINEL);
        let functions: Vec<String> = called(&node.path).into_iter().filter(|function| !per_gpu(function)).collect();
        let all: Vec<(&String, &str)> =
            functions.iter().flat_map(|function| codes().map(move |code| (function, code))).collect();
        cases += all.len();
        failures.extend(over_all(&all, |(function, code)| {
            let fault = format!("{function}={code}");
            let after = run(&Case { faults: &fault, ..Case::plain(&library(), &node.path) });
            let case = format!("{name}: {fault}");
            let Some(dependent) = of(function) else { return vec![format!("what depends on {function} of {name}?")] };
            let mut failures = beyond(dependent, &case, &before, &after);
            for (operation, kind) in &after.failures {
                let expected = match *code {
                    "4" => "PermissionDenied",
                    "15" if operation != "open" => "DeviceLost",
                    _ => "DriverUnavailable",
                };
                let unsupported = kind == "Unsupported" && operation == "events";
                if kind != expected && !unsupported {
                    failures.push(format!("{case}: {operation} fails with {kind}, not {expected}"));
                }
            }
            failures
        }));
    }
    report("one function of the machine, one code", cases, start, &failures);
}

#[test]
fn a_function_that_the_library_lacks_harms_nothing_else() {
    let start = Instant::now();
    let mut cases = 0;
    let mut failures = Vec::new();
    for name in NODES {
        let node = node(name, 2);
        let before = run(&Case { support: true, ..Case::plain(&library(), &node.path) });
        let functions = called(&node.path);
        let all: BTreeSet<&String> = functions.iter().collect();
        let all: Vec<&String> = all.into_iter().collect();
        cases += all.len();
        failures.extend(over_all(&all, |function| {
            let folder = tempdir().unwrap();
            let lacking = without(function, folder.path());
            let after = run(&Case { support: true, ..Case::plain(&lacking, &node.path) });
            let case = format!("{name}: without {function}");
            let Some(dependent) = of(function) else { return vec![format!("what depends on {function} of {name}?")] };
            let mut failures = beyond(dependent, &case, &before, &after);
            for (operation, kind) in &after.failures {
                let expected = if operation == "events" { "Unsupported" } else { "DriverUnavailable" };
                if kind != expected && kind != "DriverUnavailable" {
                    failures.push(format!("{case}: {operation} fails with {kind}"));
                }
            }
            failures
        }));
    }
    report("one function missing", cases, start, &failures);
}

#[test]
fn a_driver_before_510_tells_memory_through_its_older_function() {
    let node = node("h100x8", 2);
    let before = run(&Case::plain(&library(), &node.path));
    let folder = tempdir().unwrap();
    let old = without("nvmlDeviceGetMemoryInfo_v2", folder.path());
    let after = run(&Case::plain(&old, &node.path));
    for (before, after) in before.gpus.iter().zip(&after.gpus) {
        assert_eq!(after["gpu"]["memory"], before["gpu"]["memory"]);
        let (new, old) = (&before["sample"]["memory"], &after["sample"]["memory"]);
        assert_eq!((&old["total"], &old["free"], &old["reserved"]), (&new["total"], &new["free"], &json!(0)));
    }
}

#[test]
fn lists_of_programs_with_longer_lines_are_never_asked_for() {
    let node = node("h100x8", 2);
    let before = run(&Case::plain(&library(), &node.path));
    let folder = tempdir().unwrap();
    let trace = folder.path().join("trace");
    let lists = |library: &std::path::Path| {
        let seen = run(&Case { trace: Some(&trace), ..Case::plain(library, &node.path) });
        let text = std::fs::read_to_string(&trace).unwrap();
        let asked = text.lines().filter_map(|line| line.split_whitespace().next());
        let lists: BTreeSet<String> =
            asked.filter(|name| name.contains("RunningProcesses")).map(str::to_owned).collect();
        (seen, lists)
    };
    let kinds = ["Compute", "Graphics", "MPSCompute"];
    let version = |number: u32| kinds.map(|kind| format!("nvmlDeviceGet{kind}RunningProcesses_v{number}"));
    assert_eq!(lists(&library()).1, BTreeSet::from(version(3)));
    // Such a library of branch 530 or 535 knows of protected memory and has no function for the longer lines yet.
    let (after, asked) = lists(&without("nvmlDeviceGetRunningProcessDetailList", folder.path()));
    assert_eq!(asked, BTreeSet::from(version(2)));
    for (before, after) in before.gpus.iter().zip(&after.gpus) {
        assert_eq!(changes(before, after), Changes::new());
    }
}

#[test]
fn the_renumbering_of_fields_within_branch_580_changes_no_value() {
    let with_driver = |driver: &str| {
        let mut node = alike("h100x8", 8);
        node["driver"] = json!(driver);
        let node = write(&node);
        run(&Case::plain(&library(), &node.path))
    };
    let (before, after) = (with_driver("580.65.06"), with_driver("580.82.07"));
    assert_ne!(before.origin, after.origin);
    assert_eq!(before.gpus.len(), 8);
    for (before, after) in before.gpus.iter().zip(&after.gpus) {
        assert_eq!(changes(before, after), Changes::new());
    }
}

#[test]
fn a_gpu_that_is_lost_between_two_readings_leaves_the_others_as_they_were() {
    let node = node("h100x8", 4);
    let before = run(&Case::plain(&library(), &node.path));
    for passing in [50, 150, 250] {
        let faults = format!("GPU2:*=15@{passing}");
        let after = run(&Case { faults: &faults, ..Case::plain(&library(), &node.path) });
        for gpu in [0, 1, 3] {
            let mut changes = changes(&before.gpus[gpu], &after.gpus[gpu]);
            // What it is to the lost one is lost with it.
            changes.retain(|path, _| !path.starts_with(".pairs"));
            assert_eq!(changes, Changes::new(), "GPU {gpu} after {passing} calls");
        }
        let lost = changes(&before.gpus[2], &after.gpus[2]);
        assert_eq!(untold(&lost, "15").collect::<Vec<_>>(), [""; 0], "after {passing} calls");
        assert!(lost.contains_key(".sample.temperature"), "after {passing} calls: {:?}", lost.keys());
    }
}
