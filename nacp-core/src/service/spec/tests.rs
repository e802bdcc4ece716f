use super::*;
use crate::service::{Check, GpuMemory, RootAccess};

/// A service with every field that makes up a container.
fn full() -> Service {
    Service::new("image:1").model("m").port(80)
}

#[test]
fn the_hash_changes_with_the_container_and_with_nothing_else() {
    let service = full();
    // Pinned: a hash that changes with NACP's version would restart every service at an upgrade.
    assert_eq!(service.hash(), "v1:b047a22013e9efe8fb3fbfd764e6aad451fd50e8b8f8206c5e23ec14548cb406");
    for same in [
        service.clone().replicas(3),
        service.clone().priority(9),
        service.clone().depends_on("other"),
        service.clone().waits_for("other", Condition::Completed),
        service.clone().strategy(Strategy::BlueGreen),
        service.clone().restart(Restart::Never),
        service.clone().idle(TEN_SECONDS),
        service.clone().stop_grace(Duration::from_secs(1)),
        service.clone().pull(Pull::Always),
        service.clone().live(Probe::tcp()),
    ] {
        assert_eq!(service.hash(), same.hash(), "{same:?}");
    }
    for other in [
        service.clone().env("A", "1"),
        service.clone().port(81),
        service.clone().ready(Probe::http("/")),
        service.clone().gpu(GpuNeed::memory(Bytes::gib(1))),
        service.clone().gpu(GpuNeed::memory(GpuMemory::Auto)),
        service.clone().command(["--x"]),
        service.clone().entrypoint(["/x"]),
        service.clone().working_dir("/x"),
        service.clone().api(Api::Ollama),
        service.clone().volume("v", "/v"),
        service.clone().determinism(Determinism::Strict),
        service.clone().secret("s", Secret::file("./s")),
        service.clone().secret("s", Secret::env("S")),
        service.clone().publish(Publish::default().port(80)),
        service.clone().network("back"),
        service.clone().shm(Bytes::gib(1)),
        service.clone().ulimit("nofile", Ulimit::both(9)),
        service.clone().resources(Resources::new().cpus(0.5)),
        service.clone().security(Security::strict().root(RootAccess::Writable)),
        service.clone().stop_signal("SIGINT"),
        service.clone().label("a", "b"),
        service.clone().platform("linux/amd64"),
        Service { image: "image:2".into(), ..service.clone() },
    ] {
        assert_ne!(service.hash(), other.hash(), "{other:?}");
    }
}

#[test]
fn a_probe_is_written_as_it_was_when_it_could_only_ask_over_http() {
    let json = serde_json::to_string(&Probe::http("/x")).unwrap();
    assert_eq!(json, r#"{"http":"/x","within":"1m"}"#);
    let again: Probe = serde_json::from_str(&json).unwrap();
    assert_eq!((again.check, again.failures), (Check::Http("/x".into()), 3));
}

#[test]
fn what_is_stored_in_a_label_has_no_values_of_the_environment() {
    let service = Service::new("image").env("TOKEN", "hunter2").ready(Probe::http("/x"));
    let stored = service.secret("key", Secret::file("./key")).stored().to_string();
    assert!(stored.contains("TOKEN") && !stored.contains("hunter2"), "{stored}");
    assert!(stored.contains("/x") && stored.contains("./key"));
}
