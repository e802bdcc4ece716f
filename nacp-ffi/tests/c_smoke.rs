//! C programs against the library, shared and static, and what the library exports.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Compiler, compile, libraries, nodes, run, shared_library};

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn assert_well(program: &mut Command, last: &str) {
    let output = run(program);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}\n{out}\n{err}", output.status);
    assert!(out.lines().last().is_some_and(|line| line.ends_with(last)), "{out}\n{err}");
    assert_eq!(err, "", "the library prints nothing");
}

#[test]
fn every_function_works_and_every_misuse_is_told_in_exact_words() {
    let folder = shared_library();
    assert_well(&mut Command::new(compile(&source("c_smoke.c"), folder.path(), &["-pthread"])), " checks, 0 failed");
}

/// A program about GPUs, with its nodes: on one of them it begins to happen at `tick`, in tenths of a second.
fn gpus(name: &str, folder: &Path, extra: &[&str], tick: u64) -> PathBuf {
    nodes::write(folder, tick);
    compile(&source(name), folder, &[extra, &["-lm"]].concat())
}

#[test]
fn what_gpus_are_is_told_as_it_is_and_every_misuse_in_exact_words() {
    let folder = shared_library();
    assert_well(Command::new(gpus("c_gpus.c", folder.path(), &[], 15)).arg(folder.path()), " checks, 0 failed");
}

#[test]
fn what_gpus_do_is_told_as_it_happens_and_every_misuse_in_exact_words() {
    let folder = shared_library();
    assert_well(Command::new(gpus("c_watch.c", folder.path(), &[], 15)).arg(folder.path()), " checks, 0 failed");
}

#[test]
fn what_the_checks_of_cuda_find_is_told_and_every_misuse_in_exact_words() {
    let folder = shared_library();
    let program = compile(&source("c_check.c"), folder.path(), &["-lm"]);
    assert_well(&mut Command::new(program), " checks, 0 failed");
}

/// The machines in folders on which the core is tested.
fn machines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nacp-core/tests/fixtures/hosts")
}

#[test]
fn what_is_wrong_on_a_machine_and_what_is_pinned_is_told_and_every_misuse_in_exact_words() {
    let folder = shared_library();
    let program = compile(&source("c_survey.c"), folder.path(), &["-D_DEFAULT_SOURCE"]);
    assert_well(Command::new(program).arg(machines()), " checks, 0 failed");
}

#[test]
fn an_app_that_is_kept_tells_what_happens_and_every_misuse_is_told_in_exact_words() {
    let folder = shared_library();
    assert_well(&mut Command::new(compile(&source("c_keep.c"), folder.path(), &[])), " checks, 0 failed");
}

#[test]
fn nothing_is_leaked() {
    let folder = shared_library();
    let leaks = ["-pthread", "-fsanitize=leak"];
    let program = compile(&source("c_smoke.c"), folder.path(), &leaks);
    assert_well(Command::new(program).env("LSAN_OPTIONS", "exitcode=23"), " checks, 0 failed");
    for name in ["c_gpus.c", "c_watch.c"] {
        let mut program = Command::new(gpus(name, folder.path(), &leaks, 15));
        assert_well(program.arg(folder.path()).env("LSAN_OPTIONS", "exitcode=23"), " checks, 0 failed");
    }
    let program = compile(&source("c_check.c"), folder.path(), &["-lm", "-pthread", "-fsanitize=leak"]);
    assert_well(Command::new(program).env("LSAN_OPTIONS", "exitcode=23"), " checks, 0 failed");
    let program = compile(&source("c_keep.c"), folder.path(), &leaks);
    assert_well(Command::new(program).env("LSAN_OPTIONS", "exitcode=23"), " checks, 0 failed");
    let leaks = ["-D_DEFAULT_SOURCE", "-pthread", "-fsanitize=leak"];
    let program = compile(&source("c_survey.c"), folder.path(), &leaks);
    assert_well(Command::new(program).arg(machines()).env("LSAN_OPTIONS", "exitcode=23"), " checks, 0 failed");
}

/// Where valgrind is: it also sees what is read or written where it should not be.
fn under_valgrind(name: &str) {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIP: there is no valgrind");
        return;
    }
    let folder = shared_library();
    let program = gpus(name, folder.path(), &[], 50);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=23", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
    // Rust's own handle of the main thread is kept by a pointer into its middle: "possibly lost".
    valgrind.arg("--show-leak-kinds=definite");
    assert_well(valgrind.arg(program).arg(folder.path()), " checks, 0 failed");
}

#[test]
fn valgrind_finds_nothing_in_what_gpus_are() {
    under_valgrind("c_gpus.c");
}

#[test]
fn valgrind_finds_nothing_in_what_gpus_do() {
    under_valgrind("c_watch.c");
}

#[test]
fn valgrind_finds_nothing_in_what_the_checks_of_cuda_find() {
    under_valgrind("c_check.c");
}

/// The leak test can fail: a program that forgets to free is caught.
#[test]
fn a_leak_is_seen() {
    let folder = shared_library();
    let leaky = folder.path().join("leaky.c");
    let text = "#include \"nacp.h\"\nint main(void) {\n    nacp_string text = {0};\n    nacp_status status = nacp_detect_text(&text, NULL);\n    text.data = NULL;\n    return status;\n}\n";
    std::fs::write(&leaky, text).unwrap();
    let program = compile(&leaky, folder.path(), &["-fsanitize=leak"]);
    let output = run(Command::new(program).env("LSAN_OPTIONS", "exitcode=23"));
    assert_eq!(output.status.code(), Some(23), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_forked_child_gets_a_clear_error_and_may_start_anew() {
    let folder = shared_library();
    assert_well(&mut Command::new(compile(&source("c_fork.c"), folder.path(), &[])), "parent and child are well");
}

#[test]
fn a_call_that_fails_leaves_nothing_in_its_out_parameters() {
    let folder = shared_library();
    assert_well(&mut Command::new(compile(&source("c_outs.c"), folder.path(), &[])), " checks, 0 failed");

    let header = std::fs::read_to_string(Path::new(common::INCLUDE).join("nacp.h")).unwrap();
    let table = std::fs::read_to_string(source("c_outs.c")).unwrap();
    let mut count = 0;
    for comment in
        header.split("/**").filter(|comment| comment.replace("@param[out] error", "").contains("@param[out]"))
    {
        let name = comment.split("nacp_status nacp_").nth(1).and_then(|rest| rest.split('(').next()).unwrap();
        assert!(
            table.contains(&format!(" nacp_{name}(")) || table.contains(&format!("(nacp_{name}(")),
            "nacp_{name} is not called"
        );
        count += 1;
    }
    assert!(count > 20, "{count}");
}

/// The program does as C programs do: it says nothing about SIGPIPE, which ends it by default.
#[test]
fn clients_that_leave_in_the_middle_of_an_answer_do_not_end_the_program() {
    let folder = shared_library();
    assert_well(&mut Command::new(compile(&source("c_sigpipe.c"), folder.path(), &[])), "the program lives");
}

#[test]
fn on_a_machine_with_nothing_a_program_runs_and_reads_what_is_missing() {
    let folder = shared_library();
    let mut program = Command::new(compile(&source("c_bare.c"), folder.path(), &[]));
    let output = run(program.env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(err, "");
    print!("{out}");
}

#[test]
fn a_program_can_link_the_library_statically() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("static");
    let archive = libraries().join("libnacp.a");
    let mut arguments: Vec<_> =
        [source("c_smoke.c"), archive, "-o".into(), program.clone()].map(PathBuf::into_os_string).into();
    arguments.extend(NATIVE_LIBRARIES.iter().map(|library| (*library).into()));
    Compiler::C11.run(arguments);
    assert_well(&mut Command::new(program), " checks, 0 failed");
}

/// What `rustc --print native-static-libs` names for the static library, beside the C library itself.
const NATIVE_LIBRARIES: [&str; 5] = ["-pthread", "-lgcc_s", "-lutil", "-lm", "-ldl"];

#[test]
fn only_our_names_are_exported_and_the_library_knows_its_own() {
    let library = libraries().join("libnacp.so");
    let names = Command::new("nm").args(["--dynamic", "--defined-only"]).arg(&library).output().unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    let names: Vec<_> = names.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let foreign: Vec<_> = names.iter().filter(|name| !name.starts_with("nacp_")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    let header = std::fs::read_to_string(Path::new(common::INCLUDE).join("nacp.h")).unwrap();
    for name in &names {
        assert!(header.contains(&format!("{name}(")), "{name} is exported but not declared");
    }
    assert!(names.len() > 30, "{names:?}");

    let dynamic = Command::new("readelf").arg("--dynamic").arg(&library).output().unwrap();
    assert!(String::from_utf8_lossy(&dynamic.stdout).contains("[libnacp.so.0]"));
}

#[test]
fn the_library_needs_neither_driver_nor_cuda_nor_docker_to_load() {
    let needed = Command::new("readelf").arg("--dynamic").arg(libraries().join("libnacp.so")).output().unwrap();
    let needed = String::from_utf8(needed.stdout).unwrap();
    let needed: Vec<_> = needed
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        .collect();
    assert!(needed.contains(&"libc.so.6"), "{needed:?}");
    for name in needed {
        let known = ["libc.", "libm.", "libgcc_s.", "libpthread.", "libdl.", "ld-linux"];
        assert!(known.iter().any(|known| name.starts_with(known)), "{name}");
    }
}
