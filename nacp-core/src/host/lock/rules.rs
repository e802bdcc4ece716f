//! What a change of a fact can do, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::facts::Kind;
use crate::cuda::compat::DriverVersion;

/// What a change can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing that a service computes or how fast.
    Nothing,
    /// How fast, or how much fits; not what is computed.
    Performance,
    /// What is computed.
    Results,
}

impl Effect {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Performance, Self::Results];

    /// Its name, such as `results`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Performance => "performance",
            Self::Results => "results",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a rule says of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) effect: Effect,
    pub(super) why: String,
    pub(super) remedy: String,
}

/// What the change is, `none` where there is nothing, and what else is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) locked: Option<&'a str>,
    pub(super) found: Option<&'a str>,
    pub(super) setting: Setting,
}

/// What else is known of the two machines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Setting {
    /// Certificates show that every model of GPU computes the same bits with both drivers.
    pub(super) same_bits: bool,
    /// One driver is of Windows and the other of Linux; their versions count otherwise.
    pub(super) other_system: bool,
    /// The engine is Podman, whose versions count otherwise than Docker's.
    pub(super) podman: bool,
}

impl<'a> Change<'a> {
    /// A change of which nothing else is known.
    pub(super) fn of(locked: Option<&'a str>, found: Option<&'a str>) -> Self {
        Self { locked, found, setting: Setting::default() }
    }
}

/// Judges a change of a fact of this kind.
pub(super) fn judge(kind: Kind, change: Change<'_>) -> Judgement {
    use Effect::{Nothing, Performance, Results};
    let locked = change.locked.unwrap_or("none");
    let say = |effect, why: &str, remedy: String| Judgement { effect, why: why.into(), remedy };
    let again = || "write the lock anew if this is meant".to_owned();
    let measure = || "measure again here if times matter".to_owned();
    match kind {
        Kind::Simulated => say(
            Results,
            "a simulated GPU does not exist, and nothing of it holds for a real one",
            "compare locks of real machines only, or of simulated ones only".into(),
        ),
        Kind::Driver | Kind::Cuda | Kind::Libcuda | Kind::WslDriverStore => driver(kind, change),
        Kind::Runtime => say(
            Performance,
            "the path to the GPU, its latency and the memory that can be pinned are others; what is computed comes from \
             driver, GPU and image, which are pinned apart",
            measure(),
        ),
        Kind::Option => say(
            Performance,
            "containers run on another option of the founding decision, on another path to the GPU or under another owner",
            measure(),
        ),
        Kind::Kernel => kernel(change, measure()),
        Kind::WslKernel => say(
            Performance,
            "another kernel of WSL2 copies and schedules in another way; what a GPU computes does not come from it",
            "take the key `kernel` out of .wslconfig, or put it in, and run wsl --shutdown".into(),
        ),
        Kind::WslMemory => say(
            Performance,
            "it limits the memory that can be pinned and what is cached of model files",
            format!("set memory={locked} in .wslconfig and run wsl --shutdown"),
        ),
        Kind::Toolkit if change.found.is_none() => say(
            Results,
            "without the toolkit a container gets no GPU, and a program may then compute on the CPU without a word",
            format!("install NVIDIA Container Toolkit {locked}"),
        ),
        Kind::Toolkit if [change.locked, change.found].contains(&Some(TOOLKIT_BROKEN)) => say(
            Results,
            "with toolkit 1.19.1 CUDA does not start in containers, and a program may then compute on the CPU without a word",
            match change.found == Some(TOOLKIT_BROKEN) {
                true => format!("install NVIDIA Container Toolkit {locked}"),
                false => "create the containers again, and write the lock anew".into(),
            },
        ),
        Kind::Toolkit => say(
            Nothing,
            "the toolkit hands devices and libraries into containers and computes nothing; look whether they get the \
             same GPUs",
            format!("install NVIDIA Container Toolkit {locked}"),
        ),
        Kind::EngineName if locked == "Podman" || change.found == Some("Podman") => say(
            Results,
            "Podman drops a request for GPUs that is none of CDI, and a program may then compute on the CPU without a word",
            format!("use {locked}"),
        ),
        Kind::EngineName => say(
            Performance,
            "another daemon runs containers elsewhere, Docker Desktop in a virtual machine of its own",
            format!("use {locked}"),
        ),
        Kind::EngineVersion => engine(change),
        Kind::EngineApi => say(
            Nothing,
            "the daemon starts the same image and computes nothing",
            format!("install {locked} if a container does not start"),
        ),
        Kind::Gpus | Kind::GpuModel if change.locked.is_none() => say(
            Results,
            "a service may be placed on a model that was not there, and another model computes with other kernels",
            again(),
        ),
        Kind::Gpus | Kind::GpuModel => say(
            Results,
            "another model is of another architecture or size, for which libraries choose other kernels and orders of sums",
            format!("run on a machine with {locked}"),
        ),
        Kind::GpuCount => say(
            Performance,
            "fewer or more services fit; how many GPUs one of them uses is part of its specification",
            format!("run on a machine with {locked} of them"),
        ),
        Kind::GpuCompute => say(
            Results,
            "code is chosen or compiled for the compute capability",
            format!("run on a GPU of compute capability {locked}"),
        ),
        Kind::GpuVbios => {
            say(Performance, "the firmware sets clocks, power and fans, and computes nothing for a program", measure())
        }
        Kind::GpuMemory => say(
            Results,
            "another model or batch fits; an engine that sizes its cache by the free memory puts other requests together, \
             which is another order of sums, and no lock knows which engine does",
            format!("run on a GPU with {locked} bytes, or limit what the engine takes"),
        ),
        Kind::GpuUuid => {
            say(Nothing, "a lock is for a kind of machine, and this is another of the same kind", String::new())
        }
        Kind::Service if change.locked.is_none() => say(Results, "this service is not pinned at all", again()),
        Kind::Service => say(Results, "the app has no such service any more", again()),
        Kind::Reference => say(
            Nothing,
            "only the name is another: it stands for the same image",
            format!("name it {locked}, or write the lock anew"),
        ),
        Kind::Image => image(locked),
        Kind::Spec => say(
            Results,
            "arguments, environment, image or what the service needs of GPUs is another",
            "compare nacp.yaml with the one of the lock, or write the lock anew".into(),
        ),
        Kind::Model => say(Results, "another model answers", format!("set model: {locked}")),
        Kind::Determinism => say(
            Results,
            "the variables that let CUDA programs repeat are set in one of the two only",
            format!("set determinism: {locked}"),
        ),
        Kind::Certificate => say(
            Results,
            "the same programs computed other bits: the device, its driver or its compiler is another or faulty",
            "verify both certificates: the CPU tells which one is wrong".into(),
        ),
    }
}

/// The release of the toolkit with which CUDA does not start (D47 of the doctor).
const TOOLKIT_BROKEN: &str = "1.19.1";

/// The releases of an engine from which on a request for GPUs means something else, and what.
const PODMAN: [((u32, u32), &str); 1] = [(
    (5, 4),
    "before 5.4 Podman drops a request for CDI devices, and a program may then compute on the CPU without a word",
)];
const DOCKER: [((u32, u32), &str); 3] = [
    ((25, 0), "before 25.0 Docker knows no CDI, so that a service which asks for GPUs by it does not start"),
    (
        (28, 2),
        "before 28.2 Docker has CDI only where features.cdi says so, and a service which asks for it may not start",
    ),
    (
        (29, 2),
        "from 29.2 on Docker gives GPUs for --gpus by CDI first, so that a container may get other devices and libraries",
    ),
];

/// Another version of the daemon: nothing, unless it is on the other side of a release that treats GPUs otherwise.
fn engine(change: Change<'_>) -> Judgement {
    let locked = change.locked.unwrap_or("none");
    let marks: &[((u32, u32), &str)] = if change.setting.podman { &PODMAN } else { &DOCKER };
    let crossed = release(change.locked).zip(release(change.found)).and_then(|(locked, found)| {
        let crossed = |mark: (u32, u32)| (locked < mark) != (found < mark);
        marks.iter().rev().find(|(mark, _)| crossed(*mark))
    });
    let (effect, why, remedy) = match crossed {
        Some((_, why)) => (Effect::Results, *why, format!("install {locked}, or look that each service gets its GPUs")),
        None => (
            Effect::Nothing,
            "the daemon starts the same image and computes nothing",
            format!("install {locked} if a container does not start"),
        ),
    };
    Judgement { effect, why: why.into(), remedy }
}

/// The first two numbers of a version, such as `28.3` of `28.3.3`; of `6.0.0-dev` too.
fn release(version: Option<&str>) -> Option<(u32, u32)> {
    let mut numbers = version?.split(['.', '-', '+', '~']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn image(locked: &str) -> Judgement {
    let remedy = match locked.contains('@') {
        true => format!("docker pull {locked}, and name that digest in nacp.yaml"),
        false => "build or load the locked image again: it has no digest in a registry".into(),
    };
    Judgement { effect: Effect::Results, why: "the name stands for another image now".into(), remedy }
}

fn kernel(change: Change<'_>, remedy: String) -> Judgement {
    let line = |release: Option<&str>| {
        let mut numbers = release?.split(['.', '-']);
        Some((numbers.next()?.to_owned(), numbers.next()?.to_owned()))
    };
    let (effect, why) = match line(change.locked) == line(change.found) {
        true => (Effect::Nothing, "a maintenance release of the same kernel"),
        false => (
            Effect::Performance,
            "another kernel copies and schedules in another way; what a GPU computes does not come from it",
        ),
    };
    Judgement { effect, why: why.into(), remedy }
}

/// The driver, with everything that comes with it.
fn driver(kind: Kind, change: Change<'_>) -> Judgement {
    let locked = change.locked.unwrap_or("none");
    let what = match kind {
        Kind::Driver => releases(change),
        Kind::Cuda => "the driver serves another version of CUDA".into(),
        Kind::Libcuda => "the file that compiles and loads programs is another one".into(),
        _ => "another package of the Windows driver is loaded".into(),
    };
    if change.setting.same_bits {
        return Judgement {
            effect: Effect::Performance,
            why: format!(
                "{what}; certificates of every model show the same bits with both for NACP's suite, which proves nothing \
                 of a program's own kernels and libraries"
            ),
            remedy: "measure again here if times matter".into(),
        };
    }
    let remedy = match (kind, change.locked) {
        (Kind::Driver, Some(_)) if !change.setting.other_system => {
            format!("install driver {locked}, or make a certificate of each GPU with both and compare the bits")
        }
        _ if change.setting.other_system => "make a certificate of each GPU with both and compare the bits".into(),
        _ => "install the locked driver, or make a certificate of each GPU with both and compare the bits".into(),
    };
    let why = format!("{what}: its compiler for PTX and its libraries may compute other bits");
    Judgement { effect: Effect::Results, why, remedy }
}

fn releases(change: Change<'_>) -> String {
    if change.setting.other_system && change.found.is_some() {
        return "a driver for another system: Windows and Linux have drivers of their own, numbered otherwise".into();
    }
    let read = |text: Option<&str>| text.and_then(|text| text.parse::<DriverVersion>().ok());
    match (read(change.locked), read(change.found)) {
        (Some(locked), Some(found)) => {
            let way = if found < locked { "an older" } else { "a newer" };
            match locked.branch() == found.branch() {
                true => format!("{way} release of branch {}", locked.branch()),
                false => format!("{way} driver, of branch {} in place of {}", found.branch(), locked.branch()),
            }
        }
        (_, None) if change.found.is_none() => "there is no driver".into(),
        _ => "another driver".into(),
    }
}
