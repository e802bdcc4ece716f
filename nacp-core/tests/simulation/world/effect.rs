//! What a call of the engine does, apart from when it does it and whether its answer arrives.

use std::time::Duration;

use nacp_core::engine::{Change, ContainerId, ContainerSpec, ContainerState};
use nacp_core::{Error, ErrorKind, Result};

use super::{Happening, Who, World, find, missing};
use crate::faults::Fault;

/// A call that changes something.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Create(Box<ContainerSpec>),
    Start(String),
    Stop(String, Duration),
    Remove(String),
    Rename(String, String),
    Network(String),
    Networks(String),
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Done,
    Created(ContainerId),
}

impl Effect {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Start(_) => "start",
            Self::Stop(..) => "stop",
            Self::Remove(_) => "remove",
            Self::Rename(..) => "rename",
            Self::Network(_) => "create-network",
            Self::Networks(_) => "remove-networks",
        }
    }

    /// The container that it is about.
    pub(crate) fn container(&self) -> Option<&str> {
        match self {
            Self::Start(id) | Self::Stop(id, _) | Self::Remove(id) | Self::Rename(id, _) => Some(id),
            _ => None,
        }
    }

    pub(crate) fn told(&self) -> String {
        match self {
            Self::Create(spec) => {
                let label = |name: &str| spec.labels.get(name).map_or("", String::as_str);
                let hash = label("nacp.spec-hash");
                let gpus: Vec<_> = spec.gpus.iter().map(|gpu| &gpu.as_str()[4..6]).collect();
                format!(
                    "create {} ({}, {}, gpus [{}])",
                    spec.name,
                    spec.image,
                    hash.get(..9).unwrap_or(hash),
                    gpus.join(" ")
                )
            }
            Self::Stop(id, grace) => format!("stop {id} within {grace:?}"),
            Self::Start(target) | Self::Remove(target) | Self::Network(target) | Self::Networks(target) => {
                format!("{} {target}", self.name())
            }
            Self::Rename(id, name) => format!("rename {id} to {name}"),
        }
    }
}

impl World {
    /// Does it now.
    pub(crate) fn effect(&mut self, who: Who, effect: &Effect) -> Result<Answer> {
        self.dirty = true;
        match effect {
            Effect::Create(spec) => return self.create(who, spec).map(Answer::Created),
            Effect::Start(id) => self.start(who, id)?,
            Effect::Stop(id, grace) => self.stop(id, *grace)?,
            Effect::Remove(id) => self.remove(id),
            Effect::Rename(id, name) => self.rename(id, name)?,
            Effect::Network(name) => drop(self.networks.insert(name.clone())),
            Effect::Networks(app) => {
                let prefix = format!("nacp.{app}.");
                self.networks.retain(|name| !name.starts_with(&prefix));
            }
        }
        Ok(Answer::Done)
    }

    fn create(&mut self, who: Who, spec: &ContainerSpec) -> Result<ContainerId> {
        if !self.images.contains(&spec.image) {
            return Err(Error::new(ErrorKind::NotFound, "engine.create", "the image is not on this machine")
                .with("image", &spec.image));
        }
        if let Some(network) = spec.networks.iter().find(|network| !self.networks.contains(*network)) {
            return Err(Error::new(ErrorKind::NotFound, "engine.create", "no such network").with("network", network));
        }
        if self.containers.values().any(|held| held.name == spec.name) {
            return Err(taken("engine.create", &spec.name));
        }
        let id = self.put(spec, Some(who));
        self.tell(format_args!("    {id} is created as {}", spec.name));
        self.announce(&id, Change::Created);
        Ok(ContainerId(id))
    }

    fn start(&mut self, who: Who, id: &str) -> Result<()> {
        let held = find(&mut self.containers, "engine.start", id)?;
        if held.active() {
            return Ok(());
        }
        let gpus = held.gpus.clone();
        self.check_start_order(who, id);
        let rate = self.rates.program;
        if gpus.iter().any(|gpu| !self.gpus[*gpu].present) || self.fault(Fault::StartFails, rate) {
            if self.rng.chance(500) {
                self.set_state(id, ContainerState::Exited(Some(128)));
            }
            return Err(Error::new(ErrorKind::Internal, "engine.start", "could not select device driver"));
        }
        self.tell(format_args!("    {id} runs"));
        self.run(id);
        Ok(())
    }

    /// Asks a program to end: it does so in its own time, or is ended when the grace is over.
    fn stop(&mut self, id: &str, grace: Duration) -> Result<()> {
        let held = find(&mut self.containers, "engine.stop", id)?;
        if !held.active() || held.stopping {
            return Ok(());
        }
        held.stopping = true;
        held.ready = false;
        let run = held.runs;
        let rate = self.rates.call;
        let slow = self.fault(Fault::SlowStop, rate);
        let own = if slow { self.rng.millis(3_000..60_000) } else { self.rng.millis(10..500) };
        let (after, code) = if own > grace { (grace, 137) } else { (own, 0) };
        self.schedule(after, Happening::End(id.to_owned(), run, code));
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if !self.containers.contains_key(id) {
            return;
        }
        self.end(id, Some(137));
        self.announce(id, Change::Removed);
        self.containers.remove(id);
        self.dirty = true;
        self.tell(format_args!("    {id} is removed"));
    }

    fn rename(&mut self, id: &str, name: &str) -> Result<()> {
        if self.containers.values().any(|held| held.name == name && held.id != id) {
            return Err(taken("engine.rename", name));
        }
        let held = self.containers.get_mut(id).ok_or_else(|| missing("engine.rename", id))?;
        held.name = name.to_owned();
        self.tell(format_args!("    {id} is named {name}"));
        self.announce(id, Change::Renamed);
        Ok(())
    }
}

fn taken(operation: &'static str, name: &str) -> Error {
    Error::new(ErrorKind::Conflict, operation, "a container of this name is there already")
        .with("container", name)
        .retry_later()
}
