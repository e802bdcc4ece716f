//! `nacp gpus`: what is here.

use std::path::Path;
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::health::{self, Facts, Thresholds};
use nacp_core::gpu::{GpuState, Node, Reading, Unknown};
use nacp_core::host::survey::NvmlGpu;
use nacp_core::host::{Detection, GpuPathKind, Survey};
use nacp_core::{Bytes, Error, ErrorKind};
use serde::Serialize;

use super::run::runtime;
use crate::Exit;
use crate::args::GpusArgs;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::table::table;

/// What is here: the machine and its GPUs.
#[derive(Debug, Serialize)]
struct Seen {
    /// Where this is, in one line.
    host: String,
    /// Whether the GPUs are simulated.
    simulated: bool,
    /// What told of the GPUs: driver and version, or the simulated node.
    source: Option<String>,
    /// The GPUs, in the driver's order.
    gpus: Vec<Row>,
    /// Why there are none, where there are none.
    why_none: Option<String>,
}

/// One GPU. What is unknown is `{"unknown": "…"}`, never zero.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    name: String,
    /// In bytes.
    memory_used: Reading<u64>,
    /// In bytes.
    memory_total: Reading<u64>,
    /// In percent.
    utilization: Reading<u32>,
    /// In degrees Celsius.
    temperature: Reading<u32>,
    /// In milliwatts.
    power: Reading<u32>,
    /// Whether it is partitioned.
    mig: Reading<bool>,
    /// The UUIDs of its partitions.
    mig_devices: Vec<String>,
    /// What may be done with it.
    health: Reading<String>,
    /// What is wrong with it, the worst first.
    conditions: Vec<String>,
}

pub(crate) fn run(args: &GpusArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    match args.watch {
        None => once(context),
        Some(every) => watch(every, context),
    }
}

fn once(context: &mut Context<'_>) -> Outcome<Exit> {
    let (seen, exit) = look(context)?;
    context.show(&seen, |width| text(&seen, width))?;
    Ok(exit)
}

fn look(context: &Context<'_>) -> Outcome<(Seen, Exit)> {
    if context.global.root.is_some() {
        let seen = kept(&context.survey()?.containers(false).commands(false).read());
        let exit = if seen.gpus.is_empty() { Exit::NotSo } else { Exit::Fine };
        return Ok((seen, exit));
    }
    let host = Detection::new().daemons(false).run();
    let summary = host.summary();
    let node = match context.node() {
        Ok(node) => node,
        // A machine without a GPU has an answer; a driver that does not answer on a machine with one has none.
        Err(failure) if failure.error.kind() == ErrorKind::DriverUnavailable => {
            let none = host.gpu.kind == GpuPathKind::None;
            let exit = if none { Exit::NotSo } else { Exit::Failed };
            return Ok((Seen::none(summary, failure.error.to_string()), exit));
        }
        Err(failure) => return Err(failure),
    };
    let seen = seen(summary, &node)?;
    let exit = if seen.gpus.is_empty() { Exit::NotSo } else { Exit::Fine };
    Ok((seen, exit))
}

fn seen(host: String, node: &Node) -> Result<Seen, Error> {
    let snapshot = node.snapshot(&SystemClock::new())?;
    let facts = if node.is_here() { Facts::read(Path::new("/")) } else { Facts::default() };
    let health = health::assess(&Thresholds::default(), &snapshot, &facts);
    let rows = snapshot.gpus.iter().map(|state| {
        let verdict = health.verdict(&state.gpu.id).map(|verdict| verdict.to_string());
        let conditions = health.of(&state.gpu.id).map(|condition| condition.message.clone()).collect();
        Row { health: verdict.map_or(Reading::Unknown(Unknown::NotRead), Reading::Known), conditions, ..row(state) }
    });
    let origin = node.origin();
    let why_none = snapshot.gpus.is_empty().then(|| "the driver lists no GPU".to_owned());
    Ok(Seen { host, simulated: origin.simulated, source: Some(origin.to_string()), gpus: rows.collect(), why_none })
}

fn row(state: &GpuState) -> Row {
    let (gpu, sample) = (&state.gpu, &state.sample);
    let memory = |of: fn(&nacp_core::gpu::MemoryUse) -> Bytes| sample.memory.clone().map(|use_| of(&use_).0);
    let devices = gpu.mig.devices.known().into_iter().flatten();
    Row {
        id: gpu.id.to_string(),
        name: gpu.name.clone(),
        memory_used: memory(|it| it.used),
        memory_total: memory(|it| it.total),
        utilization: sample.utilization.clone().map(|rates| rates.gpu),
        temperature: sample.temperature.clone(),
        power: sample.power.clone(),
        mig: gpu.mig.mode.clone().map(|mode| mode.current),
        mig_devices: devices.map(|device| device.id.to_string()).collect(),
        health: Reading::Unknown(Unknown::NotRead),
        conditions: Vec::new(),
    }
}

/// What the management library of a machine in a folder has told.
fn kept(survey: &Survey) -> Seen {
    let nvml = &survey.nvml;
    let driver = nvml.driver.found().map(|version| format!("driver {version}"));
    let failure = nvml.failure.as_ref().map(|failure| failure.message.clone()).filter(|message| !message.is_empty());
    let why_none = match (nvml.gpus.is_empty(), driver.is_some()) {
        (false, _) => None,
        (true, true) => Some("the driver lists no GPU".to_owned()),
        (true, false) => Some(
            failure
                .or_else(|| nvml.driver.open().map(str::to_owned))
                .unwrap_or_else(|| "no driver is there".to_owned()),
        ),
    };
    let gpus = nvml.gpus.iter().map(row_of_survey).collect();
    Seen { host: survey.host.summary(), simulated: nvml.simulated, source: driver, gpus, why_none }
}

fn row_of_survey(gpu: &NvmlGpu) -> Row {
    fn told<T>(value: Option<T>) -> Reading<T> {
        value.map_or(Reading::Unknown(Unknown::NotRead), Reading::Known)
    }
    let wrong = [
        (gpu.lost, "the driver has lost it"),
        (gpu.needs_reset, "it needs a reset"),
        (gpu.repair_pending == Some(true), "its memory is repaired at the next reset"),
    ];
    Row {
        id: gpu.id.clone(),
        name: gpu.name.clone(),
        memory_used: told(gpu.memory_used),
        memory_total: told(gpu.memory_total),
        utilization: Reading::Unknown(Unknown::NotRead),
        temperature: Reading::Unknown(Unknown::NotRead),
        power: Reading::Unknown(Unknown::NotRead),
        mig: told(gpu.mig),
        mig_devices: gpu.mig_devices.clone(),
        health: Reading::Unknown(Unknown::NotRead),
        conditions: wrong.into_iter().filter(|(holds, _)| *holds).map(|(_, what)| what.to_owned()).collect(),
    }
}

fn text(seen: &Seen, width: u16) -> String {
    // Where this is says nothing of GPUs that are made up.
    let mut text = if seen.simulated { String::new() } else { format!("{}\n", seen.host) };
    if let Some(source) = &seen.source {
        text.push_str(&format!("{source}\n"));
    }
    if let Some(why) = &seen.why_none {
        text.push_str(&format!("no GPU: {why}\n"));
        return text;
    }
    let header = ["GPU", "name", "memory", "load", "temp", "power", "MIG", "health"];
    let rows = seen.gpus.iter().map(|row| {
        [
            short(&row.id),
            row.name.strip_prefix("NVIDIA ").unwrap_or(&row.name).to_owned(),
            memory(&row.memory_used, &row.memory_total),
            cell(&row.utilization, |percent| format!("{percent} %")),
            cell(&row.temperature, |degrees| format!("{degrees} °C")),
            cell(&row.power, |milliwatts| format!("{:.0} W", f64::from(*milliwatts) / 1000.0)),
            mig(row),
            cell(&row.health, String::clone),
        ]
    });
    text.push_str(&format!("\n{}\n", table(width, header, 1, rows)));
    let wrong = seen.gpus.iter().flat_map(|row| row.conditions.iter().map(|told| [short(&row.id), told.clone()]));
    let wrong: Vec<_> = wrong.collect();
    if !wrong.is_empty() {
        text.push_str(&format!("\n{}\n", table(width, ["GPU", "what is wrong"], 1, wrong)));
    }
    text
}

/// The first digits of a UUID, enough to tell the GPUs of a machine apart.
fn short(id: &str) -> String {
    id.parse::<nacp_core::gpu::GpuId>().map_or_else(|_| id.to_owned(), |id| id.short().to_owned())
}

/// What is used of it, in gibibytes.
fn memory(used: &Reading<u64>, total: &Reading<u64>) -> String {
    let gib = |bytes: &u64| format!("{:.1}", *bytes as f64 / (1u64 << 30) as f64);
    match (used, total) {
        (Reading::Unknown(_), Reading::Unknown(_)) => "?".into(),
        (used, total) => format!("{}/{} GiB", cell(used, gib), cell(total, gib)),
    }
}

fn mig(row: &Row) -> String {
    match row.mig {
        Reading::Known(true) => row.mig_devices.len().to_string(),
        Reading::Known(false) => "off".into(),
        Reading::Unknown(Unknown::NotSupported) => "-".into(),
        Reading::Unknown(_) => "?".into(),
    }
}

fn cell<T>(reading: &Reading<T>, known: impl FnOnce(&T) -> String) -> String {
    reading.known().map_or_else(|| "?".to_owned(), known)
}

fn watch(every: Duration, context: &mut Context<'_>) -> Outcome<Exit> {
    if context.global.json {
        return Err(Failure::usage("--watch prints no single document").hint("leave out --json or --watch"));
    }
    let runtime = runtime()?;
    context.interrupt.catch();
    let interrupt = context.interrupt.clone();
    loop {
        let (seen, _) = look(context)?;
        let now = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        let width = context.streams.terminal().width;
        context.streams.print(format_args!("{now}  {}", text(&seen, width)))?;
        if context.streams.unheard() {
            return Ok(Exit::Fine);
        }
        let slept = runtime.block_on(async { tokio::time::timeout(every, interrupt.wait()).await });
        if slept.is_ok() {
            return Ok(if interrupt.is_polite() { Exit::Fine } else { Exit::Interrupted });
        }
    }
}

impl Seen {
    fn none(host: String, why: String) -> Self {
        Self { host, simulated: false, source: None, gpus: Vec::new(), why_none: Some(why) }
    }
}
