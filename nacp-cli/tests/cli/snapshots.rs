//! What the commands print, word for word.

use crate::common::{hold, nacp};

#[test]
fn help() {
    hold("help/nacp", &nacp(&["--help"]).out);
    assert_eq!(nacp(&[]).err.trim_end(), nacp(&["--help"]).out.trim_end(), "without a command, help");
    for command in COMMANDS {
        hold(&format!("help/{command}"), &nacp(&[command, "--help"]).out);
    }
}

const COMMANDS: [&str; 9] = ["gpus", "check", "up", "status", "logs", "down", "serve", "metrics", "completions"];

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
