//! Contexts: whether one can be had, what it costs, and what shares or limits the device.

use std::time::Duration;

use super::measure;
use crate::cuda::check::surroundings::{Ours, computes};
use crate::cuda::check::{Bench, Metric, Outcome, Skip, Status, Stop, Unit};
use crate::cuda::compat::Product;
use crate::cuda::session::Session;
use crate::cuda::{Attribute, Device, Level};
use crate::gpu::{Fields, Gpu, Process, Reading};

/// A context that takes longer is worth a word.
const SLOW: Duration = Duration::from_millis(1500);
/// What `cuDevicePrimaryCtxRetain` answers where the compute mode keeps a process out (`CUDA_ERROR_DEVICE_UNAVAILABLE`,
/// `CUDA_ERROR_INVALID_DEVICE`).
const KEPT_OUT: [i32; 2] = [46, 101];

/// Who may have contexts, as the driver numbers it.
pub(super) const EXCLUSIVE_THREAD: i32 = 1;
const PROHIBITED: i32 = 2;
pub(super) const EXCLUSIVE_PROCESS: i32 = 3;

/// `ctx.create`.
pub(super) fn create(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = measure::device(bench)?;
    let handle = measure::handle(bench, device)?;
    let mut outcome = Outcome::pass();
    measure::label(bench, &mut outcome);
    let before = bench.driver.primary_active(handle).ok();
    let begun = bench.clock.monotonic();
    let session = match Session::open(bench.driver, handle) {
        Ok(session) => session,
        Err(refused) => {
            let mode = bench.driver.attribute(Attribute::ComputeMode, handle).unwrap_or_default();
            let kept_out = KEPT_OUT.contains(&refused.fault.code);
            let stop = match mode {
                PROHIBITED if kept_out => Stop { status: Status::Fail { reason: prohibited(device) }, so_far: None },
                EXCLUSIVE_THREAD | EXCLUSIVE_PROCESS if kept_out => Stop::skip(
                    Skip::Busy,
                    format!(
                        "{refused}: the device is in exclusive mode and another process holds it{}; wait for it, use MPS, \
                         or set the default mode with `nvidia-smi -i {} -c DEFAULT`",
                        who(bench, device),
                        device.id
                    ),
                ),
                _ => refused.into(),
            };
            return Err(stop.with(outcome));
        }
    };
    let opened = bench.clock.monotonic();
    drop(session);
    let released = bench.clock.monotonic();
    let took = opened.saturating_sub(begun);
    outcome.measured(Metric::once("create", took.as_secs_f64(), Unit::Seconds));
    outcome.measured(Metric::once("release", released.saturating_sub(opened).as_secs_f64(), Unit::Seconds));
    if took > SLOW {
        let persistence =
            measure::gpu(bench, &device.id).is_some_and(|gpu| gpu.modes.persistence == Reading::Known(false));
        let remedy = if persistence {
            "turn persistence mode on (`nvidia-smi -pm 1`), so that the driver stays loaded"
        } else {
            "see whether the machine is short of processors or memory"
        };
        outcome.warn(format!(
            "a context took {:.1} s, more than {:.1} s; {remedy}",
            took.as_secs_f64(),
            SLOW.as_secs_f64()
        ));
    }
    match before {
        Some(true) => outcome.read("context", "there was one before: its making was not timed", "cuDevicePrimaryCtxGetState"),
        Some(false) if bench.driver.primary_active(handle) == Ok(true) => outcome.warn(
            "the context was given back and is still there; another part of this process took it meanwhile, or the driver did \
             not take it back",
        ),
        _ => {}
    }
    Ok(outcome)
}

fn prohibited(device: &Device) -> String {
    format!(
        "the compute mode of the device prohibits all programs; allow them with `nvidia-smi -i {} -c DEFAULT` (as root)",
        device.id
    )
}

/// Programs of others that compute on the device.
fn others(bench: &Bench<'_>, device: &Device) -> Vec<Process> {
    let gpu = measure::gpu(bench, &device.id);
    let (Some(source), Some(gpu)) = (bench.telemetry, gpu) else { return Vec::new() };
    let mut samples = Vec::new();
    if source.sample(Fields::PROCESSES, &mut samples).is_err() {
        return Vec::new();
    }
    let wddm = measure::through_windows(bench, Some(gpu));
    let ours = if source.is_here() { bench.facts.ours.clone() } else { Ours::default() };
    let processes = samples.into_iter().filter(|it| it.id == gpu.id).filter_map(|it| it.processes.known().cloned());
    processes.flatten().filter(|it| computes(it, wddm) && ours.is_other(it.pid)).collect()
}

/// Who holds the device, where that is known.
fn who(bench: &Bench<'_>, device: &Device) -> String {
    match bench.facts.ours {
        Ours::Known(_) => named(&others(bench, device)),
        Ours::Namespaced => " (which one is hidden by a namespace of this process: ask on the machine itself)".into(),
    }
}

fn named(processes: &[Process]) -> String {
    let pids: Vec<_> = processes.iter().take(4).map(|it| it.pid.to_string()).collect();
    let more = if processes.len() > pids.len() { ", …" } else { "" };
    if pids.is_empty() { String::new() } else { format!(" (process {}{more})", pids.join(", ")) }
}

/// `ctx.state`.
pub(super) fn state(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = measure::device(bench)?;
    let handle = measure::handle(bench, device)?;
    let gpu = measure::gpu(bench, &device.id);
    let mut state = State { bench, device, outcome: Outcome::pass(), worth_knowing: Vec::new() };
    let attribute = |which| bench.driver.attribute(which, handle).ok();
    state.compute_mode(attribute(Attribute::ComputeMode), attribute(Attribute::MpsEnabled) == Some(1));
    state.mps(attribute(Attribute::MpsEnabled));
    state.partition(gpu);
    state.ecc(attribute(Attribute::EccEnabled), gpu);
    for (what, which, yes, no) in [
        ("driver_model", Attribute::TccDriver, "TCC", "not TCC"),
        ("integrated", Attribute::Integrated, "shares its memory with the machine", "has memory of its own"),
    ] {
        if let Some(value) = attribute(which) {
            state.outcome.read(what, if value == 0 { no } else { yes }, "cuDeviceGetAttribute");
        }
    }
    state.watchdog(attribute(Attribute::KernelTimeout));
    state.environment();
    Ok(state.conclude())
}

/// What is found out about a device's state.
struct State<'a> {
    bench: &'a Bench<'a>,
    device: &'a Device,
    outcome: Outcome,
    worth_knowing: Vec<String>,
}

impl State<'_> {
    fn compute_mode(&mut self, mode: Option<i32>, service: bool) {
        let Some(mode) = mode else { return };
        let name = match mode {
            0 => "default",
            EXCLUSIVE_THREAD => "exclusive thread",
            PROHIBITED => "prohibited",
            EXCLUSIVE_PROCESS => "exclusive process",
            _ => "unheard of",
        };
        self.outcome.read("compute_mode", format!("{name} ({mode})"), "cuDeviceGetAttribute");
        match mode {
            PROHIBITED => self.outcome.fail(prohibited(self.device)),
            // With the multi-process service it is the mode that NVIDIA recommends: the service alone holds the device.
            EXCLUSIVE_THREAD | EXCLUSIVE_PROCESS if !service => {
                if self.bench.facts.ours == Ours::Namespaced {
                    let text = "a namespace hides which processes of the device are this one's: none is named";
                    self.outcome.read("processes", text, "/proc/self/ns/pid");
                }
                let others = others(self.bench, self.device);
                if !others.is_empty() {
                    self.worth_knowing.push(format!(
                        "the device is in exclusive mode and another process computes on it{}: a second one gets no context",
                        named(&others)
                    ));
                }
            }
            _ => {}
        }
    }

    fn mps(&mut self, enabled: Option<i32>) {
        let client = enabled == Some(1);
        if let Some(enabled) = enabled {
            let text = if client { "this process is a client" } else { "this process is no client" };
            self.outcome.read("mps", format!("{text} ({enabled})"), "cuDeviceGetAttribute");
        }
        let environment = &self.bench.facts.environment;
        if client {
            for (variable, what) in [
                ("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "multiprocessors"),
                ("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "memory"),
            ] {
                if let Some(value) = environment.get(variable) {
                    self.worth_knowing.push(format!("MPS limits the {what} of this process: {variable}={value}"));
                }
            }
        } else if enabled.is_some()
            && let Some(value) = environment.get("CUDA_MPS_PIPE_DIRECTORY")
        {
            self.worth_knowing.push(format!(
                "CUDA_MPS_PIPE_DIRECTORY={value} names a multi-process service, and this process is not its client; start \
                 nvidia-cuda-mps-control, or unset it"
            ));
        }
    }

    fn partition(&mut self, gpu: Option<&Gpu>) {
        if measure::is_mig(&self.device.id) {
            let of = gpu.map_or(String::new(), |gpu| format!(" of {}", gpu.id));
            let text = format!("a partition{of}: {} of its multiprocessors", self.device.multiprocessors);
            self.outcome.read("mig", text, "the CUDA driver");
        }
        if let Some(mode) = gpu.and_then(|gpu| gpu.mig.mode.known()).filter(|mode| mode.current != mode.pending) {
            let to = if mode.pending { "on" } else { "off" };
            self.worth_knowing.push(format!("MIG mode will be {to} after the next reset of the GPU"));
        }
    }

    fn ecc(&mut self, enabled: Option<i32>, gpu: Option<&Gpu>) {
        if let Some(enabled) = enabled {
            let text = if enabled == 0 { "off" } else { "on" };
            self.outcome.read("ecc", text, "cuDeviceGetAttribute");
            if enabled == 0 && Product::of(&self.device.name) == Product::DataCentre {
                self.worth_knowing.push(format!(
                    "error correction of the memory is off, so wrong bits stay unseen; turn it on with `nvidia-smi -i {} -e \
                     1` and reset the GPU",
                    self.device.id
                ));
            }
        }
        if let Some(ecc) = gpu.and_then(|gpu| gpu.modes.ecc.known()).filter(|ecc| ecc.current != ecc.pending) {
            let to = if ecc.pending { "on" } else { "off" };
            self.worth_knowing.push(format!("error correction will be {to} after the next reset of the GPU"));
        }
    }

    fn watchdog(&mut self, timeout: Option<i32>) {
        let Some(timeout) = timeout else { return };
        let text = if timeout == 0 { "none" } else { "the system stops programs that run too long" };
        self.outcome.read("watchdog", text, "cuDeviceGetAttribute");
        if timeout != 0 && self.bench.level == Level::Full {
            self.worth_knowing.push(
                "the system stops programs on this device that run for seconds (error 702), as it shows a display"
                    .into(),
            );
        }
    }

    fn environment(&mut self) {
        for (variable, value) in &self.bench.facts.environment {
            self.outcome.read(variable.as_str(), value, "the environment");
            if let Some(effect) = effect(variable, value) {
                self.worth_knowing.push(format!("{variable}={value}: {effect}"));
            }
        }
    }

    fn conclude(mut self) -> Outcome {
        if !self.worth_knowing.is_empty() {
            self.outcome.warn(self.worth_knowing.join("; "));
        }
        self.outcome
    }
}

/// What a variable changes so much that its user should know; nothing where it does not.
fn effect(variable: &str, value: &str) -> Option<&'static str> {
    let on = !matches!(value.trim(), "" | "0");
    let effect = match variable {
        "CUDA_LAUNCH_BLOCKING" => {
            "every launch waits for its end, so nothing overlaps and no figure of speed means much"
        }
        "CUDA_FORCE_PTX_JIT" => "machine code is passed over and all PTX is compiled",
        "CUDA_DISABLE_PTX_JIT" => "no PTX is compiled, so NACP's own programs do not load",
        "CUDA_CACHE_DISABLE" => "compiled PTX is not kept, so every process compiles it again",
        _ => return None,
    };
    on.then_some(effect)
}

#[cfg(test)]
mod tests;
