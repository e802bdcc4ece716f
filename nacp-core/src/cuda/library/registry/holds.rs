//! Who uses an object at this moment.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};

use super::NOT_READY;

/// The use of an object: its calls hold on to it.
#[derive(Debug, Default)]
pub(crate) struct Use(Arc<()>);

/// As long as it lives, the object is not taken back.
pub(crate) struct Held {
    _object: Arc<()>,
}

/// The use of an object that may be gone.
pub(super) struct Watch(Weak<()>);

impl Use {
    pub(crate) fn hold(&self) -> Held {
        Held { _object: Arc::clone(&self.0) }
    }

    /// Refuses while somebody uses it. Nobody may begin to use it meanwhile: the caller has the registry's lock.
    pub(crate) fn idle(&self) -> Result<(), i32> {
        if Arc::strong_count(&self.0) != 1 {
            return Err(NOT_READY);
        }
        // What was done by those who let it go was done before.
        fence(Ordering::Acquire);
        Ok(())
    }

    pub(super) fn watch(&self) -> Watch {
        Watch(Arc::downgrade(&self.0))
    }
}

impl Watch {
    pub(super) fn hold(&self) -> Option<Held> {
        self.0.upgrade().map(|object| Held { _object: object })
    }
}
