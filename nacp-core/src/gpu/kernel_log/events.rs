//! The kernel's log as a wait for events: what is told where the driver's library tells nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::{Entry, KernelEvent, KernelLog, What};
use crate::clock::Clock;
use crate::error::Result;
use crate::gpu::{Event, EventKind, Events, Gpu, GpuId, Hears, Partition, Reading, Via};

/// How many events are taken at once.
const BURST: usize = 256;

/// What NVIDIA's kernel modules write from now on, as events of these GPUs.
#[derive(Debug)]
pub struct KernelEvents {
    log: KernelLog,
    /// The PCI address of each GPU that tells it.
    gpus: Vec<(String, GpuId)>,
    boot: Reading<Timestamp>,
}

impl KernelEvents {
    /// Goes to the end of a log. `boot` is when the machine was started ([`boot_time`](super::boot_time)); where it is
    /// not known, an event has the time when it was read.
    ///
    /// # Errors
    /// Those of [`KernelLog::from_now`].
    pub fn new(log: KernelLog, gpus: &[Gpu], boot: Reading<Timestamp>) -> Result<Self> {
        let gpus = gpus.iter().filter_map(|gpu| Some((gpu.pci.known()?.clone(), gpu.id.clone())));
        Ok(Self { log: log.from_now()?, gpus: gpus.collect(), boot })
    }

    fn gpu(&self, address: &str) -> Option<GpuId> {
        let gpu = self.gpus.iter().find(|(pci, _)| pci.eq_ignore_ascii_case(address));
        gpu.map(|(_, id)| id.clone())
    }

    /// The event of a message; nothing for one that tells of none.
    fn event(&self, told: &KernelEvent, clock: &dyn Clock) -> Option<Event> {
        let mut partition = None;
        let (gpu, kind) = match &told.what {
            What::Xid { pci, gpu_instance, compute_instance, code, detail, .. } => {
                let instances = |gpu_instance| Partition { gpu_instance, compute_instance: *compute_instance };
                partition = gpu_instance.map(instances);
                (self.gpu(pci), EventKind::Xid { code: u64::from(*code), detail: detail.clone() })
            }
            What::Sxid { code, detail, .. } => {
                (None, EventKind::Sxid { code: u64::from(*code), detail: detail.clone() })
            }
            What::FellOffBus { pci } => (pci.as_deref().and_then(|pci| self.gpu(pci)), EventKind::FellOffBus),
            _ => return None,
        };
        let written = self.boot.known().and_then(|boot| told.at(*boot));
        let mut event = Event::new(written.unwrap_or_else(|| clock.wall()), gpu, kind, Via::KernelLog);
        event.partition = partition;
        Some(event)
    }
}

impl Events for KernelEvents {
    fn wait(&mut self, limit: Duration, clock: &dyn Clock, events: &mut Vec<Event>) -> Result<()> {
        let mut left = limit;
        for _ in 0..BURST {
            match self.log.next(left)? {
                Some(Entry::Event(told)) => events.extend(self.event(&told, clock)),
                Some(Entry::Lost { messages }) => {
                    tracing::warn!(?messages, "the kernel overwrote messages before they were read");
                }
                None => break,
            }
            // What else is there already comes along.
            left = Duration::ZERO;
        }
        Ok(())
    }

    fn hears(&self) -> Hears {
        Hears { driver: false, kernel_log: true }
    }
}

/// The longest wait for the driver's library before looking into the log.
const LOOK: Duration = Duration::from_millis(250);

/// What the driver's library tells, and from the kernel's log what stands only there: so nothing is told twice.
pub(in crate::gpu) struct Both {
    library: Box<dyn Events>,
    /// Nothing once it could not be read any more.
    log: Option<KernelEvents>,
    heard: Vec<Event>,
}

impl Both {
    pub(in crate::gpu) fn new(library: Box<dyn Events>, log: KernelEvents) -> Self {
        Self { library, log: Some(log), heard: Vec::new() }
    }
}

impl Events for Both {
    fn wait(&mut self, limit: Duration, clock: &dyn Clock, events: &mut Vec<Event>) -> Result<()> {
        self.library.wait(limit.min(LOOK), clock, events)?;
        let read = self.log.as_mut().map_or(Ok(()), |log| log.wait(Duration::ZERO, clock, &mut self.heard));
        if let Err(error) = read {
            tracing::warn!(%error, "listens to the driver's library alone");
            self.log = None;
        }
        let only_there = |event: &Event| matches!(event.kind, EventKind::Sxid { .. } | EventKind::FellOffBus);
        events.extend(self.heard.drain(..).filter(only_there));
        Ok(())
    }

    fn hears(&self) -> Hears {
        Hears { kernel_log: self.log.is_some(), ..self.library.hears() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn what_is_written_from_now_on_is_an_event_of_its_gpu() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut write = file.reopen().unwrap();
        writeln!(write, "3,1,1000000,-;NVRM: Xid (PCI:0000:3b:00): 31, pid=1, name=a, old").unwrap();
        let id: GpuId = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let mut gpu = Gpu::new(id.clone(), 0, "a GPU");
        gpu.pci = Reading::Known("00000000:3b:00.0".into());
        let boot = Timestamp::from_second(1_700_000_000).unwrap();
        let log = KernelLog::open(file.path()).unwrap();
        let mut wait = KernelEvents::new(log, &[gpu], Reading::Known(boot)).unwrap();
        let mut next = || {
            let mut events = Vec::new();
            wait.wait(Duration::ZERO, &SystemClock::new(), &mut events).unwrap();
            events
        };
        assert_eq!(next(), [], "what happened before is not told");

        writeln!(write, "3,2,2000000,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=812, name=python, gone").unwrap();
        writeln!(write, "6,3,2500000,-;usb 1-1: new device").unwrap();
        writeln!(write, "3,4,3000000,-;NVRM: Xid (PCI:0000:af:00): 48, DBE").unwrap();
        let events = next();
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!((events[0].gpu.as_ref(), events[0].via), (Some(&id), Via::KernelLog));
        assert!(matches!(&events[0].kind, EventKind::Xid { code: 79, detail } if detail.contains("gone")));
        assert_eq!(events[0].at, boot.checked_add(Duration::from_secs(2)).unwrap());
        assert_eq!(events[1].gpu, None, "a GPU that the driver does not list");
    }

    /// A library that tells one Xid at each look.
    struct Library;

    impl Events for Library {
        fn wait(&mut self, _: Duration, clock: &dyn Clock, events: &mut Vec<Event>) -> Result<()> {
            let kind = EventKind::Xid { code: 79, detail: String::new() };
            events.push(Event::new(clock.wall(), None, kind, Via::Nvml));
            Ok(())
        }
    }

    #[test]
    fn both_tell_an_xid_once_and_what_only_the_log_has() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut write = file.reopen().unwrap();
        let log = KernelEvents::new(KernelLog::open(file.path()).unwrap(), &[], Reading::default()).unwrap();
        let mut both = Both::new(Box::new(Library), log);
        assert_eq!(both.hears(), Hears { driver: true, kernel_log: true });
        writeln!(write, "3,2,2000000,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=812, name=python, gone").unwrap();
        writeln!(write, "3,3,2000000,-;nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 12028, Non-fatal, Link 32").unwrap();
        let mut events = Vec::new();
        both.wait(Duration::ZERO, &SystemClock::new(), &mut events).unwrap();
        let told: Vec<_> = events.iter().map(|event| event.via).collect();
        assert_eq!(told, [Via::Nvml, Via::KernelLog], "{events:?}");
        assert!(matches!(events[1].kind, EventKind::Sxid { code: 12028, .. }), "{events:?}");
    }
}
