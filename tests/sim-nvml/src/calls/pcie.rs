//! The PCIe link of a GPU.

use nacp_core::sim::node::PcieFile;

use crate::call::{Gpu, functions, told};
use crate::memory::{Answer, Code, Out};

functions! { gpu:
    fn nvmlDeviceGetCurrPcieLinkGeneration(value: Out<u32>) = |gpu| value.set(told(pcie(gpu)?.generation)?);
    fn nvmlDeviceGetCurrPcieLinkWidth(value: Out<u32>) = |gpu| value.set(told(pcie(gpu)?.width)?);
    fn nvmlDeviceGetMaxPcieLinkGeneration(value: Out<u32>) = |gpu| value.set(told(pcie(gpu)?.max_generation)?);
    fn nvmlDeviceGetMaxPcieLinkWidth(value: Out<u32>) = |gpu| value.set(told(pcie(gpu)?.max_width)?);
    fn nvmlDeviceGetGpuMaxPcieLinkGeneration(value: Out<u32>) = |gpu| value.set(told(pcie(gpu)?.gpu_max_generation)?);
    fn nvmlDeviceGetPcieLinkMaxSpeed(value: Out<u32>) = |gpu| {
        // The answer is a number of NVML's own (`NVML_PCIE_LINK_MAX_SPEED_…`), one more per generation.
        let speed = told(pcie(gpu)?.max_speed)?;
        let steps = [2500, 5000, 8000, 16000, 32000, 64000];
        let nth = steps.iter().position(|step| *step == speed).ok_or(Code::UNKNOWN)?;
        value.set(crate::call::number(nth)? + 1)
    };
    fn nvmlDeviceGetPcieSpeed(value: Out<u32>) = |gpu| value.set(told(pcie(gpu)?.speed())?);
    fn nvmlDeviceGetPcieReplayCounter(value: Out<u32>) = |gpu| value.set(told(pcie(gpu)?.replays)?);
    fn nvmlDeviceGetPcieThroughput(counter: u32, value: Out<u32>) = |gpu| match counter {
        0 => value.set(told(pcie(gpu)?.tx)?),
        1 => value.set(told(pcie(gpu)?.rx)?),
        _ => Err(Code::INVALID_ARGUMENT),
    };
}

fn pcie(gpu: Gpu) -> Answer<&'static PcieFile> {
    told(gpu.file.pcie.as_ref())
}
