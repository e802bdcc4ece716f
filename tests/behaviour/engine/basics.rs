//! The life of a container, its name, and how it is found.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use nacp_core::ErrorKind;
use nacp_core::engine::{ContainerId, ContainerSpec, ContainerState, NamedContainer, NoProgress, PullRequest};

use super::bench::{Bench, spec};
use crate::common::{IMAGE, get, unique};

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

pub(super) async fn tells_what_it_is(engine: &Bench) {
    let info = engine.info().await.unwrap();
    assert!(!info.name.is_empty() && !info.version.is_empty() && !info.address.is_empty());
    assert_eq!(info.simulated, info.name.contains("simulated"), "{info:?}");
}

pub(super) async fn a_container_lives_from_create_to_remove(engine: &Bench) {
    let spec = spec("life", "life");
    let id = engine.created(&spec).await;
    let there = engine.find(&id).await.unwrap();
    assert_eq!((&there.name, there.state, there.address), (&spec.name, ContainerState::Created, None));
    assert_eq!(there.label("other"), Some("a \"quoted\" value"));
    engine.start(&id).await.unwrap();
    assert_eq!(engine.comes_to(&id, ContainerState::Running).await, ContainerState::Running);
    engine.stop(&id, Duration::from_secs(5)).await.unwrap();
    let ended = ContainerState::Exited(Some(0));
    assert_eq!(engine.comes_to(&id, ended).await, ended);
    engine.remove(&id).await.unwrap();
    assert_eq!(engine.find(&id).await, None);
}

pub(super) async fn starting_and_removing_twice_is_no_error(engine: &Bench) {
    let id = engine.created(&spec("twice", "twice")).await;
    engine.start(&id).await.unwrap();
    engine.start(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
}

pub(super) async fn a_name_is_given_once(engine: &Bench) {
    let spec = spec("once", "once");
    engine.created(&spec).await;
    let error = engine.create(&spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().starts_with("a container of this name is there already: container="), "{error}");
}

pub(super) async fn an_image_that_is_nowhere_is_not_found(engine: &Bench) {
    let error = engine.pull(&PullRequest::new("127.0.0.1:1/nacp/no-such-image:1"), &NoProgress).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.get("image"), Some("127.0.0.1:1/nacp/no-such-image:1"));
    let missing = ContainerSpec { image: "nacp/no-such-image:1".to_owned(), ..spec("missing", "missing") };
    assert_eq!(engine.create(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
}

pub(super) async fn a_container_that_is_not_there_is_not_found(engine: &Bench) {
    let id = ContainerId("nacp-no-such-container".to_owned());
    assert_eq!(engine.start(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(engine.stop(&id, Duration::ZERO).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(engine.logs(&id, 1).await.unwrap_err().kind(), ErrorKind::NotFound);
}

pub(super) async fn lists_one_app_or_all_and_nothing_else(engine: &Bench) {
    let (first, second) = (spec("list-a", "list-a"), spec("list-b", "list-b"));
    let foreign = ContainerSpec { labels: BTreeMap::new(), ..spec("list-c", "") };
    let ids = [engine.created(&first).await, engine.created(&second).await, engine.created(&foreign).await];
    let one = engine.list(Some(&unique("list-a"))).await.unwrap();
    let all = engine.list(None).await.unwrap();
    assert_eq!(one.iter().map(|container| &container.id).collect::<Vec<_>>(), [&ids[0]]);
    let listed = |id| all.iter().any(|container| container.id == id);
    let [first, second, foreign] = ids;
    assert!(listed(first) && listed(second) && !listed(foreign));
}

pub(super) async fn names_whatever_runs_and_nothing_that_does_not(engine: &Bench) {
    let ours = spec("names-a", "names-a");
    let foreign = ContainerSpec { labels: BTreeMap::new(), ..spec("names-b", "") };
    let ids = [engine.created(&ours).await, engine.created(&foreign).await];
    assert_eq!((named(engine, &ids[0], false).await, named(engine, &ids[1], false).await), (None, None));
    for id in &ids {
        engine.start(id).await.unwrap();
    }
    let (first, second) = (named(engine, &ids[0], true).await.unwrap(), named(engine, &ids[1], true).await.unwrap());
    assert_eq!((&first.name, first.app()), (&ours.name, Some(unique("names-a").as_str())));
    let image = if engine.kind.differs("images") { format!("docker.io/{IMAGE}") } else { IMAGE.to_owned() };
    assert_eq!(first.image, image);
    assert_eq!((&second.name, second.app()), (&foreign.name, None));
    engine.stop(&ids[1], Duration::from_secs(5)).await.unwrap();
    assert_eq!(named(engine, &ids[1], false).await, None);
    assert_eq!(named(engine, &ids[0], true).await, Some(first));
}

pub(super) async fn a_program_that_ends_shows_its_code_and_its_last_words(engine: &Bench) {
    let mut spec = spec("ends", "ends");
    spec.env.insert("NACP_SIM_SLOTS".to_owned(), "none".to_owned());
    let id = engine.created(&spec).await;
    engine.start(&id).await.unwrap();
    let ended = ContainerState::Exited(Some(1));
    let state = engine.comes_to(&id, ended).await;
    let log = engine.logs(&id, 1).await.unwrap();
    assert_eq!(state, ended);
    assert!(log.len() == 1 && log[0].contains("variable=NACP_SIM_SLOTS"), "{log:?}");
}

pub(super) async fn a_port_answers_on_loopback(engine: &Bench) {
    let id = engine.created(&spec("port", "port")).await;
    engine.start(&id).await.unwrap();
    assert_eq!(engine.comes_to(&id, ContainerState::Running).await, ContainerState::Running);
    let address = engine.find(&id).await.unwrap().address.unwrap();
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

pub(super) async fn another_name_is_taken_running_or_not(engine: &Bench) {
    let (first, second) = (spec("rename-a", "rename"), spec("rename-b", "rename"));
    let (id, other) = (engine.created(&first).await, engine.created(&second).await);
    let name = unique("rename-c");
    engine.rename(&id, &name).await.unwrap();
    assert_eq!(engine.find(&id).await.unwrap().name, name);
    let error = engine.rename(&id, &second.name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    engine.start(&id).await.unwrap();
    assert_eq!(engine.comes_to(&id, ContainerState::Running).await, ContainerState::Running);
    engine.remove(&other).await.unwrap();
    engine.rename(&id, &second.name).await.unwrap();
    let renamed = engine.find(&id).await.unwrap();
    assert_eq!((renamed.name, renamed.state), (second.name, ContainerState::Running));
    let nobody = ContainerId("nacp-no-such-container".to_owned());
    assert_eq!(engine.rename(&nobody, "x").await.unwrap_err().kind(), ErrorKind::NotFound);
}

pub(super) async fn of_many_who_create_one_name_exactly_one_wins(engine: &Bench) {
    let spec = spec("race", "race");
    let outcomes = join_all((0..8).map(|_| engine.try_create(&spec))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    assert_eq!(engine.list(Some(&unique("race"))).await.unwrap().len(), 1);
}

pub(super) async fn a_container_that_is_removed_under_our_hands_is_not_found(engine: &Bench) {
    let id = engine.started(&spec("gone", "gone")).await;
    engine.remove(&id).await.unwrap();
    let errors = [
        engine.start(&id).await.unwrap_err(),
        engine.stop(&id, Duration::ZERO).await.unwrap_err(),
        engine.inspect(&id).await.unwrap_err(),
        engine.stats(&id).await.unwrap_err(),
        engine.exec(&id, &["true".to_owned()], Duration::from_secs(5)).await.unwrap_err(),
        engine.follow_logs(&id, 1).await.map(drop).unwrap_err(),
        engine.rename(&id, "x").await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.get("container").is_some(), "{error}");
    }
    engine.remove(&id).await.unwrap();
}
