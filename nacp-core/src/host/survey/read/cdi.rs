//! CDI specifications.

use std::collections::BTreeSet;

use super::libraries::version;
use super::{Given, Put};
use crate::cdi;
use crate::host::root::Root;
use crate::host::survey::{Cdi, CdiDevice, CdiSpec, Gap};
use crate::host::{Daemon, DaemonPlace, Seen};

/// Where daemons look for specifications, unless they are told.
const FOLDERS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// So many files are read of a folder at most.
const FILES: usize = 64;
/// The most that is read of all files together, in bytes.
const TOTAL: u64 = 32 << 20;

/// The specifications in the folders of the daemons on this kernel, or in the usual ones.
pub(super) fn read(given: &Given, daemons: &[Daemon]) -> Put {
    let (cdi, gaps) = specifications(&given.root, daemons, TOTAL);
    Box::new(move |survey| {
        survey.cdi = cdi;
        survey.gaps.extend(gaps);
    })
}

fn specifications(root: &Root, daemons: &[Daemon], mut left: u64) -> (Cdi, Vec<Gap>) {
    let (mut found, mut gaps) = (Cdi { folders: folders(daemons), specs: Vec::new() }, Vec::new());
    for folder in &found.folders {
        let names = match root.list(folder) {
            Seen::Found(names) => names,
            Seen::Unreadable(why) => {
                gaps.push(Gap::of(format!("CDI specifications in {folder}"), why));
                continue;
            }
            Seen::Absent | Seen::NotAsked => continue,
        };
        let names: Vec<_> = names.into_iter().filter(|name| cdi::is_specification(name)).collect();
        if names.len() > FILES {
            let why = format!("of {} files only {FILES} are read", names.len());
            gaps.push(Gap::of(format!("CDI specifications in {folder}"), why));
        }
        for name in names.iter().take(FILES) {
            found.specs.push(spec(root, format!("{}/{name}", folder.trim_end_matches('/')), &mut left));
        }
    }
    (found, gaps)
}

fn folders(daemons: &[Daemon]) -> Vec<String> {
    let here = daemons.iter().filter(|daemon| daemon.place == DaemonPlace::ThisKernel);
    let named = here.filter_map(|daemon| daemon.answer.found()?.cdi_spec_dirs.as_ref()).flatten();
    let mut known = BTreeSet::new();
    let folders: Vec<String> = named.filter(|folder| known.insert(*folder)).cloned().collect();
    if folders.is_empty() { FOLDERS.map(str::to_owned).to_vec() } else { folders }
}

fn spec(root: &Root, path: String, left: &mut u64) -> CdiSpec {
    let mode = root.stat(&path).found().and_then(|stat| stat.mode);
    let parsed = match root.text_within(&path, cdi::MOST.min(*left)) {
        Seen::Absent => Seen::Unreadable("it is a link that leads nowhere".into()),
        Seen::Unreadable(_) if *left < cdi::MOST && root.stat(&path).found().is_some_and(|stat| stat.size > *left) => {
            Seen::Unreadable("it is not read: all specifications together are larger than 32 MiB".into())
        }
        text => {
            *left = left.saturating_sub(text.found().map_or(0, |text| text.len() as u64));
            text.then(|text| cdi::parse(&text))
        }
    };
    let none = CdiSpec { path, mode, ..CdiSpec::default() };
    match parsed {
        Seen::Found(parsed) => {
            let missing = hosts(&parsed).into_iter().filter(|host| root.presence(host).is_absent());
            let missing = missing.map(str::to_owned).collect();
            let versions = versions(&parsed);
            let devices = parsed.devices.iter().map(device).collect();
            CdiSpec { kind: Seen::Found(parsed.kind), devices, missing, versions, ..none }
        }
        other => CdiSpec { kind: other.map(|it| it.kind), ..none },
    }
}

/// The paths on the host, each once, in order.
fn hosts(spec: &cdi::Spec) -> Vec<&str> {
    let mut known = BTreeSet::new();
    let paths = spec.edits().flat_map(|edits| {
        let nodes = edits.device_nodes.iter().map(cdi::Node::on_host);
        nodes.chain(edits.mounts.iter().map(|mount| mount.host_path.as_str()))
    });
    paths.filter(|path| path.starts_with('/') && known.insert(*path)).collect()
}

/// The driver's versions in the names of what it mounts, each once.
fn versions(spec: &cdi::Spec) -> Vec<String> {
    let mounts = spec.edits().flat_map(|edits| &edits.mounts);
    let versions: BTreeSet<_> = mounts.filter_map(|mount| version(&mount.host_path)).collect();
    versions.into_iter().collect()
}

fn device(device: &cdi::Device) -> CdiDevice {
    let nodes = device.container_edits.device_nodes.iter().map(|node| node.on_host().to_owned()).collect();
    CdiDevice { name: device.name.clone(), nodes }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = "---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n  - name: \"0\"\n    containerEdits:\n      deviceNodes:\n        - path: /dev/nvidia0\n          hostPath: /dev/nvidia3\ncontainerEdits:\n  deviceNodes:\n    - path: /dev/nvidiactl\n  mounts:\n    - hostPath: /usr/lib/libcuda.so.580.95.05\n      containerPath: /usr/lib/libcuda.so.580.95.05\n";
        let json = r#"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0","hostPath":"/dev/nvidia3"}]}}],"containerEdits":{"deviceNodes":[{"path":"/dev/nvidiactl"}],"mounts":[{"hostPath":"/usr/lib/libcuda.so.580.95.05","containerPath":"/x"}]}}"#;
        for text in [yaml, json] {
            let parsed = cdi::parse(text).unwrap();
            assert_eq!(parsed.kind, cdi::KIND);
            let devices: Vec<_> = parsed.devices.iter().map(device).collect();
            assert_eq!(devices, [CdiDevice { name: "0".into(), nodes: vec!["/dev/nvidia3".into()] }]);
            assert_eq!(hosts(&parsed), ["/dev/nvidia3", "/dev/nvidiactl", "/usr/lib/libcuda.so.580.95.05"]);
            assert_eq!(versions(&parsed), ["580.95.05"]);
        }
    }

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc/cdi")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join("etc/cdi").join(name), text).unwrap();
        }
        let root = Root::at(folder.path(), BTreeMap::new());
        (folder, root)
    }

    #[test]
    fn files_of_other_endings_are_not_read() {
        let (_folder, root) = machine(&[("a.yaml", "kind: nvidia.com/gpu"), ("b.yml", "{"), ("c.txt", "{")]);
        let (found, gaps) = specifications(&root, &[], TOTAL);
        let paths: Vec<_> = found.specs.iter().map(|spec| spec.path.as_str()).collect();
        assert_eq!((&paths[..], gaps.len()), (&["/etc/cdi/a.yaml"][..], 0));
    }

    #[test]
    fn what_is_too_large_alone_or_together_says_so() {
        let text = format!("kind: nvidia.com/gpu\n#{}", "x".repeat(1 << 10));
        let (folder, root) = machine(&[("a.yaml", &text), ("b.yaml", &text), ("c.yaml", "kind: x")]);
        let huge = std::fs::File::create(folder.path().join("etc/cdi/huge.json")).unwrap();
        huge.set_len(64 << 30).unwrap();
        let why = |most| {
            let (found, _) = specifications(&root, &[], most);
            found.specs.iter().map(|spec| spec.kind.open().map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(why(TOTAL), [None, None, None, Some("it is larger than 8 MiB".into())]);
        let together = Some("it is not read: all specifications together are larger than 32 MiB".to_owned());
        assert_eq!(why(1500), [None, together.clone(), None, together]);
    }

    #[test]
    fn a_folder_with_more_files_than_are_read_is_a_gap() {
        let names: Vec<_> = (0..=FILES).map(|number| format!("{number:03}.yaml")).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), "kind: x")).collect();
        let (_folder, root) = machine(&files);
        let (found, gaps) = specifications(&root, &[], TOTAL);
        assert_eq!(found.specs.len(), FILES);
        assert_eq!(gaps, [Gap::of("CDI specifications in /etc/cdi", "of 65 files only 64 are read")]);
    }
}
