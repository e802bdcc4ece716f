//! What events tell.

use super::*;
use crate::gpu::Partition;
use crate::gpu::health::Class;
use crate::gpu::xid;

use ConditionKind as K;

/// The condition that one event makes, if it makes one.
fn told(kind: EventKind) -> Option<Condition> {
    let event = Event::new(at(0), Some(id(1)), kind, Via::Simulated);
    let changes = Watch::new(Thresholds::default()).changes(0, &[event]);
    assert!(changes.len() < 2, "{changes:?}");
    changes.first().map(|change| change.condition().clone())
}

fn of_xid(code: u64) -> Condition {
    told(EventKind::Xid { code, detail: String::new() }).unwrap()
}

#[test]
fn every_xid_has_nvidias_action_and_a_severity_that_fits() {
    use Severity::{Drain, Info, Unusable, Watch};
    for (codes, severity, action) in [
        (&[13, 31][..], Watch, Action::RestartApp),
        (&[32, 69], Watch, Action::RestartApp),
        (&[43], Info, Action::None),
        (&[45], Info, Action::None),
        (&[46, 62, 64], Drain, Action::ResetGpu),
        (&[48], Drain, Action::DrainAndReset),
        (&[54], Drain, Action::CheckMechanicals),
        (&[63, 92, 121, 137, 157, 160, 161], Info, Action::None),
        (&[68, 94], Watch, Action::RestartApp),
        (&[74], Drain, Action::DrainAndReset),
        (&[79], Unusable, Action::Reboot),
        (&[95, 109, 110, 119, 120, 140, 143, 155, 156, 158], Drain, Action::ResetGpu),
        (&[144, 145, 146, 147, 148, 149, 150], Drain, Action::DrainAndReset),
        (&[154], Watch, Action::None),
        (&[159], Watch, Action::CheckApp),
        (&[162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 999], Watch, Action::ContactSupport),
    ] {
        for code in codes {
            let condition = of_xid(*code);
            assert_is(&condition, K::Xid, severity, action);
            assert_eq!(condition.code, Some(*code));
        }
    }
    for known in xid::CATALOGUE {
        let advised = known.immediate.or(known.investigate);
        let condition = of_xid(known.code.into());
        let words = condition.evidence.iter().any(|it| advised.is_some_and(|advice| it.value.contains(advice.word())));
        assert!(words || advised.is_none(), "{condition}");
    }
}

#[test]
fn xid_154_is_read_where_the_log_says_what_the_driver_asks_for() {
    let told = |detail: &str| told(EventKind::Xid { code: 154, detail: detail.into() }).unwrap();
    let reset = told("GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)");
    assert_is(&reset, K::Xid, Severity::Drain, Action::ResetGpu);
    let reboot = told("GPU recovery action changed from 0x1 (GPU Reset Required) to 0x2 (Node Reboot Required)");
    assert_is(&reboot, K::Xid, Severity::Drain, Action::Reboot);
    let none = told("GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)");
    assert_is(&none, K::Xid, Severity::Info, Action::None);
    assert_is(&told("something else"), K::Xid, Severity::Watch, Action::None);
}

#[test]
fn an_xid_that_nobody_knows_keeps_its_number() {
    for code in [4711, u64::from(u32::MAX), u64::MAX] {
        let condition = of_xid(code);
        assert_is(&condition, K::Xid, Severity::Watch, Action::ContactSupport);
        assert_eq!(condition.code, Some(code));
        assert!(condition.message.contains(&code.to_string()), "{condition}");
    }
}

#[test]
fn events_other_than_xids() {
    let sxid = |detail: &str| told(EventKind::Sxid { code: 12028, detail: detail.into() }).unwrap();
    assert_is(&sxid("Non-fatal, Link 32 egress non-posted PRIV error"), K::Sxid, Severity::Watch, Action::CheckFabric);
    assert_is(&sxid("Fatal, Link 44 LTSSM fault"), K::Sxid, Severity::Drain, Action::CheckFabric);
    for (kind, expected, severity, action) in [
        (EventKind::FellOffBus, K::FellOffBus, Severity::Unusable, Action::Reboot),
        (EventKind::DoubleBitEcc, K::UncorrectableEcc, Severity::Drain, Action::ResetGpu),
        (EventKind::SingleBitStorm, K::EccStorm, Severity::Watch, Action::RunFieldDiagnostic),
        (EventKind::DramFailure, K::RowRemapFailed, Severity::Drain, Action::RunFieldDiagnostic),
        (EventKind::NonFatalPoison, K::Poison, Severity::Watch, Action::RestartApp),
        (EventKind::FatalPoison, K::Poison, Severity::Drain, Action::ResetGpu),
        (EventKind::Unavailable, K::GpuLost, Severity::Unusable, Action::Reboot),
    ] {
        assert_is(&told(kind).unwrap(), expected, severity, action);
    }
    let unknown = told(EventKind::Unknown { bits: 0x20_0000, data: 7 }).unwrap();
    assert_is(&unknown, K::UnknownEvent, Severity::Info, Action::None);
    assert!(unknown.message.contains("0x200000") && unknown.message.contains("0x7"), "{unknown}");
    for nothing in [
        EventKind::SingleBitEcc,
        EventKind::PerformanceState,
        EventKind::Clock,
        EventKind::PowerSource,
        EventKind::MigConfiguration,
        EventKind::DramRetirement,
        EventKind::RecoveryAction,
    ] {
        assert_eq!(told(nothing), None);
    }
}

#[test]
fn after_two_restarts_with_the_same_grave_xid_the_hardware_is_inspected() {
    let mut watch = Watch::new(Thresholds::default());
    watch.state.sample.recovery = Reading::Unknown(Unknown::NotSupported);
    for restart in 0..2 {
        let changes = watch.changes(restart * 1000, &[xid(restart * 1000, 79)]);
        assert_is(changes[0].condition(), K::Xid, Severity::Unusable, Action::Reboot);
        let ended: Vec<_> = watch.monitor.rebooted().iter().map(word).collect();
        assert_eq!(ended, ["cleared xid"]);
    }
    let changes = watch.changes(2000, &[xid(2000, 79), xid(2000, 46)]);
    let by_code = |code| changes.iter().map(Change::condition).find(|it| it.code == Some(code)).unwrap();
    assert_is(by_code(79), K::Xid, Severity::Unusable, Action::InspectHardware);
    assert!(by_code(79).message.contains("again after 2 restarts"), "{}", by_code(79));
    assert_is(by_code(46), K::Xid, Severity::Drain, Action::ResetGpu);
    let ended: Vec<_> = watch.monitor.rebooted().iter().map(|change| change.condition().code).collect();
    assert_eq!(ended, [Some(46)], "a restart does not end an inspection");
    assert_eq!(watch.monitor.forget(&id(1)).len(), 1, "a new GPU does");
}

#[test]
fn restarts_without_the_xid_do_not_count_and_94_never_does() {
    let mut watch = Watch::new(Thresholds::parse("xid: { 94: drain }").unwrap());
    for restart in 0..5 {
        let changes = watch.changes(restart, &[xid(restart, 94)]);
        assert_is(changes[0].condition(), K::Xid, Severity::Drain, Action::RestartApp);
        watch.monitor.rebooted();
    }
    watch.changes(10, &[xid(10, 79)]);
    for _ in 0..5 {
        watch.monitor.rebooted();
    }
    let changes = watch.changes(20, &[xid(20, 79)]);
    assert_is(changes[0].condition(), K::Xid, Severity::Unusable, Action::Reboot);
}

#[test]
fn another_monitor_goes_on_where_the_first_one_stopped() {
    let mut watch = Watch::new(Thresholds::default());
    for restart in 0..2 {
        watch.changes(restart, &[xid(restart, 79)]);
        watch.monitor.rebooted();
    }
    let kept = serde_json::to_string(watch.monitor.history()).unwrap();
    let history = serde_json::from_str(&kept).unwrap();
    watch.monitor = Monitor::with_history(Thresholds::default(), history).unwrap();
    let changes = watch.changes(9, &[xid(9, 79)]);
    assert_is(changes[0].condition(), K::Xid, Severity::Unusable, Action::InspectHardware);
}

#[test]
fn mild_events_pass_and_grave_ones_wait_for_a_reset() {
    let mut watch = Watch::new(Thresholds::default());
    watch.state.sample.recovery = Reading::Unknown(Unknown::NotSupported);
    assert_eq!(watch.see(0, &[xid(0, 31), xid(0, 95)]), ["raised xid", "raised xid"]);
    assert_eq!(watch.see(599, &[]), [""; 0]);
    let passed = watch.changes(600, &[]);
    assert_eq!(passed.iter().map(|it| it.condition().code).collect::<Vec<_>>(), [Some(31)]);
    assert_eq!(watch.see(100_000, &[]), [""; 0], "nothing says that 95 is over");
    assert_eq!(watch.monitor.reset(&id(1)).iter().map(word).collect::<Vec<_>>(), ["cleared xid"]);
    assert_eq!(watch.standing(100_000).conditions, []);
}

#[test]
fn a_driver_that_asks_for_nothing_for_a_while_ends_what_a_reset_would() {
    let mut watch = Watch::new(Thresholds::default());
    watch.state.sample.recovery = Reading::Known(RecoveryAction::ResetGpu);
    watch.see(0, &[xid(0, 95), xid(0, 79)]);
    watch.see(700, &[]);
    assert_eq!(watch.standing(700).conditions.iter().filter(|it| it.kind == K::Xid).count(), 2);
    watch.state.sample.recovery = Reading::Known(RecoveryAction::None);
    watch.see(701, &[]);
    watch.see(1300, &[]);
    assert_eq!(watch.standing(1300).conditions.iter().filter(|it| it.kind == K::Xid).count(), 2);
    let ended = watch.changes(1301, &[]);
    assert_eq!(ended.iter().map(|it| it.condition().code).collect::<Vec<_>>(), [Some(95)], "79 needs a restart");
}

#[test]
fn many_of_one_xid_are_one_condition_that_counts() {
    let mut watch = Watch::new(Thresholds::default());
    let storm: Vec<_> = (0..1000).map(|_| xid(0, 31)).collect();
    assert_eq!(watch.see(0, &storm), ["raised xid"]);
    let again = watch.changes(5, &storm);
    assert_eq!(again.iter().map(word).collect::<Vec<_>>(), ["updated xid"]);
    assert_eq!((again[0].condition().count, again[0].condition().since), (2000, at(0)));
    let mut elsewhere = xid(6, 31);
    elsewhere.partition = Some(Partition { gpu_instance: 1, compute_instance: None });
    assert_eq!(watch.see(6, &[elsewhere]), ["raised xid"], "another partition's is another condition");
}

#[test]
fn a_user_gives_an_xid_another_severity_or_ignores_it() {
    let mut watch = Watch::new(Thresholds::parse("xid: { 31: ignore, 13: drain }\nseverity: { xid: info }").unwrap());
    let changes = watch.changes(0, &[xid(0, 31), xid(0, 13), xid(0, 79)]);
    let told: Vec<_> = changes.iter().map(|it| (it.condition().code, it.condition().severity)).collect();
    assert_eq!(told, [(Some(13), Severity::Drain), (Some(79), Severity::Info)]);
}

#[test]
fn an_event_of_a_gpu_that_nobody_lists_is_the_machines() {
    let mut watch = Watch::new(Thresholds::default());
    let event = Event::new(at(0), None, EventKind::Xid { code: 79, detail: "pid=1".into() }, Via::KernelLog);
    assert_eq!(watch.see(0, &[event]), ["raised xid"]);
    let health = watch.standing(0);
    assert_eq!(health.overall(), Verdict::Unusable);
    assert_eq!(health.cordon(), [], "nobody knows which GPU it was");
}

#[test]
fn what_nobody_listens_to_is_unchecked() {
    let deaf_to = |driver, kernel_log| {
        let facts = Facts { hears: Hears { driver, kernel_log }, ..facts() };
        let health = assess(&Thresholds::default(), &snapshot(0, vec![well(1)]), &facts);
        let mut monitor = Monitor::new(Thresholds::default()).unwrap();
        monitor.observe(at(0), &snapshot(0, vec![well(1)]), &[], &facts);
        let watched = monitor.health(&snapshot(0, vec![well(1)]));
        let events = |health: &Health| {
            let told = health.unchecked.iter().map(|it| it.kind).filter(|kind| kind.class() == Class::Event);
            told.collect::<Vec<_>>()
        };
        assert_eq!(events(&health), events(&watched));
        events(&health)
    };
    let all: Vec<_> = K::ALL.iter().copied().filter(|kind| kind.class() == Class::Event).collect();
    assert_eq!(deaf_to(false, false), all);
    assert_eq!(deaf_to(true, false), [K::Sxid, K::FellOffBus], "the driver's library tells neither");
    assert_eq!(deaf_to(false, true), [K::Poison, K::UnknownEvent], "the kernel's log tells neither");
    assert_eq!(deaf_to(true, true), []);
}
