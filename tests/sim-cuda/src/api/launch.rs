//! Kernels: what they need, and how they are started.

use std::ffi::{c_int, c_uint};

use crate::call::calls;
use crate::caller::{item, put};
use crate::code::{Answer, Code};
use crate::machine::{Device, Function, Handle};
use crate::ptx::Grid;

/// Whether each number of blocks and threads is one that a device starts.
fn shape(grid: [c_uint; 3], block: [c_uint; 3]) -> Answer {
    let within =
        |sides: [c_uint; 3], most: [u32; 3]| sides.iter().zip(most).all(|(side, most)| (1..=most).contains(side));
    let threads = block.iter().try_fold(1u32, |product, side| product.checked_mul(*side));
    if within(grid, Device::GRID_SIDES)
        && within(block, Device::BLOCK_SIDES)
        && threads.is_some_and(|threads| threads <= Device::BLOCK)
    {
        Ok(())
    } else {
        Err(Code::INVALID_VALUE)
    }
}

/// How many threads a block of a kernel may have: as many as its text says, if it says so.
fn most_threads(function: &Function) -> u32 {
    let said = function.program.entry(&function.entry).and_then(|entry| entry.max_threads);
    said.and_then(|most| u32::try_from(most).ok()).map_or(Device::BLOCK, |most| most.min(Device::BLOCK))
}

/// The bytes of a kernel's parameters, from where the caller's array says that each is.
fn gather(function: &Function, params: *const *const u8) -> Answer<Vec<u8>> {
    let entry = function.program.entry(&function.entry).ok_or(Code::INVALID_HANDLE)?;
    let mut bytes = vec![0; entry.params_len()];
    for (nth, param) in entry.params.iter().enumerate() {
        let value = item(params, nth)?;
        for offset in 0..param.size {
            *bytes.get_mut(param.offset + offset).ok_or(Code::UNKNOWN)? = item(value, offset)?;
        }
    }
    Ok(bytes)
}

calls! {
    /// Starts a kernel. Its parameters are given one by one; as one buffer (`extra`) is not simulated.
    cuLaunchKernel(
        function: Handle,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared: c_uint, stream: Handle, params: *const *const u8, extra: *const *const u8,
    ) [Current] |machine| {
        machine.submit(stream, false, |state, context| {
            let found = state.functions.get(function)?;
            if found.context != context {
                return Err(Code::INVALID_HANDLE);
            }
            let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
            shape(grid, block)?;
            let needed = found.program.entry(&found.entry).map_or(0, |entry| entry.shared);
            if block.iter().product::<c_uint>() > most_threads(found) {
                return Err(Code::INVALID_VALUE);
            }
            if shared > Device::SHARED || needed + shared as usize > Device::SHARED as usize {
                return Err(Code::INVALID_VALUE);
            }
            if !extra.is_null() {
                return Err(if params.is_null() { Code::NOT_SUPPORTED } else { Code::INVALID_VALUE });
            }
            let params = gather(found, params)?;
            let device = state.context(context)?.device;
            let multiprocessors = machine.devices[device].multiprocessors;
            Ok(vec![state.launch(function, Grid { grid, block, multiprocessors }, params)?])
        })
    };

    /// What a kernel needs, and what it was compiled for.
    cuFuncGetAttribute(value: *mut c_int, attribute: c_int, function: Handle) [Current] |machine| {
        let state = machine.state();
        let found = state.functions.get(function)?;
        let compute = machine.devices[state.context(found.context)?.device].gpu.compute;
        let shared = found.program.entry(&found.entry).map_or(0, |entry| entry.shared);
        let answer = match attribute {
            0 => u64::from(most_threads(found)),
            1 => shared as u64,
            // Constant and local memory, and the caching of global memory; registers are not counted.
            2 | 3 | 7 => 0,
            4 => 32,
            5 => u64::from(found.program.target()),
            6 => u64::from(10 * compute.major + compute.minor),
            8 => u64::from(Device::SHARED).saturating_sub(shared as u64),
            _ => return Err(Code::INVALID_VALUE),
        };
        put(value, c_int::try_from(answer).map_err(|_| Code::UNKNOWN)?)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_no_device_starts_is_refused() {
        let one = [1, 1, 1];
        for (grid, block, right) in [
            (one, one, true),
            ([0x7FFF_FFFF, 65_535, 65_535], [1024, 1, 1], true),
            ([0, 1, 1], one, false),
            (one, [1, 0, 1], false),
            ([0x8000_0000, 1, 1], one, false),
            ([1, 65_536, 1], one, false),
            (one, [1025, 1, 1], false),
            (one, [1, 1, 65], false),
            (one, [512, 2, 2], false),
            (one, [u32::MAX; 3], false),
        ] {
            assert_eq!(shape(grid, block).is_ok(), right, "{grid:?} {block:?}");
        }
    }
}
