//! Files of a node and of a pod.

use serde_json::Value;
use toml::Table;

use super::{Given, Put};
use crate::host::root::Root;
use crate::host::survey::Kubernetes;
use crate::host::{LayerKind, Seen};

const KUBELET: &str = "/var/lib/kubelet";
const PLUGINS: &str = "/var/lib/kubelet/device-plugins";
/// The configuration of containerd, and those of K3s's and RKE2's own.
const CONFIGS: [&str; 3] = [
    "/etc/containerd/config.toml",
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
];
/// What the runtimes of nodes leave, and the unit that runs each: the first that is there. K3s and RKE2 bring a containerd
/// of their own.
const UNITS: [(&str, &str); 8] = [
    ("/var/lib/rancher/k3s/server", "k3s"),
    ("/var/lib/rancher/k3s/agent", "k3s-agent"),
    ("/var/lib/rancher/rke2/server", "rke2-server"),
    ("/var/lib/rancher/rke2/agent", "rke2-agent"),
    ("/run/crio/crio.sock", "crio"),
    ("/var/run/crio/crio.sock", "crio"),
    ("/run/containerd/containerd.sock", "containerd"),
    ("/etc/containerd/config.toml", "containerd"),
];
const DRA: &str = "/var/lib/kubelet/plugins/gpu.nvidia.com";
/// How many files one may import.
const IMPORTS: usize = 64;
/// Before the name of every resource of NVIDIA's: `gpu`, `gpu.shared`, `mig-1g.10gb`.
const RESOURCES: &str = "nvidia.com/";

pub(super) fn read(given: &Given) -> Put {
    let root = &given.root;
    let node = root.exists(KUBELET);
    let pod = given.host.layers.iter().any(|layer| layer.kind == LayerKind::Pod);
    let mut facts = Kubernetes { node, pod, messages: given.messages.clone(), ..Kubernetes::default() };
    if node {
        facts.containerd_runtimes = containerd(root);
        facts.unit = UNITS.iter().find(|(path, _)| root.exists(path)).map(|(_, unit)| (*unit).into());
        facts.dra = root.exists(DRA);
        facts.plugin_sockets = root.list(PLUGINS).map(sockets);
        let counted = root
            .text_within(&format!("{PLUGINS}/kubelet_internal_checkpoint"), 16 << 20)
            .then(|text| checkpoint(&text));
        facts.gpus_registered = counted.as_ref().map(|it| it.0);
        facts.gpus_allotted = counted.map(|it| it.1);
    }
    Box::new(move |survey| survey.kubernetes = facts)
}

/// The sockets of plugins; the kubelet's own is none.
fn sockets(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|name| name.ends_with(".sock") && name != "kubelet.sock").collect()
}

/// The runtimes in the first configuration that is there, and in what it imports.
fn containerd(root: &Root) -> Seen<Vec<String>> {
    for path in CONFIGS {
        match root.text(path) {
            Seen::Absent => {}
            text => {
                return text.then(|text| runtimes(&text)).map(|(names, imports)| with_imports(root, names, &imports));
            }
        }
    }
    Seen::Absent
}

fn with_imports(root: &Root, mut names: Vec<String>, imports: &[String]) -> Vec<String> {
    let files = imports.iter().flat_map(|pattern| matching(root, pattern)).take(IMPORTS);
    for path in files {
        // What one file lacks, containerd would refuse as a whole; the others still say what was meant.
        if let Seen::Found((more, _)) = root.text(&path).then(|text| runtimes(&text)) {
            names.extend(more);
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The files of a pattern whose star, if it has one, is in the last part.
fn matching(root: &Root, pattern: &str) -> Vec<String> {
    let Some((folder, name)) = pattern.rsplit_once('/').filter(|(folder, _)| folder.starts_with('/')) else {
        return Vec::new();
    };
    let Some((start, end)) = name.split_once('*') else { return vec![pattern.to_owned()] };
    let names = root.list(folder).found().cloned().unwrap_or_default();
    let fits = |name: &&String| name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end);
    names.iter().filter(fits).map(|name| format!("{folder}/{name}")).collect()
}

/// The names of runtimes in a configuration, of any version of its form, and its imports.
fn runtimes(text: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let config: Table =
        text.parse().map_err(|error: toml::de::Error| format!("it is no configuration: {}", error.message()))?;
    let plugins = config.get("plugins").and_then(toml::Value::as_table);
    let tables = plugins
        .into_iter()
        .flat_map(Table::values)
        .filter_map(|plugin| plugin.get("containerd")?.get("runtimes")?.as_table());
    let names = tables.flat_map(Table::keys).cloned().collect();
    let imports = config.get("imports").and_then(toml::Value::as_array).into_iter().flatten();
    Ok((names, imports.filter_map(|it| it.as_str().map(str::to_owned)).collect()))
}

/// How many GPUs the kubelet has registered, and how many it has allotted. Whose they are is not kept.
fn checkpoint(text: &str) -> Result<(u32, u32), String> {
    let file: Value = serde_json::from_str(text).map_err(|error| format!("it is no checkpoint: {error}"))?;
    let data = file.get("Data").filter(|data| data.is_object()).ok_or("it is no checkpoint: it has no data")?;
    let of_nvidia = |name: &str| name.starts_with(RESOURCES);
    let all = data["RegisteredDevices"].as_object().into_iter().flatten();
    let registered: usize =
        all.filter(|(name, _)| of_nvidia(name)).filter_map(|(_, ids)| ids.as_array()).map(Vec::len).sum();
    let entries = data["PodDeviceEntries"].as_array().into_iter().flatten();
    let allotted: usize = entries
        .filter(|it| it["ResourceName"].as_str().is_some_and(of_nvidia))
        .map(|it| devices(&it["DeviceIDs"]))
        .sum();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok((number(registered), number(allotted)))
}

/// The devices of an entry: a list, or lists by NUMA node.
fn devices(ids: &Value) -> usize {
    match ids {
        Value::Array(ids) => ids.len(),
        Value::Object(nodes) => nodes.values().filter_map(Value::as_array).map(Vec::len).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runtimes_are_found_in_both_forms_of_the_configuration() {
        let two = "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\nruntime_type = \"x\"\n";
        assert_eq!(runtimes(two), Ok((vec!["runc".into()], vec!["/etc/containerd/conf.d/*.toml".into()])));
        let three =
            "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes]\nnvidia = {}\nrunc = {}\n";
        assert_eq!(runtimes(three).unwrap().0, ["nvidia", "runc"]);
        assert_eq!(runtimes(""), Ok((vec![], vec![])));
        assert!(runtimes("[plugins").is_err());
    }

    #[test]
    fn devices_are_counted_and_not_named() {
        let text = r#"{"Data":{"PodDeviceEntries":[{"ResourceName":"nvidia.com/gpu","DeviceIDs":{"0":["a"],"1":["b"]}},{"ResourceName":"nvidia.com/gpu","DeviceIDs":["c"]},{"ResourceName":"x","DeviceIDs":["d"]}],"RegisteredDevices":{"nvidia.com/gpu":["a","b","c","e"]}},"Checksum":1}"#;
        assert_eq!(checkpoint(text), Ok((4, 3)));
        let mig = r#"{"Data":{"PodDeviceEntries":[{"ResourceName":"nvidia.com/mig-1g.10gb","DeviceIDs":["m"]}],"RegisteredDevices":{"nvidia.com/mig-1g.10gb":["m","n"],"nvidia.com/gpu.shared":["a::0","a::1"],"amd.com/gpu":["x"]}},"Checksum":1}"#;
        assert_eq!(checkpoint(mig), Ok((4, 1)));
        assert_eq!(checkpoint(r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}}}"#), Ok((0, 0)));
        for broken in ["", "{}", "[]", r#"{"Data":7}"#] {
            assert!(checkpoint(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(\\[plugins\\.|imports = |\\{\"Data\":)?(\\PC|\\n)*") {
            let _ = (runtimes(&text), checkpoint(&text));
        }
    }
}
