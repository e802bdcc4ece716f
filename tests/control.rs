//! The control plane on both engines: apply, adopt, replace, delete, and what a user reads when it fails.

#![allow(clippy::large_futures, reason = "a test waits for a whole apply")]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{IMAGE, docker, get, plane, plane_on, removing, service, simulated, unique};
use nacp_core::control::{AppStatus, ReplicaStatus, Step};
use nacp_core::engine::{ContainerSpec, Engine, NoProgress, PullRequest, labels};
use nacp_core::route::Router;
use nacp_core::service::determinism::VARIABLES;
use nacp_core::service::{App, Determinism, GpuNeed, Probe, Service};
use nacp_core::{Bytes, ErrorKind};

macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod simulated_engine {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::simulated()).await;
            })*
        }

        mod docker_engine {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(engine) = super::docker().await {
                    super::$name(engine).await;
                }
            })*
        }
    };
}

on_every_engine!(
    an_app_is_applied_adopted_and_deleted,
    a_changed_service_is_replaced_and_the_others_stay,
    fewer_replicas_leave_no_surplus,
    a_replica_that_ended_comes_back,
    a_service_waits_for_what_it_depends_on,
    a_service_that_is_never_ready_is_a_time_out_with_its_log,
    a_service_that_ends_is_told_at_once_with_its_log,
    an_image_that_is_nowhere_starts_nothing,
    too_much_memory_starts_nothing,
    deleting_what_is_not_there_is_no_error,
    two_planes_at_once_make_no_second_copy,
    two_apps_at_once_are_not_given_the_same_memory,
    an_apply_that_is_given_up_leaves_nothing_behind_a_delete,
    a_mended_probe_mends_the_service,
    a_strict_service_gets_the_environment_that_lets_it_repeat,
    what_only_carries_our_labels_is_left_alone,
    who_follows_is_told_of_every_change,
);

fn containers(status: &AppStatus) -> Vec<&str> {
    status.replicas.iter().map(|replica| replica.container.0.as_str()).collect()
}

async fn an_app_is_applied_adopted_and_deleted(engine: Arc<dyn Engine>) {
    let app = App::new(unique("whole")).service("llm", service().replicas(2));
    let first = plane(&engine);
    removing(&first, &app.name, async {
        let applied = first.apply(&app).await.unwrap();
        assert!(applied.ready());
        assert_eq!(applied.endpoints().len(), 2);
        let replica = &applied.replicas[0];
        assert_eq!((replica.model.as_deref(), replica.memory), (Some("tiny"), Bytes::gib(4)));
        let answer = get(replica.address.unwrap(), "/v1/models").await;
        assert!(answer.contains("\"tiny\""), "{answer}");

        let second = plane(&engine);
        let plan = second.plan(&app).await.unwrap();
        assert!(plan.is_empty(), "{plan}");
        let adopted = second.apply(&app).await.unwrap();
        assert_eq!(containers(&adopted), containers(&applied));
        assert!(second.apps().await.unwrap().contains(&app.name));

        assert_eq!(second.delete(&app.name).await.unwrap(), 2);
        assert_eq!(first.status(&app.name).await.unwrap().replicas, []);
    })
    .await;
}

async fn a_changed_service_is_replaced_and_the_others_stay(engine: Arc<dyn Engine>) {
    let app = App::new(unique("change")).service("keep", service()).service("swap", service());
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let before = plane.apply(&app).await.unwrap();
        let changed = app.clone().service("swap", service().env("NACP_SIM_TOKEN_MS", "2"));
        let after = plane.apply(&changed).await.unwrap();
        assert_eq!(after.replicas[0], before.replicas[0]);
        assert_ne!(after.replicas[1].container, before.replicas[1].container);
        assert_eq!(after.replicas[1].gpus, before.replicas[1].gpus);
        assert!(after.ready());
        assert!(plane.plan(&changed).await.unwrap().is_empty());
    })
    .await;
}

async fn a_strict_service_gets_the_environment_that_lets_it_repeat(engine: Arc<dyn Engine>) {
    let strict = service().determinism(Determinism::Strict).env("NVIDIA_TF32_OVERRIDE", "1");
    let app = App::new(unique("strict")).service("plain", service()).service("strict", strict);
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let applied = plane.apply(&app).await.unwrap();
        let [plain, strict] = &applied.replicas[..] else { panic!("{applied:?}") };
        let seen = async |replica: &ReplicaStatus| {
            let answer = get(replica.address.unwrap(), "/v1/nacp/gpus").await;
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            serde_json::from_str::<serde_json::Value>(body).unwrap()["variables"].clone()
        };
        let (plain, strict) = (seen(plain).await, seen(strict).await);
        for variable in VARIABLES {
            let own = if variable.name == "NVIDIA_TF32_OVERRIDE" { "1" } else { variable.value };
            assert_eq!(strict[variable.name], own);
            assert!(plain[variable.name].is_null(), "{plain}");
        }
        let containers = engine.list(Some(&app.name)).await.unwrap();
        let labelled: Vec<_> = containers.iter().filter_map(|container| container.label(labels::DETERMINISM)).collect();
        assert_eq!(labelled.len(), 1);
        assert!(
            labelled[0].contains("CUBLAS_WORKSPACE_CONFIG=:4096:8") && !labelled[0].contains("TF32"),
            "{labelled:?}"
        );
        assert!(plane.plan(&app).await.unwrap().is_empty());
    })
    .await;
}

async fn fewer_replicas_leave_no_surplus(engine: Arc<dyn Engine>) {
    let app = App::new(unique("fewer")).service("llm", service().replicas(3));
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let three = plane.apply(&app).await.unwrap();
        let one = plane.apply(&App::new(&app.name).service("llm", service())).await.unwrap();
        assert_eq!(containers(&one), containers(&three)[..1]);
    })
    .await;
}

async fn a_replica_that_ended_comes_back(engine: Arc<dyn Engine>) {
    let app = App::new(unique("back")).service("llm", service());
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let before = plane.apply(&app).await.unwrap();
        engine.stop(&before.replicas[0].container, Duration::from_secs(5)).await.unwrap();
        assert!(!plane.status(&app.name).await.unwrap().ready());
        assert_eq!(plane.endpoints().await.unwrap().iter().filter(|endpoint| endpoint.app == app.name).count(), 0);
        assert!(plane.apply(&app).await.unwrap().ready());
    })
    .await;
}

async fn a_service_waits_for_what_it_depends_on(engine: Arc<dyn Engine>) {
    let slow = service().env("NACP_SIM_STARTUP_MS", "1500");
    let app = App::new(unique("order")).service("a-last", service().depends_on("z-first")).service("z-first", slow);
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let plan = plane.plan(&app).await.unwrap();
        let order: Vec<_> = plan.actions.iter().map(|action| (action.wave, action.service.as_str())).collect();
        assert_eq!(order, [(0, "z-first"), (1, "a-last")]);
        let start = Instant::now();
        assert!(plane.apply(&app).await.unwrap().ready());
        assert!(start.elapsed() >= Duration::from_millis(1500));
    })
    .await;
}

async fn a_service_that_is_never_ready_is_a_time_out_with_its_log(engine: Arc<dyn Engine>) {
    let sick = service().env("NACP_SIM_UNHEALTHY", "1").ready(Probe::http("/healthz").within(Duration::from_secs(2)));
    let app = App::new(unique("sick")).service("llm", sick);
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let start = Instant::now();
        let error = plane.apply(&app).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let text = error.to_string();
        let expected = format!(
            "the replica is not ready in time: app={} service=llm replica=0 within=2s last=\"HTTP 503\" log=",
            app.name
        );
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.ends_with("; look at its log, mend the service and apply again"), "{text}");
        let status = plane.status(&app.name).await.unwrap();
        assert_eq!((status.replicas.len(), status.ready()), (1, false));
        assert!(!plane.logs(&app.name, "llm", 0, 10).await.unwrap().is_empty());
    })
    .await;
}

async fn a_service_that_ends_is_told_at_once_with_its_log(engine: Arc<dyn Engine>) {
    let app = App::new(unique("ends")).service("llm", service().env("NACP_SIM_SLOTS", "none"));
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let start = Instant::now();
        let error = plane.apply(&app).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(error.kind(), ErrorKind::ServiceFailed);
        let text = error.to_string();
        assert!(text.starts_with("the replica ended before it was ready: "), "{text}");
        assert!(text.contains("last=\"its container is exited (1)\""), "{text}");
        assert!(text.contains("variable=NACP_SIM_SLOTS"), "{text}");
    })
    .await;
}

async fn an_image_that_is_nowhere_starts_nothing(engine: Arc<dyn Engine>) {
    let absent = Service::new("127.0.0.1:1/nacp/no-such-image:1");
    let app = App::new(unique("absent")).service("first", service()).service("second", absent);
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let error = plane.apply(&app).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.get("image"), Some("127.0.0.1:1/nacp/no-such-image:1"));
        assert_eq!(plane.status(&app.name).await.unwrap().replicas, []);
    })
    .await;
}

async fn too_much_memory_starts_nothing(engine: Arc<dyn Engine>) {
    let large = service().gpu(GpuNeed::memory(Bytes::gib(8)));
    let app = App::new(unique("large")).service("llm", large);
    let plane = plane_on("rtx3050ti-laptop-wsl2", &engine);
    removing(&plane, &app.name, async {
        let error = plane.apply(&app).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted);
        assert!(error.to_string().contains("GPU-3050a701: "), "{error}");
        assert_eq!(plane.status(&app.name).await.unwrap().replicas, []);
    })
    .await;
}

async fn deleting_what_is_not_there_is_no_error(engine: Arc<dyn Engine>) {
    assert_eq!(plane(&engine).delete(&unique("nothing")).await.unwrap(), 0);
}

async fn two_planes_at_once_make_no_second_copy(engine: Arc<dyn Engine>) {
    let app = App::new(unique("race")).service("llm", service().replicas(2));
    let (first, second) = (plane(&engine), plane(&engine));
    removing(&first, &app.name, async {
        let (a, b) = tokio::join!(first.apply(&app), second.apply(&app));
        for outcome in [a, b] {
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            }
        }
        let settled = first.apply(&app).await.unwrap();
        assert_eq!(settled.replicas.len(), 2);
        assert!(settled.ready());
    })
    .await;
}

async fn two_apps_at_once_are_not_given_the_same_memory(engine: Arc<dyn Engine>) {
    // The laptop has 3.5 GiB free: room for one of them.
    let app = |name: &str| App::new(unique(name)).service("llm", service().gpu(GpuNeed::memory(Bytes::gib(3))));
    let (a, b) = (app("memory-a"), app("memory-b"));
    let laptop = || plane_on("rtx3050ti-laptop-wsl2", &engine);
    let (first, second) = (laptop(), laptop());
    removing(&first, &a.name, async {
        removing(&second, &b.name, async {
            let (one, other) = tokio::join!(first.apply(&a), second.apply(&b));
            let refused: Vec<_> = [&one, &other].into_iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            assert!(!refused.is_empty(), "both were given the memory of one");
            for error in refused {
                assert!(matches!(error.kind(), ErrorKind::ResourceExhausted | ErrorKind::Conflict), "{error}");
            }
            let there = first.status(&a.name).await.unwrap().replicas.len()
                + first.status(&b.name).await.unwrap().replicas.len();
            assert_eq!(there, usize::from(one.is_ok()) + usize::from(other.is_ok()));
        })
        .await;
    })
    .await;
}

async fn an_apply_that_is_given_up_leaves_nothing_behind_a_delete(engine: Arc<dyn Engine>) {
    let app = App::new(unique("given-up")).service("llm", service().replicas(3));
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        for milliseconds in [0, 2, 5, 8, 12, 18, 40, 120] {
            let apply = tokio::time::timeout(Duration::from_millis(milliseconds), plane.apply(&app)).await;
            plane.delete(&app.name).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            let left = engine.list(Some(&app.name)).await.unwrap();
            assert_eq!(left, [], "given up after {milliseconds} ms: {apply:?}");
        }
    })
    .await;
}

async fn a_mended_probe_mends_the_service(engine: Arc<dyn Engine>) {
    let probed = |path: &str| {
        let probe = Probe::http(path).within(Duration::from_secs(2));
        App::new(unique("mended")).service("llm", service().ready(probe))
    };
    let plane = plane(&engine);
    removing(&plane, &unique("mended"), async {
        assert_eq!(plane.apply(&probed("/wrong")).await.unwrap_err().kind(), ErrorKind::Timeout);
        let mended = plane.apply(&probed("/healthz")).await.unwrap();
        assert!(mended.ready());
        assert_eq!(plane.endpoints().await.unwrap().iter().filter(|endpoint| endpoint.app == mended.app).count(), 1);
    })
    .await;
}

async fn what_only_carries_our_labels_is_left_alone(engine: Arc<dyn Engine>) {
    let app = App::new(unique("labels")).service("llm", service());
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let applied = plane.apply(&app).await.unwrap();
        let ours = engine.list(Some(&app.name)).await.unwrap().remove(0);
        // As a container does that was run from an image made of ours.
        let (name, image) = (unique("stranger"), IMAGE.to_owned());
        let stranger = ContainerSpec { labels: ours.labels, ..ContainerSpec::new(name, image) };
        let id = engine.create(&stranger).await.unwrap();
        let again = plane.apply(&app).await;
        let deleted = plane.delete(&app.name).await;
        let left = engine.list(Some(&app.name)).await;
        engine.remove(&id).await.unwrap();
        assert_eq!(containers(&again.unwrap()), containers(&applied));
        assert_eq!(deleted.unwrap(), 1);
        assert_eq!(left.unwrap().into_iter().map(|container| container.id).collect::<Vec<_>>(), [id]);
    })
    .await;
}

async fn who_follows_is_told_of_every_change(engine: Arc<dyn Engine>) {
    let app = App::new(unique("follow")).service("llm", service().replicas(2));
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let router = Arc::new(Router::new());
        let (follower, followed, own) = (plane.clone(), Arc::clone(&router), app.name.clone());
        let following = tokio::spawn(async move {
            let tell = |apps: &[AppStatus]| {
                let of_app = apps.iter().filter(|status| status.app == own);
                followed.update(of_app.flat_map(AppStatus::endpoints));
            };
            follower.follow(Duration::from_millis(50), tell).await;
        });
        let comes_to = async |count: usize| {
            for _ in 0..100 {
                if router.endpoints().len() == count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("{} endpoints instead of {count}", router.endpoints().len());
        };
        let applied = plane.apply(&app).await.unwrap();
        comes_to(2).await;
        engine.stop(&applied.replicas[0].container, Duration::from_secs(5)).await.unwrap();
        comes_to(1).await;
        plane.apply(&app).await.unwrap();
        comes_to(2).await;
        plane.delete(&app.name).await.unwrap();
        comes_to(0).await;
        following.abort();
    })
    .await;
}

#[tokio::test]
async fn a_container_on_docker_gets_the_gpu_of_its_plan() {
    let Some(engine) = docker().await else { return };
    let app = App::new(unique("gpu")).service("llm", service());
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let status = plane.apply(&app).await.unwrap();
        let replica = &status.replicas[0];
        let seen = get(replica.address.unwrap(), "/v1/nacp/gpus").await;
        if std::env::var("NACP_TEST_CDI").is_ok_and(|value| value == "1") {
            assert_eq!(replica.gpu_injection.as_deref(), Some("cdi"));
            assert!(seen.contains(&format!("\"cdi_device\":\"{}\"", replica.gpus[0])), "{seen}");
            assert!(seen.contains("nvidia0"), "{seen}");
        } else {
            println!("SKIP: this machine has no CDI devices for the simulated GPUs");
        }
    })
    .await;
}

/// The controller that is killed by the tests below, in a process of its own.
#[tokio::test]
#[ignore = "run by the tests of killed controllers"]
async fn controller_to_be_killed() {
    let engine = docker().await.expect("Docker");
    let app = App::new(std::env::var("NACP_TEST_APP").unwrap()).service("llm", service().replicas(2));
    println!("begun");
    plane(&engine).apply(&app).await.unwrap();
    println!("applied");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// A controller in a process of its own; killed when it is dropped.
struct Controller(Child);

impl Controller {
    fn start(app: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "controller_to_be_killed", "--ignored", "--nocapture"])
            .env("NACP_TEST_APP", app)
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    fn wait_for(&mut self, word: &str) {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        assert!(
            lines.map_while(Result::ok).any(|line| line.contains(word)),
            "the controller ended before it was {word}"
        );
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn what_a_killed_controller_leaves_is_adopted_and_deleted() {
    let Some(engine) = docker().await else { return };
    let app = App::new(unique("killed")).service("llm", service().replicas(2));
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        let mut controller = Controller::start(&app.name);
        controller.wait_for("applied");
        drop(controller);

        let left = plane.status(&app.name).await.unwrap();
        assert_eq!(left.replicas.len(), 2);
        let plan = plane.plan(&app).await.unwrap();
        assert!(plan.actions.iter().all(|action| matches!(action.step, Step::Keep(_))), "{plan}");
        let adopted = plane.apply(&app).await.unwrap();
        assert_eq!(containers(&adopted), containers(&left));
        assert_eq!(plane.delete(&app.name).await.unwrap(), 2);
        assert_eq!(engine.list(Some(&app.name)).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_controller_killed_at_any_moment_leaves_what_the_next_one_completes() {
    let Some(engine) = docker().await else { return };
    let app = App::new(unique("any")).service("llm", service().replicas(2));
    let plane = plane(&engine);
    removing(&plane, &app.name, async {
        for milliseconds in [5, 15, 30, 60, 120, 250] {
            let mut controller = Controller::start(&app.name);
            controller.wait_for("begun");
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            drop(controller);
            let completed = plane.apply(&app).await.unwrap();
            assert!(completed.ready() && completed.replicas.len() == 2, "{milliseconds} ms: {completed:?}");
            assert_eq!(plane.delete(&app.name).await.unwrap(), 2, "{milliseconds} ms");
        }
    })
    .await;
}

#[tokio::test]
async fn a_local_image_is_used_as_it_is() {
    let Some(engine) = docker().await else { return };
    let image = engine.pull(&PullRequest::new(IMAGE), &NoProgress).await.unwrap();
    assert!(!image.pulled && image.id.starts_with("sha256:"), "{image:?}");
}
