//! Several devices: the order, each one's part of the time, and what is not known of one of them.

use std::sync::Arc;
use std::time::Duration;

use super::fake::{Does, Fake, id};
use crate::clock::{Clock, ManualClock};
use crate::cuda::check::{Check, CheckId, Level, Report, Skip, Status, Verdict};
use crate::error::ErrorKind;

const LONG: Does = Does::Takes(Duration::from_secs(1_000_000));

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The check on a clock that only the scripted checks move.
fn timed(fake: Fake, level: Level) -> Check<'static> {
    let (fake, mut check) = fake.check(level);
    let _ = Box::leak(Box::new(fake));
    check.clock = Arc::new(ManualClock::default()) as Arc<dyn Clock>;
    check
}

fn on(report: &Report, check: CheckId, device: i32) -> (Status, Duration) {
    let found = report.find(check, Some(&id(device))).unwrap();
    (found.status.clone(), found.elapsed)
}

fn is_late(status: &Status) -> bool {
    matches!(status, Status::Skipped { why: Skip::Deadline, .. })
}

#[test]
fn every_device_is_looked_at_quickly_before_any_is_measured() {
    let report = Fake::new(3).check(Level::Full).1.run();
    let levels: Vec<(Level, i32)> = report
        .checks
        .iter()
        .filter_map(|check| Some((check.id.level(), (0..3).find(|at| check.device == Some(id(*at)))?)))
        .collect();
    let mut blocks = levels;
    blocks.dedup();
    let expected: Vec<(Level, i32)> =
        Level::ALL.into_iter().flat_map(|level| (0..3).map(move |at| (level, at))).collect();
    assert_eq!(blocks, expected);
}

#[test]
fn a_level_has_its_time_for_each_device() {
    // Each takes 1.5 s of its 2 s: eight devices need 12 s.
    let fake = (0..8).fold(Fake::new(8), |fake, at| fake.at(CheckId::CtxCreate, at, Does::Takes(seconds(1.5))));
    let report = timed(fake, Level::Quick).run();
    assert_eq!((report.verdict, report.elapsed), (Verdict::Pass, seconds(12.0)));
    assert!(report.unknown().is_empty());
}

#[test]
fn one_device_does_not_use_up_the_time_of_the_others() {
    let slow = [CheckId::CtxCreate, CheckId::CtxState, CheckId::ModPtxJit, CheckId::MemAlloc];
    let fake = slow.into_iter().fold(Fake::new(3), |fake, check| fake.at(check, 0, LONG));
    let report = timed(fake, Level::Quick).run();
    assert_eq!(report.elapsed, seconds(2.0), "1.8 s of a context, 0.2 s of the rest");
    assert!(is_late(&on(&report, CheckId::CtxCreate, 0).0));
    for device in [1, 2] {
        assert_eq!(on(&report, CheckId::DetBits, device).0, Status::Pass);
    }
}

#[test]
fn a_caller_s_limit_is_for_all_and_is_divided_by_the_devices_still_to_do() {
    let fake =
        Fake::new(4).at(CheckId::CtxCreate, 0, LONG).at(CheckId::CtxCreate, 2, LONG).at(CheckId::DetBits, 3, LONG);
    let report = timed(fake, Level::Quick).limit(seconds(2.0)).run();
    // 2/4 s; then what is left by halves, since the second needs nothing; then all.
    assert_eq!(on(&report, CheckId::CtxCreate, 0).1, seconds(0.5));
    assert_eq!(on(&report, CheckId::CtxCreate, 2).1, seconds(0.75));
    assert_eq!(on(&report, CheckId::DetBits, 3).1, seconds(0.75));
    assert_eq!(report.elapsed, seconds(2.0));
    assert_eq!(
        on(&report, CheckId::CtxState, 0).0,
        Status::Skipped {
            why: Skip::Deadline,
            reason: "the 500ms of its device in level quick were over before it began".into()
        }
    );
}

#[test]
fn starting_the_driver_is_not_part_of_the_time_and_has_a_limit_of_its_own() {
    let slow = || Fake::new(1).on(CheckId::DrvInit, Does::Takes(seconds(4.0)));
    let bits = || slow().at(CheckId::CtxCreate, 0, Does::Takes(seconds(1.7)));
    let report = timed(bits(), Level::Quick).run();
    assert_eq!((report.verdict, report.elapsed), (Verdict::Pass, seconds(5.7)));

    let never = || Fake::new(1).on(CheckId::DrvInit, LONG);
    let limit = |report: Report| report.find(CheckId::DrvInit, None).unwrap().elapsed;
    assert_eq!(limit(timed(never(), Level::Quick).run()), seconds(10.0));
    assert_eq!(limit(timed(never(), Level::Standard).run()), seconds(10.0));
    assert_eq!(limit(timed(never(), Level::Quick).limit(seconds(3.0)).run()), seconds(1.5));
}

#[test]
fn a_driver_that_never_starts_names_persistence_mode() {
    let (fake, check) = Fake::new(1).on(CheckId::DrvInit, Does::Hangs).check(Level::Quick);
    let report = check.limit(seconds(0.2)).run();
    fake.over();
    let Status::Skipped { reason, .. } = &report.find(CheckId::DrvInit, None).unwrap().status else {
        panic!("{report}")
    };
    assert!(reason.contains("nvidia-smi -pm 1"), "{reason}");
    assert!(reason.ends_with("; let the checks run in a child"), "{reason}");
}

#[test]
fn a_device_whose_bits_are_not_known_is_not_hidden_behind_one_that_works() {
    let busy = Fake::new(3).at(CheckId::CtxCreate, 1, Does::Refuses(46)).check(Level::Quick).1.run();
    assert_eq!((busy.verdict, busy.unknown()), (Verdict::Unknown, vec![&id(1)]));
    assert!(busy.to_string().contains(&format!("not known whether it works: {}", id(1))), "{busy}");
    let error = busy.error().unwrap();
    assert_eq!((error.kind(), error.get("device")), (ErrorKind::Conflict, Some(id(1).as_str())));

    let late = Fake::new(3)
        .at(CheckId::DetBits, 0, Does::Skips(Skip::Deadline))
        .at(CheckId::DetBits, 2, Does::Skips(Skip::Deadline))
        .check(Level::Quick)
        .1
        .run();
    assert_eq!((late.verdict, late.unknown()), (Verdict::Unknown, vec![&id(0), &id(2)]));
    assert_eq!(late.error().unwrap().get("unknown"), Some(format!("{},{}", id(0), id(2)).as_str()));

    let lacks = Fake::new(2).at(CheckId::DetBits, 1, Does::Skips(Skip::Unsupported)).check(Level::Quick).1.run();
    assert_eq!((lacks.verdict, lacks.unknown()), (Verdict::Pass, vec![]));
}
