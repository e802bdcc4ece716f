//! Docker Desktop, whose daemon is in a virtual machine of its own.

use super::facts::gpu;
use super::told::quote;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::{Confidence, Daemon, DaemonPlace, GpuPathKind, Seen, Survey};

pub(super) const D30: Entry = Entry {
    id: FindingId(30),
    title: "Docker Desktop on Linux gives no GPU",
    symptoms: &[
        Symptom::of(&["context", "desktop-linux", "could not select device driver"]),
        Symptom::of(&["Docker Desktop", "Linux", "no GPU"]),
        Symptom::of(&["Docker Desktop for Linux", "GPU"]),
    ],
    severity: Severity::Broken,
    cause: "on Linux, Docker Desktop runs its daemon in a virtual machine that has no GPU; only Docker Engine gives containers \
            the GPUs of this machine",
    links: &[
        "https://github.com/docker/roadmap/issues/497",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/175",
        "https://github.com/open-webui/open-webui/issues/1192",
    ],
    examine: d30,
    remedy: d30_remedy,
};

fn d30(survey: &Survey) -> Outcome {
    let Some(daemon) = placed(survey, DaemonPlace::DesktopLinux) else {
        return absent(survey, "no daemon of Docker Desktop for Linux is here");
    };
    if !daemon.chosen {
        return Outcome::Clear;
    }
    as_wanted(survey, daemon)
}

fn d30_remedy(_: &Survey) -> Remedy {
    Remedy::new("use Docker Engine of this machine in place of Docker Desktop")
        .run("docker context use default")
        .run("docker info --format '{{.OperatingSystem}}'")
        .note(
            "the second must name this Linux; where it does not answer, install Docker Engine as \
             https://docs.docker.com/engine/install/ says. Images and containers of Docker Desktop stay in its virtual machine",
        )
}

pub(super) const D31: Entry = Entry {
    id: FindingId(31),
    title: "Docker Desktop runs on Hyper-V, which gives no GPU",
    symptoms: &[
        Symptom::of(&["-linuxkit", "Operating System: Docker Desktop"]),
        Symptom::of(&["Docker Desktop", "Hyper-V", "GPU"]),
        Symptom::of(&["linuxkit", "could not select device driver"]),
        Symptom::of(&["could not select device driver", "linuxkit"]),
    ],
    severity: Severity::Broken,
    cause: "of Docker Desktop's two backends on Windows only the one on WSL2 has GPUs; the one on Hyper-V has none",
    links: &["https://docs.docker.com/desktop/features/gpu/", "https://docs.docker.com/desktop/features/wsl/"],
    examine: d31,
    remedy: d31_remedy,
};

fn d31(survey: &Survey) -> Outcome {
    let Some(daemon) = placed(survey, DaemonPlace::DesktopVm) else {
        return absent(survey, "no daemon of Docker Desktop in a virtual machine of Hyper-V is here");
    };
    if survey.host.os.as_deref() == Some("macos") {
        return Outcome::NotHere("no Mac of today has an NVIDIA GPU");
    }
    if daemon.chosen { as_wanted(survey, daemon) } else { Outcome::Clear }
}

fn d31_remedy(_: &Survey) -> Remedy {
    Remedy::new("let Docker Desktop use WSL2")
        .on_windows("wsl.exe --install --no-distribution")
        .on_windows("docker info --format '{{.KernelVersion}}'")
        .note(
            "then switch on \"Use the WSL 2 based engine\" in Docker Desktop under Settings, General; the kernel's version \
             must end in microsoft-standard-WSL2 afterwards. Images of the old backend have to be pulled again",
        )
}

pub(super) const D45: Entry = Entry {
    id: FindingId(45),
    title: "Docker Desktop does not start on a kernel of one's own",
    symptoms: &[
        Symptom::of(&["Internal Server Error for API route", "dockerDesktopLinuxEngine"]),
        Symptom::of(&["Internal Server Error for API route", "docker-desktop"]),
        Symptom::of(&["Internal Server Error for API route", "docker_engine"]),
        Symptom::of(&["Internal Server Error for API route"]),
        Symptom::of(&["unknown filesystem type 'iso9660'"]),
        Symptom::of(&["error spotted in wslbootstrap log"]),
        Symptom::of(&["'initd': attribute type 4 has an invalid length"]),
    ],
    severity: Severity::Broken,
    cause: "WSL2 was given a kernel that lacks what Docker Desktop needs: WSL has no folder of modules, so all of it, such as \
            iso9660, must be built into the kernel",
    links: &[
        "https://github.com/docker/for-win/issues/15049",
        "https://github.com/docker/desktop-feedback/issues/397",
        "https://github.com/microsoft/WSL/issues/40573",
    ],
    examine: d45,
    remedy: d45_remedy,
};

fn d45(survey: &Survey) -> Outcome {
    if !survey.host.is_wsl2() && survey.host.os.as_deref() != Some("windows") {
        return Outcome::NotHere("neither WSL2 nor Windows is here");
    }
    let refused = survey.host.daemons.iter().find_map(|daemon| match &daemon.answer {
        Seen::Unreadable(why) => quote(D45.symptoms, why).map(|said| (daemon, said)),
        _ => None,
    });
    let Some((daemon, said)) = refused else {
        return Outcome::Clear;
    };
    let trace = Trace::of(format!("daemon {}", daemon.endpoint), said);
    let release = survey.host.kernel.clone().unwrap_or_default();
    match (&survey.wsl.custom_kernel, release.contains("microsoft-standard")) {
        (Seen::Found(kernel), _) => Outcome::Found(trace.and(".wslconfig kernel", kernel)),
        (_, false) if survey.host.is_wsl2() => Outcome::Found(trace.and("/proc/sys/kernel/osrelease", release)),
        (Seen::Absent, _) => Outcome::Clear,
        (why, _) => {
            let why = why.open().unwrap_or_default();
            Outcome::Unknown(format!("the daemon answers with an error, and .wslconfig was not read: {why}"))
        }
    }
}

fn d45_remedy(survey: &Survey) -> Remedy {
    let remedy = Remedy::new("use the kernel that comes with WSL");
    let edit = "notepad.exe \"$env:USERPROFILE\\.wslconfig\"";
    let note = "take the line `kernel=…` out of the section [wsl2], and start Docker Desktop again. A kernel of your own has to \
                have built in what the default one has, CONFIG_ISO9660_FS=y first";
    match &survey.wsl.custom_kernel {
        Seen::Absent => Remedy::new("start Docker Desktop and WSL anew")
            .on_windows("wsl.exe --shutdown")
            .on_windows("wsl.exe --update")
            .note("no kernel of your own is set in .wslconfig: the error has another reason; see Docker Desktop's log"),
        _ => remedy.on_windows(edit).on_windows("wsl.exe --shutdown").note(note),
    }
}

fn placed(survey: &Survey, place: DaemonPlace) -> Option<&Daemon> {
    survey.host.daemons.iter().filter(|daemon| daemon.place == place).max_by_key(|daemon| daemon.chosen)
}

/// What an entry about a place says where no daemon is in that place.
fn absent(survey: &Survey, reason: &'static str) -> Outcome {
    if survey.host.daemons.is_empty() {
        return Outcome::Unknown("no daemon was looked for, or none was found".into());
    }
    Outcome::NotHere(reason)
}

/// Broken where a container of the daemon asks for a GPU, a risk where one could be asked for, and nothing where this
/// machine has none.
fn as_wanted(survey: &Survey, daemon: &Daemon) -> Outcome {
    if wants_gpu_from(survey, daemon) {
        return Outcome::Found(self_told(daemon));
    }
    let path = survey.host.gpu.kind;
    let here = gpu(survey).found().is_some() || !matches!(path, GpuPathKind::None | GpuPathKind::Unknown);
    if !here && (path == GpuPathKind::None || gpu(survey) == Seen::Absent) {
        return Outcome::NotHere("this machine has no GPU that a container could be given");
    }
    if !here {
        return Outcome::Unknown(
            "whether this machine has a GPU that its containers could be given is not known".into(),
        );
    }
    Outcome::Found(
        self_told(daemon).milder(Severity::Risk, "the daemon of Docker Desktop gives no container this machine's GPU"),
    )
}

fn wants_gpu_from(survey: &Survey, daemon: &Daemon) -> bool {
    survey.containers.iter().any(|container| container.endpoint == daemon.endpoint)
}

/// What the daemon says of the place where it runs.
fn self_told(daemon: &Daemon) -> Trace {
    let source = format!("daemon {}", daemon.endpoint);
    let mut trace = Trace::of(&source, format!("used by `docker`: {}", daemon.found_by));
    for evidence in &daemon.evidence {
        let told = format!("{}: {}", evidence.source, evidence.value);
        trace = trace.and(&source, told);
    }
    trace.only(Confidence::Certain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;

    #[test]
    fn it_is_as_bad_as_somebody_wants_a_gpu() {
        for (entry, place, os) in
            [(&D30, DaemonPlace::DesktopLinux, "linux"), (&D31, DaemonPlace::DesktopVm, "windows")]
        {
            let desktop = |mut survey: Survey| {
                survey.host.os = Some(os.into());
                survey.host.daemons = bench::machine().host.daemons;
                survey.host.daemons[0].place = place;
                survey
            };
            assert!(matches!((entry.examine)(&desktop(bench::bare())), Outcome::NotHere(_)), "{}", entry.id);
            let mut survey = desktop(bench::machine());
            let Outcome::Found(trace) = (entry.examine)(&survey) else { panic!("{}", entry.id) };
            assert_eq!(trace.milder.map(|milder| milder.0), Some(Severity::Risk), "{}", entry.id);
            survey.containers = vec![bench::asking("nvidia")];
            let Outcome::Found(trace) = (entry.examine)(&survey) else { panic!("{}", entry.id) };
            assert_eq!(trace.milder, None, "{}", entry.id);
        }
    }
}
