//! Metrics of the node and of what runs on it.

use nacp_core::clock::SystemClock;
use nacp_core::observe;

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::Entry;
use crate::status::nacp_status;
use crate::string::nacp_string;

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
            let mut apps = Vec::new();
            for app in plane.apps().await? {
                apps.push(plane.status(&app).await?);
            }
            observe::metrics(&plane.node().snapshot(&SystemClock::new())?, &apps)
        })?;
        out.set(text.into());
        Ok(())
    })
}
