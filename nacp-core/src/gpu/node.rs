//! A machine with its GPUs.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kernel_log::{Both, KernelEvents, KernelLog, boot_time};
use super::topology::Topology;
use super::{Events, Fields, Gpu, GpuId, Origin, Pair, Sample, Source, Support, Unknown};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};

/// One machine: its GPUs, read once, and the source that can be asked again.
#[derive(Clone, Debug)]
pub struct Node {
    source: Arc<dyn Source>,
    gpus: Vec<Gpu>,
}

impl Node {
    /// Finds the GPUs of this machine through the NVIDIA driver.
    ///
    /// # Errors
    /// [`DriverUnavailable`](ErrorKind::DriverUnavailable) when there is no NVIDIA management library, when it is
    /// broken, or when no driver is loaded. A driver without a GPU is no error: the node is empty.
    #[cfg(feature = "nvml")]
    pub fn discover() -> Result<Self> {
        Self::from_source(Arc::new(super::Nvml::open()?))
    }

    /// The same, after a child process did it first: the driver's library can crash or hang the program that opens it.
    ///
    /// # Errors
    /// Those of [`Guard::check`](super::probe::Guard::check), and those of [`discover`](Self::discover).
    #[cfg(feature = "nvml")]
    pub fn discover_guarded(guard: &super::probe::Guard) -> Result<Self> {
        guard.check()?;
        let nvml = guard.library_path().map_or_else(super::Nvml::open, super::Nvml::open_at)?;
        Self::from_source(Arc::new(nvml))
    }

    /// Reads the GPUs of any source.
    ///
    /// # Errors
    /// What the source answers.
    pub fn from_source(source: Arc<dyn Source>) -> Result<Self> {
        let gpus = source.inventory()?;
        Ok(Self { source, gpus })
    }

    /// What the node is read from, and whether it is simulated.
    pub fn origin(&self) -> &Origin {
        self.source.origin()
    }

    /// Whether the GPUs are those of this very machine: neither made up nor recorded.
    pub fn is_here(&self) -> bool {
        self.source.is_here()
    }

    /// The GPUs, in the driver's order; empty when the machine has none.
    pub fn gpus(&self) -> &[Gpu] {
        &self.gpus
    }

    /// The GPU with this id.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with the ids that there are.
    pub fn gpu(&self, id: &GpuId) -> Result<&Gpu> {
        self.gpus.iter().find(|gpu| gpu.id == *id).ok_or_else(|| {
            let known: Vec<_> = self.gpus.iter().map(|gpu| gpu.id.as_str()).collect();
            Error::new(ErrorKind::NotFound, "gpu.get", "no such GPU on this node")
                .with("id", id)
                .with("known", known.join(","))
        })
    }

    /// What the node is read from.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// The same node with its GPUs read anew: after partitions were made, a mode was set, or a GPU was replaced.
    ///
    /// # Errors
    /// What the source answers.
    pub fn reread(&self) -> Result<Self> {
        Self::from_source(Arc::clone(&self.source))
    }

    /// What each two GPUs are to each other.
    ///
    /// # Errors
    /// What the source answers.
    pub fn pairs(&self) -> Result<Vec<Pair>> {
        self.source.pairs()
    }

    /// How the GPUs reach each other: PCIe, NVLink, NUMA, and who is nearest to whom.
    ///
    /// # Errors
    /// What the source answers.
    ///
    /// ```no_run
    /// println!("{}", nacp_core::gpu::Node::discover()?.topology()?);
    /// # Ok::<(), nacp_core::Error>(())
    /// ```
    pub fn topology(&self) -> Result<Topology> {
        Ok(Topology::new(&self.gpus, &self.pairs()?))
    }

    /// Begins to listen for what happens to the GPUs: through the source, and, where they are [here](Self::is_here) and the
    /// kernel's log can be read, there for what the source does not tell. [`Events::hears`] says which it is.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) where neither tells, with the reason of each.
    pub fn events(&self) -> Result<Box<dyn Events>> {
        self.events_or(KernelLog::PATH.as_ref())
    }

    fn events_or(&self, log: &Path) -> Result<Box<dyn Events>> {
        let opened = || KernelLog::open(log).and_then(|log| KernelEvents::new(log, &self.gpus, boot_time("/")));
        match self.source.events() {
            Ok(events) if self.is_here() && !events.hears().kernel_log => Ok(match opened() {
                Ok(log) => Box::new(Both::new(events, log)),
                Err(error) => {
                    tracing::debug!(%error, "listens to the driver's library alone");
                    events
                }
            }),
            Err(error) if error.kind() == ErrorKind::Unsupported && self.is_here() => match opened() {
                Ok(events) => {
                    tracing::info!(%error, "listens to the kernel's log, because the driver's library tells no events");
                    Ok(Box::new(events))
                }
                Err(refused) => Err(error.with("kernel_log", refused)),
            },
            answer => answer,
        }
    }

    /// What every call that NACP makes is answered with: the evidence behind each unknown reading.
    ///
    /// # Errors
    /// What the source answers.
    pub fn support(&self) -> Result<Support> {
        self.source.support()
    }

    /// One consistent reading of every GPU.
    ///
    /// # Errors
    /// What the source answers.
    pub fn snapshot(&self, clock: &dyn Clock) -> Result<Snapshot> {
        let mut samples = Vec::with_capacity(self.gpus.len());
        self.source.sample(Fields::ALL, &mut samples)?;
        let gpus = self.gpus.iter().map(|gpu| {
            let sample = samples.iter().position(|sample| sample.id == gpu.id).map(|at| samples.swap_remove(at));
            let sample = sample.unwrap_or_else(|| Sample::unknown(gpu.id.clone(), Unknown::NotRead));
            GpuState { gpu: gpu.clone(), sample }
        });
        Ok(Snapshot { at: clock.wall(), origin: self.origin().clone(), gpus: gpus.collect() })
    }
}

/// One reading of a whole node: what each GPU is and what it was doing at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was read.
    pub at: jiff::Timestamp,
    /// What it was read from.
    pub origin: Origin,
    /// The GPUs, in the driver's order.
    pub gpus: Vec<GpuState>,
}

/// One GPU of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuState {
    /// What it is.
    pub gpu: Gpu,
    /// What it was doing.
    pub sample: Sample,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that tells no events.
    #[derive(Debug)]
    struct Mute(Origin);

    impl Source for Mute {
        fn origin(&self) -> &Origin {
            &self.0
        }

        fn inventory(&self) -> Result<Vec<Gpu>> {
            Ok(Vec::new())
        }

        fn sample(&self, _: Fields, _: &mut Vec<Sample>) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_kernel_s_log_tells_of_this_machine_only() {
        let node = |simulated| {
            let origin = Origin { simulated, name: "mute".into(), driver: None, cuda: None };
            Node::from_source(Arc::new(Mute(origin))).unwrap()
        };
        let log = tempfile::NamedTempFile::new().unwrap();
        assert!(node(false).events_or(log.path()).is_ok());
        let refused = |simulated, path: &str| node(simulated).events_or(path.as_ref()).err().unwrap();
        assert_eq!(refused(true, log.path().to_str().unwrap()).kind(), ErrorKind::Unsupported);
        let error = refused(false, "/nowhere/kmsg");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = error.to_string();
        assert!(text.contains("source=mute") && text.contains("the kernel's log is not there"), "both reasons: {text}");
    }
}
