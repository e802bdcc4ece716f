//! Recording, replaying, and everything that can be wrong with a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::error::{ErrorKind, Result};
use crate::gpu::health::{Facts, Thresholds, assess};
use crate::gpu::owner::Owner;
use crate::gpu::telemetry::{Poller, Telemetry, TelemetryOptions};
use crate::gpu::{
    AtEnd, Call, Event, EventKind, Events, Fabric, FabricState, Fan, Fields, Gpu, GpuId, Metric, MigDevice, MigUse,
    Node, Origin, Pair, Platform, Process, ProcessKind, ProcessUtilization, Reading, Replay, Sample, Source, Support,
    Unknown, Via,
};
use crate::units::Bytes;

/// Where everything that identifies comes from: none of it may be in a scrubbed file.
const SECRETS: [&str; 8] = [
    "5bd9f9a4-1d2e-4c8f-9a61",
    "77d9f9a4-1d2e-4c8f-9a61",
    "1320921012345",
    "chassis-of-alice",
    "deadbeefdeadbeef",
    "/home/alice",
    "secret-program",
    "4711",
];

fn id(last: u8) -> GpuId {
    format!("GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789{last:02x}").parse().unwrap()
}

fn partition(last: u8) -> GpuId {
    format!("MIG-77d9f9a4-1d2e-4c8f-9a61-0123456789{last:02x}").parse().unwrap()
}

/// Two GPUs that tell more than they should.
#[derive(Debug)]
struct Talkative {
    origin: Origin,
    samples: Mutex<Vec<Sample>>,
}

impl Talkative {
    fn node() -> Node {
        Self::of(true)
    }

    fn of(simulated: bool) -> Node {
        let origin = Origin {
            simulated,
            name: "/home/alice/libnvidia-ml.so.1".to_owned(),
            driver: Some("580.95.05".to_owned()),
            cuda: None,
        };
        Node::from_source(Arc::new(Self { origin, samples: Mutex::new(vec![sample(0, 1), sample(1, 2)]) })).unwrap()
    }
}

impl Source for Talkative {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        let gpus = (0..2).map(|at| {
            let mut gpu = Gpu::new(id(at), at.into(), "talkative");
            gpu.pci = Reading::Known(format!("00000000:0{at}:00.0"));
            gpu.identity.serial = Reading::Known(format!("132092101234{}", 5 + at));
            gpu.identity.board = Reading::Known(4711);
            let chassis = "chassis-of-alice".to_owned();
            gpu.identity.platform = Reading::Known(Platform { chassis, slot: 3, ..Platform::default() });
            gpu.fabric = Reading::Known(Fabric::new(FabricState::Completed, 0, "deadbeefdeadbeef", 7));
            gpu.mig.devices = Reading::Known(vec![MigDevice::new(partition(at), 0)]);
            gpu
        });
        Ok(gpus.collect())
    }

    fn pairs(&self) -> Result<Vec<Pair>> {
        Ok(vec![Pair::new(id(0), id(1))])
    }

    fn support(&self) -> Result<Support> {
        let call = |function: &str, answer: &str| Call {
            function: function.to_owned(),
            argument: String::new(),
            gpu: Some(id(1)),
            answer: Reading::Known(answer.to_owned()),
        };
        Ok(Support {
            calls: vec![
                call("nvmlDeviceGetBoardId", "4711"),
                call("nvmlDeviceGetInforomVersion", "board of 1320921012345"),
                call("nvmlDeviceGetPowerUsage", "12500"),
            ],
        })
    }

    fn sample(&self, _: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        samples.clone_from(&self.samples.lock().unwrap());
        Ok(())
    }

    fn events(&self) -> Result<Box<dyn Events>> {
        Ok(Box::new(Talk(2)))
    }
}

/// Tells a few events and then nothing more.
struct Talk(u64);

impl Events for Talk {
    fn wait(&mut self, limit: Duration, clock: &dyn Clock, events: &mut Vec<Event>) -> Result<()> {
        std::thread::sleep(limit.min(Duration::from_millis(5)));
        if self.0 > 0 {
            events.push(xid(clock.wall(), self.0));
            self.0 -= 1;
        }
        Ok(())
    }
}

fn xid(at: Timestamp, code: u64) -> Event {
    let detail = "pid=77, name=secret-program, Ch 1".to_owned();
    Event::new(at, Some(id(1)), EventKind::Xid { code, detail }, Via::KernelLog)
}

/// A sample whose readings follow from a number.
fn sample(gpu: u8, seed: u32) -> Sample {
    let mut sample = Sample::unknown(id(gpu), Unknown::NotSupported);
    let when = |bit: u32| seed >> bit & 1 == 1;
    if when(0) {
        sample.power = Reading::Known(seed);
        sample.energy = Reading::Known(u64::MAX - u64::from(seed));
    }
    if when(1) {
        sample.temperature = Reading::Unknown(Unknown::Code(999));
        sample.margin = Reading::Known(-5);
        sample.fans = Reading::Known(vec![Fan { speed: Reading::Known(seed % 100), rpm: Reading::default() }]);
    }
    if when(2) {
        let mut process = Process::new(seed, ProcessKind::Compute, Reading::Known(Bytes(u64::from(seed))));
        process.utilization = Reading::Known(ProcessUtilization { sm: 7, ..ProcessUtilization::default() });
        sample.processes = Reading::Known(vec![process]);
        sample.mig = Reading::Known(vec![MigUse { id: partition(gpu), memory: Reading::default() }]);
    }
    sample
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn moment(milliseconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_millis(1_000_000 + milliseconds)
}

const PLAIN: RecordOptions = RecordOptions { scrub: false, level: 3 };

/// Records frames that are 100 ms apart, each with the seeds of its GPUs, nothing for one that is not told of.
fn record(path: &Path, frames: &[[Option<u32>; 2]], options: RecordOptions) -> Recorded {
    let mut recorder = Recorder::create(path, &Talkative::node(), moment(0), options).unwrap();
    for (seeds, at) in frames.iter().zip(0u64..) {
        recorder.record(moment(at * 100), Fields::ALL, &samples_of(seeds)).unwrap();
    }
    recorder.finish().unwrap()
}

fn samples_of(seeds: &[Option<u32>; 2]) -> Vec<Sample> {
    (0u8..).zip(seeds).filter_map(|(gpu, seed)| Some(sample(gpu, (*seed)?))).collect()
}

fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    String::from_utf8(zstd::stream::decode_all(&bytes[..]).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_replay_gives_the_samples_that_were_recorded_at_any_speed(
        frames in prop::collection::vec(prop::array::uniform2(prop::option::weighted(0.9, any::<u32>())), 1..12),
        speed in prop::sample::select(vec![0.1, 0.5, 1.0, 3.0, 100.0]),
        looks in prop::collection::vec(0u64..400, 1..12),
    ) {
        let folder = Folder::new();
        let path = folder.path("it");
        record(&path, &frames, PLAIN);
        let step = Replay::open(&path).unwrap();
        let mut samples = Vec::new();
        for seeds in &frames {
            step.sample(Fields::ALL, &mut samples).unwrap();
            prop_assert_eq!(&samples, &samples_of(seeds));
        }
        let clock = Arc::new(ManualClock::default());
        let timed = Replay::open(&path).unwrap().speed(speed, Arc::clone(&clock) as _).unwrap();
        timed.sample(Fields::ALL, &mut samples).unwrap();
        let mut passed = Duration::ZERO;
        for milliseconds in looks {
            let milliseconds = Duration::from_millis(milliseconds);
            clock.advance(milliseconds);
            passed += milliseconds;
            timed.sample(Fields::ALL, &mut samples).unwrap();
            let place = usize::try_from(passed.mul_f64(speed).as_millis() / 100).unwrap();
            prop_assert_eq!(&samples, &samples_of(&frames[place.min(frames.len() - 1)]));
        }
    }
}

#[test]
fn only_what_changed_is_written_and_only_the_fields_asked_for_are_read() {
    let folder = Folder::new();
    let path = folder.path("it");
    let recorded = record(&path, &[[Some(1), Some(1)], [Some(1), Some(1)], [Some(2), Some(1)]], PLAIN);
    assert_eq!((recorded.frames, recorded.events, recorded.lost), (3, 0, 0));
    assert_eq!(recorded.bytes, fs::metadata(&path).unwrap().len());
    let text = text(&path);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[2], format!(r#"{{"frame":{{"t":100,"read":"{}","gpus":[{{}},{{}}]}}}}"#, Fields::ALL));
    assert_eq!(lines[4..], [r#"{"end":{"frames":3,"events":0}}"#]);
    let replay = Replay::open(&path).unwrap();
    let mut samples = Vec::new();
    replay.sample(Fields::POWER, &mut samples).unwrap();
    assert_eq!((&samples[0].power, &samples[0].energy), (&Reading::Known(1), &Reading::Unknown(Unknown::NotRead)));
}

#[test]
fn what_the_node_is_comes_back_and_the_origin_says_that_it_is_a_replay() {
    let folder = Folder::new();
    let path = folder.path("it");
    record(&path, &[], PLAIN);
    let (node, replay) = (Talkative::node(), Replay::open(&path).unwrap());
    assert_eq!(replay.inventory().unwrap(), node.gpus());
    assert_eq!((replay.pairs().unwrap(), replay.support().unwrap()), (node.pairs().unwrap(), node.support().unwrap()));
    assert_eq!((replay.recorded_at(), replay.scrubbed()), (moment(0), false));
    assert_eq!(
        replay.origin().to_string(),
        "simulated: replay of /home/alice/libnvidia-ml.so.1, recorded 1970-01-01T00:16:40Z, driver 580.95.05"
    );
}

#[test]
fn a_recording_of_real_gpus_says_nothing_about_this_machine() {
    let (folder, clock) = (Folder::new(), ManualClock::default());
    let path = folder.path("it");
    let recorded = Talkative::of(false);
    let mut recorder = Recorder::create(&path, &recorded, moment(0), PLAIN).unwrap();
    let mut sample = sample(0, 0);
    sample.processes = Reading::Known(vec![Process::new(1, ProcessKind::Compute, Reading::default())]);
    recorder.record(moment(0), Fields::ALL, &[sample]).unwrap();
    recorder.finish().unwrap();
    let node = Node::from_source(Arc::new(Replay::open(&path).unwrap())).unwrap();
    assert!((recorded.is_here(), node.is_here(), node.origin().simulated) == (true, false, false));
    let owner = node.processes().unwrap().processes.remove(0).owner;
    assert_eq!(owner, Owner::unknown(1, Unknown::NotAvailable), "not the first process of this machine");
    let thresholds = Thresholds::default();
    let blind = assess(&thresholds, &node.snapshot(&clock).unwrap(), &Facts::default());
    assert_eq!(node.health(&clock, &thresholds).unwrap(), blind, "neither its /proc nor its /sys is looked at");
}

#[test]
fn a_scrubbed_recording_names_nobody_and_is_consistent() {
    let folder = Folder::new();
    let path = folder.path("it");
    let mut recorder = Recorder::create(&path, &Talkative::node(), moment(0), RecordOptions::default()).unwrap();
    recorder.record(moment(0), Fields::ALL, &[sample(0, 7), sample(1, 7)]).unwrap();
    recorder.event(&xid(moment(5), 79)).unwrap();
    recorder.finish().unwrap();
    let text = text(&path);
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }

    let replay = Replay::open(&path).unwrap();
    let mut events = replay.events().unwrap();
    let (gpus, mut samples) = (replay.inventory().unwrap(), Vec::new());
    replay.sample(Fields::ALL, &mut samples).unwrap();
    let ids: Vec<_> = gpus.iter().map(|gpu| gpu.id.clone()).collect();
    assert_eq!(ids[0].as_str(), "GPU-00000001-0000-4000-8000-000000000001");
    assert_eq!(samples.iter().map(|sample| sample.id.clone()).collect::<Vec<_>>(), ids);
    let pair = &replay.pairs().unwrap()[0];
    assert_eq!((&pair.a, &pair.b), (&ids[0], &ids[1]));
    assert_eq!(replay.support().unwrap().calls[0].gpu.as_ref(), Some(&ids[1]));
    for (gpu, sample) in gpus.iter().zip(&samples) {
        assert_eq!(sample.mig.known().unwrap()[0].id, gpu.mig.devices.known().unwrap()[0].id);
        assert_eq!(gpu.identity.board, Reading::Known(1), "they share a board, and still do");
        assert_eq!(gpu.identity.serial, Reading::Unknown(Unknown::NotRead));
        assert_eq!(sample.processes.known().unwrap()[0].pid, 7);
        assert_eq!(sample.processes.known().unwrap()[0].utilization.known().unwrap().sm, 7);
    }
    assert_eq!(gpus[0].fabric.known().unwrap().cluster, gpus[1].fabric.known().unwrap().cluster);
    let (clock, mut heard) = (ManualClock::default(), Vec::new());
    replay.sample(Fields::ALL, &mut samples).unwrap();
    events.wait(Duration::ZERO, &clock, &mut heard).unwrap();
    let kind = EventKind::Xid { code: 79, detail: "pid=77, name=scrubbed, Ch 1".to_owned() };
    assert_eq!(heard, [Event::new(moment(5), Some(ids[1].clone()), kind, Via::KernelLog)]);
}

#[test]
fn events_come_at_their_time_also_when_nobody_reads() {
    let folder = Folder::new();
    let path = folder.path("it");
    let mut recorder = Recorder::create(&path, &Talkative::node(), moment(0), PLAIN).unwrap();
    recorder.event(&xid(moment(1_000), 13)).unwrap();
    recorder.event(&xid(moment(500), 31)).unwrap();
    recorder.event(&xid(moment(2_000), 79)).unwrap();
    recorder.finish().unwrap();
    let clock = Arc::new(ManualClock::default());
    let replay = Replay::open(&path).unwrap().speed(2.0, Arc::clone(&clock) as _).unwrap();
    let mut events = replay.events().unwrap();
    let mut codes_after = |milliseconds| {
        clock.advance(Duration::from_millis(milliseconds));
        let mut heard = Vec::new();
        events.wait(Duration::from_millis(1), &*clock, &mut heard).unwrap();
        let codes = heard.iter().map(|event| match event.kind {
            EventKind::Xid { code, .. } => code,
            _ => 0,
        });
        codes.collect::<Vec<_>>()
    };
    assert_eq!(codes_after(0), [0; 0]);
    assert_eq!(codes_after(499), [0; 0]);
    assert_eq!(codes_after(1), [13, 31], "one that was told late comes where it was told");
    assert_eq!(codes_after(499), [0; 0]);
    assert_eq!(codes_after(1), [79]);
}

#[test]
fn at_the_end_a_replay_stays_loops_or_fails() {
    let folder = Folder::new();
    let path = folder.path("it");
    record(&path, &[[Some(1), None], [Some(3), None], [Some(5), None]], PLAIN);
    let powers = |replay: &Replay, many: usize| {
        let mut samples = Vec::new();
        let mut power = || replay.sample(Fields::ALL, &mut samples).map(|()| *samples[0].power.known().unwrap());
        (0..many).map(|_| power()).collect::<Result<Vec<_>>>()
    };
    let open = |at_end| Replay::open(&path).unwrap().at_end(at_end);
    assert_eq!(powers(&open(AtEnd::Stay), 5).unwrap(), [1, 3, 5, 5, 5]);
    assert_eq!(powers(&open(AtEnd::Loop), 5).unwrap(), [1, 3, 5, 1, 3]);
    let failing = open(AtEnd::Fail);
    assert_eq!(powers(&failing, 3).unwrap(), [1, 3, 5]);
    let error = powers(&failing, 1).unwrap_err();
    assert_eq!((error.kind(), error.get("frames")), (ErrorKind::DriverUnavailable, Some("3")));
    assert!(failing.progress().ended && failing.progress().cut.is_none());

    let clock = Arc::new(ManualClock::default());
    let timed = open(AtEnd::Loop).speed(1.0, Arc::clone(&clock) as _).unwrap();
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.extend(powers(&timed, 1).unwrap());
        clock.advance(Duration::from_millis(100));
    }
    // Three frames take 200 ms, and the next round begins a mean distance (66 ms) later.
    assert_eq!(seen, [1, 3, 5, 1, 3, 5, 1]);
    clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(powers(&timed, 1).unwrap().len(), 1, "rounds that nobody looked at take no time");
    for (speed, fine) in [(0.0, false), (-1.0, false), (f64::NAN, false), (f64::INFINITY, false), (1e6, true)] {
        let made = Replay::open(&path).unwrap().speed(speed, Arc::new(ManualClock::default()));
        assert_eq!(made.is_ok(), fine, "{speed}");
    }
}

/// The powers that a replay gives until it ends or fails.
fn play(path: &Path) -> (Vec<u32>, Result<Option<u64>>) {
    let mut powers = Vec::new();
    let replay = match Replay::open(path) {
        Ok(replay) => replay,
        Err(error) => return (powers, Err(error)),
    };
    let mut samples = Vec::new();
    loop {
        let before = replay.progress().frames;
        if let Err(error) = replay.sample(Fields::ALL, &mut samples) {
            return (powers, Err(error));
        }
        if replay.progress().frames == before {
            return (powers, Ok(replay.progress().cut));
        }
        powers.extend(samples.iter().filter_map(|sample| sample.power.known().copied()));
    }
}

#[test]
fn a_file_cut_off_anywhere_is_read_up_to_the_cut_and_says_so() {
    let folder = Folder::new();
    let (whole, cut) = (folder.path("whole"), folder.path("cut"));
    let frames: Vec<_> = (0..6).map(|at| [Some(at * 2 + 1), None]).collect();
    record(&whole, &frames, PLAIN);
    let powers: Vec<u32> = frames.iter().map(|seeds| seeds[0].unwrap()).collect();
    assert_eq!(play(&whole).0, powers);
    assert_eq!(play(&whole).1.unwrap(), None, "nothing is missing");
    let plain = text(&whole);
    for (bytes, step) in [(fs::read(&whole).unwrap(), 1), (plain.clone().into_bytes(), 7)] {
        let mut lengths = Vec::new();
        for length in (0..bytes.len()).step_by(step) {
            fs::write(&cut, &bytes[..length]).unwrap();
            let (read, end) = play(&cut);
            assert!(powers.starts_with(&read), "{length}: {read:?}");
            match end {
                // Only the checksum is missing.
                Ok(None) => assert_eq!(read, powers, "{length}"),
                Ok(line) => assert_eq!(line, Some(read.len() as u64 + 2), "{length}: the line after the last frame"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                    let message = error.to_string();
                    let expected = message.starts_with("not a recording of GPUs: path=")
                        || message.starts_with("the recording is cut off within its first line: path=");
                    assert!(read.is_empty() && expected, "{length}: {error}");
                }
            }
            lengths.push(read.len());
        }
        assert!(lengths.is_sorted());
    }
    fs::write(&cut, &plain.as_bytes()[..plain.rfind("{\"end\"").unwrap()]).unwrap();
    assert_eq!(play(&cut).0, powers, "only the end is missing");
}

#[test]
fn a_damaged_file_is_an_error_that_names_the_line_and_never_a_panic() {
    let folder = Folder::new();
    let (whole, bad) = (folder.path("whole"), folder.path("bad"));
    record(&whole, &[[Some(1), None], [Some(3), None], [Some(5), None]], PLAIN);
    let bytes = fs::read(&whole).unwrap();
    let (text, mut found) = (text(&whole), 0);
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        fs::write(&bad, &bytes).unwrap();
        match play(&bad) {
            // Some bits mean nothing, or the same.
            (_, Ok(None)) => assert_eq!(super::tests::text(&bad), text, "{at}"),
            _ => found += 1,
        }
    }
    assert!(found > bytes.len() - 20, "{found} of {}", bytes.len());

    let lines: Vec<_> = text.lines().collect();
    let with_third = |line: &str| {
        let lines = [lines[0], lines[1], line, lines[3], lines[4], ""];
        fs::write(&bad, lines.join("\n")).unwrap();
        let (powers, end) = play(&bad);
        assert_eq!(powers, [1], "what comes before is read");
        let error = end.unwrap_err();
        assert_eq!((error.kind(), error.get("line")), (ErrorKind::InvalidArgument, Some("3")));
        error.to_string().replace(&bad.display().to_string(), "bad")
    };
    assert!(with_third("{").starts_with("a line of the recording is not as expected: path=bad line=3 reason=EOF"));
    assert_eq!(
        with_third(r#"{"frame":{"t":1,"read":"","gpus":[{"power":"much"},null]}}"#),
        "a reading of the recording is not as expected: path=bad line=3 reason=data did not match any variant of \
         untagged enum Form; what stands before this line can be read: cut the file there, or record anew"
    );
    assert!(with_third(r#"{"frame":{"t":1,"read":"","gpus":[]}}"#).contains("reason=0 GPUs, and the first line has 2"));
    assert!(with_third(&"x".repeat((16 << 20) + 1)).starts_with("a line of the recording is too long"));
    assert!(with_third(r#"{"picture":{}}"#).contains("unknown variant `picture`"));
}

#[test]
fn what_is_no_recording_or_one_of_another_version_is_refused_with_what_would_do() {
    let folder = Folder::new();
    let path = folder.path("it");
    let refusal = |content: &str| {
        fs::write(&path, content).unwrap();
        let error = Replay::open(&path).unwrap_err();
        (error.kind(), error.to_string().replace(&path.display().to_string(), "it"))
    };
    let foreign = "not a recording of GPUs: path=it; recordings of GPUs are JSON lines, as a rule compressed with zstd";
    for content in ["", "\n", "hello\n", "{}\n", "[1]\n", "\u{0}\u{0}"] {
        assert_eq!(refusal(content), (ErrorKind::InvalidArgument, foreign.to_owned()), "{content:?}");
    }
    let other = refusal("{\"format\":\"nacp-router-trace\",\"version\":1}\n");
    assert!(other.1.contains("path=it format=\"nacp-router-trace\""), "{other:?}");
    assert_eq!(
        refusal("{\"format\":\"nacp-gpu-recording\",\"version\":2,\"nacp\":\"9.1.0\"}\n"),
        (
            ErrorKind::Unsupported,
            "this recording has a format of another version: path=it version=2 known=1; it was written by NACP 9.1.0: \
             replay it with that version"
                .to_owned()
        )
    );
    let halved = refusal("{\"format\":\"nacp-gpu-recording\",\"version\":1}\n").1;
    assert!(halved.contains("line=1 reason=missing field `nacp`"), "{halved}");
    assert_eq!(Replay::open(folder.path("absent")).unwrap_err().kind(), ErrorKind::NotFound);
    let again = Recorder::create(&path, &Talkative::node(), moment(0), PLAIN).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict, "nothing is written over");
    let level = RecordOptions { level: 20, ..PLAIN };
    let level = Recorder::create(folder.path("new"), &Talkative::node(), moment(0), level).unwrap_err();
    assert_eq!(level.to_string(), "no such level of compression: level=20; choose 1 to 19");
}

#[test]
fn a_recorder_that_is_dropped_ends_its_file_and_one_that_dies_loses_a_second_at_most() {
    let folder = Folder::new();
    let path = folder.path("it");
    let mut recorder = Recorder::create(&path, &Talkative::node(), moment(0), PLAIN).unwrap();
    for at in 0..55u32 {
        recorder.record(moment(u64::from(at) * 100), Fields::ALL, &[sample(0, at * 2 + 1)]).unwrap();
    }
    let (powers, end) = play(&path);
    assert!((45..=55).contains(&powers.len()), "{} frames are on the disk", powers.len());
    assert!(end.unwrap().is_some());
    drop(recorder);
    assert_eq!((play(&path).0.len(), play(&path).1.unwrap()), (55, None));
}

#[test]
fn a_poller_reads_a_replay_as_it_read_the_node() {
    let folder = Folder::new();
    let path = folder.path("it");
    let frames: Vec<_> = (0..100).map(|at| [Some(at * 2 + 1), Some(1)]).collect();
    record(&path, &frames, PLAIN);
    let clock = Arc::new(ManualClock::default());
    let replay = Replay::open(&path).unwrap().speed(1.0, Arc::clone(&clock) as _).unwrap();
    let mut poller = Poller::new(Node::from_source(Arc::new(replay)).unwrap(), TelemetryOptions::default()).unwrap();
    for _ in 0..100 {
        let next = poller.poll(&*clock).next;
        clock.advance(next.saturating_sub(clock.monotonic()));
    }
    let window = poller.view().window(&id(0), Metric::Power, Duration::from_secs(60)).unwrap();
    assert_eq!((window.count, window.first, window.last), (100, Some(0.001), Some(0.199)));
}

#[test]
fn what_a_poller_reads_is_recorded_with_its_events_and_gaps() {
    let folder = Folder::new();
    let path = folder.path("it");
    let clock = Arc::new(ManualClock::default());
    let mut options = TelemetryOptions::default();
    options.fast.every = Duration::from_millis(10);
    let telemetry = Telemetry::start(Talkative::node(), options, Arc::clone(&clock) as _).unwrap();
    let recording = telemetry.record_to(&path, PLAIN).unwrap();
    while telemetry.status().ticks < 10 {
        clock.advance(Duration::from_millis(10));
        std::thread::sleep(Duration::from_millis(1));
    }
    let recorded = recording.finish().unwrap();
    assert!((8..=telemetry.status().ticks).contains(&recorded.frames), "{recorded:?}");
    assert_eq!(recorded.lost, 0);
    let recording = telemetry.record_to(folder.path("another"), PLAIN).unwrap();
    assert_eq!(telemetry.record_to(&path, PLAIN).unwrap_err().kind(), ErrorKind::Conflict);
    drop(telemetry);
    recording.finish().unwrap();
    let (powers, end) = play(&path);
    assert_eq!((powers[0], end.unwrap()), (1, None));
}

#[test]
fn a_source_that_fails_is_recorded_as_unknown() {
    let folder = Folder::new();
    let path = folder.path("it");
    let mut recorder = Recorder::create(&path, &Talkative::node(), moment(0), PLAIN).unwrap();
    let mut lost = sample(0, 7);
    recorder.record(moment(0), Fields::ALL, std::slice::from_ref(&lost)).unwrap();
    lost.forget(Fields::ALL, Unknown::NotRead);
    recorder.record(moment(100), Fields::FAST, std::slice::from_ref(&lost)).unwrap();
    drop(recorder);
    let replay = Replay::open(&path).unwrap();
    let mut samples = Vec::new();
    replay.sample(Fields::ALL, &mut samples).unwrap();
    replay.sample(Fields::ALL, &mut samples).unwrap();
    assert_eq!(samples, [lost], "also what was not to be read then");
}
