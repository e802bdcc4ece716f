use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::{FutureExt, Stream, StreamExt};
use serde_json::{Value, json};

use super::*;
use crate::engine::ContainerId;
use crate::units::Bytes;

fn event(number: u32) -> Event {
    Event::new(Timestamp::UNIX_EPOCH, "demo", EventKind::Converged).of("llm", number)
}

fn numbers(listener: &mut Listener) -> Vec<u32> {
    std::iter::from_fn(|| listener.try_next()).filter_map(|event| event.replica).collect()
}

fn pulling(image: &str, done: u64) -> Event {
    let progress = PullProgress { image: image.to_owned(), done: Bytes(done), ..PullProgress::default() };
    Event::new(Timestamp::UNIX_EPOCH, "demo", EventKind::Pulling(progress))
}

#[test]
fn everyone_who_listens_hears_everything_in_order_from_then_on() {
    let events = Events::default();
    events.tell(&event(0));
    let mut first = events.listen();
    events.tell(&event(1));
    let mut second = events.clone().listen();
    events.tell(&event(2));
    assert_eq!(numbers(&mut first), [1, 2]);
    assert_eq!(numbers(&mut second), [2]);
    assert_eq!(first.try_next(), None);
}

#[test]
fn a_slow_listener_loses_the_oldest_and_is_told_how_many() {
    let events = Events::default();
    let mut listener = events.listen();
    (0..1030).for_each(|number| events.tell(&event(number)));
    let lost = listener.try_next().unwrap();
    assert_eq!((lost.app.as_str(), &lost.kind), ("demo", &EventKind::Lost { count: 6 }));
    assert_eq!(numbers(&mut listener), (6..1030).collect::<Vec<_>>());
    events.tell(&event(2000));
    assert_eq!(numbers(&mut listener), [2000], "what was lost is told once");
}

#[test]
fn of_a_pull_only_the_newest_waits_and_nothing_else_is_pushed_out() {
    let events = Events::default();
    let mut listener = events.listen();
    events.tell(&event(1));
    for done in 0..5000 {
        events.tell(&pulling("a", done));
        events.tell(&pulling("b", done));
    }
    events.tell(&event(2));
    events.tell(&pulling("a", 5000));
    let got: Vec<_> = std::iter::from_fn(|| listener.try_next()).collect();
    assert_eq!(got, [event(1), pulling("a", 4999), pulling("b", 4999), event(2), pulling("a", 5000)]);
}

#[test]
fn who_tells_never_waits_for_a_listener() {
    let events = Events::default();
    let listeners: Vec<_> = (0..4).map(|_| events.listen()).collect();
    let begun = Arc::new(Barrier::new(4));
    let tellers: Vec<_> = (0..4)
        .map(|_| {
            let (events, begun) = (events.clone(), Arc::clone(&begun));
            std::thread::spawn(move || {
                begun.wait();
                (0..10_000).for_each(|number| events.tell(&event(number)));
            })
        })
        .collect();
    tellers.into_iter().for_each(|teller| teller.join().unwrap());
    for mut listener in listeners {
        assert_eq!(listener.try_next().unwrap().kind, EventKind::Lost { count: 40_000 - 1024 });
        assert_eq!(numbers(&mut listener).len(), 1024);
    }
}

struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_listener_is_woken_by_the_next_event_and_by_the_end() {
    let events = Events::default();
    let mut listener = events.listen();
    let woken = Arc::new(Counted(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut poll = || std::pin::Pin::new(&mut listener).poll_next(&mut Context::from_waker(&waker));
    assert_eq!(poll(), Poll::Pending);
    events.tell(&event(1));
    events.tell(&event(2));
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!((poll(), poll()), (Poll::Ready(Some(event(1))), Poll::Ready(Some(event(2)))));
    assert_eq!(poll(), Poll::Pending);
    let other = events.clone();
    drop(events);
    assert_eq!((woken.0.load(Ordering::SeqCst), poll()), (1, Poll::Pending), "a clone can still tell");
    drop(other);
    assert_eq!((woken.0.load(Ordering::SeqCst), poll()), (2, Poll::Ready(None)));
}

#[test]
fn the_stream_ends_with_its_source_after_what_was_told() {
    let events = Events::default();
    let mut listener = events.listen();
    assert_eq!(listener.next().now_or_never(), None, "there is none yet");
    (0..3).for_each(|number| events.tell(&event(number)));
    drop(events);
    assert_eq!(listener.next().now_or_never(), Some(Some(event(0))));
    let rest: Vec<_> = listener.map(|event| event.replica.unwrap()).collect::<Vec<_>>().now_or_never().unwrap();
    assert_eq!(rest, [1, 2]);
}

#[test]
fn nothing_is_kept_for_a_listener_that_is_gone() {
    let events = Events::default();
    drop(events.listen());
    (0..3).for_each(|_| drop(events.listen()));
    assert_eq!(format!("{events:?}").matches("(Weak)").count(), 1, "{events:?}");
    events.tell(&event(0));
    assert_eq!(format!("{events:?}").matches("(Weak)").count(), 0, "{events:?}");
}

fn every_kind() -> Vec<(EventKind, Value, &'static str)> {
    let step = || Step::Start(ContainerId("0123456789abcdef".to_owned()));
    let gpu = || "GPU-00000000-1111-2222-3333-444444444444".parse::<GpuId>().unwrap();
    let progress = PullProgress {
        image: "a:1".to_owned(),
        phase: "downloading".to_owned(),
        done: Bytes(1024),
        total: Bytes(2048),
        layers_done: 1,
        layers: 2,
    };
    let second = Duration::from_millis(1250);
    let text = |text: &str| text.to_owned();
    vec![
        (
            EventKind::Pulling(progress),
            json!({"event": "pulling", "image": "a:1", "phase": "downloading", "done": 1024, "total": 2048,
                "layers_done": 1, "layers": 2}),
            "image a:1: downloading, 1 KiB of 2 KiB",
        ),
        (
            EventKind::Doing { step: Step::Create, reason: text("it is not there") },
            json!({"event": "doing", "step": "create", "reason": "it is not there"}),
            "create: it is not there",
        ),
        (
            EventKind::Done { step: step() },
            json!({"event": "done", "step": {"start": "0123456789abcdef"}}),
            "start 0123456789ab done",
        ),
        (
            EventKind::Failed { step: step(), message: text("no"), kind: text("Timeout"), again: Some(second) },
            json!({"event": "failed", "step": {"start": "0123456789abcdef"}, "message": "no", "kind": "Timeout",
                "again": 1.25}),
            "start 0123456789ab failed: no (Timeout); again in 1.2s",
        ),
        (
            EventKind::Failed { step: Step::Create, message: text("no"), kind: text("Timeout"), again: None },
            json!({"event": "failed", "step": "create", "message": "no", "kind": "Timeout"}),
            "create failed: no (Timeout); given up",
        ),
        (
            EventKind::Waiting { last: text("HTTP 503") },
            json!({"event": "waiting", "last": "HTTP 503"}),
            "not ready yet: HTTP 503",
        ),
        (EventKind::Ready { after: second }, json!({"event": "ready", "after": 1.25}), "ready after 1.2s"),
        (
            EventKind::NotReady { last: text("HTTP 503") },
            json!({"event": "not_ready", "last": "HTTP 503"}),
            "no longer ready: HTTP 503",
        ),
        (
            EventKind::Ended { code: Some(137), log: vec![text("a"), text("b\x1b[2J\n"), text("")], again: None },
            json!({"event": "ended", "code": 137, "log": ["a", "b\x1b[2J\n", ""]}),
            "ended with 137, last line: b\\u{1b}[2J\\n; stays ended",
        ),
        (
            EventKind::Ended { code: None, log: Vec::new(), again: Some(Duration::from_secs(2)) },
            json!({"event": "ended", "log": [], "again": 2.0}),
            "ended; again in 2.0s",
        ),
        (
            EventKind::RolledBack { reason: text("never ready") },
            json!({"event": "rolled_back", "reason": "never ready"}),
            "rolled back: never ready",
        ),
        (
            EventKind::Cordoned { gpu: gpu(), reason: Some(text("fell off the bus")) },
            json!({"event": "cordoned", "gpu": gpu().as_str(), "reason": "fell off the bus"}),
            "GPU GPU-00000000 gets no replica: fell off the bus",
        ),
        (
            EventKind::Cordoned { gpu: gpu(), reason: None },
            json!({"event": "cordoned", "gpu": gpu().as_str()}),
            "GPU GPU-00000000 gets replicas again",
        ),
        (
            EventKind::Weaker { what: text("isolation is cooperative") },
            json!({"event": "weaker", "what": "isolation is cooperative"}),
            "weaker than asked for: isolation is cooperative",
        ),
        (
            EventKind::EngineLost { message: text("refused") },
            json!({"event": "engine_lost", "message": "refused"}),
            "the engine does not answer: refused",
        ),
        (
            EventKind::EngineBack { after: second },
            json!({"event": "engine_back", "after": 1.25}),
            "the engine answers again after 1.2s",
        ),
        (
            EventKind::Standby { holder: text("nacp (process 7)") },
            json!({"event": "standby", "holder": "nacp (process 7)"}),
            "only watched here: nacp (process 7) keeps it",
        ),
        (EventKind::Keeping, json!({"event": "keeping"}), "kept by this program"),
        (EventKind::Converged, json!({"event": "converged"}), "as it is wanted"),
        (
            EventKind::Lost { count: 3 },
            json!({"event": "lost", "count": 3}),
            "3 events were lost, because they were read too slowly",
        ),
    ]
}

#[test]
fn each_kind_is_one_flat_object_and_is_read_back_as_it_was() {
    for (kind, mut wanted, _) in every_kind() {
        let event = Event::new(Timestamp::UNIX_EPOCH, "demo", kind);
        wanted["at"] = json!("1970-01-01T00:00:00Z");
        wanted["app"] = json!("demo");
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(written, wanted);
        assert_eq!(serde_json::from_value::<Event>(written).unwrap(), event);
        let replica = event.of("llm", 3);
        (wanted["service"], wanted["replica"]) = (json!("llm"), json!(3));
        assert_eq!(serde_json::to_value(&replica).unwrap(), wanted);
        assert_eq!(serde_json::from_value::<Event>(wanted).unwrap(), replica);
    }
}

#[test]
fn each_kind_is_one_line_on_a_terminal() {
    for (kind, _, wanted) in every_kind() {
        let event = Event::new(Timestamp::UNIX_EPOCH, "demo", kind);
        assert_eq!(event.to_string(), format!("00:00:00 demo: {wanted}"));
        assert_eq!(event.of_service("llm").to_string(), format!("00:00:00 demo/llm: {wanted}"));
    }
    let long = EventKind::NotReady { last: "x".repeat(10_000) };
    assert_eq!(long.to_string().chars().count(), "no longer ready: ".len() + 301);
}

#[test]
fn a_duration_that_is_none_is_refused() {
    for wrong in ["-1", "1e300", "\"2s\""] {
        let text = format!(r#"{{"at":"1970-01-01T00:00:00Z","app":"a","event":"ready","after":{wrong}}}"#);
        assert!(serde_json::from_str::<Event>(&text).is_err(), "{wrong}");
    }
    let whole = r#"{"at":"1970-01-01T00:00:00Z","app":"a","event":"ready","after":2}"#;
    assert_eq!(serde_json::from_str::<Event>(whole).unwrap().kind, EventKind::Ready { after: Duration::from_secs(2) });
}
