//! Which library this is.

use std::ffi::{CStr, c_char};

/// The version of the binary interface: it changes when a program has to be compiled anew.
pub const NACP_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The version of the binary interface of the library that is loaded. A program compares it with NACP_ABI_VERSION, the
/// version that it was compiled with.
#[unsafe(no_mangle)]
pub extern "C" fn nacp_abi_version() -> u32 {
    NACP_ABI_VERSION
}

/// The version of the library that is loaded, such as "0.1.0"; NACP_VERSION is the one of the header.
///
/// @return text that is always valid and never freed
#[unsafe(no_mangle)]
pub extern "C" fn nacp_version_string() -> *const c_char {
    VERSION.as_ptr()
}
