//! Programs that use a GPU: three lists of the driver as one, and how busy each program kept the GPU.

use nvml_wrapper_sys::bindings::{nvmlProcessInfo_t, nvmlProcessUtilizationSample_t};

use super::kept::{Question, Reader};
use super::library::{Code, Device, Ear, ProcessList, available};
use super::partitions::PartitionHandle;
use crate::gpu::{Partition, Process, ProcessKind, ProcessUtilization, Reading, Unknown};
use crate::units::Bytes;

/// From how far back samples of utilisation are asked for again, in microseconds: the driver takes one every sixth of a
/// second at the fastest, and a program without one would look idle.
const WINDOW: u64 = 2_000_000;
/// The id of an instance where there is none.
const NO_INSTANCE: u32 = u32::MAX;

/// Room for what the driver lists; one serves all GPUs.
#[derive(Debug, Default)]
pub(super) struct Lists {
    raw: Vec<nvmlProcessInfo_t>,
    found: Vec<Found>,
    busy: Vec<nvmlProcessUtilizationSample_t>,
}

/// One line of one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    pid: u32,
    list: ProcessList,
    gpu_instance: u32,
    compute_instance: u32,
    memory: u64,
}

impl<E: Ear> Reader<'_, E> {
    /// The programs that use the GPU or its partitions, by process id, written into the list that is there.
    pub(super) fn processes(&mut self, lists: &mut Lists, into: &mut Reading<Vec<Process>>) {
        lists.found.clear();
        let by_partition = self.with_partitions(|reader, partitions| {
            let partitions = partitions?;
            Some(partitions.iter().try_for_each(|partition| {
                match reader.list(partition.device, Some(partition), lists) {
                    Err(reason) if reader.is_gone(partition, reason) => Ok(()),
                    listed => listed,
                }
            }))
        });
        let listed = match by_partition {
            Ok(Some(listed)) => listed,
            Ok(None) | Err(_) => self.list(self.device, None, lists),
        };
        if let Err(reason) = listed {
            *into = Reading::Unknown(reason);
            return;
        }
        let mut list = match std::mem::take(into) {
            Reading::Known(list) => list,
            Reading::Unknown(_) => Vec::new(),
        };
        merge(&mut lists.found, &mut list);
        self.process_utilization(&mut lists.busy, &mut list);
        *into = Reading::Known(list);
    }

    /// Adds the lines of the three lists of a GPU or a partition.
    fn list(&mut self, device: Device, partition: Option<&PartitionHandle>, lists: &mut Lists) -> Result<(), Unknown> {
        let own = |instance: fn(&PartitionHandle) -> &Reading<u32>| {
            partition.and_then(|partition| instance(partition).known().copied()).unwrap_or(NO_INSTANCE)
        };
        let (gpu_instance, compute_instance) =
            (own(|partition| &partition.gpu_instance), own(|partition| &partition.compute_instance));
        for (list, question) in [
            (ProcessList::Compute, Question::ComputeProcesses),
            (ProcessList::Mps, Question::MpsProcesses),
            (ProcessList::Graphics, Question::GraphicsProcesses),
        ] {
            let raw = &mut lists.raw;
            let count = match self.ask(question, |calls, _| calls.running_processes(device, list, raw)) {
                Ok(count) => count,
                // Compute GPUs do not draw, and old drivers do not tell MPS apart: neither is a gap in the list.
                Err(Unknown::NotSupported) if list != ProcessList::Compute => continue,
                Err(Unknown::TooOld) if list == ProcessList::Mps => continue,
                Err(reason) => return Err(reason),
            };
            lists.found.extend(lists.raw.iter().take(count).map(|line| Found {
                pid: line.pid,
                list,
                gpu_instance: if line.gpuInstanceId == NO_INSTANCE { gpu_instance } else { line.gpuInstanceId },
                compute_instance: match line.computeInstanceId {
                    NO_INSTANCE => compute_instance,
                    instance => instance,
                },
                memory: line.usedGpuMemory,
            }));
        }
        Ok(())
    }

    /// How busy each program kept the GPU in its last sample. A program without a sample has none.
    fn process_utilization(&mut self, busy: &mut Vec<nvmlProcessUtilizationSample_t>, list: &mut [Process]) {
        if list.is_empty() {
            return;
        }
        let since = self.kept.used_until.saturating_sub(WINDOW);
        let asked = self.ask(Question::ProcessUtilization, |calls, device| {
            match calls.process_utilization(device, since, busy) {
                // There is no sample that is newer.
                Err(Code::NOT_FOUND) => Ok(0),
                other => other,
            }
        });
        let samples = match &asked {
            Ok(count) => busy.get(..*count).unwrap_or_default(),
            Err(_) => &[],
        };
        for process in list {
            let own = samples.iter().filter(|sample| sample.pid == process.pid).max_by_key(|sample| sample.timeStamp);
            process.utilization = match (own, &asked) {
                (Some(sample), _) => Reading::Known(ProcessUtilization {
                    sm: sample.smUtil,
                    memory: sample.memUtil,
                    encoder: sample.encUtil,
                    decoder: sample.decUtil,
                }),
                (None, Ok(_)) => Reading::Unknown(Unknown::NotAvailable),
                (None, Err(reason)) => Reading::Unknown(*reason),
            };
        }
        let newest = samples.iter().map(|sample| sample.timeStamp).max();
        self.kept.used_until = newest.unwrap_or(self.kept.used_until);
    }
}

/// Makes one program of all lines with its process id, in the order of these, in the room that `list` has.
///
/// A program is on several lists, or on several partitions. Its memory is the sum over the partitions; lists that name
/// the same partition tell the same memory.
fn merge(found: &mut [Found], list: &mut Vec<Process>) {
    found.sort_unstable();
    let mut programs = 0;
    for lines in found.chunk_by(|one, other| one.pid == other.pid) {
        let Some(first) = lines.first() else { continue };
        if list.len() == programs {
            list.push(Process::new(first.pid, ProcessKind::Compute, Reading::default()));
        }
        let Some(process) = list.get_mut(programs) else { continue };
        programs += 1;
        process.pid = first.pid;
        process.kind = kind(lines);
        process.utilization = Reading::default();
        process.memory = memory(lines);
        process.partitions.clear();
        process.partitions.extend(lines.iter().filter_map(Found::partition));
        process.partitions.sort_unstable();
        process.partitions.dedup();
    }
    list.truncate(programs);
}

fn kind(lines: &[Found]) -> ProcessKind {
    let graphics = lines.iter().filter(|line| line.list == ProcessList::Graphics).count();
    match graphics {
        0 => ProcessKind::Compute,
        all if all == lines.len() => ProcessKind::Graphics,
        _ => ProcessKind::Both,
    }
}

fn memory(lines: &[Found]) -> Reading<Bytes> {
    let mut sum = 0u64;
    for (at, line) in lines.iter().enumerate() {
        let told = lines[..at].iter().any(|other| other.list != line.list && other.place() == line.place());
        if !told {
            match available(line.memory) {
                Ok(bytes) => sum = sum.saturating_add(bytes),
                Err(reason) => return Reading::Unknown(reason),
            }
        }
    }
    Reading::Known(Bytes(sum))
}

impl Found {
    fn place(&self) -> (u32, u32) {
        (self.gpu_instance, self.compute_instance)
    }

    fn partition(&self) -> Option<Partition> {
        let some = |instance| (instance != NO_INSTANCE).then_some(instance);
        Some(Partition { gpu_instance: some(self.gpu_instance)?, compute_instance: some(self.compute_instance) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Process id, list, GPU instance and memory of each line.
    fn merged(lines: &[(u32, ProcessList, u32, Option<u64>)]) -> Vec<Process> {
        let mut found: Vec<_> = lines
            .iter()
            .map(|(pid, list, gpu_instance, memory)| Found {
                pid: *pid,
                list: *list,
                gpu_instance: *gpu_instance,
                compute_instance: if *gpu_instance == NO_INSTANCE { NO_INSTANCE } else { 0 },
                memory: memory.unwrap_or(u64::MAX),
            })
            .collect();
        // Whatever the list held before.
        let mut list = vec![Process::new(7, ProcessKind::Both, Reading::Known(Bytes(1)))];
        list[0].partitions.push(Partition { gpu_instance: 9, compute_instance: None });
        merge(&mut found, &mut list);
        list
    }

    #[test]
    fn a_process_in_several_lists_is_one_process_with_its_memory_counted_once() {
        let line = |list| (9, list, NO_INSTANCE, Some(5));
        let memory = Reading::Known(Bytes(5));
        for (lists, kind) in [
            (&[ProcessList::Compute, ProcessList::Graphics][..], ProcessKind::Both),
            (&[ProcessList::Graphics, ProcessList::Compute], ProcessKind::Both),
            (&[ProcessList::Compute, ProcessList::Mps], ProcessKind::Compute),
            (&[ProcessList::Graphics], ProcessKind::Graphics),
        ] {
            let lines: Vec<_> = lists.iter().map(|list| line(*list)).collect();
            assert_eq!(merged(&lines), [Process::new(9, kind, memory.clone())], "{lists:?}");
        }
    }

    #[test]
    fn a_process_on_two_partitions_is_one_process_with_the_sum_of_its_memory() {
        let on_two =
            |second| merged(&[(9, ProcessList::Compute, 2, Some(5)), (9, ProcessList::Compute, 1, second)]).remove(0);
        let process = on_two(Some(2));
        assert_eq!(process.memory, Reading::Known(Bytes(7)));
        let instances: Vec<_> = process.partitions.iter().map(|partition| partition.gpu_instance).collect();
        assert_eq!(instances, [1, 2]);
        assert_eq!(
            on_two(None).memory,
            Reading::Unknown(Unknown::NotAvailable),
            "an unknown part makes the sum unknown"
        );
    }

    #[test]
    fn processes_are_told_by_process_id_and_old_ones_are_gone() {
        let line = |pid| (pid, ProcessList::Compute, NO_INSTANCE, Some(1));
        let pids = |lines: &[_]| merged(lines).iter().map(|process| process.pid).collect::<Vec<_>>();
        assert_eq!(pids(&[line(400), line(9), line(12)]), [9, 12, 400]);
        assert_eq!(pids(&[]), [0; 0]);
    }
}
