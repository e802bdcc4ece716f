//! Telling what happens, and how the app is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Goal, Keeper};
use crate::control::event::{Event, EventKind};
use crate::control::memory::{Failed, News};
use crate::control::observed::{Observed, Seen};
use crate::control::plan::{Act, Job, Turn};
use crate::control::plane::{Facts, Overview};
use crate::control::status::Phase;
use crate::engine::{ContainerState, PullProgress};
use crate::error::Error;
use crate::gpu::GpuId;

impl Keeper<'_> {
    fn event(&self, goal: &Goal, kind: EventKind) -> Event {
        Event::new(self.plane.clock.wall(), &goal.app.name, kind)
    }

    fn tell(&self, goal: &Goal, kind: EventKind) {
        self.plane.events.tell(&self.event(goal, kind));
    }

    fn tell_of(&self, goal: &Goal, job: &Job, kind: EventKind) {
        let event = self.event(goal, kind);
        let event = match job.act {
            Act::Pull(_) | Act::Network(_) => event.of_service(&job.service),
            _ => event.of(&job.service, job.replica),
        };
        self.plane.events.tell(&event);
    }

    pub(super) fn tell_doing(&self, goal: &Goal, job: &Job) {
        tracing::info!(app = %goal.app.name, service = %job.service, replica = job.replica, step = job.act.step().name(),
            reason = %job.reason, "doing");
        self.tell_of(goal, job, EventKind::Doing { step: job.act.step(), reason: job.reason.clone() });
    }

    pub(super) fn tell_done(&self, goal: &Goal, job: &Job) {
        self.tell_of(goal, job, EventKind::Done { step: job.act.step() });
    }

    pub(super) fn tell_failed(&self, goal: &Goal, job: &Job, error: &Error, again: Option<Duration>) {
        let (message, kind) = (error.to_string(), error.kind().name().to_owned());
        let again = again.filter(|_| !self.once);
        self.tell_of(goal, job, EventKind::Failed { step: job.act.step(), message, kind, again });
    }

    pub(super) fn tell_weaker(&self, goal: &Goal, job: &Job, what: String) {
        self.tell_of(goal, job, EventKind::Weaker { what });
    }

    pub(super) fn tell_news(&self, goal: &Goal, seen: &Seen<'_>, news: &News) {
        let known = self.memory.of(seen);
        let kind = match news {
            News::Ready(after) => EventKind::Ready { after: *after },
            News::Waiting(last) => EventKind::Waiting { last: last.clone() },
            News::NotReady(last) => EventKind::NotReady { last: last.clone() },
            News::Ended if self.stays_stopped(goal, seen) => return,
            News::Ended => {
                let end = known.and_then(|known| known.end.clone());
                let service = goal.app.services.get(&seen.service);
                let again = known.map(|known| known.tries.again.saturating_sub(self.now()));
                let done = service.is_none_or(|service| self.memory.is_done(service, seen));
                EventKind::Ended {
                    code: end.as_ref().and_then(|end| end.code),
                    log: end.map(|end| end.log).unwrap_or_default(),
                    again: again.filter(|_| !done && !self.once),
                }
            }
            News::Late => {
                let last = known.map(|known| known.last.as_str()).unwrap_or_default();
                EventKind::Waiting { last: format!("not ready in its time: {last}") }
            }
        };
        self.plane.events.tell(&self.event(goal, kind).of(&seen.service, seen.replica));
    }

    /// Whether this keeper has ended a replica and does not start it again: it is of no specification that is wanted, or
    /// one too many. That it is stopped has been told.
    fn stays_stopped(&self, goal: &Goal, seen: &Seen<'_>) -> bool {
        let wanted = goal.app.services.get(&seen.service).filter(|service| seen.replica < service.replicas).is_some();
        let hash = goal.hashes.get(&seen.service).map(String::as_str);
        let failed =
            self.memory.failed.get(&seen.service).is_some_and(|failed| Some(failed.hash.as_str()) == seen.hash());
        let comes_back = wanted && !failed && seen.hash() == hash;
        self.memory.of(seen).is_some_and(|known| known.stopped && !comes_back)
    }

    pub(super) fn tell_rolled_back(&self, goal: &Goal, service: &str, failed: &Failed) {
        let reason = super::verdict::failure(&goal.app.name, service, failed).to_string();
        self.plane.events.tell(&self.event(goal, EventKind::RolledBack { reason }).of_service(service));
    }

    pub(super) fn tell_cordons(&mut self, goal: &Goal, condemned: &BTreeMap<GpuId, String>) {
        for (gpu, reason) in condemned.iter().filter(|(gpu, _)| !self.condemned.contains_key(gpu)) {
            self.tell(goal, EventKind::Cordoned { gpu: gpu.clone(), reason: Some(reason.clone()) });
        }
        for gpu in self.condemned.keys().filter(|gpu| !condemned.contains_key(gpu)) {
            self.tell(goal, EventKind::Cordoned { gpu: gpu.clone(), reason: None });
        }
        self.condemned.clone_from(condemned);
    }

    pub(super) fn tell_lost(&self, goal: &Goal, error: &Error) {
        tracing::warn!(app = %goal.app.name, %error, "nothing can be seen; it is tried again");
        self.tell(goal, EventKind::EngineLost { message: error.to_string() });
    }

    /// Secrets cannot be read; told once for each reason.
    pub(super) fn tell_unread(&mut self, goal: &Goal, failures: &BTreeMap<String, Error>) {
        let told = std::mem::take(&mut self.unread);
        for (service, error) in failures {
            let (message, kind) = (error.to_string(), error.kind().name().to_owned());
            if told.get(service) != Some(&message) && !self.once {
                tracing::warn!(app = %goal.app.name, %error, "its secrets stay as they were");
                let (step, again) = (crate::control::Step::Create, Some(super::RESYNC_UNSETTLED));
                let failed = EventKind::Failed { step, message: message.clone(), kind, again };
                self.plane.events.tell(&self.event(goal, failed).of_service(service));
            }
            self.unread.insert(service.clone(), message);
        }
    }

    pub(super) fn found(&mut self, goal: &Goal) {
        if let Some(since) = self.lost_since.take() {
            let after = self.now().saturating_sub(since);
            self.tell(goal, EventKind::EngineBack { after });
            self.refusals = 0;
        }
    }

    /// The replicas cannot all be placed; told once for each reason.
    pub(super) fn refused(&mut self, goal: &Goal, error: Error) {
        let message = error.to_string();
        if self.unplaced.as_ref() != Some(&message) {
            tracing::warn!(app = %goal.app.name, %error, "not every replica has a place");
            let kind = error.kind().name().to_owned();
            let step = crate::control::Step::Create;
            self.tell(goal, EventKind::Failed { step, message: message.clone(), kind, again: Some(super::RESYNC) });
            self.unplaced = Some(message);
        }
        self.refusal = Some(error);
    }

    /// Tells how far an image has arrived.
    pub(super) fn pulling(&self, goal: &Goal) -> impl Fn(&PullProgress) + Send + Sync + 'static {
        let (events, clock, app) =
            (self.plane.events(), std::sync::Arc::clone(&self.plane.clock), goal.app.name.clone());
        move |progress| events.tell(&Event::new(clock.wall(), &app, EventKind::Pulling(progress.clone())))
    }

    /// Lets whoever asks for the status know what only the loop knows.
    pub(super) fn publish(&mut self, goal: &Goal, turn: &Turn, observed: &Observed<'_>) {
        let standings = || turn.services.values();
        let all = standings().all(|it| it.ready >= it.wanted);
        let rolled_back = standings().any(|it| it.rolled_back);
        let failing = observed.all().any(|seen| self.memory.of(seen).is_some_and(|known| known.trouble.is_some()));
        let none = standings().all(|it| it.ready == 0);
        let phase = match () {
            () if goal.desired.paused => Phase::Paused,
            () if standings().any(|it| it.updating) => Phase::Updating,
            () if self.unplaced.is_some() || rolled_back => Phase::Degraded,
            () if all => Phase::Ready,
            () if failing && none => Phase::Failed,
            () if self.converged || failing => Phase::Degraded,
            () => Phase::Starting,
        };
        let failed =
            self.memory.failed.iter().find(|(name, _)| turn.services.get(*name).is_some_and(|it| it.rolled_back));
        let reason = self.unplaced.clone().or_else(|| {
            failed.map(|(service, failed)| super::verdict::failure(&goal.app.name, service, failed).to_string())
        });
        let (now, wall) = (self.now(), self.plane.clock.wall());
        let facts = observed.all().filter_map(|seen| {
            let known = self.memory.of(seen)?;
            let began = known.began.filter(|_| !known.adopted).map(|began| wall - now.saturating_sub(began));
            let last_end = known.end.as_ref().map(|end| match end.code {
                Some(code) => format!("exited ({code})"),
                None => "exited".to_owned(),
            });
            let done = goal.app.services.get(&seen.service).is_some_and(|service| self.memory.is_done(service, seen));
            let withdrawn = known.withdrawn.is_some() && seen.state() == ContainerState::Running;
            let facts = Facts { restarts: known.restarts, started_at: began, last_end, done, withdrawn };
            Some((seen.id().clone(), facts))
        });
        let wanted = goal.app.services.iter().map(|(name, service)| (name.clone(), service.replicas)).collect();
        let overview = Overview { phase, reason, wanted, facts: facts.collect() };
        self.plane.publish(&goal.app.name, overview);
        if turn.settled && !self.converged && !goal.desired.paused {
            self.converged = true;
            self.engine = super::Tries::default();
            self.tell(goal, EventKind::Converged);
        }
        self.converged &= turn.settled;
    }
}
