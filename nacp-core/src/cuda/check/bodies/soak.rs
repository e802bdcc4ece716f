//! Every multiprocessor, again and again, hot, until the time is over.

use std::collections::BTreeSet;
use std::time::Duration;

use super::determinism::{accuse, threads};
use super::measure::{conclude, device, exact, gpu};
use crate::cuda::Device;
use crate::cuda::check::{Bench, Metric, Outcome, Stop, Unit};
use crate::cuda::determinism::{Difference, Profile, Runner, Shape, SuiteRun, handle};
use crate::cuda::kernels::{Image, Launch};
use crate::cuda::reference;
use crate::cuda::session::{Buffer, Function, Session, Stream};
use crate::gpu::{Fields, Sample};

/// How many threads a multiprocessor gets: as many as any holds at once.
const THREADS: u32 = 2048;
/// How many steps the hot kernel does: some milliseconds on every device, far below any watchdog's limit.
const STEPS: u32 = 32_768;
/// How many of its lanes are computed on the CPU in each round. The window moves on, so that in the end all are.
const WINDOW: u32 = 4;
/// How often the management library is asked.
const PERIOD: Duration = Duration::from_secs(1);
/// What is left of the time for the end of the last round.
const MARGIN: Duration = Duration::from_secs(2);

/// `sdc.soak`: the suite is compared with the CPU, over and over, while another stream keeps all multiprocessors as hot
/// as multiply-adds make them, whose answers are compared too.
pub(crate) fn soak(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    super::measure::reference()?;
    let mut tally = Tally::new(bench);
    let mut outcome = Outcome::pass();
    let ended = rounds(bench, &mut tally, &mut outcome);
    if let Some(device) = bench.device {
        tally.tell(&mut outcome, bench, device);
    }
    conclude(outcome, ended)
}

fn rounds(bench: &Bench<'_>, tally: &mut Tally<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = device(bench)?;
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let runner = Runner::new(&session, device, bench.sizes.profile)?;
    let module = session.load(Image::Base, false)?;
    let streams = [session.stream()?, session.stream()?];
    let mut hot = Hot::new(bench, device, &session)?;
    let function = module.function(hot.launch.kernel())?;
    for round in 0_u32.. {
        bench.go_on()?;
        let enough = bench.sizes.simulated && round >= bench.sizes.repeats;
        if enough || (round > 0 && bench.deadline.left() < MARGIN) {
            break;
        }
        let shape = Shape::ALL[round as usize % Shape::ALL.len()];
        tally.round(outcome, device, &runner, shape, (&mut hot, &function), &streams)?;
    }
    Ok(())
}

/// The kernel that makes the device hot.
struct Hot<'s> {
    launch: Launch,
    out: Buffer<'s>,
    lanes: u32,
    steps: u32,
    /// What it gave in its first round.
    first: Vec<u32>,
    /// The first lane that the CPU computes next.
    window: u32,
}

impl<'s> Hot<'s> {
    fn new(bench: &Bench<'_>, device: &Device, session: &'s Session<'s>) -> Result<Self, Stop> {
        let (lanes, steps) = match bench.sizes.simulated {
            true => (256, 4),
            false => (device.multiprocessors.clamp(1, 1024) * THREADS, STEPS),
        };
        let out = session.allocate(4 * u64::from(lanes))?;
        let launch = Launch::fma_rate(out.memory(), lanes, steps, Profile::SEED, 256)?;
        Ok(Self { launch, out, lanes, steps, first: Vec::new(), window: 0 })
    }

    fn queue(&self, function: &Function<'_>, stream: &Stream<'_>) -> Result<(), Stop> {
        self.out.fill(!0, stream)?;
        Ok(stream.launch(function, &self.launch)?)
    }

    /// Compares all lanes with the first round, and some with the CPU. Returns how many words were compared.
    fn compare(&mut self, stream: &Stream<'_>) -> Result<(u64, Option<Difference>), Stop> {
        let end = self.lanes.min(self.window + WINDOW);
        // Computed while the device works.
        let right = reference::fma_rate(self.window..end, self.steps, Profile::SEED, threads());
        stream.synchronize()?;
        let found = self.out.words(self.lanes as usize, stream)?;
        if self.first.is_empty() {
            self.first.clone_from(&found);
        }
        let mut expected = self.first.clone();
        let at = self.window as usize..end as usize;
        if let Some(window) = expected.get_mut(at).filter(|window| window.len() == right.len()) {
            window.copy_from_slice(&right);
        }
        self.window = if end >= self.lanes { 0 } else { end };
        Ok((found.len() as u64, Difference::between(&self.launch, &expected, &found, &[])))
    }
}

/// What all rounds found.
struct Tally<'a> {
    bench: &'a Bench<'a>,
    begun: Duration,
    rounds: u64,
    words: u64,
    wrong: u64,
    wrong_rounds: u64,
    seen: BTreeSet<u32>,
    asked: Option<Duration>,
    samples: Vec<Sample>,
    temperature: Vec<f64>,
    power: Vec<f64>,
    clock: Vec<f64>,
}

impl<'a> Tally<'a> {
    fn new(bench: &'a Bench<'a>) -> Self {
        Self {
            bench,
            begun: bench.clock.monotonic(),
            rounds: 0,
            words: 0,
            wrong: 0,
            wrong_rounds: 0,
            seen: BTreeSet::new(),
            asked: None,
            samples: Vec::new(),
            temperature: Vec::new(),
            power: Vec::new(),
            clock: Vec::new(),
        }
    }

    /// One round: both streams are given work, the device is looked at, and both answers are compared.
    fn round(
        &mut self,
        outcome: &mut Outcome,
        device: &Device,
        runner: &Runner<'_>,
        shape: Shape,
        (hot, function): (&mut Hot<'_>, &Function<'_>),
        [suite, heat]: &[Stream<'_>; 2],
    ) -> Result<(), Stop> {
        hot.queue(function, heat)?;
        runner.queue::<Stop>(suite, shape)?;
        self.look(device);
        let mut run = SuiteRun::default();
        runner.collect::<Stop>(suite, shape, &mut run)?;
        let (words, difference) = hot.compare(heat)?;
        self.rounds += 1;
        self.words += run.words + words;
        self.seen.extend(run.multiprocessors);
        let differences: Vec<Difference> = run.differences.into_iter().chain(difference).collect();
        self.wrong_rounds += u64::from(!differences.is_empty());
        for difference in &differences {
            self.wrong += difference.words;
            // The first ones are told; the rest is counted.
            if self.wrong_rounds <= 4 {
                accuse(outcome, device, difference);
            }
        }
        Ok(())
    }

    /// Asks how hot the device is, once in a while.
    fn look(&mut self, device: &Device) {
        let now = self.bench.clock.monotonic();
        let Some(source) = self.bench.telemetry else { return };
        if self.asked.is_some_and(|asked| now.saturating_sub(asked) < PERIOD) {
            return;
        }
        self.asked = Some(now);
        let fields = Fields::TEMPERATURE | Fields::POWER | Fields::CLOCKS;
        if source.sample(fields, &mut self.samples).is_err() {
            return;
        }
        let Some(gpu) = gpu(self.bench, &device.id) else { return };
        let Some(sample) = self.samples.iter().find(|sample| sample.id == gpu.id) else { return };
        self.temperature.extend(sample.temperature.known().map(|degrees| f64::from(*degrees)));
        self.power.extend(sample.power.known().map(|milliwatts| f64::from(*milliwatts) / 1e3));
        self.clock.extend(sample.clocks.known().map(|clocks| f64::from(clocks.sm)));
    }

    fn tell(self, outcome: &mut Outcome, bench: &Bench<'_>, device: &Device) {
        let seconds = bench.clock.monotonic().saturating_sub(self.begun).as_secs_f64();
        let bits = exact(32 * self.words);
        outcome.measured(Metric::once("rounds", exact(self.rounds), Unit::Count));
        outcome.measured(Metric::once("mismatches", exact(self.wrong), Unit::Count));
        outcome.measured(Metric::once("bits_compared", bits, Unit::Count));
        if seconds > 0.0 {
            let rate = Metric::once("bits_compared_per_second", bits / seconds, Unit::PerSecond);
            outcome.measured(rate.by("bits compared / seconds of the check"));
        }
        outcome.measured(Metric::once("multiprocessors_seen", exact(self.seen.len() as u64), Unit::Count));
        outcome.measured(Metric::of("temperature", self.temperature, Unit::Celsius));
        outcome.measured(Metric::of("power", self.power, Unit::Watts));
        outcome.measured(Metric::of("clock_sm", self.clock, Unit::Megahertz));
        if bench.telemetry.is_none() {
            outcome.read("temperature", "unknown: there is no management library", "this check");
        }
        let (rounds, wrong) = (self.rounds, self.wrong_rounds);
        outcome.read("soak", format!("{wrong} of {rounds} rounds had wrong bits"), "compared with the CPU");
        if self.rounds == 0 {
            outcome.warn("there was no time for a single round");
        } else if self.seen.len() < device.multiprocessors as usize && !bench.sizes.simulated {
            outcome.warn(format!("only {} of {} multiprocessors took part", self.seen.len(), device.multiprocessors));
        }
    }
}
