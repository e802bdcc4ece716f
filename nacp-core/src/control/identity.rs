//! Which container is which replica: names and labels, written and read back.

use std::time::Duration;

use jiff::Timestamp;

use super::secrets::Secrets;
use crate::engine::{Container, ContainerSpec, MountSpec, PublishSpec, labels};
use crate::gpu::GpuId;
use crate::placement::Placement;
use crate::service::{App, MountSource, Probe, RootAccess, Service, Sharing};

/// The name of a replica's container. The point is in no name of an app or service, so no two replicas share a name;
/// and since an engine refuses a second container of a name, no replica can ever run twice.
pub(super) fn container_name(app: &str, service: &str, replica: u32) -> String {
    format!("nacp.{app}.{service}.{replica}")
}

/// The name of the container that is to take the place of the one of this name.
pub(super) fn next_name(name: &str) -> String {
    format!("{name}.next")
}

/// What a container is to be beside what its service and its placement say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Particulars<'a> {
    /// Whether it is to take another one's place.
    pub(super) next: bool,
    /// Whether it has its promise beside the one whose place it is to take.
    pub(super) beside: bool,
    /// Why its root must be writable, if it must be.
    pub(super) root: Option<&'a str>,
    /// Its secrets, and the moment that salts their label.
    pub(super) secrets: Option<(&'a Secrets, Timestamp)>,
    pub(super) simulated_gpus: bool,
}

/// The container that a replica is to be.
pub(super) fn container_spec(
    app: &App,
    service: &Service,
    placement: &Placement,
    particulars: Particulars<'_>,
) -> ContainerSpec {
    let simulated_gpus = particulars.simulated_gpus;
    let Placement { service: name, replica, gpus, memory, .. } = placement;
    let mut env = service.env.clone();
    if let Some(model) = &service.model {
        env.entry("NACP_MODEL".to_owned()).or_insert_with(|| model.clone());
    }
    let set = service.determinism.map(|determinism| determinism.set(&mut env));
    let ids: Vec<_> = gpus.iter().map(GpuId::as_str).collect();
    let full = container_name(&app.name, name, *replica);
    let full = if particulars.next { next_name(&full) } else { full };
    let (root, told) = match (service.security.root, particulars.root) {
        (RootAccess::Auto, Some(reason)) => (RootAccess::Writable, format!("writable: {reason}")),
        (RootAccess::Writable, _) => (RootAccess::Writable, "writable".to_owned()),
        (root, _) => (root, "read-only".to_owned()),
    };
    let label = |key: &str, value: String| (key.to_owned(), value);
    let exclusive = service.gpu.as_ref().is_some_and(|need| need.sharing == Sharing::Exclusive);
    let mut labels = service.labels.clone();
    labels.extend([
        label(labels::APP, app.name.clone()),
        label(labels::SERVICE, name.clone()),
        label(labels::REPLICA, replica.to_string()),
        label(labels::SPEC, service.stored().to_string()),
        label(labels::SPEC_HASH, service.hash()),
        label(labels::GPUS, ids.join(",")),
        label(labels::GPU_MEMORY, memory.0.to_string()),
        label(labels::GPU_EXCLUSIVE, exclusive.to_string()),
        label(labels::SIMULATED, simulated_gpus.to_string()),
        label(labels::ROOT, told),
        label(labels::STOP_GRACE, service.stop_grace.as_millis().to_string()),
    ]);
    if particulars.beside {
        labels.extend([label(labels::BESIDE, true.to_string())]);
    }
    if let Some(digest) = particulars.secrets.and_then(|(secrets, at)| secrets.label(&full, at)) {
        labels.insert(labels::SECRETS.to_owned(), digest);
    }
    if let Some(set) = set {
        let set: Vec<_> = set.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
        labels.extend([label(labels::DETERMINISM, set.join(","))]);
    }
    let mounts = service.volumes.iter().map(|(volume, mount)| MountSpec {
        path: mount.path.clone(),
        source: mount.source.clone(),
        name: match &mount.source {
            MountSource::Volume => Some(format!("nacp.{}.{volume}", app.name)),
            _ => None,
        },
        read_only: mount.read_only,
    });
    let publish = service.publish.unwrap_or_default();
    ContainerSpec {
        command: service.command.clone(),
        entrypoint: service.entrypoint.clone(),
        working_dir: service.working_dir.clone(),
        env,
        labels,
        gpus: gpus.clone(),
        simulated_gpus,
        publish: service.port.map(|port| PublishSpec { container: port, host: publish.host, port: publish.port }),
        mounts: mounts.collect(),
        files: particulars.secrets.map(|(secrets, _)| secrets.files()).unwrap_or_default(),
        networks: service.networks.iter().map(|network| format!("nacp.{}.{network}", app.name)).collect(),
        alias: Some(name.clone()),
        shm: service.shm,
        ulimits: service.ulimits.clone(),
        cpus: service.resources.cpus,
        memory: service.resources.memory,
        pids: service.resources.pids,
        user: service.security.user.clone(),
        root,
        capabilities: service.security.capabilities.clone(),
        new_privileges: service.security.new_privileges,
        host_ipc: service.security.host_ipc,
        stop_signal: service.stop_signal.clone(),
        platform: service.platform.clone(),
        ..ContainerSpec::new(full, &service.image)
    }
}

/// A replica as its container's labels tell it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) app: String,
    pub(super) service: String,
    pub(super) replica: u32,
    /// Whether the container is to take another one's place.
    pub(super) next: bool,
}

/// Reads which replica a container is; nothing when its labels are not what NACP writes, or when its name is not the
/// one that belongs to them: an image that was made of one of our containers hands its labels on to strangers.
pub(super) fn identify(container: &Container) -> Option<Identity> {
    let mut identity = Identity {
        app: container.label(labels::APP)?.to_owned(),
        service: container.label(labels::SERVICE)?.to_owned(),
        replica: container.label(labels::REPLICA)?.parse().ok()?,
        next: false,
    };
    let name = container_name(&identity.app, &identity.service, identity.replica);
    let rest = container.name.strip_prefix(&name)?;
    identity.next = rest == ".next";
    (rest.is_empty() || identity.next).then_some(identity)
}

/// What a container's specification says about its model and its probe. `Err` when the probe cannot be read: then
/// nobody can tell whether the replica is ready.
pub(super) fn stored(container: &Container) -> (Option<String>, Result<Option<Probe>, serde_json::Error>) {
    let text = container.label(labels::SPEC).unwrap_or_default();
    let spec: serde_json::Value = match serde_json::from_str(text) {
        Ok(spec) => spec,
        Err(error) => return (None, Err(error)),
    };
    let model = spec.get("model").and_then(|model| model.as_str()).map(str::to_owned);
    let probe = spec.get("ready").filter(|probe| !probe.is_null()).cloned();
    (model, probe.map(serde_json::from_value).transpose())
}

/// How long a container may take to end, as its service said when it was created; nothing where that cannot be read.
pub(super) fn stored_grace(container: &Container) -> Option<Duration> {
    container.label(labels::STOP_GRACE)?.parse().ok().map(Duration::from_millis)
}
