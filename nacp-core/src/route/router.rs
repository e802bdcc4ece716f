//! The router: the table that is swapped, and the decision over it.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::lease::Lease;
use super::picker::{Candidates, Picker, PowerOfTwo};
use super::table::{Pool, Slot, Table, Target};
use crate::engine::{Endpoint, Traffic};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::random::{Random, below};

const SEED: u64 = 0;
/// Longest part of what a client asked for that an error repeats, in characters.
const ECHO: usize = 100;
/// Most known names that an error lists.
const LISTED: usize = 20;

/// What is known of a request when its replica is chosen.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// What the client asks for: a model, a service's name, or `app/service`.
    pub model: &'a str,
    /// Endpoints that failed to answer this same request and are not to be chosen again.
    pub avoid: &'a [Lease],
}

impl<'a> Request<'a> {
    /// A request for a model, a service's name, or `app/service`.
    pub fn new(model: &'a str) -> Self {
        Self { model, avoid: &[] }
    }

    /// The same request, not to be routed to the endpoints of these leases again.
    ///
    /// It goes to the least busy of the others, whatever the picker: such a request has waited already, and it is not
    /// to take a turn from the next one.
    #[must_use]
    pub fn avoiding(mut self, leases: &'a [Lease]) -> Self {
        self.avoid = leases;
        self
    }
}

/// An endpoint of the router's table and how busy it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointLoad {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Requests that it is working on.
    pub in_flight: u32,
    /// Requests that were routed to it since it came into the table, those in flight included.
    pub served: u64,
}

/// Chooses the replica for each request. Shared by reference between threads.
#[derive(Debug)]
pub struct Router {
    table: ArcSwap<Table>,
    updates: Mutex<()>,
    picker: Arc<dyn Picker>,
    random: Random,
}

impl Router {
    /// An empty router that chooses by [`PowerOfTwo`], with the same random numbers every time.
    pub fn new() -> Self {
        Self::seeded(SEED)
    }

    /// An empty router that chooses by [`PowerOfTwo`], with the random numbers of this seed.
    ///
    /// The same calls in the same order, made from one thread, give the same choices.
    pub fn seeded(seed: u64) -> Self {
        Self {
            table: ArcSwap::default(),
            updates: Mutex::new(()),
            picker: Arc::new(PowerOfTwo),
            random: Random::seeded(seed),
        }
    }

    /// An empty router that chooses by another picker.
    pub fn with_picker(picker: Arc<dyn Picker>) -> Self {
        Self { picker, ..Self::new() }
    }

    /// Replaces the table by these endpoints, all of which are ready.
    ///
    /// An endpoint that stays (same replica, same address) keeps its counts. One that goes gets no further request;
    /// the leases on it stay valid until they are dropped. One that was [withdrawn](Traffic::withdraw) stays so while it is
    /// among them.
    pub fn update(&self, endpoints: impl IntoIterator<Item = Endpoint>) {
        let _one_at_a_time = self.updates.lock().unwrap_or_else(PoisonError::into_inner);
        let table = Table::build(endpoints, &self.table.load());
        self.table.store(Arc::new(table));
    }

    /// Chooses the endpoint for a request, and counts the request until the lease is dropped.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when nothing answers to the name, with the names that there are;
    /// [`Conflict`](ErrorKind::Conflict) when services of several apps have it;
    /// [`EngineUnavailable`](ErrorKind::EngineUnavailable) when every endpoint is to be avoided;
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when the picker chose what is not there.
    pub fn route(&self, request: &Request<'_>) -> Result<Lease> {
        loop {
            let table = self.table.load();
            let chosen = match table.targets.get(request.model) {
                Some(Target::Pool(pool)) => self.choose(pool, request),
                Some(Target::Ambiguous(apps)) => Err(ambiguous(request.model, apps)),
                None => Err(unknown(request.model, &table)),
            };
            // Nothing: it was withdrawn meanwhile, and the table in place by now is another one.
            if let Some(lease) = chosen? {
                return Ok(lease);
            }
        }
    }

    fn choose(&self, pool: &Pool, request: &Request<'_>) -> Result<Option<Lease>> {
        let random = self.random.next();
        if !request.avoid.is_empty() {
            return least_busy(pool, request, random);
        }
        let index = self.picker.pick(&Candidates::new(&pool.slots, &pool.turns), random);
        pool.slots.get(index).map(Lease::take).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "route.pick", "the picker chose what is not there")
                .with("index", index)
                .with("candidates", pool.slots.len())
        })
    }

    /// Every endpoint of the table with its load, ordered by replica.
    pub fn endpoints(&self) -> Vec<EndpointLoad> {
        let table = self.table.load();
        let loads = table.slots.iter().map(|slot| EndpointLoad {
            endpoint: slot.endpoint.clone(),
            in_flight: slot.load.in_flight(),
            served: slot.load.served(),
        });
        loads.collect()
    }

    /// What a client may ask for: each model, and `app/service` of each service that names no model. Sorted.
    pub fn names(&self) -> Vec<String> {
        self.table.load().names.clone()
    }
}

impl Traffic for Router {
    fn withdraw(&self, replica: &str) -> usize {
        let _one_at_a_time = self.updates.lock().unwrap_or_else(PoisonError::into_inner);
        let of_replica = |slot: &&Arc<Slot>| slot.endpoint.replica == replica;
        let before = self.table.load();
        if before.slots.iter().any(|slot| of_replica(&slot)) {
            // First the table without it, then the mark: who is turned away by the mark finds another.
            let endpoints = before.slots.iter().chain(&before.withdrawn).map(|slot| slot.endpoint.clone());
            self.table.store(Arc::new(Table::build_without(endpoints, &before, Some(replica))));
        }
        let table = self.table.load();
        let withdrawn = table.withdrawn.iter().filter(of_replica).map(|slot| slot.load.withdraw());
        let leaving = table.leaving.iter().filter(of_replica).map(|slot| slot.load.withdraw());
        withdrawn.chain(leaving).map(|count| count as usize).sum()
    }

    fn restore(&self, replica: &str) {
        let _one_at_a_time = self.updates.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.table.load();
        let withdrawn: Vec<_> = before.withdrawn.iter().filter(|slot| slot.endpoint.replica == replica).collect();
        if withdrawn.is_empty() {
            return;
        }
        withdrawn.into_iter().for_each(|slot| slot.load.restore());
        let endpoints = before.slots.iter().chain(&before.withdrawn).map(|slot| slot.endpoint.clone());
        self.table.store(Arc::new(Table::build(endpoints, &before)));
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

/// The least busy endpoint that is not to be avoided; of several, the first from a random place on.
fn least_busy(pool: &Pool, request: &Request<'_>, random: u64) -> Result<Option<Lease>> {
    let start = below(pool.slots.len(), (random >> 32).try_into().unwrap_or(0));
    let others = pool.slots[start..].iter().chain(&pool.slots[..start]);
    let left = others.filter(|slot| !request.avoid.iter().any(|lease| lease.is_for(slot)));
    left.min_by_key(|slot| slot.load.in_flight()).map(Lease::take).ok_or_else(|| {
        Error::new(ErrorKind::EngineUnavailable, "route.route", "no other replica is left to try")
            .with("model", format_args!("{:.ECHO$}", request.model))
            .with("replicas", pool.slots.len())
            .retry_later()
    })
}

fn ambiguous(model: &str, apps: &[String]) -> Error {
    let choices: Vec<_> = apps.iter().map(|app| format!("{app}/{model}")).collect();
    Error::new(ErrorKind::Conflict, "route.route", "several apps have a service of this name")
        .with("model", model)
        .hint(format!("ask for one of {}", choices.join(", ")))
}

fn unknown(model: &str, table: &Table) -> Error {
    let error =
        |message| Error::new(ErrorKind::NotFound, "route.route", message).with("model", format_args!("{model:.ECHO$}"));
    if table.slots.is_empty() {
        return error("no service is ready").retry_later();
    }
    let mut known = table.names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(",");
    if table.names.len() > LISTED {
        known.push_str(",…");
    }
    let error = error("no service answers to this model").with("known", known);
    // The search for a near name takes time with the square of the length, and the client chooses the length.
    let short = Some(model).filter(|model| model.len() <= ECHO);
    let mut keys: Vec<_> = table.targets.keys().map(String::as_str).collect();
    keys.sort_unstable();
    match short.and_then(|model| nearest(model, keys)) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}

#[cfg(test)]
mod tests;
