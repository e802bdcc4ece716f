use std::sync::Mutex as Shared;

use futures_util::FutureExt as _;

use super::*;
use crate::clock::ManualClock;
use crate::engine::{FileSpec, NoProgress, PullProgress, verify};
use crate::gpu::GpuId;
use crate::service::{Pull, SecretValue};
use crate::units::Bytes;

fn spec(name: &str) -> ContainerSpec {
    let labels = BTreeMap::from([(labels::APP.to_owned(), "a".to_owned())]);
    ContainerSpec { labels, ..ContainerSpec::new(name, "llm:1") }
}

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

#[derive(Debug, Default)]
struct Told(Shared<Vec<PullProgress>>);

impl PullWatcher for Told {
    fn tell(&self, progress: &PullProgress) {
        self.0.lock().unwrap().push(progress.clone());
    }
}

#[tokio::test]
async fn everything_that_happens_is_told_in_order_and_with_its_time() {
    let engine = Engine::new();
    let mut events = engine.watch().await.unwrap();
    let foreign = engine.create(&ContainerSpec::new("foreign", "llm:1")).await.unwrap();
    let id = engine.create(&spec("first")).await.unwrap();
    engine.start(&id).await.unwrap();
    engine.rename(&id, "second").await.unwrap();
    engine.stop(&id, Duration::ZERO).await.unwrap();
    engine.remove(&id).await.unwrap();
    engine.remove(&foreign).await.unwrap();
    drop(engine);
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        assert_eq!((&event.container, event.app.as_str()), (&id, "a"));
        told.push((event.at.unwrap().as_second(), event.name, event.change));
    }
    let told: Vec<_> = told.iter().map(|(at, name, change)| (*at, name.as_str(), change.clone())).collect();
    assert_eq!(
        told,
        [
            (2, "first", Change::Created),
            (3, "first", Change::Started),
            (4, "second", Change::Renamed),
            (5, "second", Change::Ended(Some(0))),
            (6, "second", Change::Removed),
        ]
    );
}

#[tokio::test]
async fn a_container_got_what_was_asked_for_and_nothing_else() {
    let gpu: GpuId = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
    let wanted = ContainerSpec {
        gpus: vec![gpu],
        memory: Some(Bytes::gib(1)),
        capabilities: ["CAP_CHOWN".to_owned()].into(),
        ..spec("exact")
    };
    let engine = Engine::new();
    let id = engine.create(&wanted).await.unwrap();
    engine.start(&id).await.unwrap();
    let got = engine.inspect(&id).await.unwrap();
    assert!(verify(&wanted, &got).is_exact(), "{:?}", verify(&wanted, &got));
    assert_eq!((got.started_at.map(jiff::Timestamp::as_second), got.exit_code), (Some(2), None));
    let more = ContainerSpec { memory: Some(Bytes::gib(2)), user: Some("7".to_owned()), ..wanted };
    let found = verify(&more, &got);
    assert_eq!((found.missing.len(), found.weaker.len()), (1, 1), "{found:?}");
}

#[tokio::test]
async fn a_pull_comes_in_as_many_steps_as_it_is_told_and_takes_that_long() {
    let clock = Arc::new(ManualClock::default());
    let engine = Engine::with_images(["here:1"])
        .registry(["there:1"])
        .pulls_in(4, Duration::from_secs(5))
        .clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let told = Told::default();
    assert!(!engine.pull(&PullRequest::new("here:1"), &told).await.unwrap().pulled);
    let never = engine.pull(&PullRequest::new("there:1").when(Pull::Never), &told).await.unwrap_err();
    assert_eq!((never.kind(), told.0.lock().unwrap().len()), (ErrorKind::NotFound, 0));
    assert_eq!(engine.image("there:1").await.unwrap(), None);
    let image = engine.pull(&PullRequest::new("there:1"), &told).await.unwrap();
    let told: Vec<_> = told.0.into_inner().unwrap();
    assert_eq!((image.pulled, told.len(), clock.monotonic()), (true, 5, Duration::from_secs(20)));
    assert!(told.is_sorted_by_key(|step| step.done) && told[4].phase == "done" && told[4].done == told[4].total);
    assert_eq!(engine.image("there:1").await.unwrap().unwrap().id, image.id);
}

#[tokio::test]
async fn a_pinned_image_must_have_the_digest_that_it_is_pinned_to() {
    let engine = Engine::with_images(["llm:1"]);
    let digest = engine.digest(&PullRequest::new("llm:1")).await.unwrap();
    assert!(digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64));
    let pinned = PullRequest::new(format!("llm:1@{digest}"));
    assert_eq!(engine.pull(&pinned, &NoProgress).await.unwrap().id, digest);
    let other = PullRequest::new(format!("llm:1@sha256:{}", "0".repeat(64)));
    assert_eq!(engine.pull(&other, &NoProgress).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(engine.digest(&PullRequest::new("no:1")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_archive_brings_the_images_that_it_lists() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.tar"), folder.path().join("bad.tar"));
    let list = br#"[{"Config":"c.json","RepoTags":["llm:1","llm:2"]},{"RepoTags":null}]"#;
    let mut archive = vec![0; 512];
    archive[..13].copy_from_slice(b"manifest.json");
    archive[124..136].copy_from_slice(format!("{:011o}\0", list.len()).as_bytes());
    archive[257..263].copy_from_slice(b"ustar\0");
    archive.extend_from_slice(list);
    archive.resize(2048, 0);
    std::fs::write(&good, archive).unwrap();
    std::fs::write(&bad, b"PK").unwrap();
    let engine = Engine::with_images(["here:1"]);
    let loaded = engine.load(&good, &NoProgress).await.unwrap();
    assert_eq!(loaded.iter().map(|image| image.reference.as_str()).collect::<Vec<_>>(), ["llm:1", "llm:2"]);
    assert!(engine.image("llm:2").await.unwrap().is_some());
    let error = engine.load(&bad, &NoProgress).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let error = engine.load(&folder.path().join("none.tar"), &NoProgress).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_log_is_followed_to_the_end_of_the_container_and_no_further() {
    let engine = Engine::new();
    let id = engine.create(&spec("log")).await.unwrap();
    engine.start(&id).await.unwrap();
    let mut lines = engine.follow_logs(&id, 10).await.unwrap();
    let first = lines.next().await.unwrap().unwrap();
    assert!(first.text.contains("listening on") && !first.error, "{first:?}");
    assert!(lines.next().now_or_never().is_none(), "it waits for more");
    engine.stop(&id, Duration::ZERO).await.unwrap();
    assert!(lines.next().await.is_none());
    let after: Vec<_> = engine.follow_logs(&id, 10).await.unwrap().collect().await;
    assert_eq!(after.len(), 1);
}

#[tokio::test]
async fn a_file_that_was_put_in_is_read_inside_and_the_root_is_locked() {
    let engine = Engine::new();
    let files = vec![FileSpec { path: "/run/secrets/key".into(), content: SecretValue::new("hush") }];
    let id = engine.create(&ContainerSpec { files, ..spec("files") }).await.unwrap();
    let exec = async |command: &str| engine.exec(&id, &words(command), Duration::from_secs(1)).await;
    assert_eq!(exec("true").await.unwrap_err().kind(), ErrorKind::Conflict);
    engine.start(&id).await.unwrap();
    assert_eq!(exec("/sim-service read /run/secrets/key").await.unwrap().stdout, "hush");
    assert_eq!(exec("/sim-service write /etc/x y").await.unwrap().code, 1);
    assert_eq!(exec("/sim-service write /tmp/x y").await.unwrap().code, 0);
    assert_eq!(exec("/sim-service read /tmp/x").await.unwrap().stdout, "y");
    assert_eq!((exec("true").await.unwrap().code, exec("false").await.unwrap().code), (0, 1));
    let error = exec("bash").await.unwrap_err();
    assert_eq!((error.kind(), error.get("program")), (ErrorKind::NotFound, Some("bash")));
}
