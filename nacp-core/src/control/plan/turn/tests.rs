//! What is done at one moment, as tables.

use super::*;
use crate::control::identity::{Particulars, container_spec};
use crate::control::memory::{Failed, Known, Trouble};
use crate::control::reconcile::look::without_gpus;
use crate::engine::{Container, ContainerId};
use crate::service::Strategy;

const RUNNING: ContainerState = ContainerState::Running;
const CREATED: ContainerState = ContainerState::Created;
const STOPPED: ContainerState = ContainerState::Exited(Some(0));
const BROKE: ContainerState = ContainerState::Exited(Some(1));

fn app(image: &str, replicas: u32, strategy: Strategy) -> App {
    App::new("a").service("s", Service::new(image).replicas(replicas).strategy(strategy))
}

/// A container as `old:STATE`, `new:STATE` of a replica say.
fn there(image: &str, replica: u32, next: bool, state: ContainerState) -> Container {
    let app = app(image, 9, Strategy::default());
    let placement = without_gpus(&app).remove(usize::try_from(replica).unwrap());
    let particulars = Particulars { next, ..Particulars::default() };
    let spec = container_spec(&app, &app.services["s"], &placement, particulars);
    Container {
        id: ContainerId(format!("{image}-{replica}")),
        name: spec.name,
        image: spec.image,
        labels: spec.labels,
        state,
        address: None,
        created: None,
    }
}

fn old(replica: u32, state: ContainerState) -> Container {
    there("old", replica, false, state)
}

fn new(replica: u32, state: ContainerState) -> Container {
    there("new", replica, true, state)
}

/// A memory in which everything that runs is known, and ready unless it is named.
fn memory(containers: &[Container], not_ready: &[&str]) -> Memory {
    let mut memory = Memory::default();
    for image in ["old", "new"] {
        memory.images.insert(image.to_owned(), None);
    }
    for container in containers {
        let mut known = Known::default();
        if container.state == RUNNING {
            known.begin(Duration::from_secs(90), false);
            known.ready = !not_ready.contains(&container.id.0.as_str());
            known.was_ready = known.ready;
        }
        memory.known.insert(container.id.clone(), known);
    }
    memory
}

fn jobs(app: &App, containers: &[Container], memory: &Memory) -> Vec<String> {
    let hashes = app.services.iter().map(|(name, service)| (name.clone(), service.hash())).collect();
    let (none, calm) = (BTreeMap::new(), BTreeMap::new());
    let observed = Observed::of("a", containers);
    let placements = without_gpus(app);
    let turn = turn(&Question {
        app,
        hashes: &hashes,
        secrets: &none,
        placements: &placements,
        observed: &observed,
        snapshot: None,
        condemned: &calm,
        memory,
        now: Duration::from_secs(100),
        paused: false,
    });
    let told = |job: &Job| match job.act.step() {
        super::super::Step::Create => format!("create {}", job.replica),
        super::super::Step::Remove(id) => format!("remove {id}"),
        super::super::Step::Start(id) => format!("start {id}"),
        super::super::Step::Stop(id) => format!("stop {id}"),
        super::super::Step::Withdraw(id) => format!("withdraw {id}"),
        super::super::Step::Rename(id) => format!("rename {id}"),
        other => other.name().to_owned(),
    };
    turn.jobs.iter().map(told).collect()
}

/// What is told of a moment, the strategy, what is there, what is ready, and what is done.
type Moment<'a> = (&'a str, Strategy, Vec<Container>, &'a [&'a str], &'a [&'a str]);

#[test]
fn each_moment_of_an_update_has_its_next_steps() {
    let (rolling, surge) = (Strategy::default(), Strategy::rolling(1, 0));
    let rows: &[Moment<'_>] = &[
        (
            "new ones are reserved first",
            rolling,
            vec![old(0, RUNNING), old(1, RUNNING)],
            &[],
            &["create 0", "create 1"],
        ),
        (
            "one at a time makes room",
            rolling,
            vec![old(0, RUNNING), new(0, CREATED), old(1, RUNNING), new(1, CREATED)],
            &[],
            &["withdraw old-0"],
        ),
        (
            "its successor starts, and nobody else goes",
            rolling,
            vec![old(0, STOPPED), new(0, CREATED), old(1, RUNNING), new(1, CREATED)],
            &[],
            &["start new-0"],
        ),
        (
            "the next one waits until it is ready",
            rolling,
            vec![old(0, STOPPED), new(0, RUNNING), old(1, RUNNING), new(1, CREATED)],
            &["new-0"],
            &[],
        ),
        (
            "then it is its turn",
            rolling,
            vec![old(0, STOPPED), new(0, RUNNING), old(1, RUNNING), new(1, CREATED)],
            &[],
            &["withdraw old-1"],
        ),
        (
            "when all are ready the old ones go",
            rolling,
            vec![old(0, STOPPED), new(0, RUNNING), old(1, STOPPED), new(1, RUNNING)],
            &[],
            &["remove old-0", "remove old-1"],
        ),
        ("and the new ones take their names", rolling, vec![new(0, RUNNING)], &[], &["create 1", "rename new-0"]),
        (
            "with a surge one runs beside",
            surge,
            vec![old(0, RUNNING), new(0, CREATED), old(1, RUNNING), new(1, CREATED)],
            &[],
            &["start new-0"],
        ),
        (
            "with blue and green all run beside",
            Strategy::BlueGreen,
            vec![old(0, RUNNING), new(0, CREATED), old(1, RUNNING), new(1, CREATED)],
            &[],
            &["start new-0", "start new-1"],
        ),
        (
            "and no old one goes before all are ready",
            Strategy::BlueGreen,
            vec![old(0, RUNNING), new(0, RUNNING), old(1, RUNNING), new(1, RUNNING)],
            &["new-1"],
            &[],
        ),
    ];
    for (what, strategy, containers, not_ready, expected) in rows {
        let memory = memory(containers, not_ready);
        assert_eq!(jobs(&app("new", 2, *strategy), containers, &memory), *expected, "{what}");
    }
}

#[test]
fn a_failed_specification_makes_way_and_the_old_one_comes_back() {
    let wanted = app("new", 1, Strategy::default());
    let rows = [
        (vec![old(0, STOPPED), new(0, RUNNING)], "withdraw new-0"),
        (vec![old(0, STOPPED), new(0, BROKE)], "start old-0"),
        (vec![old(0, RUNNING), new(0, BROKE)], "remove new-0"),
    ];
    for (containers, expected) in rows {
        for restart in [Restart::Always, Restart::OnFailure, Restart::Never] {
            let mut wanted = wanted.clone();
            wanted.services.get_mut("s").unwrap().restart = restart;
            let mut memory = memory(&containers, &["new-0"]);
            memory.known.get_mut(&containers[0].id).unwrap().stopped = true;
            let hash = wanted.services["s"].hash();
            let trouble = Trouble::Ended("exited".to_owned());
            let failed = Failed { hash, replica: 0, trouble, limit: Duration::ZERO, log: Vec::new(), hint: None };
            memory.failed.insert("s".to_owned(), failed);
            assert_eq!(jobs(&wanted, &containers, &memory), [expected], "{restart:?} {containers:#?}");
        }
    }
}

#[test]
fn what_has_ended_is_started_again_as_its_service_says_and_after_its_pause() {
    for (restart, state, again) in [
        (Restart::Always, STOPPED, true),
        (Restart::Always, BROKE, true),
        (Restart::OnFailure, STOPPED, false),
        (Restart::OnFailure, BROKE, true),
        (Restart::Never, STOPPED, false),
        (Restart::Never, BROKE, false),
    ] {
        let mut wanted = app("old", 1, Strategy::default());
        wanted.services.get_mut("s").unwrap().restart = restart;
        let containers = [old(0, state)];
        let mut memory = memory(&containers, &[]);
        assert_eq!(jobs(&wanted, &containers, &memory).len(), usize::from(again), "{restart:?} {state:?}");
        memory.known.get_mut(&containers[0].id).unwrap().tries.again = Duration::from_secs(101);
        assert!(jobs(&wanted, &containers, &memory).is_empty(), "it waits for its pause");
    }
}

#[test]
fn what_an_interrupted_keeper_created_is_made_anew_before_it_ever_runs() {
    let secret = crate::service::Secret::Env("TOKEN".to_owned());
    let mut wanted = app("old", 1, Strategy::default());
    let of = |app: &App, mut container: Container| {
        container.labels.insert(crate::engine::labels::SPEC_HASH.to_owned(), app.services["s"].hash());
        [container]
    };
    let containers = [old(0, CREATED)];
    let mut memory = memory(&containers, &[]);
    assert_eq!(jobs(&wanted, &containers, &memory), ["start old-0"], "one call makes it whole");
    wanted.services.get_mut("s").unwrap().secrets.insert("token".to_owned(), secret);
    let containers = of(&wanted, old(0, CREATED));
    assert_eq!(jobs(&wanted, &containers, &memory), ["remove old-0"]);
    let mut new = wanted.clone();
    new.services.get_mut("s").unwrap().image = "new".to_owned();
    let [next] = of(&new, there("new", 0, true, CREATED));
    let pair = [old(0, RUNNING), next];
    let mut both = self::memory(&pair, &[]);
    assert_eq!(jobs(&new, &pair, &both), ["remove new-0"], "also one that is to take another's place");
    both.created.insert(pair[1].id.clone());
    assert_eq!(jobs(&new, &pair, &both), ["withdraw old-0"]);
    memory.created.insert(containers[0].id.clone());
    assert_eq!(jobs(&wanted, &containers, &memory), ["start old-0"], "its own ones are whole");
}

#[test]
fn a_service_whose_secrets_cannot_be_read_waits_and_what_runs_of_it_stays() {
    let mut wanted = app("old", 2, Strategy::default());
    let containers = [old(0, RUNNING)];
    let secret = crate::service::Secret::Env("TOKEN".to_owned());
    wanted.services.get_mut("s").unwrap().secrets.insert("token".to_owned(), secret);
    wanted = wanted.service("other", Service::new("new"));
    let mut running = containers[0].clone();
    let hash = wanted.services["s"].hash();
    running.labels.insert(crate::engine::labels::SPEC_HASH.to_owned(), hash);
    running.labels.insert(crate::engine::labels::SECRETS.to_owned(), "v1:salt:digest".to_owned());
    let memory = memory(&containers, &[]);
    assert_eq!(jobs(&wanted, &[running], &memory), ["create 0"], "only the other service goes on");
}
