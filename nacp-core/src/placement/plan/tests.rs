use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::error::ErrorKind;
use crate::gpu::{MemoryUse, Node, Reading, Sample, Unknown};
use crate::placement::Spread;
use crate::service::Sharing;
use crate::sim;

fn snapshot(node: &str) -> Snapshot {
    let node = Node::from_source(Arc::new(sim::Node::named(node).unwrap())).unwrap();
    node.snapshot(&ManualClock::default()).unwrap()
}

fn gpu(memory: Bytes) -> Service {
    Service::new("image").gpu(GpuNeed::memory(memory))
}

fn on(placements: &[Placement], service: &str, replica: u32) -> Vec<String> {
    let found = placements.iter().find(|placed| placed.service == service && placed.replica == replica).unwrap();
    found.gpus.iter().map(|id| id.as_str()[35..].to_owned()).collect()
}

fn running(app: &str, service: &str, gpu: &str, memory: Bytes) -> Running {
    Running {
        app: app.into(),
        service: service.into(),
        replica: 0,
        gpus: vec![gpu.parse().unwrap()],
        memory,
        exclusive: false,
        active: true,
        beside: false,
    }
}

const FIRST_H100: &str = "GPU-4100a801-0000-4000-8000-000000000001";

#[test]
fn best_fit_keeps_the_large_gaps_whole() {
    let app = App::new("a").service("small", gpu(Bytes::gib(16))).service("large", gpu(Bytes::gib(70)));
    let placements = plan(&app, &snapshot("h100x8"), &[]).unwrap();
    // GPU 5 has 62 GiB in use, so 17 GiB free: the least that is enough.
    assert_eq!(on(&placements, "small", 0), ["00005"]);
    assert_eq!(on(&placements, "large", 0), ["00001"]);
    assert_eq!(placements[1].reason, "best fit of 8 GPUs: 16 GiB needed, 17.10 GiB free");
}

#[test]
fn replicas_pack_until_memory_is_promised_then_move_on() {
    let app = App::new("a").service("s", gpu(Bytes::gib(30)).replicas(5));
    let placements = plan(&app, &snapshot("h100x8"), &[]).unwrap();
    let chosen: Vec<_> = (0..5).flat_map(|replica| on(&placements, "s", replica)).collect();
    // GPU 2 has 18 GiB in use: room for two. The empty ones have room for two each.
    assert_eq!(chosen, ["00002", "00002", "00001", "00001", "00003"]);
}

#[test]
fn spread_takes_an_empty_gpu_first() {
    let app = App::new("a").service("s", gpu(Bytes::gib(10)).replicas(3));
    let placements = plan_with(&Spread, &app, &snapshot("h100x8"), &[]).unwrap();
    let chosen: Vec<_> = (0..3).flat_map(|replica| on(&placements, "s", replica)).collect();
    assert_eq!(chosen, ["00001", "00003", "00004"]);
}

#[test]
fn a_promise_of_another_app_counts_even_when_the_driver_does_not_show_it_yet() {
    let promised = running("other", "x", FIRST_H100, Bytes::gib(75));
    let app = App::new("a").service("s", gpu(Bytes::gib(70)));
    let placements = plan(&app, &snapshot("h100x8"), &[promised]).unwrap();
    assert_eq!(on(&placements, "s", 0), ["00003"]);
}

#[test]
fn a_running_replica_stays_until_its_need_changes() {
    let held = running("a", "s", FIRST_H100, Bytes::gib(40));
    let app = App::new("a").service("s", gpu(Bytes::gib(40)));
    let placements = plan(&app, &snapshot("h100x8"), std::slice::from_ref(&held)).unwrap();
    assert_eq!(
        (on(&placements, "s", 0), placements[0].reason.as_str()),
        (vec!["00001".to_owned()], "it runs there already")
    );
    let larger = App::new("a").service("s", gpu(Bytes::gib(79)));
    let placements = plan(&larger, &snapshot("h100x8"), &[held]).unwrap();
    assert_eq!(placements[0].reason, "where it was before: 79 GiB needed, 79.10 GiB free");
}

/// The laptop with so much in use by programs.
fn laptop(used: Bytes) -> Snapshot {
    let mut laptop = snapshot("rtx3050ti-laptop-wsl2");
    let total = Bytes::gib(4);
    let memory = MemoryUse { total, used, free: total.saturating_sub(used), reserved: Bytes::ZERO };
    laptop.gpus[0].sample.memory = Reading::Known(memory);
    laptop
}

#[test]
fn a_replica_that_grows_may_use_the_memory_that_it_gives_up() {
    let (laptop, held) = (laptop(Bytes::gib(3)), Bytes::gib(3));
    let id = laptop.gpus[0].gpu.id.to_string();
    let app = App::new("a").service("s", gpu(Bytes::mib(3500)));
    let placements = plan(&app, &laptop, &[running("a", "s", &id, held)]).unwrap();
    assert_eq!(placements[0].reason, "where it was before: 3.41 GiB needed, 4 GiB free");
    let error = plan(&app, &laptop, &[running("other", "s", &id, held)]).unwrap_err();
    assert!(error.to_string().contains("1 GiB free of 4 GiB"), "{error}");
}

#[test]
fn a_replica_that_has_ended_gives_up_no_memory() {
    let laptop = laptop(Bytes::gib(3));
    let mut ended = running("a", "s", laptop.gpus[0].gpu.id.as_str(), Bytes::gib(3));
    ended.active = false;
    for need in [Bytes::gib(3), Bytes::mib(3500)] {
        let error = plan(&App::new("a").service("s", gpu(need)), &laptop, std::slice::from_ref(&ended)).unwrap_err();
        assert!(error.to_string().contains("1 GiB free of 4 GiB"), "{error}");
    }
}

#[test]
fn a_replica_gives_up_no_more_than_is_in_use() {
    let laptop = laptop(Bytes::gib(1));
    let held = running("a", "s", laptop.gpus[0].gpu.id.as_str(), Bytes::gib(3));
    let placements = plan(&App::new("a").service("s", gpu(Bytes::gib(4))), &laptop, &[held]).unwrap();
    assert_eq!(placements[0].reason, "where it was before: 4 GiB needed, 4 GiB free");
}

#[test]
fn a_replica_that_ended_goes_back_if_there_is_room_and_elsewhere_if_not() {
    let app = App::new("a").service("s", gpu(Bytes::gib(60)));
    let mut ended = running("a", "s", "GPU-4100a803-0000-4000-8000-000000000003", Bytes::gib(60));
    ended.active = false;
    let placements = plan(&app, &snapshot("h100x8"), std::slice::from_ref(&ended)).unwrap();
    assert_eq!(
        (on(&placements, "s", 0), placements[0].reason.starts_with("where it was before")),
        (vec!["00003".to_owned()], true)
    );
    let mut busy = snapshot("h100x8");
    busy.gpus[2].sample.memory = busy.gpus[4].sample.memory.clone();
    let placements = plan(&app, &busy, &[ended]).unwrap();
    assert_eq!(on(&placements, "s", 0), ["00002"]);
}

#[test]
fn a_replica_on_a_lost_gpu_moves() {
    let mut broken = snapshot("h100x8");
    broken.gpus[0].sample = Sample::unknown(broken.gpus[0].gpu.id.clone(), Unknown::GpuLost);
    let held = running("a", "s", FIRST_H100, Bytes::gib(70));
    let placements = plan(&App::new("a").service("s", gpu(Bytes::gib(70))), &broken, &[held]).unwrap();
    assert_eq!(on(&placements, "s", 0), ["00003"]);
}

#[test]
fn exclusive_and_shared_do_not_mix() {
    let alone = Service::new("image").gpu(GpuNeed::memory(Bytes::gib(1)).exclusive());
    let app = App::new("a").service("alone", alone.clone().priority(1)).service("other", gpu(Bytes::gib(1)));
    let placements = plan(&app, &snapshot("h100x8"), &[]).unwrap();
    assert_ne!(on(&placements, "alone", 0), on(&placements, "other", 0));
    let error = plan(&app, &snapshot("rtx3050ti-laptop-wsl2"), &[]).unwrap_err();
    assert!(error.to_string().contains("held by an exclusive replica"), "{error}");
    let late = App::new("a").service("alone", alone).service("other", gpu(Bytes::gib(1)).priority(1));
    let error = plan(&late, &snapshot("rtx3050ti-laptop-wsl2"), &[]).unwrap_err();
    assert!(error.to_string().contains("exclusive use needed, 1 replica(s) there"), "{error}");
}

#[test]
fn a_gang_gets_distinct_gpus() {
    let app = App::new("a").service("s", Service::new("image").gpu(GpuNeed::memory(Bytes::gib(70)).count(4)));
    let placements = plan(&app, &snapshot("h100x8"), &[]).unwrap();
    assert_eq!(on(&placements, "s", 0), ["00001", "00003", "00004", "00006"]);
}

#[test]
fn a_refusal_says_why_for_each_gpu_and_what_would_help() {
    let app = App::new("a").service("s", gpu(Bytes::gib(8)));
    let error = plan(&app, &snapshot("rtx3050ti-laptop-wsl2"), &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
    assert_eq!(
        error.to_string(),
        "no GPU has room for a replica: app=a service=s replica=0 memory=\"8 GiB\" count=1 fitting=0 \
         gpus=[GPU-3050a701: 3.50 GiB free of 4 GiB]; lower `gpu.memory` to at most 3.50 GiB, or free memory on a GPU"
    );
    let old = Service::new("image").gpu(GpuNeed::memory(Bytes::gib(1)).compute(">=9.0".parse().unwrap()));
    let error = plan(&App::new("a").service("s", old), &snapshot("rtx3050ti-laptop-wsl2"), &[]).unwrap_err();
    assert!(error.to_string().contains("GPU-3050a701: compute capability 8.6, >=9.0 needed"), "{error}");
    let mut empty = snapshot("h100x8");
    empty.gpus.clear();
    let error = plan(&app, &empty, &[]).unwrap_err();
    assert!(error.to_string().starts_with("this node has no GPU: app=a service=s"), "{error}");
}

#[test]
fn a_service_without_a_gpu_needs_no_node() {
    let mut empty = snapshot("h100x8");
    empty.gpus.clear();
    let placements = plan(&App::new("a").service("s", Service::new("image")), &empty, &[]).unwrap();
    assert_eq!((placements[0].gpus.len(), placements[0].reason.as_str()), (0, "it needs no GPU"));
}

proptest! {
    #[test]
    fn no_gpu_is_ever_promised_more_than_it_has(
        needs in prop::collection::vec((1u64..90, 1u32..4, 1u32..3, any::<bool>()), 1..8)
    ) {
        let snapshot = snapshot("h100x8");
        let app = needs.iter().enumerate().fold(App::new("a"), |app, (index, (gib, replicas, count, exclusive))| {
            let mut need = GpuNeed::memory(Bytes::gib(*gib)).count(*count);
            need.sharing = if *exclusive { Sharing::Exclusive } else { Sharing::Shared };
            app.service(format!("s{index}"), Service::new("image").gpu(need).replicas(*replicas))
        });
        if let Ok(placements) = plan(&app, &snapshot, &[]) {
            prop_assert_eq!(&placements, &plan(&app, &snapshot, &[]).unwrap());
            for state in &snapshot.gpus {
                let here: Vec<_> = placements.iter().filter(|placed| placed.gpus.contains(&state.gpu.id)).collect();
                let promised: Bytes = here.iter().map(|placed| placed.memory).sum();
                prop_assert!(promised <= state.sample.memory.known().unwrap().free);
                let alone = here.iter().any(|placed| app.services[&placed.service].gpu.as_ref().unwrap().sharing == Sharing::Exclusive);
                prop_assert!(!alone || here.len() == 1);
            }
        }
    }
}
