//! Pinned memory of the host: who made it, who copies it, and that the host and the device never touch it at once.
#![expect(unsafe_code, reason = "calls foreign functions, and touches memory that they handed out")]

use std::ffi::c_void;

use super::Library;
use super::ask::NOT_FOUND;
use super::codes::untouched;
use super::current::done;
use super::registry::{Copying, Held, INVALID_VALUE, Raw, Use};
use super::transfer::{size, within};
use crate::cuda::{Memory, Pinned, StreamHandle};

/// A copy between pinned memory and the device, ready to be queued.
struct Copy {
    length: usize,
    device: usize,
    host: usize,
    stream: Raw,
    _held: [Held; 3],
    _copying: Option<Copying>,
}

impl Library {
    pub(super) fn pin(&self, bytes: u64) -> Result<Pinned, i32> {
        let function = self.functions.allocate_pinned.ok_or(NOT_FOUND)?;
        let current = self.current()?;
        let length = size(bytes)?;
        let mut start: *mut c_void = std::ptr::null_mut();
        // SAFETY: the call writes one pointer to a local; 0 asks for plain pinned memory.
        done(unsafe { function(&raw mut start, length, 0) })?;
        if start.is_null() {
            return Err(INVALID_VALUE);
        }
        // SAFETY: a successful call leaves the start of `length` bytes that nobody else knows yet.
        unsafe { start.cast::<u8>().write_bytes(0, length) };
        let address = u64::try_from(start.expose_provenance()).map_err(|_| INVALID_VALUE)?;
        Ok(self.registry.write().add_pinned(address, bytes, current.serial))
    }

    /// Gives it back when the device has done its copies.
    pub(super) fn unpin(&self, pinned: Pinned) -> Result<(), i32> {
        let function = self.functions.free_pinned.ok_or(NOT_FOUND)?;
        let address = size(pinned.address)?;
        self.registry.read().pinned(pinned)?;
        let _current = self.current()?;
        let (taken, context, _held) = {
            let mut state = self.registry.write();
            let context = state.context_of(state.pinned(pinned)?)?;
            let (context, held) = (context.raw, context.used.hold());
            (state.take_pinned(pinned)?, context, held)
        };
        if taken.object.touched.waits()
            && let Err(code) = self.drain(context)
        {
            self.registry.write().keep_pinned(taken);
            return Err(code);
        }
        // SAFETY: the registry had this whole allocation and has taken it out; the device has done all copies of it.
        let code = unsafe { function(std::ptr::with_exposed_provenance_mut(address)) };
        if untouched(code) {
            self.registry.write().keep_pinned(taken);
        }
        done(code)
    }

    pub(super) fn write_on_host(&self, pinned: Pinned, offset: u64, data: &[u8]) -> Result<(), i32> {
        self.on_host(pinned, offset, data.len(), |start| {
            // SAFETY: these bytes are held, and neither another thread nor the device touches them; no reference to them
            // is ever made.
            unsafe { start.copy_from_nonoverlapping(data.as_ptr(), data.len()) }
        })
    }

    pub(super) fn read_on_host(&self, pinned: Pinned, offset: u64, data: &mut [u8]) -> Result<(), i32> {
        self.on_host(pinned, offset, data.len(), |start| {
            // SAFETY: as for writing.
            unsafe { start.copy_to_nonoverlapping(data.as_mut_ptr(), data.len()) }
        })
    }

    /// Does something with bytes that stay where they are and that nobody else touches meanwhile.
    fn on_host(&self, pinned: Pinned, offset: u64, length: usize, work: impl FnOnce(*mut u8)) -> Result<(), i32> {
        let _alone = self.registry.host();
        let (_held, _turn) = {
            let state = self.registry.read();
            let piece = state.pinned(pinned)?;
            within(offset, length, pinned.bytes)?;
            (piece.used.hold(), piece.touched.begin_on_host()?)
        };
        let start = pinned.address.checked_add(offset).ok_or(INVALID_VALUE)?;
        work(std::ptr::with_exposed_provenance_mut(size(start)?));
        Ok(())
    }

    fn ready_to_copy(&self, memory: Memory, pinned: Pinned, bytes: u64, stream: StreamHandle) -> Result<Copy, i32> {
        let state = self.registry.read();
        let (queue, piece, host) = (state.stream(stream)?, state.memory(memory)?, state.pinned(pinned)?);
        let length = size(bytes)?;
        within(0, length, memory.bytes.min(pinned.bytes))?;
        state.may_use(queue, piece)?;
        state.may_copy(queue, host)?;
        let (device, address) = (size(memory.address)?, size(pinned.address)?);
        state.touches(queue, piece);
        let copying = state.copies(queue, host, pinned)?;
        let held = [&queue.used, &piece.used, &host.used].map(Use::hold);
        Ok(Copy { length, device, host: address, stream: queue.raw, _held: held, _copying: copying })
    }

    pub(super) fn queue_upload(&self, to: Memory, from: Pinned, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.upload.ok_or(NOT_FOUND)?;
        let copy = self.ready_to_copy(to, from, bytes, stream)?;
        let start: *const c_void = std::ptr::with_exposed_provenance(copy.host);
        // SAFETY: stream and both pieces are held and long enough; the host does not touch its piece, and neither is
        // given back, before the device has done its copies.
        done(unsafe { function(copy.device, start, copy.length, copy.stream) })
    }

    pub(super) fn queue_download(&self, to: Pinned, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.download.ok_or(NOT_FOUND)?;
        let copy = self.ready_to_copy(from, to, bytes, stream)?;
        let start: *mut c_void = std::ptr::with_exposed_provenance_mut(copy.host);
        // SAFETY: as for uploading.
        done(unsafe { function(start, copy.device, copy.length, copy.stream) })
    }
}
