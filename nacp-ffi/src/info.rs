//! What a GPU is: the part of it that does not change.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::gpu::{ComputeMode, Gpu};

use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, zero};
use crate::node::{gpu_at, nacp_node, set};
use crate::status::nacp_status;
use crate::text;

/// `nacp_gpu_info.known`: the serial number is known.
pub const NACP_INFO_SERIAL: u64 = 0x1;
/// `nacp_gpu_info.known`: the board's part number is known.
pub const NACP_INFO_PART_NUMBER: u64 = 0x2;
/// `nacp_gpu_info.known`: the version of the video BIOS is known.
pub const NACP_INFO_VBIOS: u64 = 0x4;
/// `nacp_gpu_info.known`: the product line is known.
pub const NACP_INFO_BRAND: u64 = 0x8;
/// `nacp_gpu_info.known`: the architecture is known.
pub const NACP_INFO_ARCHITECTURE: u64 = 0x10;
/// `nacp_gpu_info.known`: the number of CUDA cores is known.
pub const NACP_INFO_CORES: u64 = 0x20;
/// `nacp_gpu_info.known`: the number of multiprocessors is known.
pub const NACP_INFO_MULTIPROCESSORS: u64 = 0x40;
/// `nacp_gpu_info.known`: the width of the memory bus is known.
pub const NACP_INFO_MEMORY_BUS: u64 = 0x80;
/// `nacp_gpu_info.known`: the size of the CPU's window onto the memory is known.
pub const NACP_INFO_BAR1: u64 = 0x100;
/// `nacp_gpu_info.known`: the newest PCIe generation of GPU and slot is known.
pub const NACP_INFO_PCIE_GENERATION: u64 = 0x200;
/// `nacp_gpu_info.known`: the widest PCIe link of GPU and slot is known.
pub const NACP_INFO_PCIE_WIDTH: u64 = 0x400;
/// `nacp_gpu_info.known`: the lowest power limit is known.
pub const NACP_INFO_POWER_MIN: u64 = 0x800;
/// `nacp_gpu_info.known`: the highest power limit is known.
pub const NACP_INFO_POWER_MAX: u64 = 0x1000;
/// `nacp_gpu_info.known`: the power limit after a start is known.
pub const NACP_INFO_POWER_DEFAULT: u64 = 0x2000;
/// `nacp_gpu_info.known`: the highest clocks are known.
pub const NACP_INFO_CLOCKS: u64 = 0x4000;
/// `nacp_gpu_info.known`: the temperature of the emergency stop is known.
pub const NACP_INFO_SHUTDOWN: u64 = 0x8000;
/// `nacp_gpu_info.known`: the temperature at which it slows down is known.
pub const NACP_INFO_SLOWDOWN: u64 = 0x1_0000;
/// `nacp_gpu_info.known`: the number N of /dev/nvidiaN is known.
pub const NACP_INFO_MINOR: u64 = 0x2_0000;
/// `nacp_gpu_info.known`: the NUMA node is known.
pub const NACP_INFO_NUMA_NODE: u64 = 0x4_0000;
/// `nacp_gpu_info.known`: the compute mode is known.
pub const NACP_INFO_COMPUTE_MODE: u64 = 0x8_0000;
/// `nacp_gpu_info.known`: whether the driver stays loaded is known.
pub const NACP_INFO_PERSISTENCE: u64 = 0x10_0000;
/// `nacp_gpu_info.known`: the modes of error correction are known.
pub const NACP_INFO_ECC: u64 = 0x20_0000;
/// `nacp_gpu_info.known`: the modes of partitioning are known.
pub const NACP_INFO_MIG: u64 = 0x40_0000;
/// `nacp_gpu_info.known`: the NVLinks are known.
pub const NACP_INFO_NVLINKS: u64 = 0x80_0000;
/// `nacp_gpu_info.known`: whether a link to the CPU is on is known.
pub const NACP_INFO_C2C: u64 = 0x100_0000;

/// `nacp_gpu_info.compute_mode`: any number of programs may compute.
pub const NACP_COMPUTE_DEFAULT: u32 = 0;
/// `nacp_gpu_info.compute_mode`: one thread of one program; no driver since CUDA 8 offers it.
pub const NACP_COMPUTE_EXCLUSIVE_THREAD: u32 = 1;
/// `nacp_gpu_info.compute_mode`: no program.
pub const NACP_COMPUTE_PROHIBITED: u32 = 2;
/// `nacp_gpu_info.compute_mode`: one program.
pub const NACP_COMPUTE_EXCLUSIVE_PROCESS: u32 = 3;

/// What a GPU is: what does not change while it is in the machine, or seldom (modes, partitions, links): nacp_node_reread
/// reads it anew. A field whose bit is not set in `known` means
/// nothing. There is more in nacp_node_snapshot_json.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_gpu_info {
    /// sizeof(nacp_gpu_info); NACP_GPU_INFO_INIT sets it.
    pub struct_size: u32,
    /// The position in the driver's list. For display only: it can change at the next start.
    pub index: u32,
    /// Which fields are known: NACP_INFO_SERIAL and the like. UUID, name and index always are.
    pub known: u64,
    /// The UUID, as the driver spells it.
    pub uuid: [c_char; 80],
    /// The product's name.
    pub name: [c_char; 96],
    /// The serial number on the board.
    pub serial: [c_char; 32],
    /// The board's part number.
    pub part_number: [c_char; 80],
    /// The version of the video BIOS.
    pub vbios: [c_char; 32],
    /// The product line, such as "GeForce".
    pub brand: [c_char; 32],
    /// The architecture, such as "Ampere".
    pub architecture: [c_char; 32],
    /// CUDA cores.
    pub cores: u32,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Width of the memory bus in bits.
    pub memory_bus: u32,
    /// The newest PCIe generation that GPU and slot have in common.
    pub pcie_max_generation: u32,
    /// The widest PCIe link that GPU and slot have in common, in lanes.
    pub pcie_max_width: u32,
    /// The lowest power limit that can be set, in milliwatts.
    pub power_min: u32,
    /// The highest power limit that can be set, in milliwatts.
    pub power_max: u32,
    /// The power limit after a start, in milliwatts.
    pub power_default: u32,
    /// The highest graphics clock in MHz (NACP_INFO_CLOCKS).
    pub clock_graphics: u32,
    /// The highest clock of the multiprocessors in MHz (NACP_INFO_CLOCKS).
    pub clock_sm: u32,
    /// The highest memory clock in MHz (NACP_INFO_CLOCKS).
    pub clock_memory: u32,
    /// Degrees Celsius at which it switches itself off (NACP_INFO_SHUTDOWN).
    pub temperature_shutdown: u32,
    /// Degrees Celsius at which it slows down to protect itself (NACP_INFO_SLOWDOWN).
    pub temperature_slowdown: u32,
    /// The number N of /dev/nvidiaN.
    pub minor: u32,
    /// The NUMA node of its own memory.
    pub numa_node: u32,
    /// Who may compute: NACP_COMPUTE_DEFAULT and the like, in NVML's numbers.
    pub compute_mode: u32,
    /// 1 when the driver stays loaded while nobody uses the GPU, else 0.
    pub persistence: u32,
    /// 1 when errors of the memory are corrected, else 0 (NACP_INFO_ECC).
    pub ecc: u32,
    /// The same after the next reset (NACP_INFO_ECC).
    pub ecc_pending: u32,
    /// 1 when the GPU is partitioned, else 0 (NACP_INFO_MIG).
    pub mig: u32,
    /// The same after the next reset (NACP_INFO_MIG).
    pub mig_pending: u32,
    /// NVLinks that are there.
    pub nvlinks: u32,
    /// NVLinks that are up (NACP_INFO_NVLINKS).
    pub nvlinks_active: u32,
    /// 1 when a chip-to-chip link to the CPU is on, else 0.
    pub c2c: u32,
    /// Size of the CPU's window onto the memory, in bytes.
    pub bar1: u64,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_gpu_info {
    const FIRST: usize = offset_of!(Self, bar1) + size_of::<u64>();
}

/// Tells what one GPU is.
///
/// @param node the node
/// @param index which, from 0 to nacp_node_gpu_count - 1
/// @param[out] info a struct that NACP_GPU_INFO_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_gpu_info_at(
    node: *const nacp_node,
    index: usize,
    info: *mut nacp_gpu_info,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_gpu_info_at", error) };
    let info = entry.out_struct(info, "info");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out_struct(info)?;
        out.fill(&fill(&gpu_at(call, held, index)?.gpu));
        Ok(())
    })
}

fn fill(gpu: &Gpu) -> nacp_gpu_info {
    let mut out: nacp_gpu_info = zero();
    let mut known = 0;
    out.index = gpu.index;
    text::copy(gpu.id.as_str(), &mut out.uuid);
    text::copy(&gpu.name, &mut out.name);
    for (bit, reading, field) in [
        (NACP_INFO_SERIAL, &gpu.identity.serial, out.serial.as_mut_slice()),
        (NACP_INFO_PART_NUMBER, &gpu.identity.part_number, out.part_number.as_mut_slice()),
        (NACP_INFO_VBIOS, &gpu.identity.vbios, out.vbios.as_mut_slice()),
        (NACP_INFO_BRAND, &gpu.identity.brand, out.brand.as_mut_slice()),
        (NACP_INFO_ARCHITECTURE, &gpu.processor.architecture, out.architecture.as_mut_slice()),
    ] {
        set(&mut known, bit, reading, |value| text::copy(value, field));
    }
    for (bit, reading, field) in [
        (NACP_INFO_CORES, &gpu.processor.cores, &mut out.cores),
        (NACP_INFO_MULTIPROCESSORS, &gpu.processor.multiprocessors, &mut out.multiprocessors),
        (NACP_INFO_MEMORY_BUS, &gpu.processor.memory_bus, &mut out.memory_bus),
        (NACP_INFO_PCIE_GENERATION, &gpu.pcie.max_generation, &mut out.pcie_max_generation),
        (NACP_INFO_PCIE_WIDTH, &gpu.pcie.max_width, &mut out.pcie_max_width),
        (NACP_INFO_POWER_MIN, &gpu.limits.power_min, &mut out.power_min),
        (NACP_INFO_POWER_MAX, &gpu.limits.power_max, &mut out.power_max),
        (NACP_INFO_POWER_DEFAULT, &gpu.limits.power_default, &mut out.power_default),
        (NACP_INFO_SHUTDOWN, &gpu.limits.temperature.shutdown, &mut out.temperature_shutdown),
        (NACP_INFO_SLOWDOWN, &gpu.limits.temperature.slowdown, &mut out.temperature_slowdown),
        (NACP_INFO_MINOR, &gpu.identity.minor, &mut out.minor),
        (NACP_INFO_NUMA_NODE, &gpu.affinity.numa_node, &mut out.numa_node),
    ] {
        set(&mut known, bit, reading, |value| *field = *value);
    }
    set(&mut known, NACP_INFO_BAR1, &gpu.processor.bar1, |bytes| out.bar1 = bytes.0);
    set(&mut known, NACP_INFO_CLOCKS, &gpu.limits.clocks, |clocks| {
        (out.clock_graphics, out.clock_sm, out.clock_memory) = (clocks.graphics, clocks.sm, clocks.memory);
    });
    if let Some(mode) = gpu.modes.compute.known().copied().and_then(compute_mode) {
        known |= NACP_INFO_COMPUTE_MODE;
        out.compute_mode = mode;
    }
    set(&mut known, NACP_INFO_PERSISTENCE, &gpu.modes.persistence, |on| out.persistence = u32::from(*on));
    set(&mut known, NACP_INFO_ECC, &gpu.modes.ecc, |ecc| {
        (out.ecc, out.ecc_pending) = (u32::from(ecc.current), u32::from(ecc.pending));
    });
    set(&mut known, NACP_INFO_MIG, &gpu.mig.mode, |mig| {
        (out.mig, out.mig_pending) = (u32::from(mig.current), u32::from(mig.pending));
    });
    set(&mut known, NACP_INFO_NVLINKS, &gpu.nvlinks, |links| {
        let count = |links: usize| u32::try_from(links).unwrap_or(u32::MAX);
        out.nvlinks = count(links.len());
        out.nvlinks_active = count(links.iter().filter(|link| link.active.known() == Some(&true)).count());
    });
    set(&mut known, NACP_INFO_C2C, &gpu.c2c, |on| out.c2c = u32::from(*on));
    out.known = known;
    out
}

/// NVML's number of a compute mode; nothing for one that this door does not know.
fn compute_mode(mode: ComputeMode) -> Option<u32> {
    match mode {
        ComputeMode::Default => Some(NACP_COMPUTE_DEFAULT),
        ComputeMode::ExclusiveThread => Some(NACP_COMPUTE_EXCLUSIVE_THREAD),
        ComputeMode::Prohibited => Some(NACP_COMPUTE_PROHIBITED),
        ComputeMode::ExclusiveProcess => Some(NACP_COMPUTE_EXCLUSIVE_PROCESS),
        _ => None,
    }
}
