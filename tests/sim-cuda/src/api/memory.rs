//! Memory of devices and pinned memory of the host, and copies between them.

use std::ffi::{c_uchar, c_uint};
use std::sync::Arc;

use crate::call::{calls, hang};
use crate::caller::{put, put_if_wanted, wanted};
use crate::code::{Answer, Code};
use crate::machine::{Block, Handle, Machine, Side, Work};

/// The default stream, on which a call waits until its work is done.
const DEFAULT: Handle = 0;
/// Every flag of `cuMemHostAlloc`: portable, mapped, write-combined. None makes a difference here.
const HOST_FLAGS: c_uint = 7;

fn copy(machine: &Machine, to: Side, from: Side, bytes: usize, queue: Option<Handle>) -> Answer {
    let work = Work::Copy { to, from, bytes: bytes as u64 };
    machine.submit(queue.unwrap_or(DEFAULT), queue.is_none(), |_, _| Ok(vec![work]))
}

fn fill(machine: &Machine, to: u64, pattern: &[u8], count: usize, queue: Option<Handle>) -> Answer {
    let work = Work::Fill { to, pattern: pattern.to_vec(), count: count as u64 };
    machine.submit(queue.unwrap_or(DEFAULT), queue.is_none(), |_, _| Ok(vec![work]))
}

fn allocate_pinned(machine: &Machine, place: *mut usize, bytes: usize) -> Answer {
    wanted(place)?;
    let mut state = machine.state();
    let context = state.usable()?;
    state.forbidden_in_captures()?;
    if bytes == 0 {
        return Err(Code::INVALID_VALUE);
    }
    let bytes = bytes as u64;
    let most = machine.config.pinned.unwrap_or(u64::MAX);
    let pinned = state.pinned.checked_add(bytes).filter(|pinned| *pinned <= most).ok_or(Code::OUT_OF_MEMORY)?;
    let block = Block::pinned(bytes, context)?;
    let address = block.address;
    state.pinned = pinned;
    state.blocks.insert(address, Arc::new(block));
    put(place, usize::try_from(address).map_err(|_| Code::UNKNOWN)?)
}

/// Gives memory back that begins at an address. Null is none, as for `free`.
fn give_back(machine: &Machine, address: u64, pinned: bool) -> Answer {
    let mut state = machine.state();
    let context = state.usable()?;
    if address == 0 && !pinned {
        return Ok(());
    }
    state.forbidden_in_captures()?;
    if state.blocks.get(&address).is_none_or(|block| block.pinned != pinned) {
        return Err(Code::INVALID_VALUE);
    }
    if state.any_stuck(context) {
        drop(state);
        hang();
    }
    state.release(address)
}

calls! {
    /// Free and total memory of the current context's device.
    cuMemGetInfo_v2(free: *mut usize, total: *mut usize) [Current] |machine| {
        let state = machine.state();
        let device = state.context(state.usable()?)?.device;
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| Code::UNKNOWN);
        put_if_wanted(free, size(state.places[device].pool.left())?);
        put_if_wanted(total, size(machine.devices[device].total)?);
        Ok(())
    };

    /// Memory of the current context's device.
    cuMemAlloc_v2(place: *mut u64, bytes: usize) [Current] |machine| {
        wanted(place)?;
        let mut state = machine.state();
        let context = state.usable()?;
        state.forbidden_in_captures()?;
        if bytes == 0 {
            return Err(Code::INVALID_VALUE);
        }
        let device = state.context(context)?.device;
        let block = state.places[device].pool.allocate(bytes as u64, context)?;
        let address = block.address;
        state.blocks.insert(address, block);
        put(place, address)
    };

    /// Gives it back.
    cuMemFree_v2(address: u64) [Current] |machine| give_back(machine, address, false);

    /// Memory of the host that the device copies by itself.
    cuMemHostAlloc(place: *mut usize, bytes: usize, flags: c_uint) [Current] |machine| {
        if flags & !HOST_FLAGS != 0 {
            return Err(Code::INVALID_VALUE);
        }
        allocate_pinned(machine, place, bytes)
    };

    /// The same without flags.
    cuMemAllocHost_v2(place: *mut usize, bytes: usize) [Current] |machine| allocate_pinned(machine, place, bytes);

    /// Gives it back.
    cuMemFreeHost(address: usize) [Current] |machine| give_back(machine, address as u64, true);

    /// Copies to the device.
    cuMemcpyHtoD_v2(to: u64, from: usize, bytes: usize) [Current] |machine| {
        copy(machine, Side::Device(to), Side::Host(from), bytes, None)
    };

    /// Copies from the device.
    cuMemcpyDtoH_v2(to: usize, from: u64, bytes: usize) [Current] |machine| {
        copy(machine, Side::Host(to), Side::Device(from), bytes, None)
    };

    /// Copies on or between devices.
    cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) [Current] |machine| {
        copy(machine, Side::Device(to), Side::Device(from), bytes, None)
    };

    /// Queues a copy to the device.
    cuMemcpyHtoDAsync_v2(to: u64, from: usize, bytes: usize, stream: Handle) [Current] |machine| {
        copy(machine, Side::Device(to), Side::Host(from), bytes, Some(stream))
    };

    /// Queues a copy from the device.
    cuMemcpyDtoHAsync_v2(to: usize, from: u64, bytes: usize, stream: Handle) [Current] |machine| {
        copy(machine, Side::Host(to), Side::Device(from), bytes, Some(stream))
    };

    /// Queues a copy on or between devices.
    cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle) [Current] |machine| {
        copy(machine, Side::Device(to), Side::Device(from), bytes, Some(stream))
    };

    /// Queues a copy between contexts, each with memory of its own.
    cuMemcpyPeerAsync(
        to: u64, to_context: Handle, from: u64, from_context: Handle, bytes: usize, stream: Handle,
    ) [Current] |machine| {
        machine.submit(stream, false, |state, _| {
            state.context(to_context)?;
            state.context(from_context)?;
            let owned = |address: u64, context| {
                let before = state.blocks.range(..=address).next_back();
                before.is_some_and(|(_, block)| block.context == context)
            };
            if bytes > 0 && !(owned(to, to_context) && owned(from, from_context)) {
                return Err(Code::INVALID_VALUE);
            }
            Ok(vec![Work::Copy { to: Side::Device(to), from: Side::Device(from), bytes: bytes as u64 }])
        })
    };

    /// Fills memory with a byte.
    cuMemsetD8_v2(to: u64, byte: c_uchar, count: usize) [Current] |machine| fill(machine, to, &[byte], count, None);

    /// Queues that.
    cuMemsetD8Async(to: u64, byte: c_uchar, count: usize, stream: Handle) [Current] |machine| {
        fill(machine, to, &[byte], count, Some(stream))
    };

    /// Fills memory with a word.
    cuMemsetD32_v2(to: u64, word: c_uint, count: usize) [Current] |machine| {
        fill(machine, to, &word.to_ne_bytes(), count, None)
    };

    /// Queues that.
    cuMemsetD32Async(to: u64, word: c_uint, count: usize, stream: Handle) [Current] |machine| {
        fill(machine, to, &word.to_ne_bytes(), count, Some(stream))
    };
}
