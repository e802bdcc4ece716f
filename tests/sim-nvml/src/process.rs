//! Who uses a GPU, in the three generations of the call.

use nacp_core::gpu::ProcessKind;
use nacp_core::sim::GpuFile;

use crate::device::device_functions;
use crate::memory::Out;
use crate::node::{Handle, Machine, device};

/// What the library answers where there is no value (`NVML_VALUE_NOT_AVAILABLE`).
const NOT_AVAILABLE: u64 = u64::MAX;
/// The instance ids of a process on a GPU without partitions.
const NO_INSTANCE: u32 = u32::MAX;

/// `nvmlProcessInfo_v1_t`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct ProcessV1 {
    pid: u32,
    memory: u64,
}

/// `nvmlProcessInfo_v2_t`, which the second and third generation of the call share.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct ProcessV2 {
    pid: u32,
    memory: u64,
    gpu_instance: u32,
    compute_instance: u32,
}

device_functions! {
    fn nvmlDeviceGetComputeRunningProcesses(count: Out<u32>, list: Out<ProcessV1>) =
        |machine, _, gpu| list.list(&count, &first_generation(machine, gpu, ProcessKind::Compute));
    fn nvmlDeviceGetComputeRunningProcesses_v2(count: Out<u32>, list: Out<ProcessV2>) =
        |machine, _, gpu| list.list(&count, &running(machine, gpu, ProcessKind::Compute));
    fn nvmlDeviceGetComputeRunningProcesses_v3(count: Out<u32>, list: Out<ProcessV2>) =
        |machine, _, gpu| list.list(&count, &running(machine, gpu, ProcessKind::Compute));
    fn nvmlDeviceGetGraphicsRunningProcesses(count: Out<u32>, list: Out<ProcessV1>) =
        |machine, _, gpu| list.list(&count, &first_generation(machine, gpu, ProcessKind::Graphics));
    fn nvmlDeviceGetGraphicsRunningProcesses_v2(count: Out<u32>, list: Out<ProcessV2>) =
        |machine, _, gpu| list.list(&count, &running(machine, gpu, ProcessKind::Graphics));
    fn nvmlDeviceGetGraphicsRunningProcesses_v3(count: Out<u32>, list: Out<ProcessV2>) =
        |machine, _, gpu| list.list(&count, &running(machine, gpu, ProcessKind::Graphics));
}

fn running(machine: &Machine, gpu: &GpuFile, kind: ProcessKind) -> Vec<ProcessV2> {
    let of_kind = gpu.processes.iter().filter(|process| process.kind == kind || process.kind == ProcessKind::Both);
    of_kind
        .map(|process| ProcessV2 {
            pid: process.pid.resolve(),
            memory: if machine.file.process_memory { process.memory.0 } else { NOT_AVAILABLE },
            gpu_instance: NO_INSTANCE,
            compute_instance: NO_INSTANCE,
        })
        .collect()
}

fn first_generation(machine: &Machine, gpu: &GpuFile, kind: ProcessKind) -> Vec<ProcessV1> {
    let newest = running(machine, gpu, kind).into_iter();
    newest.map(|process| ProcessV1 { pid: process.pid, memory: process.memory }).collect()
}
