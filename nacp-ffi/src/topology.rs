//! How the GPUs of a node reach each other.

use std::mem::offset_of;

use nacp_core::gpu::topology::Link;
use nacp_core::gpu::{PeerStatus, Reading};
use nacp_core::{Error, ErrorKind};

use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, zero};
use crate::node::{gpu_at, nacp_node, set};
use crate::status::nacp_status;
use crate::string::{json, nacp_string};

/// `nacp_link.known`: what of the machine lies between them is known.
pub const NACP_LINK_ANCESTOR: u64 = 0x1;
/// `nacp_link.known`: the number of NVLinks is known.
pub const NACP_LINK_NVLINKS: u64 = 0x2;
/// `nacp_link.known`: what the NVLinks carry is known.
pub const NACP_LINK_BANDWIDTH: u64 = 0x4;
/// `nacp_link.known`: whether they can use each other's memory is known.
pub const NACP_LINK_PEER: u64 = 0x8;
/// `nacp_link.known`: whether they are near the same memory of the machine is known.
pub const NACP_LINK_NUMA: u64 = 0x10;
/// `nacp_link.known`: whether they belong to one clique of a fabric is known.
pub const NACP_LINK_CLIQUE: u64 = 0x20;

/// `nacp_link.known`: the NVLink version is known.
pub const NACP_LINK_VERSION: u64 = 0x40;

/// `nacp_link.ancestor`: both are on one board.
pub const NACP_ANCESTOR_BOARD: u32 = 0;
/// `nacp_link.ancestor`: one PCIe switch.
pub const NACP_ANCESTOR_SWITCH: u32 = 10;
/// `nacp_link.ancestor`: several PCIe switches.
pub const NACP_ANCESTOR_SWITCHES: u32 = 20;
/// `nacp_link.ancestor`: a PCIe host bridge.
pub const NACP_ANCESTOR_HOST_BRIDGE: u32 = 30;
/// `nacp_link.ancestor`: a NUMA node.
pub const NACP_ANCESTOR_NUMA_NODE: u32 = 40;
/// `nacp_link.ancestor`: the machine alone.
pub const NACP_ANCESTOR_SYSTEM: u32 = 50;

/// What lies between two GPUs. A field whose bit is not set in `known` means nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_link {
    /// sizeof(nacp_link); NACP_LINK_INIT sets it.
    pub struct_size: u32,
    /// What of the machine they have in common: NACP_ANCESTOR_BOARD and the like, in NVML's numbers.
    pub ancestor: u32,
    /// Which fields are known: NACP_LINK_ANCESTOR and the like.
    pub known: u64,
    /// NVLinks between them that are up; over a switch, those of the GPU with fewer.
    pub nvlinks: u32,
    /// 1 when the NVLinks lead over a switch, else 0 (NACP_LINK_NVLINKS).
    pub switched: u32,
    /// What the NVLinks carry in each direction, in megabytes (10^6) a second.
    pub bandwidth: u64,
    /// 1 when each can read the other's memory, else 0.
    pub peer: u32,
    /// 1 when they are near the same memory of the machine, else 0.
    pub same_numa: u32,
    /// 1 when they belong to one clique of an NVLink fabric, else 0.
    pub same_clique: u32,
    /// The oldest NVLink version among them, as the driver numbers it.
    pub nvlink_version: u32,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_link {
    const FIRST: usize = offset_of!(Self, nvlink_version) + size_of::<u32>();
}

/// Tells what lies between two GPUs.
///
/// @param node the node
/// @param a one of them, from 0 to nacp_node_gpu_count - 1
/// @param b the other
/// @param[out] link a struct that NACP_LINK_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index; NACP_E_INVALID_ARGUMENT when both are one
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_link(
    node: *const nacp_node,
    a: usize,
    b: usize,
    link: *mut nacp_link,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_link", error) };
    let link = entry.out_struct(link, "link");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out_struct(link)?;
        let (one, other) = (&gpu_at(call, held, a)?.gpu.id, &gpu_at(call, held, b)?.gpu.id);
        let topology = held.topology(call)?;
        let found = topology.link(one, other).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, call.operation, "a GPU has no link to itself").with("index", a)
        })?;
        out.fill(&fill(found));
        Ok(())
    })
}

fn fill(link: &Link) -> nacp_link {
    let mut out: nacp_link = zero();
    let mut known = 0;
    set(&mut known, NACP_LINK_ANCESTOR, &link.ancestor, |ancestor| out.ancestor = ancestor.code());
    set(&mut known, NACP_LINK_NVLINKS, &link.nvlinks, |count| out.nvlinks = *count);
    set(&mut known, NACP_LINK_VERSION, &link.version, |version| out.nvlink_version = *version);
    set(&mut known, NACP_LINK_BANDWIDTH, &link.bandwidth, |megabytes| out.bandwidth = *megabytes);
    set(&mut known, NACP_LINK_PEER, &link.peer.read, |status| out.peer = u32::from(*status == PeerStatus::Ok));
    for (bit, reading, field) in [
        (NACP_LINK_NUMA, &link.same_numa, &mut out.same_numa),
        (NACP_LINK_CLIQUE, &link.same_clique, &mut out.same_clique),
    ] {
        set(&mut known, bit, reading, |same: &bool| *field = u32::from(*same));
    }
    if let Reading::Known(_) = link.nvlinks {
        out.switched = u32::from(link.switched);
    }
    out.known = known;
    out
}

/// Chooses the GPUs whose links to each other are the best in sum, for work that is spread over several.
///
/// @param node the node
/// @param count how many
/// @param[out] indices room for `count` indices, which are in ascending order then; untouched on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_RESOURCE_EXHAUSTED when there are not so many
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_best_group(
    node: *const nacp_node,
    count: usize,
    indices: *mut usize,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_best_group", error) };
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out_array(indices, count).ok_or_else(|| call.invalid("a parameter is NULL", "indices"))?;
        let group = held.topology(call)?.best_group(count)?;
        let gpus = held.snapshot.gpus.iter().map(|state| &state.gpu.id);
        let found: Vec<usize> = gpus.enumerate().filter(|(_, id)| group.contains(id)).map(|(at, _)| at).collect();
        out.fill(&found);
        Ok(())
    })
}

/// How all GPUs of a node reach each other, as JSON: the GPUs with what is near them, and a link for each two.
///
/// @param node the node
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_topology_json(
    node: *const nacp_node,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_topology_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out(json)?;
        let topology = held.topology(call)?;
        out.set(self::json(&*topology)?);
        Ok(())
    })
}

/// The same as a matrix for people, as `nvidia-smi topo -m` shows it.
///
/// @param node the node
/// @param[out] text the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_topology_text(
    node: *const nacp_node,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_topology_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out(text)?;
        let topology = held.topology(call)?;
        out.set(topology.to_string().into());
        Ok(())
    })
}
