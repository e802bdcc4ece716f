//! The CUDA probe against real library files: the loader is the real one, the driver a simulated one or a stub.
//!
//! The library is chosen by the environment, which a process reads once: each case is a child process.
#![cfg(all(feature = "cuda", feature = "sim", target_os = "linux"))]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use nacp_core::cuda::{self, Execute, Level, Library, Preflight, Probe, Version};
use nacp_core::sim::NodeFile;
use nacp_core::{Bytes, ErrorKind};
use tempfile::TempDir;

const CHILD: &str = "NACP_TEST_CUDA_CHILD";

/// What a child process found: the probe, or the error's kind and text.
#[derive(Debug)]
enum Outcome {
    Found(Probe),
    Refused { kind: String, text: String },
}

impl Outcome {
    #[track_caller]
    fn found(self) -> Probe {
        match self {
            Self::Found(probe) => probe,
            Self::Refused { text, .. } => panic!("the probe failed: {text}"),
        }
    }

    #[track_caller]
    fn refused(self) -> (String, String) {
        match self {
            Self::Refused { kind, text } => (kind, text),
            Self::Found(probe) => panic!("the probe succeeded: {probe}"),
        }
    }
}

/// Runs `cuda::probe` in a child process whose loader looks in `folder` first.
fn probe_in(folder: &Path, environment: &[(&str, &str)]) -> Outcome {
    let stdout = run_in(folder, environment, "this_machine_gives_an_answer_or_a_reason");
    let line = |mark: &str| stdout.lines().find_map(|line| line.strip_prefix(mark).map(str::to_owned));
    if let Some(json) = line("FOUND ") {
        return Outcome::Found(serde_json::from_str(&json).unwrap());
    }
    let text = line("REFUSED ").unwrap_or_else(|| panic!("the child said nothing:\n{stdout}"));
    let (kind, text) = text.split_once(' ').unwrap();
    Outcome::Refused { kind: kind.into(), text: text.into() }
}

/// What a child process prints that runs one test of this file, with a loader that looks in these folders first.
fn run_in(folders: impl AsRef<OsStr>, environment: &[(&str, &str)], case: &str) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", case, "--nocapture", "--test-threads=1"]);
    for (name, _) in std::env::vars_os() {
        // What this machine says of its own devices, and what a simulated one is told.
        if ["CUDA_", "NVIDIA_", "NACP_SIM_"].iter().any(|own| name.to_string_lossy().starts_with(own)) {
            child.env_remove(name);
        }
    }
    child.env(CHILD, "1").env("LD_LIBRARY_PATH", folders).envs(environment.iter().copied());
    let output = child.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !stderr.contains("panicked"), "{stdout}\n{stderr}");
    stdout.into_owned()
}

/// From here on this process ends at a panic, also at one that would be caught, as one that is built with
/// `panic = "abort"`.
fn die_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("panicked, and that is the end: {panic}");
        std::process::abort();
    }));
}

/// The machine's own driver, whatever it is; the other tests run this one as their child, with another driver.
#[test]
fn this_machine_gives_an_answer_or_a_reason() {
    if std::env::var_os(CHILD).is_some() {
        die_of_panics();
    }
    let begun = Instant::now();
    let outcome = cuda::probe();
    let took = begun.elapsed();
    match &outcome {
        Ok(probe) => assert!(!(probe.devices.is_empty() && probe.silent.is_empty()) || probe.no_device.is_some()),
        Err(error) => assert!(error.get("cause").is_some() && error.get("library").is_some(), "{error}"),
    }
    if std::env::var_os(CHILD).is_some() {
        println!("\nTOOK {}", took.as_micros());
        match outcome {
            Ok(probe) => println!("\nFOUND {}", serde_json::to_string(&probe).unwrap()),
            Err(error) => println!("\nREFUSED {} {error}", error.kind()),
        }
    }
}

/// A folder of its own with the simulated driver: a copy of what `tests/run` has staged, or one staged now by the script
/// that users of it run.
fn staged() -> TempDir {
    let folder = TempDir::new().unwrap();
    if let Some(shared) = std::env::var_os("NACP_SIM_CUDA_DIR") {
        fs::copy(Path::new(&shared).join("libcuda.so.1"), folder.path().join("libcuda.so.1")).unwrap();
        return folder;
    }
    let stage = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sim-cuda/stage");
    let output = Command::new(stage).arg(folder.path()).env_remove("LD_LIBRARY_PATH").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// A folder with a `libcuda.so.1` made from C.
fn compiled(source: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let (input, output) = (folder.path().join("stub.c"), folder.path().join("libcuda.so.1"));
    fs::write(&input, source).unwrap();
    cc(&["-shared".as_ref(), "-fPIC".as_ref(), "-o".as_ref(), output.as_os_str(), input.as_os_str()]);
    folder
}

fn cc(arguments: &[&OsStr]) {
    let output = Command::new("cc").args(arguments).output().expect("these tests need a C compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Whether the loader finds a driver of this machine's own, wherever it lies.
fn has_driver() -> bool {
    ["libcuda.so.1", "libcuda.so"].into_iter().any(|name| {
        // SAFETY: a driver's library does nothing when it is loaded but set itself up, and it is never unloaded.
        unsafe { libloading::Library::new(name) }.map(std::mem::forget).is_ok()
    })
}

/// A message without its number of names, which is that of cudarc's list.
fn without_number(text: &str) -> String {
    let (before, after) = text.split_once("tried=").unwrap_or_else(|| panic!("{text}"));
    let (number, after) = after.split_at(after.find(|it: char| !it.is_ascii_digit()).unwrap_or(after.len()));
    assert!(number.parse::<u32>().unwrap() > 1, "{text}");
    format!("{before}tried=N{after}")
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap()
}

#[test]
fn a_healthy_driver_tells_the_nodes_devices() {
    let folder = staged();
    for name in ["rtx3050ti-laptop-wsl2", "h100x8"] {
        let node = NodeFile::shipped(name).unwrap();
        let probe = probe_in(folder.path(), &[("NACP_SIM_NODE", name)]).found();
        assert_eq!(probe.library.path, real(&folder.path().join("libcuda.so.1")));
        assert!(probe.library.simulated, "what is simulated says so");
        assert_eq!(probe.driver_version, node.cuda.parse::<Version>().unwrap());
        assert_eq!((probe.devices.len(), probe.silent.len(), &probe.no_device), (node.gpus.len(), 0, &None));
        for (device, gpu) in probe.devices.iter().zip(&node.gpus) {
            assert_eq!((&device.id, &device.name, &device.pci), (&gpu.uuid, &gpu.name, &gpu.pci));
            assert_eq!((device.compute, device.multiprocessors), (gpu.compute, gpu.multiprocessors));
            assert_eq!(device.memory, gpu.memory.total.saturating_sub(gpu.memory.reserved));
        }
    }
    let default = probe_in(folder.path(), &[]).found();
    assert_eq!(
        default.to_string(),
        format!(
            "CUDA 13.1 from {} (simulated)\n  0: NVIDIA GeForce RTX 3050 Ti Laptop GPU \
             GPU-3050a701-0000-4000-8000-000000000001, compute capability 8.6, 3.90 GiB, 20 multiprocessors",
            real(&folder.path().join("libcuda.so.1")).display()
        )
    );
}

#[test]
fn a_users_own_node_file_is_a_driver_too() {
    let folder = staged();
    let mut node = NodeFile::shipped("h100x8").unwrap();
    node.gpus.truncate(3);
    node.gpus[2].memory.total = Bytes::gib(7);
    node.gpus[2].memory.reserved = Bytes::ZERO;
    node.cuda = "12.8".into();
    let file = folder.path().join("mine.json");
    fs::write(&file, serde_json::to_string(&node).unwrap()).unwrap();
    let probe = probe_in(folder.path(), &[("NACP_SIM_NODE", file.to_str().unwrap())]).found();
    assert_eq!((probe.devices.len(), probe.devices[2].memory), (3, Bytes::gib(7)));
    assert_eq!(probe.driver_version, Version { major: 12, minor: 8 });
}

#[test]
fn no_driver_says_how_many_names_were_tried() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("libcuda.so.1");
    let error = cuda::probe_at(&missing).unwrap_err();
    assert_eq!((error.kind(), error.get("tried")), (ErrorKind::DriverUnavailable, Some("1")));
    if has_driver() {
        return; // The walk would find the machine's own driver.
    }
    let (kind, text) = probe_in(folder.path(), &[]).refused();
    assert_eq!(kind, "DriverUnavailable");
    assert_eq!(
        without_number(&text),
        "no CUDA driver library on this machine: cause=absent library=libcuda.so.1 tried=N; install the NVIDIA driver \
         (under WSL2: the Windows driver only; in a container: ask for a GPU)"
    );
}

#[test]
fn a_machine_without_a_driver_is_answered_within_50_milliseconds() {
    let folder = TempDir::new().unwrap();
    let took = || {
        let told = run_in(folder.path(), &[], "this_machine_gives_an_answer_or_a_reason");
        let line = told.lines().find_map(|line| line.strip_prefix("TOOK ")).unwrap();
        line.parse::<u64>().unwrap()
    };
    if (0..5).any(|_| took() < 50_000) || has_driver() {
        return;
    }
    panic!("five processes took longer");
}

/// In a child: the quick checks, with whatever the loader finds.
#[test]
fn the_quick_checks_give_a_verdict() {
    if std::env::var_os(CHILD).is_none() {
        return; // The test below runs this one as its child.
    }
    die_of_panics();
    let begun = Instant::now();
    let report = cuda::check(Level::Quick);
    let took = begun.elapsed();
    let open = &report.checks[0];
    let fails = if open.status.fails() { "fail" } else { "go on" };
    println!("\nTOOK {} {} {} {fails}", took.as_micros(), report.verdict, open.id);
}

#[test]
fn the_quick_checks_fail_within_50_milliseconds_where_there_is_no_driver() {
    if has_driver() {
        println!("SKIP: this machine has a driver");
        return;
    }
    let folder = TempDir::new().unwrap();
    let took = || {
        let told = run_in(folder.path(), &[], "the_quick_checks_give_a_verdict");
        let line = told.lines().find_map(|line| line.strip_prefix("TOOK ")).unwrap();
        let (took, found) = line.split_once(' ').unwrap();
        assert_eq!(found, "fail lib.open fail");
        took.parse::<u64>().unwrap()
    };
    // The best of a few, for machines with much to do besides.
    let best = (0..5).map(|_| took()).min().unwrap();
    assert!(best < 50_000, "{best} us");
}

#[test]
fn a_container_that_may_only_watch_its_gpus_is_told_from_a_machine_without_a_driver() {
    if has_driver() {
        return; // The walk would find the machine's own driver.
    }
    let folder = TempDir::new().unwrap();
    let management = folder.path().join("libnvidia-ml.so.1");
    fs::write(&management, "").unwrap();
    for (environment, set) in [(&[("NVIDIA_DRIVER_CAPABILITIES", "utility")][..], "utility"), (&[], "not set")] {
        let (kind, text) = probe_in(folder.path(), environment).refused();
        assert_eq!(kind, "DriverUnavailable");
        assert_eq!(
            without_number(&text),
            format!(
                "the NVIDIA driver's CUDA library is not here, its others are: cause=compute capability missing \
                 library=libcuda.so.1 tried=N management={} NVIDIA_DRIVER_CAPABILITIES={set}; give the container \
                 NVIDIA_DRIVER_CAPABILITIES=compute,utility; outside one, install libcuda of the driver",
                management.display()
            )
        );
    }
}

/// In a child: lets cudarc in, or says why not.
#[test]
fn cudarc_is_let_in_behind_a_preflight() {
    if std::env::var_os(CHILD).is_none() {
        return; // Only with a driver that a test has chosen: the tests below run this one as their child.
    }
    die_of_panics();
    let preflight = Preflight::new();
    let contexts = preflight.and_then(|preflight| {
        let last = u32::try_from(preflight.probe().devices.len()).unwrap() - 1;
        let beyond = preflight.cudarc(last + 1).unwrap_err();
        assert_eq!((beyond.kind(), beyond.get("code")), (ErrorKind::NotFound, Some("101")));
        let contexts = (preflight.cudarc(0)?, preflight.cudarc(last)?, last);
        assert_eq!(Library::open().unwrap().pop_current(), Err(201), "nothing was left behind in this thread");
        Ok(contexts)
    });
    match contexts {
        Ok((first, other, last)) => {
            assert_eq!((first.ordinal(), other.ordinal()), (0, last as usize));
            first.synchronize().unwrap();
            println!("\nLET IN {}", first.name().unwrap());
        }
        Err(error) => println!("\nKEPT OUT {error}"),
    }
}

fn preflight_in(folders: impl AsRef<OsStr>, environment: &[(&str, &str)]) -> String {
    let told = run_in(folders, environment, "cudarc_is_let_in_behind_a_preflight");
    let line = |line: &str| line.starts_with("LET IN ") || line.starts_with("KEPT OUT ");
    told.lines().find(|it| line(it)).unwrap_or_else(|| panic!("the child said nothing:\n{told}")).to_owned()
}

#[test]
fn a_healthy_driver_lets_cudarc_in_and_an_unfit_one_keeps_it_out() {
    let folder = staged();
    let place = real(&folder.path().join("libcuda.so.1"));
    let place = place.display();
    let told = |environment: &[(&str, &str)]| preflight_in(folder.path(), environment);
    assert_eq!(told(&[("NACP_SIM_NODE", "h100x8")]), "LET IN NVIDIA H100 80GB HBM3");
    assert_eq!(
        told(&[("NACP_SIM_CUDA_VERSION", "11080")]),
        format!(
            "KEPT OUT the CUDA driver is too old for cudarc: cause=too old library={place} (simulated) cuda=11.8 \
             least=12.0; install an NVIDIA driver of branch 525 or newer"
        )
    );
    assert_eq!(
        told(&[("NACP_SIM_CUDA_FAULTS", "cuDevicePrimaryCtxRetain=46")]),
        format!(
            "KEPT OUT the GPU is busy or held back: cause=busy call=cuDevicePrimaryCtxRetain code=46 library={place} \
             (simulated) ordinal=0; see with `nvidia-smi` whether another process holds it in exclusive mode"
        )
    );
    let unknown = told(&[("NACP_SIM_CUDA_FAULTS", "cuDevicePrimaryCtxRetain=9999")]);
    assert!(unknown.contains("KEPT OUT") && unknown.contains("code=9999"), "{unknown}");
}

/// Printing an error would look these functions up, and die.
#[test]
fn a_driver_without_a_function_that_cudarc_calls_keeps_it_out() {
    let folder = TempDir::new().unwrap();
    let stage = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sim-cuda/stage");
    let mut command = Command::new(stage);
    command.arg(folder.path()).args(["--without", "cuGetErrorString", "cuGraphLaunch"]).env_remove("LD_LIBRARY_PATH");
    assert!(command.status().unwrap().success());
    assert_eq!(
        preflight_in(folder.path(), &[]),
        format!(
            "KEPT OUT the CUDA driver library lacks functions that cudarc calls: cause=symbol missing library={} \
             (simulated) symbols=cuGetErrorString; install the NVIDIA driver",
            real(&folder.path().join("libcuda.so.1")).display()
        )
    );
}

/// cudarc asks for `libcuda.so` first, NACP for the driver's own name.
#[test]
fn a_file_that_only_cudarc_would_open_keeps_it_out() {
    let (folder, other) = (staged(), TempDir::new().unwrap());
    let good = real(&folder.path().join("libcuda.so.1"));
    let stubs = other.path().join("stubs");
    fs::create_dir(&stubs).unwrap();
    for (place, cause, text) in [
        (stubs.as_path(), "stub", "cudarc would open a CUDA toolkit's stub in place of the driver"),
        (other.path(), "other file", "cudarc would open another CUDA driver library than NACP"),
    ] {
        let file = place.join("libcuda.so");
        fs::copy(&good, &file).unwrap();
        let folders = std::env::join_paths([folder.path(), place]).unwrap();
        let told = preflight_in(folders, &[]);
        let expected = format!(
            "KEPT OUT {text}: cause={cause} library={} (simulated) cudarc={}",
            good.display(),
            real(&file).display()
        );
        assert!(told.starts_with(&expected), "{told}\n{expected}");
    }
}

#[test]
fn a_truncated_file_is_broken_and_not_absent() {
    let folder = staged();
    let file = folder.path().join("libcuda.so.1");
    let whole = fs::read(&file).unwrap();
    for length in [17, 0] {
        fs::write(&file, &whole[..length]).unwrap();
        let (kind, text) = probe_in(folder.path(), &[]).refused();
        assert_eq!(kind, "DriverUnavailable");
        assert_eq!(
            text,
            format!(
                "the CUDA driver library cannot be loaded: cause=broken library=libcuda.so.1 loader={}: file too \
                 short; reinstall the NVIDIA driver, or remove that file from the library path",
                file.display()
            )
        );
    }
    fs::write(&file, vec![b'x'; 4096]).unwrap();
    let (_, text) = probe_in(folder.path(), &[]).refused();
    assert!(text.contains("cause=broken") && text.contains("invalid ELF header"), "{text}");
}

#[test]
fn a_broken_file_before_a_good_one_is_passed_over_and_told() {
    let folder = staged();
    let good = folder.path().join("libcuda.so.1");
    fs::rename(&good, folder.path().join("libcuda.so")).unwrap();
    fs::write(&good, "not a library").unwrap();
    let probe = probe_in(folder.path(), &[]).found();
    assert_eq!(probe.library.path, real(&folder.path().join("libcuda.so")));
    assert_eq!(probe.library.passed_over.len(), 1);
    assert!(probe.library.passed_over[0].ends_with("file too short"), "{:?}", probe.library.passed_over);
}

#[test]
fn a_library_whose_own_libraries_are_missing_is_broken() {
    let folder = compiled("int missing_one(void) { return 0; }\n");
    let dependency = folder.path().join("libdependency.so");
    fs::rename(folder.path().join("libcuda.so.1"), &dependency).unwrap();
    let (input, output) = (folder.path().join("cuda.c"), folder.path().join("libcuda.so.1"));
    fs::write(&input, "int missing_one(void); int cuInit(unsigned f) { return (int)f + missing_one(); }\n").unwrap();
    let search = format!("-L{}", folder.path().display());
    let (search, library) = (search.as_ref(), "-ldependency".as_ref());
    let (output, input) = (output.as_os_str(), input.as_os_str());
    cc(&["-shared".as_ref(), "-fPIC".as_ref(), "-o".as_ref(), output, input, search, library]);
    fs::remove_file(dependency).unwrap();
    let (_, text) = probe_in(folder.path(), &[]).refused();
    assert!(text.contains("cause=broken") && text.contains("loader=libdependency.so: "), "{text}");
}

#[test]
fn a_stub_with_one_function_names_those_that_it_lacks() {
    let folder = compiled("int cuInit(unsigned flags) { (void)flags; return 34; }\n");
    let (kind, text) = probe_in(folder.path(), &[]).refused();
    assert_eq!(kind, "DriverUnavailable");
    assert_eq!(
        text,
        format!(
            "the CUDA driver library lacks functions: cause=symbol missing library={} \
             symbols=cuDriverGetVersion,cuDeviceGetCount,cuDeviceGet,cuDeviceGetName,cuDeviceGetUuid,\
             cuDeviceTotalMem_v2,cuDeviceGetAttribute,cuDeviceGetPCIBusId; it is a stub, or a driver older than CUDA \
             11; install the NVIDIA driver",
            real(&folder.path().join("libcuda.so.1")).display()
        )
    );
}

#[test]
fn a_toolkits_stub_folder_is_told_by_its_path() {
    let folder = staged();
    let stubs = folder.path().join("stubs");
    fs::create_dir(&stubs).unwrap();
    fs::rename(folder.path().join("libcuda.so.1"), stubs.join("libcuda.so.1")).unwrap();
    let (_, text) = probe_in(&stubs, &[("NACP_SIM_CUDA_FAULTS", "cuInit=34")]).refused();
    assert!(text.contains("stubs/libcuda.so.1 (simulated, a toolkit's stub) name=CUDA_ERROR_STUB_LIBRARY"), "{text}");
}

/// What a user reads when the driver does not start, for each number that has a meaning and one that has none.
#[test]
fn a_driver_that_does_not_start_says_why() {
    let folder = staged();
    let place = real(&folder.path().join("libcuda.so.1"));
    let place = place.display();
    for (code, expected) in [
        (
            221,
            format!(
                "the driver's compiler for PTX is not installed: cause=jit compiler missing call=cuInit code=221 \
                 library={place} (simulated) name=CUDA_ERROR_JIT_COMPILER_NOT_FOUND; install \
                 libnvidia-ptxjitcompiler of the same driver version"
            ),
        ),
        (
            34,
            format!(
                "a CUDA toolkit's stub was loaded in place of the driver: cause=stub call=cuInit code=34 \
                 library={place} (simulated) name=CUDA_ERROR_STUB_LIBRARY; remove the folder `stubs` from \
                 LD_LIBRARY_PATH"
            ),
        ),
        (
            802,
            format!(
                "the NVSwitch fabric is not ready: cause=fabric manager call=cuInit code=802 library={place} \
                 (simulated) name=CUDA_ERROR_SYSTEM_NOT_READY; start `nvidia-fabricmanager` of the driver's version \
                 and wait for it"
            ),
        ),
        (
            803,
            format!(
                "the CUDA library and the kernel's NVIDIA driver do not fit together: cause=mismatch call=cuInit \
                 code=803 library={place} (simulated) name=CUDA_ERROR_SYSTEM_DRIVER_MISMATCH; restart the machine to \
                 finish a driver update, or remove an old cuda-compat package"
            ),
        ),
        (
            804,
            format!(
                "the cuda-compat package does not serve this GPU: cause=forward compat call=cuInit code=804 \
                 library={place} (simulated) name=CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE; remove the cuda-compat \
                 package from the image, or update the driver"
            ),
        ),
        (
            9999,
            format!(
                "the CUDA driver answered with an unknown code: cause=unknown code call=cuInit code=9999 \
                 library={place} (simulated)"
            ),
        ),
    ] {
        let (kind, text) = probe_in(folder.path(), &[("NACP_SIM_CUDA_FAULTS", &format!("cuInit={code}"))]).refused();
        assert_eq!((kind.as_str(), text), ("DriverUnavailable", expected));
    }
}

#[test]
fn a_driver_without_a_device_is_an_empty_answer_with_its_reason() {
    let folder = staged();
    let probe = probe_in(folder.path(), &[("NACP_SIM_CUDA_FAULTS", "cuInit=100")]).found();
    assert!(probe.devices.is_empty());
    assert_eq!(probe.driver_version, Version { major: 13, minor: 1 });
    assert_eq!(
        probe.no_device.unwrap(),
        format!(
            "the CUDA driver sees no GPU: cause=no device call=cuInit code=100 library={} (simulated) \
             name=CUDA_ERROR_NO_DEVICE; check `nvidia-smi -L`, CUDA_VISIBLE_DEVICES, and that the container was given \
             a GPU",
            real(&folder.path().join("libcuda.so.1")).display()
        )
    );
}

#[test]
fn a_failing_count_is_an_error_and_a_failing_question_silences_each_device() {
    let folder = staged();
    let (_, text) = probe_in(folder.path(), &[("NACP_SIM_CUDA_FAULTS", "cuDeviceGetCount=999")]).refused();
    assert!(text.contains("call=cuDeviceGetCount code=999") && text.contains("CUDA_ERROR_UNKNOWN"), "{text}");
    let faults = ("NACP_SIM_CUDA_FAULTS", "cuDeviceTotalMem_v2=719");
    let probe = probe_in(folder.path(), &[("NACP_SIM_NODE", "h100x8"), faults]).found();
    assert_eq!((probe.devices.len(), probe.silent.len()), (0, 8));
    assert_eq!((probe.silent[7].fault.code, probe.silent[7].call.as_str()), (719, "cuDeviceTotalMem"));
}

/// The simulated driver keeps the manners of the real one: a C program that does everything wrong.
#[test]
fn the_simulated_driver_refuses_misuse_by_number() {
    const PROGRAM: &str = r#"
#include <stddef.h>
int cuInit(unsigned); int cuDriverGetVersion(int *); int cuDeviceGetCount(int *); int cuDeviceGet(int *, int);
int cuDeviceGetName(char *, int, int); int cuDeviceGetUuid(void *, int); int cuDeviceTotalMem_v2(size_t *, int);
int cuDeviceGetPCIBusId(char *, int, int); int cuDeviceGetAttribute(int *, int, int);
int cuGetErrorName(int, const char **); int cuGetErrorString(int, const char **);
#define IS(call, code) if ((call) != (code)) return __LINE__
int main(void) {
    int n = -1; char text[64]; const char *name = text;
    IS(cuDeviceGetCount(&n), 3);
    IS(cuInit(1), 1);
    IS(cuInit(0), 0);
    IS(cuDriverGetVersion(NULL), 1);
    IS(cuDeviceGetCount(NULL), 1);
    IS(cuDeviceGet(NULL, 0), 1);
    IS(cuDeviceGet(&n, 1), 101);
    IS(cuDeviceGet(&n, -1), 101);
    IS(cuDeviceGetName(NULL, 10, 0), 1);
    IS(cuDeviceGetName(text, 0, 0), 1);
    IS(cuDeviceGetName(text, -4, 0), 1);
    IS(cuDeviceGetName(text, 7, 0), 0);
    IS(text[5] == 'A' && text[6] == 0, 1);
    IS(cuDeviceGetUuid(NULL, 0), 1);
    IS(cuDeviceTotalMem_v2(NULL, 0), 1);
    IS(cuDeviceGetPCIBusId(text, 5, 0), 1);
    IS(cuDeviceGetPCIBusId(text, 13, 0), 0);
    IS(text[4] == ':' && text[12] == 0, 1);
    IS(cuDeviceGetAttribute(&n, 100000, 0), 1);
    IS(cuDeviceGetAttribute(NULL, 75, 0), 1);
    IS(cuGetErrorName(424242, &name), 1);
    IS(name == NULL, 1);
    IS(cuGetErrorName(100, NULL), 1);
    IS(cuGetErrorString(100, &name), 0);
    IS(name != NULL, 1);
    return 0;
}
"#;
    let folder = staged();
    let (input, program) = (folder.path().join("misuse.c"), folder.path().join("misuse"));
    fs::write(&input, PROGRAM).unwrap();
    let library = folder.path().join("libcuda.so.1");
    cc(&["-o".as_ref(), program.as_os_str(), input.as_os_str(), library.as_os_str()]);
    let status = Command::new(&program).env("LD_LIBRARY_PATH", folder.path()).env_remove("NACP_SIM_NODE").status();
    assert_eq!(status.unwrap().code(), Some(0), "the line of the program whose answer is wrong");
}
