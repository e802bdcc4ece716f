//! What starting a kernel costs: the kernel does nothing, so that all of the time is on the way to it.

use super::measure;
use crate::cuda::Device;
use crate::cuda::check::{Bench, Metric, Outcome, Status, Stop, Unit};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::session::{Refused, Stream};

/// How many launches are queued before they are waited for: fewer than a driver's queue holds (1024), so that none
/// waits for a place in it.
const BATCH: u32 = 500;
/// How many launches a graph has.
const NODES: u32 = 20;
/// Above this a launch that is waited for is slow, in microseconds; and where Windows' driver model gathers work.
const SLOW: f64 = 20.0;
const SLOW_WINDOWS: f64 = 50.0;

/// `lat.launch`.
pub(super) fn launch(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = measure_launch(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn measure_launch(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    let session = measure::open(bench, device)?;
    let stream = session.stream()?;
    let module = session.load(Image::Base, false)?;
    let function = module.function(Kernel::Empty)?;
    let empty = Launch::empty();
    let start = || stream.launch(&function, &empty);
    measure::label(bench, outcome);

    for _ in 0..bench.sizes.launches.min(BATCH) {
        start()?;
    }
    stream.synchronize()?;

    let (mut costs, mut rates) = (Vec::new(), Vec::new());
    let mut left = bench.sizes.launches;
    while left > 0 {
        bench.go_on()?;
        let batch = left.min(BATCH);
        left -= batch;
        let begun = bench.clock.monotonic();
        for _ in 0..batch {
            costs.push(seconds(bench, start)?);
        }
        stream.synchronize()?;
        let all = bench.clock.monotonic().saturating_sub(begun).as_secs_f64();
        rates.extend(measure::rate(batch.into(), all));
    }
    outcome.measured(Metric::of("host_cost", costs, Unit::Seconds));
    outcome.measured(Metric::of("throughput", rates, Unit::PerSecond));

    let mut waits = Vec::new();
    for _ in 0..bench.sizes.launches {
        bench.go_on()?;
        waits.push(seconds(bench, || start().and_then(|()| stream.synchronize()))?);
    }
    let waited = Metric::of("synchronised", waits, Unit::Seconds);
    if let Some(waited) = &waited {
        judge(bench, device, waited.value * 1e6, outcome);
    }
    outcome.measured(waited);
    graph(bench, &stream, &start, outcome)
}

fn judge(bench: &Bench<'_>, device: &Device, median: f64, outcome: &mut Outcome) {
    let windows = measure::through_windows(bench, measure::gpu(bench, &device.id));
    let most = if windows { SLOW_WINDOWS } else { SLOW };
    if median > most && !bench.sizes.simulated {
        outcome.warn(format!(
            "starting a kernel and waiting for it takes long: p50={median:.1} µs, at most {most} µs is expected; look \
             whether processors sleep deeply or clock low (cpupower frequency-info), whether a profiler is attached \
             (CUDA_LAUNCH_BLOCKING, CUDA_INJECTION64_PATH), and how busy the machine is"
        ));
    }
}

/// The same launches as one recorded piece of work. A driver without graphs is no fault.
fn graph(
    bench: &Bench<'_>,
    stream: &Stream<'_>,
    start: &dyn Fn() -> Result<(), Refused>,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    if let Err(refused) = stream.begin_capture() {
        return without_graphs(refused, outcome);
    }
    let queued = (0..NODES).try_for_each(|_| start());
    // The recording is ended in any case: a stream that records does no work.
    let graph = stream.end_capture();
    queued?;
    let graph = match graph {
        Ok(graph) => graph,
        Err(refused) => return without_graphs(refused, outcome),
    };
    stream.launch_graph(&graph)?;
    stream.synchronize()?;
    let (mut costs, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..(bench.sizes.launches / NODES).max(1) {
        bench.go_on()?;
        let begun = bench.clock.monotonic();
        costs.push(seconds(bench, || stream.launch_graph(&graph))?);
        stream.synchronize()?;
        let all = bench.clock.monotonic().saturating_sub(begun).as_secs_f64();
        rates.extend(measure::rate(NODES.into(), all));
    }
    let formula = format!("one graph of {NODES} kernels");
    outcome.measured(Metric::of("graph_host_cost", costs, Unit::Seconds).map(|metric| metric.by(&formula)));
    outcome.measured(Metric::of("graph_throughput", rates, Unit::PerSecond).map(|metric| metric.by(&formula)));
    Ok(())
}

fn without_graphs(refused: Refused, outcome: &mut Outcome) -> Result<(), Stop> {
    let stop = Stop::from(refused);
    match stop.status {
        Status::Skipped { ref reason, .. } => {
            outcome.read("graph", format!("not measured: {reason}"), "the driver");
            Ok(())
        }
        // Not permitted, and not supported.
        Status::Error { ref fault, .. } if matches!(fault.code, 800 | 801) => {
            outcome.read("graph", format!("not measured: {fault}"), "the driver");
            Ok(())
        }
        _ => Err(stop),
    }
}

/// How long some work takes on the host's clock.
fn seconds(bench: &Bench<'_>, work: impl FnOnce() -> Result<(), Refused>) -> Result<f64, Refused> {
    let begun = bench.clock.monotonic();
    work()?;
    Ok(bench.clock.monotonic().saturating_sub(begun).as_secs_f64())
}
