//! Recorded work.

use std::ffi::c_ulonglong;

use crate::call::calls;
use crate::caller::{put, wanted};
use crate::code::Code;
use crate::machine::{Executable, Handle};

/// The flags of cuda.h that make no difference here: free what a graph allocates, use the priority of each node.
const FLAGS: c_ulonglong = 1 | 8;

calls! {
    /// Makes recorded work ready to be started.
    cuGraphInstantiateWithFlags(place: *mut Handle, graph: Handle, flags: c_ulonglong) [Current] |machine| {
        wanted(place)?;
        let mut state = machine.state();
        let context = state.usable()?;
        let works = state.graphs.get(graph)?.clone();
        if flags & !FLAGS != 0 {
            return Err(Code::INVALID_VALUE);
        }
        let executable = state.executables.insert(Executable { context, works });
        put(place, executable)
    };

    /// Queues it.
    cuGraphLaunch(executable: Handle, stream: Handle) [Current] |machine| {
        machine.submit(stream, false, |state, context| {
            let executable = state.executables.get(executable)?;
            if executable.context == context { Ok(executable.works.clone()) } else { Err(Code::INVALID_HANDLE) }
        })
    };

    /// Forgets recorded work.
    cuGraphDestroy(graph: Handle) [Current] |machine| machine.state().graphs.remove(graph).map(|_| ());

    /// Forgets what was made ready.
    cuGraphExecDestroy(executable: Handle) [Current] |machine| {
        machine.state().executables.remove(executable).map(|_| ())
    };
}
