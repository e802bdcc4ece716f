//! What of the requests in flight the control plane must know: a replica is stopped only when nobody waits for it.

use std::fmt;

/// Knows which requests are in flight: a router, in front of the replicas.
pub trait Traffic: Send + Sync + fmt::Debug {
    /// Sends no further request to the replica of this name, and tells how many are in flight.
    fn withdraw(&self, replica: &str) -> usize;
}

/// No router: nothing is known of requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTraffic;

impl Traffic for NoTraffic {
    fn withdraw(&self, _replica: &str) -> usize {
        0
    }
}
