//! Certificates end to end: the suite runs through the simulated driver's library, which executes the PTX.
//!
//! A process reads the environment of the simulated driver once, so that each test lets this program run again with
//! its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nacp_core::cuda::determinism::{
    Agreement, Certificate, Circumstances, Faulty, LanePattern, Reason, Scope, SuiteRun, certify, compare, run,
};
use nacp_core::cuda::kernels::Kernel;
use nacp_core::cuda::{Device, Library, Profile, probe_with};
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
