//! Questions to the driver: what needs no context.
#![expect(unsafe_code, reason = "calls foreign functions")]

use std::ffi::{CStr, c_char, c_int};

use super::{Library, Loaded};
use crate::cuda::{Attribute, Driver};

/// `CUDA_ERROR_NOT_FOUND`: what a function that is not there answers.
pub(super) const NOT_FOUND: i32 = 500;

type Number = unsafe extern "system" fn(*mut c_int) -> c_int;
type Text = unsafe extern "system" fn(*mut c_char, c_int, c_int) -> c_int;
type Sentence = unsafe extern "system" fn(c_int, *mut *const c_char) -> c_int;

/// The value that a call left behind, unless it refused.
pub(super) fn answer<T>(code: c_int, value: T) -> Result<T, i32> {
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

/// Text of the library about a number, if it has one.
pub(super) fn sentence(function: Sentence, code: i32) -> Option<String> {
    let mut text = std::ptr::null();
    // SAFETY: the call writes one pointer to the address of a local; it accepts any number.
    let refused = unsafe { function(code, &raw mut text) };
    if refused != 0 || text.is_null() {
        return None;
    }
    // SAFETY: a successful call leaves a text of the library, which lives as long as the library.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

impl Driver for Library {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    fn init(&self) -> i32 {
        let Some(function) = self.functions.init else { return NOT_FOUND };
        // SAFETY: cuInit takes flags, which must be 0; it may be called at any time and more than once.
        unsafe { function(0) }
    }

    fn version(&self) -> Result<i32, i32> {
        number(self.functions.version.ok_or(NOT_FOUND)?)
    }

    fn device_count(&self) -> Result<i32, i32> {
        number(self.functions.device_count.ok_or(NOT_FOUND)?)
    }

    fn device(&self, ordinal: i32) -> Result<i32, i32> {
        let function = self.functions.device.ok_or(NOT_FOUND)?;
        let mut device = 0;
        // SAFETY: the call writes one int to the address of a local.
        let code = unsafe { function(&raw mut device, ordinal) };
        answer(code, device)
    }

    fn name(&self, device: i32) -> Result<String, i32> {
        text(self.functions.name.ok_or(NOT_FOUND)?, device)
    }

    fn uuid(&self, device: i32) -> Result<[u8; 16], i32> {
        let function = self.functions.uuid.ok_or(NOT_FOUND)?;
        let mut bytes = [0; 16];
        // SAFETY: CUuuid is sixteen bytes, which the call writes to the address of a local.
        let code = unsafe { function(&raw mut bytes, device) };
        answer(code, bytes)
    }

    fn total_memory(&self, device: i32) -> Result<u64, i32> {
        let function = self.functions.total_memory.ok_or(NOT_FOUND)?;
        let mut bytes = 0;
        // SAFETY: the call writes one size_t to the address of a local.
        let code = unsafe { function(&raw mut bytes, device) };
        answer(code, u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    fn attribute(&self, attribute: Attribute, device: i32) -> Result<i32, i32> {
        let function = self.functions.attribute.ok_or(NOT_FOUND)?;
        let mut value = 0;
        // SAFETY: the call writes one int to the address of a local; the attribute's number is one of cuda.h.
        let code = unsafe { function(&raw mut value, attribute as c_int, device) };
        answer(code, value)
    }

    fn pci(&self, device: i32) -> Result<String, i32> {
        text(self.functions.pci.ok_or(NOT_FOUND)?, device)
    }

    fn error_name(&self, code: i32) -> Option<String> {
        sentence(self.functions.error_name?, code)
    }
}
