//! Where there is no SIGPIPE, as on Windows: a write to a connection that the other side closed is an error and nothing
//! else, so there is nothing to block.

/// There is nothing to block.
pub(crate) fn block_for_good() {}

/// There is nothing to block, and nothing to give back.
pub(crate) struct Blocked;

impl Blocked {
    pub(crate) fn here() -> Self {
        Self
    }
}
