//! Who holds which memory of which GPU: what has been promised, and what is in use.

use std::collections::BTreeMap;

use crate::control::observed::Seen;
use crate::gpu::{GpuId, Snapshot};
use crate::units::Bytes;

/// How the containers of one replica share its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// It takes turns with the others: the larger promise counts.
    InTurn,
    /// It runs: what runs together counts together.
    Together,
    /// It counts beside the others, whether it runs or not.
    Beside,
}

impl Share {
    pub(super) fn of(seen: &Seen<'_>) -> Self {
        match (seen.beside, seen.is_active()) {
            (true, _) => Self::Beside,
            (false, true) => Self::Together,
            (false, false) => Self::InTurn,
        }
    }
}

/// The containers of one replica on one GPU.
#[derive(Clone, Copy, Debug, Default)]
struct Holder {
    beside: Bytes,
    together: Bytes,
    in_turn: Bytes,
    exclusive: bool,
}

impl Holder {
    fn held(self) -> Bytes {
        self.beside + self.together.max(self.in_turn)
    }

    fn with(mut self, memory: Bytes, share: Share) -> Self {
        match share {
            Share::InTurn => self.in_turn = self.in_turn.max(memory),
            Share::Together => self.together += memory,
            Share::Beside => self.beside += memory,
        }
        self
    }
}

#[derive(Clone, Debug, Default)]
struct Account {
    /// What the GPU has; nothing where nobody knows.
    capacity: Option<Bytes>,
    holders: BTreeMap<(String, String, u32), Holder>,
    promised: Bytes,
    active: Bytes,
    running: usize,
    running_exclusive: usize,
    exclusive: usize,
}

/// The accounts of all GPUs.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    accounts: BTreeMap<GpuId, Account>,
}

impl Ledger {
    pub(super) fn new<'a, 'b: 'a>(snapshot: Option<&Snapshot>, containers: impl Iterator<Item = &'a Seen<'b>>) -> Self {
        let mut ledger = Self::default();
        for state in snapshot.iter().flat_map(|snapshot| &snapshot.gpus) {
            let memory = state.sample.memory.known();
            let capacity = memory.map(|memory| memory.total.saturating_sub(memory.reserved));
            ledger.accounts.insert(state.gpu.id.clone(), Account { capacity, ..Account::default() });
        }
        for seen in containers {
            let owner = (seen.app.as_str(), seen.service.as_str(), seen.replica);
            ledger.promise(owner, seen.held(), seen.memory, seen.exclusive, Share::of(seen));
            if seen.is_active() {
                ledger.start(seen);
            }
        }
        ledger
    }

    /// Counts a promise.
    pub(super) fn promise(
        &mut self,
        owner: (&str, &str, u32),
        gpus: &[GpuId],
        memory: Bytes,
        exclusive: bool,
        share: Share,
    ) {
        for gpu in gpus {
            let account = self.accounts.entry(gpu.clone()).or_default();
            let holder = account.holders.entry((owner.0.to_owned(), owner.1.to_owned(), owner.2)).or_default();
            let before = holder.held();
            *holder = holder.with(memory, share);
            account.exclusive += usize::from(exclusive && !holder.exclusive);
            holder.exclusive |= exclusive;
            account.promised = account.promised.saturating_sub(before) + holder.held();
        }
    }

    /// Counts a start of what has its promise already.
    pub(super) fn start(&mut self, seen: &Seen<'_>) {
        for gpu in seen.held() {
            let account = self.accounts.entry(gpu.clone()).or_default();
            account.active += seen.memory;
            account.running += 1;
            account.running_exclusive += usize::from(seen.exclusive);
        }
    }

    /// Whether a promise more is not one too many.
    pub(super) fn has_room(
        &self,
        owner: (&str, &str, u32),
        gpus: &[GpuId],
        memory: Bytes,
        exclusive: bool,
        share: Share,
    ) -> bool {
        gpus.iter().all(|gpu| {
            let Some(account) = self.accounts.get(gpu) else { return true };
            let holder = account.holders.get(&(owner.0.to_owned(), owner.1.to_owned(), owner.2)).copied();
            let own = holder.unwrap_or_default();
            let more = own.with(memory, share).held().saturating_sub(own.held());
            let others = account.holders.len() - usize::from(holder.is_some());
            let alone = others == 0 || (!exclusive && account.exclusive == usize::from(own.exclusive));
            let alone = alone && (share != Share::Beside || holder.is_none() || !(exclusive || own.exclusive));
            alone && account.capacity.is_none_or(|capacity| more == Bytes::ZERO || account.promised + more <= capacity)
        })
    }

    /// Whether what has its promise can run now: whether what it takes the place of has really ended.
    pub(super) fn can_start(&self, seen: &Seen<'_>) -> bool {
        seen.held().iter().all(|gpu| {
            let Some(account) = self.accounts.get(gpu) else { return true };
            let alone = account.running == 0 || (!seen.exclusive && account.running_exclusive == 0);
            alone && account.capacity.is_none_or(|capacity| account.active + seen.memory <= capacity)
        })
    }

    /// Whether more has been promised on a GPU than it has, or an exclusive replica is not alone there.
    pub(super) fn is_overbooked(&self, gpu: &GpuId) -> bool {
        self.accounts.get(gpu).is_some_and(|account| {
            account.capacity.is_some_and(|capacity| account.promised > capacity)
                || (account.exclusive > 0 && account.holders.len() > 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: (&str, &str, u32) = ("a", "llm", 0);

    /// One GPU of 10 GiB on which a replica of 4 GiB runs.
    fn ledger(gpu: &GpuId) -> Ledger {
        let account = Account { capacity: Some(Bytes::gib(10)), ..Account::default() };
        let mut ledger = Ledger { accounts: BTreeMap::from([(gpu.clone(), account)]) };
        ledger.promise(OWN, std::slice::from_ref(gpu), Bytes::gib(4), false, Share::Together);
        ledger
    }

    #[test]
    fn what_is_promised_beside_the_old_one_is_nobody_elses_from_its_creation_on() {
        let gpus = ["GPU-4100a801-0000-4000-8000-000000000001".parse().unwrap()];
        let mut ledger = ledger(&gpus[0]);
        let other =
            |ledger: &Ledger, gib| ledger.has_room(("b", "llm", 0), &gpus, Bytes::gib(gib), false, Share::InTurn);
        let mut in_turn = ledger.clone();
        in_turn.promise(OWN, &gpus, Bytes::gib(4), false, Share::InTurn);
        assert!(other(&in_turn, 6) && !other(&in_turn, 7));
        ledger.promise(OWN, &gpus, Bytes::gib(4), false, Share::Beside);
        assert!(other(&ledger, 2) && !other(&ledger, 3));
        assert!(!ledger.has_room(OWN, &gpus, Bytes::gib(4), false, Share::Beside));
    }

    #[test]
    fn who_is_alone_on_a_gpu_gets_no_place_beside_itself() {
        let gpus = ["GPU-4100a801-0000-4000-8000-000000000001".parse().unwrap()];
        let ledger = ledger(&gpus[0]);
        assert!(ledger.has_room(OWN, &gpus, Bytes::gib(4), true, Share::InTurn));
        assert!(!ledger.has_room(OWN, &gpus, Bytes::gib(4), true, Share::Beside));
    }
}
