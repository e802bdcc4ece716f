//! Streams: whether their priorities hold, and whether recorded work gives the answers of work that is done at once.

use super::measure::{self, STALE};
use crate::cuda::KernelDigest;
use crate::cuda::check::{Bench, Metric, Outcome, Skip, Stop, Unit};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::session::{Buffer, Stream};

/// How many pieces of work are queued at low priority before the urgent one.
const QUEUED: u32 = 16;

/// `strm.priority`.
pub(super) fn priority(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = rank(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn rank(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    let session = measure::open(bench, device)?;
    measure::label(bench, outcome);
    let (least, greatest) = session.priorities()?;
    outcome.read("priorities", format!("{least} (least) to {greatest} (greatest)"), "cuCtxGetStreamPriorityRange");
    if least == greatest {
        return Err(Stop::skip(Skip::Unsupported, "all streams of this device have the same priority"));
    }
    let (patient, urgent) = (session.stream_with(least)?, session.stream_with(greatest)?);
    for (stream, asked) in [(&patient, least), (&urgent, greatest)] {
        let got = stream.priority()?;
        if got != asked {
            outcome.fail(format!(
                "a stream did not get the priority that it was made with: asked={asked} got={got}; the driver is at \
                 fault: install another version of it"
            ));
        }
    }

    // Work for several waves of blocks: only where blocks wait for a place can one stream overtake another.
    let module = session.load(Image::Base, false)?;
    let waves = device.multiprocessors.clamp(1, 1 << 12) * 8 * 256;
    let (lanes, steps) =
        if bench.sizes.simulated { (256, 16) } else { (waves, bench.sizes.work_ms.clamp(1, 256) * 64) };
    let out = session.allocate(4 * u64::from(lanes))?;
    let long = Launch::fma_rate(out.memory(), lanes, steps, 1, 256)?;
    let apart = session.allocate(4 * 256)?;
    let short = Launch::fma_rate(apart.memory(), 256, steps.min(64), 1, 256)?;
    let long_function = module.function(long.kernel())?;
    let short_function = module.function(short.kernel())?;
    let (begin, patient_end, urgent_end) = (session.event()?, session.event()?, session.event()?);
    patient.launch(&long_function, &long)?;
    urgent.launch(&short_function, &short)?;
    session.synchronize()?;
    bench.go_on()?;
    patient.record(&begin)?;
    for _ in 0..QUEUED {
        bench.go_on()?;
        patient.launch(&long_function, &long)?;
    }
    patient.record(&patient_end)?;
    urgent.launch(&short_function, &short)?;
    urgent.record(&urgent_end)?;
    urgent_end.synchronize()?;
    patient_end.synchronize()?;
    bench.go_on()?;
    let urgent_after = urgent_end.seconds_since(&begin)?;
    let patient_after = patient_end.seconds_since(&begin)?;
    outcome.measured(Metric::once("urgent_done_after", urgent_after, Unit::Seconds));
    outcome.measured(Metric::once("patient_done_after", patient_after, Unit::Seconds));
    let order = if urgent_after < patient_after {
        "the urgent work was done before the work that was queued earlier at low priority"
    } else {
        "the urgent work was done after the work that was queued earlier at low priority"
    };
    outcome.read("order", order, "cuEventElapsedTime");
    Ok(())
}

/// `graph.capture`.
pub(super) fn capture(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = record(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn record(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    let session = measure::open(bench, device)?;
    measure::label(bench, outcome);
    let stream = session.stream()?;
    let module = session.load(Image::Base, false)?;
    let (lanes, steps) = (bench.sizes.profile.lanes(), bench.sizes.profile.steps());
    let words = usize::try_from(lanes).unwrap_or(usize::MAX);
    let out = session.allocate(4 * u64::from(lanes))?;
    let sms = session.allocate(4 * u64::from(lanes))?;
    let kernels = [Kernel::Hash, Kernel::Fma, Kernel::Ieee];
    let mut work = Vec::new();
    for kernel in kernels {
        let launch = Launch::lanes(kernel, out.memory(), sms.memory(), lanes, steps, 7, 256)?;
        work.push((module.function(kernel)?, launch));
    }
    for (kernel, (function, launch)) in kernels.into_iter().zip(&work) {
        bench.go_on()?;
        out.fill(STALE, &stream)?;
        stream.launch(function, launch)?;
        let direct = out.words(words, &stream)?;

        out.fill(STALE, &stream)?;
        stream.synchronize()?;
        stream.begin_capture()?;
        let queued = stream.launch(function, launch);
        // The recording is ended in any case: a stream that records does no work.
        let graph = stream.end_capture();
        queued?;
        let graph = graph?;
        if out.words(words, &stream)?.iter().any(|word| *word != STALE) {
            outcome.fail(format!(
                "work that was only recorded was done: kernel={}; the driver is at fault: install another version of it",
                kernel.symbol()
            ));
        }
        for round in ["first", "second"] {
            out.fill(STALE, &stream)?;
            stream.launch_graph(&graph)?;
            same(kernel, round, &direct, &out, &stream, outcome)?;
        }
    }
    Ok(())
}

/// Compares what a recorded kernel left with what it left when it was started at once.
fn same(
    kernel: Kernel,
    round: &str,
    direct: &[u32],
    out: &Buffer<'_>,
    stream: &Stream<'_>,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let recorded = out.words(direct.len(), stream)?;
    let digests = (KernelDigest::of(kernel, direct).sha256, KernelDigest::of(kernel, &recorded).sha256);
    outcome.read(format!("digest.{}.{round}", kernel.symbol()), &digests.1, "the recorded work");
    if digests.0 == digests.1 {
        return Ok(());
    }
    let differing = direct.iter().zip(&recorded).filter(|(direct, recorded)| direct != recorded).count();
    let first = direct.iter().zip(&recorded).position(|(direct, recorded)| direct != recorded).unwrap_or_default();
    outcome.fail(format!(
        "recorded work gives other answers than work that is done at once: kernel={} round={round} words={differing} \
         first={first} direct={} recorded={}; run det.bits to see which of the two is wrong",
        kernel.symbol(),
        digests.0,
        digests.1
    ));
    Ok(())
}
