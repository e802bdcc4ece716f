//! What is known beside the driver: the environment, the kernel's module, and who else is on the devices.

use std::collections::BTreeMap;

use crate::cuda::determinism::RECORDED;
use crate::gpu::{Gpu, GpuId, Process, ProcessKind, Sample};

/// The variables beside those of a certificate that say what a program finds of the driver.
const BESIDE: [&str; 3] = ["LD_LIBRARY_PATH", "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_VISIBLE_DEVICES"];
/// A device is busy from this utilisation on, in percent: a desktop at rest stays below.
const BUSY_PERCENT: u32 = 10;

/// The variables that CUDA, its libraries or NVIDIA's container tools read and that change what a program sees or
/// computes. They are a list and not a prefix: others of the same prefix hold keys.
pub(super) fn environment(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let recorded = |name: &str| {
        let is = |known: &str| known.strip_suffix('*').map_or(known == name, |prefix| name.starts_with(prefix));
        BESIDE.contains(&name) || RECORDED.iter().any(|(known, _)| is(known))
    };
    variables.filter(|(name, _)| recorded(name)).collect()
}

/// The text in which the driver in the kernel tells its version, where there is one.
pub(super) fn kernel_driver() -> Option<String> {
    std::fs::read_to_string("/proc/driver/nvidia/version").ok().filter(|text| !text.trim().is_empty())
}

/// What keeps each device busy. A GPU that is partitioned is busy where the partition is.
pub(super) fn busy(gpus: &[Gpu], samples: &[Sample]) -> BTreeMap<GpuId, String> {
    let mut busy = BTreeMap::new();
    for sample in samples {
        let parts = gpus.iter().find(|gpu| gpu.id == sample.id).and_then(|gpu| gpu.mig.devices.known());
        let processes: Vec<&Process> = sample.processes.known().into_iter().flatten().filter(computes).collect();
        let Some(parts) = parts.filter(|parts| !parts.is_empty()) else {
            let percent = sample.utilization.known().map_or(0, |utilization| utilization.gpu);
            if !processes.is_empty() {
                busy.insert(sample.id.clone(), pids(&processes));
            } else if percent >= BUSY_PERCENT {
                busy.insert(sample.id.clone(), format!("it is busy to {percent} %"));
            }
            continue;
        };
        for part in parts {
            let on = |process: &&&Process| {
                process.partitions.is_empty()
                    || process
                        .partitions
                        .iter()
                        .any(|it| part.gpu_instance.known().is_none_or(|id| *id == it.gpu_instance))
            };
            let mine: Vec<&Process> = processes.iter().filter(on).copied().collect();
            if !mine.is_empty() {
                busy.insert(part.id.clone(), pids(&mine));
            }
        }
    }
    busy
}

fn computes(process: &&Process) -> bool {
    matches!(process.kind, ProcessKind::Compute | ProcessKind::Both)
}

fn pids(processes: &[&Process]) -> String {
    let named: Vec<String> = processes.iter().take(4).map(|process| process.pid.to_string()).collect();
    let more = if processes.len() > 4 { ", …" } else { "" };
    let who = if processes.len() == 1 { "process computes" } else { "processes compute" };
    format!("{} {who} on it ({}{more})", processes.len(), named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{MigDevice, Partition, Reading, Unknown, Utilization};

    fn id(digit: char) -> GpuId {
        let eight: String = std::iter::repeat_n(digit, 8).collect();
        format!("GPU-{eight}-0000-0000-0000-000000000000").parse().unwrap()
    }

    fn sample(gpu: GpuId, processes: Vec<Process>, percent: u32) -> Sample {
        let mut sample = Sample::unknown(gpu, Unknown::NotRead);
        sample.processes = Reading::Known(processes);
        sample.utilization = Reading::Known(Utilization { gpu: percent, memory: 0 });
        sample
    }

    fn process(pid: u32, kind: ProcessKind) -> Process {
        Process::new(pid, kind, Reading::default())
    }

    #[test]
    fn who_computes_keeps_a_device_busy_and_who_draws_does_not() {
        let gpus = [Gpu::new(id('a'), 0, "GPU"), Gpu::new(id('b'), 1, "GPU"), Gpu::new(id('c'), 2, "GPU")];
        let samples = [
            sample(id('a'), vec![process(7, ProcessKind::Graphics)], 3),
            sample(id('b'), vec![process(8, ProcessKind::Compute), process(9, ProcessKind::Both)], 0),
            sample(id('c'), vec![], 55),
        ];
        let busy = busy(&gpus, &samples);
        assert_eq!(busy.get(&id('a')), None);
        assert_eq!(busy[&id('b')], "2 processes compute on it (8, 9)");
        assert_eq!(busy[&id('c')], "it is busy to 55 %");
    }

    #[test]
    fn a_partition_is_busy_by_its_own_processes() {
        let mut gpu = Gpu::new(id('a'), 0, "GPU");
        let part = |digit, instance| {
            let mut part = MigDevice::new(id(digit), instance);
            part.gpu_instance = Reading::Known(instance);
            part
        };
        gpu.mig.devices = Reading::Known(vec![part('1', 1), part('2', 2)]);
        let mut on_two = process(9, ProcessKind::Compute);
        on_two.partitions = vec![Partition { gpu_instance: 2, compute_instance: None }];
        let busy = busy(&[gpu], &[sample(id('a'), vec![on_two], 90)]);
        assert_eq!(busy.keys().collect::<Vec<_>>(), [&id('2')]);
    }

    #[test]
    fn only_variables_of_the_list_are_kept() {
        let set =
            ["CUDA_VISIBLE_DEVICES", "CUDA_MPS_PIPE_DIRECTORY", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_API_KEY", "HOME"];
        let kept = environment(set.iter().map(|name| ((*name).to_owned(), format!("value of {name}"))));
        assert_eq!(
            kept.keys().collect::<Vec<_>>(),
            ["CUDA_MPS_PIPE_DIRECTORY", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"]
        );
    }
}
