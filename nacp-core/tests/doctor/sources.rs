//! Where a finding may have its evidence from.

use std::fs;
use std::path::Path;

use nacp_core::host::Evidence;

use crate::cases::names;

/// Whether what the evidence names is in the machine's folder. It begins with one of these words:
///
/// | source | is in |
/// |---|---|
/// | an absolute path | the folder; a path that was missed may be named with `not there` |
/// | `env NAME` | `env` |
/// | `NVML …`, `nvml…` | `answers/nvml.json` |
/// | `CUDA …`, `cuda…` | `answers/cuda.json` |
/// | `kernel log` | `answers/kernel.log` |
/// | `… of container NAME` | `answers/daemons/N/containers.json` |
/// | `message of a pod` | `messages` |
/// | `.wslconfig …` | the folder of a user of Windows |
/// | `daemon …`, `GET /info …` | `answers/daemons/N` |
/// | a command line | `answers/run` |
pub(crate) fn is_there(evidence: &Evidence, folder: &Path) -> bool {
    let source = evidence.source.as_str();
    let has = |path: &str| folder.join(path).exists();
    let words: Vec<_> = source.split_whitespace().collect();
    let first = words.first().copied().unwrap_or_default();
    if first.starts_with('/') {
        return path_is_there(first, folder) || evidence.value.contains("not there");
    }
    if let Some((_, name)) = source.split_once(" of container ") {
        return in_a_daemon(folder, name);
    }
    match first.to_lowercase().as_str() {
        "env" => {
            let environment = fs::read_to_string(folder.join("env")).unwrap_or_default();
            words.get(1).is_some_and(|name| environment.lines().any(|line| line.starts_with(&format!("{name}="))))
        }
        "nvml" => has("answers/nvml.json"),
        "cuda" => has("answers/cuda.json"),
        "kernel" => has("answers/kernel.log"),
        "message" => has("messages"),
        ".wslconfig" => {
            names(&folder.join("mnt/c/Users")).iter().any(|user| has(&format!("mnt/c/Users/{user}/.wslconfig")))
        }
        "daemon" | "get" => !names(&folder.join("answers/daemons")).is_empty(),
        _ => {
            // Options may stand between a program's command and what it is about.
            let of =
                |line: &String| words.iter().all(|word| line.replace("%2F", "/").split(' ').any(|part| part == *word));
            names(&folder.join("answers/run")).iter().any(of)
        }
    }
}

/// Whether a path is there; its last part may have a star.
fn path_is_there(path: &str, folder: &Path) -> bool {
    let path = folder.join(path.trim_start_matches('/'));
    if path.symlink_metadata().is_ok() {
        return true;
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return false;
    };
    name.split_once('*')
        .is_some_and(|(head, tail)| names(parent).iter().any(|other| other.starts_with(head) && other.ends_with(tail)))
}

fn in_a_daemon(folder: &Path, container: &str) -> bool {
    let daemons = folder.join("answers/daemons");
    names(&daemons).iter().any(|daemon| {
        let list = fs::read_to_string(daemons.join(daemon).join("containers.json")).unwrap_or_default();
        list.contains(&format!("\"/{container}\"")) || list.contains(&format!("\"{container}\""))
    })
}
