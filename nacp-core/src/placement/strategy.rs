//! Which of the GPUs that will do is the best: part of the fourth seam.

use std::cmp::Ordering;
use std::fmt;

use crate::gpu::{Gpu, GpuId, MigDevice};
use crate::units::Bytes;

/// A GPU, or a partition of one, on which a replica fits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// The GPU.
    pub gpu: &'a Gpu,
    /// The partition of it that is given, where a replica needs one.
    pub part: Option<&'a MigDevice>,
    /// Memory that is free before the replica is placed.
    pub free: Bytes,
    /// How many replicas have been promised memory on it.
    pub replicas: usize,
}

impl<'a> Candidate<'a> {
    /// The id of what a container is given: the partition's, or the GPU's.
    pub fn id(&self) -> &'a GpuId {
        self.part.map_or(&self.gpu.id, |part| &part.id)
    }
}

/// Orders the GPUs on which a replica fits; the first is taken. Must be pure: the same candidates, the same order.
pub trait Strategy: Send + Sync + fmt::Debug {
    /// The strategy's name, for the reason of a placement.
    fn name(&self) -> &str;

    /// `Less` when `a` is to be preferred. Ties are broken by the driver's order.
    fn compare(&self, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering;
}

/// Takes the GPU with the least free memory that is enough, so that large gaps stay whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct BestFit;

impl Strategy for BestFit {
    fn name(&self) -> &'static str {
        "best fit"
    }

    fn compare(&self, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
        a.free.cmp(&b.free)
    }
}

/// Takes the GPU with the fewest replicas, then the one with the most free memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread;

impl Strategy for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }

    fn compare(&self, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
        a.replicas.cmp(&b.replicas).then(b.free.cmp(&a.free))
    }
}
