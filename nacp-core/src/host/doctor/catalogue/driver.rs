//! The driver itself: not loaded, of two versions, without its libraries, without the node of CUDA's memory.

use super::facts::{contained, found, gpu, not_linux, on_wsl, said, shortened, together};
use super::ground::{Engine, Ground, Packages, also};
use crate::host::doctor::{Entry, FindingId, Outcome, Remedy, Severity, Symptom, Trace};
use crate::host::survey::{LibraryFile, SecureBoot};
use crate::host::{Confidence, GpuPathKind, Seen, Survey};

/// NVML's number for a driver and a library of different versions.
const MISMATCH: i32 = 18;
/// NVML's number for a driver that is not loaded.
const NOT_LOADED: i32 = 9;
/// CUDA's number for an unknown error.
const UNKNOWN: i32 = 999;
/// How the driver is installed where no command is certain.
const DRIVER_GUIDE: &str = "https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/";
const ON_WSL: &str = "under WSL2 the driver is Windows': there is no NVIDIA module in this kernel";
const NOT_LINUX: &str = "this is not Linux";

pub(super) const D09: Entry = Entry {
    id: FindingId(9),
    title: "the driver's library and its kernel module have different versions",
    symptoms: &[
        Symptom::of(&["driver/library version mismatch"]),
        Symptom::of(&["API mismatch: the client has the version"]),
        Symptom::of(&["driver and library", "versions do not match"]),
    ],
    severity: Severity::Broken,
    cause: "the driver was upgraded while its old kernel module stayed loaded; library and module must be of one version",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/394",
        "https://github.com/NVIDIA/nvidia-docker/issues/1451",
    ],
    examine: d09,
    remedy: d09_remedy,
};

pub(super) const D10: Entry = Entry {
    id: FindingId(10),
    title: "the driver's library libnvidia-ml.so.1 is not found",
    symptoms: &[
        Symptom::of(&["libnvidia-ml.so.1: cannot open shared object file"]),
        Symptom::of(&["load library failed: libnvidia-ml.so.1"]),
        Symptom::of(&["couldn't find libnvidia-ml.so library in your system"]),
        Symptom::of(&["NVML Shared Library Not Found"]),
    ],
    severity: Severity::Broken,
    cause: "no NVIDIA driver is where the daemon runs, or the loader's cache does not know its libraries: a virtual machine \
            of Docker Desktop on Linux has none, nor has WSL under a Windows driver that is too old",
    links: &[
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/154",
        "https://github.com/docker/for-win/issues/13835",
        "https://github.com/AbdBarho/stable-diffusion-webui-docker/issues/129",
    ],
    examine: d10,
    remedy: d10_remedy,
};

pub(super) const D22: Entry = Entry {
    id: FindingId(22),
    title: "CUDA fails with an unknown error although the driver answers: /dev/nvidia-uvm is missing or stale",
    symptoms: &[
        Symptom::of(&["CUDA unknown error"]),
        Symptom::of(&["CUDA_ERROR_UNKNOWN"]),
        Symptom::of(&["cudaErrorUnknown"]),
        Symptom::of(&["cuda driver library init failure: 999"]),
        Symptom::of(&["unknown error initializing cuda driver library"]),
        Symptom::of(&["cuInit", "999"]),
    ],
    severity: Severity::Broken,
    cause: "CUDA needs the module nvidia_uvm and its nodes, which nvidia-smi does not: they were never made, were not given \
            to the container, or the module did not survive a suspend",
    links: &[
        "https://github.com/pytorch/pytorch/issues/49081",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/1155",
        "https://github.com/ollama/ollama/issues/1895",
    ],
    examine: d22,
    remedy: d22_remedy,
};

pub(super) const D32: Entry = Entry {
    id: FindingId(32),
    title: "the NVIDIA driver is installed and its kernel module is not loaded",
    symptoms: &[
        Symptom::of(&["couldn't communicate with the NVIDIA driver"]),
        Symptom::of(&["Failed to initialize NVML: Driver Not Loaded"]),
        Symptom::of(&["nvml error: driver not loaded"]),
        Symptom::of(&["could not insert 'nvidia'"]),
        Symptom::of(&["nvidia", "Key was rejected by service"]),
        Symptom::of(&["Module nvidia not found in directory"]),
    ],
    severity: Severity::Broken,
    cause: "the module cannot be loaded: Secure Boot rejects its signature, nouveau holds the GPU, or it was not built for \
            the kernel that runs",
    links: &[
        "https://github.com/canonical/nvidia-graphics-drivers/issues/61",
        "https://github.com/GoogleCloudPlatform/compute-gpu-installation/issues/18",
        "https://github.com/NVIDIA/gpu-operator/issues/8",
    ],
    examine: d32,
    remedy: d32_remedy,
};

/// The library that the loader takes first, of each folder: `libnvidia-ml.so.1` and its version.
fn loadable(survey: &Survey) -> impl Iterator<Item = (&LibraryFile, &str)> {
    let files = survey.libraries.nvml.iter().filter(|file| {
        let other_word = ["/lib32/", "/i386-linux-gnu/", "/stubs/"].iter().any(|part| file.path.contains(part));
        file.path.ends_with(".so.1") && !file.compat && !other_word
    });
    files.filter_map(|file| Some((file, file.version.as_deref()?)))
}

fn d09(survey: &Survey) -> Outcome {
    if on_wsl(survey) {
        return Outcome::NotHere(ON_WSL);
    }
    if not_linux(survey) {
        return Outcome::NotHere(NOT_LINUX);
    }
    let said = said(survey, D09.symptoms);
    let module = |trace: Trace| match survey.kernel.driver.found() {
        Some(version) => trace.and("/proc/driver/nvidia/version", version),
        None => trace,
    };
    let failed = survey.nvml.failure.as_ref().filter(|failure| failure.code == Some(MISMATCH));
    if let Some(failure) = failed {
        let trace = Trace::of("NVML nvmlInit", format!("{MISMATCH}: {}", failure.message));
        let library = loadable(survey).next();
        let trace = library.map_or(trace.clone(), |(file, version)| trace.and(&file.path, version));
        return found(together(Some(module(trace)), said));
    }
    // A library that answers fits its module.
    if survey.nvml.driver.found().is_some() {
        return found(said);
    }
    let (Some(kernel), Some(first)) = (survey.kernel.driver.found(), loadable(survey).next()) else {
        return match survey.kernel.driver.open() {
            Some(why) if said.is_none() && loadable(survey).next().is_some() => {
                Outcome::Unknown(format!("/proc/driver/nvidia/version: {why}"))
            }
            _ => found(said),
        };
    };
    if loadable(survey).any(|(_, version)| version == kernel) {
        return found(said);
    }
    let trace = Trace::of(&first.0.path, first.1).only(Confidence::Likely);
    found(together(Some(module(trace)), said))
}

fn d09_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new("reboot; or, where nothing uses the GPU, unload the old module and load the new one");
    let remedy = ground.machine(remedy, "sudo reboot");
    also(
        remedy,
        "The reboot stops everything. Without it: stop all programs and containers that use the GPU (`sudo fuser -v \
         /dev/nvidia*` names them), then `sudo rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia && sudo modprobe nvidia \
         && nvidia-smi`. Containers that ran through the upgrade must be restarted in any case.",
    )
}

fn d10(survey: &Survey) -> Outcome {
    let said = said(survey, D10.symptoms);
    // Where this process is contained, its files are not those of the daemon.
    if contained(survey) || not_linux(survey) {
        return found(said);
    }
    if said.is_none() && has_loaded_module(survey) && survey.kubernetes.node && survey.nvml.driver.found().is_none() {
        if in_a_container(survey) {
            return Outcome::Clear;
        }
        if survey.libraries.nvml.is_empty() {
            return Outcome::Unknown(
                "the module is loaded and no library is here: the driver is likely in a container".into(),
            );
        }
    }
    let files = &survey.libraries.nvml;
    let opened = survey.nvml.driver.found().is_some();
    let machine = if files.is_empty() && !opened && survey.libraries.cached.is_some() {
        let here = match gpu(survey) {
            Seen::Found(here) => Some(here),
            _ => None,
        };
        let installed = survey.kernel.driver.found().is_some() || !survey.toolkit.programs.is_empty();
        here.map(|here| {
            let trace = Trace::of("/usr/lib*/libnvidia-ml.so.1", "not there, nor in another folder of the loader")
                .and(here.source, here.value);
            // A GPU that nobody uses for computing is nobody's trouble.
            let wanted = installed || !survey.containers.is_empty();
            if wanted { trace } else { trace.milder(Severity::Note, "a GPU is here, and no NVIDIA driver for it") }
        })
    } else if survey.libraries.cached == Some(false) && !survey.toolkit.programs.is_empty() && !on_wsl(survey) {
        let file = files.iter().find(|file| file.path.ends_with(".so.1"));
        file.map(|file| {
            Trace::of("/etc/ld.so.cache", "does not name libnvidia-ml.so.1")
                .and(&file.path, "present")
                .only(Confidence::Likely)
        })
    } else {
        None
    };
    found(together(machine, said))
}

fn has_loaded_module(survey: &Survey) -> bool {
    survey.kernel.driver.found().is_some() || survey.kernel.has_module("nvidia") == Some(true)
}

/// Whether the driver's libraries are where a container of the GPU Operator or Google's system put them, and the loader of
/// the node does not look.
fn in_a_container(survey: &Survey) -> bool {
    // In a survey a part of `/home/kubernetes` is left out, as it is in every path of a home.
    let apart =
        |file: &LibraryFile| file.path.starts_with("/run/nvidia/driver/") || file.path.contains("/bin/nvidia/lib64/");
    let files = &survey.libraries.nvml;
    !files.is_empty() && files.iter().all(apart)
}

fn d10_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    if survey.kubernetes.pod || (survey.kubernetes.node && (has_loaded_module(survey) || in_a_container(survey))) {
        return Remedy::new("see whether the pods that bring the driver to this node are ready")
            .run("kubectl get pods -A -o wide | grep -E 'nvidia-driver|nvidia-container-toolkit|nvidia-gpu-device-plugin'")
            .run("kubectl logs -n gpu-operator -l app=nvidia-driver-daemonset --tail=50")
            .note(
                "On this node the driver is likely in a container: that of the GPU Operator mounts it at /run/nvidia/driver, \
                 Container-Optimized OS has it in /home/kubernetes/bin/nvidia. Nothing has to be installed on the node.",
            );
    }
    match ground.engine() {
        Engine::SnapDocker => return super::snap::out_of_the_snap(survey),
        Engine::DesktopLinux => {
            return Remedy::new("use Docker Engine: the virtual machine of Docker Desktop on Linux has no GPU")
                .run("docker context use default")
                .run("docker run --rm --gpus all ubuntu nvidia-smi")
                .note("Containers and images of Docker Desktop stay there and are not seen by Docker Engine.");
        }
        _ => {}
    }
    if on_wsl(survey) || ground.engine() == Engine::Desktop {
        return Remedy::new("install NVIDIA's driver on Windows, never in WSL, and update WSL")
            .on_windows("nvidia-smi")
            .on_windows("wsl --update")
            .on_windows("wsl --shutdown")
            .run("ls -l /usr/lib/wsl/lib/libnvidia-ml.so.1")
            .note(
                "The driver comes from https://www.nvidia.com/drivers ; Windows 10 before 21H2 cannot pass it on. `wsl \
                 --shutdown` stops all distributions and Docker Desktop.",
            );
    }
    let installed = survey.libraries.nvml.iter().any(|file| file.path.ends_with(".so.1"));
    if installed && !contained(survey) {
        return Remedy::new("let the loader know the driver's libraries")
            .run("sudo ldconfig")
            .run("ldconfig -p | grep libnvidia-ml.so.1")
            .note(
                "Nothing is interrupted. If the second command shows nothing, the libraries lie outside of the loader's \
                 folders: name their folder in /etc/ld.so.conf.d/nvidia.conf and run `sudo ldconfig` again.",
            );
    }
    let remedy = install_driver(
        ground,
        Remedy::new("install the NVIDIA driver on the machine on which the daemon runs, and reboot"),
    );
    also(remedy, "In a container the library comes from the machine: never install a driver inside of an image.")
}

/// The driver's packages, and the reboot that loads its module.
pub(super) fn install_driver(ground: Ground<'_>, remedy: Remedy) -> Remedy {
    let remedy = match ground.machine_packages() {
        Packages::Apt if ground.is_distribution("ubuntu") => ground.machine(remedy, "sudo ubuntu-drivers install"),
        Packages::Apt => {
            let line = "sudo apt-get install -y linux-headers-$(uname -r) nvidia-driver firmware-misc-nonfree";
            also(
                ground.machine(remedy, line),
                "Debian needs the sections contrib, non-free and non-free-firmware for it.",
            )
        }
        Packages::Pacman => ground.machine(remedy, "sudo pacman -Syu nvidia-open nvidia-utils"),
        _ => return also(remedy, &format!("How the driver is installed: {DRIVER_GUIDE}")),
    };
    let remedy = ground.machine(remedy, "sudo reboot");
    let remedy = ground.machine(remedy, "nvidia-smi");
    also(remedy, "The reboot stops everything.")
}

fn d22(survey: &Survey) -> Outcome {
    if on_wsl(survey) {
        return Outcome::NotHere("under WSL2 CUDA goes through /dev/dxg, not through /dev/nvidia-uvm");
    }
    if not_linux(survey) || survey.host.gpu.kind == GpuPathKind::Tegra {
        return Outcome::NotHere("CUDA needs no /dev/nvidia-uvm here");
    }
    let said = said(survey, D22.symptoms);
    let node = survey.devices.node("/dev/nvidia-uvm").is_none().then_some(("/dev/nvidia-uvm", "not there"));
    let module = (survey.kernel.has_module("nvidia_uvm") == Some(false)).then_some(("/proc/modules", "no nvidia_uvm"));
    let missing = [node, module].into_iter().flatten().collect::<Vec<_>>();
    let with = |trace: Trace| missing.iter().fold(trace, |trace, (source, value)| trace.and(*source, *value));
    let failure = survey.cuda.failure.as_ref().filter(|failure| failure.code == Some(UNKNOWN));
    if let Some(failure) = failure {
        let trace = with(Trace::of(format!("CUDA {}", failure.call), format!("{UNKNOWN}: {}", failure.message)));
        // With node and module in place it is likely stale; other things give this number too.
        let proven = if missing.is_empty() { Confidence::Likely } else { Confidence::Certain };
        return found(together(Some(trace.only(proven)), said));
    }
    let works = !survey.cuda.devices.is_empty() && survey.cuda.failure.is_none();
    let reachable = survey.devices.gpus().next().is_some() && survey.devices.node("/dev/nvidiactl").is_some();
    if works || missing.is_empty() || !reachable {
        return found(said);
    }
    let (source, value) = missing[0];
    let trace = missing[1..].iter().fold(Trace::of(source, value), |trace, (source, value)| trace.and(*source, *value));
    // The node is made when root's first CUDA program starts: without anybody who wants one, its absence means nothing.
    let trace = match &survey.cuda.failure {
        Some(failure) => trace.and(format!("CUDA {}", failure.call), &failure.message).only(Confidence::Likely),
        None if survey.containers.is_empty() => return found(said),
        None => trace.only(Confidence::Possible).milder(
            Severity::Risk,
            "/dev/nvidia-uvm is not there: CUDA will not start in a container until it is made",
        ),
    };
    found(together(Some(trace), said))
}

fn d22_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = Remedy::new("make the nodes of CUDA's memory, and give them to the containers");
    let remedy = ground.machine(remedy, "sudo nvidia-modprobe -c0 -u");
    let remedy = ground.machine(remedy, "ls -l /dev/nvidia-uvm /dev/nvidia-uvm-tools");
    let remedy = match survey.cdi.specs.is_empty() {
        true => remedy,
        false => ground.specify(remedy, None),
    };
    also(
        remedy,
        "Then start the containers again. If the nodes were there (after a suspend): stop all programs that use CUDA, then \
         `sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm`; nvidia-smi goes on meanwhile. To survive the next suspend: \
         `sudo systemctl enable nvidia-suspend nvidia-resume`.",
    )
}

/// Why the module is not loaded, each reason with what shows it.
fn hindrances(survey: &Survey) -> Vec<(String, String)> {
    let kernel = &survey.kernel;
    let log = kernel.log.found().map(Vec::as_slice).unwrap_or_default();
    let line = |words: &str| log.iter().rev().find(|line| line.contains(words)).map(|line| shortened(line));
    let mut reasons = Vec::new();
    if let Some(line) = line("Key was rejected") {
        reasons.push(("kernel log".into(), line));
    }
    if kernel.secure_boot == Seen::Found(SecureBoot::On) {
        reasons.push(("/sys/firmware/efi/efivars/SecureBoot-*".into(), "on".into()));
    }
    if kernel.has_module("nouveau") == Some(true) {
        reasons.push(("/proc/modules".into(), "nouveau".into()));
    }
    if kernel.module_built == Seen::Found(false) {
        let release = survey.host.kernel.as_deref().unwrap_or("RELEASE");
        reasons.push((format!("/lib/modules/{release}"), "the nvidia module is not there".into()));
    }
    if let Some(ended) = survey.toolkit.nvidia_smi.found().filter(|ended| ended.code != Some(0)) {
        reasons.push(("nvidia-smi -L".into(), shortened(&ended.output)));
    }
    reasons
}

fn d32(survey: &Survey) -> Outcome {
    if on_wsl(survey) {
        return Outcome::NotHere(ON_WSL);
    }
    if not_linux(survey) {
        return Outcome::NotHere(NOT_LINUX);
    }
    let said = said(survey, D32.symptoms);
    let told = survey.nvml.failure.as_ref().filter(|failure| failure.code == Some(NOT_LOADED));
    let loaded = match survey.kernel.has_module("nvidia") {
        // A driver that is built into the kernel, or that answers, is loaded.
        Some(false) => survey.kernel.driver.found().is_some() || survey.nvml.driver.found().is_some(),
        Some(true) => true,
        None if told.is_some() => false,
        None => {
            let unknown = said.is_none() && !survey.libraries.nvml.is_empty() && survey.kernel.driver.found().is_none();
            let why = survey.kernel.modules.open().unwrap_or("the list is not there");
            return if unknown { Outcome::Unknown(format!("/proc/modules: {why}")) } else { found(said) };
        }
    };
    let installed = !survey.libraries.nvml.is_empty() || survey.kernel.module_built == Seen::Found(true);
    let here = gpu(survey).found().cloned();
    // Without the card an installed driver has nothing to load for.
    if loaded || !(installed || told.is_some()) || contained(survey) || (here.is_none() && told.is_none()) {
        return found(said);
    }
    let trace = match told {
        Some(failure) => Trace::of("NVML nvmlInit", format!("{NOT_LOADED}: {}", failure.message)),
        None => Trace::of("/proc/modules", "no nvidia"),
    };
    let trace = here.map_or(trace.clone(), |here| trace.and(here.source, here.value));
    let trace = hindrances(survey).into_iter().fold(trace, |trace, (source, value)| trace.and(source, value));
    found(together(Some(trace), said))
}

fn d32_remedy(survey: &Survey) -> Remedy {
    let ground = Ground::of(survey);
    let kernel = &survey.kernel;
    let rejected = kernel.log.found().is_some_and(|log| log.iter().any(|line| line.contains("Key was rejected")));
    let built = !matches!(kernel.module_built, Seen::Found(false) | Seen::Absent);
    let secured = kernel.secure_boot == Seen::Found(SecureBoot::On);
    if on_wsl(survey) {
        return Remedy::new("mend the driver on Windows: WSL uses it")
            .on_windows("nvidia-smi")
            .on_windows("wsl --update");
    }
    if rejected || (secured && built && kernel.has_module("nouveau") != Some(true)) {
        return enrol(ground);
    }
    if kernel.has_module("nouveau") == Some(true) {
        return without_nouveau(ground);
    }
    if built {
        let remedy = Remedy::new("load the module, and read in the kernel's log why it was not loaded");
        let remedy = ground.machine(remedy, "sudo modprobe nvidia");
        let remedy = ground.machine(remedy, "sudo dmesg | grep -iE 'nvrm|nvidia|nouveau' | tail -n 20");
        let remedy = ground.machine(remedy, "nvidia-smi");
        return remedy
            .note("Nothing is interrupted. After a new kernel or driver a reboot loads the module by itself.");
    }
    let remedy = Remedy::new("build the module for the kernel that runs");
    let headers = match ground.machine_packages() {
        Packages::Apt => Some("sudo apt-get install -y linux-headers-$(uname -r)"),
        Packages::Dnf => Some("sudo dnf install -y kernel-devel-$(uname -r)"),
        Packages::Zypper => Some("sudo zypper install -y kernel-default-devel"),
        Packages::Pacman => Some("sudo pacman -S --needed linux-headers"),
        Packages::Unknown => None,
    };
    let remedy = headers.map_or(remedy.clone(), |line| ground.machine(remedy, line));
    let remedy = ground.machine(remedy, "sudo dkms autoinstall");
    let remedy = ground.machine(remedy, "sudo modprobe nvidia");
    let remedy = ground.machine(remedy, "nvidia-smi");
    also(
        remedy,
        "Nothing is interrupted. Where the driver's packages bring the module ready-made, install those for this kernel \
         in place of `dkms`; booting the kernel before the upgrade helps at once.",
    )
}

/// The key that signs the module becomes one that the firmware trusts.
fn enrol(ground: Ground<'_>) -> Remedy {
    let remedy = Remedy::new("enrol the key that signs the module, and confirm it at the next start of the machine");
    let remedy = match ground.machine_packages() {
        Packages::Apt if ground.is_distribution("ubuntu") => {
            ground.machine(remedy, "sudo mokutil --import /var/lib/shim-signed/mok/MOK.der")
        }
        Packages::Dnf => ground.machine(remedy, "sudo mokutil --import /etc/pki/akmods/certs/public_key.der"),
        _ => ground.machine(remedy, "sudo mokutil --import /var/lib/dkms/mok.pub"),
    };
    let remedy = ground.machine(remedy, "sudo reboot");
    let remedy = ground.machine(remedy, "nvidia-smi");
    also(
        remedy,
        "mokutil asks for a password; at the start a blue screen (MOK management) asks for it again: choose Enroll MOK. It \
         must be done at the machine's own screen or its remote console. Or switch Secure Boot off in the firmware. If the \
         key's file is not there, install the driver from the distribution's packages, which make it.",
    )
}

/// The free driver leaves the GPU to NVIDIA's.
fn without_nouveau(ground: Ground<'_>) -> Remedy {
    let remedy = Remedy::new("keep nouveau from taking the GPU, and reboot");
    let remedy = ground.machine(
        remedy,
        "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' | sudo tee /etc/modprobe.d/blacklist-nouveau.conf",
    );
    let remedy = match ground.machine_packages() {
        Packages::Dnf | Packages::Zypper => ground.machine(remedy, "sudo dracut --force"),
        Packages::Pacman => ground.machine(remedy, "sudo mkinitcpio -P"),
        Packages::Apt | Packages::Unknown => ground.machine(remedy, "sudo update-initramfs -u"),
    };
    let remedy = ground.machine(remedy, "sudo reboot");
    let remedy = ground.machine(remedy, "nvidia-smi");
    also(remedy, "The reboot stops everything; the screen stays dark until the NVIDIA module takes over.")
}

#[cfg(test)]
mod tests;
