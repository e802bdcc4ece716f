//! The numbers of a GPU, each by its own number: for programs that treat all alike.

use std::ffi::{CStr, c_char};
use std::mem::offset_of;
use std::ptr;

use nacp_core::gpu::{Metric, MetricKind, Sample, Unknown};
use nacp_core::{Error, ErrorKind, Result};

use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::node::{gpu_at, nacp_node};
use crate::status::nacp_status;
use crate::text;

/// One of the numbers of a GPU: one of NACP_METRIC_POWER and the like, from 0 to NACP_METRIC_COUNT - 1.
pub type nacp_metric = u32;

/// Percent of the time in which a kernel was running.
pub const NACP_METRIC_GPU_UTILIZATION: nacp_metric = 0;
/// Percent of the time in which memory was read or written.
pub const NACP_METRIC_MEMORY_UTILIZATION: nacp_metric = 1;
/// Power drawn by the board, in watts.
pub const NACP_METRIC_POWER: nacp_metric = 2;
/// The limit at which the board is held, in watts.
pub const NACP_METRIC_POWER_LIMIT: nacp_metric = 3;
/// Energy used since the driver was loaded, in joules.
pub const NACP_METRIC_ENERGY: nacp_metric = 4;
/// Temperature of the die, in degrees Celsius.
pub const NACP_METRIC_TEMPERATURE: nacp_metric = 5;
/// Temperature of the memory, in degrees Celsius.
pub const NACP_METRIC_MEMORY_TEMPERATURE: nacp_metric = 6;
/// Degrees Celsius below the temperature at which it slows down.
pub const NACP_METRIC_MARGIN: nacp_metric = 7;
/// Memory allocated by programs, in bytes.
pub const NACP_METRIC_MEMORY_USED: nacp_metric = 8;
/// Memory not allocated, in bytes.
pub const NACP_METRIC_MEMORY_FREE: nacp_metric = 9;
/// Memory kept by driver and firmware, in bytes.
pub const NACP_METRIC_MEMORY_RESERVED: nacp_metric = 10;
/// The graphics clock, in MHz.
pub const NACP_METRIC_GRAPHICS_CLOCK: nacp_metric = 11;
/// The clock of the multiprocessors, in MHz.
pub const NACP_METRIC_SM_CLOCK: nacp_metric = 12;
/// The memory clock, in MHz.
pub const NACP_METRIC_MEMORY_CLOCK: nacp_metric = 13;
/// The video clock, in MHz.
pub const NACP_METRIC_VIDEO_CLOCK: nacp_metric = 14;
/// The performance state, from 0.
pub const NACP_METRIC_PERFORMANCE: nacp_metric = 15;
/// Percent of the time in which the encoder was at work.
pub const NACP_METRIC_ENCODER: nacp_metric = 16;
/// Percent of the time in which the decoder was at work.
pub const NACP_METRIC_DECODER: nacp_metric = 17;
/// Percent of the time in which the JPEG decoder was at work.
pub const NACP_METRIC_JPEG: nacp_metric = 18;
/// Percent of the time in which the optical-flow unit was at work.
pub const NACP_METRIC_OPTICAL_FLOW: nacp_metric = 19;
/// The fastest fan, in percent.
pub const NACP_METRIC_FAN: nacp_metric = 20;
/// Memory of the CPU's window in use, in bytes.
pub const NACP_METRIC_BAR1_USED: nacp_metric = 21;
/// The PCIe generation.
pub const NACP_METRIC_PCIE_GENERATION: nacp_metric = 22;
/// The PCIe width, in lanes.
pub const NACP_METRIC_PCIE_WIDTH: nacp_metric = 23;
/// PCIe packets sent again.
pub const NACP_METRIC_PCIE_REPLAYS: nacp_metric = 24;
/// Bytes sent over PCIe.
pub const NACP_METRIC_PCIE_SENT: nacp_metric = 25;
/// Bytes received over PCIe.
pub const NACP_METRIC_PCIE_RECEIVED: nacp_metric = 26;
/// Bytes sent over NVLink.
pub const NACP_METRIC_NVLINK_SENT: nacp_metric = 27;
/// Bytes received over NVLink.
pub const NACP_METRIC_NVLINK_RECEIVED: nacp_metric = 28;
/// NVLinks that are up.
pub const NACP_METRIC_NVLINK_ACTIVE: nacp_metric = 29;
/// Memory errors corrected since the driver was loaded.
pub const NACP_METRIC_ECC_CORRECTED: nacp_metric = 30;
/// Memory errors not corrected since the driver was loaded.
pub const NACP_METRIC_ECC_UNCORRECTED: nacp_metric = 31;
/// Rows remapped because of correctable errors.
pub const NACP_METRIC_ROWS_CORRECTABLE: nacp_metric = 32;
/// Rows remapped because of uncorrectable errors.
pub const NACP_METRIC_ROWS_UNCORRECTABLE: nacp_metric = 33;
/// Programs that use the GPU.
pub const NACP_METRIC_PROCESSES: nacp_metric = 34;
/// Seconds that the clocks were held back by the power limit.
pub const NACP_METRIC_SLOWDOWN_POWER: nacp_metric = 35;
/// Seconds that the clocks were held back by temperature.
pub const NACP_METRIC_SLOWDOWN_THERMAL: nacp_metric = 36;
/// Share of the time in which any engine was active, 0 to 1.
pub const NACP_METRIC_GRAPHICS_ACTIVE: nacp_metric = 37;
/// Share of the time in which the multiprocessors were active, 0 to 1.
pub const NACP_METRIC_SM_ACTIVE: nacp_metric = 38;
/// Warps resident on the multiprocessors, as a share of the most, 0 to 1.
pub const NACP_METRIC_SM_OCCUPANCY: nacp_metric = 39;
/// Share of the time in which the tensor cores were active, 0 to 1.
pub const NACP_METRIC_TENSOR_ACTIVE: nacp_metric = 40;
/// Share of the time in which the memory interface was active, 0 to 1.
pub const NACP_METRIC_DRAM_ACTIVE: nacp_metric = 41;
/// How many metrics this header knows; a newer library may know more.
pub const NACP_METRIC_COUNT: nacp_metric = 42;
/// No metric.
pub const NACP_METRIC_NONE: nacp_metric = u32::MAX;

/// A number that was read, or why there is none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_value {
    /// sizeof(nacp_value); NACP_VALUE_INIT sets it.
    pub struct_size: u32,
    /// 1 when the value is known, else 0.
    pub known: u32,
    /// The number, in the metric's unit; 0 when it is not known.
    pub value: f64,
    /// Why it is not known, such as "not supported"; empty when it is.
    pub unknown: [c_char; 48],
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_value {
    const FIRST: usize = offset_of!(Self, unknown) + 48;
}

/// The metric's name and unit as C reads them.
const TEXTS: [(&CStr, &CStr); Metric::COUNT] = [
    (c"gpu_utilization", c"%"),
    (c"memory_utilization", c"%"),
    (c"power", c"W"),
    (c"power_limit", c"W"),
    (c"energy", c"J"),
    (c"temperature", c"°C"),
    (c"memory_temperature", c"°C"),
    (c"margin", c"°C"),
    (c"memory_used", c"B"),
    (c"memory_free", c"B"),
    (c"memory_reserved", c"B"),
    (c"graphics_clock", c"MHz"),
    (c"sm_clock", c"MHz"),
    (c"memory_clock", c"MHz"),
    (c"video_clock", c"MHz"),
    (c"performance", c""),
    (c"encoder", c"%"),
    (c"decoder", c"%"),
    (c"jpeg", c"%"),
    (c"optical_flow", c"%"),
    (c"fan", c"%"),
    (c"bar1_used", c"B"),
    (c"pcie_generation", c""),
    (c"pcie_width", c""),
    (c"pcie_replays", c""),
    (c"pcie_sent", c"B"),
    (c"pcie_received", c"B"),
    (c"nvlink_sent", c"B"),
    (c"nvlink_received", c"B"),
    (c"nvlink_active", c""),
    (c"ecc_corrected", c""),
    (c"ecc_uncorrected", c""),
    (c"rows_correctable", c""),
    (c"rows_uncorrectable", c""),
    (c"processes", c""),
    (c"slowdown_power", c"s"),
    (c"slowdown_thermal", c"s"),
    (c"graphics_active", c""),
    (c"sm_active", c""),
    (c"sm_occupancy", c""),
    (c"tensor_active", c""),
    (c"dram_active", c""),
];

/// The name of a metric, the same in Rust and Python.
///
/// @param metric which
/// @return text that lives as long as the program; NULL when there is no such metric
#[unsafe(no_mangle)]
pub extern "C" fn nacp_metric_name(metric: nacp_metric) -> *const c_char {
    texts(metric).map_or(ptr::null(), |(name, _)| name.as_ptr())
}

/// The unit of a metric's values, such as "W"; empty for plain numbers.
///
/// @param metric which
/// @return text that lives as long as the program; NULL when there is no such metric
#[unsafe(no_mangle)]
pub extern "C" fn nacp_metric_unit(metric: nacp_metric) -> *const c_char {
    texts(metric).map_or(ptr::null(), |(_, unit)| unit.as_ptr())
}

/// The metric of a name.
///
/// @param name the name, such as "power"
/// @param[out] metric its number; NACP_METRIC_NONE on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT when there is none of this name, with the nearest that there is
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_metric_named(
    name: *const c_char,
    metric: *mut nacp_metric,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_metric_named", error) };
    let metric = entry.out(metric, "metric", NACP_METRIC_NONE);
    entry.run(|call| {
        let out = call.out(metric)?;
        let named: Metric = call.text(name, "name")?.parse()?;
        out.set(named as nacp_metric);
        Ok(())
    })
}

/// Tells whether a metric only rises, so that its difference over a time means something: 1 for such a counter, else 0.
///
/// @param metric which
#[unsafe(no_mangle)]
pub extern "C" fn nacp_metric_is_counter(metric: nacp_metric) -> u32 {
    let found = usize::try_from(metric).ok().and_then(|at| Metric::all().nth(at));
    u32::from(found.is_some_and(|metric| metric.kind() == MetricKind::Counter))
}

fn texts(metric: nacp_metric) -> Option<&'static (&'static CStr, &'static CStr)> {
    TEXTS.get(usize::try_from(metric).ok()?)
}

/// Tells one number of a GPU as it was when the node was last read.
///
/// @param node the node
/// @param index which GPU, from 0 to nacp_node_gpu_count - 1
/// @param metric which number, such as NACP_METRIC_POWER
/// @param[out] value a struct that NACP_VALUE_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_OK also for a number that is not known: `value` says why; NACP_E_NOT_FOUND when there is no such index,
///         NACP_E_INVALID_ARGUMENT when there is no such metric
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_value(
    node: *const nacp_node,
    index: usize,
    metric: nacp_metric,
    value: *mut nacp_value,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_value", error) };
    let value = entry.out_struct(value, "value");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out_struct(value)?;
        let metric = metric_of(call, metric)?;
        out.fill(&fill(metric, Some(&gpu_at(call, held, index)?.sample)));
        Ok(())
    })
}

/// The metric of this number.
pub(crate) fn metric_of(call: &Call, metric: nacp_metric) -> Result<Metric> {
    usize::try_from(metric).ok().and_then(|at| Metric::all().nth(at)).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, call.operation, "there is no metric of this number")
            .with("metric", metric)
            .hint(format!("choose one of NACP_METRIC_POWER and the like, 0 to {}", Metric::COUNT - 1))
    })
}

/// A number of a sample; where there is no sample yet, it is not read.
pub(crate) fn fill(metric: Metric, sample: Option<&Sample>) -> nacp_value {
    let mut out: nacp_value = zero();
    match sample.and_then(|sample| metric.read(sample)) {
        Some(value) => (out.known, out.value) = (1, value),
        None => {
            let reason = sample.and_then(|sample| metric.unknown(sample)).unwrap_or(Unknown::NotRead);
            text::copy(&reason.to_string(), &mut out.unknown);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_names_and_units_are_those_of_the_core() {
        assert_eq!(usize::try_from(NACP_METRIC_COUNT).unwrap(), Metric::COUNT);
        for (metric, (name, unit)) in Metric::all().zip(TEXTS) {
            assert_eq!((metric.name(), metric.unit()), (name.to_str().unwrap(), unit.to_str().unwrap()));
        }
        for (number, name) in [(NACP_METRIC_POWER, "power"), (NACP_METRIC_DRAM_ACTIVE, "dram_active")] {
            assert_eq!(Metric::all().nth(usize::try_from(number).unwrap()).unwrap().name(), name);
        }
    }
}
