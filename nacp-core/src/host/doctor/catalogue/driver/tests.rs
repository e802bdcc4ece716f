//! Drivers that are not loaded, of two versions, without libraries, without CUDA's node.

use super::*;
use crate::host::doctor::catalogue::bench;
use crate::host::survey::{CudaDeviceFacts, CudaFailure, NvmlFailure};

fn trace(outcome: Outcome) -> Trace {
    match outcome {
        Outcome::Found(trace) => trace,
        other => panic!("{other:?}"),
    }
}

fn mild(outcome: Outcome) -> Option<Severity> {
    trace(outcome).milder.map(|(severity, _)| severity)
}

fn first(remedy: &Remedy) -> &str {
    &remedy.commands[0].line
}

/// A driver whose library does not answer.
fn silent(mut survey: Survey, code: Option<i32>) -> Survey {
    let message = "the driver did not answer".to_owned();
    survey.nvml.driver = Seen::Unreadable(message.clone());
    survey.nvml.gpus.clear();
    survey.nvml.failure = Some(NvmlFailure { code, signal: None, message });
    survey
}

#[test]
fn a_module_and_a_library_of_two_versions_are_told_by_nvml_or_by_their_files() {
    assert_eq!(d09(&bench::machine()), Outcome::Clear);
    let mut survey = silent(bench::machine(), Some(MISMATCH));
    assert_eq!(trace(d09(&survey)).confidence, Confidence::Certain);
    survey.nvml.failure = None;
    assert_eq!(d09(&survey), Outcome::Clear, "the files agree");
    survey.kernel.driver = Seen::Found("575.57.08".into());
    let by_files = trace(d09(&survey));
    assert_eq!(by_files.confidence, Confidence::Likely);
    assert_eq!(by_files.evidence.len(), 2);
    survey.nvml.driver = Seen::Found(bench::DRIVER.into());
    assert_eq!(d09(&survey), Outcome::Clear, "a library that answers fits");
    assert!(matches!(d09(&bench::wsl2()), Outcome::NotHere(_)));
    assert_eq!(d09(&bench::bare()), Outcome::Clear);
}

#[test]
fn a_library_beside_an_unread_module_is_an_open_question() {
    let mut survey = silent(bench::machine(), None);
    survey.kernel.driver = Seen::NotAsked;
    assert!(matches!(d09(&survey), Outcome::Unknown(_)));
    survey.libraries.nvml.clear();
    assert_eq!(d09(&survey), Outcome::Clear);
}

#[test]
fn a_gpu_without_the_drivers_library_is_broken_where_somebody_wants_it() {
    let mut survey = bench::bare();
    assert_eq!(d10(&survey), Outcome::Clear);
    survey.devices.pci = Seen::Found(vec!["0000:01:00.0".into()]);
    assert_eq!(mild(d10(&survey)), Some(Severity::Note));
    survey.containers = vec![bench::asking("")];
    assert_eq!(mild(d10(&survey)), None);
    assert_eq!(first(&d10_remedy(&survey)), "sudo ubuntu-drivers install");
    assert_eq!(d10(&bench::inside(survey.clone())), Outcome::Clear);
    survey.libraries.cached = None;
    assert_eq!(d10(&survey), Outcome::Clear, "nobody looked");
}

#[test]
fn a_library_that_the_loader_does_not_know_wants_ldconfig() {
    let mut survey = bench::machine();
    assert_eq!(d10(&survey), Outcome::Clear);
    survey.libraries.cached = Some(false);
    assert_eq!(trace(d10(&survey)).evidence[0].source, "/etc/ld.so.cache");
    assert_eq!(first(&d10_remedy(&survey)), "sudo ldconfig");
    let mut wsl = bench::wsl2();
    wsl.libraries.cached = Some(false);
    assert_eq!(d10(&wsl), Outcome::Clear);
    assert_eq!(d10_remedy(&wsl).commands[0].place, "windows");
}

#[test]
fn cuda_that_fails_with_999_is_the_nodes_fault_and_the_node_alone_a_risk() {
    let mut survey = bench::machine();
    assert_eq!(d22(&survey), Outcome::Clear);
    let failure = |code| Some(CudaFailure { call: "cuInit".into(), code: Some(code), message: "unknown".into() });
    survey.cuda.failure = failure(999);
    assert_eq!(trace(d22(&survey)).confidence, Confidence::Likely);
    survey.devices.nodes.retain(|node| !node.path.contains("uvm"));
    let certain = trace(d22(&survey));
    assert_eq!((certain.confidence, certain.milder), (Confidence::Certain, None));
    survey.cuda.failure = None;
    assert_eq!(d22(&survey), Outcome::Clear, "nobody asks for it yet");
    survey.containers = vec![bench::asking("")];
    assert_eq!(mild(d22(&survey)), Some(Severity::Risk));
    survey.cuda.devices = vec![CudaDeviceFacts::default()];
    assert_eq!(d22(&survey), Outcome::Clear, "CUDA works");
    survey.cuda.devices.clear();
    survey.cuda.failure = failure(802);
    assert_eq!(trace(d22(&survey)).confidence, Confidence::Likely);
    assert!(matches!(d22(&bench::wsl2()), Outcome::NotHere(_)));
    assert_eq!(d22(&bench::bare()), Outcome::Clear);
}

/// The machine whose module is not loaded.
fn unloaded() -> Survey {
    let mut survey = silent(bench::machine(), Some(NOT_LOADED));
    survey.kernel.modules = Seen::Found(Vec::new());
    survey.kernel.driver = Seen::Absent;
    survey.devices.nodes.clear();
    survey
}

#[test]
fn a_module_that_is_not_loaded_is_told_with_its_reason_and_mended_by_it() {
    assert_eq!(d32(&bench::machine()), Outcome::Clear);
    let mut survey = unloaded();
    assert_eq!(trace(d32(&survey)).evidence[0].source, "NVML nvmlInit");
    assert_eq!(first(&d32_remedy(&survey)), "sudo modprobe nvidia");
    survey.kernel.module_built = Seen::Found(false);
    assert_eq!(first(&d32_remedy(&survey)), "sudo apt-get install -y linux-headers-$(uname -r)");
    survey.kernel.module_built = Seen::Found(true);
    survey.kernel.modules = Seen::Found(vec!["nouveau".into()]);
    assert!(trace(d32(&survey)).evidence.iter().any(|evidence| evidence.value == "nouveau"));
    assert!(first(&d32_remedy(&survey)).contains("blacklist nouveau"));
    survey.kernel.log = Seen::Found(vec!["modprobe: nvidia: Key was rejected by service".into()]);
    assert!(first(&d32_remedy(&survey)).contains("mokutil --import"));
    survey.nvml.failure = None;
    assert_eq!(trace(d32(&survey)).evidence[0].source, "/proc/modules");
}

#[test]
fn a_machine_without_the_card_or_without_the_driver_has_nothing_to_load() {
    let mut survey = unloaded();
    survey.nvml.failure = None;
    survey.devices.pci = Seen::Found(Vec::new());
    assert_eq!(d32(&survey), Outcome::Clear, "a driver's package on a machine without a GPU");
    let mut survey = bench::bare();
    survey.devices.pci = Seen::Found(vec!["0000:01:00.0".into()]);
    survey.kernel.modules = Seen::Found(vec!["nouveau".into()]);
    assert_eq!(d32(&survey), Outcome::Clear, "a desktop with the free driver");
    let mut survey = unloaded();
    survey.nvml.failure = None;
    survey.kernel.modules = Seen::Unreadable("permission denied".into());
    assert!(matches!(d32(&survey), Outcome::Unknown(_)));
    assert!(matches!(d32(&bench::wsl2()), Outcome::NotHere(_)));
}

#[test]
fn from_inside_a_container_the_machine_is_mended_outside() {
    let survey = bench::inside(unloaded());
    for remedy in [d09_remedy(&survey), d32_remedy(&survey), d22_remedy(&survey)] {
        assert!(remedy.commands.iter().all(|command| command.place == "host"), "{remedy:?}");
    }
}
