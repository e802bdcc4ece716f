//! A container as it really is, whatever the engine tells of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use nacp_core::clock::Clock as _;
use nacp_core::engine::{Container, ContainerId, ContainerSpec, ContainerState, labels};

use super::{Happening, Past, Who, World};
use crate::faults::Fault;

/// Which replica a container that a control plane made was made to be: kept apart from its labels and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) app: String,
    pub(crate) service: String,
    pub(crate) number: u32,
    pub(crate) hash: String,
    pub(crate) memory: u64,
    pub(crate) exclusive: bool,
}

/// One container.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) gpus: Vec<usize>,
    pub(crate) state: ContainerState,
    /// What a list still says of it, and until when.
    pub(crate) before: Option<(ContainerState, Duration)>,
    pub(crate) port: Option<u16>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) created: Duration,
    /// Who made it; nobody for a stranger's.
    pub(crate) maker: Option<Who>,
    /// What it was made to be; nothing for a stranger's.
    pub(crate) replica: Option<Replica>,
    /// How often it was started.
    pub(crate) runs: u32,
    pub(crate) started: Duration,
    pub(crate) ready: bool,
    /// Whether it was asked to end.
    pub(crate) stopping: bool,
    pub(crate) networks: std::collections::BTreeSet<String>,
    pub(crate) log: Vec<String>,
}

impl Held {
    pub(crate) fn active(&self) -> bool {
        self.state.is_active()
    }

    /// Whether requests are answered.
    pub(crate) fn serves(&self, probed: bool) -> bool {
        self.active() && !self.stopping && (self.ready || !probed)
    }

    fn seen(&self, now: Duration) -> ContainerState {
        match self.before {
            Some((state, until)) if now < until => state,
            _ => self.state,
        }
    }

    /// Whether it was made to be this replica, of whatever specification.
    pub(crate) fn is(&self, (app, service, number): (&str, &str, u32)) -> bool {
        let is = |replica: &Replica| replica.app == app && replica.service == service && replica.number == number;
        self.replica.as_ref().is_some_and(is)
    }

    pub(crate) fn key(&self) -> Option<(String, String, u32)> {
        let replica = self.replica.as_ref()?;
        Some((replica.app.clone(), replica.service.clone(), replica.number))
    }
}

impl World {
    /// Puts a container into the world.
    pub(crate) fn put(&mut self, spec: &ContainerSpec, maker: Option<Who>) -> String {
        let id = format!("c{:04}", self.number());
        let label = |name: &str| spec.labels.get(name).cloned().unwrap_or_default();
        let replica = maker.map(|_| Replica {
            app: label(labels::APP),
            service: label(labels::SERVICE),
            number: label(labels::REPLICA).parse().unwrap_or(u32::MAX),
            hash: label(labels::SPEC_HASH),
            memory: label(labels::GPU_MEMORY).parse().unwrap_or_default(),
            exclusive: label(labels::GPU_EXCLUSIVE) == "true",
        });
        let gpus = spec.gpus.iter().filter_map(|wanted| self.gpus.iter().position(|gpu| gpu.id == *wanted)).collect();
        let held = Held {
            id: id.clone(),
            name: spec.name.clone(),
            image: spec.image.clone(),
            labels: spec.labels.clone(),
            gpus,
            state: ContainerState::Created,
            before: None,
            port: spec.port(),
            address: None,
            created: self.now(),
            maker,
            replica,
            runs: 0,
            started: Duration::ZERO,
            ready: false,
            stopping: false,
            networks: spec.networks.clone(),
            log: Vec::new(),
        };
        self.containers.insert(id.clone(), held);
        self.dirty = true;
        id
    }

    /// Sets what a container does; a list may tell the old state for a moment.
    pub(crate) fn set_state(&mut self, id: &str, state: ContainerState) {
        let rate = self.rates.call;
        let lags = self.fault(Fault::ListLags, rate);
        let until = self.now() + self.rng.millis(50..1500);
        let Some(held) = self.containers.get_mut(id) else { return };
        held.before = lags.then_some((held.state, until));
        held.state = state;
        if !state.is_active() {
            (held.ready, held.address) = (false, None);
        }
        self.dirty = true;
    }

    /// Starts a container's program: what becomes of it is drawn here.
    pub(crate) fn run(&mut self, id: &str) {
        let port = 20_000 + u16::try_from(self.number() % 40_000).unwrap();
        let now = self.now();
        self.set_state(id, ContainerState::Running);
        let rate = self.rates.program;
        let less = self.fault(Fault::GivesLess, rate / 4);
        let Some(held) = self.containers.get_mut(id) else { return };
        held.runs += 1;
        (held.started, held.stopping, held.ready) = (now, false, false);
        held.log.clear();
        held.address = held.port.filter(|_| !less).map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let (run, key, image) = (held.runs, held.key(), held.image.clone());
        self.announce(id, nacp_core::engine::Change::Started);
        let Some((app, service, number)) = key else { return };
        self.history.entry((app.clone(), service.clone(), number)).or_default().started = true;
        let crashes = self.crashing.get(&(app, service)).is_some_and(|until| now < *until);
        let (ends, never, slow) = (
            self.fault(Fault::ProgramEnds, rate),
            self.fault(Fault::NeverReady, rate / 2),
            self.fault(Fault::SlowToReady, rate),
        );
        let ready_after = match slow {
            true => self.rng.millis(15_000..40_000),
            false => self.rng.millis(50..4_000),
        };
        let end = |world: &mut Self, after: Duration, code: i64| {
            world.schedule(after, Happening::End(id.to_owned(), run, code));
        };
        match () {
            () if crashes || image.contains("crash") => {
                let after = self.rng.millis(20..3_000);
                end(self, after, 1);
            }
            () if image.contains("job") => {
                let after = self.rng.millis(200..20_000);
                let code = i64::from(ends);
                end(self, after, code);
            }
            () if never || image.contains("mute") => {}
            () => {
                self.schedule(ready_after, Happening::Ready(id.to_owned(), run));
                if ends {
                    let after = self.rng.millis(100..90_000);
                    let code = i64::try_from(self.rng.below(3)).unwrap();
                    end(self, after, code);
                }
            }
        }
    }

    /// A program ends by itself, or because it was asked to.
    pub(crate) fn end(&mut self, id: &str, code: Option<i64>) {
        let Some(held) = self.containers.get(id) else { return };
        if !held.active() {
            return;
        }
        let (key, image) = (held.key(), held.image.clone());
        for gpu in held.gpus.clone() {
            let memory = self.containers[id].replica.as_ref().map_or(0, |replica| replica.memory);
            let until = self.now() + self.rng.millis(0..1500);
            self.gpus[gpu].ghosts.push((memory, until));
        }
        self.set_state(id, ContainerState::Exited(code));
        self.tell(format_args!("    {id} ended with {code:?}"));
        if let Some(key) = key
            && code == Some(0)
            && image.contains("job")
        {
            self.history.entry(key).or_default().completed = true;
        }
        self.announce(id, nacp_core::engine::Change::Ended(code));
    }

    pub(crate) fn become_ready(&mut self, id: &str) {
        let Some(held) = self.containers.get_mut(id) else { return };
        held.ready = true;
        held.log.push("listening".to_owned());
        let key = held.key();
        self.tell(format_args!("    {id} is ready"));
        if let Some(key) = key {
            self.history.entry(key).or_default().ready = true;
        }
    }

    pub(crate) fn past(&self, app: &str, service: &str, number: u32) -> Past {
        self.history.get(&(app.to_owned(), service.to_owned(), number)).copied().unwrap_or_default()
    }

    /// What a list says.
    pub(crate) fn list(&self, app: Option<&str>, filtered: bool) -> Vec<Container> {
        let now = self.now();
        let start = self.time.wall() - now;
        let wanted = self.containers.values().filter(|held| {
            let label = held.labels.get(labels::APP);
            !filtered || label.is_some_and(|label| app.is_none_or(|app| app == label))
        });
        let mut list: Vec<_> = wanted
            .map(|held| Container {
                id: ContainerId(held.id.clone()),
                name: held.name.clone(),
                image: held.image.clone(),
                labels: held.labels.clone(),
                state: held.seen(now),
                address: held.address,
                created: Some(start + held.created),
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }
}
