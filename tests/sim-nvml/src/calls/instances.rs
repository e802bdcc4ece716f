//! The GPU instances of a GPU, and the compute instances in them.

use nacp_core::sim::node::{MigComputeFile, MigInstanceFile, MigProfileFile};
use nvml_wrapper_sys::bindings as sys;

use super::mig::{enabled, profile_by_id};
use crate::call::{Gpu, functions, number, told};
use crate::machine::{Handle, Machine};
use crate::memory::{Answer, Code, Out, field, version};

/// Slices of the compute instances that nvml.h has a number for (`NVML_COMPUTE_INSTANCE_PROFILE_…`), by that number.
const SLICES: [u32; 7] = [1, 2, 3, 4, 7, 8, 6];

functions! { gpu:
    fn nvmlDeviceGetGpuInstances(profile: u32, list: Out<Handle>, count: Out<u32>) = |gpu| {
        list.check()?;
        let mig = enabled(gpu)?;
        let name = &profile_by_id(gpu, profile)?.name;
        let alike = mig.instances.iter().filter(|instance| instance.profile == *name);
        let handles: Vec<_> =
            alike.map(|instance| gpu.machine.instance_handle(gpu.index, instance)).collect::<Answer<_>>()?;
        count.set(number(handles.len())?)?;
        list.fill(&handles)
    };
    fn nvmlDeviceGetGpuInstanceById(id: u32, instance: Out<Handle>) = |gpu| {
        instance.check()?;
        let found = enabled(gpu)?.instances.iter().find(|instance| instance.id == id).ok_or(Code::NOT_FOUND)?;
        instance.set(gpu.machine.instance_handle(gpu.index, found)?)
    };
}

functions! { system:
    fn nvmlGpuInstanceGetInfo(handle: Handle, info: Out<sys::nvmlGpuInstanceInfo_t>) = |machine| {
        let (gpu, instance) = machine.instance(handle)?;
        let profile = profile_of(gpu, instance)?;
        info.set(sys::nvmlGpuInstanceInfo_t {
            device: machine.handle(gpu.index)?.cast_mut().cast(),
            id: instance.id,
            profileId: profile.id,
            placement: sys::nvmlGpuInstancePlacement_t { start: instance.start, size: profile.size },
        })
    };
    fn nvmlGpuInstanceGetComputeInstanceProfileInfo(
        handle: Handle, number: u32, engines: u32, info: Out<sys::nvmlComputeInstanceProfileInfo_t>
    ) = |machine| {
        info.check()?;
        info.set(first(machine, handle, number, engines)?)
    };
    fn nvmlGpuInstanceGetComputeInstanceProfileInfoV(
        handle: Handle, number: u32, engines: u32, info: Out<sys::nvmlComputeInstanceProfileInfo_v2_t>
    ) = |machine| versioned(machine, handle, number, engines, &info);
    fn nvmlGpuInstanceGetComputeInstanceRemainingCapacity(handle: Handle, profile: u32, count: Out<u32>) = |machine| {
        let (gpu, instance) = machine.instance(handle)?;
        let slices = slices(gpu, instance, profile)?;
        let all = profile_of(gpu, instance)?.slices;
        let taken: u32 = instance.compute.iter().map(|compute| compute.slices.unwrap_or(all)).sum();
        count.set(all.saturating_sub(taken) / slices)
    };
    fn nvmlGpuInstanceGetComputeInstancePossiblePlacements(
        handle: Handle, profile: u32, list: Out<sys::nvmlComputeInstancePlacement_t>, count: Out<u32>
    ) = |machine| {
        let (gpu, instance) = machine.instance(handle)?;
        let size = slices(gpu, instance, profile)?;
        let starts = 0..=profile_of(gpu, instance)?.slices - size;
        let places: Vec<_> = starts.map(|start| sys::nvmlComputeInstancePlacement_t { start, size }).collect();
        if list.is_null() {
            return count.set(number(places.len())?);
        }
        list.list(&count, &places)
    };
    fn nvmlGpuInstanceGetComputeInstances(
        handle: Handle, profile: u32, list: Out<Handle>, count: Out<u32>
    ) = |machine| {
        list.check()?;
        let (gpu, instance) = machine.instance(handle)?;
        let wanted = slices(gpu, instance, profile)?;
        let all = profile_of(gpu, instance)?.slices;
        let alike = instance.compute.iter().filter(|compute| compute.slices.unwrap_or(all) == wanted);
        let handles: Vec<_> = alike
            .map(|compute| machine.compute_handle(gpu.index, instance.id, compute.id))
            .collect::<Answer<_>>()?;
        count.set(number(handles.len())?)?;
        list.fill(&handles)
    };
    fn nvmlGpuInstanceGetComputeInstanceById(handle: Handle, id: u32, compute: Out<Handle>) = |machine| {
        compute.check()?;
        let (gpu, instance) = machine.instance(handle)?;
        let found = instance.compute.iter().find(|compute| compute.id == id).ok_or(Code::NOT_FOUND)?;
        compute.set(machine.compute_handle(gpu.index, instance.id, found.id)?)
    };
    fn nvmlComputeInstanceGetInfo(handle: Handle, info: Out<sys::nvmlComputeInstanceInfo_t>) =
        |machine| info.set(compute_info(machine, handle)?);
    fn nvmlComputeInstanceGetInfo_v2(handle: Handle, info: Out<sys::nvmlComputeInstanceInfo_t>) =
        |machine| info.set(compute_info(machine, handle)?);
}

fn profile_of(gpu: Gpu, instance: &MigInstanceFile) -> Answer<&'static MigProfileFile> {
    enabled(gpu)?.profile(&instance.profile).ok_or(Code::UNKNOWN)
}

/// The slices of a compute instance's profile, whose id is its number in nvml.h.
fn slices(gpu: Gpu, instance: &MigInstanceFile, profile: u32) -> Answer<u32> {
    let slices = usize::try_from(profile).ok().and_then(|nth| SLICES.get(nth)).copied();
    let all = profile_of(gpu, instance)?.slices;
    slices.filter(|slices| *slices <= all).ok_or(Code::INVALID_ARGUMENT)
}

fn profile_id(compute: &MigComputeFile, all: u32) -> Answer<u32> {
    let wanted = compute.slices.unwrap_or(all);
    number(SLICES.iter().position(|slices| *slices == wanted).ok_or(Code::UNKNOWN)?)
}

fn first(
    machine: &'static Machine,
    handle: Handle,
    number: u32,
    engines: u32,
) -> Answer<sys::nvmlComputeInstanceProfileInfo_t> {
    let (gpu, instance) = machine.instance(handle)?;
    if number >= sys::NVML_COMPUTE_INSTANCE_PROFILE_COUNT || engines != 0 {
        return Err(Code::INVALID_ARGUMENT);
    }
    let profile = profile_of(gpu, instance)?;
    let size = told(slices(gpu, instance, number).ok())?;
    Ok(sys::nvmlComputeInstanceProfileInfo_t {
        id: number,
        sliceCount: size,
        instanceCount: profile.slices / size,
        multiprocessorCount: profile.multiprocessors / profile.slices * size,
        sharedCopyEngineCount: profile.copy_engines,
        sharedDecoderCount: profile.decoders,
        sharedEncoderCount: profile.encoders,
        sharedJpegCount: profile.jpegs,
        sharedOfaCount: profile.ofas,
    })
}

/// The second or third generation of a profile's description, whichever the caller means.
fn versioned(
    machine: &'static Machine,
    handle: Handle,
    number: u32,
    engines: u32,
    info: &Out<sys::nvmlComputeInstanceProfileInfo_v2_t>,
) -> Answer {
    let asked = info.version()?;
    let newest = asked == version::<sys::nvmlComputeInstanceProfileInfo_v3_t>(3);
    if !newest && asked != version::<sys::nvmlComputeInstanceProfileInfo_v2_t>(2) {
        return Err(Code::ARGUMENT_VERSION_MISMATCH);
    }
    let plain = first(machine, handle, number, engines)?;
    let (_, instance) = machine.instance(handle)?;
    let answer = sys::nvmlComputeInstanceProfileInfo_v3_t {
        version: asked,
        id: plain.id,
        sliceCount: plain.sliceCount,
        instanceCount: plain.instanceCount,
        multiprocessorCount: plain.multiprocessorCount,
        sharedCopyEngineCount: plain.sharedCopyEngineCount,
        sharedDecoderCount: plain.sharedDecoderCount,
        sharedEncoderCount: plain.sharedEncoderCount,
        sharedJpegCount: plain.sharedJpegCount,
        sharedOfaCount: plain.sharedOfaCount,
        name: field(&format!("MIG {}c.{}", plain.sliceCount, instance.profile)),
        capabilities: 0,
    };
    if newest {
        return info.cast::<sys::nvmlComputeInstanceProfileInfo_v3_t>().set(answer);
    }
    info.set(sys::nvmlComputeInstanceProfileInfo_v2_t {
        version: asked,
        id: answer.id,
        sliceCount: answer.sliceCount,
        instanceCount: answer.instanceCount,
        multiprocessorCount: answer.multiprocessorCount,
        sharedCopyEngineCount: answer.sharedCopyEngineCount,
        sharedDecoderCount: answer.sharedDecoderCount,
        sharedEncoderCount: answer.sharedEncoderCount,
        sharedJpegCount: answer.sharedJpegCount,
        sharedOfaCount: answer.sharedOfaCount,
        name: answer.name,
    })
}

fn compute_info(machine: &'static Machine, handle: Handle) -> Answer<sys::nvmlComputeInstanceInfo_t> {
    let (gpu, instance, compute) = machine.compute(handle)?;
    let all = profile_of(gpu, instance)?.slices;
    Ok(sys::nvmlComputeInstanceInfo_t {
        device: machine.handle(gpu.index)?.cast_mut().cast(),
        gpuInstance: machine.instance_handle(gpu.index, instance)?.cast_mut().cast(),
        id: compute.id,
        profileId: profile_id(compute, all)?,
        placement: sys::nvmlComputeInstancePlacement_t { start: compute.start, size: compute.slices.unwrap_or(all) },
    })
}
