//! Every end of the checks of the driver, with its message.

use super::super::scripted::{Script, Scripted};
use super::*;
use crate::cuda::check::Facts;

const KERNEL_580: &str = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16 UTC 2025\n";

fn ends(script: Script, body: super::super::Body) -> String {
    Scripted::new(script).ends(body)
}

fn facts(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = Facts { kernel_driver: Some(KERNEL_580.into()), ..Facts::default() };
    change(&mut facts);
    facts
}

#[test]
fn a_driver_that_starts_passes_and_one_that_does_not_says_why() {
    assert_eq!(ends(Script::default(), init), "pass");
    let refusing = |code| Script { refuses: [("init", code)].into(), ..Script::default() };
    for (code, expected) in [
        (
            100,
            "error: cuInit: the CUDA driver sees no GPU (100); check `nvidia-smi -L`, CUDA_VISIBLE_DEVICES, and that the \
             container was given a GPU",
        ),
        (
            802,
            "error: cuInit: the NVSwitch fabric is not ready (802); start `nvidia-fabricmanager` of the driver's version and \
             wait for it",
        ),
        (
            803,
            "error: cuInit: the CUDA library and the kernel's NVIDIA driver do not fit together (803); restart the machine to \
             finish a driver update, or remove an old cuda-compat package",
        ),
        (
            804,
            "error: cuInit: the cuda-compat package does not serve this GPU (804); remove the cuda-compat package from the \
             image, or update the driver",
        ),
        (
            9999,
            "error: cuInit: the CUDA driver answered with an unknown code (9999); see the driver's documentation of this number",
        ),
        (
            46,
            "skipped, Busy: cuInit: the GPU is busy or held back (46); see with `nvidia-smi` whether another process holds it in \
             exclusive mode",
        ),
    ] {
        let driver = Scripted::new(refusing(code));
        assert_eq!(driver.ends(init), expected);
        assert_eq!(driver.reads(init, "name"), Some(format!("CUDA_ERROR_{code}")));
    }
    let hidden = facts(|facts| drop(facts.environment.insert("CUDA_VISIBLE_DEVICES".into(), "7".into())));
    assert!(
        ends(Script { facts: hidden, ..refusing(100) }, init).ends_with("; CUDA_VISIBLE_DEVICES=\"7\" hides devices")
    );
}

#[test]
fn the_start_is_timed_where_it_is_the_first() {
    let slow = Script { takes: [("init", std::time::Duration::from_millis(700))].into(), ..Script::default() };
    let first = Scripted::new(slow.clone()).check(init).unwrap();
    assert_eq!((first.metrics[0].name.as_str(), first.metrics[0].value), ("start", 0.7));
    let probe = crate::cuda::probe_with(&Scripted::new(Script::default())).unwrap();
    let again = Scripted::new(Script { facts: facts(|it| it.probe = Some(probe)), ..slow }).check(init).unwrap();
    assert_eq!(again.metrics, []);
}

#[test]
fn a_start_of_more_than_a_second_warns_of_persistence_mode() {
    let slow =
        |millis| Script { takes: [("init", std::time::Duration::from_millis(millis))].into(), ..Script::default() };
    assert_eq!(ends(slow(1000), init), "pass");
    assert_eq!(
        ends(slow(2300), init),
        "warn: the driver took 2.3 s to start; without persistence mode each program waits for the GPUs to start; run \
         nvidia-persistenced, or nvidia-smi -pm 1, to keep them started"
    );
    let refusing = Script { refuses: [("init", 100)].into(), ..slow(2300) };
    assert!(ends(refusing, init).starts_with("error: cuInit"));
}

#[test]
fn the_version_is_held_against_the_least_one_and_the_kernels() {
    let with = |version, library, facts| ends(Script { version, library, facts, ..Script::default() }, super::version);
    let same = "/usr/lib/libcuda.so.580.95.05";
    assert_eq!(with(13_000, same, facts(|_| ())), "pass");
    assert_eq!(with(13_000, "/usr/lib/libcuda.so.1", facts(|_| ())), "pass");
    // Jetson's library; the kernel's driver is of another numbering.
    let jetson = "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1";
    assert_eq!(with(13_000, jetson, facts(|_| ())), "pass");
    assert_eq!(with(13_000, same, Facts::default()), "pass");
    assert_eq!(
        with(11_080, "/usr/lib/libcuda.so.1", Facts::default()),
        "fail: the driver serves CUDA 11.8, and 12.0 is the least; install driver 525.60.13 or newer"
    );
    assert_eq!(
        with(11_080, "/usr/lib/libcuda.so.1", facts(|it| it.wanted_cuda = Some("11.4".parse().unwrap()))),
        "pass"
    );
    assert_eq!(
        with(0, same, facts(|_| ())),
        "fail: the driver states no version: cuDriverGetVersion answers 0; install the NVIDIA driver"
    );
    assert_eq!(
        with(13_010, "/usr/lib/libcuda.so.590.44.01", facts(|_| ())),
        "fail: the library 590.44.01 and the kernel's driver 580.95.05 do not fit together (error 803); restart the machine to \
         finish a driver update, or install the library of 580.95.05"
    );
    assert_eq!(with(13_010, "/usr/local/cuda/compat/libcuda.so.590.44.01", facts(|_| ())), "pass");
    assert_eq!(
        with(12_080, "/usr/local/cuda/compat/libcuda.so.570.86.10", facts(|_| ())),
        "fail: the library 570.86.10 of a cuda-compat package is older than the driver 580.95.05 (error 803); remove the \
         cuda-compat package from the library path"
    );
    let refused = Script { refuses: [("version", 3)].into(), ..Script::default() };
    assert!(ends(refused, super::version).starts_with("error: cuDriverGetVersion: the CUDA driver is not started (3)"));
}

#[test]
fn the_branch_of_the_driver_is_told_with_the_end_of_its_support() {
    let driver = Scripted::new(Script { facts: facts(|_| ()), ..Script::default() });
    assert_eq!(driver.reads(super::version, "kernel").as_deref(), Some("580.95.05"));
    let supported = "R580, long-term support, whose support ends on 2028-06-30";
    assert_eq!(driver.reads(super::version, "branch").as_deref(), Some(supported));
    driver.clock.advance(std::time::Duration::from_secs(60 * 86_400 * 365));
    let past = "R580, long-term support, whose support ended on 2028-06-30";
    assert_eq!(driver.reads(super::version, "branch").as_deref(), Some(past));
    let odd = Facts { kernel_driver: Some("something else\n".into()), ..Facts::default() };
    let odd = Scripted::new(Script { facts: odd, ..Script::default() });
    assert_eq!(odd.reads(super::version, "kernel").as_deref(), Some("no version in \"something else\""));
}

#[test]
fn a_wanted_cuda_version_is_judged_on_each_kind_of_device() {
    let wanting = |wanted: &str, script: Script| {
        let probe = crate::cuda::probe_with(&Scripted::new(script.clone())).unwrap();
        let facts = Facts { wanted_cuda: Some(wanted.parse().unwrap()), probe: Some(probe), ..script.facts.clone() };
        ends(Script { facts, ..script }, runtime_fit)
    };
    let geforce =
        || Script { devices: vec![("NVIDIA GeForce RTX 4090", (8, 9), 1)], version: 12_040, ..Script::default() };
    assert_eq!(ends(Script::default(), runtime_fit), "skipped, NotAsked: no CUDA version was asked for");
    assert_eq!(wanting("12.4", geforce()), "pass");
    assert_eq!(
        wanting("12.8", geforce()),
        "warn: CUDA 12.8 on NVIDIA GeForce RTX 4090: minor-version compatibility: the driver serves CUDA 12.4, and CUDA 12.8 is \
         of a family (12.x) whose least driver is 525.60.13; PTX that is newer than 8.4 does not load (error 222); calls that \
         are newer than CUDA 12.4 answer an error"
    );
    assert_eq!(
        wanting("13.0", geforce()),
        "fail: CUDA 13.0 on NVIDIA GeForce RTX 4090: refused: the driver serves CUDA 12.4, and CUDA 13.0 is newer; install \
         driver 580.65.06 or newer, or use CUDA 12.4 or older"
    );
    let h100 = || Script { version: 12_040, ..Script::default() };
    assert!(
        wanting("13.0", h100())
            .starts_with("fail: CUDA 13.0 on NVIDIA H100 80GB HBM3: forward compatibility: the driver")
    );
    let compat = Script { library: "/usr/local/cuda/compat/libcuda.so.580.65.06", ..Script::default() };
    assert!(
        wanting("13.0", compat)
            .starts_with("warn: CUDA 13.0 on NVIDIA H100 80GB HBM3: forward compatibility: the driver")
    );
    assert!(wanting("99.0", Script { version: 99_000, ..geforce() }) == "pass");
    assert!(wanting("99.1", Script { version: 99_000, ..geforce() }).starts_with("warn: CUDA 99.1 on"));
    let two = Script { devices: vec![("A", (6, 1), 1), ("B", (9, 0), 2), ("B", (9, 0), 3)], ..Script::default() };
    assert_eq!(
        wanting("13.0", two),
        "fail: CUDA 13.0 on A: refused: CUDA 12.9 is the last toolkit for Pascal (6.1); use CUDA 12.9 or older"
    );
    let without = Facts { wanted_cuda: Some("13.0".parse().unwrap()), ..Facts::default() };
    let without = Scripted::new(Script { facts: without, ..Script::default() });
    assert_eq!(
        without.reads(runtime_fit, "fit.the driver").as_deref(),
        Some("exact: the driver serves CUDA 13.0, and CUDA 13.0 is not newer")
    );
}
