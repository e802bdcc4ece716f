//! The kernel's log as a wait for events: what is told where the driver's library tells nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::{Entry, KernelEvent, KernelLog, What};
use crate::clock::Clock;
use crate::error::Result;
use crate::gpu::{Event, EventKind, Events, Gpu, GpuId, Partition, Reading, Via};

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
}
