//! What is read of the GPUs, told as it is read.

use std::ffi::c_char;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::gpu::telemetry::{Frame, Subscription, Update};
use nacp_core::gpu::{Event, GpuId};
use nacp_core::{Error, ErrorKind};

use crate::error::nacp_error;
use crate::events::{self, nacp_event};
use crate::ffi::{Entry, Versioned, zero};
use crate::metric::{fill, metric_of, nacp_metric, nacp_value};
use crate::node::absent;
use crate::shared::{Shared, free};
use crate::status::nacp_status;
use crate::telemetry::{nacp_telemetry, telemetry_of};
use crate::text;

/// `nacp_update.kind`: the GPUs were read; nacp_subscription_value has the numbers.
pub const NACP_UPDATE_SAMPLES: u32 = 1;
/// `nacp_update.kind`: something happened to a GPU; nacp_subscription_event has it.
pub const NACP_UPDATE_EVENT: u32 = 2;
/// `nacp_update.kind`: the driver has begun to fail; `text` says how.
pub const NACP_UPDATE_ERROR: u32 = 3;
/// `nacp_update.kind`: `lost` updates were lost, because this subscriber was too slow.
pub const NACP_UPDATE_LAGGED: u32 = 4;
/// `nacp_update.kind`: the reading has ended; nothing more will come.
pub const NACP_UPDATE_ENDED: u32 = 5;

/// One subscriber of telemetry. A slow one loses the oldest updates and is told how many; it never slows the reading.
///
/// Threads: one at a time.
#[derive(Debug)]
pub struct nacp_subscription {
    shared: Arc<Shared>,
    subscription: Subscription,
    gpus: Arc<[GpuId]>,
    frame: Option<Arc<Frame>>,
    event: Option<Event>,
}

/// What a subscriber is told.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_update {
    /// sizeof(nacp_update); NACP_UPDATE_INIT sets it.
    pub struct_size: u32,
    /// What: NACP_UPDATE_SAMPLES and the like. Be ready for numbers that are not here.
    pub kind: u32,
    /// Which reading it was, from 1 (NACP_UPDATE_SAMPLES).
    pub tick: u64,
    /// How many updates were lost (NACP_UPDATE_LAGGED).
    pub lost: u64,
    /// When, in milliseconds since 1970-01-01 00:00 UTC (NACP_UPDATE_SAMPLES, NACP_UPDATE_EVENT).
    pub at_ms: i64,
    /// The error or the event in words; empty for readings.
    pub text: [c_char; 256],
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_update {
    const FIRST: usize = offset_of!(Self, text) + 256;
}

/// Begins to be told what is read from now on, and what happens to the GPUs.
///
/// @param telemetry the readings
/// @param[out] subscription the subscriber, freed by nacp_subscription_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_subscribe(
    telemetry: *const nacp_telemetry,
    subscription: *mut *mut nacp_subscription,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_subscribe", error) };
    let subscription = entry.out_handle(subscription, "subscription");
    entry.run(|call| {
        let held = telemetry_of(call, telemetry)?;
        let out = call.out(subscription)?;
        let (shared, gpus) = (Arc::clone(&held.shared), Arc::clone(&held.gpus));
        let subscription = held.telemetry.subscribe();
        out.give(nacp_subscription { shared, subscription, gpus, frame: None, event: None });
        Ok(())
    })
}

/// Waits for the next update. The calling thread stands still meanwhile. With a limit of 0 it only looks. When
/// the readings are freed meanwhile, the wait ends with NACP_UPDATE_ENDED.
///
/// @param subscription the subscriber, used by no other call
/// @param limit_ms how long to wait, in milliseconds
/// @param[out] update a struct that NACP_UPDATE_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_TIMEOUT when nothing came within the limit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_subscription_next(
    subscription: *mut nacp_subscription,
    limit_ms: u32,
    update: *mut nacp_update,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_subscription_next", error) };
    let update = entry.out_struct(update, "update");
    entry.run(|call| {
        let held = call.exclusive(subscription, "subscription")?;
        let out = call.out_struct(update)?;
        let shared = Arc::clone(&held.shared);
        let limit = Duration::from_millis(limit_ms.into());
        let next = shared.wait(call.operation, async { held.subscription.next(limit) })?;
        let mut told: nacp_update = zero();
        match next {
            Update::Samples(frame) => {
                told.kind = NACP_UPDATE_SAMPLES;
                (told.tick, told.at_ms) = (frame.tick, frame.at.as_millisecond());
                held.frame = Some(frame);
            }
            Update::Event(event) => {
                (told.kind, told.at_ms) = (NACP_UPDATE_EVENT, event.at.as_millisecond());
                text::copy(&event.kind.to_string(), &mut told.text);
                held.event = Some(event);
            }
            Update::Error(error) => {
                told.kind = NACP_UPDATE_ERROR;
                text::copy(&error.to_string(), &mut told.text);
            }
            Update::Lagged(lost) => (told.kind, told.lost) = (NACP_UPDATE_LAGGED, lost),
            Update::Ended => told.kind = NACP_UPDATE_ENDED,
            _ => told.kind = 0,
        }
        out.fill(&told);
        Ok(())
    })
}

/// Tells one number of a GPU as it was in the last NACP_UPDATE_SAMPLES.
///
/// @param subscription the subscriber
/// @param index which GPU, in the order of the node
/// @param metric which number, such as NACP_METRIC_POWER
/// @param[out] value a struct that NACP_VALUE_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_OK also for a number that is not known, or not read yet: `value` says why; NACP_E_NOT_FOUND when there is no
///         such index, NACP_E_INVALID_ARGUMENT when there is no such metric
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_subscription_value(
    subscription: *const nacp_subscription,
    index: usize,
    metric: nacp_metric,
    value: *mut nacp_value,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_subscription_value", error) };
    let value = entry.out_struct(value, "value");
    entry.run(|call| {
        let held = call.shared(subscription, "subscription")?;
        let out = call.out_struct(value)?;
        let metric = metric_of(call, metric)?;
        let gpu = held.gpus.get(index).ok_or_else(|| absent(call, "GPU", index, held.gpus.len()))?;
        let samples = held.frame.as_ref().map_or(&[][..], |frame| &frame.samples);
        out.fill(&fill(metric, samples.iter().find(|sample| sample.id == *gpu)));
        Ok(())
    })
}

/// Tells the event of the last NACP_UPDATE_EVENT.
///
/// @param subscription the subscriber
/// @param[out] event a struct that NACP_EVENT_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there was none yet
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_subscription_event(
    subscription: *const nacp_subscription,
    event: *mut nacp_event,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_subscription_event", error) };
    let event = entry.out_struct(event, "event");
    entry.run(|call| {
        let held = call.shared(subscription, "subscription")?;
        let out = call.out_struct(event)?;
        let last = held.event.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, call.operation, "no event has come to this subscriber yet")
        })?;
        out.fill(&events::fill(last));
        Ok(())
    })
}

/// Ends a subscription.
///
/// @param subscription the subscriber; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_subscription_free(subscription: Option<Box<nacp_subscription>>) {
    free(subscription, |subscription| &subscription.shared);
}
