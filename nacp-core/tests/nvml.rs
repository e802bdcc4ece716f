//! NACP's NVML source against the simulated `libnvidia-ml.so.1` of `tests/sim-nvml`: what it reads, what it says when
//! the driver is absent, broken or failing, and that one failing call harms nothing else.
//!
//! The library's state belongs to a process and its node and faults come from the environment, so every case asks a
//! child process: this test program itself, which then runs [`this_machine_answers_or_says_why`] only.

#![cfg(all(target_os = "linux", feature = "nvml", feature = "sim"))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nacp_core::gpu::{Fields, Gpu, Nvml, Origin, Pair, Process, Reading, Sample, Source, Unknown};
use nacp_core::{Error, ErrorKind, sim};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Which library the child opens; without it, or empty, what the loader finds.
const LIBRARY: &str = "NACP_TEST_NVML_LIBRARY";
/// Before the one line of the child's output that is its report.
const MARK: &str = "nacp-nvml-report ";

/// What a process reads from a library.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    pid: u32,
    opened: Result<Opened, Failure>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Opened {
    origin: Origin,
    inventory: Result<Vec<Gpu>, Failure>,
    samples: Result<Vec<Sample>, Failure>,
    pairs: Result<Vec<Pair>, Failure>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Failure {
    kind: String,
    message: String,
    cause: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (kind, message) = (error.kind().name().into(), error.to_string());
        Self { kind, message, cause: error.get("cause").map(str::to_owned) }
    }
}

/// The child's part. On its own it asks the machine that it runs on.
#[test]
fn this_machine_answers_or_says_why() {
    let opened = match std::env::var_os(LIBRARY).filter(|path| !path.is_empty()) {
        Some(path) => Nvml::open_at(Path::new(&path)),
        None => Nvml::open(),
    };
    if let Err(error) = &opened {
        assert!(
            [ErrorKind::DriverUnavailable, ErrorKind::PermissionDenied].contains(&error.kind()),
            "not an answer for a user: {error:?}"
        );
    }
    let opened = opened.map_err(Failure::from).map(|nvml| {
        let mut samples = Vec::new();
        // As a node does it: first who is there, then how they are.
        let inventory = nvml.inventory().map_err(Failure::from);
        let sampled = nvml.sample(Fields::ALL, &mut samples);
        let samples = sampled.map(|()| samples).map_err(Failure::from);
        Opened { origin: nvml.origin().clone(), inventory, samples, pairs: nvml.pairs().map_err(Failure::from) }
    });
    let report = Report { pid: std::process::id(), opened };
    println!("\n{MARK}{}", serde_json::to_string(&report).unwrap());
}

/// Asks a library in a process of its own, with the library's environment.
fn ask(library: &Path, environment: &[(&str, &str)]) -> Report {
    let output = Command::new("timeout")
        .arg("60")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "this_machine_answers_or_says_why", "--nocapture"])
        .env(LIBRARY, library)
        .env_remove("NACP_SIM_NODE")
        .env_remove("NACP_SIM_NVML_FAULTS")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.strip_prefix(MARK)).expect("the child printed no report");
    serde_json::from_str(line).unwrap()
}

fn ask_node(node: &str, faults: &str) -> Opened {
    let report = ask(&library(), &[("NACP_SIM_NODE", node), ("NACP_SIM_NVML_FAULTS", faults)]);
    report.opened.unwrap_or_else(|failure| panic!("{faults}: {failure:?}"))
}

fn failure(library: &Path, faults: &str) -> Failure {
    ask(library, &[("NACP_SIM_NVML_FAULTS", faults)]).opened.expect_err("it opened")
}

/// The simulated library, built and placed once per process, where the next run finds it again.
fn library() -> PathBuf {
    static STAGED: OnceLock<PathBuf> = OnceLock::new();
    let staged = STAGED.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sim-nvml/stage");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sim-nvml");
        let output = Command::new("timeout").arg("600").arg(script).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // The loader's own path is without links.
        folder.canonicalize().unwrap().join("libnvidia-ml.so.1")
    });
    staged.clone()
}

fn file(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// What `sim::Node` says, with its processes made comparable.
fn expected(node: &sim::Node) -> (Vec<Gpu>, Vec<Sample>) {
    let mut samples = Vec::new();
    node.sample(Fields::ALL, &mut samples).unwrap();
    (node.inventory().unwrap(), comparable(samples, node.file(), std::process::id()))
}

/// Samples with their processes made comparable: the process `pid`, which read the file, is 0, and those that were
/// started for it are 1.
fn comparable(mut samples: Vec<Sample>, file: &sim::NodeFile, pid: u32) -> Vec<Sample> {
    let all = file.gpus.iter().flat_map(sim::GpuFile::all_processes);
    let numbered: Vec<_> = all.map(|(_, _, process)| process.pid).collect();
    for sample in &mut samples {
        if let Reading::Known(processes) = &mut sample.processes {
            for process in processes.iter_mut() {
                process.pid = match process.pid {
                    own if own == pid => 0,
                    number if numbered.contains(&sim::Pid::Number(number)) => number,
                    _ => 1,
                };
            }
            processes.sort_by_key(|process| (process.pid, process.partitions.clone()));
        }
    }
    samples
}

/// Where two answers differ: the path and both values.
fn differences<T: Serialize>(told: &T, expected: &T) -> Vec<String> {
    fn walk(path: &str, told: &Value, expected: &Value, found: &mut Vec<String>) {
        match (told, expected) {
            (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
                one.iter().for_each(|(key, value)| walk(&format!("{path}.{key}"), value, &other[key], found));
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                one.iter().zip(other).enumerate().for_each(|(at, (one, other))| {
                    walk(&format!("{path}[{at}]"), one, other, found);
                });
            }
            _ if told == expected => {}
            _ => found.push(format!("{path}: {told}, not {expected}")),
        }
    }
    let mut found = Vec::new();
    walk("", &serde_json::to_value(told).unwrap(), &serde_json::to_value(expected).unwrap(), &mut found);
    found
}

#[test]
fn the_driver_library_and_the_simulated_node_tell_the_same() {
    for name in sim::Node::names() {
        let node = sim::Node::named(name).unwrap();
        let report = ask(&library(), &[("NACP_SIM_NODE", name)]);
        let opened = report.opened.unwrap();
        let (inventory, samples) = expected(&node);
        let told = comparable(opened.samples.unwrap(), node.file(), report.pid);
        let pairs = opened.pairs.unwrap();
        assert_eq!(differences(&opened.inventory.unwrap(), &inventory), [""; 0], "{name}");
        assert_eq!(differences(&pairs, &node.pairs().unwrap()), [""; 0], "{name}");
        assert_eq!(differences(&told, &samples), [""; 0], "{name}");
        let origin = Origin { name: library().display().to_string(), ..node.origin().clone() };
        assert_eq!(opened.origin, origin);
    }
}

#[test]
fn the_loader_s_path_is_searched_and_the_file_that_it_found_is_named() {
    let library = library();
    let folder = library.parent().unwrap().to_str().unwrap();
    let opened = ask(Path::new(""), &[("LD_LIBRARY_PATH", folder)]).opened.unwrap();
    assert_eq!(opened.origin.name, library.display().to_string());
}

#[test]
fn what_a_machine_does_not_tell_is_unknown_in_both() {
    let mut node = sim::NodeFile::shipped("h100x8").unwrap();
    let untold = ["CudaCompute", "MemoryInfo", "PciInfo", "Util", "Temp", "Power", "Enforced", "Clock", "ComputeRun"];
    node.unsupported = untold.map(|function| format!("nvmlDeviceGet{function}")).into();
    let folder = tempdir().unwrap();
    let path = file(&folder, "untold.json", &serde_json::to_vec(&node).unwrap());
    let opened = ask_node(path.to_str().unwrap(), "");
    let (inventory, samples) = expected(&sim::Node::from(node));
    let untold = Fields::MEMORY
        | Fields::UTILIZATION
        | Fields::TEMPERATURE
        | Fields::POWER
        | Fields::POWER_LIMIT
        | Fields::CLOCKS
        | Fields::PROCESSES;
    for sample in &samples {
        let mut silent = sample.clone();
        silent.forget(untold, Unknown::NotSupported);
        assert_eq!(*sample, silent);
    }
    assert_eq!(differences(&opened.inventory.unwrap(), &inventory), [""; 0]);
    assert_eq!(differences(&opened.samples.unwrap(), &samples), [""; 0]);
}

#[test]
fn processes_of_every_kind_and_number_arrive() {
    let mut node = sim::NodeFile::shipped("h100x8").unwrap();
    node.gpus.truncate(1);
    node.gpus[0].processes = serde_json::from_value(serde_json::json!([
        { "pid": 400, "kind": "both", "memory": "3MiB" },
        { "pid": 12, "kind": "graphics", "memory": "2MiB" },
        { "pid": 9, "kind": "compute", "memory": "0MiB" },
        { "pid": 300, "kind": "compute", "memory": "1GiB" },
    ]))
    .unwrap();
    let folder = tempdir().unwrap();
    let path = file(&folder, "processes.json", &serde_json::to_vec(&node).unwrap());
    let report = ask(&library(), &[("NACP_SIM_NODE", path.to_str().unwrap())]);
    let node = sim::Node::from(node);
    let (_, samples) = expected(&node);
    let pids: Vec<_> = samples[0].processes.known().unwrap().iter().map(|process| process.pid).collect();
    assert_eq!(pids, [9, 12, 300, 400]);
    assert_eq!(comparable(report.opened.unwrap().samples.unwrap(), node.file(), report.pid), samples);
}

#[test]
fn process_memory_that_the_driver_does_not_tell_is_unknown() {
    let samples = ask_node("rtx3050ti-laptop-wsl2", "").samples.unwrap();
    let processes = samples[0].processes.known().unwrap();
    assert!(!processes.is_empty());
    for Process { memory, .. } in processes {
        assert_eq!(*memory, Reading::Unknown(Unknown::NotAvailable));
    }
}

#[test]
fn no_library_says_so_and_how_to_mend_it() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("libnvidia-ml.so.1");
    let failure = failure(&path, "");
    assert_eq!(
        failure.message,
        format!(
            "no NVIDIA management library on this machine: library={} cause=absent; \
             install the NVIDIA driver (under WSL2: the Windows driver only)",
            path.display()
        )
    );
    assert_eq!((failure.kind.as_str(), failure.cause.as_deref()), ("DriverUnavailable", Some("absent")));
}

/// `content` with every `old` exchanged for `new`, of the same length.
fn replaced(content: &[u8], old: &[u8; 15], new: &[u8; 15]) -> Vec<u8> {
    let mut content = content.to_vec();
    let places: Vec<_> = content.windows(old.len()).enumerate().filter(|(_, window)| window == old).collect();
    let places: Vec<_> = places.into_iter().map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        content[at..at + new.len()].copy_from_slice(new);
    }
    content
}

#[test]
fn a_corrupt_library_is_broken_not_absent() {
    let folder = tempdir().unwrap();
    let whole = std::fs::read(library()).unwrap();
    let missing = "libgcc_x.so.1: cannot open shared object file: No such file or directory";
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty.so.1", b"", "file too short"),
        ("header.so.1", &whole[..40], "file too short"),
        ("page.so.1", &whole[..4096], "file too short"),
        ("truncated.so.1", &whole[..500_000], "file too short"),
        ("text.so.1", &[b'x'; 4096], "invalid ELF header"),
        ("needs-another.so.1", &replaced(&whole, b"\0libgcc_s.so.1\0", b"\0libgcc_x.so.1\0"), missing),
    ];
    for (name, content, loader) in cases {
        let path = file(&folder, name, content);
        let failure = failure(&path, "");
        assert_eq!(
            failure.message,
            format!(
                "the NVIDIA management library is broken: library={} cause=broken loader={loader}; \
                 reinstall the NVIDIA driver",
                path.display()
            )
        );
        assert_eq!((failure.kind.as_str(), failure.cause.as_deref()), ("DriverUnavailable", Some("broken")));
    }
}

#[test]
fn a_library_without_the_functions_is_too_old_or_a_stub() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let other = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let other = other.into_iter().find(|path| path.contains("libc.so") || path.contains("libc-2")).unwrap();
    let failure = failure(Path::new(other), "");
    assert_eq!(
        failure.message,
        format!(
            "the NVIDIA management library is too old or a stub: library={other} cause=symbol missing \
             symbol=nvmlInit_v2; reinstall the NVIDIA driver"
        )
    );
}

#[test]
fn a_driver_that_does_not_start_says_why() {
    let library = library();
    let at = library.display();
    for (code, kind, message) in [
        (
            9,
            "DriverUnavailable",
            format!(
                "the NVIDIA driver is installed but not loaded: library={at} cause=not loaded; \
                 run `nvidia-smi` as root once, or restart the machine"
            ),
        ),
        (
            18,
            "DriverUnavailable",
            format!(
                "the NVIDIA driver and its library have different versions: library={at} cause=mismatch; \
                 restart the machine to finish the driver's update"
            ),
        ),
        (
            4,
            "PermissionDenied",
            format!(
                "no permission to talk to the NVIDIA driver: library={at}; check the owner and mode of /dev/nvidiactl"
            ),
        ),
        (
            999,
            "DriverUnavailable",
            format!(
                "the NVIDIA management library does not start: library={at} cause=init \
                 nvml=an internal driver error occurred"
            ),
        ),
    ] {
        let failure = failure(&library, &format!("nvmlInit_v2={code}"));
        assert_eq!((failure.kind.as_str(), failure.message), (kind, message));
    }
    for code in [3, 10, 13, 15, 16] {
        let failure = failure(&library, &format!("nvmlInit_v2={code}"));
        assert_eq!((failure.kind.as_str(), failure.cause.as_deref()), ("DriverUnavailable", Some("init")), "{code}");
    }
}

#[test]
fn a_machine_without_gpus_is_an_empty_node() {
    let mut node = sim::NodeFile::shipped("h100x8").unwrap();
    node.gpus.clear();
    let folder = tempdir().unwrap();
    let path = file(&folder, "empty.json", &serde_json::to_vec(&node).unwrap());
    // The second driver refuses to start without a GPU unless it is told that none is needed.
    for faults in ["", "nvmlInit_v2=6"] {
        let opened = ask_node(path.to_str().unwrap(), faults);
        assert_eq!(opened.origin.driver.as_deref(), Some("580.95.05"));
        assert_eq!((opened.inventory, opened.samples), (Ok(vec![]), Ok(vec![])));
    }
}

/// The codes of a failing call, and what a user reads instead of the value.
const FAULTS: [(i32, Unknown); 7] = [
    (3, Unknown::NotSupported),
    (4, Unknown::NoPermission),
    (10, Unknown::Code(10)),
    (13, Unknown::TooOld),
    (15, Unknown::GpuLost),
    (16, Unknown::Code(16)),
    (999, Unknown::Code(999)),
];

/// What the node `h100x8` answers with a fault, after the pids that differ from process to process are made equal.
fn faulty(faults: &str) -> Opened {
    let mut opened = ask_node("h100x8", faults);
    for sample in opened.samples.iter_mut().flatten() {
        if let Reading::Known(processes) = &mut sample.processes {
            processes.iter_mut().for_each(|process| process.pid = 0);
        }
    }
    opened
}

/// Functions with an older one, which answers when the driver does not know the newer one.
const HAVE_OLDER: [&str; 5] = [
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
];

/// Every function is broken with every code, one at a time; `hurt` changes a healthy answer to the one that is right.
fn each_code(function: &str, hurt: impl Fn(&mut Opened, i32, Unknown)) {
    for (code, reason) in FAULTS {
        if reason == Unknown::TooOld && HAVE_OLDER.contains(&function) {
            continue;
        }
        let mut right = faulty("");
        hurt(&mut right, code, reason);
        assert_eq!(faulty(&format!("{function}={code}")), right, "{function}={code}");
    }
}

fn each_gpu(opened: &mut Opened, hurt: impl Fn(&mut Gpu)) {
    opened.inventory.as_mut().unwrap().iter_mut().for_each(hurt);
}

fn each_sample(opened: &mut Opened, hurt: impl Fn(&mut Sample)) {
    opened.samples.as_mut().unwrap().iter_mut().for_each(hurt);
}

#[test]
fn a_failing_version_harms_no_gpu() {
    each_code("nvmlSystemGetDriverVersion", |opened, _, _| opened.origin.driver = None);
    each_code("nvmlSystemGetCudaDriverVersion_v2", |opened, _, _| opened.origin.cuda = None);
}

#[test]
fn a_failing_identity_is_unknown_alone() {
    each_code("nvmlDeviceGetCudaComputeCapability", |opened, _, reason| {
        each_gpu(opened, |gpu| {
            gpu.compute = Reading::Unknown(reason);
            gpu.processor.multiprocessors = Reading::Unknown(reason);
        });
    });
    each_code("nvmlDeviceGetPciInfo_v3", |opened, _, reason| {
        each_gpu(opened, |gpu| {
            gpu.pci = Reading::Unknown(reason);
            gpu.pcie.device = Reading::Unknown(reason);
            gpu.pcie.subsystem = Reading::Unknown(reason);
        });
    });
    each_code("nvmlDeviceGetMemoryInfo_v2", |opened, _, reason| {
        each_gpu(opened, |gpu| gpu.memory = Reading::Unknown(reason));
        each_sample(opened, |sample| sample.memory = Reading::Unknown(reason));
    });
    for code in [3, 999] {
        let mut right = faulty("");
        each_gpu(&mut right, |gpu| gpu.name = "unknown GPU".into());
        assert_eq!(faulty(&format!("nvmlDeviceGetName={code}")), right);
    }
}

#[test]
fn a_failing_measurement_is_unknown_alone() {
    type Field = fn(&mut Sample, Unknown);
    let fields: [(&str, Field); 6] = [
        ("nvmlDeviceGetUtilizationRates", |sample, reason| sample.utilization = Reading::Unknown(reason)),
        ("nvmlDeviceGetTemperatureV", |sample, reason| sample.temperature = Reading::Unknown(reason)),
        ("nvmlDeviceGetPowerUsage", |sample, reason| sample.power = Reading::Unknown(reason)),
        ("nvmlDeviceGetEnforcedPowerLimit", |sample, reason| sample.power_limit = Reading::Unknown(reason)),
        ("nvmlDeviceGetClockInfo", |sample, reason| {
            sample.clocks = Reading::Unknown(reason);
            sample.video_clock = Reading::Unknown(reason);
        }),
        ("nvmlDeviceGetComputeRunningProcesses_v3", |sample, reason| sample.processes = Reading::Unknown(reason)),
    ];
    for (function, field) in fields {
        each_code(function, |opened, _, reason| each_sample(opened, |sample| field(sample, reason)));
    }
    each_code("nvmlDeviceGetGraphicsRunningProcesses_v3", |opened, _, reason| {
        // Compute GPUs do not have graphics processes; that is no gap in the list.
        if reason != Unknown::NotSupported {
            each_sample(opened, |sample| sample.processes = Reading::Unknown(reason));
        }
    });
}

#[test]
fn gpus_that_do_not_tell_who_they_are_are_left_out() {
    for function in ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"] {
        each_code(function, |opened, _, _| {
            (opened.inventory, opened.samples, opened.pairs) = (Ok(vec![]), Ok(vec![]), Ok(vec![]));
        });
    }
}

#[test]
fn a_driver_that_stops_answering_as_a_whole_is_an_error() {
    each_code("nvmlDeviceGetCount_v2", |opened, code, _| {
        let kind = match code {
            4 => "PermissionDenied",
            15 => "DeviceLost",
            _ => "DriverUnavailable",
        };
        let words = match code {
            3 => "the requested operation is not available on the target device",
            4 => "the current user does not have permission to perform this operation",
            10 => "the provided timeout was reached",
            13 => "a function couldn't be found in a shared library",
            15 => "device fell off the bus or has otherwise become inacessible",
            16 => "device requires a reset before it can be used again",
            _ => "an internal driver error occurred",
        };
        let failure = || Failure {
            kind: kind.into(),
            message: format!("the NVIDIA driver does not answer: nvml={words}"),
            cause: None,
        };
        (opened.inventory, opened.samples, opened.pairs) = (Err(failure()), Err(failure()), Err(failure()));
    });
}

#[test]
fn one_lost_gpu_does_not_hide_the_others() {
    let mut right = faulty("");
    right.inventory.as_mut().unwrap().remove(1);
    let lost = right.samples.as_mut().unwrap().remove(1).id;
    right.pairs.as_mut().unwrap().retain(|pair| pair.a != lost && pair.b != lost);
    for faults in ["GPU1:nvmlDeviceGetUUID=15", "GPU1:nvmlDeviceGetHandleByIndex_v2=15", "GPU1:*=15"] {
        assert_eq!(faulty(faults), right, "{faults}");
    }

    // One answer of a tick says that the GPU is lost, and then it can no longer be named: it was named before.
    let power = "GPU1:nvmlDeviceGetPowerUsage=15";
    for (fault, code) in [("nvmlDeviceGetUUID", 15), ("nvmlDeviceGetHandleByIndex_v2", 15), ("nvmlDeviceGetUUID", 999)]
    {
        let mut right = faulty("");
        let samples = right.samples.as_mut().unwrap();
        let reason = if code == 15 { Unknown::GpuLost } else { Unknown::Code(code) };
        samples[1] = Sample::unknown(samples[1].id.clone(), reason);
        for pair in right.pairs.as_mut().unwrap().iter_mut().filter(|pair| pair.a == lost || pair.b == lost) {
            *pair = Pair::unknown(pair.a.clone(), pair.b.clone(), reason);
        }
        assert_eq!(faulty(&format!("{power},GPU1:{fault}={code}@1")), right, "{fault}={code}");
    }

    let mut right = faulty("");
    right.samples.as_mut().unwrap()[4].temperature = Reading::Unknown(Unknown::GpuLost);
    assert_eq!(faulty("GPU4:nvmlDeviceGetTemperatureV=15"), right);
}
