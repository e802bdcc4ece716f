//! What can be done now. Pure: the same question gives the same answer, and it is asked again after something changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::job::{Act, Job};
use super::ledger::{Ledger, Share};
use super::role::Role;
use crate::control::identity::{container_name, next_name, stored_grace};
use crate::control::memory::{Known, LAG, Memory, SETTLED};
use crate::control::observed::{Observed, Pair, Seen};
use crate::control::secrets::Secrets;
use crate::engine::{ContainerId, ContainerState, PullRequest};
use crate::gpu::{GpuId, Snapshot};
use crate::placement::Placement;
use crate::service::{App, Condition, Restart, Service, Strategy};

/// How long a container may take to end whose service nobody knows any more.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How often it is asked whether requests still wait for a replica that goes.
const DRAIN_LOOK: Duration = Duration::from_millis(50);
/// Why a container is made anew whose maker was interrupted.
const HALF_MADE: &str = "it may not be whole";
/// How long a program that may have died is waited for that holds a promise on the same memory.
const CONTENTION_LIMIT: Duration = Duration::from_secs(10);

/// Everything that the answer depends on.
#[derive(Clone, Copy, Debug)]
pub(in crate::control) struct Question<'a> {
    pub(in crate::control) app: &'a App,
    /// The hash of each service.
    pub(in crate::control) hashes: &'a BTreeMap<String, String>,
    /// The secrets of each service that has some.
    pub(in crate::control) secrets: &'a BTreeMap<String, Secrets>,
    pub(in crate::control) placements: &'a [Placement],
    pub(in crate::control) observed: &'a Observed<'a>,
    pub(in crate::control) snapshot: Option<&'a Snapshot>,
    pub(in crate::control) condemned: &'a BTreeMap<GpuId, String>,
    pub(in crate::control) memory: &'a Memory,
    pub(in crate::control) now: Duration,
    pub(in crate::control) paused: bool,
}

/// How far a service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Standing {
    pub(in crate::control) wanted: usize,
    /// Replicas whose program has been started.
    pub(in crate::control) started: usize,
    pub(in crate::control) ready: usize,
    /// Replicas that have ended with 0 and stay so.
    pub(in crate::control) done: usize,
    /// Whether replicas are on the way to another specification or another GPU.
    pub(in crate::control) updating: bool,
    /// Whether its specification did not become ready and the one before it stands.
    pub(in crate::control) rolled_back: bool,
}

/// What can be done now.
#[derive(Clone, Debug, Default)]
pub(in crate::control) struct Turn {
    pub(in crate::control) jobs: Vec<Job>,
    /// After how long it is to be asked again although nothing has happened.
    pub(in crate::control) wait: Option<Duration>,
    /// Whether everything is as it is wanted, as far as it can be.
    pub(in crate::control) settled: bool,
    /// Whether another program holds a promise on the same memory.
    pub(in crate::control) contended: bool,
    pub(in crate::control) services: BTreeMap<String, Standing>,
    /// The containers that are to end or to go; nothing more is sent to them.
    pub(in crate::control) leaving: BTreeSet<ContainerId>,
    /// Whether something is still being reserved, so that nobody can tell yet who leaves.
    pub(in crate::control) reserving: bool,
}

/// Answers.
pub(in crate::control) fn turn(question: &Question<'_>) -> Turn {
    let all = question.observed.all().chain(&question.observed.others);
    let ledger = Ledger::new(question.snapshot, all);
    let places = question.placements.iter().map(|placed| ((placed.service.as_str(), placed.replica), placed)).collect();
    let turn = Turn { settled: true, ..Turn::default() };
    let mut planner = Planner { q: question, ledger, places, turn, hold: false, contended: BTreeSet::new() };
    let rows = planner.rows();
    planner.stand(&rows);
    if question.paused {
        return planner.turn;
    }
    planner.contention();
    planner.create(&rows);
    planner.surplus();
    for row in &rows {
        planner.service(row);
    }
    planner.turn.reserving = planner.hold;
    planner.turn
}

/// One service with its replicas.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) service: &'a Service,
    pub(super) roles: Vec<(u32, Role<'a>)>,
}

impl Row<'_> {
    /// How many of its replicas have a container that holds its memory beside another.
    fn besides(&self) -> u32 {
        self.roles.iter().flat_map(|(_, role)| role.containers()).map(|seen| u32::from(seen.beside)).sum()
    }
}

pub(super) struct Planner<'a> {
    pub(super) q: &'a Question<'a>,
    pub(super) ledger: Ledger,
    places: BTreeMap<(&'a str, u32), &'a Placement>,
    pub(super) turn: Turn,
    /// Something is still being reserved: nothing begins before all is.
    pub(super) hold: bool,
    contended: BTreeSet<&'a str>,
}

impl<'a> Planner<'a> {
    fn rows(&self) -> Vec<Row<'a>> {
        let q = self.q;
        let row = |(name, service): (&'a String, &'a Service)| {
            let roles = (0..service.replicas).map(|replica| {
                let pair = q.observed.pair(name, replica);
                (replica, self.role(name, service, replica, pair))
            });
            Row { name, service, roles: roles.collect() }
        };
        q.app.services.iter().map(row).collect()
    }

    fn role(&self, name: &str, service: &Service, replica: u32, pair: Pair<'a>) -> Role<'a> {
        let (q, blocked) = (self.q, self.blocked(name));
        let dead = |seen: &Seen<'_>| seen.state() == ContainerState::Dead;
        let given_up = |seen: &Seen<'_>| q.memory.of(seen).is_some_and(|known| known.given_up);
        let locked_up = |seen: &Seen<'_>| super::role::is_locked_up(q.memory, service, seen);
        let current = |seen: &Seen<'_>| {
            let placed = self.places.get(&(name, replica)).is_none_or(|it| seen.gpus.as_ref() == Some(&it.gpus));
            let secrets = q.secrets.get(name).map_or_else(
                || !service.secrets.is_empty() || seen.container.label(crate::engine::labels::SECRETS).is_none(),
                |secrets| secrets.matches(seen.container.label(crate::engine::labels::SECRETS)),
            );
            placed && secrets && seen.hash() == q.hashes.get(name).map(String::as_str)
        };
        let half_made = |seen: &Seen<'_>| q.memory.may_be_half_made(service, seen);
        let usable = |seen: &Seen<'_>| !locked_up(seen) && !dead(seen) && !given_up(seen) && !half_made(seen);
        match (pair.main, pair.next) {
            (None, None) => Role::Absent,
            (None, Some(next)) => Role::Promote(next),
            (Some(main), None) if dead(&main) => Role::Anew(main, "its container is broken"),
            (Some(main), None) if current(&main) && locked_up(&main) => Role::Anew(main, "its root must be writable"),
            (Some(main), None) if !blocked && half_made(&main) => Role::Anew(main, HALF_MADE),
            (Some(main), None) if blocked || current(&main) => Role::Steady(main),
            (Some(main), None) if main.state() == ContainerState::Created => {
                Role::Anew(main, "its specification has changed")
            }
            (Some(main), None) => Role::Outdated(main),
            (Some(main), Some(next)) if blocked || current(&main) => Role::Back(main, next),
            (Some(main), Some(next)) if current(&next) && usable(&next) => Role::Update(main, next),
            (Some(main), Some(next)) => Role::Stale(main, next),
        }
    }

    /// Whether the specification of a service did not become ready and is not tried again.
    pub(super) fn blocked(&self, name: &str) -> bool {
        let failed = self.q.memory.failed.get(name);
        failed.is_some_and(|failed| Some(&failed.hash) == self.q.hashes.get(name))
    }

    fn stand(&mut self, rows: &[Row<'a>]) {
        for row in rows {
            let mut standing = Standing {
                wanted: row.roles.len(),
                rolled_back: self.blocked(row.name),
                updating: row.roles.iter().any(|(_, role)| role.is_moving()),
                ..Standing::default()
            };
            for (_, role) in &row.roles {
                // What stopped for its successor has not done the replica's work, even if whoever stopped it is gone.
                let done = match role {
                    Role::Update(_, next) if next.state() != ContainerState::Created => {
                        self.q.memory.is_done(row.service, next)
                    }
                    role => role.containers().any(|seen| self.q.memory.is_done(row.service, seen)),
                };
                let ready = role.containers().any(|seen| self.q.memory.is_ready(seen));
                let surely = |known: &Known| known.began.is_some() && !known.doubtful;
                let began = |seen: &Seen<'_>| self.q.memory.of(seen).is_some_and(surely);
                let started = role.containers().any(|seen| seen.is_active() || began(seen));
                standing.started += usize::from(started || done);
                standing.ready += usize::from(ready || done);
                standing.done += usize::from(done);
            }
            self.turn.settled &= standing.ready == standing.wanted;
            self.turn.services.insert(row.name.to_owned(), standing);
        }
    }

    /// Steps back where another program promised the same memory at the same moment: the container that was created last
    /// goes, and who was there first begins when it is gone.
    fn contention(&mut self) {
        let q = self.q;
        let waiting = |seen: &&'a Seen<'a>| {
            let began = q.memory.of(seen).is_some_and(|known| known.began.is_some());
            seen.state() == ContainerState::Created && !began
        };
        let limit = q.memory.contended.is_some_and(|since| q.now.saturating_sub(since) >= CONTENTION_LIMIT);
        for seen in q.observed.all().filter(waiting) {
            let Some(gpu) = seen.held().iter().find(|gpu| self.ledger.is_overbooked(gpu)) else { continue };
            self.turn.contended = true;
            self.turn.settled = false;
            self.contended.insert(&seen.container.name);
            let here = q.observed.all().chain(&q.observed.others).filter(|other| other.held().contains(gpu));
            let last = here.max_by_key(|other| {
                let created = other.state() == ContainerState::Created;
                (created, other.container.created, &other.container.name)
            });
            if limit || last.is_some_and(|last| last.id() == seen.id()) {
                let act = Act::Remove(seen.id().clone(), STOP_GRACE);
                self.leave(seen, act, "another program was given the same memory at the same time");
            } else {
                self.wait(CONTENTION_LIMIT);
            }
        }
    }

    /// Reserves: pulls the images, makes the networks, and creates everything that is missing.
    fn create(&mut self, rows: &[Row<'a>]) {
        let q = self.q;
        let mut missing = Vec::new();
        for row in rows {
            if self.blocked(row.name) {
                continue;
            }
            let lacking = row.roles.iter().filter(|(_, role)| role.lacks_container());
            let lacking: Vec<_> = lacking.map(|(replica, role)| (*replica, role)).collect();
            self.turn.settled &= lacking.is_empty();
            // What cannot be placed needs no image yet.
            let placed = lacking.iter().any(|(replica, _)| self.places.contains_key(&(row.name, *replica)));
            // Without its secrets nothing of it is created.
            let unread = !row.service.secrets.is_empty() && !q.secrets.contains_key(row.name);
            if unread || !placed || !self.has_image(row) || !self.has_networks(row) {
                continue;
            }
            missing.extend(lacking.into_iter().map(|(replica, role)| (row, replica, role)));
        }
        // Nothing is created before all images are there that can be had.
        if self.hold {
            return;
        }
        let mut besides = BTreeMap::new();
        // Who can also do without a place beside the old one takes one of what all others have left.
        let modest = |(row, _, role): &(&Row<'_>, u32, &Role<'_>)| {
            matches!(role, Role::Outdated(_))
                && row.service.strategy.overlaps()
                && !row.service.strategy.allows_no_gap()
        };
        missing.sort_by_key(modest);
        for (row, replica, role) in missing {
            self.turn.settled = false;
            let (next, why) = match role {
                Role::Absent => (false, "it is not there".to_owned()),
                Role::Outdated(main) => (true, self.why_outdated(row.name, main)),
                _ => continue,
            };
            let Some(placement) = self.places.get(&(row.name, replica)).copied() else { continue };
            let name = container_name(&q.app.name, row.name, replica);
            let name = if next { next_name(&name) } else { name };
            if let Some(tries) = q.memory.creating.get(&name)
                && tries.again > q.now
            {
                self.wait(tries.again - q.now);
                continue;
            }
            let exclusive =
                row.service.gpu.as_ref().is_some_and(|need| need.sharing == crate::service::Sharing::Exclusive);
            let owner = (q.app.name.as_str(), row.name, replica);
            let has_room =
                |ledger: &Ledger, share| ledger.has_room(owner, &placement.gpus, placement.memory, exclusive, share);
            let room = |share| has_room(&self.ledger, share).then_some(share);
            let share = match role {
                Role::Outdated(main) if main.is_active() && !placement.gpus.is_empty() => {
                    let count = besides.entry(row.name).or_insert_with(|| row.besides());
                    let share = match row.service.strategy {
                        strategy if strategy.allows_no_gap() => room(Share::Beside),
                        Strategy::Rolling { surge, .. } if *count < surge => {
                            room(Share::Beside).or_else(|| room(Share::InTurn))
                        }
                        _ => room(Share::InTurn),
                    };
                    *count += u32::from(share == Some(Share::Beside));
                    share
                }
                _ => room(Share::InTurn),
            };
            let Some(share) = share else { continue };
            self.ledger.promise(owner, &placement.gpus, placement.memory, exclusive, share);
            let root = q.memory.roots.get(&q.hashes[row.name]).cloned();
            let act = Act::Create { placement: placement.clone(), next, beside: share == Share::Beside, root };
            let reason = format!("{why}; {}", super::preview::told(q.app, placement));
            self.turn.jobs.push(Job { service: row.name.to_owned(), replica, act, reason });
            self.hold = true;
        }
    }

    fn why_outdated(&self, name: &str, main: &Seen<'_>) -> String {
        if main.hash() != self.q.hashes.get(name).map(String::as_str) {
            return "its specification has changed".to_owned();
        }
        let condemned = main.held().iter().find_map(|gpu| Some((gpu, self.q.condemned.get(gpu)?)));
        match condemned {
            Some((gpu, reason)) => format!("GPU {} gets no replica any more: {reason}", gpu.short()),
            None if main.gpus.as_ref() == self.places.get(&(name, main.replica)).map(|it| &it.gpus) => {
                "its secrets have changed".to_owned()
            }
            None => "its GPUs have changed".to_owned(),
        }
    }

    fn has_image(&mut self, row: &Row<'a>) -> bool {
        let (q, image) = (self.q, &row.service.image);
        match q.memory.images.get(image) {
            Some(None) => return true,
            Some(Some(tries)) if tries.again > q.now => {
                self.wait(tries.again - q.now);
                return false;
            }
            // Others are not kept waiting for an image that could not be had.
            Some(Some(_)) => {}
            None => self.hold = true,
        }
        let mut request = PullRequest::new(image).when(row.service.pull);
        request.platform.clone_from(&row.service.platform);
        let act = Act::Pull(request);
        if !self.turn.jobs.iter().any(|job| job.act == act) {
            let reason = format!("{} needs it", row.name);
            self.turn.jobs.push(Job { service: row.name.to_owned(), replica: 0, act, reason });
        }
        false
    }

    fn has_networks(&mut self, row: &Row<'a>) -> bool {
        let app = &self.q.app.name;
        let names = row.service.networks.iter().map(|network| format!("nacp.{app}.{network}"));
        let missing: Vec<_> = names.filter(|name| !self.q.memory.networks.contains(name)).collect();
        self.hold |= !missing.is_empty();
        let all = missing.is_empty();
        for name in missing {
            let act = Act::Network(name);
            if !self.turn.jobs.iter().any(|job| job.act == act) {
                let reason = format!("{} is in it", row.name);
                self.turn.jobs.push(Job { service: row.name.to_owned(), replica: 0, act, reason });
            }
        }
        all
    }

    /// Removes what the app no longer wants.
    fn surplus(&mut self) {
        let q = self.q;
        let surplus = q.observed.all().filter(|seen| {
            let service = q.app.services.get(&seen.service);
            service.is_none_or(|service| seen.replica >= service.replicas)
        });
        for seen in surplus {
            self.turn.settled = false;
            if !self.hold {
                self.leave(seen, Act::Remove(seen.id().clone(), self.grace(seen)), "the app no longer wants it");
            }
        }
    }

    fn service(&mut self, row: &Row<'a>) {
        let mut updates = Vec::new();
        for (_, role) in &row.roles {
            match role {
                Role::Absent | Role::Outdated(_) => {
                    if let Role::Outdated(main) = role {
                        self.outdated_lives(row, main);
                    }
                }
                Role::Steady(main) => self.keep_alive(row, main, true),
                Role::Anew(main, why) => {
                    self.turn.settled = false;
                    if !self.hold {
                        self.leave(main, Act::Remove(main.id().clone(), self.grace(main)), why);
                    }
                }
                Role::Update(main, next) => updates.push((main, next)),
                Role::Back(main, next) => self.back(row, main, next),
                Role::Stale(_, next) => {
                    self.turn.settled = false;
                    if !self.hold {
                        let act = Act::Remove(next.id().clone(), self.grace(next));
                        let half_made = self.q.memory.may_be_half_made(row.service, next);
                        let why = if half_made { HALF_MADE } else { "another specification is wanted meanwhile" };
                        self.leave(next, act, why);
                    }
                }
                Role::Promote(next) => {
                    self.turn.settled = false;
                    let name = container_name(&self.q.app.name, row.name, next.replica);
                    self.push(next, Act::Rename(next.id().clone(), name), "it has taken the place of the old one");
                }
            }
        }
        if !updates.is_empty() {
            self.update(row, &updates);
        }
    }

    /// An old one whose successor cannot be created yet is not left ended.
    fn outdated_lives(&mut self, row: &Row<'a>, main: &Seen<'a>) {
        self.turn.settled = false;
        if matches!(main.state(), ContainerState::Exited(_)) && !self.hold {
            self.keep_alive(row, main, false);
        }
    }

    /// The new one goes, and the old one lives again.
    fn back(&mut self, row: &Row<'a>, main: &Seen<'a>, next: &Seen<'a>) {
        self.turn.settled = false;
        let why = if self.blocked(row.name) { "it did not become ready" } else { "the old one is wanted again" };
        if next.is_active() {
            self.leave(next, Act::Stop(next.id().clone(), self.grace(next)), why);
            return;
        }
        if let Some(began) = self.q.memory.of(next).and_then(|known| known.began) {
            // It was started a moment ago, and the list does not tell yet.
            self.until(began + LAG);
            return;
        }
        let tried = self.q.memory.of(main).is_some_and(|known| known.tries.failures > 0);
        let lives =
            main.is_active() || main.state() == ContainerState::Created || self.q.memory.is_done(row.service, main);
        if lives || tried {
            self.push(next, Act::Remove(next.id().clone(), self.grace(next)), why);
        } else if self.may_start(main) {
            self.start(main, "it comes back");
        }
    }

    /// Sees to it that a replica runs, as its service says what happens when it ends.
    pub(super) fn keep_alive(&mut self, row: &Row<'a>, seen: &Seen<'a>, gated: bool) {
        let (q, now) = (self.q, self.q.now);
        let Some(known) = q.memory.of(seen) else { return };
        match seen.state() {
            ContainerState::Created if known.began.is_some() => self.until(known.began.unwrap_or(now) + LAG),
            ContainerState::Created => {
                self.first_start(row, seen, gated, "its memory is reserved");
            }
            ContainerState::Running => self.running(row, seen),
            ContainerState::Exited(_) if known.began.is_some() => self.until(known.began.unwrap_or(now) + LAG),
            ContainerState::Exited(code) if !q.memory.is_done(row.service, seen) => {
                let again = match row.service.restart {
                    Restart::Always => true,
                    Restart::OnFailure => code != Some(0),
                    Restart::Never => false,
                };
                let anew = q.memory.retry_ended && !known.ours && code != Some(0);
                if again || anew || known.stopped || known.unwell.is_some() {
                    let reason = match known.tries.failures {
                        0 => format!("it is {}", seen.state()),
                        failures => format!("it is {}; failures in a row: {failures}", seen.state()),
                    };
                    self.first_start(row, seen, gated && !known.ours, &reason);
                }
            }
            ContainerState::Exited(_) | ContainerState::Dead | ContainerState::Restarting | ContainerState::Paused => {}
        }
    }

    fn first_start(&mut self, row: &Row<'a>, seen: &Seen<'a>, gated: bool, reason: &str) {
        let tries = self.q.memory.of(seen).map(|known| known.tries.again).unwrap_or_default();
        if tries > self.q.now {
            self.until(tries);
        } else if self.may_start(seen) && !(gated && (self.hold || self.waits(row))) {
            self.start(seen, reason);
        }
    }

    fn running(&mut self, row: &Row<'a>, seen: &Seen<'a>) {
        let (q, now) = (self.q, self.q.now);
        let Some(known) = q.memory.of(seen) else { return };
        let grace = self.grace(seen);
        let late = known.trouble.is_some() && row.service.restart != Restart::Never && !q.memory.retry_ended;
        if let Some(why) = known.unwell.clone() {
            self.leave(seen, Act::Stop(seen.id().clone(), grace), &why);
        } else if late {
            self.leave(seen, Act::Stop(seen.id().clone(), grace), "it is not ready in its time");
        } else if !known.was_ready {
            let began = known.began.unwrap_or(now);
            let settles = if known.probe.is_none() && !known.unreadable { SETTLED } else { known.limit() };
            if known.trouble.is_none() {
                self.until(began + settles.min(known.limit()));
            }
        }
    }

    /// Whether a service still waits for one that it depends on.
    pub(super) fn waits(&self, row: &Row<'_>) -> bool {
        row.service.depends_on.0.iter().any(|(needed, until)| {
            let standing = self.turn.services.get(needed).copied().unwrap_or_default();
            let so_far = match until {
                Condition::Started => standing.started,
                Condition::Ready => standing.ready,
                Condition::Completed => standing.done,
            };
            so_far < standing.wanted
        })
    }

    pub(super) fn may_start(&self, seen: &Seen<'_>) -> bool {
        !self.contended.contains(seen.container.name.as_str()) && self.ledger.can_start(seen)
    }

    pub(super) fn start(&mut self, seen: &Seen<'a>, reason: &str) {
        self.ledger.start(seen);
        self.push(seen, Act::Start(seen.id().clone()), reason);
    }

    /// Does something that ends a replica, once nobody waits for it any more.
    pub(super) fn leave(&mut self, seen: &Seen<'a>, act: Act, reason: &str) {
        let (now, known) = (self.q.now, self.q.memory.of(seen));
        self.turn.leaving.insert(seen.id().clone());
        if let Some(known) = known.filter(|known| known.stuck > 0 && known.tries.again > now) {
            self.until(known.tries.again);
            return;
        }
        if seen.state() != ContainerState::Running {
            self.push(seen, act, reason);
            return;
        }
        match known.and_then(|known| known.withdrawn) {
            None => {
                let withdraw = Act::Withdraw(seen.id().clone(), seen.container.name.clone());
                self.push(seen, withdraw, reason);
            }
            Some(withdrawn) if withdrawn.in_flight > 0 && now < withdrawn.since + self.grace(seen) => {
                self.wait(DRAIN_LOOK);
            }
            Some(_) => self.push(seen, act, reason),
        }
    }

    pub(super) fn grace(&self, seen: &Seen<'_>) -> Duration {
        let service = self.q.app.services.get(&seen.service);
        service.map(|service| service.stop_grace).or_else(|| stored_grace(seen.container)).unwrap_or(STOP_GRACE)
    }

    pub(super) fn push(&mut self, seen: &Seen<'_>, act: Act, reason: &str) {
        self.turn.settled = false;
        let (service, replica) = (seen.service.clone(), seen.replica);
        self.turn.jobs.push(Job { service, replica, act, reason: reason.to_owned() });
    }

    fn until(&mut self, moment: Duration) {
        self.wait(moment.saturating_sub(self.q.now));
    }

    pub(super) fn wait(&mut self, pause: Duration) {
        self.turn.wait = Some(self.turn.wait.map_or(pause, |before| before.min(pause)));
    }
}

#[cfg(test)]
mod tests;
