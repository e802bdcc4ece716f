//! Which replica answers a request.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::{Arc, OnceLock};

use nacp_core::route::{Lease, Request, Router};

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Entry, answer};
use crate::panic;
use crate::status::nacp_status;
use crate::text;

/// Chooses the replica for each request: the less busy of two drawn at random.
///
/// Threads: functions that take `const nacp_router *` may be called by several threads at once, nacp_route from all of
/// them without waiting for each other; nacp_router_free by one. Routing uses no thread of the context and needs it no
/// more.
#[derive(Debug)]
pub struct nacp_router {
    router: Arc<Router>,
}

/// A request that was routed and is not over. It counts as in flight on its replica until it is freed, and stays valid
/// when the replica goes or the router is freed.
///
/// Threads: functions that take `const nacp_lease *` may be called by several threads at once; nacp_lease_free by one.
#[derive(Debug)]
pub struct nacp_lease {
    lease: Lease,
    address: OnceLock<CString>,
    replica: OnceLock<CString>,
}

/// Makes a router over the replicas that are ready now. It follows every later nacp_apply and nacp_delete of this
/// context; nacp_router_refresh tells it what changed by itself or through others.
///
/// @param ctx the context
/// @param[out] router the router, freed by nacp_router_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_router_new(
    ctx: *const nacp_ctx,
    router: *mut *mut nacp_router,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_router_new", error) };
    let router = entry.out_handle(router, "router");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let out = call.out(router)?;
        let router = Arc::new(Router::new());
        shared.wait(call.operation, shared.world().follow(&router))?;
        out.give(nacp_router { router });
        Ok(())
    })
}

/// Gives a router the replicas that are ready now.
///
/// @param ctx the context
/// @param router the router
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return what the engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_router_refresh(
    ctx: *const nacp_ctx,
    router: *const nacp_router,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_router_refresh", error) };
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let router = &call.shared(router, "router")?.router;
        shared.wait(call.operation, shared.world().refresh(router))
    })
}

/// Chooses the replica for a request. It takes no lock and reads no clock.
///
/// @param router the router
/// @param model what the client asks for: a model, the name of a service, or "app/service"
/// @param[out] lease the routed request, freed by nacp_lease_free when it is over; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when nothing answers to the name, with the names that there are; NACP_E_CONFLICT when
///         services of several apps have it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_route(
    router: *const nacp_router,
    model: *const c_char,
    lease: *mut *mut nacp_lease,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_route", error) };
    let lease = entry.out_handle(lease, "lease");
    entry.run(|call| {
        let router = &call.shared(router, "router")?.router;
        let model = call.text(model, "model")?;
        let out = call.out(lease)?;
        let lease = router.route(&Request::new(model))?;
        out.give(nacp_lease { lease, address: OnceLock::new(), replica: OnceLock::new() });
        Ok(())
    })
}

/// Frees a router. Leases stay valid.
///
/// @param router the router; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_router_free(router: Option<Box<nacp_router>>) {
    panic::quiet(|| drop(router));
}

/// Where to send the request, as "127.0.0.1:8000".
///
/// @param lease the routed request
/// @return text that lives as long as the lease; NULL for NULL
#[unsafe(no_mangle)]
pub extern "C" fn nacp_lease_address(lease: Option<&nacp_lease>) -> *const c_char {
    answer(lease, ptr::null(), |held| {
        held.address.get_or_init(|| text::owned(held.lease.endpoint().address.to_string())).as_ptr()
    })
}

/// The name of the replica: that of its container.
///
/// @param lease the routed request
/// @return text that lives as long as the lease; NULL for NULL
#[unsafe(no_mangle)]
pub extern "C" fn nacp_lease_replica(lease: Option<&nacp_lease>) -> *const c_char {
    answer(lease, ptr::null(), |held| {
        held.replica.get_or_init(|| text::owned(held.lease.endpoint().replica.as_str())).as_ptr()
    })
}

/// Says that a request is over, and frees its lease.
///
/// @param lease the routed request; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_lease_free(lease: Option<Box<nacp_lease>>) {
    panic::quiet(|| drop(lease));
}
