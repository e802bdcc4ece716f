//! Who is behind the processes on the GPUs.

use std::collections::BTreeMap;

use nacp_core::Result;
use nacp_core::engine::{NamedContainer, name_owners};
use nacp_core::gpu::owner::{GpuProcess, GpuProcesses};
use nacp_core::gpu::{self, GpuId};
use serde::Serialize;

use crate::json;

/// What all GPUs of a node tell.
#[derive(Serialize)]
struct Told<'a> {
    processes: &'a [GpuProcess],
    /// Why a GPU tells no processes, in words.
    silent: BTreeMap<&'a GpuId, String>,
}

/// The processes on the GPUs of a node with their owners, as JSON; blocks its thread. `names` are the containers of an
/// engine, where one is asked.
pub(crate) fn processes(node: &gpu::Node, names: &[NamedContainer]) -> Result<String> {
    let GpuProcesses { mut processes, silent } = node.processes()?;
    name_owners(processes.iter_mut().map(|process| &mut process.owner), names);
    let silent = silent.iter().map(|(gpu, reason)| (gpu, reason.to_string())).collect();
    json::text(&Told { processes: &processes, silent })
}
