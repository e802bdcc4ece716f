//! The devices: whether CUDA and the management library tell the same, and whether they run the caller's programs.

use super::driver::{hiding, installed};
use super::measure;
use crate::cuda::check::{Bench, Metric, Outcome, Skip, Stop, Unit};
use crate::cuda::compat::{self, ProgramFit};
use crate::cuda::{Device, Probe, probe_with};
use crate::gpu::{ComputeMode, Gpu, GpuId, MigDevice, Reading};
use crate::units::Bytes;

const NVML: &str = "the management library";
/// The part of the memory that NVML tells which the driver may keep for itself, in hundredths.
const KEPT_PERCENT: u64 = 25;

/// `dev.enumerate`.
pub(super) fn enumerate(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let asked;
    let probe = match &bench.facts.probe {
        Some(probe) => probe,
        None => {
            asked = probe_with(bench.driver.driver())?;
            &asked
        }
    };
    list(&mut outcome, probe);
    if probe.devices.is_empty() && probe.silent.is_empty() {
        let reason = probe.no_device.as_deref().unwrap_or("the CUDA driver lists no device");
        let hidden = hiding(bench).map_or(String::new(), |variable| format!("; {variable} hides devices"));
        outcome.fail(format!("{reason}{hidden}"));
    }
    match &bench.facts.gpus {
        None => outcome.read("cross_check", "there is no management library to compare with", NVML),
        Some(gpus) if bench.sizes.simulated && !shares(probe, gpus) => {
            outcome.read("cross_check", "the simulated devices are not those of the management library", NVML);
        }
        Some(gpus) => compare(bench, &mut outcome, probe, gpus),
    }
    Ok(outcome)
}

fn list(outcome: &mut Outcome, probe: &Probe) {
    let count = u32::try_from(probe.devices.len()).unwrap_or(u32::MAX);
    outcome.measured(Metric::once("devices", f64::from(count), Unit::Count));
    for device in &probe.devices {
        let Device { id, name, compute, memory, pci, multiprocessors, ordinal } = device;
        let text = format!("{id} {name}, {compute}, {multiprocessors} multiprocessors, {memory}, {pci}");
        outcome.read(format!("device.{ordinal}"), text, "the CUDA driver");
    }
    for silent in &probe.silent {
        outcome.fail(format!(
            "device {} does not answer {}: {}; see the kernel's log for an Xid, and reset the GPU or restart the machine",
            silent.ordinal, silent.call, silent.fault
        ));
    }
}

/// Why it is not known how a GPU is partitioned.
fn unknown_parts(gpu: &Gpu) -> Option<String> {
    let whole = gpu.mig.mode.known().is_some_and(|mode| !mode.current);
    gpu.mig.devices.unknown().filter(|_| !whole).map(|why| why.to_string())
}

/// What programs can use of a GPU: itself, or its partitions.
fn usable(gpu: &Gpu) -> Vec<(&GpuId, Option<&MigDevice>)> {
    if gpu.mig.mode.known().is_some_and(|mode| mode.current) {
        gpu.mig.devices.known().into_iter().flatten().map(|part| (&part.id, Some(part))).collect()
    } else {
        vec![(&gpu.id, None)]
    }
}

fn shares(probe: &Probe, gpus: &[Gpu]) -> bool {
    gpus.iter().flat_map(usable).any(|(id, _)| probe.devices.iter().any(|device| device.id == *id))
}

fn compare(bench: &Bench<'_>, outcome: &mut Outcome, probe: &Probe, gpus: &[Gpu]) {
    for gpu in gpus {
        let partitioned = gpu.mig.mode.known().is_some_and(|mode| mode.current);
        let parts = usable(gpu);
        if let Some(why) = unknown_parts(gpu).filter(|_| parts.is_empty()) {
            outcome.read("partitions", format!("{}: unknown, {why}", gpu.id), NVML);
        } else if parts.is_empty() {
            outcome.warn(format!(
                "{} is in MIG mode and has no partition that programs can use; make one with `nvidia-smi mig -cgi … -C`, or \
                 leave MIG mode",
                gpu.id
            ));
        }
        for (id, part) in parts {
            match probe.devices.iter().find(|device| device.id == *id) {
                Some(device) => same(outcome, device, gpu, part),
                None => match why_hidden(bench, probe, gpu, partitioned) {
                    Some(why) => outcome.read("not_in_cuda", format!("{id}: {why}"), NVML),
                    None if probe.silent.is_empty() => outcome.fail(format!(
                        "the management library lists {id} ({}) and CUDA does not; see whether the driver still serves this \
                         GPU, and in a container whether it was given all of its devices",
                        gpu.name
                    )),
                    None => outcome.read("not_in_cuda", format!("{id}: a device of CUDA does not answer"), NVML),
                },
            }
        }
    }
    let known = |id: &GpuId| gpus.iter().flat_map(usable).any(|(other, _)| other == id);
    let unknown = gpus.iter().find_map(unknown_parts);
    for device in probe.devices.iter().filter(|device| !known(&device.id)) {
        if let Some(why) = unknown.as_ref().filter(|_| measure::is_mig(&device.id)) {
            let text = format!("{}: whether it is a partition of a GPU is unknown, {why}", device.id);
            outcome.read("not_in_nvml", text, NVML);
            continue;
        }
        outcome.fail(format!(
            "CUDA lists {} ({}) and the management library does not; the two libraries are not of the same driver",
            device.id, device.name
        ));
    }
    let order = |id: &GpuId| gpus.iter().position(|gpu| usable(gpu).iter().any(|(other, _)| *other == id));
    let places: Vec<usize> = probe.devices.iter().filter_map(|device| order(&device.id)).collect();
    if !places.is_sorted() {
        outcome.read(
            "order",
            "CUDA numbers the devices in another order than the management library; CUDA_DEVICE_ORDER=PCI_BUS_ID makes them \
             the same",
            "the CUDA driver",
        );
    }
}

/// Why CUDA may leave out what the management library lists.
fn why_hidden(bench: &Bench<'_>, probe: &Probe, gpu: &Gpu, partitioned: bool) -> Option<String> {
    if let Some(variable) = hiding(bench) {
        return Some(format!("{variable} leaves it out"));
    }
    if gpu.modes.compute == Reading::Known(ComputeMode::Prohibited) {
        return Some("its compute mode prohibits programs".into());
    }
    if partitioned {
        return Some("CUDA shows a process one partition only".into());
    }
    let part = probe.devices.iter().any(|device| measure::is_mig(&device.id));
    part.then(|| "CUDA lists no whole GPU where it lists a MIG device".into())
}

/// One device as both libraries tell it.
fn same(outcome: &mut Outcome, device: &Device, gpu: &Gpu, part: Option<&MigDevice>) {
    let id = &device.id;
    let name = part.map_or(Some(&gpu.name), |part| part.name.known());
    if let Some(name) = name.filter(|name| **name != device.name) {
        outcome.warn(format!("{id} is called {:?} by CUDA and {name:?} by the management library", device.name));
    }
    if let Some(compute) = gpu.compute.known().filter(|compute| **compute != device.compute) {
        outcome.fail(format!(
            "{id} has compute capability {} for CUDA and {compute} for the management library; the two libraries are not of \
             the same driver",
            device.compute
        ));
    }
    let memory = part.map_or(&gpu.memory, |part| &part.memory).known();
    if let Some(Bytes(all)) = memory.copied() {
        let Bytes(usable) = device.memory;
        let least = all - all / 100 * KEPT_PERCENT;
        if usable > all || usable < least {
            outcome.warn(format!("{id} has {} for CUDA and {} for the management library", device.memory, Bytes(all)));
        }
    }
}

/// `dev.arch_fit`.
pub(super) fn arch_fit(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = measure::device(bench)?;
    let facts = bench.facts;
    if facts.wanted_sass.is_empty() && facts.wanted_ptx.is_none() {
        return Err(Stop::skip(Skip::NotAsked, "no program was named"));
    }
    let ptx: Vec<_> = facts.wanted_ptx.iter().map(|(isa, target)| (*target, *isa)).collect();
    let verdict = compat::program(&facts.wanted_sass, &ptx, device.compute, &installed(bench)?);
    let mut outcome = Outcome::pass();
    for image in &verdict.images {
        outcome.read(
            image.arch.to_string(),
            format!("{}: {}", image.fit, image.reason),
            "NVIDIA's rules of compatibility",
        );
    }
    match verdict.fit {
        ProgramFit::Native | ProgramFit::Compiled => {}
        ProgramFit::Unknown => outcome.warn(verdict.to_string()),
        ProgramFit::Refused => outcome.fail(verdict.to_string()),
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests;
