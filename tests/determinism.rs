//! Certificates end to end: the suite runs through the simulated driver's library, which executes the PTX.
//!
//! A process reads the environment of the simulated driver once, so that each test lets this program run again with
//! its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nacp_core::cuda::check::{Check, CheckReport, Report, Skip, Status, Verdict};
use nacp_core::cuda::determinism::{
    Agreement, Certificate, Circumstances, Faulty, LanePattern, Reason, Scope, SuiteRun, certify, compare, run,
};
use nacp_core::cuda::kernels::Kernel;
use nacp_core::cuda::{CheckId, Device, Level, Library, Profile, probe_with};
use nacp_core::sim;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tempfile::TempDir;

/// Which of this program's tests is to do its work, in the process with the right environment.
const INSIDE: &str = "NACP_TEST_INSIDE";
/// The file in which the simulated driver reads which bit is to turn over.
const FLIP: &str = "NACP_TEST_FLIP_FILE";

/// The simulated library that `tests/run` has staged, or one staged now.
fn library() -> (PathBuf, Option<TempDir>) {
    if let Some(folder) = std::env::var_os("NACP_SIM_CUDA_DIR") {
        return (Path::new(&folder).join("libcuda.so.1"), None);
    }
    let folder = TempDir::new().unwrap();
    let stage = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim-cuda/stage");
    let output = Command::new(stage).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (folder.path().join("libcuda.so.1"), Some(folder))
}

/// Whether this is the process in which the test does its work; runs it in one if not.
fn inside(test: &str, node: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return true;
    }
    let (library, _staged) = library();
    let folder = TempDir::new().unwrap();
    let flip = folder.path().join("flip");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .env("NACP_SIM_NODE", node)
        .env("NACP_TEST_LIBRARY", library)
        .env(FLIP, &flip)
        .env("NACP_SIM_CUDA_FLIP", format!("@{}", flip.display()))
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "the test was not found: {text}");
    false
}

fn driver() -> Library {
    Library::open_at(Path::new(&std::env::var_os("NACP_TEST_LIBRARY").unwrap())).unwrap()
}

/// Lets this bit turn over in every kernel that begins from now on; none where the text is empty.
fn flip(text: &str) {
    fs::write(std::env::var_os(FLIP).unwrap(), text).unwrap();
}

fn place() -> Circumstances {
    Circumstances::at("2026-11-24T09:00:00Z".parse().unwrap()).environment(std::env::vars())
}

fn certified(driver: &Library, device: &Device) -> Certificate {
    certify(driver, device, Profile::Tiny, &place()).unwrap()
}

#[test]
fn a_healthy_device_is_verified_and_equal_to_one_of_another_architecture() {
    if !inside("a_healthy_device_is_verified_and_equal_to_one_of_another_architecture", "t4", &[]) {
        return;
    }
    let driver = driver();
    let probe = probe_with(&driver).unwrap();
    let certificate = certified(&driver, &probe.devices[0]);
    assert_eq!(certificate.scope, Some(Scope::CpuVerified), "{certificate}");
    assert!(certificate.simulated && certificate.driver.library_sha256.is_some());
    assert_eq!((certificate.compared.runs, certificate.compared.streams, certificate.compared.contexts), (12, 2, 2));
    let verification = certificate.verify();
    assert!(verification.is_verified(), "{verification}");
    let text = certificate.canonical().unwrap();
    assert_eq!(compare(&certificate, &Certificate::parse(&text).unwrap()).agreement, Agreement::SameBits);
}

#[test]
fn the_faulty_one_of_two_equal_devices_is_found_and_named() {
    if !inside("the_faulty_one_of_two_equal_devices_is_found_and_named", "h100x8", &[]) {
        return;
    }
    let driver = driver();
    let probe = probe_with(&driver).unwrap();
    flip("device=1 kernel=nacp_fma lane=71 step=100 bit=5");
    let certificates = [certified(&driver, &probe.devices[0]), certified(&driver, &probe.devices[1])];
    assert_eq!(certificates[0].scope, Some(Scope::CpuVerified));
    assert_eq!(certificates[1].scope, Some(Scope::RunToRun), "it is wrong in the same way each time");
    let difference = &certificates[1].differences[0];
    assert_eq!((difference.kernel.as_str(), difference.lane, difference.words), ("nacp_fma", 71, 1));
    assert_eq!(difference.pattern, LanePattern::Single);
    assert!(difference.multiprocessor.is_some());
    let comparison = compare(&certificates[0], &certificates[1]);
    assert_eq!(comparison.agreement, Agreement::Broken, "{comparison}");
    assert_eq!(comparison.reasons[0], Reason::Bits { kernel: "nacp_fma".into(), faulty: Faulty::Second });
    assert!(certificates[1].verify().is_verified(), "it says itself what is wrong");
}

/// One place where a bit may turn over.
#[derive(Clone, Debug)]
struct Position {
    device: usize,
    kernel: Kernel,
    thread: u64,
    step: u64,
    bit: u32,
}

fn positions(devices: usize) -> impl Strategy<Value = Position> {
    // Each kernel of the suite with the number of its threads in the least profile.
    let tiny = Profile::Tiny;
    let (lanes, trees) = (u64::from(tiny.lanes()), 256);
    let kernels = vec![
        (Kernel::Hash, lanes),
        (Kernel::Fma, lanes),
        (Kernel::Ieee, lanes),
        (Kernel::Reduce, trees * u64::from(tiny.chunks())),
        (Kernel::Rows, trees * u64::from(tiny.rows())),
        (Kernel::Mma, 32 * u64::from(tiny.warps())),
    ];
    (0..devices, prop::sample::select(kernels), any::<u64>(), any::<u64>(), any::<u32>()).prop_map(
        |(device, (kernel, threads), thread, step, bit)| Position {
            device,
            kernel,
            thread: thread % threads,
            step,
            bit,
        },
    )
}

/// Whether what was found names the place where the bit turned over.
fn names(run: &SuiteRun, at: &Position) -> bool {
    let [difference] = &run.differences[..] else { return false };
    let place = match at.kernel {
        // A lane of its own.
        Kernel::Hash | Kernel::Fma | Kernel::Ieee => difference.lane == at.thread,
        // A block that sums one chunk or one row.
        Kernel::Reduce | Kernel::Rows => difference.lane == at.thread / 256,
        // A warp, whose lanes share a product.
        _ => difference.lane / 32 == at.thread / 32,
    };
    difference.kernel == at.kernel.symbol() && place && difference.multiprocessor.is_some()
}

#[test]
fn one_wrong_bit_on_one_of_several_devices_is_caught_and_named_wherever_it_is() {
    let test = "one_wrong_bit_on_one_of_several_devices_is_caught_and_named_wherever_it_is";
    if !inside(test, "h100x8", &[("CUDA_VISIBLE_DEVICES", "0,1,2")]) {
        return;
    }
    let driver = driver();
    let devices = probe_with(&driver).unwrap().devices;
    assert_eq!(devices.len(), 3);
    let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let healthy: Vec<SuiteRun> = devices.iter().map(|device| run(&driver, device, Profile::Tiny).unwrap()).collect();
    assert!(healthy.iter().all(|run| run.differences.is_empty()));
    let outcome = runner.run(&positions(devices.len()), |at| {
        let Position { device, kernel, thread, step, bit } = &at;
        flip(&format!("device={device} kernel={} lane={thread} step={step} bit={bit}", kernel.symbol()));
        let run = run(&driver, &devices[*device], Profile::Tiny).unwrap();
        prop_assert!(names(&run, &at), "{:?}", run.differences);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // The others were well all the time.
    flip("device=1 kernel=nacp_hash lane=0 step=0 bit=0");
    for (number, device) in devices.iter().enumerate() {
        let wrong = !run(&driver, device, Profile::Tiny).unwrap().differences.is_empty();
        assert_eq!(wrong, number == 1, "device {number}");
    }
}

#[test]
fn one_wrong_word_of_a_driver_in_this_process_is_caught_and_named_wherever_it_is() {
    let tiny = Profile::Tiny;
    let kernels = vec![
        (Kernel::Hash, tiny.lanes()),
        (Kernel::Fma, tiny.lanes()),
        (Kernel::Ieee, tiny.lanes()),
        (Kernel::Reduce, 2 * tiny.chunks()),
        (Kernel::Rows, 2 * tiny.rows()),
        (Kernel::Mma, 32 * tiny.warps()),
    ];
    let places = (0..8_u32, prop::sample::select(kernels), any::<u32>(), 0..32_u32);
    // The simulated library is hit in a thousand places, above.
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&places, |(device, (kernel, words), word, bit)| {
        let word = word % words;
        let driver = sim::Cuda::named("h100x8").unwrap().flipping(device, kernel, word, bit);
        let devices = probe_with(&driver).unwrap().devices;
        let wrong = run(&driver, &devices[device as usize], tiny).unwrap().differences;
        // The CPU computes it all: the others are looked at now and then.
        if bit == 0 {
            let healthy = run(&driver, &devices[(device as usize + 1) % 8], tiny).unwrap().differences;
            prop_assert!(healthy.is_empty(), "{healthy:?}");
        }
        let lane = if matches!(kernel, Kernel::Reduce | Kernel::Rows) { word / 2 } else { word };
        let [difference] = &wrong[..] else { return Err(TestCaseError::fail(format!("{wrong:?}"))) };
        prop_assert_eq!((difference.kernel.as_str(), difference.lane), (kernel.symbol(), u64::from(lane)));
        prop_assert_eq!((&difference.mask, difference.words), (&format!("{:#010x}", 1_u32 << bit), 1));
        prop_assert!(difference.multiprocessor.is_some());
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// The checks of determinism as a caller gets them, on the driver's own library.
fn checked(level: Level, checks: &[CheckId]) -> Report {
    let check = Check::new(level).library(std::env::var_os("NACP_TEST_LIBRARY").unwrap());
    check.only(checks.iter().copied()).limit(Duration::from_secs(60)).run()
}

fn of(report: &Report, id: CheckId, device: usize) -> &CheckReport {
    let id_of = &report.probe.as_ref().unwrap().devices[device].id;
    report.checks.iter().find(|it| it.id == id && it.device.as_ref() == Some(id_of)).unwrap()
}

fn metric(report: &CheckReport, name: &str) -> f64 {
    report.metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name}: {report:?}")).value
}

const CHECKS: [CheckId; 7] = [
    CheckId::DetBits,
    CheckId::DetRepeat,
    CheckId::DetShape,
    CheckId::DetAtomics,
    CheckId::DetTensor,
    CheckId::CtxConcurrent,
    CheckId::SdcSoak,
];

#[test]
fn a_healthy_device_passes_every_check_of_its_bits_and_gets_its_certificate() {
    let test = "a_healthy_device_passes_every_check_of_its_bits_and_gets_its_certificate";
    if !inside(test, "h100x8", &[("CUDA_VISIBLE_DEVICES", "0,1")]) {
        return;
    }
    let report = checked(Level::Full, &CHECKS);
    for device in [0, 1] {
        for id in CHECKS {
            assert_eq!(of(&report, id, device).status, Status::Pass, "{id}: {report}");
        }
        // 2 rounds x 2 contexts x 2 streams x 3 shapes.
        assert_eq!(metric(of(&report, CheckId::DetRepeat, device), "runs"), 24.0);
        assert_eq!(metric(of(&report, CheckId::DetAtomics, device), "distinct_sums"), 1.0);
        assert_eq!(metric(of(&report, CheckId::DetTensor, device), "multiprocessors_seen"), 132.0);
        assert_eq!(metric(of(&report, CheckId::SdcSoak, device), "mismatches"), 0.0);
        assert!(metric(of(&report, CheckId::SdcSoak, device), "rounds") >= 2.0);
    }
    let lesson = &of(&report, CheckId::DetAtomics, 0).evidence;
    assert!(lesson.iter().any(|it| it.what == "lesson" && it.value.contains("which proves nothing")), "{lesson:?}");
    let [first, second] = &report.certificates[..] else { panic!("{:?}", report.certificates) };
    for certificate in [first, second] {
        assert_eq!(certificate.scope, Some(Scope::CpuVerified));
        assert_eq!((certificate.compared.runs, certificate.compared.devices.len()), (25, 2));
        assert!(certificate.verify().is_verified(), "{}", certificate.verify());
    }
    let comparison = compare(first, second);
    assert_eq!(comparison.agreement, Agreement::SameBits);
    assert_eq!(comparison.reasons.len(), 1, "only the UUID differs: {comparison}");
}

#[test]
fn each_check_of_its_bits_finds_the_device_that_is_wrong_and_leaves_the_other_alone() {
    let test = "each_check_of_its_bits_finds_the_device_that_is_wrong_and_leaves_the_other_alone";
    if !inside(test, "h100x8", &[("CUDA_VISIBLE_DEVICES", "0,1")]) {
        return;
    }
    for (id, kernel) in [
        (CheckId::DetBits, "nacp_ieee"),
        (CheckId::DetRepeat, "nacp_hash"),
        (CheckId::DetShape, "nacp_rows"),
        (CheckId::DetTensor, "nacp_mma"),
        (CheckId::CtxConcurrent, "nacp_reduce"),
        (CheckId::SdcSoak, "nacp_fma_rate"),
        (CheckId::SdcSoak, "nacp_fma"),
    ] {
        flip(&format!("device=1 kernel={kernel} lane=3 step=20 bit=5"));
        let report = checked(Level::Full, &[id]);
        assert_eq!(of(&report, id, 0).status, Status::Pass, "{id}: {report}");
        let wrong = of(&report, id, 1);
        let Status::Fail { reason } = &wrong.status else { panic!("{id}: {wrong:?}") };
        assert!(reason.starts_with(&format!("the device computes wrongly: {kernel}: lane ")), "{id}: {reason}");
        assert!(reason.contains("take the device out of service"), "{id}: {reason}");
        assert_eq!(report.verdict, Verdict::Fail);
        if matches!(id, CheckId::DetBits | CheckId::DetRepeat) {
            assert_eq!(report.certificates[0].scope, Some(Scope::CpuVerified));
            assert_eq!(report.certificates[1].differences[0].kernel, kernel);
            assert!(report.certificates[1].scope < Some(Scope::GpuToGpu));
        }
    }
}

#[test]
fn a_device_without_tensor_units_is_checked_without_them() {
    if !inside("a_device_without_tensor_units_is_checked_without_them", "old-driver-470", &[]) {
        return;
    }
    let report = checked(Level::Standard, &[CheckId::DetBits, CheckId::DetTensor]);
    let skipped = &of(&report, CheckId::DetTensor, 0).status;
    assert!(matches!(skipped, Status::Skipped { why: Skip::Unsupported, .. }), "{skipped:?}");
    assert_eq!(of(&report, CheckId::DetBits, 0).status, Status::Pass);
    assert_eq!(report.certificates[0].results.len(), 5);
    assert!(report.certificates[0].verify().is_verified());
}
