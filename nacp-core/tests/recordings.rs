//! The format of recordings stays readable: each file in `tests/recordings` still gives what was recorded. They are of
//! simulated GPUs only. `UPDATE_RECORDINGS=1` writes those that are missing; one that is there is never written anew,
//! because people keep theirs.
#![cfg(all(feature = "record", feature = "sim"))]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nacp_core::gpu::record::{RecordOptions, Recorder};
use nacp_core::gpu::{
    ClockEvents, Clocks, Ecc, Event, EventKind, Fan, Fields, Gpu, GpuId, LinkCounters, MemoryUse, MigUse, Node, Pair,
    Partition, PcieLink, Process, ProcessKind, ProcessUtilization, Profile, Reading, RecoveryAction, Replay,
    RetiredPages, Rows, Sample, Slowdown, Source, SramEcc, Unknown, Utilization, Via,
};
use nacp_core::{Bytes, Result, sim};

/// How many frames each recording has, a second apart.
const FRAMES: u32 = 12;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(format!("{name}.jsonl.zst"))
}

fn moment(frame: u32) -> Timestamp {
    Timestamp::from_second(1_760_000_000).unwrap() + Duration::from_secs(frame.into())
}

/// A source of two GPUs that tell everything: each reading has a value at some frame and none at another.
#[derive(Debug)]
struct Everything(sim::Node);

fn gpu(at: u8) -> GpuId {
    format!("GPU-{:08x}-0000-4000-8000-{:012x}", at + 1, at + 1).parse().unwrap()
}

impl Source for Everything {
    fn origin(&self) -> &nacp_core::gpu::Origin {
        self.0.origin()
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        Ok((0..2).map(|at| Gpu::new(gpu(at), at.into(), "Everything")).collect())
    }

    fn pairs(&self) -> Result<Vec<Pair>> {
        Ok(vec![Pair::new(gpu(0), gpu(1))])
    }

    fn sample(&self, _: Fields, _: &mut Vec<Sample>) -> Result<()> {
        Ok(())
    }
}

/// All readings of a GPU at a frame.
fn everything(at: u8, frame: u32) -> Sample {
    let mut sample = Sample::unknown(gpu(at), Unknown::NotRead);
    let n = frame * 7 + u32::from(at);
    let (big, bytes) = (u64::from(n) << 40, Bytes(u64::from(n) << 20));
    sample.memory = Reading::Known(MemoryUse { total: bytes, used: bytes, free: Bytes(0), reserved: Bytes(1) });
    sample.utilization = Reading::Known(Utilization { gpu: n, memory: n + 1 });
    sample.temperature = Reading::Known(n);
    sample.power = Reading::Known(n * 1000);
    sample.power_limit = Reading::Known(450_000);
    sample.clocks = Reading::Known(Clocks { graphics: n, sm: n + 1, memory: n + 2 });
    let mut process = Process::new(100 + n, ProcessKind::Both, Reading::Unknown(Unknown::NotAvailable));
    process.partitions = vec![Partition { gpu_instance: 1, compute_instance: None }];
    process.utilization = Reading::Known(ProcessUtilization { sm: n, memory: 1, encoder: 2, decoder: 3 });
    sample.processes = Reading::Known(vec![process]);
    sample.video_clock = Reading::Known(n);
    sample.performance = Reading::Known(n % 16);
    sample.clock_events = Reading::Known(ClockEvents(big | 0x4));
    sample.slowdown = Reading::Known(Slowdown { power: Reading::Known(big), ..Slowdown::default() });
    sample.energy = Reading::Known(u64::MAX - u64::from(n));
    sample.memory_temperature = Reading::Known(n);
    sample.margin = Reading::Known(-1);
    sample.fans = Reading::Known(vec![Fan { speed: Reading::Known(n), rpm: Reading::Unknown(Unknown::TooOld) }]);
    sample.encoder = Reading::Known(n);
    sample.decoder = Reading::Known(n);
    sample.jpeg = Reading::Known(n);
    sample.optical_flow = Reading::Known(n);
    sample.bar1_used = Reading::Known(bytes);
    sample.pcie = Reading::Known(PcieLink { generation: 5, width: 16 });
    sample.pcie_replays = Reading::Known(big);
    sample.pcie_sent = Reading::Known(bytes);
    sample.pcie_received = Reading::Known(bytes);
    sample.ecc =
        Reading::Known(Ecc { corrected: 1, uncorrected: 2, corrected_total: big, uncorrected_total: u64::from(n) });
    sample.sram = Reading::Known(SramEcc {
        uncorrected_parity: 1,
        uncorrected_secded: 2,
        corrected: 3,
        threshold_exceeded: true,
    });
    sample.rows = Reading::Known(Rows { correctable: n, uncorrectable: 1, pending: true, failed: false });
    sample.retired_pages = Reading::Known(RetiredPages { single_bit: n, double_bit: 1, pending: true });
    sample.nvlink = Reading::Known(LinkCounters { sent: Reading::Known(big), ..LinkCounters::default() });
    sample.recovery = Reading::Known(RecoveryAction::from_code(n % 9));
    sample.profile = Reading::Known(Profile { graphics: n, pcie_sent: big, ..Profile::default() });
    sample.mig = Reading::Known(vec![MigUse { id: gpu(at), memory: Reading::Unknown(Unknown::NoPermission) }]);
    let names = Fields::names().count();
    let reasons = [Unknown::NotSupported, Unknown::GpuLost, Unknown::Code(999)];
    for (turn, (_, field)) in (0usize..).zip(Fields::names()) {
        if turn % names % 5 == frame as usize % 5 {
            sample.forget(field, reasons[turn % reasons.len()]);
        }
    }
    sample
}

fn events() -> [Event; 2] {
    let xid = EventKind::Xid { code: 79, detail: "GPU has fallen off the bus.".to_owned() };
    [
        Event::new(moment(3), Some(gpu(1)), xid, Via::KernelLog),
        Event::new(moment(5), None, EventKind::Unknown { bits: 0x20_0000, data: 7 }, Via::Nvml),
    ]
}

#[test]
fn a_recording_of_every_field_is_read_as_it_was_written() {
    let path = path("every-field-v1");
    if std::env::var_os("UPDATE_RECORDINGS").is_some() && !path.exists() {
        let node = Node::from_source(Arc::new(Everything(sim::Node::named("h100x8").unwrap()))).unwrap();
        let options = RecordOptions { scrub: false, level: 19 };
        let mut recorder = Recorder::create(&path, &node, moment(0), options).unwrap();
        for frame in 0..FRAMES {
            events().iter().filter(|event| event.at == moment(frame)).for_each(|event| recorder.event(event).unwrap());
            let samples: Vec<_> = (0..2).map(|at| everything(at, frame)).collect();
            recorder.record(moment(frame), Fields::ALL, &samples).unwrap();
        }
        recorder.finish().unwrap();
    }
    let replay = Replay::open(&path).unwrap();
    let mut listening = replay.events().unwrap();
    assert_eq!(replay.pairs().unwrap(), [Pair::new(gpu(0), gpu(1))]);
    assert!(replay.origin().simulated);
    let (mut samples, mut heard) = (Vec::new(), Vec::new());
    for frame in 0..FRAMES {
        replay.sample(Fields::ALL, &mut samples).unwrap();
        assert_eq!(samples, [everything(0, frame), everything(1, frame)], "frame {frame}");
    }
    let clock = nacp_core::clock::ManualClock::default();
    listening.wait(Duration::ZERO, &clock, &mut heard).unwrap();
    assert_eq!(heard, events());
    replay.sample(Fields::ALL, &mut samples).unwrap();
    let progress = replay.progress();
    assert_eq!((progress.frames, progress.ended, progress.cut), (FRAMES.into(), true, None));
}

#[test]
fn a_simulated_node_of_every_kind_is_replayed_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for name in sim::Node::names() {
        let node = Node::from_source(Arc::new(sim::Node::named(name).unwrap())).unwrap();
        let path = folder.path().join(name);
        let options = RecordOptions { scrub: false, ..RecordOptions::default() };
        let mut recorder = Recorder::create(&path, &node, moment(0), options).unwrap();
        let mut frames = Vec::new();
        for frame in 0..FRAMES {
            let mut samples = Vec::new();
            node.source().sample(Fields::ALL, &mut samples).unwrap();
            recorder.record(moment(frame), Fields::ALL, &samples).unwrap();
            frames.push(samples);
        }
        recorder.finish().unwrap();
        let replay = Node::from_source(Arc::new(Replay::open(&path).unwrap())).unwrap();
        assert_eq!(replay.gpus(), node.gpus(), "{name}");
        let clock = nacp_core::clock::ManualClock::default();
        for samples in frames {
            let snapshot = replay.snapshot(&clock).unwrap();
            assert_eq!(snapshot.gpus.into_iter().map(|state| state.sample).collect::<Vec<_>>(), samples, "{name}");
        }
    }
}

#[test]
fn the_shipped_recording_of_an_h100_server_can_be_replayed_and_is_labelled() {
    let path = path("h100x8-v1");
    if std::env::var_os("UPDATE_RECORDINGS").is_some() && !path.exists() {
        let node = Node::from_source(Arc::new(sim::Node::named("h100x8").unwrap())).unwrap();
        let mut recorder =
            Recorder::create(&path, &node, moment(0), RecordOptions { level: 19, ..RecordOptions::default() }).unwrap();
        for frame in 0..FRAMES {
            let mut samples = Vec::new();
            node.source().sample(Fields::ALL, &mut samples).unwrap();
            recorder.record(moment(frame), Fields::ALL, &samples).unwrap();
        }
        recorder.finish().unwrap();
    }
    let replay = Replay::open(&path).unwrap();
    assert!(replay.scrubbed());
    let node = Node::from_source(Arc::new(replay)).unwrap();
    assert!(node.origin().to_string().starts_with("simulated: replay of h100x8, recorded 2025-10-09T08:53:20Z"));
    assert_eq!(node.gpus().len(), 8);
    assert_eq!(node.gpus()[7].id.as_str(), "GPU-00000008-0000-4000-8000-000000000008");
    let snapshot = node.snapshot(&nacp_core::clock::ManualClock::default()).unwrap();
    assert!(snapshot.gpus.iter().all(|state| state.sample.power.known().is_some_and(|power| *power > 10_000)));
}
