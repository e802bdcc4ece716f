//! The programs that use a GPU.

use std::mem::offset_of;

use nacp_core::gpu::{Process, ProcessKind};

use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, answer, zero};
use crate::node::{absent, gpu_at, nacp_node, set};
use crate::status::nacp_status;

/// `nacp_process.known`: the memory is known.
pub const NACP_PROCESS_MEMORY: u64 = 0x1;
/// `nacp_process.known`: how busy it kept the GPU is known.
pub const NACP_PROCESS_UTILIZATION: u64 = 0x2;
/// `nacp_process.known`: it runs on a partition, `gpu_instance` tells which.
pub const NACP_PROCESS_GPU_INSTANCE: u64 = 0x4;
/// `nacp_process.known`: the compute instance is known.
pub const NACP_PROCESS_COMPUTE_INSTANCE: u64 = 0x8;

/// `nacp_process.kind`: it computes.
pub const NACP_PROCESS_COMPUTE: u32 = 1;
/// `nacp_process.kind`: it draws.
pub const NACP_PROCESS_GRAPHICS: u32 = 2;
/// `nacp_process.kind`: it does both.
pub const NACP_PROCESS_BOTH: u32 = 3;

/// A program that uses a GPU. A field whose bit is not set in `known` means nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_process {
    /// sizeof(nacp_process); NACP_PROCESS_INIT sets it.
    pub struct_size: u32,
    /// The process id, in the namespace of the driver.
    pub pid: u32,
    /// Which fields are known: NACP_PROCESS_MEMORY and the like.
    pub known: u64,
    /// NACP_PROCESS_COMPUTE, NACP_PROCESS_GRAPHICS or NACP_PROCESS_BOTH.
    pub kind: u32,
    /// The id of the GPU instance that it runs on, the first of several (NACP_PROCESS_GPU_INSTANCE).
    pub gpu_instance: u32,
    /// The id of the compute instance in it (NACP_PROCESS_COMPUTE_INSTANCE).
    pub compute_instance: u32,
    /// Always 0.
    pub reserved: u32,
    /// Bytes of device memory that it holds (NACP_PROCESS_MEMORY); not told under WDDM and WSL2.
    pub memory: u64,
    /// Percent of the multiprocessors' time (NACP_PROCESS_UTILIZATION).
    pub utilization_sm: u32,
    /// Percent of the memory's time (NACP_PROCESS_UTILIZATION).
    pub utilization_memory: u32,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_process {
    const FIRST: usize = offset_of!(Self, utilization_memory) + size_of::<u32>();
}

/// The number of programs that use a GPU, as it was when the node was last read; 0 for NULL, for an index that is not
/// there, and where the driver does not tell: NACP_METRIC_PROCESSES tells these apart.
///
/// @param node the node
/// @param index which GPU, from 0 to nacp_node_gpu_count - 1
#[unsafe(no_mangle)]
pub extern "C" fn nacp_node_process_count(node: Option<&nacp_node>, index: usize) -> usize {
    answer(node, 0, |node| {
        node.snapshot.gpus.get(index).map_or(0, |state| state.sample.processes.known().map_or(0, Vec::len))
    })
}

/// Tells one program that uses a GPU.
///
/// @param node the node
/// @param index which GPU, from 0 to nacp_node_gpu_count - 1
/// @param at which program, from 0 to nacp_node_process_count - 1
/// @param[out] process a struct that NACP_PROCESS_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_process_at(
    node: *const nacp_node,
    index: usize,
    at: usize,
    process: *mut nacp_process,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_process_at", error) };
    let process = entry.out_struct(process, "process");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out_struct(process)?;
        let list = gpu_at(call, held, index)?.sample.processes.known().map_or(&[][..], Vec::as_slice);
        out.fill(&fill(list.get(at).ok_or_else(|| absent(call, "process", at, list.len()))?));
        Ok(())
    })
}

fn fill(process: &Process) -> nacp_process {
    let mut out: nacp_process = zero();
    let mut known = 0;
    out.pid = process.pid;
    out.kind = match process.kind {
        ProcessKind::Compute => NACP_PROCESS_COMPUTE,
        ProcessKind::Graphics => NACP_PROCESS_GRAPHICS,
        ProcessKind::Both => NACP_PROCESS_BOTH,
    };
    set(&mut known, NACP_PROCESS_MEMORY, &process.memory, |bytes| out.memory = bytes.0);
    set(&mut known, NACP_PROCESS_UTILIZATION, &process.utilization, |busy| {
        (out.utilization_sm, out.utilization_memory) = (busy.sm, busy.memory);
    });
    if let Some(partition) = process.partitions.first() {
        known |= NACP_PROCESS_GPU_INSTANCE;
        out.gpu_instance = partition.gpu_instance;
        if let Some(compute_instance) = partition.compute_instance {
            known |= NACP_PROCESS_COMPUTE_INSTANCE;
            out.compute_instance = compute_instance;
        }
    }
    out.known = known;
    out
}
