//! Device nodes, and who asks for them.

use super::{Given, Put};
use crate::host::Seen;
use crate::host::root::Root;
use crate::host::survey::{DeviceNode, Devices};

/// Folders of device nodes below `/dev`.
const FOLDERS: [&str; 2] = ["/dev/nvidia-caps", "/dev/nvidia-caps-imex-channels"];
/// More nodes than the largest machine has.
const MOST: usize = 512;

pub(super) fn read(given: &Given) -> Put {
    let devices = devices(&given.root);
    Box::new(move |survey| survey.devices = devices)
}

fn devices(root: &Root) -> Devices {
    let (user, groups) = root.text("/proc/self/status").found().map_or((None, Vec::new()), |text| owner(text));
    let nodes = nodes(root);
    let char_links = if nodes.is_empty() { Seen::NotAsked } else { char_links(root) };
    Devices { nodes, pci: pci(root), char_links, user, groups }
}

fn nodes(root: &Root) -> Vec<DeviceNode> {
    let below = |folder: &str, keep: fn(&str) -> bool| {
        let names = root.list(folder).found().cloned().unwrap_or_default();
        let mut names: Vec<_> = names.into_iter().filter(|name| keep(name)).collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        names.into_iter().map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    let mut paths = below("/dev", |name| name.starts_with("nvidia") || name == "dxg");
    paths.extend(FOLDERS.iter().flat_map(|folder| below(folder, |_| true)));
    let nodes = paths.into_iter().filter_map(|path| {
        let stat = root.stat(&path).found().copied();
        if stat.is_some_and(|stat| stat.folder) {
            return None;
        }
        let (mode, uid, gid) = stat.map_or((None, None, None), |stat| (stat.mode, stat.uid, stat.gid));
        Some(DeviceNode { path, mode, uid, gid })
    });
    nodes.take(MOST).collect()
}

/// The addresses of NVIDIA's display and 3D controllers.
fn pci(root: &Root) -> Seen<Vec<String>> {
    root.list("/sys/bus/pci/devices").map(|names| {
        let says = |name: &str, file: &str, start: &str| {
            let text = root.text_within(&format!("/sys/bus/pci/devices/{name}/{file}"), 64);
            text.found().is_some_and(|text| text.starts_with(start))
        };
        names.into_iter().filter(|name| says(name, "vendor", "0x10de") && says(name, "class", "0x03")).collect()
    })
}

/// Whether a link of `/dev/char` leads to a node of NVIDIA's.
fn char_links(root: &Root) -> Seen<bool> {
    root.list("/dev/char").map(|names| {
        // The major number of NVIDIA's own nodes is theirs; that of the others is given out when the module loads.
        let (own, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.starts_with("195:"));
        let leads = |name: &String| {
            root.link(&format!("/dev/char/{name}")).found().is_some_and(|target| target.contains("nvidia"))
        };
        own.iter().any(leads) || others.iter().any(leads)
    })
}

/// The user and the groups in `/proc/self/status`.
fn owner(status: &str) -> (Option<u32>, Vec<u32>) {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    // Real, effective, saved and of the file system: the second decides what may be opened.
    let user = field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok());
    let mut groups: Vec<u32> =
        field("Gid:").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok()).into_iter().collect();
    let more = field("Groups:").unwrap_or_default().split_whitespace().filter_map(|id| id.parse::<u32>().ok());
    groups.extend(more);
    groups.sort_unstable();
    groups.dedup();
    (user, groups)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_effective_user_and_all_groups_count() {
        let status = "Name:\tnacp\nUid:\t1000\t1001\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t44 1000 999 \n";
        assert_eq!(owner(status), (Some(1001), vec![44, 999, 1000]));
        assert_eq!(owner("Uid:\tx\nGroups:"), (None, vec![]));
        assert_eq!(owner(""), (None, vec![]));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(Uid:|Gid:|Groups:)?\\PC{0,80}\\n?\\PC*") {
            owner(&text);
        }
    }
}
