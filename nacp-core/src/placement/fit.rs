//! Whether one replica fits on one GPU, and if not, why not.

use super::Running;
use crate::gpu::{ComputeCapability, GpuState, MemoryUse, Unknown};
use crate::service::{GpuNeed, Sharing, VersionRange};
use crate::units::Bytes;

/// The least that a replica whose need is unknown is given.
const LEAST: Bytes = Bytes::mib(1);

/// What has been promised on one GPU, and what is left.
#[derive(Debug)]
pub(super) struct Room<'a> {
    pub(super) state: &'a GpuState,
    /// Promised to replicas that run: the driver's reading may or may not show it yet.
    running: Bytes,
    /// Held by replicas that leave before the plan's own start: the driver's reading still shows it as used.
    leaving: Bytes,
    /// Promised in this plan: the driver's reading cannot show it.
    planned: Bytes,
    pub(super) replicas: usize,
    exclusive: bool,
}

/// Why a replica does not fit on a GPU.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    #[error("{free} free of {total}")]
    Memory { free: Bytes, total: Bytes },
    #[error("its memory is unknown ({0})")]
    MemoryUnknown(Unknown),
    #[error("compute capability {has}, {need} needed")]
    Compute { has: ComputeCapability, need: VersionRange },
    #[error("its compute capability is unknown ({0})")]
    ComputeUnknown(Unknown),
    #[error("held by an exclusive replica")]
    Exclusive,
    #[error("exclusive use needed, {0} replica(s) there")]
    Shared(usize),
}

impl<'a> Room<'a> {
    /// What is left on a GPU beside the replicas that stay, once those that leave are gone.
    pub(super) fn new(state: &'a GpuState, staying: &[&Running], leaving: &[&Running]) -> Self {
        let here = |replica: &&&Running| replica.gpus.contains(&state.gpu.id);
        Self {
            state,
            running: staying.iter().filter(here).map(|replica| replica.memory).sum(),
            leaving: leaving.iter().filter(here).filter(|replica| replica.active).map(|replica| replica.memory).sum(),
            planned: Bytes::ZERO,
            replicas: staying.iter().filter(here).count(),
            exclusive: staying.iter().filter(here).any(|replica| replica.exclusive),
        }
    }

    /// Memory that is really free: reported free (or held by who leaves) and promised to nobody.
    pub(super) fn free(&self) -> Result<Bytes, Unknown> {
        let memory = self.memory()?;
        let reported = (memory.free + self.leaving.min(memory.used)).saturating_sub(self.planned);
        let unpromised = memory.total.saturating_sub(memory.reserved + self.running + self.planned);
        Ok(reported.min(unpromised))
    }

    fn memory(&self) -> Result<MemoryUse, Unknown> {
        let reading = &self.state.sample.memory;
        reading.known().copied().ok_or_else(|| reading.unknown().unwrap_or(Unknown::NotRead))
    }

    /// Everything that stands against placing a replica here; the first reason counts.
    pub(super) fn check(&self, need: &GpuNeed) -> Result<Bytes, Misfit> {
        if let Some(wanted) = need.compute {
            let compute = &self.state.gpu.compute;
            match compute.known() {
                None => return Err(Misfit::ComputeUnknown(compute.unknown().unwrap_or(Unknown::NotRead))),
                Some(has) if !wanted.accepts(has.major, has.minor) => {
                    return Err(Misfit::Compute { has: *has, need: wanted });
                }
                Some(_) => {}
            }
        }
        if self.exclusive {
            return Err(Misfit::Exclusive);
        }
        if need.sharing == Sharing::Exclusive && self.replicas > 0 {
            return Err(Misfit::Shared(self.replicas));
        }
        let free = self.free().map_err(Misfit::MemoryUnknown)?;
        if free < need.memory.bytes().unwrap_or(LEAST) {
            let total = self.memory().map(|memory| memory.total).unwrap_or_default();
            return Err(Misfit::Memory { free, total });
        }
        Ok(free)
    }

    pub(super) fn promise(&mut self, need: &GpuNeed, memory: Bytes) {
        self.planned += memory;
        self.replicas += 1;
        self.exclusive |= need.sharing == Sharing::Exclusive;
    }
}
