//! What is recommended, and why.

use super::super::{Criterion, Decision, Reach, Value, Weights, decide};
use super::{device, engine, linux, observed, report, wsl2};
use crate::cuda::CheckId;
use crate::cuda::efficiency::AT_MAX_CLOCK;
use crate::host::{DaemonPlace, RuntimeOption};

fn recommended(decision: &Decision) -> RuntimeOption {
    decision.recommendation.as_ref().unwrap().option
}

#[test]
fn equal_weights_choose_what_the_document_chose_wherever_on_windows_one_stands() {
    let mut docker = wsl2();
    docker.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let mut desktop = wsl2();
    desktop.host.daemons = vec![engine(DaemonPlace::DesktopWsl2)];
    for survey in [wsl2(), docker, desktop] {
        let decision = decide(&observed(survey));
        assert_eq!(recommended(&decision), RuntimeOption::BContainer, "{decision}");
        assert_eq!(decision.cells.len(), 49);
    }
}

#[test]
fn the_document_s_choice_is_decided_by_who_owns_the_stack_and_not_by_the_way_to_the_gpu() {
    let mut survey = wsl2();
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let decision = decide(&observed(survey));
    let recommendation = decision.recommendation.as_ref().unwrap();
    assert_eq!(recommendation.runner_up, Some(RuntimeOption::AContainer), "{decision}");
    let decides = [
        "DevOps alignment, for it",
        "long-term stability, for it",
        "production parity, for it",
        "container portability, for it",
        "reproducibility, for it",
        "raw GPU throughput and CUDA overhead decide nothing",
    ];
    assert_eq!(recommendation.reasons.len(), decides.len(), "{:#?}", recommendation.reasons);
    for (reason, begin) in recommendation.reasons.iter().zip(decides) {
        assert!(reason.starts_with(begin), "{begin}: {reason}");
    }
}

#[test]
fn the_lead_in_the_headline_is_the_difference_of_two_numbers_in_the_table() {
    let mut survey = wsl2();
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let decision = decide(&observed(survey));
    let compared = |option| decision.column(option).unwrap().compared;
    assert_eq!(compared(RuntimeOption::BContainer), Some(0.75));
    assert_eq!(compared(RuntimeOption::AContainer), Some(0.5));
    assert_eq!(compared(RuntimeOption::NativeLinux), None, "no candidate here");
    for text in [decision.to_string(), decision.markdown(), decision.html()] {
        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let lead = "by 0.25 on the document's ratings, since no criterion is measured for each of them";
        let escaped = lead.replace('\'', "&#39;");
        assert!(one_line.contains(lead) || one_line.contains(&escaped), "{text}");
        assert!(text.contains("compared"), "{text}");
    }
    let text = decision.to_string();
    let row = text.lines().find(|line| line.starts_with("compared ")).unwrap();
    let numbers: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(numbers, ["compared", "0.32", "0.50", "0.46", "0.75", "?", "?", "?"]);
}

#[test]
fn a_measurement_that_is_passed_over_is_told_and_what_is_lacked_has_its_own_heading() {
    let mut survey = wsl2();
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let decision = decide(&observed(survey));
    let recommendation = decision.recommendation.as_ref().unwrap();
    let parity = recommendation.reasons.iter().find(|reason| reason.starts_with("production parity")).unwrap();
    let score = decision.cell(RuntimeOption::BContainer, Criterion::Parity).unwrap().score().unwrap();
    let passed_over = format!("measured here {score:.2}, not compared since the other was not measured");
    assert!(parity.contains(&passed_over), "{parity}");
    assert!(recommendation.lacks.iter().any(|it| it.starts_with("/dev/nvidia-uvm")), "{:?}", recommendation.lacks);
    assert!(
        decision.to_string().contains("\nWhat this machine lacks against native Linux\n  - /dev/nvidiactl"),
        "{decision}"
    );
}

#[test]
fn native_linux_stays_where_it_is() {
    let mut survey = linux();
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let decision = decide(&observed(survey));
    let recommendation = decision.recommendation.as_ref().unwrap();
    assert_eq!((recommendation.option, recommendation.runner_up), (RuntimeOption::NativeLinux, None));
    assert!(recommendation.reasons[0].contains("no other option can be had"), "{:?}", recommendation.reasons);
    assert!(matches!(decision.column(RuntimeOption::BContainer).unwrap().reach, Reach::Elsewhere { .. }));
    assert_eq!(decision.column(RuntimeOption::BContainer).unwrap().rank, None);
}

#[test]
fn what_is_measured_on_one_way_holds_for_all_that_share_it_and_for_no_other() {
    let mut observed = observed(wsl2());
    let figures = [(CheckId::ThrFma, "fma_flops", 1e12), (CheckId::ThrFma, AT_MAX_CLOCK, 0.3)];
    observed.report = Some(report(&device("NVIDIA L4", "8.9"), &figures));
    let decision = decide(&observed);
    let cell = |option| decision.cell(option, Criterion::Throughput).unwrap();
    for option in [RuntimeOption::AContainer, RuntimeOption::BContainer] {
        let measured = cell(option).measured().unwrap();
        assert_eq!((measured.from, measured.score), (Some(RuntimeOption::BProcess), 0.4));
        assert!(cell(option).rated.is_some(), "the document's word stays beside it");
    }
    assert_eq!(cell(RuntimeOption::BProcess).measured().unwrap().from, None);
    assert!(matches!(cell(RuntimeOption::AProcess).value, Value::Rated(_)));
    let parity = decision.cell(RuntimeOption::AContainer, Criterion::Parity).unwrap();
    assert!(matches!(parity.value, Value::Rated(_)));
}

#[test]
fn a_bad_measurement_of_one_option_is_not_held_against_the_hope_for_another() {
    let mut survey = wsl2();
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    let mut observed = observed(survey);
    let figures = [(CheckId::ThrFma, "fma_flops", 1.0), (CheckId::ThrFma, AT_MAX_CLOCK, 0.001)];
    observed.report = Some(report(&device("NVIDIA L4", "8.9"), &figures));
    let decision = decide(&observed);
    let recommendation = decision.recommendation.as_ref().unwrap();
    assert_eq!(recommendation.option, RuntimeOption::BContainer);
    let raises = recommendation.raises.join("\n");
    assert!(raises.contains("raw GPU throughput measures 0.00"), "{raises}");
    assert!(recommendation.first.is_empty(), "nothing is broken: {:?}", recommendation.first);
    let row = recommendation.compared.iter().find(|row| row.criterion == Criterion::Throughput).unwrap();
    assert!(!row.measured, "a Windows process was not measured, so ratings are compared");
}

#[test]
fn the_weight_that_would_change_it_does_and_just_before_it_does_not() {
    let observed = observed(wsl2());
    let decision = decide(&observed);
    let recommendation = decision.recommendation.clone().unwrap();
    assert!(!recommendation.flips.is_empty());
    for flip in &recommendation.flips {
        let with = |weight: f64| {
            let mut observed = observed.clone();
            observed.weights = Weights::default().with(flip.criterion.name(), weight).unwrap();
            recommended(&decide(&observed))
        };
        let (over, before) = if flip.beyond > flip.from { (1.01, 0.99) } else { (0.99, 1.01) };
        assert_eq!(with(flip.beyond * over), flip.option, "{flip}");
        assert_eq!(with(flip.beyond * before), recommendation.option, "{flip}");
    }
    let overhead = recommendation.flips.iter().find(|flip| flip.criterion == Criterion::Overhead).unwrap();
    assert_eq!(overhead.option, RuntimeOption::AProcess);
    assert!(overhead.beyond > 1.0, "{overhead}");
}

#[test]
fn weights_on_what_is_known_of_no_candidate_leave_one_where_one_is() {
    let mut survey = linux();
    survey.kubernetes.node = true;
    survey.host.layers[0].kind = crate::host::LayerKind::Pod;
    let decision = decide(&observed(survey));
    let recommendation = decision.recommendation.as_ref().unwrap();
    assert_eq!(recommendation.option, RuntimeOption::KubernetesNode);
    assert_eq!(recommendation.runner_up, Some(RuntimeOption::NativeLinux));
    let reasons = recommendation.reasons.join("\n");
    assert!(reasons.contains("moving has a price"), "{reasons}");
    let alike = "alike by production parity; the other 6 of 7 criteria are not known of each of them";
    assert!(reasons.contains(alike), "{reasons}");
}

#[test]
fn what_is_simulated_says_so_in_cell_decision_and_every_form() {
    let mut observed = observed(wsl2());
    let figures = [(CheckId::ThrFma, "fma_flops", 1e12), (CheckId::ThrFma, AT_MAX_CLOCK, 0.3)];
    let mut simulated = report(&device("NVIDIA L4", "8.9"), &figures);
    simulated.simulated = true;
    observed.report = Some(simulated);
    let decision = decide(&observed);
    assert!(decision.simulated);
    assert!(decision.cell(RuntimeOption::BContainer, Criterion::Throughput).unwrap().is_simulated());
    for text in [decision.to_string(), decision.markdown(), decision.html(), decision.to_json()] {
        assert!(text.contains("imulated"), "{text}");
    }
    assert!(decision.to_string().contains("0.40 sim"));
    assert!(decision.profile.as_ref().unwrap().simulated);
}

#[test]
fn means_are_over_what_is_known_and_say_how_much_that_is() {
    let decision = decide(&observed(wsl2()));
    let column = decision.column(RuntimeOption::CloudVm).unwrap();
    assert_eq!((column.score, column.known, column.measured), (Some(1.0), 0.142857, 0.0));
    for (text, mean) in [(decision.markdown(), "? (1.00 of 14 %)"), (decision.html(), "? (1.00 of 14 %)")] {
        assert!(text.contains(mean), "{text}");
    }
    let text = decision.to_string();
    let row = text.lines().find(|line| line.starts_with("mean of what is known")).unwrap();
    assert!(row.ends_with("?          ?          ?") && !row.contains("1.00"), "{row}");
    let a = decision.column(RuntimeOption::AProcess).unwrap();
    assert!((a.score.unwrap() - 2.25 / 7.0).abs() < 1e-6 && a.known == 1.0, "{a:?}");
}

#[test]
fn a_decision_is_the_same_after_json_and_its_profile_is_a_reference() {
    let mut observed = observed(linux());
    let figures = [(CheckId::ThrFma, "fma_flops", 1e12), (CheckId::ThrFma, AT_MAX_CLOCK, 0.3)];
    observed.report = Some(report(&device("NVIDIA L4", "8.9"), &figures));
    let decision = decide(&observed);
    assert_eq!(serde_json::from_str::<Decision>(&decision.to_json()).unwrap(), decision);
    let json = serde_json::to_string(&observed).unwrap();
    assert_eq!(decide(&serde_json::from_str(&json).unwrap()), decision);
    let profile = super::super::Profile::from_json(&decision.to_json()).unwrap();
    assert_eq!(profile.option, Some(RuntimeOption::NativeLinux));
    assert_eq!(profile.figure("NVIDIA L4", "thr.fma fma_flops"), Some(1e12));
    let report = serde_json::to_string(observed.report.as_ref().unwrap()).unwrap();
    assert_eq!(super::super::Profile::from_json(&report).unwrap().devices, profile.devices);
    for text in ["", "{}", "[]", "null", r#"{"simulated": false, "devices": {}}"#] {
        assert!(super::super::Profile::from_json(text).is_err(), "{text}");
    }
    let later = decide(&super::observed(linux()));
    let difference = later.compare(&decision);
    assert!(difference.to_string().contains("native Linux, raw GPU throughput: unknown, before measured 0.40"));
    assert_eq!(decision.compare(&decision).to_string(), "no difference\n");
}
