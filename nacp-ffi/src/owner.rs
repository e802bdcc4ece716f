//! Who is behind the programs that use a GPU.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::Result;
use nacp_core::engine::name_owners;
use nacp_core::gpu::owner::{GpuProcesses, Owner, OwnerCache, Processes};
use nacp_core::gpu::{Fields, Reading};

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::node::{nacp_node, set};
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text;

/// `nacp_owner.known`: the program's name is known.
pub const NACP_OWNER_COMMAND: u64 = 0x1;
/// `nacp_owner.known`: the user's number is known.
pub const NACP_OWNER_UID: u64 = 0x2;
/// `nacp_owner.known`: the user's name is known.
pub const NACP_OWNER_USER: u64 = 0x4;
/// `nacp_owner.known`: it is known in which container it is; none where `container` is empty.
pub const NACP_OWNER_CONTAINER: u64 = 0x8;
/// `nacp_owner.known`: it is known in which pod it is; none where `pod_uid` is empty.
pub const NACP_OWNER_POD: u64 = 0x10;
/// `nacp_owner.known`: the pod's name is known.
pub const NACP_OWNER_POD_NAME: u64 = 0x20;
/// `nacp_owner.known`: the pod's namespace is known.
pub const NACP_OWNER_POD_NAMESPACE: u64 = 0x40;
/// `nacp_owner.known`: the name that the engine has given to the container is known.
pub const NACP_OWNER_CONTAINER_NAME: u64 = 0x80;

/// Who is behind a program. A field whose bit is not set in `known` means nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_owner {
    /// sizeof(nacp_owner); NACP_OWNER_INIT sets it.
    pub struct_size: u32,
    /// The process id.
    pub pid: u32,
    /// Which fields are known: NACP_OWNER_COMMAND and the like.
    pub known: u64,
    /// The user's number.
    pub uid: u32,
    /// Always 0.
    pub reserved: u32,
    /// The program's name.
    pub command: [c_char; 32],
    /// The user's name.
    pub user: [c_char; 64],
    /// The id of its container; empty where it is in none.
    pub container: [c_char; 80],
    /// The name of its container (NACP_OWNER_CONTAINER_NAME).
    pub container_name: [c_char; 256],
    /// The UID of its pod; empty where it is in none.
    pub pod_uid: [c_char; 64],
    /// The name of its pod.
    pub pod_name: [c_char; 256],
    /// The namespace of its pod.
    pub pod_namespace: [c_char; 64],
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_owner {
    const FIRST: usize = offset_of!(Self, pod_namespace) + 64;
}

/// Tells who is behind a process id of this machine, as /proc has it: so also where several containers share a GPU.
///
/// @param ctx the context whose engine is asked for the name of the container, if there is one; NULL to ask nobody
/// @param pid the process id, as nacp_process has it
/// @param[out] owner a struct that NACP_OWNER_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_OK also for a process that is not there: nothing is known then; or what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_owner_of(
    ctx: *const nacp_ctx,
    pid: u32,
    owner: *mut nacp_owner,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_owner_of", error) };
    let owner = entry.out_struct(owner, "owner");
    entry.run(|call| {
        let out = call.out_struct(owner)?;
        let mut found = [Processes::system().owner(pid)];
        name(call, ctx, &mut found)?;
        out.fill(&fill(&found[0]));
        Ok(())
    })
}

/// Asks the engine of a context, if one is given, for the names of these owners' containers, if any is in one.
pub(crate) fn name<'a>(
    call: &Call,
    ctx: *const nacp_ctx,
    owners: impl IntoIterator<Item = &'a mut Owner>,
) -> Result<()> {
    if ctx.is_null() {
        return Ok(());
    }
    let shared = &call.shared(ctx, "ctx")?.shared;
    let inside: Vec<_> =
        owners.into_iter().filter(|owner| matches!(owner.container, Reading::Known(Some(_)))).collect();
    if !inside.is_empty() {
        let names = shared.wait(call.operation, async { shared.world().engine().await?.names().await })?;
        name_owners(inside, &names);
    }
    Ok(())
}

fn fill(owner: &Owner) -> nacp_owner {
    let mut out: nacp_owner = zero();
    let mut known = 0;
    out.pid = owner.pid;
    set(&mut known, NACP_OWNER_COMMAND, &owner.command, |command| text::copy(command, &mut out.command));
    set(&mut known, NACP_OWNER_UID, &owner.user, |user| out.uid = user.uid);
    if let Some(name) = owner.user.known().and_then(|user| user.name.as_deref()) {
        known |= NACP_OWNER_USER;
        text::copy(name, &mut out.user);
    }
    set(&mut known, NACP_OWNER_CONTAINER, &owner.container, |container| {
        text::copy(container.as_ref().map_or("", |container| &container.id), &mut out.container);
    });
    if let Reading::Known(Some(container)) = &owner.container
        && let Some(name) = &container.name
    {
        known |= NACP_OWNER_CONTAINER_NAME;
        text::copy(name, &mut out.container_name);
    }
    set(&mut known, NACP_OWNER_POD, &owner.pod, |pod| {
        text::copy(pod.as_ref().map_or("", |pod| &pod.uid), &mut out.pod_uid);
    });
    if let Reading::Known(Some(pod)) = &owner.pod {
        set(&mut known, NACP_OWNER_POD_NAME, &pod.name, |name| text::copy(name, &mut out.pod_name));
        set(&mut known, NACP_OWNER_POD_NAMESPACE, &pod.namespace, |name| text::copy(name, &mut out.pod_namespace));
    }
    out.known = known;
    out
}

/// The programs on all GPUs of a node, with who is behind each, as JSON. The ids of simulated GPUs and of recordings are of
/// no machine or of another: nobody is looked for behind them.
///
/// @param node the node
/// @param ctx the context whose engine is asked for the names of the containers, if there are any; NULL to ask nobody
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_DRIVER_UNAVAILABLE when the driver stopped answering as a whole, or what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_processes_json(
    node: *const nacp_node,
    ctx: *const nacp_ctx,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_processes_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let out = call.out(json)?;
        let mut processes = held.shared.wait(call.operation, async {
            let mut samples = Vec::new();
            held.node.source().sample(Fields::PROCESSES, &mut samples)?;
            let mut cache = OwnerCache::new(Processes::system());
            Ok(GpuProcesses::of(&samples, held.node.is_here(), &mut cache))
        })?;
        name(call, ctx, processes.owners_mut())?;
        out.set(self::json(&processes)?);
        Ok(())
    })
}
