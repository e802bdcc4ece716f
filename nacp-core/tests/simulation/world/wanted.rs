//! What the user of each program wants, as the user knows it: the measure of what the loop does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nacp_core::service::{App, Service, Strategy};

use super::World;

/// How long a user's word may be on its way into what is done.
const LAG: Duration = Duration::from_secs(40);

/// What one program is told to keep.
#[derive(Debug)]
pub(crate) struct Desire {
    pub(crate) name: String,
    /// The app with everything that was said since in it.
    pub(crate) app: App,
    /// Services that were taken out of it, and come back in the end.
    pub(crate) spare: BTreeMap<String, Service>,
    pub(crate) paused: bool,
    pub(crate) drained: BTreeSet<String>,
    pub(crate) cordoned: BTreeSet<usize>,
    /// Whether its app is being deleted, or was.
    pub(crate) deleting: bool,
    /// The life that runs, and its task.
    pub(crate) life: u32,
    pub(crate) alive: bool,
    /// The hash of each service's specification.
    pub(crate) hashes: BTreeMap<String, String>,
    /// How many replicas were wanted of a service from when on.
    counts: BTreeMap<String, Vec<(Duration, u32)>>,
}

/// The most of a service that may run, whoever asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Want {
    pub(crate) replicas: u32,
    /// How many may run twice.
    pub(crate) surge: u32,
}

impl Desire {
    pub(crate) fn new(app: App) -> Self {
        let mut desire = Self {
            name: app.name.clone(),
            app,
            spare: BTreeMap::new(),
            paused: false,
            drained: BTreeSet::new(),
            cordoned: BTreeSet::new(),
            deleting: false,
            life: 0,
            alive: false,
            hashes: BTreeMap::new(),
            counts: BTreeMap::new(),
        };
        desire.note(Duration::ZERO);
        desire
    }

    /// The app as it is to run.
    pub(crate) fn effective(&self) -> App {
        let mut app = self.app.clone();
        for service in &self.drained {
            if let Some(service) = app.services.get_mut(service) {
                service.replicas = 0;
            }
        }
        app
    }

    /// Remembers how many replicas are wanted from now on.
    pub(crate) fn note(&mut self, now: Duration) {
        let effective = self.effective();
        self.hashes = effective.services.iter().map(|(name, service)| (name.clone(), service.hash())).collect();
        let names: BTreeSet<_> = self.counts.keys().chain(effective.services.keys()).cloned().collect();
        for name in names {
            let count = effective.services.get(&name).map_or(0, |service| service.replicas);
            self.counts.entry(name).or_default().push((now, count));
        }
    }

    /// How many replicas of a service have been wanted at least, over the last moments.
    pub(crate) fn least(&self, service: &str, now: Duration) -> u32 {
        let Some(counts) = self.counts.get(service) else { return 0 };
        let since = now.saturating_sub(LAG);
        let before = counts.iter().rev().find(|(at, _)| *at <= since).map(|(_, count)| *count);
        let after = counts.iter().filter(|(at, _)| *at > since).map(|(_, count)| *count);
        after.chain(before).min().unwrap_or_default()
    }

    /// How many have been wanted at most.
    fn most(&self, service: &str) -> u32 {
        self.counts.get(service).and_then(|counts| counts.iter().map(|(_, count)| *count).max()).unwrap_or_default()
    }

    /// A service, also one that was taken out.
    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.app.services.get(name).or_else(|| self.spare.get(name))
    }
}

impl World {
    /// The most of a service that any program may run. A service's strategy is the same in all that is ever wanted of it.
    pub(crate) fn want(&self, app: &str, service: &str) -> Want {
        let mut want = Want::default();
        for desire in self.desires.iter().filter(|desire| desire.name == app) {
            want.replicas = want.replicas.max(desire.most(service));
            let strategy = desire.service(service).map(|service| service.strategy);
            want.surge = want.surge.max(match strategy {
                Some(Strategy::BlueGreen) => u32::MAX,
                Some(Strategy::Rolling { surge, .. }) => surge,
                _ => 0,
            });
        }
        want
    }
}
