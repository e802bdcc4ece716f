//! The CDI devices that the specification files of this machine name, for daemons that do not report them.

use std::fs::File;
use std::io::{Error as IoError, Read};
use std::path::Path;

use crate::cdi::{self, KIND};

/// The names, as `nvidia.com/gpu=NAME`, of all NVIDIA devices in the specification files of these folders. What cannot
/// be read is left out: the daemon would not resolve it either.
pub(super) fn devices(folders: impl IntoIterator<Item = impl AsRef<Path>>) -> Vec<String> {
    let files = folders.into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let specs = files.filter(|file| file.file_name().to_str().is_some_and(cdi::is_specification));
    specs.filter_map(|file| read(&file.path())).flatten().collect()
}

fn read(path: &Path) -> Option<Vec<String>> {
    let refused = |error: &dyn std::fmt::Display| {
        tracing::warn!(path = %path.display(), %error, "a CDI specification cannot be read");
    };
    let text = text(path).inspect_err(|error| refused(error)).ok()?;
    let spec = cdi::parse(&text).inspect_err(|error| refused(error)).ok()?;
    let names = spec.devices.into_iter().map(|device| format!("{KIND}={}", device.name));
    (spec.kind == KIND).then(|| names.collect())
}

/// The text of a file. A pipe would never end, and one that is too large is nobody's specification.
fn text(path: &Path) -> Result<String, IoError> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(IoError::other("it is no regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(cdi::MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > cdi::MOST {
        return Err(IoError::other("it is larger than 8 MiB"));
    }
    Ok(text)
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
        std::fs::File::create(folder.path().join("huge.json")).unwrap().set_len(64 << 30).unwrap();
        #[cfg(unix)]
        assert!(std::process::Command::new("mkfifo").arg(folder.path().join("pipe.yaml")).status().unwrap().success());
        let mut found = devices([folder.path(), Path::new("/nonexistent")]);
        found.sort();
        assert_eq!(found, ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-1", "nvidia.com/gpu=all"]);
    }
}
