//! What NACP sets in a container so that the program in it can repeat bit for bit.
//!
//! A variable makes a library repeat that honours it, and no other. It needs a program that asks its libraries for
//! repeatable algorithms, that seeds its random numbers, and that sees the same requests in the same batches: the order
//! in which a batch is summed depends on its size, and no variable changes that. What does not repeat by itself does not
//! repeat here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far a service is to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Determinism {
    /// Its containers get the [`VARIABLES`].
    Strict,
}

/// A variable of the environment that makes a library repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is set to.
    pub value: &'static str,
    /// Why it is set.
    pub why: &'static str,
    /// What that costs.
    pub cost: &'static str,
    /// What it does not do.
    pub limit: &'static str,
}

/// A variable that others set for the same purpose and that NACP leaves alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftAlone {
    /// Its name.
    pub name: &'static str,
    /// Why it is not set.
    pub why: &'static str,
}

/// What [`Determinism::Strict`] sets, in the order of the names. The value replaces the one of the image; a value of
/// the service's own `env` stays, see [`Determinism::kept`].
pub const VARIABLES: [Variable; 5] = [
    Variable {
        name: "CUBLAS_WORKSPACE_CONFIG",
        value: ":4096:8",
        why: "cuBLAS may choose another algorithm when several streams are active; with a workspace of fixed size for \
              each it does not, and PyTorch's deterministic mode asks for it",
        cost: "about 24 MiB of GPU memory a process",
        limit: "another version of cuBLAS, another architecture or another number of multiprocessors may give other \
                bits",
    },
    Variable {
        name: "CUDA_DEVICE_ORDER",
        value: "PCI_BUS_ID",
        why: "CUDA numbers the fastest device first, and equals in no promised order; by PCI address a number means the \
              same device after each start, and the same as in nvidia-smi",
        cost: "nothing",
        limit: "it changes no bits by itself",
    },
    Variable {
        name: "NCCL_NVLS_ENABLE",
        value: "0",
        why: "sums that NVLink switches compute (NVLS) come in an order that NCCL does not control and may differ from \
              call to call",
        cost: "slower collectives on servers with NVSwitch",
        limit: "another number of ranks, another topology or another version of NCCL may give other bits",
    },
    Variable {
        name: "NVIDIA_TF32_OVERRIDE",
        value: "0",
        why: "cuBLAS and cuDNN compute 32-bit products in TF32 where a program allows it and the device has it; without \
              it 32 bits mean 32 bits on each device",
        cost: "32-bit products without tensor units: several times slower since Ampere",
        limit: "16 and 8 bits, and kernels that a program brings itself, are as they were",
    },
    Variable {
        name: "PYTHONHASHSEED",
        value: "0",
        why: "Python orders sets of text by a hash that differs from start to start, and engines key caches by it",
        cost: "the protection against requests that are made to collide in a dictionary",
        limit: "it seeds no random numbers",
    },
];

/// What [`Determinism::Strict`] does not set, in the order of the names.
pub const LEFT_ALONE: [LeftAlone; 6] = [
    LeftAlone {
        name: "CUDA_LAUNCH_BLOCKING",
        why: "one kernel at a time does not order the threads within a kernel, where atomics sum; it hides a race \
              between streams and costs all overlap",
    },
    LeftAlone { name: "CUDA_MODULE_LOADING", why: "when a kernel is loaded does not change what it computes" },
    LeftAlone {
        name: "NCCL_ALGO",
        why: "NCCL's choice follows from ranks, sizes and topology, which do not change from start to start; an \
              algorithm that a collective does not have is an error and stops the program",
    },
    LeftAlone { name: "NCCL_PROTO", why: "it is chosen as `NCCL_ALGO` is" },
    LeftAlone {
        name: "VLLM_BATCH_INVARIANT",
        why: "it is an engine's own, not every model and device has it, and it is slower; set it in `env` where a row \
              must not depend on its batch",
    },
    LeftAlone {
        name: "XLA_FLAGS",
        why: "it holds all options of XLA at once, and one that a version does not know stops the program",
    },
];

impl Determinism {
    /// Adds its variables to an environment, except those that are there. Returns what it added.
    pub fn set(self, environment: &mut BTreeMap<String, String>) -> Vec<Variable> {
        let Self::Strict = self;
        let mut added = Vec::new();
        for variable in VARIABLES {
            if !environment.contains_key(variable.name) {
                environment.insert(variable.name.into(), variable.value.into());
                added.push(variable);
            }
        }
        added
    }

    /// The variables for which an environment has another value. The value stays: who writes a variable down means it.
    pub fn kept(self, environment: &BTreeMap<String, String>) -> Vec<Variable> {
        let Self::Strict = self;
        let differs = |it: &Variable| environment.get(it.name).is_some_and(|value| value != it.value);
        VARIABLES.into_iter().filter(differs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_says_itself_stays_and_is_told() {
        let mut environment: BTreeMap<String, String> =
            [("NVIDIA_TF32_OVERRIDE", "1"), ("PYTHONHASHSEED", "0"), ("OTHER", "x")]
                .map(|(name, value)| (name.into(), value.into()))
                .into();
        let kept: Vec<_> = Determinism::Strict.kept(&environment).into_iter().map(|it| it.name).collect();
        assert_eq!(kept, ["NVIDIA_TF32_OVERRIDE"], "the same value is no conflict");
        let added: Vec<_> = Determinism::Strict.set(&mut environment).into_iter().map(|it| it.name).collect();
        assert_eq!(added, ["CUBLAS_WORKSPACE_CONFIG", "CUDA_DEVICE_ORDER", "NCCL_NVLS_ENABLE"]);
        assert_eq!((environment["NVIDIA_TF32_OVERRIDE"].as_str(), environment.len()), ("1", 6));
    }

    #[test]
    fn each_variable_is_named_once_and_explained() {
        let names: Vec<_> = VARIABLES.iter().map(|it| it.name).chain(LEFT_ALONE.iter().map(|it| it.name)).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{name}");
        }
        assert!(VARIABLES.is_sorted_by_key(|it| it.name) && LEFT_ALONE.is_sorted_by_key(|it| it.name));
        assert!(VARIABLES.iter().all(|it| [it.value, it.why, it.cost, it.limit].iter().all(|text| !text.is_empty())));
    }
}
