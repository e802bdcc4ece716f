//! Images from a real registry, and from an archive, on a real Docker.

mod common;
#[path = "common/registry.rs"]
mod local;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::{docker, unique};
use local::Registry;
use nacp_core::engine::{Docker, Engine, NoProgress, PullProgress, PullRequest, PullWatcher};
use nacp_core::service::Pull;
use nacp_core::{ErrorKind, Retry};

/// Keeps all that it is told.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<PullProgress>>);

impl PullWatcher for Heard {
    fn tell(&self, progress: &PullProgress) {
        self.0.lock().unwrap().push(progress.clone());
    }
}

impl Heard {
    fn phases(&self) -> Vec<String> {
        let mut phases: Vec<_> = self.0.lock().unwrap().iter().map(|it| it.phase.clone()).collect();
        phases.dedup();
        phases
    }

    fn last(&self) -> PullProgress {
        self.0.lock().unwrap().last().cloned().unwrap_or_default()
    }

    /// Whether something had come and something had not, in this phase.
    fn on_the_way(&self, phase: &str) -> bool {
        let between = |it: &PullProgress| it.phase == phase && it.done.0 > 0 && it.done <= it.total;
        self.0.lock().unwrap().iter().any(between)
    }

    fn never_goes_back(&self) {
        for two in self.0.lock().unwrap().windows(2) {
            assert!(two[0].done <= two[1].done && two[0].total <= two[1].total, "{two:?}");
            assert!(two[0].layers_done <= two[1].layers_done && two[1].done <= two[1].total, "{two:?}");
        }
    }
}

/// What the command `docker` answers.
fn command(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Makes an image of one layer of random bytes, which nothing has packed before, and gives it this name.
fn build(reference: &str, folder: &Path, mebibytes: usize) {
    let tar = folder.join("layer.tar");
    let mut content = vec![0; mebibytes << 20];
    fs::File::open("/dev/urandom").and_then(|mut it| std::io::Read::read_exact(&mut it, &mut content)).unwrap();
    fs::write(folder.join("content"), content).unwrap();
    let packed = Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(folder).arg("content").status().unwrap();
    assert!(packed.success());
    let label = ["-c", "LABEL nacp.test=registry", "-c", "ENV A=b"];
    command(&["import", label[0], label[1], label[2], label[3], tar.to_str().unwrap(), reference]);
}

/// Removes images when it is dropped, whatever happened.
struct Removed(Vec<String>);

impl Drop for Removed {
    fn drop(&mut self) {
        for reference in &self.0 {
            drop(Command::new("docker").args(["rmi", "-f", reference]).output());
        }
    }
}

/// An image in a registry and on no machine: its reference and its digest.
struct Published {
    registry: Registry,
    reference: String,
    digest: String,
    _removed: Removed,
}

async fn published(name: &str, mebibytes: usize) -> Option<(Arc<dyn Engine>, Published)> {
    let (engine, registry) = (docker().await?, Registry::start(None).await?);
    let repository = format!("{}/nacp/{}", registry.host, unique(name));
    let reference = format!("{repository}:1");
    let removed = Removed(vec![reference.clone(), format!("{repository}:2")]);
    build(&reference, registry.folder(), mebibytes);
    command(&["push", "-q", &reference]);
    let digests = command(&["image", "inspect", "--format", "{{join .RepoDigests \",\"}}", &reference]);
    let digest = digests.split('@').nth(1).unwrap().to_owned();
    command(&["rmi", "-f", &reference]);
    Some((engine, Published { registry, reference, digest, _removed: removed }))
}

#[tokio::test]
async fn a_pull_tells_how_far_it_is_and_which_content_came() {
    let Some((engine, image)) = published("progress", 24).await else { return };
    let heard = Heard::default();
    let pulled = engine.pull(&PullRequest::new(&image.reference), &heard).await.unwrap();
    assert!(pulled.pulled && pulled.id.starts_with("sha256:"), "{pulled:?}");
    assert_eq!(pulled.digest.as_deref(), Some(image.digest.as_str()));
    heard.never_goes_back();
    let last = heard.last();
    assert_eq!((last.phase.as_str(), last.layers, last.layers_done, last.done), ("done", 1, 1, last.total));
    assert!(last.total.as_mib() >= 24, "{last:?}");
    assert!(heard.phases().iter().any(|phase| phase == "downloading"), "{:?}", heard.phases());

    let again = Heard::default();
    let here = engine.pull(&PullRequest::new(&image.reference), &again).await.unwrap();
    assert_eq!((here.pulled, &here.id, &here.digest), (false, &pulled.id, &pulled.digest));
    assert!(again.phases().is_empty());
    let anew = engine.pull(&PullRequest::new(&image.reference).when(Pull::Always), &again).await.unwrap();
    assert!(anew.pulled && again.last().phase == "done");

    let details = engine.image(&image.reference).await.unwrap().unwrap();
    assert_eq!((details.env["A"].as_str(), details.labels["nacp.test"].as_str()), ("b", "registry"));
    assert!(details.size.as_mib() >= 24 && details.platform.starts_with("linux/"), "{details:?}");
    assert!(details.digests.iter().any(|it| it.ends_with(&image.digest)));
    assert_eq!(engine.image(&format!("{}-none", image.reference)).await.unwrap(), None);
}

#[tokio::test]
async fn a_digest_holds_an_image_to_its_content() {
    let Some((engine, image)) = published("pinned", 1).await else { return };
    let wrong = format!("sha256:{}", "0".repeat(64));
    let pinned = |digest: &str| PullRequest::new(format!("{}@{digest}", image.reference));
    assert_eq!(engine.digest(&PullRequest::new(&image.reference)).await.unwrap(), image.digest);

    let never = engine.pull(&pinned(&image.digest).when(Pull::Never), &NoProgress).await.unwrap_err();
    assert_eq!(never.kind(), ErrorKind::NotFound);
    let nowhere = engine.pull(&pinned(&wrong), &NoProgress).await.unwrap_err();
    assert_eq!((nowhere.kind(), nowhere.retry()), (ErrorKind::NotFound, Retry::Never), "{nowhere}");

    let pulled = engine.pull(&pinned(&image.digest), &NoProgress).await.unwrap();
    assert!(pulled.pulled);
    assert_eq!(pulled.digest.as_deref(), Some(image.digest.as_str()));
    assert!(!engine.pull(&pinned(&image.digest).when(Pull::Never), &NoProgress).await.unwrap().pulled);

    // Now the tag is here, with a content that is not the one that is meant.
    engine.pull(&PullRequest::new(&image.reference), &NoProgress).await.unwrap();
    let other = engine.pull(&pinned(&wrong).when(Pull::Never), &NoProgress).await.unwrap_err();
    assert_eq!(
        other.to_string(),
        format!(
            "the image on this machine is not the one with this digest: image={}@{wrong} wanted={wrong} here={}; \
             remove it or pull the one that is meant; or change the digest if this one is meant",
            image.reference, image.digest
        )
    );
    assert_eq!(other.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn what_a_registry_does_not_have_is_not_found() {
    let Some((engine, image)) = published("missing", 1).await else { return };
    let tag = image.reference.replace(":1", ":none");
    let tag = if tag == image.reference { format!("{}x", image.reference) } else { tag };
    let missing = engine.pull(&PullRequest::new(&tag), &NoProgress).await.unwrap_err();
    assert_eq!((missing.kind(), missing.retry()), (ErrorKind::NotFound, Retry::Never), "{missing}");
    let digest = engine.digest(&PullRequest::new(&tag)).await.unwrap_err();
    assert_eq!((digest.kind(), digest.operation()), (ErrorKind::NotFound, "engine.digest"), "{digest}");
    let other = PullRequest::new(&image.reference).platform("linux/s390x");
    let other = engine.digest(&other).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Unsupported, "{other}");

    let Published { registry, reference, .. } = image;
    drop(registry);
    let away = engine.pull(&PullRequest::new(&reference), &NoProgress).await.unwrap_err();
    assert_eq!((away.kind(), away.retry()), (ErrorKind::NotFound, Retry::Later), "{away}");
}

/// The part that runs with a folder of Docker's of its own: only run by the test below, in a process of its own.
#[tokio::test]
async fn with_credentials_of_its_own() {
    let Ok(reference) = std::env::var("NACP_TEST_PRIVATE") else { return };
    let engine = Docker::connect().await.unwrap();
    match engine.pull(&PullRequest::new(&reference), &NoProgress).await {
        Ok(image) => println!("told: pulled {}", image.digest.unwrap()),
        Err(error) => println!("told: {} {error}", error.kind()),
    }
    match engine.digest(&PullRequest::new(&reference)).await {
        Ok(digest) => println!("digest: {digest}"),
        Err(error) => println!("digest: {}", error.kind()),
    }
}

#[tokio::test]
async fn a_private_image_comes_with_what_docker_login_keeps() {
    // Its base64 has both letters in which two alphabets differ.
    let (user, password) = ("ada", "s~?>cret??>>~~");
    let (Some(_), Some(registry)) = (docker().await, Registry::start(Some((user, password))).await) else { return };
    let reference = format!("{}/nacp/{}:1", registry.host, unique("private"));
    let _removed = Removed(vec![reference.clone()]);
    build(&reference, registry.folder(), 1);
    let own = registry.folder().join("docker");
    fs::create_dir(&own).unwrap();
    let told = |password: Option<&str>| {
        let auths = match password {
            Some(password) => {
                let text = format!("{user}:{password}");
                let script = r#"printf %s "$1" | base64 -w0"#;
                let auth = Command::new("sh").args(["-c", script, "sh", &text]).output().unwrap().stdout;
                let auth = String::from_utf8(auth).unwrap();
                format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, registry.host)
            }
            None => "{}".to_owned(),
        };
        fs::write(own.join("config.json"), auths).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "with_credentials_of_its_own", "--nocapture"])
            .env("NACP_TEST_PRIVATE", &reference)
            .env("DOCKER_CONFIG", &own)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    told(Some(password));
    let pushed = Command::new("docker").arg("--config").arg(&own).args(["push", "-q", &reference]).output().unwrap();
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    command(&["rmi", "-f", &reference]);

    let nobody = told(None);
    assert!(nobody.contains("told: PermissionDenied the registry does not give out the image"), "{nobody}");
    assert!(nobody.contains(&format!("log in with `docker login {}`", registry.host)), "{nobody}");
    let wrong = told(Some("wrong-password"));
    assert!(wrong.contains("has kept do not allow it"), "{wrong}");
    assert!(!wrong.contains("wrong-password"), "{wrong}");
    let known = told(Some(password));
    assert!(known.contains("told: pulled sha256:") && known.contains("digest: sha256:"), "{known}");
}

#[tokio::test]
async fn an_archive_brings_its_images_without_a_registry() {
    let Some(engine) = docker().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let reference = format!("nacp/{}:1", unique("archive"));
    let _removed = Removed(vec![reference.clone()]);
    build(&reference, folder.path(), 4);
    let id = command(&["image", "inspect", "--format", "{{.Id}}", &reference]);
    let tar = folder.path().join("images.tar");
    command(&["save", "-o", tar.to_str().unwrap(), &reference]);
    assert!(Command::new("gzip").arg("-k").arg(&tar).status().unwrap().success());
    for archive in [tar.clone(), folder.path().join("images.tar.gz")] {
        command(&["rmi", "-f", &reference]);
        let heard = Heard::default();
        let images = engine.load(&archive, &heard).await.unwrap();
        assert_eq!(
            (images.len(), images[0].reference.as_str(), images[0].id.as_str()),
            (1, reference.as_str(), id.as_str())
        );
        assert_eq!((images[0].digest.as_ref(), images[0].pulled), (None, false));
        let size = fs::metadata(&archive).unwrap().len();
        assert_eq!((heard.phases(), heard.last().done.0), (vec!["loading".to_owned(), "done".to_owned()], size));
        heard.never_goes_back();
        assert!(heard.on_the_way("loading"), "{heard:?}");
        assert!(engine.pull(&PullRequest::new(&reference).when(Pull::Never), &NoProgress).await.is_ok());
    }
}

#[tokio::test]
async fn what_is_no_archive_is_refused_by_its_name() {
    let Some(engine) = docker().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("notes.txt"), "services:\n").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at("content"), "x").unwrap();
    let tar = Command::new("tar").arg("-cf").arg(at("other.tar")).arg("-C").arg(folder.path()).arg("content").status();
    assert!(tar.unwrap().success());
    fs::write(at("torn.tar"), &fs::read(at("other.tar")).unwrap()[..700]).unwrap();
    for (name, kind, message) in [
        ("none.tar", ErrorKind::NotFound, "the archive of images is not there"),
        (".", ErrorKind::InvalidArgument, "this is no archive of images"),
        ("notes.txt", ErrorKind::InvalidArgument, "this is no archive of images"),
        ("empty", ErrorKind::InvalidArgument, "this is no archive of images"),
        ("other.tar", ErrorKind::InvalidArgument, "this is no archive of images"),
        ("torn.tar", ErrorKind::InvalidArgument, "this is no archive of images"),
    ] {
        let error = engine.load(&at(name), &NoProgress).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message), "{name}: {error}");
        assert_eq!(error.get("archive"), Some(at(name).display().to_string().as_str()));
    }
}

/// Podman has other words for nearly all of this.
#[tokio::test]
async fn podman_pulls_pins_and_loads_too() {
    let Ok(host) = std::env::var("NACP_PODMAN_HOST") else {
        println!("SKIP: no Podman service (NACP_PODMAN_HOST)");
        return;
    };
    let engine = Docker::connect_to(&host).await.unwrap();
    let info = engine.info().await.unwrap();
    assert!(info.podman && info.name == "Podman" && info.api.is_some() && !info.rootless, "{info:?}");
    assert!(info.gpu.cdi_devices.is_empty() || info.version.starts_with('5'), "{info:?}");
    let here = engine.pull(&PullRequest::new(common::IMAGE), &NoProgress).await.unwrap();
    assert!(!here.pulled && here.id.starts_with("sha256:"), "{here:?}");
    let digest = engine.digest(&PullRequest::new(common::IMAGE)).await.unwrap_err();
    assert_eq!(digest.kind(), ErrorKind::Unsupported, "{digest}");

    let away = engine.pull(&PullRequest::new("127.0.0.1:1/nacp/none:1"), &NoProgress).await.unwrap_err();
    assert_eq!((away.kind(), away.retry()), (ErrorKind::NotFound, Retry::Later), "{away}");

    let folder = tempfile::tempdir().unwrap();
    let reference = format!("docker.io/nacp/{}:1", unique("podman"));
    let _removed = Removed(vec![reference.clone()]);
    build(&reference, folder.path(), 1);
    let tar = folder.path().join("images.tar");
    command(&["save", "-o", tar.to_str().unwrap(), &reference]);
    let heard = Heard::default();
    let images = engine.load(&tar, &heard).await.unwrap();
    assert_eq!((images.len(), images[0].reference.as_str()), (1, reference.as_str()));
    assert_eq!(heard.last().phase, "done");
    let pinned = format!("{reference}@{}", images[0].digest.as_deref().unwrap());
    assert!(!engine.pull(&PullRequest::new(pinned).when(Pull::Never), &NoProgress).await.unwrap().pulled);
    let wrong = engine.load(&folder.path().join("layer.tar"), &NoProgress).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidArgument, "{wrong}");
}
