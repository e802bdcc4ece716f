//! What callers make in the library: event sets and performance samples, behind made-up addresses.

use std::collections::BTreeMap;
use std::sync::Mutex;

use nacp_core::sim::GpuFile;

use crate::machine::{Handle, Machine, lock};
use crate::memory::{Answer, Code};

/// Things that callers make and free, each with an address that is compared, never followed.
struct Things<T> {
    base: usize,
    made: Mutex<(usize, BTreeMap<usize, T>)>,
}

impl<T> Things<T> {
    const fn new(base: usize) -> Self {
        Self { base, made: Mutex::new((0, BTreeMap::new())) }
    }

    fn make(&self, thing: T) -> Handle {
        let mut made = lock(&self.made);
        made.0 += 1;
        let address = self.base + made.0 * 64;
        made.1.insert(address, thing);
        std::ptr::without_provenance(address)
    }

    fn with<R>(&self, handle: Handle, act: impl FnOnce(&mut T) -> R) -> Answer<R> {
        lock(&self.made).1.get_mut(&handle.addr()).map(act).ok_or(Code::INVALID_ARGUMENT)
    }

    fn free(&self, handle: Handle) -> Answer {
        lock(&self.made).1.remove(&handle.addr()).map(|_| ()).ok_or(Code::INVALID_ARGUMENT)
    }
}

/// Event sets, for GPUs and for the system.
pub(crate) struct EventSets {
    gpus: Things<EventSet>,
    systems: Things<()>,
}

/// What a caller waits for, and what it has seen.
#[derive(Default)]
struct EventSet {
    /// The GPU, the kinds of events, and the tick of the registration.
    registered: Vec<(usize, u64, u64)>,
    /// Which events of the script were delivered, by position.
    delivered: Vec<usize>,
}

/// An event for a caller.
pub(crate) struct Delivery {
    pub(crate) gpu: usize,
    pub(crate) kind: u64,
    pub(crate) data: u64,
    pub(crate) gpu_instance: Option<u32>,
    pub(crate) compute_instance: Option<u32>,
}

impl Default for EventSets {
    fn default() -> Self {
        Self { gpus: Things::new(0x4E56_0004_0000_0000), systems: Things::new(0x4E56_0005_0000_0000) }
    }
}

impl EventSets {
    pub(crate) fn make(&self) -> Handle {
        self.gpus.make(EventSet::default())
    }

    pub(crate) fn free(&self, set: Handle) -> Answer {
        self.gpus.free(set)
    }

    pub(crate) fn check(&self, set: Handle) -> Answer {
        self.gpus.with(set, |_| ())
    }

    /// Registers kinds of events of a GPU, from this tick on.
    pub(crate) fn register(&self, set: Handle, gpu: usize, kinds: u64, tick: u64) -> Answer {
        self.gpus.with(set, |set| set.registered.push((gpu, kinds, tick)))
    }

    /// The next event that the set waits for and that has happened.
    pub(crate) fn next(&self, set: Handle, machine: &Machine) -> Answer<Option<Delivery>> {
        let now = machine.tick();
        self.gpus.with(set, |set| {
            let happened = machine.timeline.events().iter().take_while(|happening| happening.tick <= now).enumerate();
            let (nth, happening) = happened.into_iter().find(|(nth, happening)| {
                let kind = happening.event.kind.bits();
                let wanted = |(gpu, kinds, since): &(usize, u64, u64)| {
                    *gpu == happening.gpu && kinds & kind != 0 && happening.tick >= *since
                };
                set.registered.iter().any(wanted) && !set.delivered.contains(nth)
            })?;
            set.delivered.push(nth);
            let event = happening.event;
            Some(Delivery {
                gpu: happening.gpu,
                kind: event.kind.bits(),
                data: event.data,
                gpu_instance: event.gpu_instance,
                compute_instance: event.compute_instance,
            })
        })
    }

    pub(crate) fn make_system(&self) -> Handle {
        self.systems.make(())
    }

    pub(crate) fn free_system(&self, set: Handle) -> Answer {
        self.systems.free(set)
    }

    pub(crate) fn check_system(&self, set: Handle) -> Answer {
        self.systems.with(set, |()| ())
    }
}

/// Samples of performance metrics.
pub(crate) struct Samples(Things<Option<(usize, &'static GpuFile)>>);

impl Default for Samples {
    fn default() -> Self {
        Self(Things::new(0x4E56_0006_0000_0000))
    }
}

impl Samples {
    pub(crate) fn make(&self) -> Handle {
        self.0.make(None)
    }

    pub(crate) fn free(&self, sample: Handle) -> Answer {
        self.0.free(sample)
    }

    /// Notes how a GPU is now.
    pub(crate) fn take(&self, sample: Handle, gpu: usize, file: &'static GpuFile) -> Answer {
        self.0.with(sample, |taken| *taken = Some((gpu, file)))
    }

    /// Of which GPU a sample was taken, and how that was.
    pub(crate) fn taken(&self, sample: Handle) -> Answer<(usize, &'static GpuFile)> {
        self.0.with(sample, |taken| *taken)?.ok_or(Code::INVALID_ARGUMENT)
    }
}
