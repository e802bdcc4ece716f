use std::collections::{BTreeMap, BTreeSet};
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

fn partition(profile: &str) -> Service {
    Service::new("image").gpu(GpuNeed::memory(Bytes::gib(2)).mig(profile))
}

#[test]
fn each_replica_gets_a_partition_of_its_own_that_nobody_uses() {
    let app = App::new("a").service("s", partition("1g.5gb").replicas(3));
    let placements = plan(&app, &snapshot("a100-mig"), &[]).unwrap();
    let chosen: BTreeSet<_> = placements.iter().map(|placed| placed.gpus[0].as_str()).collect();
    assert_eq!(chosen.len(), 3);
    assert!(chosen.iter().all(|id| id.starts_with("MIG-")), "{chosen:?}");
    // In two partitions programs hold most of the memory.
    for used in ["MIG-a1000a01-0007-5000-8000-000000000001", "MIG-a1000a01-0008-5000-8000-000000000002"] {
        assert!(!chosen.contains(used), "{chosen:?}");
    }
    assert!(placements[0].reason.starts_with("most free of "), "{}", placements[0].reason);
}

#[test]
fn a_partition_that_is_promised_is_not_given_again() {
    let free = "MIG-a1000a01-0009-5000-8000-000000000003";
    let held = running("other", "x", free, Bytes::gib(1));
    let app = App::new("a").service("s", partition("1g.5gb").replicas(9));
    let error = plan(&app, &snapshot("a100-mig"), &[held]).unwrap_err().to_string();
    assert!(error.contains(&format!("{free}: held by a replica")), "{error}");
}

#[test]
fn a_divided_gpu_is_not_given_as_a_whole_and_a_whole_one_has_no_partitions() {
    let app = App::new("a").service("s", gpu(Bytes::gib(2)).replicas(2));
    let placements = plan(&app, &snapshot("a100-mig"), &[]).unwrap();
    assert!(placements.iter().all(|placed| placed.gpus[0].as_str().starts_with("GPU-")), "{placements:?}");
    let divided: Vec<_> = snapshot("a100-mig").gpus.iter().take(2).map(|state| state.gpu.id.clone()).collect();
    assert!(placements.iter().all(|placed| !divided.contains(&placed.gpus[0])), "{placements:?}");
    let app = App::new("a").service("s", partition("1g.10gb"));
    let error = plan(&app, &snapshot("a100-mig"), &[]).unwrap_err().to_string();
    assert!(error.contains("profile 1g.5gb, 1g.10gb needed"), "{error}");
    assert!(error.contains("did you mean 2g.10gb? the partitions here have the profiles "), "{error}");
    let error = plan(&app, &snapshot("h100x8"), &[]).unwrap_err().to_string();
    assert!(error.contains("it is not divided into partitions") && error.contains("no partitions"), "{error}");
}

#[test]
fn the_driver_must_serve_the_cuda_that_is_needed() {
    let need = |range: &str| {
        App::new("a").service("s", Service::new("i").gpu(GpuNeed::memory(Bytes::gib(1)).cuda(range.parse().unwrap())))
    };
    let mut node = snapshot("h100x8");
    assert!(plan(&need(">=12.4 <14"), &node, &[]).is_ok());
    let error = plan(&need(">=13.1"), &node, &[]).unwrap_err().to_string();
    assert!(error.contains("its driver serves CUDA 13.0, >=13.1 needed"), "{error}");
    node.origin.cuda = None;
    let error = plan(&need(">=12.4"), &node, &[]).unwrap_err().to_string();
    assert!(error.contains("the CUDA version of its driver is unknown"), "{error}");
}

#[test]
fn gpus_that_must_be_connected_are_and_a_pair_that_is_not_is_told() {
    let gang = |topology, count| {
        let need = GpuNeed::memory(Bytes::gib(10)).count(count).topology(topology);
        App::new("a").service("s", Service::new("i").gpu(need))
    };
    let placements = plan(&gang(Wanted::Nvlink, 4), &snapshot("h100x8"), &[]).unwrap();
    assert_eq!(placements[0].gpus.len(), 4);
    assert!(placements[0].reason.contains("joined by NVLink"), "{}", placements[0].reason);
    // Without its NVLinks the first is joined to none.
    let mut broken = snapshot("h100x8");
    broken.gpus[0].gpu.nvlinks = Reading::Known(Vec::new());
    let placements = plan(&gang(Wanted::Nvlink, 4), &broken, &[]).unwrap();
    assert!(!placements[0].gpus.contains(&broken.gpus[0].gpu.id));
    broken.gpus.truncate(2);
    let error = plan(&gang(Wanted::Nvlink, 2), &broken, &[]).unwrap_err().to_string();
    assert!(error.contains("topology=nvlink fitting=2 apart=[GPU-4100a8"), "{error}");
    assert!(error.contains(": no NVLink]"), "{error}");
}

#[test]
fn gpus_of_one_cpu_socket_are_chosen_together() {
    let mut node = snapshot("h100x8");
    for (index, state) in node.gpus.iter_mut().enumerate() {
        state.gpu.affinity.memory_nodes = Reading::Known(vec![u32::from(index % 2 == 1)]);
    }
    let need = GpuNeed::memory(Bytes::gib(10)).count(3).topology(Wanted::Numa);
    let app = App::new("a").service("s", Service::new("i").gpu(need));
    let chosen = &plan(&app, &node, &[]).unwrap()[0].gpus;
    let sockets: BTreeSet<_> = node
        .gpus
        .iter()
        .enumerate()
        .filter(|(_, state)| chosen.contains(&state.gpu.id))
        .map(|(index, _)| index % 2)
        .collect();
    assert_eq!((chosen.len(), sockets.len()), (3, 1));
}

#[test]
fn memory_that_is_not_known_yet_takes_all_of_the_emptiest_gpu() {
    let auto = Service::new("image").gpu(GpuNeed::memory(GpuMemory::Auto));
    let app = App::new("a").service("auto", auto.clone()).service("small", gpu(Bytes::gib(1)));
    let placements = plan(&app, &snapshot("h100x8"), &[]).unwrap();
    assert_eq!(placements[0].memory, snapshot("h100x8").gpus[0].sample.memory.known().unwrap().free);
    assert!(placements[0].reason.contains("all that is free"), "{}", placements[0].reason);
    assert_ne!(placements[0].gpus, placements[1].gpus);
    let laptop = snapshot("rtx3050ti-laptop-wsl2");
    let held = running("other", "x", laptop.gpus[0].gpu.id.as_str(), Bytes::mib(100));
    let error = plan(&App::new("a").service("auto", auto), &laptop, &[held]).unwrap_err().to_string();
    assert!(error.contains("`memory: auto` needs a GPU without other replicas, 1 there"), "{error}");
    assert!(error.ends_with("write the memory that the service needs, so that it can share a GPU"), "{error}");
}

#[test]
fn a_condemned_gpu_gets_nothing_and_keeps_nothing() {
    let (app, node) = (App::new("a").service("s", gpu(Bytes::gib(70))), snapshot("h100x8"));
    let held = [running("a", "s", FIRST_H100, Bytes::gib(70))];
    let condemned = BTreeMap::from([(FIRST_H100.parse().unwrap(), "Xid 79".to_owned())]);
    let request = Request::new(&app, &node).running(&held);
    assert_eq!(on(&request.plan().unwrap(), "s", 0), ["00001"]);
    assert_eq!(on(&request.condemned(&condemned).plan().unwrap(), "s", 0), ["00003"]);
    let all: BTreeMap<_, _> = node.gpus.iter().map(|state| (state.gpu.id.clone(), "Xid 79".to_owned())).collect();
    let error = request.condemned(&all).plan().unwrap_err().to_string();
    assert!(error.contains("GPU-4100a801: cordoned: Xid 79"), "{error}");
    // A GPU stands for its partitions.
    let (app, node) = (App::new("a").service("s", partition("1g.5gb").replicas(5)), snapshot("a100-mig"));
    let condemned = BTreeMap::from([(node.gpus[0].gpu.id.clone(), "hot".to_owned())]);
    let error = Request::new(&app, &node).condemned(&condemned).plan().unwrap_err().to_string();
    assert!(error.contains("MIG-a1000a01-0009-5000-8000-000000000003: cordoned: hot"), "{error}");
}

#[test]
fn two_containers_of_one_replica_count_once_unless_both_run() {
    let (app, node) = (App::new("a").service("s", gpu(Bytes::gib(30))), snapshot("h100x8"));
    let mut only = node;
    only.gpus.truncate(1);
    let old = running("other", "x", FIRST_H100, Bytes::gib(40));
    let next = Running { active: false, ..old.clone() };
    // 79 GiB are free, 40 are promised to the one that runs or to the one that follows it: 30 are left.
    assert!(plan(&app, &only, &[old.clone(), next.clone()]).is_ok());
    // Of two that run at the same time each holds its own.
    for both in [Running { beside: true, ..next.clone() }, Running { active: true, ..next }] {
        let error = plan(&app, &only, &[old.clone(), both]).unwrap_err().to_string();
        assert!(error.contains("[GPU-4100a801: 0 B free of"), "{error}");
    }
}

#[test]
fn an_old_container_that_runs_on_beside_the_new_one_gives_up_nothing() {
    let laptop = laptop(Bytes::gib(2));
    let app = App::new("a").service("s", gpu(Bytes::mib(3000)));
    let old = running("a", "s", laptop.gpus[0].gpu.id.as_str(), Bytes::gib(2));
    assert!(plan(&app, &laptop, std::slice::from_ref(&old)).is_ok());
    let error = plan(&app, &laptop, &[Running { beside: true, ..old }]).unwrap_err().to_string();
    assert!(error.contains("2 GiB free of 4 GiB"), "{error}");
}

#[test]
fn of_two_containers_that_may_stay_the_last_is_the_replica_and_the_other_keeps_its_promise() {
    let app = App::new("a").service("s", gpu(Bytes::gib(70)));
    let old = running("a", "s", FIRST_H100, Bytes::gib(70));
    let new = Running { gpus: vec![snapshot("h100x8").gpus[2].gpu.id.clone()], ..old.clone() };
    let both = [old, new];
    let placements = plan(&app, &snapshot("h100x8"), &both).unwrap();
    assert_eq!((placements.len(), on(&placements, "s", 0)), (1, vec!["00003".to_owned()]));
    let placements = plan(&App::new("b").service("t", gpu(Bytes::gib(70))), &snapshot("h100x8"), &both).unwrap();
    assert_eq!(on(&placements, "t", 0), ["00004"]);
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
