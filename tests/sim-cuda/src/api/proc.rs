//! Finding functions of the library at run time, as CUDA's runtime does.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::OnceLock;

use crate::call::calls;
use crate::caller::{put, put_if_wanted, text, wanted};
use crate::code::{Answer, Code};

/// Since which CUDA version a name means its newer variant, where that is not "always".
const SINCE: [(&CStr, c_int); 5] = [
    (c"cuEventElapsedTime_v2", 12080),
    (c"cuDeviceGetUuid_v2", 11040),
    (c"cuGetProcAddress_v2", 12000),
    (c"cuCtxCreate_v3", 11040),
    (c"cuCtxCreate_v4", 12050),
];
/// How a search ended (`CUdriverProcAddressQueryResult`).
const FOUND: c_int = 0;
const NO_SUCH_NAME: c_int = 1;
const VERSION_TOO_OLD: c_int = 2;

/// This library, opened once more.
fn library() -> usize {
    static LIBRARY: OnceLock<usize> = OnceLock::new();
    *LIBRARY.get_or_init(|| {
        let mut place = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        let inside: *const c_void = std::ptr::from_ref(&SINCE).cast();
        // SAFETY: fills in the structure, which any zero bytes make a valid one of.
        let found = unsafe { libc::dladdr(inside, place.as_mut_ptr()) };
        // SAFETY: zeroed, or filled in.
        let place = unsafe { place.assume_init() };
        if found == 0 {
            return 0;
        }
        // SAFETY: the loader's own text of this file's name; the file is loaded already.
        let handle = unsafe { libc::dlopen(place.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        handle.expose_provenance()
    })
}

fn find(name: &CStr) -> *mut c_void {
    let library = library();
    if library == 0 {
        return std::ptr::null_mut();
    }
    // SAFETY: a handle of the loader, and a text with its end mark.
    unsafe { libc::dlsym(std::ptr::with_exposed_provenance_mut(library), name.as_ptr()) }
}

/// The variant of a function that a program made for a CUDA version means, and how the search ended.
fn variant(base: &str, version: c_int) -> (*mut c_void, c_int) {
    let mut status = NO_SUCH_NAME;
    for ending in ["_v4", "_v3", "_v2", ""] {
        let Ok(name) = CString::new(format!("{base}{ending}")) else { break };
        let function = find(&name);
        if function.is_null() {
            continue;
        }
        let since = SINCE.iter().find(|(known, _)| *known == name.as_c_str()).map_or(0, |(_, since)| *since);
        if version >= since {
            return (function, FOUND);
        }
        status = VERSION_TOO_OLD;
    }
    (std::ptr::null_mut(), status)
}

fn search(driver: c_int, symbol: *const c_char, version: c_int) -> Answer<(*mut c_void, c_int)> {
    let symbol = text(symbol)?;
    if version > driver {
        return Err(Code::INVALID_VALUE);
    }
    Ok(if symbol.starts_with("cu") { variant(symbol, version) } else { (std::ptr::null_mut(), NO_SUCH_NAME) })
}

calls! {
    /// A function by its name without an ending, in the variant that a CUDA version means; null where there is none.
    cuGetProcAddress_v2(
        symbol: *const c_char, place: *mut *mut c_void, version: c_int, _flags: u64, status: *mut c_int,
    ) [Nothing] |machine| {
        wanted(place)?;
        let (function, outcome) = search(machine.config.version, symbol, version)?;
        put_if_wanted(status, outcome);
        put(place, function)
    };

    /// The same as it was before CUDA 12: 500 where there is none.
    cuGetProcAddress(symbol: *const c_char, place: *mut *mut c_void, version: c_int, _flags: u64) [Nothing] |machine| {
        wanted(place)?;
        let (function, _) = search(machine.config.version, symbol, version)?;
        put(place, function)?;
        if function.is_null() { Err(Code::NOT_FOUND) } else { Ok(()) }
    };
}
