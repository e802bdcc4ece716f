//! Every end of the check of programs, with its message.

use std::time::Duration;

use super::super::scripted::{Script, Scripted};
use super::*;

fn refusing(call: &'static str, code: i32) -> Script {
    Script { refuses: [(call, code)].into(), level: Level::Standard, ..Script::default() }
}

#[test]
fn each_image_that_suits_the_device_is_compiled_anew_and_found_again() {
    let takes = [
        ("load_base_cold", Duration::from_millis(150)),
        ("load_base", Duration::from_millis(2)),
        ("load_tensor_cold", Duration::from_millis(60)),
        ("load_tensor", Duration::from_millis(1)),
    ];
    let driver = Scripted::new(Script { takes: takes.into(), level: Level::Standard, ..Script::default() });
    let outcome = driver.check(ptx_jit).unwrap();
    assert_eq!(outcome.status, Status::Pass);
    let metrics: Vec<_> = outcome.metrics.iter().map(|it| (it.name.as_str(), it.value)).collect();
    assert_eq!(metrics, [("base_cold", 0.15), ("base_warm", 0.002), ("tensor_cold", 0.06), ("tensor_warm", 0.001)]);
    assert_eq!((driver.called("load_base"), driver.called("function")), (2, Kernel::ALL.len()));
}

#[test]
fn quick_loads_each_image_once_and_looks_at_its_time_between() {
    let slow = |base| Script {
        takes: [("load_base", Duration::from_millis(base)), ("load_tensor", Duration::from_millis(60))].into(),
        ..Script::default()
    };
    let driver = Scripted::new(slow(150));
    let outcome = driver.check(ptx_jit).unwrap();
    let metrics: Vec<_> = outcome.metrics.iter().map(|it| (it.name.as_str(), it.value)).collect();
    assert_eq!(metrics, [("base_load", 0.15), ("tensor_load", 0.06)]);
    let loads = ["load_base", "load_tensor", "load_base_cold", "load_tensor_cold"].map(|call| driver.called(call));
    assert_eq!(loads, [1, 1, 0, 0]);
    let driver = Scripted::new(slow(3_600_000));
    assert_eq!(driver.ends(ptx_jit), "skipped, Deadline: its time was over");
    assert_eq!(driver.called("load_tensor"), 0);
}

#[test]
fn a_device_without_tensor_units_gets_the_base_image_and_an_older_one_none() {
    let pascal = Scripted::new(Script { devices: vec![("NVIDIA GeForce GTX 1080", (6, 1), 1)], ..Script::default() });
    assert_eq!(pascal.ends(ptx_jit), "pass");
    assert_eq!(pascal.called("load_tensor"), 0);
    assert_eq!(
        pascal.reads(ptx_jit, "tensor").as_deref(),
        Some("compute capability 6.1 is below 7.5, which the tensor image needs")
    );
    let kepler = Scripted::new(Script { devices: vec![("Tesla K80", (3, 7), 1)], ..Script::default() });
    assert_eq!(
        kepler.ends(ptx_jit),
        "skipped, Unsupported: compute capability 3.7 is below 5.0, which the base image needs"
    );
}

#[test]
fn each_refusal_of_the_compiler_has_a_reason_of_its_own() {
    let ends = |code| Scripted::new(refusing("load_base_cold", code)).ends(ptx_jit);
    assert_eq!(
        ends(221),
        "error: cuModuleLoadDataEx: the driver's compiler for PTX is not installed (221); libnvidia-ptxjitcompiler.so.1 is not \
         where the driver looks for it; install it of the driver's own version"
    );
    assert_eq!(
        ends(222),
        "error: cuModuleLoadDataEx: the GPU program does not fit this GPU or driver (222); the base image is PTX 6.0, which is \
         newer than what a driver of CUDA 13.0 reads; install driver 515.43.04 or newer"
    );
    assert_eq!(
        ends(209),
        "error: cuModuleLoadDataEx: the GPU program does not fit this GPU or driver (209); the driver has no code for compute \
         capability 9.0 in the base image, which is made for 5.0 and newer; update the driver to one that knows this GPU"
    );
    assert_eq!(
        ends(223),
        "error: cuModuleLoadDataEx: the CUDA driver answered with an unknown code (223); CUDA_DISABLE_PTX_JIT keeps the driver \
         from compiling PTX; unset it"
    );
    let written = Script { log: "ptxas fatal : line 3\n", ..refusing("load_tensor_cold", 218) };
    assert_eq!(
        Scripted::new(written).ends(ptx_jit),
        "error: cuModuleLoadDataEx: the GPU program does not fit this GPU or driver (218); the driver's compiler does not accept \
         the tensor image, which is a defect of NACP or of the driver: please report it with the driver's version; the compiler \
         wrote: ptxas fatal : line 3"
    );
    assert_eq!(
        ends(2),
        "error: cuModuleLoadDataEx: not enough memory on the GPU (2); free memory on the GPU, or ask for less"
    );
    let container = {
        let mut script = refusing("load_base_cold", 221);
        script.facts.environment.insert("NVIDIA_DRIVER_CAPABILITIES".into(), "utility".into());
        Scripted::new(script).ends(ptx_jit)
    };
    assert!(
        container.ends_with(", or in this container add `compute` to NVIDIA_DRIVER_CAPABILITIES=utility"),
        "{container}"
    );
}

#[test]
fn what_was_measured_before_a_refusal_is_kept() {
    let driver = Scripted::new(refusing("load_tensor_cold", 218));
    let so_far = driver.check(ptx_jit).unwrap_err().so_far.unwrap();
    assert_eq!(so_far.metrics.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["base_cold", "base_warm"]);
    let kernel = Scripted::new(refusing("function", 500)).ends(ptx_jit);
    assert_eq!(kernel, "skipped, Unsupported: this driver has no cuModuleGetFunction");
}
