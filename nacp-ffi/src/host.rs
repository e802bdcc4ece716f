//! Where we run.

use nacp_core::host;

use crate::error::nacp_error;
use crate::ffi::Entry;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};

/// Tells where this process runs, as JSON: container, WSL, virtual machine, cloud, each with its evidence, and what cannot
/// be told with the reason. It needs no context and executes nothing.
///
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_detect_json(json: *mut nacp_string, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_detect_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(json)?;
        out.set(self::json(&host::detect())?);
        Ok(())
    })
}

/// Tells in one line where this process runs.
///
/// @param[out] text the line, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_detect_text(text: *mut nacp_string, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_detect_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(text)?;
        out.set(host::detect().summary().into());
        Ok(())
    })
}
