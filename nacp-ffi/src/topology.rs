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

/// What lies between two GPUs. A field whose bit is not set in `known` means nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_link {
    /// sizeof(nacp_link); NACP_LINK_INIT sets it.
    pub struct_size: u32,
    /// What of the machine they have in common, in NVML's numbers: 0 the board, 10 one PCIe switch, 20 several, 30 a
    /// host bridge, 40 a NUMA node, 50 the machine.
    pub ancestor: u32,
    /// Which fields are known: NACP_LINK_ANCESTOR and the like.
    pub known: u64,
    /// NVLinks between them that are up; over a switch, those of the GPU with fewer.
    pub nvlinks: u32,
    /// 1 when the NVLinks lead over a switch, else 0.
    pub switched: u32,
    /// What the NVLinks carry in each direction, in megabytes (10^6) a second.
    pub bandwidth: u64,
    /// 1 when each can read the other's memory, else 0.
    pub peer: u32,
    /// 1 when they are near the same memory of the machine, else 0.
    pub same_numa: u32,
    /// 1 when they belong to one clique of an NVLink fabric, else 0.
    pub same_clique: u32,
    /// Always 0.
    pub reserved: u32,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_link {
    const FIRST: usize = offset_of!(Self, reserved) + size_of::<u32>();
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
        let topology = held.shared.wait(call.operation, async { held.node.topology() })?;
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
        let topology = held.shared.wait(call.operation, async { held.node.topology() })?;
        out.set(self::json(&topology)?);
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
        let topology = held.shared.wait(call.operation, async { held.node.topology() })?;
        out.set(topology.to_string().into());
        Ok(())
    })
}
