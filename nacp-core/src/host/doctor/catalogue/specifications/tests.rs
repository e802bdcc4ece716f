//! Names that resolve and names that do not, specifications that are stale, and generators that fail.

use super::*;
use crate::host::CommandOutcome;
use crate::host::doctor::catalogue::bench;
use crate::host::survey::NvmlFailure;

fn trace(outcome: Outcome) -> Trace {
    match outcome {
        Outcome::Found(trace) => trace,
        other => panic!("{other:?}"),
    }
}

fn lines(remedy: &Remedy) -> Vec<&str> {
    remedy.commands.iter().map(|command| command.line.as_str()).collect()
}

#[test]
fn a_name_resolves_where_the_daemon_has_it() {
    let mut survey = bench::machine();
    for (ids, missing) in [
        (&["nvidia.com/gpu=0"][..], None),
        (&["nvidia.com/gpu=all", "nvidia.com/gpu=0"], None),
        (&["nvidia.com/gpu=0", "nvidia.com/gpu=7"], Some("nvidia.com/gpu=7")),
        (&["0"], Some("0")),
        (&["vendor.com/device=x"], Some("vendor.com/device=x")),
    ] {
        survey.containers = vec![bench::asking_cdi(ids)];
        let outcome = d04(&survey);
        assert_eq!(matches!(outcome, Outcome::Found(_)), missing.is_some(), "{ids:?} {outcome:?}");
        if let Some(missing) = missing {
            assert_eq!(trace(outcome).evidence[0].value, missing);
        }
    }
}

#[test]
fn a_daemon_that_does_not_list_its_devices_is_judged_by_the_files_it_shares() {
    let mut survey = bench::machine();
    bench::info(&mut survey).cdi_devices = None;
    survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=1", "vendor.com/device=x"])];
    assert_eq!(trace(d04(&survey)).evidence[0].value, "nvidia.com/gpu=1");
    assert!(matches!(d04(&bench::inside(survey.clone())), Outcome::Unknown(_)));
    survey.containers[0].error = "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=1".into();
    assert_eq!(trace(d04(&bench::inside(survey))).subject.as_deref(), Some("llm"));
}

#[test]
fn with_cdi_off_nothing_is_looked_up() {
    let mut survey = bench::machine();
    bench::info(&mut survey).cdi_spec_dirs = Some(Vec::new());
    survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=9"])];
    assert_eq!(d04(&survey), Outcome::Clear);
}

#[test]
fn a_uuid_on_wsl2_is_sent_to_the_one_device_that_is_there() {
    let mut survey = bench::wsl2();
    survey.containers = vec![bench::asking_cdi(&[&format!("nvidia.com/gpu={}", bench::GPU)])];
    assert_eq!(trace(d04(&survey)).evidence[1].value, "nvidia.com/gpu=all");
    assert!(d04_remedy(&survey).summary.contains("nvidia.com/gpu=all"));
}

#[test]
fn a_specification_that_only_root_reads_is_opened() {
    let mut survey = bench::machine();
    survey.cdi.specs[0].mode = Some(0o600);
    bench::info(&mut survey).cdi_devices = Some(Vec::new());
    survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=0"])];
    assert!(trace(d04(&survey)).evidence.iter().any(|evidence| evidence.value.contains("mode 600")));
    assert_eq!(lines(&d04_remedy(&survey))[0], "sudo chmod 644 /var/run/cdi/nvidia.yaml");
}

#[test]
fn a_specification_is_stale_by_its_files_or_by_its_driver() {
    let mut survey = bench::machine();
    assert_eq!(d05(&survey), Outcome::Clear);
    survey.cdi.specs[0].missing = vec!["/dev/dri/renderD129".into()];
    assert!(trace(d05(&survey)).evidence[0].value.contains("renderD129"));
    survey.cdi.specs[0].missing.clear();
    survey.cdi.specs[0].versions = vec!["575.57.08".into()];
    let old = trace(d05(&survey));
    assert_eq!(
        (old.evidence[0].value.as_str(), old.evidence[1].value.as_str()),
        ("for driver 575.57.08", bench::DRIVER)
    );
    assert_eq!(lines(&d05_remedy(&survey))[0], "sudo systemctl restart nvidia-cdi-refresh.service");
    survey.cdi.specs[0].kind = Seen::Found("vendor.com/device".into());
    assert_eq!(d05(&survey), Outcome::Clear);
}

#[test]
fn an_old_module_under_a_new_library_does_not_make_the_specification_stale() {
    let mut survey = bench::machine();
    survey.kernel.driver = Seen::Found("575.57.08".into());
    assert_eq!(d05(&survey), Outcome::Clear);
}

#[test]
fn without_the_installed_driver_it_cannot_be_told() {
    let mut survey = bench::machine();
    survey.kernel.driver = Seen::NotAsked;
    survey.libraries.nvml.clear();
    assert!(matches!(d05(&survey), Outcome::Unknown(_)));
    survey.cdi.specs.clear();
    assert_eq!(d05(&survey), Outcome::Clear);
}

#[test]
fn each_stale_specification_is_written_in_its_own_place() {
    let mut survey = bench::machine();
    let mut other = survey.cdi.specs[0].clone();
    other.path = "/etc/cdi/nvidia.yaml".into();
    other.missing = vec!["/dev/nvidia3".into()];
    survey.cdi.specs.push(other);
    let remedy = d05_remedy(&survey);
    assert_eq!(lines(&remedy)[0], "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml");
}

#[test]
fn a_generator_that_fails_counts_where_there_is_a_gpu_to_describe() {
    let mut survey = bench::machine();
    assert_eq!(d06(&survey), Outcome::Clear);
    let output = "failed to generate CDI spec: invalid device, empty device edits".into();
    survey.toolkit.cdi_generate = Seen::Found(CommandOutcome { code: Some(1), signal: None, output });
    assert!(trace(d06(&survey)).evidence[0].value.starts_with("exit 1: failed"));
    survey.nvml.failure = Some(NvmlFailure::default());
    assert!(matches!(d06(&survey), Outcome::Unknown(_)));
    let mut bare = bench::bare();
    bare.toolkit.cdi_generate = survey.toolkit.cdi_generate.clone();
    assert_eq!(d06(&bare), Outcome::Clear);
    bare.devices.pci = Seen::NotAsked;
    assert!(matches!(d06(&bare), Outcome::Unknown(_)));
}

#[test]
fn a_unit_that_failed_and_a_pod_that_complains_count_too() {
    let mut survey = bench::machine();
    survey.toolkit.refresh_unit = Seen::Found("failed".into());
    assert_eq!(trace(d06(&survey)).evidence[0].source, "nvidia-cdi-refresh.service");
    let mut node = bench::bare();
    node.kubernetes.node = true;
    node.kubernetes.messages = vec!["error generating: invalid device, empty device edits".into()];
    assert_eq!(trace(d06(&node)).evidence[0].source, "message of a pod");
    assert!(lines(&d06_remedy(&node)).contains(&"sudo systemctl restart containerd"));
}

#[test]
fn a_long_list_is_cut() {
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(some(&names), "0 1 2 3 4 5 6 7 and 2 more");
}

#[test]
fn a_name_that_resolves_by_now_makes_its_error_one_of_before() {
    let mut survey = bench::machine();
    survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=0"])];
    survey.containers[0].error = "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=0".into();
    assert!(trace(d04(&survey)).past);
    survey.containers[0] = crate::host::survey::ContainerFacts {
        error: survey.containers[0].error.clone(),
        ..bench::asking_cdi(&["nvidia.com/gpu=7"])
    };
    assert!(!trace(d04(&survey)).past);
}

#[test]
fn a_specification_that_is_in_order_by_now_makes_its_error_one_of_before() {
    let mut survey = bench::machine();
    survey.containers = vec![bench::asking_cdi(&["nvidia.com/gpu=0"])];
    survey.containers[0].error = "failed to stat CDI host device \"/dev/dri/renderD129\": no such file".into();
    assert!(trace(d05(&survey)).past);
    survey.cdi.specs[0].missing = vec!["/dev/dri/renderD129".into()];
    assert!(!trace(d05(&survey)).past);
}

#[test]
fn a_specification_s_name_is_one_word_of_the_command() {
    let mut survey = bench::machine();
    survey.cdi.specs[0].mode = Some(0o600);
    survey.cdi.specs[0].path = "/etc/cdi/a;reboot.yaml".into();
    assert_eq!(lines(&d04_remedy(&survey))[0], "sudo chmod 644 '/etc/cdi/a;reboot.yaml'");
    survey.cdi.specs[0].path = "/etc/cdi/a\nreboot.yaml".into();
    assert_eq!(lines(&d04_remedy(&survey)), ["nvidia-ctk cdi list"]);
}
