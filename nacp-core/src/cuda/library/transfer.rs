//! What a copy of pageable memory needs, checked.

use std::sync::Arc;

use super::Library;
use super::functions::Address;
use super::registry::{Held, INVALID_VALUE, Progress, Raw};
use crate::cuda::{Memory, StreamHandle};

/// `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED`.
const CAPTURE_UNSUPPORTED: i32 = 900;

/// A piece of memory and a stream that a call waits with.
pub(super) struct Transfer {
    pub(super) address: Address,
    pub(super) stream: Raw,
    pub(super) progress: Arc<Progress>,
    _held: [Held; 2],
}

/// A number of bytes or an address as the driver takes it.
pub(super) fn size(number: u64) -> Result<usize, i32> {
    usize::try_from(number).map_err(|_| INVALID_VALUE)
}

/// Whether `length` bytes from `offset` on are within `bytes`.
pub(super) fn within(offset: u64, length: usize, bytes: u64) -> Result<(), i32> {
    let end = u64::try_from(length).ok().and_then(|length| offset.checked_add(length));
    if end.is_some_and(|end| end <= bytes) { Ok(()) } else { Err(INVALID_VALUE) }
}

impl Library {
    /// Checks a copy between the device and pageable memory of the host.
    pub(super) fn transfer(
        &self,
        memory: Memory,
        offset: u64,
        length: usize,
        stream: StreamHandle,
    ) -> Result<Transfer, i32> {
        let state = self.registry.read();
        let queue = state.stream(stream)?;
        let piece = state.memory(memory)?;
        within(offset, length, memory.bytes)?;
        state.may_use(queue, piece)?;
        if queue.records() {
            return Err(CAPTURE_UNSUPPORTED);
        }
        let address = size(memory.address.checked_add(offset).ok_or(INVALID_VALUE)?)?;
        let progress = Arc::clone(&queue.progress);
        Ok(Transfer { address, stream: queue.raw, progress, _held: [piece.used.hold(), queue.used.hold()] })
    }
}
