//! What a child process does, and how long that takes by its own clock.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use nacp_core::host::doctor::Doctor;
use nacp_core::host::{self, Survey};

use crate::floor;

/// What this process is to do, in place of the benchmark.
pub(crate) const WAY: &str = "NACP_BENCH_WAY";
/// The node that the simulated libraries are.
const NODE: &str = "h100x8";

/// One way to an answer.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Floor,
    DockerInfo,
    Doctor,
    Decide,
}

impl Way {
    const ALL: [Self; 4] = [Self::Floor, Self::DockerInfo, Self::Doctor, Self::Decide];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::DockerInfo => "docker_info",
            Self::Doctor => "doctor",
            Self::Decide => "decide",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Floor => "floor: read the files, ask the daemon",
            Self::DockerInfo => "docker info, a process",
            Self::Doctor => "host::doctor()",
            Self::Decide => "host::evaluate()",
        }
    }
}

/// Goes one way; seconds.
pub(crate) fn run(way: &str) -> f64 {
    let way = Way::ALL.into_iter().find(|it| it.name() == way).unwrap_or_else(|| panic!("no such way: {way}"));
    let start = Instant::now();
    match way {
        Way::Floor => floor::run(),
        Way::DockerInfo => {
            let mut docker = Command::new("docker");
            docker.arg("info").stdout(Stdio::null()).stderr(Stdio::null());
            assert!(docker.status().is_ok_and(|status| status.success()), "{docker:?}");
        }
        Way::Doctor => drop(Doctor::of(Survey::builder().read())),
        Way::Decide => drop(host::evaluate()),
    }
    start.elapsed().as_secs_f64()
}

/// A machine on which the ways are gone.
pub(crate) struct Ways {
    pub(crate) title: &'static str,
    /// What its names in the JSON end with.
    pub(crate) suffix: &'static str,
    libraries: Option<String>,
}

impl Ways {
    /// This machine as it is, and with the libraries of simulated GPUs.
    pub(crate) fn all() -> [Self; 2] {
        let simulated = ["tests/sim-nvml/stage", "tests/sim-cuda/stage"].map(staged);
        let libraries = simulated.map(|folder| folder.to_str().expect("a name in UTF-8").to_owned()).join(":");
        [
            Self { title: "this machine", suffix: "", libraries: None },
            Self { title: "with eight simulated H100", suffix: "_simulated", libraries: Some(libraries) },
        ]
    }

    /// The times of each way, in seconds.
    pub(crate) fn measure(&self, rounds: u32) -> Vec<(Way, Vec<f64>)> {
        let docker = floor::socket().exists();
        let ways = Way::ALL.into_iter().filter(|way| docker || !matches!(way, Way::DockerInfo));
        let mut measured: Vec<_> = ways.map(|way| (way, Vec::new())).collect();
        // The first process of each finds nothing in the system's cache of files.
        for round in 0..=rounds {
            for (way, times) in &mut measured {
                let seconds = self.process(*way);
                if round > 0 {
                    times.push(seconds);
                }
            }
        }
        measured
    }

    fn process(&self, way: Way) -> f64 {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NACP_SIM_")) {
            command.env_remove(name);
        }
        command.env_remove("LD_LIBRARY_PATH").env(WAY, way.name()).env(floor::FILES, floor::files());
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries).env("NACP_SIM_NODE", NODE);
        }
        let output = command.output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stdout);
        told.trim().parse().unwrap_or_else(|_| panic!("{command:?}: {told}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// What so many of a hundred times stay below.
pub(crate) fn quantile(times: &[f64], hundredths: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) * hundredths).div_ceil(100)]
}

/// The folder of a simulated library: the one that `tests/run` has staged, or one that is staged here.
fn staged(script: &str) -> PathBuf {
    let name = script.split('/').nth(1).unwrap_or_default().trim_start_matches("sim-");
    if let Some(folder) = std::env::var_os(format!("NACP_SIM_{}_DIR", name.to_uppercase())) {
        return folder.into();
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host").join(name);
    let mut stage = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script));
    stage.arg(&folder).stdout(Stdio::null());
    assert!(stage.status().expect("the script starts").success(), "{stage:?}");
    folder.canonicalize().expect("it is there")
}
