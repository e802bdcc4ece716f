//! Partitions: devices, GPU instances and compute instances.

use std::ffi::c_char;

use super::{answer, gpu, start, value};
use crate::calls::handles::nvmlDeviceGetHandleByUUID;
use crate::calls::identity::{nvmlDeviceGetName, nvmlDeviceGetUUID};
use crate::calls::instances::{
    nvmlComputeInstanceGetInfo_v2, nvmlDeviceGetGpuInstanceById, nvmlDeviceGetGpuInstances,
    nvmlGpuInstanceGetComputeInstanceById, nvmlGpuInstanceGetComputeInstanceRemainingCapacity, nvmlGpuInstanceGetInfo,
};
use crate::calls::load::nvmlDeviceGetUtilizationRates;
use crate::calls::memory_use::{nvmlDeviceGetBAR1MemoryInfo, nvmlDeviceGetMemoryInfo};
use crate::calls::mig::{
    nvmlDeviceGetAttributes_v2, nvmlDeviceGetComputeInstanceId, nvmlDeviceGetDeviceHandleFromMigDeviceHandle,
    nvmlDeviceGetGpuInstanceId, nvmlDeviceGetGpuInstancePossiblePlacements_v2, nvmlDeviceGetGpuInstanceProfileInfoV,
    nvmlDeviceGetGpuInstanceRemainingCapacity, nvmlDeviceGetMaxMigDeviceCount, nvmlDeviceGetMigDeviceHandleByIndex,
    nvmlDeviceGetMigMode, nvmlDeviceIsMigDeviceHandle,
};
use crate::calls::power::nvmlDeviceGetPowerUsage;
use crate::calls::process::nvmlDeviceGetComputeRunningProcesses_v3;
use crate::machine::Handle;
use crate::memory::{Out, Text, blank, version};
use nvml_wrapper_sys::bindings as sys;

fn part(index: u32, nth: u32) -> Handle {
    value(|device| nvmlDeviceGetMigDeviceHandleByIndex(gpu(index), nth, device))
}

fn text(call: impl FnOnce(Out<c_char>) -> i32) -> String {
    let mut buffer: [c_char; 96] = [0; 96];
    assert_eq!(call(Out::at(buffer.as_mut_ptr())), 0);
    buffer.iter().take_while(|byte| **byte != 0).map(|byte| char::from(byte.cast_unsigned())).collect()
}

#[test]
fn modes_and_numbers_of_parts_are_told() {
    let _played = start("a100-mig");
    let mode = |index| {
        let (mut current, mut pending) = (9, 9);
        assert_eq!(nvmlDeviceGetMigMode(gpu(index), Out::to(&mut current), Out::to(&mut pending)), 0);
        (current, pending)
    };
    assert_eq!([mode(0), mode(2), mode(3)], [(1, 1), (1, 1), (0, 1)]);
    assert_eq!(value(|count| nvmlDeviceGetMaxMigDeviceCount(gpu(0), count)), 7);
    let there = |index| {
        (0..7).filter(move |nth| answer(|device| nvmlDeviceGetMigDeviceHandleByIndex(gpu(index), *nth, device)).0 == 0)
    };
    assert_eq!([0, 1, 2, 3].map(|index| there(index).count()), [7, 4, 0, 0]);
    assert_eq!(answer(|device| nvmlDeviceGetMigDeviceHandleByIndex(gpu(2), 0, device)).0, 6, "empty");
    assert_eq!(answer(|device| nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 7, device)).0, 2);
}

#[test]
fn a_part_is_a_device_of_its_own() {
    let _played = start("a100-mig");
    let (whole, half) = (gpu(1), part(1, 0));
    assert_eq!(text(|place| nvmlDeviceGetName(half, place, 96)), "NVIDIA A100-SXM4-40GB MIG 2c.3g.20gb");
    assert_eq!(text(|place| nvmlDeviceGetUUID(half, place, 96)), "MIG-a1000a02-0100-5000-8000-000000000001");
    let uuid = c"MIG-a1000a02-0100-5000-8000-000000000001";
    assert_eq!(value(|device| nvmlDeviceGetHandleByUUID(Text::from(uuid), device)), half);
    assert_eq!([whole, half].map(|device| value(|is| nvmlDeviceIsMigDeviceHandle(device, is))), [0, 1]);
    assert_eq!(value(|device| nvmlDeviceGetDeviceHandleFromMigDeviceHandle(half, device)), whole);
    assert_eq!(value(|id| nvmlDeviceGetGpuInstanceId(half, id)), 1);
    assert_eq!(value(|id| nvmlDeviceGetComputeInstanceId(part(1, 1), id)), 1);
    let attributes = value(|place| nvmlDeviceGetAttributes_v2(half, place));
    assert_eq!((attributes.multiprocessorCount, attributes.gpuInstanceSliceCount), (28, 3));
    assert_eq!((attributes.computeInstanceSliceCount, attributes.memorySizeMB), (2, 19_968));
    assert_eq!(answer(|place| nvmlDeviceGetAttributes_v2(whole, place)).0, 3);
    let memory = value(|place| nvmlDeviceGetMemoryInfo(half, place));
    assert_eq!((memory.total >> 20, memory.used >> 20), (19_968, 17_438));
    assert_eq!(value(|place| nvmlDeviceGetBAR1MemoryInfo(half, place)).bar1Total >> 30, 32, "half of the window");
    assert_eq!(answer(|place| nvmlDeviceGetPowerUsage(half, place)).0, 3, "only the whole GPU draws power");
    assert_eq!(answer(|place| nvmlDeviceGetUtilizationRates(whole, place)).0, 3, "it is divided");
}

#[test]
fn processes_belong_to_parts() {
    let _played = start("a100-mig");
    let processes = |device| {
        let mut list = [blank::<sys::nvmlProcessInfo_v2_t>(); 8];
        let mut count = 8;
        let place = Out::at(list.as_mut_ptr());
        assert_eq!(nvmlDeviceGetComputeRunningProcesses_v3(device, Out::to(&mut count), place), 0);
        let listed = list[..usize::try_from(count).unwrap()].iter();
        listed.map(|process| (process.gpuInstanceId, process.computeInstanceId)).collect::<Vec<_>>()
    };
    assert_eq!(processes(gpu(1)), [(1, 0), (1, 1), (5, 0)]);
    assert_eq!(processes(part(1, 1)), [(1, 1)]);
    assert_eq!(processes(gpu(3)), [(u32::MAX, u32::MAX)], "no parts");
}

#[test]
fn profiles_say_what_fits() {
    let _played = start("a100-mig");
    let mut info: sys::nvmlGpuInstanceProfileInfo_v2_t = blank();
    assert_eq!(nvmlDeviceGetGpuInstanceProfileInfoV(gpu(1), 2, Out::to(&mut info)), 25);
    info.version = version::<sys::nvmlGpuInstanceProfileInfo_v2_t>(2);
    assert_eq!(nvmlDeviceGetGpuInstanceProfileInfoV(gpu(1), 2, Out::to(&mut info)), 0);
    assert_eq!((info.id, info.sliceCount, info.instanceCount, info.memorySizeMB), (9, 3, 2, 19_968));
    assert_eq!(nvmlDeviceGetGpuInstanceProfileInfoV(gpu(1), 5, Out::to(&mut info)), 3, "not on this GPU");
    assert_eq!(nvmlDeviceGetGpuInstanceProfileInfoV(gpu(1), 99, Out::to(&mut info)), 2);
    let left = |index, profile| value(|count| nvmlDeviceGetGpuInstanceRemainingCapacity(gpu(index), profile, count));
    assert_eq!([left(0, 19), left(1, 19), left(2, 19), left(2, 9), left(2, 0)], [0, 0, 7, 2, 1]);
    let (mut count, mut places) = (0, [blank::<sys::nvmlGpuInstancePlacement_t>(); 8]);
    let ask = nvmlDeviceGetGpuInstancePossiblePlacements_v2;
    assert_eq!(ask(gpu(2), 14, Out::null(), Out::to(&mut count)), 0);
    assert_eq!(ask(gpu(2), 14, Out::at(places.as_mut_ptr()), Out::to(&mut count)), 0);
    assert_eq!(places[..3].iter().map(|place| (place.start, place.size)).collect::<Vec<_>>(), [(0, 2), (2, 2), (4, 2)]);
}

#[test]
fn instances_are_found_by_profile_and_id() {
    let _played = start("a100-mig");
    let (mut count, mut list) = (0, [std::ptr::null(); 7]);
    let place = Out::at(list.as_mut_ptr());
    assert_eq!(nvmlDeviceGetGpuInstances(gpu(1), 19, place, Out::to(&mut count)), 0);
    assert_eq!(count, 2);
    let infos = [0, 1].map(|nth: usize| value(|info| nvmlGpuInstanceGetInfo(list[nth], info)));
    assert_eq!(infos.map(|info| (info.id, info.profileId, info.placement.start)), [(9, 19, 2), (10, 19, 3)]);
    let instance = value(|place| nvmlDeviceGetGpuInstanceById(gpu(1), 1, place));
    let compute = value(|place| nvmlGpuInstanceGetComputeInstanceById(instance, 1, place));
    let info = value(|place| nvmlComputeInstanceGetInfo_v2(compute, place));
    assert_eq!((info.id, info.profileId, info.placement.start, info.placement.size), (1, 0, 2, 1));
    assert_eq!(value(|count| nvmlGpuInstanceGetComputeInstanceRemainingCapacity(instance, 0, count)), 0);
    assert_eq!(value(|count| nvmlGpuInstanceGetComputeInstanceRemainingCapacity(list[1], 0, count)), 1);
    assert_eq!(answer(|place| nvmlDeviceGetGpuInstanceById(gpu(1), 77, place)).0, 6);
    assert_eq!(answer(|place| nvmlGpuInstanceGetInfo(gpu(1), place)).0, 2, "not such a handle");
}
