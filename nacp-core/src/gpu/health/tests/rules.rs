//! Each rule, on both sides of its threshold.

use super::*;
use crate::gpu::health::DriverFault;
use crate::gpu::{Fields, Process, ProcessKind};

use ConditionKind as K;

#[test]
fn a_gpu_with_which_nothing_is_wrong_is_healthy() {
    let health = look(|_| {});
    assert_eq!(kinds(&health), []);
    assert_eq!(unchecked(&health, K::Hot), None);
}

#[test]
fn the_driver_and_its_library() {
    let look = |fault, bus: Reading<u32>| {
        let facts = Facts { driver_fault: Some(fault), pci_gpus: bus, ..facts() };
        assess(&Thresholds::default(), &snapshot(0, Vec::new()), &facts)
    };
    let broken = look(DriverFault::Broken("no answer".into()), Reading::Known(1));
    assert_is(only(&broken), K::DriverUnavailable, Severity::Unusable, Action::ReloadDriver);
    let absent = look(DriverFault::Absent, Reading::Known(1));
    assert_is(only(&absent), K::DriverUnavailable, Severity::Unusable, Action::ReinstallDriver);
    assert_eq!(kinds(&look(DriverFault::Absent, Reading::Known(0))), [], "a machine without a GPU is not sick");
    let mismatch = look(DriverFault::Mismatch, Reading::Known(1));
    assert_is(only(&mismatch), K::LibraryMismatch, Severity::Drain, Action::Reboot);
    assert_eq!(mismatch.conditions[0].evidence[0].value, "18");
    let denied = look(DriverFault::NoPermission, Reading::Known(1));
    assert_eq!((kinds(&denied), unchecked(&denied, K::DriverUnavailable)), (vec![], Some("no permission")));
}

#[test]
fn an_update_of_the_library_under_a_running_driver_is_told_except_where_the_file_is_another_systems() {
    let look = |facts: Facts| assess(&Thresholds::default(), &snapshot(0, vec![well(1)]), &facts);
    let updated = Facts { library_version: Reading::Known("590.44.01".into()), ..facts() };
    let health = look(updated.clone());
    let condition = only(&health);
    assert_is(condition, K::LibraryMismatch, Severity::Drain, Action::Reboot);
    assert!(condition.message.contains("580.95.05") && condition.message.contains("590.44.01"), "{condition}");
    assert_eq!(health.cordon().len(), 1, "it stops every GPU");
    assert_eq!(kinds(&look(Facts { container: true, ..updated.clone() })), []);
    assert_eq!(kinds(&look(Facts { wsl: true, ..updated })), []);
    let unknown = look(Facts { library_version: Reading::Unknown(Unknown::NoPermission), ..facts() });
    assert_eq!(unchecked(&unknown, K::LibraryMismatch), Some("no permission"));
}

#[test]
fn gpus_are_counted_by_driver_bus_and_expectation() {
    let look = |expected_gpus, facts: Facts| {
        let thresholds = Thresholds { expected_gpus, ..Thresholds::default() };
        assess(&thresholds, &snapshot(0, vec![well(1), well(2)]), &facts)
    };
    let bus = |count| Facts { pci_gpus: Reading::Known(count), ..facts() };
    assert_eq!(kinds(&look(None, bus(2))), []);
    assert_eq!(kinds(&look(Some(2), bus(2))), []);
    let missing = look(None, bus(3));
    assert_is(only(&missing), K::CountMismatch, Severity::Drain, Action::Reboot);
    assert_eq!(missing.cordon(), [], "the GPUs that answer can be used");
    for expected in [1, 3] {
        assert_eq!(kinds(&look(Some(expected), bus(2))), [K::CountMismatch]);
    }
    for elsewhere in
        [Facts { container: true, ..bus(8) }, Facts { wsl: true, ..bus(0) }, Facts { windows: true, ..bus(0) }]
    {
        assert_eq!(kinds(&look(None, elsewhere.clone())), [], "the bus is not the GPUs' own");
        assert!(unchecked(&look(None, elsewhere.clone()), K::CountMismatch).is_some());
        assert_eq!(kinds(&look(Some(3), elsewhere.clone())), [K::CountMismatch]);
        assert_eq!(unchecked(&look(Some(2), elsewhere), K::CountMismatch), None);
    }
}

#[test]
fn a_gpu_that_is_lost_or_needs_a_reset() {
    let lost = look(|it| it.sample = Sample::unknown(id(1), Unknown::GpuLost));
    assert_is(only(&lost), K::GpuLost, Severity::Unusable, Action::Reboot);
    assert_eq!(kinds(&look(|it| it.sample.power = Reading::Unknown(Unknown::Code(15)))), [K::GpuLost]);
    for (name, field) in Fields::names() {
        let one = look(|it| it.sample.forget(field, Unknown::GpuLost));
        assert_eq!(kinds(&one), [K::GpuLost], "{name} is enough");
    }
    let gone = look(|it| it.sample = Sample::unknown(id(1), Unknown::SourceFailed));
    assert_eq!((kinds(&gone), unchecked(&gone, K::GpuLost)), (vec![], Some("the source failed")), "no word of the GPU");
    let reset = look(|it| it.sample.ecc = Reading::Unknown(Unknown::Code(16)));
    assert_is(only(&reset), K::ResetRequired, Severity::Unusable, Action::ResetGpu);
    assert_eq!(only(&reset).command.as_deref(), Some("nvidia-smi --gpu-reset -i 00000000:19:00.0"));
    let refused = look(|it| it.sample.power = Reading::Unknown(Unknown::Code(999)));
    assert_eq!(kinds(&refused), [], "an unknown reading is no fault by itself");
    let unread = look(|it| it.sample = Sample::unknown(id(1), Unknown::NotRead));
    assert_eq!(unchecked(&unread, K::GpuLost), Some("not read"), "and no health");
    let mute = look(|it| it.sample = Sample::unknown(id(1), Unknown::Code(999)));
    assert_eq!((kinds(&mute), unchecked(&mute, K::GpuLost)), (vec![], Some("nvml code 999")));
}

#[test]
fn what_the_driver_asks_for_is_passed_on() {
    for (code, action) in [
        (1, Action::ResetGpu),
        (2, Action::Reboot),
        (3, Action::DrainPeers),
        (4, Action::DrainAndReset),
        (5, Action::RecoverImex),
        (6, Action::ResetBus),
        (7, Action::Reboot),
        (99, Action::ContactSupport),
    ] {
        let health = look(|it| it.sample.recovery = Reading::Known(RecoveryAction::from_code(code)));
        assert_is(only(&health), K::RecoveryAsked, Severity::Drain, action);
        assert_eq!(only(&health).evidence[0].value, code.to_string(), "the number survives");
    }
}

#[test]
fn rows_and_pages_of_memory() {
    let rows = |pending, failed| {
        look(|it| it.sample.rows = Reading::Known(Rows { correctable: 1, uncorrectable: 2, pending, failed }))
    };
    assert_eq!(kinds(&rows(false, false)), [], "remapped rows are no fault");
    assert_is(only(&rows(true, false)), K::RowRemapPending, Severity::Watch, Action::ResetGpu);
    assert_is(only(&rows(false, true)), K::RowRemapFailed, Severity::Drain, Action::RunFieldDiagnostic);
    let pages = |single_bit, double_bit, pending| {
        look(|it| it.sample.retired_pages = Reading::Known(RetiredPages { single_bit, double_bit, pending }))
    };
    assert_eq!(kinds(&pages(60, 3, false)), []);
    assert_is(only(&pages(60, 4, false)), K::RetiredPagesMany, Severity::Drain, Action::RunFieldDiagnostic);
    assert_is(only(&pages(0, 1, true)), K::RetiredPagesPending, Severity::Watch, Action::ReloadDriver);
    assert_eq!(kinds(&pages(u32::MAX, u32::MAX, false)), [K::RetiredPagesMany]);
}

#[test]
fn uncorrected_errors_are_grave_unless_the_driver_says_that_nothing_needs_to_be_done() {
    let errors = |uncorrected, recovery| {
        look(|it| {
            it.sample.ecc = Reading::Known(Ecc { uncorrected, uncorrected_total: 7, corrected: 5, corrected_total: 9 });
            it.sample.recovery = recovery;
        })
    };
    let old_driver = Reading::Unknown(Unknown::NotSupported);
    assert_eq!(kinds(&errors(0, old_driver.clone())), [], "errors of a former life do not count");
    assert_is(only(&errors(1, old_driver)), K::UncorrectableEcc, Severity::Drain, Action::ResetGpu);
    let contained = errors(1, Reading::Known(RecoveryAction::None));
    assert_is(only(&contained), K::UncorrectableEcc, Severity::Watch, Action::ResetGpu);
    let sram = look(|it| it.sample.sram = Reading::Known(SramEcc { threshold_exceeded: true, ..SramEcc::default() }));
    assert_is(only(&sram), K::SramThreshold, Severity::Drain, Action::RunFieldDiagnostic);
    let few = SramEcc { uncorrected_parity: 3, ..SramEcc::default() };
    assert_eq!(kinds(&look(|it| it.sample.sram = Reading::Known(few))), []);
}

#[test]
fn a_corrupt_inforom_is_told_wherever_it_is_read() {
    let corrupt = Unknown::Code(14);
    let read = look(|it| it.gpu.identity.inforom.image = Reading::Unknown(corrupt));
    assert_is(only(&read), K::InforomCorrupt, Severity::Watch, Action::ContactSupport);
    assert_eq!(kinds(&look(|it| it.sample.retired_pages = Reading::Unknown(corrupt))), [K::InforomCorrupt]);
    let none = look(|it| it.gpu.identity.inforom.image = Reading::Unknown(Unknown::NotSupported));
    assert_eq!(unchecked(&none, K::InforomCorrupt), Some("not supported"));
}

#[test]
fn heat_is_judged_by_the_gpus_own_limit_or_by_the_users() {
    let at = |celsius| look(|it| it.sample.temperature = Reading::Known(celsius));
    assert_eq!(kinds(&at(87)), []);
    assert_is(only(&at(88)), K::Hot, Severity::Watch, Action::CheckCooling);
    assert!(only(&at(88)).message.contains("88 °C"), "{}", only(&at(88)));
    let memory = |celsius| look(|it| it.sample.memory_temperature = Reading::Known(celsius));
    assert_eq!(kinds(&memory(95)), []);
    assert_is(only(&memory(96)), K::MemoryHot, Severity::Watch, Action::CheckCooling);
    let strict = Thresholds { gpu_max_celsius: Some(50), memory_max_celsius: Some(70), ..Thresholds::default() };
    assert_eq!(kinds(&look_with(&strict, |_| {})), [K::Hot]);
    let untold = look(|it| it.gpu.limits.temperature.gpu_max = Reading::Unknown(Unknown::NotSupported));
    assert_eq!(unchecked(&untold, K::Hot), Some("the GPU does not tell its limit"));
}

#[test]
fn the_thermal_margin_is_off_by_default_and_unreliable_at_zero_and_below() {
    let margin = |limit, margin| {
        let thresholds = Thresholds { thermal_margin: limit, ..Thresholds::default() };
        look_with(&thresholds, |it| it.sample.margin = Reading::Known(margin))
    };
    assert_eq!(kinds(&margin(0, 1)), []);
    assert_eq!(kinds(&margin(5, 6)), []);
    assert_is(only(&margin(5, 5)), K::ThermalMargin, Severity::Watch, Action::CheckCooling);
    for unreliable in [0, -1, i32::MIN] {
        let health = margin(5, unreliable);
        assert_eq!(kinds(&health), []);
        assert_eq!(unchecked(&health, K::ThermalMargin), Some("a margin that is not above zero is unreliable"));
    }
}

#[test]
fn a_single_look_says_that_the_hardware_slows_down_now() {
    let events = |bits| look(|it| it.sample.clock_events = Reading::Known(ClockEvents(bits)));
    assert_eq!(
        kinds(&events(0x1 | 0x2 | 0x4 | 0x10 | 0x20 | 0x100 | 0x8000)),
        [],
        "only the hardware's own bits count"
    );
    assert_is(only(&events(0x8)), K::ClockSlowdown, Severity::Watch, Action::CheckCooling);
    assert_is(only(&events(0x40)), K::ClockSlowdown, Severity::Watch, Action::CheckCooling);
    assert_is(only(&events(0x80)), K::ClockSlowdown, Severity::Watch, Action::CheckPower);
    assert!(only(&events(0x40 | 0x8000)).evidence[0].value.contains("0x8040"), "unknown bits survive");
}

#[test]
fn nvlinks_that_are_down_speed_and_bridges_that_nobody_has_plugged_in() {
    let links = |thresholds: &Thresholds, up: u32| {
        look_with(thresholds, |it| {
            it.gpu.nvlinks = Reading::Known((0..18).map(|number| link(number, number < up)).collect());
            it.sample.nvlink = Reading::Known(LinkCounters { active: Reading::Known(up), ..Default::default() });
        })
    };
    let default = Thresholds::default();
    assert_eq!(kinds(&links(&default, 18)), []);
    let one_down = links(&default, 17);
    assert_is(only(&one_down), K::NvlinkInactive, Severity::Drain, Action::DrainAndReset);
    assert_eq!(only(&one_down).evidence[0].value, "down: 17");
    assert_eq!(kinds(&links(&default, 0)), [], "a card without a bridge is not sick");
    assert!(unchecked(&links(&default, 0), K::NvlinkInactive).is_some());
    let tolerant = Thresholds { max_inactive_nvlinks: 2, ..Thresholds::default() };
    assert_eq!((kinds(&links(&tolerant, 16)), kinds(&links(&tolerant, 15))), (vec![], vec![K::NvlinkInactive]));
    let expecting = Thresholds { expected_nvlinks: Some(18), ..Thresholds::default() };
    assert_eq!((kinds(&links(&expecting, 18)), kinds(&links(&expecting, 0))), (vec![], vec![K::NvlinkInactive]));
    let none = look(|it| it.gpu.nvlinks = Reading::Known(Vec::new()));
    assert_eq!((kinds(&none), unchecked(&none, K::NvlinkInactive)), (vec![], None));
    for (speed, expected) in [(26562, vec![]), (26563, vec![K::NvlinkSlow])] {
        let thresholds = Thresholds { nvlink_speed: Some(speed), ..Thresholds::default() };
        assert_eq!(kinds(&look_with(&thresholds, |_| {})), expected);
    }
}

#[test]
fn the_fabric_is_judged_by_state_status_and_every_part_of_its_mask() {
    let state = |state, status| look(|it| it.gpu.fabric = Reading::Known(Fabric::new(state, status, "", 0)));
    assert_eq!(kinds(&state(FabricState::NotSupported, 3)), []);
    assert_eq!(kinds(&state(FabricState::Completed, 0)), []);
    for ill in
        [state(FabricState::NotStarted, 0), state(FabricState::InProgress, 0), state(FabricState::Completed, 999)]
    {
        assert_is(only(&ill), K::FabricUnhealthy, Severity::Drain, Action::CheckFabric);
    }
    let mask = |mask| look(|it| it.gpu.fabric = Reading::Known(fabric(mask)));
    let fine = 0b10_10_10_10 | (1 << 8);
    assert_eq!(kinds(&mask(fine)), []);
    assert_eq!(kinds(&mask(0)), [], "nothing supported");
    for (bad, word) in [
        (0b10_10_10_01, "bandwidth"),
        (0b10_10_01_10, "being recovered"),
        (0b10_01_10_10, "unhealthy"),
        (0b01_10_10_10, "timed out"),
        (fine & 0xff | 2 << 8, "system GUID"),
        (fine & 0xff | 5 << 8, "too few NVLinks"),
        (fine & 0xff | 9 << 8, "configuration error 9"),
    ] {
        let health = mask(bad);
        assert!(only(&health).message.contains(word), "{bad:#x}: {}", only(&health));
    }
}

#[test]
fn an_idle_pcie_link_that_is_slow_is_no_fault() {
    let look = |gpu, generation, width| {
        look(|it| {
            it.sample.utilization = Reading::Known(Utilization { gpu, memory: 0 });
            it.sample.pcie = Reading::Known(PcieLink { generation, width });
        })
    };
    assert_eq!(kinds(&look(0, 1, 16)), []);
    assert_eq!(unchecked(&look(0, 1, 16), K::PcieDowngraded), Some("only a busy GPU's link tells"));
    assert_eq!(kinds(&look(49, 1, 8)), []);
    assert_is(only(&look(50, 4, 16)), K::PcieDowngraded, Severity::Watch, Action::CheckMechanicals);
    assert_eq!(kinds(&look(100, 5, 8)), [K::PcieDowngraded]);
    assert_eq!(kinds(&look(100, 5, 16)), []);
}

#[test]
fn power_is_judged_where_nvidia_or_the_user_gave_a_range() {
    let power = |name: &str, thresholds: &Thresholds, milliwatts| {
        look_with(thresholds, |it| {
            name.clone_into(&mut it.gpu.name);
            it.sample.power = Reading::Known(milliwatts);
        })
    };
    let default = Thresholds::default();
    assert_eq!(kinds(&power("NVIDIA GeForce RTX 3050 Ti Laptop GPU", &default, 4_000)), []);
    for (milliwatts, expected) in [
        (64_999, vec![K::PowerOutOfRange]),
        (65_000, vec![]),
        (1_500_000, vec![]),
        (1_500_001, vec![K::PowerOutOfRange]),
    ] {
        assert_eq!(kinds(&power("NVIDIA GB200", &default, milliwatts)), expected, "{milliwatts}");
    }
    let own = Thresholds { power_max: Some(300), ..Thresholds::default() };
    assert_eq!(kinds(&power("any", &own, 300_000)), []);
    let high = power("any", &own, 300_001);
    assert_is(only(&high), K::PowerOutOfRange, Severity::Drain, Action::CheckPower);
}

#[test]
fn how_a_gpu_is_set_up() {
    let off = look(|it| it.gpu.modes.persistence = Reading::Known(false));
    assert_is(only(&off), K::PersistenceOff, Severity::Watch, Action::SetPersistence);
    assert_eq!(only(&off).command.as_deref(), Some("nvidia-smi -pm 1"));
    for guest in [Facts { wsl: true, ..facts() }, Facts { windows: true, ..facts() }] {
        let mut state = well(1);
        state.gpu.modes.persistence = Reading::Known(false);
        let health = assess(&Thresholds::default(), &snapshot(0, vec![state]), &guest);
        assert_eq!(kinds(&health), []);
    }
    let ecc = look(|it| it.gpu.modes.ecc = Reading::Known(mode(true, false)));
    assert_is(only(&ecc), K::EccModePending, Severity::Info, Action::ResetGpu);
    let mig = look(|it| it.gpu.mig.mode = Reading::Known(mode(false, true)));
    assert_is(only(&mig), K::MigModePending, Severity::Info, Action::ResetGpu);
    assert_eq!(mig.overall(), Verdict::Healthy, "worth knowing, and no more");
}

#[test]
fn a_dead_process_that_holds_the_gpu() {
    let look = |zombies: Vec<u32>| {
        let mut state = well(1);
        let process = |pid| Process::new(pid, ProcessKind::Compute, Reading::Known(crate::units::Bytes::gib(1)));
        state.sample.processes = Reading::Known(vec![process(7), process(8)]);
        let facts = Facts { zombies: Reading::Known(zombies), ..facts() };
        assess(&Thresholds::default(), &snapshot(0, vec![state]), &facts)
    };
    assert_eq!(kinds(&look(vec![3, 9])), [], "zombies elsewhere are not ours");
    let held = look(vec![3, 8]);
    assert_is(only(&held), K::ZombieProcess, Severity::Watch, Action::EndParent);
    assert!(only(&held).message.ends_with("pid 8"), "{}", only(&held));
    let inside = Facts { zombies: Reading::Known(vec![8]), container: true, ..facts() };
    let mut state = well(1);
    state.sample.processes =
        Reading::Known(vec![Process::new(8, ProcessKind::Compute, Reading::Unknown(Unknown::NotAvailable))]);
    let health = assess(&Thresholds::default(), &snapshot(0, vec![state]), &inside);
    assert_eq!(kinds(&health), [], "another system's pid 8");
    assert!(unchecked(&health, K::ZombieProcess).is_some());
}
