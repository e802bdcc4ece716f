//! The GPU itself: lost, broken memory, held by others.

use super::cuda::refused;
use super::ground::Ground;
use super::told::told;
use crate::gpu::kernel_log::{KernelEvent, What};
use crate::gpu::xid;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::NvmlGpu;
use crate::host::{Confidence, Survey};

const XIDS: &str = "https://docs.nvidia.com/deploy/xid-errors/index.html";
const KERNEL: &str = "kernel log";
/// Errors of memory: two bits at once, rows remapped or not, contained or not, and the same of later GPUs.
const MEMORY_XIDS: [u32; 8] = [48, 63, 64, 94, 95, 140, 171, 172];

pub(super) const D37: Entry = Entry {
    id: FindingId(37),
    title: "a GPU has fallen off the bus",
    symptoms: &[
        Symptom::of(&["GPU has fallen off the bus"]),
        Symptom::of(&["fallen off the bus"]),
        Symptom::of(&["NVRM: Xid", "): 79,"]),
        Symptom::of(&["GPU is lost"]),
        Symptom::of(&["NVML_ERROR_GPU_IS_LOST"]),
    ],
    severity: Severity::Broken,
    cause: "the driver reaches the GPU no more: power, heat, the seating of the card, the PCIe link, or a fault of the board",
    links: &[
        "https://github.com/leptonai/gpud/issues/604",
        "https://github.com/NVIDIA/NVSentinel/issues/155",
        "https://github.com/NVIDIA/nvidia-docker/issues/1553",
        XIDS,
    ],
    examine: d37,
    remedy: d37_remedy,
};

fn d37(survey: &Survey) -> Outcome {
    let is_loss = |event: &&KernelEvent| {
        !event.injected && matches!(event.what, What::FellOffBus { .. } | What::Xid { code: 79, .. })
    };
    let event = survey.kernel.events.iter().rev().find(is_loss);
    let lost = survey.nvml.gpus.iter().find(|gpu| gpu.lost);
    let with_event = |trace: Trace| match event {
        Some(event) => trace.and(KERNEL, first_line(&event.message)),
        None => trace,
    };
    if let Some(gpu) = lost {
        return Outcome::Found(with_event(Trace::of("NVML code 15", "the GPU is lost").about(&gpu.id)));
    }
    if let Some(failure) = survey.nvml.failure.as_ref().filter(|failure| failure.code == Some(15)) {
        return Outcome::Found(with_event(Trace::of("NVML code 15", &failure.message)));
    }
    if let Some(event) = event {
        let (address, confidence) = match &event.what {
            What::Xid { pci, .. } | What::FellOffBus { pci: Some(pci) } => {
                let back = gpu_at(survey, pci).is_some();
                (Some(pci.clone()), if back { Confidence::Likely } else { Confidence::Certain })
            }
            _ => (None, Confidence::Certain),
        };
        let trace = Trace::of(KERNEL, first_line(&event.message)).only(confidence);
        return Outcome::Found(match address {
            Some(address) => trace.about(format!("GPU at {address}")),
            None => trace,
        });
    }
    match told(survey, &D37) {
        Some(trace) => Outcome::Found(trace),
        None => Outcome::Clear,
    }
}

fn d37_remedy(survey: &Survey) -> Remedy {
    outside(
        survey,
        Remedy::new("take work off the machine, and start it anew"),
        &["sudo dmesg | grep -iE 'NVRM|pcieport|AER'", "sudo reboot"],
    )
    .note(
        "a container that hangs on the lost GPU cannot be killed before. Where it comes again: switch the machine off, check \
         power cables, seating and cooling of the board, then ask its maker",
    )
}

pub(super) const D38: Entry = Entry {
    id: FindingId(38),
    title: "memory of a GPU is broken, or waits for a reset to be repaired",
    symptoms: &[
        Symptom::of(&["uncorrectable ECC error encountered"]),
        Symptom::of(&["uncorrectable", "ECC"]),
        Symptom::of(&["NVRM: Xid", "): 48,"]),
        Symptom::of(&["NVRM: Xid", "): 63,"]),
        Symptom::of(&["NVRM: Xid", "): 64,"]),
        Symptom::of(&["NVRM: Xid", "): 94,"]),
        Symptom::of(&["NVRM: Xid", "): 95,"]),
        Symptom::of(&["NV_ERR_RESET_REQUIRED"]),
        Symptom::of(&["GPU requires reset"]),
        Symptom::of(&["Remapping pending"]),
        Symptom::of(&["row remap", "pending"]),
    ],
    severity: Severity::Broken,
    cause: "the GPU met errors of its memory that could not be corrected; it sets the place aside, which takes effect at its \
            next reset",
    links: &[
        "https://github.com/NVIDIA/nvidia-docker/issues/849",
        "https://github.com/leptonai/gpud/issues/108",
        "https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/index.html",
        XIDS,
    ],
    examine: d38,
    remedy: d38_remedy,
};

fn d38(survey: &Survey) -> Outcome {
    let code_of = |event: &KernelEvent| match &event.what {
        What::Xid { code, pci, .. } if !event.injected && MEMORY_XIDS.contains(code) => Some((*code, pci.clone())),
        _ => None,
    };
    let event = survey.kernel.events.iter().rev().find_map(|event| Some((event, code_of(event)?)));
    let with_event = |trace: Trace| match &event {
        Some((event, (code, _))) => trace.and(KERNEL, xid_line(event, *code)),
        None => trace,
    };
    if let Some((gpu, trace)) = survey.nvml.gpus.iter().find_map(|gpu| Some((gpu, memory_of(gpu)?))) {
        return Outcome::Found(with_event(trace).about(&gpu.id));
    }
    if let Some((event, (code, pci))) = &event {
        let trace = Trace::of(KERNEL, xid_line(event, *code)).about(format!("GPU at {pci}"));
        return Outcome::Found(trace.only(Confidence::Likely));
    }
    if let Some(trace) = refused(survey, 214).or_else(|| told(survey, &D38)) {
        return Outcome::Found(trace);
    }
    Outcome::Clear
}

/// What the management library says of a GPU's memory that is wrong.
fn memory_of(gpu: &NvmlGpu) -> Option<Trace> {
    if gpu.needs_reset {
        return Some(Trace::of("NVML code 16", "the GPU needs a reset"));
    }
    if gpu.repair_pending == Some(true) {
        return Some(Trace::of("NVML remapped rows", "a repair waits for a reset"));
    }
    let errors = gpu.uncorrected.filter(|errors| *errors > 0)?;
    let trace = Trace::of("NVML uncorrected errors", format!("{errors} since the driver was loaded"));
    Some(trace.only(Confidence::Likely))
}

fn xid_line(event: &KernelEvent, code: u32) -> String {
    let line = first_line(&event.message);
    match xid::lookup(code) {
        Some(xid) => format!("{line} ({})", xid.meaning),
        None => line,
    }
}

fn d38_remedy(survey: &Survey) -> Remedy {
    let index = survey.nvml.gpus.iter().position(|gpu| memory_of(gpu).is_some());
    let reset = format!("sudo nvidia-smi --gpu-reset -i {}", index.map_or("<INDEX>".into(), |index| index.to_string()));
    if survey.host.is_wsl2() {
        return Remedy::new("end all programs on the GPU, and start Windows anew")
            .on_windows("nvidia-smi.exe -q -d ECC,ROW_REMAPPER")
            .on_windows("shutdown.exe /r /t 0")
            .note("a GPU cannot be reset from WSL; where errors come again the board has to be replaced");
    }
    let lines = ["nvidia-smi -q -d ECC,ROW_REMAPPER,PAGE_RETIREMENT", "nvidia-smi pmon -c 1", reset.as_str()];
    outside(survey, Remedy::new("end all programs on the GPU, and reset it"), &lines).note(
        "where the reset is refused, start the machine anew. Where the table of rows says that remapping failed, or errors come \
         again after the reset, the board has to be replaced",
    )
}

pub(super) const D39: Entry = Entry {
    id: FindingId(39),
    title: "the GPU is held by one program alone",
    symptoms: &[
        Symptom::of(&["all CUDA-capable devices are busy or unavailable"]),
        Symptom::of(&["CUDA-capable device(s) is/are busy or unavailable"]),
        Symptom::of(&["cudaErrorDevicesUnavailable"]),
        Symptom::of(&["CUDA_ERROR_DEVICE_UNAVAILABLE"]),
        Symptom::of(&["CUDA error 46"]),
    ],
    severity: Severity::Broken,
    cause: "the GPU is in a mode in which only one process may use it, or none, and another holds it; a GPU that needs a reset \
            says the same",
    links: &[
        "https://github.com/scitix/sichek/issues/51",
        "https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#compute-modes",
    ],
    examine: d39,
    remedy: d39_remedy,
};

fn d39(survey: &Survey) -> Outcome {
    let strict = |gpu: &&NvmlGpu| matches!(gpu.compute_mode.as_deref(), Some("exclusive_process" | "prohibited"));
    let held = survey.nvml.gpus.iter().find(strict);
    let with_mode = |trace: Trace| match held {
        Some(gpu) => trace.and("NVML compute mode", gpu.compute_mode.clone().unwrap_or_default()).about(&gpu.id),
        None => trace,
    };
    let said = refused(survey, 46).or_else(|| told(survey, &D39));
    // A GPU whose memory waits for a reset gives the same number, and no mode explains it.
    if let Some(trace) = said.filter(|_| held.is_some() || survey.nvml.gpus.iter().all(|gpu| memory_of(gpu).is_none()))
    {
        return Outcome::Found(with_mode(trace));
    }
    match held.filter(|gpu| gpu.compute_mode.as_deref() == Some("prohibited")) {
        Some(gpu) => Outcome::Found(Trace::of("NVML compute mode", "prohibited").about(&gpu.id)),
        None => Outcome::Clear,
    }
}

fn d39_remedy(survey: &Survey) -> Remedy {
    let note = "where the mode is wanted, share the GPU through MPS (`nvidia-cuda-mps-control -d`). With the mode Default and \
                nobody on the GPU, it needs a reset: `sudo nvidia-smi --gpu-reset`";
    let remedy = Remedy::new("see who holds the GPU, and let others use it too");
    if survey.host.is_wsl2() {
        return remedy.on_windows("nvidia-smi.exe").on_windows("nvidia-smi.exe -c DEFAULT").note(note);
    }
    let lines = ["nvidia-smi --query-gpu=index,compute_mode --format=csv", "sudo nvidia-smi -c DEFAULT"];
    outside(survey, remedy, &lines).note(note)
}

fn gpu_at<'s>(survey: &'s Survey, address: &str) -> Option<&'s NvmlGpu> {
    survey.nvml.gpus.iter().find(|gpu| gpu.pci.as_deref().is_some_and(|pci| pci.eq_ignore_ascii_case(address)))
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

/// With commands for the machine itself, which from within a container are typed outside of it.
fn outside(survey: &Survey, remedy: Remedy, lines: &[&str]) -> Remedy {
    lines.iter().fold(remedy, |remedy, line| Ground::of(survey).machine(remedy, *line))
}
