//! The metrics of dcgm-exporter: its names, types and units, and where NACP reads their values.
//!
//! A value is what DCGM would tell, also where that is odd: memory in whole MiB, and a bandwidth that is called a
//! counter. The order is that of dcgm-exporter's own list.

use Read::{Gpu, LastXid, LinkRate, Memory};
use Value::{Float, Integer};

use super::encode::Value;
use super::family::Family;
use super::family::FamilySet::{self, DcgmDefault as Default, DcgmOptional as Optional};
use crate::gpu::{GpuState, MemoryUse, MetricKind, Reading};
use crate::units::Bytes;

/// A metric of a GPU.
pub(super) struct Row {
    pub(super) family: Family,
    pub(super) read: Read,
}

/// How its value is read.
pub(super) enum Read {
    /// From the GPU as a whole.
    Gpu(fn(&GpuState) -> Option<Value>),
    /// From its memory, or from that of each of its GPU instances.
    Memory(fn(&MemoryUse) -> Bytes),
    /// From the events.
    LastXid,
    /// From this snapshot and the one before.
    LinkRate,
}

pub(super) static DCGM: [Row; 47] = [
    gauge(
        Default,
        "DCGM_FI_DEV_SM_CLOCK",
        "MHz",
        "clocks.sm",
        "Clock of the multiprocessors, in MHz",
        Gpu(|gpu| gpu.sample.clocks.known().map(|clocks| Integer(clocks.sm.into()))),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_MEM_CLOCK",
        "MHz",
        "clocks.memory",
        "Clock of the memory, in MHz",
        Gpu(|gpu| gpu.sample.clocks.known().map(|clocks| Integer(clocks.memory.into()))),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_MEMORY_TEMP",
        "°C",
        "memory_temperature",
        "Temperature of the memory, in degrees Celsius",
        Gpu(|gpu| small(&gpu.sample.memory_temperature)),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_GPU_TEMP",
        "°C",
        "temperature",
        "Temperature of the die, in degrees Celsius",
        Gpu(|gpu| small(&gpu.sample.temperature)),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_POWER_USAGE",
        "W",
        "power",
        "Power drawn by the board, in watts",
        Gpu(|gpu| gpu.sample.power.known().copied().map(thousandths)),
    ),
    counter(
        Default,
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        "mJ",
        "energy",
        "Energy used since the driver was loaded, in millijoules",
        Gpu(|gpu| large(&gpu.sample.energy)),
    ),
    counter(
        Default,
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
        "",
        "pcie_replays",
        "PCIe packets that were sent again",
        Gpu(|gpu| large(&gpu.sample.pcie_replays)),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_GPU_UTIL",
        "%",
        "utilization.gpu",
        "Time in which a kernel was running, in percent",
        Gpu(|gpu| gpu.sample.utilization.known().map(|busy| Integer(busy.gpu.into()))),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_MEM_COPY_UTIL",
        "%",
        "utilization.memory",
        "Time in which memory was read or written, in percent",
        Gpu(|gpu| gpu.sample.utilization.known().map(|busy| Integer(busy.memory.into()))),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_ENC_UTIL",
        "%",
        "encoder",
        "Time in which the video encoder was at work, in percent",
        Gpu(|gpu| small(&gpu.sample.encoder)),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_DEC_UTIL",
        "%",
        "decoder",
        "Time in which the video decoder was at work, in percent",
        Gpu(|gpu| small(&gpu.sample.decoder)),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_XID_ERRORS",
        "",
        "events",
        "The last Xid that the driver told; 0 for none since the listening began",
        LastXid,
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_POWER_VIOLATION",
        "ns",
        "slowdown.power",
        "Time for which the clocks were held back by the power limit, in nanoseconds",
        Gpu(|gpu| large(&gpu.sample.slowdown.known()?.power)),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_THERMAL_VIOLATION",
        "ns",
        "slowdown.thermal",
        "Time for which the clocks were held back by temperature, in nanoseconds",
        Gpu(|gpu| large(&gpu.sample.slowdown.known()?.thermal)),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_SYNC_BOOST_VIOLATION",
        "ns",
        "slowdown.sync_boost",
        "Time for which the clocks were held back to stay in step with other GPUs, in nanoseconds",
        Gpu(|gpu| large(&gpu.sample.slowdown.known()?.sync_boost)),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_BOARD_LIMIT_VIOLATION",
        "ns",
        "slowdown.board",
        "Time for which the clocks were held back by the limit of the whole board, in nanoseconds",
        Gpu(|gpu| large(&gpu.sample.slowdown.known()?.board)),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_LOW_UTIL_VIOLATION",
        "ns",
        "slowdown.low_utilization",
        "Time for which the clocks were held back for lack of work, in nanoseconds",
        Gpu(|gpu| large(&gpu.sample.slowdown.known()?.low_utilization)),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_RELIABILITY_VIOLATION",
        "ns",
        "slowdown.reliability",
        "Time for which the clocks were held back by the reliability of the voltage, in nanoseconds",
        Gpu(|gpu| large(&gpu.sample.slowdown.known()?.reliability)),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_FB_FREE",
        "MiB",
        "memory.free, mig[].memory",
        "Memory not allocated, in MiB",
        Memory(|memory| memory.free),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_FB_USED",
        "MiB",
        "memory.used, mig[].memory",
        "Memory allocated by programs, in MiB",
        Memory(|memory| memory.used),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_FB_RESERVED",
        "MiB",
        "memory.reserved, mig[].memory",
        "Memory kept by driver and firmware, in MiB",
        Memory(|memory| memory.reserved),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
        "",
        "ecc.corrected",
        "Memory errors that were corrected since the driver was loaded",
        Gpu(|gpu| gpu.sample.ecc.known().map(|ecc| Integer(ecc.corrected))),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        "",
        "ecc.uncorrected",
        "Memory errors that were not corrected since the driver was loaded",
        Gpu(|gpu| gpu.sample.ecc.known().map(|ecc| Integer(ecc.uncorrected))),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
        "",
        "ecc.corrected_total",
        "Memory errors that were corrected over the life of the GPU",
        Gpu(|gpu| gpu.sample.ecc.known().map(|ecc| Integer(ecc.corrected_total))),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
        "",
        "ecc.uncorrected_total",
        "Memory errors that were not corrected over the life of the GPU",
        Gpu(|gpu| gpu.sample.ecc.known().map(|ecc| Integer(ecc.uncorrected_total))),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_RETIRED_SBE",
        "",
        "retired_pages.single_bit",
        "Pages of memory retired because of single-bit errors",
        Gpu(|gpu| gpu.sample.retired_pages.known().map(|pages| Integer(pages.single_bit.into()))),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_RETIRED_DBE",
        "",
        "retired_pages.double_bit",
        "Pages of memory retired because of a double-bit error",
        Gpu(|gpu| gpu.sample.retired_pages.known().map(|pages| Integer(pages.double_bit.into()))),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_RETIRED_PENDING",
        "",
        "retired_pages.pending",
        "Whether a page of memory is to be retired at the next start",
        Gpu(|gpu| gpu.sample.retired_pages.known().map(|pages| Integer(pages.pending.into()))),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
        "",
        "nvlink.crc_flit",
        "Wrong checksums of flow control on all NVLinks",
        Gpu(|gpu| large(&gpu.sample.nvlink.known()?.crc_flit)),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
        "",
        "nvlink.crc_data",
        "Wrong checksums of data on all NVLinks",
        Gpu(|gpu| large(&gpu.sample.nvlink.known()?.crc_data)),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
        "",
        "nvlink.replays",
        "Packets that were sent again on all NVLinks",
        Gpu(|gpu| large(&gpu.sample.nvlink.known()?.replays)),
    ),
    counter(
        Optional,
        "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
        "",
        "nvlink.recoveries",
        "Times that an NVLink was trained anew",
        Gpu(|gpu| large(&gpu.sample.nvlink.known()?.recoveries)),
    ),
    counter(
        Default,
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
        "MB/s",
        "nvlink.sent, nvlink.received",
        "Data sent and received over all NVLinks since the reading before, in MB/s (no counter, though DCGM calls it one)",
        LinkRate,
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
        "",
        "modes.virtualization",
        "Whether the GPU has a vGPU licence: 0 where it needs none",
        Gpu(licence),
    ),
    counter(
        Default,
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        "",
        "rows.uncorrectable",
        "Rows of memory replaced because of uncorrectable errors",
        Gpu(|gpu| gpu.sample.rows.known().map(|rows| Integer(rows.uncorrectable.into()))),
    ),
    counter(
        Default,
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        "",
        "rows.correctable",
        "Rows of memory replaced because of correctable errors",
        Gpu(|gpu| gpu.sample.rows.known().map(|rows| Integer(rows.correctable.into()))),
    ),
    gauge(
        Default,
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
        "",
        "rows.failed",
        "Whether replacing a row of memory has failed",
        Gpu(|gpu| gpu.sample.rows.known().map(|rows| Integer(rows.failed.into()))),
    ),
    gauge(
        Default,
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        "ratio",
        "profile.graphics",
        "Share of the time in which any engine was active",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| thousandths(profile.graphics))),
    ),
    gauge(
        Optional,
        "DCGM_FI_PROF_SM_ACTIVE",
        "ratio",
        "profile.sm",
        "Share of the time in which the multiprocessors were active",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| thousandths(profile.sm))),
    ),
    gauge(
        Optional,
        "DCGM_FI_PROF_SM_OCCUPANCY",
        "ratio",
        "profile.occupancy",
        "Warps resident on the multiprocessors, as a share of the most",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| thousandths(profile.occupancy))),
    ),
    gauge(
        Default,
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        "ratio",
        "profile.tensor",
        "Share of the time in which the tensor cores were active",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| thousandths(profile.tensor))),
    ),
    gauge(
        Default,
        "DCGM_FI_PROF_DRAM_ACTIVE",
        "ratio",
        "profile.dram",
        "Share of the time in which the memory interface was active",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| thousandths(profile.dram))),
    ),
    gauge(
        Optional,
        "DCGM_FI_PROF_PIPE_FP64_ACTIVE",
        "ratio",
        "profile.fp64",
        "Share of the time in which the FP64 units were active",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| thousandths(profile.fp64))),
    ),
    gauge(
        Optional,
        "DCGM_FI_PROF_PIPE_FP32_ACTIVE",
        "ratio",
        "profile.fp32",
        "Share of the time in which the FP32 units were active",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| thousandths(profile.fp32))),
    ),
    gauge(
        Optional,
        "DCGM_FI_PROF_PIPE_FP16_ACTIVE",
        "ratio",
        "profile.fp16",
        "Share of the time in which the FP16 units were active",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| thousandths(profile.fp16))),
    ),
    gauge(
        Default,
        "DCGM_FI_PROF_PCIE_TX_BYTES",
        "B/s",
        "profile.pcie_sent",
        "Data sent over PCIe, in bytes a second",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| Integer(profile.pcie_sent))),
    ),
    gauge(
        Default,
        "DCGM_FI_PROF_PCIE_RX_BYTES",
        "B/s",
        "profile.pcie_received",
        "Data received over PCIe, in bytes a second",
        Gpu(|gpu| gpu.sample.profile.known().map(|profile| Integer(profile.pcie_received))),
    ),
];

const fn gauge(
    set: FamilySet,
    name: &'static str,
    unit: &'static str,
    source: &'static str,
    help: &'static str,
    read: Read,
) -> Row {
    Row { family: Family { name, kind: MetricKind::Gauge, unit, help, source, set }, read }
}

const fn counter(
    set: FamilySet,
    name: &'static str,
    unit: &'static str,
    source: &'static str,
    help: &'static str,
    read: Read,
) -> Row {
    Row { family: Family { name, kind: MetricKind::Counter, unit, help, source, set }, read }
}

fn small(reading: &Reading<u32>) -> Option<Value> {
    reading.known().map(|value| Integer((*value).into()))
}

fn large(reading: &Reading<u64>) -> Option<Value> {
    reading.known().map(|value| Integer(*value))
}

fn thousandths(value: u32) -> Value {
    Float(f64::from(value) / 1e3)
}

/// A GPU that is no virtual one needs no licence, which DCGM tells as 0. Of a virtual one NACP does not know.
fn licence(gpu: &GpuState) -> Option<Value> {
    let virtualization = gpu.gpu.modes.virtualization.known()?;
    (virtualization == "none").then_some(Integer(0))
}
