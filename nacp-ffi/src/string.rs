//! Text that the caller owns.

use std::ffi::c_char;

use nacp_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::panic;
use crate::text;

/// Text that the caller owns: UTF-8 with a closing NUL, freed by nacp_string_free.
#[repr(C)]
#[derive(Debug)]
pub struct nacp_string {
    /// The text; NULL when there is none.
    pub data: *mut c_char,
    /// Its length in bytes, without the closing NUL.
    pub len: usize,
}

impl nacp_string {
    pub(crate) const NONE: Self = Self { data: std::ptr::null_mut(), len: 0 };
}

impl From<String> for nacp_string {
    fn from(text: String) -> Self {
        let text = text::owned(text);
        let len = text.as_bytes().len();
        let bytes: Box<[u8]> = text.into_bytes_with_nul().into_boxed_slice();
        Self { data: Box::into_raw(bytes).cast(), len }
    }
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<nacp_string> {
    let text = serde_json::to_string(value).map_err(|cause| {
        Error::new(ErrorKind::Internal, "json", "the answer cannot be written as JSON").caused_by(cause)
    })?;
    Ok(text.into())
}

/// Frees a text and empties it. A NULL and an empty text are no error, nor is freeing twice.
///
/// @param string the text, whose fields are as the library set them
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_string_free(string: *mut nacp_string) {
    panic::quiet(|| {
        // SAFETY: the caller passes NULL or a valid pointer to a text that no other thread uses.
        let Some(string) = (unsafe { string.as_mut() }) else { return };
        let nacp_string { data, len } = std::mem::replace(string, nacp_string::NONE);
        if !data.is_null() {
            let bytes = std::ptr::slice_from_raw_parts_mut(data.cast::<u8>(), len + 1);
            // SAFETY: the library made `data` from a boxed slice of `len + 1` bytes, and it was not freed before.
            drop(unsafe { Box::from_raw(bytes) });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freeing_nothing_and_freeing_twice_do_nothing() {
        let mut string = nacp_string::from("text".to_owned());
        assert_eq!(string.len, 4);
        let again: *mut nacp_string = &raw mut string;
        for pointer in [again, again, std::ptr::null_mut()] {
            // SAFETY: the pointer is NULL or points to the text above, which is empty the second time.
            unsafe { nacp_string_free(pointer) };
        }
        assert!(string.data.is_null());
    }
}
