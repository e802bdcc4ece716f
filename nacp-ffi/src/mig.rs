//! The partitions of a GPU.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::gpu::{GpuState, MigDevice};

use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, answer, zero};
use crate::node::{absent, gpu_at, nacp_node, set};
use crate::status::nacp_status;
use crate::text;

/// `nacp_mig_device.known`: the name is known.
pub const NACP_MIG_NAME: u64 = 0x1;
/// `nacp_mig_device.known`: the profile is known.
pub const NACP_MIG_PROFILE: u64 = 0x2;
/// `nacp_mig_device.known`: the id of the GPU instance is known.
pub const NACP_MIG_GPU_INSTANCE: u64 = 0x4;
/// `nacp_mig_device.known`: the id of the compute instance is known.
pub const NACP_MIG_COMPUTE_INSTANCE: u64 = 0x8;
/// `nacp_mig_device.known`: `memory_total` is known.
pub const NACP_MIG_MEMORY_TOTAL: u64 = 0x10;
/// `nacp_mig_device.known`: `memory_used` and `memory_free` are known.
pub const NACP_MIG_MEMORY_USE: u64 = 0x20;
/// `nacp_mig_device.known`: the number of multiprocessors is known.
pub const NACP_MIG_MULTIPROCESSORS: u64 = 0x40;

/// A partition of a GPU that programs can use. A field whose bit is not set in `known` means nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_mig_device {
    /// sizeof(nacp_mig_device); NACP_MIG_DEVICE_INIT sets it.
    pub struct_size: u32,
    /// Its position among the partitions of its GPU.
    pub index: u32,
    /// Which fields are known: NACP_MIG_NAME and the like. UUID and index always are.
    pub known: u64,
    /// Its UUID, such as "MIG-…".
    pub uuid: [c_char; 80],
    /// Its name.
    pub name: [c_char; 96],
    /// Its profile, such as "1g.5gb".
    pub profile: [c_char; 32],
    /// The id of its GPU instance.
    pub gpu_instance: u32,
    /// The id of its compute instance.
    pub compute_instance: u32,
    /// Its streaming multiprocessors.
    pub multiprocessors: u32,
    /// Always 0.
    pub reserved: u32,
    /// All of its memory, in bytes.
    pub memory_total: u64,
    /// Bytes allocated by programs (NACP_MIG_MEMORY_USE).
    pub memory_used: u64,
    /// Bytes not allocated (NACP_MIG_MEMORY_USE).
    pub memory_free: u64,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_mig_device {
    const FIRST: usize = offset_of!(Self, memory_free) + size_of::<u64>();
}

/// The number of partitions of a GPU that programs can use; 0 for NULL, for an index that is not there, and for a GPU
/// without partitions.
///
/// @param node the node
/// @param index which GPU, from 0 to nacp_node_gpu_count - 1
#[unsafe(no_mangle)]
pub extern "C" fn nacp_node_mig_count(node: Option<&nacp_node>, index: usize) -> usize {
    answer(node, 0, |node| node.snapshot.gpus.get(index).map_or(0, |state| devices(state).len()))
}

/// Tells one partition of a GPU.
///
/// @param node the node
/// @param index which GPU, from 0 to nacp_node_gpu_count - 1
/// @param at which partition, from 0 to nacp_node_mig_count - 1
/// @param[out] device a struct that NACP_MIG_DEVICE_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_mig_at(
    node: *const nacp_node,
    index: usize,
    at: usize,
    device: *mut nacp_mig_device,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_mig_at", error) };
    let device = entry.out_struct(device, "device");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out_struct(device)?;
        let state = gpu_at(call, held, index)?;
        let list = devices(state);
        out.fill(&fill(list.get(at).ok_or_else(|| absent(call, "partition", at, list.len()))?, state));
        Ok(())
    })
}

fn devices(state: &GpuState) -> &[MigDevice] {
    state.gpu.mig.devices.known().map_or(&[], Vec::as_slice)
}

fn fill(device: &MigDevice, state: &GpuState) -> nacp_mig_device {
    let mut out: nacp_mig_device = zero();
    let mut known = 0;
    out.index = device.index;
    text::copy(device.id.as_str(), &mut out.uuid);
    set(&mut known, NACP_MIG_NAME, &device.name, |name| text::copy(name, &mut out.name));
    set(&mut known, NACP_MIG_PROFILE, &device.profile, |profile| text::copy(profile, &mut out.profile));
    set(&mut known, NACP_MIG_GPU_INSTANCE, &device.gpu_instance, |id| out.gpu_instance = *id);
    set(&mut known, NACP_MIG_COMPUTE_INSTANCE, &device.compute_instance, |id| out.compute_instance = *id);
    set(&mut known, NACP_MIG_MULTIPROCESSORS, &device.multiprocessors, |count| out.multiprocessors = *count);
    set(&mut known, NACP_MIG_MEMORY_TOTAL, &device.memory, |bytes| out.memory_total = bytes.0);
    let uses = state.sample.mig.known().map_or(&[][..], Vec::as_slice);
    if let Some(used) = uses.iter().find(|used| used.id == device.id) {
        set(&mut known, NACP_MIG_MEMORY_USE, &used.memory, |memory| {
            (out.memory_used, out.memory_free) = (memory.used.0, memory.free.0);
        });
    }
    out.known = known;
    out
}
