//! What daemons refuse and what Podman drops.

use super::*;
use crate::host::doctor::catalogue::bench;
use crate::host::{DaemonPlace, Seen};

fn trace(outcome: Outcome) -> Trace {
    match outcome {
        Outcome::Found(trace) => trace,
        other => panic!("{other:?}"),
    }
}

fn mild(outcome: Outcome) -> Option<Severity> {
    trace(outcome).milder.map(|(severity, _)| severity)
}

#[test]
fn a_runtime_is_missing_where_a_container_names_it_or_the_configuration_is_newer() {
    let mut survey = bench::machine();
    survey.containers = vec![ContainerFacts { runtime: Some("nvidia".into()), ..bench::container("llm") }];
    assert_eq!(d33(&survey), Outcome::Clear);
    bench::info(&mut survey).runtimes = vec!["runc".into()];
    assert_eq!(trace(d33(&survey)).subject.as_deref(), Some("llm"));
    survey.containers.clear();
    assert_eq!(d33(&survey), Outcome::Clear);
    survey.toolkit.daemon_json =
        Seen::Found(r#"{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}"#.into());
    assert_eq!(mild(d33(&survey)), Some(Severity::Risk));
    for other in [r#"{"runtimes": {"kata": {}}}"#, "{", r#"["nvidia"]"#] {
        survey.toolkit.daemon_json = Seen::Found(other.into());
        assert_eq!(d33(&survey), Outcome::Clear, "{other}");
    }
}

#[test]
fn a_client_is_refused_outside_of_what_the_daemon_speaks() {
    let mut survey = bench::machine();
    assert_eq!(d42(&survey), Outcome::Clear);
    for (wanted, refused) in [("1.51", false), ("1.24", false), ("1.9", true), ("1.52", true), ("latest", false)] {
        survey.environment.insert("DOCKER_API_VERSION".into(), wanted.into());
        assert_eq!(d42(&survey) != Outcome::Clear, refused, "{wanted}");
    }
    survey.environment.clear();
    bench::info(&mut survey).min_api = Some("1.44".into());
    assert_eq!(mild(d42(&survey)), Some(Severity::Note));
    bench::info(&mut survey).min_api = Some("1.40".into());
    assert_eq!(d42(&survey), Outcome::Clear);
    let why = "client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade";
    survey.host.daemons[0].answer = Seen::Unreadable(why.into());
    assert_eq!(trace(d42(&survey)).evidence[0].value, why);
    survey.host.daemons[0].answer = Seen::Unreadable("connection refused".into());
    assert_eq!(d42(&survey), Outcome::Clear);
}

#[test]
fn podman_drops_what_is_no_cdi_request_and_before_5_4_those_too() {
    for (driver, version, dropped) in [
        ("cdi", "5.4.0", false),
        ("cdi", "5.10.1", false),
        ("cdi", "4.9.3", true),
        ("", "5.8.2", true),
        ("nvidia", "5.8.2", true),
    ] {
        let mut survey = bench::podman(version);
        survey.containers = vec![bench::asking(driver)];
        let outcome = d43(&survey);
        assert_eq!(matches!(outcome, Outcome::Found(_)), dropped, "{driver} {version} {outcome:?}");
        if dropped {
            survey.containers[0].inside = Some(vec!["/dev/nvidia0".into()]);
            assert_eq!(d43(&survey), Outcome::Clear, "it has its GPU whatever was asked");
        }
    }
}

#[test]
fn a_container_of_podman_without_a_request_is_only_worth_knowing() {
    let mut survey = bench::podman("5.8.2");
    survey.containers = vec![bench::container("cuda")];
    assert_eq!(d43(&survey), Outcome::Clear);
    survey.containers[0].inside = Some(Vec::new());
    assert_eq!(mild(d43(&survey)), Some(Severity::Note));
    survey.containers[0].runtime = Some("nvidia".into());
    assert_eq!(mild(d43(&survey)), None);
    assert!(matches!(d43(&bench::machine()), Outcome::NotHere(_)));
    assert_eq!(d43(&bench::bare()), Outcome::Clear);
}

#[test]
fn a_daemon_that_does_not_answer_may_be_podman() {
    let mut survey = bench::machine();
    let mut silent = survey.host.daemons[0].clone();
    silent.answer = crate::host::Seen::Unreadable("it does not answer within 3000 ms".into());
    survey.host.daemons.push(silent);
    assert!(matches!(d43(&survey), Outcome::Unknown(_)), "{:?}", d43(&survey));
}

#[test]
fn a_limit_is_too_high_for_a_rootless_daemon() {
    let mut survey = bench::machine();
    let mut container = bench::asking("");
    container.ulimits.insert("memlock".into(), -1);
    survey.containers = vec![container];
    assert_eq!(d48(&survey), Outcome::Clear);
    bench::info(&mut survey).security = vec!["name=rootless".into()];
    assert_eq!(trace(d48(&survey)).confidence, Confidence::Likely);
    assert_eq!(d48_remedy(&survey).commands[0].line, "systemctl --user show docker --property=LimitMEMLOCK");
    survey.containers[0].ulimits.insert("memlock".into(), 65536);
    assert_eq!(d48(&survey), Outcome::Clear);
    survey.containers[0].error = "runc create failed: error setting rlimit type 8: operation not permitted".into();
    assert_eq!(trace(d48(&survey)).confidence, Confidence::Certain);
}

#[test]
fn each_remedy_fits_the_daemon() {
    let mut survey = bench::machine();
    assert_eq!(d33_remedy(&survey).commands[0].line, "sudo nvidia-ctk runtime configure --runtime=docker");
    survey.host.daemons[0].place = DaemonPlace::DesktopWsl2;
    assert!(d33_remedy(&survey).summary.contains("Docker Desktop"));
    assert!(d33_remedy(&bench::podman("5.8.2")).summary.starts_with("Podman"));
    assert!(d43_remedy(&bench::podman("4.9.3")).summary.contains("5.4"));
    assert!(!d43_remedy(&bench::podman("5.8.2")).summary.contains("5.4"));
    survey.environment.insert("DOCKER_API_VERSION".into(), "1.24".into());
    assert_eq!(d42_remedy(&survey).commands[0].line, "unset DOCKER_API_VERSION");
}

#[test]
fn a_runtime_that_is_there_by_now_makes_its_error_one_of_before() {
    let mut survey = bench::machine();
    let error = "unknown or invalid runtime name: nvidia".into();
    survey.containers = vec![ContainerFacts { error, ..bench::container("llm") }];
    assert!(trace(d33(&survey)).past);
    survey.toolkit.programs.clear();
    assert!(!trace(d33(&survey)).past, "its program is not there");
}

#[test]
fn limits_and_runtimes_of_containers_that_nobody_saw_are_not_clear() {
    let mut survey = bench::machine();
    survey.gaps = vec![crate::host::survey::Gap::of(format!("containers of {}", bench::SOCKET), "it refuses")];
    for rule in [d33, d48] {
        assert!(matches!(rule(&survey), Outcome::Unknown(why) if why.contains("it refuses")));
    }
}
