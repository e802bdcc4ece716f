//! The simulated library, whole and without a function, and nodes with a GPU for each case.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use super::worker::{Case, run};
use crate::sim_nvml::library;

/// Where the loader's names are, at the beginning of the image.
const NAMES: u64 = 1 << 18;

/// A copy of the library in which the loader finds this function no more: its name is another.
pub(crate) fn without(function: &str, folder: &Path) -> PathBuf {
    let path = folder.join(format!("{function}.so"));
    std::fs::copy(library(), &path).unwrap();
    let mut image = File::options().read(true).write(true).open(&path).unwrap();
    let mut names = Vec::new();
    Read::by_ref(&mut image).take(NAMES).read_to_end(&mut names).unwrap();
    let name = [b"\0", function.as_bytes(), b"\0"].concat();
    let at = names.windows(name.len()).position(|part| part == name);
    let at = at.unwrap_or_else(|| panic!("the library has no {function}"));
    image.seek(SeekFrom::Start(u64::try_from(at).unwrap() + 1)).unwrap();
    image.write_all(b"N").unwrap();
    path
}

/// A node file that lies in a folder of its own.
pub(crate) struct NodeInFile {
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

/// A node that comes with NACP.
pub(crate) fn shipped(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("nodes/{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn write(node: &Value) -> NodeInFile {
    let folder = tempdir().unwrap();
    let path = folder.path().join("node.json");
    std::fs::write(&path, serde_json::to_vec(node).unwrap()).unwrap();
    NodeInFile { path, _folder: folder }
}

/// A node like the shipped one, with `count` GPUs that differ in what identifies them only.
pub(crate) fn alike(name: &str, count: usize) -> Value {
    let mut node = shipped(name);
    // The second has the most to tell: it is at work, or divided.
    let model = node["gpus"][1].clone();
    let gpu = |nth: usize| {
        let mut gpu = model.clone();
        gpu["uuid"] = json!(format!("GPU-00000000-0000-4000-8000-{nth:012}"));
        gpu["pci"] = json!(format!("00000000:{:02X}:00.0", nth + 1));
        identify(&mut gpu, nth, &mut 0);
        gpu
    };
    node["gpus"] = (0..count).map(gpu).collect();
    node
}

/// The same in a file.
pub(crate) fn node(name: &str, count: usize) -> NodeInFile {
    write(&alike(name, count))
}

/// Gives every partition an id of its own, and every process a number that holds in any process.
fn identify(value: &mut Value, gpu: usize, next: &mut u32) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value.as_str()) {
                    ("uuid", Some(uuid)) if uuid.starts_with("MIG-") => {
                        *next += 1;
                        *value = json!(format!("MIG-00000000-0000-5000-{next:04}-{gpu:012}"));
                    }
                    ("pid", _) => {
                        *next += 1;
                        *value = json!(4_000_000 + *next);
                    }
                    _ => identify(value, gpu, next),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| identify(value, gpu, next)),
        _ => {}
    }
}

/// The functions that NACP calls on this node, as the library counts them.
pub(crate) fn called(node: &Path) -> Vec<String> {
    let folder = tempdir().unwrap();
    let trace = folder.path().join("trace");
    run(&Case { trace: Some(&trace), ..Case::plain(&library(), node) });
    let text = std::fs::read_to_string(&trace).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}
