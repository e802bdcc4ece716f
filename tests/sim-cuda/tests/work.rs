//! Programs in C that do what programs do with a driver, and one that does everything wrong: each refusal has the number
//! that the driver documents. Under valgrind both touch nothing that is not theirs, and leave nothing behind.
#![cfg(target_os = "linux")]

mod common;

use std::process::Command;
use std::time::Duration;

use common::{End, KERNELS, compiled, driver, run_for, with_driver};

const MACHINE: &[(&str, &str)] = &[("NACP_SIM_NODE", "h100x8")];

#[track_caller]
fn succeeds(mut command: Command, limit: u64) {
    command.arg(KERNELS);
    let End::Ended(output) = run_for(command, Duration::from_secs(limit)) else { panic!("it hung") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a program under valgrind, where there is one.
fn without_a_mistake(program: &str, environment: &[(&str, &str)]) {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIP: no valgrind on this machine");
        return;
    }
    let mut command = with_driver("valgrind", driver(), environment);
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
    command.arg(compiled(program));
    // Much more than it takes, and less than what `.config/nextest.toml` gives it.
    succeeds(command, 500);
}

#[test]
fn misuse_is_refused_by_number() {
    succeeds(with_driver(compiled("misuse.c"), driver(), &[]), 60);
}

#[test]
fn work_of_every_kind_is_done() {
    succeeds(with_driver(compiled("work.c"), driver(), MACHINE), 60);
}

#[test]
fn misuse_leaves_nothing_behind() {
    without_a_mistake("misuse.c", &[]);
}

#[test]
fn work_leaves_nothing_behind() {
    without_a_mistake("work.c", MACHINE);
}
