//! The peers that are written in Python, each in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::scenario::{Scenario, folder, parse, run};

/// A peer, and at most how many ticks are worth waiting for.
const PEERS: [(&str, u32); 5] =
    [("nacp", 20_000), ("nvidia-ml-py", 2_000), ("nvitop", 100), ("gpustat-no-sleep", 100), ("gpustat", 3)];

/// What each peer measured of itself, with its NVML calls per tick.
pub(crate) fn all(scenario: &Scenario, ticks: u32) -> Vec<(&'static str, Value)> {
    let Some(python) = python() else {
        println!("no target/venv-py: the peers in Python are left out; tests/run makes it");
        return Vec::new();
    };
    let wheel = wheel(&python);
    let peer = |name: &str, ticks: u32| -> Command {
        let mut command = scenario.command(&python);
        command.env("PYTHONPATH", &wheel);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/telemetry/peers.py");
        command.arg(script).args([name, &ticks.to_string()]);
        command
    };
    let measure = |(name, most): (&'static str, u32)| {
        let mut measured = parse(&run(&mut peer(name, ticks.saturating_mul(10).min(most))));
        if most > 10 {
            measured["calls"] = scenario.calls(|ticks| peer(name, ticks)).into();
        }
        (if name == "nacp" { "nacp-python" } else { name }, measured)
    };
    PEERS.into_iter().map(measure).collect()
}

/// NACP's Python package as a user gets it: optimised, in a folder of its own.
fn wheel(python: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (wheels, folder) = (folder().join("wheels"), folder().join("python"));
    let mut build = Command::new(root.join("target/tools/bin/maturin"));
    build.current_dir(root).args(["build", "--locked", "--release", "--manifest-path", "nacp-py/Cargo.toml"]);
    run(build.arg("--interpreter").arg(python).arg("--out").arg(&wheels));
    let wheel = std::fs::read_dir(&wheels).expect("a folder").next().expect("a wheel").expect("a file").path();
    let mut install = Command::new(python);
    install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"]).arg(&folder).arg(wheel);
    run(&mut install);
    folder
}

fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv-py/bin/python");
    python.exists().then_some(python)
}
