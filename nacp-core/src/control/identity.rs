//! Which container is which replica: names and labels, written and read back.

use crate::engine::{Container, ContainerSpec, MountSpec, PublishSpec, labels};
use crate::gpu::GpuId;
use crate::placement::{Placement, Running};
use crate::service::{App, MountSource, Probe, Service, Sharing};
use crate::units::Bytes;

/// The name of a replica's container. The point is in no name of an app or service, so no two replicas share a name;
/// and since an engine refuses a second container of a name, no replica can ever run twice.
pub(super) fn container_name(app: &str, service: &str, replica: u32) -> String {
    format!("nacp.{app}.{service}.{replica}")
}

/// The container that a replica is to be.
pub(super) fn container_spec(
    app: &App,
    service: &Service,
    placement: &Placement,
    simulated_gpus: bool,
) -> ContainerSpec {
    let Placement { service: name, replica, gpus, memory, .. } = placement;
    let mut env = service.env.clone();
    if let Some(model) = &service.model {
        env.entry("NACP_MODEL".to_owned()).or_insert_with(|| model.clone());
    }
    let set = service.determinism.map(|determinism| determinism.set(&mut env));
    let ids: Vec<_> = gpus.iter().map(GpuId::as_str).collect();
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
    ]);
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
        networks: service.networks.iter().map(|network| format!("nacp.{}.{network}", app.name)).collect(),
        alias: Some(name.clone()),
        shm: service.shm,
        ulimits: service.ulimits.clone(),
        cpus: service.resources.cpus,
        memory: service.resources.memory,
        pids: service.resources.pids,
        user: service.security.user.clone(),
        root: service.security.root,
        capabilities: service.security.capabilities.clone(),
        new_privileges: service.security.new_privileges,
        host_ipc: service.security.host_ipc,
        stop_signal: service.stop_signal.clone(),
        platform: service.platform.clone(),
        ..ContainerSpec::new(container_name(&app.name, name, *replica), &service.image)
    }
}

/// A replica as its container's labels tell it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) app: String,
    pub(super) service: String,
    pub(super) replica: u32,
}

/// Reads which replica a container is; nothing when its labels are not what NACP writes, or when its name is not the
/// one that belongs to them: an image that was made of one of our containers hands its labels on to strangers.
pub(super) fn identify(container: &Container) -> Option<Identity> {
    let identity = Identity {
        app: container.label(labels::APP)?.to_owned(),
        service: container.label(labels::SERVICE)?.to_owned(),
        replica: container.label(labels::REPLICA)?.parse().ok()?,
    };
    let name = container_name(&identity.app, &identity.service, identity.replica);
    (container.name == name).then_some(identity)
}

/// The promise of GPU memory that a container stands for, whether it runs or not. It does not need the specification,
/// which another version of NACP may have written.
pub(super) fn promise(container: &Container) -> Option<Running> {
    let identity = identify(container)?;
    let gpus = container.label(labels::GPUS)?.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().ok());
    Some(Running {
        gpus: gpus.collect::<Option<Vec<_>>>()?,
        memory: Bytes(container.label(labels::GPU_MEMORY)?.parse().ok()?),
        exclusive: container.label(labels::GPU_EXCLUSIVE) == Some("true"),
        active: container.state.is_active(),
        beside: false,
        app: identity.app,
        service: identity.service,
        replica: identity.replica,
    })
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
