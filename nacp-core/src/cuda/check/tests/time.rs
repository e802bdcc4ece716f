//! What takes too long, and who gives up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::fake::{Does, Fake, id};
use crate::clock::{Clock, ManualClock};
use crate::cuda::check::{CheckId, Level, Progress, Skip, Status, Verdict};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn why(status: &Status) -> Option<Skip> {
    match status {
        Status::Skipped { why, .. } => Some(*why),
        _ => None,
    }
}

#[test]
fn a_check_ends_at_its_own_limit_and_the_next_begins() {
    let clock = Arc::new(ManualClock::default());
    let (_fake, mut check) = Fake::new(1).at(CheckId::MemAlloc, 0, Does::Takes(seconds(9.0))).check(Level::Quick);
    check.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let report = check.run();
    let alloc = report.find(CheckId::MemAlloc, Some(&id(0))).unwrap();
    assert_eq!(alloc.status, Status::Skipped { why: Skip::Deadline, reason: "its time was over".into() });
    assert_eq!(alloc.elapsed, CheckId::MemAlloc.limit(Level::Quick));
    assert_eq!(report.find(CheckId::DetBits, Some(&id(0))).unwrap().status, Status::Pass);
    assert_eq!(report.verdict, Verdict::Warn);
}

#[test]
fn when_the_time_of_the_level_is_over_the_rest_is_not_begun() {
    let clock = Arc::new(ManualClock::default());
    let (_fake, mut check) = Fake::new(2)
        .at(CheckId::CtxCreate, 0, Does::Takes(seconds(1.7)))
        .at(CheckId::ModPtxJit, 0, Does::Takes(seconds(1.4)))
        .check(Level::Quick);
    check.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let report = check.run();
    assert_eq!(report.elapsed, Level::Quick.limit());
    let jit = report.find(CheckId::ModPtxJit, Some(&id(0))).unwrap();
    assert_eq!((why(&jit.status), jit.elapsed), (Some(Skip::Deadline), seconds(0.3)));
    let late = report.find(CheckId::DevArchFit, Some(&id(1))).unwrap();
    let reason = "the 2s of the whole run were over before it began".to_owned();
    assert_eq!(late.status, Status::Skipped { why: Skip::Deadline, reason });
    assert_eq!(report.verdict, Verdict::Unknown, "no bit was checked");
}

#[test]
fn devices_share_what_is_left_for_the_long_check() {
    let clock = Arc::new(ManualClock::default());
    let (_fake, mut check) = Fake::new(4)
        .at(CheckId::SdcSoak, 0, Does::Takes(seconds(1e6)))
        .at(CheckId::SdcSoak, 1, Does::Takes(seconds(1e6)))
        .check(Level::Full);
    check.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let report = check.limit(seconds(400.0)).run();
    let took = |device| report.find(CheckId::SdcSoak, Some(&id(device))).unwrap().elapsed;
    assert_eq!([took(0), took(1)], [seconds(100.0), seconds(100.0)]);
}

#[test]
fn a_driver_that_hangs_in_a_thread_is_left_behind_within_the_limit_and_a_grace() {
    for (check, device) in [(CheckId::DrvInit, None), (CheckId::ModPtxJit, Some(0)), (CheckId::DetBits, Some(0))] {
        let fake = Fake::new(2);
        let fake = match device {
            Some(device) => fake.at(check, device, Does::Hangs),
            None => fake.on(check, Does::Hangs),
        };
        let (fake, run) = fake.check(Level::Quick);
        let began = Instant::now();
        let report = run.limit(seconds(2.0)).run();
        let took = began.elapsed();
        fake.over();
        let least = check.limit(Level::Quick).min(seconds(2.0));
        assert!((least..seconds(20.0)).contains(&took), "{check}: {took:?}");
        let device = device.map(id);
        let at = report.checks.iter().position(|it| (it.id, &it.device) == (check, &device)).unwrap();
        let Status::Skipped { why: Skip::Deadline, reason } = &report.checks[at].status else { panic!("{report:?}") };
        assert!(reason.starts_with("the driver did not come back within "), "{reason}");
        for later in &report.checks[at + 1..] {
            assert_eq!(why(&later.status), Some(Skip::Blocked), "{}", later.id);
        }
        assert_eq!(report.verdict, Verdict::Unknown, "{check}");
    }
}

#[test]
fn who_gives_up_is_heeded_between_steps_and_in_a_call_that_hangs() {
    for does in [Does::GoesOn, Does::Hangs] {
        let (fake, check) = Fake::new(1).at(CheckId::DetBits, 0, does.clone()).check(Level::Standard);
        let flag = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&flag);
        let began = Instant::now();
        let report = check
            .cancel_with(flag)
            .on_progress(move |progress| {
                if matches!(progress, Progress::Started { id: CheckId::DetBits, .. }) {
                    set.store(true, Ordering::Relaxed);
                }
            })
            .run();
        let took = began.elapsed();
        fake.over();
        assert!(took < seconds(20.0), "{does:?}: {took:?}");
        let at = report.checks.iter().position(|it| it.id == CheckId::DetBits).unwrap();
        assert!(report.checks[..at].iter().all(|it| it.status == Status::Pass));
        assert!(report.checks[at..].iter().all(|it| why(&it.status) == Some(Skip::Cancelled)), "{does:?} {report:?}");
        assert_eq!(report.checks.len(), 28);
        assert_eq!(report.verdict, Verdict::Unknown);
    }
}

#[test]
fn without_any_limit_nothing_overflows() {
    let report = Fake::new(1).check(Level::Quick).1.limit(Duration::MAX).run();
    assert_eq!(report.verdict, Verdict::Pass);
}
