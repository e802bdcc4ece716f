//! A program that is really built with `panic = "abort"` ends cleanly where the driver is missing or unfit: an error
//! that is a panic inside, and is caught, would end it.
#![cfg(all(feature = "cuda", target_os = "linux"))]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use tempfile::TempDir;

const PROGRAM: &str = r#"
fn main() {
    nacp_core::answer();
    if std::env::args().nth(1).is_some() {
        let _ = std::panic::catch_unwind(|| panic!("as asked"));
        println!("the panic was caught");
        return;
    }
    match nacp_core::cuda::probe() {
        Ok(probe) => println!("probe: {probe}"),
        Err(error) => println!("probe: {error}"),
    }
    match nacp_core::cuda::Preflight::new() {
        Ok(_) => println!("preflight: let in"),
        Err(error) => println!("preflight: {error}"),
    }
    let report = nacp_core::cuda::check(nacp_core::cuda::Level::Quick);
    println!("check: {} {}", report.verdict, report.checks[0].id);
}
"#;

/// Builds the program against the core that was compiled for this very test: Cargo lays both in the same folder. A
/// core of other features or of another compiler may lie there too, older: it does not fit.
fn program(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("main.rs"), folder.join("program"));
    fs::write(&source, PROGRAM).unwrap();
    let own = std::env::current_exe().unwrap();
    let libraries = own.parent().unwrap();
    let is_core = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libnacp_core-") && name.ends_with(".rlib")
    };
    let age = |path: &PathBuf| fs::metadata(path).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut cores: Vec<PathBuf> =
        fs::read_dir(libraries).unwrap().map(|entry| entry.unwrap().path()).filter(is_core).collect();
    cores.sort_by_key(|path| std::cmp::Reverse(age(path)));
    let mut told = String::new();
    for core in cores {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "--crate-name", "program", "-C", "panic=abort", "-o"]).arg(&program);
        rustc.arg("-L").arg(format!("dependency={}", libraries.display()));
        rustc.arg("--extern").arg(format!("nacp_core={}", core.display())).arg(&source);
        let output = rustc.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        if output.status.success() {
            return program;
        }
        told.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    panic!("no core in {} can be linked:\n{told}", libraries.display());
}

fn run(program: &Path, folders: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).args(arguments).env("LD_LIBRARY_PATH", folders);
    for name in ["NVIDIA_DRIVER_CAPABILITIES", "CUDA_VISIBLE_DEVICES", "NACP_CHECK", "NACP_PROBE"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

/// What it printed, of a program that ended cleanly.
#[track_caller]
fn told(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !err.contains("panicked"), "{:?}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Whether the loader finds a driver of this machine's own.
fn has_driver() -> bool {
    // SAFETY: a driver's library does nothing when it is loaded but set itself up, and it is never unloaded.
    unsafe { libloading::Library::new("libcuda.so.1") }.map(std::mem::forget).is_ok()
}

#[test]
fn a_program_that_a_panic_would_end_ends_cleanly() {
    let folder = TempDir::new().unwrap();
    let program = program(folder.path());

    // It is such a program.
    let aborted = run(&program, folder.path(), &["panic"]);
    // `timeout` ends by the signal that ended its program, or tells it as a number.
    let signal = aborted.status.signal().or_else(|| aborted.status.code().map(|code| code - 128));
    assert_eq!((signal, aborted.stdout.as_slice()), (Some(6), &b""[..]), "{aborted:?}");

    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let without = told(&run(&program, &empty, &[]));
    if !has_driver() {
        assert!(without.contains("probe: no CUDA driver library on this machine: cause=absent"), "{without}");
        assert!(without.contains("preflight: no CUDA driver library on this machine: cause=absent"), "{without}");
        assert!(without.ends_with("check: fail lib.open\n"), "{without}");
    }

    // A library that is no driver, and a stub: cudarc would panic at the first function that it lacks.
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("libcuda.so.1"), "not a library").unwrap();
    let without = told(&run(&program, &broken, &[]));
    assert!(has_driver() || without.contains("cause=broken") && without.contains("check: fail"), "{without}");
    let stub = folder.path().join("stub");
    fs::create_dir(&stub).unwrap();
    let source = folder.path().join("stub.c");
    fs::write(&source, "int cuInit(unsigned flags) { (void)flags; return 34; }\n").unwrap();
    let library = stub.join("libcuda.so.1");
    let arguments: [&OsStr; 5] =
        ["-shared".as_ref(), "-fPIC".as_ref(), "-o".as_ref(), library.as_ref(), source.as_ref()];
    let compiled = Command::new("cc").args(arguments).status().expect("this test needs a C compiler");
    assert!(compiled.success());
    let without = told(&run(&program, &stub, &[]));
    assert!(without.contains("cause=symbol missing") && without.contains("check: fail"), "{without}");
}
