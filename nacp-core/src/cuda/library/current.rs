//! The context that is current in a thread.
#![expect(unsafe_code, reason = "calls foreign functions")]

use std::sync::Arc;

use super::Library;
use super::ask::{NOT_FOUND, answer};
use super::codes::waited;
use super::registry::{Held, Progress, Raw, Serial};

/// The context that is current in this thread. As long as this lives, nobody ends it.
pub(super) struct Current {
    pub(super) serial: Serial,
    pub(super) progress: Arc<Progress>,
    _held: Held,
}

/// The code of a call that leaves nothing behind.
pub(super) fn done(code: i32) -> Result<(), i32> {
    answer(code, ())
}

impl Library {
    fn current_raw(&self) -> Result<Raw, i32> {
        let function = self.functions.context_get.ok_or(NOT_FOUND)?;
        let mut context = 0;
        // SAFETY: the call writes one handle to the address of a local.
        let code = unsafe { function(&raw mut context) };
        answer(code, context)
    }

    pub(super) fn set_raw(&self, context: Raw) -> Result<(), i32> {
        let function = self.functions.context_set.ok_or(NOT_FOUND)?;
        // SAFETY: no context, or one of the registry that is held.
        done(unsafe { function(context) })
    }

    /// Puts a context over the one that is current in this thread.
    pub(super) fn push_raw(&self, context: Raw) -> Result<(), i32> {
        let function = self.functions.context_push.ok_or(NOT_FOUND)?;
        self.functions.context_pop.ok_or(NOT_FOUND)?;
        // SAFETY: a context of the registry that is held.
        done(unsafe { function(context) })
    }

    /// Takes the current context off; the one below is current again, whatever has become of it.
    pub(super) fn pop_raw(&self) -> Result<(), i32> {
        let function = self.functions.context_pop.ok_or(NOT_FOUND)?;
        let mut popped = 0;
        // SAFETY: the call writes one handle to the address of a local.
        done(unsafe { function(&raw mut popped) })
    }

    pub(super) fn current(&self) -> Result<Current, i32> {
        let raw = self.current_raw()?;
        let state = self.registry.read();
        let (serial, context) = state.context_of_raw(raw)?;
        Ok(Current { serial, progress: Arc::clone(&context.progress), _held: context.used.hold() })
    }

    /// Waits until the device has done all work of a context that is held.
    ///
    /// # Errors
    /// The number of the call that did not wait: the work may still go on.
    pub(super) fn drain(&self, context: Raw) -> Result<(), i32> {
        let function = self.functions.context_synchronize.ok_or(NOT_FOUND)?;
        self.push_raw(context)?;
        // SAFETY: it takes nothing.
        let code = unsafe { function() };
        let popped = self.pop_raw();
        if waited(code) { popped } else { Err(code) }
    }

    /// Waits for a stream that is held, and notes how far it has come.
    pub(super) fn wait(&self, stream: Raw, progress: &Progress) -> Result<(), i32> {
        let function = self.functions.stream_synchronize.ok_or(NOT_FOUND)?;
        let queued = progress.queued();
        // SAFETY: the stream is held.
        let code = unsafe { function(stream) };
        if waited(code) {
            progress.reached(queued);
        }
        done(code)
    }
}
