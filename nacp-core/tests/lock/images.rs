//! What a daemon says of the images of an app.

use std::fs;

use nacp_core::host::Root;
use nacp_core::host::lock::{Lock, Pin, images};
use serde_json::json;

use crate::{app, at, survey};

const ENDPOINT: &str = "unix:///var/run/docker.sock";

#[test]
fn every_service_gets_what_the_daemon_says_of_its_image() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = folder.path().join("answers/daemons/1");
    fs::create_dir_all(&daemon).unwrap();
    fs::write(daemon.join("endpoint"), ENDPOINT).unwrap();
    let answers = json!({ "ollama/ollama:0.16.1": { "Id": "sha256:1", "RepoDigests": ["ollama/ollama@sha256:2"] } });
    fs::write(daemon.join("images.json"), answers.to_string()).unwrap();
    let root = Root::open(folder.path()).unwrap();

    let lock = Lock::of(&survey("bare-metal-docker"), at(0)).app(&app()).images(&root, ENDPOINT);
    assert_eq!(lock.services["llm"].digest, Pin::Known("ollama/ollama@sha256:2".into()));
    assert_eq!(lock.services["llm"].image_id, Pin::Known("sha256:1".into()));
    let missing = lock.services["embed"].digest.unknown().unwrap();
    assert!(missing.contains("No such image: example/embedder:2"), "{missing}");
    assert!(lock.completeness().to_string().contains("services.embed.digest"));
}

#[test]
fn a_daemon_that_is_not_there_leaves_the_digest_open() {
    let pin = images::ask(&Root::system(), "unix:///nonexistent/docker.sock", "busybox:1");
    assert_eq!(pin.digest, Pin::Unknown("no daemon is at that address".into()));
    let pin = images::ask(&Root::system(), "ssh://elsewhere", "busybox:1");
    assert!(pin.digest.unknown().unwrap().contains("ssh"), "{pin:?}");
}
