//! The driver's library and its device: what CUDA says when it starts.

use super::ground::{Ground, Packages, also};
use super::newer_driver::newer_driver;
use super::told::{by_container, told};
use super::versions::{Here, built_with, has_compat};
use crate::cuda::compat::{DriverVersion, newest_toolkit};
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::{ContainerFacts, LibraryFile};
use crate::host::{Confidence, Seen, Survey};

const ERRORS: &str = "https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html";
const COMPAT: &str = "https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html";

const FABRIC: &str = "https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide/index.html";

pub(super) const D18: Entry = Entry {
    id: FindingId(18),
    title: "two driver libraries, and the wrong one is found first",
    symptoms: &[
        Symptom::of(&["system has unsupported display driver / cuda driver combination"]),
        Symptom::of(&["cudaErrorSystemDriverMismatch"]),
        Symptom::of(&["CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"]),
        Symptom::of(&["Error 803"]),
    ],
    severity: Severity::Broken,
    cause: "the libcuda that a program finds first is of another version than the kernel's driver and does not work with it: \
            mostly a cuda-compat package in the image that is older than the driver, put into LD_LIBRARY_PATH",
    links: &[ERRORS, COMPAT],
    examine: d18,
    remedy: d18_remedy,
};

fn d18(survey: &Survey) -> Outcome {
    if let Some(trace) = refused(survey, 803) {
        return Outcome::Found(with_libraries(survey, trace));
    }
    if let Some(trace) = told(survey, &D18) {
        return Outcome::Found(with_libraries(survey, trace));
    }
    let driver = survey.kernel.driver.found().and_then(|text| DriverVersion::in_text(text));
    let older = |file: &&LibraryFile| {
        let version = file.version.as_deref().and_then(|text| text.parse::<DriverVersion>().ok());
        file.compat && file.preferred && version.is_some() && version < driver
    };
    if let Some(file) = survey.libraries.cuda.iter().find(older) {
        let version = file.version.clone().unwrap_or_default();
        let trace = Trace::of(&file.path, format!("{version}, found first"));
        let kernel = driver.map(|version| version.to_string()).unwrap_or_default();
        return Outcome::Found(trace.and("/proc/driver/nvidia/version", kernel).only(Confidence::Likely));
    }
    let here = Here::of(survey);
    let served = newest_toolkit(&here.driver);
    let older = |it: &&ContainerFacts| has_compat(it) && built_with(it).is_some_and(|it| Some(it) < served);
    let stale = survey.containers.iter().find(|it| older(it) && !has_worked(it));
    match stale {
        Some(container) => {
            let source = |name: &str| format!("{name} of container {}", container.name);
            let value = |name: &str| container.env.get(name).cloned().unwrap_or_default();
            let trace = Trace::of(source("LD_LIBRARY_PATH"), value("LD_LIBRARY_PATH"))
                .and(source("CUDA_VERSION"), value("CUDA_VERSION"))
                .about(&container.name);
            let trace = here.evidence().into_iter().fold(trace, |trace, it| trace.and(it.source, it.value));
            let trace = trace.only(Confidence::Possible);
            Outcome::Found(trace.milder(Severity::Note, "an image searches a cuda-compat older than the driver first"))
        }
        None => Outcome::Clear,
    }
}

/// Whether a container runs, or ended as one that ran well or was stopped. NVIDIA's images search their cuda-compat by
/// default, so that the path alone tells of no failure.
fn has_worked(container: &ContainerFacts) -> bool {
    /// Of a program that ended by itself, or by the signals with which a daemon stops it.
    const WELL: [i64; 4] = [0, 130, 137, 143];
    match container.state.as_str() {
        "created" => false,
        "running" | "paused" => true,
        _ => container.exit_code.is_none_or(|code| WELL.contains(&code)),
    }
}

fn d18_remedy(survey: &Survey) -> Remedy {
    let container = by_container(survey, &D18).is_some() || survey.containers.iter().any(has_compat);
    let remedy = Remedy::new("take the folder of cuda-compat out of the search path");
    let remedy = if container {
        remedy
            .run("docker run --rm --gpus all <IMAGE> sh -c 'echo $LD_LIBRARY_PATH; ls -l /usr/local/cuda*/compat'")
            .run("docker run -e LD_LIBRARY_PATH=/usr/local/cuda/lib64 --gpus all <IMAGE>")
    } else {
        remedy.run("ldconfig -p | grep libcuda.so.1").run("unset LD_LIBRARY_PATH")
    };
    remedy.note(
        "an image of the driver's CUDA version or a newer driver helps as well; right after an update of the driver the old \
         module may still be loaded, and only a restart of the machine helps",
    )
}

pub(super) const D19: Entry = Entry {
    id: FindingId(19),
    title: "a cuda-compat library is used on a GPU that it is not for",
    symptoms: &[
        Symptom::of(&["forward compatibility was attempted on non supported HW"]),
        Symptom::of(&["cudaErrorCompatNotSupportedOnDevice"]),
        Symptom::of(&["CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"]),
        Symptom::of(&["Error 804"]),
    ],
    severity: Severity::Broken,
    cause: "the image brings a driver library that is newer than the driver (cuda-compat), which serves data-centre GPUs, \
            Jetson and some RTX cards under Linux, and no GeForce and no WSL2",
    links: &[
        "https://github.com/NVIDIA/nvidia-docker/issues/1294",
        "https://github.com/NVIDIA/nvidia-docker/issues/1515",
        "https://github.com/mistralai/mistral-inference/issues/144",
        COMPAT,
    ],
    examine: d19,
    remedy: d19_remedy,
};

fn d19(survey: &Survey) -> Outcome {
    let with_gpu = |trace: Trace| match survey.nvml.gpus.first() {
        Some(gpu) => trace.and("NVML device", &gpu.name),
        None => trace,
    };
    if let Some(trace) = refused(survey, 804).or_else(|| told(survey, &D19)) {
        return Outcome::Found(with_gpu(with_libraries(survey, trace)));
    }
    let here = Here::of(survey);
    let not_for = survey.host.is_wsl2() || here.gpu.is_some_and(|gpu| gpu.product.has_forward_compat() == Some(false));
    if survey.cuda.compat && not_for {
        let library = survey.cuda.library.found().cloned().unwrap_or_default();
        return Outcome::Found(with_gpu(Trace::of("CUDA library", library)).only(Confidence::Likely));
    }
    let served = newest_toolkit(&here.driver);
    let later = |it: &&ContainerFacts| has_compat(it) && built_with(it).is_some_and(|it| Some(it) > served);
    let newer = survey.containers.iter().find(|it| later(it) && !has_worked(it));
    match newer.filter(|_| not_for && served.is_some()) {
        Some(container) => {
            let path = container.env.get("LD_LIBRARY_PATH").cloned().unwrap_or_default();
            let trace =
                Trace::of(format!("LD_LIBRARY_PATH of container {}", container.name), path).about(&container.name);
            let trace = here.evidence().into_iter().fold(trace, |trace, it| trace.and(it.source, it.value));
            let trace = with_gpu(trace).only(Confidence::Possible);
            Outcome::Found(
                trace.milder(Severity::Note, "an image searches a cuda-compat that is not for this GPU first"),
            )
        }
        None if here.gpu.is_none() && survey.cuda.compat => {
            Outcome::Unknown("a cuda-compat library is loaded, and the kind of the GPU is not known".into())
        }
        None => Outcome::Clear,
    }
}

fn d19_remedy(survey: &Survey) -> Remedy {
    let wanted = survey.containers.iter().filter(|it| has_compat(it)).find_map(built_with);
    let without = Remedy::new("start the image without its cuda-compat")
        .run("docker run -e LD_LIBRARY_PATH=/usr/local/cuda/lib64 --gpus all <IMAGE>")
        .note(
            "this is enough where the driver is of the same major version of CUDA. NVIDIA Container Toolkit before 1.17.5 \
             puts the folder into the search path even where the driver is newer",
        );
    newer_driver(survey, wanted).or(without)
}

pub(super) const D21: Entry = Entry {
    id: FindingId(21),
    title: "the NVSwitch fabric is not ready",
    symptoms: &[
        Symptom::of(&["system not yet initialized"]),
        Symptom::of(&["cudaErrorSystemNotReady"]),
        Symptom::of(&["CUDA_ERROR_SYSTEM_NOT_READY"]),
        Symptom::of(&["Error 802"]),
        Symptom::of(&["nvidia-fabricmanager", "version mismatch"]),
        Symptom::of(&["fabric manager", "don't match with driver version"]),
    ],
    severity: Severity::Broken,
    cause: "GPUs behind NVSwitches wait for Fabric Manager, which is not running, or is of another version than the driver; \
            on some kernels KASLR and HMM hinder the start as well",
    links: &[
        "https://github.com/pytorch/pytorch/issues/35710",
        "https://github.com/huggingface/huggingface_hub/issues/4134",
        "https://github.com/wilicc/gpu-burn/issues/133",
        FABRIC,
    ],
    examine: d21,
    remedy: d21_remedy,
};

/// NVSwitches' own node.
const SWITCHES: &str = "/dev/nvidia-nvswitchctl";
const UNIT: &str = "nvidia-fabricmanager.service";

fn d21(survey: &Survey) -> Outcome {
    let states = || survey.nvml.gpus.iter().filter_map(|gpu| Some((gpu, gpu.fabric.as_deref()?)));
    let unready = |state: &str| matches!(state, "not_started" | "in_progress") || state.starts_with("failed");
    let waits = states().find(|(_, state)| unready(state));
    if let Some(trace) = refused(survey, 802).or_else(|| refused(survey, 919)).or_else(|| told(survey, &D21)) {
        let trace = match waits {
            Some((gpu, state)) => trace.and("NVML fabric state", format!("{state} of {}", gpu.id)),
            None => trace,
        };
        return Outcome::Found(with_manager(survey, trace));
    }
    if let Some((gpu, state)) = waits {
        let trace = Trace::of("NVML fabric state", state).about(&gpu.id).only(Confidence::Likely);
        return Outcome::Found(with_manager(survey, trace));
    }
    // GPUs before Hopper tell no state: there the service alone says whether the switches are set up.
    let silent = states().all(|(_, state)| state != "completed");
    let stopped = survey.units.get(UNIT).filter(|state| *state != "active");
    match (survey.devices.node(SWITCHES), stopped) {
        (Some(_), Some(_)) if silent => {
            let trace = Trace::of(SWITCHES, "present").only(Confidence::Likely);
            Outcome::Found(with_manager(survey, trace))
        }
        (Some(_), None) if silent && !survey.units.contains_key(UNIT) => Outcome::Unknown(
            "NVSwitches are here, and neither a GPU nor systemd tells whether the fabric is ready".into(),
        ),
        _ => Outcome::Clear,
    }
}

/// With the state of Fabric Manager, and its version where it is not the driver's.
fn with_manager(survey: &Survey, trace: Trace) -> Trace {
    let trace = match survey.units.get(UNIT) {
        Some(state) => trace.and(format!("systemctl show {UNIT}"), state),
        None => trace,
    };
    let Some(packages) = survey.packages.found() else { return trace };
    let driver = survey.kernel.driver.found().or_else(|| survey.nvml.driver.found());
    let manager = packages.iter().find(|(name, _)| name.starts_with("nvidia-fabricmanager"));
    match (manager, driver) {
        (Some((name, version)), Some(driver)) if !version.starts_with(driver.as_str()) => {
            trace.and("/var/lib/dpkg/status", format!("{name} {version}, and the driver is {driver}"))
        }
        _ => trace,
    }
}

fn d21_remedy(survey: &Survey) -> Remedy {
    let driver = survey.nvml.driver.found().or_else(|| survey.kernel.driver.found());
    let driver = driver.and_then(|text| DriverVersion::in_text(text));
    let version = driver.map_or("<VERSION>".into(), |driver| driver.to_string());
    let ground = Ground::of(survey);
    let remedy = Remedy::new("start Fabric Manager in the version of the driver");
    let remedy = match ground.machine_packages() {
        Packages::Apt => {
            // NVIDIA's own repository of late has it without a branch in its name.
            let plain = survey.packages.found().is_some_and(|packages| packages.contains_key("nvidia-fabricmanager"));
            let branch = driver.map_or("<BRANCH>".into(), |driver| driver.branch().to_string());
            let name = if plain { "nvidia-fabricmanager".into() } else { format!("nvidia-fabricmanager-{branch}") };
            ground.machine(remedy, format!("sudo apt-get install --allow-downgrades '{name}={version}*'"))
        }
        Packages::Dnf => ground.machine(remedy, format!("sudo dnf install 'nvidia-fabric*manager-{version}*'")),
        _ => also(remedy, &format!("Which package has Fabric Manager {version} here, its guide says: {FABRIC}.")),
    };
    let remedy = ground.machine(remedy, "sudo systemctl enable nvidia-fabricmanager");
    let remedy = ground.machine(remedy, "sudo systemctl restart nvidia-fabricmanager");
    let remedy = ground.machine(remedy, "systemctl status nvidia-fabricmanager");
    also(
        remedy,
        "Its version must be that of the driver to the last number. Without NVSwitches, and with the service running, try the \
         kernel's parameter `nokaslr` or `options nvidia_uvm uvm_disable_hmm=1`",
    )
}

/// The call that the driver refused with this number.
pub(super) fn refused(survey: &Survey, code: i32) -> Option<Trace> {
    let failure = survey.cuda.failure.as_ref().filter(|failure| failure.code == Some(code))?;
    Some(Trace::of(format!("CUDA {}", failure.call), format!("{code}: {}", failure.message)))
}

/// With the library that was opened, and the compatibility packages that are here.
fn with_libraries(survey: &Survey, trace: Trace) -> Trace {
    let trace = match &survey.cuda.library {
        Seen::Found(library) => trace.and("CUDA library", library),
        _ => trace,
    };
    let compat = survey.libraries.cuda.iter().filter(|file| file.compat).take(2);
    compat.fold(trace, |trace, file| {
        let version = file.version.as_deref().unwrap_or("of unknown version");
        trace.and(&file.path, format!("{version}, of a cuda-compat package"))
    })
}
