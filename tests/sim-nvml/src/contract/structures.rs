//! Structures with versions, and what the groups of a node file become in them.

use super::{answer, gpu, start, value};
use crate::calls::clocks::{
    nvmlDeviceGetClock, nvmlDeviceGetClockInfo, nvmlDeviceGetCurrentClocksEventReasons,
    nvmlDeviceGetSupportedGraphicsClocks, nvmlDeviceGetSupportedMemoryClocks,
};
use crate::calls::ecc::{
    nvmlDeviceGetMemoryErrorCounter, nvmlDeviceGetRemappedRows_v2, nvmlDeviceGetRetiredPages_v2,
    nvmlDeviceGetSramEccErrorStatus, nvmlDeviceGetTotalEccErrors,
};
use crate::calls::gpm::{Query, nvmlGpmMetricsGet, nvmlGpmSampleAlloc, nvmlGpmSampleFree, nvmlGpmSampleGet};
use crate::calls::identity::{nvmlDeviceGetPciInfoExt, nvmlDeviceGetPlatformInfo};
use crate::calls::links::{
    nvmlDeviceGetGpuFabricInfoV, nvmlDeviceGetNvLinkErrorCounter, nvmlDeviceGetNvLinkRemoteDeviceType,
    nvmlDeviceGetNvLinkState,
};
use crate::calls::load::nvmlDeviceGetSamples;
use crate::calls::memory_use::{nvmlDeviceGetMemoryInfo, nvmlDeviceGetMemoryInfo_v2};
use crate::calls::thermal::{
    nvmlDeviceGetTemperatureThreshold, nvmlDeviceGetTemperatureV, nvmlDeviceGetThermalSettings,
};
use crate::calls::topology::{
    nvmlDeviceGetCpuAffinity, nvmlDeviceGetP2PStatus, nvmlDeviceGetTopologyCommonAncestor,
    nvmlDeviceGetTopologyNearestGpus, nvmlSystemGetTopologyGpuSet,
};
use crate::memory::{Out, Plain, blank, version};
use nvml_wrapper_sys::bindings as sys;

/// A structure of which only the version is set.
fn asked<T: Plain>(generation: u32) -> T {
    let mut value = blank();
    Out::to(&mut value).cast::<u32>().set(version::<T>(generation)).unwrap();
    value
}

#[test]
fn memory_has_two_generations_that_agree() {
    let _played = start("rtx3050ti-laptop-wsl2");
    let mut memory = sys::nvmlMemory_v2_t { version: 1, ..blank() };
    assert_eq!(nvmlDeviceGetMemoryInfo_v2(gpu(0), Out::to(&mut memory)), 25, "another version");
    memory.version = 40 | 2 << 24;
    assert_eq!(nvmlDeviceGetMemoryInfo_v2(gpu(0), Out::to(&mut memory)), 0);
    let old = value(|place| nvmlDeviceGetMemoryInfo(gpu(0), place));
    assert_eq!((old.total, old.free), (memory.total, memory.free));
    assert_eq!(old.used, memory.used + memory.reserved);
    assert_eq!(old.used + old.free, old.total);
}

#[test]
fn an_old_library_lacks_what_came_later() {
    let _played = start("old-driver-470");
    let mut memory: sys::nvmlMemory_v2_t = asked(2);
    assert_eq!(nvmlDeviceGetMemoryInfo_v2(gpu(0), Out::to(&mut memory)), 13);
    assert_eq!(value(|place| nvmlDeviceGetMemoryInfo(gpu(0), place)).used >> 30, 21);
}

#[test]
fn temperatures_are_told_of_sensors_that_there_are() {
    let _played = start("h100x8");
    let mut told = sys::nvmlTemperature_t { version: 0, sensorType: 0, temperature: 0 };
    assert_eq!(nvmlDeviceGetTemperatureV(gpu(4), Out::to(&mut told)), 25);
    told.version = 12 | 1 << 24;
    assert_eq!((nvmlDeviceGetTemperatureV(gpu(4), Out::to(&mut told)), told.temperature), (0, 63));
    told.sensorType = 9;
    assert_eq!(nvmlDeviceGetTemperatureV(gpu(4), Out::to(&mut told)), 2, "no such sensor");
    assert_eq!(value(|place| nvmlDeviceGetTemperatureThreshold(gpu(4), 0, place)), 95);
    assert_eq!(answer(|place| nvmlDeviceGetTemperatureThreshold(gpu(4), 8, place)).0, 2);
    let settings = value(|place| nvmlDeviceGetThermalSettings(gpu(4), 15, place));
    assert_eq!((settings.count, settings.sensor[0].currentTemp, settings.sensor[1].currentTemp), (2, 63, 74));
}

#[test]
fn clocks_have_domains_and_reasons() {
    let _played = start("h100x8");
    assert_eq!(value(|place| nvmlDeviceGetClockInfo(gpu(4), 3, place)), 1545, "video");
    assert_eq!(answer(|place| nvmlDeviceGetClockInfo(gpu(4), 9, place)).0, 2, "no such clock");
    assert_eq!([0, 1, 3].map(|which| value(|place| nvmlDeviceGetClock(gpu(0), 1, which, place))), [345, 1980, 1980]);
    assert_eq!(value(|place| nvmlDeviceGetCurrentClocksEventReasons(gpu(0), place)), 1, "idle");
    assert_eq!(value(|place| nvmlDeviceGetCurrentClocksEventReasons(gpu(4), place)), 4, "power cap");
    let (mut count, mut clocks) = (2, [0u32; 32]);
    assert_eq!(nvmlDeviceGetSupportedMemoryClocks(gpu(0), Out::to(&mut count), Out::at(clocks.as_mut_ptr())), 0);
    assert_eq!(clocks[..2], [2619, 1593]);
    assert_eq!(nvmlDeviceGetSupportedGraphicsClocks(gpu(0), 1, Out::to(&mut count), Out::null()), 6);
    count = 0;
    assert_eq!(nvmlDeviceGetSupportedGraphicsClocks(gpu(0), 2619, Out::to(&mut count), Out::null()), 7);
    assert_eq!(count, 13);
}

#[test]
fn a_fabric_and_a_platform_are_told_in_the_generation_that_is_asked() {
    let _played = start("gb200-nvl72");
    let mut third: sys::nvmlGpuFabricInfo_v3_t = asked(3);
    assert_eq!(nvmlDeviceGetGpuFabricInfoV(gpu(0), Out::to(&mut third)), 0);
    assert_eq!((third.cliqueId, third.state, third.healthSummary), (32766, 3, 1));
    assert_eq!(third.healthMask, 0b01_10_10_10_10, "false four times, configuration none");
    assert_eq!(third.clusterUuid[..4], [0x5e, 0x0f, 0x1c, 0x7a]);
    #[repr(C)]
    struct Room(sys::nvmlGpuFabricInfo_v2_t, u32);
    let mut room = Room(asked(2), 0xABCD);
    assert_eq!(nvmlDeviceGetGpuFabricInfoV(gpu(0), Out::to(&mut room.0).cast()), 0);
    assert_eq!((room.0.cliqueId, room.1), (32766, 0xABCD), "no more than the second generation is written");
    third.version = 7;
    assert_eq!(nvmlDeviceGetGpuFabricInfoV(gpu(0), Out::to(&mut third)), 25);

    let mut platform: sys::nvmlPlatformInfo_v2_t = asked(2);
    assert_eq!(nvmlDeviceGetPlatformInfo(gpu(3), Out::to(&mut platform)), 0);
    assert_eq!((platform.slotNumber, platform.trayIndex, platform.moduleId), (9, 4, 4));
    let mut pci: sys::nvmlPciInfoExt_t = asked(1);
    assert_eq!(nvmlDeviceGetPciInfoExt(gpu(3), Out::to(&mut pci)), 0);
    assert_eq!((pci.domain, pci.pciDeviceId, pci.baseClass, pci.subClass), (0x19, 0x2941_10DE, 3, 2));
}

#[test]
fn links_differ_where_the_file_says_so() {
    let _played = start("broken");
    let (whole, bad) = (gpu(0), gpu(4));
    assert_eq!([2, 3].map(|link| value(|place| nvmlDeviceGetNvLinkState(bad, link, place))), [1, 0]);
    assert_eq!(answer(|place| nvmlDeviceGetNvLinkState(bad, 18, place)).0, 2, "no such link");
    assert_eq!(value(|place| nvmlDeviceGetNvLinkErrorCounter(bad, 11, 0, place)), 8123);
    assert_eq!(value(|place| nvmlDeviceGetNvLinkErrorCounter(whole, 11, 0, place)), 0);
    assert_eq!([2, 3].map(|link| value(|place| nvmlDeviceGetNvLinkRemoteDeviceType(bad, link, place))), [2, 255]);
}

#[test]
fn errors_are_counted_by_place() {
    let _played = start("broken");
    assert_eq!(value(|place| nvmlDeviceGetTotalEccErrors(gpu(1), 0, 0, place)), 4096 + 18);
    assert_eq!(value(|place| nvmlDeviceGetMemoryErrorCounter(gpu(1), 1, 1, 7, place)), 11);
    assert_eq!(answer(|place| nvmlDeviceGetMemoryErrorCounter(gpu(1), 1, 1, 0, place)).0, 3, "not told apart");
    assert_eq!(answer(|place| nvmlDeviceGetTotalEccErrors(gpu(1), 2, 0, place)).0, 2);
    let mut sram: sys::nvmlEccSramErrorStatus_t = asked(1);
    assert_eq!(nvmlDeviceGetSramEccErrorStatus(gpu(1), Out::to(&mut sram)), 0);
    assert_eq!((sram.bThresholdExceeded, sram.aggregateUncSecDed), (1, 7));
    let rows = value(|place| nvmlDeviceGetRemappedRows_v2(gpu(0), place));
    assert_eq!((rows.uncorrected_active, rows.pending, rows.failure), (1, 1, 0));
}

#[test]
fn pages_are_told_with_their_times() {
    let _played = start("old-driver-470");
    let (mut count, mut addresses, mut times) = (0, [0u64; 2], [0u64; 2]);
    assert_eq!(nvmlDeviceGetRetiredPages_v2(gpu(0), 1, Out::to(&mut count), Out::null(), Out::null()), 7);
    assert_eq!(count, 1);
    let (place, when) = (Out::at(addresses.as_mut_ptr()), Out::at(times.as_mut_ptr()));
    assert_eq!(nvmlDeviceGetRetiredPages_v2(gpu(0), 1, Out::to(&mut count), place, when), 0);
    assert_eq!((addresses[0], times[0]), (123_456_789, 1_650_000_000));
}

#[test]
fn gpus_are_near_or_far() {
    let _played = start("a100-mig");
    let near = |other| value(|place| nvmlDeviceGetTopologyCommonAncestor(gpu(0), gpu(other), place));
    assert_eq!([near(1), near(2)], [20, 50]);
    let (mut count, mut list) = (0, [std::ptr::null(); 4]);
    assert_eq!(nvmlDeviceGetTopologyNearestGpus(gpu(2), 50, Out::to(&mut count), Out::null()), 0);
    assert_eq!(count, 2);
    let place = Out::at(list.as_mut_ptr());
    assert_eq!(nvmlDeviceGetTopologyNearestGpus(gpu(2), 50, Out::to(&mut count), place), 0);
    assert_eq!(list[..2], [gpu(0), gpu(1)]);
    assert_eq!(value(|place| nvmlDeviceGetP2PStatus(gpu(0), gpu(1), 2, place)), 0);
    assert_eq!(answer(|place| nvmlDeviceGetP2PStatus(gpu(0), gpu(1), 9, place)).0, 2);

    let mut words = [0 as std::ffi::c_ulong; 4];
    assert_eq!(nvmlDeviceGetCpuAffinity(gpu(0), 4, Out::at(words.as_mut_ptr())), 0);
    assert_eq!(words, [0xFFFF << 48, 0, 0xFFFF << 48, 0], "48-63 and 176-191");
    count = 4;
    assert_eq!(nvmlSystemGetTopologyGpuSet(20, Out::to(&mut count), Out::at(list.as_mut_ptr())), 0);
    assert_eq!((count, list[0]), (2, gpu(2)));
}

#[test]
fn samples_are_those_that_are_newer() {
    let _played = start("h100x8");
    let (mut kind, mut count) = (0u32, 0u32);
    let ask = |since, kind: &mut u32, count: &mut u32, list| {
        nvmlDeviceGetSamples(gpu(4), 1, since, Out::to(kind), Out::to(count), list)
    };
    assert_eq!(ask(0, &mut kind, &mut count, Out::null()), 0);
    let mut list = vec![blank::<sys::nvmlSample_t>(); usize::try_from(count).unwrap()];
    assert_eq!(ask(0, &mut kind, &mut count, Out::at(list.as_mut_ptr())), 0);
    assert!(kind == 1 && list.is_sorted_by_key(|sample| sample.timeStamp));
    let newest = list.last().unwrap().timeStamp;
    assert_eq!(ask(newest + 10_000_000, &mut kind, &mut count, Out::at(list.as_mut_ptr())), 6);
}

#[test]
fn performance_metrics_lie_between_two_samples_of_one_gpu() {
    let _played = start("h100x8");
    let [first, second, other] = [(); 3].map(|()| value(|sample| nvmlGpmSampleAlloc(sample)));
    assert_eq!([nvmlGpmSampleGet(gpu(4), first), nvmlGpmSampleGet(gpu(4), second)], [0, 0]);
    assert_eq!(nvmlGpmSampleGet(gpu(1), other), 0);
    let metric = |id| sys::nvmlGpmMetric_t { metricId: id, ..blank() };
    #[repr(C)]
    struct Whole(Query, [sys::nvmlGpmMetric_t; 2]);
    let mut query = Whole(Query { version: 1, count: 2, first, second }, [metric(2), metric(4711)]);
    let mut ask = |version, second| {
        (query.0.version, query.0.second) = (version, second);
        let code = nvmlGpmMetricsGet(Out::at((&raw mut query).cast()));
        (code, query.1.map(|metric| (metric.nvmlReturn, metric.value)))
    };
    assert_eq!(ask(1, second), (0, [(0, 93.75), (3, 0.0)]));
    assert_eq!(ask(1, other).0, 2, "of two GPUs");
    assert_eq!(ask(2, second).0, 25);
    assert_eq!([nvmlGpmSampleFree(other), nvmlGpmSampleFree(other)], [0, 2], "freed twice");
}
