//! How busy a GPU is.

use nvml_wrapper_sys::bindings as sys;

use crate::call::{Gpu, functions, told};
use crate::memory::{Answer, Code, Out, blank};

/// Over how many microseconds an engine's utilisation is taken.
const SAMPLING_PERIOD: u32 = 167_000;
/// How many samples the driver keeps.
const SAMPLES: u64 = 119;

functions! { gpu:
    fn nvmlDeviceGetUtilizationRates(value: Out<sys::nvmlUtilization_t>) = |gpu| {
        whole(gpu)?;
        value.set(sys::nvmlUtilization_t { gpu: gpu.utilization.gpu, memory: gpu.utilization.memory })
    };
    fn nvmlDeviceGetEncoderUtilization(value: Out<u32>, period: Out<u32>) = |gpu| engine(gpu, gpu.encoder, &value, &period);
    fn nvmlDeviceGetDecoderUtilization(value: Out<u32>, period: Out<u32>) = |gpu| engine(gpu, gpu.decoder, &value, &period);
    fn nvmlDeviceGetJpgUtilization(value: Out<u32>, period: Out<u32>) = |gpu| engine(gpu, gpu.jpeg, &value, &period);
    fn nvmlDeviceGetOfaUtilization(value: Out<u32>, period: Out<u32>) = |gpu| engine(gpu, gpu.ofa, &value, &period);
    fn nvmlDeviceGetDynamicPstatesInfo(value: Out<sys::nvmlGpuDynamicPstatesInfo_t>) = |gpu| {
        whole(gpu)?;
        let mut info: sys::nvmlGpuDynamicPstatesInfo_t = blank();
        for (domain, percentage) in [gpu.utilization.gpu, gpu.utilization.memory].into_iter().enumerate() {
            info.utilization[domain].bIsPresent = 1;
            info.utilization[domain].percentage = percentage;
        }
        value.set(info)
    };

    fn nvmlDeviceGetSamples(
        kind: u32, since: u64, value_type: Out<u32>, count: Out<u32>, samples: Out<sys::nvmlSample_t>
    ) = |gpu| {
        const UNSIGNED_INT: u32 = 1;
        let value = sampled(gpu, kind)?;
        count.check()?;
        value_type.set(UNSIGNED_INT)?;
        if samples.is_null() {
            return count.set(u32::try_from(SAMPLES).map_err(|_| Code::UNKNOWN)?);
        }
        let period = u64::from(SAMPLING_PERIOD);
        let last = now() / period;
        let times = (last.saturating_sub(SAMPLES)..last).map(|nth| (nth + 1) * period).filter(|time| *time > since);
        let mut kept: Vec<_> = times
            .map(|time| sys::nvmlSample_t { timeStamp: time, sampleValue: sys::nvmlValue_t { ullVal: value.into() } })
            .collect();
        if kept.is_empty() {
            return Err(Code::NOT_FOUND);
        }
        let room = count.get()?;
        if room == 0 {
            return Err(Code::INVALID_ARGUMENT);
        }
        kept.truncate(usize::try_from(room).map_err(|_| Code::UNKNOWN)?);
        samples.list(&count, &kept)
    };

    fn nvmlDeviceGetViolationStatus(policy: u32, value: Out<sys::nvmlViolationTime_t>) = |gpu| {
        let violations = told(gpu.violations)?;
        let time = violations.by_number(policy).ok_or(Code::INVALID_ARGUMENT)?;
        value.set(sys::nvmlViolationTime_t { referenceTime: now(), violationTime: time })
    };
}

/// While a GPU is divided, it does not tell how busy it is as a whole.
pub(super) fn whole(gpu: Gpu) -> Answer {
    if gpu.partitioned() { Err(Code::NOT_SUPPORTED) } else { Ok(()) }
}

fn engine(gpu: Gpu, percent: Option<u32>, value: &Out<u32>, period: &Out<u32>) -> Answer {
    whole(gpu)?;
    period.check()?;
    value.set(told(percent)?)?;
    period.set(SAMPLING_PERIOD)
}

/// What the driver keeps samples of (`nvmlSamplingType_t`).
fn sampled(gpu: Gpu, kind: u32) -> Answer<u32> {
    let busy = |value| whole(gpu).map(|()| value);
    match kind {
        0 => Ok(gpu.power),
        1 => busy(gpu.utilization.gpu),
        2 => busy(gpu.utilization.memory),
        3 => busy(told(gpu.encoder)?),
        4 => busy(told(gpu.decoder)?),
        5 => Ok(gpu.clocks.sm),
        6 => Ok(gpu.clocks.memory),
        7 => Err(Code::NOT_SUPPORTED),
        8 => busy(told(gpu.jpeg)?),
        9 => busy(told(gpu.ofa)?),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

/// The time in microseconds, as the driver stamps samples.
pub(super) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
