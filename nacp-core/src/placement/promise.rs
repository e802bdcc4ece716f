//! What has been promised, each container's share counted once.

use std::collections::BTreeMap;

use super::Running;
use crate::gpu::GpuId;
use crate::units::Bytes;

/// The promises on one account: a GPU, or the partitions that share one memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Memory in all.
    pub(super) memory: Bytes,
    /// Replicas, each counted once.
    pub(super) replicas: usize,
    /// Whether one of them tolerates no other.
    pub(super) exclusive: bool,
}

impl Account {
    /// Adds up what is promised on these devices. Containers of one replica that never run together count once, by the
    /// most that one of them holds here; those that do count each, and those that count beside the others always do.
    pub(super) fn of<'a>(promises: impl Iterator<Item = &'a Running>, here: impl Fn(&GpuId) -> bool) -> Self {
        let mut replicas: BTreeMap<_, Share> = BTreeMap::new();
        let mut account = Self::default();
        for promise in promises {
            let shares = u64::try_from(promise.gpus.iter().filter(|gpu| here(gpu)).count()).unwrap_or(u64::MAX);
            if shares == 0 {
                continue;
            }
            account.exclusive |= promise.exclusive;
            let memory = Bytes(promise.memory.0.saturating_mul(shares));
            let share = replicas.entry((&promise.app, &promise.service, promise.replica)).or_default();
            if promise.beside {
                share.beside += memory;
            } else if promise.active {
                share.together += memory;
            } else {
                share.in_turn = share.in_turn.max(memory);
            }
        }
        account.replicas = replicas.len();
        account.memory = replicas.values().map(|share| share.beside + share.together.max(share.in_turn)).sum();
        account
    }
}

/// What the containers of one replica hold on an account.
#[derive(Default)]
struct Share {
    beside: Bytes,
    together: Bytes,
    in_turn: Bytes,
}
