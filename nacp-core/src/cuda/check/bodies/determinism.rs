//! Do the bits repeat, and are they right.

use std::collections::BTreeSet;
use std::num::NonZero;

use super::context::{EXCLUSIVE_PROCESS, EXCLUSIVE_THREAD};
use super::measure::{conclude, device, exact, gpu, reference};
use crate::cuda::check::{Bench, Metric, Outcome, Skip, Status, Stop, Unit};
use crate::cuda::determinism::{
    Difference, LanePattern, Profile, Runner, Runs, Shape, Suite, SuiteRun, UNTOLD, UNWRITTEN, expected, handle,
    kernels, repeat,
};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::reference::mma;
use crate::cuda::session::Session;
use crate::cuda::{Attribute, Device};

/// Says what differs. Where it cannot be one broken unit, the driver is suspected too.
pub(super) fn accuse(outcome: &mut Outcome, device: &Device, difference: &Difference) {
    let everywhere = difference.multiprocessors.len() as u64 >= u64::from(device.multiprocessors.max(2));
    let advice = if everywhere || difference.pattern == LanePattern::All {
        "it is not one place: try another driver, then another device"
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
    // Known by now where a run came to its end.
    if !runs.results.is_empty()
        && let Ok(reference) = Suite::reference(runs.profile, device.compute)
    {
        runs.reference = reference;
    }
    outcome.runs = Some(runs);
    outcome
}

/// The version of the device's firmware, where the management library knows the device.
fn firmware(bench: &Bench<'_>, device: &Device) -> Option<String> {
    let gpu = gpu(bench, &device.id)?;
    gpu.identity.vbios.known().cloned()
}

fn seen(outcome: &mut Outcome, device: &Device, seen: usize) {
    outcome.measured(Metric::once("multiprocessors_seen", exact(seen as u64), Unit::Count));
    outcome.read("multiprocessors", format!("{seen} of {} took part", device.multiprocessors), "%smid of each block");
}

/// `det.bits`: every word of the suite is what the CPU computes.
pub(crate) fn bits(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = device(bench)?;
    reference()?;
    let mut runs = Runs::new(bench.sizes.profile);
    let ended = once(bench, device, &mut runs);
    conclude(told(Outcome::pass(), bench, device, runs), ended)
}

/// Computes on the CPU what must come out, before the device does: a machine whose CPU is slow is not a driver that hangs.
fn prepare(bench: &Bench<'_>, device: &Device) -> Result<(), Stop> {
    bench.go_on()?;
    for kernel in kernels(device.compute) {
        expected(bench.sizes.profile, kernel)?;
        bench.go_on().map_err(|stop| match stop.status {
            Status::Skipped { why: Skip::Deadline, .. } => {
                Stop::skip(Skip::Deadline, "the CPU reference took too long; give the check more time")
            }
            _ => stop,
        })?;
    }
    Ok(())
}

fn once(bench: &Bench<'_>, device: &Device, runs: &mut Runs) -> Result<(), Stop> {
    prepare(bench, device)?;
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let stream = session.stream()?;
    let (shape, mut run) = (Shape::ALL[0], SuiteRun::default());
    let ended = Runner::new(&session, device, runs.profile)?.run(&stream, shape, || bench.go_on(), &mut run);
    match ended {
        Ok(()) => runs.add(run, shape.block),
        Err(_) => runs.add_part(run),
    }
    ended
}

/// `det.repeat`: other streams, other blocks, another context and another process give the same digest.
pub(crate) fn again(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = device(bench)?;
    reference()?;
    let mut runs = Runs::new(bench.sizes.profile);
    let mut outcome = Outcome::pass();
    let ended = prepare(bench, device)
        .and_then(|()| repeat(bench.driver, device, &mut runs, bench.sizes.repeats, || bench.go_on()));
    if ended.is_ok() {
        let alone = alone(bench, device)?;
        match bench.elsewhere.filter(|_| !alone).map(|elsewhere| elsewhere.digests(&device.id, runs.profile)) {
            None if alone => outcome.read(
                "another process",
                "not tried: the device is in exclusive mode without the multi-process service, so that a second process gets \
                 no context",
                "cuDeviceGetAttribute",
            ),
            None => outcome.read("another process", "not tried: the checks run in one process", "this check"),
            Some(Ok(digests)) => {
                runs.add_digests(digests);
                runs.compared.processes = 2;
                outcome.read("another process", "ran the suite too", "its answer");
            }
            Some(Err(reason)) => outcome.warn(format!("no other process could run the suite: {reason}")),
        }
    }
    conclude(told(outcome, bench, device, runs), ended)
}

/// Whether the device has room for one process only.
fn alone(bench: &Bench<'_>, device: &Device) -> Result<bool, Stop> {
    let handle = handle(bench.driver, device)?;
    let mode = bench.driver.attribute(Attribute::ComputeMode, handle);
    let service = bench.driver.attribute(Attribute::MpsEnabled, handle) == Ok(1);
    Ok(matches!(mode, Ok(EXCLUSIVE_THREAD | EXCLUSIVE_PROCESS)) && !service)
}

/// `det.shape`: a row has the same sum in each batch and on each grid.
pub(crate) fn shape(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    reference()?;
    let mut outcome = Outcome::pass();
    let ended = batches(bench, &mut outcome);
    conclude(outcome, ended)
}

fn batches(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    const GRIDS: [u32; 3] = [1, 3, 64];
    let device = device(bench)?;
    bench.go_on()?;
    let profile = bench.sizes.profile;
    let rows = profile.rows();
    let right = &expected(profile, Kernel::Rows)?.words;
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let module = session.load(Image::Base, false)?;
    let stream = session.stream()?;
    let (out, sms) = (session.allocate(8 * u64::from(rows))?, session.allocate(4 * 64)?);
    let mut compared = 0;
    for (batch, grid) in [1, 8, 64].into_iter().flat_map(|batch| GRIDS.map(|grid| (rows.min(batch), grid))) {
        for first in (0..rows).step_by(batch as usize) {
            bench.go_on()?;
            let launch = Launch::rows(out.memory(), sms.memory(), first, batch, Profile::SEED, grid)?;
            out.fill(UNWRITTEN, &stream)?;
            sms.fill(UNTOLD, &stream)?;
            stream.start(&module, &launch)?;
            stream.synchronize()?;
            let found = out.words(2 * batch as usize, &stream)?;
            let sms = sms.words(grid as usize, &stream)?;
            let right = right.get(2 * first as usize..).and_then(|rest| rest.get(..found.len())).unwrap_or(&[]);
            if let Some(mut difference) = Difference::between(&launch, right, &found, &sms) {
                difference.lane += u64::from(first);
                accuse(outcome, device, &difference);
                outcome.read("batch", format!("{batch} rows from {first} on {grid} blocks"), "this check");
            }
            compared += u64::from(batch);
        }
    }
    outcome.measured(Metric::once("rows_compared", exact(compared), Unit::Count));
    outcome.read("batches", "1, 8 and 64 rows, each on 1, 3 and 64 blocks", "this check");
    Ok(())
}

/// `det.atomics`: how many different sums the same values give when their order is left to the device.
pub(crate) fn atomics(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    const RUNS: u32 = 10;
    let values = if bench.sizes.simulated { 1024 } else { 1 << 20 };
    let mut sums = Vec::new();
    let ended = sums_of(bench, values, RUNS, &mut sums);
    let mut outcome = Outcome::pass();
    let distinct: BTreeSet<u32> = sums.iter().map(|sum| sum.to_bits()).collect();
    if let (Some(least), Some(most)) = (sums.iter().copied().reduce(f32::min), sums.iter().copied().reduce(f32::max)) {
        let spread = f64::from(most - least) / f64::from(most.abs().max(f32::MIN_POSITIVE));
        outcome.measured(Metric::once("distinct_sums", exact(distinct.len() as u64), Unit::Count));
        outcome.measured(Metric::once("spread", spread, Unit::Ratio).by("(greatest sum - least sum) / greatest sum"));
        let lesson = match distinct.len() {
            1 => "all sums are equal this time, which proves nothing: the order of atomics is not promised",
            _ => "the sums differ, as they may: a program that sums by atomics does not repeat",
        };
        outcome.read("lesson", lesson, format!("{} sums of {values} values by red.global.add.f32", sums.len()));
    }
    conclude(outcome, ended)
}

fn sums_of(bench: &Bench<'_>, values: u32, runs: u32, sums: &mut Vec<f32>) -> Result<(), Stop> {
    let device = device(bench)?;
    bench.go_on()?;
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let module = session.load(Image::Base, false)?;
    let stream = session.stream()?;
    let out = session.allocate(4)?;
    let launch = Launch::atomics(out.memory(), values, Profile::SEED)?;
    for _ in 0..runs {
        bench.go_on()?;
        out.fill(0, &stream)?;
        stream.start(&module, &launch)?;
        stream.synchronize()?;
        sums.extend(out.words(1, &stream)?.into_iter().map(f32::from_bits));
    }
    Ok(())
}

/// `det.tensor`: products of whole numbers on the tensor units of each multiprocessor are exact.
pub(crate) fn tensor(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = device(bench)?;
    if device.compute < Image::Tensor.target() {
        let reason = format!("compute capability {} has none that this check can use", device.compute);
        return Err(Stop::skip(Skip::Unsupported, reason));
    }
    reference()?;
    let mut outcome = Outcome::pass();
    let mut took_part = BTreeSet::new();
    let ended = products(bench, device, &mut took_part, &mut outcome);
    if ended.is_ok() && took_part.len() < device.multiprocessors as usize {
        let (some, all) = (took_part.len(), device.multiprocessors);
        outcome.warn(format!(
            "only {some} of {all} multiprocessors took part: another program holds the rest, or a limit of MPS does"
        ));
    }
    seen(&mut outcome, device, took_part.len());
    conclude(outcome, ended)
}

fn products(
    bench: &Bench<'_>,
    device: &Device,
    took_part: &mut BTreeSet<u32>,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    /// How many blocks each multiprocessor gets on average: the scheduler gives each one before any gets its last.
    const BLOCKS: u32 = 4;
    /// How often it is tried again when not each of them took part.
    const ROUNDS: u32 = 4;
    let steps = bench.sizes.profile.steps().min(64);
    let blocks = device.multiprocessors.clamp(1, 1024) * if bench.sizes.simulated { 1 } else { BLOCKS };
    let words = 128 * blocks;
    bench.go_on()?;
    let session = Session::open(bench.driver, handle(bench.driver, device)?)?;
    let module = session.load(Image::Tensor, false)?;
    let stream = session.stream()?;
    let (out, sms) = (session.allocate(4 * u64::from(words))?, session.allocate(4 * u64::from(blocks))?);
    let launch = Launch::mma(out.memory(), sms.memory(), 4 * blocks, steps, Profile::SEED)?;
    let right = mma(0..4 * blocks, steps, Profile::SEED, threads());
    for round in 1..=ROUNDS {
        bench.go_on()?;
        out.fill(UNWRITTEN, &stream)?;
        sms.fill(UNTOLD, &stream)?;
        stream.start(&module, &launch)?;
        stream.synchronize()?;
        let found = out.words(words as usize, &stream)?;
        let sms = sms.words(blocks as usize, &stream)?;
        took_part.extend(sms.iter().copied().filter(|sm| *sm != UNTOLD));
        let difference = Difference::between(&launch, &right, &found, &sms);
        if let Some(difference) = &difference {
            accuse(outcome, device, difference);
        }
        if round == ROUNDS || difference.is_some() || took_part.len() >= device.multiprocessors as usize {
            outcome.measured(Metric::once("words_compared", exact(u64::from(words * round)), Unit::Count));
            break;
        }
    }
    Ok(())
}

/// How many cores compute what must come out.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
