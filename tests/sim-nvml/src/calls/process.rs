//! Who uses a GPU, in all generations of the call.

use nacp_core::gpu::ProcessKind;
use nacp_core::sim::GpuFile;
use nacp_core::sim::node::{MigDevice, ProcessFile, UsageFile};
use nvml_wrapper_sys::bindings as sys;

use super::load::{now, whole};
use crate::call::{Gpu, functions, number};
use crate::memory::{Answer, Code, NOT_AVAILABLE, Out};

/// The instance ids of a process on a GPU without partitions.
const NO_INSTANCE: u32 = u32::MAX;

/// Which processes a call lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Compute,
    Graphics,
    Mps,
}

functions! { device:
    fn nvmlDeviceGetComputeRunningProcesses(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v1_t>) =
        |gpu| list.list(&count, &first(gpu, List::Compute)?);
    fn nvmlDeviceGetComputeRunningProcesses_v2(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v2_t>) =
        |gpu| list.list(&count, &second(gpu, List::Compute)?);
    fn nvmlDeviceGetComputeRunningProcesses_v3(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v2_t>) =
        |gpu| list.list(&count, &second(gpu, List::Compute)?);
    fn nvmlDeviceGetGraphicsRunningProcesses(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v1_t>) =
        |gpu| list.list(&count, &first(gpu, List::Graphics)?);
    fn nvmlDeviceGetGraphicsRunningProcesses_v2(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v2_t>) =
        |gpu| list.list(&count, &second(gpu, List::Graphics)?);
    fn nvmlDeviceGetGraphicsRunningProcesses_v3(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v2_t>) =
        |gpu| list.list(&count, &second(gpu, List::Graphics)?);
    fn nvmlDeviceGetMPSComputeRunningProcesses(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v1_t>) =
        |gpu| list.list(&count, &first(gpu, List::Mps)?);
    fn nvmlDeviceGetMPSComputeRunningProcesses_v2(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v2_t>) =
        |gpu| list.list(&count, &second(gpu, List::Mps)?);
    fn nvmlDeviceGetMPSComputeRunningProcesses_v3(count: Out<u32>, list: Out<sys::nvmlProcessInfo_v2_t>) =
        |gpu| list.list(&count, &second(gpu, List::Mps)?);
    fn nvmlDeviceGetRunningProcessDetailList(list: Out<sys::nvmlProcessDetailList_t>) = |gpu| {
        let asked = list.versioned(1)?;
        let kind = match asked.mode {
            0 => List::Compute,
            1 => List::Graphics,
            2 => List::Mps,
            _ => return Err(Code::INVALID_ARGUMENT),
        };
        let details = details(gpu, kind)?;
        let needed = number(details.len())?;
        list.set(sys::nvmlProcessDetailList_t { numProcArrayEntries: needed, ..asked })?;
        if asked.numProcArrayEntries < needed {
            return Err(Code::INSUFFICIENT_SIZE);
        }
        if needed == 0 { Ok(()) } else { Out::at(asked.procArray).fill(&details) }
    };
}

functions! { gpu:
    fn nvmlDeviceGetProcessUtilization(
        list: Out<sys::nvmlProcessUtilizationSample_t>, count: Out<u32>, since: u64
    ) = |gpu| {
        let samples: Vec<_> = lately(gpu, since)?
            .into_iter()
            .map(|(pid, time, usage)| sys::nvmlProcessUtilizationSample_t {
                pid,
                timeStamp: time,
                smUtil: usage.sm,
                memUtil: usage.memory,
                encUtil: usage.encoder,
                decUtil: usage.decoder,
            })
            .collect();
        if list.is_null() {
            count.set(number(samples.len())?)?;
            return Err(Code::INSUFFICIENT_SIZE);
        }
        list.list(&count, &samples)
    };
    fn nvmlDeviceGetProcessesUtilizationInfo(info: Out<sys::nvmlProcessesUtilizationInfo_t>) = |gpu| {
        let asked = info.versioned(1)?;
        let samples: Vec<_> = lately(gpu, asked.lastSeenTimeStamp)?
            .into_iter()
            .map(|(pid, time, usage)| sys::nvmlProcessUtilizationInfo_v1_t {
                timeStamp: time,
                pid,
                smUtil: usage.sm,
                memUtil: usage.memory,
                encUtil: usage.encoder,
                decUtil: usage.decoder,
                jpgUtil: usage.jpeg,
                ofaUtil: usage.ofa,
            })
            .collect();
        let needed = number(samples.len())?;
        info.set(sys::nvmlProcessesUtilizationInfo_t { processSamplesCount: needed, ..asked })?;
        if asked.processSamplesCount < needed {
            return Err(Code::INSUFFICIENT_SIZE);
        }
        Out::at(asked.procUtilArray).fill(&samples)
    };
}

/// A process as the file lists it, with its number and its partition.
type Listed = (u32, Option<MigDevice<'static>>, &'static ProcessFile);

fn all(gpu: Gpu) -> Answer<Vec<Listed>> {
    let part = gpu.part.map(|part| part.index);
    let own =
        gpu.file.all_processes().filter(|(_, device, _)| part.is_none() || device.map(|device| device.index) == part);
    own.map(|(nth, device, process)| {
        let pid = gpu.machine.children.resolve(process.pid, GpuFile::process_key(gpu.index, nth));
        Ok((pid.map_err(|_| Code::UNKNOWN)?, device, process))
    })
    .collect()
}

fn details(gpu: Gpu, list: List) -> Answer<Vec<sys::nvmlProcessDetail_v1_t>> {
    let wanted = |process: &ProcessFile| match list {
        List::Compute => process.kind != ProcessKind::Graphics,
        List::Graphics => process.kind != ProcessKind::Compute,
        List::Mps => process.mps,
    };
    let listed = all(gpu)?.into_iter().filter(|(_, _, process)| wanted(process));
    let told = |bytes: u64| if gpu.machine.file.process_memory { bytes } else { NOT_AVAILABLE };
    Ok(listed
        .map(|(pid, device, process)| sys::nvmlProcessDetail_v1_t {
            pid,
            usedGpuMemory: told(process.memory.0),
            gpuInstanceId: device.map_or(NO_INSTANCE, |device| device.instance.id),
            computeInstanceId: device.map_or(NO_INSTANCE, |device| device.compute.id),
            usedGpuCcProtectedMemory: told(process.protected.0),
        })
        .collect())
}

fn second(gpu: Gpu, list: List) -> Answer<Vec<sys::nvmlProcessInfo_v2_t>> {
    let details = details(gpu, list)?.into_iter();
    Ok(details
        .map(|process| sys::nvmlProcessInfo_v2_t {
            pid: process.pid,
            usedGpuMemory: process.usedGpuMemory,
            gpuInstanceId: process.gpuInstanceId,
            computeInstanceId: process.computeInstanceId,
        })
        .collect())
}

fn first(gpu: Gpu, list: List) -> Answer<Vec<sys::nvmlProcessInfo_v1_t>> {
    let details = details(gpu, list)?.into_iter();
    Ok(details
        .map(|process| sys::nvmlProcessInfo_v1_t { pid: process.pid, usedGpuMemory: process.usedGpuMemory })
        .collect())
}

/// The processes that used the GPU since a time, in microseconds, with the time of the last sample.
fn lately(gpu: Gpu, since: u64) -> Answer<Vec<(u32, u64, UsageFile)>> {
    const PERIOD: u64 = 1_000_000;
    whole(gpu)?;
    let time = now() / PERIOD * PERIOD;
    let all = all(gpu)?.into_iter();
    let busy: Vec<_> = all.filter_map(|(pid, _, process)| Some((pid, time, process.usage?))).collect();
    if busy.is_empty() || time <= since { Err(Code::NOT_FOUND) } else { Ok(busy) }
}
