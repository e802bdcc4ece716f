//! The engines of the suite, what a test makes on one, and how it is cleared away.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use nacp_core::engine::{
    Container, ContainerId, ContainerSpec, ContainerState, Docker, Engine, ExecOutput, NoProgress, PublishSpec,
    PullRequest, labels,
};
use nacp_core::{Result, sim};

use crate::common::{IMAGE, docker, unique};

/// Which engine a case runs on. Where they differ, the case says how and `DIFFERENCES` says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Simulated,
    Docker,
    Podman,
}

/// What differs between the engines, and why; each is asked for by its name.
const DIFFERENCES: [(&str, Kind, &str); 7] = [
    ("images", Kind::Podman, "it puts the registry that is meant in front of an image's name"),
    ("gpus", Kind::Podman, "4.3 drops requests for GPUs, so NACP does not ask it and says what to do"),
    ("gpus", Kind::Simulated, "its containers have no devices"),
    ("missing folder", Kind::Podman, "it makes a folder of the machine that is to be mounted and is not there"),
    ("missing folder", Kind::Simulated, "it has no machine whose folders could be missing"),
    ("missing volume", Kind::Simulated, "it has every volume"),
    (
        "all limits",
        Kind::Podman,
        "asked for one of the kernel's limits, it takes its own defaults for the others, which are too high here",
    ),
];

impl Kind {
    /// Whether the engine differs from the others in this.
    pub(super) fn differs(self, what: &str) -> bool {
        assert!(DIFFERENCES.iter().any(|(name, ..)| *name == what), "{what} is in no table");
        DIFFERENCES.iter().any(|(name, kind, _)| *name == what && *kind == self)
    }
}

/// An engine, and what a test has made on it.
pub(super) struct Bench {
    pub(super) kind: Kind,
    engine: Arc<dyn Engine>,
    made: Mutex<Vec<ContainerId>>,
    networks: Mutex<Vec<String>>,
}

impl Deref for Bench {
    type Target = dyn Engine;

    fn deref(&self) -> &Self::Target {
        self.engine.as_ref()
    }
}

/// The engine of this kind; nothing, with a line that says so, where it is not here.
pub(super) async fn engine(kind: Kind) -> Option<Arc<dyn Engine>> {
    match kind {
        Kind::Simulated => Some(Arc::new(sim::Engine::with_images([IMAGE]))),
        Kind::Docker => docker().await,
        Kind::Podman => match std::env::var("NACP_PODMAN_HOST").ok().filter(|host| !host.is_empty()) {
            Some(host) => Some(Arc::new(Docker::connect_to(&host).await.expect("the Podman of NACP_PODMAN_HOST"))),
            None => {
                println!("SKIP: NACP_PODMAN_HOST names no Podman; tests/setup/podman.sh starts one");
                None
            }
        },
    }
}

/// Runs a test and removes its containers and networks whatever happens.
pub(super) async fn cleaned(kind: Kind, engine: Arc<dyn Engine>, test: impl AsyncFnOnce(&Bench)) {
    let bench = Bench { kind, engine, made: Mutex::default(), networks: Mutex::default() };
    let outcome = AssertUnwindSafe(test(&bench)).catch_unwind().await;
    for id in bench.made.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if let Err(error) = bench.engine.remove(&id).await {
            println!("a container is left: {error}");
        }
    }
    for app in bench.networks.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if let Err(error) = bench.engine.remove_networks(&app).await {
            println!("a network is left: {error}");
        }
    }
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// A container of an app that no other test and no other run has.
pub(super) fn spec(name: &str, app: &str) -> ContainerSpec {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ContainerSpec {
        labels: BTreeMap::from([label(labels::APP, &unique(app)), label("other", "a \"quoted\" value")]),
        publish: Some(PublishSpec::loopback(8000)),
        ..ContainerSpec::new(unique(name), IMAGE)
    }
}

impl Bench {
    pub(super) async fn find(&self, id: &ContainerId) -> Option<Container> {
        self.list(None).await.unwrap().into_iter().find(|container| container.id == *id)
    }

    /// The state that a container comes to within five seconds: an engine's list may lag a moment behind.
    pub(super) async fn comes_to(&self, id: &ContainerId, wanted: ContainerState) -> ContainerState {
        let mut state = ContainerState::Dead;
        for _ in 0..100 {
            state = self.find(id).await.unwrap().state;
            if state == wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        state
    }

    /// What a creation gives, to be cleared away.
    pub(super) async fn try_create(&self, spec: &ContainerSpec) -> Result<ContainerId> {
        self.pull(&PullRequest::new(&spec.image), &NoProgress).await?;
        let id = self.create(spec).await?;
        self.made.lock().unwrap().push(id.clone());
        Ok(id)
    }

    pub(super) async fn created(&self, spec: &ContainerSpec) -> ContainerId {
        self.try_create(spec).await.unwrap()
    }

    pub(super) async fn started(&self, spec: &ContainerSpec) -> ContainerId {
        let id = self.created(spec).await;
        self.start(&id).await.unwrap();
        assert_eq!(self.comes_to(&id, ContainerState::Running).await, ContainerState::Running);
        id
    }

    /// A network of this app, to be cleared away.
    pub(super) async fn network(&self, name: &str, app: &str) -> String {
        let (name, app) = (unique(name), unique(app));
        self.create_network(&name, &BTreeMap::from([(labels::APP.to_owned(), app.clone())])).await.unwrap();
        self.networks.lock().unwrap().push(app);
        name
    }

    /// Runs a tool of the simulated service in a container.
    pub(super) async fn tool(&self, id: &ContainerId, words: &[&str]) -> ExecOutput {
        let command: Vec<_> = ["/sim-service"].iter().chain(words).map(|word| (*word).to_owned()).collect();
        self.exec(id, &command, Duration::from_secs(20)).await.unwrap()
    }
}

/// Removes a volume that a test has named.
pub(super) struct Volume(pub(super) Kind, pub(super) String);

impl Drop for Volume {
    fn drop(&mut self) {
        let host = std::env::var("NACP_PODMAN_HOST").unwrap_or_default();
        let host = if self.0 == Kind::Podman { host } else { "unix:///var/run/docker.sock".to_owned() };
        let path = format!("http://localhost/volumes/{}", self.1);
        if self.0 != Kind::Simulated {
            let socket = host.trim_start_matches("unix://");
            drop(Command::new("curl").args(["-s", "--unix-socket", socket, "-X", "DELETE", &path]).output());
        }
    }
}
