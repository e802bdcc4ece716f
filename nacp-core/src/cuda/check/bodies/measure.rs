//! What the checks of speed have in common: the device, what it is told to be doing under load, and data that is
//! recognised wherever it turns up.

use std::fmt;

use crate::cuda::check::{Bench, Metric, Outcome, Skip, Status, Stop, Unit};
use crate::cuda::efficiency::{AT_MAX_CLOCK, AT_OBSERVED_CLOCK, Peak, Unknown};
use crate::cuda::session::{Buffer, Event, Refused, Session, Stream, called};
use crate::cuda::{Attribute, Device, FaultKind};
use crate::gpu::{DriverModel, Fields, Gpu, GpuId, PcieLink, Reading, Sample};

/// How much data is made or compared at once.
pub(super) const CHUNK: u64 = 1 << 20;
/// What memory holds before something is copied to it, so that old data never passes for new.
pub(super) const STALE: u32 = 0xdead_beef;

/// The device of this check.
pub(super) fn device<'a>(bench: &Bench<'a>) -> Result<&'a Device, Stop> {
    bench.device.ok_or_else(|| Stop::skip(Skip::Blocked, "there is no device"))
}

/// A context on a device, if there is time for one.
pub(super) fn open<'a>(bench: &Bench<'a>, device: &Device) -> Result<Session<'a>, Stop> {
    bench.go_on()?;
    Ok(Session::open(bench.driver, handle(bench, device)?)?)
}

/// The driver's handle of a device.
pub(super) fn handle(bench: &Bench<'_>, device: &Device) -> Result<i32, Refused> {
    let ordinal = i32::try_from(device.ordinal).unwrap_or(i32::MAX);
    called("cuDeviceGet", bench.driver.device(ordinal))
}

/// What the management library tells of a device, or of the GPU that a partition belongs to.
pub(super) fn gpu<'a>(bench: &Bench<'a>, id: &GpuId) -> Option<&'a Gpu> {
    let part = |gpu: &Gpu| gpu.mig.devices.known().is_some_and(|devices| devices.iter().any(|device| device.id == *id));
    bench.facts.gpus.as_deref()?.iter().find(|gpu| gpu.id == *id || part(gpu))
}

/// Whether a device is a partition of a GPU.
pub(super) fn is_mig(id: &GpuId) -> bool {
    id.as_str().starts_with("MIG-")
}

/// Whether calls go through Windows' model of display drivers, which gathers work before it hands it on.
pub(super) fn through_windows(bench: &Bench<'_>, gpu: Option<&Gpu>) -> bool {
    bench.driver.loaded().wsl || gpu.is_some_and(|gpu| gpu.modes.driver_model == Reading::Known(DriverModel::Wddm))
}

/// Says beside figures that they are made up.
pub(super) fn label(bench: &Bench<'_>, outcome: &mut Outcome) {
    if bench.sizes.simulated {
        outcome.read("simulated", "times of a simulated device mean nothing and are not judged", "nacp_simulated_cuda");
    }
}

/// What a check found when it ended. What is broken is told even where the time was over before the end; a device that
/// fails is told as such, with what was found until then.
pub(super) fn conclude(mut outcome: Outcome, ended: Result<(), Stop>) -> Result<Outcome, Stop> {
    match ended {
        Ok(()) => Ok(outcome),
        Err(Stop { status: Status::Skipped { reason, .. }, .. }) if matches!(outcome.status, Status::Fail { .. }) => {
            outcome.read("ended_early", reason, "this check");
            Ok(outcome)
        }
        Err(stop) => Err(stop.with(outcome)),
    }
}

/// Memory of this size, or of a half, a quarter … where that much is not to be had.
pub(super) fn allocate<'s>(session: &'s Session<'_>, bytes: u64, least: u64) -> Result<Buffer<'s>, Refused> {
    let mut bytes = bytes;
    loop {
        match session.allocate(bytes) {
            Err(refused) if refused.fault.kind == FaultKind::OutOfMemory && bytes > least => {
                bytes = (bytes / 2 / 16 * 16).max(least);
            }
            answer => return answer,
        }
    }
}

/// A size or a count as a number of a metric.
#[expect(clippy::cast_precision_loss, reason = "what is counted here is below 2^53")]
pub(super) fn exact(number: u64) -> f64 {
    number as f64
}

/// Bytes a second; none where no time went by, as on a simulated device.
pub(super) fn rate(amount: u64, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| exact(amount) / seconds)
}

/// Queues some work between two marks, looks at the device while it works, waits, and tells how long it took on the
/// device's clock.
pub(super) fn timed(
    stream: &Stream<'_>,
    marks: &(Event<'_>, Event<'_>),
    watch: &mut Watch<'_>,
    work: impl FnOnce() -> Result<(), Refused>,
) -> Result<f64, Refused> {
    stream.record(&marks.0)?;
    work()?;
    stream.record(&marks.1)?;
    watch.look(stream);
    marks.1.synchronize()?;
    marks.1.seconds_since(&marks.0)
}

/// What the management library told while the device was working.
pub(super) struct Watch<'a> {
    bench: &'a Bench<'a>,
    gpu: Option<&'a GpuId>,
    fields: Fields,
    samples: Vec<Sample>,
    sm: Vec<f64>,
    memory: Vec<f64>,
    link: Option<PcieLink>,
    silent: &'static str,
}

impl<'a> Watch<'a> {
    /// Looks for these fields.
    pub(super) fn new(bench: &'a Bench<'a>, device: &Device, fields: Fields) -> Self {
        let gpu = gpu(bench, &device.id).map(|gpu| &gpu.id);
        let silent = match (bench.telemetry, gpu) {
            (None, _) => "there is no management library",
            (_, None) => "the management library does not know this device",
            _ => "nothing was read while the device worked",
        };
        Self { bench, gpu, fields, samples: Vec::new(), sm: Vec::new(), memory: Vec::new(), link: None, silent }
    }

    /// Reads, and keeps what was read if the stream still had work afterwards: an idle device lowers its clocks and
    /// its link, and must not be taken for one that works.
    fn look(&mut self, stream: &Stream<'_>) {
        let (Some(source), Some(gpu)) = (self.bench.telemetry, self.gpu) else { return };
        if self.fields.is_empty() {
            return;
        }
        if source.sample(self.fields, &mut self.samples).is_err() {
            self.silent = "the management library did not answer";
            return;
        }
        if stream.done() != Ok(false) {
            return;
        }
        let Some(sample) = self.samples.iter().find(|sample| sample.id == *gpu) else { return };
        if let Some(clocks) = sample.clocks.known().filter(|_| self.fields.contains(Fields::CLOCKS)) {
            self.sm.push(f64::from(clocks.sm));
            self.memory.push(f64::from(clocks.memory));
        }
        if let Some(link) = sample.pcie.known().filter(|_| self.fields.contains(Fields::PCIE)) {
            let best = self.link.is_none_or(|best| (best.generation, best.width) < (link.generation, link.width));
            self.link = if best { Some(*link) } else { self.link };
        }
    }

    /// The clock of the multiprocessors during the work, in MHz: the median of what was read.
    pub(super) fn multiprocessor_clock(&self) -> Result<Metric, Unknown> {
        self.clock("clock_sm", &self.sm)
    }

    /// The clock of the memory during the work, in MHz: the median of what was read.
    pub(super) fn memory_clock(&self) -> Result<Metric, Unknown> {
        self.clock("clock_memory", &self.memory)
    }

    fn clock(&self, name: &str, values: &[f64]) -> Result<Metric, Unknown> {
        Metric::of(name, values.to_vec(), Unit::Megahertz).ok_or_else(|| Unknown::new(self.silent))
    }

    /// The best PCIe link during the work.
    pub(super) fn link(&self) -> Result<PcieLink, Unknown> {
        self.link.ok_or_else(|| Unknown::new(self.silent))
    }
}

/// The highest clock of the multiprocessors, in MHz: as the management library tells it, else as the driver does.
pub(super) fn highest_clock(session: &Session<'_>, gpu: Option<&Gpu>) -> f64 {
    let told = gpu.and_then(|gpu| gpu.limits.clocks.known()).map(|clocks| clocks.sm);
    megahertz(session, told, Attribute::ClockRate)
}

/// The highest clock of the memory, in MHz, from the same sources.
pub(super) fn highest_memory_clock(session: &Session<'_>, gpu: Option<&Gpu>) -> f64 {
    let told = gpu.and_then(|gpu| gpu.limits.clocks.known()).map(|clocks| clocks.memory);
    megahertz(session, told, Attribute::MemoryClockRate)
}

/// Zero where nobody tells; the formulas refuse it.
fn megahertz(session: &Session<'_>, told: Option<u32>, attribute: Attribute) -> f64 {
    let driver = || session.driver().count(attribute, session.device()).map(|khz| f64::from(khz) / 1e3);
    told.filter(|megahertz| *megahertz > 0).map(f64::from).or_else(driver).unwrap_or(0.0)
}

/// A measured speed beside the peaks at the highest and at the observed clock. What is not known is said.
///
/// The answer is the ratio to judge, with its name: at the observed clock. None where that is not known.
pub(super) fn compare(
    outcome: &mut Outcome,
    measured: Option<f64>,
    highest: Result<Peak, Unknown>,
    observed: Result<Peak, Unknown>,
) -> Option<f64> {
    let mut judged = None;
    for (name, peak) in [(AT_MAX_CLOCK, highest), (AT_OBSERVED_CLOCK, observed)] {
        match (peak, measured) {
            (Ok(peak), Some(measured)) => {
                let ratio = peak.ratio(measured);
                outcome.measured(Metric::once(name, ratio, Unit::Ratio).by(&peak.formula));
                outcome.read(format!("{name}.source"), peak.source, "NACP's tables");
                judged = (name == AT_OBSERVED_CLOCK).then_some(ratio);
            }
            (Ok(_), None) => outcome.read(name, "unknown: the device's clock did not move", "cuEventElapsedTime"),
            (Err(reason), _) => outcome.read(name, format!("unknown: {reason}"), "NACP's tables"),
        }
    }
    judged
}

/// The word that stands at a position of the data: no two positions of one copy have the same, and no two copies.
pub(super) fn word(position: u64, seed: u32) -> u32 {
    let (low, high) = (position & 0xffff_ffff, position >> 32);
    #[expect(clippy::cast_possible_truncation, reason = "both are below 2^32")]
    let (low, high) = (low as u32, high as u32);
    low.wrapping_mul(0x9e37_79b1) ^ high.rotate_left(16) ^ seed
}

/// Data of `bytes` bytes (a multiple of four) piece by piece, each with the place where it begins.
pub(super) fn pieces(bytes: u64, seed: u32, mut each: impl FnMut(u64, &[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut piece = Vec::new();
    let mut offset = 0;
    while offset < bytes {
        let end = (offset + CHUNK).min(bytes);
        piece.clear();
        for position in offset / 4..end / 4 {
            piece.extend_from_slice(&word(position, seed).to_le_bytes());
        }
        each(offset, &piece)?;
        offset = end;
    }
    Ok(())
}

/// Fills memory on the device with the data of a seed.
pub(super) fn fill(bench: &Bench<'_>, buffer: &Buffer<'_>, seed: u32, stream: &Stream<'_>) -> Result<(), Stop> {
    pieces(buffer.memory().bytes, seed, |offset, piece| {
        bench.go_on()?;
        Ok(buffer.write_at(offset, piece, stream)?)
    })
}

/// Where memory on the device is not the data of a seed.
pub(super) fn differences(
    bench: &Bench<'_>,
    buffer: &Buffer<'_>,
    bytes: u64,
    seed: u32,
    stream: &Stream<'_>,
) -> Result<Option<WrongWords>, Stop> {
    let mut found = None;
    let mut back = Vec::new();
    pieces(bytes, seed, |offset, piece| {
        bench.go_on()?;
        back.resize(piece.len(), 0);
        buffer.read_at(offset, &mut back, stream)?;
        WrongWords::add(&mut found, offset, piece, &back);
        Ok(())
    })?;
    Ok(found)
}

/// How data that came back differs from what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongWords {
    words: u64,
    first: u64,
    sent: u32,
    got: u32,
}

impl WrongWords {
    /// Adds the differing words of one piece that begins at a byte.
    pub(super) fn add(found: &mut Option<Self>, offset: u64, sent: &[u8], got: &[u8]) {
        if sent == got {
            return;
        }
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
        };
        for (at, (sent, got)) in (offset / 4..).zip(words(sent).into_iter().zip(words(got))) {
            if sent != got {
                found.get_or_insert(Self { words: 0, first: 4 * at, sent, got }).words += 1;
            }
        }
    }
}

impl fmt::Display for WrongWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { words, first, sent, got } = self;
        write!(f, "words={words} first={first:#x} sent={sent:#010x} got={got:#010x} bits={:#010x}", sent ^ got)
    }
}
