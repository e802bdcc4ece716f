//! A C program that lets a child touch the driver first: what it reads when the driver's library crashes or hangs.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Compiler, compile, run, shared_library};

/// A folder with the program, and with a library of the driver's name whose first call does `what`.
fn folder(what: Option<&str>) -> (tempfile::TempDir, PathBuf) {
    let folder = shared_library();
    let program = compile(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c_guard.c"), folder.path(), &[]);
    if let Some(what) = what {
        let source = folder.path().join("driver.c");
        let text = format!(
            "#include <signal.h>\n#include <unistd.h>\nint nvmlInit_v2(void);\nint nvmlInitWithFlags(unsigned flags);\n\
             int nvmlInit_v2(void) {{ {what} return 0; }}\n\
             int nvmlInitWithFlags(unsigned flags) {{ (void)flags; {what} return 0; }}\n"
        );
        std::fs::write(&source, text).unwrap();
        let library = folder.path().join("libnvidia-ml.so.1");
        let flags = ["-shared", "-fPIC", "-D_POSIX_C_SOURCE=200809L", "-o"];
        Compiler::C11.run(flags.map(Path::new).into_iter().chain([&*library, &*source]));
    }
    (folder, program)
}

fn said(program: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LD_LIBRARY_PATH", program.parent().unwrap());
    let output = run(&mut command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}\n{out}\n{err}", output.status);
    out.lines().map(str::to_owned).collect()
}

#[test]
fn a_driver_that_crashes_takes_the_child_and_not_the_program() {
    let (_folder, program) = folder(Some("raise(SIGSEGV);"));
    let said = said(&program, &[]);
    let path = program.display();
    assert_eq!(
        said[0],
        format!(
            "NACP_E_DRIVER_UNAVAILABLE: the driver's library crashed the probe: program={path} cause=crashed \
             signal=SIGSEGV step=open; reinstall or update the NVIDIA driver"
        )
    );
    assert_eq!(said[1], "0 GPUs");
    assert!(said[2].starts_with("unusable: ") && said[2].contains("crashed the probe"), "{}", said[2]);
}

#[test]
fn a_driver_that_hangs_is_left_when_the_limit_has_passed() {
    let (_folder, program) = folder(Some("for (;;) pause();"));
    let said = said(&program, &["self", "700"]);
    assert!(said[0].starts_with("NACP_E_TIMEOUT: the probe did not end in time: program="), "{}", said[0]);
    assert!(said[0].contains(" cause=hung limit=700ms step=open; the driver does not answer"), "{}", said[0]);
}

#[test]
fn a_guard_that_does_not_answer_is_told_the_function_of_c() {
    let (_folder, program) = folder(None);
    let told = said(&program, &["/bin/true", "20000"]);
    assert!(
        told[0].starts_with("NACP_E_INVALID_ARGUMENT: the program is not a probe: program=/bin/true"),
        "{}",
        told[0]
    );
    assert!(told[0].ends_with("; call nacp_probe_answer() first in main"), "{}", told[0]);
    let told = said(&program, &["/nowhere/program"]);
    assert!(
        told[0].starts_with("NACP_E_NOT_FOUND: the probe cannot be started: program=/nowhere/program"),
        "{}",
        told[0]
    );
}

#[test]
fn behind_a_guard_the_driver_is_opened_as_without_one() {
    let (_folder, program) = folder(None);
    let mut command = Command::new(&program);
    let Ok(libraries) = std::env::var("NACP_SIM_NVML_DIR") else {
        println!("SKIP: NACP_SIM_NVML_DIR is not set; tests/run sets it");
        return;
    };
    let output = run(command.env("LD_LIBRARY_PATH", libraries));
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.starts_with("NACP_OK: \n") && !out.contains("\n0 GPUs"), "{out}");
}
