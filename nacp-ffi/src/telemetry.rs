//! The numbers of the GPUs over time.

use std::ffi::c_char;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nacp_core::clock::SystemClock;
use nacp_core::gpu::telemetry::{EnergyBy, Listening, Telemetry, TelemetryOptions, Tier};
use nacp_core::gpu::{Fields, GpuId, Metric, Snapshot};
use nacp_core::{Bytes, Error, ErrorKind, Result};

use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::metric::{fill, metric_of, nacp_metric, nacp_value};
use crate::node::{absent, nacp_node};
use crate::shared::{LAST_WAIT, Shared, free};
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text;

/// GPUs that are read at a steady pace by a thread of the library, and what was read.
///
/// Threads: functions that take `const nacp_telemetry *` may be called by several threads at once; nacp_telemetry_free by
/// one, when no other call uses it.
#[derive(Debug)]
pub struct nacp_telemetry {
    pub(crate) shared: Arc<Shared>,
    pub(crate) telemetry: Telemetry,
    pub(crate) gpus: Arc<[GpuId]>,
}

/// How often what is read. Zeros and NULLs stand for the defaults.
///
/// Texts of fields are names with commas between them, such as "power,temperature"; "fast", "medium", "slow" and "all"
/// are groups. A field that two of them name is read as often as the faster one says.
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
    /// For how many seconds readings are kept; 0 for 3600, NACP_NO_HISTORY for none.
    pub history_s: u32,
    /// How many updates wait for each subscriber before it loses the oldest; 0 for 64.
    pub buffer: u32,
    /// The most memory that the history may take, in MiB; 0 for 64. Options that need more are refused.
    pub memory_mib: u32,
    /// Always 0.
    pub reserved: u32,
    /// What is read most often; NULL for utilisation and power, "" for nothing.
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

/// `nacp_telemetry_options.history_s`: no readings are kept but the last.
pub const NACP_NO_HISTORY: u32 = u32::MAX;

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
    /// How often a counter fell, because the driver was loaded anew (NACP_WINDOW_DELTA).
    pub resets: u64,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_window {
    const FIRST: usize = offset_of!(Self, resets) + size_of::<u64>();
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
    /// How long the last tick took, in nanoseconds.
    pub duration_ns: u64,
    /// How long the longest tick took, in nanoseconds.
    pub longest_ns: u64,
    /// When the last tick was, in milliseconds since 1970-01-01 00:00 UTC; 0 before the first.
    pub last_ms: i64,
    /// Whether it hears what happens to the GPUs: NACP_LISTENING_ON and the like. Only while it does, the absence of
    /// events means something.
    pub listening: u32,
    /// Always 0.
    pub reserved: u32,
    /// Why the driver does not answer now; empty while it does.
    pub error: [c_char; 256],
    /// Why it hears nothing (NACP_LISTENING_NOT_OFFERED, NACP_LISTENING_FAILING); else empty.
    pub deaf: [c_char; 256],
}

/// `nacp_telemetry_status.listening`: it has not begun yet, or has ended.
pub const NACP_LISTENING_OFF: u32 = 0;
/// `nacp_telemetry_status.listening`: it hears what happens.
pub const NACP_LISTENING_ON: u32 = 1;
/// `nacp_telemetry_status.listening`: nothing is told there, as under WSL2.
pub const NACP_LISTENING_NOT_OFFERED: u32 = 2;
/// `nacp_telemetry_status.listening`: the driver fails to tell; it is tried again.
pub const NACP_LISTENING_FAILING: u32 = 3;

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_telemetry_status {
    const FIRST: usize = offset_of!(Self, deaf) + 256;
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
    match given.history_s {
        0 => {}
        NACP_NO_HISTORY => options.history = Duration::ZERO,
        seconds => options.history = Duration::from_secs(seconds.into()),
    }
    if given.memory_mib != 0 {
        options.memory = Bytes::mib(given.memory_mib.into());
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

/// The readings, in the process that reads them: in a forked child a thread that is not there may hold a lock for ever.
pub(crate) fn telemetry_of(call: &Call, telemetry: *const nacp_telemetry) -> Result<&nacp_telemetry> {
    let held = call.shared(telemetry, "telemetry")?;
    held.shared.expect_this_process(call.operation)?;
    Ok(held)
}

impl nacp_telemetry {
    /// The id of the GPU of this index.
    pub(crate) fn gpu(&self, call: &Call, index: usize) -> Result<&GpuId> {
        self.gpus.get(index).ok_or_else(|| absent(call, "GPU", index, self.gpus.len()))
    }

    /// The last readings of every GPU.
    pub(crate) fn latest(&self, operation: &'static str) -> Result<Snapshot> {
        self.telemetry
            .latest()
            .ok_or_else(|| Error::new(ErrorKind::Timeout, operation, "the GPUs have not been read yet").retry_later())
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
/// @return NACP_OK also for a number that is not known, or not read yet: `value` says why; NACP_E_NOT_FOUND when there is no
///         such index, NACP_E_INVALID_ARGUMENT when there is no such metric
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
        let held = telemetry_of(call, telemetry)?;
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
        let held = telemetry_of(call, telemetry)?;
        let out = call.out_struct(window)?;
        let (gpu, metric) = held.place(call, index, metric)?;
        let seen = held.telemetry.window(gpu, metric, Duration::from_millis(over_ms))?;
        let mut told: nacp_window = zero();
        told.count = wide(seen.count);
        told.unknown = wide(seen.unknown);
        told.resets = wide(seen.resets);
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
        let held = telemetry_of(call, telemetry)?;
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
        let held = telemetry_of(call, telemetry)?;
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
        let held = telemetry_of(call, telemetry)?;
        let out = call.out_struct(status)?;
        let seen = held.telemetry.status();
        let mut told: nacp_telemetry_status = zero();
        told.subscribers = u32::try_from(seen.subscribers).unwrap_or(u32::MAX);
        (told.ticks, told.missed, told.errors, told.lagged) = (seen.ticks, seen.missed, seen.errors, seen.lagged);
        let nanoseconds =
            |time: Option<Duration>| u64::try_from(time.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
        (told.duration_ns, told.longest_ns) = (nanoseconds(seen.last_duration), nanoseconds(seen.longest_duration));
        told.last_ms = seen.last.map_or(0, Timestamp::as_millisecond);
        if let Some(error) = &seen.error {
            text::copy(&error.to_string(), &mut told.error);
        }
        let (listening, deaf) = match &seen.events {
            Listening::On => (NACP_LISTENING_ON, None),
            Listening::NotOffered(error) => (NACP_LISTENING_NOT_OFFERED, Some(error)),
            Listening::Failing(error) => (NACP_LISTENING_FAILING, Some(error)),
            _ => (NACP_LISTENING_OFF, None),
        };
        told.listening = listening;
        if let Some(error) = deaf {
            text::copy(&error.to_string(), &mut told.deaf);
        }
        out.fill(&told);
        Ok(())
    })
}

/// Everything that was read last of every GPU, with what each GPU is, as JSON: each reading is as old as the pace of its
/// field allows, and a value that is unknown is {"unknown": "why"}. It asks the driver nothing.
///
/// @param telemetry the readings
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_TIMEOUT while nothing was read yet
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_snapshot_json(
    telemetry: *const nacp_telemetry,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_snapshot_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let held = telemetry_of(call, telemetry)?;
        let out = call.out(json)?;
        out.set(self::json(&held.latest(call.operation)?)?);
        Ok(())
    })
}

/// Ends the reading and frees what was read. It waits for a driver that is just answering, five seconds at most.
/// Subscriptions and recordings stay valid: they are told the end.
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
