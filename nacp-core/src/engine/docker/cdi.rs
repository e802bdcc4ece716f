//! The CDI devices that the specification files of this machine name, for daemons that do not report them.

use std::path::Path;

use serde::Deserialize;

use super::gpu::CDI_KIND;

#[derive(Deserialize)]
struct Spec {
    kind: String,
    #[serde(default)]
    devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    name: String,
}

/// The names, as `nvidia.com/gpu=NAME`, of all NVIDIA devices in the specification files of these folders. What cannot
/// be read is left out: the daemon would not resolve it either.
pub(super) fn devices(folders: impl IntoIterator<Item = impl AsRef<Path>>) -> Vec<String> {
    let files = folders.into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let specs = files.map(|file| file.path()).filter(|path| {
        path.extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| matches!(extension, "json" | "yaml"))
    });
    specs.filter_map(|path| read(&path)).flatten().collect()
}

fn read(path: &Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(path).ok()?;
    let spec: Spec = serde_saphyr::from_str(&text)
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a CDI specification cannot be read"))
        .ok()?;
    let names = spec.devices.into_iter().map(|device| format!("{CDI_KIND}={}", device.name));
    (spec.kind == CDI_KIND).then(|| names.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_of_the_right_kind_count() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a.json", r#"{"cdiVersion":"0.6.0","kind":"nvidia.com/gpu","devices":[{"name":"0"},{"name":"all"}]}"#),
            ("b.yaml", "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: GPU-1\n  containerEdits: {}\n"),
            ("c.json", r#"{"kind":"vendor.com/net","devices":[{"name":"eth"}]}"#),
            ("broken.json", "{"),
            ("notes.txt", "kind: nvidia.com/gpu"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut found = devices([folder.path(), Path::new("/nonexistent")]);
        found.sort();
        assert_eq!(found, ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-1", "nvidia.com/gpu=all"]);
    }
}
