//! What happened to a GPU, from the driver itself.
#![expect(clippy::disallowed_methods, reason = "a driver that does not wait must not make its caller spin")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::library::{Answer, Calls, Code, Device, Ear, Library, RawEventSet, Told};
use super::whole_driver;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Event, EventKind, Events, GpuId, Partition, Unknown, Via};

/// How long the driver is asked to wait at once; it counts milliseconds in 32 bits.
const SLICE: Duration = Duration::from_secs(10);
/// How long a driver is left alone that came back too early with nothing.
const PAUSE: Duration = Duration::from_millis(10);
/// How many events are taken at once.
const BURST: usize = 256;
/// The id of an instance where there is none.
const NO_INSTANCE: u32 = u32::MAX;

/// A set of events that the driver fills.
pub(super) struct EventSet {
    library: Arc<Library>,
    raw: RawEventSet,
    /// The GPUs whose events it takes.
    gpus: Vec<(Device, GpuId)>,
}

impl EventSet {
    /// Begins to take all kinds of events that each GPU tells.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when no GPU tells any, with the reason of each.
    pub(super) fn new(library: &Arc<Library>, gpus: Vec<(Device, GpuId)>) -> Result<Self> {
        let calls = library.calls();
        let raw = calls.event_set_create().map_err(|code| match code {
            Code::NOT_SUPPORTED | Code::FUNCTION_NOT_FOUND => unsupported().with("nvml", code),
            code => whole_driver("gpu.events", code),
        })?;
        let mut set = Self { library: Arc::clone(library), raw, gpus: Vec::new() };
        let mut refusal = unsupported();
        for (device, id) in gpus {
            match register(&calls, device, raw) {
                Ok(()) => set.gpus.push((device, id)),
                Err(code) => {
                    let reason = Unknown::from(code);
                    tracing::debug!(gpu = %id, %reason, "a GPU tells no events");
                    refusal = refusal.with(id.as_str().to_owned(), reason);
                }
            }
        }
        if set.gpus.is_empty() { Err(refusal) } else { Ok(set) }
    }

    /// Waits for one event.
    fn next(&self, limit: Duration) -> Answer<Option<Told>> {
        let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        match self.library.calls().event_set_wait(self.raw, milliseconds) {
            Ok(told) => Ok(Some(told)),
            Err(Code::TIMEOUT) => Ok(None),
            Err(code) => Err(code),
        }
    }

    /// Waits for one event up to the end of `limit`, in slices; the clock says when that is.
    fn first(&self, limit: Duration, clock: &dyn Clock) -> Answer<Option<Told>> {
        let start = clock.monotonic();
        loop {
            let begun = clock.monotonic();
            let slice = limit.saturating_sub(begun.saturating_sub(start)).min(SLICE);
            if let Some(told) = self.next(slice)? {
                return Ok(Some(told));
            }
            let waited = clock.monotonic().saturating_sub(begun);
            let early = waited < slice / 2;
            if early {
                // Nothing is lost: what happens now is told at the next wait.
                std::thread::sleep(PAUSE.min(slice - waited));
            }
            if early || clock.monotonic().saturating_sub(start) >= limit {
                return Ok(None);
            }
        }
    }

    /// Which GPU a handle is: one that is listened to, or one that still tells who it is.
    fn gpu(&self, device: Device) -> Option<GpuId> {
        match self.gpus.iter().find(|(known, _)| *known == device) {
            Some((_, id)) => Some(id.clone()),
            None => self.library.calls().uuid(device).ok()?.parse().ok(),
        }
    }

    fn tell(&self, told: &Told, clock: &dyn Clock, events: &mut Vec<Event>) {
        let (at, gpu) = (clock.wall(), self.gpu(told.device));
        let partition = (told.gpu_instance != NO_INSTANCE).then(|| Partition {
            gpu_instance: told.gpu_instance,
            compute_instance: Some(told.compute_instance).filter(|id| *id != NO_INSTANCE),
        });
        events.extend(EventKind::from_bits(told.bits, told.data).map(|kind| {
            let mut event = Event::new(at, gpu.clone(), kind, Via::Nvml);
            event.partition = partition;
            event
        }));
    }
}

impl Events for EventSet {
    fn wait(&mut self, limit: Duration, clock: &dyn Clock, events: &mut Vec<Event>) -> Result<()> {
        let failed = |code| whole_driver("gpu.events", code);
        let mut next = self.first(limit, clock).map_err(failed)?;
        // What else has happened already comes along.
        for _ in 0..BURST {
            let Some(told) = next else { break };
            self.tell(&told, clock, events);
            next = self.next(Duration::ZERO).unwrap_or(None);
        }
        if let Some(told) = next {
            self.tell(&told, clock, events);
        }
        Ok(())
    }
}

impl Drop for EventSet {
    fn drop(&mut self) {
        if let Err(code) = self.library.calls().event_set_free(self.raw) {
            tracing::debug!(%code, "a set of events was not taken back");
        }
    }
}

impl fmt::Debug for EventSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSet").field("gpus", &self.gpus).finish_non_exhaustive()
    }
}

/// Listens to everything that a GPU tells, also kinds that nvml.h does not know yet.
fn register<E: Ear>(calls: &Calls<'_, E>, device: Device, set: RawEventSet) -> Answer<()> {
    match calls.supported_events(device)? {
        0 => Err(Code::NOT_SUPPORTED),
        bits => calls.register_events(device, bits, set),
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "gpu.events", "this driver tells no events of its GPUs")
        .hint("it does on Linux with a driver of its own; not under WSL2, and on Windows only some")
}
