//! The processes on the GPUs of a node, with who is behind each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Owner, OwnerCache, Processes};
use crate::error::Result;
use crate::gpu::{Fields, GpuId, Node, Process, Sample, Unknown};

/// The processes on the GPUs of a node, by GPU and process id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuProcesses {
    /// One for each process and GPU: a process on two GPUs is here twice.
    pub processes: Vec<GpuProcess>,
    /// The GPUs whose processes the driver does not tell, with the reason.
    pub silent: BTreeMap<GpuId, Unknown>,
}

/// One process on one GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuProcess {
    /// On which GPU.
    pub gpu: GpuId,
    /// What the driver tells of it.
    pub process: Process,
    /// Who is behind it.
    pub owner: Owner,
}

impl GpuProcesses {
    /// The processes of these samples. Where the GPUs are not [here](Node::is_here), their ids are made up or another
    /// machine's, but for that of this very process: nobody is looked for behind the others.
    pub fn of(samples: &[Sample], here: bool, owners: &mut OwnerCache) -> Self {
        let told = || samples.iter().filter_map(|sample| Some((&sample.id, sample.processes.known()?)));
        let is_local = |pid: u32| here || pid == std::process::id();
        let mut pids: Vec<u32> = told().flat_map(|(_, list)| list.iter().map(|process| process.pid)).collect();
        pids.sort_unstable();
        pids.dedup();
        let found = owners.owners(pids.into_iter().filter(|pid| is_local(*pid)));
        let owner = |pid| {
            let known = found.iter().find(|owner| owner.pid == pid).cloned();
            known.unwrap_or_else(|| Owner::unknown(pid, Unknown::NotAvailable))
        };
        let processes = told().flat_map(|(gpu, list)| list.iter().map(move |process| (gpu, process)));
        let processes = processes.map(|(gpu, process)| GpuProcess {
            gpu: gpu.clone(),
            process: process.clone(),
            owner: owner(process.pid),
        });
        let silent = samples.iter().filter_map(|sample| Some((sample.id.clone(), sample.processes.unknown()?)));
        Self { processes: processes.collect(), silent: silent.collect() }
    }

    /// The owners, to be given the names of their containers.
    pub fn owners_mut(&mut self) -> impl Iterator<Item = &mut Owner> {
        self.processes.iter_mut().map(|process| &mut process.owner)
    }
}

impl Node {
    /// The processes on the GPUs, with who is behind each. What is asked often keeps an [`OwnerCache`] and asks
    /// [`GpuProcesses::of`].
    ///
    /// # Errors
    /// What the source answers.
    pub fn processes(&self) -> Result<GpuProcesses> {
        let mut samples = Vec::with_capacity(self.gpus().len());
        self.source().sample(Fields::PROCESSES, &mut samples)?;
        Ok(GpuProcesses::of(&samples, self.is_here(), &mut OwnerCache::new(Processes::system())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{ProcessKind, Reading};

    fn sample(number: u32, processes: Reading<Vec<Process>>) -> Sample {
        let id = format!("GPU-00000000-0000-4000-8000-{number:012}").parse().unwrap();
        let mut sample = Sample::unknown(id, Unknown::NotRead);
        sample.processes = processes;
        sample
    }

    fn process(pid: u32) -> Process {
        Process::new(pid, ProcessKind::Compute, Reading::default())
    }

    #[test]
    fn a_process_on_two_gpus_is_there_twice_and_a_silent_gpu_says_why() {
        let me = std::process::id();
        let samples = [
            sample(1, Reading::Known(vec![process(me)])),
            sample(2, Reading::Known(vec![process(me), process(u32::MAX)])),
            sample(3, Reading::Unknown(Unknown::NotSupported)),
        ];
        let told = GpuProcesses::of(&samples, true, &mut OwnerCache::new(Processes::system()));
        let pids: Vec<_> =
            told.processes.iter().map(|one| (one.gpu.as_str().ends_with('1'), one.process.pid)).collect();
        assert_eq!(pids, [(true, me), (false, me), (false, u32::MAX)]);
        assert!(told.processes[0].owner.command.known().is_some());
        assert_eq!(told.processes[2].owner, Owner::unknown(u32::MAX, Unknown::NotAvailable));
        assert_eq!(told.silent, BTreeMap::from([(samples[2].id.clone(), Unknown::NotSupported)]));
    }

    #[test]
    fn nobody_is_looked_for_behind_a_made_up_id() {
        let samples = [sample(1, Reading::Known(vec![process(1), process(std::process::id())]))];
        let told = GpuProcesses::of(&samples, false, &mut OwnerCache::new(Processes::system()));
        assert_eq!(
            told.processes[0].owner,
            Owner::unknown(1, Unknown::NotAvailable),
            "the first process of this machine"
        );
        assert!(told.processes[1].owner.command.known().is_some(), "this very process");
    }
}
