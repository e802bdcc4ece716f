//! Looking at the world, and thinking about it.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};

use super::{Goal, Keeper};
use crate::control::gpus::GpuView;
use crate::control::memory::{Failed, News, Trouble};
use crate::control::observed::{Observed, Pair, Seen};
use crate::control::plan::{Question, Turn, turn};
use crate::control::secrets::Secrets;
use crate::engine::{Container, ContainerId, ContainerState, labels};
use crate::error::Result;
use crate::gpu::GpuId;
use crate::placement::{Placement, Request, Running};
use crate::service::{App, Restart, RootAccess, Service};
use crate::units::Bytes;

/// How many of a program's last lines are told.
const LINES: usize = 5;
/// By how many of them is found out why it failed: what comes last is often only its farewell.
const JUDGED: usize = 200;
/// After so many failures in a row a replica is no longer bound to the GPUs that it had.
const UNBOUND: u32 = 3;

/// The world as it was looked at.
#[derive(Debug)]
pub(super) struct World {
    pub(super) containers: Vec<Container>,
    pub(super) view: Option<GpuView>,
    /// The engine was away since the look before: what ended meanwhile ended with it.
    pub(super) interrupted: bool,
}

impl Keeper<'_> {
    pub(super) async fn look(&mut self, goal: &Goal) -> Result<World> {
        let now = self.now();
        if self.stream.is_none() && now >= self.watching.again {
            match self.plane.engine().watch().await {
                Ok(stream) => self.stream = Some(stream),
                Err(error) => {
                    let (backoff, seed) = (self.plane.backoff, self.plane.seed);
                    self.watching.fail("watch", error.to_string(), now, &backoff, seed);
                }
            }
        }
        // Whose memory is not asked for is not looked at.
        let of = (!goal.needs_gpus).then_some(goal.app.name.as_str());
        let (list, view) = join(self.plane.engine().list(of), async {
            match goal.needs_gpus {
                true => self.plane.view().await.map(Some),
                false => Ok(None),
            }
        })
        .await;
        let world = World { containers: list?, view: view?, interrupted: std::mem::take(&mut self.interrupted) };
        self.found(goal);
        Ok(world)
    }

    /// Takes in what was seen, tells what has changed, and asks what can be done.
    pub(super) async fn think(
        &mut self,
        goal: &Goal,
        secrets: &BTreeMap<String, Secrets>,
        world: &World,
    ) -> Result<Turn> {
        let now = self.now();
        let observed = Observed::of(&goal.app.name, &world.containers);
        let strangers: Vec<_> = observed.all().filter(|seen| !self.memory.known.contains_key(seen.id())).collect();
        for seen in strangers.into_iter().filter(|seen| seen.is_active()) {
            self.plane.traffic.restore(&seen.container.name);
        }
        for known in self.memory.known.iter_mut().filter(|(_, known)| known.withdrawn.is_some()) {
            let name = observed.all().find(|seen| seen.id() == known.0).map(|seen| &seen.container.name);
            if let (Some(withdrawn), Some(name)) = (&mut known.1.withdrawn, name) {
                withdrawn.in_flight = self.plane.traffic.withdraw(name);
            }
        }
        let (backoff, seed) = (self.plane.backoff, self.plane.seed);
        let news = self.memory.observe(&observed, now, &backoff, seed);
        self.read_logs(&news).await;
        let ended = news.iter().filter(|(_, news)| world.interrupted && *news == News::Ended);
        for (id, _) in ended {
            self.memory.known.get_mut(id).into_iter().for_each(|known| known.trouble = None);
        }
        let changed: BTreeMap<_, _> = news.iter().map(|(id, news)| (id, news)).collect();
        for seen in observed.all() {
            changed.get(seen.id()).into_iter().for_each(|news| self.tell_news(goal, seen, news));
        }
        self.judge(goal, &observed);
        let condemned = self.condemned(goal, world);
        let placements = self.place(goal, &observed, world, &condemned);
        let question = Question {
            app: &goal.app,
            hashes: &goal.hashes,
            secrets,
            placements: &placements,
            observed: &observed,
            snapshot: world.view.as_ref().map(|view| &view.snapshot),
            condemned: &condemned,
            memory: &self.memory,
            now,
            paused: goal.desired.paused,
        };
        let turn = turn(&question);
        // Who was to go and may stay after all gets requests again.
        let stays = |id: &ContainerId| !turn.reserving && !turn.leaving.contains(id);
        let withdrawn = self.memory.known.iter_mut().filter(|(_, known)| known.withdrawn.is_some());
        for (id, known) in withdrawn.filter(|(id, _)| stays(id)) {
            let name = observed.all().find(|seen| seen.id() == id && seen.is_active()).map(|seen| &seen.container.name);
            if let Some(name) = name {
                self.plane.traffic.restore(name);
                known.withdrawn = None;
            }
        }
        self.memory.contended = turn.contended.then(|| self.memory.contended.unwrap_or(now));
        self.publish(goal, &turn, &observed);
        Ok(turn)
    }

    /// Reads what the programs wrote that have ended just now, or are late.
    async fn read_logs(&mut self, news: &[(ContainerId, News)]) {
        let troubled = news.iter().filter(|(_, news)| matches!(news, News::Ended | News::Late)).map(|(id, _)| id);
        let engine = self.plane.engine();
        let logs = join_all(troubled.map(|id| async move { (id, engine.logs(id, JUDGED).await) })).await;
        for (id, log) in logs {
            if let (Some(known), Ok(log)) = (self.memory.known.get_mut(id), log) {
                let end = known.end.get_or_insert_default();
                end.log = log[log.len().saturating_sub(LINES)..].to_vec();
                end.lines = log;
            }
        }
    }

    /// Finds out of what has ended whether its root was the reason, and whether a new specification has failed.
    fn judge(&mut self, goal: &Goal, observed: &Observed<'_>) {
        for seen in observed.all() {
            let Some(service) = goal.app.services.get(&seen.service) else { continue };
            let done = self.memory.is_done(service, seen);
            let Some(known) = self.memory.known.get_mut(seen.id()) else { continue };
            // What ended before this keeper came and is not started again has failed all the same.
            let failed = matches!(seen.state(), ContainerState::Exited(code) if code != Some(0));
            let before = failed && seen.next && known.end.is_none() && known.trouble.is_none();
            if before && service.restart == Restart::Never && !self.memory.retry_ended {
                known.trouble = Some(Trouble::Ended(format!("its container is {}", seen.state())));
            }
            let (Some(Trouble::Ended(_) | Trouble::Late(_)), Some(end)) = (&known.trouble, &known.end) else {
                continue;
            };
            if done {
                known.trouble = None;
                continue;
            }
            let wanted = goal.hashes.get(&seen.service).map(String::as_str);
            let locked = service.security.root == RootAccess::Auto && seen.root().is_none() && seen.hash() == wanted;
            let line = end.lines.iter().rev().find(|line| tells_of_read_only_root(line, service));
            if let (true, Some(line), Some(hash)) = (locked, line, wanted) {
                let reason = format!("its program could not write: {:.120}", line.trim());
                self.memory.roots.insert(hash.to_owned(), reason);
                if seen.is_active() {
                    known.unwell = Some("its root must be writable".to_owned());
                }
                known.trouble = None;
            }
        }
        for pair in observed.own.values() {
            let (Some(main), Some(next)) = (&pair.main, &pair.next) else { continue };
            let Some(hash) = goal.hashes.get(&next.service) else { continue };
            let new = next.hash() == Some(hash.as_str()) && main.hash() != Some(hash.as_str());
            let Some(known) = self
                .memory
                .of(next)
                .filter(|known| new && !known.given_up && !self.memory.failed.contains_key(&next.service))
            else {
                continue;
            };
            let Some(trouble) = known.trouble.clone() else { continue };
            let log = known.end.as_ref().map(|end| end.log.clone()).unwrap_or_default();
            let service = goal.app.services.get(&next.service);
            let hint = service.and_then(|service| super::verdict::hint_of(service, known));
            let failed = Failed { hash: hash.clone(), replica: next.replica, trouble, limit: known.limit(), log, hint };
            self.tell_rolled_back(goal, &next.service, &failed);
            self.memory.failed.insert(next.service.clone(), failed);
        }
    }

    fn condemned(&mut self, goal: &Goal, world: &World) -> BTreeMap<GpuId, String> {
        let mut condemned = world.view.as_ref().map(|view| view.condemned.clone()).unwrap_or_default();
        let cordoned = goal.desired.cordoned.iter().map(|(gpu, reason)| (gpu.clone(), reason.clone()));
        condemned.extend(cordoned);
        self.tell_cordons(goal, &condemned);
        condemned
    }

    /// Which replica gets which GPUs. Where not all can be placed, those that are there stay where they are.
    fn place(
        &mut self,
        goal: &Goal,
        observed: &Observed<'_>,
        world: &World,
        condemned: &BTreeMap<GpuId, String>,
    ) -> Vec<Placement> {
        let Some(view) = &world.view else { return without_gpus(&goal.app) };
        let (app, running) = self.promises(goal, observed);
        let request = Request::new(&app, &view.snapshot).running(&running).condemned(condemned);
        match request.strategy(&*self.plane.strategy).plan() {
            Ok(placements) => {
                self.unplaced = None;
                placements
            }
            Err(error) => {
                self.refused(goal, error);
                observed.own.values().filter_map(|pair| stands(pair, &goal.hashes)).map(where_it_is).collect()
            }
        }
    }

    /// The promises that stand, and the app as far as it is to be placed by them.
    fn promises(&self, goal: &Goal, observed: &Observed<'_>) -> (App, Vec<Running>) {
        let mut app = goal.app.clone();
        let mut running: Vec<_> = observed.others.iter().map(Seen::promise).collect();
        // A promise of nobody in particular: it stands, and no replica of the app takes it over.
        let standing = |seen: &Seen<'_>| Running { app: String::new(), ..seen.promise() };
        // So many more of a service may be given a place beside their older selves; the others wait where they are.
        let mut besides = BTreeMap::new();
        for ((name, _), pair) in &observed.own {
            let next = pair.next.as_ref().filter(|next| next.beside && pair.main.is_some());
            if let (Some(service), Some(_)) = (app.services.get(name), next) {
                let left = besides.entry(name.as_str()).or_insert_with(|| service.strategy.surge());
                *left = left.saturating_sub(1);
            }
        }
        for ((name, _), pair) in &observed.own {
            let hash = goal.hashes.get(name).map(String::as_str);
            let blocked = self.memory.failed.get(name).is_some_and(|failed| Some(failed.hash.as_str()) == hash);
            let service = app.services.get_mut(name);
            let beside = service.as_ref().is_some_and(|service| service.strategy.allows_no_gap());
            if let (true, Some(service)) = (blocked, service) {
                service.replicas = 0;
            }
            let wanted = |seen: &&Seen<'_>| !blocked && seen.hash() == hash;
            let bound = |seen: &Seen<'_>| {
                let failures = self.memory.of(seen).map_or(0, |known| known.tries.failures);
                Running { active: seen.is_active() || failures < UNBOUND, ..seen.promise() }
            };
            match (&pair.main, &pair.next) {
                (main, Some(next)) if wanted(&next) => {
                    let both = next.beside || main.as_ref().is_some_and(Seen::is_active) && next.is_active();
                    running.extend(main.as_ref().map(|main| Running { active: both, ..main.promise() }));
                    running.push(bound(next));
                }
                (Some(main), next) if wanted(&main) => {
                    running.extend(next.as_ref().map(Seen::promise));
                    running.push(bound(main));
                }
                (main, next) => {
                    running.extend(next.as_ref().map(Seen::promise));
                    let mut apart = blocked;
                    if let (true, Some(service), Some(main)) = (beside, goal.app.services.get(name), main)
                        && main.is_active()
                    {
                        let left = besides.entry(name.as_str()).or_insert_with(|| service.strategy.surge());
                        apart |= *left > 0;
                        *left = left.saturating_sub(1);
                    }
                    running.extend(main.as_ref().map(|main| if apart { standing(main) } else { main.promise() }));
                }
            }
        }
        (app, running)
    }
}

/// Which container of a replica counts where nothing can be placed anew: the new one, if it is of the wanted specification,
/// or else the old one, if that is. A promise of another specification says nothing of what this one needs.
fn stands<'a, 'b>(pair: &'b Pair<'a>, hashes: &BTreeMap<String, String>) -> Option<&'b Seen<'a>> {
    let wanted = |seen: &&Seen<'_>| seen.hash() == hashes.get(&seen.service).map(String::as_str);
    pair.next.as_ref().filter(wanted).or(pair.main.as_ref().filter(wanted))
}

fn where_it_is(seen: &Seen<'_>) -> Placement {
    Placement {
        service: seen.service.clone(),
        replica: seen.replica,
        gpus: seen.held().to_vec(),
        memory: seen.memory,
        reason: "it is there already".to_owned(),
    }
}

/// The placements of an app that needs no GPU.
pub(in crate::control) fn without_gpus(app: &App) -> Vec<Placement> {
    let replicas = |(name, count): (&String, u32)| {
        let name = name.clone();
        (0..count).map(move |replica| Placement {
            service: name.clone(),
            replica,
            gpus: Vec::new(),
            memory: Bytes::ZERO,
            reason: "it needs no GPU".to_owned(),
        })
    };
    app.services.iter().map(|(name, service)| (name, service.replicas)).flat_map(replicas).collect()
}

/// Whether a program tells that it could not write to its root: not to a volume that it is only to read.
fn tells_of_read_only_root(line: &str, service: &Service) -> bool {
    let small = line.to_lowercase();
    let named = |path: &str| {
        let ends = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || "._-".contains(next));
        line.match_indices(path).any(|(at, _)| ends(&line[at + path.len()..]))
    };
    let mut only_read = service.volumes.values().filter(|mount| mount.read_only);
    (small.contains("read-only file system") || small.contains("erofs"))
        && !only_read.any(|mount| named(mount.path.trim_end_matches('/')))
}

/// The label in which a container tells its specification's hash.
pub(super) fn hash_of(container: &Container) -> Option<&str> {
    container.label(labels::SPEC_HASH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Mount;

    #[test]
    fn a_program_that_writes_to_what_it_is_only_to_read_needs_no_other_root() {
        let mut service = Service::new("i");
        service.volumes.insert("models".to_owned(), Mount::volume("/models").read_only());
        service.volumes.insert("cache".to_owned(), Mount::volume("/cache"));
        for (line, root) in [
            ("OSError: [Errno 30] Read-only file system: '/app/x'", true),
            ("mkdir '/models2': Read-only file system", true),
            ("Error: EROFS: open '/cache'", true),
            ("OSError: [Errno 30] Read-only file system: '/models/x'", false),
            ("mkdir '/models': EROFS", false),
            ("all is well in /app", false),
        ] {
            assert_eq!(tells_of_read_only_root(line, &service), root, "{line}");
        }
    }

    #[test]
    fn where_nothing_can_be_placed_only_what_is_of_the_wanted_specification_counts() {
        let container = |name: &str, hash: &str| Container {
            id: ContainerId(name.to_owned()),
            name: name.to_owned(),
            image: "i".to_owned(),
            labels: [(labels::APP, "a"), (labels::SERVICE, "s"), (labels::REPLICA, "0"), (labels::SPEC_HASH, hash)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            state: ContainerState::Running,
            address: None,
            created: None,
        };
        let hashes = BTreeMap::from([("s".to_owned(), "new".to_owned())]);
        for (main, next, counts) in [
            ("old", None, None),
            ("new", None, Some("nacp.a.s.0")),
            ("old", Some("new"), Some("nacp.a.s.0.next")),
            ("new", Some("new"), Some("nacp.a.s.0.next")),
            ("new", Some("old"), Some("nacp.a.s.0")),
            ("old", Some("old"), None),
        ] {
            let mut containers = vec![container("nacp.a.s.0", main)];
            containers.extend(next.map(|hash| container("nacp.a.s.0.next", hash)));
            let pair = Observed::of("a", &containers).pair("s", 0);
            assert_eq!(stands(&pair, &hashes).map(|seen| seen.container.name.as_str()), counts, "{main} {next:?}");
        }
    }
}
