//! The simulated driver as its users get it: staged by the script, loaded by the system's loader, in a process of its
//! own, because a process reads the environment once.
#![allow(dead_code, reason = "each test program uses a part")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// PTX for these tests.
pub const KERNELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/kernels.ptx");

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
pub fn staged(arguments: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut stage = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("stage"));
    let output = stage.arg(folder.path()).args(arguments).env_remove("LD_LIBRARY_PATH").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// The driver that `tests/run` has staged, or one staged now.
pub fn driver() -> (PathBuf, Option<TempDir>) {
    match std::env::var_os("NACP_SIM_CUDA_DIR") {
        Some(folder) => (folder.into(), None),
        None => {
            let folder = staged(&[]);
            (folder.path().to_owned(), Some(folder))
        }
    }
}

/// Compiles a program of `tests/c` against the driver in a folder.
pub fn compiled(name: &str, driver: &Path) -> (PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name);
    let program = folder.path().join("program");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror", "-Wl,-z,lazy", "-pthread", "-o"]);
    cc.arg(&program).arg(source).arg(driver.join("libcuda.so.1")).arg("-ldl");
    let output = cc.output().expect("these tests need a C compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (program, folder)
}

/// A command whose loader looks for the driver in this folder first.
pub fn with_driver(program: impl AsRef<OsStr>, driver: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    OURS.iter().for_each(|name| drop(command.env_remove(name)));
    command.env("LD_LIBRARY_PATH", driver).envs(environment.iter().copied()).stdin(Stdio::null());
    command
}

/// How a process ended.
#[derive(Debug)]
pub enum End {
    Ended(Output),
    /// It was ended because its time was over. What it had written until then.
    Hung(String),
}

/// Runs a command, but not longer than this.
pub fn run_for(mut command: Command, limit: Duration) -> End {
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
