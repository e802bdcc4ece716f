//! A simulated machine to measure on, and child processes that do it: the library reads its node once per process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::ways;

const NODE: &str = "h100x8";

/// Latencies in whole microseconds: published medians of an RTX 4090 laptop for these three (MangoHud, pull request
/// 2104), and 5 µs, an assumption, for all other calls.
const LATENCIES: [(&str, u64); 4] = [
    ("nvmlDeviceGetUtilizationRates", 3),
    ("nvmlDeviceGetMemoryInfo_v2", 12),
    ("nvmlDeviceGetFanSpeed", 137),
    ("*", 5),
];

/// A machine to measure on.
pub(crate) struct Scenario {
    pub(crate) title: &'static str,
    /// What its names in the JSON end with.
    pub(crate) suffix: &'static str,
    pub(crate) gpus: usize,
    /// So that slow libraries end in time.
    pub(crate) most_ticks: u32,
    /// What `NACP_SIM_NODE` is set to.
    node: String,
}

impl Scenario {
    /// The library that answers at once.
    pub(crate) fn zero_cost() -> Self {
        Self { title: "no latency", suffix: "", gpus: 8, most_ticks: u32::MAX, node: NODE.into() }
    }

    /// Both machines.
    pub(crate) fn all(test: bool) -> Vec<Self> {
        let mut all = vec![Self::zero_cost()];
        if !test {
            all.push(Self::with_latency());
        }
        all
    }

    fn with_latency() -> Self {
        let file = nacp_core::sim::NodeFile::shipped(NODE).expect("a shipped node");
        let mut json = serde_json::to_value(&file).expect("plain data");
        json["latency_us"] = serde_json::to_value(LATENCIES.into_iter().collect::<BTreeMap<_, _>>()).expect("numbers");
        let path = folder().join("h100x8-latency.json");
        std::fs::write(&path, json.to_string()).expect("target is writable");
        let node = path.display().to_string();
        Self {
            title: "latencies as published for an RTX 4090 laptop, 5 µs where none is",
            suffix: "_latency",
            gpus: 8,
            most_ticks: 100,
            node,
        }
    }

    /// A process that meets this machine.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let folder = library().parent().expect("a folder");
        command.env("NACP_SIM_NODE", &self.node).env("LD_LIBRARY_PATH", folder).env_remove("NACP_SIM_NVML_FAULTS");
        command
    }

    /// The native ways, each with its NVML calls per tick.
    pub(crate) fn native(&self, rounds: u32, ticks: u32) -> Value {
        let mut measured = parse(&run(&mut self.worker(rounds, ticks)));
        for way in ["floor", "nvml-wrapper", "nacp"] {
            let calls = self.calls(|ticks| {
                let mut worker = self.worker(1, ticks);
                worker.env(ways::ONLY, way);
                worker
            });
            measured[way]["calls"] = calls.into();
        }
        measured
    }

    fn worker(&self, rounds: u32, ticks: u32) -> Command {
        let mut command = self.command(std::env::current_exe().expect("this program"));
        command.args(["--bench", "--rounds", &rounds.to_string(), "--ticks", &ticks.to_string()]);
        command.env(ways::LIBRARY, library()).env(ways::FLOOR, floor());
        command
    }

    /// NVML calls of one tick, as the library counts them: those of 20 ticks less those of 10.
    pub(crate) fn calls(&self, command: impl Fn(u32) -> Command) -> f64 {
        let count = |ticks| {
            let trace = folder().join("trace.txt");
            let mut counted = command(ticks);
            counted.env("NACP_SIM_NVML_TRACE", &trace);
            run(&mut counted);
            let text = std::fs::read_to_string(&trace).expect("the library wrote its trace");
            text.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
        };
        (count(20) - count(10)) / 10.0
    }
}

/// Runs a command to its end; its standard output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// The last line as JSON.
pub(crate) fn parse(text: &str) -> Value {
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// Where what is built for the benchmark lies.
pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("telemetry");
    std::fs::create_dir_all(&folder).expect("target is writable");
    folder.canonicalize().expect("it is there")
}

/// The simulated library, optimised.
pub(crate) fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut stage = Command::new(root.join("tests/sim-nvml/stage"));
        stage.arg(folder().join("library")).arg("--release");
        run(&mut stage);
        folder().join("library/libnvidia-ml.so.1")
    })
}

fn floor() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/telemetry/floor.c");
        let built = folder().join("floor.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).arg(&built).arg(source);
        run(&mut compiler);
        built
    })
}
