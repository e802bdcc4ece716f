//! The router's table: built whole, then only read.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::engine::Endpoint;

/// How busy an endpoint is. It is shared by the tables in which the endpoint stays.
#[derive(Debug, Default)]
pub(crate) struct Load {
    in_flight: AtomicU32,
    withdrawn: AtomicBool,
    served: AtomicU64,
}

impl Load {
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes back an entry: the request goes elsewhere.
    pub(super) fn turn_away(&self) {
        self.served.fetch_sub(1, Ordering::Relaxed);
        self.leave();
    }

    /// Lets no further request in, and tells how many are. A request first enters and then asks
    /// [`is_withdrawn`](Self::is_withdrawn), all in one order: so either it is counted here, or it is turned away.
    pub(super) fn withdraw(&self) -> u32 {
        self.withdrawn.store(true, Ordering::SeqCst);
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(super) fn restore(&self) {
        self.withdrawn.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::SeqCst)
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

/// An endpoint of the table.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(super) endpoint: Endpoint,
    pub(super) load: Arc<Load>,
}

/// The endpoints that answer to one name.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) slots: Vec<Arc<Slot>>,
    pub(super) turns: Arc<AtomicU64>,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Target {
    Pool(Pool),
    /// The apps whose service has this name.
    Ambiguous(Vec<String>),
}

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) slots: Vec<Arc<Slot>>,
    /// Endpoints that are ready and get no request.
    pub(super) withdrawn: Vec<Arc<Slot>>,
    /// Endpoints that are no longer ready and may have requests in flight.
    pub(super) leaving: Vec<Arc<Slot>>,
    pub(super) targets: HashMap<String, Target>,
    /// What to ask for: each model, and each service that names no model. Sorted.
    pub(super) names: Vec<String>,
}

impl Table {
    /// The table of these endpoints; those that were in the previous one keep their load, and stay withdrawn.
    pub(super) fn build(endpoints: impl IntoIterator<Item = Endpoint>, previous: &Self) -> Self {
        Self::build_without(endpoints, previous, None)
    }

    /// The same, with one more replica withdrawn.
    pub(super) fn build_without(
        endpoints: impl IntoIterator<Item = Endpoint>,
        previous: &Self,
        replica: Option<&str>,
    ) -> Self {
        let key = |endpoint: &Endpoint| (endpoint.replica.clone(), endpoint.address);
        let mut known: HashMap<_, _> =
            previous.slots.iter().chain(&previous.withdrawn).map(|slot| (key(&slot.endpoint), slot)).collect();
        let mut slots = BTreeMap::new();
        for endpoint in endpoints {
            if let Entry::Vacant(place) = slots.entry(key(&endpoint)) {
                let load = known.remove(place.key()).map(|slot| Arc::clone(&slot.load)).unwrap_or_default();
                place.insert(Arc::new(Slot { endpoint, load }));
            }
        }
        let (withdrawn, slots): (Vec<_>, Vec<_>) = slots
            .into_values()
            .partition(|slot| slot.load.is_withdrawn() || replica == Some(slot.endpoint.replica.as_str()));
        // Who has just left is kept once in any case: a request may be about to enter by the previous table.
        let busy = previous.leaving.iter().filter(|slot| slot.load.in_flight() > 0);
        let leaving = known.into_values().chain(busy).cloned().collect();
        let mut table = Self { names: names(&slots), targets: HashMap::new(), slots, withdrawn, leaving };
        table.add(previous, |endpoint| endpoint.model.clone(), false);
        table.add(previous, |endpoint| Some(endpoint.service.clone()), true);
        table.add(previous, |endpoint| Some(format!("{}/{}", endpoint.app, endpoint.service)), false);
        table
    }

    /// Adds the names that `name` gives to the endpoints; a name that is there already stays what it was.
    fn add(&mut self, previous: &Self, name: impl Fn(&Endpoint) -> Option<String>, one_app: bool) {
        let mut groups: BTreeMap<String, Vec<Arc<Slot>>> = BTreeMap::new();
        for slot in &self.slots {
            if let Some(name) = name(&slot.endpoint) {
                groups.entry(name).or_default().push(Arc::clone(slot));
            }
        }
        for (name, slots) in groups {
            let mut apps: Vec<_> = slots.iter().map(|slot| slot.endpoint.app.clone()).collect();
            apps.sort();
            apps.dedup();
            let target = if one_app && apps.len() > 1 {
                Target::Ambiguous(apps)
            } else {
                let turns = match previous.targets.get(&name) {
                    Some(Target::Pool(pool)) => Arc::clone(&pool.turns),
                    _ => Arc::default(),
                };
                Target::Pool(Pool { slots, turns })
            };
            self.targets.entry(name).or_insert(target);
        }
    }
}

fn names(slots: &[Arc<Slot>]) -> Vec<String> {
    let mut names: Vec<_> = slots
        .iter()
        .map(|slot| match &slot.endpoint.model {
            Some(model) => model.clone(),
            None => format!("{}/{}", slot.endpoint.app, slot.endpoint.service),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn endpoint(app: &str, service: &str, model: Option<&str>, index: u16) -> Endpoint {
        Endpoint {
            app: app.to_owned(),
            service: service.to_owned(),
            model: model.map(str::to_owned),
            replica: format!("{app}-{service}-{index}"),
            address: ([127, 0, 0, 1], 8000 + index).into(),
        }
    }

    pub(crate) fn slots(count: u16) -> Vec<Arc<Slot>> {
        (0..count)
            .map(|index| Arc::new(Slot { endpoint: endpoint("a", "s", None, index), load: Arc::default() }))
            .collect()
    }

    #[test]
    fn a_model_goes_before_a_service_of_the_same_name() {
        let table = Table::build(
            [endpoint("a", "phi3", Some("llama"), 0), endpoint("b", "llm", Some("phi3"), 1)],
            &Table::default(),
        );
        let Some(Target::Pool(pool)) = table.targets.get("phi3") else { panic!("no pool") };
        assert_eq!(pool.slots.len(), 1);
        assert_eq!(pool.slots[0].endpoint.app, "b");
        let mut keys: Vec<_> = table.targets.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["a/phi3", "b/llm", "llama", "llm", "phi3"]);
    }

    #[test]
    fn an_endpoint_named_twice_is_one_endpoint() {
        let one = endpoint("a", "llm", None, 0);
        let table = Table::build([one.clone(), one], &Table::default());
        assert_eq!(table.slots.len(), 1);
    }
}
