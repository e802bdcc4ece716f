//! What must always hold, and what must hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nacp_core::Bytes;
use nacp_core::engine::ContainerState;
use nacp_core::gpu::Reading;
use nacp_core::placement::{Running, plan};
use nacp_core::service::{Condition, GpuNeed, Sharing, Strategy};

use crate::world::{Effect, Held, Replica, Who, World};

/// Stands in every value that must appear nowhere but in a container's environment.
pub(crate) const SECRET: &str = "hunter2";

/// How long two programs of different apps may both have reserved the same memory until one has stepped back.
const OVERBOOKED: Duration = Duration::from_secs(90);

impl World {
    /// Looks at every invariant that the state of the world alone can violate.
    pub(crate) fn check(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        self.check_copies();
        self.check_gpus();
        self.check_available();
    }

    /// From now on nobody but the loop disturbs anything: an update must leave as many replicas ready as it says.
    pub(crate) fn guard(&mut self) {
        for desire in &self.desires {
            for (name, service) in &desire.effective().services {
                let missing = match service.strategy {
                    Strategy::Rolling { unavailable, .. } => unavailable as usize,
                    _ => 0,
                };
                let serving = self.serving(&desire.name, name);
                if !service.image.contains("job") {
                    self.least.insert((desire.name.clone(), name.clone()), serving.saturating_sub(missing));
                }
            }
        }
    }

    fn serving(&self, app: &str, service: &str) -> usize {
        let mut desires = self.desires.iter().filter(|desire| desire.name == app);
        let probed = desires.find_map(|desire| desire.service(service)).is_some_and(|service| service.ready.is_some());
        let of = |replica: &Replica| replica.app == app && replica.service == service;
        let serving: BTreeSet<_> = self
            .containers
            .values()
            .filter(|held| held.serves(probed) && held.replica.as_ref().is_some_and(of))
            .filter_map(|held| Some(held.replica.as_ref()?.number))
            .collect();
        serving.len()
    }

    fn check_available(&mut self) {
        let short = self.least.iter().find_map(|((app, service), least)| {
            let serving = self.serving(app, service);
            (serving < *least).then(|| format!("{app}/{service} has {serving} that serve, and {least} are the least"))
        });
        if let Some(what) = short {
            self.violate("availability", what);
        }
    }

    fn check_copies(&mut self) {
        let mut running: BTreeMap<(&str, &str), BTreeMap<u32, Vec<&Held>>> = BTreeMap::new();
        for held in self.containers.values().filter(|held| held.active()) {
            if let Some(replica) = &held.replica {
                let service = running.entry((&replica.app, &replica.service)).or_default();
                service.entry(replica.number).or_default().push(held);
            }
        }
        let mut found = None;
        for ((app, service), replicas) in &running {
            let want = self.want(app, service);
            let name = |number: &u32| format!("{app}/{service}/{number}");
            for (number, copies) in replicas {
                let ids: Vec<_> = copies.iter().map(|held| held.id.as_str()).collect();
                let same = |one: &Held, other: &Held| {
                    let hash = |held: &Held| held.replica.as_ref().map(|replica| replica.hash.clone());
                    // One that moves to another GPU is updated like one that changes.
                    hash(one) == hash(other) && (one.gpus == other.gpus || want.surge == 0)
                };
                let pairs =
                    copies.iter().enumerate().flat_map(|(at, one)| copies[..at].iter().map(move |other| (one, other)));
                if pairs.into_iter().any(|(one, other)| same(one, other)) {
                    found = Some(("one-copy", format!("{} runs twice, as the same: {ids:?}", name(number))));
                } else if copies.len() > 1 && want.surge == 0 {
                    found = Some(("no-surge", format!("{} runs old and new: {ids:?}", name(number))));
                } else if copies.len() > 2 {
                    found = Some(("two-specs", format!("{} runs more than twice: {ids:?}", name(number))));
                }
            }
            let all: usize = replicas.values().map(Vec::len).sum();
            let twice = replicas.values().filter(|copies| copies.len() > 1).count();
            let most = want.replicas.saturating_add(want.surge.min(want.replicas));
            if twice > want.surge as usize || all > most as usize {
                found =
                    found.or(Some(("surge", format!("{app}/{service}: {all} run, {twice} of them twice; {want:?}"))));
            }
        }
        if let Some((invariant, what)) = found {
            self.violate(invariant, what);
        }
    }

    fn check_gpus(&mut self) {
        for gpu in 0..self.gpus.len() {
            let here = || self.containers.values().filter(|held| held.gpus.contains(&gpu) && held.replica.is_some());
            let running: Vec<_> = here().filter(|held| held.active()).collect();
            let memory = |held: &Held| held.replica.as_ref().map_or(0, |replica| replica.memory);
            let used: u64 = running.iter().map(|held| memory(held)).sum();
            let exclusive = running.iter().any(|held| held.replica.as_ref().is_some_and(|replica| replica.exclusive));
            let ids = || running.iter().map(|held| held.id.as_str()).collect::<Vec<_>>();
            if used > self.gpus[gpu].total {
                let what =
                    format!("gpu {gpu} has {}, and what runs there has {used}: {:?}", self.gpus[gpu].total, ids());
                return self.violate("gpu-memory", what);
            }
            if exclusive && running.len() > 1 {
                return self.violate("exclusive", format!("gpu {gpu} is not its alone: {:?}", ids()));
            }
            let promised = self.promised(gpu, None);
            if promised <= self.gpus[gpu].total {
                self.overbooked.remove(&gpu);
                continue;
            }
            let now = self.now();
            let since = *self.overbooked.entry(gpu).or_insert(now);
            let alone = self.desires.len() == 1;
            if !self.chaos && now > since + OVERBOOKED || alone && self.mask.0 == 0 {
                return self.violate("promises", format!("gpu {gpu}: {promised} promised since {since:?}"));
            }
        }
    }

    /// What is promised on a GPU; the two containers of one replica that do not run together count once.
    pub(crate) fn promised(&self, gpu: usize, without: Option<(&str, &str, u32)>) -> u64 {
        let mut replicas: BTreeMap<(&str, &str, u32), (u64, u64)> = BTreeMap::new();
        for held in self.containers.values().filter(|held| held.gpus.contains(&gpu)) {
            let Some(replica) = held.replica.as_ref().filter(|_| without.is_none_or(|own| !held.is(own))) else {
                continue;
            };
            let (running, most) = replicas.entry((&replica.app, &replica.service, replica.number)).or_default();
            *running += if held.active() { replica.memory } else { 0 };
            *most = (*most).max(replica.memory);
        }
        replicas.values().map(|(running, most)| running.max(most)).sum()
    }

    /// Looks whether a program may ask for this.
    pub(crate) fn check_allowed(&mut self, who: Who, effect: &Effect) {
        let desire = &self.desires[who.program];
        let (name, paused, deleting) = (desire.name.clone(), desire.paused, desire.deleting);
        // A removal that was begun is brought to its end.
        let begun = matches!(effect, Effect::Remove(id) if self.containers.get(id).is_some_and(|held| held.stopping));
        if paused && !deleting && !begun {
            self.violate("pause", format!("{who} is paused, and asks for: {}", effect.told()));
        }
        if !deleting && self.leases.get(&name) != Some(&who) {
            self.violate("one-keeper", format!("{who} does not keep {name}, and asks for: {}", effect.told()));
        }
        if let Some(held) = effect.container().and_then(|id| self.containers.get(id)) {
            let (id, of) = (held.id.clone(), held.replica.as_ref().map(|replica| replica.app.clone()));
            if of.as_ref() != Some(&name) {
                let whose = of.unwrap_or_else(|| "a stranger".to_owned());
                self.violate(
                    "strangers",
                    format!("{who} keeps {name}, and touches {id} of {whose}: {}", effect.told()),
                );
            }
        }
        if let Effect::Create(spec) = effect {
            if spec.labels.iter().any(|(key, value)| key.contains(SECRET) || value.contains(SECRET)) {
                self.violate("secrets", format!("a value stands in a label of {}", spec.name));
            }
            if spec.labels.get(nacp_core::engine::labels::APP) != Some(&name) {
                self.violate("strangers", format!("{who} keeps {name}, and creates {}", spec.name));
            }
        }
    }

    /// Looks, when a program starts, whether what it waits for was there once.
    pub(crate) fn check_start_order(&mut self, who: Who, id: &str) {
        let Some(held) = self.containers.get(id) else { return };
        let Some(replica) = held.replica.clone() else { return };
        // What ran before is started again whatever became of the others.
        if self.past(&replica.app, &replica.service, replica.number).started {
            return;
        }
        let desire = &self.desires[who.program];
        let Some(service) = desire.service(&replica.service) else { return };
        let now = self.now();
        let mut early = None;
        for (needed, condition) in &service.depends_on.0 {
            for number in 0..desire.least(needed, now) {
                let past = self.past(&replica.app, needed, number);
                let held = match condition {
                    Condition::Started => past.started,
                    Condition::Completed => past.completed,
                    _ => past.ready,
                };
                if !held {
                    early =
                        Some(format!("{id} ({}) starts before {needed}/{number} is {condition:?}", replica.service));
                }
            }
        }
        if let Some(what) = early {
            self.violate("start-order", what);
        }
    }

    /// What is not yet as it is wanted; nothing when everything is.
    pub(crate) fn unsettled(&self) -> Option<String> {
        let mut apps: BTreeMap<&str, Who> = BTreeMap::new();
        for (program, desire) in self.desires.iter().enumerate() {
            let who = Who { program, life: desire.life };
            if desire.alive && self.leases.get(&desire.name) == Some(&who) {
                apps.insert(&desire.name, who);
            }
        }
        for desire in &self.desires {
            if !apps.contains_key(desire.name.as_str()) {
                return Some(format!("nobody keeps {}", desire.name));
            }
        }
        apps.values().find_map(|who| self.unsettled_app(*who).filter(|_| self.fits(*who)))
    }

    /// Whether the app fits as a whole, beside what is there; one that does not is left as it is.
    fn fits(&self, who: Who) -> bool {
        let desire = &self.desires[who.program];
        let promise = |held: &Held| {
            let replica = held.replica.as_ref()?;
            Some(Running {
                app: replica.app.clone(),
                service: replica.service.clone(),
                replica: replica.number,
                gpus: held.gpus.iter().map(|gpu| self.gpus[*gpu].id.clone()).collect(),
                memory: Bytes(replica.memory),
                exclusive: replica.exclusive,
                active: held.active(),
                beside: false,
            })
        };
        let running: Vec<_> = self.containers.values().filter_map(promise).collect();
        let others: Vec<_> = running.iter().filter(|running| running.app != desire.name).cloned().collect();
        let (app, mut snapshot) = (desire.effective(), self.snapshot());
        for state in &mut snapshot.gpus {
            if let Reading::Known(memory) = &mut state.sample.memory {
                (memory.used, memory.free) = (Bytes::ZERO, memory.total);
            }
        }
        [running, others].iter().all(|running| plan(&app, &snapshot, running).is_ok())
    }

    fn unsettled_app(&self, who: Who) -> Option<String> {
        let desire = &self.desires[who.program];
        let app = desire.effective();
        let mut left: BTreeSet<&str> = self
            .containers
            .values()
            .filter(|held| held.replica.as_ref().is_some_and(|replica| replica.app == app.name))
            .map(|held| held.id.as_str())
            .collect();
        for (name, service) in &app.services {
            let hash = &desire.hashes[name];
            for number in 0..service.replicas {
                let there = self.containers.values().find(|held| {
                    let is = |replica: &Replica| {
                        replica.app == app.name
                            && &replica.service == name
                            && replica.number == number
                            && replica.hash == *hash
                    };
                    held.replica.as_ref().is_some_and(is)
                });
                let Some(there) = there else {
                    let own = (app.name.as_str(), name.as_str(), number);
                    match &service.gpu {
                        // What has no room stays away, and an older one of the same replica may stay for it.
                        Some(need) if !self.has_room(who, need, own) => {
                            left.retain(|id| !self.containers[*id].is(own));
                            continue;
                        }
                        _ => return Some(format!("{}/{name}/{number} is not there as it is wanted", app.name)),
                    }
                };
                left.remove(there.id.as_str());
                // A strategy that allows no gap waits for room beside the old one.
                let own = (app.name.as_str(), name.as_str(), number);
                let beside = |need: &GpuNeed| self.want(own.0, own.1).surge > 0 && !self.has_room(who, need, own);
                if there.state == ContainerState::Created && service.gpu.as_ref().is_some_and(beside) {
                    // The old ones of the whole service stay until all new ones are ready.
                    let of = |replica: &Replica| replica.app == own.0 && replica.service == own.1;
                    left.retain(|id| !self.containers[*id].replica.as_ref().is_some_and(of));
                    continue;
                }
                let job = service.image.contains("job");
                let well = match there.state {
                    ContainerState::Exited(Some(0)) => job,
                    ContainerState::Running => !job && (there.ready || service.ready.is_none()),
                    _ => false,
                };
                if !well {
                    return Some(format!(
                        "{} ({name}/{number}) is {} and ready={}",
                        there.id, there.state, there.ready
                    ));
                }
                if self.withdrawn.get(&(who.program, there.name.clone())) == Some(&there.id) {
                    return Some(format!("{} ({name}/{number}) stands there, and no request is sent to it", there.id));
                }
                if there.gpus.iter().any(|gpu| !self.gpus[*gpu].usable() || desire.cordoned.contains(gpu)) {
                    return Some(format!("{} is on a GPU that it must leave", there.id));
                }
            }
        }
        left.first().map(|id| format!("{id} ({}) is left over", self.containers[*id].name))
    }

    /// Whether a replica of this need fits anywhere, beside all that is promised now; beside its older self too, where
    /// that may stay until it is ready.
    fn has_room(&self, who: Who, need: &GpuNeed, own: (&str, &str, u32)) -> bool {
        let desire = &self.desires[who.program];
        let gives_way = self.want(own.0, own.1).surge == 0;
        let own = gives_way.then_some(own);
        let wanted = need.memory.bytes().map_or(1, |bytes| bytes.0);
        let fits = (0..self.gpus.len()).filter(|gpu| {
            let here = || {
                let ours = self.containers.values().filter(|held| held.gpus.contains(gpu));
                let ours = ours.filter(|held| own.is_none_or(|own| !held.is(own)));
                ours.filter_map(|held| held.replica.as_ref())
            };
            self.gpus[*gpu].usable()
                && !desire.cordoned.contains(gpu)
                && !here().any(|replica| replica.exclusive)
                && (need.sharing != Sharing::Exclusive || here().next().is_none())
                && self.promised(*gpu, own) + wanted <= self.gpus[*gpu].total
        });
        fits.count() >= need.count as usize
    }
}
