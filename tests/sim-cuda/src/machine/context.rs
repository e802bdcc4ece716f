//! Contexts: which one is current in a thread, and what ends with one.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{Handle, Machine, State, Stream};
use crate::code::{Answer, Code};

/// A program's state on a device.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) device: usize,
    pub(crate) primary: bool,
    /// The stream that work is queued on where none is named.
    pub(crate) default: Handle,
    /// The contexts whose memory its kernels may use.
    pub(crate) peers: BTreeSet<Handle>,
}

thread_local! {
    static STACK: RefCell<Vec<Handle>> = const { RefCell::new(Vec::new()) };
}

/// Works on the stack of contexts of the calling thread, the current one last.
pub(crate) fn stack<T>(work: impl FnOnce(&mut Vec<Handle>) -> T) -> T {
    STACK.with_borrow_mut(work)
}

/// The current context of the calling thread, whether it still exists or not.
pub(crate) fn top() -> Option<Handle> {
    stack(|stack| stack.last().copied())
}

impl Machine {
    /// The device of the calling thread's current context.
    pub(crate) fn current_device(&self) -> Option<usize> {
        let top = top()?;
        self.state().contexts.get(top).ok().map(|context| context.device)
    }
}

impl State {
    /// The current context, if work can be done in it.
    pub(crate) fn usable(&self) -> Answer<Handle> {
        let (handle, context) = self.current()?;
        match self.places[context.device].broken {
            Some(code) => Err(code),
            None => Ok(handle),
        }
    }

    /// The current context, also when its device has failed.
    pub(crate) fn current(&self) -> Answer<(Handle, &Context)> {
        let handle = top().ok_or(Code::INVALID_CONTEXT)?;
        Ok((handle, self.contexts.get(handle).map_err(|_| Code::CONTEXT_IS_DESTROYED)?))
    }

    /// A context by its handle.
    pub(crate) fn context(&self, handle: Handle) -> Answer<&Context> {
        self.contexts.get(handle).map_err(|_| Code::INVALID_CONTEXT)
    }

    /// Makes a context on a device.
    pub(crate) fn make_context(&mut self, machine: &Machine, device: usize, primary: bool) -> Answer<Handle> {
        if let Some(code) = machine.devices[device].refuses.map(Code).or(self.places[device].broken) {
            return Err(code);
        }
        let context = self.contexts.insert(Context { device, primary, default: 0, peers: BTreeSet::new() });
        let default = self.streams.insert(Stream::default_of(context));
        self.contexts.get_mut(context)?.default = default;
        Ok(context)
    }

    /// Ends a context and all that lives in it.
    pub(crate) fn end_context(&mut self, handle: Handle) -> Answer {
        let addresses: Vec<u64> =
            self.blocks.values().filter(|block| block.context == handle).map(|block| block.address).collect();
        for address in addresses {
            self.release(address)?;
        }
        self.streams.retain(|stream| stream.context != handle);
        self.events.retain(|event| event.context != handle);
        self.modules.retain(|module| module.context != handle);
        self.functions.retain(|function| function.context != handle);
        self.executables.retain(|executable| executable.context != handle);
        self.captures.retain(|capture| capture.context != handle);
        for context in self.contexts.values_mut() {
            context.peers.remove(&handle);
        }
        self.contexts.remove(handle).map(|_| ())
    }

    /// Whether any stream of a context waits for a kernel that never ends.
    pub(crate) fn any_stuck(&self, context: Handle) -> bool {
        self.streams.iter().any(|(_, stream)| stream.context == context && stream.stuck)
    }
}
