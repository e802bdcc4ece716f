//! One process that opens the library, reads everything, and tells what it saw.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nacp_core::gpu::{Fields, Nvml, Source};
use nacp_core::{ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which library the worker opens.
const LIBRARY: &str = "NACP_TEST_NVML_LIBRARY";
/// Whether the worker asks for the support matrix.
const SUPPORT: &str = "NACP_TEST_NVML_SUPPORT";
/// Before the one line of the worker's output that is its report.
const MARK: &str = "nacp-fault-report ";
/// Seconds that a worker may take: many times what one takes.
const LIMIT: &str = "60";

/// What a worker saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// By what the whole failed: the operation and the kind of its error.
    pub(crate) failures: BTreeMap<String, String>,
    /// Each GPU with its sample and the pairs in which it comes first.
    pub(crate) gpus: Vec<Value>,
    /// What was read from.
    pub(crate) origin: Value,
    /// How many calls the support matrix tells of.
    pub(crate) calls: usize,
}

/// What a worker is to do.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) library: &'a Path,
    pub(crate) node: &'a Path,
    pub(crate) faults: &'a str,
    pub(crate) trace: Option<&'a Path>,
    /// Whether every call is made once more for the support matrix.
    pub(crate) support: bool,
}

impl<'a> Case<'a> {
    pub(crate) fn plain(library: &'a Path, node: &'a Path) -> Self {
        Self { library, node, faults: "", trace: None, support: false }
    }
}

/// Runs the worker on a case. One that panics, crashes or hangs fails the test.
pub(crate) fn run(case: &Case<'_>) -> Seen {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", LIMIT]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "faults::worker::worker", "--nocapture"]);
    command.env(LIBRARY, case.library).env("NACP_SIM_NODE", case.node).env("NACP_SIM_NVML_FAULTS", case.faults);
    command.env("NACP_SIM_NVML_LATENCY", "off").env(SUPPORT, if case.support { "1" } else { "" });
    match case.trace {
        Some(trace) => command.env("NACP_SIM_NVML_TRACE", trace),
        None => command.env_remove("NACP_SIM_NVML_TRACE"),
    };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix(MARK));
    let line = line.filter(|_| output.status.success()).unwrap_or_else(|| {
        panic!("{}: {}\n{text}\n{}", case.faults, output.status, String::from_utf8_lossy(&output.stderr))
    });
    serde_json::from_str(line).unwrap()
}

/// The worker's part; on its own it does nothing.
#[test]
fn worker() {
    let Some(library) = std::env::var_os(LIBRARY) else { return };
    let mut seen = Seen { failures: BTreeMap::new(), gpus: Vec::new(), origin: Value::Null, calls: 0 };
    match Nvml::open_at(Path::new(&library)) {
        Ok(nvml) => look(&nvml, &mut seen),
        Err(error) => drop(seen.failures.insert("open".into(), error.kind().to_string())),
    }
    println!("\n{MARK}{}", serde_json::to_string(&seen).unwrap());
}

fn look(nvml: &Nvml, seen: &mut Seen) {
    fn note<T>(seen: &mut Seen, operation: &str, result: Result<T>) -> Option<T> {
        let kind = result.as_ref().err().map(nacp_core::Error::kind);
        if let Some(kind) = kind {
            assert_ne!(kind, ErrorKind::Internal, "{operation}: {:?}", result.as_ref().err());
            seen.failures.insert(operation.into(), kind.to_string());
        }
        result.ok()
    }
    seen.origin = json!([nvml.origin().driver, nvml.origin().cuda, nvml.origin().simulated]);
    let gpus = note(seen, "inventory", nvml.inventory()).unwrap_or_default();
    let mut samples = Vec::new();
    // The counters within the chip are compared only at the second reading.
    note(seen, "sample", nvml.sample(Fields::ALL, &mut samples));
    note(seen, "sample again", nvml.sample(Fields::PROFILE, &mut samples));
    let pairs = note(seen, "pairs", nvml.pairs()).unwrap_or_default();
    if let Some(mut events) = note(seen, "events", nvml.events()) {
        let clock = nacp_core::clock::SystemClock::new();
        let waited = events.wait(Duration::from_millis(1), &clock, &mut Vec::new());
        note(seen, "wait", waited);
    }
    if std::env::var_os(SUPPORT).is_some_and(|asked| !asked.is_empty()) {
        seen.calls = note(seen, "support", nvml.support()).map_or(0, |support| support.calls.len());
    }
    seen.gpus = gpus
        .iter()
        .map(|gpu| {
            let sample = samples.iter().find(|sample| sample.id == gpu.id);
            let pairs: Vec<_> = pairs.iter().filter(|pair| pair.a == gpu.id).collect();
            json!({ "gpu": gpu, "sample": sample, "pairs": pairs })
        })
        .collect();
}

/// Where something changed, and into what.
pub(crate) type Changes = BTreeMap<String, Vec<Value>>;

/// Where two values differ, and what the second has there. Lists of one length are compared entry by entry; the numbers of
/// entries are no part of the path.
pub(crate) fn changes(before: &Value, after: &Value) -> Changes {
    fn walk(path: &str, before: &Value, after: &Value, found: &mut Changes) {
        match (before, after) {
            _ if before == after => {}
            (Value::Object(one), Value::Object(other))
                if one.keys().eq(other.keys()) && !one.contains_key("unknown") =>
            {
                for (key, value) in one {
                    walk(&format!("{path}.{key}"), value, &other[key], found);
                }
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (value, other) in one.iter().zip(other) {
                    walk(path, value, other, found);
                }
            }
            _ => found.entry(path.to_owned()).or_default().push(after.clone()),
        }
    }
    let mut found = Changes::new();
    walk("", before, after, &mut found);
    found
}
