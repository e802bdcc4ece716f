//! A routed request in flight.

use std::sync::Arc;

use super::table::Slot;
use crate::engine::Endpoint;

/// A request that was routed to an endpoint and is not over. Dropping it ends it.
///
/// It stays valid when the endpoint leaves the router's table, so that what is in flight can be finished.
#[derive(Debug)]
#[must_use = "dropping the lease says that the request is over"]
pub struct Lease(Arc<Slot>);

impl Lease {
    pub(super) fn take(slot: &Arc<Slot>) -> Self {
        slot.load.enter();
        Self(Arc::clone(slot))
    }

    /// Where to send the request.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(super) fn is_for(&self, slot: &Slot) -> bool {
        Arc::ptr_eq(&self.0.load, &slot.load)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.load.leave();
    }
}
