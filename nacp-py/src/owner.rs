//! Who is behind the processes on the GPUs.

use std::collections::BTreeMap;

use nacp_core::Result;
use nacp_core::engine::{NamedContainer, name_owners};
use nacp_core::gpu::owner::{Owner, OwnerCache, Processes};
use nacp_core::gpu::{self, Fields, GpuId, Process};
use serde::Serialize;

use crate::json;

/// One process on one GPU.
#[derive(Serialize)]
struct GpuProcess<'a> {
    gpu: &'a GpuId,
    process: &'a Process,
    owner: &'a Owner,
}

/// What all GPUs of a node tell.
#[derive(Serialize)]
struct GpuProcesses<'a> {
    processes: Vec<GpuProcess<'a>>,
    /// Why a GPU tells no processes.
    silent: BTreeMap<&'a GpuId, String>,
}

/// The processes on the GPUs of a node with their owners, as JSON; blocks its thread. `names` are the containers of an
/// engine, where one is asked.
pub(crate) fn processes(node: &gpu::Node, names: &[NamedContainer]) -> Result<String> {
    let mut samples = Vec::new();
    node.source().sample(Fields::PROCESSES, &mut samples)?;
    let told = || samples.iter().filter_map(|sample| Some((&sample.id, sample.processes.known()?)));
    let mut pids: Vec<u32> = told().flat_map(|(_, processes)| processes.iter().map(|process| process.pid)).collect();
    pids.sort_unstable();
    pids.dedup();
    let mut owners = OwnerCache::new(Processes::system()).owners(pids);
    name_owners(&mut owners, names);
    let silent = samples.iter().filter_map(|sample| Some((&sample.id, sample.processes.unknown()?.to_string())));
    let rows = told().flat_map(|(gpu, processes)| processes.iter().map(move |process| (gpu, process)));
    let rows = rows.filter_map(|(gpu, process)| {
        let owner = owners.iter().find(|owner| owner.pid == process.pid)?;
        Some(GpuProcess { gpu, process, owner })
    });
    json::text(&GpuProcesses { processes: rows.collect(), silent: silent.collect() })
}
