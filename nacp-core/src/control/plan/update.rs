//! From the old containers of a service to its new ones.
//!
//! The old ones are stopped, not removed, until all new ones are ready: so they can come back by a start, whoever was
//! killed in between and whatever their environment was.

use super::job::Act;
use super::role::Role;
use super::turn::{Planner, Row};
use crate::control::observed::Seen;
use crate::engine::ContainerState;
use crate::service::Strategy;

/// After so many stops that brought nothing a container on a GPU that is out of use is no longer waited for.
const STUCK: u32 = 2;

impl<'a> Planner<'a> {
    pub(super) fn update(&mut self, row: &Row<'a>, updates: &[(&Seen<'a>, &Seen<'a>)]) {
        self.turn.settled = false;
        let memory = self.q.memory;
        let arrived = |next: &Seen<'_>| memory.is_ready(next) || memory.is_done(row.service, next);
        if updates.iter().all(|(_, next)| arrived(next)) {
            for (main, _) in updates {
                let grace = self.grace(main);
                let (act, why) = match main.is_active() && !self.is_stuck(main) {
                    true => (Act::Stop(main.id().clone(), grace), "the new one is ready"),
                    false => (Act::Remove(main.id().clone(), grace), "the new ones are ready"),
                };
                self.leave(main, act, why);
            }
            return;
        }
        let (surge, unavailable, together) = match row.service.strategy {
            Strategy::Rolling { surge, unavailable } => (surge, unavailable, false),
            Strategy::BlueGreen => (u32::MAX, 0, true),
        };
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let standing = self.turn.services.get(row.name).copied().unwrap_or_default();
        let mut available = standing.ready;
        let least = standing.wanted.saturating_sub(count(unavailable));
        let beside = |(main, next): &&(&Seen<'a>, &Seen<'a>)| main.is_active() && self.has_begun(next);
        let has_place = |next: &Seen<'_>| next.beside || next.held().is_empty();
        let going = row.roles.iter().filter(|(_, role)| match role {
            // One that nobody wants any more counts until it is gone.
            Role::Stale(main, next) | Role::Back(main, next) => main.is_active() && next.is_active(),
            _ => false,
        });
        let mut extra = updates.iter().filter(beside).count() + going.count();
        for (main, next) in updates {
            let old_ready = memory.is_ready(main);
            if self.has_begun(next) {
                if arrived(next) && main.is_active() && !together {
                    self.leave(main, Act::Stop(main.id().clone(), self.grace(main)), "the new one is ready");
                } else {
                    self.keep_alive(row, next, false);
                }
            } else if self.hold || (main.is_active() && self.waits(row)) {
                // It begins when everything is reserved, and when what it waits for is there.
            } else if !(main.is_active() || self.began(main)) || self.is_stuck(main) {
                self.keep_alive(row, next, false);
            } else if row.service.strategy.allows_no_gap() && !has_place(next) {
                let act = Act::Remove(next.id().clone(), self.grace(next));
                self.leave(next, act, "its memory is not promised beside that of the old one");
            } else if extra < count(surge) && has_place(next) && self.may_start(next) {
                extra += 1;
                self.start(next, "it runs beside the old one");
            } else if !together && (!old_ready || available > least) {
                available -= usize::from(old_ready);
                self.leave(main, Act::Stop(main.id().clone(), self.grace(main)), "the new one takes its place");
            }
        }
    }

    fn has_begun(&self, next: &Seen<'_>) -> bool {
        let began = self.q.memory.of(next).is_some_and(|known| known.began.is_some() || known.ours);
        began || (next.is_active() && next.state() != ContainerState::Created)
    }

    /// Whether a container was started a moment ago, whatever the list tells.
    fn began(&self, main: &Seen<'_>) -> bool {
        self.q.memory.of(main).is_some_and(|known| known.began.is_some())
    }

    /// Whether a container does not end because its GPU is gone: it is not waited for.
    fn is_stuck(&self, main: &Seen<'_>) -> bool {
        let condemned = main.held().iter().any(|gpu| self.q.condemned.contains_key(gpu));
        condemned && self.q.memory.of(main).is_some_and(|known| known.stuck >= STUCK)
    }
}
