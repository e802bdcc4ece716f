//! The numbers of the GPUs over time.

use std::ffi::c_char;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nacp_core::clock::SystemClock;
use nacp_core::gpu::telemetry::{EnergyBy, Telemetry, TelemetryOptions, Tier};
use nacp_core::gpu::{Fields, GpuId, Metric};
use nacp_core::{Error, ErrorKind, Result};

use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::metric::{fill, metric_of, nacp_metric, nacp_value};
use crate::node::{absent, nacp_node};
use crate::shared::{LAST_WAIT, Shared, free};
use crate::status::nacp_status;
use crate::text;

/// GPUs that are read at a steady pace by a thread of the library, and what was read.
///
/// Threads: functions that take `const nacp_telemetry *` may be called by several threads at once; nacp_telemetry_free by
/// one, when no other call uses it.
#[derive(Debug)]
pub struct nacp_telemetry {
    pub(crate) shared: Arc<Shared>,
    pub(crate) telemetry: Telemetry,
    gpus: Vec<GpuId>,
}

/// How often what is read. Zeros and NULLs stand for the defaults.
///
/// Texts of fields are names with commas between them, such as "power,temperature"; "fast", "medium", "slow" and "all"
/// are groups.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_telemetry_options {
    /// sizeof(nacp_telemetry_options); NACP_TELEMETRY_OPTIONS_INIT sets it.
    pub struct_size: u32,
    /// Milliseconds from one reading of the fast fields to the next; 0 for 100.
    pub fast_ms: u32,
    /// The same for the medium fields; 0 for 1000.
    pub medium_ms: u32,
    /// The same for the slow fields; 0 for 10000.
    pub slow_ms: u32,
    /// For how many seconds readings are kept; 0 for 3600.
    pub history_s: u32,
    /// How many updates wait for each subscriber before it loses the oldest; 0 for 64.
    pub buffer: u32,
    /// What is read most often; NULL for utilisation and power.
    pub fast_fields: *const c_char,
    /// What is read less often; NULL for memory, temperatures, clocks and energy.
    pub medium_fields: *const c_char,
    /// What is read seldom; NULL for all the rest.
    pub slow_fields: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_telemetry_options {
    const FIRST: usize = offset_of!(Self, slow_fields) + size_of::<*const c_char>();
}

/// `nacp_window.known`: `first`, `last`, `min`, `max`, `mean`, `p50` and `p99` are known.
pub const NACP_WINDOW_VALUES: u32 = 0x1;
/// `nacp_window.known`: `delta` is known; the number is a counter.
pub const NACP_WINDOW_DELTA: u32 = 0x2;
/// `nacp_window.known`: `rate` is known; the number is a counter.
pub const NACP_WINDOW_RATE: u32 = 0x4;

/// What one number did over a stretch of time, in the metric's unit. A field whose bit is not set in `known` means
/// nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_window {
    /// sizeof(nacp_window); NACP_WINDOW_INIT sets it.
    pub struct_size: u32,
    /// Which fields are known: NACP_WINDOW_VALUES and the like.
    pub known: u32,
    /// Readings with a value.
    pub count: u64,
    /// Readings without one.
    pub unknown: u64,
    /// When the first reading was made, in milliseconds since 1970-01-01 00:00 UTC; 0 where there was none.
    pub from_ms: i64,
    /// When the last one was made.
    pub to_ms: i64,
    /// The first value.
    pub first: f64,
    /// The last value.
    pub last: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The mean of all values.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The value that 99 of 100 do not exceed.
    pub p99: f64,
    /// By how much a counter rose (NACP_WINDOW_DELTA).
    pub delta: f64,
    /// How much it rose in a second (NACP_WINDOW_RATE).
    pub rate: f64,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_window {
    const FIRST: usize = offset_of!(Self, rate) + size_of::<f64>();
}

/// How the reading fares.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_telemetry_status {
    /// sizeof(nacp_telemetry_status); NACP_TELEMETRY_STATUS_INIT sets it.
    pub struct_size: u32,
    /// How many subscribers there are.
    pub subscribers: u32,
    /// Ticks that read something.
    pub ticks: u64,
    /// Ticks that were passed over because the one before took too long.
    pub missed: u64,
    /// Ticks on which the driver did not answer.
    pub errors: u64,
    /// Updates that subscribers have lost because they were too slow.
    pub lagged: u64,
    /// How long the longest tick took, in nanoseconds.
    pub longest_ns: u64,
    /// When the last tick was, in milliseconds since 1970-01-01 00:00 UTC; 0 before the first.
    pub last_ms: i64,
    /// Why the driver does not answer now; empty while it does.
    pub error: [c_char; 256],
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_telemetry_status {
    const FIRST: usize = offset_of!(Self, error) + 256;
}

/// Begins to read the GPUs of a node at a steady pace.
///
/// @param node the node
/// @param options how often what; NULL for the defaults
/// @param[out] telemetry the readings, ended and freed by nacp_telemetry_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an option that cannot be, with the values that it may have
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_start(
    node: *const nacp_node,
    options: *const nacp_telemetry_options,
    telemetry: *mut *mut nacp_telemetry,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_start", error) };
    let telemetry = entry.out_handle(telemetry, "telemetry");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out(telemetry)?;
        let options = if options.is_null() { TelemetryOptions::default() } else { read(call, options)? };
        let shared = Arc::clone(&held.shared);
        let gpus = held.node.gpus().iter().map(|gpu| gpu.id.clone()).collect();
        let clock = Arc::new(SystemClock::new());
        let telemetry = shared.wait(call.operation, async { Telemetry::start(held.node.clone(), options, clock) })?;
        out.give(nacp_telemetry { shared, telemetry, gpus });
        Ok(())
    })
}

fn read(call: &Call, options: *const nacp_telemetry_options) -> Result<TelemetryOptions> {
    let given = call.read(options, "options")?;
    let mut options = TelemetryOptions::default();
    for (tier, ms, fields, parameter) in [
        (&mut options.fast, given.fast_ms, given.fast_fields, "options.fast_fields"),
        (&mut options.medium, given.medium_ms, given.medium_fields, "options.medium_fields"),
        (&mut options.slow, given.slow_ms, given.slow_fields, "options.slow_fields"),
    ] {
        set_tier(call, tier, ms, fields, parameter)?;
    }
    if given.history_s != 0 {
        options.history = Duration::from_secs(given.history_s.into());
    }
    if given.buffer != 0 {
        options.buffer = usize::try_from(given.buffer).unwrap_or(usize::MAX);
    }
    Ok(options)
}

fn set_tier(call: &Call, tier: &mut Tier, ms: u32, fields: *const c_char, parameter: &'static str) -> Result<()> {
    if ms != 0 {
        tier.every = Duration::from_millis(ms.into());
    }
    if let Some(names) = call.optional_text(fields, parameter)? {
        tier.fields = names.parse::<Fields>().map_err(|error| error.with("parameter", parameter))?;
    }
    Ok(())
}

impl nacp_telemetry {
    /// The id of the GPU of this index.
    pub(crate) fn gpu(&self, call: &Call, index: usize) -> Result<&GpuId> {
        self.gpus.get(index).ok_or_else(|| absent(call, "GPU", index, self.gpus.len()))
    }

    fn place(&self, call: &Call, index: usize, metric: nacp_metric) -> Result<(&GpuId, Metric)> {
        Ok((self.gpu(call, index)?, metric_of(call, metric)?))
    }
}

/// Tells the last reading of one number of a GPU.
///
/// @param telemetry the readings
/// @param index which GPU, in the order of the node
/// @param metric which number, such as NACP_METRIC_POWER
/// @param[out] value a struct that NACP_VALUE_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_OK also for a number that is not known, or not read yet: `value` says why
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_value(
    telemetry: *const nacp_telemetry,
    index: usize,
    metric: nacp_metric,
    value: *mut nacp_value,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_value", error) };
    let value = entry.out_struct(value, "value");
    entry.run(|call| {
        let held = call.shared(telemetry, "telemetry")?;
        let out = call.out_struct(value)?;
        let (gpu, metric) = held.place(call, index, metric)?;
        let frame = held.telemetry.frame();
        let sample = frame.as_ref().and_then(|frame| frame.samples.iter().find(|sample| sample.id == *gpu));
        out.fill(&fill(metric, sample));
        Ok(())
    })
}

/// Tells what one number of a GPU did over a stretch of time that ends with the last reading.
///
/// @param telemetry the readings
/// @param index which GPU, in the order of the node
/// @param metric which number, such as NACP_METRIC_POWER
/// @param over_ms how long the stretch is, in milliseconds; it goes back as far as readings are kept
/// @param[out] window a struct that NACP_WINDOW_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a number that is not read
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_window(
    telemetry: *const nacp_telemetry,
    index: usize,
    metric: nacp_metric,
    over_ms: u64,
    window: *mut nacp_window,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_window", error) };
    let window = entry.out_struct(window, "window");
    entry.run(|call| {
        let held = call.shared(telemetry, "telemetry")?;
        let out = call.out_struct(window)?;
        let (gpu, metric) = held.place(call, index, metric)?;
        let seen = held.telemetry.window(gpu, metric, Duration::from_millis(over_ms))?;
        let mut told: nacp_window = zero();
        told.count = wide(seen.count);
        told.unknown = wide(seen.unknown);
        told.from_ms = seen.from.map_or(0, Timestamp::as_millisecond);
        told.to_ms = seen.to.map_or(0, Timestamp::as_millisecond);
        for (bit, value, field) in [
            (NACP_WINDOW_VALUES, seen.first, &mut told.first),
            (NACP_WINDOW_VALUES, seen.last, &mut told.last),
            (NACP_WINDOW_VALUES, seen.min, &mut told.min),
            (NACP_WINDOW_VALUES, seen.max, &mut told.max),
            (NACP_WINDOW_VALUES, seen.mean, &mut told.mean),
            (NACP_WINDOW_VALUES, seen.p50, &mut told.p50),
            (NACP_WINDOW_VALUES, seen.p99, &mut told.p99),
            (NACP_WINDOW_DELTA, seen.delta, &mut told.delta),
            (NACP_WINDOW_RATE, seen.rate, &mut told.rate),
        ] {
            if let Some(value) = value {
                told.known |= bit;
                *field = value;
            }
        }
        out.fill(&told);
        Ok(())
    })
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Tells the energy that a GPU used over a stretch of time that ends with the last reading, in joules: from its counter,
/// or from its power where it has none.
///
/// @param telemetry the readings
/// @param index which GPU, in the order of the node
/// @param over_ms how long the stretch is, in milliseconds
/// @param[out] joules a struct that NACP_VALUE_INIT has initialised
/// @param[out] from_counter 1 when it is the GPU's own counter, 0 when it is the power; NULL if the caller does not care
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_OK also where it is not known: `joules` says why
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_energy(
    telemetry: *const nacp_telemetry,
    index: usize,
    over_ms: u64,
    joules: *mut nacp_value,
    from_counter: *mut u32,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_energy", error) };
    let joules = entry.out_struct(joules, "joules");
    let from_counter = entry.out(from_counter, "from_counter", 0);
    entry.run(|call| {
        let held = call.shared(telemetry, "telemetry")?;
        let out = call.out_struct(joules)?;
        let energy = held.telemetry.energy(held.gpu(call, index)?, Duration::from_millis(over_ms))?;
        let mut told: nacp_value = zero();
        match energy.known() {
            Some(energy) => {
                (told.known, told.value) = (1, energy.joules);
                if let Some(place) = call.optional_out(from_counter) {
                    place.set(u32::from(energy.by == EnergyBy::Counter));
                }
            }
            None => {
                let why = energy.unknown().map_or_else(String::new, |why| why.to_string());
                text::copy(&why, &mut told.unknown);
            }
        }
        out.fill(&told);
        Ok(())
    })
}

/// Copies the readings of one number of a GPU, the oldest first. Where the caller's arrays are too small, they get the
/// newest.
///
/// @param telemetry the readings
/// @param index which GPU, in the order of the node
/// @param metric which number, such as NACP_METRIC_POWER
/// @param after_us only readings after this moment, in microseconds since 1970-01-01 00:00 UTC; 0 for all that are kept
/// @param capacity how many readings the caller's arrays hold
/// @param[out] at_us when each was read, in microseconds since 1970-01-01 00:00 UTC; NULL if the caller does not care
/// @param[out] values the values; NaN where it was not known, and nowhere else; NULL if the caller only counts
/// @param[out] count how many readings there are, which may be more than `capacity`
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a number that is not read
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_history(
    telemetry: *const nacp_telemetry,
    index: usize,
    metric: nacp_metric,
    after_us: i64,
    capacity: usize,
    at_us: *mut i64,
    values: *mut f64,
    count: *mut usize,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_history", error) };
    let count = entry.out(count, "count", 0);
    entry.run(|call| {
        let held = call.shared(telemetry, "telemetry")?;
        let out = call.out(count)?;
        let (gpu, metric) = held.place(call, index, metric)?;
        let after = if after_us == 0 { Timestamp::MIN } else { moment(call, after_us)? };
        let series = held.telemetry.history(gpu, metric, after)?;
        let skipped = series.at.len().saturating_sub(capacity);
        if let Some(array) = call.out_array(at_us, capacity) {
            let newest: Vec<i64> = series.at.iter().skip(skipped).map(|at| at.as_microsecond()).collect();
            array.fill(&newest);
        }
        if let Some(array) = call.out_array(values, capacity) {
            array.fill(&series.values[skipped..]);
        }
        out.set(series.at.len());
        Ok(())
    })
}

fn moment(call: &Call, microseconds: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(microseconds).map_err(|cause| {
        Error::new(ErrorKind::InvalidArgument, call.operation, "there is no such moment")
            .with("parameter", "after_us")
            .with("value", microseconds)
            .caused_by(cause)
    })
}

/// Tells how the reading fares.
///
/// @param telemetry the readings
/// @param[out] status a struct that NACP_TELEMETRY_STATUS_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_describe(
    telemetry: *const nacp_telemetry,
    status: *mut nacp_telemetry_status,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_describe", error) };
    let status = entry.out_struct(status, "status");
    entry.run(|call| {
        let held = call.shared(telemetry, "telemetry")?;
        let out = call.out_struct(status)?;
        let seen = held.telemetry.status();
        let mut told: nacp_telemetry_status = zero();
        told.subscribers = u32::try_from(seen.subscribers).unwrap_or(u32::MAX);
        (told.ticks, told.missed, told.errors, told.lagged) = (seen.ticks, seen.missed, seen.errors, seen.lagged);
        let longest = seen.longest_duration.unwrap_or_default();
        told.longest_ns = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        told.last_ms = seen.last.map_or(0, Timestamp::as_millisecond);
        if let Some(error) = &seen.error {
            text::copy(&error.to_string(), &mut told.error);
        }
        out.fill(&told);
        Ok(())
    })
}

/// Ends the reading and frees what was read. Subscriptions stay valid: they are told the end.
///
/// @param telemetry the readings; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_telemetry_free(telemetry: Option<Box<nacp_telemetry>>) {
    let Some(telemetry) = telemetry else { return };
    if telemetry.shared.is_of_this_process() {
        crate::panic::quiet(|| drop(telemetry.telemetry.stop(LAST_WAIT)));
    } else {
        free(Some(telemetry), |telemetry| &telemetry.shared);
    }
}
