//! What a user reads when Docker is not there, not allowed, not running or silent, and how the engine takes answers
//! that a real daemon gives only at times.

mod common;
#[path = "common/daemon.rs"]
mod daemon;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{IMAGE, get, unique};
use daemon::{Answer, Daemon, frame};
use futures_util::FutureExt;
use nacp_core::engine::{
    ContainerId, ContainerSpec, ContainerState, Docker, Engine, NoProgress, PublishSpec, PullProgress, PullRequest,
    PullWatcher,
};
use nacp_core::service::Pull;
use nacp_core::{Error, ErrorKind, Retry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{pause, resume, sleep, timeout};

async fn refused(host: &str) -> Error {
    Docker::connect_to(host).await.unwrap_err()
}

#[tokio::test]
async fn no_socket() {
    let error = refused("unix:///nonexistent/docker.sock").await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::EngineUnavailable, Retry::Later));
    assert_eq!(
        error.to_string(),
        "no container engine's socket is there: host=unix:///nonexistent/docker.sock; \
         install and start Docker Engine or Podman, or set DOCKER_HOST"
    );
}

#[tokio::test]
async fn a_socket_that_nobody_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    drop(UnixListener::bind(&path).unwrap());
    let host = format!("unix://{}", path.display());
    let error = refused(&host).await;
    assert_eq!(error.to_string(), format!("the container engine is not running: host={host}; start it"));
}

#[tokio::test]
async fn a_port_that_nobody_serves() {
    let error = refused("tcp://127.0.0.1:1").await;
    assert_eq!(error.to_string(), "the container engine is not running: host=tcp://127.0.0.1:1; start it");
}

#[tokio::test]
async fn not_an_address() {
    let error = refused("ftp://127.0.0.1").await;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(
        error.to_string(),
        "not an address of a container engine: host=ftp://127.0.0.1; write unix:///path/to.sock, tcp://host:port or ssh://user@host"
    );
}

// The clock stands still and jumps to the next time limit as soon as everything waits.
#[tokio::test(start_paused = true)]
async fn an_engine_that_never_answers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _silent = UnixListener::bind(&path).unwrap();
    let host = format!("unix://{}", path.display());
    let error = timeout(Duration::from_secs(600), refused(&host)).await.expect("a time limit of its own");
    assert_eq!(error.to_string(), format!("the container engine does not answer: host={host}"));
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// The part that runs as a user without rights: only run by the test below, in a process of its own.
#[tokio::test]
async fn user_without_permission() {
    let Ok(host) = std::env::var("NACP_TEST_HOST") else { return };
    let error = refused(&host).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    println!("told: {error}");
}

#[test]
fn a_socket_without_permission() {
    if !is_root() {
        println!("SKIP: only root can become a user without rights");
        return;
    }
    let folder = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _socket = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    // A copy, because the folder of the build may be closed to other users.
    let program = folder.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let host = format!("unix://{}", path.display());
    let output = Command::new(&program)
        .args(["--exact", "user_without_permission", "--nocapture"])
        .env("NACP_TEST_HOST", &host)
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let expected = format!(
        "told: no permission to use the container engine's socket: host={host}; \
         add this user to the group `docker`, or set DOCKER_HOST to an engine of this user's own"
    );
    assert!(output.status.success() && told.contains(&expected), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|own| own.uid() == 0)
}

fn id() -> ContainerId {
    ContainerId("0123456789abcdef".to_owned())
}

/// The error of a call to a daemon that has begun its answer and then falls silent. The clock runs until the beginning
/// has arrived, and then jumps to the next time limit.
async fn stalls(calling: &str, begins: &[u8], call: impl AsyncFnOnce(Docker) -> Option<Error> + 'static) -> Error {
    let (calling, begins) = (calling.to_owned(), begins.to_vec());
    let daemon = Daemon::start(move |request| match request.starts_with(&calling) {
        true => Answer::Stalls(begins.clone()),
        false => Daemon::usual(request),
    });
    let called = async {
        let docker = match Docker::connect_to(&daemon.host).await {
            Ok(docker) => docker,
            Err(error) => return Some(error),
        };
        call(docker).await
    };
    let clock = async {
        timeout(Duration::from_secs(30), daemon.stalled()).await.expect("the call reaches the daemon");
        sleep(Duration::from_millis(50)).await;
        pause();
    };
    let (error, ()) = timeout(Duration::from_secs(1200), async { tokio::join!(called, clock) })
        .await
        .expect("a time limit of its own");
    resume();
    error.expect("an error")
}

#[tokio::test]
async fn an_answer_that_stalls_ends() {
    let spec = ContainerSpec::new("stalls", "busybox");
    let errors = [
        stalls("GET /version", b"{", async |_| None).await,
        stalls("GET /info", b"{", async |docker| docker.info().await.err()).await,
        stalls("GET /images/", b"{", async |docker| docker.has_image("busybox").await.err()).await,
        stalls("POST /containers/create", b"{", async move |docker| docker.create(&spec).await.err()).await,
        stalls("GET /containers/json", b"[", async |docker| docker.list(None).await.err()).await,
        stalls("GET /containers/", &frame("one\ntw"), async |docker| docker.logs(&id(), 9).await.err()).await,
        stalls("POST /images/create", b"{}\n", async |docker| {
            docker.pull(&PullRequest::new("busybox"), &NoProgress).await.err()
        })
        .await,
    ];
    for error in &errors {
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Later), "{error}");
    }
    assert_eq!(errors.last().unwrap().to_string(), "the pull has come to a standstill: image=busybox silent_for=120s");
}

// Podman calls a container `stopped` that Docker calls `exited`; more words may come.
#[tokio::test]
async fn one_unknown_word_does_not_spoil_the_list() {
    let daemon = Daemon::start(|request| match request.starts_with("GET /containers/json") {
        true => Answer::whole(
            200,
            r#"[{"Id":"b","Names":["/b"],"State":"stopped","Status":"Exited (137) 2 seconds ago","New":{}},
                {"Id":"a","Names":["/a"],"Labels":{"nacp.app":"x"},"State":"running","Status":"Up",
                 "Ports":[{"IP":"127.0.0.1","PrivatePort":80,"PublicPort":81,"Type":"tcp"}]}]"#,
        ),
        false => Daemon::usual(request),
    });
    let listed = Docker::connect_to(&daemon.host).await.unwrap().list(Some("x")).await.unwrap();
    let states: Vec<_> = listed.iter().map(|container| (container.name.as_str(), container.state)).collect();
    assert_eq!(states, [("a", ContainerState::Running), ("b", ContainerState::Exited(Some(137)))]);
    assert_eq!(listed[0].address, Some(([127, 0, 0, 1], 81).into()));
    let asked = daemon.requests().pop().unwrap();
    assert_eq!(asked, "GET /containers/json?all=true&filters=%7B%22label%22%3A%5B%22nacp.app%3Dx%22%5D%7D");
}

#[tokio::test]
async fn names_are_those_of_whatever_runs_with_or_without_labels() {
    let daemon = Daemon::start(|request| match request {
        "GET /containers/json" => Answer::whole(
            200,
            r#"[{"Id":"b2","Names":["/k8s_main_trainer"],"Image":"t:1","State":"running",
                 "Labels":{"io.kubernetes.pod.name":"trainer-0","io.kubernetes.pod.namespace":"research"}},
                {"Id":"a1","Names":["/a"],"Labels":null,"State":"paused"}]"#,
        ),
        _ => Daemon::usual(request),
    });
    let names = Docker::connect_to(&daemon.host).await.unwrap().names().await.unwrap();
    let told: Vec<_> =
        names.iter().map(|named| (named.name.as_str(), named.pod_name(), named.pod_namespace())).collect();
    assert_eq!(told, [("a", None, None), ("k8s_main_trainer", Some("trainer-0"), Some("research"))]);
}

/// A daemon that is removing the container already and is done after it has been asked `asks` times.
fn removing(asks: usize) -> Daemon {
    let asked = AtomicUsize::new(0);
    Daemon::start(move |request| match request.split(' ').next() {
        Some("DELETE") => Answer::whole(409, r#"{"message":"removal of container c is already in progress"}"#),
        _ if !request.starts_with("GET /containers/") => Daemon::usual(request),
        _ if asked.fetch_add(1, Ordering::Relaxed) < asks => Answer::whole(200, r#"{"State":{"Status":"removing"}}"#),
        _ => Answer::whole(404, r#"{"message":"No such container: c"}"#),
    })
}

#[tokio::test]
async fn a_removal_under_way_is_waited_for() {
    let daemon = removing(2);
    Docker::connect_to(&daemon.host).await.unwrap().remove(&id()).await.unwrap();
    let asked = daemon.requests().iter().filter(|request| request.starts_with("GET /containers/")).count();
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn a_removal_that_does_not_end_is_given_up() {
    let daemon = removing(usize::MAX);
    let docker = Docker::connect_to(&daemon.host).await.unwrap();
    pause();
    let error = docker.remove(&id()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Later));
}

#[tokio::test]
async fn a_name_that_is_taken_tells_by_whom() {
    let daemon = Daemon::start(|request| match request {
        _ if request.starts_with("POST /containers/create") => {
            Answer::whole(409, r#"{"message":"Conflict. The container name \"/mine\" is already in use"}"#)
        }
        _ if request.starts_with("GET /containers/mine/json") => {
            Answer::whole(200, r#"{"Id":"0123456789abcdef","State":{"Status":"stopped"},"Config":{"Labels":null}}"#)
        }
        _ => Daemon::usual(request),
    });
    let docker = Docker::connect_to(&daemon.host).await.unwrap();
    let error = docker.create(&ContainerSpec::new("mine", "busybox")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Conflict, Retry::Never));
    assert_eq!(
        error.to_string(),
        "a container of this name is there already: container=mine id=0123456789ab; \
         it is not NACP's: remove it or rename it"
    );
}

#[tokio::test]
async fn one_image_is_pulled_once_for_all_who_want_it_and_a_failure_is_told_to_each() {
    for good in [true, false] {
        let daemon = Daemon::start(move |request| match request {
            _ if request.starts_with("POST /images/create") && !good => {
                Answer::whole(500, r#"{"message":"unauthorized: authentication required"}"#)
            }
            _ if request.starts_with("POST /images/create") => {
                Answer::whole(200, "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"a\"}\n")
            }
            _ if request.starts_with("GET /images/") => Answer::whole(200, r#"{"Id":"sha256:1"}"#),
            _ => Daemon::usual(request),
        });
        let docker = Docker::connect_to(&daemon.host).await.unwrap();
        let request = PullRequest::new("nacp/x:1").when(Pull::Always);
        let wanted = (0..8).map(|_| docker.pull(&request, &NoProgress));
        let told = futures_util::future::join_all(wanted).await;
        let pulls = daemon.requests().iter().filter(|request| request.starts_with("POST /images/create")).count();
        assert_eq!(pulls, 1);
        for told in told {
            match told {
                Ok(image) => assert!(good && image.pulled),
                Err(error) => assert_eq!((good, error.kind()), (false, ErrorKind::PermissionDenied), "{error}"),
            }
        }
    }
}

/// Keeps the phases that it is told.
#[derive(Debug, Default)]
struct Phases(Mutex<Vec<String>>);

impl PullWatcher for Phases {
    fn tell(&self, progress: &PullProgress) {
        self.0.lock().unwrap().push(progress.phase.clone());
    }
}

#[tokio::test]
async fn whoever_waits_for_anothers_pull_is_told_of_its_progress_and_takes_it_over() {
    let line = b"{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"a\"}\n";
    let daemon = Daemon::start(move |request| match request.starts_with("POST /images/create") {
        true => Answer::Stalls(line.to_vec()),
        false => Daemon::usual(request),
    });
    let docker = Docker::connect_to(&daemon.host).await.unwrap();
    let (request, first, second) = (PullRequest::new("nacp/x:1"), Phases::default(), Phases::default());
    let pulls = || daemon.requests().iter().filter(|request| request.starts_with("POST /images/create")).count();
    let mut waiting = Box::pin(docker.pull(&request, &second));
    let leading = timeout(Duration::from_millis(800), docker.pull(&request, &first));
    let following = async {
        daemon.stalled().await;
        timeout(Duration::from_millis(400), &mut waiting).await
    };
    let (first_ended, second_ended) = tokio::join!(leading, following);
    assert!(first_ended.is_err() && second_ended.is_err(), "the daemon is silent");
    assert_eq!((pulls(), &*first.0.lock().unwrap()), (1, &["resolving".to_owned(), "downloading".to_owned()].to_vec()));
    assert_eq!(second.0.lock().unwrap().last().unwrap(), "downloading");
    timeout(Duration::from_millis(500), &mut waiting).await.expect_err("now it pulls itself, and is not answered");
    assert_eq!(pulls(), 2);
}

#[tokio::test]
async fn a_pull_that_nobody_waits_for_any_more_hangs_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let daemon = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            if request.starts_with("POST /images/create") {
                let begins = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{}\n\r\n";
                stream.write_all(begins.as_bytes()).await.unwrap();
                // Until the other side hangs up.
                return stream.read(&mut [0; 16]).await.unwrap_or_default();
            }
            let (status, body) = match request.starts_with("GET /version") {
                true => (200, r#"{"ApiVersion":"1.45"}"#),
                false => (404, r#"{"message":"No such image"}"#),
            };
            let head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).await.unwrap();
        }
    };
    let host = format!("unix://{}", path.display());
    let waiting = async {
        let docker = Docker::connect_to(&host).await.unwrap();
        let pull = PullRequest::new("nacp/x:1");
        timeout(Duration::from_millis(500), docker.pull(&pull, &NoProgress)).await.expect_err("it goes on");
        docker
    };
    let (rest, docker) = timeout(Duration::from_secs(20), async { tokio::join!(daemon, waiting) }).await.unwrap();
    assert_eq!(rest, 0);
    drop(docker);
}

#[tokio::test]
async fn another_content_than_the_one_that_was_pulled_is_a_conflict() {
    let wanted = format!("sha256:{}", "1".repeat(64));
    let daemon = Daemon::start(|request| match request {
        _ if request.starts_with("POST /images/create") => Answer::whole(200, "{}\n"),
        _ if request.starts_with("GET /images/") => {
            Answer::whole(200, &format!(r#"{{"Id":"sha256:2","RepoDigests":["nacp/x@sha256:{}"]}}"#, "3".repeat(64)))
        }
        _ => Daemon::usual(request),
    });
    let docker = Docker::connect_to(&daemon.host).await.unwrap();
    let error = docker.pull(&PullRequest::new(format!("nacp/x:1@{wanted}")), &NoProgress).await.unwrap_err();
    assert_eq!((error.kind(), error.get("wanted")), (ErrorKind::Conflict, Some(wanted.as_str())), "{error}");
    let none = docker.pull(&PullRequest::new("nacp/x:"), &NoProgress).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn a_registry_out_of_reach_may_come_back() {
    let Some(engine) = common::docker().await else { return };
    let error = engine.pull(&PullRequest::new("127.0.0.1:1/nacp/no-such-image:1"), &NoProgress).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::NotFound, Retry::Later), "{error}");
    assert_eq!(error.hint_text(), Some("the registry cannot be reached: check the network, or load the image"));
}

#[tokio::test]
async fn a_container_is_told_of_no_gpu_that_it_was_not_given() {
    let Some(engine) = common::docker().await else { return };
    let mut spec =
        ContainerSpec { publish: Some(PublishSpec::loopback(8000)), ..ContainerSpec::new(unique("greedy"), IMAGE) };
    spec.env.insert("NVIDIA_VISIBLE_DEVICES".to_owned(), "all".to_owned());
    spec.labels.insert("nacp.app".to_owned(), unique("greedy"));
    engine.pull(&PullRequest::new(IMAGE), &NoProgress).await.unwrap();
    let id = engine.create(&spec).await.unwrap();
    let seen = async {
        engine.start(&id).await.unwrap();
        for _ in 0..100 {
            let listed = engine.list(Some(&unique("greedy"))).await.unwrap();
            if let Some(address) = listed.first().and_then(|container| container.address) {
                let answer = get(address, "/v1/nacp/gpus").await;
                if !answer.is_empty() {
                    return answer;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        String::new()
    };
    let seen = AssertUnwindSafe(seen).catch_unwind().await;
    engine.remove(&id).await.unwrap();
    let seen = seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(seen.contains(r#""nvidia_visible_devices":"void""#), "{seen}");
}
