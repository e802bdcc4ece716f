//! The libraries on which the way to a context is measured, and the processes that go it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::work::{self, Times};

/// Microseconds that the simulated driver takes, assumed in the order of what data-centre GPUs are seen to take: the
/// ratio must not flatter NACP by calls that cost nothing.
const LATENCIES: &str = "cuInit=60000,cuDevicePrimaryCtxRetain=120000";

/// A library to measure on.
pub(crate) struct Scenario {
    pub(crate) title: &'static str,
    /// What its names in the JSON end with.
    pub(crate) suffix: &'static str,
    latencies: Option<&'static str>,
    simulated: bool,
}

impl Scenario {
    /// Each, or why it is left out.
    pub(crate) fn all() -> Vec<Result<Self, String>> {
        let simulated = |title, suffix, latencies| Self { title, suffix, latencies, simulated: true };
        let assumed = "simulated library, 60 ms assumed for cuInit and 120 ms for the context";
        let real = Self { title: "the driver of this machine", suffix: "_real", latencies: None, simulated: false };
        let answer = work::parse(&mut real.command(std::env::current_exe().expect("this program"), Some("nacp")));
        vec![
            Ok(simulated(assumed, "", Some(LATENCIES))),
            Ok(simulated("simulated library without latency", "_no_latency", None)),
            match answer {
                Ok(_) => Ok(real),
                Err(reason) => Err(format!("the driver of this machine: {reason}")),
            },
        ]
    }

    /// A process that meets this library.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>, way: Option<&str>) -> Command {
        let mut command = work::command(program, way);
        if self.simulated {
            command.env("LD_LIBRARY_PATH", library()).env("NACP_SIM_NODE", "h100x8");
            if let Some(latencies) = self.latencies {
                command.env("NACP_SIM_CUDA_LATENCY", latencies);
            }
        }
        command
    }

    /// The times of the floor and of NACP, in turns.
    pub(crate) fn measure(&self, rounds: u32) -> (Times, Times) {
        let program = std::env::current_exe().expect("this program");
        let (mut floor_times, mut nacp_times) = (Times::default(), Times::default());
        // The first process of each finds nothing in the system's cache of files.
        for round in 0..=rounds {
            for (times, command) in [
                (&mut floor_times, self.command(floor(), None)),
                (&mut nacp_times, self.command(&program, Some("nacp"))),
            ] {
                times.take(command, round > 0);
            }
        }
        (floor_times, nacp_times)
    }
}

/// Where what is built for the benchmark lies.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda");
    std::fs::create_dir_all(&folder).expect("target is writable");
    folder.canonicalize().expect("it is there")
}

/// The folder of the simulated library: the one that `NACP_SIM_CUDA_DIR` names, as `tests/run` does, or one built here.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(folder) = std::env::var_os("NACP_SIM_CUDA_DIR") {
            return folder.into();
        }
        let mut stage = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim-cuda/stage"));
        let folder = folder().join("library");
        stage.arg(&folder);
        assert!(stage.status().expect("the script starts").success(), "{stage:?}");
        folder
    })
}

fn floor() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/cuda/floor.c");
        let built = folder().join("floor");
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&built).arg(source).arg("-ldl");
        assert!(compiler.status().expect("a C compiler").success(), "{compiler:?}");
        built
    })
}
