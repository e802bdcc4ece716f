//! Which of the neighbours D01, D02, D03 and D07 a machine and its containers show.

use super::*;
use crate::host::doctor::catalogue::bench;
use crate::host::{DaemonPlace, Seen};

/// The machine without the toolkit: its hook, its runtime, its specification.
fn without_toolkit() -> Survey {
    let mut survey = bench::machine();
    survey.toolkit.programs.clear();
    survey.toolkit.version = Seen::Absent;
    survey.cdi.specs.clear();
    let info = bench::info(&mut survey);
    info.runtimes = vec!["runc".into()];
    info.cdi_devices = Some(Vec::new());
    survey
}

fn trace(outcome: Outcome) -> Trace {
    match outcome {
        Outcome::Found(trace) => trace,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_daemon_without_the_hook_is_a_risk_until_somebody_asks() {
    let mut survey = without_toolkit();
    let risk = trace(d01(&survey));
    assert_eq!(risk.milder.map(|milder| milder.0), Some(Severity::Risk));
    survey.containers = vec![bench::asking("")];
    let asked = trace(d01(&survey));
    assert_eq!((asked.subject.as_deref(), asked.confidence), (Some("llm"), Confidence::Likely));
    survey.containers[0].error = "could not select device driver \"\" with capabilities: [[gpu]]".into();
    let refused = trace(d01(&survey));
    assert_eq!((refused.milder, refused.confidence), (None, Confidence::Certain));
    assert_eq!(refused.evidence.last().map(|last| last.source.as_str()), Some("error of container llm"));
    assert!(refused.evidence.len() > 2, "{refused:?}");
}

#[test]
fn a_container_that_was_started_with_a_gpu_shows_that_the_daemon_has_a_hook() {
    let mut survey = without_toolkit();
    survey.containers = vec![bench::asking("")];
    survey.containers[0].started = Some(1);
    assert_eq!(d01(&survey), Outcome::Clear);
    survey.containers[0].error = "could not select device driver \"\" with capabilities: [[gpu]]".into();
    assert_eq!(trace(d01(&survey)).subject.as_deref(), Some("llm"));
}

#[test]
fn a_toolkit_younger_than_the_daemon_is_not_known_to_it() {
    let mut survey = bench::machine();
    assert_eq!(d01(&survey), Outcome::Clear);
    survey.toolkit.younger_than_daemon = Some(true);
    assert!(trace(d01(&survey)).evidence[0].value.contains("after the daemon"));
    let lines: Vec<_> = install_and_restart(&survey).commands.into_iter().map(|command| command.line).collect();
    assert_eq!(lines[0], "sudo nvidia-ctk runtime configure --runtime=docker");
    assert_eq!(lines[1], "sudo systemctl restart docker");
}

#[test]
fn nobody_is_told_to_install_a_toolkit_without_a_gpu_or_on_a_machine_elsewhere() {
    let mut survey = without_toolkit();
    survey.nvml.gpus.clear();
    survey.devices.nodes.clear();
    survey.kernel.driver = Seen::Absent;
    survey.devices.pci = Seen::Found(Vec::new());
    assert_eq!(d01(&survey), Outcome::Clear);
    let mut survey = without_toolkit();
    survey.host.daemons[0].place = DaemonPlace::Remote;
    assert_eq!(d01(&survey), Outcome::Clear);
    assert_eq!(d01(&bench::inside(without_toolkit())), Outcome::Clear);
    assert_eq!(d01(&bench::podman("5.4.2")), Outcome::Clear);
}

#[test]
fn without_an_answer_of_any_daemon_it_cannot_be_told() {
    let mut survey = without_toolkit();
    survey.host.daemons[0].answer = Seen::Unreadable("permission denied".into());
    assert!(matches!(d01(&survey), Outcome::Unknown(why) if why.contains("permission denied")));
    assert_eq!(d01(&bench::bare()), Outcome::Clear);
}

#[test]
fn from_docker_29_3_on_the_same_lack_has_other_words() {
    let mut survey = without_toolkit();
    survey.containers = vec![bench::asking("")];
    assert_eq!(d07(&survey), Outcome::Clear);
    bench::info(&mut survey).version = "29.3.0".into();
    assert_eq!(d01(&survey), Outcome::Clear);
    assert_eq!(trace(d07(&survey)).subject.as_deref(), Some("llm"));
    survey.containers.clear();
    assert_eq!(trace(d07(&survey)).milder.map(|milder| milder.0), Some(Severity::Risk));
    bench::info(&mut survey).cdi_devices = Some(vec!["nvidia.com/gpu=all".into()]);
    assert_eq!(d07(&survey), Outcome::Clear);
}

#[test]
fn a_daemon_that_started_one_so_is_not_said_to_refuse_another() {
    let mut survey = without_toolkit();
    bench::info(&mut survey).version = "29.3.0".into();
    survey.containers = vec![bench::asking("")];
    let asked = trace(d07(&survey));
    assert_eq!((asked.milder, asked.confidence), (None, Confidence::Likely));
    // The old hook gives the GPU where no specification does.
    survey.toolkit.programs = vec!["/usr/bin/nvidia-container-runtime-hook".into()];
    assert_eq!(trace(d07(&survey)).milder.map(|milder| milder.0), Some(Severity::Risk));
    survey.containers[0].started = Some(1);
    assert_eq!(d07(&survey), Outcome::Clear);

    let mut survey = bench::machine();
    bench::info(&mut survey).cdi_spec_dirs = Some(Vec::new());
    survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=0"])];
    survey.containers[0].started = Some(1);
    assert_eq!(d03(&survey), Outcome::Clear);
}

#[test]
fn an_error_that_the_machine_no_longer_shows_is_a_note() {
    let past = |outcome: Outcome| {
        let found = trace(outcome);
        (found.past, found.milder.map(|milder| milder.0))
    };
    let refused = |error: &str| ContainerFacts { error: error.into(), ..bench::asking("") };
    let mut survey = bench::machine();
    survey.containers = vec![refused("could not select device driver \"cdi\" with capabilities: []")];
    assert_eq!(past(d03(&survey)), (true, Some(Severity::Note)));
    bench::info(&mut survey).cdi_spec_dirs = None;
    assert_eq!(past(d03(&survey)), (false, None), "it is not known");

    survey.containers = vec![refused("no known GPU vendor found")];
    assert_eq!(past(d07(&survey)), (false, None));
    bench::info(&mut survey).version = "29.3.0".into();
    assert_eq!(past(d07(&survey)), (true, Some(Severity::Note)));

    let mut survey = bench::machine();
    survey.containers =
        vec![refused("could not select device driver \"\" with capabilities: [[gpu]]"), bench::asking("")];
    (survey.containers[0].created, survey.containers[1].started) = (Some(2), Some(1));
    assert_eq!(past(d01(&survey)), (false, None), "another worked before");
    survey.containers[1].started = Some(3);
    assert_eq!(past(d01(&survey)), (true, Some(Severity::Note)), "another worked since");
}

#[test]
fn nothing_is_clear_of_containers_that_nobody_saw() {
    let mut survey = bench::machine();
    for rule in [d01, d02, d03, d07] {
        assert_eq!(rule(&survey), Outcome::Clear);
    }
    survey.gaps = vec![crate::host::survey::Gap::of(format!("containers of {}", bench::SOCKET), "it refuses")];
    for rule in [d01, d02, d03, d07] {
        assert!(matches!(rule(&survey), Outcome::Unknown(why) if why.contains("it refuses")));
    }
    survey.gaps.clear();
    survey.host.daemons[0].answer = Seen::Unreadable("no permission".into());
    for rule in [d02, d03, d07] {
        assert!(matches!(rule(&survey), Outcome::Unknown(why) if why.contains("no permission")));
    }
}

#[test]
fn a_desktop_without_driver_and_toolkit_is_no_trouble_and_its_driver_comes_first() {
    let mut survey = without_toolkit();
    survey.nvml.gpus.clear();
    survey.nvml.driver = Seen::Absent;
    survey.cuda.devices.clear();
    survey.devices.nodes.clear();
    survey.kernel.driver = Seen::Absent;
    survey.libraries.nvml.clear();
    assert_eq!(trace(d01(&survey)).milder.map(|milder| milder.0), Some(Severity::Note));
    let lines: Vec<_> = install_and_restart(&survey).commands.into_iter().map(|command| command.line).collect();
    assert_eq!(lines[0], "sudo ubuntu-drivers install");
    assert!(lines.iter().any(|line| line.contains("install -y nvidia-container-toolkit")), "{lines:?}");
    survey.containers = vec![bench::asking("")];
    assert_eq!(trace(d01(&survey)).milder, None, "somebody wants it");
}

#[test]
fn no_command_is_given_for_a_container_that_nobody_knows_how_to_make() {
    let mut survey = bench::machine();
    survey.containers = vec![bench::asking("gpu")];
    assert!(d02_remedy(&survey).commands.is_empty());
    (survey.containers[0].project, survey.containers[0].service) = (Some("stack".into()), Some("llm".into()));
    assert!(d02_remedy(&survey).commands[0].line.starts_with("docker compose -p stack up"));
}

#[test]
fn a_name_that_is_no_device_driver_is_found_before_the_container_starts() {
    let mut survey = bench::machine();
    for (driver, version, known) in [
        ("", "26.1.5", true),
        ("nvidia", "26.1.5", true),
        ("cdi", "26.1.5", true),
        ("nvidia.com/gpu", "26.1.5", false),
        ("gpu", "29.7.2", false),
        ("nvidia.cdi", "29.1.0", false),
        ("nvidia.cdi", "29.2.0", true),
    ] {
        bench::info(&mut survey).version = version.into();
        survey.containers = vec![bench::asking(driver)];
        assert_eq!(d02(&survey) == Outcome::Clear, known, "{driver} on {version}");
    }
    // Podman drops what it does not know, and says nothing.
    let mut podman = bench::podman("5.4.2");
    podman.containers = vec![bench::asking("gpu")];
    assert_eq!(d02(&podman), Outcome::Clear);
}

#[test]
fn the_right_name_that_is_refused_wants_the_toolkit() {
    let mut survey = without_toolkit();
    survey.containers = vec![bench::asking("nvidia")];
    assert!(d02_remedy(&survey).summary.starts_with("write"));
    survey.containers[0].error = "could not select device driver \"nvidia\" with capabilities: [[gpu]]".into();
    assert_eq!(trace(d02(&survey)).subject.as_deref(), Some("llm"));
    assert!(d02_remedy(&survey).summary.starts_with("install"), "{:?}", d02_remedy(&survey));
}

#[test]
fn cdi_is_missed_only_by_a_container_that_asks_for_it() {
    let mut survey = bench::machine();
    bench::info(&mut survey).cdi_spec_dirs = Some(Vec::new());
    assert_eq!(d03(&survey), Outcome::Clear);
    survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=0"])];
    assert!(trace(d03(&survey)).evidence[0].value.contains("CDI is off"));
    assert!(d03_remedy(&survey).commands[0].line.ends_with("--cdi.enabled"));
    let info = bench::info(&mut survey);
    (info.api, info.version, info.cdi_spec_dirs) = (Some("1.41".into()), "20.10.24".into(), None);
    assert!(trace(d03(&survey)).evidence[0].value.contains("1.41"));
    assert!(d03_remedy(&survey).summary.starts_with("upgrade Docker"));
    let info = bench::info(&mut survey);
    (info.api, info.cdi_spec_dirs) = (Some("1.45".into()), Some(vec!["/etc/cdi".into()]));
    assert_eq!(d03(&survey), Outcome::Clear);
}

#[test]
fn docker_desktop_gets_no_command_of_linux() {
    let mut survey = without_toolkit();
    survey.host.daemons[0].place = DaemonPlace::DesktopWsl2;
    for remedy in [install_and_restart(&survey), d07_remedy(&survey), d03_remedy(&survey)] {
        assert!(remedy.commands.iter().all(|command| command.place == "windows"), "{remedy:?}");
    }
    survey.host.daemons[0].place = DaemonPlace::DesktopLinux;
    assert_eq!(install_and_restart(&survey).commands[0].line, "docker context use default");
}
