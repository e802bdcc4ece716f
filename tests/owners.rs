//! Who is behind a process: on this machine, in containers of a real engine.

#![cfg(target_os = "linux")]

mod common;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use common::{IMAGE, docker, unique};
use futures_util::FutureExt;
use nacp_core::engine::{ContainerId, ContainerSpec, Engine, NoProgress, PublishSpec, PullRequest, name_owners};
use nacp_core::gpu::Reading;
use nacp_core::gpu::owner::{Owner, OwnerCache, ProcessState, Processes, Runtime};

/// Every process of this machine.
fn pids() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The processes in a container, once there are any.
async fn inside(id: &ContainerId) -> Vec<Owner> {
    let processes = Processes::system();
    for _ in 0..100 {
        let owners = pids().map(|pid| processes.owner(pid));
        let found: Vec<_> = owners.filter(|owner| container_id(owner) == Some(&id.0)).collect();
        if !found.is_empty() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no process of this machine is in the container {id}; does its engine run in a virtual machine?");
}

fn container_id(owner: &Owner) -> Option<&String> {
    Some(&owner.container.known()?.as_ref()?.id)
}

#[tokio::test]
async fn a_process_in_a_container_is_told_with_the_name_that_its_engine_gave() {
    let Some(engine) = docker().await else { return };
    let spec =
        ContainerSpec { publish: Some(PublishSpec::loopback(8000)), ..ContainerSpec::new(unique("owner"), IMAGE) };
    engine.pull(&PullRequest::new(IMAGE), &NoProgress).await.unwrap();
    let id = engine.create(&spec).await.unwrap();
    let outcome = AssertUnwindSafe(attributed(&engine, &id, &spec.name)).catch_unwind().await;
    engine.remove(&id).await.unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn attributed(engine: &Arc<dyn Engine>, id: &ContainerId, name: &str) {
    engine.start(id).await.unwrap();
    let mut owners = inside(id).await;
    let mut outside = Processes::system().owner(std::process::id());
    name_owners(owners.iter_mut().chain([&mut outside]), &engine.names().await.unwrap());
    for owner in &owners {
        let container = owner.container.known().unwrap().as_ref().unwrap();
        assert_eq!((container.name.as_deref(), container.runtime), (Some(name), Runtime::Docker), "{owner:?}");
        assert!(container.cgroup.contains(&id.0), "{container:?}");
        assert!(owner.user.known().is_some() && owner.started.known().is_some(), "{owner:?}");
    }
    assert_ne!(container_id(&outside), Some(&id.0), "the test is not in the container that it made");

    let mut cache = OwnerCache::new(Processes::system());
    let pid = owners[0].pid;
    let alive = cache.owners([pid]).remove(0);
    assert_eq!((&alive.started, container_id(&alive)), (&owners[0].started, Some(&id.0)));
    engine.stop(id, Duration::from_secs(5)).await.unwrap();
    let gone = cache.owners([pid]).remove(0);
    assert_ne!(container_id(&gone), Some(&id.0), "{gone:?}");
    assert!(cache.is_empty() || gone.command != alive.command, "{gone:?}");
}

#[test]
fn a_child_that_nobody_waits_for_is_a_zombie() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let processes = Processes::system();
    let mut state = processes.owner(child.id()).state;
    for _ in 0..200 {
        if state == Reading::Known(ProcessState::Zombie) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        state = processes.owner(child.id()).state;
    }
    assert_eq!(state, Reading::Known(ProcessState::Zombie));
    child.wait().unwrap();
    assert_eq!(processes.owner(child.id()).state.known(), None);
}
