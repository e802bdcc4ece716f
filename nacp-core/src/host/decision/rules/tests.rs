//! Each rule by a table, its limits among them.

use super::*;
use crate::cuda::CheckId;
use crate::cuda::check::{Report, Status};
use crate::cuda::efficiency::{AT_MAX_CLOCK, AT_OBSERVED_CLOCK};
use crate::gpu::kernel_log::{KernelEvent, What};
use crate::host::decision::tests::{device, engine, linux, observed, report, wsl2};
use crate::host::decision::{ImageRun, ImageRuns, Pins, Profile, RunOutcome, Way};
use crate::host::survey::{DeviceNode, NvmlGpu};
use crate::host::{DaemonPlace, RuntimeOption, Seen};

const HERE: Side = Side { option: RuntimeOption::NativeLinux, process: true, containers: true };
const PROCESS: Side = Side { containers: false, ..HERE };
const CONTAINERS: Side = Side { process: false, ..HERE };

fn score(criterion: Criterion, observed: &Observed, side: Side) -> f64 {
    measure(criterion, observed, side).unwrap().score
}

#[track_caller]
fn near(got: f64, want: f64) {
    assert!((got - want).abs() < 2e-6, "{got} is not {want}");
}

/// A machine with a Hopper or an Ada device and these figures.
fn with(compute: &str, figures: &[(CheckId, &str, f64)]) -> Observed {
    let mut observed = observed(linux());
    observed.report = Some(report(&device("NVIDIA L4", compute), figures));
    observed
}

fn native(figures: &[(CheckId, &str, f64)]) -> Profile {
    let mut profile = Profile::of(&report(&device("NVIDIA L4", "8.9"), figures));
    profile.option = Some(RuntimeOption::NativeLinux);
    profile
}

#[test]
fn throughput_is_the_ratio_to_native_linux_up_to_its_pass_mark() {
    for (here, native_value, want) in
        [(0.95e12, 1e12, 1.0), (1.2e12, 1e12, 1.0), (0.475e12, 1e12, 0.5), (1.0, 1e12, 1.0 / 0.95e12)]
    {
        let mut observed = with("8.9", &[(CheckId::ThrFma, "fma_flops", here)]);
        observed.reference = Some(native(&[(CheckId::ThrFma, "fma_flops", native_value)]));
        near(score(Criterion::Throughput, &observed, HERE), want);
    }
}

#[test]
fn throughput_without_a_reference_is_the_ratio_to_the_peak_up_to_the_check_s_pass_mark() {
    let fma = |name, ratio| with("8.9", &[(CheckId::ThrFma, "fma_flops", 1e12), (CheckId::ThrFma, name, ratio)]);
    near(score(Criterion::Throughput, &fma(AT_MAX_CLOCK, 0.75), HERE), 1.0);
    near(score(Criterion::Throughput, &fma(AT_OBSERVED_CLOCK, 0.375), HERE), 0.5);
    near(score(Criterion::Throughput, &fma(AT_MAX_CLOCK, 3.0), HERE), 1.0);
    let copy = with("8.9", &[(CheckId::BwD2d, "copy_engine", 1e11), (CheckId::BwD2d, AT_MAX_CLOCK, 0.35)]);
    near(score(Criterion::Throughput, &copy, HERE), 0.5);
    let said = measure(Criterion::Throughput, &copy, HERE).unwrap().missing.join("\n");
    assert!(said.contains("no reference of native Linux was given; compared with the computed peak"), "{said}");
}

#[test]
fn throughput_of_tensor_units_is_not_judged_where_no_program_of_nacp_can_reach_the_peak() {
    let figures = [(CheckId::ThrMma, "mma_sync_flops", 5e14), (CheckId::ThrMma, AT_MAX_CLOCK, 0.5)];
    assert!(measure(Criterion::Throughput, &with("9.0", &figures), HERE).is_err());
    near(score(Criterion::Throughput, &with("8.9", &figures), HERE), 0.5 / 0.75);
}

#[test]
fn throughput_says_why_it_was_not_measured() {
    let reason = |observed: &Observed, side| measure(Criterion::Throughput, observed, side).unwrap_err();
    assert_eq!(reason(&observed(linux()), HERE), "no check of CUDA was made");
    assert!(reason(&observed(linux()), CONTAINERS).contains("not of this option"));
    let mut quick = with("8.9", &[(CheckId::CtxCreate, "create", 0.1)]);
    let report: &mut Report = quick.report.as_mut().unwrap();
    report.level = crate::cuda::Level::Quick;
    assert!(reason(&quick, HERE).contains("thr.fma was not run at level quick; ask for standard"));
}

#[test]
fn a_failed_check_of_throughput_scores_nothing() {
    let mut observed = with("8.9", &[(CheckId::ThrFma, "fma_flops", 1e12), (CheckId::ThrFma, AT_MAX_CLOCK, 0.9)]);
    observed.report.as_mut().unwrap().checks[0].status = Status::Fail { reason: "lane 3 differs".into() };
    near(score(Criterion::Throughput, &observed, HERE), 0.0);
}

#[test]
fn a_reference_that_is_not_of_native_linux_or_is_simulated_is_not_used() {
    let figures = [(CheckId::ThrFma, "fma_flops", 1e12), (CheckId::ThrFma, AT_MAX_CLOCK, 0.75)];
    let half = native(&[(CheckId::ThrFma, "fma_flops", 2e12)]);
    let wsl2 = Profile { option: Some(RuntimeOption::BProcess), ..half.clone() };
    let simulated = Profile { simulated: true, ..half };
    for (profile, word) in [(wsl2, "it was measured on B: WSL2 process"), (simulated, "one of the two is simulated")] {
        let mut observed = with("8.9", &figures);
        observed.reference = Some(profile);
        let measured = measure(Criterion::Throughput, &observed, HERE).unwrap();
        near(measured.score, 1.0);
        assert!(measured.missing.join(" ").contains(word), "{:?}", measured.missing);
    }
}

#[test]
fn overhead_is_held_against_the_marks_of_the_checks() {
    for (figures, want) in [
        (vec![(CheckId::LatLaunch, "host_cost", 20e-6)], 1.0),
        (vec![(CheckId::LatLaunch, "host_cost", 40e-6)], 0.5),
        (vec![(CheckId::LatLaunch, "host_cost", 1e-9)], 1.0),
        (vec![(CheckId::CtxCreate, "create", 3.0)], 0.5),
        (vec![(CheckId::BwH2d, "pinned", 1e9), (CheckId::BwH2d, "ratio_to_link", 0.375)], 0.5),
        (vec![(CheckId::BwD2h, "pinned", 1e9), (CheckId::BwD2h, "ratio_to_link", 0.75)], 1.0),
        (vec![(CheckId::LatLaunch, "host_cost", 40e-6), (CheckId::CtxCreate, "create", 1.5)], 0.75),
    ] {
        near(score(Criterion::Overhead, &with("8.9", &figures), HERE), want);
    }
}

#[test]
fn overhead_with_a_reference_is_native_time_by_time_here() {
    let mut observed = with("8.9", &[(CheckId::LatLaunch, "host_cost", 8e-6), (CheckId::BwH2d, "pinned", 9e9)]);
    observed.reference = Some(native(&[(CheckId::LatLaunch, "host_cost", 4e-6), (CheckId::BwH2d, "pinned", 12e9)]));
    near(score(Criterion::Overhead, &observed, HERE), (0.5 + 0.75) / 2.0);
}

#[test]
fn overhead_counts_the_memory_that_is_kept_back() {
    let mut observed = with("8.9", &[(CheckId::CtxCreate, "create", 1.0)]);
    let gpu = NvmlGpu { id: super::super::tests::device("", "8.9").id.to_string(), ..NvmlGpu::default() };
    observed.survey.nvml.gpus = vec![NvmlGpu { memory_total: Some(8 << 30), ..gpu.clone() }];
    near(score(Criterion::Overhead, &observed, HERE), (1.0 + 0.5) / 2.0);
    observed.survey.nvml.gpus = vec![NvmlGpu { memory_total: Some(0), ..gpu }];
    near(score(Criterion::Overhead, &observed, HERE), 1.0);
}

#[test]
fn parity_of_wsl2_lacks_what_only_the_kernel_s_own_driver_has() {
    let mut survey = wsl2();
    survey.devices.nodes = vec![serde_json::from_str::<DeviceNode>(r#"{"path": "/dev/dxg"}"#).unwrap()];
    let there = measure(Criterion::Parity, &observed(survey), PROCESS).unwrap();
    let lacks = there.lacks.join("\n");
    for word in ["/dev/nvidia0", "/dev/nvidia-uvm"] {
        assert!(lacks.contains(word), "{word}: {lacks}");
    }
    let missing = there.missing.join("\n");
    for word in
        ["kept apart: each can be given alone: not through", "can be changed: not through", "at once: not through"]
    {
        assert!(missing.contains(word) && !lacks.contains(word), "what a guide says is not measured: {missing}");
    }
    assert_eq!(there.extra, ["/dev/dxg"]);
    assert!(there.score < 0.1, "{}", there.score);
}

#[test]
fn parity_takes_the_modes_and_the_apartness_of_gpus_from_what_answered() {
    let mut survey = wsl2();
    let answer = |survey: &crate::host::Survey, what: &str| {
        let measured = measure(Criterion::Parity, &observed(survey.clone()), PROCESS).unwrap();
        measured.figures.iter().find(|figure| figure.name.starts_with(what)).and_then(|figure| figure.score)
    };
    assert_eq!(answer(&survey, "modes of a GPU are told"), None);
    let gpu = NvmlGpu { compute_mode: Some("default".into()), ..NvmlGpu::default() };
    survey.nvml.gpus = vec![gpu.clone()];
    assert_eq!(answer(&survey, "modes of a GPU are told"), Some(1.0));
    survey.nvml.gpus =
        vec![NvmlGpu { compute_mode: None, silent: vec!["nvmlDeviceGetComputeMode".into()], ..gpu.clone() }];
    assert_eq!(answer(&survey, "modes of a GPU are told"), Some(0.0));
    assert_eq!(answer(&survey, "modes of a GPU can be changed"), None);
    let cdi = |names: &[&str]| {
        let devices: Vec<_> = names.iter().map(|name| serde_json::json!({ "name": name })).collect();
        let kind = serde_json::json!({ "found": "nvidia.com/gpu" });
        let spec = serde_json::json!({ "path": "/etc/cdi/nvidia.yaml", "kind": kind, "devices": devices });
        serde_json::from_value(serde_json::json!({ "specs": [spec] })).unwrap()
    };
    for (names, want) in [(&["all"][..], Some(0.0)), (&["0", "all"], Some(1.0)), (&[], None)] {
        survey.cdi = cdi(names);
        assert_eq!(answer(&survey, "GPUs kept apart"), want, "{names:?}");
    }
}

#[test]
fn the_share_of_a_criterion_that_was_measured_is_told() {
    let share = |criterion, observed: &Observed, side| measure(criterion, observed, side).unwrap().share;
    let mut observed = observed(linux());
    let all = observed.diagnosis.examined.len();
    let answer = |observed: &mut Observed, outcome: &str, count: usize| {
        for examined in observed.diagnosis.examined.iter_mut().take(count) {
            examined.outcome = outcome.into();
        }
    };
    answer(&mut observed, "clear", all);
    // Windows and findings of six parts.
    near(share(Criterion::Stability, &observed, PROCESS), 2.0 / 6.0);
    answer(&mut observed, "unknown", all / 2);
    let half = share(Criterion::Stability, &observed, PROCESS);
    assert!(half < 2.0 / 6.0 && half > 1.0 / 6.0, "{half}");
    answer(&mut observed, "unknown", all);
    let measured = measure(Criterion::Stability, &observed, PROCESS).unwrap();
    near(measured.share, 1.0 / 6.0);
    let figure = measured.figures.iter().find(|figure| figure.name == "findings of the doctor").unwrap();
    assert_eq!(figure.score, None, "nothing was looked at, so that finding nothing says nothing");
    let said = format!("{all} of {all} entries could not be looked at");
    assert!(measured.missing.iter().any(|it| it.ends_with(&said)), "{:?}", measured.missing);
    let fma = with("8.9", &[(CheckId::ThrFma, "fma_flops", 1e12), (CheckId::ThrFma, AT_MAX_CLOCK, 0.75)]);
    near(share(Criterion::Throughput, &fma, HERE), 1.0 / 3.0);
    let decision = crate::host::decision::decide(&observed);
    let column = decision.column(RuntimeOption::NativeLinux).unwrap();
    let parts = Criterion::ALL
        .map(|it| decision.cell(RuntimeOption::NativeLinux, it).unwrap().measured().map_or(0.0, |it| it.share));
    near(column.measured, parts.iter().sum::<f64>() / 7.0);
    let text = decision.to_string();
    assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains("long-term stability 16 %"), "{text}");
    assert!(text.lines().any(|it| it.starts_with("long-term stability") && it.contains("1.00†")), "{text}");
    assert!(decision.html().contains("Part of the criterion that was measured: 16 %"));
}

#[test]
fn notes_of_the_doctor_do_not_lower_stability_and_risks_do() {
    let finding = |severity: &str| {
        serde_json::from_value::<crate::host::Finding>(serde_json::json!({
            "id": "D49", "severity": severity, "title": "t", "symptom": "s", "subject": "old", "evidence": [],
            "confidence": "certain", "cause": "c", "remedy": { "summary": "", "commands": [] }, "links": []
        }))
        .unwrap()
    };
    for (severity, want) in [("note", 1.0), ("risk", 0.5), ("broken", 0.0)] {
        let mut observed = observed(linux());
        observed.diagnosis.examined.iter_mut().for_each(|examined| examined.outcome = "clear".into());
        observed.diagnosis.findings = vec![finding(severity)];
        let measured = measure(Criterion::Stability, &observed, HERE).unwrap();
        let figure = measured.figures.iter().find(|figure| figure.name == "findings of the doctor").unwrap();
        near(figure.score.unwrap(), want);
    }
}

#[test]
fn recovery_is_read_and_what_was_not_read_is_no_answer() {
    let mut survey = linux();
    let answers = |survey: &crate::host::Survey| {
        let measured = measure(Criterion::Stability, &observed(survey.clone()), HERE).unwrap();
        let figures = measured.figures.into_iter().filter(|figure| figure.name.starts_with("recovery: "));
        figures.map(|figure| (figure.name, figure.value)).collect::<std::collections::BTreeMap<_, _>>()
    };
    assert!(answers(&survey).is_empty(), "{:?}", answers(&survey));
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let Seen::Found(info) = &mut survey.host.daemons[0].answer else { panic!() };
    info.live_restore = Some(true);
    survey.units = [("docker.service", "active"), ("nvidia-persistenced.service", "active")]
        .map(|(unit, state)| (unit.to_owned(), state.to_owned()))
        .into();
    survey.devices.char_links = Seen::Found(true);
    survey.toolkit.refresh_unit = Seen::Found("active".into());
    let container = |policy: &str| crate::host::survey::ContainerFacts {
        name: "llm".into(),
        state: "running".into(),
        restart: Some(policy.into()),
        ..Default::default()
    };
    survey.containers = vec![container("always")];
    let all = answers(&survey);
    assert_eq!((all.len(), all.values().sum::<f64>()), (6, 6.0), "{all:?}");
    survey.containers.push(container("no"));
    let Seen::Found(info) = &mut survey.host.daemons[0].answer else { panic!() };
    info.live_restore = Some(false);
    survey.units = [("docker.service".to_owned(), "failed".to_owned())].into();
    survey.nvml.gpus = vec![NvmlGpu { persistence: Some(false), ..NvmlGpu::default() }];
    survey.devices.char_links = Seen::Found(false);
    survey.toolkit.refresh_unit = Seen::Absent;
    let none = answers(&survey);
    assert_eq!((none.len(), none.values().sum::<f64>()), (6, 0.0), "{none:?}");
}

#[test]
fn parity_of_native_linux_is_whole_where_everything_is_there() {
    let mut survey = linux();
    let node = |path: &str| serde_json::from_value::<DeviceNode>(serde_json::json!({ "path": path })).unwrap();
    survey.devices.nodes = ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl"].map(node).into();
    survey.kernel.driver = Seen::Found("580.95.05".into());
    survey.kernel.cgroup_version = Some(2);
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let whole = measure(Criterion::Parity, &observed(survey.clone()), HERE).unwrap();
    assert!(whole.lacks.iter().all(|it| it.starts_with("lib")), "{:?}", whole.lacks);
    let with_engine = whole.score;
    let process = measure(Criterion::Parity, &observed(survey), PROCESS).unwrap();
    assert!(process.score < with_engine && process.lacks.iter().any(|it| it.contains("a process without an engine")));
}

#[test]
fn parity_without_a_gpu_is_not_measured_but_explained() {
    let mut survey = linux();
    survey.host.gpu.kind = crate::host::GpuPathKind::None;
    let why = measure(Criterion::Parity, &observed(survey), PROCESS).unwrap_err();
    assert!(why.contains("no GPU is here, so that nothing can be compared"), "{why}");
}

#[test]
fn portability_counts_the_ways_that_are_offered_of_those_that_could_be() {
    let mut survey = linux();
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let measured = measure(Criterion::Portability, &observed(survey.clone()), HERE).unwrap();
    near(measured.score, 2.0 / 3.0);
    assert_eq!(measured.lacks, ["docker --gpus: no hook of the toolkit is on the search path"]);
    assert_eq!(measured.missing, ["one image on each way: no image was named to be run"]);
    survey.toolkit.programs = vec!["/usr/bin/nvidia-container-runtime-hook".into()];
    near(score(Criterion::Portability, &observed(survey.clone()), HERE), 1.0);
    survey.toolkit.younger_than_daemon = Some(true);
    near(score(Criterion::Portability, &observed(survey.clone()), HERE), 2.0 / 3.0);
    let Seen::Found(info) = &mut survey.host.daemons[0].answer else { panic!() };
    (info.runtimes, info.cdi_spec_dirs) = (vec![], Some(vec![]));
    near(score(Criterion::Portability, &observed(survey), HERE), 0.0);
}

#[test]
fn podman_offers_cdi_only_from_the_release_on_that_keeps_requests() {
    let mut survey = linux();
    let mut daemon = engine(DaemonPlace::ThisKernel);
    survey.cdi = serde_json::from_value(serde_json::json!({
        "specs": [{ "path": "/etc/cdi/nvidia.json", "kind": { "found": "nvidia.com/gpu" }, "devices": [{ "name": "all" }] }]
    }))
    .unwrap();
    for (version, want) in [("4.9.3", 0.0), ("5.3.2", 0.0), ("5.4.0", 1.0), ("6.0.0-dev", 1.0), ("odd", 0.0)] {
        let Seen::Found(info) = &mut daemon.answer else { panic!() };
        (info.podman, info.version) = (true, version.into());
        survey.host.daemons = vec![daemon.clone()];
        near(score(Criterion::Portability, &observed(survey.clone()), HERE), want);
    }
}

#[test]
fn portability_counts_the_ways_on_which_one_digest_ran() {
    let mut survey = linux();
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    survey.toolkit.programs = vec!["/usr/bin/nvidia-container-runtime-hook".into()];
    let mut observed = observed(survey);
    let ran = |way, digest: &str, outcome| ImageRun { digest: Some(digest.into()), ..ImageRun::new(way, outcome) };
    let refused = RunOutcome::Refused { message: "no".into() };
    observed.image = Some(ImageRuns::new(
        "a:1",
        vec![
            ran(Way::DockerCdi, "sha256:1", RunOutcome::Running),
            ran(Way::DockerRuntime, "sha256:1", refused),
            ImageRun::new(Way::PodmanCdi, RunOutcome::NotTried { reason: "no".into() }),
        ],
    ));
    near(score(Criterion::Portability, &observed, HERE), (1.0 + 0.5 + 1.0) / 3.0);
    observed.image.as_mut().unwrap().runs[1].digest = Some("sha256:2".into());
    near(score(Criterion::Portability, &observed, HERE), (1.0 + 0.5 + 0.0) / 3.0);
}

#[test]
fn devops_fails_what_is_behind_a_screen() {
    let mut survey = wsl2();
    survey.host.daemons = vec![engine(DaemonPlace::DesktopWsl2)];
    let desktop = measure(Criterion::Devops, &observed(survey.clone()), CONTAINERS).unwrap();
    near(desktop.score, 0.0);
    assert!(desktop.lacks.join("\n").contains("a desktop program with a licence owns the daemon"));
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    survey.toolkit.refresh_unit = Seen::Found("active".into());
    survey.toolkit.programs = vec!["/usr/bin/nvidia-ctk".into()];
    survey.toolkit.daemon_json = Seen::Absent;
    let engine = measure(Criterion::Devops, &observed(survey.clone()), CONTAINERS).unwrap();
    near(engine.score, 5.0 / 6.0);
    assert_eq!(engine.lacks.len(), 1, "only rootless: {:?}", engine.lacks);
    survey.toolkit.refresh_unit = Seen::Found("failed".into());
    near(score(Criterion::Devops, &observed(survey), CONTAINERS), 4.0 / 6.0);
}

#[test]
fn stability_counts_the_days_that_the_driver_s_branch_has_left() {
    for (driver, want) in [("580.95.05", 1.0), ("535.247.01", 0.0), ("595.71.05", 127.0 / 365.0), ("610.43.02", 0.0)] {
        let mut survey = linux();
        survey.kernel.driver = Seen::Found(driver.into());
        let measured = measure(Criterion::Stability, &observed(survey), HERE).unwrap();
        let days = measured.figures.iter().find(|figure| figure.name == "days of driver support").unwrap();
        near(days.score.unwrap(), want);
    }
    let mut survey = linux();
    survey.kernel.driver = Seen::Found("550.54.14".into());
    let missing = measure(Criterion::Stability, &observed(survey), HERE).unwrap().missing.join("\n");
    assert!(missing.contains("no list names the end of branch R550"), "{missing}");
}

#[test]
fn stability_knows_a_driver_of_windows_by_the_cuda_version_that_it_serves() {
    let mut survey = wsl2();
    survey.nvml.driver = Seen::Found("581.29".into());
    survey.nvml.cuda = Some("13.0".into());
    let measured = measure(Criterion::Stability, &observed(survey), PROCESS).unwrap();
    assert!(measured.figures[0].rule.contains("branch R580"), "{}", measured.figures[0].rule);
    near(measured.figures[1].score.unwrap(), 0.0);
}

#[test]
fn stability_is_lowered_by_a_grave_xid_and_not_by_a_program_s_own() {
    let event = |code| {
        let what = What::Xid {
            pci: "0000:01:00.0".into(),
            gpu_instance: None,
            compute_instance: None,
            code,
            pid: None,
            process: None,
            detail: String::new(),
        };
        KernelEvent { sequence: None, since_boot: None, injected: false, message: String::new(), what }
    };
    let mut survey = linux();
    survey.kernel.log = Seen::Found(vec![]);
    let grave = |survey: &crate::host::Survey| {
        let measured = measure(Criterion::Stability, &observed(survey.clone()), HERE).unwrap();
        measured.figures.iter().find(|it| it.name.starts_with("grave")).unwrap().score.unwrap()
    };
    near(grave(&survey), 1.0);
    survey.kernel.events = vec![event(13)];
    near(grave(&survey), 1.0);
    survey.kernel.events = vec![event(13), event(79)];
    near(grave(&survey), 0.0);
}

#[test]
fn reproducibility_is_what_is_pinned_and_what_is_certified() {
    for (pins, want) in [
        (Pins { pinned: 2, total: 4, lock_complete: 1.0 }, 0.75),
        (Pins { pinned: 9, total: 4, lock_complete: 2.0 }, 1.0),
        (Pins { pinned: 0, total: 0, lock_complete: 0.5 }, 0.5),
    ] {
        let mut observed = observed(linux());
        observed.pins = Some(pins);
        near(score(Criterion::Reproducibility, &observed, HERE), want);
    }
    let mut nothing = observed(linux());
    nothing.pins = Some(Pins { pinned: 0, total: 0, lock_complete: f64::NAN });
    let why = measure(Criterion::Reproducibility, &nothing, HERE).unwrap_err();
    assert!(why.contains("it is no number") && why.contains("no device was certified"), "{why}");
    let now = measure(Criterion::Reproducibility, &observed(linux()), HERE).unwrap();
    assert!(now.figures[0].rule.contains("could hold now"), "{:?}", now.figures);
    let process = measure(Criterion::Reproducibility, &observed(linux()), PROCESS).unwrap();
    near(process.score, now.score / 2.0);
}

#[test]
fn an_option_on_which_the_machine_does_not_stand_is_not_measured() {
    let side = Side { process: false, containers: false, option: RuntimeOption::AProcess };
    for criterion in Criterion::ALL {
        assert_eq!(measure(criterion, &observed(wsl2()), side).unwrap_err(), "this machine does not stand on it");
    }
}
