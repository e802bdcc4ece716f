//! What an `Execute` promises: lifetimes, misuse by number, nothing lost, kernels that equal the CPU, one wrong bit seen.
//!
//! Each case runs twice: against the real library code over the simulated driver's library, in a child process, because
//! the node is chosen by the environment, which a library reads once; and against the simulated driver of this process.
#![expect(clippy::disallowed_methods, reason = "a test waits for other threads in real time")]
#![cfg(all(feature = "cuda", feature = "sim", target_os = "linux"))]

mod cuda_child;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use cuda_child::child;
use nacp_core::cuda::kernels::{Image, Kernel, Launch, Pattern};
use nacp_core::cuda::{
    ContextHandle, Driver, EventHandle, Execute, GraphHandle, Library, Memory, ModuleHandle, Pinned, StreamHandle,
    reference,
};
use nacp_core::sim;

/// The case against the library, then against the driver of this process. A second driver of the same kind is at hand
/// whose handles are its own.
fn both(case: &str, body: impl Fn(&dyn Execute, &dyn Execute)) {
    if let Some(library) = child(case, &[]) {
        return body(&library, &Library::open_at(&library.loaded().path).unwrap());
    }
    let [simulated, stranger] = [(); 2].map(|()| sim::Cuda::named("h100x8").unwrap());
    assert_eq!((simulated.init(), stranger.init()), (0, 0));
    body(&simulated, &stranger);
}

/// As [`both`], where each kind of driver is asked in its own words for what goes wrong.
fn both_with(case: &str, environment: &[(&str, &str)], simulated: &sim::Cuda, body: impl Fn(&dyn Execute)) {
    if let Some(library) = child(case, environment) {
        return body(&library);
    }
    assert_eq!(simulated.init(), 0);
    body(simulated);
}

/// A context that is current, and a stream in it.
fn begin(driver: &dyn Execute, device: i32) -> (ContextHandle, StreamHandle) {
    let context = driver.retain(device).unwrap();
    driver.set_current(Some(context)).unwrap();
    (context, driver.create_stream(0).unwrap())
}

fn words(driver: &dyn Execute, memory: Memory, stream: StreamHandle) -> Vec<u32> {
    let mut bytes = vec![0; usize::try_from(memory.bytes).unwrap()];
    driver.download(&mut bytes, memory, 0, stream).unwrap();
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

#[test]
fn every_kernel_equals_its_twin_on_the_cpu() {
    both("every_kernel_equals_its_twin_on_the_cpu", |driver, _| {
        let (_, stream) = begin(driver, 0);
        let [out, sms] = [4096, 1024].map(|bytes| driver.allocate(bytes).unwrap());
        let of = |words: u64| Memory { bytes: 4 * words, ..out };
        for (memory, launch) in [
            (of(64), Launch::lanes(Kernel::Hash, out, sms, 64, 9, 3, 32)),
            (of(64), Launch::lanes(Kernel::Fma, out, sms, 64, 9, 3, 32)),
            (of(64), Launch::lanes(Kernel::Ieee, out, sms, 64, 9, 3, 64)),
            (of(4), Launch::reduce(out, sms, 2, 5)),
            (of(6), Launch::rows(out, sms, 1, 3, 5, 2)),
            (of(128), Launch::mma(out, sms, 4, 2, 7)),
            (of(64), Launch::fma_rate(out, 64, 4, 9, 32)),
        ] {
            let launch = launch.unwrap();
            let module = driver.load(launch.kernel().image(), true).unwrap();
            let function = driver.function(module, launch.kernel()).unwrap();
            assert_eq!(driver.function(module, launch.kernel()), Ok(function), "a kernel is looked up once");
            driver.launch(function, &launch, stream).unwrap();
            assert_eq!(words(driver, memory, stream), reference::of_launch(&launch).unwrap(), "{:?}", launch.kernel());
            driver.unload(module).unwrap();
            assert_eq!(driver.launch(function, &launch, stream), Err(400), "its module is gone");
        }
    });
}

#[test]
fn bytes_go_where_they_are_sent() {
    both("bytes_go_where_they_are_sent", |driver, _| {
        let (_, stream) = begin(driver, 0);
        let [one, other] = [64, 64].map(|bytes| driver.allocate(bytes).unwrap());
        let pinned = driver.allocate_pinned(64).unwrap();
        let mut seen = [1; 64];
        driver.read_pinned(pinned, 0, &mut seen).unwrap();
        assert_eq!(seen, [0; 64], "pinned memory begins as zero");
        driver.fill(one, 0x0403_0201, 16, stream).unwrap();
        driver.upload(one, 60, &[9, 8, 7, 6], stream).unwrap();
        driver.copy(other, one, 64, stream).unwrap();
        driver.download_pinned(pinned, other, 64, stream).unwrap();
        driver.synchronize_stream(stream).unwrap();
        driver.read_pinned(pinned, 56, &mut seen[..8]).unwrap();
        assert_eq!(seen[..8], [1, 2, 3, 4, 9, 8, 7, 6]);
        driver.write_pinned(pinned, 1, &[5, 5]).unwrap();
        driver.upload_pinned(one, pinned, 3, stream).unwrap();
        let mut back = [0; 4];
        driver.download(&mut back, one, 0, stream).unwrap();
        assert_eq!(back, [1, 5, 5, 4]);
        let start = driver.create_event().unwrap();
        driver.record(start, stream).unwrap();
        driver.fill(one, 0, 16, stream).unwrap();
        let end = driver.create_event().unwrap();
        driver.record(end, stream).unwrap();
        driver.synchronize_event(end).unwrap();
        assert!(driver.elapsed(start, end).unwrap() >= 0.0);
        assert_eq!(driver.stream_done(stream), Ok(true));
        let (least, greatest) = driver.priorities().unwrap();
        let urgent = driver.create_stream(greatest).unwrap();
        assert!(greatest <= least && driver.priority(urgent) == Ok(greatest));
    });
}

/// What is wrong, foreign or gone is refused by number, before the simulated driver sees it.
#[test]
fn what_was_not_handed_out_or_is_gone_is_refused() {
    both("what_was_not_handed_out_or_is_gone_is_refused", |driver, stranger| {
        let (context, stream) = begin(driver, 0);
        let memory = driver.allocate(64).unwrap();
        let pinned = driver.allocate_pinned(64).unwrap();
        let event = driver.create_event().unwrap();
        let module = driver.load(Image::Base, false).unwrap();
        let empty = driver.function(module, Kernel::Empty).unwrap();
        let mut data = [0; 65];

        for raw in [0, 1, u64::MAX, memory.address] {
            let nowhere = StreamHandle::from_raw(raw);
            if nowhere != stream {
                assert_eq!(driver.synchronize_stream(nowhere), Err(400), "{raw}");
                assert_eq!(driver.launch(empty, &Launch::empty(), nowhere), Err(400), "{raw}");
            }
            assert_eq!(driver.destroy_context(ContextHandle::from_raw(u64::MAX - raw)), Err(400));
        }
        assert_eq!(driver.unload(ModuleHandle::from_raw(event.raw())), Err(400), "an event is no module");
        assert_eq!(driver.destroy_graph(GraphHandle::from_raw(7)), Err(400));
        assert_eq!(driver.record(EventHandle::from_raw(stream.raw()), stream), Err(400));

        let beyond = Memory { address: memory.address + 64, bytes: 1 };
        let longer = Memory { bytes: 65, ..memory };
        let inner = Memory { address: memory.address + 32, bytes: 32 };
        assert_eq!(driver.upload(beyond, 0, &data[..1], stream), Err(400));
        assert_eq!(driver.upload(longer, 0, &data[..1], stream), Err(1));
        assert_eq!(driver.upload(memory, 0, &data, stream), Err(1));
        assert_eq!(driver.upload(memory, u64::MAX, &data[..2], stream), Err(1));
        assert_eq!(driver.upload(inner, 1, &data[..32], stream), Err(1));
        assert_eq!(driver.upload(inner, 0, &data[..32], stream), Ok(()), "a part of a piece is memory, too");
        assert_eq!(driver.free(inner), Err(400), "only a whole piece is given back");
        assert_eq!(driver.fill(memory, 0, 17, stream), Err(1));
        assert_eq!(driver.fill(memory, 0, u64::MAX, stream), Err(1));
        assert_eq!(driver.copy(inner, memory, 33, stream), Err(1));
        assert_eq!(driver.upload_pinned(memory, Pinned { bytes: 65, ..pinned }, 64, stream), Err(1));
        assert_eq!(driver.download_pinned(pinned, memory, 65, stream), Err(1));
        assert_eq!(driver.read_pinned(pinned, 64, &mut data[..1]), Err(1));
        assert_eq!(driver.write_pinned(pinned, u64::MAX, &data[..1]), Err(1));
        assert_eq!(driver.read_pinned(Pinned { address: memory.address, bytes: 4 }, 0, &mut data[..1]), Err(400));

        let wrong = Launch::fma_rate(memory, 16, 1, 1, 32).unwrap();
        assert_eq!(driver.launch(empty, &wrong, stream), Err(1), "the kernel is not that of the launch");
        let hash = driver.function(module, Kernel::Hash).unwrap();
        let made_up = Memory { address: 0x1000, bytes: 1 << 20 };
        let launch = Launch::lanes(Kernel::Hash, made_up, memory, 32, 1, 1, 32).unwrap();
        assert_eq!(driver.launch(hash, &launch, stream), Err(400));
        let launch = Launch::lanes(Kernel::Hash, Memory { bytes: 1 << 20, ..memory }, memory, 32, 1, 1, 32).unwrap();
        assert_eq!(driver.launch(hash, &launch, stream), Err(1));
        assert_eq!(driver.function(module, Kernel::Mma), Err(500), "it is in the other image");

        assert_eq!(stranger.synchronize_stream(stream), Err(400), "handles of one library are unknown to another");
        assert_eq!(stranger.free(memory), Err(400));
        assert_eq!(stranger.free_pinned(pinned), Err(400));
        assert_eq!(stranger.allocate(64).map(|_| ()), Err(201), "the current context is not its own");

        driver.destroy_event(event).unwrap();
        assert_eq!((driver.synchronize_event(event), driver.destroy_event(event)), (Err(400), Err(400)));
        driver.free_pinned(pinned).unwrap();
        assert_eq!((driver.read_pinned(pinned, 0, &mut data[..1]), driver.free_pinned(pinned)), (Err(400), Err(400)));
        driver.free(memory).unwrap();
        assert_eq!((driver.free(memory), driver.fill(memory, 0, 1, stream)), (Err(400), Err(400)));
        driver.destroy_stream(stream).unwrap();
        assert_eq!((driver.destroy_stream(stream), driver.stream_done(stream)), (Err(400), Err(400)));
        assert_eq!(driver.destroy_context(context), Err(201), "the shared context is given back, not ended");
        driver.release(0).unwrap();
        assert_eq!((driver.release(0), driver.set_current(Some(context))), (Err(201), Err(400)));
        assert_eq!(driver.release(5), Err(201));
    });
}

#[test]
fn a_context_takes_what_lives_in_it() {
    both("a_context_takes_what_lives_in_it", |driver, _| {
        let own = driver.create_context(1).unwrap();
        assert_eq!(driver.allocate(4), Err(201), "a new context is not current");
        driver.set_current(Some(own)).unwrap();
        let stream = driver.create_stream(0).unwrap();
        let (memory, pinned) = (driver.allocate(64).unwrap(), driver.allocate_pinned(64).unwrap());
        let module = driver.load(Image::Base, false).unwrap();
        let empty = driver.function(module, Kernel::Empty).unwrap();
        let (shared, elsewhere) = begin(driver, 0);
        let apart = driver.create_event().unwrap();
        assert_eq!(driver.fill(memory, 0, 1, elsewhere), Err(400), "memory of another context");
        assert_eq!(driver.upload_pinned(memory, pinned, 4, elsewhere), Err(400));
        assert_eq!(driver.launch(empty, &Launch::empty(), elsewhere), Err(400), "a kernel of another context");
        assert_eq!(driver.record(apart, stream), Err(400), "a mark of another context");
        driver.destroy_context(own).unwrap();
        assert_eq!(driver.synchronize_stream(stream), Err(400));
        assert_eq!(driver.free(memory), Err(400));
        assert_eq!(driver.write_pinned(pinned, 0, &[1]), Err(400));
        assert_eq!(driver.unload(module), Err(400));
        assert_eq!(driver.destroy_context(own), Err(400));
        assert_eq!(driver.retain(0), Ok(shared), "the shared context has one handle, however often it is retained");
        driver.release(0).unwrap();
        assert_eq!(driver.synchronize_stream(elsewhere), Ok(()), "one part in it is left");
        driver.release(0).unwrap();
        assert_eq!(driver.synchronize_stream(elsewhere), Err(400));
        assert_eq!(driver.primary_active(0), Ok(false));
    });
}

#[test]
fn nothing_is_lost() {
    both("nothing_is_lost", |driver, _| {
        let context = driver.retain(0).unwrap();
        driver.set_current(Some(context)).unwrap();
        let before = driver.memory_info().unwrap();
        for round in 0..20 {
            let stream = driver.create_stream(0).unwrap();
            let memory = driver.allocate(1 << 20).unwrap();
            assert!(driver.memory_info().unwrap().0 < before.0);
            let pinned = driver.allocate_pinned(4096).unwrap();
            driver.upload_pinned(memory, pinned, 4096, stream).unwrap();
            driver.fill(memory, round, 16, stream).unwrap();
            driver.free_pinned(pinned).unwrap();
            driver.free(memory).unwrap();
            driver.destroy_stream(stream).unwrap();
        }
        assert_eq!(driver.memory_info().unwrap(), before);
        driver.release(0).unwrap();
        assert_eq!(driver.primary_active(0), Ok(false));
    });
}

#[test]
fn recorded_work_is_started_only_while_all_that_it_touches_is_there() {
    both("recorded_work_is_started_only_while_all_that_it_touches_is_there", |driver, _| {
        let (_, stream) = begin(driver, 0);
        let [kept, lost] = [64, 64].map(|bytes| driver.allocate(bytes).unwrap());
        driver.fill(kept, 1, 16, stream).unwrap();
        driver.begin_capture(stream).unwrap();
        driver.fill(kept, 7, 16, stream).unwrap();
        assert_eq!(
            driver.download(&mut [0; 4], kept, 0, stream),
            Err(900),
            "a slice may be gone when the work is started"
        );
        assert_eq!(driver.upload(kept, 0, &[0; 4], stream), Err(900));
        let good = driver.end_capture(stream).unwrap();
        assert_eq!(words(driver, kept, stream)[0], 1, "recorded and not done");
        driver.launch_graph(good, stream).unwrap();
        assert_eq!(words(driver, kept, stream), [7; 16]);
        driver.begin_capture(stream).unwrap();
        driver.copy(kept, lost, 64, stream).unwrap();
        let bad = driver.end_capture(stream).unwrap();
        driver.free(lost).unwrap();
        let again = driver.allocate(64).unwrap();
        assert_eq!(
            driver.launch_graph(bad, stream),
            Err(400),
            "{again:?} may lie at the same address and is not the same"
        );
        assert_eq!(driver.launch_graph(good, stream), Ok(()));
        driver.destroy_graph(good).unwrap();
        assert_eq!(driver.launch_graph(good, stream), Err(400));
        driver.destroy_graph(bad).unwrap();
    });
}

#[test]
fn devices_reach_each_other_where_the_driver_says_so() {
    both("devices_reach_each_other_where_the_driver_says_so", |driver, _| {
        let (here, stream) = begin(driver, 0);
        let near = driver.allocate(64).unwrap();
        driver.fill(near, 3, 16, stream).unwrap();
        driver.synchronize_stream(stream).unwrap();
        let (there, other) = begin(driver, 1);
        let far = driver.allocate(64).unwrap();
        assert_eq!(driver.can_access_peer(0, 1), Ok(true));
        assert_eq!(driver.copy_peer((far, here), (near, there), 64, other), Err(400), "each in its own context");
        driver.copy_peer((far, there), (near, here), 64, other).unwrap();
        assert_eq!(words(driver, far, other), [3; 16]);
        assert_eq!(driver.copy(far, near, 64, other), Err(400), "not before it is let in");
        driver.enable_peer(here).unwrap();
        assert_eq!(driver.copy(far, near, 64, other), Ok(()));
    });
}

#[test]
fn memory_holds_its_pattern_and_a_difference_is_told() {
    both("memory_holds_its_pattern_and_a_difference_is_told", |driver, _| {
        let (_, stream) = begin(driver, 0);
        let [memory, errors] = [4096, 24].map(|bytes| driver.allocate(bytes).unwrap());
        let module = driver.load(Image::Base, false).unwrap();
        let pattern = Pattern::Address(9);
        let start = |launch: &Launch| {
            let function = driver.function(module, launch.kernel()).unwrap();
            driver.launch(function, launch, stream).unwrap();
        };
        start(&Launch::pattern_write(memory, 1024, pattern, 4).unwrap());
        driver.upload(memory, 4 * 100, &[0xff; 4], stream).unwrap();
        let clear = [[0; 8], [0xff; 8], [0; 8]].concat();
        driver.upload(errors, 0, &clear, stream).unwrap();
        start(&Launch::pattern_check(memory, 1024, pattern, false, errors, 4).unwrap());
        let told = words(driver, errors, stream);
        let expected = reference::pattern_word(pattern, 100) ^ u32::MAX;
        assert_eq!((told[0], told[2], told[4]), (1, 100, expected), "one word, its place, its bits");
    });
}

/// A bit that one device gets wrong is seen there and nowhere else.
#[test]
fn one_wrong_bit_is_seen_on_its_device() {
    let flips = [("NACP_SIM_CUDA_FLIP", "device=1 kernel=nacp_fma lane=17 step=3 bit=5")];
    let simulated = sim::Cuda::named("h100x8").unwrap().flipping(1, Kernel::Fma, 17, 5);
    both_with("one_wrong_bit_is_seen_on_its_device", &flips, &simulated, |driver| {
        for device in 0..3 {
            let (_, stream) = begin(driver, device);
            let [out, sms] = [256, 64].map(|bytes| driver.allocate(bytes).unwrap());
            let launch = Launch::lanes(Kernel::Fma, out, sms, 64, 9, 3, 32).unwrap();
            let module = driver.load(Image::Base, false).unwrap();
            driver.launch(driver.function(module, Kernel::Fma).unwrap(), &launch, stream).unwrap();
            let (seen, expected) = (words(driver, out, stream), reference::of_launch(&launch).unwrap());
            let wrong: Vec<_> = (0..64).filter(|lane| seen[*lane] != expected[*lane]).collect();
            assert_eq!(wrong, if device == 1 { vec![17] } else { vec![] }, "device {device}");
        }
    });
}

#[test]
fn what_is_too_new_for_the_compiler_is_told_in_its_log() {
    let simulated = sim::Cuda::named("h100x8").unwrap().serving(8000);
    both_with(
        "what_is_too_new_for_the_compiler_is_told_in_its_log",
        &[("NACP_SIM_CUDA_PTX", "5.0")],
        &simulated,
        |driver| {
            begin(driver, 0);
            let (code, log) = driver.load(Image::Base, false).unwrap_err();
            assert_eq!(code, 222);
            assert!(log.contains("6.0") && log.contains("5.0"), "{log:?}");
        },
    );
}

/// An object that a thread waits with is not taken from it.
#[test]
fn nobody_takes_away_what_somebody_waits_with() {
    let slow = [("NACP_SIM_CUDA_FAULTS", "cuStreamSynchronize=sleep:800,cuEventSynchronize=sleep:800")];
    let time = Duration::from_millis(800);
    let simulated = sim::Cuda::named("h100x8").unwrap();
    let simulated = simulated.hanging("cuStreamSynchronize", time).hanging("cuEventSynchronize", time);
    both_with("nobody_takes_away_what_somebody_waits_with", &slow, &simulated, |driver| {
        let own = driver.create_context(0).unwrap();
        driver.set_current(Some(own)).unwrap();
        let stream = driver.create_stream(0).unwrap();
        let memory = driver.allocate(64).unwrap();
        let ready = Barrier::new(2);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                driver.set_current(Some(own)).unwrap();
                ready.wait();
                // What is recorded at this moment cannot wait.
                std::iter::repeat_with(|| driver.download(&mut [0; 64], memory, 0, stream))
                    .find(|answer| *answer != Err(900))
                    .unwrap()
            });
            ready.wait();
            let begun = Instant::now();
            while driver.begin_capture(stream).is_ok() {
                driver.end_capture(stream).map(|graph| driver.destroy_graph(graph)).unwrap().unwrap();
                assert!(begun.elapsed() < Duration::from_secs(10), "the other thread never waited");
            }
            assert_eq!(driver.free(memory), Err(600));
            assert_eq!(driver.destroy_stream(stream), Err(600));
            assert_eq!(driver.destroy_context(own), Err(600));
            assert_eq!(driver.allocate(16).map(|piece| driver.free(piece)), Ok(Ok(())), "the rest goes on");
            waits.join().unwrap().unwrap();
        });
        driver.free(memory).unwrap();
        driver.destroy_stream(stream).unwrap();
        driver.destroy_context(own).unwrap();
    });
}

/// What belongs to two contexts does not go together, whichever two they are.
#[test]
fn contexts_do_not_mix() {
    both("contexts_do_not_mix", |driver, _| {
        let (_, stream) = begin(driver, 0);
        let near = driver.create_event().unwrap();
        let (memory, pinned) = (driver.allocate(64).unwrap(), driver.allocate_pinned(64).unwrap());
        driver.begin_capture(stream).unwrap();
        driver.fill(memory, 1, 16, stream).unwrap();
        let graph = driver.end_capture(stream).unwrap();
        driver.record(near, stream).unwrap();
        let own = driver.create_context(0).unwrap();
        driver.set_current(Some(own)).unwrap();
        let other = driver.create_stream(0).unwrap();
        let mine = driver.allocate(64).unwrap();
        let far = driver.create_event().unwrap();
        driver.record(far, other).unwrap();
        assert_eq!(driver.record(near, other), Err(400));
        assert_eq!((driver.elapsed(near, far), driver.elapsed(far, near)), (Err(400), Err(400)));
        assert_eq!(driver.launch_graph(graph, other), Err(400));
        assert_eq!(driver.copy(mine, memory, 64, other), Err(400));
        assert_eq!(driver.download(&mut [0; 4], memory, 0, other), Err(400));
        assert_eq!(driver.upload_pinned(mine, pinned, 4, other), Err(400));
        assert_eq!(driver.download_pinned(pinned, mine, 4, other), Err(400));
        let module = driver.load(Image::Base, false).unwrap();
        let write = driver.function(module, Kernel::PatternWrite).unwrap();
        let launch = |memory| Launch::pattern_write(memory, 16, Pattern::Constant(3), 1).unwrap();
        assert_eq!(driver.launch(write, &launch(memory), other), Err(400));
        assert_eq!(driver.launch(write, &launch(mine), stream), Err(400));
        assert_eq!(driver.launch(write, &launch(mine), other), Ok(()));
        driver.set_current(None).unwrap();
        assert_eq!(driver.fill(mine, 4, 16, other), Err(201), "everything happens on a current context");
        assert_eq!(driver.synchronize_stream(other), Err(201));
        driver.set_current(Some(own)).unwrap();
        assert_eq!(words(driver, mine, other), [3; 16]);
        driver.free(memory).unwrap();
        driver.free_pinned(pinned).unwrap();
        driver.destroy_event(near).unwrap();
        driver.destroy_context(own).unwrap();
    });
}

#[test]
fn whatever_recorded_work_touches_must_be_there() {
    both("whatever_recorded_work_touches_must_be_there", |driver, _| {
        let (here, stream) = begin(driver, 0);
        let memory = driver.allocate(64).unwrap();
        let module = driver.load(Image::Base, false).unwrap();
        let empty = driver.function(module, Kernel::Empty).unwrap();
        let event = driver.create_event().unwrap();
        let pinned = driver.allocate_pinned(64).unwrap();
        let far = {
            driver.set_current(Some(driver.retain(1).unwrap())).unwrap();
            driver.allocate(64).unwrap()
        };
        let there = driver.retain(1).unwrap();
        driver.set_current(Some(here)).unwrap();
        driver.fill(memory, 5, 16, stream).unwrap();
        let record = |work: &dyn Fn()| {
            driver.begin_capture(stream).unwrap();
            driver.fill(memory, 9, 16, stream).unwrap();
            work();
            driver.end_capture(stream).unwrap()
        };
        let launches = record(&|| driver.launch(empty, &Launch::empty(), stream).unwrap());
        let marks = record(&|| driver.record(event, stream).unwrap());
        let sends = record(&|| driver.upload_pinned(memory, pinned, 64, stream).unwrap());
        let crosses = record(&|| driver.copy_peer((far, there), (memory, here), 64, stream).unwrap());
        assert_eq!(words(driver, memory, stream), [5; 16], "nothing of it was done");
        let graphs = [launches, marks, sends, crosses];
        graphs.iter().for_each(|graph| assert_eq!(driver.launch_graph(*graph, stream), Ok(())));
        driver.synchronize_stream(stream).unwrap();
        driver.fill(memory, 5, 16, stream).unwrap();
        driver.unload(module).unwrap();
        driver.destroy_event(event).unwrap();
        driver.free_pinned(pinned).unwrap();
        driver.allocate_pinned(64).unwrap();
        driver.free(far).unwrap();
        for graph in graphs {
            assert_eq!(driver.launch_graph(graph, stream), Err(400));
            assert_eq!(words(driver, memory, stream), [5; 16], "not even its first part is done");
        }
    });
}

#[test]
fn a_question_that_waits_spoils_what_is_recorded() {
    both("a_question_that_waits_spoils_what_is_recorded", |driver, _| {
        let (_, stream) = begin(driver, 0);
        let memory = driver.allocate(64).unwrap();
        assert_eq!(driver.end_capture(stream).map(|_| ()), Err(401), "nothing is recorded");
        driver.begin_capture(stream).unwrap();
        assert_eq!(driver.begin_capture(stream), Err(401));
        assert_eq!(driver.synchronize_stream(stream), Err(900));
        assert_eq!(driver.fill(memory, 1, 16, stream), Err(901));
        assert_eq!(driver.end_capture(stream).map(|_| ()), Err(901));
        driver.fill(memory, 1, 16, stream).unwrap();
        assert_eq!(words(driver, memory, stream), [1; 16], "the stream works again");
    });
}

/// A program that failed leaves a context that answers nothing else; what lives in it can still be given back.
#[test]
fn after_a_failed_program_everything_is_refused_and_taken_back() {
    let name = "after_a_failed_program_everything_is_refused_and_taken_back";
    let faults = [("NACP_SIM_CUDA_FAULTS", "cuLaunchKernel=700")];
    let simulated = sim::Cuda::named("h100x8").unwrap().failing("cuLaunchKernel", 0, 700);
    both_with(name, &faults, &simulated, |driver| {
        let (_, stream) = begin(driver, 0);
        let (memory, pinned) = (driver.allocate(64).unwrap(), driver.allocate_pinned(64).unwrap());
        let event = driver.create_event().unwrap();
        let module = driver.load(Image::Base, false).unwrap();
        let empty = driver.function(module, Kernel::Empty).unwrap();
        assert_eq!(driver.launch(empty, &Launch::empty(), stream), Err(700));
        assert_eq!(driver.synchronize_stream(stream), Err(700));
        assert_eq!(driver.fill(memory, 0, 16, stream), Err(700));
        assert_eq!(driver.allocate(64), Err(700));
        assert_eq!((driver.free(memory), driver.free(memory)), (Err(700), Err(400)));
        assert_eq!((driver.free_pinned(pinned).is_ok(), driver.free_pinned(pinned)), (false, Err(400)));
        driver.destroy_event(event).ok();
        driver.unload(module).ok();
        driver.destroy_stream(stream).ok();
        assert_eq!((driver.destroy_event(event), driver.unload(module)), (Err(400), Err(400)));
        assert_eq!(driver.destroy_stream(stream), Err(400));
        driver.release(0).ok();
        assert_eq!(driver.release(0), Err(201));
    });
}
