//! What the machine says about its GPUs beside the driver.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::gpu::{Hears, Reading, Unknown};

/// What the machine says about its GPUs beside the driver. [`Default`] knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Facts {
    /// Why the driver does not answer; nothing where it does.
    pub driver_fault: Option<DriverFault>,
    /// How many NVIDIA display controllers the PCI bus lists that the NVIDIA driver may serve: neither virtual functions
    /// nor those that another driver has (`/sys/bus/pci/devices`).
    pub pci_gpus: Reading<u32>,
    /// The version of the driver that is loaded (`/proc/driver/nvidia/version`).
    pub loaded_version: Reading<String>,
    /// The version of the driver's library on the disk, told by its file's name.
    pub library_version: Reading<String>,
    /// The processes that have ended and whose parent did not ask how (`/proc/PID/stat`), in ascending order.
    pub zombies: Reading<Vec<u32>>,
    /// Whether this is WSL2, where the GPU is another system's.
    pub wsl: bool,
    /// Whether this is Windows.
    pub windows: bool,
    /// Whether this process runs in a container, which may see fewer GPUs than the bus lists.
    pub container: bool,
    /// Which events the caller listens to and hands in ([`Events::hears`](crate::gpu::Events::hears)).
    pub hears: Hears,
}

/// Why the driver does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriverFault {
    /// There is no NVIDIA management library.
    Absent,
    /// The driver and its library have different versions (NVML code 18).
    Mismatch,
    /// This user may not talk to it, so that nobody here can know how it is.
    NoPermission,
    /// Anything else, in words.
    Broken(String),
}

impl Facts {
    /// Reads the files below `root`: `/` is this machine. Never fails; what cannot be read is unknown.
    pub fn read(root: &Path) -> Self {
        Self {
            driver_fault: None,
            pci_gpus: pci_gpus(&root.join("sys/bus/pci/devices")).into(),
            loaded_version: loaded_version(&root.join("proc/driver/nvidia/version")).into(),
            library_version: library_version(root).into(),
            zombies: zombies(&root.join("proc")).into(),
            wsl: is_wsl(root),
            windows: cfg!(windows),
            container: is_container(root),
            hears: Hears::default(),
        }
    }

    /// These facts where [`Node::discover`](crate::gpu::Node::discover) or a reading has failed with this error.
    #[must_use]
    pub fn with_driver_error(mut self, error: &Error) -> Self {
        self.driver_fault = Some(match error.get("cause") {
            Some("absent") => DriverFault::Absent,
            Some("mismatch") => DriverFault::Mismatch,
            _ if error.kind() == ErrorKind::PermissionDenied => DriverFault::NoPermission,
            _ => DriverFault::Broken(error.to_string()),
        });
        self
    }
}

fn entries(folder: &Path) -> Option<impl Iterator<Item = PathBuf>> {
    Some(fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()))
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn pci_gpus(devices: &Path) -> Option<u32> {
    let gpus = entries(devices)?.filter(|device| {
        let display = text(&device.join("class")).is_some_and(|class| {
            let class = class.trim_start_matches("0x");
            class.starts_with("0300") || class.starts_with("0302")
        });
        let nvidia = text(&device.join("vendor")).as_deref() == Some("0x10de");
        display && nvidia && !device.join("physfn").exists() && is_free(device)
    });
    u32::try_from(gpus.count()).ok()
}

/// Whether no driver but NVIDIA's has the device: one that is handed to a virtual machine is not ours.
fn is_free(device: &Path) -> bool {
    let driver = fs::read_link(device.join("driver")).ok();
    driver.is_none_or(|driver| driver.file_name().is_some_and(|name| name == "nvidia"))
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 …`: the first word that is a version.
fn loaded_version(path: &Path) -> Option<String> {
    text(path)?.lines().next()?.split_whitespace().find(|word| is_version(word)).map(str::to_owned)
}

fn is_version(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() >= 2 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `libnvidia-ml.so.1` leads to a file whose name ends with the version.
fn library_version(root: &Path) -> Option<String> {
    let folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib"];
    folders.iter().find_map(|folder| {
        let target = fs::canonicalize(root.join(folder).join("libnvidia-ml.so.1")).ok()?;
        let name = target.file_name()?.to_str()?;
        name.strip_prefix("libnvidia-ml.so.").filter(|version| is_version(version)).map(str::to_owned)
    })
}

fn zombies(proc: &Path) -> Option<Vec<u32>> {
    let mut found: Vec<u32> = entries(proc)?
        .filter_map(|path| {
            let pid = path.file_name()?.to_str()?.parse().ok()?;
            // The name of the program stands in brackets and may hold anything; the state follows the last one.
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            let state = stat.rsplit_once(')')?.1.split_whitespace().next()?;
            (state == "Z").then_some(pid)
        })
        .collect();
    found.sort_unstable();
    Some(found)
}

fn is_wsl(root: &Path) -> bool {
    let release = text(&root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    release.to_lowercase().contains("microsoft") || root.join("dev/dxg").exists()
}

fn is_container(root: &Path) -> bool {
    let marks = [".dockerenv", "run/.containerenv", "var/run/secrets/kubernetes.io"];
    let overlay = || {
        let mounts = text(&root.join("proc/self/mounts")).unwrap_or_default();
        mounts.lines().any(|line| line.split_whitespace().skip(1).take(2).eq(["/", "overlay"]))
    };
    marks.iter().any(|mark| root.join(mark).exists()) || overlay()
}

impl Facts {
    /// Whether the GPU is another system's, so that what is set up and listed here says nothing.
    pub(super) fn is_guest(&self) -> bool {
        self.wsl || self.windows
    }

    /// Whether this machine has no NVIDIA GPU at all, as far as the bus tells.
    pub(super) fn has_no_gpu(&self) -> bool {
        !self.is_guest() && self.pci_gpus == Reading::Known(0)
    }

    /// Why the number on the bus says nothing here, if so.
    pub(super) fn bus_is_silent(&self) -> Option<Unknown> {
        self.pci_gpus.unknown()
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn device(root: &Path, address: &str, class: &str, vendor: &str) -> PathBuf {
        let folder = format!("sys/bus/pci/devices/{address}");
        write(root, &format!("{folder}/class"), &format!("{class}\n"));
        write(root, &format!("{folder}/vendor"), &format!("{vendor}\n"));
        root.join(folder)
    }

    #[test]
    fn the_bus_counts_gpus_that_the_nvidia_driver_may_serve() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        device(root, "0000:01:00.0", "0x030000", "0x10de");
        symlink("../../../bus/pci/drivers/nvidia", device(root, "0000:02:00.0", "0x030200", "0x10de").join("driver"))
            .unwrap();
        device(root, "0000:01:00.1", "0x040300", "0x10de");
        device(root, "0000:00:02.0", "0x030000", "0x8086");
        symlink("../0000:02:00.0", device(root, "0000:02:00.4", "0x030200", "0x10de").join("physfn")).unwrap();
        fs::create_dir_all(root.join("sys/bus/pci/devices/0000:02:00.0")).unwrap();
        symlink("../../../bus/pci/drivers/vfio-pci", device(root, "0000:03:00.0", "0x030200", "0x10de").join("driver"))
            .unwrap();
        assert_eq!(Facts::read(root).pci_gpus, Reading::Known(2));
    }

    #[test]
    fn versions_zombies_and_platform_are_read_from_their_files() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(
            root,
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16 UTC 2025\nGCC version: 12.2.0\n",
        );
        write(root, "usr/lib/x86_64-linux-gnu/nvidia/libnvidia-ml.so.590.44.01", "");
        symlink("nvidia/libnvidia-ml.so.590.44.01", root.join("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")).unwrap();
        write(root, "proc/7/stat", "7 (a ) Z) Z 1 7 7 0");
        write(root, "proc/3/stat", "3 (Z) S 1 3 3 0");
        write(root, "proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n");
        write(root, "proc/self/mounts", "overlay / overlay rw 0 0\nproc /proc proc rw 0 0\n");
        let facts = Facts::read(root);
        assert_eq!(facts.loaded_version, Reading::Known("580.95.05".into()));
        assert_eq!(facts.library_version, Reading::Known("590.44.01".into()));
        assert_eq!(facts.zombies, Reading::Known(vec![7]));
        assert!(facts.wsl && facts.container);
    }

    #[test]
    fn an_empty_machine_is_unknown_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let facts = Facts::read(root.path());
        assert_eq!(facts.pci_gpus, Reading::Unknown(Unknown::NotSupported));
        assert_eq!(facts.zombies, Reading::Unknown(Unknown::NotSupported));
        assert!(!facts.wsl && !facts.container);
    }

    #[test]
    fn an_error_of_the_driver_keeps_its_cause() {
        let error = |cause| Error::new(ErrorKind::DriverUnavailable, "gpu.open", "it fails").with("cause", cause);
        let fault = |cause| Facts::default().with_driver_error(&error(cause)).driver_fault.unwrap();
        assert_eq!(fault("absent"), DriverFault::Absent);
        assert_eq!(fault("mismatch"), DriverFault::Mismatch);
        assert_eq!(fault("not loaded"), DriverFault::Broken("it fails: cause=not loaded".into()));
        let denied = Error::new(ErrorKind::PermissionDenied, "gpu.open", "no permission");
        assert_eq!(Facts::default().with_driver_error(&denied).driver_fault, Some(DriverFault::NoPermission));
    }
}
