//! What happens to the GPUs, as it happens.

use std::ffi::c_char;
use std::fmt;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::{Event, EventKind, Events, Via};
use nacp_core::{Error, ErrorKind};

use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, zero};
use crate::node::nacp_node;
use crate::shared::{Shared, free};
use crate::status::nacp_status;
use crate::text;

/// `nacp_event.kind`: something that the library does not know; `bits` and `data` have what the driver said.
pub const NACP_EVENT_UNKNOWN: u32 = 0;
/// `nacp_event.kind`: a single-bit memory error was corrected.
pub const NACP_EVENT_SINGLE_BIT_ECC: u32 = 1;
/// `nacp_event.kind`: a double-bit memory error was not.
pub const NACP_EVENT_DOUBLE_BIT_ECC: u32 = 2;
/// `nacp_event.kind`: the performance state changed.
pub const NACP_EVENT_PERFORMANCE_STATE: u32 = 3;
/// `nacp_event.kind`: an error that the driver names by number; `data` is the Xid.
pub const NACP_EVENT_XID: u32 = 4;
/// `nacp_event.kind`: the clocks changed.
pub const NACP_EVENT_CLOCK: u32 = 5;
/// `nacp_event.kind`: the power source changed.
pub const NACP_EVENT_POWER_SOURCE: u32 = 6;
/// `nacp_event.kind`: the partitions changed.
pub const NACP_EVENT_MIG_CONFIGURATION: u32 = 7;
/// `nacp_event.kind`: single-bit errors come in a storm.
pub const NACP_EVENT_SINGLE_BIT_STORM: u32 = 8;
/// `nacp_event.kind`: memory is retired.
pub const NACP_EVENT_DRAM_RETIREMENT: u32 = 9;
/// `nacp_event.kind`: memory could not be retired.
pub const NACP_EVENT_DRAM_FAILURE: u32 = 10;
/// `nacp_event.kind`: poisoned data that harmed nothing yet.
pub const NACP_EVENT_NON_FATAL_POISON: u32 = 11;
/// `nacp_event.kind`: poisoned data was used.
pub const NACP_EVENT_FATAL_POISON: u32 = 12;
/// `nacp_event.kind`: the GPU can no longer be used.
pub const NACP_EVENT_UNAVAILABLE: u32 = 13;
/// `nacp_event.kind`: what the driver wants done about the GPU changed.
pub const NACP_EVENT_RECOVERY_ACTION: u32 = 14;
/// `nacp_event.kind`: an NVSwitch named an error by number; `data` is the SXid.
pub const NACP_EVENT_SXID: u32 = 15;
/// `nacp_event.kind`: the GPU has fallen off the bus.
pub const NACP_EVENT_FELL_OFF_BUS: u32 = 16;

/// `nacp_event.via`: the driver's management library told it.
pub const NACP_VIA_NVML: u32 = 1;
/// `nacp_event.via`: the log of the kernel told it.
pub const NACP_VIA_KERNEL_LOG: u32 = 2;
/// `nacp_event.via`: a simulated node made it up.
pub const NACP_VIA_SIMULATED: u32 = 3;

/// The pause after a wait that came back at once with nothing.
const BREATH: Duration = Duration::from_millis(10);

/// A wait for what happens to the GPUs of a node, from the moment when it was opened.
///
/// Threads: one at a time.
pub struct nacp_events {
    shared: Arc<Shared>,
    events: Box<dyn Events>,
    waiting: Vec<Event>,
}

impl fmt::Debug for nacp_events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("nacp_events").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// Something that happened.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_event {
    /// sizeof(nacp_event); NACP_EVENT_INIT sets it.
    pub struct_size: u32,
    /// What: NACP_EVENT_XID and the like. Be ready for numbers that are not here.
    pub kind: u32,
    /// The number that came with it: of the Xid or SXid (NACP_EVENT_XID, NACP_EVENT_SXID), or what the driver added
    /// (NACP_EVENT_UNKNOWN); else 0.
    pub data: u64,
    /// The driver's bits (NACP_EVENT_UNKNOWN); else 0.
    pub bits: u64,
    /// When, in milliseconds since 1970-01-01 00:00 UTC.
    pub at_ms: i64,
    /// Who told it: NACP_VIA_NVML and the like. Be ready for numbers that are not here.
    pub via: u32,
    /// What it is of: 0 the GPU as a whole, 1 one GPU instance, 2 one compute instance of it.
    pub part: u32,
    /// The id of the GPU instance (`part` 1 and 2).
    pub gpu_instance: u32,
    /// The id of the compute instance (`part` 2).
    pub compute_instance: u32,
    /// The UUID of the GPU; empty where the event is not of one.
    pub uuid: [c_char; 80],
    /// What happened, in words.
    pub text: [c_char; 256],
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_event {
    const FIRST: usize = offset_of!(Self, text) + 256;
}

/// Begins to listen for what happens to the GPUs of a node. What happened before is not told.
///
/// @param node the node
/// @param[out] events the wait, freed by nacp_events_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_UNSUPPORTED where nothing of the kind is told, as under WSL2
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_events_open(
    node: *const nacp_node,
    events: *mut *mut nacp_events,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_events_open", error) };
    let events = entry.out_handle(events, "events");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out(events)?;
        let shared = Arc::clone(&held.shared);
        let events = shared.wait(call.operation, async { held.node.events() })?;
        out.give(nacp_events { shared, events, waiting: Vec::new() });
        Ok(())
    })
}

/// Waits for the next event. The calling thread stands still meanwhile. With a limit of 0 it only looks.
///
/// @param events the wait, used by no other call
/// @param limit_ms how long to wait, in milliseconds
/// @param[out] event a struct that NACP_EVENT_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_TIMEOUT when nothing happened within the limit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_events_next(
    events: *mut nacp_events,
    limit_ms: u32,
    event: *mut nacp_event,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_events_next", error) };
    let event = entry.out_struct(event, "event");
    entry.run(|call| {
        let held = call.exclusive(events, "events")?;
        let out = call.out_struct(event)?;
        let shared = Arc::clone(&held.shared);
        let next = shared.wait(call.operation, async { next(held, Duration::from_millis(limit_ms.into())) })?;
        let next = next.ok_or_else(|| {
            Error::new(ErrorKind::Timeout, call.operation, "nothing happened in the time allowed")
                .with("limit_ms", limit_ms)
                .retry_later()
        })?;
        out.fill(&fill(&next));
        Ok(())
    })
}

/// The next event within the limit. A source may come back early with nothing: then it is asked again.
fn next(held: &mut nacp_events, limit: Duration) -> nacp_core::Result<Option<Event>> {
    use nacp_core::clock::Clock as _;

    let clock = SystemClock::new();
    loop {
        if !held.waiting.is_empty() {
            return Ok(Some(held.waiting.remove(0)));
        }
        let before = clock.monotonic();
        held.events.wait(limit.saturating_sub(before), &clock, &mut held.waiting)?;
        let now = clock.monotonic();
        if held.waiting.is_empty() && now >= limit {
            return Ok(None);
        }
        if held.waiting.is_empty() && now - before < BREATH {
            std::thread::sleep(BREATH.min(limit - now));
        }
    }
}

/// Stops listening.
///
/// @param events the wait; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_events_free(events: Option<Box<nacp_events>>) {
    free(events, |events| &events.shared);
}

/// An event as C sees it.
pub(crate) fn fill(event: &Event) -> nacp_event {
    let mut out: nacp_event = zero();
    (out.kind, out.data, out.bits) = kind(&event.kind);
    out.at_ms = event.at.as_millisecond();
    out.via = match event.via {
        Via::Nvml => NACP_VIA_NVML,
        Via::KernelLog => NACP_VIA_KERNEL_LOG,
        Via::Simulated => NACP_VIA_SIMULATED,
        _ => 0,
    };
    if let Some(partition) = event.partition {
        (out.part, out.gpu_instance) = (1, partition.gpu_instance);
        if let Some(compute_instance) = partition.compute_instance {
            (out.part, out.compute_instance) = (2, compute_instance);
        }
    }
    if let Some(gpu) = &event.gpu {
        text::copy(gpu.as_str(), &mut out.uuid);
    }
    text::copy(&event.kind.to_string(), &mut out.text);
    out
}

/// The number of a kind, with the number and the bits that came with it.
fn kind(kind: &EventKind) -> (u32, u64, u64) {
    let number = match kind {
        EventKind::Xid { code, .. } => return (NACP_EVENT_XID, *code, 0),
        EventKind::Sxid { code, .. } => return (NACP_EVENT_SXID, *code, 0),
        EventKind::Unknown { bits, data } => return (NACP_EVENT_UNKNOWN, *data, *bits),
        EventKind::SingleBitEcc => NACP_EVENT_SINGLE_BIT_ECC,
        EventKind::DoubleBitEcc => NACP_EVENT_DOUBLE_BIT_ECC,
        EventKind::PerformanceState => NACP_EVENT_PERFORMANCE_STATE,
        EventKind::Clock => NACP_EVENT_CLOCK,
        EventKind::PowerSource => NACP_EVENT_POWER_SOURCE,
        EventKind::MigConfiguration => NACP_EVENT_MIG_CONFIGURATION,
        EventKind::SingleBitStorm => NACP_EVENT_SINGLE_BIT_STORM,
        EventKind::DramRetirement => NACP_EVENT_DRAM_RETIREMENT,
        EventKind::DramFailure => NACP_EVENT_DRAM_FAILURE,
        EventKind::NonFatalPoison => NACP_EVENT_NON_FATAL_POISON,
        EventKind::FatalPoison => NACP_EVENT_FATAL_POISON,
        EventKind::Unavailable => NACP_EVENT_UNAVAILABLE,
        EventKind::RecoveryAction => NACP_EVENT_RECOVERY_ACTION,
        EventKind::FellOffBus => NACP_EVENT_FELL_OFF_BUS,
        _ => NACP_EVENT_UNKNOWN,
    };
    (number, 0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_with_a_bit_has_a_number_of_its_own() {
        let mut numbers: Vec<_> = EventKind::BITS.iter().map(|(_, event)| kind(event).0).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=14).collect::<Vec<_>>());
        assert_eq!(kind(&EventKind::FellOffBus).0, 16);
        assert_eq!(kind(&EventKind::Sxid { code: 20_034, detail: String::new() }), (15, 20_034, 0));
        assert_eq!(kind(&EventKind::Unknown { bits: 0x20_0000, data: 7 }), (0, 7, 0x20_0000));
    }
}
