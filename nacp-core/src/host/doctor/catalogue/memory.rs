//! Memory that runs out: the GPU's, the shared one of a container, and the pinned one.

use super::cuda::refused;
use super::facts::{dated, found_among, is_past};
use super::ground::Ground;
use super::told::{by_container, told};
use crate::Bytes;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, Survey};

/// What Docker gives a container for `/dev/shm` unless it is told.
const DEFAULT_SHM: u64 = 64 * 1024 * 1024;
/// Under WSL2 machines were seen to stop between half a gibibyte and one; below it is less than usual.
const USUAL_PINNED: u64 = 512 * 1024 * 1024;

pub(super) const D36: Entry = Entry {
    id: FindingId(36),
    title: "the container's shared memory is too small",
    symptoms: &[
        Symptom::of(&["Error while creating shared memory segment /dev/shm/nccl"]),
        Symptom::of(&["/dev/shm/nccl", "No space left on device"]),
        Symptom::of(&["posix_fallocate failed", "No space left on device"]),
        Symptom::of(&["unexpected bus error encountered in worker"]),
        Symptom::of(&["Bus error", "shared memory"]),
        Symptom::of(&["NCCL", "Bus error"]),
    ],
    severity: Severity::Broken,
    cause: "programs on several GPUs exchange data through /dev/shm, and a container has 64 MiB there unless it is told",
    links: &[
        "https://github.com/vllm-project/vllm/issues/1710",
        "https://github.com/vllm-project/vllm/issues/18831",
        "https://github.com/NVIDIA/nccl/issues/290",
        "https://github.com/MiniMax-AI/MiniMax-01/issues/42",
    ],
    examine: d36,
    remedy: d36_remedy,
};

fn d36(survey: &Survey) -> Outcome {
    let with_size = |container: &ContainerFacts, trace: Trace| match container.shm_bytes {
        Some(bytes) => trace.and(format!("ShmSize of container {}", container.name), Bytes(bytes).to_string()),
        None => trace,
    };
    if let Some((container, trace)) = by_container(survey, &D36) {
        return Outcome::Found(with_size(container, trace).about(&container.name));
    }
    if let Some(trace) = told(survey, &D36) {
        return Outcome::Found(trace);
    }
    let small = |it: &&ContainerFacts| {
        let own = it.ipc.as_deref().is_none_or(|mode| mode == "private" || mode == "shareable" || mode.is_empty());
        own && it.shm_bytes.is_some_and(|bytes| bytes <= DEFAULT_SHM)
            && gpus_of(it, survey) > 1
            && it.state == "running"
    };
    let Some(container) = survey.containers.iter().find(small) else {
        return found_among(survey, None);
    };
    let trace = Trace::of(format!("GPUs of container {}", container.name), gpus_of(container, survey).to_string());
    let trace = with_size(container, trace).about(&container.name).only(Confidence::Possible);
    Outcome::Found(trace.milder(Severity::Note, "a container with several GPUs has little shared memory"))
}

/// How many GPUs a container asks for, as far as its requests tell.
fn gpus_of(container: &ContainerFacts, survey: &Survey) -> usize {
    let all = survey.nvml.gpus.len();
    let of_request = |request: &crate::host::survey::DeviceRequest| match request.count {
        -1 => all,
        0 if request.ids.iter().any(|id| id.ends_with("=all") || id == "all") => all,
        0 => request.ids.len(),
        count => usize::try_from(count).unwrap_or(0),
    };
    container.requests.iter().map(of_request).sum()
}

fn d36_remedy(survey: &Survey) -> Remedy {
    let remedy = Remedy::new("give the container more shared memory");
    if survey.kubernetes.pod || survey.kubernetes.node {
        return remedy.run("kubectl edit deployment <NAME>").note(
            "mount an emptyDir with `medium: Memory` and a `sizeLimit` at /dev/shm; it counts toward the memory limit of the pod",
        );
    }
    remedy.run("docker run --shm-size=16g --gpus all <IMAGE>").note(
        "in a Compose file it is `shm_size: 16gb`; `--ipc=host` shares the machine's own, which is half of its memory",
    )
}

pub(super) const D40: Entry = Entry {
    id: FindingId(40),
    title: "a program did not get enough memory",
    symptoms: &[
        Symptom::of(&["CUDA out of memory"]),
        Symptom::of(&["torch.OutOfMemoryError"]),
        Symptom::of(&["CUDA error: out of memory"]),
        Symptom::of(&["CUDA error 2", "out of memory"]),
        Symptom::of(&["cudaMalloc failed: out of memory"]),
        Symptom::of(&["cudaErrorMemoryAllocation"]),
        Symptom::of(&["CUDA_ERROR_OUT_OF_MEMORY"]).without(&["on host", "pinned"]),
        Symptom::of(&["Free memory on device", "is less than desired GPU memory utilization"]),
    ],
    severity: Severity::Broken,
    cause: "the model and its cache need more memory than the GPU has left: others use it too, the desktop of Windows among \
            them; or the system had too little memory, of which WSL2 gets half unless it is told",
    links: &[
        "https://docs.nvidia.com/cuda/wsl-user-guide/index.html#known-limitations-for-linux-cuda-apps",
        "https://learn.microsoft.com/windows/wsl/wsl-config",
        "https://pytorch.org/docs/stable/notes/cuda.html#memory-management",
    ],
    examine: d40,
    remedy: d40_remedy,
};

fn d40(survey: &Survey) -> Outcome {
    let with_use = |trace: Trace| {
        let uses = survey.nvml.gpus.iter().filter_map(|gpu| {
            let (used, total) = (Bytes(gpu.memory_used?), Bytes(gpu.memory_total?));
            Some(format!("{used} of {total} in use on {}", gpu.id))
        });
        uses.fold(trace, |trace, value| trace.and("NVML memory", value))
    };
    if let Some(trace) = refused(survey, 2) {
        return Outcome::Found(with_use(trace));
    }
    if let Some(trace) = told(survey, &D40) {
        return Outcome::Found(with_use(trace));
    }
    let killed = survey.containers.iter().filter(|container| container.oom_killed);
    let Some(container) = killed.min_by_key(|container| is_past(survey, container)) else {
        return found_among(survey, None);
    };
    let trace = Trace::of(format!("OOMKilled of container {}", container.name), dated(container, "true"));
    let trace = trace.about(&container.name);
    if is_past(survey, container) {
        return Outcome::Found(trace.past());
    }
    let trace = match survey.wsl.memory_bytes.filter(|_| survey.host.is_wsl2()) {
        Some(bytes) => trace.and("/proc/meminfo", format!("{} in this virtual machine", Bytes(bytes))),
        None => trace,
    };
    Outcome::Found(trace)
}

fn d40_remedy(survey: &Survey) -> Remedy {
    let killed = survey.containers.iter().any(|container| container.oom_killed) && by_container(survey, &D40).is_none();
    if killed && survey.host.is_wsl2() {
        return Remedy::new("give WSL2 more of the machine's memory")
            .on_windows("notepad.exe \"$env:USERPROFILE\\.wslconfig\"")
            .on_windows("wsl.exe --shutdown")
            .note("write `[wsl2]` and below it `memory=24GB`, or whatever the machine can spare; WSL2 takes half unless it is told");
    }
    if killed {
        return Remedy::new("raise the container's memory limit, or let it load less")
            .run("docker inspect --format '{{.HostConfig.Memory}}' <NAME>")
            .run("docker update --memory 16g --memory-swap 16g <NAME>")
            .note("0 means no limit: then the machine itself had no memory left");
    }
    let remedy = Remedy::new("free memory of the GPU, or let the program use less");
    let note = "for a server such as vLLM lower the share (`--gpu-memory-utilization`) or the context (`--max-model-len`), or \
                take a quantized model";
    if survey.host.is_wsl2() {
        return remedy.on_windows("nvidia-smi.exe").note(format!(
            "{note}. WSL does not show which program of Windows uses the GPU: Task Manager does, in the column of GPU memory"
        ));
    }
    Ground::of(survey).machine(remedy, "nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv").note(note)
}

pub(super) const D41: Entry = Entry {
    id: FindingId(41),
    title: "WSL2 gives little pinned memory",
    symptoms: &[
        Symptom::of(&["could not allocate pinned host memory"]),
        Symptom::of(&["failed to alloc", "bytes on host: CUDA_ERROR_OUT_OF_MEMORY"]),
        Symptom::of(&["pin_memory", "CUDA error: out of memory"]),
        Symptom::of(&["pin_memory", "CUDA error: invalid argument"]),
        Symptom::of(&["cudaHostAlloc", "out of memory"]),
        Symptom::of(&["cuMemHostAlloc", "out of memory"]),
        Symptom::of(&["failed to allocate", "of pinned memory"]),
    ],
    severity: Severity::Broken,
    cause: "under WSL2 the Windows driver gives only a part of the memory as pinned, page-locked memory, often a gibibyte or \
            less in all",
    links: &[
        "https://docs.nvidia.com/cuda/wsl-user-guide/index.html#known-limitations-for-linux-cuda-apps",
        "https://forums.developer.nvidia.com/t/255472",
        "https://github.com/microsoft/WSL/issues/8447",
        "https://github.com/microsoft/WSL/issues/14078",
    ],
    examine: d41,
    remedy: d41_remedy,
};

fn d41(survey: &Survey) -> Outcome {
    if !survey.host.is_wsl2() {
        return Outcome::NotHere("only WSL2 limits pinned memory");
    }
    let with_size = |trace: Trace| match survey.cuda.pinned_bytes {
        Some(bytes) => trace.and("CUDA pinned memory", format!("{} at most in one piece", Bytes(bytes))),
        None => trace,
    };
    if let Some(trace) = told(survey, &D41) {
        return Outcome::Found(with_size(trace));
    }
    match survey.cuda.pinned_bytes {
        Some(bytes) if bytes < USUAL_PINNED => {
            let trace = Trace::of("CUDA pinned memory", format!("{} at most in one piece", Bytes(bytes)));
            let trace = trace.only(Confidence::Likely);
            Outcome::Found(trace.milder(Severity::Risk, "WSL2 gives less pinned memory than is usual even there"))
        }
        Some(_) => Outcome::Clear,
        None => Outcome::Unknown("how much pinned memory can be had was not tried".into()),
    }
}

fn d41_remedy(_: &Survey) -> Remedy {
    Remedy::new("let the program pin less, and give WSL2 more memory")
        .on_windows("notepad.exe \"$env:USERPROFILE\\.wslconfig\"")
        .on_windows("wsl.exe --shutdown")
        .note(
            "in PyTorch set `pin_memory=False` or use fewer workers; in llama.cpp set GGML_CUDA_NO_PINNED=1. In .wslconfig the \
             key `memory` of the section [wsl2] raises what there is to pin",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;
    use crate::host::survey::Gap;

    #[test]
    fn memory_that_ran_out_long_ago_is_a_note() {
        let past = |survey: &Survey| match d40(survey) {
            Outcome::Found(trace) => (trace.past, trace.milder.map(|(severity, _)| severity)),
            other => panic!("{other:?}"),
        };
        let mut survey = bench::machine();
        survey.at = Some(1_795_514_400);
        let killed = ContainerFacts { oom_killed: true, finished: Some(1_740_906_000), ..bench::container("trainer") };
        let mut wrote = ContainerFacts { oom_killed: false, ..killed.clone() };
        wrote.log = vec!["torch.OutOfMemoryError: CUDA out of memory.".into()];
        for mut container in [killed, wrote] {
            survey.containers = vec![container.clone()];
            assert_eq!(past(&survey), (true, Some(Severity::Note)));
            container.finished = survey.at;
            survey.containers = vec![container];
            assert_eq!(past(&survey), (false, None));
        }
    }

    #[test]
    fn no_memory_is_known_to_suffice_where_containers_were_not_seen() {
        let mut survey = bench::machine();
        survey.gaps = vec![Gap::of("daemons", "did not answer in time")];
        for rule in [d36, d40] {
            assert!(matches!(rule(&survey), Outcome::Unknown(why) if why.contains("in time")));
        }
    }
}
