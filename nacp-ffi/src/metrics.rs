//! Metrics of the node and of what runs on it.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::Result;
use nacp_core::clock::SystemClock;
use nacp_core::control::{AppStatus, ControlPlane};
use nacp_core::gpu::Snapshot;
use nacp_core::gpu::health::assess;
use nacp_core::gpu::owner::{GpuProcesses, OwnerCache, Processes};
use nacp_core::observe::{self, HostnameLabel, Metrics};

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::health::{facts, thresholds};
use crate::owner::name;
use crate::shared::World;
use crate::status::nacp_status;
use crate::string::nacp_string;
use crate::telemetry::{nacp_telemetry, telemetry_of};

/// What is to be told in metrics. Zeros and NULLs leave out what they stand for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_metrics_options {
    /// sizeof(nacp_metrics_options); NACP_METRICS_OPTIONS_INIT sets it.
    pub struct_size: u32,
    /// 1 to leave out the replicas, so that no engine is needed.
    pub gpus_only: u32,
    /// 1 to tell whose the processes on the GPUs are, and who has a GPU for itself.
    pub processes: u32,
    /// 1 to tell how healthy the GPUs are.
    pub health: u32,
    /// The name of the machine; NULL for none.
    pub hostname: *const c_char,
    /// The label under which it stands: NULL or "hostname", "Hostname" as in dcgm-exporter until 4.5.3, "both", "none".
    pub hostname_label: *const c_char,
    /// From where on something counts in the health, as YAML or JSON text; NULL for the defaults.
    pub thresholds: *const c_char,
    /// Whose last readings to tell, with how the reading fares, instead of asking the driver: a scrape never waits for it
    /// then. NULL to read the GPUs of the context now.
    pub telemetry: *const nacp_telemetry,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_metrics_options {
    const FIRST: usize = offset_of!(Self, telemetry) + size_of::<*const nacp_telemetry>();
}

/// The GPUs and the replicas as text for Prometheus, with dcgm-exporter's names. A value that is unknown has no line;
/// without a driver there are the replicas alone.
///
/// @param ctx the context
/// @param[out] text the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_metrics_text(
    ctx: *const nacp_ctx,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_metrics_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let out = call.out(text)?;
        let text = shared.wait(call.operation, async {
            let plane = shared.world().plane_without_gpus().await?;
            observe::metrics(&plane.node().snapshot(&SystemClock::new())?, &apps(&plane).await?)
        })?;
        out.set(text.into());
        Ok(())
    })
}

/// The same with a choice of what is told. The text has to be served as "text/plain; version=0.0.4; charset=utf-8".
///
/// @param ctx the context
/// @param options what; NULL for the same as nacp_metrics_text
/// @param[out] text the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an option that cannot be; NACP_E_TIMEOUT while `telemetry` has read nothing yet;
///         NACP_E_DRIVER_UNAVAILABLE where the GPUs alone are wanted and there are none; or what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_metrics_render(
    ctx: *const nacp_ctx,
    options: *const nacp_metrics_options,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_metrics_render", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let options = if options.is_null() { zero() } else { call.read(options, "options")? };
        let out = call.out(text)?;
        out.set(render(call, ctx, &options)?.into());
        Ok(())
    })
}

fn render(call: &Call, ctx: *const nacp_ctx, options: &nacp_metrics_options) -> Result<String> {
    let shared = &call.shared(ctx, "ctx")?.shared;
    let label = match call.optional_text(options.hostname_label, "options.hostname_label")? {
        Some(label) => label.parse()?,
        None => HostnameLabel::Lower,
    };
    let hostname = call.optional_text(options.hostname, "options.hostname")?;
    let thresholds = thresholds(call, options.thresholds)?;
    let telemetry = if options.telemetry.is_null() { None } else { Some(telemetry_of(call, options.telemetry)?) };
    let fresh = options.health != 0;
    let (snapshot, apps) = shared.wait(call.operation, async {
        let world = shared.world();
        let plane = if options.gpus_only == 0 { Some(world.plane_without_gpus().await?) } else { None };
        let apps = match &plane {
            Some(plane) => apps(plane).await?,
            None => Vec::new(),
        };
        let snapshot = match telemetry {
            Some(telemetry) => telemetry.latest(call.operation)?,
            None => read(world, plane.as_ref(), fresh).await?,
        };
        Ok((snapshot, apps))
    })?;

    let mut owners = Vec::new();
    if options.processes != 0 {
        let samples: Vec<_> = snapshot.gpus.iter().map(|state| state.sample.clone()).collect();
        let mut cache = OwnerCache::new(Processes::system());
        let found = GpuProcesses::of(&samples, shared.world().is_real(), &mut cache);
        owners.extend(found.processes.into_iter().map(|process| process.owner));
        if options.gpus_only == 0 {
            name(call, ctx, &mut owners)?;
        }
    }
    let health = fresh.then(|| assess(&thresholds, &snapshot, &facts(shared)));
    let status = telemetry.map(|telemetry| telemetry.telemetry.status());

    let mut metrics = Metrics::new(&snapshot).apps(&apps).owners(&owners);
    if let Some(hostname) = hostname {
        metrics = metrics.hostname(label, hostname);
    }
    if let Some(health) = &health {
        metrics = metrics.health(health);
    }
    if let Some(status) = &status {
        metrics = metrics.telemetry(status);
    }
    metrics.render()
}

/// The readings of the context's node; `fresh` reads anew also what the GPUs are.
async fn read(world: &World, plane: Option<&ControlPlane>, fresh: bool) -> Result<Snapshot> {
    let node = match plane {
        Some(plane) => plane.node(),
        None => world.node().await?,
    };
    let clock = SystemClock::new();
    if fresh { node.reread()?.snapshot(&clock) } else { node.snapshot(&clock) }
}

async fn apps(plane: &ControlPlane) -> Result<Vec<AppStatus>> {
    let mut apps = Vec::new();
    for app in plane.apps().await? {
        apps.push(plane.status(&app).await?);
    }
    Ok(apps)
}
