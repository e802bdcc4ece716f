//! Events, and what a script changes as time goes on.

use std::time::{Duration, Instant};

use super::{answer, gpu, start, start_changed, value};
use crate::calls::events::{
    nvmlDeviceGetSupportedEventTypes, nvmlDeviceRegisterEvents, nvmlEventSetCreate, nvmlEventSetFree, nvmlEventSetWait,
    nvmlEventSetWait_v2, nvmlSystemEventSetCreate, nvmlSystemEventSetFree, nvmlSystemEventSetWait,
    nvmlSystemRegisterEvents,
};
use crate::calls::handles::nvmlDeviceGetHandleByIndex_v2;
use crate::calls::thermal::nvmlDeviceGetTemperature;
use crate::memory::{Out, blank, version};
use nvml_wrapper_sys::bindings as sys;

#[test]
fn a_script_runs_by_the_ticks_of_a_file() {
    let (_played, tick) = start_changed(
        "h100x8",
        |file| {
            file.script = serde_json::from_value(serde_json::json!([
                { "tick": 0, "gpu": 3, "xid": 13 },
                { "tick": 2, "gpu": 1, "set": { "temperature": 93 } },
                { "tick": 3, "gpu": 1, "xid": 79, "lost": true },
                { "tick": 4, "gpu": 2, "event": { "kind": 1_048_576, "data": 5, "gpu_instance": 2 } },
            ]))
            .unwrap();
        },
        "",
    );
    let (first, second) = (gpu(1), gpu(2));
    let temperature = || answer(|place| nvmlDeviceGetTemperature(first, 0, place));
    let to = |now: u64| std::fs::write(&tick, format!("{now}\n")).unwrap();
    let set = value(|set| nvmlEventSetCreate(set));
    assert_eq!(value(|kinds| nvmlDeviceGetSupportedEventTypes(second, kinds)) & 0x10_0008, 0x10_0008);
    assert_eq!(nvmlDeviceRegisterEvents(first, 8, set), 0);
    assert_eq!(nvmlDeviceRegisterEvents(first, 1 << 40, set), 3, "not such an event");
    assert_eq!(nvmlDeviceRegisterEvents(second, 0x10_0000, set), 0);
    let wait = || answer(|data| nvmlEventSetWait_v2(set, data, 0));

    assert_eq!(temperature(), (0, 44));
    assert_eq!(wait().0, 10, "the event of a GPU that nobody registered");
    to(2);
    assert_eq!((temperature(), wait().0), ((0, 93), 10));
    to(3);
    assert_eq!(temperature().0, 15);
    assert_eq!(answer(|place| nvmlDeviceGetHandleByIndex_v2(1, place)).0, 15);
    let (code, event) = wait();
    assert_eq!((code, event.device.addr(), event.eventType, event.eventData), (0, first.addr(), 8, 79));
    assert_eq!((event.gpuInstanceId, wait().0), (u32::MAX, 10), "once");
    to(9);
    let (code, event) = wait();
    assert_eq!((code, event.eventType, event.gpuInstanceId), (0, 0x10_0000, 2), "bits that nobody knows");
    assert_eq!([nvmlEventSetFree(set), nvmlEventSetFree(set)], [0, 2], "freed twice");
    assert_eq!(wait().0, 2);
}

#[test]
fn the_first_generation_of_the_wait_writes_less() {
    let (_played, _) = start_changed(
        "h100x8",
        |file| file.script = serde_json::from_value(serde_json::json!([{ "tick": 0, "gpu": 0, "xid": 31 }])).unwrap(),
        "",
    );
    let set = value(|set| nvmlEventSetCreate(set));
    assert_eq!(nvmlDeviceRegisterEvents(gpu(0), 8, set), 0);
    let mut room = sys::nvmlEventData_t { gpuInstanceId: 7, computeInstanceId: 7, ..blank() };
    assert_eq!(nvmlEventSetWait(set, Out::to(&mut room).cast(), 0), 0);
    assert_eq!((room.eventData, room.gpuInstanceId), (31, 7));
}

#[test]
fn a_wait_without_an_event_takes_its_time() {
    let _played = start("h100x8");
    let set = value(|set| nvmlEventSetCreate(set));
    let start = Instant::now();
    assert_eq!(answer(|data| nvmlEventSetWait_v2(set, data, 30)).0, 10);
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(nvmlEventSetWait_v2(set, Out::null(), 0), 2);
}

#[test]
fn a_machine_under_wsl2_tells_no_events() {
    let _played = start("rtx3050ti-laptop-wsl2");
    assert_eq!(value(|kinds| nvmlDeviceGetSupportedEventTypes(gpu(0), kinds)), 0);
    let set = value(|set| nvmlEventSetCreate(set));
    assert_eq!(nvmlDeviceRegisterEvents(gpu(0), 8, set), 3);
}

#[test]
fn no_driver_is_bound_or_unbound() {
    let _played = start("h100x8");
    let mut made = sys::nvmlSystemEventSetCreateRequest_t { version: 0, ..blank() };
    assert_eq!(nvmlSystemEventSetCreate(Out::to(&mut made)), 25);
    made.version = version::<sys::nvmlSystemEventSetCreateRequest_t>(1);
    assert_eq!(nvmlSystemEventSetCreate(Out::to(&mut made)), 0);
    let version_of_register = version::<sys::nvmlSystemRegisterEventRequest_t>(1);
    let mut asked =
        sys::nvmlSystemRegisterEventRequest_t { version: version_of_register, eventTypes: 3, set: made.set };
    assert_eq!(nvmlSystemRegisterEvents(Out::to(&mut asked)), 0);
    asked.eventTypes = 4;
    assert_eq!(nvmlSystemRegisterEvents(Out::to(&mut asked)), 2);
    let version_of_wait = version::<sys::nvmlSystemEventSetWaitRequest_t>(1);
    let mut wait = sys::nvmlSystemEventSetWaitRequest_t { version: version_of_wait, set: made.set, ..blank() };
    assert_eq!(nvmlSystemEventSetWait(Out::to(&mut wait)), 10);
    let version_of_free = version::<sys::nvmlSystemEventSetFreeRequest_t>(1);
    let mut freed = sys::nvmlSystemEventSetFreeRequest_t { version: version_of_free, set: made.set };
    assert_eq!(nvmlSystemEventSetFree(Out::to(&mut freed)), 0);
    assert_eq!(nvmlSystemEventSetWait(Out::to(&mut wait)), 2);
}
