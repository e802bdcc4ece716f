//! What shows over time, and patience.

use proptest::prelude::*;

use super::*;

use ConditionKind as K;

#[test]
fn what_is_measured_must_last_before_it_is_raised_and_be_gone_before_it_is_cleared() {
    let mut watch = Watch::new(Thresholds::default());
    watch.state.sample.temperature = Reading::Known(90);
    assert_eq!(watch.see(0, &[]), [""; 0]);
    assert_eq!(watch.see(29, &[]), [""; 0]);
    assert_eq!(watch.see(30, &[]), ["raised hot"]);
    assert_eq!(watch.see(40, &[]), [""; 0], "no change is told twice");
    let standing = watch.standing(40);
    assert_eq!((only(&standing).since, only(&standing).last, only(&standing).count), (at(0), at(40), 4));
    watch.state.sample.temperature = Reading::Known(60);
    assert_eq!(watch.see(50, &[]), [""; 0]);
    assert_eq!(watch.see(169, &[]), [""; 0]);
    assert_eq!(watch.see(170, &[]), ["cleared hot"]);
}

#[test]
fn a_value_that_flaps_does_not_make_the_condition_flap() {
    let mut watch = Watch::new(Thresholds::default());
    let mut changes = Vec::new();
    for second in 0..600 {
        let celsius = if second % 20 < 10 { 90 } else { 60 };
        watch.state.sample.temperature = Reading::Known(celsius);
        changes.extend(watch.see(second, &[]));
    }
    assert_eq!(changes, [""; 0], "ten seconds are never enough to raise it");
    watch.state.sample.temperature = Reading::Known(90);
    (600..640).for_each(|second| changes.extend(watch.see(second, &[])));
    for second in 640..1200 {
        let celsius = if second % 20 < 10 { 90 } else { 60 };
        watch.state.sample.temperature = Reading::Known(celsius);
        changes.extend(watch.see(second, &[]));
    }
    assert_eq!(changes, ["raised hot"], "and never enough to clear it");
}

#[test]
fn a_temperature_must_fall_below_its_limit_by_a_distance() {
    let mut watch = Watch::new(Thresholds::default());
    watch.state.sample.temperature = Reading::Known(88);
    watch.see(0, &[]);
    assert_eq!(watch.see(30, &[]), ["raised hot"]);
    watch.state.sample.temperature = Reading::Known(85);
    (31..600).for_each(|second| assert_eq!(watch.see(second, &[]), [""; 0]));
    watch.state.sample.temperature = Reading::Known(84);
    watch.see(600, &[]);
    assert_eq!(watch.see(720, &[]), ["cleared hot"]);
    watch.state.sample.temperature = Reading::Known(87);
    watch.see(721, &[]);
    assert_eq!(watch.see(800, &[]), [""; 0], "87 is no reason to raise it");
}

#[test]
fn an_unknown_reading_neither_clears_nor_forgets_a_condition() {
    let mut watch = Watch::new(Thresholds::default());
    watch.state.sample.rows = Reading::Known(Rows { failed: true, ..Default::default() });
    assert_eq!(watch.see(0, &[]), ["raised row_remap_failed"], "a fact is raised at once");
    watch.state.sample.rows = Reading::Known(Rows::default());
    assert_eq!(watch.see(10, &[]), [""; 0]);
    watch.state.sample.rows = Reading::Unknown(Unknown::NoPermission);
    assert_eq!(watch.see(1000, &[]), [""; 0]);
    assert_eq!(only(&watch.standing(1000)).kind, K::RowRemapFailed);
    assert_eq!(unchecked(&watch.standing(1000), K::RowRemapFailed), Some("no permission"));
    watch.state.sample.rows = Reading::Known(Rows::default());
    assert_eq!(watch.see(1001, &[]), [""; 0], "the minute begins anew");
    assert_eq!(watch.see(1061, &[]), ["cleared row_remap_failed"]);
}

#[test]
fn a_condition_that_gets_worse_or_needs_something_else_is_told_again() {
    let mut watch = Watch::new(Thresholds::default());
    watch.state.sample.recovery = Reading::Known(RecoveryAction::ResetGpu);
    assert_eq!(watch.see(0, &[]), ["raised recovery_asked"]);
    watch.state.sample.recovery = Reading::Known(RecoveryAction::Reboot);
    let changes = watch.changes(1, &[]);
    assert_eq!(changes.iter().map(word).collect::<Vec<_>>(), ["updated recovery_asked"]);
    assert_is(changes[0].condition(), K::RecoveryAsked, Severity::Drain, Action::Reboot);
}

#[test]
fn a_fabric_that_is_coming_up_gets_its_minute() {
    let mut watch = Watch::new(Thresholds::default());
    let ready = watch.state.gpu.fabric.clone();
    watch.state.gpu.fabric = Reading::Known(Fabric::new(FabricState::InProgress, 0, "", 0));
    (0..50).for_each(|second| assert_eq!(watch.see(second, &[]), [""; 0]));
    watch.state.gpu.fabric = ready;
    assert_eq!(watch.see(50, &[]), [""; 0]);
    assert_eq!(watch.standing(50).conditions, []);
}

/// Sixty-second steps with the hardware slowing down in the minutes that `slow` names.
fn minutes(watch: &mut Watch, from: i64, slow: &[bool], bits: u64) -> Vec<String> {
    let steps = slow.iter().zip(from..).flat_map(|(slow, minute)| {
        watch.state.sample.clock_events = Reading::Known(ClockEvents(if *slow { bits } else { 1 }));
        watch.see(minute * 60, &[])
    });
    steps.collect()
}

#[test]
fn slowdowns_count_from_six_of_ten_minutes_on() {
    let mut watch = Watch::new(Thresholds::default());
    let five_of_ten = [true, false].repeat(30);
    assert_eq!(minutes(&mut watch, 0, &five_of_ten, 0x40), [""; 0]);
    let mut watch = Watch::new(Thresholds::default());
    let six_of_ten = [true, false, true, false, true].repeat(4);
    assert_eq!(minutes(&mut watch, 0, &six_of_ten, 0x40), ["raised clock_slowdown"]);
    assert_is(only(&watch.standing(0)), K::ClockSlowdown, Severity::Drain, Action::CheckCooling);
    assert_eq!(minutes(&mut watch, 20, &[false; 12], 0), ["cleared clock_slowdown"]);
}

#[test]
fn the_cause_of_most_slowdowns_says_what_to_check_and_a_software_limit_is_none() {
    let mut watch = Watch::new(Thresholds::default());
    assert_eq!(minutes(&mut watch, 0, &[true; 12], 0x80 | 0x8), ["raised clock_slowdown"]);
    assert_eq!(only(&watch.standing(0)).action, Action::CheckPower);
    let mut watch = Watch::new(Thresholds::default());
    assert_eq!(minutes(&mut watch, 0, &[true; 60], 0x4 | 0x20), [""; 0]);
}

#[test]
fn many_readings_in_a_minute_are_one_minute() {
    let mut watch = Watch::new(Thresholds::default());
    watch.state.sample.clock_events = Reading::Known(ClockEvents(0x8));
    (0..300).for_each(|second| assert_eq!(watch.see(second, &[]), [""; 0], "five minutes"));
    let later: Vec<_> = (300..400).flat_map(|second| watch.see(second, &[])).collect();
    assert_eq!(later, ["raised clock_slowdown"]);
}

#[test]
fn pcie_replays_count_by_the_minute_and_a_driver_that_was_loaded_anew_is_no_error() {
    let mut watch = Watch::new(Thresholds { timing: at_once(), ..Thresholds::default() });
    let replays = |watch: &mut Watch, seconds, count| {
        watch.state.sample.pcie_replays = Reading::Known(count);
        watch.see(seconds, &[])
    };
    assert_eq!(replays(&mut watch, 0, 1_000_000), [""; 0], "a total says nothing");
    assert_eq!(replays(&mut watch, 60, 1_000_008), [""; 0]);
    assert_eq!(replays(&mut watch, 120, 1_000_017), ["raised pcie_replays"]);
    assert_eq!(replays(&mut watch, 180, 0), [""; 0]);
    assert_eq!(unchecked(&watch.standing(180), K::PcieReplays), Some("needs two readings"));
    assert_eq!(replays(&mut watch, 240, 8), ["cleared pcie_replays"]);
}

#[test]
fn nvlink_checksums_inform_from_a_hundred_a_second_on() {
    let mut watch = Watch::new(Thresholds { timing: at_once(), ..Thresholds::default() });
    let errors = |watch: &mut Watch, seconds, flit, data| {
        let counters =
            LinkCounters { crc_flit: Reading::Known(flit), crc_data: Reading::Known(data), ..Default::default() };
        watch.state.sample.nvlink = Reading::Known(counters);
        watch.see(seconds, &[])
    };
    errors(&mut watch, 0, 0, 0);
    assert_eq!(errors(&mut watch, 60, 3000, 2999), [""; 0]);
    assert_eq!(errors(&mut watch, 120, 6000, 5999), ["raised nvlink_errors"]);
    assert_eq!(watch.standing(120).overall(), Verdict::Healthy, "nobody judges them");
}

#[test]
fn corrected_errors_are_counted_only_for_who_asks() {
    for (limit, expected) in [(0, None), (1000, None), (999, Some("raised ecc_storm"))] {
        let thresholds = Thresholds { corrected_ecc_per_minute: limit, timing: at_once(), ..Thresholds::default() };
        let mut watch = Watch::new(thresholds);
        watch.see(0, &[]);
        watch.state.sample.ecc = Reading::Known(Ecc { corrected: 1000, ..Ecc::default() });
        assert_eq!(watch.see(60, &[]).first().map(String::as_str), expected);
    }
}

#[test]
fn one_gpu_that_is_lost_leaves_the_others_alone() {
    let mut monitor = Monitor::new(Thresholds::default()).unwrap();
    let facts = Facts { pci_gpus: Reading::Known(2), ..facts() };
    let mut gpus = vec![well(1), well(2)];
    assert_eq!(monitor.observe(at(0), &snapshot(0, gpus.clone()), &[], &facts), []);
    gpus[0].sample = Sample::unknown(id(1), Unknown::GpuLost);
    let lost = snapshot(1, gpus);
    let changes = monitor.observe(at(1), &lost, &[], &facts);
    assert_eq!(changes.iter().map(word).collect::<Vec<_>>(), ["raised gpu_lost"]);
    let health = monitor.health(&lost);
    assert_eq!(health.cordon().iter().map(|it| it.gpu.clone()).collect::<Vec<_>>(), [id(1)]);
}

#[test]
fn a_monitor_refuses_thresholds_that_mean_nothing() {
    assert!(Monitor::new(Thresholds { slowdown_window: 0, ..Thresholds::default() }).is_err());
}

/// No patience.
fn at_once() -> Timings {
    let timing = Timing::new(0, 0);
    Timings { fault: timing, reading: timing, link: timing, setting: timing, event: timing }
}

fn reading<T: std::fmt::Debug + Clone>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Reading<T>> {
    let reasons = [
        Unknown::NotSupported,
        Unknown::NotRead,
        Unknown::GpuLost,
        Unknown::Code(14),
        Unknown::Code(16),
        Unknown::Code(-1),
    ];
    prop_oneof![
        2 => value.prop_map(Reading::Known),
        1 => prop::sample::select(reasons.to_vec()).prop_map(Reading::Unknown),
    ]
}

prop_compose! {
    fn any_state()(
        number in 0u32..40,
        temperature in reading(any::<u32>()),
        margin in reading(any::<i32>()),
        power in reading(any::<u32>()),
        events in reading(any::<u64>()),
        (generation, width, gpu) in any::<(u32, u32, u32)>(),
        replays in reading(any::<u64>()),
        (corrected, uncorrected) in any::<(u64, u64)>(),
        recovery in reading(any::<u32>()),
        links in reading(prop::collection::vec(any::<(u32, bool)>(), 0..5)),
        (mask, status, flit, data) in any::<(u32, i32, u64, u64)>(),
    ) -> GpuState {
        let mut state = well(number);
        state.sample.temperature = temperature;
        state.sample.margin = margin;
        state.sample.power = power;
        state.sample.clock_events = events.map(ClockEvents);
        state.sample.pcie = Reading::Known(PcieLink { generation, width });
        state.sample.utilization = Reading::Known(Utilization { gpu, memory: gpu });
        state.sample.pcie_replays = replays;
        state.sample.ecc = Reading::Known(Ecc { corrected, uncorrected, ..Ecc::default() });
        state.sample.recovery = recovery.map(RecoveryAction::from_code);
        state.gpu.nvlinks = links.map(|links| links.into_iter().map(|(number, up)| link(number, up)).collect());
        let mut place = fabric(mask);
        place.status = status;
        state.gpu.fabric = Reading::Known(place);
        state.sample.nvlink = Reading::Known(LinkCounters {
            crc_flit: Reading::Known(flit), crc_data: Reading::Known(data), ..Default::default()
        });
        state
    }
}

prop_compose! {
    fn any_event()(seconds in any::<i32>(), gpu in prop::option::of(0u32..40), code in any::<u64>(), which in 0..4) -> Event {
        let kind = match which {
            0 => EventKind::Xid { code, detail: String::new() },
            1 => EventKind::Unknown { bits: code, data: code },
            2 => EventKind::Sxid { code, detail: "Fatal".into() },
            _ => EventKind::FellOffBus,
        };
        Event::new(at(seconds.into()), gpu.map(id), kind, Via::Simulated)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_is_observed_makes_it_panic_or_keep_more_and_more(
        steps in prop::collection::vec(
            (any::<i32>(), prop::collection::vec(any_state(), 0..4), prop::collection::vec(any_event(), 0..60)),
            0..30,
        ),
    ) {
        let thresholds = Thresholds {
            thermal_margin: 5,
            corrected_ecc_per_minute: 1,
            nvlink_speed: Some(50_000),
            power_min: Some(1),
            ..Thresholds::default()
        };
        let mut monitor = Monitor::new(thresholds).unwrap();
        for (seconds, gpus, events) in steps {
            let snapshot = snapshot(seconds.into(), gpus);
            let changes = monitor.observe(snapshot.at, &snapshot, &events, &facts());
            for change in &changes {
                prop_assert!(!change.to_string().is_empty());
            }
            let health = monitor.health(&snapshot);
            prop_assert!(!health.to_string().is_empty());
            for gpu in &health.gpus {
                prop_assert!(health.verdict(&gpu.id).is_ok());
            }
        }
        // 512 told, 40 GPUs with each rule and a counter, the machine's rules, 512 Xids.
        prop_assert!(monitor.size() <= 512 + 40 * 27 + 3 + 512, "{}", monitor.size());
    }
}

#[test]
fn a_thousand_different_xids_do_not_grow_the_monitor() {
    let mut watch = Watch::new(Thresholds::parse("severity: { xid: drain }").unwrap());
    let mut cleared = 0;
    for code in 0..3000 {
        let changes = watch.see(i64::try_from(code).unwrap(), &[xid(0, code)]);
        cleared += changes.iter().filter(|it| it.starts_with("cleared")).count();
    }
    assert!(watch.monitor.size() <= 512 + 512 + 1, "{}", watch.monitor.size());
    assert_eq!(cleared, 3000 - 512, "what is dropped is told");
}
