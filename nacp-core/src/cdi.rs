//! Specifications of the Container Device Interface (CDI), as files. The engine asks them for names; a survey for paths.
//!
//! Daemons read every file in their folders whose name ends with `.json` or `.yaml`, and no other.

use serde::Deserialize;

/// The kind of the devices that NVIDIA's specifications bring.
pub(crate) const KIND: &str = "nvidia.com/gpu";
/// The most that is read of one file, in bytes.
pub(crate) const MOST: u64 = 8 << 20;

/// Whether a file of this name counts.
pub(crate) fn is_specification(name: &str) -> bool {
    [".json", ".yaml"].iter().any(|end| name.ends_with(end))
}

/// Reads a specification; the reason where it is none, in one line.
pub(crate) fn parse(text: &str) -> Result<Spec, String> {
    // JSON is YAML too, and its own reader is the faster one.
    let read = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    };
    read.map_err(|error| format!("it is no specification: {}", error.lines().next().unwrap_or_default()))
}

/// A specification, as far as NACP uses it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) devices: Vec<Device>,
    /// What every device of it brings.
    #[serde(default)]
    pub(crate) container_edits: Edits,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Device {
    #[serde(deserialize_with = "name")]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) container_edits: Edits,
}

/// What a device brings into a container.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Edits {
    #[serde(default)]
    pub(crate) device_nodes: Vec<Node>,
    #[serde(default)]
    pub(crate) mounts: Vec<Mount>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    path: String,
    #[serde(default)]
    host_path: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mount {
    pub(crate) host_path: String,
}

impl Spec {
    /// What the devices bring, and what all of them bring.
    pub(crate) fn edits(&self) -> impl Iterator<Item = &Edits> {
        self.devices.iter().map(|device| &device.container_edits).chain([&self.container_edits])
    }
}

impl Node {
    /// Its path on the machine, which is that in the container unless it is said.
    pub(crate) fn on_host(&self) -> &str {
        self.host_path.as_deref().filter(|path| !path.is_empty()).unwrap_or(&self.path)
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
    fn only_two_endings_are_a_specification_s() {
        let names = ["nvidia.yaml", "a.json", "a.yml", "a.yaml.bak", "json", "a.JSON", ""];
        assert_eq!(names.map(is_specification), [true, true, false, false, false, false, false]);
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
