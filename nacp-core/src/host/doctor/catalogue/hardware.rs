//! The GPU itself: lost, broken memory, held by others.

use super::cuda::refused;
use super::facts::gpu;
use super::ground::Ground;
use super::told::told;
use crate::gpu::kernel_log::{KernelEvent, What};
use crate::gpu::xid;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::NvmlGpu;
use crate::host::{Confidence, Seen, Survey};

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
        None => unseen(survey),
    }
}

/// What it means that nothing was told of a GPU: nothing where nobody who tells was heard.
fn unseen(survey: &Survey) -> Outcome {
    let heard = survey.kernel.log.found().is_some() || survey.nvml.driver.found().is_some();
    if heard || gpu(survey) == Seen::Absent {
        return Outcome::Clear;
    }
    let why = survey.kernel.log.open().map(|why| format!(": {why}")).unwrap_or_default();
    Outcome::Unknown(format!("the management library tells nothing, and the kernel's log was not read{why}"))
}

fn d37_remedy(survey: &Survey) -> Remedy {
    if through_windows(survey) {
        return Remedy::new("end all programs on the GPU, and start Windows anew")
            .on_windows("nvidia-smi.exe")
            .on_windows("shutdown.exe /r /t 0")
            .note("where it comes again: check power cables, seating and cooling of the board, then ask its maker");
    }
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
    let all = || survey.kernel.events.iter().rev().filter_map(|event| Some((event, code_of(event)?)));
    let is_past = |(_, (code, pci)): &(&KernelEvent, (u32, String))| is_repaired(survey, *code, pci);
    let event = all().find(|event| !is_past(event));
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
    let Some((event, (code, pci))) = all().next() else {
        return unseen(survey);
    };
    let when = event.since_boot.map_or(String::new(), |at| format!(", {}", since(at.as_secs())));
    let trace = Trace::of(KERNEL, format!("{}{when}", xid_line(event, code)))
        .and("NVML remapped rows", "none waits for a reset, and no error since is uncorrected")
        .about(format!("GPU at {pci}"));
    Outcome::Found(trace.milder(Severity::Note, "memory of a GPU was broken, and is repaired"))
}

/// Whether an error of memory is over: of a kind that the GPU repairs, and the library says that it did.
fn is_repaired(survey: &Survey, code: u32, pci: &str) -> bool {
    let over = |gpu: &NvmlGpu| gpu.repair_pending == Some(false) && gpu.uncorrected == Some(0) && !gpu.needs_reset;
    matches!(code, 63 | 94) && gpu_at(survey, pci).is_some_and(over)
}

/// When something was, from the start of the machine.
fn since(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60) {
        (0, minutes) => format!("{minutes} min after the start of the machine"),
        (hours, minutes) => format!("{hours} h {minutes} min after the start of the machine"),
    }
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
    if through_windows(survey) {
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
    if through_windows(survey) {
        return remedy.on_windows("nvidia-smi.exe").on_windows("nvidia-smi.exe -c DEFAULT").note(note);
    }
    let lines = ["nvidia-smi --query-gpu=index,compute_mode --format=csv", "sudo nvidia-smi -c DEFAULT"];
    outside(survey, remedy, &lines).note(note)
}

/// Whether Windows drives the GPU.
fn through_windows(survey: &Survey) -> bool {
    survey.host.is_wsl2() || survey.host.os.as_deref() == Some("windows")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernel_log::parse;
    use crate::host::doctor::catalogue::bench;

    fn with_xid(code: u32) -> Survey {
        let mut survey = bench::machine();
        survey.nvml.gpus[0].pci = Some("00000000:01:00.0".into());
        let line = format!("3,2214,812345001,-;NVRM: Xid (PCI:0000:01:00): {code}, pid=4711, name=python3, a row");
        survey.kernel.events = vec![parse(&line).unwrap()];
        survey
    }

    #[test]
    fn memory_that_was_repaired_is_a_note_with_its_time() {
        let severity = |survey: &Survey| match d38(survey) {
            Outcome::Found(trace) => {
                Some((trace.milder.map_or(D38.severity, |it| it.0), trace.evidence[0].value.clone()))
            }
            _ => None,
        };
        for (code, repaired) in [(63, true), (94, true), (64, false), (95, false), (48, false)] {
            let mut survey = with_xid(code);
            assert_eq!(severity(&survey).unwrap().0, Severity::Broken, "{code} with a silent library");
            survey.nvml.gpus[0].repair_pending = Some(false);
            survey.nvml.gpus[0].uncorrected = Some(0);
            let expected = if repaired { Severity::Note } else { Severity::Broken };
            let (severity, value) = severity(&survey).unwrap();
            assert_eq!(severity, expected, "{code}");
            assert_eq!(value.ends_with(", 13 min after the start of the machine"), repaired, "{value}");
        }
    }

    #[test]
    fn a_log_that_cannot_be_read_is_no_good_news() {
        for entry in [&D37, &D38] {
            let mut survey = bench::machine();
            survey.kernel.log = Seen::Unreadable("permission denied".into());
            assert_eq!((entry.examine)(&survey), Outcome::Clear, "the library answers: {}", entry.id);
            survey.nvml.driver = Seen::NotAsked;
            assert!(matches!((entry.examine)(&survey), Outcome::Unknown(_)), "{}", entry.id);
            survey.kernel.log = Seen::Found(Vec::new());
            assert_eq!((entry.examine)(&survey), Outcome::Clear, "{}", entry.id);
        }
    }
}
