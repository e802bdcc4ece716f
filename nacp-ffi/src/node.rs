//! The GPUs of a node.

use std::ffi::c_char;
use std::mem::offset_of;
use std::sync::{Arc, Mutex, PoisonError};

use nacp_core::clock::SystemClock;
use nacp_core::gpu::topology::Topology;
use nacp_core::gpu::{GpuState, Node, Reading, Snapshot};
use nacp_core::{Error, ErrorKind, Result};

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, answer, zero};
use crate::shared::{Shared, free};
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text;

/// `nacp_node_info.known`: the driver's version is known.
pub const NACP_NODE_DRIVER: u64 = 0x1;
/// `nacp_node_info.known`: the CUDA version is known.
pub const NACP_NODE_CUDA: u64 = 0x2;

/// `nacp_gpu.known`: the compute capability is known.
pub const NACP_GPU_COMPUTE: u64 = 0x1;
/// `nacp_gpu.known`: `memory_total` is known.
pub const NACP_GPU_MEMORY_TOTAL: u64 = 0x2;
/// `nacp_gpu.known`: the PCI address is known.
pub const NACP_GPU_PCI: u64 = 0x4;
/// `nacp_gpu.known`: `memory_used`, `memory_free` and `memory_reserved` are known.
pub const NACP_GPU_MEMORY_USE: u64 = 0x8;
/// `nacp_gpu.known`: both utilisations are known.
pub const NACP_GPU_UTILIZATION: u64 = 0x10;
/// `nacp_gpu.known`: the temperature is known.
pub const NACP_GPU_TEMPERATURE: u64 = 0x20;
/// `nacp_gpu.known`: the power drawn is known.
pub const NACP_GPU_POWER: u64 = 0x40;
/// `nacp_gpu.known`: the limit of the power is known.
pub const NACP_GPU_POWER_LIMIT: u64 = 0x80;
/// `nacp_gpu.known`: the clocks are known.
pub const NACP_GPU_CLOCKS: u64 = 0x100;

/// A machine with its GPUs, as they were read at one moment.
///
/// Threads: functions that take `const nacp_node *` may be called by several threads at once; nacp_node_refresh,
/// nacp_node_reread and nacp_node_free by one, when no other call uses the node.
#[derive(Debug)]
pub struct nacp_node {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Node,
    pub(crate) snapshot: Snapshot,
    /// How the GPUs reach each other, once somebody has asked.
    topology: Mutex<Option<Arc<Topology>>>,
}

impl nacp_node {
    /// How the GPUs reach each other; the driver is asked once.
    pub(crate) fn topology(&self, call: &Call) -> Result<Arc<Topology>> {
        self.shared.wait(call.operation, async {
            let mut kept = self.topology.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(topology) = &*kept {
                return Ok(Arc::clone(topology));
            }
            Ok(Arc::clone(kept.insert(Arc::new(self.node.topology()?))))
        })
    }
}

/// What a node is read from. A field whose bit is not set in `known` means nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_node_info {
    /// sizeof(nacp_node_info); NACP_NODE_INFO_INIT sets it.
    pub struct_size: u32,
    /// 1 when the GPUs are made up, else 0; for a recording, whether those that were recorded are.
    pub simulated: u32,
    /// Which fields are known: NACP_NODE_DRIVER, NACP_NODE_CUDA.
    pub known: u64,
    /// What answers: the path of the driver's library, the name of the simulated node, or "replay of" such a name.
    pub name: [c_char; 256],
    /// The driver's version.
    pub driver: [c_char; 64],
    /// The newest CUDA version that the driver serves, such as "13.0".
    pub cuda: [c_char; 16],
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_node_info {
    const FIRST: usize = offset_of!(Self, cuda) + 16;
}

/// One GPU: what it is and what it was doing. A field whose bit is not set in `known` means nothing: what the driver did
/// not tell is never given as 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_gpu {
    /// sizeof(nacp_gpu); NACP_GPU_INIT sets it.
    pub struct_size: u32,
    /// The position in the driver's list. For display only: it can change at the next start.
    pub index: u32,
    /// Which fields are known: NACP_GPU_COMPUTE and the like. UUID, name and index always are.
    pub known: u64,
    /// The UUID, as the driver spells it.
    pub uuid: [c_char; 80],
    /// The product's name.
    pub name: [c_char; 96],
    /// The PCI address, such as "00000000:01:00.0" (NACP_GPU_PCI).
    pub pci: [c_char; 32],
    /// The major number of the compute capability (NACP_GPU_COMPUTE).
    pub compute_major: u32,
    /// The minor number of the compute capability (NACP_GPU_COMPUTE).
    pub compute_minor: u32,
    /// All memory of the device in bytes (NACP_GPU_MEMORY_TOTAL).
    pub memory_total: u64,
    /// Bytes allocated by programs (NACP_GPU_MEMORY_USE).
    pub memory_used: u64,
    /// Bytes not allocated (NACP_GPU_MEMORY_USE).
    pub memory_free: u64,
    /// Bytes kept by the driver and the firmware (NACP_GPU_MEMORY_USE).
    pub memory_reserved: u64,
    /// Percent of the last sampling period in which a kernel was running (NACP_GPU_UTILIZATION).
    pub utilization_gpu: u32,
    /// Percent of the last sampling period in which memory was read or written (NACP_GPU_UTILIZATION).
    pub utilization_memory: u32,
    /// Degrees Celsius (NACP_GPU_TEMPERATURE).
    pub temperature: u32,
    /// Power drawn by the board in milliwatts (NACP_GPU_POWER).
    pub power: u32,
    /// The limit at which the board is held, in milliwatts (NACP_GPU_POWER_LIMIT).
    pub power_limit: u32,
    /// The graphics clock in MHz (NACP_GPU_CLOCKS).
    pub clock_graphics: u32,
    /// The clock of the streaming multiprocessors in MHz (NACP_GPU_CLOCKS).
    pub clock_sm: u32,
    /// The memory clock in MHz (NACP_GPU_CLOCKS).
    pub clock_memory: u32,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_gpu {
    const FIRST: usize = offset_of!(Self, clock_memory) + size_of::<u32>();
}

fn read(node: &Node) -> Result<Snapshot> {
    node.snapshot(&SystemClock::new())
}

/// Finds the GPUs of the context's node and reads them once.
///
/// @param ctx the context
/// @param[out] node the node, freed by nacp_node_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_DRIVER_UNAVAILABLE when there is no usable NVIDIA driver; a driver without a GPU is no error. Behind a guard
///         (nacp_ctx_options.guard) also NACP_E_DRIVER_UNAVAILABLE with `cause=crashed` and NACP_E_TIMEOUT with `cause=hung`
///         for a driver that would have done that here
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_discover(
    ctx: *const nacp_ctx,
    node: *mut *mut nacp_node,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_discover", error) };
    let node = entry.out_handle(node, "node");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let out = call.out(node)?;
        let node = shared.wait(call.operation, async { shared.world().node().await.cloned() })?;
        let snapshot = shared.wait(call.operation, async { read(&node) })?;
        out.give(nacp_node { shared: Arc::clone(shared), node, snapshot, topology: Mutex::default() });
        Ok(())
    })
}

/// Reads again what the GPUs are doing. What they are stays as it was read first: nacp_node_reread reads that too. On
/// failure the node keeps what it had.
///
/// @param node the node, used by no other call
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_DRIVER_UNAVAILABLE when the driver stopped answering as a whole
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_refresh(node: *mut nacp_node, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_refresh", error) };
    entry.run(|call| {
        let held = call.exclusive(node, "node")?;
        held.snapshot = held.shared.wait(call.operation, async { read(&held.node) })?;
        Ok(())
    })
}

/// Reads everything again: also what the GPUs are, how they reach each other, and which there are. Their order may change,
/// and so may indices. On failure the node keeps what it had; what was started from it goes on with what it knew.
///
/// @param node the node, used by no other call
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_DRIVER_UNAVAILABLE when the driver stopped answering as a whole
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_reread(node: *mut nacp_node, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_reread", error) };
    entry.run(|call| {
        let held = call.exclusive(node, "node")?;
        let (anew, snapshot) = held.shared.wait(call.operation, async {
            let anew = held.node.reread()?;
            let snapshot = read(&anew)?;
            Ok((anew, snapshot))
        })?;
        (held.node, held.snapshot, held.topology) = (anew, snapshot, Mutex::default());
        Ok(())
    })
}

/// Tells what a node is read from, and whether it is simulated.
///
/// @param node the node
/// @param[out] info a struct that NACP_NODE_INFO_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_describe(
    node: *const nacp_node,
    info: *mut nacp_node_info,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_describe", error) };
    let info = entry.out_struct(info, "info");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out_struct(info)?;
        let origin = held.node.origin();
        let mut info: nacp_node_info = zero();
        info.simulated = u32::from(origin.simulated);
        text::copy(&origin.name, &mut info.name);
        for (bit, value, field) in [
            (NACP_NODE_DRIVER, &origin.driver, info.driver.as_mut_slice()),
            (NACP_NODE_CUDA, &origin.cuda, info.cuda.as_mut_slice()),
        ] {
            if let Some(value) = value {
                info.known |= bit;
                text::copy(value, field);
            }
        }
        out.fill(&info);
        Ok(())
    })
}

/// The number of GPUs of a node; 0 for NULL.
///
/// @param node the node
#[unsafe(no_mangle)]
pub extern "C" fn nacp_node_gpu_count(node: Option<&nacp_node>) -> usize {
    answer(node, 0, |node| node.snapshot.gpus.len())
}

/// Tells what one GPU is and what it was doing when the node was last read.
///
/// @param node the node
/// @param index which, from 0 to nacp_node_gpu_count - 1: the position in this node, as wherever a function takes an index
///        of a GPU; nacp_gpu.index is the driver's own number, which is only for display
/// @param[out] gpu a struct that NACP_GPU_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_gpu_at(
    node: *const nacp_node,
    index: usize,
    gpu: *mut nacp_gpu,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_gpu_at", error) };
    let gpu = entry.out_struct(gpu, "gpu");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out_struct(gpu)?;
        out.fill(&fill(gpu_at(call, held, index)?));
        Ok(())
    })
}

/// The GPU of this index.
pub(crate) fn gpu_at<'a>(call: &Call, node: &'a nacp_node, index: usize) -> Result<&'a GpuState> {
    let gpus = &node.snapshot.gpus;
    gpus.get(index).ok_or_else(|| absent(call, "GPU", index, gpus.len()))
}

/// Why nothing stands at an index.
pub(crate) fn absent(call: &Call, what: &str, index: usize, count: usize) -> Error {
    Error::new(ErrorKind::NotFound, call.operation, format!("there is no {what} of this index"))
        .with("index", index)
        .with("count", count)
}

fn fill(state: &GpuState) -> nacp_gpu {
    let mut out: nacp_gpu = zero();
    let (gpu, sample) = (&state.gpu, &state.sample);
    out.index = gpu.index;
    text::copy(gpu.id.as_str(), &mut out.uuid);
    text::copy(&gpu.name, &mut out.name);
    let mut known = 0;
    set(&mut known, NACP_GPU_COMPUTE, &gpu.compute, |compute| {
        (out.compute_major, out.compute_minor) = (compute.major, compute.minor);
    });
    set(&mut known, NACP_GPU_MEMORY_TOTAL, &gpu.memory, |memory| out.memory_total = memory.0);
    set(&mut known, NACP_GPU_PCI, &gpu.pci, |pci| text::copy(pci, &mut out.pci));
    set(&mut known, NACP_GPU_MEMORY_USE, &sample.memory, |memory| {
        (out.memory_used, out.memory_free, out.memory_reserved) = (memory.used.0, memory.free.0, memory.reserved.0);
    });
    set(&mut known, NACP_GPU_UTILIZATION, &sample.utilization, |busy| {
        (out.utilization_gpu, out.utilization_memory) = (busy.gpu, busy.memory);
    });
    set(&mut known, NACP_GPU_TEMPERATURE, &sample.temperature, |celsius| out.temperature = *celsius);
    set(&mut known, NACP_GPU_POWER, &sample.power, |milliwatts| out.power = *milliwatts);
    set(&mut known, NACP_GPU_POWER_LIMIT, &sample.power_limit, |milliwatts| out.power_limit = *milliwatts);
    set(&mut known, NACP_GPU_CLOCKS, &sample.clocks, |clocks| {
        (out.clock_graphics, out.clock_sm, out.clock_memory) = (clocks.graphics, clocks.sm, clocks.memory);
    });
    out.known = known;
    out
}

/// Writes a field and sets its bit, if the reading is known.
pub(crate) fn set<T>(known: &mut u64, bit: u64, reading: &Reading<T>, write: impl FnOnce(&T)) {
    if let Some(value) = reading.known() {
        *known |= bit;
        write(value);
    }
}

/// Everything that was read of a node, as JSON: a value that is unknown is {"unknown": "why"}.
///
/// @param node the node
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_snapshot_json(
    node: *const nacp_node,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_snapshot_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out(json)?;
        out.set(self::json(&held.snapshot)?);
        Ok(())
    })
}

/// What every call to the driver was answered with on every GPU, as JSON: the evidence behind each unknown value.
///
/// @param node the node
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_DRIVER_UNAVAILABLE when the driver stopped answering as a whole
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_support_json(
    node: *const nacp_node,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_support_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out(json)?;
        let support = held.shared.wait(call.operation, async { held.node.support() })?;
        out.set(self::json(&support)?);
        Ok(())
    })
}

/// Frees a node.
///
/// @param node the node; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_node_free(node: Option<Box<nacp_node>>) {
    free(node, |node| &node.shared);
}
