//! The context that is current in a thread.
#![expect(unsafe_code, reason = "calls foreign functions")]

use super::Library;
use super::ask::{NOT_FOUND, answer};
use crate::cuda::registry::{Held, Raw, Serial};

/// The context that is current in this thread. As long as this lives, nobody ends it.
pub(super) struct Current {
    pub(super) serial: Serial,
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
        // SAFETY: no context, one of the registry that is held, or the one that was current in this thread before.
        done(unsafe { function(context) })
    }

    pub(super) fn current(&self) -> Result<Current, i32> {
        let raw = self.current_raw()?;
        let state = self.registry.read();
        let (serial, context) = state.context_of_raw(raw)?;
        Ok(Current { serial, _held: context.used.hold() })
    }

    /// Waits until the device has done all work of a context. What has failed on the device has ended, too.
    pub(super) fn drain(&self, context: Raw) -> Result<(), i32> {
        let function = self.functions.context_synchronize.ok_or(NOT_FOUND)?;
        let before = self.current_raw()?;
        self.set_raw(context)?;
        // SAFETY: it takes nothing.
        let _ended = unsafe { function() };
        self.set_raw(before)
    }
}
