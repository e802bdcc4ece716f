//! What is pinned of a machine, as far as a survey tells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Pin;
use crate::cuda::compat::DriverVersion;
use crate::host::survey::NvmlGpu;
use crate::host::{LayerKind, Survey};

/// The system on which everything runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SystemPin {
    /// Whether its GPUs or its driver are simulated: then they do not exist.
    pub simulated: bool,
    /// The layers from the process outwards, such as `docker container on WSL2`; without the kernel's release.
    pub runtime: Pin,
    /// Which option of the founding decision its containers are, such as `b_container`
    /// ([`RuntimeOption`](crate::host::RuntimeOption)).
    pub option: Pin,
    /// The release of the kernel, such as `6.8.0-85-generic`.
    pub kernel: Pin,
    /// What is particular to WSL2; absent elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wsl: Option<WslPin>,
}

/// What is pinned of WSL2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WslPin {
    /// Whether the kernel is a custom one of `.wslconfig`: `custom`, or none for Microsoft's own. Its path names a user and
    /// is not kept.
    pub kernel: Pin,
    /// The limit of memory in `.wslconfig`, as it is written there.
    pub memory: Pin,
    /// The folders of the Windows driver in the driver store, joined by blanks: they name its package.
    pub driver_store: Pin,
}

/// The NVIDIA driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DriverPin {
    /// Its version, such as `580.95.05`; the Windows driver's under WSL2.
    pub version: Pin,
    /// Its branch, such as `580`, for the reader: it follows from the version. A version of Windows does not tell it.
    pub branch: Pin,
    /// The newest CUDA version that it serves, such as `13.0`.
    pub cuda: Pin,
    /// SHA-256 of the file of `libcuda`, in hexadecimal; a certificate tells it.
    pub libcuda: Pin,
}

/// The container daemon that the command `docker` would use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EnginePin {
    /// `Docker Engine`, `Docker Desktop` or `Podman`.
    pub name: Pin,
    /// Its version.
    pub version: Pin,
    /// The newest API version that it speaks.
    pub api: Pin,
}

/// GPUs that are equal in everything that is pinned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GpuPin {
    /// The model, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// How many.
    pub count: u64,
    /// The compute capability, such as `9.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<String>,
    /// The version of the firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vbios: Option<String>,
    /// All of the memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Their UUIDs, in order. A lock is for a kind of machine: another UUID changes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uuid: Vec<String>,
}

/// What stands in place of a name where the library does not tell it.
const NAMELESS: &str = "unnamed GPU";

impl SystemPin {
    pub(super) fn of(survey: &Survey) -> Self {
        let host = &survey.host;
        let system = host.layers.iter().filter(|layer| !matches!(layer.kind, LayerKind::Cloud(_)));
        let layers: Vec<String> = system.map(|layer| layer.kind.to_string()).collect();
        let runtime = match layers.is_empty() {
            false => Pin::Known(layers.join(" on ")),
            true => Pin::Unknown("no layer was recognised".into()),
        };
        Self {
            simulated: survey.nvml.simulated || survey.cuda.simulated,
            runtime,
            option: {
                let standing = host.standing();
                Pin::told(standing.containers.map(|option| option.name().into()), &standing.why)
            },
            kernel: Pin::told(host.kernel.clone(), "the release of the kernel cannot be read"),
            wsl: host.is_wsl2().then(|| WslPin::of(survey)),
        }
    }
}

impl WslPin {
    fn of(survey: &Survey) -> Self {
        let wsl = &survey.wsl;
        Self {
            kernel: Pin::from(wsl.custom_kernel.clone()).map(|_| "custom".into()),
            memory: wsl.memory_limit.clone().into(),
            driver_store: Pin::from(wsl.driver_store.clone()).map(|mut folders| {
                folders.sort();
                folders.join(" ")
            }),
        }
    }
}

impl DriverPin {
    pub(super) fn of(survey: &Survey) -> Self {
        // Under WSL2 there is no kernel module, and without the library the module still tells its version.
        let version = match (&survey.nvml.driver, &survey.kernel.driver) {
            (found, _) if found.found().is_some() => found.clone(),
            (_, module) if module.found().is_some() => module.clone(),
            (library, module) if library.is_absent() => module.clone(),
            (library, _) => library.clone(),
        };
        let version = Pin::from(version);
        let cuda = survey.cuda.version.clone().or_else(|| survey.nvml.cuda.clone());
        let failure = survey.cuda.failure.as_ref().map(|failure| failure.message.as_str());
        let why = survey.cuda.library.open().or(failure).unwrap_or("neither library tells it");
        let cuda = match cuda {
            None if version == Pin::None => Pin::None,
            cuda => Pin::told(cuda, why),
        };
        let libcuda = match version {
            Pin::None => Pin::None,
            _ => Pin::Unknown("no certificate was given, and only a certificate has it".into()),
        };
        Self { branch: branch(survey, &version), version, cuda, libcuda }
    }
}

/// The branch of a version.
fn branch(survey: &Survey, version: &Pin) -> Pin {
    let windows =
        survey.host.layers.iter().any(|layer| matches!(layer.kind, LayerKind::Wsl2 | LayerKind::NativeWindows));
    match version {
        Pin::Known(_) if windows => Pin::Unknown("a version of Windows does not begin with its branch".into()),
        Pin::Known(text) => match text.parse::<DriverVersion>() {
            Ok(version) => Pin::Known(version.branch().to_string()),
            Err(error) => Pin::Unknown(error.message().into()),
        },
        other => other.clone(),
    }
}

impl EnginePin {
    pub(super) fn of(survey: &Survey) -> Self {
        if let Some(info) = survey.daemon().and_then(|daemon| daemon.answer.found()) {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            return Self {
                name: Pin::told(text(&info.name), "the daemon does not tell its name"),
                version: Pin::told(text(&info.version), "the daemon does not tell its version"),
                api: Pin::told(info.api.clone(), "the daemon does not tell its API version"),
            };
        }
        let why = survey.host.daemons.iter().find_map(|daemon| Some((&daemon.endpoint, daemon.answer.open()?)));
        let why = match why {
            Some((endpoint, why)) => format!("{endpoint}: {why}"),
            None if survey.host.daemons.is_empty() => "no container daemon was looked for or found".into(),
            None => "no container daemon answers".into(),
        };
        let unknown = || Pin::Unknown(why.clone());
        Self { name: unknown(), version: unknown(), api: unknown() }
    }
}

/// The GPUs of a survey, the equal ones together, in the order of their names.
pub(super) fn gpus(survey: &Survey) -> Pin<Vec<GpuPin>> {
    let nvml = &survey.nvml;
    let known: Vec<GpuPin> = match nvml.gpus.is_empty() {
        false => nvml.gpus.iter().map(|gpu| by_nvml(survey, gpu)).collect(),
        // All of the memory and the firmware are asked of the management library only.
        true => survey
            .cuda
            .devices
            .iter()
            .map(|device| GpuPin {
                name: device.name.clone(),
                count: 1,
                compute: Some(device.compute.clone()),
                vbios: None,
                memory: None,
                uuid: vec![device.id.clone()],
            })
            .collect(),
    };
    if !known.is_empty() {
        return Pin::Known(together(known));
    }
    let failure = nvml.failure.as_ref().map(|failure| failure.message.as_str());
    match (failure, &nvml.driver) {
        (None, driver) if driver.found().is_some() || driver.is_absent() => Pin::None,
        (failure, driver) => Pin::Unknown(failure.or(driver.open()).unwrap_or("nobody looked").into()),
    }
}

fn by_nvml(survey: &Survey, gpu: &NvmlGpu) -> GpuPin {
    let cuda = survey.cuda.devices.iter().find(|device| device.id == gpu.id);
    let name = Some(gpu.name.clone()).filter(|name| !name.is_empty());
    GpuPin {
        name: name.or_else(|| cuda.map(|device| device.name.clone())).unwrap_or_else(|| NAMELESS.into()),
        count: 1,
        compute: gpu.compute.clone().or_else(|| cuda.map(|device| device.compute.clone())),
        vbios: gpu.vbios.clone(),
        memory: gpu.memory_total,
        uuid: vec![gpu.id.clone()],
    }
}

fn together(gpus: Vec<GpuPin>) -> Vec<GpuPin> {
    let mut groups: BTreeMap<GpuPin, Vec<String>> = BTreeMap::new();
    for mut gpu in gpus {
        let uuid = std::mem::take(&mut gpu.uuid);
        groups.entry(gpu).or_default().extend(uuid);
    }
    let group = |(gpu, mut uuid): (GpuPin, Vec<String>)| {
        let count = uuid.len() as u64;
        uuid.retain(|id| !id.is_empty());
        uuid.sort();
        GpuPin { count, uuid, ..gpu }
    };
    groups.into_iter().map(group).collect()
}
