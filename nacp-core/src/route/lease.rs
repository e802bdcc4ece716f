//! A routed request in flight.

use std::sync::Arc;

use super::table::Slot;
use crate::engine::Endpoint;

/// A request that was routed to an endpoint and is not over. Dropping it ends it.
///
/// It stays valid when the endpoint leaves the router's table, so that what is in flight can be finished.
#[derive(Debug)]
#[must_use = "dropping the lease says that the request is over"]
pub struct Lease {
    slot: Arc<Slot>,
    in_flight: bool,
}

impl Lease {
    /// Nothing when the endpoint was withdrawn after its table was read.
    pub(super) fn take(slot: &Arc<Slot>) -> Option<Self> {
        slot.load.enter();
        if slot.load.is_withdrawn() {
            slot.load.turn_away();
            return None;
        }
        Some(Self { slot: Arc::clone(slot), in_flight: true })
    }

    /// Ends the request on its endpoint and keeps the lease, to be avoided when the request is routed again.
    pub fn ended(mut self) -> Self {
        self.end();
        self
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.in_flight) {
            self.slot.load.leave();
        }
    }

    /// Where to send the request.
    pub fn endpoint(&self) -> &Endpoint {
        &self.slot.endpoint
    }

    pub(super) fn is_for(&self, slot: &Slot) -> bool {
        Arc::ptr_eq(&self.slot.load, &slot.load)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end();
    }
}
