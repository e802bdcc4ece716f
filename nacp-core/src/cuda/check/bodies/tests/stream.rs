use super::*;

#[test]
fn urgent_work_is_told_to_be_done_first_or_not_and_neither_is_a_fault() {
    let outcome = found(&stage(Setup::default()), strm::priority);
    assert_eq!(outcome.status, Status::Pass);
    assert_eq!(told(&outcome, "priorities"), "0 (least) to -5 (greatest)");
    assert_eq!(
        told(&outcome, "order"),
        "the urgent work was done before the work that was queued earlier at low priority"
    );
    assert!(value(&outcome, "urgent_done_after") < value(&outcome, "patient_done_after"));
    let outcome = found(&stage(Setup { overtakes: false, ..Setup::default() }), strm::priority);
    assert_eq!(outcome.status, Status::Pass);
    assert_eq!(
        told(&outcome, "order"),
        "the urgent work was done after the work that was queued earlier at low priority"
    );
}

#[test]
fn a_stream_that_loses_its_priority_is_a_failure() {
    let outcome = found(&stage(Setup { priority: Some(0), ..Setup::default() }), strm::priority);
    assert_eq!(
        reason(&outcome),
        "fail: a stream did not get the priority that it was made with: asked=-5 got=0; the driver is at fault: install \
         another version of it"
    );
}

#[test]
fn a_device_without_priorities_is_not_asked() {
    let stop = stopped(&stage(Setup { priorities: (0, 0), ..Setup::default() }), strm::priority);
    let reason = "all streams of this device have the same priority".to_owned();
    assert_eq!(stop.status, Status::Skipped { why: Skip::Unsupported, reason });
    let mut stage = stage(Setup::default());
    stage.driver.setup.refuses.push(("priorities", 1, 500));
    let reason = "this driver has no cuCtxGetStreamPriorityRange".to_owned();
    assert_eq!(stopped(&stage, strm::priority).status, Status::Skipped { why: Skip::Unsupported, reason });
}

#[test]
fn recorded_work_gives_the_digests_of_direct_work() {
    let outcome = found(&stage(Setup::default()), strm::capture);
    assert_eq!(outcome.status, Status::Pass);
    for kernel in ["nacp_hash", "nacp_fma", "nacp_ieee"] {
        let first = told(&outcome, &format!("digest.{kernel}.first"));
        assert_eq!((first.len(), first), (64, told(&outcome, &format!("digest.{kernel}.second"))));
    }
}

#[test]
fn recorded_work_that_gives_other_answers_is_a_failure() {
    let mut stage = stage(Setup::default());
    stage.driver.setup.flips.push(("graph", 41, 0x04));
    let outcome = found(&stage, strm::capture);
    let reason = reason(&outcome);
    let begin = "fail: recorded work gives other answers than work that is done at once: kernel=nacp_hash round=first \
                 words=1 first=10 direct=";
    assert!(reason.starts_with(begin), "{reason}");
    assert!(reason.contains(told(&outcome, "digest.nacp_hash.first")), "{reason}");
}

#[test]
fn work_that_is_done_while_it_is_recorded_is_a_failure() {
    let outcome = found(&stage(Setup { records_badly: true, ..Setup::default() }), strm::capture);
    assert_eq!(
        reason(&outcome),
        "fail: work that was only recorded was done: kernel=nacp_hash; the driver is at fault: install another version of \
         it"
    );
}

#[test]
fn a_driver_without_graphs_is_not_asked() {
    let mut stage = stage(Setup::default());
    stage.driver.setup.refuses.push(("begin_capture", 1, 500));
    let reason = "this driver has no cuStreamBeginCapture".to_owned();
    assert_eq!(stopped(&stage, strm::capture).status, Status::Skipped { why: Skip::Unsupported, reason });
}
