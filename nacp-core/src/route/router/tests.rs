//! What a program sees of the router.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use proptest::prelude::*;

use super::*;
use crate::route::RoundRobin;
use crate::route::table::tests::endpoint;

fn replicas(count: u16) -> impl Iterator<Item = Endpoint> {
    (0..count).map(|index| endpoint("app", "llm", Some("phi3:mini"), index))
}

fn router(count: u16) -> Router {
    let router = Router::new();
    router.update(replicas(count));
    router
}

fn route(router: &Router) -> Lease {
    router.route(&Request::new("phi3:mini")).unwrap()
}

fn served(router: &Router) -> Vec<u64> {
    router.endpoints().iter().map(|load| load.served).collect()
}

#[test]
fn requests_held_for_equal_times_balance() {
    let router = router(4);
    let mut held = VecDeque::new();
    for _ in 0..4000 {
        held.push_back(route(&router));
        if held.len() > 16 {
            held.pop_front();
        }
    }
    let served = served(&router);
    assert_eq!(served.iter().sum::<u64>(), 4000);
    assert!(served.iter().all(|served| (900..1100).contains(served)), "{served:?}");
}

/// Runs 20000 requests in arrival order over four replicas, the first of which is ten times slower, and returns the
/// mean number of requests that a request found on its replica.
fn mean_queue(router: &Router) -> f64 {
    let mut held: VecDeque<(u64, Lease)> = VecDeque::new();
    let mut sum = 0;
    for now in 0..20_000 {
        held.retain(|(end, _)| *end > now);
        let lease = route(router);
        let queue =
            held.iter().filter(|(_, other)| other.endpoint().replica == lease.endpoint().replica).count() as u64;
        sum += queue;
        let time = if lease.endpoint().replica == "app-llm-0" { 100 } else { 10 };
        held.push_back((now + time, lease));
    }
    sum as f64 / 20_000.0
}

#[test]
fn two_choices_keep_away_from_a_slow_replica_where_chance_does_not() {
    #[derive(Debug)]
    struct Chance;
    impl Picker for Chance {
        fn pick(&self, candidates: &Candidates<'_>, random: u64) -> usize {
            below(candidates.len(), (random >> 32) as u32)
        }
    }
    let chance = Router::with_picker(Arc::new(Chance));
    chance.update(replicas(4));
    let (two, one) = (mean_queue(&router(4)), mean_queue(&chance));
    assert!(two * 1.8 < one, "power of two {two}, chance {one}");
}

#[test]
fn round_robin_takes_turns_in_each_pool() {
    let router = Router::with_picker(Arc::new(RoundRobin));
    router.update((0..2).flat_map(|i| [endpoint("a", "x", None, i), endpoint("a", "y", None, 10 + i)]));
    for _ in 0..10 {
        let _ = router.route(&Request::new("x")).unwrap();
        let _ = router.route(&Request::new("y")).unwrap();
    }
    assert_eq!(served(&router), [5, 5, 5, 5]);
}

#[test]
fn turns_go_on_after_an_update() {
    let router = Router::with_picker(Arc::new(RoundRobin));
    for _ in 0..6 {
        router.update(replicas(3));
        let _ = route(&router);
    }
    assert_eq!(served(&router), [2, 2, 2]);
}

#[test]
fn an_endpoint_that_stays_keeps_its_counts_and_one_that_goes_drains() {
    let router = router(2);
    let leases = [route(&router), route(&router)];
    router.update(replicas(3).skip(1));
    let load: Vec<_> = router.endpoints().iter().map(|load| (load.in_flight, load.served)).collect();
    assert_eq!(load, [(1, 1), (0, 0)]);
    let replicas: Vec<_> = leases.iter().map(|lease| lease.endpoint().replica.clone()).collect();
    assert!(replicas.contains(&"app-llm-0".to_owned()), "{replicas:?}");
    drop(leases);
    assert!(router.endpoints().iter().all(|load| load.in_flight == 0));
}

#[test]
fn an_endpoint_at_a_new_address_starts_anew() {
    let router = router(1);
    let _held = route(&router);
    let mut moved = endpoint("app", "llm", Some("phi3:mini"), 0);
    moved.address.set_port(9);
    router.update([moved]);
    assert_eq!(router.endpoints()[0].in_flight, 0);
}

#[test]
fn a_relabelled_endpoint_keeps_its_counts() {
    let router = router(1);
    let _held = route(&router);
    router.update([endpoint("app", "llm", Some("phi4"), 0)]);
    assert_eq!(router.endpoints()[0].in_flight, 1);
    assert_eq!(router.names(), ["phi4"]);
}

#[test]
fn each_kind_of_name_finds_the_service() {
    let router = router(1);
    for name in ["phi3:mini", "llm", "app/llm"] {
        assert_eq!(router.route(&Request::new(name)).unwrap().endpoint().replica, "app-llm-0");
    }
}

#[test]
fn unknown_models_are_answered_with_the_known_ones() {
    let router = router(2);
    let error = router.route(&Request::new("phi3:mni")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "no service answers to this model: model=phi3:mni known=phi3:mini; did you mean phi3:mini?"
    );
    let long = "x".repeat(1 << 20);
    assert!(router.route(&Request::new(&long)).unwrap_err().to_string().len() < 300);
    let error = Router::new().route(&Request::new("phi3")).unwrap_err();
    assert_eq!(error.to_string(), "no service is ready: model=phi3");
    assert_eq!(error.retry(), crate::Retry::Later);
}

#[test]
fn a_service_name_of_two_apps_must_be_made_whole() {
    let router = Router::new();
    router.update([endpoint("a", "llm", None, 0), endpoint("b", "llm", None, 1)]);
    let error = router.route(&Request::new("llm")).unwrap_err();
    assert_eq!(error.to_string(), "several apps have a service of this name: model=llm; ask for one of a/llm, b/llm");
    assert_eq!(router.route(&Request::new("b/llm")).unwrap().endpoint().app, "b");
    assert_eq!(router.names(), ["a/llm", "b/llm"]);
}

#[test]
fn a_failed_endpoint_is_avoided_until_none_is_left() {
    let router = router(3);
    let mut failed = Vec::new();
    for _ in 0..3 {
        let lease = router.route(&Request::new("llm").avoiding(&failed)).unwrap();
        assert!(failed.iter().all(|other: &Lease| other.endpoint() != lease.endpoint()));
        failed.push(lease);
    }
    let error = router.route(&Request::new("llm").avoiding(&failed)).unwrap_err();
    assert_eq!(error.to_string(), "no other replica is left to try: model=llm replicas=3");
    assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
}

#[test]
fn a_picker_that_points_outside_is_an_error() {
    #[derive(Debug)]
    struct Outside;
    impl Picker for Outside {
        fn pick(&self, candidates: &Candidates<'_>, _: u64) -> usize {
            candidates.len()
        }
    }
    let router = Router::with_picker(Arc::new(Outside));
    router.update(replicas(2));
    let error = router.route(&Request::new("llm")).unwrap_err();
    assert_eq!(error.to_string(), "the picker chose what is not there: index=2 candidates=2");
}

#[test]
fn one_seed_gives_one_sequence() {
    let sequence = |seed| -> Vec<String> {
        let router = Router::seeded(seed);
        router.update(replicas(8));
        (0..64).map(|_| route(&router).endpoint().replica.clone()).collect()
    };
    assert_eq!(sequence(1), sequence(1));
    assert_ne!(sequence(1), sequence(2));
}

#[test]
fn leases_may_cross_threads() {
    fn sendable<T: Send + Sync + 'static>() {}
    sendable::<Lease>();
    sendable::<Router>();
}

#[test]
fn nothing_is_in_flight_after_a_storm_of_threads_and_updates() {
    let router = router(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut held = VecDeque::new();
                for _ in 0..20_000 {
                    held.push_back(route(&router));
                    if held.len() > 8 {
                        held.pop_front();
                    }
                }
            });
        }
        scope.spawn(|| {
            for round in 0..200 {
                router.update(replicas(1 + round % 6).chain([endpoint("app", "embed", None, 100)]));
            }
            router.update(replicas(4));
        });
    });
    assert!(router.endpoints().iter().all(|load| load.in_flight == 0), "{:?}", router.endpoints());
}

#[derive(Clone, Debug)]
enum Step {
    Route,
    Finish(usize),
    Update(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Route),
        3 => any::<prop::sample::Index>().prop_map(|index| Step::Finish(index.index(1 << 16))),
        1 => (1u16..6).prop_map(Step::Update),
    ]
}

proptest! {
    #[test]
    fn counts_agree_with_the_leases_that_are_held(steps in prop::collection::vec(step(), 1..200), seed in any::<u64>()) {
        let router = Router::seeded(seed);
        router.update(replicas(3));
        let mut held: Vec<Lease> = Vec::new();
        for step in steps {
            match step {
                Step::Route => held.push(route(&router)),
                Step::Finish(index) if !held.is_empty() => drop(held.swap_remove(index % held.len())),
                Step::Finish(_) => {}
                Step::Update(count) => {
                    router.update(replicas(count));
                    // Those that are gone drain: they are not counted if they come back later.
                    held.retain(|lease| router.endpoints().iter().any(|load| load.endpoint == *lease.endpoint()));
                }
            }
            for load in router.endpoints() {
                let leases = held.iter().filter(|lease| *lease.endpoint() == load.endpoint).count();
                prop_assert_eq!(load.in_flight as usize, leases);
                prop_assert!(load.served >= u64::from(load.in_flight));
            }
        }
    }
}

#[test]
fn a_withdrawn_replica_gets_no_request_and_tells_how_many_it_still_has() {
    let router = router(2);
    let held: Vec<_> = (0..6).map(|_| route(&router)).collect();
    assert_eq!(router.withdraw("app-llm-0"), 3);
    assert!((0..50).all(|_| route(&router).endpoint().replica == "app-llm-1"));
    assert_eq!(router.endpoints().len(), 1);
    let (of_it, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|lease| lease.endpoint().replica == "app-llm-0");
    drop(others);
    for lease in of_it {
        router.update(replicas(2));
        assert_eq!(router.endpoints().len(), 1, "who follows the replicas does not bring it back");
        let left = router.withdraw("app-llm-0");
        drop(lease);
        assert_eq!(router.withdraw("app-llm-0"), left - 1);
    }
    assert_eq!(router.withdraw("app-llm-0"), 0);
    assert_eq!(router.withdraw("nobody"), 0);
}

#[test]
fn that_a_replica_is_no_longer_ready_does_not_end_its_requests() {
    let router = router(1);
    let held = [route(&router), route(&router)];
    for _ in 0..3 {
        router.update([]);
        assert_eq!(router.withdraw("app-llm-0"), 2);
    }
    router.update(replicas(1));
    let again = route(&router);
    assert_eq!(router.withdraw("app-llm-0"), 3, "those of before and those since");
    drop((held, again));
    assert_eq!(router.withdraw("app-llm-0"), 0);
}

#[test]
fn a_replica_comes_back_when_it_is_restored_or_has_been_gone() {
    let router = router(1);
    let all = |router: &Router| router.endpoints().iter().map(|load| load.served).collect::<Vec<_>>();
    drop(route(&router));
    router.restore("app-llm-0");
    assert_eq!(all(&router), [1], "nothing is lost where nothing was withdrawn");
    router.withdraw("app-llm-0");
    assert_eq!(router.route(&Request::new("phi3:mini")).unwrap_err().kind(), ErrorKind::NotFound);
    router.restore("app-llm-0");
    assert_eq!(all(&router), [1]);
    router.withdraw("app-llm-0");
    router.update([]);
    router.update(replicas(1));
    assert_eq!(all(&router), [0], "a successor at the same address");
}

#[test]
fn when_it_is_told_that_none_is_in_flight_none_comes() {
    for round in 0..2000 {
        let router = router(2);
        let name = format!("app-llm-{}", round % 2);
        let stopped = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..30 {
                        let lease = route(&router);
                        let held = lease.endpoint().replica == name;
                        assert!(!(held && stopped.load(SeqCst)), "told that there is none, and this one is");
                    }
                });
            }
            scope.spawn(|| {
                while router.withdraw(&name) > 0 {
                    std::hint::spin_loop();
                }
                stopped.store(true, SeqCst);
            });
        });
    }
}
