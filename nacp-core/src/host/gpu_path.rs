//! From facts to the path by which GPUs are reached.

use super::facts::{DEV, Facts, WINDOWS_NVML};
use super::stack::{Confidence, Evidence, GpuPath, GpuPathKind};

const DXG: &str = "/dev/dxg";
const CONTROL: &str = "/dev/nvidiactl";
const MEMORY: &str = "/dev/nvidia-uvm";
const DRIVER: &str = "/proc/driver/nvidia/version";
const WSL_CUDA: &str = "/usr/lib/wsl/lib/libcuda.so.1";
const TEGRA: &str = "/etc/nv_tegra_release";
const FAMILY: &str = "/sys/devices/soc0/family";

pub(super) fn gpu_path(facts: &Facts, in_container: bool) -> GpuPath {
    let all = |sources: &[&str]| sources.iter().filter_map(|source| facts.evidence(source)).collect::<Vec<Evidence>>();
    let path = |kind, detail: &str, evidence, confidence| GpuPath { kind, detail: detail.into(), evidence, confidence };
    if facts.os.as_deref() == Some("windows") {
        return match WINDOWS_NVML.iter().find_map(|source| facts.evidence(source)) {
            Some(library) => path(GpuPathKind::Native, "", vec![library], Confidence::Likely),
            None => {
                let nothing = Evidence { source: WINDOWS_NVML[0].into(), value: "not there".into() };
                path(GpuPathKind::None, "no driver of NVIDIA is installed", vec![nothing], Confidence::Likely)
            }
        };
    }
    let gpus = facts.text(DEV);
    // The display driver of later Jetsons makes nvidia nodes too; CUDA goes its own way there.
    let tegra_family = facts.text(FAMILY).is_some_and(|family| family.to_lowercase().starts_with("tegra"));
    if facts.has(TEGRA) || tegra_family {
        return path(GpuPathKind::Tegra, "", all(&[TEGRA, FAMILY]), Confidence::Certain);
    }
    if gpus.is_some() || facts.has(CONTROL) {
        let sources = [DEV, CONTROL, MEMORY, "/dev/nvidia-caps", "/dev/nvidia-nvswitchctl", DRIVER];
        let evidence = all(&sources).into_iter().filter(|evidence| !evidence.value.is_empty()).collect();
        let (detail, confidence) = if gpus.is_none() {
            ("no /dev/nvidia0: the driver is loaded and no GPU is here", Confidence::Possible)
        } else if !facts.has(CONTROL) {
            ("/dev/nvidiactl is missing: the driver cannot be reached", Confidence::Likely)
        } else if !facts.has(MEMORY) {
            ("/dev/nvidia-uvm is missing: CUDA will not start", Confidence::Certain)
        } else {
            ("", Confidence::Certain)
        };
        return path(GpuPathKind::Native, detail, evidence, confidence);
    }
    if facts.has(DXG) {
        let detail = if facts.has(WSL_CUDA) { "" } else { "/usr/lib/wsl/lib/libcuda.so.1 is not there" };
        return path(GpuPathKind::Paravirtual, detail, all(&[DXG, WSL_CUDA]), Confidence::Certain);
    }
    if !facts.has(DEV) {
        return path(GpuPathKind::Unknown, "/dev is not there", Vec::new(), Confidence::Possible);
    }
    match (facts.has(DRIVER), in_container) {
        (true, true) => {
            let detail = "the machine has the NVIDIA driver; this container was given no GPU";
            path(GpuPathKind::None, detail, all(&[DRIVER]), Confidence::Certain)
        }
        (true, false) => {
            let detail = "the NVIDIA driver is loaded and has made no devices; run `nvidia-smi` as root once";
            path(GpuPathKind::None, detail, all(&[DRIVER]), Confidence::Certain)
        }
        (false, _) => {
            let evidence = Evidence { source: DEV.into(), value: "neither dxg nor nvidiactl".into() };
            path(GpuPathKind::None, "", vec![evidence], Confidence::Certain)
        }
    }
}
