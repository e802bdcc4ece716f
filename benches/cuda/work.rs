//! What a child process does, and how long that takes: inside, by its own clock, and as a whole, by its parent's.

use std::process::Command;
use std::time::Instant;

use nacp_core::cuda::{self, Driver as _, Execute as _, Level, Library};

/// What this process is to do, in place of the benchmark.
pub(crate) const WAY: &str = "NACP_BENCH_WAY";

/// Goes one way; microseconds.
pub(crate) fn run(way: &str) -> f64 {
    let start = Instant::now();
    match way {
        "nacp" => {
            let driver = Library::open().unwrap_or_else(|error| fail(&error.to_string()));
            let code = driver.init();
            if code != 0 {
                fail(&format!("cuInit answers {code}"));
            }
            let device = driver.device(0).unwrap_or_else(|code| fail(&format!("cuDeviceGet answers {code}")));
            let context = driver.retain(device);
            let micros = start.elapsed().as_secs_f64() * 1e6;
            if let Err(code) = context {
                fail(&format!("cuDevicePrimaryCtxRetain answers {code}"));
            }
            return micros;
        }
        "check" => {
            let report = cuda::check(Level::Quick);
            assert!(report.probe.is_none(), "there is a driver");
        }
        "probe" => assert!(cuda::probe().is_err(), "there is a driver"),
        other => panic!("no such way: {other}"),
    }
    start.elapsed().as_secs_f64() * 1e6
}

/// Ends this process as a program without a driver does.
fn fail(reason: &str) -> ! {
    eprintln!("{reason}");
    std::process::exit(1)
}

/// A process of a program, without what the caller's environment says about CUDA.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, way: Option<&str>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NACP_SIM_")) {
        command.env_remove(name);
    }
    command.env_remove("LD_LIBRARY_PATH");
    if let Some(way) = way {
        command.env(WAY, way);
    }
    command
}

/// Runs a process to its end; what it says of itself, or why it says nothing.
pub(crate) fn parse(command: &mut Command) -> Result<f64, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|error| format!("{error}"))
}

/// The times of many processes that go one way, in microseconds.
#[derive(Default)]
pub(crate) struct Times {
    inside: Vec<f64>,
    whole: Vec<f64>,
}

impl Times {
    /// Runs one more process; it counts where it is to.
    pub(crate) fn take(&mut self, mut command: Command, counts: bool) {
        let start = Instant::now();
        let inside = parse(&mut command).unwrap_or_else(|reason| panic!("{command:?}: {reason}"));
        let whole = start.elapsed().as_secs_f64() * 1e6;
        if counts {
            self.inside.push(inside);
            self.whole.push(whole);
        }
    }

    /// What so many of a hundred processes stay below, inside.
    pub(crate) fn inside(&self, hundredths: usize) -> f64 {
        quantile(&self.inside, hundredths)
    }

    /// The same from start to end.
    pub(crate) fn whole(&self, hundredths: usize) -> f64 {
        quantile(&self.whole, hundredths)
    }
}

fn quantile(times: &[f64], hundredths: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) * hundredths).div_ceil(100)]
}

/// How long the checks and the probe take to say that there is no driver, in turns; nothing where there is one.
pub(crate) fn without_driver(rounds: u32) -> Option<(Times, Times)> {
    let program = std::env::current_exe().expect("this program");
    parse(&mut command(&program, Some("probe"))).ok()?;
    let (mut check, mut probe) = (Times::default(), Times::default());
    for round in 0..=rounds {
        check.take(command(&program, Some("check")), round > 0);
        probe.take(command(&program, Some("probe")), round > 0);
    }
    Some((check, probe))
}
