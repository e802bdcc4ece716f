//! The context: everything else comes from it.

use std::ffi::c_char;
use std::mem::offset_of;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::probe::Guard;
use nacp_core::gpu::{AtEnd, Replay, Source};
use nacp_core::{Result, sim};

use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
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
    /// Whose GPUs: NULL for this machine's; "simulated:NAME" for a simulated node, such as
    /// "simulated:rtx3050ti-laptop-wsl2" or "simulated:h100x8"; "simulated:FILE.json" for one of your own; "replay:FILE" for
    /// a recording that nacp_telemetry_record has made.
    pub node: *const c_char,
    /// Who runs containers: NULL or "docker" for Docker Engine or Podman (at DOCKER_HOST, or on the default socket), or
    /// "simulated" for services that are made up within this process and end with the context.
    pub engine: *const c_char,
    /// Who touches the driver first, because its library can crash or hang the program that opens it: NULL for nobody,
    /// "self" for this program, which then calls nacp_probe_answer first in main, or the path of another program that does.
    /// It runs as a child process when GPUs are first looked for. Only for this machine's GPUs.
    pub guard: *const c_char,
    /// How long the guard may take, in milliseconds; 0 for 30 000.
    pub guard_limit_ms: u32,
    /// What a recording does at its end: NACP_REPLAY_STAY and the like.
    pub replay_at_end: u32,
    /// How fast a recording goes on: 1 as it was, 10 ten times as fast; 0 for one reading of it at each reading of the
    /// node.
    pub replay_speed: f64,
}

/// `nacp_ctx_options.replay_at_end`: it stays at its last reading.
pub const NACP_REPLAY_STAY: u32 = 0;
/// `nacp_ctx_options.replay_at_end`: it begins anew.
pub const NACP_REPLAY_LOOP: u32 = 1;
/// `nacp_ctx_options.replay_at_end`: each further reading fails with NACP_E_DRIVER_UNAVAILABLE.
pub const NACP_REPLAY_FAIL: u32 = 2;

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
/// @return NACP_E_INVALID_ARGUMENT for an option that cannot be, and for a file that is no recording or no node file;
///         NACP_E_NOT_FOUND for a simulated node or a file that is not there; NACP_E_RESOURCE_EXHAUSTED when no thread can
///         be started
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
        let options = if options.is_null() { zero() } else { call.read(options, "options")? };
        let (node, engine) = (node_choice(call, &options)?, engine_choice(call, &options)?);
        let processors = || std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS);
        let threads = usize::try_from(options.worker_threads).unwrap_or(THREADS);
        let threads = NonZero::new(threads).map_or_else(processors, NonZero::get);
        out.give(nacp_ctx { shared: Shared::start(node, engine, threads)? });
        Ok(())
    })
}

fn node_choice(call: &Call, options: &nacp_ctx_options) -> Result<NodeChoice> {
    let node = call.optional_text(options.node, "options.node")?;
    let guard = guard(call, options)?;
    let source = match node.map(|node| (node, node.split_once(':'))) {
        None => None,
        Some((_, Some(("simulated", name)))) => Some(simulated(name)?),
        Some((_, Some(("replay", path)))) => return Ok(NodeChoice::Given(Arc::new(replay(call, options, path)?))),
        Some((other, _)) => {
            return Err(call
                .invalid("there is no such kind of node", "options.node")
                .with("value", format_args!("{other:?}"))
                .hint("pass NULL for this machine, simulated:NAME, simulated:FILE.json or replay:FILE"));
        }
    };
    for (given, parameter) in
        [(options.replay_speed != 0.0, "options.replay_speed"), (options.replay_at_end != 0, "options.replay_at_end")]
    {
        if given {
            return Err(call.invalid("only a recording can be replayed", parameter).hint("set node to replay:FILE"));
        }
    }
    match source {
        None => Ok(NodeChoice::Real(guard)),
        Some(source) => Ok(NodeChoice::Given(source)),
    }
}

fn simulated(name: &str) -> Result<Arc<dyn Source>> {
    Ok(Arc::new(match name.ends_with(".json") {
        true => sim::Node::from(sim::NodeFile::open(name)?),
        false => sim::Node::named(name)?,
    }))
}

fn replay(call: &Call, options: &nacp_ctx_options, path: &str) -> Result<Replay> {
    let at_end = match options.replay_at_end {
        NACP_REPLAY_STAY => AtEnd::Stay,
        NACP_REPLAY_LOOP => AtEnd::Loop,
        NACP_REPLAY_FAIL => AtEnd::Fail,
        other => {
            return Err(call
                .invalid("a recording has no such end", "options.replay_at_end")
                .with("value", other)
                .hint("choose NACP_REPLAY_STAY, NACP_REPLAY_LOOP or NACP_REPLAY_FAIL"));
        }
    };
    let replay = Replay::open(path)?.at_end(at_end);
    match options.replay_speed {
        0.0 => Ok(replay),
        speed => replay.speed(speed, Arc::new(SystemClock::new())),
    }
}

fn guard(call: &Call, options: &nacp_ctx_options) -> Result<Option<Guard>> {
    let Some(program) = call.optional_text(options.guard, "options.guard")? else { return Ok(None) };
    if !options.node.is_null() {
        return Err(call
            .invalid("a guard is for the driver of this machine", "options.guard")
            .hint("leave guard or node NULL"));
    }
    let guard = if program == "self" { Guard::this_program()? } else { Guard::new(program) };
    Ok(Some(match options.guard_limit_ms {
        0 => guard,
        limit => guard.limit(Duration::from_millis(limit.into())),
    }))
}

fn engine_choice(call: &Call, options: &nacp_ctx_options) -> Result<EngineChoice> {
    match call.optional_text(options.engine, "options.engine")? {
        None | Some("docker") => Ok(EngineChoice::Docker),
        Some("simulated") => Ok(EngineChoice::Simulated),
        Some(other) => Err(call
            .invalid("there is no such engine", "options.engine")
            .with("value", format_args!("{other:?}"))
            .hint("pass NULL, docker or simulated")),
    }
}

/// Frees a context. Nodes, routers, gateways and whatever else came from it stay usable until they are freed themselves. What
/// runs in Docker goes on running; what is simulated ends with the last of them.
///
/// @param ctx the context; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_ctx_free(ctx: Option<Box<nacp_ctx>>) {
    free(ctx, |ctx| &ctx.shared);
}
