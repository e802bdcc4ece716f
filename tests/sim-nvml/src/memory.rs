//! The only unsafe part: memory that belongs to the caller, and the codes that a call answers with.

use std::ffi::{CStr, c_char};

/// A return code of the library (`nvmlReturn_t`) other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) i32);

impl Code {
    pub(crate) const UNINITIALIZED: Self = Self(1);
    pub(crate) const INVALID_ARGUMENT: Self = Self(2);
    pub(crate) const NOT_SUPPORTED: Self = Self(3);
    pub(crate) const NOT_FOUND: Self = Self(6);
    pub(crate) const INSUFFICIENT_SIZE: Self = Self(7);
    pub(crate) const ARGUMENT_VERSION_MISMATCH: Self = Self(25);
    pub(crate) const UNKNOWN: Self = Self(999);
}

/// What a call answers.
pub(crate) type Answer<T = ()> = Result<T, Code>;

/// A pointer that the caller passed for the answer; null is refused.
///
/// Only a caller from C makes one, and nvml.h asks of that caller that it is null or points at writable memory of the
/// type (or of as many of them as the call's length or count says). All unsafe blocks below stand on that promise.
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

impl<T: Copy> Out<T> {
    #[cfg(test)]
    pub(crate) fn to(place: &mut T) -> Self {
        Self(place)
    }

    #[cfg(test)]
    pub(crate) fn null() -> Self {
        Self(std::ptr::null_mut())
    }

    pub(crate) fn check(&self) -> Answer {
        if self.0.is_null() { Err(Code::INVALID_ARGUMENT) } else { Ok(()) }
    }

    pub(crate) fn get(&self) -> Answer<T> {
        self.check()?;
        // SAFETY: not null, so by the caller's promise it points at a value of this type, which is plain data.
        Ok(unsafe { self.0.read_unaligned() })
    }

    pub(crate) fn set(&self, value: T) -> Answer {
        self.check()?;
        // SAFETY: not null, so by the caller's promise it points at writable memory of this type.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }

    /// Writes all the values; the caller of this function has compared their number with the room that there is.
    fn fill(&self, values: &[T]) -> Answer {
        self.check()?;
        // SAFETY: not null, and `list` and `text` have checked that the room which the caller promises is enough;
        // the values are this library's own memory, so the two do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), self.0.cast(), size_of_val(values)) };
        Ok(())
    }

    /// Answers a list in two calls: too little room answers how much is needed. `count` holds the room, then the
    /// number of values.
    pub(crate) fn list(&self, count: &Out<u32>, values: &[T]) -> Answer {
        let room = count.get()?;
        let needed = u32::try_from(values.len()).map_err(|_| Code::UNKNOWN)?;
        count.set(needed)?;
        match needed {
            0 => Ok(()),
            _ if room < needed => Err(Code::INSUFFICIENT_SIZE),
            _ => self.fill(values),
        }
    }
}

impl Out<c_char> {
    /// Writes a text with its closing zero.
    pub(crate) fn text(&self, length: u32, text: &str) -> Answer {
        self.check()?;
        let bytes: Vec<c_char> = text.bytes().chain([0]).map(|byte| byte as c_char).collect();
        if usize::try_from(length).is_ok_and(|room| bytes.len() <= room) {
            self.fill(&bytes)
        } else {
            Err(Code::INSUFFICIENT_SIZE)
        }
    }
}

/// A text that the caller passed; null is refused.
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

impl Text {
    #[cfg(test)]
    pub(crate) fn from(text: &'static CStr) -> Self {
        Self(text.as_ptr())
    }

    pub(crate) fn get(&self) -> Answer<String> {
        if self.0.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: not null, so by the promise that nvml.h asks of the caller it points at a text with a closing zero.
        let text = unsafe { CStr::from_ptr(self.0) };
        text.to_str().map(str::to_owned).map_err(|_| Code::INVALID_ARGUMENT)
    }
}

/// The text of a fixed-size field, cut where it does not fit, always with a closing zero.
pub(crate) fn field<const N: usize>(text: &str) -> [c_char; N] {
    let mut field = [0; N];
    for (place, byte) in field.iter_mut().take(N - 1).zip(text.bytes()) {
        *place = byte as c_char;
    }
    field
}

/// The version number of a structure: its size and its generation (`NVML_STRUCT_VERSION`).
pub(crate) const fn version<T>(generation: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the structures of nvml.h have less than 16 MiB")]
    let size = size_of::<T>() as u32;
    size | generation << 24
}
