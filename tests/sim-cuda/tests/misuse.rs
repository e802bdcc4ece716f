//! The simulated driver keeps the manners of the real one: a C program does everything wrong, and each refusal has the
//! number that the driver documents.
#![cfg(target_os = "linux")]

mod common;

use std::process::Command;
use std::time::Duration;

use common::{End, KERNELS, compiled, driver, run_for, with_driver};

#[test]
fn misuse_is_refused_by_number() {
    let (folder, _kept) = driver();
    let (program, _kept) = compiled("misuse.c", &folder);
    let mut command = with_driver(program, &folder, &[]);
    command.arg(KERNELS);
    let End::Ended(output) = run_for(command, Duration::from_secs(60)) else { panic!("it hung") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn misuse_leaks_nothing_and_touches_nothing_that_is_not_its_own() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIP: no valgrind on this machine");
        return;
    }
    let (folder, _kept) = driver();
    let (program, _kept) = compiled("misuse.c", &folder);
    let mut command = with_driver("valgrind", &folder, &[]);
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
    command.arg(program).arg(KERNELS);
    let End::Ended(output) = run_for(command, Duration::from_secs(300)) else { panic!("it hung") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
