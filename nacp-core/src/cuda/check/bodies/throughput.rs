//! How fast the device computes, answers checked.
//!
//! Two launches answer for the bits. One is short, and a thread of every block of it is computed on the CPU as well, so
//! that every multiprocessor is looked at. The other is the one that is timed, again and again: all its rounds must
//! give the same words, and some threads of it are computed on the CPU.

use std::ops::Range;

use super::measure::{self, STALE, Watch, exact};
use crate::cuda::check::{Bench, Metric, Outcome, Skip, Stop, Unit};
use crate::cuda::efficiency::{self, Peak, ProductLine, Share, Unknown, human};
use crate::cuda::kernels::{ACCUMULATORS, CHAINS, Image, Kernel, Launch};
use crate::cuda::session::{Buffer, Event, Function, Session, Stream};
use crate::cuda::{Attribute, Device, Memory, reference};
use crate::error::Result as Made;
use crate::gpu::Fields;

/// The part of the peak at the observed clock that is expected.
const OF_PEAK: f64 = 0.75;
/// How many waves of blocks a launch has: the last one, which does not fill the device, must not count.
const WAVES: u32 = 16;
/// How often the timed launch is done.
const ROUNDS: u32 = 10;
/// The most steps of the timed launch.
const LONG: u32 = 1 << 20;
/// The most items of the timed launch that are computed on the CPU, and the multiply-adds that it may cost: a CPU does
/// about so many in a fifth of a second.
const SAMPLED: u32 = 64;
const SAMPLED_FMAS: f64 = 1e8;
const SEED: u32 = 11;

/// What is done, and how it is called.
struct Work {
    kernel: Kernel,
    /// What the launch counts.
    item: &'static str,
    metric: &'static str,
    title: &'static str,
    /// How many items a block has, and how many words each writes.
    block: u32,
    words: u32,
    /// Operations of an item in a step.
    flops: f64,
    /// How many steps the launch has whose every block is looked at: what the CPU does in a moment.
    short: u32,
    launch: fn(Memory, u32, u32) -> Made<Launch>,
    expected: fn(Range<u32>, u32) -> Vec<u32>,
}

const FMA: Work = Work {
    kernel: Kernel::FmaRate,
    item: "lane",
    metric: "fma_flops",
    title: "fused multiply-adds of 32 bits",
    block: 256,
    words: 1,
    flops: 2.0 * CHAINS as f64,
    short: 64,
    launch: |out, lanes, steps| Launch::fma_rate(out, lanes, steps, SEED, 256),
    expected: |lanes, steps| reference::fma_rate(lanes, steps, SEED, 1),
};

const MMA: Work = Work {
    kernel: Kernel::MmaRate,
    item: "warp",
    metric: "mma_sync_flops",
    title: "products of mma.sync",
    block: 8,
    words: 32,
    // A product of 16 x 8 by 8 x 8, a multiply-add is two.
    flops: 2.0 * 16.0 * 8.0 * 8.0 * ACCUMULATORS as f64,
    short: 2,
    launch: |out, warps, steps| Launch::mma_rate(out, warps, steps, SEED),
    expected: |warps, steps| reference::mma_rate(warps, steps, SEED, 1),
};

/// `thr.fma`.
pub(super) fn fma(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let resident = |session: &Session<'_>| {
        let most = Attribute::MaxThreadsPerMultiprocessor;
        session.driver().count(most, session.device()).filter(|threads| *threads > 0).unwrap_or(1024)
    };
    let peak = |device: &Device, clock| efficiency::fp32(device.compute, device.multiprocessors, clock);
    let every = Share { value: 1.0, source: "a multiply-add is the core's own operation" };
    let mut outcome = Outcome::pass();
    let ended = run(bench, &FMA, &resident, &peak, Ok(every), &mut outcome);
    measure::conclude(outcome, ended)
}

/// `thr.mma`.
pub(super) fn mma(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = measure::device(bench)?;
    let least = Image::Tensor.target();
    if device.compute < least {
        let reason = format!("mma.sync needs compute capability {least}, this device has {}", device.compute);
        return Err(Stop::skip(Skip::Unsupported, reason));
    }
    let peak = |device: &Device, clock| {
        efficiency::tensor_f16(device.compute, ProductLine::of(&device.name), device.multiprocessors, clock)
    };
    let share = efficiency::mma_sync_share(device.compute);
    let mut outcome = Outcome::pass();
    // Its registers leave room for 32 warps on a multiprocessor.
    let ended = run(bench, &MMA, &|_| 32, &peak, share, &mut outcome);
    measure::conclude(outcome, ended)
}

fn run(
    bench: &Bench<'_>,
    work: &Work,
    resident: &dyn Fn(&Session<'_>) -> u32,
    peak: &dyn Fn(&Device, f64) -> Result<Peak, Unknown>,
    share: Result<Share, Unknown>,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    measure::reference()?;
    let session = measure::open(bench, device)?;
    measure::label(bench, outcome);
    let stream = session.stream()?;
    let module = session.load(work.kernel.image(), false)?;
    let waves = device.multiprocessors.clamp(1, 1 << 10) * resident(&session).min(1 << 12) * WAVES;
    let items = if bench.sizes.simulated { work.block } else { waves.next_multiple_of(work.block) };
    let out = session.allocate(4 * u64::from(work.words) * u64::from(items))?;
    let function = module.function(work.kernel)?;
    let rate = Rate { bench, work, stream: &stream, function: &function, out: &out, items };

    let marks = (session.event()?, session.event()?);
    let simulated = bench.sizes.simulated;
    let launch = (work.launch)(out.memory(), items, work.short)?;
    let seconds = rate.short(&launch, &marks, outcome)?;

    // The short launch is mostly overhead: a longer one tells how fast the device is.
    let steps = if simulated {
        work.short
    } else {
        let first = steps(work.short, seconds, bench.sizes.work_ms);
        let seconds = rate.once(&(work.launch)(out.memory(), items, first)?, &marks)?;
        steps(first, seconds, bench.sizes.work_ms)
    };
    let long = (work.launch)(out.memory(), items, steps)?;
    let (speeds, seconds) = rate.long(&long, steps, &marks, outcome)?;
    let mut watch = Watch::new(bench, device, Fields::CLOCKS);
    watch.during(&stream, seconds, || stream.launch(&function, &long))?;

    let metric = Metric::of(work.metric, speeds, Unit::FlopPerSecond);
    let measured = metric.as_ref().map(|metric| metric.value);
    let formula = format!("{items} {}s x {steps} steps x {} FLOP", work.item, work.flops);
    outcome.measured(metric.map(|metric| metric.by(formula)));
    let gpu = measure::gpu(bench, &device.id);
    let clock = watch.multiprocessor_clock();
    let highest = peak(device, measure::highest_clock(&session, gpu));
    let observed = clock.as_ref().map_err(Clone::clone).and_then(|clock| peak(device, clock.value));
    outcome.measured(clock.ok());
    let ratio = measure::compare(outcome, measured, highest, observed.clone());
    if let (Some(ratio), Some(measured), Ok(peak)) = (ratio, measured, observed) {
        judge(bench, work, (ratio, measured, &peak), share, outcome);
    }
    Ok(())
}

/// How many steps take about a round's time, when `short` steps took so many seconds.
pub(super) fn steps(short: u32, seconds: f64, work_ms: u32) -> u32 {
    let wanted = f64::from(work_ms) / 1e3 / f64::from(ROUNDS);
    let steps = f64::from(short) * wanted / seconds;
    if steps.is_nan() || seconds <= 0.0 { short } else { whole(steps.clamp(f64::from(short), f64::from(LONG))) }
}

/// How many items of so many steps are computed on the CPU.
fn sampled(flops: f64, steps: u32) -> u32 {
    whole((SAMPLED_FMAS / (flops / 2.0 * f64::from(steps))).clamp(1.0, f64::from(SAMPLED)))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the callers clamp it")]
fn whole(number: f64) -> u32 {
    number as u32
}

fn judge(
    bench: &Bench<'_>,
    work: &Work,
    (ratio, measured, peak): (f64, f64, &Peak),
    share: Result<Share, Unknown>,
    outcome: &mut Outcome,
) {
    let share = match share {
        Ok(share) => share,
        Err(reason) => return outcome.read("share", format!("unknown: {reason}"), "NACP's tables"),
    };
    outcome.read("share", format!("{} of the peak: {}", share.value, share.source), "NACP's tables");
    let expected = OF_PEAK * share.value;
    if ratio < expected && !bench.sizes.simulated {
        outcome.warn(format!(
            "{} reach {ratio:.2} of the peak at the clock that was observed, {expected:.2} is expected: {} of {}; look \
             whether other programs use the GPU (nvidia-smi), and at what holds its clocks back (nvidia-smi -q -d \
             PERFORMANCE)",
            work.title,
            human(measured, "FLOP/s"),
            peak.formula
        ));
    }
}

/// A launch again and again.
struct Rate<'a> {
    bench: &'a Bench<'a>,
    work: &'a Work,
    stream: &'a Stream<'a>,
    function: &'a Function<'a>,
    out: &'a Buffer<'a>,
    items: u32,
}

impl Rate<'_> {
    fn once(&self, launch: &Launch, marks: &(Event<'_>, Event<'_>)) -> Result<f64, Stop> {
        self.bench.go_on()?;
        Ok(measure::timed(self.stream, marks, || self.stream.launch(self.function, launch))?)
    }

    fn words(&self) -> Result<Vec<u32>, Stop> {
        let words = u64::from(self.items) * u64::from(self.work.words);
        Ok(self.out.words(usize::try_from(words).unwrap_or(usize::MAX), self.stream)?)
    }

    /// The short launch, with an item of every block compared; how long it took when the clocks had begun to rise.
    fn short(&self, launch: &Launch, marks: &(Event<'_>, Event<'_>), outcome: &mut Outcome) -> Result<f64, Stop> {
        self.out.fill(STALE, self.stream)?;
        self.once(launch, marks)?;
        let seconds = self.once(launch, marks)?;
        let block = self.work.block;
        let blocks = self.items / block;
        // Another item of each block, so that all places of a block are looked at.
        let items = (0..blocks).map(|number| number * block + number.wrapping_mul(0x9e37_79b1) % block);
        let compared = self.compare(&self.words()?, items, self.work.short, outcome)?;
        outcome.read("compared.short", format!("{compared} words, one {} of each block", self.work.item), "the CPU");
        Ok(seconds)
    }

    /// The timed launch; its speeds, and how long its last round took.
    fn long(
        &self,
        launch: &Launch,
        steps: u32,
        marks: &(Event<'_>, Event<'_>),
        outcome: &mut Outcome,
    ) -> Result<(Vec<f64>, f64), Stop> {
        let (mut speeds, mut last) = (Vec::new(), 0.0);
        let mut first: Option<Vec<u32>> = None;
        let flops = self.work.flops * f64::from(self.items) * f64::from(steps);
        let rounds = if self.bench.sizes.simulated { self.bench.sizes.repeats } else { ROUNDS };
        for round in 0..=rounds {
            self.out.fill(STALE, self.stream)?;
            let seconds = self.once(launch, marks)?;
            last = seconds;
            if round > 0 && seconds > 0.0 {
                speeds.push(flops / seconds);
            }
            let words = self.words()?;
            match &first {
                None => {
                    let count = sampled(self.work.flops, steps).min(self.items);
                    let apart = self.items / count;
                    let items = (0..count).map(|number| number * apart);
                    let compared = self.compare(&words, items, steps, outcome)?;
                    outcome.read("compared.timed", format!("{compared} words of the timed launch"), "the CPU");
                    first = Some(words);
                }
                Some(first) => self.same(round, first, &words, outcome),
            }
        }
        let words = first.map_or(0, |words| words.len() as u64);
        outcome.measured(Metric::once("words_repeated", exact(words * u64::from(rounds)), Unit::Count));
        Ok((speeds, last))
    }

    /// Compares these items with the CPU's; how many words that were.
    fn compare(
        &self,
        got: &[u32],
        items: impl Iterator<Item = u32>,
        steps: u32,
        outcome: &mut Outcome,
    ) -> Result<u64, Stop> {
        let (mut compared, mut wrong) = (0, Vec::new());
        for item in items {
            self.bench.go_on()?;
            let begin = usize::try_from(u64::from(item) * u64::from(self.work.words)).unwrap_or(usize::MAX);
            for (at, expected) in (begin..).zip((self.work.expected)(item..item + 1, steps)) {
                compared += 1;
                let got = got.get(at).copied().unwrap_or(STALE);
                if got != expected {
                    wrong.push((item, at, expected, got));
                }
            }
        }
        if let Some((item, at, expected, got)) = wrong.first() {
            outcome.fail(format!(
                "the device computes wrong: kernel={} {}={item} word={at} expected={expected:#010x} got={got:#010x} \
                 bits={:#010x} words={} of {compared}; run det.bits, and have the board replaced if it is wrong again",
                self.work.kernel.symbol(),
                self.work.item,
                expected ^ got,
                wrong.len()
            ));
        }
        Ok(compared)
    }

    /// Compares a round with the first one.
    fn same(&self, round: u32, first: &[u32], words: &[u32], outcome: &mut Outcome) {
        let differing = || first.iter().zip(words).enumerate().filter(|(_, (first, word))| first != word);
        let count = differing().count();
        if let Some((at, (first, word))) = differing().next() {
            outcome.fail(format!(
                "the device does not repeat: kernel={} round={round} words={count} word={at} first={first:#010x} \
                 now={word:#010x} bits={:#010x}; run det.repeat, and have the board replaced if it happens again",
                self.work.kernel.symbol(),
                first ^ word
            ));
        }
    }
}
