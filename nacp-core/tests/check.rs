//! The checks against real library files in real child processes: the driver is the simulated one, or none.
#![cfg(all(feature = "cuda", feature = "sim", target_os = "linux"))]
#![allow(clippy::disallowed_methods, reason = "a test may sleep and read the real clock")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use nacp_core::cuda::check::{Isolation, Program, Skip, Status, Verdict};
use nacp_core::cuda::{Check, CheckId, CheckReport, Level, Progress, Report};
use nacp_core::gpu::GpuId;

/// The child's part, when a run starts this test program; on its own it does nothing.
#[test]
fn child() {
    let asked = std::env::var_os("NACP_CHECK").is_some();
    assert_eq!(nacp_core::answer(), asked);
}

/// The simulated library: where `tests/run` has placed it, or built and placed once per process.
fn library() -> PathBuf {
    static STAGED: OnceLock<PathBuf> = OnceLock::new();
    let staged = STAGED.get_or_init(|| {
        if let Some(folder) = std::env::var_os("NACP_SIM_CUDA_DIR") {
            return Path::new(&folder).join("libcuda.so.1");
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sim-cuda/stage");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sim-cuda");
        let output = Command::new("timeout").arg("600").arg(script).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder.join("libcuda.so.1")
    });
    staged.clone()
}

/// This test program as a child with the simulated driver.
fn program(node: &str, variables: &[(&str, &str)]) -> Program {
    let program = Program::this().unwrap().arg("--exact").arg("child").arg("--nocapture").env("NACP_SIM_NODE", node);
    variables.iter().fold(program, |program, (name, value)| program.env(*name, *value))
}

/// A run in children. Its time is long, for machines with much to do besides.
fn check<'a>(level: Level, node: &str, variables: &[(&str, &str)]) -> Check<'a> {
    let isolation = Isolation::Child(program(node, variables));
    Check::new(level).library(library()).isolated(isolation).limit(Duration::from_secs(120))
}

fn at(report: &Report, id: CheckId) -> &CheckReport {
    report.checks.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("no {id} in\n{report}"))
}

fn why(report: &Report, id: CheckId) -> Option<Skip> {
    match &at(report, id).status {
        Status::Skipped { why, .. } => Some(*why),
        _ => None,
    }
}

/// The checks that neither passed nor are without an object.
fn odd(report: &Report) -> Vec<String> {
    let odd = |check: &&CheckReport| {
        let lack = matches!(check.status, Status::Skipped { why: Skip::Unsupported | Skip::NotAsked, .. });
        check.status != Status::Pass && !lack
    };
    report.checks.iter().filter(odd).map(|check| format!("{} {:?}", check.id, check.status)).collect()
}

fn works(report: &Report) {
    assert!(report.simulated, "what is simulated says so");
    let allowed = |line: &String| line.starts_with("bw.") || line.starts_with("thr.") || line.starts_with("lat.");
    let odd: Vec<String> = odd(report).into_iter().filter(|line| !allowed(line)).collect();
    assert!(odd.is_empty(), "{odd:#?}\n{report}");
    assert!(matches!(report.verdict, Verdict::Pass | Verdict::Warn), "{report}");
}

/// The processes that were started with this mark in their environment and live.
fn living(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let marked = |path: &PathBuf| {
        fs::read(path.join("environ")).is_ok_and(|it| String::from_utf8_lossy(&it).contains(mark))
            && fs::read_to_string(path.join("stat")).is_ok_and(|stat| !stat.contains(") Z"))
    };
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    processes.filter(|path| *path != own && marked(path)).map(|path| path.display().to_string()).collect()
}

/// The threads of the checks in this process.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("nacp-c")).collect()
}

#[test]
fn quick_finds_a_laptop_that_works_and_says_that_it_is_simulated() {
    let report = check(Level::Quick, "rtx3050ti-laptop-wsl2", &[]).run();
    works(&report);
    assert_eq!(report.probe.as_ref().unwrap().devices.len(), 1);
    assert_eq!(report.checks.len(), 12);
    let [certificate] = &report.certificates[..] else { panic!("{report:?}") };
    assert!(certificate.simulated && certificate.differences.is_empty());
}

#[test]
fn standard_repeats_in_another_process_and_on_another_device() {
    let report = check(Level::Standard, "h100x8", &[]);
    let devices: Vec<GpuId> =
        nacp_core::sim::NodeFile::shipped("h100x8").unwrap().gpus.iter().map(|gpu| gpu.uuid.clone()).collect();
    let report = report.devices(devices[..2].iter().cloned()).run();
    works(&report);
    assert_eq!(report.checks.len(), 6 + 2 * 20 + 2);
    let [one, other] = &report.certificates[..] else { panic!("{report}") };
    assert_eq!((one.compared.processes, one.compared.contexts, one.compared.distinct), (2, 2, 1));
    assert_eq!(one.compared.devices, other.compared.devices);
    assert_eq!(one.suite_digest, other.suite_digest);
    assert_eq!(report.certificates.iter().map(|it| it.device.uuid.clone()).collect::<Vec<_>>(), devices[..2]);
}

#[test]
fn full_also_looks_at_a_partition() {
    let report = check(Level::Full, "a100-mig", &[("CUDA_VISIBLE_DEVICES", "0")]).even_if_busy(true).run();
    works(&report);
    let device = &report.probe.as_ref().unwrap().devices[0];
    assert!(device.id.as_str().starts_with("MIG-"), "{report}");
    assert_eq!(at(&report, CheckId::SdcSoak).status, Status::Pass, "{report}");
    let state = at(&report, CheckId::CtxState);
    assert!(format!("{state:?}").contains("MIG"), "{state:?}");
}

#[test]
fn a_driver_that_hangs_is_killed_and_a_fresh_child_goes_on() {
    for (variables, hangs, after) in [
        (("NACP_SIM_CUDA_FAULTS", "cuModuleLoadDataEx#1=hang"), CheckId::ModPtxJit, CheckId::MemAlloc),
        (("NACP_SIM_CUDA_HANG", "kernel nacp_fma"), CheckId::DetBits, CheckId::BwD2h),
        (("NACP_SIM_CUDA_FAULTS", "cuMemGetInfo_v2=hang"), CheckId::MemAlloc, CheckId::DetBits),
    ] {
        let mark = format!("NACP_TEST_HANGS={}-{hangs}", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        let began = Instant::now();
        let report = check(Level::Standard, "rtx3050ti-laptop-wsl2", &[variables, (name, value)]);
        let report = report.limit(Level::Standard.limit()).only([after, hangs]).run();
        let limit = hangs.limit(Level::Standard);
        let Status::Skipped { why: Skip::Deadline, reason } = &at(&report, hangs).status else { panic!("{report}") };
        assert_eq!(*reason, format!("the driver did not come back within {limit:?}; its process was killed"));
        let took = at(&report, hangs).elapsed;
        assert!((limit..limit + Duration::from_secs(20)).contains(&took), "{hangs}: {took:?}");
        assert_eq!(at(&report, after).status, Status::Pass, "{report}");
        assert!(began.elapsed() < Duration::from_secs(60));
        assert_eq!(living(&mark), [""; 0], "{hangs}");
    }
}

#[test]
fn a_driver_that_never_starts_costs_its_limit_and_blocks_the_rest() {
    let hangs = [("NACP_SIM_CUDA_FAULTS", "cuInit=hang")];
    let began = Instant::now();
    let report = check(Level::Quick, "h100x8", &hangs).limit(Level::Quick.limit()).run();
    let took = began.elapsed();
    assert!(took < Level::Quick.limit() + Duration::from_secs(20), "{took:?}");
    assert_eq!(why(&report, CheckId::DrvInit), Some(Skip::Deadline), "{report}");
    assert_eq!(
        at(&report, CheckId::DetBits).status,
        Status::Skipped { why: Skip::Blocked, reason: "drv.init did not end in its time".into() }
    );
    assert_eq!((report.verdict, report.checks.len()), (Verdict::Unknown, 12));
}

#[test]
fn in_a_thread_a_hang_is_left_behind_in_time() {
    // The variables of a process are its own: this test is a child that has them.
    const HERE: &str = "NACP_TEST_CHECK_THREAD";
    if std::env::var_os(HERE).is_none() {
        let mut command = Command::new("timeout");
        command.arg("60").arg(std::env::current_exe().unwrap());
        command.args(["--exact", "in_a_thread_a_hang_is_left_behind_in_time", "--nocapture"]);
        command.env(HERE, library()).env("NACP_SIM_CUDA_HANG", "kernel nacp_fma");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let began = Instant::now();
    let report = Check::new(Level::Standard)
        .library(std::env::var_os(HERE).unwrap())
        .only([CheckId::DetBits, CheckId::DetRepeat])
        .limit(Duration::from_secs(4))
        .run();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(24), "{took:?}");
    assert_eq!(why(&report, CheckId::DetBits), Some(Skip::Deadline), "{report}");
    assert_eq!(
        at(&report, CheckId::DetRepeat).status,
        Status::Skipped {
            why: Skip::Blocked,
            reason: "det.bits never came back; its thread is left behind with the driver".into()
        }
    );
}

#[test]
fn a_driver_that_crashes_fails_its_check_with_the_signal_and_the_others_go_on() {
    let crash = [("NACP_SIM_CUDA_FAULTS", "cuMemGetInfo_v2=crash")];
    let report = check(Level::Quick, "rtx3050ti-laptop-wsl2", &crash).run();
    let Status::Fail { reason } = &at(&report, CheckId::MemAlloc).status else { panic!("{report}") };
    assert!(reason.starts_with("the driver crashed the process: signal=SIGSEGV"), "{reason}");
    assert!(reason.ends_with("; reinstall or update the NVIDIA driver"), "{reason}");
    assert_eq!(at(&report, CheckId::DetBits).status, Status::Pass, "{report}");
    assert_eq!(report.verdict, Verdict::Fail);

    let crash = [("NACP_SIM_CUDA_FAULTS", "cuInit=crash")];
    let report = check(Level::Quick, "rtx3050ti-laptop-wsl2", &crash).run();
    assert!(at(&report, CheckId::DrvInit).status.fails(), "{report}");
    assert_eq!(why(&report, CheckId::DetBits), Some(Skip::Blocked), "{report}");
}

#[test]
fn a_fault_that_stays_ends_its_child_and_a_fresh_one_goes_on_with_the_device() {
    let fault = [("NACP_SIM_CUDA_FAULTS", "cuMemGetInfo_v2=700")];
    let report = check(Level::Quick, "rtx3050ti-laptop-wsl2", &fault).run();
    let Status::Error { fault, .. } = &at(&report, CheckId::MemAlloc).status else { panic!("{report}") };
    assert_eq!(fault.code, 700);
    assert_eq!(at(&report, CheckId::DetBits).status, Status::Pass, "{report}");
}

#[test]
fn one_wrong_bit_fails_its_device_and_no_other() {
    let flip = [("NACP_SIM_CUDA_FLIP", "device=1 kernel=nacp_fma lane=71 step=10 bit=5")];
    let devices: Vec<GpuId> =
        nacp_core::sim::NodeFile::shipped("h100x8").unwrap().gpus.iter().map(|gpu| gpu.uuid.clone()).collect();
    let report =
        check(Level::Quick, "h100x8", &flip).devices(devices[..2].iter().cloned()).only([CheckId::DetBits]).run();
    let bits = |device: usize| &report.find(CheckId::DetBits, Some(&devices[device])).unwrap().status;
    assert_eq!(*bits(0), Status::Pass, "{report}");
    let Status::Fail { reason } = bits(1) else { panic!("{report}") };
    assert!(reason.contains("nacp_fma") && reason.contains("71"), "{reason}");
    assert_eq!(report.verdict, Verdict::Fail);
    assert_eq!(report.error().unwrap().get("device"), Some(devices[1].as_str()));
}

#[test]
fn who_gives_up_kills_the_child_and_all_that_it_started() {
    let mark = format!("NACP_TEST_GIVES_UP={}", std::process::id());
    let (name, value) = mark.split_once('=').unwrap();
    let slow = [("NACP_SIM_CUDA_FAULTS", "cuLaunchKernel#1=sleep:5000"), (name, value)];
    let flag = Arc::new(AtomicBool::new(false));
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let (set, tell, marked) = (Arc::clone(&flag), Arc::clone(&told), mark.clone());
    let report = check(Level::Standard, "rtx3050ti-laptop-wsl2", &slow)
        .only([CheckId::DetRepeat])
        .cancel_with(flag)
        .on_progress(move |progress| {
            if matches!(progress, Progress::Started { id: CheckId::DetRepeat, .. }) {
                let (set, tell, marked) = (Arc::clone(&set), Arc::clone(&tell), marked.clone());
                std::thread::spawn(move || {
                    // Until there is a child of the child, or until it is clear that there will be none.
                    let began = Instant::now();
                    while living(&marked).len() < 2 && began.elapsed() < Duration::from_secs(60) {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    tell.lock().unwrap().extend(living(&marked));
                    set.store(true, Ordering::Relaxed);
                });
            }
        })
        .run();
    assert_eq!(told.lock().unwrap().len(), 2, "the child and its own child were seen\n{report}");
    assert_eq!(why(&report, CheckId::DetRepeat), Some(Skip::Cancelled), "{report}");
    let began = Instant::now();
    // By itself the child's own child would end only when its launch does.
    while !living(&mark).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(2), "{:?} live", living(&mark));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_program_that_runs_no_checks_is_told_from_a_driver_that_fails() {
    let sh = |text: &str| Isolation::Child(Program::new("/bin/sh").arg("-c").arg(text));
    for (isolation, expected) in [
        (
            sh("echo hello; echo $NACP_CHECK $CUDA_DEVICE_ORDER >&2"),
            "the program does not run checks: status=exit status: 0 stderr=\"1 PCI_BUS_ID\" stdout=\"hello\"; call \
             nacp_core::answer() first in main",
        ),
        (
            sh("echo hello; exec sleep 600"),
            "the program does not run checks: it says nothing stdout=\"hello\"; call nacp_core::answer() first in main",
        ),
        (
            sh(r#"echo '{"nacp_check":7,"answer":"here"}'"#),
            "the program does not run checks: the child's answer cannot be read: version 7, not 1; run the same \
             version of NACP; call nacp_core::answer() first in main",
        ),
        (
            Isolation::Child(Program::new("/nowhere/program")),
            "/nowhere/program cannot be started: No such file or directory (os error 2)",
        ),
    ] {
        let report = Check::new(Level::Quick).isolated(isolation).limit(Duration::from_secs(5)).run();
        assert_eq!(
            at(&report, CheckId::LibOpen).status,
            Status::Skipped { why: Skip::Blocked, reason: expected.into() }
        );
        assert!(report.checks.iter().all(|check| matches!(check.status, Status::Skipped { .. })), "{report}");
        assert_eq!(report.verdict, Verdict::Unknown);
    }
}

#[test]
fn without_a_driver_the_answer_is_the_same_in_a_child() {
    let absent = Path::new("/nowhere/libcuda.so.1");
    // The best of a few, for machines with much to do besides.
    let once = || Check::new(Level::Quick).library(absent).run();
    let here = (0..5).map(|_| once()).min_by_key(|report| report.elapsed).unwrap();
    let there = Check::new(Level::Quick).library(absent).isolated(Isolation::Child(program("t4", &[]))).run();
    let text = |report: &Report| report.checks.iter().map(|check| format!("{:?}", check.status)).collect::<Vec<_>>();
    assert_eq!(text(&here), text(&there));
    assert!(here.elapsed < Duration::from_millis(50), "{:?}", here.elapsed);
    assert_eq!(here.verdict, Verdict::Fail);
}

#[test]
fn no_thread_and_no_child_is_left_when_it_is_over() {
    // Other tests have threads and children of their own: this test is a process that has none of them.
    const ALONE: &str = "NACP_TEST_CHECK_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let mut command = Command::new("timeout");
        command.arg("100").arg(std::env::current_exe().unwrap());
        command.args(["--exact", "no_thread_and_no_child_is_left_when_it_is_over", "--nocapture"]);
        let output = command.env(ALONE, "1").env("NACP_SIM_CUDA_DIR", library().parent().unwrap()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let mark = format!("NACP_TEST_LEFT={}", std::process::id());
    let (name, value) = mark.split_once('=').unwrap();
    check(Level::Quick, "rtx3050ti-laptop-wsl2", &[(name, value)]).run();
    let began = Instant::now();
    while !living(&mark).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", living(&mark));
        std::thread::sleep(Duration::from_millis(10));
    }
    while !threads().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", threads());
        std::thread::sleep(Duration::from_millis(10));
    }
}
