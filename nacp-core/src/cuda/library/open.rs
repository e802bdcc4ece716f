//! Loading the file.
#![expect(unsafe_code, reason = "loads a foreign library and looks up its functions")]

use std::mem::ManuallyDrop;

use super::walk::{Loaded, Refusal, mapped_file, walk};
use crate::error::Result;

/// A function that only NACP's simulated driver has.
const SIMULATED: &str = "nacp_simulated_cuda";

/// A library that is never unloaded.
pub(super) type Opened = ManuallyDrop<libloading::Library>;
/// Any function: only its address is of interest.
type Address = unsafe extern "system" fn();

/// The first of these names that loads, and what its place tells.
pub(super) fn first(names: &[String]) -> Result<(Opened, Loaded)> {
    let (library, name, passed_over) =
        walk(names, |name| load(name).map(ManuallyDrop::new).map_err(|error| Refusal::read(name, &reason(&error))))?;
    let inside = find::<Address>(&library, "cuInit").map(|function| function as usize);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let file = inside.and_then(|address| mapped_file(&maps, address));
    let mut loaded = file.map_or_else(|| Loaded::at(&name), Loaded::at);
    loaded.simulated = find::<Address>(&library, SIMULATED).is_some();
    loaded.passed_over = passed_over;
    Ok((library, loaded))
}

/// The loader's own words, which libloading keeps as the cause.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(not(windows))]
fn load(name: &str) -> std::result::Result<libloading::Library, libloading::Error> {
    // SAFETY: the initialisers of the driver's library may run at any time and on any thread.
    unsafe { libloading::Library::new(name) }
}

/// Only the system's own folder, so that a file planted beside the program is never taken; a path is taken as it is.
#[cfg(windows)]
fn load(name: &str) -> std::result::Result<libloading::Library, libloading::Error> {
    use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library};
    let flags = if std::path::Path::new(name).is_absolute() { 0 } else { LOAD_LIBRARY_SEARCH_SYSTEM32 };
    // SAFETY: the initialisers of the driver's library may run at any time and on any thread.
    unsafe { Library::load_with_flags(name, flags) }.map(Into::into)
}

/// The function of this name, if the library has it. `F` is the type that `cuda.h` gives it.
pub(super) fn find<F: Copy>(library: &Opened, name: &str) -> Option<F> {
    // SAFETY: every caller asks for a function and names the signature that cuda.h documents for it; the library is
    // never unloaded, so the pointer stays valid.
    unsafe { library.get::<Option<F>>(name.as_bytes()) }.ok().and_then(|symbol| *symbol)
}
