//! The CUDA driver's library as a [`Driver`]: the one place in NACP's core that calls foreign code by itself.
#![expect(unsafe_code, reason = "opens a foreign library and calls its functions")]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::fmt;
use std::mem::ManuallyDrop;
use std::path::Path;

use super::loading::{Refusal, candidates, mapped_file, walk};
use super::{Attribute, Driver, Loaded};
use crate::error::Result;

/// `CUDA_ERROR_NOT_FOUND`: what a function that is not there answers.
const NOT_FOUND: i32 = 500;
/// A function that only NACP's simulated driver has.
const SIMULATED: &CStr = c"nacp_simulated_cuda";

type Init = unsafe extern "system" fn(c_uint) -> c_int;
type Number = unsafe extern "system" fn(*mut c_int) -> c_int;
type DeviceOf = unsafe extern "system" fn(*mut c_int, c_int) -> c_int;
type Text = unsafe extern "system" fn(*mut c_char, c_int, c_int) -> c_int;
type Uuid = unsafe extern "system" fn(*mut [u8; 16], c_int) -> c_int;
type Memory = unsafe extern "system" fn(*mut usize, c_int) -> c_int;
type AttributeOf = unsafe extern "system" fn(*mut c_int, c_int, c_int) -> c_int;
type ErrorName = unsafe extern "system" fn(c_int, *mut *const c_char) -> c_int;

/// The driver's library of this machine, opened at run time.
///
/// It stays loaded until the process ends, even when the value is dropped: unloading a driver that has started
/// threads is not safe. Opening it again is cheap.
pub struct Library {
    loaded: Loaded,
    missing: Vec<&'static str>,
    init: Option<Init>,
    version: Option<Number>,
    device_count: Option<Number>,
    device: Option<DeviceOf>,
    name: Option<Text>,
    uuid: Option<Uuid>,
    total_memory: Option<Memory>,
    attribute: Option<AttributeOf>,
    pci: Option<Text>,
    error_name: Option<ErrorName>,
}

impl Library {
    /// Opens the driver's library where the loader finds it.
    ///
    /// # Errors
    /// [`DriverUnavailable`](crate::ErrorKind::DriverUnavailable) with `cause=absent` (and the number of names tried)
    /// or `cause=broken` (a file is there and cannot be loaded).
    pub fn open() -> Result<Self> {
        Self::open_first(&candidates())
    }

    /// Opens this file, or this name in the loader's path.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_at(path: &Path) -> Result<Self> {
        Self::open_first(&[path.to_string_lossy().into_owned()])
    }

    fn open_first(names: &[String]) -> Result<Self> {
        let (library, name, passed_over) = walk(names, |name| {
            load(name).map(ManuallyDrop::new).map_err(|error| Refusal::read(name, &reason(&error)))
        })?;
        let mut missing = Vec::new();
        let mut opened = Self {
            init: needed(&library, c"cuInit", &mut missing),
            version: needed(&library, c"cuDriverGetVersion", &mut missing),
            device_count: needed(&library, c"cuDeviceGetCount", &mut missing),
            device: needed(&library, c"cuDeviceGet", &mut missing),
            name: needed(&library, c"cuDeviceGetName", &mut missing),
            uuid: find(&library, c"cuDeviceGetUuid_v2").or_else(|| needed(&library, c"cuDeviceGetUuid", &mut missing)),
            total_memory: needed(&library, c"cuDeviceTotalMem_v2", &mut missing),
            attribute: needed(&library, c"cuDeviceGetAttribute", &mut missing),
            pci: needed(&library, c"cuDeviceGetPCIBusId", &mut missing),
            error_name: find(&library, c"cuGetErrorName"),
            missing,
            loaded: Loaded::at(&name),
        };
        let inside = opened.init.map(|function| function as usize);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        if let Some(path) = inside.and_then(|address| mapped_file(&maps, address)) {
            opened.loaded = Loaded::at(path);
        }
        opened.loaded.simulated = find::<Init>(&library, SIMULATED).is_some();
        opened.loaded.passed_over = passed_over;
        tracing::debug!(library = %opened.loaded, missing = ?opened.missing, "opened the CUDA driver library");
        Ok(opened)
    }
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
    let flags = if Path::new(name).is_absolute() { 0 } else { LOAD_LIBRARY_SEARCH_SYSTEM32 };
    // SAFETY: the initialisers of the driver's library may run at any time and on any thread.
    unsafe { Library::load_with_flags(name, flags) }.map(Into::into)
}

/// The function of this name, if the library has it. `F` is the type that `cuda.h` gives it.
fn find<F: Copy>(library: &libloading::Library, name: &CStr) -> Option<F> {
    // SAFETY: every caller asks for a function and names the signature that cuda.h documents for it; the library is
    // never unloaded, so the pointer stays valid.
    unsafe { library.get::<Option<F>>(name.to_bytes_with_nul()) }.ok().and_then(|symbol| *symbol)
}

fn needed<F: Copy>(library: &libloading::Library, name: &'static CStr, missing: &mut Vec<&'static str>) -> Option<F> {
    let function = find(library, name);
    if function.is_none() {
        missing.push(name.to_str().unwrap_or_default());
    }
    function
}

/// The value that a call left behind, unless it refused.
fn answer<T>(code: c_int, value: T) -> Result<T, i32> {
    if code == 0 { Ok(value) } else { Err(code) }
}

/// Text that a call wrote into a buffer, up to its end mark.
fn text(function: Text, device: i32) -> Result<String, i32> {
    const LENGTH: c_int = 256;
    let mut buffer = [0u8; LENGTH as usize];
    // SAFETY: the buffer has room for LENGTH characters, which the call is told.
    let code = unsafe { function(buffer.as_mut_ptr().cast(), LENGTH, device) };
    let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
    answer(code, String::from_utf8_lossy(&buffer[..end]).into_owned())
}

fn number(function: Number) -> Result<i32, i32> {
    let mut value = 0;
    // SAFETY: the call writes one int to the address of a local.
    let code = unsafe { function(&raw mut value) };
    answer(code, value)
}

impl Driver for Library {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    fn init(&self) -> i32 {
        let Some(function) = self.init else { return NOT_FOUND };
        // SAFETY: cuInit takes flags, which must be 0; it may be called at any time and more than once.
        unsafe { function(0) }
    }

    fn version(&self) -> Result<i32, i32> {
        number(self.version.ok_or(NOT_FOUND)?)
    }

    fn device_count(&self) -> Result<i32, i32> {
        number(self.device_count.ok_or(NOT_FOUND)?)
    }

    fn device(&self, ordinal: i32) -> Result<i32, i32> {
        let function = self.device.ok_or(NOT_FOUND)?;
        let mut device = 0;
        // SAFETY: the call writes one int to the address of a local.
        let code = unsafe { function(&raw mut device, ordinal) };
        answer(code, device)
    }

    fn name(&self, device: i32) -> Result<String, i32> {
        text(self.name.ok_or(NOT_FOUND)?, device)
    }

    fn uuid(&self, device: i32) -> Result<[u8; 16], i32> {
        let function = self.uuid.ok_or(NOT_FOUND)?;
        let mut bytes = [0; 16];
        // SAFETY: CUuuid is sixteen bytes, which the call writes to the address of a local.
        let code = unsafe { function(&raw mut bytes, device) };
        answer(code, bytes)
    }

    fn total_memory(&self, device: i32) -> Result<u64, i32> {
        let function = self.total_memory.ok_or(NOT_FOUND)?;
        let mut bytes = 0;
        // SAFETY: the call writes one size_t to the address of a local.
        let code = unsafe { function(&raw mut bytes, device) };
        answer(code, u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    fn attribute(&self, attribute: Attribute, device: i32) -> Result<i32, i32> {
        let function = self.attribute.ok_or(NOT_FOUND)?;
        let mut value = 0;
        // SAFETY: the call writes one int to the address of a local; the attribute's number is one of cuda.h.
        let code = unsafe { function(&raw mut value, attribute as c_int, device) };
        answer(code, value)
    }

    fn pci(&self, device: i32) -> Result<String, i32> {
        text(self.pci.ok_or(NOT_FOUND)?, device)
    }

    fn error_name(&self, code: i32) -> Option<String> {
        let function = self.error_name?;
        let mut name = std::ptr::null();
        // SAFETY: the call writes one pointer to the address of a local; it accepts any number.
        let refused = unsafe { function(code, &raw mut name) };
        if refused != 0 || name.is_null() {
            return None;
        }
        // SAFETY: a successful call leaves a text of the library, which lives as long as the library.
        let name = unsafe { CStr::from_ptr(name) };
        Some(name.to_string_lossy().into_owned())
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("loaded", &self.loaded).field("missing", &self.missing).finish_non_exhaustive()
    }
}
