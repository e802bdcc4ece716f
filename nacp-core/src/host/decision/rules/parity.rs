//! How much of a native Linux machine is here too.

use super::stability::is_desktop;
use super::{Outcome, Side};
use crate::cuda::CheckId;
use crate::host::decision::{Criterion, Figure, Measured, Observed};
use crate::host::survey::NvmlGpu;
use crate::host::{DaemonPlace, GpuPathKind, Seen};

/// One thing that a native Linux machine has.
struct Item {
    what: &'static str,
    /// How much a service in production depends on it: 2 where it would not start without, 1 otherwise.
    weight: f64,
    read: fn(&Observed, Side) -> Reading,
}

/// Whether it is here, and what shows it; or why that cannot be told.
type Reading = Result<(bool, String), String>;

const REFERENCE: [Item; 15] = [
    Item { what: "/dev/nvidiactl", weight: 1.0, read: |it, _| node(it, "/dev/nvidiactl") },
    Item { what: "/dev/nvidia0 and its like", weight: 2.0, read: |it, _| gpu_nodes(it) },
    Item { what: "/dev/nvidia-uvm", weight: 1.0, read: |it, _| node(it, "/dev/nvidia-uvm") },
    Item { what: "kernel module nvidia", weight: 2.0, read: |it, _| module(it) },
    Item { what: "libcuda.so.1", weight: 2.0, read: |it, _| library(it, "libcuda.so.1") },
    Item { what: "libnvidia-ml.so.1", weight: 1.0, read: |it, _| library(it, "libnvidia-ml.so.1") },
    Item { what: "NVML answers what it is asked", weight: 1.0, read: |it, _| nvml(it) },
    Item { what: "GPUs kept apart: each can be given alone", weight: 2.0, read: |it, _| apart(it) },
    Item { what: "modes of a GPU are told: compute mode, MIG, ECC", weight: 1.0, read: |it, _| modes(it) },
    Item { what: "modes of a GPU can be changed", weight: 1.0, read: |it, _| changing(it) },
    Item { what: "GPUs reach each other's memory", weight: 1.0, read: |it, _| peer(it) },
    Item { what: "managed memory used by host and device at once", weight: 1.0, read: |it, _| managed(it) },
    Item { what: "cgroup v2", weight: 1.0, read: |it, _| cgroup(it) },
    Item { what: "control groups made by systemd", weight: 1.0, read: systemd },
    Item { what: "container engine on the same kernel", weight: 2.0, read: engine },
];

pub(super) fn measure(observed: &Observed, side: Side) -> Outcome {
    let gpu = &observed.survey.host.gpu;
    if matches!(gpu.kind, GpuPathKind::None | GpuPathKind::Unknown) {
        let detail = if gpu.detail.is_empty() { String::new() } else { format!(": {}", gpu.detail) };
        return Err(format!("no GPU is here, so that nothing can be compared{detail}"));
    }
    let (mut figures, mut lacks, mut missing, mut evidence) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut unmeasured = 0.0;
    for item in REFERENCE {
        match (item.read)(observed, side) {
            Ok((here, why)) => {
                if !here {
                    lacks.push(format!("{}: {why}", item.what));
                }
                evidence.push((item.what, why.clone()));
                figures.push(Figure::answer(item.what, here, item.weight, why));
            }
            Err(why) => {
                unmeasured += item.weight;
                missing.push(format!("{}: {why}", item.what));
            }
        }
    }
    let mut measured = Measured::of(Criterion::Parity.rule(), figures).ok_or("nothing could be read")?;
    measured = measured.without(unmeasured);
    (measured.lacks, measured.missing, measured.extra) = (lacks, missing, extra(observed));
    for (what, why) in evidence {
        measured = measured.and(what, why);
    }
    Ok(measured)
}

/// What is here and not on a native Linux machine.
fn extra(observed: &Observed) -> Vec<String> {
    let survey = &observed.survey;
    let node = survey.devices.node("/dev/dxg").map(|_| "/dev/dxg".to_owned());
    let dxcore = survey.libraries.dxcore.then(|| "libdxcore.so".to_owned());
    let store = survey.wsl.driver_store.found().filter(|found| !found.is_empty());
    let store = store.map(|_| "the Windows driver under /usr/lib/wsl/drivers".to_owned());
    let daemon = survey.daemon().filter(|daemon| is_desktop(daemon.place));
    let desktop = daemon.map(|daemon| format!("Docker Desktop at {}", daemon.endpoint));
    let compat = survey.cuda.compat.then(|| "a forward-compatibility library of CUDA".to_owned());
    [node, dxcore, store, desktop, compat].into_iter().flatten().collect()
}

fn path(observed: &Observed) -> GpuPathKind {
    observed.survey.host.gpu.kind
}

fn node(observed: &Observed, wanted: &str) -> Reading {
    if observed.survey.devices.node(wanted).is_some() {
        return Ok((true, "it is there".into()));
    }
    match path(observed) {
        GpuPathKind::Unknown => Err(observed.survey.host.gpu.detail.clone()),
        GpuPathKind::None => Err("no GPU is here".into()),
        _ => Ok((false, "it is not there".into())),
    }
}

fn gpu_nodes(observed: &Observed) -> Reading {
    match (observed.survey.devices.gpus().count(), path(observed)) {
        (0, GpuPathKind::Unknown) => Err(observed.survey.host.gpu.detail.clone()),
        (0, GpuPathKind::None) => Err("no GPU is here".into()),
        (0, GpuPathKind::Paravirtual) => Ok((false, "/dev/dxg stands for all GPUs".into())),
        (0, _) => Ok((false, "none is there".into())),
        (count, _) => Ok((true, format!("{count} of them"))),
    }
}

fn module(observed: &Observed) -> Reading {
    match (&observed.survey.kernel.driver, path(observed)) {
        (Seen::Found(version), _) => Ok((true, format!("/proc/driver/nvidia/version: {version}"))),
        (Seen::Absent, GpuPathKind::None) => Err("no GPU is here".into()),
        (Seen::Absent, _) => Ok((false, "/proc/driver/nvidia/version is not there".into())),
        (seen, _) => Err(seen.open().unwrap_or_default().into()),
    }
}

/// A driver's library of this kernel: the version in its name is what the module's is on native Linux.
fn library(observed: &Observed, name: &str) -> Reading {
    let libraries = &observed.survey.libraries;
    let files = if name.starts_with("libcuda") { &libraries.cuda } else { &libraries.nvml };
    let files: Vec<_> = files.iter().filter(|file| !file.compat).collect();
    if let Some(file) = files.iter().find(|file| file.version.is_some() && !file.path.starts_with("/usr/lib/wsl")) {
        return Ok((true, file.path.clone()));
    }
    match (files.first(), path(observed)) {
        (Some(file), _) if file.path.starts_with("/usr/lib/wsl") => {
            Ok((false, format!("{} is a door to the Windows driver", file.path)))
        }
        (Some(file), _) => Ok((true, file.path.clone())),
        (None, GpuPathKind::Native) => Ok((false, "no such file was found".into())),
        (None, _) => Err("no such file was found".into()),
    }
}

/// Whether a function answers only on some products, so that its silence says nothing of the machine.
fn of_product(function: &str) -> bool {
    ["Ecc", "Mig", "Fabric", "Remapped", "Retired", "NvLink", "Fan", "DriverModel"]
        .iter()
        .any(|part| function.contains(part))
}

fn nvml(observed: &Observed) -> Reading {
    let nvml = &observed.survey.nvml;
    if nvml.gpus.is_empty() {
        return Err(nvml.driver.open().unwrap_or("it lists no GPU").into());
    }
    let silent = nvml.gpus.iter().flat_map(|gpu| &gpu.silent).filter(|function| !of_product(function));
    let mut silent: Vec<&str> = silent.map(String::as_str).collect();
    silent.sort_unstable();
    silent.dedup();
    Ok(match silent.len() {
        0 => (true, format!("{} GPUs, no function is silent", nvml.gpus.len())),
        _ => (false, format!("silent: {}", silent.join(", "))),
    })
}

/// What NVIDIA's guide to CUDA on WSL says, and nobody tried here: no measurement.
const GUIDE: &str = "not through /dev/dxg by NVIDIA's guide to CUDA on WSL; not tried here";

/// Whether one GPU can be named without the others: by the CDI devices that were read, else by the nodes that are there.
fn apart(observed: &Observed) -> Reading {
    let survey = &observed.survey;
    let mut devices: Vec<String> =
        survey.cdi.specs.iter().flat_map(|spec| spec.devices.iter()).map(|it| it.name.clone()).collect();
    let daemon = survey.daemon().and_then(|daemon| daemon.answer.found()?.cdi_devices.clone());
    let told = daemon.into_iter().flatten().filter(|id| id.starts_with("nvidia.com/"));
    devices.extend(told.filter_map(|id| Some(id.split_once('=')?.1.to_owned())));
    let alone = devices.iter().filter(|name| name.as_str() != "all").count();
    match (alone, devices.is_empty(), survey.devices.gpus().count()) {
        (1.., _, _) => Ok((true, format!("{alone} devices of CDI beside `all`"))),
        (0, _, nodes @ 1..) => Ok((true, format!("{nodes} device nodes, one for each GPU"))),
        (0, false, 0) => Ok((false, "CDI has one device for all GPUs, and no GPU has a node of its own".into())),
        (0, true, 0) if path(observed) == GpuPathKind::Paravirtual => Err(GUIDE.into()),
        (0, true, 0) => Err("no CDI specification and no node names a GPU".into()),
    }
}

/// What the management library tells of the modes of the GPUs.
fn modes(observed: &Observed) -> Reading {
    let nvml = &observed.survey.nvml;
    if nvml.gpus.is_empty() {
        return Err(nvml.driver.open().unwrap_or("the management library lists no GPU").into());
    }
    let silent = |gpu: &NvmlGpu| gpu.compute_mode.is_none();
    if let Some(gpu) = nvml.gpus.iter().find(|gpu| silent(gpu)) {
        return match gpu.silent.iter().find(|function| function.contains("ComputeMode")) {
            Some(function) => Ok((false, format!("{function} is silent"))),
            None => Err("the compute mode was not asked for".into()),
        };
    }
    let told = |gpu: &NvmlGpu| {
        let mig = gpu.mig.map(|on| if on { ", MIG on" } else { ", MIG off" }).unwrap_or_default();
        let ecc = if gpu.uncorrected.is_some() { ", errors of ECC are counted" } else { "" };
        format!("compute mode {}{mig}{ecc}", gpu.compute_mode.as_deref().unwrap_or_default())
    };
    let mut told: Vec<String> = nvml.gpus.iter().map(told).collect();
    told.sort();
    told.dedup();
    Ok((true, told.join("; ")))
}

/// Nothing here changes a mode, so that this is never measured.
fn changing(observed: &Observed) -> Reading {
    match path(observed) {
        GpuPathKind::Paravirtual => Err(GUIDE.into()),
        _ => Err("not tried: it would change the machine".into()),
    }
}

/// What the check of peer access found; of one GPU there is nothing to find.
fn peer(observed: &Observed) -> Reading {
    let report = observed.report.as_ref().ok_or("no check of CUDA was made")?;
    let check = report.find(CheckId::P2pAccess, None).ok_or("p2p.access was not run")?;
    let metric = |name: &str| check.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
    match (metric("pairs_with_access"), metric("pairs")) {
        (Some(open), Some(all)) if open > 0.0 => Ok((true, format!("{open} of {all} pairs"))),
        (Some(_), Some(all)) if all > 0.0 && path(observed) == GpuPathKind::Paravirtual => {
            Ok((false, format!("none of {all} pairs, through /dev/dxg")))
        }
        (Some(_), Some(all)) if all > 0.0 => Err(format!("none of {all} pairs; the product may not have it")),
        _ => Err(check.status.reason().unwrap_or_else(|| "there are no two GPUs".into())),
    }
}

/// No check asks for it.
fn managed(observed: &Observed) -> Reading {
    match path(observed) {
        GpuPathKind::Paravirtual => Err(GUIDE.into()),
        _ => Err("no check of CUDA tries it".into()),
    }
}

fn cgroup(observed: &Observed) -> Reading {
    let daemon = observed.survey.daemon().and_then(|daemon| daemon.answer.found()?.cgroup_version.clone());
    let kernel = observed.survey.kernel.cgroup_version.map(|version| version.to_string());
    let version = kernel.or(daemon).ok_or("neither the kernel nor a daemon tells which")?;
    Ok((version == "2", format!("version {version}")))
}

fn systemd(observed: &Observed, side: Side) -> Reading {
    if !side.containers {
        return Err("no daemon of this option answers".into());
    }
    let daemon = observed.survey.daemon().ok_or("no daemon answered")?;
    let driver = daemon.answer.found().and_then(|info| info.cgroup_driver.clone()).ok_or("the daemon does not tell")?;
    Ok((driver == "systemd", driver))
}

fn engine(observed: &Observed, side: Side) -> Reading {
    if !side.containers {
        return Ok((false, "a process without an engine".into()));
    }
    match observed.survey.daemon() {
        Some(daemon) if daemon.place == DaemonPlace::ThisKernel => Ok((true, daemon.endpoint.clone())),
        Some(daemon) => Ok((false, format!("{} runs elsewhere", daemon.endpoint))),
        None if observed.survey.host.container().is_some() => Ok((true, "this process is in a container".into())),
        None => Ok((false, "no daemon answered".into())),
    }
}
