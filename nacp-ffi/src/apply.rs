//! Running apps.

use std::cell::Cell;
use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::control::AppStatus;
use nacp_core::service::App;
use nacp_core::{Error, ErrorKind, Result};

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::Entry;
use crate::plan::plane_for;
use crate::replicas::nacp_replicas;
use crate::shared::{Shared, tell};
use crate::status::nacp_status;
use crate::string::{json, nacp_string};

pub(crate) fn apply(shared: &Shared, operation: &'static str, app: &str, timeout_ms: u64) -> Result<AppStatus> {
    let app = App::parse(app)?;
    let world = shared.world();
    shared.wait(operation, async {
        let is_applied = Cell::new(false);
        let work = async {
            let outcome = async { plane_for(shared, &app).await?.apply(&app).await }.await;
            is_applied.set(true);
            let told = tell(world).await;
            outcome.and_then(|status| told.map(|()| status))
        };
        if timeout_ms == 0 {
            return work.await;
        }
        if let Ok(outcome) = tokio::time::timeout(Duration::from_millis(timeout_ms), work).await {
            return outcome;
        }
        let (message, hint) = if is_applied.get() {
            ("the routers did not learn of the app in the time allowed", "they learn of it later")
        } else {
            let world = Arc::clone(world);
            tokio::spawn(async move { world.changed().await });
            let hint = "what was started goes on; apply again to wait for it, or delete the app";
            ("the app is not ready in the time allowed", hint)
        };
        Err(Error::new(ErrorKind::Timeout, operation, message)
            .with("app", &app.name)
            .with("timeout_ms", timeout_ms)
            .hint(hint))
    })
}

/// Brings an app to what is wanted and waits until every replica is ready. What runs as wanted already is left alone, so
/// applying twice changes nothing. Routers and gateways of this context follow.
///
/// @param ctx the context
/// @param app the app as YAML or JSON text
/// @param timeout_ms the limit in milliseconds; 0 for those of the services alone
/// @param[out] replicas what runs then, freed by nacp_replicas_free; NULL if the caller does not care
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column; NACP_E_RESOURCE_EXHAUSTED when a
///         replica fits on no GPU; NACP_E_NOT_FOUND for an image that cannot be had; NACP_E_TIMEOUT when a replica is not
///         ready in time, with its last lines of log; or what driver and engine answer. What was started stays, so that
///         it can be looked at; nacp_delete removes it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_apply(
    ctx: *const nacp_ctx,
    app: *const c_char,
    timeout_ms: u64,
    replicas: *mut *mut nacp_replicas,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_apply", error) };
    let replicas = entry.out_handle(replicas, "replicas");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let app = call.text(app, "app")?;
        let out = call.optional_out(replicas);
        let status = apply(shared, call.operation, app, timeout_ms)?;
        if let Some(out) = out {
            out.give(nacp_replicas::from(&status));
        }
        Ok(())
    })
}

/// The same as nacp_apply, with the answer as JSON.
///
/// @param ctx the context
/// @param app the app as YAML or JSON text
/// @param timeout_ms the limit in milliseconds; 0 for those of the services alone
/// @param[out] status_json what runs then, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return as nacp_apply
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_apply_json(
    ctx: *const nacp_ctx,
    app: *const c_char,
    timeout_ms: u64,
    status_json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_apply_json", error) };
    let status_json = entry.out(status_json, "status_json", nacp_string::NONE);
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let app = call.text(app, "app")?;
        let out = call.out(status_json)?;
        out.set(json(&apply(shared, call.operation, app, timeout_ms)?)?);
        Ok(())
    })
}

fn status(shared: &Shared, operation: &'static str, app: &str) -> Result<AppStatus> {
    shared.wait(operation, async { shared.world().plane_without_gpus().await?.status(app).await })
}

/// Tells what of an app is there now. An app of which nothing is there has no replicas.
///
/// @param ctx the context
/// @param app the app's name
/// @param[out] replicas the replicas, freed by nacp_replicas_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_replicas_of(
    ctx: *const nacp_ctx,
    app: *const c_char,
    replicas: *mut *mut nacp_replicas,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_replicas_of", error) };
    let replicas = entry.out_handle(replicas, "replicas");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let app = call.text(app, "app")?;
        let out = call.out(replicas)?;
        out.give(nacp_replicas::from(&status(shared, call.operation, app)?));
        Ok(())
    })
}

/// The same as nacp_replicas_of, as JSON.
///
/// @param ctx the context
/// @param app the app's name
/// @param[out] status_json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_status_json(
    ctx: *const nacp_ctx,
    app: *const c_char,
    status_json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_status_json", error) };
    let status_json = entry.out(status_json, "status_json", nacp_string::NONE);
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let app = call.text(app, "app")?;
        let out = call.out(status_json)?;
        out.set(json(&status(shared, call.operation, app)?)?);
        Ok(())
    })
}

/// Stops and removes everything of an app, and nothing else; volumes stay. It needs no driver. Routers and gateways of
/// this context follow.
///
/// @param ctx the context
/// @param app the app's name
/// @param[out] removed how many containers were removed; none is no error; NULL if the caller does not care
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_delete(
    ctx: *const nacp_ctx,
    app: *const c_char,
    removed: *mut usize,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_delete", error) };
    let removed = entry.out(removed, "removed", 0);
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let app = call.text(app, "app")?;
        let out = call.optional_out(removed);
        let count = shared.wait(call.operation, async {
            let outcome = shared.world().plane_without_gpus().await?.delete(app).await;
            let followed = tell(shared.world()).await;
            outcome.and_then(|count| followed.map(|()| count))
        })?;
        if let Some(out) = out {
            out.set(count);
        }
        Ok(())
    })
}

/// The last lines that a replica wrote, each with a line end.
///
/// @param ctx the context
/// @param app the app's name
/// @param service the service
/// @param replica the replica's number
/// @param lines how many lines at most
/// @param[out] text the lines, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when the app has no such replica
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_logs(
    ctx: *const nacp_ctx,
    app: *const c_char,
    service: *const c_char,
    replica: u32,
    lines: usize,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_logs", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let (app, service) = (call.text(app, "app")?, call.text(service, "service")?);
        let out = call.out(text)?;
        let logs = shared.wait(call.operation, async {
            shared.world().plane_without_gpus().await?.logs(app, service, replica, lines).await
        })?;
        out.set(logs.into_iter().map(|line| line + "\n").collect::<String>().into());
        Ok(())
    })
}
