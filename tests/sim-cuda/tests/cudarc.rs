//! cudarc, the library that Rust programs reach CUDA with, on the simulated driver: unchanged, through its safe API.
//!
//! cudarc finds the driver through the system's loader, so that each case is a child process: this program itself.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "a launch is unsafe in cudarc")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{End, KERNELS, driver, run_for, with_driver};
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUresult, CUstreamCaptureMode};
use cudarc::driver::{CudaContext, CudaFunction, CudaSlice, CudaStream, DriverError, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;
use nacp_core::cuda::kernels::{Image, Kernel};
use nacp_core::cuda::reference;

const CHILD: &str = "NACP_TEST_CUDARC";

/// Whether this is the child; else runs it, and says how that ended.
#[track_caller]
fn is_child(name: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut command = with_driver(std::env::current_exe().unwrap(), driver(), environment);
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    match run_for(command, Duration::from_secs(120)) {
        End::Ended(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("1 passed"), "the child ran no test: {text}");
        }
        other => panic!("{other:?}"),
    }
    false
}

fn kernels() -> Ptx {
    Ptx::from_src(std::fs::read_to_string(KERNELS).unwrap())
}

fn launch(stream: &Arc<CudaStream>, kernel: &CudaFunction, memory: &mut CudaSlice<u32>) -> Result<(), DriverError> {
    let words = u32::try_from(memory.len()).unwrap();
    let mut builder = stream.launch_builder(kernel);
    builder.arg(memory).arg(&words);
    // SAFETY: the kernels of the tests take a piece of memory and its length, and stay within it.
    unsafe { builder.launch(LaunchConfig::for_num_elems(words)) }.map(|_| ())
}

#[test]
fn a_program_of_cudarc_runs_unchanged() {
    if !is_child("a_program_of_cudarc_runs_unchanged", &[]) {
        return;
    }
    let context = CudaContext::new(0).unwrap();
    assert_eq!(context.name().unwrap(), "NVIDIA GeForce RTX 3050 Ti Laptop GPU");
    assert_eq!(context.compute_capability().unwrap(), (8, 6));
    let before = context.mem_get_info().unwrap().0;
    {
        let (one, two) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let module = context.load_module(kernels()).unwrap();
        let count = module.load_function("count").unwrap();
        let increment = module.load_function("increment").unwrap();
        let mut memory = one.alloc_zeros::<u32>(1000).unwrap();
        assert_eq!(one.clone_dtoh(&memory).unwrap(), vec![0; 1000]);
        launch(&one, &count, &mut memory).unwrap();
        two.join(&one).unwrap();
        launch(&two, &increment, &mut memory).unwrap();
        let copy = two.clone_dtod(&memory).unwrap();
        two.synchronize().unwrap();
        let words: Vec<u32> = (0..1000).map(|lane| 3 * lane + 2).collect();
        assert_eq!(two.clone_dtoh(&copy).unwrap(), words);
        let other = one.clone_htod(&words[..10]).unwrap();
        assert_eq!(one.clone_dtoh(&other).unwrap(), words[..10]);
    }
    assert_eq!(context.mem_get_info().unwrap().0, before, "all memory was given back");
    drop(context);
    let again = CudaContext::new(0).unwrap();
    assert_eq!(again.mem_get_info().unwrap().0, before);
}

#[test]
fn recorded_work_is_done_as_often_as_it_is_started() {
    if !is_child("recorded_work_is_done_as_often_as_it_is_started", &[]) {
        return;
    }
    let context = CudaContext::new(0).unwrap();
    // cudarc's own events would make the recorded work wait for work that is not recorded.
    // SAFETY: one stream does all the work.
    unsafe { context.disable_event_tracking() };
    let stream = context.new_stream().unwrap();
    let module = context.load_module(kernels()).unwrap();
    let increment = module.load_function("increment").unwrap();
    let mut memory = stream.clone_htod(&[5u32; 100]).unwrap();
    stream.synchronize().unwrap();
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED).unwrap();
    launch(&stream, &increment, &mut memory).unwrap();
    launch(&stream, &increment, &mut memory).unwrap();
    let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let graph = stream.end_capture(flags).unwrap().unwrap();
    assert_eq!(stream.clone_dtoh(&memory).unwrap(), [5; 100], "what is recorded is not done yet");
    (0..3).for_each(|_| graph.launch().unwrap());
    assert_eq!(stream.clone_dtoh(&memory).unwrap(), [11; 100]);
}

#[test]
fn two_devices_do_their_own_work() {
    if !is_child("two_devices_do_their_own_work", &[("NACP_SIM_NODE", "h100x8")]) {
        return;
    }
    assert_eq!(CudaContext::device_count().unwrap(), 8);
    let threads: Vec<_> = (0..2)
        .map(|ordinal| {
            std::thread::spawn(move || {
                let context = CudaContext::new(ordinal).unwrap();
                let stream = context.new_stream().unwrap();
                let module = context.load_module(kernels()).unwrap();
                let increment = module.load_function("increment").unwrap();
                let start = u32::try_from(ordinal).unwrap() * 1000;
                let mut memory = stream.clone_htod(&vec![start; 500]).unwrap();
                for _ in 0..50 {
                    launch(&stream, &increment, &mut memory).unwrap();
                }
                stream.clone_dtoh(&memory).unwrap()
            })
        })
        .collect();
    let words: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(words, [vec![50; 500], vec![1050; 500]]);
    let (one, two) = (CudaContext::new(0).unwrap(), CudaContext::new(1).unwrap());
    let from = one.default_stream().clone_htod(&[7u32, 8, 9]).unwrap();
    let to = two.default_stream().clone_dtod(&from).unwrap();
    assert_eq!(two.default_stream().clone_dtoh(&to).unwrap(), [7, 8, 9]);
}

#[test]
fn what_a_driver_refuses_comes_back_as_an_error() {
    if !is_child("what_a_driver_refuses_comes_back_as_an_error", &[("NACP_SIM_CUDA_OOM", "4096")]) {
        return;
    }
    let refused = |code: CUresult| DriverError(code);
    let context = CudaContext::new(0).unwrap();
    let stream = context.default_stream();
    assert_eq!(stream.alloc_zeros::<u8>(8192).unwrap_err(), refused(CUresult::CUDA_ERROR_OUT_OF_MEMORY));
    assert_eq!(CudaContext::new(1).unwrap_err(), refused(CUresult::CUDA_ERROR_INVALID_DEVICE));
    let module = context.load_module(kernels()).unwrap();
    assert_eq!(module.load_function("missing").unwrap_err(), refused(CUresult::CUDA_ERROR_NOT_FOUND));
    let nonsense = context.load_module(Ptx::from_src("nonsense"));
    assert_eq!(nonsense.unwrap_err(), refused(CUresult::CUDA_ERROR_INVALID_PTX));
    let mut memory = stream.alloc_zeros::<u32>(64).unwrap();
    launch(&stream, &module.load_function("beyond").unwrap(), &mut memory).unwrap();
    assert_eq!(stream.synchronize().unwrap_err(), refused(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS));
    assert_eq!(
        stream.synchronize().unwrap_err().to_string(),
        r#"DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")"#
    );
}

/// NACP's own kernels on the simulated device, against what NACP computes on the CPU.
#[test]
fn nacps_kernels_give_the_bits_of_the_reference() {
    if !is_child("nacps_kernels_give_the_bits_of_the_reference", &[("NACP_SIM_NODE", "h100x8")]) {
        return;
    }
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let module = context.load_module(Ptx::from_src(Image::Base.ptx())).unwrap();
    let (lanes, steps, seed, block) = (256u32, 12u32, 0x5EED, 64);
    for kernel in [Kernel::Hash, Kernel::Fma, Kernel::Ieee] {
        let function = module.load_function(kernel.symbol()).unwrap();
        let mut out = stream.alloc_zeros::<u32>(lanes as usize).unwrap();
        let mut sms = stream.alloc_zeros::<u32>((lanes / block) as usize).unwrap();
        let mut builder = stream.launch_builder(&function);
        builder.arg(&mut out).arg(&mut sms).arg(&lanes).arg(&steps).arg(&seed);
        let shape = LaunchConfig { grid_dim: (lanes / block, 1, 1), block_dim: (block, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: `out` holds a word for each thread and `sms` one for each block, as the kernel's story says.
        unsafe { builder.launch(shape) }.unwrap();
        let expected = reference::lanes(kernel, 0..lanes, steps, seed, 1).unwrap();
        assert_eq!(stream.clone_dtoh(&out).unwrap(), expected, "{kernel:?}");
        let mut numbers = stream.clone_dtoh(&sms).unwrap();
        numbers.dedup();
        assert_eq!(numbers.len(), 4, "each block on a multiprocessor of its own");
    }
}
