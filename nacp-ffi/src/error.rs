//! The error on the caller's stack.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::{Error, Retry};

use crate::ffi::{Versioned, size_of_caller};
use crate::status::nacp_status;
use crate::text;

/// What went wrong. It lives with the caller, usually on the stack, and needs no freeing. Every function takes NULL in
/// its place. A call that succeeds empties it.
///
/// ```c
/// nacp_error error = NACP_ERROR_INIT;
/// if (nacp_discover(ctx, &node, &error) != NACP_OK) fprintf(stderr, "%s\n", error.message);
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_error {
    /// sizeof(nacp_error); NACP_ERROR_INIT sets it.
    pub struct_size: u32,
    /// The status that the call returned.
    pub status: i32,
    /// 1 when the same call may succeed later, else 0.
    pub retryable: u32,
    /// What failed, dotted, such as "engine.create", or the name of the function that refused a parameter.
    pub operation: [c_char; 64],
    /// What failed, with which values, and how to mend it: UTF-8, cut off between two characters when it is too long.
    pub message: [c_char; 1024],
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_error {
    const FIRST: usize = offset_of!(Self, message) + 1024;
}

/// Where the error of one call goes.
pub(crate) struct ErrorSlot(*mut nacp_error);

impl ErrorSlot {
    /// Nothing when the caller's struct is too small to hold an error.
    ///
    /// # Safety
    /// The pointer is NULL or points to a struct of the size that it begins with, which nobody else uses meanwhile.
    pub(crate) unsafe fn open(error: *mut nacp_error) -> Option<Self> {
        if error.is_null() {
            return Some(Self(error));
        }
        // SAFETY: the pointer is not NULL and points to a struct that begins with its size.
        let size = unsafe { size_of_caller(error) };
        (size >= nacp_error::FIRST).then_some(Self(error))
    }

    /// Records what a call answered.
    pub(crate) fn settle(self, outcome: Result<(), Error>) -> nacp_status {
        // SAFETY: `open` saw that the struct is large enough, and its caller promised that it is ours for this call.
        let slot = unsafe { self.0.as_mut() };
        let status = outcome.as_ref().map_or_else(|error| error.kind().into(), |()| nacp_status::NACP_OK);
        if let Some(slot) = slot {
            slot.status = status as i32;
            let error = outcome.err();
            slot.retryable = u32::from(error.as_ref().is_some_and(|error| error.retry() == Retry::Later));
            text::copy(error.as_ref().map_or("", Error::operation), &mut slot.operation);
            text::copy(&error.map(|error| error.to_string()).unwrap_or_default(), &mut slot.message);
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use nacp_core::ErrorKind;

    use super::*;

    fn empty(size: usize) -> nacp_error {
        nacp_error {
            struct_size: size.try_into().unwrap(),
            status: -1,
            retryable: 7,
            operation: [0x55; 64],
            message: [0x55; 1024],
        }
    }

    fn text(field: &[c_char]) -> &str {
        // SAFETY: `settle` closed the field with a NUL.
        unsafe { CStr::from_ptr(field.as_ptr()) }.to_str().unwrap()
    }

    #[test]
    fn an_error_is_recorded_and_a_success_empties_it() {
        let mut slot = empty(size_of::<nacp_error>());
        let long = "ä".repeat(2000);
        for (message, seen) in [("no such thing", "no such thing"), (&long, &"ä".repeat(511))] {
            let error = Error::new(ErrorKind::Timeout, "engine.start", message).retry_later();
            // SAFETY: the pointer points to the struct above.
            let open = unsafe { ErrorSlot::open(&raw mut slot) }.unwrap();
            assert_eq!(open.settle(Err(error)), nacp_status::NACP_E_TIMEOUT);
            assert_eq!((slot.status, slot.retryable), (10, 1));
            assert_eq!((text(&slot.operation), text(&slot.message)), ("engine.start", seen));
        }
        // SAFETY: the pointer points to the struct above.
        let open = unsafe { ErrorSlot::open(&raw mut slot) }.unwrap();
        assert_eq!(open.settle(Ok(())), nacp_status::NACP_OK);
        assert_eq!((slot.status, slot.retryable, text(&slot.operation), text(&slot.message)), (0, 0, "", ""));
    }

    #[test]
    fn a_struct_that_is_too_small_is_not_written() {
        for size in [0, 4, size_of::<nacp_error>() - 1] {
            let mut slot = empty(size);
            // SAFETY: the pointer points to the struct above.
            assert!(unsafe { ErrorSlot::open(&raw mut slot) }.is_none());
            assert_eq!((slot.status, slot.retryable), (-1, 7));
        }
    }
}
