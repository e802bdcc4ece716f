//! What an apply would do as a whole, for a user to read.

use std::collections::BTreeMap;

use super::{Action, Plan, Step};
use crate::control::identity::{container_name, identify};
use crate::control::observed::Seen;
use crate::control::secrets::Secrets;
use crate::engine::{Container, ContainerState, labels};
use crate::error::Result;
use crate::placement::Placement;
use crate::service::{App, Restart};

/// Compares what is wanted with the containers that are there. Pure: the same input gives the same plan.
///
/// A container is kept when its specification and its GPUs are the wanted ones and it runs, and started when it does not.
/// One that differs is replaced: the new one is created, the old one stopped, and removed when the new one is ready.
/// Containers of other apps are not looked at.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when the app's dependencies form a circle.
pub(in crate::control) fn preview(
    app: &App,
    placements: Vec<Placement>,
    observed: &[Container],
    secrets: &BTreeMap<String, Secrets>,
) -> Result<Plan> {
    let waves = waves(app)?;
    let digests: Vec<_> = app.services.iter().map(|(name, service)| (name.as_str(), service.hash())).collect();
    let hashes: BTreeMap<_, _> = digests.iter().map(|(name, hash)| (*name, hash.as_str())).collect();
    let mut unclaimed: BTreeMap<&str, &Container> =
        observed.iter().filter(|there| belongs(app, there)).map(|there| (there.name.as_str(), there)).collect();
    let (mut removals, mut rest) = (Vec::new(), Vec::new());
    for placement in &placements {
        let (service, replica) = (&placement.service, placement.replica);
        let name = container_name(&app.name, service, replica);
        let mut act = |step, reason: &str| {
            let wave = waves.get(service.as_str()).copied().unwrap_or_default();
            rest.push(Action { wave, service: service.clone(), replica, step, reason: reason.to_owned() });
        };
        let Some(there) = unclaimed.remove(name.as_str()) else {
            act(Step::Create, &format!("it is not there; {}", told(app, placement)));
            continue;
        };
        let reason = replace(app, hashes.get(service.as_str()).copied(), secrets, placement, there);
        let done = app.services.get(service).is_some_and(|service| service.restart != Restart::Always);
        match (reason, there.state) {
            (Some(reason), _) => {
                removals.push(remove(service, replica, there, reason));
                act(Step::Create, &format!("{reason}; {}", told(app, placement)));
            }
            (None, ContainerState::Created) => act(Step::Start(there.id.clone()), "it was created but never started"),
            (None, ContainerState::Exited(Some(0))) if done => {
                act(Step::Keep(there.id.clone()), "it has done its work")
            }
            (None, state @ ContainerState::Exited(_)) => {
                act(Step::Start(there.id.clone()), &format!("it is {state}"));
            }
            (None, _) => act(Step::Keep(there.id.clone()), "it is as wanted"),
        }
    }
    for there in unclaimed.into_values() {
        let (service, replica) =
            identify(there).map_or_else(|| (there.name.clone(), 0), |identity| (identity.service, identity.replica));
        removals.push(remove(&service, replica, there, "the app no longer wants it"));
    }
    rest.sort_by(|a, b| (a.wave, &a.service, a.replica).cmp(&(b.wave, &b.service, b.replica)));
    if !removals.is_empty() {
        rest.iter_mut().for_each(|action| action.wave += 1);
    }
    removals.append(&mut rest);
    Ok(Plan { app: app.name.clone(), placements, actions: removals })
}

fn belongs(app: &App, container: &Container) -> bool {
    identify(container).is_some_and(|identity| identity.app == app.name)
}

fn remove(service: &str, replica: u32, there: &Container, reason: &str) -> Action {
    let step = Step::Remove(there.id.clone());
    Action { wave: 0, service: service.to_owned(), replica, step, reason: reason.to_owned() }
}

/// Why a replica gets its GPUs, and what of its own environment may keep it from repeating as its service asks.
pub(super) fn told(app: &App, placement: &Placement) -> String {
    let service = app.services.get(&placement.service);
    let kept = service.and_then(|service| Some(service.determinism?.kept(&service.env))).unwrap_or_default();
    kept.iter().fold(placement.reason.clone(), |reason, variable| {
        format!(
            "{reason}; {} stays as `env` has it, and `determinism: strict` would set {}",
            variable.name, variable.value
        )
    })
}

/// Why a container has to be replaced, if it has to.
fn replace(
    app: &App,
    hash: Option<&str>,
    secrets: &BTreeMap<String, Secrets>,
    placement: &Placement,
    there: &Container,
) -> Option<&'static str> {
    let none = Secrets::default();
    let own = secrets.get(&placement.service).unwrap_or(&none);
    let gpus = Seen::of(there).and_then(|seen| seen.gpus);
    match () {
        () if !app.services.contains_key(&placement.service) => None,
        () if there.label(labels::SPEC_HASH) != hash => Some("its specification has changed"),
        () if gpus.as_ref() != Some(&placement.gpus) => Some("its GPUs have changed"),
        () if !own.matches(there.label(labels::SECRETS)) => Some("its secrets have changed"),
        () if there.state == ContainerState::Dead => Some("its container is broken"),
        () => None,
    }
}

/// How far each service is from one that depends on nothing.
fn waves(app: &App) -> Result<BTreeMap<&str, u32>> {
    let mut waves: BTreeMap<&str, u32> = BTreeMap::new();
    for name in app.start_order()? {
        let needs = app.services.get(name).into_iter().flat_map(|service| service.depends_on.names());
        let wave = needs.filter_map(|need| waves.get(need)).max().map_or(0, |latest| latest + 1);
        waves.insert(name, wave);
    }
    Ok(waves)
}
