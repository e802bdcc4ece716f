//! Partitions of a GPU: what it can be divided into, and the devices that it is divided into.

use nacp_core::sim::node::{MigFile, MigProfileFile};
use nvml_wrapper_sys::bindings as sys;

use crate::call::{Gpu, functions, told};
use crate::machine::Handle;
use crate::memory::{Answer, Code, Out, field, version};

functions! { gpu:
    fn nvmlDeviceGetMigMode(current: Out<u32>, pending: Out<u32>) = |gpu| {
        let mig = mig(gpu)?;
        pending.check()?;
        current.set(mig.enabled.into())?;
        pending.set(mig.pending.unwrap_or(mig.enabled).into())
    };
    fn nvmlDeviceGetMaxMigDeviceCount(count: Out<u32>) =
        |gpu| count.set(gpu.mig.as_ref().map_or(0, |mig| mig.max_devices));
    fn nvmlDeviceGetMigDeviceHandleByIndex(nth: u32, device: Out<Handle>) = |gpu| {
        device.check()?;
        let mig = mig(gpu)?;
        if nth >= mig.max_devices {
            return Err(Code::INVALID_ARGUMENT);
        }
        let nth = usize::try_from(nth).map_err(|_| Code::INVALID_ARGUMENT)?;
        let found = mig.devices().nth(nth).ok_or(Code::NOT_FOUND)?;
        device.set(gpu.machine.part_handle(gpu.index, found.index)?)
    };

    fn nvmlDeviceGetGpuInstanceProfileInfo(number: u32, info: Out<sys::nvmlGpuInstanceProfileInfo_t>) = |gpu| {
        info.check()?;
        info.set(first(profile(gpu, number)?))
    };
    fn nvmlDeviceGetGpuInstanceProfileInfoV(number: u32, info: Out<sys::nvmlGpuInstanceProfileInfo_v2_t>) =
        |gpu| versioned(profile(gpu, number)?, &info);
    fn nvmlDeviceGetGpuInstanceProfileInfoByIdV(id: u32, info: Out<sys::nvmlGpuInstanceProfileInfo_v2_t>) =
        |gpu| versioned(profile_by_id(gpu, id)?, &info);
    fn nvmlDeviceGetGpuInstancePossiblePlacements(
        id: u32, list: Out<sys::nvmlGpuInstancePlacement_t>, count: Out<u32>
    ) = |gpu| placements(gpu, id, &list, &count);
    fn nvmlDeviceGetGpuInstancePossiblePlacements_v2(
        id: u32, list: Out<sys::nvmlGpuInstancePlacement_t>, count: Out<u32>
    ) = |gpu| placements(gpu, id, &list, &count);
    fn nvmlDeviceGetGpuInstanceRemainingCapacity(id: u32, count: Out<u32>) = |gpu| {
        let profile = profile_by_id(gpu, id)?;
        count.set(enabled(gpu)?.remaining(profile))
    };
}

functions! { device:
    fn nvmlDeviceIsMigDeviceHandle(value: Out<u32>) = |gpu| value.set(gpu.part.is_some().into());
    fn nvmlDeviceGetGpuInstanceId(id: Out<u32>) = |gpu| id.set(told(gpu.part)?.instance.id);
    fn nvmlDeviceGetComputeInstanceId(id: Out<u32>) = |gpu| id.set(told(gpu.part)?.compute.id);
    fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device: Out<Handle>) = |gpu| {
        device.check()?;
        gpu.part.ok_or(Code::INVALID_ARGUMENT)?;
        device.set(gpu.machine.handle(gpu.index)?)
    };
    fn nvmlDeviceGetAttributes(value: Out<sys::nvmlDeviceAttributes_t>) = |gpu| value.set(attributes(gpu)?);
    fn nvmlDeviceGetAttributes_v2(value: Out<sys::nvmlDeviceAttributes_t>) = |gpu| value.set(attributes(gpu)?);
}

fn mig(gpu: Gpu) -> Answer<&'static MigFile> {
    told(gpu.file.mig.as_ref())
}

/// The partitions, while the GPU is in that mode.
pub(super) fn enabled(gpu: Gpu) -> Answer<&'static MigFile> {
    told(gpu.file.mig.as_ref().filter(|mig| mig.enabled))
}

/// The profile with this number of nvml.h; one that this GPU has not is not supported.
fn profile(gpu: Gpu, number: u32) -> Answer<&'static MigProfileFile> {
    if number >= sys::NVML_GPU_INSTANCE_PROFILE_COUNT {
        return Err(Code::INVALID_ARGUMENT);
    }
    told(mig(gpu)?.profiles.iter().find(|profile| profile.number == number))
}

/// The profile that the driver knows by this id.
pub(super) fn profile_by_id(gpu: Gpu, id: u32) -> Answer<&'static MigProfileFile> {
    mig(gpu)?.profiles.iter().find(|profile| profile.id == id).ok_or(Code::INVALID_ARGUMENT)
}

fn first(profile: &MigProfileFile) -> sys::nvmlGpuInstanceProfileInfo_t {
    sys::nvmlGpuInstanceProfileInfo_t {
        id: profile.id,
        isP2pSupported: 0,
        sliceCount: profile.slices,
        instanceCount: profile.count,
        multiprocessorCount: profile.multiprocessors,
        copyEngineCount: profile.copy_engines,
        decoderCount: profile.decoders,
        encoderCount: profile.encoders,
        jpegCount: profile.jpegs,
        ofaCount: profile.ofas,
        memorySizeMB: profile.memory.as_mib(),
    }
}

/// The second or third generation of a profile's description, whichever the caller means.
fn versioned(profile: &MigProfileFile, info: &Out<sys::nvmlGpuInstanceProfileInfo_v2_t>) -> Answer {
    let plain = first(profile);
    let name = field(&format!("MIG {}", profile.name));
    let newer = info.cast::<sys::nvmlGpuInstanceProfileInfo_v3_t>();
    if info.version()? == version::<sys::nvmlGpuInstanceProfileInfo_v3_t>(3) {
        return newer.set(sys::nvmlGpuInstanceProfileInfo_v3_t {
            version: newer.version()?,
            id: plain.id,
            sliceCount: plain.sliceCount,
            instanceCount: plain.instanceCount,
            multiprocessorCount: plain.multiprocessorCount,
            copyEngineCount: plain.copyEngineCount,
            decoderCount: plain.decoderCount,
            encoderCount: plain.encoderCount,
            jpegCount: plain.jpegCount,
            ofaCount: plain.ofaCount,
            memorySizeMB: plain.memorySizeMB,
            name,
            capabilities: 0,
        });
    }
    let asked = info.versioned(2)?;
    info.set(sys::nvmlGpuInstanceProfileInfo_v2_t {
        version: asked.version,
        id: plain.id,
        isP2pSupported: plain.isP2pSupported,
        sliceCount: plain.sliceCount,
        instanceCount: plain.instanceCount,
        multiprocessorCount: plain.multiprocessorCount,
        copyEngineCount: plain.copyEngineCount,
        decoderCount: plain.decoderCount,
        encoderCount: plain.encoderCount,
        jpegCount: plain.jpegCount,
        ofaCount: plain.ofaCount,
        memorySizeMB: plain.memorySizeMB,
        name,
    })
}

/// Where a GPU instance may begin; without a list, only how many places there are.
fn placements(gpu: Gpu, id: u32, list: &Out<sys::nvmlGpuInstancePlacement_t>, count: &Out<u32>) -> Answer {
    let profile = profile_by_id(gpu, id)?;
    enabled(gpu)?;
    let starts = profile.starts.iter();
    let places: Vec<_> =
        starts.map(|start| sys::nvmlGpuInstancePlacement_t { start: *start, size: profile.size }).collect();
    if list.is_null() {
        return count.set(crate::call::number(places.len())?);
    }
    list.list(count, &places)
}

fn attributes(gpu: Gpu) -> Answer<sys::nvmlDeviceAttributes_t> {
    let part = told(gpu.part)?;
    Ok(sys::nvmlDeviceAttributes_t {
        multiprocessorCount: part.multiprocessors(),
        sharedCopyEngineCount: part.profile.copy_engines,
        sharedDecoderCount: part.profile.decoders,
        sharedEncoderCount: part.profile.encoders,
        sharedJpegCount: part.profile.jpegs,
        sharedOfaCount: part.profile.ofas,
        gpuInstanceSliceCount: part.profile.slices,
        computeInstanceSliceCount: part.slices(),
        memorySizeMB: part.profile.memory.as_mib(),
    })
}
