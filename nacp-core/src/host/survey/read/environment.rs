//! Variables that decide which GPUs, libraries and daemons are used.

use super::{Given, Put};
use crate::cuda::determinism::RECORDED;
use crate::host::daemon::without_user;

/// The variables that NVIDIA's container tools, the driver and the images of CUDA read, besides those of a certificate. A
/// star stands for any end. They are a list and not a prefix: others that begin so hold keys.
const KEPT: [&str; 9] = [
    "CUDA_CACHE_*",
    "CUDA_VERSION",
    "LD_LIBRARY_PATH",
    "NVIDIA_DISABLE_REQUIRE",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_IMEX_CHANNELS",
    "NVIDIA_MIG_*",
    "NVIDIA_REQUIRE_*",
    "NVIDIA_VISIBLE_DEVICES",
];
/// What the name of a variable has in it that may hold a secret, whatever it begins with.
const SECRET: [&str; 5] = ["KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL"];
/// What leads to daemons.
const DAEMONS: [&str; 4] = ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_API_VERSION", "CONTAINER_HOST"];

pub(super) fn read(given: &Given) -> Put {
    let mut variables = given.root.variables(|name| kept(name) || DAEMONS.contains(&name));
    for name in ["DOCKER_HOST", "CONTAINER_HOST"] {
        if let Some(value) = variables.get_mut(name) {
            *value = without_user(value);
        }
    }
    Box::new(move |survey| survey.environment = variables)
}

/// Whether a variable, of this process or of a container, is kept. Others are not looked at: they may hold secrets.
pub(super) fn kept(name: &str) -> bool {
    let is = |known: &str| known.strip_suffix('*').map_or(known == name, |start| name.starts_with(start));
    let known = KEPT.iter().copied().chain(RECORDED.iter().map(|(known, _)| *known)).any(is);
    known && !SECRET.iter().any(|part| name.to_ascii_uppercase().contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_of_the_list_are_kept() {
        for name in [
            "CUDA_VISIBLE_DEVICES",
            "CUDA_VERSION",
            "CUDA_DEVICE_ORDER",
            "CUDA_MPS_PIPE_DIRECTORY",
            "CUDA_CACHE_PATH",
            "CUDA_MODULE_LOADING",
            "CUDA_LAUNCH_BLOCKING",
            "NVIDIA_VISIBLE_DEVICES",
            "NVIDIA_DRIVER_CAPABILITIES",
            "NVIDIA_REQUIRE_CUDA",
            "NVIDIA_DISABLE_REQUIRE",
            "NVIDIA_MIG_CONFIG_DEVICES",
            "NVIDIA_IMEX_CHANNELS",
            "NVIDIA_TF32_OVERRIDE",
            "LD_LIBRARY_PATH",
        ] {
            assert!(kept(name), "{name}");
        }
        for name in [
            "NVIDIA_API_KEY",
            "NVIDIA_NGC_CLI_API_KEY",
            "NVIDIA_TOKEN",
            "NVIDIA_BUILD_ID",
            "CUDA_API_TOKEN",
            "CUDA_HOME",
            "NVIDIA_REQUIRE_API_KEY",
            "NVIDIA_MIG_SECRET",
            "CUDA_MPS_PASSWORD",
            "CUDA_CACHE_credentials",
            "NVIDIA_VISIBLE_DEVICES_2",
            "HF_TOKEN",
            "HOME",
        ] {
            assert!(!kept(name), "{name}");
        }
    }
}
