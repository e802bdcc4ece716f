//! What a GPU is, asked once.

use super::library::{Calls, Device, Ear, text};
use crate::gpu::{ComputeCapability, Gpu, GpuId, Reading, Unknown};

/// The name of a GPU that does not tell its own.
const NAMELESS: &str = "unknown GPU";

/// A GPU that answers.
pub(super) fn describe<E: Ear>(calls: &Calls<'_, E>, index: u32, id: GpuId, device: Device) -> Gpu {
    let name = calls.name(device).unwrap_or_else(|code| {
        tracing::warn!(index, gpu = %id, %code, "a GPU does not tell its name");
        NAMELESS.to_owned()
    });
    let mut gpu = Gpu::new(id, index, name);
    let capability = Reading::from(calls.compute_capability(device));
    gpu.compute = match capability {
        Reading::Known((major, minor)) => match (u32::try_from(major), u32::try_from(minor)) {
            (Ok(major), Ok(minor)) => Reading::Known(ComputeCapability { major, minor }),
            _ => Reading::Unknown(Unknown::Code(999)),
        },
        Reading::Unknown(reason) => Reading::Unknown(reason),
    };
    gpu.memory = Reading::from(super::sample::memory(calls, device)).map(|memory| memory.total);
    gpu.pci = Reading::from(calls.pci(device)).map(|pci| text(&pci.busId));
    gpu
}

/// A GPU that answered before and does not answer now.
pub(super) fn silent(index: u32, id: GpuId, reason: Unknown) -> Gpu {
    let mut gpu = Gpu::new(id, index, NAMELESS);
    gpu.compute = Reading::Unknown(reason);
    gpu.memory = Reading::Unknown(reason);
    gpu.pci = Reading::Unknown(reason);
    gpu
}
