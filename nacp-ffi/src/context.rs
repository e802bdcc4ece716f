//! The context: everything else comes from it.

use std::ffi::c_char;
use std::mem::offset_of;
use std::num::NonZero;
use std::sync::Arc;

use nacp_core::{Result, sim};

use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned};
use crate::shared::{EngineChoice, NodeChoice, Shared, free};
use crate::status::nacp_status;

/// Most worker threads of a context that was not told how many.
const THREADS: usize = 8;

/// What a program works with: the GPUs of a node, the engine that runs containers, and the threads that serve both.
///
/// Threads: every function that takes `const nacp_ctx *` may be called by several threads at once; nacp_ctx_free by one,
/// when no other call is running. A context does not survive a fork: in the child its functions fail with
/// NACP_E_UNSUPPORTED, and freeing it there does nothing.
#[derive(Debug)]
pub struct nacp_ctx {
    pub(crate) shared: Arc<Shared>,
}

/// How a context is made.
///
/// ```c
/// nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
/// options.node = "simulated:h100x8";
/// options.engine = "simulated";
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_ctx_options {
    /// sizeof(nacp_ctx_options); NACP_CTX_OPTIONS_INIT sets it.
    pub struct_size: u32,
    /// Threads that serve the engine and the gateways; 0 for one per processor, 8 at most.
    pub worker_threads: u32,
    /// Whose GPUs: NULL for this machine's, or "simulated:NAME" for a simulated node, such as
    /// "simulated:rtx3050ti-laptop-wsl2" or "simulated:h100x8".
    pub node: *const c_char,
    /// Who runs containers: NULL or "docker" for Docker Engine or Podman (at DOCKER_HOST, or on the default socket), or
    /// "simulated" for services that are made up within this process and end with the context.
    pub engine: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_ctx_options {
    const FIRST: usize = offset_of!(Self, engine) + size_of::<*const c_char>();
}

/// Makes a context. It looks for neither GPUs nor an engine before they are needed, so that it succeeds on a machine that
/// has none of them.
///
/// @param options how; NULL for this machine's GPUs and Docker
/// @param[out] ctx the context, freed by nacp_ctx_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an option that cannot be, NACP_E_NOT_FOUND for a simulated node that does not
/// ```c
///     exist, NACP_E_RESOURCE_EXHAUSTED when no thread can be started
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_ctx_new(
    options: *const nacp_ctx_options,
    ctx: *mut *mut nacp_ctx,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_ctx_new", error) };
    let ctx = entry.out_handle(ctx, "ctx");
    entry.run(|call| {
        let out = call.out(ctx)?;
        let options = if options.is_null() { None } else { Some(call.read(options, "options")?) };
        let (mut node, mut engine, mut threads) = (None, None, None);
        if let Some(options) = options {
            node = call.optional_text(options.node, "options.node")?;
            engine = call.optional_text(options.engine, "options.engine")?;
            threads = NonZero::new(options.worker_threads).map(|count| usize::try_from(count.get()).unwrap_or(THREADS));
        }
        let (node, engine) = (node_choice(call, node)?, engine_choice(call, engine)?);
        let threads =
            threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS));
        out.give(nacp_ctx { shared: Shared::start(node, engine, threads)? });
        Ok(())
    })
}

fn node_choice(call: &Call, text: Option<&str>) -> Result<NodeChoice> {
    let Some(text) = text else { return Ok(NodeChoice::Real) };
    match text.strip_prefix("simulated:") {
        Some(name) => Ok(NodeChoice::Simulated(Arc::new(sim::Node::named(name)?))),
        None => Err(call
            .invalid("there is no such kind of node", "options.node")
            .with("value", format_args!("{text:?}"))
            .hint("pass NULL for this machine, or simulated:NAME")),
    }
}

fn engine_choice(call: &Call, text: Option<&str>) -> Result<EngineChoice> {
    match text {
        None | Some("docker") => Ok(EngineChoice::Docker),
        Some("simulated") => Ok(EngineChoice::Simulated),
        Some(other) => Err(call
            .invalid("there is no such engine", "options.engine")
            .with("value", format_args!("{other:?}"))
            .hint("pass NULL, docker or simulated")),
    }
}

/// Frees a context. Nodes, routers and gateways that were made from it stay usable until they are freed themselves. What
/// runs in Docker goes on running; what is simulated ends with the last of them.
///
/// @param ctx the context; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_ctx_free(ctx: Option<Box<nacp_ctx>>) {
    free(ctx, |ctx| &ctx.shared);
}
