//! Contexts: the one that a process's libraries share on a device, and a program's own.

use std::ffi::{c_int, c_uint, c_void};

use crate::call::{calls, hang};
use crate::caller::{put, put_if_wanted, wanted};
use crate::code::{Answer, Code};
use crate::machine::{Handle, Machine, PRIORITIES, stack};

/// The version of the interface that every context tells (`cuCtxGetApiVersion`).
const API_VERSION: c_uint = 3020;
/// How a thread may wait, and the other flags of a context in cuda.h.
const FLAGS: c_uint = 0x3FF;

/// Makes a context of the caller's own and makes it current.
fn create(machine: &Machine, place: *mut Handle, flags: c_uint, device: c_int) -> Answer {
    wanted(place)?;
    let device = machine.position(device)?;
    if flags & !FLAGS != 0 {
        return Err(Code::INVALID_VALUE);
    }
    let context = machine.state().make_context(machine, device, false)?;
    stack(|stack| stack.push(context));
    put(place, context)
}

/// Ends a context, unless a kernel in it never ends.
fn end(machine: &Machine, context: Handle) -> Answer {
    let mut state = machine.state();
    if state.any_stuck(context) {
        drop(state);
        hang();
    }
    state.end_context(context)
}

calls! {
    /// Takes part in the context that all libraries of the process share; the first to do so makes it.
    cuDevicePrimaryCtxRetain(place: *mut Handle, device: c_int) [Device(device)] |machine| {
        wanted(place)?;
        let device = machine.position(device)?;
        let mut state = machine.state();
        let context = match (state.places[device].primary, state.places[device].broken) {
            (Some(_), Some(code)) => return Err(code),
            (Some(context), None) => context,
            (None, _) => state.make_context(machine, device, true)?,
        };
        let own = &mut state.places[device];
        own.primary = Some(context);
        own.users += 1;
        put(place, context)
    };

    /// Gives it back; the last one to do so ends it.
    cuDevicePrimaryCtxRelease_v2(device: c_int) [Device(device)] |machine| release(machine, device);

    /// The same, as it was before CUDA 11.
    cuDevicePrimaryCtxRelease(device: c_int) [Device(device)] |machine| release(machine, device);

    /// Ends it, whoever uses it.
    cuDevicePrimaryCtxReset_v2(device: c_int) [Device(device)] |machine| {
        let device = machine.position(device)?;
        let context = {
            let mut state = machine.state();
            let own = &mut state.places[device];
            own.users = 0;
            own.primary.take()
        };
        context.map_or(Ok(()), |context| end(machine, context))
    };

    /// How it is made, and whether it exists.
    cuDevicePrimaryCtxGetState(device: c_int, flags: *mut c_uint, active: *mut c_int) [Device(device)] |machine| {
        let device = machine.position(device)?;
        wanted(flags)?;
        wanted(active)?;
        let (own_flags, exists) = {
            let state = machine.state();
            (state.places[device].flags, state.places[device].primary.is_some())
        };
        put(flags, own_flags)?;
        put(active, exists.into())
    };

    /// Says how it is to be made.
    cuDevicePrimaryCtxSetFlags_v2(device: c_int, flags: c_uint) [Device(device)] |machine| {
        let device = machine.position(device)?;
        if flags & !FLAGS != 0 {
            return Err(Code::INVALID_VALUE);
        }
        machine.state().places[device].flags = flags;
        Ok(())
    };

    /// A context of the caller's own, which becomes the current one.
    cuCtxCreate_v2(place: *mut Handle, flags: c_uint, device: c_int) [Device(device)] |machine| {
        create(machine, place, flags, device)
    };

    /// The same. A part of the multiprocessors is not simulated.
    cuCtxCreate_v3(
        place: *mut Handle, parts: *const c_void, count: c_int, flags: c_uint, device: c_int,
    ) [Device(device)] |machine| {
        if !parts.is_null() || count != 0 {
            return Err(Code::NOT_SUPPORTED);
        }
        create(machine, place, flags, device)
    };

    /// The same. Parameters are not simulated.
    cuCtxCreate_v4(
        place: *mut Handle, parameters: *const c_void, flags: c_uint, device: c_int,
    ) [Device(device)] |machine| {
        if !parameters.is_null() {
            return Err(Code::NOT_SUPPORTED);
        }
        create(machine, place, flags, device)
    };

    /// Ends a context of the caller's own, and all that lives in it.
    cuCtxDestroy_v2(context: Handle) [Current] |machine| {
        if machine.state().context(context)?.primary {
            return Err(Code::INVALID_CONTEXT);
        }
        end(machine, context)?;
        stack(|stack| {
            if stack.last() == Some(&context) {
                stack.pop();
            }
        });
        Ok(())
    };

    /// Makes a context the current one of this thread in place of the one that was, or none.
    cuCtxSetCurrent(context: Handle) [Current] |machine| {
        if context == 0 {
            stack(Vec::pop);
            return Ok(());
        }
        machine.state().context(context)?;
        stack(|stack| {
            stack.pop();
            stack.push(context);
        });
        Ok(())
    };

    /// The current context of this thread, or null.
    cuCtxGetCurrent(place: *mut Handle) [Current] |_machine| {
        put(place, stack(|stack| stack.last().copied()).unwrap_or(0))
    };

    /// Makes a context the current one; the one that was comes back when it is popped.
    cuCtxPushCurrent_v2(context: Handle) [Current] |machine| {
        machine.state().context(context)?;
        stack(|stack| stack.push(context));
        Ok(())
    };

    /// Takes the current context away.
    cuCtxPopCurrent_v2(place: *mut Handle) [Current] |_machine| {
        let popped = stack(Vec::pop).ok_or(Code::INVALID_CONTEXT)?;
        put_if_wanted(place, popped);
        Ok(())
    };

    /// The device of the current context.
    cuCtxGetDevice(device: *mut c_int) [Current] |machine| {
        let position = machine.state().current()?.1.device;
        put(device, c_int::try_from(position).map_err(|_| Code::UNKNOWN)?)
    };

    /// Waits until all work of the current context is done.
    cuCtxSynchronize() [Current] |machine| machine.finish_all();

    /// The least and the greatest priority of a stream.
    cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) [Current] |machine| {
        machine.state().usable()?;
        put_if_wanted(least, PRIORITIES.0);
        put_if_wanted(greatest, PRIORITIES.1);
        Ok(())
    };

    /// Lets the kernels of the current context use the memory of another one.
    cuCtxEnablePeerAccess(peer: Handle, flags: c_uint) [Current] |machine| {
        let mut state = machine.state();
        let own = state.usable()?;
        let other = state.context(peer)?.device;
        if flags != 0 {
            return Err(Code::INVALID_VALUE);
        }
        if peer == own {
            return Err(Code::INVALID_DEVICE);
        }
        let device = state.context(own)?.device;
        if device != other && !machine.devices[device].reaches(&machine.devices[other]) {
            return Err(Code::PEER_ACCESS_UNSUPPORTED);
        }
        let fresh = state.contexts.get_mut(own)?.peers.insert(peer);
        if fresh { Ok(()) } else { Err(Code::PEER_ACCESS_ALREADY_ENABLED) }
    };

    /// Ends that.
    cuCtxDisablePeerAccess(peer: Handle) [Current] |machine| {
        let mut state = machine.state();
        let own = state.usable()?;
        state.context(peer)?;
        let known = state.contexts.get_mut(own)?.peers.remove(&peer);
        if known { Ok(()) } else { Err(Code::PEER_ACCESS_NOT_ENABLED) }
    };

    /// The version of the interface that a context was made for.
    cuCtxGetApiVersion(context: Handle, version: *mut c_uint) [Current] |machine| {
        if context == 0 {
            machine.state().current()?;
        } else {
            machine.state().context(context)?;
        }
        put(version, API_VERSION)
    };
}

fn release(machine: &Machine, device: c_int) -> Answer {
    let device = machine.position(device)?;
    let last = {
        let mut state = machine.state();
        let own = &mut state.places[device];
        own.users = own.users.checked_sub(1).ok_or(Code::INVALID_CONTEXT)?;
        if own.users == 0 { own.primary.take() } else { None }
    };
    last.map_or(Ok(()), |context| end(machine, context))
}
