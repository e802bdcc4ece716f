//! Whether a GPU is of the kind that a replica needs, whatever else is on it.

use super::fit::Misfit;
use super::{Request, gang};
use crate::gpu::topology::Topology;
use crate::gpu::{GpuId, GpuState, MigDevice, Reading, Unknown};
use crate::service::{GpuNeed, Topology as Wanted};

/// A device that a container can be given: a GPU, or a partition of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Device<'a> {
    pub(super) state: &'a GpuState,
    pub(super) part: Option<&'a MigDevice>,
}

impl<'a> Device<'a> {
    pub(super) fn id(self) -> &'a GpuId {
        self.part.map_or(&self.state.gpu.id, |part| &part.id)
    }

    /// All devices of a node, each GPU followed by its partitions.
    pub(super) fn all(states: &'a [GpuState]) -> impl Iterator<Item = Self> {
        states.iter().flat_map(|state| {
            let parts = state.gpu.mig.devices.known().map(Vec::as_slice).unwrap_or_default();
            let parts = parts.iter().map(move |part| Self { state, part: Some(part) });
            std::iter::once(Self { state, part: None }).chain(parts)
        })
    }

    /// Whether it is a GPU that is divided, so that programs see only its partitions.
    fn is_divided(self) -> bool {
        self.part.is_none() && self.state.gpu.mig.mode.known().is_some_and(|mode| mode.current)
    }

    /// Whether both draw on one memory: partitions of the same GPU instance do.
    pub(super) fn shares_memory_with(self, other: Self) -> bool {
        let instance = |device: Self| device.part.and_then(|part| part.gpu_instance.known());
        self.id() == other.id()
            || (self.state.gpu.id == other.state.gpu.id
                && instance(self).is_some()
                && instance(self) == instance(other))
    }
}

/// What stands against giving a device to a replica, whatever else is on it; the first reason counts.
pub(super) fn check(request: &Request<'_>, device: Device<'_>, need: &GpuNeed) -> Result<(), Misfit> {
    let gpu = &device.state.gpu;
    if let Some(reason) = request.condemned.get(device.id()).or_else(|| request.condemned.get(&gpu.id)) {
        return Err(Misfit::Condemned(reason.clone()));
    }
    if device.state.sample.memory.unknown() == Some(Unknown::GpuLost) {
        return Err(Misfit::MemoryUnknown(Unknown::GpuLost));
    }
    profile(device, need)?;
    if let Some(wanted) = need.compute {
        match &gpu.compute {
            Reading::Unknown(reason) => return Err(Misfit::ComputeUnknown(*reason)),
            Reading::Known(has) if !wanted.accepts(has.major, has.minor) => {
                return Err(Misfit::Compute { has: *has, need: wanted });
            }
            Reading::Known(_) => {}
        }
    }
    if let Some(wanted) = need.cuda {
        match request.snapshot.origin.cuda.as_deref() {
            None => return Err(Misfit::CudaUnknown),
            Some(text) => match version(text) {
                None => return Err(Misfit::CudaUnknown),
                Some((major, minor)) if !wanted.accepts(major, minor) => {
                    return Err(Misfit::Cuda { has: text.to_owned(), need: wanted });
                }
                Some(_) => {}
            },
        }
    }
    Ok(())
}

fn profile(device: Device<'_>, need: &GpuNeed) -> Result<(), Misfit> {
    match (&need.mig, device.part) {
        (None, Some(_)) => Err(Misfit::Part),
        (None, None) if device.is_divided() => Err(Misfit::Divided),
        (None, None) => Ok(()),
        (Some(wanted), Some(part)) => match &part.profile {
            Reading::Known(has) if has == wanted => Ok(()),
            Reading::Known(has) => Err(Misfit::Profile { has: has.clone(), need: wanted.clone() }),
            Reading::Unknown(reason) => Err(Misfit::ProfileUnknown(*reason)),
        },
        (Some(_), None) if !device.is_divided() => Err(Misfit::Undivided),
        (Some(_), None) => match &device.state.gpu.mig.devices {
            Reading::Unknown(reason) => Err(Misfit::PartsUnknown(*reason)),
            Reading::Known(_) => Err(Misfit::Whole),
        },
    }
}

/// Whether a replica may stay on these devices: each is of the kind that it needs, and all are connected as it needs.
pub(super) fn holds(request: &Request<'_>, topology: Option<&Topology>, gpus: &[GpuId], need: &GpuNeed) -> bool {
    let suits = |id: &GpuId| {
        let device = Device::all(&request.snapshot.gpus).find(|device| device.id() == id);
        device.is_some_and(|device| check(request, device, need).is_ok())
    };
    let connected = match (need.topology, topology) {
        (Wanted::Any, _) => true,
        (wanted, Some(topology)) => gpus
            .iter()
            .enumerate()
            .all(|(at, a)| gpus[..at].iter().all(|b| gang::apart(topology, wanted, a, b).is_none())),
        (_, None) => gpus.len() < 2,
    };
    connected && gpus.iter().all(suits)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    Some((major.trim().parse().ok()?, minor.trim().parse().ok()?))
}
