//! The programs that use a GPU of a simulated machine.

use super::ask::Answer;
use super::sample::Reader;
use crate::gpu::{Partition, Process, ProcessKind, ProcessUtilization, Reading, Unknown};
use crate::sim::node::{GpuFile, MigDevice, ProcessFile, UsageFile};
use crate::units::Bytes;

/// The lists in which a driver tells programs, the one that counts first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    Compute,
    Mps,
    Graphics,
}

/// One line of one list.
struct Line {
    pid: u32,
    list: List,
    place: Option<Partition>,
    memory: Bytes,
    usage: Option<UsageFile>,
}

impl Reader<'_> {
    pub(super) fn processes(self) -> Answer<Vec<Process>> {
        let undivided = || self.mig_mode().is_ok_and(|mig| mig.devices().next().is_none());
        if self.gpu.partitioned() && undivided() {
            // Programs run on partitions, and there is none to be asked.
            return Ok(Vec::new());
        }
        let told = [
            (List::Compute, self.told("ComputeRunningProcesses")),
            (List::Mps, self.told("MPSComputeRunningProcesses")),
            (List::Graphics, self.told("GraphicsRunningProcesses")),
        ];
        let mut lists = Vec::new();
        for (list, answer) in told {
            match answer {
                Ok(()) => lists.push(list),
                // Compute GPUs do not draw, and old drivers do not tell MPS apart: neither is a gap in the list.
                Err(Unknown::NotSupported) if list != List::Compute => {}
                Err(Unknown::TooOld) if list == List::Mps => {}
                Err(reason) => return Err(reason),
            }
        }
        let mut lines = self.lines(&lists);
        lines.sort_by_key(|line| (line.pid, line.list, line.place));
        Ok(lines.chunk_by(|one, other| one.pid == other.pid).filter_map(|lines| self.process(lines)).collect())
    }

    /// Whether a list is told, by any generation of its function.
    fn told(self, list: &str) -> Answer<()> {
        let generation = |suffix: &str| self.ask(&format!("{list}{suffix}"), Some(()));
        match generation("_v3") {
            Err(Unknown::TooOld) => match generation("_v2") {
                Err(Unknown::TooOld) => generation(""),
                answer => answer,
            },
            answer => answer,
        }
    }

    fn lines(self, lists: &[List]) -> Vec<Line> {
        let children = &self.node.children;
        let mut lines = Vec::new();
        for (nth, part, process) in self.gpu.all_processes() {
            let pid = match children.resolve(process.pid, GpuFile::process_key(self.index, nth)) {
                Ok(pid) => pid,
                Err(error) => {
                    tracing::warn!(%error, "a simulated process does not start");
                    continue;
                }
            };
            let on = lists.iter().filter(|list| is_on(process, **list));
            lines.extend(on.map(|list| Line {
                pid,
                list: *list,
                place: part.map(partition),
                memory: process.memory,
                usage: process.usage,
            }));
        }
        lines
    }

    /// One program of all lines with its process id. Its memory is the sum over the partitions; lists that name the
    /// same partition tell the same memory.
    fn process(self, lines: &[Line]) -> Option<Process> {
        let first = lines.first()?;
        let graphics = lines.iter().filter(|line| line.list == List::Graphics).count();
        let kind = match graphics {
            0 => ProcessKind::Compute,
            all if all == lines.len() => ProcessKind::Graphics,
            _ => ProcessKind::Both,
        };
        let mut sum = Bytes::ZERO;
        for (at, line) in lines.iter().enumerate() {
            if !lines[..at].iter().any(|other| other.list != line.list && other.place == line.place) {
                sum += line.memory;
            }
        }
        let memory = match self.node.file.process_memory {
            true => Reading::Known(sum),
            false => Reading::Unknown(Unknown::NotAvailable),
        };
        let mut process = Process::new(first.pid, kind, memory);
        process.partitions = lines.iter().filter_map(|line| line.place).collect();
        process.partitions.sort_unstable();
        process.partitions.dedup();
        let usage = lines.iter().find_map(|line| line.usage);
        process.utilization = match self.ask("ProcessUtilization", (!self.gpu.partitioned()).then_some(usage)) {
            Ok(Some(usage)) => Reading::Known(ProcessUtilization {
                sm: usage.sm,
                memory: usage.memory,
                encoder: usage.encoder,
                decoder: usage.decoder,
            }),
            Ok(None) => Reading::Unknown(Unknown::NotAvailable),
            Err(reason) => Reading::Unknown(reason),
        };
        Some(process)
    }
}

fn is_on(process: &ProcessFile, list: List) -> bool {
    match list {
        List::Compute => process.kind != ProcessKind::Graphics,
        List::Mps => process.mps,
        List::Graphics => process.kind != ProcessKind::Compute,
    }
}

fn partition(part: MigDevice<'_>) -> Partition {
    Partition { gpu_instance: part.instance.id, compute_instance: Some(part.compute.id) }
}
