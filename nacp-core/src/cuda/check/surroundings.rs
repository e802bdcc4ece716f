//! What is known beside the driver: the environment, the kernel's module, and who else is on the devices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::cuda::determinism::RECORDED;
use crate::gpu::{DriverModel, Gpu, GpuId, Process, ProcessKind, Reading, Sample};

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

/// The namespace of processes that a machine starts with (`PROC_PID_INIT_INO` of the Linux kernel).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";
/// More ancestors than any process has.
const MOST_ANCESTORS: usize = 64;

/// The processes that are this one or started it: a program that asks for the checks may itself be on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ours {
    /// These.
    Known(BTreeSet<u32>),
    /// This process is in a namespace of its own, as in a container, and the management library may count by others'.
    Namespaced,
}

impl Default for Ours {
    /// None: what is told is told of another machine.
    fn default() -> Self {
        Self::Known(BTreeSet::new())
    }
}

impl Ours {
    /// This process and its ancestors, as far as this system tells them.
    pub(super) fn here() -> Self {
        Self::of(Path::new("/proc"), std::process::id())
    }

    fn of(proc: &Path, own: u32) -> Self {
        let namespace = std::fs::read_link(proc.join("self/ns/pid"));
        if namespace.is_ok_and(|namespace| namespace != Path::new(FIRST_NAMESPACE)) {
            return Self::Namespaced;
        }
        let parent = |pid: u32| {
            let text = std::fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
            // The name before it is in parentheses and may hold some itself.
            text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok().filter(|pid| *pid > 1)
        };
        Self::Known(std::iter::successors(Some(own), |pid| parent(*pid)).take(MOST_ANCESTORS).collect())
    }

    /// Whether a process is somebody else's; where that is not known, it is not.
    pub(super) fn is_other(&self, pid: u32) -> bool {
        matches!(self, Self::Known(ours) if !ours.contains(&pid))
    }
}

/// Whether a process computes. Where Windows draws with all GPUs, every program of its desktop is told as one that
/// computes and draws, and only one that does nothing but compute counts.
pub(super) fn computes(process: &Process, wddm: bool) -> bool {
    process.kind == ProcessKind::Compute || process.kind == ProcessKind::Both && !wddm
}

/// What keeps each device busy, apart from `ours`. Where it is not known which processes are ours, only the utilisation
/// tells. A GPU that is partitioned is busy where the partition is.
pub(super) fn busy(gpus: &[Gpu], samples: &[Sample], ours: &Ours) -> BTreeMap<GpuId, String> {
    let mut busy = BTreeMap::new();
    for sample in samples {
        let gpu = gpus.iter().find(|gpu| gpu.id == sample.id);
        let parts = gpu.and_then(|gpu| gpu.mig.devices.known());
        let wddm = gpu.is_some_and(|gpu| gpu.modes.driver_model == Reading::Known(DriverModel::Wddm));
        let counts = |process: &&Process| computes(process, wddm) && ours.is_other(process.pid);
        let processes: Vec<&Process> = sample.processes.known().into_iter().flatten().filter(counts).collect();
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

fn pids(processes: &[&Process]) -> String {
    let named: Vec<String> = processes.iter().take(4).map(|process| process.pid.to_string()).collect();
    let more = if processes.len() > 4 { ", …" } else { "" };
    let who = if processes.len() == 1 { "process computes" } else { "processes compute" };
    format!("{} {who} on it ({}{more})", processes.len(), named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{MigDevice, Partition, Unknown, Utilization};

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
        let busy = busy(&gpus, &samples, &Ours::default());
        assert_eq!(busy.get(&id('a')), None);
        assert_eq!(busy[&id('b')], "2 processes compute on it (8, 9)");
        assert_eq!(busy[&id('c')], "it is busy to 55 %");
    }

    #[test]
    fn our_own_processes_keep_no_device_busy() {
        let gpus = [Gpu::new(id('a'), 0, "GPU")];
        let of = |ours: &Ours, percent| {
            let processes = vec![process(8, ProcessKind::Compute), process(9, ProcessKind::Compute)];
            busy(&gpus, &[sample(id('a'), processes, percent)], ours).remove(&id('a'))
        };
        assert_eq!(of(&Ours::Known([8, 9, 10].into()), 3), None);
        assert_eq!(of(&Ours::Known([8].into()), 3).as_deref(), Some("1 process computes on it (9)"));
        // Whose they are is not known in a namespace; that the device works is.
        assert_eq!(of(&Ours::Namespaced, 3), None);
        assert_eq!(of(&Ours::Namespaced, 60).as_deref(), Some("it is busy to 60 %"));
    }

    #[test]
    fn a_desktop_of_windows_does_not_keep_a_device_busy() {
        let mut gpu = Gpu::new(id('a'), 0, "GPU");
        let processes = || vec![process(8, ProcessKind::Both)];
        let of = |gpu: &Gpu, processes| {
            busy(std::slice::from_ref(gpu), &[sample(id('a'), processes, 3)], &Ours::default()).remove(&id('a'))
        };
        assert!(of(&gpu, processes()).is_some());
        gpu.modes.driver_model = Reading::Known(DriverModel::Wddm);
        assert_eq!(of(&gpu, processes()), None);
        assert!(of(&gpu, vec![process(8, ProcessKind::Compute)]).is_some());
        gpu.modes.driver_model = Reading::Known(DriverModel::Tcc);
        assert!(of(&gpu, processes()).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn ancestors_are_found_up_to_the_first_process() {
        let proc = tempfile::tempdir().unwrap();
        let make = |pid: u32, stat: &str| {
            std::fs::create_dir_all(proc.path().join(pid.to_string())).unwrap();
            std::fs::write(proc.path().join(pid.to_string()).join("stat"), stat).unwrap();
        };
        make(300, "300 (python) S 200 300 200 0");
        make(200, "200 (a ) S 7 (b)) S 100 200 0");
        make(100, "100 (systemd) S 1 100 0");
        make(1, "1 (init) S 0 1 0");
        assert_eq!(Ours::of(proc.path(), 300), Ours::Known([100, 200, 300].into()));
        assert_eq!(Ours::of(proc.path(), 4711), Ours::Known([4711].into()), "no such process is told");
        make(50, "50 (loop) S 50 0");
        assert_eq!(Ours::of(proc.path(), 50), Ours::Known([50].into()));
        std::fs::create_dir_all(proc.path().join("self/ns")).unwrap();
        std::os::unix::fs::symlink(FIRST_NAMESPACE, proc.path().join("self/ns/pid")).unwrap();
        assert_eq!(Ours::of(proc.path(), 300), Ours::Known([100, 200, 300].into()));
        std::fs::remove_file(proc.path().join("self/ns/pid")).unwrap();
        std::os::unix::fs::symlink("pid:[4026532514]", proc.path().join("self/ns/pid")).unwrap();
        assert_eq!(Ours::of(proc.path(), 300), Ours::Namespaced);
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
        let busy = busy(&[gpu], &[sample(id('a'), vec![on_two], 90)], &Ours::default());
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
