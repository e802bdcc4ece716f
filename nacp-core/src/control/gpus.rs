//! What the control plane asks of the GPUs.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::gpu::{GpuId, Snapshot};

/// The GPUs as the control plane sees them at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GpuView {
    /// What they are and how much of their memory is free.
    pub snapshot: Snapshot,
    /// Which of them get no further replica and lose those that they have, with the reason: a fatal finding of their
    /// health.
    pub condemned: BTreeMap<GpuId, String>,
}

impl GpuView {
    /// GPUs of which none is condemned.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, condemned: BTreeMap::new() }
    }

    /// Gives a GPU to no further replica, for this reason.
    #[must_use]
    pub fn condemn(mut self, gpu: GpuId, reason: impl Into<String>) -> Self {
        self.condemned.insert(gpu, reason.into());
        self
    }
}

/// Where the control plane reads the GPUs from.
#[async_trait]
pub trait Gpus: Send + Sync + fmt::Debug {
    /// Reads them once.
    ///
    /// # Errors
    /// What the driver answers, or [`Timeout`](crate::ErrorKind::Timeout) when it does not.
    async fn view(&self) -> Result<GpuView>;
}
