//! Docker Compose, where it is installed.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The version of `docker compose`; nothing where it is missing.
pub(crate) fn version() -> Option<String> {
    let told = Command::new("docker").args(["compose", "version", "--short"]).output().ok()?;
    told.status.success().then(|| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

/// Milliseconds of `up --wait` of so many services.
pub(crate) fn run(name: &str, services: u32) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = String::from("services:\n");
    for number in 0..services {
        // Without a health check, which the image has no program for: Compose waits only until all run, which is less.
        let _ = write!(
            text,
            "  s{number:02}:\n    image: {}\n    ports: [\"127.0.0.1::8000\"]\n    cap_drop: [ALL]\n    \
             security_opt: [no-new-privileges]\n",
            super::IMAGE
        );
    }
    let file = folder.path().join("compose.yaml");
    std::fs::write(&file, text).expect("it is written");
    let compose = |arguments: &[&str]| {
        let mut command = Command::new("docker");
        command.args(["compose", "--project-name", name, "--file"]).arg(&file).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let begin = Instant::now();
    assert!(compose(&["up", "--detach", "--wait"]), "compose brings it up");
    let taken = begin.elapsed().as_secs_f64() * 1e3;
    assert!(compose(&["down", "--timeout", "1"]), "compose takes it down");
    taken
}
