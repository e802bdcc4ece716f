//! What an image was built with, and what the driver and the GPU of this machine serve.

use super::facts::found_among;
use super::ground::Ground;
use super::newer_driver::newer_driver_or_older_image;
use super::requirement::{self, Known};
use super::told::{by_container, says, told};
use crate::cuda::Version;
use crate::cuda::compat::{self, DriverVersion, Fit, Gpu, InstalledDriver, Platform, Rule, newest_toolkit};
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, Evidence, Survey};

const NO_DRIVER: &str = "neither the driver's version nor the CUDA version that it serves is known";

pub(super) const D16: Entry = Entry {
    id: FindingId(16),
    title: "the image requires a newer CUDA than the driver serves",
    symptoms: &[
        Symptom::of(&["requirement error: unsatisfied condition: cuda"]),
        Symptom::of(&["unsatisfied condition: cuda"]),
        Symptom::of(&["unsatisfied condition", "please update your driver to a newer version"]),
    ],
    severity: Severity::Broken,
    cause: "the image says by NVIDIA_REQUIRE_CUDA which CUDA version the driver must serve, and this driver is older: the \
            toolkit does not start the container",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/152",
        "https://github.com/theroyallab/tabbyAPI/issues/324",
        "https://github.com/ggml-org/llama.cpp/issues/9665",
    ],
    examine: d16,
    remedy: d16_remedy,
};

fn d16(survey: &Survey) -> Outcome {
    let here = Here::of(survey);
    if let Some((container, trace)) = by_container(survey, &D16) {
        let trace = here.evidence().into_iter().fold(trace, |trace, it| trace.and(it.source, it.value));
        return Outcome::Found(trace.about(&container.name));
    }
    // The hook alone holds a container against it, at its start: what runs or ran has passed.
    let mut open = false;
    for container in survey.containers.iter().filter(|it| it.state == "created" && it.error.is_empty()) {
        let Some(requirement) = required(container) else { continue };
        match requirement::met(requirement, here.known()) {
            Some(false) => {
                let condition = requirement::cuda_condition(requirement).unwrap_or(requirement);
                let trace = Trace::of(format!("NVIDIA_REQUIRE_CUDA of container {}", container.name), condition);
                let trace = here.evidence().into_iter().fold(trace, |trace, it| trace.and(it.source, it.value));
                return Outcome::Found(trace.about(&container.name).only(Confidence::Likely));
            }
            None => open = true,
            Some(true) => {}
        }
    }
    if open { Outcome::Unknown(NO_DRIVER.into()) } else { found_among(survey, None) }
}

/// What a container's image requires, where the toolkit is not told to let it be.
fn required(container: &ContainerFacts) -> Option<&str> {
    let disabled =
        container.env.get("NVIDIA_DISABLE_REQUIRE").is_some_and(|value| matches!(value.as_str(), "1" | "true"));
    container.env.get("NVIDIA_REQUIRE_CUDA").filter(|_| !disabled).map(String::as_str)
}

fn d16_remedy(survey: &Survey) -> Remedy {
    let wanted = by_container(survey, &D16)
        .map(|(container, _)| container)
        .or_else(|| survey.containers.iter().find(|it| it.state == "created"))
        .and_then(|container| requirement::cuda_condition(required(container)?))
        .and_then(|condition| {
            requirement::two_numbers(condition.trim_start_matches(|letter: char| !letter.is_ascii_digit()))
        });
    let unasked = Remedy::new("start the image without the question")
        .run("docker run -e NVIDIA_DISABLE_REQUIRE=1 --gpus all <IMAGE>")
        .note(
            "NVIDIA_DISABLE_REQUIRE (singular) only turns the question off: within one major version of CUDA programs then \
             mostly run, from an older major version they do not",
        );
    newer_driver_or_older_image(survey, wanted).or(unasked)
}

pub(super) const D17: Entry = Entry {
    id: FindingId(17),
    title: "the driver is too old for the program's CUDA",
    symptoms: &[
        Symptom::of(&["CUDA driver version is insufficient for CUDA runtime version"]),
        Symptom::of(&["cudaErrorInsufficientDriver"]),
        Symptom::of(&["The NVIDIA driver on your system is too old"]),
        Symptom::of(&["CUDA error 35"]),
    ],
    severity: Severity::Broken,
    cause: "a program runs on drivers from the least one of its CUDA's major version on (11: 450, 12: 525, 13: 580), and this \
            one is older, or no driver was given to the container at all",
    links: &[
        "https://docs.nvidia.com/deploy/cuda-compatibility/",
        "https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/index.html",
    ],
    examine: d17,
    remedy: d17_remedy,
};

fn d17(survey: &Survey) -> Outcome {
    if let Some(failure) = survey.cuda.failure.as_ref().filter(|failure| failure.code == Some(35)) {
        return Outcome::Found(Trace::of(format!("CUDA {}", failure.call), format!("35: {}", failure.message)));
    }
    let here = Here::of(survey);
    if let Some(trace) = told(survey, &D17) {
        return Outcome::Found(here.evidence().into_iter().fold(trace, |trace, it| trace.and(it.source, it.value)));
    }
    let built = survey.containers.iter().filter_map(|container| Some((container, built_with(container)?)));
    for (container, toolkit) in built.filter(|(container, _)| !has_compat(container)) {
        let verdict = compat::toolkit(&here.driver, toolkit, here.gpu.as_ref());
        if verdict.fit == Fit::Refused && verdict.rule == Rule::TooOld {
            let trace = Trace::of(format!("CUDA_VERSION of container {}", container.name), toolkit.to_string());
            let trace = here.evidence().into_iter().fold(trace, |trace, it| trace.and(it.source, it.value));
            return Outcome::Found(trace.about(&container.name).only(Confidence::Likely));
        }
    }
    let asked = survey.containers.iter().any(|container| built_with(container).is_some());
    if asked && newest_toolkit(&here.driver).is_none() && here.driver.version.is_none() {
        return Outcome::Unknown(NO_DRIVER.into());
    }
    Outcome::Clear
}

fn d17_remedy(survey: &Survey) -> Remedy {
    let wanted = survey.containers.iter().find(|it| says(it, &D17)).and_then(built_with);
    let wanted = wanted.or_else(|| survey.containers.iter().filter_map(built_with).max());
    let remedy = newer_driver_or_older_image(survey, wanted);
    let data_centre = Here::of(survey).gpu.is_some_and(|gpu| gpu.product.has_forward_compat() == Some(true));
    match wanted.filter(|_| data_centre && !survey.host.is_wsl2()) {
        Some(version) => remedy.or(Remedy::new("add the forward-compatibility package to the image")
            .in_container(format!("apt-get update && apt-get install -y cuda-compat-{}-{}", version.major, version.minor))
            .note(
                "it belongs into the recipe of the image, from NVIDIA's repository, and not onto the machine; it serves \
                 data-centre GPUs under Linux alone",
            )),
        None => remedy,
    }
}

pub(super) const D20: Entry = Entry {
    id: FindingId(20),
    title: "the program was not built for this GPU",
    symptoms: &[
        Symptom::of(&["no kernel image is available for execution on the device"]),
        Symptom::of(&["cudaErrorNoKernelImageForDevice"]),
        Symptom::of(&["CUDA_ERROR_NO_BINARY_FOR_GPU"]),
        Symptom::of(&["is not compatible with the current PyTorch installation"]),
        Symptom::of(&["CUDA error 209"]),
    ],
    severity: Severity::Broken,
    cause: "the image has machine code for other compute capabilities and no PTX that could be compiled for this one: the GPU \
            is newer than the image, or older than what its CUDA still serves (CUDA 13 begins at 7.5)",
    links: &[
        "https://github.com/vllm-project/vllm/issues/16901",
        "https://github.com/vllm-project/vllm/issues/18835",
        "https://github.com/gpustack/gpustack/issues/2097",
    ],
    examine: d20,
    remedy: d20_remedy,
};

fn d20(survey: &Survey) -> Outcome {
    let gpu = named_gpu(survey);
    let about = |trace: Trace| match &gpu {
        Some(gpu) => trace.and(gpu.source, format!("{}, compute capability {}", gpu.name, gpu.compute)),
        None => trace,
    };
    if let Some(failure) = survey.cuda.failure.as_ref().filter(|failure| failure.code == Some(209)) {
        return Outcome::Found(about(Trace::of(format!("CUDA {}", failure.call), format!("209: {}", failure.message))));
    }
    if let Some(trace) = told(survey, &D20) {
        return Outcome::Found(about(trace));
    }
    let here = Here::of(survey);
    for container in &survey.containers {
        let Some(toolkit) = built_with(container) else { continue };
        let verdict = compat::toolkit(&here.driver, toolkit, here.gpu.as_ref());
        if verdict.rule == Rule::ToolkitDroppedGpu {
            let trace = Trace::of(format!("CUDA_VERSION of container {}", container.name), toolkit.to_string());
            return Outcome::Found(about(trace).about(&container.name).only(Confidence::Likely));
        }
    }
    let asked = survey.containers.iter().any(|container| built_with(container).is_some());
    if asked && gpu.is_none() {
        Outcome::Unknown("the compute capability of the GPU is not known".into())
    } else {
        Outcome::Clear
    }
}

fn d20_remedy(survey: &Survey) -> Remedy {
    let remedy = match named_gpu(survey) {
        Some(gpu) => {
            let (compute, row) = (gpu.compute, compat::tables::capability(gpu.compute));
            let first = row.and_then(|row| row.first).map(|first| format!("CUDA {first} or newer"));
            let last = row.and_then(|row| row.last).map(|last| format!("CUDA {last} or older"));
            match (first, last) {
                (_, Some(last)) => {
                    Remedy::new(format!("take an image for compute capability {compute}: one with {last}"))
                }
                (Some(first), None) => {
                    Remedy::new(format!("take an image for compute capability {compute}: one with {first}"))
                }
                (None, None) => Remedy::new(format!("take an image that has code for compute capability {compute}")),
            }
        }
        None => Remedy::new("take an image that has code for the compute capability of this GPU"),
    };
    Ground::of(survey)
        .machine(remedy, "nvidia-smi --query-gpu=name,compute_cap --format=csv")
        .run("docker run --rm --gpus all <IMAGE> python3 -c 'import torch; print(torch.cuda.get_arch_list())'")
        .note("the list must have sm_ with the number of the GPU, or a lower one with the same first digit, or compute_ for PTX")
}

/// A GPU of this machine as a finding names it.
struct NamedGpu {
    source: &'static str,
    name: String,
    compute: crate::gpu::ComputeCapability,
}

fn named_gpu(survey: &Survey) -> Option<NamedGpu> {
    let by_nvml = survey.nvml.gpus.iter().find_map(|gpu| {
        let compute = gpu.compute.as_ref()?.parse().ok()?;
        Some(NamedGpu { source: "NVML device", name: gpu.name.clone(), compute })
    });
    by_nvml.or_else(|| {
        let device = survey.cuda.devices.first()?;
        Some(NamedGpu { source: "CUDA device", name: device.name.clone(), compute: device.compute.parse().ok()? })
    })
}

/// The driver and the GPU of this machine, as far as they are known.
pub(super) struct Here {
    pub(super) driver: InstalledDriver,
    pub(super) gpu: Option<Gpu>,
    evidence: Vec<Evidence>,
}

impl Here {
    pub(super) fn of(survey: &Survey) -> Self {
        let platform = match (survey.host.is_wsl2(), survey.host.os.as_deref()) {
            (true, _) => Platform::Wsl2,
            (_, Some("windows")) => Platform::Windows,
            _ => Platform::Linux,
        };
        let mut evidence = Vec::new();
        let mut saw = |source: &str, value: String| evidence.push(Evidence { source: source.into(), value });
        let by_nvml = survey.nvml.driver.found().and_then(|text| text.parse::<DriverVersion>().ok());
        let by_kernel = survey.kernel.driver.found().and_then(|text| DriverVersion::in_text(text));
        let version = match (by_nvml, by_kernel) {
            (Some(version), _) => {
                saw("NVML driver", version.to_string());
                Some(version)
            }
            (None, Some(version)) if platform == Platform::Linux => {
                saw("/proc/driver/nvidia/version", version.to_string());
                Some(version)
            }
            _ => None,
        };
        // A library from a compatibility package tells its own CUDA version and not the driver's.
        let by_cuda = survey.cuda.version.as_deref().filter(|_| !survey.cuda.compat);
        let cuda = match (by_cuda, survey.nvml.cuda.as_deref()) {
            (Some(text), _) => requirement::two_numbers(text).inspect(|it| saw("CUDA version", format!("serves {it}"))),
            (None, Some(text)) => requirement::two_numbers(text).inspect(|it| saw("NVML CUDA", format!("serves {it}"))),
            (None, None) => None,
        };
        let mut driver = InstalledDriver::serving(Version { major: 0, minor: 0 }, platform);
        driver.cuda = cuda;
        driver.version = version;
        let gpu = named_gpu(survey).map(|gpu| Gpu::named(&gpu.name, gpu.compute));
        Self { driver, gpu, evidence }
    }

    /// What the driver was told from.
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        self.evidence.clone()
    }

    fn known(&self) -> Known {
        Known {
            cuda: newest_toolkit(&self.driver),
            driver: self.driver.version,
            product: self.gpu.map(|gpu| gpu.product),
        }
    }
}

/// The CUDA version that a container's image was built with, as NVIDIA's images tell.
pub(super) fn built_with(container: &ContainerFacts) -> Option<Version> {
    requirement::two_numbers(container.env.get("CUDA_VERSION")?)
}

/// Whether a container searches a forward-compatibility package for libraries.
pub(super) fn has_compat(container: &ContainerFacts) -> bool {
    container.env.get("LD_LIBRARY_PATH").is_some_and(|path| path.split(':').any(|folder| folder.contains("/compat")))
}
