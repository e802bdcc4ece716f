//! Whether one replica fits on one device, and if not, why not.

use super::promise::Account;
use super::suit::{self, Device};
use super::{Request, Running};
use crate::gpu::{ComputeCapability, GpuId, MemoryUse, Reading, Unknown};
use crate::service::{GpuMemory, GpuNeed, Sharing, VersionRange};
use crate::units::Bytes;

/// The least that a replica whose need is unknown is given.
const LEAST: Bytes = Bytes::mib(1);

/// What has been promised on one device, and what is left.
#[derive(Debug)]
pub(super) struct Room<'a> {
    pub(super) device: Device<'a>,
    /// Promised to replicas that run: the driver's reading may or may not show it yet.
    running: Bytes,
    /// Held by replicas that leave before the plan's own start: the driver's reading still shows it as used.
    leaving: Bytes,
    /// Promised in this plan: the driver's reading cannot show it.
    planned: Bytes,
    /// On this device alone, also where others share its memory.
    pub(super) replicas: usize,
    exclusive: bool,
    /// On all devices that share its memory.
    sharers: usize,
}

/// Why a replica does not fit on a device.
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
    #[error("its driver serves CUDA {has}, {need} needed")]
    Cuda { has: String, need: VersionRange },
    #[error("the CUDA version of its driver is unknown")]
    CudaUnknown,
    #[error("held by an exclusive replica")]
    Exclusive,
    #[error("exclusive use needed, {0} replica(s) there")]
    Shared(usize),
    #[error("`memory: auto` needs a GPU without other replicas, {0} there")]
    Auto(usize),
    #[error("cordoned: {0}")]
    Condemned(String),
    #[error("it is divided into partitions; ask for one by `gpu.mig`")]
    Divided,
    #[error("it is not divided into partitions")]
    Undivided,
    #[error("a partition")]
    Part,
    #[error("divided")]
    Whole,
    #[error("profile {has}, {need} needed")]
    Profile { has: String, need: String },
    #[error("its profile is unknown ({0})")]
    ProfileUnknown(Unknown),
    #[error("its partitions are unknown ({0})")]
    PartsUnknown(Unknown),
    #[error("held by a replica")]
    Taken,
}

impl Misfit {
    /// Whether it tells something to a person: that a partition is no whole GPU does not.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self, Self::Part | Self::Whole)
    }
}

impl<'a> Room<'a> {
    /// What is left on a device beside the promises that stay, once those that leave are gone.
    pub(super) fn new(device: Device<'a>, all: &[Device<'a>], staying: &[&Running], leaving: &[&Running]) -> Self {
        let alone = |id: &GpuId| id == device.id();
        let pool: Vec<_> = all.iter().filter(|other| device.shares_memory_with(**other)).map(|it| it.id()).collect();
        let pooled = |id: &GpuId| pool.contains(&id);
        let account = Account::of(staying.iter().copied(), pooled);
        let (replicas, exclusive) = if pool.len() > 1 {
            let own = Account::of(staying.iter().copied(), alone);
            (own.replicas, own.exclusive)
        } else {
            (account.replicas, account.exclusive)
        };
        let left = leaving.iter().copied().filter(|promise| promise.active);
        Self {
            device,
            running: account.memory,
            leaving: Account::of(left, pooled).memory,
            planned: Bytes::ZERO,
            replicas,
            exclusive,
            sharers: account.replicas,
        }
    }

    /// Memory that is really free: reported free (or held by who leaves) and promised to nobody.
    fn free(&self) -> Result<Bytes, Unknown> {
        let memory = self.memory()?;
        let reported = (memory.free + self.leaving.min(memory.used)).saturating_sub(self.planned);
        let unpromised = memory.total.saturating_sub(memory.reserved + self.running + self.planned);
        Ok(reported.min(unpromised))
    }

    fn memory(&self) -> Result<MemoryUse, Unknown> {
        let sample = &self.device.state.sample;
        let reading = match self.device.part {
            None => &sample.memory,
            Some(part) => match &sample.mig {
                Reading::Unknown(reason) => return Err(*reason),
                Reading::Known(parts) => match parts.iter().find(|used| used.id == part.id) {
                    None => return Err(Unknown::NotRead),
                    Some(used) => &used.memory,
                },
            },
        };
        reading.known().copied().ok_or_else(|| reading.unknown().unwrap_or(Unknown::NotRead))
    }

    /// Everything that stands against placing a replica here; the first reason counts.
    pub(super) fn check(&self, request: &Request<'_>, need: &GpuNeed) -> Result<Bytes, Misfit> {
        suit::check(request, self.device, need)?;
        if self.device.part.is_some() && self.replicas > 0 {
            return Err(Misfit::Taken);
        }
        if self.exclusive {
            return Err(Misfit::Exclusive);
        }
        if need.sharing == Sharing::Exclusive && self.replicas > 0 {
            return Err(Misfit::Shared(self.replicas));
        }
        if need.memory == GpuMemory::Auto && self.sharers > 0 {
            return Err(Misfit::Auto(self.sharers));
        }
        let free = self.free().map_err(Misfit::MemoryUnknown)?;
        if free < need.memory.bytes().unwrap_or(LEAST) {
            let total = self.memory().map(|memory| memory.total).unwrap_or_default();
            return Err(Misfit::Memory { free, total });
        }
        Ok(free)
    }

    /// Promises memory of this device to a replica of the plan.
    pub(super) fn promise(&mut self, need: &GpuNeed, memory: Bytes) {
        self.share(memory);
        self.replicas += 1;
        self.exclusive |= need.sharing == Sharing::Exclusive;
    }

    /// Counts a promise on another device that shares this one's memory.
    pub(super) fn share(&mut self, memory: Bytes) {
        self.planned += memory;
        self.sharers += 1;
    }
}
