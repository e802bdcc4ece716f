//! What is made of conditions: verdicts, advice, and what is not known.

use super::*;
use crate::clock::ManualClock;
use crate::error::ErrorKind;
use crate::gpu::health::Cordon;
use crate::gpu::{MigDevice, Node};

use ConditionKind as K;

#[test]
fn the_worst_condition_of_a_gpu_is_its_verdict_and_the_advice_says_what_must_be_done() {
    let (mut ill, mut hot) = (well(1), well(2));
    ill.sample.rows = Reading::Known(Rows { failed: true, pending: true, ..Default::default() });
    ill.sample.recovery = Reading::Known(RecoveryAction::DrainAndReset);
    hot.sample.temperature = Reading::Known(99);
    let partition: GpuId = "MIG-00000003-0000-4000-8000-000000000000".parse().unwrap();
    let mut fine = well(3);
    fine.gpu.mig.devices = Reading::Known(vec![MigDevice::new(partition.clone(), 0)]);
    let facts = Facts { pci_gpus: Reading::Known(3), ..facts() };
    let health = assess(&Thresholds::default(), &snapshot(0, vec![ill, hot, fine]), &facts);
    let verdicts: Vec<_> = [id(1), id(2), id(3), partition].iter().map(|id| health.verdict(id).unwrap()).collect();
    assert_eq!(verdicts, [Verdict::Drain, Verdict::Watch, Verdict::Healthy, Verdict::Healthy]);
    assert_eq!(health.overall(), Verdict::Drain);
    assert_eq!(
        health.cordon(),
        [Cordon {
            gpu: id(1),
            verdict: Verdict::Drain,
            reason: "the driver asks for action 4: end its programs and reset the GPU".into(),
            until: vec![Action::DrainAndReset, Action::RunFieldDiagnostic],
        }]
    );
    let error = health.verdict(&id(9)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(id(3).as_str()), "{error}");
}

#[test]
fn a_user_gives_a_kind_another_severity_or_ignores_it() {
    let thresholds = Thresholds::parse("severity: { hot: unusable, persistence_off: ignore, sram_threshold: ignore }");
    let health = look_with(&thresholds.unwrap(), |it| {
        it.sample.temperature = Reading::Known(99);
        it.gpu.modes.persistence = Reading::Known(false);
        it.sample.sram = Reading::Unknown(Unknown::NoPermission);
    });
    assert_is(only(&health), K::Hot, Severity::Unusable, Action::CheckCooling);
    assert_eq!(unchecked(&health, K::SramThreshold), None, "what is ignored is not missed");
}

#[test]
fn unknown_is_neither_sick_nor_healthy() {
    let health = look(|it| it.sample.ecc = Reading::Unknown(Unknown::NotSupported));
    assert_eq!((health.overall(), unchecked(&health, K::UncorrectableEcc)), (Verdict::Healthy, Some("not supported")));
    assert!(health.summary().starts_with("simulated: healthy as far as it can be known; not checked: "), "{health}");
    assert!(health.summary().contains("uncorrectable_ecc (not supported)"), "{health}");
}

#[test]
fn a_laptop_under_wsl2_gives_no_false_alarm() {
    let node =
        Node::from_source(std::sync::Arc::new(crate::sim::Node::named("rtx3050ti-laptop-wsl2").unwrap())).unwrap();
    let guest = Facts { wsl: true, pci_gpus: Reading::Known(0), ..facts() };
    let mut read = node.snapshot(&ManualClock::default()).unwrap();
    read.gpus[0].gpu.modes.persistence = Reading::Known(false);
    let health = assess(&Thresholds::default(), &read, &guest);
    assert_eq!(health.conditions, []);
    let summary = health.summary();
    assert!(summary.starts_with("simulated: healthy as far as it can be known; not checked: "), "{summary}");
    assert!(summary.contains("uncorrectable_ecc"), "{summary}");
    let mut monitor = Monitor::new(Thresholds::default()).unwrap();
    for minute in 0..60 {
        assert_eq!(monitor.observe(at(minute * 60), &read, &[], &guest), []);
    }
    assert!(monitor.health(&read).summary().contains("healthy as far as"), "{summary}");
}

#[test]
fn every_shipped_node_is_assessed_through_the_node() {
    for name in crate::sim::Node::names() {
        let node = Node::from_source(std::sync::Arc::new(crate::sim::Node::named(name).unwrap())).unwrap();
        let health = node.health(&ManualClock::default(), &Thresholds::default()).unwrap();
        assert_eq!(health.gpus.len(), node.gpus().len(), "{name}");
        assert!(health.unchecked.iter().any(|it| it.kind == K::Xid), "{name}: nobody listened");
        let json = serde_json::to_string(&health).unwrap();
        assert_eq!(serde_json::from_str::<Health>(&json).unwrap(), health, "{name}");
        let wrong = Thresholds { pcie_load: 0, ..Thresholds::default() };
        assert!(node.health(&ManualClock::default(), &wrong).is_err());
    }
}

#[test]
fn a_condition_reads_as_one_line_with_what_to_do() {
    let health = look(|it| it.sample.rows = Reading::Known(Rows { pending: true, ..Default::default() }));
    assert_eq!(
        only(&health).to_string(),
        "GPU-00000001 row_remap_pending (watch): a row of memory is to be replaced at the next reset (0 correctable and \
         0 uncorrectable so far); reset the GPU: `nvidia-smi --gpu-reset -i 00000000:19:00.0`"
    );
    assert_eq!(only(&health).evidence[0].to_string(), "nvmlDeviceGetRemappedRows: pending");
}

#[cfg(feature = "nvml")]
#[test]
fn a_machine_is_checked_also_where_no_driver_answers() {
    let health = crate::gpu::health::check(&ManualClock::default(), &Thresholds::default()).unwrap();
    assert!(!health.origin.name.is_empty() && !health.summary().is_empty());
}
