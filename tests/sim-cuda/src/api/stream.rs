//! Streams.

use std::ffi::{c_int, c_uint};

use crate::call::calls;
use crate::caller::{put, wanted};
use crate::code::{Answer, Code};
use crate::machine::{Handle, Machine, Stream};

fn create(machine: &Machine, place: *mut Handle, flags: c_uint, priority: c_int) -> Answer {
    wanted(place)?;
    let mut state = machine.state();
    let context = state.usable()?;
    if flags > 1 {
        return Err(Code::INVALID_VALUE);
    }
    let stream = state.streams.insert(Stream::new(context, flags, priority));
    put(place, stream)
}

calls! {
    /// A stream.
    cuStreamCreate(place: *mut Handle, flags: c_uint) [Current] |machine| create(machine, place, flags, 0);

    /// A stream with a priority, moved into the range of priorities.
    cuStreamCreateWithPriority(place: *mut Handle, flags: c_uint, priority: c_int) [Current] |machine| {
        create(machine, place, flags, priority)
    };

    /// Ends a stream. What is queued on it is done before.
    cuStreamDestroy_v2(stream: Handle) [Current] |machine| {
        let mut state = machine.state();
        let context = state.usable()?;
        if state.context(context)?.is_default(stream) || state.streams.get(stream)?.default {
            return Err(Code::INVALID_HANDLE);
        }
        state.spoil(stream);
        state.streams.remove(stream).map(|_| ())
    };

    /// Waits until its work is done.
    cuStreamSynchronize(stream: Handle) [Current] |machine| machine.finish(stream);

    /// Whether its work is done: 600 where it is not.
    cuStreamQuery(stream: Handle) [Current] |machine| machine.is_done(stream);

    /// The priority that it got.
    cuStreamGetPriority(stream: Handle, priority: *mut c_int) [Current] |machine| {
        let state = machine.state();
        let stream = state.stream(state.usable()?, stream)?;
        put(priority, state.streams.get(stream)?.priority)
    };

    /// The flags that it was made with.
    cuStreamGetFlags(stream: Handle, flags: *mut c_uint) [Current] |machine| {
        let state = machine.state();
        let stream = state.stream(state.usable()?, stream)?;
        put(flags, state.streams.get(stream)?.flags)
    };

    /// Lets it wait for a mark.
    cuStreamWaitEvent(stream: Handle, event: Handle, flags: c_uint) [Current] |machine| {
        if flags > 1 {
            return Err(Code::INVALID_VALUE);
        }
        machine.wait_for(stream, event)
    };

    /// Records what is queued on it from here on.
    cuStreamBeginCapture_v2(stream: Handle, mode: c_uint) [Current] |machine| {
        let mut state = machine.state();
        let stream = state.stream(state.usable()?, stream)?;
        state.begin_capture(stream, mode)
    };

    /// Ends that; what was recorded is a graph.
    cuStreamEndCapture(stream: Handle, graph: *mut Handle) [Current] |machine| {
        wanted(graph)?;
        let mut state = machine.state();
        let stream = state.stream(state.usable()?, stream)?;
        match state.end_capture(stream) {
            Ok(works) => {
                let made = state.graphs.insert(works);
                put(graph, made)
            }
            Err(code) => put(graph, 0).and(Err(code)),
        }
    };

    /// Whether it is being recorded: 0 no, 1 yes, 2 in vain.
    cuStreamIsCapturing(stream: Handle, status: *mut c_uint) [Current] |machine| {
        let state = machine.state();
        let stream = state.stream(state.usable()?, stream)?;
        let capture = state.streams.get(stream)?.capture;
        let spoilt = capture.and_then(|capture| state.captures.get(capture).ok()).map(|capture| capture.spoilt);
        put(status, match spoilt { None => 0, Some(false) => 1, Some(true) => 2 })
    };
}
