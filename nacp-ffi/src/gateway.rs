//! The way in: one HTTP address in front of all services.

use std::ffi::{CString, c_char};
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ptr;
use std::sync::Arc;

use nacp_core::Result;
use nacp_core::gateway::{Gateway, GatewayOptions};
use nacp_core::route::Router;

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, answer};
use crate::panic;
use crate::shared::{LAST_WAIT, Shared, free};
use crate::status::nacp_status;
use crate::text;

/// A running gateway: an HTTP server that speaks the OpenAI API (`/v1/...`) and Ollama's (`/api/...`), and passes each
/// request to a replica of the model that it asks for.
///
/// Threads: functions that take `const nacp_gateway *` may be called by several threads at once; nacp_gateway_stop and
/// nacp_gateway_free by one.
#[derive(Debug)]
pub struct nacp_gateway {
    shared: Arc<Shared>,
    gateway: Option<Gateway>,
    url: CString,
    _router: Arc<Router>,
}

/// How a gateway is started.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_gateway_options {
    /// sizeof(nacp_gateway_options); NACP_GATEWAY_OPTIONS_INIT sets it.
    pub struct_size: u32,
    /// The port; 0 for any that is free.
    pub port: u32,
    /// The IP address to listen on; NULL for 127.0.0.1. Any but a loopback address needs a key.
    pub address: *const c_char,
    /// The key that clients send as "Authorization: Bearer KEY"; NULL for none.
    pub api_key: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_gateway_options {
    const FIRST: usize = offset_of!(Self, api_key) + size_of::<*const c_char>();
}

/// Starts a gateway over the replicas that are ready. It follows every later nacp_apply and nacp_delete of this context.
///
/// @param ctx the context
/// @param options how; NULL for any free port of 127.0.0.1
/// @param[out] gateway the gateway, freed by nacp_gateway_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_CONFLICT when the port is taken; NACP_E_PERMISSION_DENIED when this user may not listen on it;
///         NACP_E_INVALID_ARGUMENT for an address that is not this machine's, or beyond loopback without a key; or what the
///         engine answers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_gateway_start(
    ctx: *const nacp_ctx,
    options: *const nacp_gateway_options,
    gateway: *mut *mut nacp_gateway,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_gateway_start", error) };
    let gateway = entry.out_handle(gateway, "gateway");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let out = call.out(gateway)?;
        let (address, options) = match options.is_null() {
            true => ((Ipv4Addr::LOCALHOST, 0).into(), GatewayOptions::default()),
            false => choose(call, &call.read(options, "options")?)?,
        };
        let router = Arc::new(Router::new());
        let gateway = shared.wait(call.operation, async {
            let gateway = Gateway::bind(address, Arc::clone(&router), options).await?;
            shared.world().follow(&router).await?;
            Ok(gateway)
        })?;
        let url = text::owned(format!("http://{}", gateway.address()));
        out.give(nacp_gateway { shared: Arc::clone(shared), gateway: Some(gateway), url, _router: router });
        Ok(())
    })
}

fn choose(call: &Call, options: &nacp_gateway_options) -> Result<(SocketAddr, GatewayOptions)> {
    let port = u16::try_from(options.port)
        .map_err(|_| call.invalid("a port is at most 65535", "options.port").with("value", options.port))?;
    let address = match call.optional_text(options.address, "options.address")? {
        None => IpAddr::from(Ipv4Addr::LOCALHOST),
        Some(text) => text.parse().map_err(|_| {
            call.invalid("not an IP address", "options.address").with("value", format_args!("{text:?}"))
        })?,
    };
    let mut chosen = GatewayOptions::default();
    chosen.api_key = call.optional_text(options.api_key, "options.api_key")?.map(str::to_owned);
    Ok(((address, port).into(), chosen))
}

/// Where a gateway answers, as "http://127.0.0.1:8080".
///
/// @param gateway the gateway
/// @return text that lives as long as the gateway; NULL for NULL
#[unsafe(no_mangle)]
pub extern "C" fn nacp_gateway_url(gateway: Option<&nacp_gateway>) -> *const c_char {
    answer(gateway, ptr::null(), |held| held.url.as_ptr())
}

/// Stops a gateway: it takes no further connection and lets the requests in flight finish, for 10 seconds at most. A
/// gateway that is stopped already stays so. The handle still has to be freed.
///
/// @param gateway the gateway, used by no other call
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_TIMEOUT when requests were cut
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_gateway_stop(gateway: *mut nacp_gateway, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_gateway_stop", error) };
    entry.run(|call| {
        let held = call.exclusive(gateway, "gateway")?;
        let shared = Arc::clone(&held.shared);
        shared.wait(call.operation, async {
            match held.gateway.take() {
                Some(gateway) => gateway.shutdown().await,
                None => Ok(()),
            }
        })
    })
}

/// Frees a gateway. One that was not stopped cuts its connections. The port is free when it returns.
///
/// @param gateway the gateway; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_gateway_free(gateway: Option<Box<nacp_gateway>>) {
    let Some(mut held) = gateway else { return };
    if held.shared.is_of_this_process()
        && let Some(gateway) = held.gateway.take()
    {
        panic::quiet(|| {
            let cut = async { Ok(tokio::time::timeout(LAST_WAIT, gateway.cut()).await.is_ok()) };
            let _ = held.shared.wait("nacp_gateway_free", cut);
        });
    }
    free(Some(held), |gateway| &gateway.shared);
}
