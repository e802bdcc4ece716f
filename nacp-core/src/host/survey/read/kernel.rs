//! The kernel, its modules and the firmware.

use super::{Given, Put};
use crate::host::Seen;
use crate::host::root::Root;
use crate::host::survey::{KernelFacts, SecureBoot};

/// Modules that matter to a GPU, besides those whose names begin with `nvidia`.
const MODULES: [&str; 8] = ["nouveau", "nova_core", "nvgpu", "nvmap", "vfio_pci", "amdgpu", "i915", "xe"];
/// The firmware's variable `SecureBoot`, with the number of the firmware's own variables.
const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Where distributions and installers put the module, below `/lib/modules/RELEASE`; a star stands for any end.
const MODULE_FOLDERS: [&str; 11] = [
    "updates/dkms",
    "updates",
    "extra",
    "extra/nvidia*",
    "extra/drivers/video/nvidia",
    "kernel/nvidia-*",
    "kernel/drivers/video",
    "kernel/drivers/video/nvidia",
    "kernel/drivers/char/drm",
    "weak-updates",
    "weak-updates/nvidia*",
];

pub(super) fn read(given: &Given) -> Put {
    let root = &given.root;
    let release = given.host.kernel.clone();
    let (driver, log) = (root.text("/proc/driver/nvidia/version").then(|text| version(&text)), Seen::NotAsked);
    let facts = KernelFacts {
        modules: root.text("/proc/modules").then(|text| modules(&text)),
        driver,
        module_built: if given.host.is_wsl2() { Seen::NotAsked } else { built(root, release.as_deref()) },
        secure_boot: root.bytes(SECURE_BOOT, 16).then(|bytes| secure_boot(&bytes)),
        selinux_enforcing: root.text("/sys/fs/selinux/enforce").then(|text| enforcing(&text)),
        log,
        events: Vec::new(),
        cgroup_version: cgroups(root),
        shm_bytes: shm(root),
    };
    Box::new(move |survey| {
        // The log is read beside, and may have come before.
        let (log, events) = (std::mem::take(&mut survey.kernel.log), std::mem::take(&mut survey.kernel.events));
        survey.kernel = KernelFacts { log, events, ..facts };
    })
}

/// The modules of `/proc/modules` that matter.
fn modules(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut fields = line.split_whitespace();
        let (Some(name), Some(size)) = (fields.next(), fields.next()) else {
            return Err("its lines are not those of a list of modules".into());
        };
        if size.parse::<u64>().is_err() {
            return Err("its lines are not those of a list of modules".into());
        }
        if name.starts_with("nvidia") || MODULES.contains(&name) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The version in `/proc/driver/nvidia/version`: the first word of its first line that has the form of one.
fn version(text: &str) -> Result<String, String> {
    let line = text.lines().find(|line| line.starts_with("NVRM version")).unwrap_or_default();
    let is_version = |word: &&str| {
        word.split('.').count() >= 2
            && word.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    line.split_whitespace().find(is_version).map(str::to_owned).ok_or_else(|| "it tells no version".into())
}

/// Whether a file of the module is in one of the places where it is put. Where a machine has no folder of modules for its
/// kernel, as in a container, nobody can tell.
fn built(root: &Root, release: Option<&str>) -> Seen<bool> {
    let Some(release) = release else { return Seen::NotAsked };
    let top = format!("/lib/modules/{release}");
    let names = match root.list(&top) {
        Seen::Found(names) => names,
        Seen::Absent => return Seen::Absent,
        other => return other.map(|_| false),
    };
    let is_module =
        |name: &String| name.strip_prefix("nvidia.ko").is_some_and(|end| matches!(end, "" | ".zst" | ".xz" | ".gz"));
    let folders = MODULE_FOLDERS.iter().flat_map(|pattern| folders(root, &top, pattern));
    Seen::Found(
        names.iter().any(is_module)
            || folders
                .into_iter()
                .any(|folder| root.list(&folder).found().is_some_and(|names| names.iter().any(is_module))),
    )
}

fn folders(root: &Root, top: &str, pattern: &str) -> Vec<String> {
    let Some(start) = pattern.strip_suffix('*') else { return vec![format!("{top}/{pattern}")] };
    let (parent, start) = start.rsplit_once('/').unwrap_or(("", start));
    let names = root.list(&format!("{top}/{parent}")).found().cloned().unwrap_or_default();
    names.into_iter().filter(|name| name.starts_with(start)).map(|name| format!("{top}/{parent}/{name}")).collect()
}

/// The variable's four bytes of attributes, and its one byte.
fn secure_boot(bytes: &[u8]) -> Result<SecureBoot, String> {
    match bytes {
        [_, _, _, _, 0] => Ok(SecureBoot::Off),
        [_, _, _, _, 1] => Ok(SecureBoot::On),
        _ => Err("the firmware's variable has another form".into()),
    }
}

fn enforcing(text: &str) -> Result<bool, String> {
    match text.trim() {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("it is neither 0 nor 1".into()),
    }
}

fn cgroups(root: &Root) -> Option<u32> {
    let there = |name: &str| root.exists(&format!("/sys/fs/cgroup{name}"));
    if there("/cgroup.controllers") { Some(2) } else { there("").then_some(1) }
}

/// The size of `/dev/shm`. One that is mounted without a size has half of the machine's memory.
fn shm(root: &Root) -> Option<u64> {
    match shm_size(root.text("/proc/self/mountinfo").found()?)? {
        Some(bytes) => Some(bytes),
        None => crate::host::root::memory(root).map(|bytes| bytes / 2),
    }
}

/// What the table of mounts says of `/dev/shm`: nothing where it is not in it, and a size where it has one.
fn shm_size(table: &str) -> Option<Option<u64>> {
    let mut mounts = table.lines().filter(|line| line.split(' ').nth(4) == Some("/dev/shm"));
    let options = mounts.next_back()?.rsplit(' ').next()?;
    Some(options.split(',').find_map(|option| bytes(option.strip_prefix("size=")?)))
}

/// A size as the kernel writes it: `65536k`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn modules_that_matter_are_named() {
        let text =
            "nvidia_uvm 2076672 0 - Live 0x0000000000000000 (OE)\next4 1007616 1 - Live 0x0\nnouveau 3 0 - Live 0x0\n";
        assert_eq!(modules(text), Ok(vec!["nouveau".into(), "nvidia_uvm".into()]));
        assert_eq!(modules(""), Ok(vec![]));
        assert!(modules("<html>").is_err());
        assert!(modules("nvidia loaded").is_err());
    }

    #[test]
    fn the_version_is_the_first_number_with_points() {
        for (text, told) in [
            ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024", "535.183.01"),
            ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build", "580.95.05"),
            ("GCC version:  gcc 13.3.0\nNVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0", "540.4.0"),
        ] {
            assert_eq!(version(text).as_deref(), Ok(told));
        }
        assert!(version("").is_err());
        assert!(version("NVRM version: ... 5..1").is_err());
    }

    #[test]
    fn the_firmware_says_whether_it_checks_signatures() {
        assert_eq!(secure_boot(&[6, 0, 0, 0, 1]), Ok(SecureBoot::On));
        assert_eq!(secure_boot(&[6, 0, 0, 0, 0]), Ok(SecureBoot::Off));
        for other in [&[][..], &[1], &[6, 0, 0, 0, 2], &[6, 0, 0, 0, 1, 0]] {
            assert!(secure_boot(other).is_err());
        }
        assert_eq!((enforcing("1\n"), enforcing("0")), (Ok(true), Ok(false)));
        assert!(enforcing("yes").is_err());
    }

    #[test]
    fn the_size_of_shared_memory_is_the_last_mount_s() {
        let line = |options: &str| format!("31 22 0:26 / /dev/shm rw,nosuid - tmpfs tmpfs rw{options}\n");
        assert_eq!(shm_size(&line(",size=65536k,inode64")), Some(Some(64 << 20)));
        assert_eq!(shm_size(&(line(",size=1k") + &line(",size=2g"))), Some(Some(2 << 30)));
        assert_eq!(shm_size(&line("")), Some(None));
        assert_eq!(shm_size(&line(",size=50%")), Some(None));
        assert_eq!(shm_size("31 22 0:26 / /dev rw - devtmpfs udev rw"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(NVRM version: )?\\PC{0,60}\\n?\\PC*", raw: Vec<u8>) {
            let _ = (modules(&text), version(&text), enforcing(&text), shm_size(&text), bytes(&text), secure_boot(&raw));
        }

        #[test]
        fn any_mount_of_shared_memory_is_read_without_a_panic(options in "\\PC*") {
            shm_size(&format!("1 2 3:4 / /dev/shm rw - tmpfs tmpfs {options}"));
        }
    }
}
