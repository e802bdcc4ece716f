//! What one keeper of an app remembers between two looks. All of it can be lost: whoever starts anew adopts what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::backoff::Backoff;
use super::identity::stored;
use super::observed::{Observed, Seen};
use crate::engine::{ContainerId, ContainerState};
use crate::error::ErrorKind;
use crate::service::{Probe, Restart, Service};

/// A replica without a probe is ready when it has run for so long.
pub(super) const SETTLED: Duration = Duration::from_millis(500);
/// A replica without a probe has this long until its container runs.
pub(super) const START_LIMIT: Duration = Duration::from_secs(30);
/// An engine's list may say for so long that what was just started has not been.
pub(super) const LAG: Duration = Duration::from_secs(2);
/// How long after its start a replica is first asked again, and how long at most until it is ready.
const ASK_FIRST: Duration = Duration::from_millis(20);
const ASK_LAST: Duration = Duration::from_millis(500);

/// Why a replica is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is not ready in its time; so its probe said last.
    Late(String),
    /// Its program ended before it was ready.
    Ended(String),
    /// The engine gave it less than was asked for.
    Missing(String),
    /// The engine cannot start it: the kind of its error, and what it said.
    Refused(ErrorKind, String),
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: Option<i64>,
    /// The last lines, as they are told.
    pub(super) log: Vec<String>,
    /// More of them, by which is found out why.
    pub(super) lines: Vec<String>,
}

/// A replica to which nothing more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Withdrawn {
    pub(super) since: Duration,
    /// How many requests still wait for it.
    pub(super) in_flight: usize,
}

/// How often something failed, and when it is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) failures: u32,
    pub(super) at: Duration,
    pub(super) again: Duration,
    pub(super) last: String,
}

impl Tries {
    /// Counts one failure more and returns the pause after it.
    pub(super) fn fail(&mut self, thing: &str, last: String, now: Duration, backoff: &Backoff, seed: u64) -> Duration {
        self.failures = backoff.failures(self.failures, now.saturating_sub(self.at));
        let pause = backoff.pause_of(thing, self.failures, seed);
        (self.at, self.again, self.last) = (now, now + pause, last);
        pause
    }
}

/// What is remembered of one container.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Its probe, as its label tells it; nothing when it has none.
    pub(super) probe: Option<Probe>,
    /// Its probe cannot be read: nobody can tell whether it is ready.
    pub(super) unreadable: bool,
    /// When its program was started, or first seen.
    pub(super) began: Option<Duration>,
    /// Its program had ended before this keeper saw it first.
    pub(super) found_ended: bool,
    /// The call that was to start it failed in a way that does not tell whether it was done.
    pub(super) doubtful: bool,
    /// It ran before this keeper looked first.
    pub(super) adopted: bool,
    /// It has been seen running since it was started.
    pub(super) ran: bool,
    /// This keeper has started it, ever.
    pub(super) ours: bool,
    pub(super) ready: bool,
    /// It has been ready since its program was started.
    pub(super) was_ready: bool,
    good: u32,
    bad: u32,
    pub(super) last: String,
    pub(super) next_ask: Duration,
    pause: Duration,
    live_bad: u32,
    pub(super) live_next: Duration,
    /// Why it is to be stopped and started again.
    pub(super) unwell: Option<String>,
    pub(super) end: Option<End>,
    pub(super) tries: Tries,
    /// How often its program was started again.
    pub(super) restarts: u32,
    /// Its next end is this keeper's will.
    pub(super) stopping: bool,
    /// This keeper has ended it: whatever its code says, it has not done its work.
    pub(super) stopped: bool,
    /// How often it did not stop when it was asked to.
    pub(super) stuck: u32,
    pub(super) withdrawn: Option<Withdrawn>,
    pub(super) trouble: Option<Trouble>,
    /// It had failed before the user said something else: it is tried anew from the beginning.
    pub(super) given_up: bool,
}

impl Known {
    fn of(seen: &Seen<'_>) -> Self {
        let (_, probe) = stored(seen.container);
        let found_ended = matches!(seen.state(), ContainerState::Exited(_));
        Self { unreadable: probe.is_err(), probe: probe.ok().flatten(), found_ended, ..Self::default() }
    }

    /// Its program has been started, or is seen running for the first time.
    pub(super) fn begin(&mut self, now: Duration, adopted: bool) {
        self.restarts += u32::from(!adopted && self.ours);
        *self = Self {
            probe: self.probe.take(),
            unreadable: self.unreadable,
            found_ended: self.found_ended,
            began: Some(now),
            adopted,
            ours: self.ours || !adopted,
            next_ask: now,
            pause: ASK_FIRST,
            end: self.end.take(),
            tries: std::mem::take(&mut self.tries),
            restarts: self.restarts,
            ..Self::default()
        };
    }

    /// How long it may take until it is ready.
    pub(super) fn limit(&self) -> Duration {
        self.probe.as_ref().map_or(START_LIMIT, |probe| probe.within)
    }

    fn set_ready(&mut self, now: Duration) -> Duration {
        (self.ready, self.was_ready, self.trouble) = (true, true, None);
        now.saturating_sub(self.began.unwrap_or(now))
    }

    /// Takes the answer to its probe; tells what changed by it.
    pub(super) fn answered(&mut self, answer: Result<(), String>, now: Duration) -> Option<News> {
        let probe = self.probe.clone()?;
        match answer {
            Ok(()) => {
                (self.good, self.bad) = (self.good.saturating_add(1), 0);
                self.next_ask = now + if self.was_ready { probe.every } else { ASK_FIRST.min(probe.every) };
                (!self.ready && self.good >= probe.successes).then(|| {
                    self.next_ask = now + probe.every;
                    self.live_next = now + probe.every;
                    News::Ready(self.set_ready(now))
                })
            }
            Err(last) => {
                (self.good, self.bad) = (0, self.bad.saturating_add(1));
                let other = self.last != last;
                self.last = last;
                if !self.was_ready {
                    self.next_ask = now + self.pause.min(probe.every);
                    self.pause = (self.pause * 2).min(ASK_LAST);
                    return other.then(|| News::Waiting(self.last.clone()));
                }
                self.next_ask = now + probe.every;
                (self.ready && self.bad >= probe.failures).then(|| {
                    self.ready = false;
                    News::NotReady(self.last.clone())
                })
            }
        }
    }

    /// Takes the answer to the probe of its life; tells whether it has to be started again.
    pub(super) fn lives(&mut self, probe: &Probe, answer: Result<(), String>, now: Duration) -> bool {
        self.live_next = now + probe.every;
        let Err(last) = answer else {
            self.live_bad = 0;
            return false;
        };
        self.live_bad = self.live_bad.saturating_add(1);
        let dead = self.live_bad >= probe.failures && self.unwell.is_none();
        if dead {
            self.unwell = Some(format!("it no longer lives: {last}"));
        }
        dead
    }
}

/// Something that has changed with a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It is ready, so long after its start.
    Ready(Duration),
    /// It is not ready yet; its probe says something else than before.
    Waiting(String),
    /// It was ready and no longer is.
    NotReady(String),
    /// Its program has ended by itself.
    Ended,
    /// It is not ready in its time.
    Late,
}

/// A specification that did not become ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) hash: String,
    pub(super) replica: u32,
    pub(super) trouble: Trouble,
    pub(super) limit: Duration,
    pub(super) log: Vec<String>,
    /// What would mend it, where its log tells.
    pub(super) hint: Option<&'static str>,
}

/// What one keeper of an app remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) known: BTreeMap<ContainerId, Known>,
    /// Images, by reference: nothing for one that is there, its failures for one that cannot be had.
    pub(super) images: BTreeMap<String, Option<Tries>>,
    pub(super) networks: BTreeSet<String>,
    /// Containers that this keeper created and that were never started.
    pub(super) created: BTreeSet<ContainerId>,
    /// Containers that could not be created, by name.
    pub(super) creating: BTreeMap<String, Tries>,
    /// By service: what did not become ready and is not tried again.
    pub(super) failed: BTreeMap<String, Failed>,
    /// By hash of a specification: why its root must be writable.
    pub(super) roots: BTreeMap<String, String>,
    /// Since when another program holds a promise on the same memory.
    pub(super) contended: Option<Duration>,
    /// Whether what had ended by a failure before this keeper came is tried once more, whatever its service says.
    pub(super) retry_ended: bool,
    /// Whether the engine was away since the last look: what has ended meanwhile it may have ended itself.
    pub(super) away: bool,
    /// Until which saying of the user's the failures are remembered.
    pub(super) said: u64,
}

impl Memory {
    pub(super) fn of(&self, seen: &Seen<'_>) -> Option<&Known> {
        self.known.get(seen.id())
    }

    /// Whether a replica has done what it was for, by itself.
    pub(super) fn is_done(&self, service: &Service, seen: &Seen<'_>) -> bool {
        let ended = service.restart != Restart::Always && seen.state() == ContainerState::Exited(Some(0));
        ended && self.of(seen).is_none_or(|known| !known.stopped && known.unwell.is_none())
    }

    /// Whether a container was created by somebody who may have been interrupted before its secrets were in it, or before
    /// it was in all of its networks. Its labels tell both from the beginning.
    pub(super) fn may_be_half_made(&self, service: &Service, seen: &Seen<'_>) -> bool {
        let begun = self.of(seen).is_some_and(|known| known.began.is_some() || known.ours);
        let own = self.created.contains(seen.id());
        let in_steps = !service.secrets.is_empty() || service.networks.len() > 1;
        in_steps && !own && !begun && seen.state() == ContainerState::Created
    }

    pub(super) fn is_ready(&self, seen: &Seen<'_>) -> bool {
        seen.state() == ContainerState::Running && self.of(seen).is_some_and(|known| known.ready)
    }

    /// The user has said something else: what failed may be tried again.
    pub(super) fn hear(&mut self, said: u64) {
        if self.said != said {
            self.said = said;
            self.failed.clear();
            for known in self.known.values_mut() {
                known.given_up |= known.trouble.is_some();
            }
            self.creating.clear();
            self.images.retain(|_, tries| tries.is_none());
        }
    }

    /// Takes in what the engine lists; tells what has changed.
    pub(super) fn observe(
        &mut self,
        observed: &Observed<'_>,
        now: Duration,
        backoff: &Backoff,
        seed: u64,
    ) -> Vec<(ContainerId, News)> {
        let mut news = Vec::new();
        let there: BTreeSet<_> = observed.all().map(Seen::id).collect();
        self.known.retain(|id, _| there.contains(id));
        for seen in observed.all() {
            let known = self.known.entry(seen.id().clone()).or_insert_with(|| Known::of(seen));
            if let Some(root) = seen.root().filter(|_| !self.roots.contains_key(seen.hash().unwrap_or_default())) {
                self.roots.insert(seen.hash().unwrap_or_default().to_owned(), root.to_owned());
            }
            let ran = known.began.is_some();
            if let Some(told) = look(known, seen, now, backoff, seed) {
                if self.away && ran && told == News::Ended {
                    (known.ours, known.trouble) = (false, None);
                    known.tries = Tries::default();
                }
                news.push((seen.id().clone(), told));
            }
        }
        self.away = false;
        news
    }
}

fn look(known: &mut Known, seen: &Seen<'_>, now: Duration, backoff: &Backoff, seed: u64) -> Option<News> {
    match seen.state() {
        ContainerState::Running => {
            if known.began.is_none() {
                known.begin(now, true);
            }
            (known.ran, known.doubtful) = (true, false);
            let began = known.began.unwrap_or(now);
            let settled = known.adopted || now.saturating_sub(began) >= SETTLED;
            if known.probe.is_none() && !known.unreadable && !known.ready && settled {
                return Some(News::Ready(known.set_ready(now)));
            }
            if known.unreadable {
                known.last = "its label does not tell its probe".to_owned();
            }
            let late = !known.was_ready && known.trouble.is_none() && now.saturating_sub(began) >= known.limit();
            late.then(|| {
                known.trouble = Some(Trouble::Late(known.last.clone()));
                News::Late
            })
        }
        ContainerState::Exited(code) => {
            let began = known.began?;
            if known.doubtful && !known.ran && now.saturating_sub(began) >= LAG {
                // It was not started after all.
                (known.began, known.doubtful) = (None, false);
                return None;
            }
            // It had ended before it was started: the list does not tell yet.
            let had_ended = known.end.is_some() || known.found_ended;
            if !known.ran && had_ended && now.saturating_sub(began) < LAG {
                return None;
            }
            let was_ready = known.was_ready;
            (known.began, known.ready, known.was_ready, known.ran) = (None, false, false, false);
            known.withdrawn = None;
            known.end = Some(End { code, ..End::default() });
            if std::mem::take(&mut known.stopping) && known.unwell.is_none() {
                return None;
            }
            let last = format!("its container is {}", seen.state());
            known.tries.fail(&seen.container.name, last.clone(), now, backoff, seed);
            if !was_ready && known.trouble.is_none() {
                known.trouble = Some(Trouble::Ended(last));
            }
            Some(News::Ended)
        }
        ContainerState::Created => {
            if known.began.is_some_and(|began| now.saturating_sub(began) >= LAG) {
                (known.began, known.doubtful) = (None, false);
            }
            None
        }
        ContainerState::Restarting | ContainerState::Paused => {
            known.ran = true;
            known.ready = false;
            None
        }
        ContainerState::Dead => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_failed_before_its_user_spoke_is_tried_anew_and_is_not_judged_again() {
        let mut memory = Memory::default();
        let (failed, well) = (ContainerId("failed".into()), ContainerId("well".into()));
        let trouble = Some(Trouble::Refused(ErrorKind::Unsupported, "could not select device driver".into()));
        memory.known.insert(failed.clone(), Known { trouble, ..Known::default() });
        memory.known.insert(well.clone(), Known::default());
        memory.hear(1);
        assert_eq!((memory.known[&failed].given_up, memory.known[&well].given_up), (true, false));
    }
}
