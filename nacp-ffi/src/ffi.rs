//! Pointers that come from C: every dereference of one is here, in `error.rs`, or in `string.rs`.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use nacp_core::{Error, ErrorKind, Result};

use crate::error::{ErrorSlot, nacp_error};
use crate::panic;
use crate::status::nacp_status;

/// A struct that begins with its size as the caller knows it, so that it can grow.
///
/// # Safety
/// The struct is `repr(C)`, its first field is a `u32` that holds the size, and all bytes zero is a value of it.
pub(crate) unsafe trait Versioned: Copy {
    /// The size of its first version in bytes: what every caller has at least.
    const FIRST: usize;
}

/// A struct of zeros, to be filled in.
pub(crate) fn zero<T: Versioned>() -> T {
    // SAFETY: all bytes zero is a value of every such struct.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// The size that a caller's struct says that it has.
///
/// # Safety
/// The pointer points to a struct that begins with its size.
pub(crate) unsafe fn size_of_caller<T: Versioned>(pointer: *const T) -> usize {
    // SAFETY: the first field is a `u32`, and the caller promises that it is there.
    let size = unsafe { pointer.cast::<u32>().read() };
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// One call from C: what it is named, and where its error goes.
pub(crate) struct Entry {
    operation: &'static str,
    error: *mut nacp_error,
}

impl Entry {
    /// # Safety
    /// Every pointer that the body of the call hands to its [`Call`] is NULL or valid as the header asks: texts end
    /// with a NUL, handles were made by this library and not freed, structs have the size that they begin with, and
    /// what is written to is used by nobody else meanwhile.
    pub(crate) unsafe fn new(operation: &'static str, error: *mut nacp_error) -> Self {
        Self { operation, error }
    }

    /// A parameter that receives a result. It holds `empty` from here on: what fails later leaves nothing in it that a
    /// caller could take for a result.
    pub(crate) fn out<T>(&self, pointer: *mut T, parameter: &'static str, empty: T) -> Out<T> {
        if let Some(place) = NonNull::new(pointer) {
            Place(place).set(empty);
        }
        Out { pointer, parameter }
    }

    /// A parameter that receives a handle: NULL from here on.
    pub(crate) fn out_handle<T>(&self, pointer: *mut *mut T, parameter: &'static str) -> Out<*mut T> {
        self.out(pointer, parameter, ptr::null_mut())
    }

    /// A parameter that receives a struct: zeros from here on, unless it is too small to be one.
    pub(crate) fn out_struct<T: Versioned>(&self, pointer: *mut T, parameter: &'static str) -> Out<T> {
        let out = Out { pointer, parameter };
        if let Ok(size) = (Call { operation: self.operation }).size(pointer, parameter) {
            StructPlace { pointer, size }.fill(&zero());
        }
        out
    }

    /// Runs the body of an exported function.
    pub(crate) fn run(self, body: impl FnOnce(&Call) -> Result<()>) -> nacp_status {
        // SAFETY: `new`'s caller promised that the pointer is NULL or valid.
        let Some(slot) = (unsafe { ErrorSlot::open(self.error) }) else {
            return nacp_status::NACP_E_INVALID_ARGUMENT;
        };
        let call = Call { operation: self.operation };
        slot.settle(panic::catch(self.operation, || body(&call)))
    }
}

/// Reads and checks the parameters of one call. That its pointers are valid was promised to [`Entry::new`].
pub(crate) struct Call {
    pub(crate) operation: &'static str,
}

impl Call {
    /// An error about a parameter.
    pub(crate) fn invalid(&self, message: &str, parameter: &str) -> Error {
        Error::new(ErrorKind::InvalidArgument, self.operation, message).with("parameter", parameter)
    }

    fn null(&self, parameter: &str) -> Error {
        self.invalid("a parameter is NULL", parameter)
    }

    /// What a pointer to a handle points to.
    pub(crate) fn shared<T>(&self, pointer: *const T, parameter: &str) -> Result<&T> {
        // SAFETY: the pointer is NULL or points to a handle that lives as long as the call.
        unsafe { pointer.as_ref() }.ok_or_else(|| self.null(parameter))
    }

    /// What a pointer to a handle points to, for this call alone.
    #[expect(clippy::mut_from_ref, reason = "it comes from the pointer, which C promises to be exclusive")]
    pub(crate) fn exclusive<T>(&self, pointer: *mut T, parameter: &str) -> Result<&mut T> {
        // SAFETY: the pointer is NULL or points to a handle that no other call uses.
        unsafe { pointer.as_mut() }.ok_or_else(|| self.null(parameter))
    }

    /// A text that has to be there.
    pub(crate) fn text(&self, pointer: *const c_char, parameter: &str) -> Result<&str> {
        self.optional_text(pointer, parameter)?.ok_or_else(|| self.null(parameter))
    }

    /// A text that may be NULL.
    pub(crate) fn optional_text(&self, pointer: *const c_char, parameter: &str) -> Result<Option<&str>> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: the pointer is not NULL, and the text ends with a NUL and does not change during the call.
        let text = unsafe { CStr::from_ptr(pointer) };
        let text = text.to_str().map_err(|error| {
            self.invalid("a parameter is not UTF-8", parameter).with("byte", error.valid_up_to()).caused_by(error)
        })?;
        Ok(Some(text))
    }

    /// A place for a result that has to be there.
    pub(crate) fn out<T>(&self, out: Out<T>) -> Result<Place<T>> {
        let parameter = out.parameter;
        self.optional_out(out).ok_or_else(|| self.null(parameter))
    }

    /// A caller's array that receives results; NULL where the caller does not want it.
    pub(crate) fn out_array<T: Copy>(&self, pointer: *mut T, capacity: usize) -> Option<ArrayPlace<T>> {
        NonNull::new(pointer).map(|first| ArrayPlace { first, capacity })
    }

    /// A place for a result that the caller may not want.
    pub(crate) fn optional_out<T>(&self, Out { pointer, .. }: Out<T>) -> Option<Place<T>> {
        NonNull::new(pointer).map(Place)
    }

    /// A copy of a caller's struct; what the caller does not know of it is zero.
    pub(crate) fn read<T: Versioned>(&self, pointer: *const T, parameter: &str) -> Result<T> {
        let size = self.size(pointer, parameter)?;
        let mut value = zero::<T>();
        let to = (&raw mut value).cast::<u8>();
        // SAFETY: the caller's struct has `size` bytes, ours at least the lesser of both, and they are apart.
        unsafe { ptr::copy_nonoverlapping(pointer.cast::<u8>(), to, size.min(size_of::<T>())) };
        Ok(value)
    }

    /// A place for a struct of the caller's.
    pub(crate) fn out_struct<T: Versioned>(&self, Out { pointer, parameter }: Out<T>) -> Result<StructPlace<T>> {
        Ok(StructPlace { size: self.size(pointer, parameter)?, pointer })
    }

    fn size<T: Versioned>(&self, pointer: *const T, parameter: &str) -> Result<usize> {
        if pointer.is_null() {
            return Err(self.null(parameter));
        }
        // SAFETY: the pointer is not NULL and points to a struct that begins with its size.
        let size = unsafe { size_of_caller(pointer) };
        if size >= T::FIRST {
            return Ok(size);
        }
        Err(self
            .invalid("a parameter's struct_size is too small", parameter)
            .with("struct_size", size)
            .with("least", T::FIRST)
            .hint("initialise the struct with its NACP_*_INIT macro"))
    }
}

/// A parameter that receives a result, emptied already.
pub(crate) struct Out<T> {
    pointer: *mut T,
    parameter: &'static str,
}

/// A place for a result.
pub(crate) struct Place<T>(NonNull<T>);

impl<T> Place<T> {
    pub(crate) fn set(self, value: T) {
        // SAFETY: the pointer is not NULL, and points to a place that is the call's alone.
        unsafe { self.0.write(value) };
    }
}

impl<T> Place<*mut T> {
    /// Gives a handle to the caller, who frees it.
    pub(crate) fn give(self, handle: T) {
        self.set(Box::into_raw(Box::new(handle)));
    }
}

/// A caller's array.
pub(crate) struct ArrayPlace<T> {
    first: NonNull<T>,
    capacity: usize,
}

impl<T: Copy> ArrayPlace<T> {
    /// Writes the values from the front, as many as there is room for.
    pub(crate) fn fill(&self, values: &[T]) {
        let count = values.len().min(self.capacity);
        // SAFETY: the caller's array holds `capacity` values, is the call's alone, and is not our memory.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), self.first.as_ptr(), count) };
    }
}

/// A place for a struct of the caller's, which may be older or newer than ours.
pub(crate) struct StructPlace<T> {
    pointer: *mut T,
    size: usize,
}

impl<T: Versioned> StructPlace<T> {
    /// Fills as much of the caller's struct as both know; its `struct_size` stays.
    pub(crate) fn fill(self, value: &T) {
        let known = self.size.min(size_of::<T>());
        let skip = size_of::<u32>();
        let from = ptr::from_ref(value).cast::<u8>().wrapping_add(skip);
        let to = self.pointer.cast::<u8>().wrapping_add(skip);
        // SAFETY: both structs have at least `known` bytes, and ours is not the caller's.
        unsafe { ptr::copy_nonoverlapping(from, to, known - skip) };
    }
}

/// Answers from a handle for a function that cannot fail; `absent` for NULL, and should it panic.
pub(crate) fn answer<T, R>(handle: Option<&T>, absent: R, body: impl FnOnce(&T) -> R) -> R {
    let mut result = absent;
    panic::quiet(|| {
        if let Some(handle) = handle {
            result = body(handle);
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Grown {
        struct_size: u32,
        first: u32,
        second: u32,
    }

    // SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
    unsafe impl Versioned for Grown {
        const FIRST: usize = 8;
    }

    const CALL: Call = Call { operation: "nacp_test" };

    #[test]
    fn an_older_callers_struct_is_read_and_written_only_as_far_as_it_reaches() {
        let mut old = Grown { struct_size: 8, first: 3, second: 99 };
        assert_eq!(CALL.read(&raw const old, "old").unwrap(), Grown { struct_size: 8, first: 3, second: 0 });
        CALL.out_struct(Out { pointer: &raw mut old, parameter: "old" }).unwrap().fill(&Grown {
            struct_size: 0,
            first: 5,
            second: 6,
        });
        assert_eq!(old, Grown { struct_size: 8, first: 5, second: 99 });
    }

    #[test]
    fn a_newer_callers_struct_is_filled_as_far_as_the_library_knows() {
        let mut new = (Grown { struct_size: 16, first: 1, second: 2 }, 77_u32);
        CALL.out_struct(Out { pointer: &raw mut new.0, parameter: "new" }).unwrap().fill(&Grown {
            struct_size: 0,
            first: 5,
            second: 6,
        });
        assert_eq!(new, (Grown { struct_size: 16, first: 5, second: 6 }, 77));
    }

    #[test]
    fn a_struct_without_its_size_is_refused() {
        let forgotten = Grown { struct_size: 0, first: 1, second: 2 };
        let error = CALL.read(&raw const forgotten, "options").unwrap_err();
        assert_eq!(
            error.to_string(),
            "a parameter's struct_size is too small: parameter=options struct_size=0 least=8; initialise the struct with its NACP_*_INIT macro"
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let error = CALL.text(c"ab\xff".as_ptr(), "model").unwrap_err();
        assert_eq!(error.to_string(), "a parameter is not UTF-8: parameter=model byte=2");
        assert_eq!(CALL.text(ptr::null(), "model").unwrap_err().to_string(), "a parameter is NULL: parameter=model");
    }

    #[test]
    fn a_panic_in_a_call_is_a_status() {
        // SAFETY: there is no pointer but the error, which is NULL.
        let entry = unsafe { Entry::new("nacp_test", ptr::null_mut()) };
        assert_eq!(entry.run(|_| panic!("on purpose")), nacp_status::NACP_E_INTERNAL);
    }
}
