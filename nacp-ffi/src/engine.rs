//! Who runs the containers.

use std::ffi::c_char;
use std::mem::offset_of;

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, zero};
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text;

/// What an engine is and what it offers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_engine_info {
    /// sizeof(nacp_engine_info); NACP_ENGINE_INFO_INIT sets it.
    pub struct_size: u32,
    /// 1 when its containers are made up, else 0.
    pub simulated: u32,
    /// How many CDI devices of the kind nvidia.com/gpu it can give to containers.
    pub cdi_devices: u32,
    /// 1 when it has a runtime named nvidia, else 0.
    pub nvidia_runtime: u32,
    /// What it calls itself, such as "Docker Engine".
    pub name: [c_char; 64],
    /// Its version.
    pub version: [c_char; 64],
    /// The newest API version that it speaks; empty when it does not tell.
    pub api: [c_char; 16],
    /// Where it was reached.
    pub address: [c_char; 256],
    /// The oldest API version that it still speaks; empty when it does not tell.
    pub min_api: [c_char; 16],
    /// The context of the command docker by which it was found; empty for another way.
    pub context: [c_char; 64],
    /// 1 when it is Podman, else 0.
    pub podman: u32,
    /// 1 when it runs without the rights of root, else 0.
    pub rootless: u32,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_engine_info {
    const FIRST: usize = offset_of!(Self, address) + 256;
}

/// Connects to the engine, unless that is done, and asks what it is.
///
/// @param ctx the context
/// @param[out] info a struct that NACP_ENGINE_INFO_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_ENGINE_UNAVAILABLE or NACP_E_PERMISSION_DENIED when it does not answer
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_engine_describe(
    ctx: *const nacp_ctx,
    info: *mut nacp_engine_info,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_engine_describe", error) };
    let info = entry.out_struct(info, "info");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let out = call.out_struct(info)?;
        let engine = shared.wait(call.operation, shared.world().engine_info())?;
        let mut info: nacp_engine_info = zero();
        info.simulated = u32::from(engine.simulated);
        info.cdi_devices = u32::try_from(engine.gpu.cdi_devices.len()).unwrap_or(u32::MAX);
        info.nvidia_runtime = u32::from(engine.gpu.nvidia_runtime);
        text::copy(&engine.name, &mut info.name);
        text::copy(&engine.version, &mut info.version);
        text::copy(engine.api.as_deref().unwrap_or_default(), &mut info.api);
        text::copy(&engine.address, &mut info.address);
        text::copy(engine.min_api.as_deref().unwrap_or_default(), &mut info.min_api);
        text::copy(engine.context.as_deref().unwrap_or_default(), &mut info.context);
        (info.podman, info.rootless) = (u32::from(engine.podman), u32::from(engine.rootless));
        out.fill(&info);
        Ok(())
    })
}

/// The same as nacp_engine_describe, as JSON, with the name of each CDI device.
///
/// @param ctx the context
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return as nacp_engine_describe
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_engine_json(
    ctx: *const nacp_ctx,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_engine_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let out = call.out(json)?;
        let info = shared.wait(call.operation, shared.world().engine_info())?;
        out.set(self::json(&info)?);
        Ok(())
    })
}
