//! What has to be done: the difference between what is wanted and what is there.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::identity::{container_name, identify, promise};
use crate::engine::{Container, ContainerId, ContainerState, labels};
use crate::error::Result;
use crate::placement::Placement;
use crate::service::App;

/// The actions that bring an app from what is there to what is wanted, in the order in which they are done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The app.
    pub app: String,
    /// On which GPUs each replica runs.
    pub placements: Vec<Placement>,
    /// The actions. Those of one wave are done together; a wave begins when everything of the one before is ready.
    pub actions: Vec<Action>,
}

impl Plan {
    /// Whether nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.actions.iter().all(|action| matches!(action.step, Step::Keep(_)))
    }

    /// The number of waves.
    pub fn waves(&self) -> u32 {
        self.actions.iter().map(|action| action.wave + 1).max().unwrap_or(0)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            writeln!(f, "{action}")?;
        }
        Ok(())
    }
}

/// One action of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Action {
    /// The wave in which it is done, from 0.
    pub wave: u32,
    /// The service.
    pub service: String,
    /// The replica's number.
    pub replica: u32,
    /// What is done.
    pub step: Step,
    /// Why.
    pub reason: String,
}

/// What an [`Action`] does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Remove this container.
    Remove(ContainerId),
    /// Create a container and start it.
    Create,
    /// Start this container, which is there but has never run.
    Start(ContainerId),
    /// Leave this container as it is.
    Keep(ContainerId),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.step {
            Step::Remove(_) => "remove",
            Step::Create => "create",
            Step::Start(_) => "start",
            Step::Keep(_) => "keep",
        };
        write!(f, "{verb} {}/{}: {}", self.service, self.replica, self.reason)
    }
}

/// Compares what is wanted with the containers that are there. Pure: the same input gives the same plan.
///
/// A container is kept when its specification and its GPUs are the wanted ones and it runs. One that has ended, or that
/// differs, is removed and created anew, the old one first, because GPUs are scarce. Containers of other apps are not
/// looked at.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when the app's dependencies form a circle.
pub fn plan(app: &App, placements: Vec<Placement>, observed: &[Container]) -> Result<Plan> {
    let waves = waves(app)?;
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
        match replace(app, placement, there) {
            None if there.state == ContainerState::Created => {
                act(Step::Start(there.id.clone()), "it was created but never started");
            }
            None => act(Step::Keep(there.id.clone()), "it is as wanted"),
            Some(reason) => {
                removals.push(remove(service, replica, there, &reason));
                act(Step::Create, &format!("{reason}; {}", told(app, placement)));
            }
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
fn told(app: &App, placement: &Placement) -> String {
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
fn replace(app: &App, placement: &Placement, there: &Container) -> Option<String> {
    let wanted = app.services.get(&placement.service)?;
    if there.label(labels::SPEC_HASH) != Some(wanted.hash().as_str()) {
        return Some("its specification has changed".to_owned());
    }
    let held = promise(there).map(|running| running.gpus);
    if held.as_ref() != Some(&placement.gpus) {
        return Some("its GPUs have changed".to_owned());
    }
    match there.state {
        ContainerState::Created => None,
        state if state.is_active() => None,
        state => Some(format!("it is {state}")),
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

#[cfg(test)]
mod tests;
