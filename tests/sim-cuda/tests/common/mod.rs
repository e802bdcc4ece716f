//! The simulated driver as its users get it: staged by the script, loaded by the system's loader, in a process of its
//! own, because a process reads the environment once.
#![allow(dead_code, reason = "each test program uses a part")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// PTX for these tests.
pub(crate) const KERNELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/kernels.ptx");

/// Variables that must not come from outside.
const OURS: [&str; 16] = [
    "NACP_SIM_NODE",
    "NACP_SIM_CUDA_FAULTS",
    "NACP_SIM_CUDA_VERSION",
    "NACP_SIM_CUDA_PTX",
    "NACP_SIM_CUDA_JIT",
    "NACP_SIM_CUDA_FLIP",
    "NACP_SIM_CUDA_MEMORY",
    "NACP_SIM_CUDA_HANG",
    "NACP_SIM_CUDA_OOM",
    "NACP_SIM_CUDA_PINNED",
    "NACP_SIM_CUDA_TRACE",
    "NACP_SIM_CUDA_LATENCY",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_LAUNCH_BLOCKING",
    "LD_PRELOAD",
];

/// A folder with the simulated driver, staged with these arguments.
pub(crate) fn staged(arguments: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    stage(folder.path(), arguments);
    folder
}

/// The folder of the driver that `tests/run` has staged, or of one staged now.
pub(crate) fn driver() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os("NACP_SIM_CUDA_DIR") {
        Some(folder) => folder.into(),
        None => {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("driver");
            stage(&folder, &[]);
            folder
        }
    })
}

fn stage(folder: &Path, arguments: &[&str]) {
    let mut stage = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("stage"));
    let output = stage.arg(folder).args(arguments).env_remove("LD_LIBRARY_PATH").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Compiles a program of `tests/c` against the driver. Others may do the same at the same time.
pub(crate) fn compiled(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name);
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("");
    let made = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let new = made.path().join("program");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror", "-Wl,-z,lazy", "-pthread", "-o"]);
    cc.arg(&new).arg(source).arg(driver().join("libcuda.so.1")).arg("-ldl");
    let output = cc.output().expect("these tests need a C compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(new, &program).unwrap();
    program
}

/// A command whose loader looks for the driver in this folder first.
pub(crate) fn with_driver(program: impl AsRef<OsStr>, driver: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    for name in OURS {
        command.env_remove(name);
    }
    command.env("LD_LIBRARY_PATH", driver).envs(environment.iter().copied()).stdin(Stdio::null());
    command
}

/// How a process ended.
#[derive(Debug)]
pub(crate) enum End {
    Ended(Output),
    /// It was ended because its time was over. What it had written until then.
    Hung(String),
}

/// Runs a command, but not longer than this.
pub(crate) fn run_for(mut command: Command, limit: Duration) -> End {
    let folder = TempDir::new().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return End::Ended(Output { status, stdout: fs::read(out).unwrap(), stderr: fs::read(err).unwrap() });
        }
        if start.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            return End::Hung(fs::read_to_string(out).unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program that makes the calls that it is told, on a driver.
pub(crate) struct Caller {
    program: PathBuf,
    driver: PathBuf,
}

impl Caller {
    /// On the whole driver.
    pub(crate) fn new() -> Self {
        Self { program: compiled("calls.c"), driver: driver().to_owned() }
    }

    /// The same program on another driver.
    pub(crate) fn elsewhere(self, driver: &Path) -> Self {
        Self { driver: driver.to_owned(), ..self }
    }

    /// Makes these calls, separated by blanks, and answers what each said: `name=number:value`.
    #[track_caller]
    pub(crate) fn call(&self, environment: &[(&str, &str)], calls: &str) -> Vec<String> {
        match self.try_to(environment, calls, Duration::from_secs(60)) {
            End::Ended(output) if output.status.success() => lines(&String::from_utf8_lossy(&output.stdout)),
            other => panic!("{other:?}"),
        }
    }

    /// The same where the calls may not come back.
    pub(crate) fn try_to(&self, environment: &[(&str, &str)], calls: &str, limit: Duration) -> End {
        let mut command = with_driver(&self.program, &self.driver, environment);
        command.args(calls.split_whitespace());
        run_for(command, limit)
    }

    /// Makes calls of which the last one does not come back, and answers what the others said.
    #[track_caller]
    pub(crate) fn hang(&self, environment: &[(&str, &str)], calls: &str) -> Vec<String> {
        let expected = calls.split_whitespace().count() - 1;
        let folder = TempDir::new().unwrap();
        let out = folder.path().join("out");
        let mut command = with_driver(&self.program, &self.driver, environment);
        command.args(calls.split_whitespace()).stdout(fs::File::create(&out).unwrap());
        let mut child = command.spawn().unwrap();
        let answered = || lines(&fs::read_to_string(&out).unwrap());
        let start = Instant::now();
        while answered().len() < expected && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Long enough for a call that comes back.
        std::thread::sleep(Duration::from_millis(300));
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let answers = answered();
        assert!(ended.is_none() && answers.len() == expected, "not the last one hung: {ended:?} {answers:?}");
        answers
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// The numbers that calls answered, without names and values.
pub(crate) fn numbers(lines: &[String]) -> Vec<i32> {
    let number = |line: &String| line.split_once('=').and_then(|(_, rest)| rest.split(':').next()?.parse().ok());
    lines.iter().map(|line| number(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

/// What the last of these calls told.
#[track_caller]
pub(crate) fn told<'a>(lines: &'a [String], name: &str) -> &'a str {
    let found = lines.iter().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix("=0:"));
    found.unwrap_or_else(|| panic!("{name} told nothing: {lines:?}"))
}
