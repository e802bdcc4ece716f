//! How fast data moves between host and device, and on the device; and whether it arrives as it was sent.
//!
//! Pinned copies and copies on the device are timed by marks on the device's clock, pageable ones by the host's, because
//! the driver copies them through pages of its own first.

use super::measure::{self, STALE, Watch, WrongWords, exact};
use crate::cuda::check::{Bench, Metric, Outcome, Stop, Unit};
use crate::cuda::efficiency::{self, human};
use crate::cuda::kernels::{Image, Launch};
use crate::cuda::session::{Buffer, Event, PinnedBuffer, Refused, Session, Stream};
use crate::cuda::{Attribute, Device};
use crate::gpu::{Fields, Gpu, Reading};

/// The part of the PCIe link that copies of pinned memory should reach. The headers of packets of 256 bytes take a
/// tenth of it, and nvbandwidth reaches 0.8 to 0.9 on machines that are in order.
const OF_LINK: f64 = 0.75;
/// The part of the memory's peak that copies on the device should reach.
const OF_MEMORY: f64 = 0.7;
/// How often something is copied before it is timed: an idle link and idle clocks need work to rise.
const WARM_UP: u32 = 2;
/// The most that is copied from or to pageable memory; more tells nothing new and needs the memory twice.
const PAGEABLE: u64 = 64 << 20;
/// The least that is worth timing.
const LEAST: u64 = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToDevice,
    ToHost,
}

/// `bw.h2d`: copies from the host to the device.
pub(super) fn host_to_device(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    between(bench, Direction::ToDevice)
}

/// `bw.d2h`: copies from the device to the host.
pub(super) fn device_to_host(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    between(bench, Direction::ToHost)
}

fn between(bench: &Bench<'_>, direction: Direction) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = measure_between(bench, direction, &mut outcome);
    measure::conclude(outcome, ended)
}

fn measure_between(bench: &Bench<'_>, direction: Direction, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    let gpu = measure::gpu(bench, &device.id);
    let session = measure::open(bench, device)?;
    let stream = session.stream()?;
    let marks = (session.event()?, session.event()?);
    let memory = measure::allocate(&session, bench.sizes.copy, LEAST.min(bench.sizes.copy))?;
    measure::label(bench, outcome);
    outcome.measured(Metric::once("size", exact(memory.memory().bytes), Unit::Bytes));
    let copy = Copy { bench, direction, memory: &memory, stream: &stream, marks: &marks };

    let mut watch = Watch::new(bench, device, Fields::PCIE);
    match session.pinned(memory.memory().bytes) {
        Ok(host) => {
            let speed = copy.pinned(&host, &mut watch, outcome)?;
            judge_link(bench, &session, gpu, speed, &watch, outcome);
        }
        Err(refused) => outcome.warn(format!(
            "pinned memory of the host was refused, so only pageable copies were measured: {refused}; under WSL2 it is \
             limited, elsewhere see `ulimit -l` and the free memory of the machine"
        )),
    }
    copy.pageable(outcome)
}

/// A copy between host and device, again and again.
struct Copy<'a> {
    bench: &'a Bench<'a>,
    direction: Direction,
    memory: &'a Buffer<'a>,
    stream: &'a Stream<'a>,
    marks: &'a (Event<'a>, Event<'a>),
}

impl Copy<'_> {
    /// Times copies of pinned memory, on the device's clock, and looks at what arrived; the median speed.
    fn pinned(
        &self,
        host: &PinnedBuffer<'_>,
        watch: &mut Watch<'_>,
        outcome: &mut Outcome,
    ) -> Result<Option<f64>, Stop> {
        let (bytes, seed) = (self.memory.memory().bytes, 0x5eed_0001);
        match self.direction {
            Direction::ToDevice => {
                measure::pieces(bytes, seed, |offset, piece| Ok(host.write(offset, piece)?))?;
                self.memory.fill(STALE, self.stream)?;
            }
            Direction::ToHost => measure::fill(self.bench, self.memory, seed, self.stream)?,
        }
        let mut once = |timed: bool, speeds: &mut Vec<f64>| -> Result<(), Stop> {
            self.bench.go_on()?;
            let seconds = measure::timed(self.stream, self.marks, watch, || match self.direction {
                Direction::ToDevice => self.stream.upload(self.memory, host, bytes),
                Direction::ToHost => self.stream.download(host, self.memory, bytes),
            })?;
            speeds.extend(measure::rate(bytes, seconds).filter(|_| timed));
            Ok(())
        };
        let mut speeds = Vec::new();
        for round in 0..WARM_UP + self.bench.sizes.repeats {
            once(round >= WARM_UP, &mut speeds)?;
        }
        let found = match self.direction {
            Direction::ToDevice => measure::differences(self.bench, self.memory, bytes, seed, self.stream)?,
            Direction::ToHost => {
                let (mut found, mut back) = (None, Vec::new());
                measure::pieces(bytes, seed, |offset, piece| {
                    back.resize(piece.len(), 0);
                    host.read(offset, &mut back)?;
                    WrongWords::add(&mut found, offset, piece, &back);
                    Ok(())
                })?;
                found
            }
        };
        verdict(outcome, "pinned", bytes, found);
        let metric = Metric::of("pinned", speeds, Unit::BytesPerSecond);
        let median = metric.as_ref().map(|metric| metric.value);
        outcome.measured(metric);
        Ok(median)
    }

    /// Times copies of pageable memory, on the host's clock, and looks at what arrived.
    fn pageable(&self, outcome: &mut Outcome) -> Result<(), Stop> {
        let (bytes, seed) = (self.memory.memory().bytes.min(PAGEABLE), 0x5eed_0002);
        let mut host = Vec::new();
        measure::pieces(bytes, seed, |_, piece| {
            host.extend_from_slice(piece);
            Ok(())
        })?;
        match self.direction {
            Direction::ToDevice => self.memory.fill(STALE, self.stream)?,
            Direction::ToHost => {
                self.memory.write(&host, self.stream)?;
                host.fill(0);
            }
        }
        let mut speeds = Vec::new();
        for round in 0..WARM_UP + self.bench.sizes.repeats {
            self.bench.go_on()?;
            self.stream.synchronize()?;
            let started = self.bench.clock.monotonic();
            match self.direction {
                Direction::ToDevice => self.memory.write(&host, self.stream)?,
                Direction::ToHost => self.memory.read(&mut host, self.stream)?,
            }
            let seconds = self.bench.clock.monotonic().saturating_sub(started).as_secs_f64();
            speeds.extend(measure::rate(bytes, seconds).filter(|_| round >= WARM_UP));
        }
        let found = match self.direction {
            Direction::ToDevice => measure::differences(self.bench, self.memory, bytes, seed, self.stream)?,
            Direction::ToHost => {
                let mut found = None;
                measure::pieces(bytes, seed, |offset, piece| {
                    let begin = usize::try_from(offset).unwrap_or(usize::MAX);
                    let back = host.get(begin..).and_then(|rest| rest.get(..piece.len())).unwrap_or_default();
                    WrongWords::add(&mut found, offset, piece, back);
                    Ok(())
                })?;
                found
            }
        };
        verdict(outcome, "pageable", bytes, found);
        outcome.measured(Metric::of("pageable", speeds, Unit::BytesPerSecond));
        Ok(())
    }
}

/// Says whether data arrived as it was sent.
fn verdict(outcome: &mut Outcome, what: &str, bytes: u64, found: Option<WrongWords>) {
    match found {
        Some(found) => outcome.fail(format!(
            "the data that arrived is not what was sent: copy={what} bytes={bytes} {found}; reseat the board, look at \
             its memory errors (nvidia-smi -q -d ECC) and run mem.pattern"
        )),
        None => outcome.read(format!("{what}.verified"), format!("{bytes} bytes, none differs"), "read back"),
    }
}

/// Compares a speed with the PCIe link as it was during the copies.
fn judge_link(
    bench: &Bench<'_>,
    session: &Session<'_>,
    gpu: Option<&Gpu>,
    speed: Option<f64>,
    watch: &Watch<'_>,
    outcome: &mut Outcome,
) {
    if gpu.is_some_and(|gpu| gpu.c2c == Reading::Known(true)) {
        return outcome.read("link", "the chip-to-chip link to the CPU; PCIe says nothing about it", "NVML");
    }
    if bench.driver.count(Attribute::Integrated, session.device()) == Some(1) {
        return outcome.read("link", "none: the device shares its memory with the machine", "cuDeviceGetAttribute");
    }
    let link = match watch.link() {
        Ok(link) => link,
        Err(reason) => return outcome.read("link", format!("unknown: {reason}"), "NVML"),
    };
    let peak = match efficiency::pcie(link.generation, link.width) {
        Ok(peak) => peak,
        Err(reason) => return outcome.read("link", format!("unknown: {reason}"), "NACP's tables"),
    };
    outcome.measured(Metric::once("link", peak.value, Unit::BytesPerSecond).by(&peak.formula));
    outcome.read("link.source", peak.source, "NACP's tables");
    let Some(speed) = speed else { return };
    let ratio = peak.ratio(speed);
    outcome.measured(Metric::once("ratio_to_link", ratio, Unit::Ratio).by(&peak.formula));
    if bench.sizes.simulated {
        return;
    }
    if ratio < OF_LINK {
        outcome.warn(format!(
            "pinned copies reach {ratio:.2} of the PCIe link, {OF_LINK} is expected: {} of {}; run on the processors \
             near the GPU (nvidia-smi topo -m), and look whether other programs copy at the same time",
            human(speed, "B/s"),
            peak.formula
        ));
    }
    let most = gpu.map(|gpu| (&gpu.pcie.max_generation, &gpu.pcie.max_width));
    if let Some((Reading::Known(generation), Reading::Known(width))) = most
        && (link.generation < *generation || link.width < *width)
    {
        outcome.warn(format!(
            "the PCIe link runs at generation {} x{} under load, GPU and slot have generation {generation} x{width} in \
             common; reseat the board, and look at the slot's settings in the firmware",
            link.generation, link.width
        ));
    }
}

/// `bw.d2d`: copies on the device, by the driver's own way and by the multiprocessors.
pub(super) fn on_device(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = measure_on_device(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn measure_on_device(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    let session = measure::open(bench, device)?;
    let stream = session.stream()?;
    let marks = (session.event()?, session.event()?);
    let from = measure::allocate(&session, bench.sizes.copy, LEAST.min(bench.sizes.copy))?;
    let to = measure::allocate(&session, from.memory().bytes, LEAST.min(bench.sizes.copy))?;
    let bytes = to.memory().bytes / 16 * 16;
    measure::label(bench, outcome);
    outcome.measured(Metric::once("size", exact(bytes), Unit::Bytes));
    let seed = 0x5eed_0003;
    measure::fill(bench, &from, seed, &stream)?;

    let mut watch = Watch::new(bench, device, Fields::CLOCKS);
    let mut best: Option<f64> = None;
    let mut measured = |name: &str, outcome: &mut Outcome, work: &dyn Fn() -> Result<(), Refused>| {
        to.fill(STALE, &stream)?;
        let mut speeds = Vec::new();
        for round in 0..WARM_UP + bench.sizes.repeats {
            bench.go_on()?;
            let seconds = measure::timed(&stream, &marks, &mut watch, work)?;
            speeds.extend(measure::rate(bytes, seconds).filter(|_| round >= WARM_UP));
        }
        verdict(outcome, name, bytes, measure::differences(bench, &to, bytes, seed, &stream)?);
        let both: Vec<f64> = speeds.iter().map(|speed| 2.0 * speed).collect();
        outcome.measured(Metric::of(name, speeds, Unit::BytesPerSecond).map(|metric| metric.by("bytes counted once")));
        let both = Metric::of(format!("{name}_read_and_write"), both, Unit::BytesPerSecond);
        let both = both.map(|metric| metric.by("bytes read + bytes written"));
        best = both.iter().map(|metric| metric.value).chain(best).reduce(f64::max);
        outcome.measured(both);
        Ok::<_, Stop>(())
    };
    measured("copy_engine", outcome, &|| stream.copy(&to, &from, bytes))?;
    match session.load(Image::Base, false) {
        Ok(module) => {
            let grid = device.multiprocessors.clamp(1, 1 << 16) * 16;
            let launch = Launch::copy(to.memory(), from.memory(), bytes, grid)?;
            let function = module.function(launch.kernel())?;
            measured("kernel", outcome, &|| stream.launch(&function, &launch))?;
        }
        Err(refused) => outcome.warn(format!(
            "the kernel that copies could not be loaded, so only the copy engine was measured: {refused}; mod.ptx_jit \
             says more"
        )),
    }
    judge_memory(bench, &session, device, best, &watch, outcome);
    Ok(())
}

fn judge_memory(
    bench: &Bench<'_>,
    session: &Session<'_>,
    device: &Device,
    best: Option<f64>,
    watch: &Watch<'_>,
    outcome: &mut Outcome,
) {
    if measure::is_mig(&device.id) {
        let part = "not computed: a MIG device has a part of the memory's bandwidth, and no table tells which";
        return outcome.read("memory_peak", part, "the device's id");
    }
    let gpu = measure::gpu(bench, &device.id);
    let bus = gpu.and_then(|gpu| gpu.processor.memory_bus.known().copied());
    let bus = bus.or_else(|| bench.driver.count(Attribute::MemoryBusWidth, session.device())).unwrap_or(0);
    let highest = efficiency::memory(measure::highest_memory_clock(session, gpu), bus);
    let clock = watch.memory_clock();
    let observed = clock.as_ref().map_err(Clone::clone).and_then(|clock| efficiency::memory(clock.value, bus));
    outcome.measured(clock.ok());
    if let Ok(peak) = &highest {
        outcome.measured(Metric::once("memory_peak", peak.value, Unit::BytesPerSecond).by(&peak.formula));
    }
    let expected = observed.clone().or_else(|_| highest.clone());
    measure::compare(outcome, best, highest, observed);
    let (Ok(peak), Some(best)) = (expected, best) else { return };
    let ratio = peak.ratio(best);
    if ratio < OF_MEMORY && !bench.sizes.simulated {
        outcome.warn(format!(
            "copies on the device reach {ratio:.2} of its memory's peak, {OF_MEMORY} is expected: {} read and written \
             of {}; look whether other programs use the GPU, and at what holds its clocks back (nvidia-smi -q -d \
             PERFORMANCE)",
            human(best, "B/s"),
            peak.formula
        ));
    }
}
