//! Where GPUs are in the machine, and what they can do with each other.

use std::ffi::c_ulong;

use nacp_core::sim::node::{NumaFile, Ranges};

use crate::call::{Gpu, functions, told};
use crate::machine::{Handle, Machine};
use crate::memory::{Answer, Code, Out};

functions! { gpu:
    fn nvmlDeviceGetTopologyCommonAncestor(other: Handle, level: Out<u32>) = |gpu| {
        let other = gpu.machine.whole(other)?;
        level.set(told(nearness(gpu, other))?)
    };
    fn nvmlDeviceGetTopologyNearestGpus(level: u32, count: Out<u32>, list: Out<Handle>) = |gpu| {
        if level > 50 || !level.is_multiple_of(10) {
            return Err(Code::INVALID_ARGUMENT);
        }
        told(gpu.path.as_ref())?;
        let others = others(gpu)?.into_iter().filter(|other| nearness(gpu, *other) == Some(level));
        list.list_or_count(&count, &handles(gpu.machine, others.map(|other| other.index))?)
    };
    fn nvmlDeviceGetP2PStatus(other: Handle, index: u32, status: Out<u32>) = |gpu| {
        let other = gpu.machine.whole(other)?;
        let (own, theirs) = (told(gpu.peers)?, told(other.peers)?);
        status.set(own.status(theirs, index).ok_or(Code::INVALID_ARGUMENT)?.number())
    };
    fn nvmlDeviceOnSameBoard(other: Handle, same: Out<i32>) = |gpu| {
        let other = gpu.machine.whole(other)?;
        let board = |gpu: Gpu| gpu.file.identity.as_ref().and_then(|identity| identity.board);
        same.set((told(board(gpu))? == told(board(other))?).into())
    };

    fn nvmlDeviceGetNumaNodeId(value: Out<u32>) = |gpu| value.set(told(numa(gpu)?.node)?);
    fn nvmlDeviceGetCpuAffinity(size: u32, set: Out<c_ulong>) = |gpu| mask(numa(gpu)?.cpus.as_ref(), size, &set);
    fn nvmlDeviceGetCpuAffinityWithinScope(size: u32, set: Out<c_ulong>, scope: u32) = |gpu| {
        check_scope(scope)?;
        mask(numa(gpu)?.cpus.as_ref(), size, &set)
    };
    fn nvmlDeviceGetMemoryAffinity(size: u32, set: Out<c_ulong>, scope: u32) = |gpu| {
        check_scope(scope)?;
        mask(numa(gpu)?.memory.as_ref(), size, &set)
    };
}

functions! { system:
    fn nvmlSystemGetTopologyGpuSet(cpu: u32, count: Out<u32>, list: Out<Handle>) = |machine| {
        let gpus = machine.file.gpus.iter();
        if gpus.clone().all(|gpu| gpu.numa.as_ref().is_none_or(|numa| numa.cpus.is_none())) {
            return Err(Code::NOT_SUPPORTED);
        }
        let near = gpus.enumerate().filter(|(_, gpu)| {
            gpu.numa.as_ref().and_then(|numa| numa.cpus.as_ref()).is_some_and(|cpus| cpus.contains(cpu))
        });
        list.list_or_count(&count, &handles(machine, near.map(|(index, _)| index))?)
    };
}

fn nearness(gpu: Gpu, other: Gpu) -> Option<u32> {
    gpu.file.nearness(other.file)
}

/// All other GPUs that answer.
fn others(gpu: Gpu) -> Answer<Vec<Gpu>> {
    let others = (0..gpu.machine.file.gpus.len()).filter(|index| *index != gpu.index);
    Ok(others.filter_map(|index| gpu.machine.look(index, None).ok()).collect())
}

fn handles(machine: &Machine, indices: impl Iterator<Item = usize>) -> Answer<Vec<Handle>> {
    indices.map(|index| machine.handle(index)).collect()
}

fn numa(gpu: Gpu) -> Answer<&'static NumaFile> {
    told(gpu.file.numa.as_ref())
}

fn check_scope(scope: u32) -> Answer {
    if scope <= 1 { Ok(()) } else { Err(Code::INVALID_ARGUMENT) }
}

/// Writes a set of numbers as bits of `size` words; numbers beyond them are left out.
fn mask(numbers: Option<&Ranges>, size: u32, set: &Out<c_ulong>) -> Answer {
    set.check()?;
    let size = usize::try_from(size).ok().filter(|size| (1..=4096).contains(size)).ok_or(Code::INVALID_ARGUMENT)?;
    let bits = c_ulong::BITS;
    let mut words: Vec<c_ulong> = vec![0; size];
    for number in told(numbers)?.numbers() {
        if let Some(word) = usize::try_from(number / bits).ok().and_then(|nth| words.get_mut(nth)) {
            *word |= 1 << (number % bits);
        }
    }
    set.fill(&words)
}
