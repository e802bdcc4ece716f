//! What an apply would do as a whole, for a user to read.

use std::collections::BTreeMap;

use super::{Action, Plan, Step};
use crate::control::observed::{Observed, Seen};
use crate::control::secrets::Secrets;
use crate::engine::{Container, ContainerState, labels};
use crate::error::Result;
use crate::gpu::{GpuId, Snapshot};
use crate::placement::{BestFit, Placement, Request, Strategy};
use crate::service::{App, Restart};

/// What of a [`plan`] is not said by the app, the GPUs and the containers. By default: nothing is condemned, no secret is
/// known, and [`BestFit`] chooses.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions<'a> {
    /// The GPUs that are out of use, and why.
    pub condemned: Option<&'a BTreeMap<GpuId, String>>,
    /// The secrets of each service that has some. A container that was given others is replaced.
    pub secrets: Option<&'a BTreeMap<String, Secrets>>,
    /// Chooses among the GPUs on which a replica fits.
    pub strategy: Option<&'a dyn Strategy>,
}

/// What brings an app from the containers that an engine lists to what is wanted: where each replica goes, and every
/// action with its reason. Pure: the same input gives the same plan; nothing is done, read or waited for.
///
/// A container is kept when its specification and its GPUs are the wanted ones and it runs, and started when it does not.
/// One that differs is replaced. Containers of other apps are counted where they hold memory, and left alone.
/// `observed` is what [`Engine::list`](crate::engine::Engine::list) tells of all apps.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an app that is not valid, such as one whose dependencies
/// form a circle; [`ResourceExhausted`](crate::ErrorKind::ResourceExhausted) when a replica fits on no GPU, with the
/// reason for each GPU.
///
/// ```
/// use std::sync::Arc;
/// use nacp_core::clock::SystemClock;
/// use nacp_core::control::{self, PlanOptions};
/// use nacp_core::service::{App, Service};
/// use nacp_core::{gpu, sim};
///
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
/// let app = App::new("demo").service("llm", Service::new("example/llm:1"));
/// let plan = control::plan(&app, &node.snapshot(&SystemClock::new())?, &[], PlanOptions::default())?;
/// assert_eq!(plan.to_string(), "create llm/0: it is not there; it needs no GPU\n");
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub fn plan(app: &App, snapshot: &Snapshot, observed: &[Container], options: PlanOptions<'_>) -> Result<Plan> {
    app.validate()?;
    let (calm, open) = (BTreeMap::new(), BTreeMap::new());
    let observed = Observed::of(&app.name, observed);
    let promises: Vec<_> = observed.all().chain(&observed.others).map(Seen::promise).collect();
    let request = Request::new(app, snapshot).running(&promises).condemned(options.condemned.unwrap_or(&calm));
    let placements = request.strategy(options.strategy.unwrap_or(&BestFit)).plan()?;
    compare(app, placements, &observed, options.secrets.unwrap_or(&open))
}

/// Compares what is wanted with the containers that are there.
pub(super) fn compare(
    app: &App,
    placements: Vec<Placement>,
    observed: &Observed<'_>,
    secrets: &BTreeMap<String, Secrets>,
) -> Result<Plan> {
    let waves = waves(app)?;
    let hashes: BTreeMap<_, _> = app.services.iter().map(|(name, service)| (name.as_str(), service.hash())).collect();
    let mut unclaimed: BTreeMap<(&str, u32), &Seen<'_>> = BTreeMap::new();
    let mut surplus = Vec::new();
    for seen in observed.all() {
        match seen.next {
            true => surplus.push(seen),
            false => drop(unclaimed.insert((seen.service.as_str(), seen.replica), seen)),
        }
    }
    let (mut removals, mut rest) = (Vec::new(), Vec::new());
    for placement in &placements {
        let (service, replica) = (&placement.service, placement.replica);
        let mut act = |step, reason: &str| {
            let wave = waves.get(service.as_str()).copied().unwrap_or_default();
            rest.push(Action { wave, service: service.clone(), replica, step, reason: reason.to_owned() });
        };
        let Some(seen) = unclaimed.remove(&(service.as_str(), replica)) else {
            act(Step::Create, &format!("it is not there; {}", told(app, placement)));
            continue;
        };
        let there = seen.container;
        let reason = replace(app, hashes.get(service.as_str()).map(String::as_str), secrets, placement, seen);
        let done = app.services.get(service).is_some_and(|service| service.restart != Restart::Always);
        match (reason, there.state) {
            (Some(reason), _) => {
                removals.push(remove(seen, reason));
                act(Step::Create, &format!("{reason}; {}", told(app, placement)));
            }
            (None, ContainerState::Created) => act(Step::Start(there.id.clone()), "it was created but never started"),
            (None, ContainerState::Exited(Some(0))) if done => {
                act(Step::Keep(there.id.clone()), "it has done its work");
            }
            (None, state @ ContainerState::Exited(_)) => {
                act(Step::Start(there.id.clone()), &format!("it is {state}"));
            }
            (None, _) => act(Step::Keep(there.id.clone()), "it is as wanted"),
        }
    }
    let gone = unclaimed.into_values().map(|seen| remove(seen, "the app no longer wants it"));
    let begun = surplus.into_iter().map(|seen| remove(seen, "it was to take the place of another one"));
    removals.extend(gone.chain(begun));
    rest.sort_by(|a, b| (a.wave, &a.service, a.replica).cmp(&(b.wave, &b.service, b.replica)));
    if !removals.is_empty() {
        rest.iter_mut().for_each(|action| action.wave += 1);
    }
    removals.append(&mut rest);
    Ok(Plan { app: app.name.clone(), placements, actions: removals })
}

fn remove(seen: &Seen<'_>, reason: &str) -> Action {
    let step = Step::Remove(seen.id().clone());
    Action { wave: 0, service: seen.service.clone(), replica: seen.replica, step, reason: reason.to_owned() }
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
    seen: &Seen<'_>,
) -> Option<&'static str> {
    let none = Secrets::default();
    let own = secrets.get(&placement.service).unwrap_or(&none);
    let there = seen.container;
    match () {
        () if !app.services.contains_key(&placement.service) => None,
        () if there.label(labels::SPEC_HASH) != hash => Some("its specification has changed"),
        () if seen.gpus.as_ref() != Some(&placement.gpus) => Some("its GPUs have changed"),
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
