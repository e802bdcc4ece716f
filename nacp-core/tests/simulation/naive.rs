//! A loop as one would write it on an afternoon: the simulation is shown to find out what it does not think of.

use std::collections::BTreeMap;
use std::time::Duration;

use nacp_core::clock::Clock as _;
use nacp_core::control::{Leases as _, Wanted};
use nacp_core::engine::{
    Container, ContainerSpec, ContainerState, Engine as _, NoProgress, PublishSpec, PullRequest, labels,
};
use nacp_core::placement::{Placement, Running, plan};
use nacp_core::service::{App, Sharing};
use nacp_core::{Bytes, Result};

use crate::engine::SimEngine;
use crate::mutation::Mutation;
use crate::seams::SimLeases;

pub(crate) async fn keep(engine: &SimEngine, wanted: &Wanted) {
    let (shared, who) = (engine.shared.clone(), engine.who);
    let leases = SimLeases { shared: shared.clone(), who, mutation: Mutation::None };
    let mut lease = None;
    loop {
        if lease.is_none() {
            lease = leases.take("", &wanted.name()).await.ok().and_then(std::result::Result::ok);
        }
        if lease.is_some() {
            let _ = once(engine, &wanted.app()).await;
        }
        shared.time.sleep(Duration::from_secs(2)).await;
    }
}

fn running(one: &Container) -> Option<Running> {
    let gpus = one.label(labels::GPUS)?.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().unwrap());
    Some(Running {
        app: one.label(labels::APP)?.to_owned(),
        service: one.label(labels::SERVICE)?.to_owned(),
        replica: one.label(labels::REPLICA)?.parse().ok()?,
        gpus: gpus.collect(),
        memory: Bytes(one.label(labels::GPU_MEMORY)?.parse().ok()?),
        exclusive: one.label(labels::GPU_EXCLUSIVE) == Some("true"),
        active: one.state.is_active(),
        beside: false,
    })
}

async fn once(engine: &SimEngine, app: &App) -> Result<()> {
    let there = engine.list(None).await?;
    let promised: Vec<_> = there.iter().filter_map(running).collect();
    let snapshot = engine.shared.world().snapshot();
    let placements = plan(app, &snapshot, &promised)?;
    let mut own: BTreeMap<_, _> = there
        .iter()
        .filter(|one| one.label(labels::APP) == Some(&app.name) && one.name.starts_with("nacp."))
        .map(|one| (one.name.clone(), one))
        .collect();
    for placed in &placements {
        let name = format!("nacp.{}.{}.{}", app.name, placed.service, placed.replica);
        let service = &app.services[&placed.service];
        match own.remove(&name) {
            None => {
                engine.pull(&PullRequest::new(&service.image), &NoProgress).await?;
                for network in &service.networks {
                    engine.create_network(network, &BTreeMap::new()).await?;
                }
                engine.create(&spec(app, placed, &name)).await?;
            }
            Some(one) if one.label(labels::SPEC_HASH) != Some(&service.hash()) => {
                engine.stop(&one.id, Duration::from_secs(5)).await?;
                engine.remove(&one.id).await?;
            }
            Some(one) if one.state == ContainerState::Created => engine.start(&one.id).await?,
            Some(one) if one.state == ContainerState::Running => {}
            Some(one) if one.state == ContainerState::Exited(Some(0)) && service.image.contains("job") => {}
            Some(one) => engine.remove(&one.id).await?,
        }
    }
    for one in own.values() {
        engine.remove(&one.id).await?;
    }
    Ok(())
}

fn spec(app: &App, placed: &Placement, name: &str) -> ContainerSpec {
    let service = &app.services[&placed.service];
    let mut spec = ContainerSpec::new(name, &service.image);
    let exclusive = service.gpu.as_ref().is_some_and(|need| need.sharing == Sharing::Exclusive);
    let gpus: Vec<_> = placed.gpus.iter().map(nacp_core::gpu::GpuId::as_str).collect();
    spec.labels = [
        (labels::APP, app.name.clone()),
        (labels::SERVICE, placed.service.clone()),
        (labels::REPLICA, placed.replica.to_string()),
        (labels::SPEC_HASH, service.hash()),
        (labels::GPUS, gpus.join(",")),
        (labels::GPU_MEMORY, placed.memory.0.to_string()),
        (labels::GPU_EXCLUSIVE, exclusive.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    spec.gpus.clone_from(&placed.gpus);
    spec.networks.clone_from(&service.networks);
    spec.publish = service.port.map(PublishSpec::loopback);
    spec
}
