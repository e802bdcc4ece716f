//! What a GPU is, asked once.

use super::library::{Answer, Calls, Code, Device, Ear};
use super::{board, links, mig};
use crate::gpu::inventory::decode;
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
    gpu.compute = compute(calls, device);
    gpu.memory = told(super::sample::memory(calls, device)).map(|memory| memory.total);
    board::pci(calls, device, &mut gpu);
    gpu.identity = board::identity(calls, device);
    gpu.processor = board::processor(calls, device);
    gpu.processor.multiprocessors = decode::multiprocessors(&gpu.processor.cores, &gpu.compute);
    gpu.limits = board::limits(calls, device);
    gpu.modes = board::modes(calls, device);
    gpu.affinity = board::affinity(calls, device);
    gpu.nvlinks = links::nvlinks(calls, device);
    gpu.c2c = Reading::from(calls.c2c_mode(device)).map(|mode| mode.isC2cEnabled != 0);
    gpu.fabric = links::fabric(calls, device);
    gpu.mig = mig::mig(calls, device);
    gpu
}

fn compute<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Reading<ComputeCapability> {
    let answer = calls.compute_capability(device).and_then(|(major, minor)| {
        let number = |value: i32| u32::try_from(value).map_err(|_| Code::UNKNOWN);
        Ok(ComputeCapability { major: number(major)?, minor: number(minor)? })
    });
    answer.into()
}

/// What a function told, or why it did not.
pub(super) fn told<T>(answer: Answer<Reading<T>>) -> Reading<T> {
    answer.unwrap_or_else(|code| Reading::Unknown(code.into()))
}

/// A number, whose largest value means that there is none.
pub(super) fn number(answer: Answer<u32>) -> Reading<u32> {
    match answer {
        Ok(u32::MAX) => Reading::Unknown(Unknown::NotAvailable),
        answer => answer.into(),
    }
}

/// A text; an empty one says nothing.
pub(super) fn words(answer: Answer<String>) -> Reading<String> {
    match answer {
        Ok(text) if text.is_empty() => Reading::Unknown(Unknown::NotAvailable),
        answer => answer.into(),
    }
}

/// A number of NVML, in NACP's words.
pub(super) fn decoded<T>(answer: Answer<u32>, word: impl FnOnce(u32) -> Reading<T>) -> Reading<T> {
    match answer {
        Ok(code) => word(code),
        Err(code) => Reading::Unknown(code.into()),
    }
}

/// A switch that is on or off.
pub(super) fn switch(answer: Answer<u32>) -> Reading<bool> {
    answer.map(|on| on != 0).into()
}
