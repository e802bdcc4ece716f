//! What of the requests in flight whoever stops containers must know: a replica is stopped when nobody waits for it.

use std::fmt;

/// Knows which requests are in flight: a router, in front of the replicas.
///
/// A replica is named as its [`Endpoint`](super::Endpoint) has it: by the name of its container.
pub trait Traffic: Send + Sync + fmt::Debug {
    /// Sends no further request to the replica of this name, and tells how many are in flight. Ask again until there are
    /// none, or until they have had their time. When it has told that there are none, none comes.
    ///
    /// It holds until [`restore`](Self::restore), or until the replica has been gone.
    fn withdraw(&self, replica: &str) -> usize;

    /// Sends requests again to the replica of this name: it is not stopped after all, or its successor has the same name
    /// and the same address. One that was not withdrawn stays as it is.
    fn restore(&self, replica: &str);
}

/// No router: nothing is known of requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTraffic;

impl Traffic for NoTraffic {
    fn withdraw(&self, _replica: &str) -> usize {
        0
    }

    fn restore(&self, _replica: &str) {}
}
