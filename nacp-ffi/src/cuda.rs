//! Whether CUDA works here.

use nacp_core::cuda;

use crate::error::nacp_error;
use crate::ffi::Entry;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};

/// Asks the CUDA driver of this machine which version and which devices it has, as JSON. It needs no context and is never
/// simulated. A driver without a device is no error.
///
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_DRIVER_UNAVAILABLE when there is no usable driver
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_probe_cuda_json(json: *mut nacp_string, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_probe_cuda_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(json)?;
        out.set(self::json(&cuda::probe()?)?);
        Ok(())
    })
}

/// The same as nacp_probe_cuda_json, as text for people.
///
/// @param[out] text the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return as nacp_probe_cuda_json
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_probe_cuda_text(text: *mut nacp_string, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_probe_cuda_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(text)?;
        out.set(cuda::probe()?.to_string().into());
        Ok(())
    })
}
