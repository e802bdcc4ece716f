//! What is particular to WSL2.

use std::time::Duration;

use super::libraries::version;
use super::{Given, Put};
use crate::host::Seen;
use crate::host::root::Root;
use crate::host::survey::Wsl;
use crate::host::wsl_list;

/// Where a Linux driver would be.
const FOLDERS: [&str; 4] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
/// Where Windows keeps its users, as WSL mounts its drive unless it is told.
const USERS: &str = "/mnt/c/Users";
/// Folders there that are no user's.
const NOBODY: [&str; 5] = ["All Users", "Default", "Default User", "Public", "desktop.ini"];
/// How long the list of distributions may take.
const COMMAND: Duration = Duration::from_secs(2);
/// So many users are looked at.
const MOST: usize = 16;

pub(super) fn read(given: &Given) -> Put {
    let root = &given.root;
    if root.os() == Some("windows") && given.commands {
        let distributions = wsl_list::distributions(root, COMMAND);
        return Box::new(move |survey| survey.wsl.distributions = distributions);
    }
    if !given.host.is_wsl2() {
        return Box::new(|_| {});
    }
    let (custom_kernel, memory_limit) = settings(root);
    let wsl = Wsl {
        custom_kernel,
        memory_limit,
        linux_driver: linux_driver(root),
        driver_store: root
            .list("/usr/lib/wsl/drivers")
            .map(|names| names.into_iter().filter(|name| name.starts_with("nv")).collect()),
        memory_bytes: crate::host::root::memory(root),
        distributions: Seen::NotAsked,
    };
    Box::new(move |survey| survey.wsl = wsl)
}

/// Files of a driver's libraries that are no links, in the distribution's own folders.
fn linux_driver(root: &Root) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for folder in FOLDERS {
        let Seen::Found(whole) = root.canonical(folder) else { continue };
        if seen.contains(&whole) {
            continue;
        }
        for name in root.list(&whole).found().into_iter().flatten() {
            let driver = (name.starts_with("libnvidia-") || name.starts_with("libcuda.so")) && version(name).is_some();
            if driver && root.link(&format!("{whole}/{name}")).is_absent() {
                found.push(format!("{whole}/{name}"));
            }
        }
        seen.push(whole);
    }
    found
}

/// The keys `kernel` and `memory` of the first `.wslconfig` of a user of Windows. Whose it is is not kept.
fn settings(root: &Root) -> (Seen<String>, Seen<String>) {
    let users = match root.list(USERS) {
        Seen::Found(users) => users,
        // The drive is not mounted: the file may be there nevertheless.
        Seen::Absent => return (Seen::NotAsked, Seen::NotAsked),
        other => {
            let why = other.map(|_| String::new());
            return (why.clone(), why);
        }
    };
    let users = users.into_iter().filter(|name| !NOBODY.contains(&name.as_str())).take(MOST);
    let texts = users.map(|user| root.text(&format!("{USERS}/{user}/.wslconfig")));
    match texts.into_iter().find(|text| !text.is_absent()) {
        None => (Seen::Absent, Seen::Absent),
        Some(text) => (key(&text, "kernel"), key(&text, "memory")),
    }
}

fn key(text: &Seen<String>, name: &str) -> Seen<String> {
    match text.as_ref().map(|text| setting(text, name)) {
        Seen::Found(Some(value)) => Seen::Found(value),
        Seen::Found(None) => Seen::Absent,
        other => other.map(|_| String::new()),
    }
}

/// The value of a key in the section `[wsl2]`.
fn setting(text: &str, name: &str) -> Option<String> {
    let mut here = false;
    let mut value = None;
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            here = section.trim_end_matches(']').trim().eq_ignore_ascii_case("wsl2");
        } else if here
            && !line.starts_with('#')
            && let Some((key, written)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case(name)
        {
            value = Some(written.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_counts_in_its_own_section_only() {
        let text = "\u{feff}[experimental]\r\nkernel=x\r\n[WSL2]\r\n#memory=1GB\r\nKernel = C:\\\\kernels\\\\mine\r\nmemory=8GB\r\n";
        assert_eq!(setting(text, "kernel").as_deref(), Some("C:\\\\kernels\\\\mine"));
        assert_eq!(setting(text, "memory").as_deref(), Some("8GB"));
        assert_eq!(setting(text, "swap"), None);
        assert_eq!(setting("[wsl2]\nkernel=\n", "kernel"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(\\[wsl2\\]\\n)?(kernel)?(\\PC|\\n|=)*") {
            setting(&text, "kernel");
        }
    }
}
