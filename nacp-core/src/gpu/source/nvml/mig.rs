//! The partitions of a GPU, and into what it can be divided.

use super::inventory::{number, told, words};
use super::library::{Calls, Code, Device, Ear, text};
use super::partitions::{PartitionHandle, partitions};
use super::sample::memory;
use crate::gpu::inventory::decode;
use crate::gpu::{GpuInstance, Mig, MigDevice, MigPlacement, MigProfile, Persistent, Reading, Unknown};
use crate::units::Bytes;

/// More kinds of partitions than any driver knows (`NVML_GPU_INSTANCE_PROFILE_COUNT` is 18 in 2026).
const PROFILES: u32 = 64;

pub(super) fn mig<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Mig {
    let mode = calls.mig_mode(device);
    let profiles = match mode {
        // A GPU without this mode has nothing to be asked for.
        Err(Code::NOT_SUPPORTED) => Err(Code::NOT_SUPPORTED),
        _ => profiles(calls, device),
    };
    Mig {
        mode: Reading::from(mode).map(|(current, pending)| Persistent { current: current != 0, pending: pending != 0 }),
        devices: devices(calls, device).into(),
        instances: match mode {
            Err(code) => Reading::Unknown(code.into()),
            Ok((0, _)) => Reading::Known(Vec::new()),
            Ok(_) => instances(calls, device, &profiles).into(),
        },
        profiles: profiles.into(),
    }
}

fn devices<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Result<Vec<MigDevice>, Code> {
    let found = partitions(calls, device)?.unwrap_or_default();
    Ok(found.into_iter().map(|partition| described(calls, partition)).collect())
}

fn described<E: Ear>(calls: &Calls<'_, E>, partition: PartitionHandle) -> MigDevice {
    let mut described = MigDevice::new(partition.id, partition.index);
    described.name = words(calls.name(partition.device));
    described.profile = match &described.name {
        Reading::Known(name) => decode::mig_profile(name),
        Reading::Unknown(reason) => Reading::Unknown(*reason),
    };
    described.gpu_instance = partition.gpu_instance;
    described.compute_instance = partition.compute_instance;
    described.memory = told(memory(calls, partition.device)).map(|memory| memory.total);
    described.multiprocessors =
        number(calls.attributes(partition.device).map(|attributes| attributes.multiprocessorCount));
    described
}

/// The kinds of partitions that the driver knows for this GPU.
fn profiles<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Result<Vec<MigProfile>, Code> {
    let mut profiles = Vec::new();
    let mut refused = None;
    for kind in 0..PROFILES {
        match profile(calls, device, kind) {
            Ok(profile) => profiles.push(profile),
            // The driver knows no more kinds.
            Err(code @ Code::INVALID_ARGUMENT) => {
                refused = refused.or(Some(code));
                break;
            }
            // This GPU has not this kind.
            Err(code) if code.is_final() => refused = refused.or(Some(code)),
            Err(code) => return Err(code),
        }
    }
    match refused {
        Some(code) if profiles.is_empty() => Err(code),
        _ => Ok(profiles),
    }
}

fn profile<E: Ear>(calls: &Calls<'_, E>, device: Device, kind: u32) -> Result<MigProfile, Code> {
    let mut profile = match calls.gpu_instance_profile_v(device, kind) {
        Ok(info) => {
            let name = text(&info.name);
            let (slices, instances) = (info.sliceCount, info.instanceCount);
            let memory = Bytes::mib(info.memorySizeMB);
            let mut profile = MigProfile::new(info.id, slices, instances, info.multiprocessorCount, memory);
            profile.name = words(Ok(name.strip_prefix("MIG ").unwrap_or(&name).to_owned()));
            profile
        }
        Err(code) if code.is_too_new() => {
            let info = calls.gpu_instance_profile(device, kind)?;
            let (slices, instances) = (info.sliceCount, info.instanceCount);
            let memory = Bytes::mib(info.memorySizeMB);
            let mut profile = MigProfile::new(info.id, slices, instances, info.multiprocessorCount, memory);
            profile.name = Reading::Unknown(Unknown::TooOld);
            profile
        }
        Err(code) => return Err(code),
    };
    profile.remaining = number(calls.gpu_instances_left(device, profile.id));
    profile.placements = Reading::from(calls.possible_placements(device, profile.id)).map(|placements| {
        let placements = placements.into_iter();
        placements.map(|placement| MigPlacement { start: placement.start, size: placement.size }).collect()
    });
    Ok(profile)
}

/// The GPU instances of every kind, by id.
fn instances<E: Ear>(
    calls: &Calls<'_, E>,
    device: Device,
    profiles: &Result<Vec<MigProfile>, Code>,
) -> Result<Vec<GpuInstance>, Code> {
    let mut found = Vec::new();
    for profile in profiles.as_ref().map_err(|code| *code)? {
        for instance in calls.gpu_instances(device, profile.id)? {
            let info = calls.gpu_instance_info(instance)?;
            let placement = MigPlacement { start: info.placement.start, size: info.placement.size };
            found.push(GpuInstance { id: info.id, profile: info.profileId, placement });
        }
    }
    found.sort_by_key(|instance| instance.id);
    Ok(found)
}
