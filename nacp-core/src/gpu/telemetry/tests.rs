//! The poller, its view and its threads together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::*;
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{
    Event, EventKind, Events, Fields, Gpu, GpuId, Metric, Node, Origin, Reading, Sample, Source, Unknown, Via,
};

/// A source whose power is the number of the call, that remembers what it was asked, and that fails on demand.
#[derive(Debug)]
struct Scripted {
    origin: Origin,
    gpus: u8,
    energy: bool,
    asked: Mutex<Vec<Fields>>,
    failing: AtomicBool,
    told: Mutex<Option<u32>>,
    /// How often it refuses to tell events before it does.
    refusals: AtomicU32,
}

impl Scripted {
    fn new(gpus: u8) -> Self {
        let origin = Origin { simulated: true, name: "scripted".to_owned(), driver: None, cuda: None };
        Self {
            origin,
            gpus,
            energy: true,
            asked: Mutex::default(),
            failing: AtomicBool::new(false),
            told: Mutex::default(),
            refusals: AtomicU32::new(0),
        }
    }

    fn calls(&self) -> u32 {
        self.asked.lock().unwrap().len().try_into().unwrap()
    }
}

fn id(last: u8) -> GpuId {
    format!("GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789{last:02x}").parse().unwrap()
}

impl Source for Scripted {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        Ok((0..self.gpus).map(|at| Gpu::new(id(at), at.into(), "scripted")).collect())
    }

    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        self.asked.lock().unwrap().push(fields);
        if self.failing.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::DriverUnavailable, "test.sample", "the driver is gone"));
        }
        let call = self.calls();
        for sample in samples.iter_mut() {
            sample.forget(fields, Unknown::NotSupported);
            if fields.contains(Fields::POWER) {
                sample.power = Reading::Known(call * 1000);
            }
            if self.energy && fields.contains(Fields::ENERGY) {
                sample.energy = Reading::Known(u64::from(call) * 100_000);
            }
        }
        Ok(())
    }

    fn events(&self) -> Result<Box<dyn Events>> {
        if self.refusals.load(Ordering::Relaxed) > 0 {
            self.refusals.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::new(ErrorKind::DriverUnavailable, "test.events", "the driver is busy"));
        }
        match *self.told.lock().unwrap() {
            Some(many) => Ok(Box::new(Xids(AtomicU32::new(many)))),
            None => Err(Error::new(ErrorKind::Unsupported, "test.events", "this source tells no events")),
        }
    }
}

/// Tells a few events, then fails once it has told them all.
struct Xids(AtomicU32);

impl Events for Xids {
    fn wait(&mut self, _: Duration, clock: &dyn Clock, events: &mut Vec<Event>) -> Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        if left == 0 {
            return Err(Error::new(ErrorKind::DriverUnavailable, "test.events", "the driver is gone"));
        }
        self.0.store(left - 1, Ordering::Relaxed);
        let kind = EventKind::Xid { code: left.into(), detail: String::new() };
        events.push(Event::new(clock.wall(), Some(id(0)), kind, Via::Simulated));
        Ok(())
    }
}

fn poller(source: &Arc<Scripted>, options: TelemetryOptions) -> Poller {
    Poller::new(Node::from_source(Arc::clone(source) as _).unwrap(), options).unwrap()
}

/// Ticks whenever something is due, up to this moment.
fn run(poller: &mut Poller, clock: &ManualClock, until: Duration) {
    while clock.monotonic() < until {
        let next = poller.poll(clock).next;
        clock.advance(next.saturating_sub(clock.monotonic()));
    }
}

#[test]
fn an_hour_of_ticks_reads_each_field_as_often_as_its_tier_says_and_nothing_else() {
    let source = Arc::new(Scripted::new(1));
    let options = TelemetryOptions {
        fast: Tier { every: Duration::from_millis(100), fields: Fields::POWER },
        medium: Tier { every: Duration::from_secs(1), fields: Fields::ENERGY | Fields::POWER },
        slow: Tier { every: Duration::from_secs(10), fields: Fields::FANS | Fields::PROCESSES },
        ..TelemetryOptions::default()
    };
    let mut poller = poller(&source, options);
    run(&mut poller, &ManualClock::default(), Duration::from_secs(3600));
    let asked = source.asked.lock().unwrap();
    let mut counts = BTreeMap::new();
    for fields in asked.iter() {
        Fields::names()
            .filter(|(_, it)| fields.contains(*it))
            .for_each(|(name, _)| *counts.entry(name).or_insert(0) += 1);
    }
    assert_eq!(counts, BTreeMap::from([("power", 36_000), ("energy", 3_600), ("fans", 361), ("processes", 360)]));
    assert_eq!((asked.len(), asked[0].to_string().as_str()), (36_000, "power,energy,fans,processes"));
    let status = poller.view().status();
    assert_eq!((status.ticks, status.missed, status.errors), (36_000, 0, 0));
    assert_eq!(status.last_duration, Some(Duration::ZERO), "a manual clock stands still meanwhile");
}

#[test]
fn eight_gpus_for_an_hour_are_kept_whole_within_the_stated_memory() {
    let source = Arc::new(Scripted::new(8));
    let mut poller = poller(&source, TelemetryOptions::default());
    run(&mut poller, &ManualClock::default(), Duration::from_secs(3700));
    assert!(poller.view().options().memory_for(8) < crate::Bytes::mib(14));
    for gpu in 0..8 {
        let window = poller.view().window(&id(gpu), Metric::Power, Duration::from_secs(3600)).unwrap();
        assert_eq!((window.count, window.unknown), (36_001, 0));
        assert_eq!((window.first, window.last), (Some(1_000.0), Some(37_000.0)));
        assert_eq!((window.min, window.max, window.mean), (Some(1_000.0), Some(37_000.0), Some(19_000.0)));
        assert_eq!((window.p50, window.p99), (Some(19_000.0), Some(36_640.0)));
        let seconds = window.to.unwrap().as_second() - window.from.unwrap().as_second();
        assert_eq!(seconds, 3600);
    }
    let energy = poller.view().window(&id(7), Metric::Energy, Duration::from_secs(60)).unwrap();
    assert_eq!(
        (energy.count, energy.delta, energy.rate),
        (60, Some(59_000.0), Some(1_000.0)),
        "100 J a call, ten a second"
    );
    let missing = poller.view().window(&id(7), Metric::Temperature, Duration::from_secs(60)).unwrap();
    assert_eq!((missing.count, missing.unknown, missing.mean), (0, 60, None));
}

#[test]
fn while_the_source_fails_readings_are_unknown_and_afterwards_all_are_read_again() {
    let source = Arc::new(Scripted::new(2));
    let clock = ManualClock::default();
    let mut poller = poller(&source, TelemetryOptions::default());
    let mut told = poller.subscribe();
    run(&mut poller, &clock, Duration::from_millis(1_500));
    source.failing.store(true, Ordering::Relaxed);
    run(&mut poller, &clock, Duration::from_millis(2_000));
    let view = poller.view().clone();
    let status = view.status();
    assert_eq!((status.ticks, status.errors), (20, 5));
    assert_eq!(status.error.unwrap().to_string(), "the driver is gone");
    for state in view.latest().unwrap().gpus {
        assert_eq!(state.sample, Sample::unknown(state.gpu.id, Unknown::SourceFailed));
    }
    source.failing.store(false, Ordering::Relaxed);
    run(&mut poller, &clock, Duration::from_millis(2_200));
    assert!(view.status().error.is_none());
    assert_eq!(source.asked.lock().unwrap().last(), Some(&Fields::ALL), "the tick after the first answer");
    let window = view.window(&id(1), Metric::Power, Duration::from_secs(60)).unwrap();
    assert_eq!((window.count, window.unknown), (17, 5), "a gap, not a zero");
    let (mut frames, mut errors) = (0, 0);
    while let Some(update) = told.try_next() {
        match update {
            Update::Samples(_) => frames += 1,
            Update::Error(error) => errors += u32::from(error.kind() == ErrorKind::DriverUnavailable),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((frames, errors), (22, 1), "an error is told once, not at each tick");
}

#[test]
fn energy_comes_from_the_counter_else_from_power_else_it_is_unknown_with_the_reason() {
    let minute = Duration::from_secs(60);
    let read = |change: &dyn Fn(&mut Scripted), options: TelemetryOptions| {
        let mut source = Scripted::new(1);
        change(&mut source);
        let mut poller = poller(&Arc::new(source), options);
        run(&mut poller, &ManualClock::default(), Duration::from_secs(10));
        poller.view().energy(&id(0), minute)
    };
    let counter = read(&|_| {}, TelemetryOptions::default()).unwrap();
    let counter = counter.known().unwrap();
    assert_eq!((counter.joules, counter.by, counter.over), (9_000.0, EnergyBy::Counter, Duration::from_secs(9)));
    let power = read(&|source| source.energy = false, TelemetryOptions::default()).unwrap();
    let power = power.known().unwrap();
    assert_eq!((power.by, power.over), (EnergyBy::Power, Duration::from_millis(9_900)));
    assert!((power.joules - 9.9 * 50.5).abs() < 1e-6, "from 1 W to 100 W: {}", power.joules);
    let broken = read(&|source| source.failing = AtomicBool::new(true), TelemetryOptions::default()).unwrap();
    assert_eq!(broken.unknown(), Some(Unknown::SourceFailed));
    let mut blind = TelemetryOptions::default();
    blind.fast.fields = Fields::UTILIZATION;
    blind.medium.fields = Fields::MEMORY;
    blind.slow.fields = Fields::NONE;
    let error = read(&|_| {}, blind).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no tier reads this number: metric=power read=utilization,memory; add power to the fields of a tier"
    );
}

#[test]
fn the_table_has_a_row_for_each_tick_and_gpu_and_nothing_is_filled_in() {
    let source = Arc::new(Scripted::new(2));
    let mut poller = poller(&source, TelemetryOptions::default());
    run(&mut poller, &ManualClock::default(), Duration::from_secs(2));
    let view = poller.view();
    let table = view.columns(&[Metric::Power, Metric::Energy, Metric::Fan], Timestamp::MIN).unwrap();
    assert_eq!((table.rows(), table.gpu[..4].to_vec(), table.gpus.len()), (40, vec![0, 1, 0, 1], 2));
    let known = |metric| table.column(metric).unwrap().valid().filter(|valid| *valid).count();
    assert_eq!((known(Metric::Power), known(Metric::Energy), known(Metric::Fan)), (40, 4, 0));
    assert_eq!(table.column(Metric::Power).unwrap().values[38..], [20.0, 20.0]);
    assert_eq!(table.column(Metric::Energy).unwrap().values[20..22], [1_100.0, 1_100.0], "call 11, at one second");
    assert_eq!(table.at[20], Timestamp::from_second(1).unwrap());
    let late = view.columns(&[Metric::Power], Timestamp::from_second(1).unwrap()).unwrap();
    assert_eq!((late.rows(), late.column(Metric::Energy)), (18, None));
    let series = view.history(&id(1), Metric::Power, Timestamp::from_millisecond(1_799).unwrap()).unwrap();
    assert_eq!(series.values, [19.0, 20.0]);
    assert_eq!(view.history(&id(9), Metric::Power, Timestamp::MIN).unwrap_err().kind(), ErrorKind::NotFound);
}

/// A source that hangs until it is let go.
#[derive(Debug)]
struct Hanging {
    source: Scripted,
    state: Mutex<Hang>,
    changed: Condvar,
}

#[derive(Debug, PartialEq)]
enum Hang {
    Idle,
    Hangs,
    Free,
}

impl Source for Hanging {
    fn origin(&self) -> &Origin {
        self.source.origin()
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        self.source.inventory()
    }

    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        *state = Hang::Hangs;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| *state == Hang::Hangs).unwrap());
        self.source.sample(fields, samples)
    }
}

#[test]
fn stopping_keeps_its_limit_while_the_source_hangs() {
    let (state, changed) = (Mutex::new(Hang::Idle), Condvar::new());
    let source = Arc::new(Hanging { source: Scripted::new(1), state, changed });
    let node = Node::from_source(Arc::clone(&source) as _).unwrap();
    let telemetry = Telemetry::start(node, TelemetryOptions::default(), Arc::new(SystemClock::new())).unwrap();
    let mut told = telemetry.subscribe();
    drop(source.changed.wait_while(source.state.lock().unwrap(), |state| *state == Hang::Idle).unwrap());
    assert!(telemetry.latest().is_none() && telemetry.age().is_none());
    let start = Instant::now();
    let error = telemetry.stop(Duration::from_millis(50)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!((error.kind(), error.get("source")), (ErrorKind::Timeout, Some("scripted")));
    assert!(matches!(told.next(Duration::from_secs(60)), Ok(Update::Ended)));
    *source.state.lock().unwrap() = Hang::Free;
    source.changed.notify_all();
}

#[test]
fn the_threads_read_tell_events_and_end_when_they_are_dropped() {
    let source = Arc::new(Scripted::new(1));
    *source.told.lock().unwrap() = Some(2);
    let node = Node::from_source(Arc::clone(&source) as _).unwrap();
    let telemetry = Telemetry::start(node, TelemetryOptions::default(), Arc::new(SystemClock::new())).unwrap();
    let mut told = telemetry.subscribe();
    let (mut frames, mut xids) = (0, Vec::new());
    while frames < 3 || !matches!(telemetry.status().events, Listening::Failing(_)) {
        match told.next(Duration::from_secs(60)).unwrap() {
            Update::Samples(_) => frames += 1,
            Update::Event(Event { kind: EventKind::Xid { code, .. }, .. }) => xids.push(code),
            _ => {}
        }
    }
    assert!(xids.ends_with(&[1]) || xids.is_empty(), "those before the subscription are not told: {xids:?}");
    let view = telemetry.view().clone();
    drop(telemetry);
    let ticks = view.status().ticks;
    assert!(ticks >= 3);
    assert!(matches!(view.status().events, Listening::Off));
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(view.status().ticks, ticks, "nobody reads any more");
    assert!(view.window(&id(0), Metric::Power, Duration::from_secs(60)).unwrap().count >= 3, "what was read stays");
}

#[test]
fn events_that_fail_at_the_start_are_tried_again_while_readings_go_on() {
    let source = Arc::new(Scripted::new(1));
    *source.told.lock().unwrap() = Some(u32::MAX);
    source.refusals.store(1, Ordering::Relaxed);
    let node = Node::from_source(Arc::clone(&source) as _).unwrap();
    let telemetry = Telemetry::start(node, TelemetryOptions::default(), Arc::new(SystemClock::new())).unwrap();
    let mut told = telemetry.subscribe();
    let mut failed = false;
    while !matches!(told.next(Duration::from_secs(60)).unwrap(), Update::Event(_)) {
        failed |= matches!(telemetry.status().events, Listening::Failing(_));
    }
    assert!(failed, "it says so meanwhile");
    let status = telemetry.status();
    assert!(status.ticks > 1 && matches!(status.events, Listening::On), "{status:?}");
    assert!(status.hears.driver && !status.hears.kernel_log);
}

#[test]
fn a_source_without_events_is_no_error_and_a_clock_that_stands_still_makes_no_ticks() {
    let source = Arc::new(Scripted::new(1));
    let node = Node::from_source(Arc::clone(&source) as _).unwrap();
    let clock = Arc::new(ManualClock::default());
    let telemetry = Telemetry::start(node, TelemetryOptions::default(), Arc::clone(&clock) as _).unwrap();
    let mut told = telemetry.subscribe();
    while telemetry.status().ticks == 0 {
        std::thread::yield_now();
    }
    let reason = match telemetry.status().events {
        Listening::NotOffered(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason, "this source tells no events");
    while told.next(Duration::from_millis(300)).is_ok() {}
    assert_eq!(telemetry.status().ticks, 1, "the clock stands still");
    assert_eq!(telemetry.age(), Some(Duration::ZERO));
    clock.advance(Duration::from_secs(3600));
    assert!(matches!(told.next(Duration::from_secs(60)).unwrap(), Update::Samples(frame) if frame.tick == 2));
    assert_eq!(telemetry.status().missed, 35_999, "one tick for an hour");
}
