//! WSL2: one kernel in a small virtual machine, and a GPU that Windows' driver drives.

use super::ground::{Ground, Packages};
use super::told::told;
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::{Confidence, LayerKind, Seen, Survey};

const DXG: &str = "/dev/dxg";
const LIBRARIES: &str = "/usr/lib/wsl/lib";
const DRIVERS: &str = "/usr/lib/wsl/drivers";
const NOT_WSL: &str = "this is not WSL";
const NOT_WSL2: &str = "this is not WSL2";
const GUIDE: &str = "https://docs.nvidia.com/cuda/wsl-user-guide/index.html";

pub(super) const D11: Entry = Entry {
    id: FindingId(11),
    title: "WSL sees no NVIDIA GPU",
    symptoms: &[
        Symptom::of(&["WSL environment detected but no adapters were found"]),
        Symptom::of(&["dxcore", "no adapters were found"]),
    ],
    severity: Severity::Broken,
    cause: "it is WSL1, which has no way to a GPU; or Windows has no NVIDIA driver that serves WSL2; or the GPU is in a mode \
            (TCC) that WSL2 cannot use",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/155",
        "https://github.com/NVIDIA/nvidia-docker/issues/1797",
        GUIDE,
    ],
    examine: d11,
    remedy: d11_remedy,
};

fn d11(survey: &Survey) -> Outcome {
    if let Some(trace) = told(survey, &D11) {
        return Outcome::Found(trace);
    }
    if is_wsl1(survey) {
        let Some(program) = survey.toolkit.programs.first() else {
            return Outcome::Clear;
        };
        let trace = Trace::of("/proc/sys/kernel/osrelease", kernel(survey)).and(program, "present");
        return Outcome::Found(trace.only(Confidence::Likely));
    }
    if !survey.host.is_wsl2() {
        return Outcome::NotHere(NOT_WSL);
    }
    if survey.host.container().is_some() {
        return match survey.devices.node(DXG) {
            Some(_) => Outcome::Clear,
            None => {
                Outcome::Unknown("this container was given no GPU; Windows' driver shows outside of it alone".into())
            }
        };
    }
    // A machine without an NVIDIA GPU has no driver for one either.
    let wanted = !survey.containers.is_empty() || !survey.toolkit.programs.is_empty();
    let as_wanted = |trace: Trace| match wanted {
        true => trace,
        false => trace.milder(Severity::Note, "WSL sees no NVIDIA GPU, and nothing here asks for one"),
    };
    if survey.devices.node(DXG).is_none() {
        let trace = Trace::of(DXG, "not there").and("/proc/sys/kernel/osrelease", kernel(survey));
        return Outcome::Found(as_wanted(trace));
    }
    match &survey.wsl.driver_store {
        Seen::Found(folders) if folders.is_empty() => {
            let trace = Trace::of(format!("{DRIVERS}/nv*"), "not there: Windows has no NVIDIA driver that serves WSL2");
            Outcome::Found(as_wanted(trace.and(DXG, "present").only(Confidence::Likely)))
        }
        _ => Outcome::Clear,
    }
}

fn d11_remedy(survey: &Survey) -> Remedy {
    if is_wsl1(survey) {
        return Remedy::new("turn this distribution into one of WSL2")
            .on_windows("wsl.exe --list --verbose")
            .on_windows("wsl.exe --set-version <NAME> 2")
            .note("the name is the one that the list shows; the files of the distribution stay");
    }
    Remedy::new("install NVIDIA's driver on Windows, none inside WSL, and bring WSL up to date")
        .on_windows("nvidia-smi.exe")
        .on_windows("wsl.exe --update")
        .on_windows("wsl.exe --shutdown")
        .note(
            "where nvidia-smi.exe shows no GPU, Windows needs the driver from https://www.nvidia.com/drivers; where it shows \
             one in the mode TCC, `nvidia-smi.exe -g 0 -dm 0` changes it to WDDM. `wsl.exe --shutdown` ends all \
             distributions, Docker Desktop's too",
        )
}

pub(super) const D12: Entry = Entry {
    id: FindingId(12),
    title: "a Linux driver's libraries stand where WSL's own are put",
    symptoms: &[
        Symptom::of(&["libnvidia-ml.so.1", "file exists"]),
        Symptom::of(&["libcuda.so.1", "file exists"]),
        Symptom::of(&["nvidia-container-cli: mount error", "file exists"]),
    ],
    severity: Severity::Broken,
    cause: "a Linux driver was installed inside WSL, or the image brings the driver's libraries: the toolkit cannot put those \
            of this machine in their place",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/289",
        "https://github.com/NVIDIA/nvidia-docker/issues/1551",
        GUIDE,
    ],
    examine: d12,
    remedy: d12_remedy,
};

fn d12(survey: &Survey) -> Outcome {
    let told = told(survey, &D12);
    let files = survey.wsl.linux_driver.as_slice();
    if let Some(trace) = told {
        return Outcome::Found(files.iter().fold(trace, |trace, path| trace.and(path, "of a Linux driver, in WSL")));
    }
    if !survey.host.is_wsl2() {
        return Outcome::NotHere(NOT_WSL2);
    }
    let Some((first, rest)) = files.split_first() else {
        return Outcome::Clear;
    };
    let trace = Trace::of(first, "of a Linux driver, in WSL");
    Outcome::Found(rest.iter().take(4).fold(trace, |trace, path| trace.and(path, "of a Linux driver, in WSL")))
}

/// More files of one driver than a command has to name.
const NAMED: usize = 6;

fn d12_remedy(survey: &Survey) -> Remedy {
    if survey.host.is_wsl2() && !survey.wsl.linux_driver.is_empty() {
        let ground = Ground::of(survey);
        let files: Vec<&str> = survey.wsl.linux_driver.iter().take(NAMED).map(String::as_str).collect();
        let files = files.join(" ");
        // Not by the pattern `libnvidia-*`, which the toolkit's libnvidia-container1 has too.
        let (owners, dry, removal) = match ground.machine_packages() {
            Packages::Dnf | Packages::Zypper => {
                let owners = format!("rpm -qf --queryformat '%{{NAME}}\\n' {files} | sort -u");
                let remove = |options| format!("{owners} | xargs -r sudo rpm --erase {options}");
                (owners.clone(), remove("--test"), remove(""))
            }
            Packages::Pacman => {
                let owners = format!("pacman -Qqo {files} | sort -u");
                (owners.clone(), format!("pacman -Rp $({owners})"), format!("sudo pacman -R $({owners})"))
            }
            Packages::Apt | Packages::Unknown => {
                let owners = format!("dpkg -S {files} | cut -d: -f1 | sort -u");
                let remove = |options| format!("{owners} | xargs -r sudo apt-get {options}");
                (owners.clone(), remove("-s purge"), remove("-y purge"))
            }
        };
        let remedy = Remedy::new("remove the Linux driver from WSL and keep Windows' one");
        let lines = [owners, dry, removal.replace("  ", " ").trim_end().to_owned(), "sudo ldconfig".into()];
        return lines
            .into_iter()
            .fold(remedy, |remedy, line| ground.machine(remedy, line))
            .on_windows("wsl.exe --shutdown")
            .note(
                "the first shows the packages that own the files, the second what would go with them and removes nothing: \
                 where nvidia-container-toolkit or libnvidia-container1 is among it, stop. Files that no package owns came \
                 with NVIDIA's installer: `sudo nvidia-uninstall`. Of CUDA install only `cuda-toolkit-*` inside WSL: `cuda` \
                 and `cuda-drivers` bring a Linux driver along",
            );
    }
    Remedy::new("build the image without the driver's libraries, which the toolkit brings at start")
        .run("docker run --rm --entrypoint sh <IMAGE> -c 'ls -l /usr/lib/*/libnvidia-ml.so* /usr/lib/*/libcuda.so*'")
        .note("what this lists was baked into the image, often by a container that ran with a GPU and was committed")
}

pub(super) const D13: Entry = Entry {
    id: FindingId(13),
    title: "another libcuda goes before the one of WSL",
    symptoms: &[Symptom::of(&["/usr/lib/wsl/lib/libcuda.so.1 is not a symbolic link"])],
    severity: Severity::Risk,
    cause: "Windows' driver ships three copies of libcuda where a link is usual. The warning of ldconfig alone is harmless; \
            what harms is a libcuda of another origin that programs find first, because it cannot reach the GPU",
    links: &[
        "https://github.com/microsoft/WSL/issues/5548",
        "https://github.com/microsoft/WSL/issues/5663",
        "https://github.com/microsoft/WSL/issues/11229",
        "https://github.com/microsoft/WSL/issues/8587",
    ],
    examine: d13,
    remedy: d13_remedy,
};

fn d13(survey: &Survey) -> Outcome {
    if !survey.host.is_wsl2() {
        return Outcome::NotHere(NOT_WSL2);
    }
    if let Some(file) =
        survey.libraries.cuda.iter().find(|file| file.preferred && !file.path.starts_with("/usr/lib/wsl"))
    {
        let path = survey.environment.get("LD_LIBRARY_PATH").cloned().unwrap_or_default();
        return Outcome::Found(Trace::of(&file.path, "goes before WSL's").and("env LD_LIBRARY_PATH", path));
    }
    match &survey.cuda.library {
        Seen::Found(library) if !survey.cuda.simulated && !survey.cuda.wsl => {
            let trace = Trace::of("CUDA library", library).and(LIBRARIES, "has WSL's own");
            Outcome::Found(trace.only(Confidence::Likely))
        }
        Seen::Found(_) => Outcome::Clear,
        _ if survey.libraries.cuda.is_empty() => Outcome::Unknown("no libcuda was found, and none was opened".into()),
        _ => Outcome::Clear,
    }
}

fn d13_remedy(survey: &Survey) -> Remedy {
    if matches!(d13(survey), Outcome::Found(_)) {
        return Remedy::new("let programs find the libcuda of WSL first")
            .run("export LD_LIBRARY_PATH=/usr/lib/wsl/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
            .run("ldconfig -p | grep libcuda.so.1")
            .note("to keep it, take the other folder out of LD_LIBRARY_PATH where it is set, such as in ~/.bashrc");
    }
    Remedy::new("nothing has to be mended: ldconfig warns of files that are copies where it expects links")
        .run("ldconfig -p | grep libcuda.so.1")
        .note("the first line must lead to /usr/lib/wsl/lib; where it does, programs use Windows' driver")
}

pub(super) const D14: Entry = Entry {
    id: FindingId(14),
    title: "Windows keeps WSL from the GPU",
    symptoms: &[Symptom::of(&["GPU access blocked by the operating system"])],
    severity: Severity::Broken,
    cause: "the GPU is in a mode that WSL cannot use (TCC), or Windows, WSL or the driver is too old, or files of the driver \
            are missing from what Windows shares with WSL",
    links: &[
        "https://github.com/microsoft/WSL/issues/9938",
        "https://github.com/microsoft/WSL/issues/9962",
        "https://github.com/microsoft/WSL/issues/11865",
        "https://github.com/microsoft/WSL/issues/14339",
        "https://github.com/staralt/dxgkrnl-dkms/issues/7",
    ],
    examine: d14,
    remedy: d14_remedy,
};

/// NVML's `OPERATING_SYSTEM`.
const BLOCKED: i32 = 17;

fn d14(survey: &Survey) -> Outcome {
    if let Some(failure) = survey.nvml.failure.as_ref().filter(|failure| failure.code == Some(BLOCKED)) {
        return Outcome::Found(Trace::of("NVML code 17", &failure.message));
    }
    if let Some(trace) = told(survey, &D14) {
        return Outcome::Found(trace);
    }
    let through_windows = survey.host.is_wsl2() || survey.devices.node(DXG).is_some();
    if !through_windows {
        return Outcome::NotHere("no Windows stands between this system and its GPU");
    }
    let tcc = survey.nvml.gpus.iter().find(|gpu| gpu.driver_model.as_deref() == Some("tcc"));
    match tcc {
        Some(gpu) => Outcome::Found(Trace::of("NVML driver model", "tcc").about(&gpu.id).only(Confidence::Likely)),
        None => Outcome::Clear,
    }
}

fn d14_remedy(survey: &Survey) -> Remedy {
    let note = "the mode is changed as administrator; where a data-centre GPU knows no WDDM, its driver needs the mode MCDM. \
                In a Hyper-V guest copy C:\\Program Files\\WSL\\lib and the driver's folder of the driver store anew";
    let remedy = Remedy::new("put the GPU into the mode WDDM or MCDM, and bring WSL and the driver up to date")
        .on_windows("nvidia-smi.exe --query-gpu=name,driver_model.current --format=csv")
        .on_windows("nvidia-smi.exe -g 0 -dm 0");
    if !survey.host.is_wsl2() {
        return remedy.note(note);
    }
    remedy.on_windows("wsl.exe --update").on_windows("wsl.exe --shutdown").note(note)
}

pub(super) const D15: Entry = Entry {
    id: FindingId(15),
    title: "the toolkit cannot start the driver",
    symptoms: &[
        Symptom::of(&["initialization error: driver error: failed to process request"]),
        Symptom::of(&["initialization error: driver rpc error: failed to process request"]),
    ],
    severity: Severity::Broken,
    cause: "the program that asks the driver on behalf of the toolkit ended: on WSL2 because Windows, its kernel for WSL or \
            the toolkit is too old for this driver; on Linux because the driver's library does not answer",
    links: &[
        "https://docs.nvidia.com/cuda/wsl-user-guide/index.html#nvidia-container-toolkit",
        "https://github.com/microsoft/WSL/issues/7627",
        "https://github.com/NVIDIA/nvidia-docker/issues/1203",
    ],
    examine: d15,
    remedy: d15_remedy,
};

/// The first kernel of WSL2 with which containers reach the GPU.
const FIRST_KERNEL: [u32; 3] = [5, 10, 16];

fn d15(survey: &Survey) -> Outcome {
    if let Some(trace) = told(survey, &D15) {
        let trace = match survey.toolkit.version.found() {
            Some(version) if survey.toolkit.programs.iter().any(|program| program.ends_with("nvidia-ctk")) => {
                trace.and("nvidia-ctk --version", version)
            }
            _ => trace,
        };
        return Outcome::Found(trace);
    }
    if !survey.host.is_wsl2() {
        return Outcome::NotHere(NOT_WSL2);
    }
    let release = kernel(survey);
    match version_of(&release) {
        Some(version) if version < FIRST_KERNEL && survey.devices.node(DXG).is_some() => {
            let why = format!("{release}; containers reach the GPU from 5.10.16 on");
            Outcome::Found(Trace::of("/proc/sys/kernel/osrelease", why).only(Confidence::Likely))
        }
        Some(_) => Outcome::Clear,
        None => Outcome::Unknown("the kernel's release cannot be read".into()),
    }
}

fn d15_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    if survey.host.is_wsl2() {
        let remedy = Remedy::new("bring WSL, Windows' driver and the toolkit up to date")
            .on_windows("wsl.exe --update")
            .on_windows("wsl.exe --shutdown")
            .note("the driver is the one of Windows; Windows 10 has to be 21H2 or newer.");
        return ground.upgrade_toolkit(remedy);
    }
    let remedy = Remedy::new("see what the driver answers, and mend the driver first");
    let remedy = ground.machine(remedy, "nvidia-smi");
    ground.daemon(remedy, "sudo nvidia-container-cli -k -d /dev/tty info").note(
        "the second shows at which library the toolkit stops; on WSL2 update Windows, WSL and the driver of Windows",
    )
}

pub(super) const D44: Entry = Entry {
    id: FindingId(44),
    title: "nvidia-smi crashes in WSL",
    symptoms: &[
        Symptom::of(&["nvidia-smi", "Segmentation fault"]),
        Symptom::of(&["Segmentation fault", "nvidia-smi"]),
        Symptom::of(&["nvidia-smi", "core dumped"]),
        Symptom::of(&["nvidia-smi", "SIGSEGV"]),
    ],
    severity: Severity::Risk,
    cause: "the management library of WSL has gaps, and one of another version than Windows' driver crashes; CUDA does not \
            need it and works all the same",
    links: &[
        "https://github.com/microsoft/WSL/issues/11277",
        "https://github.com/Syllo/nvtop/issues/432",
        "https://github.com/dask/distributed/issues/5342",
        "https://github.com/rapidsai/cudf/issues/9955",
    ],
    examine: d44,
    remedy: d44_remedy,
};

fn d44(survey: &Survey) -> Outcome {
    if !survey.host.is_wsl2() {
        return Outcome::NotHere(NOT_WSL2);
    }
    if let Some(signal) = survey.toolkit.nvidia_smi.found().and_then(|outcome| outcome.signal) {
        return Outcome::Found(Trace::of("nvidia-smi -L", format!("ended by signal {signal}")));
    }
    if let Some((signal, failure)) = survey.nvml.failure.as_ref().and_then(|failure| Some((failure.signal?, failure))) {
        return Outcome::Found(Trace::of("NVML", format!("ended by signal {signal}: {}", failure.message)));
    }
    match told(survey, &D44) {
        Some(trace) => Outcome::Found(trace),
        None => Outcome::Clear,
    }
}

fn d44_remedy(survey: &Survey) -> Remedy {
    if !survey.host.is_wsl2() {
        let ground = Ground::of(survey);
        let remedy = Remedy::new("reinstall the driver, whose management library does not fit the kernel's part");
        let remedy = ground.machine(remedy, "cat /proc/driver/nvidia/version");
        return ground
            .machine(remedy, "ldconfig -p | grep libnvidia-ml")
            .note("the crash is known from WSL2; elsewhere a library of another version than the driver's is the first suspect");
    }
    Remedy::new("ask Windows' nvidia-smi instead, and let WSL take the driver's files anew")
        .run("nvidia-smi.exe")
        .on_windows("wsl.exe --update")
        .on_windows("wsl.exe --shutdown")
        .note("NACP asks the library in a process of its own, and takes what WSL does not answer for unknown")
}

fn is_wsl1(survey: &Survey) -> bool {
    survey.host.layers.iter().any(|layer| layer.kind == LayerKind::Wsl1)
}

fn kernel(survey: &Survey) -> String {
    survey.host.kernel.clone().unwrap_or_default()
}

/// The first three numbers of a kernel's release.
fn version_of(release: &str) -> Option<[u32; 3]> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(|part| part.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Seen;
    use crate::host::doctor::catalogue::bench;

    #[test]
    fn wsl_without_an_nvidia_gpu_is_broken_only_where_something_asks_for_one() {
        let severity = |survey: &Survey| match d11(survey) {
            Outcome::Found(trace) => Some(trace.milder.map_or(D11.severity, |milder| milder.0)),
            _ => None,
        };
        let mut survey = bench::wsl2();
        assert_eq!(severity(&survey), None);
        survey.wsl.driver_store = Seen::Found(Vec::new());
        assert_eq!(severity(&survey), Some(Severity::Broken));
        survey.toolkit.programs.clear();
        assert_eq!(severity(&survey), Some(Severity::Note));
        survey.devices.nodes.clear();
        assert_eq!(severity(&survey), Some(Severity::Note));
        survey.containers = vec![bench::asking("")];
        assert_eq!(severity(&survey), Some(Severity::Broken));
    }

    #[test]
    fn only_the_owners_of_the_driver_s_files_are_removed_and_first_for_show() {
        let mut survey = bench::wsl2();
        survey.wsl.linux_driver = vec!["/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.183.01".into()];
        let remedy = d12_remedy(&survey);
        let lines: Vec<_> = remedy.commands.iter().map(|command| command.line.as_str()).collect();
        let owners = "dpkg -S /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.535.183.01 | cut -d: -f1 | sort -u";
        assert_eq!(lines[0], owners);
        assert_eq!(lines[1], format!("{owners} | xargs -r sudo apt-get -s purge"));
        assert!(lines.iter().all(|line| !line.contains("libnvidia-*")), "{lines:?}");
    }

    #[test]
    fn the_search_path_is_kept_and_the_toolkit_comes_by_the_machine_s_packages() {
        let mut survey = bench::wsl2();
        survey.libraries.cuda[0].preferred = true;
        assert!(d13_remedy(&survey).commands[0].line.ends_with(":+:$LD_LIBRARY_PATH}"));
        survey.system.distribution = Seen::Found("fedora".into());
        survey.system.like.clear();
        let remedy = d15_remedy(&survey).to_string();
        assert!(remedy.contains("sudo dnf upgrade") && !remedy.contains("apt-get"), "{remedy}");
    }
}
