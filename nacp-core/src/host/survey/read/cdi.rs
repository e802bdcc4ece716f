//! CDI specifications.

use serde::Deserialize;

use super::libraries::version;
use crate::host::root::Root;
use crate::host::survey::{Cdi, CdiDevice, CdiSpec};
use crate::host::{Daemon, DaemonPlace, Seen};

/// Where daemons look for specifications, unless they are told.
const FOLDERS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// The most that is read of a file, in bytes.
const MOST: u64 = 8 << 20;
/// So many files are read of a folder at most.
const FILES: usize = 64;

/// The specifications in the folders of the daemons on this kernel, or in the usual ones.
pub(super) fn read(root: &Root, daemons: &[Daemon]) -> Cdi {
    let here = daemons.iter().filter(|daemon| daemon.place == DaemonPlace::ThisKernel);
    let named = here.filter_map(|daemon| daemon.answer.found()?.cdi_spec_dirs.as_ref()).flatten();
    let mut folders: Vec<String> = named.cloned().collect();
    if folders.is_empty() {
        folders = FOLDERS.map(str::to_owned).to_vec();
    }
    let mut known = Vec::new();
    folders.retain(|folder| {
        !known.contains(folder) && {
            known.push(folder.clone());
            true
        }
    });
    let files = folders.iter().flat_map(|folder| {
        let names = root.list(folder).found().cloned().unwrap_or_default();
        let specs = names.into_iter().filter(|name| [".json", ".yaml", ".yml"].iter().any(|end| name.ends_with(end)));
        specs.take(FILES).map(move |name| format!("{}/{name}", folder.trim_end_matches('/')))
    });
    let specs = files.map(|path| spec(root, path)).collect();
    Cdi { folders, specs }
}

fn spec(root: &Root, path: String) -> CdiSpec {
    let mode = root.stat(&path).found().and_then(|stat| stat.mode);
    let parsed = match root.text_within(&path, MOST) {
        Seen::Absent => Seen::Unreadable("it is a link that leads nowhere".into()),
        text => text.then(|text| parse(&text)),
    };
    let none = CdiSpec { path, mode, ..CdiSpec::default() };
    match parsed {
        Seen::Found(Parsed { kind, devices, hosts, versions }) => {
            let missing = hosts.into_iter().filter(|host| root.presence(host).is_absent()).collect();
            CdiSpec { kind: Seen::Found(kind), devices, missing, versions, ..none }
        }
        other => CdiSpec { kind: other.map(|it| it.kind), ..none },
    }
}

/// What a specification says, before its paths are looked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    kind: String,
    devices: Vec<CdiDevice>,
    /// Paths on the host, each once.
    hosts: Vec<String>,
    versions: Vec<String>,
}

/// Reads a specification. JSON is YAML too.
fn parse(text: &str) -> Result<Parsed, String> {
    let spec: Spec = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("it is no specification: {error}"))?
    } else {
        serde_saphyr::from_str(text).map_err(|error| {
            let text = error.to_string();
            format!("it is no specification: {}", text.lines().next().unwrap_or_default())
        })?
    };
    let mut parsed = Parsed { kind: spec.kind, ..Parsed::default() };
    let host = |path: &str, hosts: &mut Vec<String>| {
        if path.starts_with('/') && !hosts.iter().any(|known| known == path) {
            hosts.push(path.to_owned());
        }
    };
    for edits in spec.devices.iter().map(|device| &device.container_edits).chain([&spec.container_edits]) {
        edits.device_nodes.iter().for_each(|node| host(node.on_host(), &mut parsed.hosts));
        for mount in &edits.mounts {
            host(&mount.host_path, &mut parsed.hosts);
            parsed.versions.extend(version(&mount.host_path));
        }
    }
    parsed.versions.sort();
    parsed.versions.dedup();
    parsed.devices = spec.devices.into_iter().map(CdiDevice::from).collect();
    Ok(parsed)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    kind: String,
    #[serde(default)]
    devices: Vec<Device>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    #[serde(deserialize_with = "name")]
    name: String,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edits {
    #[serde(default)]
    device_nodes: Vec<Node>,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    path: String,
    #[serde(default)]
    host_path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    host_path: String,
}

impl Node {
    fn on_host(&self) -> &str {
        self.host_path.as_deref().filter(|path| !path.is_empty()).unwrap_or(&self.path)
    }
}

impl From<Device> for CdiDevice {
    fn from(device: Device) -> Self {
        let nodes = device.container_edits.device_nodes.iter().map(|node| node.on_host().to_owned()).collect();
        Self { name: device.name, nodes }
    }
}

/// A name by index may be written without quotes, as a number.
fn name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Name {
        Text(String),
        Index(u64),
    }
    Ok(match Name::deserialize(deserializer)? {
        Name::Text(text) => text,
        Name::Index(index) => index.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = "---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n  - name: \"0\"\n    containerEdits:\n      deviceNodes:\n        - path: /dev/nvidia0\n          hostPath: /dev/nvidia3\ncontainerEdits:\n  deviceNodes:\n    - path: /dev/nvidiactl\n  mounts:\n    - hostPath: /usr/lib/libcuda.so.580.95.05\n      containerPath: /usr/lib/libcuda.so.580.95.05\n";
        let json = r#"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0","hostPath":"/dev/nvidia3"}]}}],"containerEdits":{"deviceNodes":[{"path":"/dev/nvidiactl"}],"mounts":[{"hostPath":"/usr/lib/libcuda.so.580.95.05","containerPath":"/x"}]}}"#;
        let parsed = parse(yaml).unwrap();
        assert_eq!(parsed, parse(json).unwrap());
        assert_eq!(parsed.kind, "nvidia.com/gpu");
        assert_eq!(parsed.devices, [CdiDevice { name: "0".into(), nodes: vec!["/dev/nvidia3".into()] }]);
        assert_eq!(parsed.hosts, ["/dev/nvidia3", "/dev/nvidiactl", "/usr/lib/libcuda.so.580.95.05"]);
        assert_eq!(parsed.versions, ["580.95.05"]);
    }

    #[test]
    fn an_index_without_quotes_is_a_name() {
        assert_eq!(parse("kind: nvidia.com/gpu\ndevices: [{name: 0}]").unwrap().devices[0].name, "0");
    }

    #[test]
    fn what_is_no_specification_says_why_in_one_line() {
        for broken in [
            "",
            "{",
            "[]",
            "kind: [",
            "devices: []",
            "{\"kind\":1}",
            "kind: a\ndevices: 7",
            "\0\0",
            "kind: x\ndevices:\n  - containerEdits: {}",
        ] {
            let why = parse(broken).unwrap_err();
            assert!(why.starts_with("it is no specification: ") && !why.contains('\n'), "{broken:?}: {why}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(kind: a\\n|\\{|devices:\\n)?(\\PC|\\n| |- |: ){0,200}") {
            let _ = parse(&text);
        }
    }
}
