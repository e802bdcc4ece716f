//! What the commands print, word for word.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Ran, hold, nacp, tests};

#[test]
fn help() {
    hold("help/nacp", &nacp(&["--help"]).out);
    assert_eq!(nacp(&[]).err.trim_end(), nacp(&["--help"]).out.trim_end(), "without a command, help");
    for command in COMMANDS {
        hold(&format!("help/{command}"), &nacp(&[command, "--help"]).out);
    }
}

const COMMANDS: [&str; 17] = [
    "gpus",
    "check",
    "decide",
    "doctor",
    "explain",
    "lock",
    "verify",
    "import",
    "export",
    "app",
    "up",
    "status",
    "logs",
    "down",
    "serve",
    "metrics",
    "completions",
];

#[test]
fn gpus_of_every_simulated_node() {
    for node in nacp_core::sim::Node::names() {
        let done = nacp(&["gpus", "--node", node]);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{node}");
        hold(&format!("gpus/{node}"), &done.out);
    }
}

#[test]
fn the_list_of_checks() {
    hold("check/list", &nacp(&["check", "--list"]).out);
}

#[test]
fn what_up_would_do() {
    let app = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart/nacp.yaml");
    let done = nacp(&["up", app, "--dry-run", "--simulated", "--node", "rtx3050ti-laptop-wsl2"]);
    hold("up/dry-run", &done.out);
}

pub(crate) fn fixtures() -> PathBuf {
    tests().join("../../nacp-core/tests/fixtures")
}

/// Every machine that was laid down in a folder, by name.
fn machines() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(fixtures().join("hosts")).unwrap();
    let mut machines: Vec<_> =
        entries.map(|entry| entry.unwrap()).map(|it| (it.file_name().into_string().unwrap(), it.path())).collect();
    machines.sort();
    assert!(machines.len() > 20);
    machines
}

fn on(folder: &Path, arguments: &[&str]) -> Ran {
    nacp(&[arguments, &["--root", folder.to_str().unwrap()]].concat())
}

/// What a command printed, and how it ended.
fn ended(done: &Ran, text: &str) -> String {
    let code = done.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
    format!("{}\n\n[ends with {code}]", text.trim_end())
}

#[test]
fn every_machine_has_its_texts_and_every_text_its_machine() {
    let kept = tests().join("snapshots/machines");
    let mut kept: Vec<String> =
        fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    kept.sort();
    let texts = |(name, _)| ["decide", "doctor", "gpus"].map(|command| format!("{name}.{command}.txt"));
    let mut wanted: Vec<String> = machines().into_iter().flat_map(texts).collect();
    wanted.sort();
    assert_eq!(kept, wanted, "UPDATE_SNAPSHOTS=1 keeps what is missing; what has no machine any more is to be removed");
}

#[test]
fn gpus_of_every_machine() {
    for (name, folder) in machines() {
        let done = on(&folder, &["gpus"]);
        assert_eq!(done.err, "", "{name}");
        hold(&format!("machines/{name}.gpus"), &ended(&done, &done.out));
    }
}

#[test]
fn the_doctor_of_every_machine() {
    for (name, folder) in machines() {
        let done = on(&folder, &["doctor"]);
        assert_eq!(done.err, "", "{name}");
        hold(&format!("machines/{name}.doctor"), &ended(&done, &done.out));
    }
}

/// The head of a decision on a day that does not pass.
#[test]
fn what_to_take_on_every_machine() {
    for (name, folder) in machines() {
        let done = on(&folder, &["decide", "--at", "2026-11-01"]);
        assert_eq!(done.err, "", "{name}");
        let head: Vec<&str> = done.out.lines().take_while(|line| !line.starts_with("0.93: ")).collect();
        hold(&format!("machines/{name}.decide"), &ended(&done, &head.join("\n")));
    }
}

#[test]
fn the_doctor_of_broken_machines() {
    for case in ["D12/fires", "D16/fires", "D36/fires", "D38/fires"] {
        let folder = tempfile::tempdir().unwrap();
        let overlay = fixtures().join("doctor").join(case);
        let base = fs::read_to_string(overlay.join("base")).unwrap_or_else(|error| panic!("{case}: {error}"));
        copy(&fixtures().join("hosts").join(base.trim()), folder.path());
        copy(&overlay, folder.path());
        for gone in fs::read_to_string(overlay.join("absent")).unwrap_or_default().lines() {
            let gone = folder.path().join(gone.trim().trim_start_matches('/'));
            let _ = if gone.is_dir() { fs::remove_dir_all(gone) } else { fs::remove_file(gone) };
        }
        let done = on(folder.path(), &["doctor"]);
        let id = case.split('/').next().unwrap();
        assert!(done.out.contains(id), "{case}: {}{}", done.out, done.err);
        hold(&format!("broken/{id}"), &ended(&done, &done.out));
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            let _ = fs::remove_file(&target);
            if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), &target).unwrap();
            } else {
                fs::copy(entry.path(), &target).unwrap();
            }
        }
    }
}

#[test]
fn the_explanation_of_an_entry() {
    let folder = fixtures().join("hosts/bare-metal-docker");
    hold("explain/D08", &on(&folder, &["explain", "d8"]).out);
    let text = on(&folder, &["explain", "could not select device driver \"\" with capabilities: [[gpu]]"]);
    assert_eq!(text.code, Some(0), "{}", text.err);
    hold("explain/text", &text.out);
}
