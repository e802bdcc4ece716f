//! Events.

use std::ffi::c_uint;

use crate::call::{calls, hang};
use crate::caller::{put, wanted};
use crate::code::{Answer, Code};
use crate::machine::{Event, Handle, Machine, Recorded};

/// The flags of cuda.h: blocking wait, without timing, between processes.
const FLAGS: c_uint = 7;
const WITHOUT_TIMING: c_uint = 2;
const BETWEEN_PROCESSES: c_uint = 4;

fn elapsed(machine: &Machine, place: *mut f32, start: Handle, end: Handle) -> Answer {
    wanted(place)?;
    put(place, machine.elapsed(start, end)?)
}

calls! {
    /// A mark.
    cuEventCreate(place: *mut Handle, flags: c_uint) [Current] |machine| {
        wanted(place)?;
        let mut state = machine.state();
        let context = state.usable()?;
        let timing = flags & WITHOUT_TIMING == 0;
        if flags & !FLAGS != 0 || (flags & BETWEEN_PROCESSES != 0 && timing) {
            return Err(Code::INVALID_VALUE);
        }
        let event = state.events.insert(Event { context, timing, recorded: Recorded::Nowhere });
        put(place, event)
    };

    /// Ends it.
    cuEventDestroy_v2(event: Handle) [Current] |machine| {
        let mut state = machine.state();
        state.usable()?;
        state.events.remove(event).map(|_| ())
    };

    /// Queues it.
    cuEventRecord(event: Handle, stream: Handle) [Current] |machine| machine.mark(event, stream);

    /// Waits until it is reached.
    cuEventSynchronize(event: Handle) [Current] |machine| match machine.is_reached(event) {
        Err(Code::NOT_READY) => hang(),
        answer => answer,
    };

    /// Whether it is reached: 600 where it is not.
    cuEventQuery(event: Handle) [Current] |machine| machine.is_reached(event);

    /// Milliseconds between two marks.
    cuEventElapsedTime(place: *mut f32, start: Handle, end: Handle) [Current] |machine| {
        elapsed(machine, place, start, end)
    };

    /// The same, since CUDA 12.8.
    cuEventElapsedTime_v2(place: *mut f32, start: Handle, end: Handle) [Current] |machine| {
        elapsed(machine, place, start, end)
    };
}
