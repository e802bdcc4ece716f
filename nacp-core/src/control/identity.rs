//! Which container is which replica: names and labels, written and read back.

use std::collections::BTreeMap;

use crate::engine::{Container, ContainerSpec, labels};
use crate::gpu::GpuId;
use crate::placement::{Placement, Running};
use crate::service::{App, Service, Sharing};
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
    let ids: Vec<_> = gpus.iter().map(GpuId::as_str).collect();
    let label = |key: &str, value: String| (key.to_owned(), value);
    let labels = BTreeMap::from([
        label(labels::APP, app.name.clone()),
        label(labels::SERVICE, name.clone()),
        label(labels::REPLICA, replica.to_string()),
        label(labels::SPEC, serde_json::json!(service).to_string()),
        label(labels::SPEC_HASH, service.hash()),
        label(labels::GPUS, ids.join(",")),
        label(labels::GPU_MEMORY, memory.0.to_string()),
    ]);
    let volumes = service.volumes.iter().map(|(volume, path)| (format!("nacp.{}.{volume}", app.name), path.clone()));
    ContainerSpec {
        name: container_name(&app.name, name, *replica),
        image: service.image.clone(),
        command: service.command.clone(),
        env,
        labels,
        gpus: gpus.clone(),
        simulated_gpus,
        port: service.port,
        volumes: volumes.collect(),
    }
}

/// A replica as its container's labels tell it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) app: String,
    pub(super) service: String,
    pub(super) replica: u32,
    pub(super) spec: Service,
    pub(super) spec_hash: String,
}

/// Reads a container's labels; nothing when they are not what NACP writes.
pub(super) fn identify(container: &Container) -> Option<Identity> {
    Some(Identity {
        app: container.label(labels::APP)?.to_owned(),
        service: container.label(labels::SERVICE)?.to_owned(),
        replica: container.label(labels::REPLICA)?.parse().ok()?,
        spec: serde_json::from_str(container.label(labels::SPEC)?).ok()?,
        spec_hash: container.label(labels::SPEC_HASH)?.to_owned(),
    })
}

/// The promise of GPU memory that a container stands for, whether it runs or not.
pub(super) fn promise(container: &Container) -> Option<Running> {
    let identity = identify(container)?;
    let gpus = container.label(labels::GPUS)?.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().ok());
    Some(Running {
        gpus: gpus.collect::<Option<Vec<_>>>()?,
        memory: Bytes(container.label(labels::GPU_MEMORY)?.parse().ok()?),
        exclusive: identity.spec.gpu.as_ref().is_some_and(|need| need.sharing == Sharing::Exclusive),
        app: identity.app,
        service: identity.service,
        replica: identity.replica,
    })
}
