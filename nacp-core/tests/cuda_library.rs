//! What the library promises where the driver refuses, does not come back or is used by others, too: nothing is lost,
//! nothing is used that is gone, and a thread keeps its context.
//!
//! The node is chosen by the environment, which a library reads once: each case is a child process.
#![expect(clippy::disallowed_methods, reason = "a test waits for other threads in real time")]
#![cfg(all(feature = "cuda", feature = "sim", target_os = "linux"))]

mod cuda_child;

use std::time::{Duration, Instant};

use cuda_child::child;
use nacp_core::cuda::kernels::{Image, Kernel, Launch};
use nacp_core::cuda::{
    ContextHandle, Driver, Execute, Library, Memory, Pinned, Profile, StreamHandle, determinism, probe_with,
};
use tempfile::TempDir;

/// A context that is current, and a stream in it.
fn begin(driver: &Library, device: i32) -> (ContextHandle, StreamHandle) {
    let context = driver.retain(device).unwrap();
    driver.set_current(Some(context)).unwrap();
    (context, driver.create_stream(0).unwrap())
}

fn words(driver: &Library, memory: Memory, stream: StreamHandle) -> Vec<u32> {
    let mut bytes = vec![0; usize::try_from(memory.bytes).unwrap()];
    driver.download(&mut bytes, memory, 0, stream).unwrap();
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

/// Waits until some thread of this process is in this call of the driver, by its trace.
fn until_in(call: &str) {
    let (trace, begun) = (std::env::var_os("NACP_SIM_CUDA_TRACE").unwrap(), Instant::now());
    while !std::fs::read_to_string(&trace).is_ok_and(|calls| calls.lines().any(|line| line == call)) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{call} is never called");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A recording that another thread, or a refusal, seems to end goes on, and what it touches stays known.
#[test]
fn a_recording_is_ended_by_its_own_thread_and_forgets_nothing_before() {
    let refused = [("NACP_SIM_CUDA_FAULTS", "cuStreamEndCapture#1=901")];
    let name = "a_recording_is_ended_by_its_own_thread_and_forgets_nothing_before";
    let Some(driver) = child(name, &refused) else { return };
    let (context, stream) = begin(&driver, 0);
    let (memory, pinned) = (driver.allocate(64).unwrap(), driver.allocate_pinned(64).unwrap());
    driver.begin_capture(stream).unwrap();
    driver.download_pinned(pinned, memory, 64, stream).unwrap();
    let elsewhere = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            driver.set_current(Some(context)).unwrap();
            driver.end_capture(stream)
        });
        other.join().unwrap()
    });
    assert_eq!(elsewhere, Err(908));
    assert_eq!(driver.end_capture(stream), Err(901), "the driver was not asked before, and still records");
    assert_eq!(driver.upload(memory, 0, &[1], stream), Err(900), "still recorded");
    let graph = driver.end_capture(stream).unwrap();
    driver.launch_graph(graph, stream).unwrap();
    driver.synchronize_stream(stream).unwrap();
    driver.free_pinned(pinned).unwrap();
    assert_eq!(driver.launch_graph(graph, stream), Err(400), "it would write where the memory was");
    assert_eq!(driver.upload(memory, 0, &[1], stream), Ok(()));
}

/// Host and device never touch pinned memory at once.
#[test]
fn pinned_memory_is_the_hosts_when_its_copies_are_known_to_be_done() {
    let Some(driver) = child("pinned_memory_is_the_hosts_when_its_copies_are_known_to_be_done", &[]) else { return };
    let (_, stream) = begin(&driver, 0);
    let memory = driver.allocate(64).unwrap();
    let [pinned, apart] = [64, 64].map(|bytes| driver.allocate_pinned(bytes).unwrap());
    let event = driver.create_event().unwrap();
    let mut data = [0; 4];
    driver.upload_pinned(memory, pinned, 64, stream).unwrap();
    driver.record(event, stream).unwrap();
    driver.synchronize_event(event).unwrap();
    assert_eq!(driver.write_pinned(pinned, 0, &data), Err(600));
    assert_eq!(driver.read_pinned(Pinned { bytes: 4, ..pinned }, 0, &mut data), Err(600), "a part of it");
    assert_eq!(driver.write_pinned(apart, 0, &data), Ok(()), "nobody copies that one");
    driver.synchronize_stream(stream).unwrap();
    assert_eq!(driver.write_pinned(pinned, 0, &data), Ok(()));
    driver.download_pinned(pinned, memory, 64, stream).unwrap();
    assert_eq!(driver.read_pinned(pinned, 0, &mut data), Err(600));
    assert_eq!(driver.stream_done(stream), Ok(true));
    assert_eq!(driver.read_pinned(pinned, 0, &mut data), Ok(()));
    driver.begin_capture(stream).unwrap();
    driver.download_pinned(pinned, memory, 64, stream).unwrap();
    let graph = driver.end_capture(stream).unwrap();
    assert_eq!(driver.read_pinned(pinned, 0, &mut data), Ok(()), "recorded and not queued");
    driver.launch_graph(graph, stream).unwrap();
    assert_eq!(driver.read_pinned(pinned, 0, &mut data), Err(600));
    driver.download(&mut data, memory, 0, stream).unwrap();
    assert_eq!(driver.read_pinned(pinned, 0, &mut data), Ok(()), "a copy that waits has waited for all");
    driver.launch_graph(graph, stream).unwrap();
    driver.destroy_stream(stream).unwrap();
    assert_eq!(driver.read_pinned(pinned, 0, &mut data), Err(600), "its work may go on");
    driver.synchronize().unwrap();
    assert_eq!(driver.read_pinned(pinned, 0, &mut data), Ok(()));
}

/// What waits for the device before memory is given back did wait, and leaves the thread as it was.
#[test]
fn pinned_memory_is_not_given_back_while_the_device_may_write_it() {
    let refused = [("NACP_SIM_CUDA_FAULTS", "cuCtxSynchronize#1=900,cuCtxSynchronize#2=201")];
    let name = "pinned_memory_is_not_given_back_while_the_device_may_write_it";
    let Some(driver) = child(name, &refused) else { return };
    let (_, stream) = begin(&driver, 0);
    let (memory, pinned) = (driver.allocate(64).unwrap(), driver.allocate_pinned(64).unwrap());
    driver.download_pinned(pinned, memory, 64, stream).unwrap();
    let own = driver.create_context(1).unwrap();
    driver.set_current(Some(own)).unwrap();
    let there = driver.create_stream(0).unwrap();
    assert_eq!((driver.free_pinned(pinned), driver.free_pinned(pinned)), (Err(900), Err(201)));
    assert_eq!(driver.free_pinned(pinned), Ok(()), "it was still there");
    let here = driver.allocate(64).unwrap();
    assert_eq!(driver.fill(here, 1, 16, there), Ok(()), "the same context is current as before");

    let lost = driver.create_context(1).unwrap();
    driver.set_current(Some(lost)).unwrap();
    std::thread::scope(|scope| scope.spawn(|| driver.destroy_context(lost)).join().unwrap().unwrap());
    let piece = Memory { ..here };
    assert_eq!(driver.free(piece), Err(201), "no context to work in");
    driver.set_current(Some(own)).unwrap();
    assert_eq!(driver.free(piece), Ok(()));
}

/// What the driver did not take back is still there.
#[test]
fn a_refusal_to_take_back_leaves_the_object() {
    let faults = "cuMemFree_v2#1=201,cuMemFree_v2#3=1,cuMemFreeHost#1=3,cuModuleUnload#1=900,cuStreamDestroy_v2#1=4,\
                  cuEventDestroy_v2#1=709,cuGraphExecDestroy#1=906,cuCtxDestroy_v2#1=3,\
                  cuDevicePrimaryCtxRelease_v2#1=4,cuDevicePrimaryCtxRelease_v2#3=3";
    let name = "a_refusal_to_take_back_leaves_the_object";
    let Some(driver) = child(name, &[("NACP_SIM_CUDA_FAULTS", faults)]) else { return };
    let (shared, stream) = begin(&driver, 0);
    let [memory, gone] = [64, 64].map(|bytes| driver.allocate(bytes).unwrap());
    let pinned = driver.allocate_pinned(64).unwrap();
    let event = driver.create_event().unwrap();
    let module = driver.load(Image::Base, false).unwrap();
    let empty = driver.function(module, Kernel::Empty).unwrap();
    driver.begin_capture(stream).unwrap();
    driver.fill(memory, 7, 16, stream).unwrap();
    driver.launch(empty, &Launch::empty(), stream).unwrap();
    driver.record(event, stream).unwrap();
    let graph = driver.end_capture(stream).unwrap();

    driver.set_current(None).unwrap();
    assert_eq!((driver.free(memory), driver.free_pinned(pinned)), (Err(201), Err(201)));
    assert_eq!((driver.unload(module), driver.destroy_stream(stream)), (Err(201), Err(201)));
    assert_eq!((driver.destroy_event(event), driver.destroy_graph(graph)), (Err(201), Err(201)));
    driver.set_current(Some(shared)).unwrap();

    assert_eq!(
        (driver.free(memory), driver.unload(module), driver.destroy_event(event)),
        (Err(201), Err(900), Err(709))
    );
    assert_eq!(driver.destroy_graph(graph), Err(906));
    assert_eq!(driver.launch_graph(graph, stream), Ok(()), "all that it touches is there");
    assert_eq!(words(&driver, memory, stream), [7; 16]);
    assert_eq!(driver.launch(empty, &Launch::empty(), stream), Ok(()));
    assert_eq!((driver.free_pinned(pinned), driver.write_pinned(pinned, 0, &[1])), (Err(3), Ok(())));
    assert_eq!((driver.destroy_stream(stream), driver.synchronize_stream(stream)), (Err(4), Ok(())));
    assert_eq!(
        (driver.destroy_graph(graph), driver.destroy_event(event), driver.unload(module)),
        (Ok(()), Ok(()), Ok(()))
    );
    assert_eq!((driver.free_pinned(pinned), driver.free(memory)), (Ok(()), Ok(())));
    assert_eq!(
        (driver.free(gone), driver.free(gone)),
        (Err(1), Err(400)),
        "the driver does not know it, so it is gone"
    );

    let own = driver.create_context(1).unwrap();
    driver.set_current(Some(own)).unwrap();
    let (there, piece) = (driver.create_stream(0).unwrap(), driver.allocate(64).unwrap());
    driver.begin_capture(there).unwrap();
    driver.fill(piece, 1, 16, there).unwrap();
    let recorded = driver.end_capture(there).unwrap();
    assert_eq!(driver.destroy_context(own), Err(3));
    assert_eq!(driver.launch_graph(recorded, there), Ok(()), "with all that lives in it");
    assert_eq!((driver.free(piece), driver.destroy_context(own)), (Ok(()), Ok(())));
    assert_eq!(driver.synchronize_stream(there), Err(400));

    driver.retain(0).unwrap();
    driver.set_current(Some(shared)).unwrap();
    assert_eq!((driver.release(0), driver.release(0)), (Err(4), Ok(())), "one of two parts");
    assert_eq!((driver.release(0), driver.synchronize_stream(stream)), (Err(3), Ok(())), "the last part");
    assert_eq!((driver.release(0), driver.release(0)), (Ok(()), Err(201)));
}

/// A driver that does not come back from a launch keeps the other threads from nothing but what that launch uses.
#[test]
fn a_launch_that_does_not_come_back_holds_up_only_what_it_uses() {
    let folder = TempDir::new().unwrap();
    let trace = folder.path().join("trace").display().to_string();
    let slow = [("NACP_SIM_CUDA_FAULTS", "cuLaunchKernel=sleep:1500"), ("NACP_SIM_CUDA_TRACE", trace.as_str())];
    let name = "a_launch_that_does_not_come_back_holds_up_only_what_it_uses";
    let Some(driver) = child(name, &slow) else { return };
    let (context, stream) = begin(&driver, 0);
    let [out, sms] = [256, 64].map(|bytes| driver.allocate(bytes).unwrap());
    let module = driver.load(Image::Base, false).unwrap();
    let kernel = driver.function(module, Kernel::Fma).unwrap();
    let launch = Launch::lanes(Kernel::Fma, out, sms, 64, 9, 3, 32).unwrap();
    std::thread::scope(|scope| {
        let launches = scope.spawn(|| {
            driver.set_current(Some(context)).unwrap();
            driver.launch(kernel, &launch, stream)
        });
        until_in("cuLaunchKernel");
        let begun = Instant::now();
        assert_eq!(driver.begin_capture(stream), Err(600));
        assert_eq!((driver.free(out), driver.free(sms), driver.unload(module)), (Err(600), Err(600), Err(600)));
        assert_eq!((driver.destroy_stream(stream), driver.release(0)), (Err(600), Err(600)));
        let other = driver.create_stream(0).unwrap();
        let piece = driver.allocate(64).unwrap();
        assert_eq!((driver.free(piece), driver.destroy_stream(other)), (Ok(()), Ok(())));
        assert!(begun.elapsed() < Duration::from_millis(1200), "{:?}", begun.elapsed());
        launches.join().unwrap().unwrap();
    });
    assert_eq!((driver.free(out), driver.free(sms), driver.unload(module)), (Ok(()), Ok(()), Ok(())));
}

/// Another library, such as cudarc's or PyTorch's, works in this thread before and after.
#[test]
fn what_was_current_in_the_thread_is_so_again() {
    let Some(driver) = child("what_was_current_in_the_thread_is_so_again", &[]) else { return };
    let other = Library::open_at(&driver.loaded().path).unwrap();
    let theirs = other.create_context(1).unwrap();
    other.set_current(Some(theirs)).unwrap();
    assert_eq!(driver.allocate(64), Err(201), "that context is none of its own");
    let probe = probe_with(&driver).unwrap();
    let run = determinism::run(&driver, &probe.devices[0], Profile::Tiny).unwrap();
    assert!(!run.digests.is_empty());
    assert!(other.allocate(64).is_ok(), "the other library goes on");
    let own = driver.create_context(0).unwrap();
    driver.push_current(own).unwrap();
    assert!(driver.allocate(64).is_ok() && other.allocate(64) == Err(201));
    driver.pop_current().unwrap();
    assert!(driver.allocate(64) == Err(201) && other.allocate(64).is_ok());
    assert_eq!(driver.push_current(theirs), Err(400));
    other.pop_current().unwrap();
    assert_eq!(other.pop_current(), Err(201), "there is none below");
}
