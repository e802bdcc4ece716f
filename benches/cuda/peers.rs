//! Peers in Python, where they are installed: what they do besides is told apart.

use std::path::Path;

use serde_json::Value;

use crate::context::Scenario;

/// Prints how long each peer takes, or why it is left out.
pub(crate) fn print(scenario: &Scenario) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = [root.join("target/venv-py/bin/python"), "python3".into()].into_iter().find(|python| {
        std::process::Command::new(python).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    let Some(python) = python else {
        return println!("peers in Python are left out: there is no Python");
    };
    for peer in ["torch", "cupy"] {
        let mut command = scenario.command(&python, None);
        let output = command.arg(root.join("benches/cuda/peers.py")).arg(peer).output().expect("Python starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer: Value = text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        match (answer["inside_us"].as_f64(), answer["import_us"].as_f64()) {
            (Some(inside), Some(import)) => {
                println!("{peer:>28} {:>11.3} ms after {:.0} ms of import", inside / 1e3, import / 1e3);
            }
            _ => println!("{peer:>28} left out: {}", reason(&answer)),
        }
    }
}

fn reason(answer: &Value) -> &str {
    let known = ["missing", "failed"].into_iter().find_map(|key| answer[key].as_str());
    known.unwrap_or("it ended without an answer")
}
