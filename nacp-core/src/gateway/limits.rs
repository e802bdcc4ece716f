//! What ends a request before its own end.

use std::time::Duration;

/// Sizes, times and numbers beyond which the gateway ends a request. All of them are set by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest head of a request in bytes (431 beyond it); at least 8192. A head that arrives at once may have up to
    /// twice as many.
    pub head_bytes: usize,
    /// Longest time for the head of a request; also how long an idle connection is kept.
    pub head_time: Duration,
    /// Largest body of a request in bytes (413 beyond it).
    pub body_bytes: usize,
    /// Longest time for the body of a request (408 beyond it).
    pub body_time: Duration,
    /// Longest time to connect to a replica; another replica is tried after it.
    pub connect: Duration,
    /// Longest time until a replica sends the head of its answer (504 beyond it). An answer that is not streamed is
    /// generated in this time.
    pub answer: Duration,
    /// Longest time between two pieces of an answer; beyond it the answer is broken off.
    pub idle: Duration,
    /// How many replicas a request is tried on at most, while none of them could be connected to.
    pub attempts: usize,
    /// How long [`Gateway::shutdown`](super::Gateway::shutdown) waits for requests in flight.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 << 10,
            head_time: Duration::from_secs(30),
            body_bytes: 32 << 20,
            body_time: Duration::from_secs(60),
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(600),
            idle: Duration::from_secs(120),
            attempts: 3,
            drain: Duration::from_secs(10),
        }
    }
}
