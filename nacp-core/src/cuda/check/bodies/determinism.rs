//! Do the bits repeat, and are they right.

use crate::cuda::check::{Bench, Metric, Outcome, Skip, Status, Stop, Unit};
use crate::cuda::determinism::{Difference, Profile, Runner, Runs, Shape, expected, handle, repeat};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::session::Session;
use crate::cuda::{Device, reference};

/// Where the numbers of a check begin that is not the suite's.
const SEED: u32 = 0x5eed_0001;

/// The device of this check.
pub(super) fn device<'a>(bench: &Bench<'a>) -> Result<&'a Device, Stop> {
    bench.device.ok_or_else(|| Stop::skip(Skip::Blocked, "there is no device"))
}

/// A count as the value of a metric.
#[expect(clippy::cast_precision_loss, reason = "what is counted here is below 2^53")]
pub(super) fn exact(count: u64) -> f64 {
    count as f64
}

/// Says what differs. Where it cannot be one broken unit, the driver is suspected too.
pub(super) fn accuse(outcome: &mut Outcome, device: &Device, difference: &Difference) {
    let advice = if difference.multiprocessors.len() as u64 >= u64::from(device.multiprocessors.max(2)) {
        "every multiprocessor is concerned: try another driver, then another device"
    } else {
        "take the device out of service; `nvidia-smi -q -d ECC,ROW_REMAPPER` tells whether its memory is broken"
    };
    outcome.fail(format!("the device computes wrongly: {difference}; {advice}"));
    outcome.read(format!("difference.{}", difference.kernel), difference, "compared with the CPU");
}

/// Turns what the runs found into what the check tells.
fn told(mut outcome: Outcome, bench: &Bench<'_>, device: &Device, mut runs: Runs) -> Outcome {
    for difference in &runs.differences {
        accuse(&mut outcome, device, difference);
    }
    if runs.answers.len() > 1 {
        let (answers, count) = (runs.answers.len(), runs.compared.runs);
        outcome.fail(format!("it does not repeat: {answers} different answers in {count} runs"));
    }
    for result in &runs.results {
        outcome.read(format!("digest.{}", result.kernel), &result.sha256, "SHA-256 of its words");
    }
    let words: u64 = runs.results.iter().map(|result| result.words).sum();
    outcome.measured(Metric::once("runs", f64::from(runs.compared.runs), Unit::Count));
    outcome.measured(Metric::once("words_per_run", exact(words), Unit::Count));
    seen(&mut outcome, device, runs.multiprocessors.len());
    runs.vbios = firmware(bench, device);
    outcome.runs = Some(runs);
    outcome
}

/// The version of the device's firmware, where the management library knows the device.
fn firmware(bench: &Bench<'_>, device: &Device) -> Option<String> {
    let gpu = bench.facts.gpus.as_ref()?.iter().find(|gpu| gpu.id == device.id)?;
    gpu.identity.vbios.known().cloned()
}

fn seen(outcome: &mut Outcome, device: &Device, seen: usize) {
    outcome.measured(Metric::once("multiprocessors_seen", exact(seen as u64), Unit::Count));
    outcome.read("multiprocessors", format!("{seen} of {} took part", device.multiprocessors), "%smid of each block");
}

/// `det.bits`: every word of the suite is what the CPU computes.
pub(crate) fn bits(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = device(bench)?;
    let mut runs = Runs::new(bench.sizes.profile);
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let stream = session.stream()?;
    let shape = Shape::ALL[0];
    let run = Runner::new(&session, device, runs.profile)?.run(&stream, shape, || bench.go_on())?;
    runs.add(run, shape.block);
    Ok(told(Outcome::pass(), bench, device, runs))
}

/// `det.repeat`: other streams, other blocks, another context and another process give the same digest.
pub(crate) fn again(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = device(bench)?;
    let mut runs = Runs::new(bench.sizes.profile);
    let mut outcome = Outcome::pass();
    let ended = repeat(bench.driver, device, &mut runs, bench.sizes.repeats, || bench.go_on());
    if ended.is_ok() {
        match bench.elsewhere.map(|elsewhere| elsewhere.digests(&device.id, runs.profile)) {
            None => outcome.read("another process", "not tried: the checks run in one process", "this check"),
            Some(Ok(digests)) => {
                runs.add_digests(digests);
                runs.compared.processes = 2;
                outcome.read("another process", "ran the suite too", "its answer");
            }
            Some(Err(reason)) => outcome.warn(format!("no other process could run the suite: {reason}")),
        }
    }
    let outcome = told(outcome, bench, device, runs);
    match ended {
        Err(stop) if !matches!(outcome.status, Status::Fail { .. }) => Err(stop.with(outcome)),
        _ => Ok(outcome),
    }
}

/// `det.shape`: a row has the same sum in each batch and on each grid.
pub(crate) fn shape(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = device(bench)?;
    let profile = bench.sizes.profile;
    let rows = profile.rows();
    let right = &expected(profile, Kernel::Rows)?.words;
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let module = session.load(Image::Base, false)?;
    let stream = session.stream()?;
    let (out, sms) = (session.allocate(8 * u64::from(rows))?, session.allocate(4 * 64)?);
    let mut outcome = Outcome::pass();
    let mut compared = 0;
    for batch in [1, 8, 64] {
        let batch: u32 = rows.min(batch);
        for grid in [1, 3, 64] {
            for first in (0..rows).step_by(batch as usize) {
                bench.go_on()?;
                let launch = Launch::rows(out.memory(), sms.memory(), first, batch, Profile::SEED, grid)?;
                out.fill(!0, &stream)?;
                sms.fill(!0, &stream)?;
                stream.start(&module, &launch)?;
                stream.synchronize()?;
                let found = out.words(2 * batch as usize, &stream)?;
                let sms = sms.words(grid as usize, &stream)?;
                let right = right.get(2 * first as usize..).unwrap_or(&[]).get(..found.len()).unwrap_or(&[]);
                if let Some(mut difference) = Difference::between(&launch, right, &found, &sms) {
                    difference.lane += u64::from(first);
                    accuse(&mut outcome, device, &difference);
                    outcome.read("batch", format!("{batch} rows from {first} on {grid} blocks"), "this check");
                }
                compared += u64::from(batch);
            }
        }
    }
    outcome.measured(Metric::once("rows_compared", exact(compared), Unit::Count));
    outcome.read("batches", "1, 8 and 64 rows, each on 1, 3 and 64 blocks", "this check");
    Ok(outcome)
}

/// `det.atomics`: how many different sums the same values give when their order is left to the device.
pub(crate) fn atomics(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    const RUNS: u32 = 10;
    let device = device(bench)?;
    let values = if bench.sizes.simulated { 1024 } else { 1 << 20 };
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let module = session.load(Image::Base, false)?;
    let stream = session.stream()?;
    let out = session.allocate(4)?;
    let launch = Launch::atomics(out.memory(), values, SEED)?;
    let mut sums = Vec::new();
    for _ in 0..RUNS {
        bench.go_on()?;
        out.fill(0, &stream)?;
        stream.start(&module, &launch)?;
        stream.synchronize()?;
        sums.extend(out.words(1, &stream)?.into_iter().map(f32::from_bits));
    }
    let mut outcome = Outcome::pass();
    let mut distinct: Vec<u32> = sums.iter().map(|sum| sum.to_bits()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let (least, most) = sums.iter().fold((f32::MAX, f32::MIN), |(least, most), sum| (least.min(*sum), most.max(*sum)));
    let spread = f64::from(most - least) / f64::from(most.abs().max(f32::MIN_POSITIVE));
    outcome.measured(Metric::once("distinct_sums", exact(distinct.len() as u64), Unit::Count));
    outcome.measured(Metric::once("spread", spread, Unit::Ratio).by("(greatest sum - least sum) / greatest sum"));
    let lesson = match distinct.len() {
        1 => "all sums are equal this time, which proves nothing: the order of atomics is not promised",
        _ => "the sums differ, as they may: a program that sums by atomics does not repeat",
    };
    outcome.read("lesson", lesson, format!("{RUNS} sums of {values} values by red.global.add.f32"));
    Ok(outcome)
}

/// `det.tensor`: products of whole numbers on the tensor units of each multiprocessor are exact.
pub(crate) fn tensor(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    /// How many blocks each multiprocessor gets on average: the scheduler gives each one before any gets its last.
    const BLOCKS: u32 = 4;
    /// How often it is tried again when not each of them took part.
    const ROUNDS: u32 = 4;
    let device = device(bench)?;
    if device.compute < Image::Tensor.target() {
        let reason = format!("compute capability {} has none that this check can use", device.compute);
        return Err(Stop::skip(Skip::Unsupported, reason));
    }
    let steps = bench.sizes.profile.steps().min(64);
    let blocks = device.multiprocessors.clamp(1, 1024) * if bench.sizes.simulated { 1 } else { BLOCKS };
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let module = session.load(Image::Tensor, false)?;
    let stream = session.stream()?;
    let words = 128 * blocks;
    let (out, sms) = (session.allocate(4 * u64::from(words))?, session.allocate(4 * u64::from(blocks))?);
    let launch = Launch::mma(out.memory(), sms.memory(), 4 * blocks, steps, SEED)?;
    let right = reference::of_launch(&launch).unwrap_or_default();
    let mut took_part = std::collections::BTreeSet::new();
    let mut outcome = Outcome::pass();
    for _ in 0..ROUNDS {
        bench.go_on()?;
        out.fill(!0, &stream)?;
        sms.fill(!0, &stream)?;
        stream.start(&module, &launch)?;
        stream.synchronize()?;
        let found = out.words(words as usize, &stream)?;
        let sms = sms.words(blocks as usize, &stream)?;
        took_part.extend(sms.iter().copied().filter(|sm| *sm != u32::MAX));
        if right.len() != found.len() {
            outcome.fail("this version of NACP cannot compute the products on the CPU");
            break;
        }
        if let Some(difference) = Difference::between(&launch, &right, &found, &sms) {
            accuse(&mut outcome, device, &difference);
            break;
        }
        if took_part.len() >= device.multiprocessors as usize {
            break;
        }
    }
    if took_part.len() < device.multiprocessors as usize && !bench.sizes.simulated {
        let count = device.multiprocessors;
        outcome.warn(format!(
            "only {} of {count} multiprocessors took part: another program holds the rest, or a limit of MPS does",
            took_part.len()
        ));
    }
    seen(&mut outcome, device, took_part.len());
    outcome.measured(Metric::once("words_compared", exact(u64::from(words)), Unit::Count));
    Ok(outcome)
}
