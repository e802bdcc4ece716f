//! Whether devices reach each other's memory, and how fast.

use super::measure::{self, STALE};
use crate::cuda::Device;
use crate::cuda::check::{Bench, Metric, Outcome, Skip, Stop, Unit};
use crate::cuda::efficiency::{self, Peak, Unknown};
use crate::cuda::kernels::{DIFFERENCES, Image, Launch, Pattern};
use crate::cuda::reference::PatternDifferences;
use crate::cuda::session::{Buffer, Event, Module, Refused, Session, Stream, called};
use crate::gpu::topology::{Link, Topology};
use crate::gpu::{PeerStatus, Reading};

/// How often something is copied before it is timed.
const WARM_UP: u32 = 1;
/// The least that is worth timing.
const LEAST: u64 = 1 << 20;
/// The most that is copied at once, and how often: eight devices make 56 pairs, and all of them share the time.
const MOST: u64 = 32 << 20;
const REPEATS: u32 = 10;
/// How many blocks of the kernels that write and compare each multiprocessor gets.
const BLOCKS: u32 = 8;

/// The devices of the machine that can have peers.
fn devices<'a>(bench: &Bench<'a>) -> Result<Vec<&'a Device>, Stop> {
    let all = bench.facts.probe.as_ref().map(|probe| probe.devices.iter()).into_iter().flatten();
    let (parts, whole): (Vec<_>, Vec<_>) = all.partition(|device| measure::is_mig(&device.id));
    match (whole.len(), parts.is_empty()) {
        (0 | 1, false) => {
            Err(Stop::skip(Skip::Unsupported, "MIG devices do not reach each other's memory: that is by design"))
        }
        (0 | 1, true) => Err(Stop::skip(Skip::Unsupported, "there are no two devices")),
        _ => Ok(whole),
    }
}

/// Each two of them, in both directions.
fn pairs<'a>(devices: &[&'a Device]) -> Vec<(&'a Device, &'a Device)> {
    let all = devices.iter().flat_map(|from| devices.iter().map(|to| (*from, *to)));
    all.filter(|(from, to)| from.ordinal != to.ordinal).collect()
}

/// How the management library says that they are connected; nothing where it says nothing.
fn topology(bench: &Bench<'_>) -> Option<Topology> {
    let gpus = bench.facts.gpus.as_deref()?;
    let pairs = bench.telemetry.and_then(|source| source.pairs().ok()).unwrap_or_default();
    Some(Topology::new(gpus, &pairs))
}

/// `p2p.access`.
pub(super) fn access(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = ask(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn ask(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let devices = devices(bench)?;
    measure::label(bench, outcome);
    let topology = topology(bench);
    let (mut open, mut all) = (0_u32, 0_u32);
    for (from, to) in pairs(&devices) {
        bench.go_on()?;
        let (one, other) = (measure::handle(bench, from)?, measure::handle(bench, to)?);
        let can = called("cuDeviceCanAccessPeer", bench.driver.can_access_peer(one, other))?;
        all += 1;
        open += u32::from(can);
        let name = format!("{}.{}", from.ordinal, to.ordinal);
        let link = topology.as_ref().and_then(|topology| topology.link(&from.id, &to.id));
        let lies = link.map_or_else(String::new, |link| format!(", {link} between them"));
        let answer = if can { "yes" } else { "no" };
        outcome.read(format!("access.{name}"), format!("{answer}{lies}"), "cuDeviceCanAccessPeer");
        if let Some(link) = link {
            compare(from, to, can, link, outcome);
        }
    }
    outcome.measured(Metric::once("pairs_with_access", f64::from(open), Unit::Count));
    outcome.measured(Metric::once("pairs", f64::from(all), Unit::Count));
    if topology.is_none() {
        outcome.read("topology", "unknown: there is no management library to compare with", "NVML");
    }
    Ok(())
}

/// Compares what CUDA says with what the links say.
fn compare(from: &Device, to: &Device, can: bool, link: &Link, outcome: &mut Outcome) {
    let (from, to) = (from.ordinal, to.ordinal);
    if link.is_nvlink() && !can {
        outcome.warn(format!(
            "NVLink joins two devices and CUDA denies access between them: from={from} to={to} link={link}; look at \
             the state of the links (nvidia-smi nvlink -s) and of the fabric manager"
        ));
    }
    match &link.peer.read {
        Reading::Known(PeerStatus::Ok) if !can => outcome.warn(format!(
            "the management library allows access and CUDA denies it: from={from} to={to} link={link}; a container \
             may hide what CUDA needs, or CUDA_VISIBLE_DEVICES names parts of a GPU"
        )),
        Reading::Known(status) if *status != PeerStatus::Ok && can => outcome.warn(format!(
            "CUDA allows access and the management library denies it: from={from} to={to} link={link}; copies between \
             the two may fail or give wrong data: p2p.bandwidth compares it"
        )),
        _ => {}
    }
}

/// `p2p.bandwidth`.
pub(super) fn bandwidth(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = copy_all(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn copy_all(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let devices = devices(bench)?;
    measure::label(bench, outcome);
    let topology = topology(bench);
    // A context takes a part of a second: each device gets one, for all its pairs.
    let mut sessions = Vec::new();
    for device in &devices {
        sessions.push(measure::open(bench, device)?);
    }
    let mut ends = Vec::new();
    for (device, session) in devices.iter().zip(&sessions) {
        bench.go_on()?;
        ends.push(End::new(bench, device, session)?);
    }
    let pairs = ends.iter().flat_map(|from| ends.iter().map(move |to| (from, to)));
    let pairs = pairs.filter(|(from, to)| from.device.ordinal != to.device.ordinal);
    for (seed, (from, to)) in (0x5eed_1000..).zip(pairs) {
        bench.go_on()?;
        let link = topology.as_ref().and_then(|topology| topology.link(&from.device.id, &to.device.id));
        copy(bench, (from, to), link, seed, outcome)?;
    }
    Ok(())
}

/// One device of the pairs: what it sends, where it receives, and the kernels that write and compare on it.
struct End<'s> {
    device: &'s Device,
    session: &'s Session<'s>,
    stream: Stream<'s>,
    marks: (Event<'s>, Event<'s>),
    module: Module<'s>,
    source: Buffer<'s>,
    target: Buffer<'s>,
    errors: Buffer<'s>,
    grid: u32,
}

impl<'s> End<'s> {
    fn new(bench: &Bench<'_>, device: &'s Device, session: &'s Session<'s>) -> Result<Self, Stop> {
        session.activate()?;
        let size = bench.sizes.copy.min(MOST);
        let source = measure::allocate(session, size, LEAST.min(size))?;
        let target = session.allocate(source.memory().bytes)?;
        Ok(Self {
            device,
            session,
            stream: session.stream()?,
            marks: (session.event()?, session.event()?),
            module: session.load(Image::Base, false)?,
            source,
            target,
            errors: session.allocate(DIFFERENCES)?,
            grid: device.multiprocessors.clamp(1, 1 << 16) * BLOCKS,
        })
    }

    /// Writes what is sent; no two pairs send the same.
    fn prepare(&self, bytes: u64, seed: u32) -> Result<(), Stop> {
        self.session.activate()?;
        let pattern = Pattern::Address(seed);
        let launch = Launch::pattern_write(self.source.memory(), bytes / 4, pattern, self.grid)?;
        self.stream.start(&self.module, &launch)?;
        Ok(self.stream.synchronize()?)
    }

    /// Forgets what came before, so that old data never passes for new.
    fn forget(&self) -> Result<(), Refused> {
        self.session.activate()?;
        self.target.fill(STALE, &self.stream)?;
        self.stream.synchronize()
    }

    /// What of that which arrived is not what was sent.
    fn differences(&self, bytes: u64, seed: u32) -> Result<PatternDifferences, Stop> {
        self.session.activate()?;
        self.errors.write(&PatternDifferences::NONE.to_bytes(), &self.stream)?;
        let (target, errors) = (self.target.memory(), self.errors.memory());
        let launch = Launch::pattern_check(target, bytes / 4, Pattern::Address(seed), false, errors, self.grid)?;
        self.stream.start(&self.module, &launch)?;
        let mut found = PatternDifferences::NONE.to_bytes();
        self.errors.read(&mut found, &self.stream)?;
        Ok(PatternDifferences::from_bytes(found))
    }
}

fn copy(
    bench: &Bench<'_>,
    (from, to): (&End<'_>, &End<'_>),
    link: Option<&Link>,
    seed: u32,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let (here, there) = (from.session, to.session);
    let (a, b) = (from.device.ordinal, to.device.ordinal);
    let name = format!("{a}.{b}");
    let direct = called("cuDeviceCanAccessPeer", bench.driver.can_access_peer(here.device(), there.device()))?;
    if direct {
        reach(here, there)?;
    }
    let bytes = from.source.memory().bytes.min(to.target.memory().bytes);
    to.forget()?;
    from.prepare(bytes, seed)?;
    let mut speeds = Vec::new();
    for round in 0..WARM_UP + bench.sizes.repeats.min(REPEATS) {
        bench.go_on()?;
        let copy = || from.stream.copy_peer(&to.target, &from.source, bytes);
        let seconds = measure::timed(&from.stream, &from.marks, copy)?;
        speeds.extend(measure::rate(bytes, seconds).filter(|_| round >= WARM_UP));
    }
    match to.differences(bytes, seed)? {
        PatternDifferences { count: 0, .. } => {
            outcome.read(format!("verified.{name}"), format!("{bytes} bytes, none differs"), "nacp_pattern_check");
        }
        PatternDifferences { count, first, bits } => outcome.fail(format!(
            "the data that arrived at another device is not what was sent: from={a} to={b} bytes={bytes} words={count} \
             first={:#x} bits={bits:#010x}; switch off IOMMU and ACS of the PCIe switches, or copy through the host \
             (NCCL_P2P_DISABLE=1)",
            first.saturating_mul(4)
        )),
    }
    let way = if direct { "from device to device" } else { "through the host: CUDA denies direct access" };
    outcome.read(format!("way.{name}"), way, "cuDeviceCanAccessPeer");
    let metric = Metric::of(format!("bandwidth.{name}"), speeds, Unit::BytesPerSecond);
    if let (Some(metric), Some(Ok(peak))) = (&metric, link.map(peak_of)) {
        let ratio = Metric::once(format!("ratio_to_nvlink.{name}"), peak.ratio(metric.value), Unit::Ratio);
        outcome.measured(ratio.by(peak.formula));
    }
    outcome.measured(metric);
    Ok(())
}

/// What the NVLinks between two devices could carry.
fn peak_of(link: &Link) -> Result<Peak, Unknown> {
    let links = link.nvlinks.known().copied().unwrap_or(0);
    match (&link.bandwidth, &link.version) {
        (Reading::Known(megabytes), _) => efficiency::nvlink(links, *megabytes),
        (_, Reading::Known(version)) => efficiency::nvlink_of_version(links, *version),
        _ => Err(Unknown::new("no NVLink tells its speed")),
    }
}

/// Lets each reach the other. That somebody in this process has done so already (704) is as good.
fn reach(here: &Session<'_>, there: &Session<'_>) -> Result<(), Refused> {
    for (one, other) in [(there, here), (here, there)] {
        one.activate()?;
        match one.enable_peer(other) {
            Err(refused) if refused.fault.code != 704 => return Err(refused),
            _ => {}
        }
    }
    Ok(())
}
