//! `nacp.lock` against a real Docker Engine: what stands behind the name of an image that was built here.

mod common;

use std::process::Command;

use common::{IMAGE, docker};
use nacp_core::clock::{Clock, SystemClock};
use nacp_core::host::lock::{Effect, Lock, Pin, images};
use nacp_core::host::{self, Root, Survey};
use nacp_core::service::{App, Service};

/// Where the daemon of these tests listens.
fn endpoint() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into())
}

#[tokio::test]
async fn an_image_that_was_built_here_is_known_by_its_id_and_has_no_digest() {
    if docker().await.is_none() {
        return;
    }
    let app = App::new("assistant").service("llm", Service::new(IMAGE)).service("gone", Service::new("nacp/absent:0"));
    let survey = Survey::of_host(host::detect());
    let lock = Lock::of(&survey, SystemClock::new().wall()).app(&app).images(&Root::system(), &endpoint());
    println!("{}", lock.to_yaml());

    let inspect = Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", IMAGE]).output().unwrap();
    let id = String::from_utf8(inspect.stdout).unwrap();
    let service = &lock.services["llm"];
    assert_eq!(service.image_id, Pin::Known(id.trim().to_owned()));
    assert_eq!(service.digest.unknown(), Some("the image was never in a registry: it has no digest there"));
    let missing = lock.completeness().to_string();
    assert!(missing.contains("not pinned: services.llm.digest"), "{missing}");

    let gone = lock.services["gone"].digest.unknown().unwrap();
    assert!(gone.contains("No such image: nacp/absent:0"), "{gone}");

    let again = lock.clone().images(&Root::system(), &endpoint());
    let verification = lock.verify(&again);
    assert!(verification.unchanged.iter().any(|item| item == "services.llm.image"), "{verification}");
    assert!(verification.holds(Effect::Nothing), "{verification}");
}

#[tokio::test]
async fn a_name_that_is_given_to_another_image_is_a_change_of_results() {
    if docker().await.is_none() {
        return;
    }
    let app = App::new("assistant").service("llm", Service::new(IMAGE));
    let lock = Lock::of(&Survey::of_host(host::detect()), SystemClock::new().wall()).app(&app);
    let before = lock.clone().images(&Root::system(), &endpoint());

    // The same layers with another label are another image.
    let name = format!("nacp/lock-test:{}", std::process::id());
    let made = Command::new("docker").args(["create", IMAGE]).output().unwrap();
    let container = String::from_utf8(made.stdout).unwrap();
    let docker =
        |args: &[&str]| assert!(Command::new("docker").args(args).output().unwrap().status.success(), "{args:?}");
    docker(&["commit", "--change", "LABEL nacp.test=lock", container.trim(), &name]);
    let mut other = images::ask(&Root::system(), &endpoint(), &name);
    docker(&["rm", container.trim()]);
    docker(&["rmi", &name]);

    other.image = IMAGE.into();
    let verification = before.verify(&lock.image("llm", other));
    let drift = verification.drifts.iter().find(|drift| drift.item == "services.llm.image").unwrap();
    assert_eq!(drift.effect, Effect::Results);
    let error = verification.error().unwrap().to_string();
    assert!(error.contains("item=services.llm.image locked=sha256:"), "{error}");
}
