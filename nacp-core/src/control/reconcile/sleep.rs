//! Sleeping until something happens, and asking the replicas meanwhile.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::StreamExt as _;

use super::look::World;
use super::{Goal, Keeper, RESYNC_BLIND};
use crate::control::memory::News;
use crate::control::observed::{Observed, Seen};
use crate::control::plan::Turn;
use crate::control::prober::Target;
use crate::engine::{Change, ContainerId, ContainerState, EngineEvent};
use crate::error::Result;
use crate::service::Probe;

/// What a replica has answered.
pub(super) struct Answer {
    id: ContainerId,
    /// The start of the program that was asked.
    began: Option<Duration>,
    /// The probe of its life, or else of its readiness.
    live: bool,
    probe: Probe,
    answer: Result<(), String>,
}

enum Woke {
    Wanted,
    Engine(Option<Result<EngineEvent>>),
    Answer(Option<Answer>),
    Time,
}

impl Keeper<'_> {
    /// Sleeps until the turn has to be thought anew; returns whether the world has to be looked at anew too.
    pub(super) async fn sleep(&mut self, goal: &Goal, world: &World, turn: &Turn, limit: Duration) -> bool {
        let observed = Observed::of(&goal.app.name, &world.containers);
        let deadline = turn.wait.map(|pause| self.now() + pause);
        let looks = match (&self.stream, turn.settled) {
            (None, false) => limit.min(self.now() + RESYNC_BLIND),
            _ => limit,
        };
        loop {
            let next = self.ask(goal, &observed);
            let now = self.now();
            let until = [deadline, next].into_iter().flatten().fold(looks, Duration::min);
            if now >= looks {
                return true;
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                // Most deadlines are about containers: what became of them only the engine tells.
                return true;
            }
            match self.wake(until.saturating_sub(now)).await {
                Woke::Wanted => return true,
                Woke::Engine(Some(Ok(event))) => {
                    if self.concerns(goal, world, &event) {
                        return true;
                    }
                }
                Woke::Engine(_) => {
                    (self.stream, self.interrupted) = (None, true);
                    self.memory.away = true;
                    let (now, backoff, seed) = (self.now(), self.plane.backoff, self.plane.seed);
                    self.watching.fail("watch", "the stream has ended".to_owned(), now, &backoff, seed);
                    return true;
                }
                Woke::Answer(Some(answer)) => {
                    if self.take(goal, &observed, answer) {
                        return false;
                    }
                }
                Woke::Answer(None) | Woke::Time => {}
            }
        }
    }

    /// Waits, or as long as nothing else is wanted.
    pub(super) async fn pause(&mut self, pause: Duration) {
        let mut changed = pin!(self.following.changed());
        let mut sleep = self.plane.clock.sleep(pause);
        poll_fn(|cx| match changed.as_mut().poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            _ => sleep.poll_unpin(cx),
        })
        .await;
    }

    async fn wake(&mut self, pause: Duration) -> Woke {
        let Self { following, stream, asking, plane, .. } = self;
        let mut changed = pin!(following.changed());
        let mut sleep = plane.clock.sleep(pause);
        poll_fn(|cx| {
            if let Poll::Ready(Ok(())) = changed.as_mut().poll(cx) {
                return Poll::Ready(Woke::Wanted);
            }
            if let Some(stream) = stream
                && let Poll::Ready(event) = stream.poll_next_unpin(cx)
            {
                return Poll::Ready(Woke::Engine(event));
            }
            if !asking.is_empty()
                && let Poll::Ready(answer) = asking.poll_next_unpin(cx)
            {
                return Poll::Ready(Woke::Answer(answer));
            }
            sleep.poll_unpin(cx).map(|()| Woke::Time)
        })
        .await
    }

    /// Asks whoever is due; returns when the next one is.
    fn ask(&mut self, goal: &Goal, observed: &Observed<'_>) -> Option<Duration> {
        let now = self.now();
        let mut next: Option<Duration> = None;
        for seen in observed.all().filter(|seen| seen.state() == ContainerState::Running) {
            let Some(known) = self.memory.known.get(seen.id()) else { continue };
            let live = goal.app.services.get(&seen.service).and_then(|service| service.live.clone());
            let due = [
                known.probe.clone().map(|probe| (false, probe, known.next_ask)),
                live.filter(|_| known.was_ready).map(|probe| (true, probe, known.live_next)),
            ];
            let began = known.began;
            for (live, probe, at) in due.into_iter().flatten() {
                if self.asked.contains(&(seen.id().clone(), live)) {
                    continue;
                }
                if at > now {
                    next = Some(next.map_or(at, |next| next.min(at)));
                    continue;
                }
                self.asked.insert((seen.id().clone(), live));
                let (engine, prober) = (Arc::clone(self.plane.engine()), Arc::clone(&self.plane.prober));
                let container = seen.container.clone();
                let asking = async move {
                    let answer = prober.ask(Target::of(&*engine, &container), &probe).await;
                    Answer { id: container.id, began, live, probe, answer }
                };
                self.asking.push(asking.boxed());
            }
        }
        next
    }

    /// Takes an answer; returns whether it changes anything.
    fn take(&mut self, goal: &Goal, observed: &Observed<'_>, answer: Answer) -> bool {
        let now = self.now();
        self.asked.remove(&(answer.id.clone(), answer.live));
        let Some(known) = self.memory.known.get_mut(&answer.id).filter(|known| known.began == answer.began) else {
            return false;
        };
        if answer.live {
            return known.lives(&answer.probe, answer.answer, now);
        }
        let Some(news) = known.answered(answer.answer, now) else { return false };
        if let Some(seen) = observed.all().find(|seen| *seen.id() == answer.id) {
            self.tell_news(goal, seen, &news);
        }
        matches!(news, News::Ready(_) | News::NotReady(_))
    }

    /// Whether an event tells something that is not known yet.
    fn concerns(&self, goal: &Goal, world: &World, event: &EngineEvent) -> bool {
        if event.app != goal.app.name {
            return self.unplaced.is_some() && matches!(event.change, Change::Ended(_) | Change::Removed);
        }
        let there = world.containers.iter().find(|container| container.id == event.container);
        let state = there.and_then(Seen::of).map(|seen| seen.state());
        match event.change {
            Change::Created => state.is_none(),
            Change::Started => state != Some(ContainerState::Running),
            Change::Ended(_) | Change::OutOfMemory => state.is_some_and(ContainerState::is_active),
            Change::Removed => state.is_some(),
            Change::Renamed => there.is_some_and(|container| container.name != event.name),
            Change::Other(_) => false,
        }
    }
}
