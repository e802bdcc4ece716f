//! One behaviour suite, every container engine: what holds for Docker holds for the simulated one.

mod common;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::{IMAGE, docker, get, simulated, unique};
use futures_util::FutureExt;
use nacp_core::ErrorKind;
use nacp_core::engine::{
    Container, ContainerId, ContainerSpec, ContainerState, Engine, NamedContainer, NoProgress, PublishSpec,
    PullRequest, labels,
};

macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        mod simulated_engine {
            $(#[tokio::test]
            async fn $name() {
                super::cleaned(super::simulated(), super::$name).await;
            })*
        }

        mod docker_engine {
            $(#[tokio::test]
            async fn $name() {
                if let Some(engine) = super::docker().await {
                    super::cleaned(engine, super::$name).await;
                }
            })*
        }
    };
}

behaviours!(
    tells_what_it_is,
    a_container_lives_from_create_to_remove,
    starting_and_removing_twice_is_no_error,
    a_name_is_given_once,
    an_image_that_is_nowhere_is_not_found,
    a_container_that_is_not_there_is_not_found,
    lists_one_app_or_all_and_nothing_else,
    names_whatever_runs_and_nothing_that_does_not,
    a_program_that_ends_shows_its_code_and_its_last_words,
    a_port_answers_on_loopback,
);

/// An engine, and the containers that a test has made on it.
struct Bench {
    engine: Arc<dyn Engine>,
    made: Mutex<Vec<ContainerId>>,
}

impl Deref for Bench {
    type Target = dyn Engine;

    fn deref(&self) -> &Self::Target {
        self.engine.as_ref()
    }
}

/// Runs a test and removes its containers whatever happens.
async fn cleaned(engine: Arc<dyn Engine>, test: impl AsyncFnOnce(&Bench)) {
    let bench = Bench { engine, made: Mutex::default() };
    let outcome = AssertUnwindSafe(test(&bench)).catch_unwind().await;
    for id in bench.made.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if let Err(error) = bench.engine.remove(&id).await {
            println!("a container is left: {error}");
        }
    }
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn spec(name: &str, app: &str) -> ContainerSpec {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ContainerSpec {
        labels: BTreeMap::from([label(labels::APP, &unique(app)), label("other", "a \"quoted\" value")]),
        publish: Some(PublishSpec::loopback(8000)),
        ..ContainerSpec::new(unique(name), IMAGE)
    }
}

async fn find(engine: &Bench, id: &ContainerId) -> Option<Container> {
    engine.list(None).await.unwrap().into_iter().find(|container| container.id == *id)
}

/// The state that a container comes to within five seconds: an engine's list may lag a moment behind.
async fn comes_to(engine: &Bench, id: &ContainerId, wanted: ContainerState) -> ContainerState {
    let mut state = ContainerState::Dead;
    for _ in 0..100 {
        state = find(engine, id).await.unwrap().state;
        if state == wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    state
}

/// What the engine says of a container among those that run, once it is there, or is not, as wanted: within five seconds,
/// or as it then is.
async fn named(engine: &Bench, id: &ContainerId, wanted: bool) -> Option<NamedContainer> {
    let mut found = None;
    for _ in 0..100 {
        let names = engine.names().await.unwrap();
        assert!(names.is_sorted_by_key(|container| &container.name));
        found = names.into_iter().find(|container| container.id == *id);
        if found.is_some() == wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    found
}

async fn created(engine: &Bench, spec: &ContainerSpec) -> ContainerId {
    engine.pull(&PullRequest::new(&spec.image), &NoProgress).await.unwrap();
    let id = engine.create(spec).await.unwrap();
    engine.made.lock().unwrap().push(id.clone());
    id
}

async fn tells_what_it_is(engine: &Bench) {
    let info = engine.info().await.unwrap();
    assert!(!info.name.is_empty() && !info.version.is_empty() && !info.address.is_empty());
    assert_eq!(info.simulated, info.name.contains("simulated"), "{info:?}");
}

async fn a_container_lives_from_create_to_remove(engine: &Bench) {
    let spec = spec("life", "life");
    let id = created(engine, &spec).await;
    let there = find(engine, &id).await.unwrap();
    assert_eq!((&there.name, there.state, there.address), (&spec.name, ContainerState::Created, None));
    assert_eq!(there.label("other"), Some("a \"quoted\" value"));
    engine.start(&id).await.unwrap();
    assert_eq!(comes_to(engine, &id, ContainerState::Running).await, ContainerState::Running);
    engine.stop(&id, Duration::from_secs(5)).await.unwrap();
    let ended = ContainerState::Exited(Some(0));
    assert_eq!(comes_to(engine, &id, ended).await, ended);
    engine.remove(&id).await.unwrap();
    assert_eq!(find(engine, &id).await, None);
}

async fn starting_and_removing_twice_is_no_error(engine: &Bench) {
    let id = created(engine, &spec("twice", "twice")).await;
    engine.start(&id).await.unwrap();
    engine.start(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
}

async fn a_name_is_given_once(engine: &Bench) {
    let spec = spec("once", "once");
    created(engine, &spec).await;
    let error = engine.create(&spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().starts_with("a container of this name is there already: container="), "{error}");
}

async fn an_image_that_is_nowhere_is_not_found(engine: &Bench) {
    let error = engine.pull(&PullRequest::new("127.0.0.1:1/nacp/no-such-image:1"), &NoProgress).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.get("image"), Some("127.0.0.1:1/nacp/no-such-image:1"));
    let missing = ContainerSpec { image: "nacp/no-such-image:1".to_owned(), ..spec("missing", "missing") };
    assert_eq!(engine.create(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn a_container_that_is_not_there_is_not_found(engine: &Bench) {
    let id = ContainerId("nacp-no-such-container".to_owned());
    assert_eq!(engine.start(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(engine.stop(&id, Duration::ZERO).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(engine.logs(&id, 1).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn lists_one_app_or_all_and_nothing_else(engine: &Bench) {
    let (first, second) = (spec("list-a", "list-a"), spec("list-b", "list-b"));
    let foreign = ContainerSpec { labels: BTreeMap::new(), ..spec("list-c", "") };
    let ids = [created(engine, &first).await, created(engine, &second).await, created(engine, &foreign).await];
    let one = engine.list(Some(&unique("list-a"))).await.unwrap();
    let all = engine.list(None).await.unwrap();
    assert_eq!(one.iter().map(|container| &container.id).collect::<Vec<_>>(), [&ids[0]]);
    let listed = |id| all.iter().any(|container| container.id == id);
    let [first, second, foreign] = ids;
    assert!(listed(first) && listed(second) && !listed(foreign));
}

async fn names_whatever_runs_and_nothing_that_does_not(engine: &Bench) {
    let ours = spec("names-a", "names-a");
    let foreign = ContainerSpec { labels: BTreeMap::new(), ..spec("names-b", "") };
    let ids = [created(engine, &ours).await, created(engine, &foreign).await];
    assert_eq!((named(engine, &ids[0], false).await, named(engine, &ids[1], false).await), (None, None));
    for id in &ids {
        engine.start(id).await.unwrap();
    }
    let (first, second) = (named(engine, &ids[0], true).await.unwrap(), named(engine, &ids[1], true).await.unwrap());
    assert_eq!((&first.name, first.app(), first.image.as_str()), (&ours.name, Some(unique("names-a").as_str()), IMAGE));
    assert_eq!((&second.name, second.app()), (&foreign.name, None));
    engine.stop(&ids[1], Duration::from_secs(5)).await.unwrap();
    assert_eq!(named(engine, &ids[1], false).await, None);
    assert_eq!(named(engine, &ids[0], true).await, Some(first));
}

async fn a_program_that_ends_shows_its_code_and_its_last_words(engine: &Bench) {
    let mut spec = spec("ends", "ends");
    spec.env.insert("NACP_SIM_SLOTS".to_owned(), "none".to_owned());
    let id = created(engine, &spec).await;
    engine.start(&id).await.unwrap();
    let ended = ContainerState::Exited(Some(1));
    let state = comes_to(engine, &id, ended).await;
    let log = engine.logs(&id, 1).await.unwrap();
    assert_eq!(state, ended);
    assert!(log.len() == 1 && log[0].contains("variable=NACP_SIM_SLOTS"), "{log:?}");
}

async fn a_port_answers_on_loopback(engine: &Bench) {
    let id = created(engine, &spec("port", "port")).await;
    engine.start(&id).await.unwrap();
    assert_eq!(comes_to(engine, &id, ContainerState::Running).await, ContainerState::Running);
    let address = find(engine, &id).await.unwrap().address.unwrap();
    assert!(address.ip().is_loopback());
    // The program inside takes a moment until it listens; until then the engine closes the connection.
    let mut answer = String::new();
    for _ in 0..100 {
        answer = get(address, "/healthz").await;
        if !answer.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
}
