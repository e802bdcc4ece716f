//! What goes on inside a container.

use std::time::Duration;

use nacp_core::engine::{ContainerState, FileSpec, labels, verify};
use nacp_core::service::{RootAccess, SecretValue};
use nacp_core::{Bytes, ErrorKind};

use super::bench::{Bench, spec};
use crate::common::unique;

const SECRET: &str = "hush-4711";

pub(super) async fn a_program_run_inside_tells_its_code_and_both_streams(engine: &Bench) {
    let mut spec = spec("exec", "exec");
    spec.env.insert("COLOUR".to_owned(), "a = b".to_owned());
    let id = engine.started(&spec).await;
    let said = engine.tool(&id, &["say", "one", "two", "3"]).await;
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (3, "one\n", "two\n"));
    let env = engine.tool(&id, &["env"]).await;
    assert!(env.code == 0 && env.stdout.lines().any(|line| line == "COLOUR=a = b"), "{env:?}");
}

pub(super) async fn a_program_that_is_not_there_and_a_container_that_does_not_run_are_told_apart(engine: &Bench) {
    let id = engine.created(&spec("noprog", "noprog")).await;
    let exec = async |program: &str| engine.exec(&id, &[program.to_owned()], Duration::from_secs(20)).await;
    let error = exec("/sim-service").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    engine.start(&id).await.unwrap();
    assert_eq!(engine.comes_to(&id, ContainerState::Running).await, ContainerState::Running);
    for program in ["nacp-no-such-program", "/nacp/no/such/program"] {
        let error = exec(program).await.unwrap_err();
        assert_eq!((error.kind(), error.get("program")), (ErrorKind::NotFound, Some(program)), "{error}");
    }
}

pub(super) async fn a_program_that_takes_too_long_is_left(engine: &Bench) {
    let id = engine.started(&spec("slow", "slow")).await;
    let command = ["/sim-service", "sleep", "30"].map(str::to_owned);
    let error = engine.exec(&id, &command, Duration::from_secs(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.get("limit")), (ErrorKind::Timeout, Some("1s")), "{error}");
}

pub(super) async fn what_a_container_uses_is_told_while_it_runs(engine: &Bench) {
    let mut spec = spec("stats", "stats");
    spec.memory = Some(Bytes::mib(256));
    let id = engine.started(&spec).await;
    let stats = engine.stats(&id).await.unwrap();
    assert!(stats.memory.is_some_and(|memory| memory.0 > 0 && memory < Bytes::mib(256)), "{stats:?}");
    assert_eq!(stats.memory_limit, Some(Bytes::mib(256)));
    assert!(stats.cpu.is_some() && stats.pids.is_some_and(|pids| pids > 0), "{stats:?}");
    engine.stop(&id, Duration::from_secs(5)).await.unwrap();
    let error = engine.stats(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

pub(super) async fn a_hardened_container_writes_nowhere_but_where_it_may(engine: &Bench) {
    let spec = spec("hard", "hard");
    let id = engine.started(&spec).await;
    let got = engine.inspect(&id).await.unwrap();
    assert!(got.read_only && got.no_new_privileges && !got.privileged && !got.host_ipc, "{got:?}");
    assert_eq!(got.added_capabilities.len(), 0);
    let found = verify(&spec, &got);
    assert!(found.is_exact(), "{found:?}");
    let refused = engine.tool(&id, &["write", "/nacp", "x"]).await;
    assert!(refused.code == 1 && refused.stderr.to_lowercase().contains("read-only file system"), "{refused:?}");
    for place in ["/tmp/nacp", "/run/nacp", "/var/tmp/nacp"] {
        let written = engine.tool(&id, &["write", place, "x"]).await;
        assert_eq!(written.code, 0, "{place} {written:?}");
        assert_eq!(engine.tool(&id, &["read", place]).await.stdout, "x");
    }
    assert_eq!(engine.find(&id).await.unwrap().label(labels::ROOT), Some("read-only"));
}

pub(super) async fn what_is_opened_by_name_is_open_and_nothing_else_is(engine: &Bench) {
    let mut open = spec("open", "open");
    open.root = RootAccess::Writable;
    open.capabilities.insert("CHOWN".to_owned());
    open.new_privileges = true;
    open.user = Some("1000:1000".to_owned());
    let id = engine.started(&open).await;
    let got = engine.inspect(&id).await.unwrap();
    let found = verify(&open, &got);
    assert!(found.is_exact(), "{found:?}");
    assert!(!got.read_only && !got.no_new_privileges && got.user == "1000:1000", "{got:?}");
    let closed = verify(&spec("open", "open"), &got);
    assert!(closed.is_usable() && closed.weaker.iter().any(|it| it.contains("CHOWN")), "{closed:?}");
    let label = engine.find(&id).await.unwrap();
    assert_eq!(label.label(labels::ROOT), Some("writable, as asked for"));
}

pub(super) async fn a_secret_is_read_inside_and_stands_in_no_output(engine: &Bench) {
    for (number, user) in [None, Some("1000:1000".to_owned())].into_iter().enumerate() {
        let mut spec = spec(&format!("secret-{number}"), "secret");
        let file = |path: &str| FileSpec { path: path.to_owned(), content: SecretValue::new(SECRET) };
        spec.files = vec![file("/run/secrets/key"), file("/run/secrets/tls/key")];
        spec.user = user;
        let id = engine.started(&spec).await;
        for path in ["/run/secrets/key", "/run/secrets/tls/key"] {
            let read = engine.tool(&id, &["read", path]).await;
            assert_eq!((read.code, read.stdout.as_str()), (0, SECRET), "{read:?}");
        }
        let said = format!(
            "{:?} {:?} {:?} {:?} {spec:?}",
            engine.inspect(&id).await.unwrap(),
            engine.list(None).await.unwrap(),
            engine.logs(&id, 1000).await.unwrap(),
            engine.create(&spec).await.unwrap_err(),
        );
        assert!(said.contains("/run/secrets/key") && !said.contains(SECRET), "{said}");
    }
    // In a mount it would outlive the container.
    let mut refused = spec("secret-mount", "secret-mount");
    refused.mounts = vec![super::places::mount("/data", nacp_core::service::MountSource::Volume)];
    refused.files = vec![FileSpec { path: "/data/key".to_owned(), content: SecretValue::new(SECRET) }];
    let error = engine.try_create(&refused).await.unwrap_err();
    assert_eq!((error.kind(), error.get("path")), (ErrorKind::InvalidArgument, Some("/data/key")), "{error:?}");
    assert!(!format!("{error:?}").contains(SECRET));
    assert_eq!(engine.list(Some(&unique("secret-mount"))).await.unwrap(), []);
}

pub(super) async fn two_containers_find_each_other_by_their_aliases(engine: &Bench) {
    let network = engine.network("alias", "alias").await;
    let with = |name: &str, alias: &str| {
        let mut spec = spec(name, "alias");
        spec.networks.insert(network.clone());
        spec.alias = Some(alias.to_owned());
        spec.publish = None;
        spec
    };
    let (llm, embed) = (with("alias-a", "llm"), with("alias-b", "embed"));
    let ids = [engine.started(&llm).await, engine.started(&embed).await];
    for (id, other) in [(&ids[0], "embed"), (&ids[1], "llm")] {
        let url = format!("http://{other}:8000/healthz");
        let mut answer = engine.tool(id, &["get", &url]).await;
        for _ in 0..40 {
            if answer.code == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer = engine.tool(id, &["get", &url]).await;
        }
        assert!(answer.code == 0 && answer.stdout.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    let stranger = engine.started(&spec("alias-c", "alias")).await;
    assert_eq!(engine.tool(&stranger, &["get", "http://llm:8000/healthz"]).await.code, 1);
    let found = verify(&llm, &engine.inspect(&ids[0]).await.unwrap());
    assert!(found.is_exact(), "{found:?}");
}
