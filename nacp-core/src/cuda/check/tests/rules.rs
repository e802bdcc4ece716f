//! What is done, in which order, and what is not tried.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::fake::{Does, Fake, id};
use crate::clock::ManualClock;
use crate::cuda::check::{CheckId, Isolation, Level, Program, Progress, Report, Scope, Skip, Status, Verdict};
use crate::error::Error;
use crate::gpu::{Fields, Gpu, GpuId, Origin, Process, ProcessKind, Reading, Sample, Source, Unknown};

/// Each report as one word; `.` for one that passed.
fn words(report: &Report) -> Vec<(CheckId, Option<GpuId>, String)> {
    let word = |status: &Status| match status {
        Status::Pass => ".".to_owned(),
        Status::Warn { .. } => "warn".to_owned(),
        Status::Fail { .. } => "fail".to_owned(),
        Status::Skipped { why, .. } => format!("{why:?}").to_lowercase(),
        Status::Error { fault, .. } => fault.code.to_string(),
    };
    report.checks.iter().map(|check| (check.id, check.device.clone(), word(&check.status))).collect()
}

/// How often each word was said of the checks of one device, or of those without one.
fn count(report: &Report, device: Option<i32>) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for (_, _, word) in words(report).into_iter().filter(|(_, on, _)| *on == device.map(id)) {
        *count.entry(word).or_default() += 1;
    }
    count
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(word, number)| (word.to_owned(), number)).collect()
}

fn status(report: &Report, check: CheckId, device: Option<i32>) -> Status {
    report.find(check, device.map(id).as_ref()).unwrap().status.clone()
}

fn skipped(why: Skip, reason: &str) -> Status {
    Status::Skipped { why, reason: reason.into() }
}

#[test]
fn machine_first_then_device_after_device_then_all_together_and_the_long_one_last() {
    let (fake, check) = Fake::new(2).check(Level::Full);
    let report = check.run();
    assert_eq!((report.verdict, report.simulated), (Verdict::Pass, true));
    let of = |scope| CheckId::ALL.iter().copied().filter(move |it| it.scope() == scope && *it != CheckId::SdcSoak);
    let mut expected: Vec<(CheckId, Option<GpuId>)> = of(Scope::Machine).map(|it| (it, None)).collect();
    for device in [id(0), id(1)] {
        expected.extend(of(Scope::Device).map(|it| (it, Some(device.clone()))));
    }
    expected.extend(of(Scope::Devices).map(|it| (it, None)));
    expected.extend([id(0), id(1)].map(|device| (CheckId::SdcSoak, Some(device))));
    let done: Vec<_> = report.checks.iter().map(|check| (check.id, check.device.clone())).collect();
    assert_eq!(done, expected);

    // The shared context of a device is made once for all its checks, after the check that makes it itself.
    let calls = fake.called();
    let held: Vec<&String> = calls.iter().filter(|call| call.contains(' ')).collect();
    let expected = ["retain 0", "release 0", "retain 1", "release 1", "retain 0", "release 0", "retain 1", "release 1"];
    assert_eq!(held, expected);
    let at = |call: &str| calls.iter().position(|other| other == call).unwrap();
    assert!(at("ctx.create@00") < at("retain 0") && at("retain 0") < at("det.bits@00"), "{calls:?}");
}

#[test]
fn a_level_has_its_checks_and_those_of_the_levels_below() {
    for (level, number) in [(Level::Quick, 12), (Level::Standard, 28), (Level::Full, 29)] {
        let report = Fake::new(1).check(level).1.run();
        assert_eq!(report.checks.len(), number, "{level}");
    }
}

#[test]
fn progress_tells_each_beginning_and_end_with_exact_numbers() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let (_fake, check) = Fake::new(2).at(CheckId::CtxCreate, 1, Does::Fails).check(Level::Quick);
    let report = check.on_progress(move |progress| tell.lock().unwrap().push(progress.clone())).run();
    let told = told.lock().unwrap();
    let (mut done_before, mut begun) = (0, None);
    let mut reports = Vec::new();
    for progress in told.iter() {
        match progress {
            Progress::Started { id, device, done, total } => {
                assert_eq!(*done, done_before);
                assert_eq!(*total, if *done < 6 { 12 } else { 18 }, "{id}");
                begun = Some((*id, device.clone()));
            }
            Progress::Finished { report, done, total } => {
                assert_eq!(*done, done_before + 1);
                // The devices are known when they have been enumerated.
                assert_eq!(*total, if *done < 6 { 12 } else { 18 }, "{}", report.id);
                let skipped = matches!(report.status, Status::Skipped { .. });
                assert_eq!(begun.take(), (!skipped).then(|| (report.id, report.device.clone())));
                reports.push(report.clone());
                done_before = *done;
            }
        }
    }
    assert_eq!(reports, report.checks);
    assert_eq!(done_before, 18);
}

#[test]
fn without_a_library_everything_after_is_blocked() {
    // The best of a few, for machines with much to do besides.
    let once = || crate::cuda::Check::new(Level::Standard).library("/nowhere/libcuda.so.1").run();
    let report = (0..5).map(|_| once()).min_by_key(|report| report.elapsed).unwrap();
    let Status::Fail { reason } = status(&report, CheckId::LibOpen, None) else { panic!("{report:?}") };
    assert_eq!(
        reason,
        "no CUDA driver library on this machine: cause=absent library=/nowhere/libcuda.so.1 tried=1; install the NVIDIA \
         driver (under WSL2: the Windows driver only; in a container: ask for a GPU)"
    );
    assert_eq!(count(&report, None), counts([("fail", 1), ("blocked", 27)]));
    for check in &report.checks[1..] {
        assert_eq!(check.status, skipped(Skip::Blocked, "lib.open did not pass"), "{}", check.id);
    }
    assert_eq!((report.verdict, report.probe), (Verdict::Fail, None));
    assert!(report.elapsed.as_millis() < 50, "{:?}", report.elapsed);
}

#[test]
fn a_driver_that_does_not_start_blocks_the_devices() {
    let mut fake = Fake::new(1).on(CheckId::DrvInit, Does::Refuses(802));
    fake.init = 802;
    let report = fake.check(Level::Quick).1.run();
    assert_eq!(status(&report, CheckId::DevEnumerate, None), skipped(Skip::Blocked, "drv.init did not pass"));
    assert_eq!(status(&report, CheckId::DetBits, None), skipped(Skip::Blocked, "drv.init did not pass"));
    assert_eq!(count(&report, None), counts([(".", 4), ("802", 1), ("blocked", 7)]));
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn a_driver_that_starts_and_lists_nothing_has_no_device_to_check() {
    let report = Fake::new(0).check(Level::Quick).1.run();
    assert_eq!(count(&report, None), counts([(".", 6), ("blocked", 6)]));
    assert_eq!(status(&report, CheckId::CtxCreate, None), skipped(Skip::Blocked, "there is no device"));
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn a_device_without_a_context_blocks_itself_and_no_other() {
    let report = Fake::new(2).at(CheckId::CtxCreate, 0, Does::Fails).check(Level::Quick).1.run();
    assert_eq!(count(&report, Some(0)), counts([(".", 2), ("fail", 1), ("blocked", 3)]));
    assert_eq!(status(&report, CheckId::ModPtxJit, Some(0)), skipped(Skip::Blocked, "ctx.create did not pass"));
    assert_eq!(status(&report, CheckId::DetBits, Some(0)), skipped(Skip::Blocked, "ctx.create did not pass"));
    assert_eq!(count(&report, Some(1)), counts([(".", 6)]));
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn a_device_of_others_is_busy_in_all_that_needs_it_and_not_broken() {
    let report = Fake::new(1).at(CheckId::CtxCreate, 0, Does::Refuses(46)).check(Level::Standard).1.run();
    let on_device = count(&report, Some(0));
    assert_eq!(on_device, counts([(".", 2), ("busy", 18)]));
    assert_eq!(
        status(&report, CheckId::P2pBandwidth, None),
        skipped(Skip::Busy, &format!("ctx.create on {} found the device busy", id(0)))
    );
    assert_eq!(report.verdict, Verdict::Unknown);
}

#[test]
fn without_a_compiler_the_kernels_are_blocked_and_the_copies_are_not() {
    let report = Fake::new(1).at(CheckId::ModPtxJit, 0, Does::Refuses(221)).check(Level::Standard).1.run();
    for (check, blocked) in [
        (CheckId::DetBits, true),
        (CheckId::ThrMma, true),
        (CheckId::MemPattern, true),
        (CheckId::MemAlloc, false),
        (CheckId::StrmPriority, false),
    ] {
        let expected = if blocked { skipped(Skip::Blocked, "mod.ptx_jit did not pass") } else { Status::Pass };
        assert_eq!(status(&report, check, Some(0)), expected, "{check}");
    }
}

#[test]
fn a_fault_that_stays_poisons_its_device_for_this_process() {
    for (code, poisons) in [(700, true), (709, true), (714, true), (719, true), (702, true), (2, false), (701, false)] {
        let report = Fake::new(2).at(CheckId::DetBits, 0, Does::Refuses(code)).check(Level::Standard).1.run();
        let later = status(&report, CheckId::ThrFma, Some(0));
        let reason = "det.bits made the device unusable for this process; let the checks run in a child";
        assert_eq!(later, if poisons { skipped(Skip::Poisoned, reason) } else { Status::Pass }, "{code}");
        assert_eq!(status(&report, CheckId::ThrFma, Some(1)), Status::Pass, "{code}");
        let together = status(&report, CheckId::P2pBandwidth, None);
        assert_eq!(matches!(together, Status::Skipped { why: Skip::Poisoned, .. }), poisons, "{code}");
    }
}

#[test]
fn what_a_check_had_found_until_it_stopped_is_kept() {
    let report = Fake::new(1).at(CheckId::DetBits, 0, Does::Refuses(2)).check(Level::Quick).1.run();
    let bits = report.find(CheckId::DetBits, Some(&id(0))).unwrap();
    assert_eq!(bits.evidence[0].value, id(0).as_str());
}

#[test]
fn one_check_alone_runs_with_what_it_builds_on() {
    let (fake, check) = Fake::new(2).check(Level::Quick);
    let report = check.only([CheckId::GraphCapture]).device(id(1)).run();
    let done: Vec<&str> = report.checks.iter().map(|check| check.id.name()).collect();
    assert_eq!(done, ["lib.open", "drv.init", "dev.enumerate", "ctx.create", "mod.ptx_jit", "graph.capture"]);
    assert!(report.checks[3..].iter().all(|check| check.device == Some(id(1))));
    assert!(!fake.called().iter().any(|call| call.ends_with("@00")), "{:?}", fake.called());
    assert_eq!(report.verdict, Verdict::Pass, "one device of two was asked for, and det.bits was not");
}

#[test]
fn a_device_that_is_not_there_is_named_and_the_others_are_checked() {
    let (_fake, check) = Fake::new(1).check(Level::Quick);
    let report = check.devices([id(0), id(7)]).run();
    let Status::Fail { reason } = status(&report, CheckId::DevEnumerate, None) else { panic!("{report:?}") };
    assert_eq!(
        reason,
        format!("not among the driver's devices: device={} devices={}; check CUDA_VISIBLE_DEVICES", id(7), id(0))
    );
    assert_eq!(count(&report, Some(0)), counts([(".", 6)]));
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn a_warning_and_a_lack_come_to_different_verdicts() {
    let warned = Fake::new(1).at(CheckId::CtxCreate, 0, Does::Warns).check(Level::Quick).1.run();
    assert_eq!(warned.verdict, Verdict::Warn);
    let lacks = Fake::new(1).at(CheckId::DetTensor, 0, Does::Skips(Skip::Unsupported)).check(Level::Standard).1.run();
    assert_eq!(lacks.verdict, Verdict::Pass);
}

#[test]
fn a_check_that_panics_is_an_error_of_nacp_and_the_others_go_on() {
    // A panic takes its time, because it reads symbols for its trace: the clock of this run stands still.
    let (_fake, mut check) = Fake::new(1).at(CheckId::CtxState, 0, Does::Panics).check(Level::Quick);
    check.clock = Arc::new(ManualClock::default());
    let report = check.run();
    let Status::Fail { reason } = status(&report, CheckId::CtxState, Some(0)) else { panic!("{report:?}") };
    assert!(reason.contains("an error in NACP"), "{reason}");
    assert_eq!(count(&report, Some(0)), counts([(".", 5), ("fail", 1)]));
}

#[test]
fn a_driver_of_this_process_is_not_checked_in_a_child() {
    let (_fake, check) = Fake::new(1).check(Level::Quick);
    let report = check.isolated(Isolation::Child(Program::new("/bin/true"))).run();
    assert_eq!(
        status(&report, CheckId::LibOpen, None),
        Status::Fail {
            reason:
                "a driver of this process cannot be checked in a child; name the library's file, or let the checks \
                     run in a thread"
                    .into()
        }
    );
}

/// A management library that tells of a process on the first device.
#[derive(Debug)]
struct Crowded(Origin);

impl Source for Crowded {
    fn origin(&self) -> &Origin {
        &self.0
    }

    fn inventory(&self) -> Result<Vec<Gpu>, Error> {
        Ok((0..2).map(|index| Gpu::new(id(index), index.unsigned_abs(), "Fake GPU")).collect())
    }

    fn sample(&self, _: Fields, samples: &mut Vec<Sample>) -> Result<(), Error> {
        let mut sample = Sample::unknown(id(0), Unknown::NotRead);
        sample.processes = Reading::Known(vec![Process::new(4711, ProcessKind::Compute, Reading::default())]);
        samples.push(sample);
        Ok(())
    }
}

#[test]
fn full_asks_for_an_idle_device_unless_it_is_told_otherwise() {
    let crowded = || Arc::new(Crowded(Origin { simulated: true, name: "crowded".into(), driver: None, cuda: None }));
    let report = Fake::new(2).check(Level::Full).1.telemetry(crowded()).run();
    let reason = "it asks for an idle device: 1 process computes on it (4711)";
    assert_eq!(status(&report, CheckId::SdcSoak, Some(0)), skipped(Skip::Busy, reason));
    assert_eq!(status(&report, CheckId::SdcSoak, Some(1)), Status::Pass);
    assert_eq!(status(&report, CheckId::ThrFma, Some(0)), Status::Pass, "only what belongs to full alone");
    assert_eq!(report.verdict, Verdict::Warn);
    let report = Fake::new(2).check(Level::Full).1.telemetry(crowded()).even_if_busy(true).run();
    assert_eq!(status(&report, CheckId::SdcSoak, Some(0)), Status::Pass);
}
