//! A machine with its GPUs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Gpu, GpuId, Origin, Sample, Source, Unknown};
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

    /// One consistent reading of every GPU.
    ///
    /// # Errors
    /// What the source answers.
    pub fn snapshot(&self, clock: &dyn Clock) -> Result<Snapshot> {
        let mut samples = Vec::with_capacity(self.gpus.len());
        self.source.sample(&mut samples)?;
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
