//! This machine, machines that are simulated, and libraries and daemons that hang or crash.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nacp_core::gpu::{Fields, Gpu, Origin, Sample, Source};
use nacp_core::host::{self, Seen, Survey};
use nacp_core::{Error, ErrorKind, Program, Result};

/// Set in a child that surveys and prints what it has read.
const SURVEYS: &str = "NACP_TEST_SURVEY";

/// How late a machine may be that builds something else beside. What hangs hangs for an hour, which is far longer.
const SLACK: Duration = Duration::from_secs(30);

/// The child's part, for NVML and CUDA in a process of their own; on its own it does nothing.
#[test]
fn child() {
    let asked = ["NACP_PROBE", "NACP_CHECK"].iter().any(|name| std::env::var_os(name).is_some());
    assert_eq!(nacp_core::answer(), asked);
}

fn program() -> Program {
    Program::this().unwrap().arg("--exact").arg("here::child").arg("--nocapture")
}

#[test]
fn this_machine_is_read_in_time_and_travels() {
    let began = Instant::now();
    let read = Survey::builder().isolated(program()).limit(Duration::from_secs(20)).read();
    assert!(began.elapsed() < Duration::from_secs(20) + SLACK);
    assert_eq!(read.host.os.as_deref(), Some("linux"));
    assert!(read.kernel.modules != Seen::NotAsked && read.kernel.cgroup_version.is_some());
    assert!(read.nvml.driver != Seen::NotAsked && read.cuda.library != Seen::NotAsked, "{:?}", read.nvml);
    assert!(read.devices.user.is_some());
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Survey>(&json).unwrap(), read);
}

#[test]
fn a_limit_without_end_is_one() {
    let folder = super::fixture("bare-metal-docker");
    let builder = Survey::builder().root(host::Root::open(folder).unwrap());
    assert!(builder.limit(Duration::MAX).read().daemon().is_some());
}

#[test]
fn what_is_not_read_in_time_is_a_gap_and_not_a_machine_that_has_nothing() {
    let folder = super::fixture("bare-metal-docker");
    let read = Survey::builder().root(host::Root::open(folder).unwrap()).limit(Duration::ZERO).read();
    for what in ["daemons", "containers", "CDI specifications", "libraries", "nvidia-ctk"] {
        let gap = read.gaps.iter().find(|gap| gap.what == what);
        let why = gap.map(|gap| gap.why.as_str());
        assert_eq!(why, Some(format!("{what} did not answer in time").as_str()), "{:?}", read.gaps);
    }
    assert_eq!(read.toolkit.version.open(), Some("nvidia-ctk did not answer in time"));
}

#[test]
fn the_short_way_surveys_and_judges() {
    let doctor = host::doctor();
    assert_eq!(doctor.diagnosis, host::diagnose(&doctor.survey));
}

/// A source whose every answer comes too late.
#[derive(Debug)]
struct Silent(Origin);

impl Source for Silent {
    fn origin(&self) -> &Origin {
        &self.0
    }
    fn inventory(&self) -> Result<Vec<Gpu>> {
        std::thread::sleep(Duration::from_secs(3600));
        Err(Error::new(ErrorKind::Timeout, "test", "it slept"))
    }
    fn sample(&self, _: Fields, _: &mut Vec<Sample>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_library_that_hangs_in_a_thread_is_left_behind() {
    let origin = Origin { simulated: true, name: "silent".into(), driver: None, cuda: None };
    let began = Instant::now();
    let folder = super::fixture("bare-metal-docker");
    let builder = Survey::builder().root(host::Root::open(folder).unwrap()).source(Arc::new(Silent(origin)));
    let read = builder.limit(Duration::from_millis(1500)).read();
    let took = began.elapsed();
    assert!(took < Duration::from_millis(1500) + SLACK, "{took:?}");
    assert_eq!(read.nvml.driver, Seen::Unreadable("nvml did not answer in time".into()));
    assert_eq!(read.nvml.failure.unwrap().message, "nvml did not answer in time");
    // What answered is there nevertheless.
    assert_eq!((read.cuda.devices.len(), read.containers.len()), (2, 1));
}

#[test]
fn a_daemon_that_is_silent_costs_its_limit_and_says_so() {
    if std::env::var_os(SURVEYS).is_some() {
        let began = Instant::now();
        let read = Survey::builder().commands(false).limit(Duration::from_secs(4)).read();
        assert!(began.elapsed() < Duration::from_secs(4) + SLACK, "{:?}", began.elapsed());
        let daemon = read.host.daemons.iter().find(|daemon| daemon.found_by.contains("DOCKER_HOST")).unwrap();
        assert!(daemon.answer.open().unwrap().contains("does not answer within"), "{daemon:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("silent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 16]);
            kept.push(stream);
        }
    });
    let output = Command::new("timeout")
        .arg("60")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "here::a_daemon_that_is_silent_costs_its_limit_and_says_so", "--nocapture"])
        .env(SURVEYS, "1")
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(feature = "sim")]
mod simulated {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    use nacp_core::sim;

    use super::*;

    fn node(name: &str) -> Survey {
        let (source, driver) = (sim::Node::named(name).unwrap(), sim::Cuda::named(name).unwrap());
        Survey::builder().source(Arc::new(source)).driver(Arc::new(driver)).commands(false).containers(false).read()
    }

    #[test]
    fn a_simulated_node_says_that_it_is_one() {
        let read = node("h100x8");
        assert!(read.nvml.simulated && read.cuda.simulated);
        assert_eq!((read.nvml.gpus.len(), read.cuda.devices.len()), (8, 8));
        let gpu = &read.nvml.gpus[0];
        assert_eq!((gpu.compute.as_deref(), gpu.compute_mode.as_deref()), (Some("9.0"), Some("default")));
        assert_eq!(
            (gpu.lost, gpu.needs_reset, gpu.repair_pending, gpu.uncorrected),
            (false, false, Some(false), Some(0))
        );
        assert_eq!(gpu.fabric.as_deref(), Some("completed"));
        assert_eq!((gpu.id.as_str(), gpu.memory_total.is_some()), (read.cuda.devices[0].id.as_str(), true));
        assert_eq!((read.nvml.failure, read.cuda.failure), (None, None));
        let laptop = node("rtx3050ti-laptop-wsl2");
        assert!(laptop.nvml.gpus[0].silent.iter().any(|call| call.starts_with("nvml")));
    }

    #[test]
    fn a_driver_that_refuses_keeps_its_call_and_its_number() {
        for code in [35, 100, 802, 803, 804, 999] {
            let driver = sim::Cuda::named("h100x8").unwrap().failing_nth("cuInit", 1, code);
            let builder = Survey::builder().driver(Arc::new(driver)).commands(false).containers(false);
            let failure = builder.read().cuda.failure.unwrap();
            assert_eq!((failure.call.as_str(), failure.code), ("cuInit", Some(code)), "{}", failure.message);
            assert!(!failure.message.is_empty());
        }
    }

    /// The folder of a simulated library: the one that the environment names, or one that is built by its script.
    fn staged(kind: &str, variable: &str) -> PathBuf {
        if let Some(folder) = std::env::var_os(variable) {
            return folder.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(kind);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(kind);
        let output = Command::new("timeout").arg("600").arg(root.join("stage")).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    }

    fn libraries() -> &'static (PathBuf, PathBuf) {
        static FOLDERS: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
        FOLDERS.get_or_init(|| (staged("sim-nvml", "NACP_SIM_NVML_DIR"), staged("sim-cuda", "NACP_SIM_CUDA_DIR")))
    }

    fn isolated(variables: &[(&str, &str)], limit: Duration) -> Survey {
        let (nvml, cuda) = libraries();
        let path = std::env::join_paths([nvml, cuda]).unwrap();
        let program = program().env("LD_LIBRARY_PATH", path).env("NACP_SIM_NODE", "h100x8");
        let program = variables.iter().fold(program, |program, (name, value)| program.env(*name, *value));
        Survey::builder().isolated(program).commands(false).containers(false).limit(limit).read()
    }

    #[test]
    fn a_library_that_crashes_its_child_names_the_signal() {
        let long = Duration::from_secs(60);
        let read = isolated(&[("NACP_SIM_NVML_FAULTS", "nvmlDeviceGetSerial=crash")], long);
        let failure = read.nvml.failure.unwrap();
        assert_eq!((failure.signal, failure.code), (Some(11), None), "{}", failure.message);
        assert_eq!(read.cuda.devices.len(), 8, "{:?}", read.cuda);
        let read = isolated(&[("NACP_SIM_CUDA_FAULTS", "cuInit=crash")], long);
        let failure = read.cuda.failure.unwrap();
        assert_eq!((failure.call.as_str(), failure.code), ("cuInit", None));
        assert!(failure.message.contains("SIGSEGV"), "{}", failure.message);
        assert_eq!((read.nvml.gpus.len(), read.nvml.failure), (8, None));
    }

    #[test]
    fn a_library_that_hangs_is_ended_within_the_limit() {
        libraries();
        let began = Instant::now();
        let read = isolated(&[("NACP_SIM_CUDA_FAULTS", "cuInit=hang")], Duration::from_secs(4));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(4) + SLACK, "{took:?}");
        let failure = read.cuda.failure.unwrap();
        assert_eq!((failure.call.as_str(), failure.code), ("cuInit", None), "{}", failure.message);
    }
}
