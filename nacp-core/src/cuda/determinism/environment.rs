//! The variables of the environment that reach CUDA, and what each of them can change.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What a variable can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Influence {
    /// Which device is meant, and nothing of what it computes.
    Device,
    /// Which program runs: another library, or the same PTX compiled anew in place of what was compiled before.
    Program,
    /// When work runs and next to what.
    Order,
    /// Which algorithm or precision NVIDIA's libraries compute with.
    Arithmetic,
}

impl Influence {
    /// Whether two runs that differ in it may differ in their bits.
    pub fn matters(self) -> bool {
        self != Self::Device
    }
}

/// The variables that a certificate records, and what each can change. A name that ends in `*` stands for all that
/// begin so. NACP's own kernels repeat under any of them; a program's libraries may not, and the certificate stands
/// for the place where it was made.
pub const RECORDED: [(&str, Influence); 16] = [
    ("CUBLAS_WORKSPACE_CONFIG", Influence::Arithmetic),
    ("CUDA_CACHE_DISABLE", Influence::Program),
    ("CUDA_CACHE_MAXSIZE", Influence::Program),
    ("CUDA_CACHE_PATH", Influence::Program),
    ("CUDA_DEVICE_MAX_CONNECTIONS", Influence::Order),
    ("CUDA_DEVICE_ORDER", Influence::Device),
    ("CUDA_DISABLE_PTX_JIT", Influence::Program),
    ("CUDA_FORCE_PTX_JIT", Influence::Program),
    ("CUDA_LAUNCH_BLOCKING", Influence::Order),
    ("CUDA_MODULE_LOADING", Influence::Order),
    ("CUDA_MPS_*", Influence::Order),
    ("CUDA_VISIBLE_DEVICES", Influence::Device),
    ("NCCL_ALGO", Influence::Arithmetic),
    ("NCCL_NVLS_ENABLE", Influence::Arithmetic),
    ("NCCL_PROTO", Influence::Arithmetic),
    ("NVIDIA_TF32_OVERRIDE", Influence::Arithmetic),
];

/// Where the loader looks first. It is recorded where the driver's library came from there.
const SEARCH_PATH: &str = "LD_LIBRARY_PATH";

/// What a variable can change; nothing of one that is not recorded.
pub(super) fn influence(name: &str) -> Option<Influence> {
    let matches = |known: &str| known.strip_suffix('*').map_or(known == name, |prefix| name.starts_with(prefix));
    if name == SEARCH_PATH {
        return Some(Influence::Program);
    }
    RECORDED.iter().find(|(known, _)| matches(known)).map(|(_, influence)| *influence)
}

/// What is recorded of an environment, when the driver is this file.
pub(super) fn recorded(environment: &BTreeMap<String, String>, library: &Path) -> BTreeMap<String, String> {
    let from_there = |folders: &str| folders.split(':').any(|folder| library.parent() == Some(Path::new(folder)));
    let wanted =
        |(name, value): &(&String, &String)| influence(name).is_some() && (*name != SEARCH_PATH || from_there(value));
    environment.iter().filter(wanted).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cuda_reads_is_recorded_and_nothing_else() {
        let environment: BTreeMap<String, String> = [
            ("CUDA_MPS_PIPE_DIRECTORY", "/tmp/mps"),
            ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
            ("LD_LIBRARY_PATH", "/opt/a:/opt/sim"),
            ("HF_TOKEN", "secret"),
            ("CUDA_MPSX", "no"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let names = |library: &str| recorded(&environment, Path::new(library)).into_keys().collect::<Vec<_>>();
        assert_eq!(
            names("/opt/sim/libcuda.so.1"),
            ["CUBLAS_WORKSPACE_CONFIG", "CUDA_MPS_PIPE_DIRECTORY", "LD_LIBRARY_PATH"]
        );
        assert_eq!(names("/usr/lib/libcuda.so.1"), ["CUBLAS_WORKSPACE_CONFIG", "CUDA_MPS_PIPE_DIRECTORY"]);
    }

    #[test]
    fn which_device_is_meant_does_not_change_its_bits() {
        assert!(!influence("CUDA_VISIBLE_DEVICES").unwrap().matters());
        assert!(influence("NVIDIA_TF32_OVERRIDE").unwrap().matters());
        assert_eq!(influence("PATH"), None);
    }
}
