//! What a container uses of the machine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// What a container uses of the machine now; its GPUs aside, whose use [`gpu`](crate::gpu) reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContainerStats {
    /// CPU time since its start.
    pub cpu: Option<Duration>,
    /// Main memory, without what the kernel may drop.
    pub memory: Option<Bytes>,
    /// The limit of its main memory.
    pub memory_limit: Option<Bytes>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes received over its networks since its start.
    pub received: Option<Bytes>,
    /// Bytes sent over its networks since its start.
    pub sent: Option<Bytes>,
    /// Bytes read from disks since its start.
    pub read: Option<Bytes>,
    /// Bytes written to disks since its start.
    pub written: Option<Bytes>,
}
