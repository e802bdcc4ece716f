//! Memory that belongs to the caller: what a call reads from it and leaves in it.

use std::ffi::{CStr, c_char, c_int};

use crate::code::{Answer, Code};

/// Leaves a value at the caller's address.
pub(crate) fn put<T>(address: *mut T, value: T) -> Answer {
    if address.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    // SAFETY: not null, and by the contract of the driver's API it points to a writable value of this type.
    unsafe { address.write(value) };
    Ok(())
}

/// The same where the caller may do without.
pub(crate) fn put_if_wanted<T>(address: *mut T, value: T) {
    if !address.is_null() {
        // SAFETY: as in `put`.
        unsafe { address.write(value) };
    }
}

/// Refuses null before anything is done.
pub(crate) fn wanted<T>(address: *const T) -> Answer {
    if address.is_null() { Err(Code::INVALID_VALUE) } else { Ok(()) }
}

/// Leaves text with its end mark in the caller's buffer. What does not fit is cut off, or refused where `whole`.
pub(crate) fn put_text(buffer: *mut c_char, length: c_int, text: &str, whole: bool) -> Answer {
    let room = usize::try_from(length).ok().filter(|length| *length > 0).ok_or(Code::INVALID_VALUE)?;
    if buffer.is_null() || (whole && text.len() >= room) {
        return Err(Code::INVALID_VALUE);
    }
    write_text(buffer, room, text);
    Ok(())
}

/// Leaves as much of a text as fits, and its end mark; answers how many bytes that is. `room` is not 0.
pub(crate) fn write_text(buffer: *mut c_char, room: usize, text: &str) -> usize {
    let bytes = &text.as_bytes()[..text.len().min(room - 1)];
    for (offset, byte) in bytes.iter().chain(&[0]).enumerate() {
        // SAFETY: at most `room` characters, which the caller says are there.
        let place = unsafe { buffer.add(offset) };
        // SAFETY: as above.
        unsafe { place.write(byte.cast_signed() as c_char) };
    }
    bytes.len() + 1
}

/// The caller's text.
pub(crate) fn text<'a>(address: *const c_char) -> Answer<&'a str> {
    wanted(address)?;
    // SAFETY: not null, and by the contract of the driver's API a text with its end mark; it is read only while the
    // call lasts.
    let text = unsafe { CStr::from_ptr(address) };
    text.to_str().map_err(|_| Code::INVALID_VALUE)
}

/// The value at this place of the caller's array.
pub(crate) fn item<T: Copy>(array: *const T, place: usize) -> Answer<T> {
    wanted(array)?;
    // SAFETY: the caller says how long the array is, or the kernel does, and `place` lies within.
    let address = unsafe { array.add(place) };
    // SAFETY: as above.
    Ok(unsafe { address.read_unaligned() })
}

/// Ends the process as a wrong address would.
pub(crate) fn crash() -> ! {
    loop {
        // SAFETY: raises a signal in this thread; no memory is involved.
        unsafe { libc::raise(libc::SIGSEGV) };
    }
}
