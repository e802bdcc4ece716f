//! The library's contract with its callers, on the default node. One test, for the users are counted per process.

use std::ffi::c_char;
use std::ptr;

use crate::device::{
    MemoryV1, MemoryV2, TemperatureV1, nvmlDeviceGetClockInfo, nvmlDeviceGetEnforcedPowerLimit,
    nvmlDeviceGetMemoryInfo, nvmlDeviceGetMemoryInfo_v2, nvmlDeviceGetName, nvmlDeviceGetPowerUsage,
    nvmlDeviceGetTemperatureV,
};
use crate::memory::{Out, Text, version};
use crate::node::Handle;
use crate::process::{ProcessV2, nvmlDeviceGetComputeRunningProcesses_v3, nvmlDeviceGetGraphicsRunningProcesses_v3};
use crate::system::{
    nvmlDeviceGetCount_v2, nvmlDeviceGetHandleByIndex_v2, nvmlDeviceGetHandleByPciBusId_v2, nvmlDeviceGetHandleByUUID,
    nvmlInit_v2, nvmlShutdown,
};

#[test]
fn the_contract_of_nvml_h_is_kept() {
    let (mut count, mut power) = (0, 0);
    assert_eq!(nvmlDeviceGetCount_v2(Out::to(&mut count)), 1, "before nvmlInit");
    assert_eq!(nvmlShutdown(), 1, "before nvmlInit");
    assert_eq!(nvmlInit_v2(), 0);
    assert_eq!(nvmlInit_v2(), 0);

    assert_eq!(nvmlDeviceGetCount_v2(Out::null()), 2, "null pointer");
    let mut gpu: *const Handle = ptr::null();
    assert_eq!(nvmlDeviceGetPowerUsage(gpu, Out::to(&mut power)), 2, "null handle");
    assert_eq!(nvmlDeviceGetPowerUsage(ptr::without_provenance(64), Out::to(&mut power)), 2, "made-up handle");
    assert_eq!(nvmlDeviceGetHandleByIndex_v2(1, Out::to(&mut gpu)), 2, "index out of range");
    assert_eq!(nvmlDeviceGetHandleByIndex_v2(0, Out::to(&mut gpu)), 0);

    let mut same: *const Handle = ptr::null();
    assert_eq!(
        nvmlDeviceGetHandleByUUID(Text::from(c"GPU-3050a701-0000-4000-8000-000000000001"), Out::to(&mut same)),
        0
    );
    assert_eq!(same, gpu);
    assert_eq!(nvmlDeviceGetHandleByUUID(Text::from(c"GPU-0"), Out::to(&mut same)), 6, "unknown UUID");
    for address in [c"00000000:01:00.0", c"0000:01:00.0"] {
        same = ptr::null();
        assert_eq!(nvmlDeviceGetHandleByPciBusId_v2(Text::from(address), Out::to(&mut same)), 0);
        assert_eq!(same, gpu);
    }

    let name = "NVIDIA GeForce RTX 3050 Ti Laptop GPU";
    let mut buffer: [c_char; 64] = [7; 64];
    let room = u32::try_from(name.len()).unwrap();
    assert_eq!(nvmlDeviceGetName(gpu, Out::to(&mut buffer[0]), room), 7, "no room for the closing zero");
    assert_eq!(buffer, [7; 64], "nothing written");
    assert_eq!(nvmlDeviceGetName(gpu, Out::null(), room), 2);

    let mut memory = MemoryV2 { version: 1, ..MemoryV2::default() };
    assert_eq!(nvmlDeviceGetMemoryInfo_v2(gpu, Out::to(&mut memory)), 25, "another version");
    memory.version = 40 | 2 << 24;
    assert_eq!(nvmlDeviceGetMemoryInfo_v2(gpu, Out::to(&mut memory)), 0);
    let mut old = MemoryV1::default();
    assert_eq!(nvmlDeviceGetMemoryInfo(gpu, Out::to(&mut old)), 0);
    assert_eq!((old.total, old.free), (memory.total, memory.free));
    assert_eq!(old.used, memory.used + memory.reserved);
    assert_eq!(old.used + old.free, old.total);

    assert_eq!(version::<TemperatureV1>(1), 12 | 1 << 24);
    let mut temperature = TemperatureV1::default();
    assert_eq!(nvmlDeviceGetTemperatureV(gpu, Out::to(&mut temperature)), 25);
    temperature = TemperatureV1 { version: 12 | 1 << 24, sensor: 9, temperature: 0 };
    assert_eq!(nvmlDeviceGetTemperatureV(gpu, Out::to(&mut temperature)), 2, "no such sensor");

    assert_eq!(nvmlDeviceGetEnforcedPowerLimit(gpu, Out::to(&mut power)), 3, "WSL2 does not tell");
    assert_eq!(nvmlDeviceGetClockInfo(gpu, 3, Out::to(&mut power)), 3, "not modelled");
    assert_eq!(nvmlDeviceGetClockInfo(gpu, 9, Out::to(&mut power)), 2, "no such clock");

    assert_eq!(nvmlDeviceGetComputeRunningProcesses_v3(gpu, Out::to(&mut count), Out::null()), 0, "an empty list");
    let mut list = [ProcessV2::default(); 2];
    count = 0;
    assert_eq!(nvmlDeviceGetGraphicsRunningProcesses_v3(gpu, Out::to(&mut count), Out::null()), 7, "how many?");
    assert_eq!(count, 1);
    assert_eq!(nvmlDeviceGetGraphicsRunningProcesses_v3(gpu, Out::to(&mut count), Out::null()), 2, "null list");
    count = 2;
    assert_eq!(nvmlDeviceGetGraphicsRunningProcesses_v3(gpu, Out::to(&mut count), Out::to(&mut list[0])), 0);
    assert_eq!(count, 1);
    assert_eq!(nvmlDeviceGetGraphicsRunningProcesses_v3(gpu, Out::null(), Out::to(&mut list[0])), 2);

    assert_eq!(nvmlShutdown(), 0);
    assert_eq!(nvmlDeviceGetPowerUsage(gpu, Out::to(&mut power)), 0, "the first user is still there");
    assert_eq!(nvmlShutdown(), 0);
    assert_eq!(nvmlDeviceGetPowerUsage(gpu, Out::to(&mut power)), 1, "after the last nvmlShutdown");
}
