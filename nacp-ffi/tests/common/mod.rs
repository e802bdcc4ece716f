//! What the tests share: the compilers, and the libraries that C programs link.

#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod nodes;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The folder of nacp.h.
pub(crate) const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
/// The repository.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A compiler and its flags.
pub(crate) struct Compiler {
    program: &'static str,
    flags: &'static [&'static str],
}

impl Compiler {
    /// C11 and nothing else.
    pub(crate) const C11: Self =
        Self { program: "gcc", flags: &["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-g"] };
    /// C++98 and nothing else.
    pub(crate) const CPP98: Self =
        Self { program: "g++", flags: &["-std=c++98", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-g"] };
    /// C++17 and nothing else.
    pub(crate) const CPP17: Self =
        Self { program: "g++", flags: &["-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-g"] };

    /// Compiles, or panics with what the compiler said.
    pub(crate) fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) {
        let mut command = Command::new(self.program);
        command.args(self.flags).arg("-I").arg(INCLUDE).args(arguments);
        let output = command.output().unwrap_or_else(|error| panic!("{} does not start: {error}", self.program));
        assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Where cargo put the libraries. It builds them with the tests, beside the tests; where they are not, they are built
/// now.
pub(crate) fn libraries() -> &'static Path {
    static LIBRARIES: OnceLock<PathBuf> = OnceLock::new();
    LIBRARIES.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let beside = test.parent().unwrap();
        if ["libnacp.so", "libnacp.a"].iter().all(|name| beside.join(name).is_file()) {
            return beside.to_owned();
        }
        let profile = beside.parent().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "nacp-ffi", "--lib", "--target-dir"]);
        build.arg(profile.parent().unwrap()).current_dir(ROOT);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let output = build.output().unwrap();
        assert!(output.status.success(), "{build:?}\n{}", String::from_utf8_lossy(&output.stderr));
        profile.to_owned()
    })
}

/// A folder in which the shared library is found by both of its names: the linker's, and the one that programs keep.
pub(crate) fn shared_library() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libnacp.so", "libnacp.so.0"] {
        std::os::unix::fs::symlink(libraries().join("libnacp.so"), folder.path().join(name)).unwrap();
    }
    folder
}

/// Compiles a C program against the shared library.
pub(crate) fn compile(source: &Path, folder: &Path, extra: &[&str]) -> PathBuf {
    let program = folder.join(source.file_stem().unwrap());
    let mut arguments = vec![source.as_os_str().to_owned(), "-o".into(), program.clone().into()];
    arguments.extend(["-L".into(), folder.into(), "-lnacp".into()]);
    arguments.push(format!("-Wl,-rpath,{}", folder.display()).into());
    arguments.extend(extra.iter().map(|flag| (*flag).into()));
    Compiler::C11.run(arguments);
    program
}

/// Runs a program to its end, two minutes at most.
pub(crate) fn run(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |mut from: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            from.read_to_end(&mut text).unwrap();
            text
        })
    };
    let (out, err) = (read(Box::new(out)), read(Box::new(err)));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{command:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() }
}
