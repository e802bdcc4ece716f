//! Starting and stopping, handles, null pointers, texts and lists.

use std::ffi::c_char;
use std::ptr;

use super::{answer, gpu, play, settings, start, value};
use crate::calls::handles::{
    nvmlDeviceGetCount_v2, nvmlDeviceGetHandleByIndex_v2, nvmlDeviceGetHandleByPciBusId_v2,
    nvmlDeviceGetHandleBySerial, nvmlDeviceGetHandleByUUID, nvmlDeviceGetHandleByUUIDV,
};
use crate::calls::identity::nvmlDeviceGetName;
use crate::calls::power::{nvmlDeviceGetEnforcedPowerLimit, nvmlDeviceGetPowerUsage};
use crate::calls::process::{
    nvmlDeviceGetComputeRunningProcesses_v3, nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlDeviceGetProcessUtilization,
    nvmlDeviceGetRunningProcessDetailList,
};
use crate::calls::system::{nvmlErrorString, nvmlInit_v2, nvmlShutdown, nvmlSystemGetProcessName};
use crate::memory::{Out, Text, blank, field, version};
use nvml_wrapper_sys::bindings as sys;

#[test]
fn users_are_counted_and_nothing_answers_before_the_first_or_after_the_last() {
    let _played = play(settings("rtx3050ti-laptop-wsl2"));
    assert_eq!(answer(|count| nvmlDeviceGetCount_v2(count)).0, 1, "before nvmlInit");
    assert_eq!(nvmlShutdown(), 1, "before nvmlInit");
    assert_eq!((nvmlInit_v2(), nvmlInit_v2()), (0, 0));
    let handle = gpu(0);
    assert_eq!(nvmlShutdown(), 0);
    assert_eq!(answer(|power| nvmlDeviceGetPowerUsage(handle, power)).0, 0, "the first user is still there");
    assert_eq!(nvmlShutdown(), 0);
    assert_eq!(answer(|power| nvmlDeviceGetPowerUsage(handle, power)).0, 1, "after the last nvmlShutdown");
}

#[test]
fn only_handles_of_this_machine_and_places_to_write_are_taken() {
    let _played = start("rtx3050ti-laptop-wsl2");
    let mut power = 0u32;
    assert_eq!(nvmlDeviceGetCount_v2(Out::null()), 2, "null pointer");
    assert_eq!(nvmlDeviceGetPowerUsage(ptr::null(), Out::to(&mut power)), 2, "null handle");
    assert_eq!(nvmlDeviceGetPowerUsage(ptr::without_provenance(64), Out::to(&mut power)), 2, "made-up handle");
    assert_eq!(nvmlDeviceGetPowerUsage(gpu(0).wrapping_byte_add(1), Out::to(&mut power)), 2, "beside a handle");
    assert_eq!(nvmlDeviceGetPowerUsage(gpu(0), Out::null()), 2);
    assert_eq!(answer(|gpu| nvmlDeviceGetHandleByIndex_v2(1, gpu)).0, 2, "index out of range");
    assert_eq!(nvmlDeviceGetHandleByIndex_v2(0, Out::null()), 2);
    assert_eq!(nvmlDeviceGetEnforcedPowerLimit(gpu(0), Out::to(&mut power)), 3, "WSL2 does not tell");
}

#[test]
fn a_gpu_is_found_by_each_of_its_names() {
    let _played = start("h100x8");
    let second = gpu(1);
    let uuid = c"GPU-4100a802-0000-4000-8000-000000000002";
    assert_eq!(value(|gpu| nvmlDeviceGetHandleByUUID(Text::from(uuid), gpu)), second);
    assert_eq!(answer(|gpu| nvmlDeviceGetHandleByUUID(Text::from(c"GPU-0"), gpu)).0, 6, "unknown UUID");
    for address in [c"00000000:3B:00.0", c"0000:3b:00.0"] {
        assert_eq!(value(|gpu| nvmlDeviceGetHandleByPciBusId_v2(Text::from(address), gpu)), second);
    }
    assert_eq!(value(|gpu| nvmlDeviceGetHandleBySerial(Text::from(c"1650924000002"), gpu)), second);
    assert_eq!(answer(|gpu| nvmlDeviceGetHandleBySerial(Text::from(c"1"), gpu)).0, 6);

    let mut asked = sys::nvmlUUID_t { version: version::<sys::nvmlUUID_t>(1), type_: 1, ..blank() };
    asked.value.str_ = field("GPU-4100a802-0000-4000-8000-000000000002");
    assert_eq!(value(|gpu| nvmlDeviceGetHandleByUUIDV(Out::to(&mut asked), gpu)), second);
    asked.type_ = 2;
    asked.value.bytes = [0x41, 0x00, 0xa8, 0x02, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 2];
    assert_eq!(value(|gpu| nvmlDeviceGetHandleByUUIDV(Out::to(&mut asked), gpu)), second);
    asked.version = 1;
    assert_eq!(answer(|gpu| nvmlDeviceGetHandleByUUIDV(Out::to(&mut asked), gpu)).0, 25);
}

#[test]
fn a_text_without_room_is_not_written() {
    let _played = start("rtx3050ti-laptop-wsl2");
    let name = "NVIDIA GeForce RTX 3050 Ti Laptop GPU";
    let mut buffer: [c_char; 64] = [7; 64];
    let room = u32::try_from(name.len()).unwrap();
    assert_eq!(nvmlDeviceGetName(gpu(0), Out::to(&mut buffer[0]), room), 7, "no room for the closing zero");
    assert_eq!(buffer, [7; 64], "nothing written");
    assert_eq!(nvmlDeviceGetName(gpu(0), Out::null(), room), 2);
    assert_eq!(nvmlDeviceGetName(gpu(0), Out::at(buffer.as_mut_ptr()), room + 1), 0);
    assert_eq!(buffer[..=name.len()], field::<38>(name)[..]);
}

#[test]
fn a_list_is_asked_for_in_two_calls() {
    let _played = start("rtx3050ti-laptop-wsl2");
    let mut count = 0u32;
    assert_eq!(nvmlDeviceGetComputeRunningProcesses_v3(gpu(0), Out::to(&mut count), Out::null()), 0, "an empty list");
    assert_eq!(nvmlDeviceGetGraphicsRunningProcesses_v3(gpu(0), Out::to(&mut count), Out::null()), 7, "how many?");
    assert_eq!(count, 1);
    assert_eq!(nvmlDeviceGetGraphicsRunningProcesses_v3(gpu(0), Out::to(&mut count), Out::null()), 2, "null list");
    let mut list = [blank::<sys::nvmlProcessInfo_v2_t>(); 2];
    count = 2;
    assert_eq!(nvmlDeviceGetGraphicsRunningProcesses_v3(gpu(0), Out::to(&mut count), Out::at(list.as_mut_ptr())), 0);
    assert_eq!((count, list[0].pid), (1, std::process::id()));
    assert_eq!(list[0].usedGpuMemory, u64::MAX, "WSL2 does not tell");
    assert_eq!(nvmlDeviceGetGraphicsRunningProcesses_v3(gpu(0), Out::null(), Out::at(list.as_mut_ptr())), 2);
}

#[test]
fn processes_are_started_and_told_in_all_their_lists() {
    let played = start("rtx4090");
    let mut details = [blank::<sys::nvmlProcessDetail_v1_t>(); 4];
    let mut list = sys::nvmlProcessDetailList_t { version: 1, mode: 1, ..blank() };
    assert_eq!(nvmlDeviceGetRunningProcessDetailList(gpu(0), Out::to(&mut list)), 25);
    list.version = version::<sys::nvmlProcessDetailList_t>(1);
    assert_eq!(nvmlDeviceGetRunningProcessDetailList(gpu(0), Out::to(&mut list)), 7);
    assert_eq!(list.numProcArrayEntries, 2, "one draws, one does both");
    list.procArray = details.as_mut_ptr();
    assert_eq!(nvmlDeviceGetRunningProcessDetailList(gpu(0), Out::to(&mut list)), 0);
    let pid = details[0].pid;
    assert_eq!(details[0].usedGpuMemory >> 20, 412);
    let mut name: [c_char; 32] = [0; 32];
    assert_eq!(nvmlSystemGetProcessName(pid, Out::at(name.as_mut_ptr()), 32), 0);
    assert_eq!(name, field("cat"));

    let mut count = 0;
    assert_eq!(nvmlDeviceGetProcessUtilization(gpu(0), Out::null(), Out::to(&mut count), 0), 7);
    assert_eq!(count, 3);
    let mut samples = [blank::<sys::nvmlProcessUtilizationSample_t>(); 3];
    let place = Out::at(samples.as_mut_ptr());
    assert_eq!(nvmlDeviceGetProcessUtilization(gpu(0), place, Out::to(&mut count), 0), 0);
    assert_eq!(samples.map(|sample| sample.smUtil), [4, 58, 2]);
    let place = Out::at(samples.as_mut_ptr());
    assert_eq!(nvmlDeviceGetProcessUtilization(gpu(0), place, Out::to(&mut count), u64::MAX), 6, "none is newer");

    let alive = || std::path::Path::new(&format!("/proc/{pid}")).exists();
    assert!(alive());
    assert_eq!(nvmlShutdown(), 0);
    assert!(!alive(), "the last nvmlShutdown ends them");
    drop(played);
}

#[test]
fn every_code_has_a_text() {
    let texts: std::collections::BTreeSet<_> = (0..=30).chain([999]).map(|code| nvmlErrorString(code).addr()).collect();
    assert_eq!(texts.len(), 32);
    assert_eq!(nvmlErrorString(31), nvmlErrorString(-5));
}
