//! Power, its limits, and energy.

use nacp_core::sim::node::LimitsFile;

use crate::call::{Gpu, functions, told};
use crate::memory::{Answer, Out};

functions! { gpu:
    fn nvmlDeviceGetPowerUsage(value: Out<u32>) = |gpu| value.set(gpu.power);
    fn nvmlDeviceGetEnforcedPowerLimit(value: Out<u32>) = |gpu| value.set(told(gpu.power_limit)?);
    fn nvmlDeviceGetPowerManagementLimit(value: Out<u32>) = |gpu| {
        let requested = gpu.limits.and_then(|limits| limits.requested);
        value.set(told(requested.or(gpu.power_limit))?)
    };
    fn nvmlDeviceGetPowerManagementMode(value: Out<u32>) = |gpu| {
        told(gpu.power_limit)?;
        value.set(1)
    };
    fn nvmlDeviceGetPowerManagementDefaultLimit(value: Out<u32>) = |gpu| value.set(told(limits(gpu)?.default)?);
    fn nvmlDeviceGetPowerManagementLimitConstraints(min: Out<u32>, max: Out<u32>) = |gpu| {
        let limits = limits(gpu)?;
        max.check()?;
        min.set(told(limits.min)?)?;
        max.set(told(limits.max)?)
    };
    fn nvmlDeviceGetTotalEnergyConsumption(value: Out<u64>) = |gpu| value.set(told(gpu.energy)?);
    fn nvmlDeviceGetPowerSource(value: Out<u32>) = |gpu| {
        const MAINS: u32 = 0;
        told(gpu.power_limit)?;
        value.set(MAINS)
    };
    fn nvmlDeviceGetPerformanceState(value: Out<u32>) = |gpu| value.set(told(gpu.performance)?);
    fn nvmlDeviceGetPowerState(value: Out<u32>) = |gpu| value.set(told(gpu.performance)?);
}

pub(super) fn limits(gpu: Gpu) -> Answer<LimitsFile> {
    told(gpu.limits)
}
