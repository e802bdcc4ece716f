//! One image on every way to a GPU that is here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::host::{DaemonInfo, DaemonPlace, Survey};

/// A way by which an engine gives a container a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Way {
    /// Docker, asked for GPUs as `--gpus` does: by a hook, by CDI first from Docker 29.2 on.
    DockerDefault,
    /// Docker with a CDI device.
    DockerCdi,
    /// Docker with the runtime `nvidia`.
    DockerRuntime,
    /// Podman with a CDI device.
    PodmanCdi,
    /// A pod of Kubernetes.
    Kubernetes,
}

/// A way that an engine of this machine could offer, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Offer {
    /// Which way.
    pub way: Way,
    /// The endpoint of its daemon; none for Kubernetes.
    pub endpoint: Option<String>,
    /// Whether it is offered.
    pub offered: bool,
    /// By what that is known.
    pub why: String,
}

/// What running one image gave on each way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageRuns {
    /// The image, as it was named.
    pub image: String,
    /// What its `NVIDIA_REQUIRE_CUDA` asks for; none where it asks for nothing, or nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
    /// One for each way that was considered.
    pub runs: Vec<ImageRun>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageRun {
    /// On which way.
    pub way: Way,
    /// The digest of the image that ran (`sha256:…`), where the engine told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How it ended.
    pub outcome: RunOutcome,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunOutcome {
    /// Its program ended; 0 is well.
    Ended {
        /// The exit code.
        code: i64,
        /// The end of what it wrote.
        log: String,
    },
    /// It still ran when its time was over, as a server does. It was stopped.
    Running,
    /// The engine did not start it.
    Refused {
        /// What it said.
        message: String,
    },
    /// It was not tried.
    NotTried {
        /// Why.
        reason: String,
    },
}

impl ImageRuns {
    /// An image, and what each way gave.
    pub fn new(image: impl Into<String>, runs: Vec<ImageRun>) -> Self {
        Self { image: image.into(), requires: None, runs }
    }
}

impl ImageRun {
    /// What one way gave.
    pub fn new(way: Way, outcome: RunOutcome) -> Self {
        Self { way, digest: None, outcome }
    }
}

impl RunOutcome {
    /// Whether the image ran; none where it was not tried.
    pub fn worked(&self) -> Option<bool> {
        match self {
            Self::Ended { code, .. } => Some(*code == 0),
            Self::Running => Some(true),
            Self::Refused { .. } => Some(false),
            Self::NotTried { .. } => None,
        }
    }
}

impl Way {
    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::DockerDefault => "docker --gpus",
            Self::DockerCdi => "docker CDI",
            Self::DockerRuntime => "docker runtime nvidia",
            Self::PodmanCdi => "podman CDI",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.title())
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { code: 0, .. } => f.write_str("ran"),
            Self::Ended { code, log } => {
                let last = log.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
                write!(f, "exit code {code} {last}")
            }
            Self::Running => f.write_str("started and ran on until its time was over"),
            Self::Refused { message } => write!(f, "refused: {message}"),
            Self::NotTried { reason } => write!(f, "not tried: {reason}"),
        }
    }
}

/// The ways that the engines of a machine could offer, and whether they do. Pure.
pub fn offers(survey: &Survey) -> Vec<Offer> {
    let cdi = survey.cdi.nvidia_devices();
    let mut offers = Vec::new();
    for daemon in &survey.host.daemons {
        let Some(info) = daemon.answer.found() else { continue };
        let offer = |way, known: Result<String, String>| {
            let offered = known.is_ok();
            let why = known.unwrap_or_else(|why| why);
            Offer { way, endpoint: Some(daemon.endpoint.clone()), offered, why }
        };
        if info.podman {
            offers.push(offer(Way::PodmanCdi, podman(info, &cdi)));
            continue;
        }
        let here = daemon.place == DaemonPlace::ThisKernel;
        offers.push(offer(Way::DockerDefault, by_default(survey, info, daemon.place)));
        offers.push(offer(Way::DockerCdi, by_cdi(info, if here { &cdi } else { &[] })));
        offers.push(offer(Way::DockerRuntime, by_runtime(info)));
    }
    // Several daemons may offer one way; the one that does counts, the first that does not otherwise.
    offers.sort_by_key(|offer| (offer.way, !offer.offered));
    offers.dedup_by_key(|offer| offer.way);
    offers.extend(kubernetes(survey));
    offers
}

fn by_default(survey: &Survey, info: &DaemonInfo, place: DaemonPlace) -> Result<String, String> {
    match place {
        DaemonPlace::DesktopWsl2 => return Ok("Docker Desktop brings its own hook on WSL2".into()),
        DaemonPlace::DesktopVm | DaemonPlace::DesktopLinux => {
            return Err("Docker Desktop has no GPU in this virtual machine".into());
        }
        DaemonPlace::ThisKernel => {}
        _ => return Err("the daemon is elsewhere: its programs cannot be seen from here".into()),
    }
    let has = |name: &str| survey.toolkit.programs.iter().find(|path| path.rsplit('/').next() == Some(name));
    if survey.toolkit.younger_than_daemon == Some(true) {
        return Err("the toolkit is younger than the daemon, which looks for it at its start".into());
    }
    if let Some(path) = has("nvidia-container-runtime-hook") {
        return Ok(format!("{path} is on the search path"));
    }
    let cdi_first = version(&info.version).is_some_and(|version| version >= (29, 2));
    match has("nvidia-cdi-hook").filter(|_| cdi_first) {
        Some(path) => Ok(format!("{path} is on the search path of Docker {}", info.version)),
        None => Err("no hook of the toolkit is on the search path".into()),
    }
}

fn by_cdi(info: &DaemonInfo, here: &[String]) -> Result<String, String> {
    match info.cdi_spec_dirs.as_deref() {
        None => return Err(format!("Docker {} knows no CDI", info.version)),
        Some([]) => return Err("CDI is off in this daemon".into()),
        Some(_) => {}
    }
    let told = info.cdi_devices.as_deref().unwrap_or_default();
    let device = told.iter().chain(here).find(|name| name.starts_with("nvidia.com/gpu="));
    device
        .map(|name| format!("{name} is specified"))
        .ok_or_else(|| "no CDI device of nvidia.com/gpu is specified".into())
}

fn by_runtime(info: &DaemonInfo) -> Result<String, String> {
    let has = info.runtimes.iter().any(|name| name == "nvidia");
    if has { Ok("the daemon has a runtime nvidia".into()) } else { Err("the daemon has no runtime nvidia".into()) }
}

fn podman(info: &DaemonInfo, cdi: &[String]) -> Result<String, String> {
    if version(&info.version).is_none_or(|version| version < (5, 4)) {
        return Err(format!("Podman {} drops requests for devices without a word; 5.4 keeps them", info.version));
    }
    let device = cdi.iter().find(|name| name.starts_with("nvidia.com/gpu="));
    device
        .map(|name| format!("{name} is specified"))
        .ok_or_else(|| "no CDI device of nvidia.com/gpu is specified".into())
}

fn kubernetes(survey: &Survey) -> Option<Offer> {
    let there = &survey.kubernetes;
    let pod = there.pod || survey.host.layers.iter().any(|layer| layer.kind == crate::host::LayerKind::Pod);
    if !there.node && !pod {
        return None;
    }
    let runtime = there.containerd_runtimes.found().is_some_and(|names| names.iter().any(|name| name == "nvidia"));
    let registered = there.gpus_registered.found().copied().unwrap_or(0);
    let inside = pod && survey.devices.gpus().next().is_some();
    let (offered, why) = match (registered, runtime, inside) {
        (1.., ..) => (true, format!("the kubelet has {registered} nvidia.com/gpu")),
        (_, true, _) => (true, "containerd has a runtime nvidia".to_owned()),
        (_, _, true) => (true, "this pod has a GPU".to_owned()),
        _ => (false, "neither a device plugin nor a runtime nvidia is to be seen".to_owned()),
    };
    Some(Offer { way: Way::Kubernetes, endpoint: None, offered, why })
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(['.', '-', '+']).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
