//! What the engine has, sorted by replica.

use std::collections::BTreeMap;

use super::identity::identify;
use crate::engine::{Container, ContainerId, ContainerState, labels};
use crate::gpu::GpuId;
use crate::placement::Running;
use crate::units::Bytes;

/// One container of NACP's, its labels read once.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    pub(super) container: &'a Container,
    pub(super) app: String,
    pub(super) service: String,
    pub(super) replica: u32,
    /// Whether it is to take another one's place.
    pub(super) next: bool,
    /// Its GPUs; nothing when its labels do not tell them.
    pub(super) gpus: Option<Vec<GpuId>>,
    pub(super) memory: Bytes,
    pub(super) exclusive: bool,
    /// Whether it holds its promise beside the one whose place it is to take, whether that one runs or not.
    pub(super) beside: bool,
}

impl<'a> Seen<'a> {
    /// Nothing for a container that is not NACP's, whatever labels it carries.
    pub(super) fn of(container: &'a Container) -> Option<Self> {
        let identity = identify(container)?;
        let gpus = container.label(labels::GPUS).map(|text| text.split(',').filter(|id| !id.is_empty()));
        let gpus = gpus.and_then(|ids| ids.map(|id| id.parse().ok()).collect::<Option<Vec<GpuId>>>());
        let memory = container.label(labels::GPU_MEMORY).and_then(|text| text.parse().ok()).map(Bytes);
        Some(Self {
            container,
            app: identity.app,
            service: identity.service,
            replica: identity.replica,
            next: identity.next,
            gpus: gpus.filter(|_| memory.is_some()),
            memory: memory.unwrap_or_default(),
            exclusive: container.label(labels::GPU_EXCLUSIVE) == Some("true"),
            beside: identity.next && container.label(labels::BESIDE) == Some("true"),
        })
    }

    pub(super) fn id(&self) -> &'a ContainerId {
        &self.container.id
    }

    pub(super) fn state(&self) -> ContainerState {
        self.container.state
    }

    pub(super) fn is_active(&self) -> bool {
        self.container.state.is_active()
    }

    pub(super) fn hash(&self) -> Option<&'a str> {
        self.container.label(labels::SPEC_HASH)
    }

    /// Why its root can be written although its service does not ask for it, where that is so.
    pub(super) fn root(&self) -> Option<&'a str> {
        self.container.label(labels::ROOT)?.strip_prefix("writable: ")
    }

    /// On which GPUs it holds memory.
    pub(super) fn held(&self) -> &[GpuId] {
        self.gpus.as_deref().unwrap_or_default()
    }

    /// Its promise of GPU memory, as the placement counts it.
    pub(super) fn promise(&self) -> Running {
        Running {
            app: self.app.clone(),
            service: self.service.clone(),
            replica: self.replica,
            gpus: self.held().to_vec(),
            memory: self.memory,
            exclusive: self.exclusive,
            active: self.is_active(),
            beside: self.beside,
        }
    }
}

/// The two containers that one replica may have: the one under its own name, and the one that is to take its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair<'a> {
    pub(super) main: Option<Seen<'a>>,
    pub(super) next: Option<Seen<'a>>,
}

impl<'a> Pair<'a> {
    pub(super) fn all(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.main.iter().chain(&self.next)
    }
}

/// Everything of NACP's that an engine has.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed<'a> {
    /// The replicas of the app in question, by service and number.
    pub(super) own: BTreeMap<(String, u32), Pair<'a>>,
    /// The containers of all other apps.
    pub(super) others: Vec<Seen<'a>>,
}

impl<'a> Observed<'a> {
    pub(super) fn of(app: &str, containers: &'a [Container]) -> Self {
        let mut observed = Self::default();
        for seen in containers.iter().filter_map(Seen::of) {
            if seen.app != app {
                observed.others.push(seen);
                continue;
            }
            let pair = observed.own.entry((seen.service.clone(), seen.replica)).or_default();
            let place = if seen.next { &mut pair.next } else { &mut pair.main };
            *place = Some(seen);
        }
        observed
    }

    pub(super) fn pair(&self, service: &str, replica: u32) -> Pair<'a> {
        self.own.get(&(service.to_owned(), replica)).cloned().unwrap_or_default()
    }

    /// Every container of the app.
    pub(super) fn all(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.own.values().flat_map(Pair::all)
    }
}
