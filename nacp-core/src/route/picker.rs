//! The choice among the endpoints of a pool.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::table::Slot;
use crate::random::below;

/// Chooses among the endpoints that could all answer a request.
///
/// It is called for every request, by many threads at once: it should neither block nor allocate.
pub trait Picker: Send + Sync + fmt::Debug {
    /// The index of the chosen candidate, below [`Candidates::len`]; there is always at least one candidate.
    ///
    /// `random` holds 64 random bits. A picker that takes its chance from them alone repeats its choices under
    /// [`Router::seeded`](super::Router::seeded).
    fn pick(&self, candidates: &Candidates<'_>, random: u64) -> usize;
}

/// The endpoints among which a [`Picker`] chooses, with how busy each is at this moment.
#[derive(Debug)]
pub struct Candidates<'a> {
    slots: &'a [Arc<Slot>],
    turns: &'a AtomicU64,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(slots: &'a [Arc<Slot>], turns: &'a AtomicU64) -> Self {
        Self { slots, turns }
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many requests a candidate is working on.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn in_flight(&self, index: usize) -> u32 {
        self.slots[index].load.in_flight()
    }

    /// Counts this pool's turns: 0 at the first call, one more at each.
    pub fn next_turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }
}

/// Draws two endpoints at random and takes the one with fewer requests in flight; when they are equal, either.
///
/// The cost does not grow with the number of endpoints, and a slow endpoint gets fewer requests because those that it
/// has stay in flight for longer.
#[derive(Clone, Copy, Debug, Default)]
pub struct PowerOfTwo;

impl Picker for PowerOfTwo {
    #[expect(clippy::cast_possible_truncation, reason = "each half of the random bits draws one candidate")]
    fn pick(&self, candidates: &Candidates<'_>, random: u64) -> usize {
        let count = candidates.len();
        if count == 1 {
            return 0;
        }
        let one = below(count, (random >> 32) as u32);
        let mut other = below(count - 1, random as u32);
        if other >= one {
            other += 1;
        }
        if candidates.in_flight(other) < candidates.in_flight(one) { other } else { one }
    }
}

/// Takes the endpoints of a pool in turn, whatever they are doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin;

impl Picker for RoundRobin {
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of candidates")]
    fn pick(&self, candidates: &Candidates<'_>, _random: u64) -> usize {
        (candidates.next_turn() % candidates.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::table::tests::slots;

    #[test]
    fn of_two_the_less_busy_one_is_taken() {
        let slots = slots(2);
        let turns = AtomicU64::new(0);
        slots[0].load.enter();
        for random in [0, u64::MAX, 0xffff_ffff, 0xffff_ffff_0000_0000] {
            assert_eq!(PowerOfTwo.pick(&Candidates::new(&slots, &turns), random), 1);
        }
    }

    #[test]
    fn the_two_draws_are_never_the_same_endpoint() {
        let slots = slots(3);
        let turns = AtomicU64::new(0);
        slots[1].load.enter();
        let random = crate::random::Random::seeded(7);
        let mut taken = [0; 3];
        for _ in 0..1000 {
            taken[PowerOfTwo.pick(&Candidates::new(&slots, &turns), random.next())] += 1;
        }
        assert_eq!(taken[1], 0, "the busy one always loses against another: {taken:?}");
        assert!(taken[0] > 400 && taken[2] > 400, "{taken:?}");
    }

    #[test]
    fn turns_go_round() {
        let slots = slots(3);
        let turns = AtomicU64::new(0);
        let order: Vec<_> = (0..5).map(|_| RoundRobin.pick(&Candidates::new(&slots, &turns), 0)).collect();
        assert_eq!(order, [0, 1, 2, 0, 1]);
    }
}
