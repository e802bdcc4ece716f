//! Clocks, and why they are where they are.

use nacp_core::sim::node::{ClockEventsFile, ClockReason, ClocksFile, PairFile, bits};

use crate::call::{Gpu, functions, told};
use crate::memory::{Answer, Code, Out};

functions! { gpu:
    fn nvmlDeviceGetClockInfo(domain: u32, value: Out<u32>) = |gpu| value.set(clock(gpu.clocks, domain)?);
    fn nvmlDeviceGetMaxClockInfo(domain: u32, value: Out<u32>) = |gpu| value.set(clock(told(gpu.max_clocks)?, domain)?);
    fn nvmlDeviceGetMaxCustomerBoostClock(domain: u32, value: Out<u32>) =
        |gpu| value.set(clock(told(gpu.boost_clocks)?, domain)?);
    fn nvmlDeviceGetApplicationsClock(domain: u32, value: Out<u32>) =
        |gpu| value.set(pair(gpu.application_clocks, domain)?);
    fn nvmlDeviceGetDefaultApplicationsClock(domain: u32, value: Out<u32>) =
        |gpu| value.set(pair(gpu.default_application_clocks, domain)?);
    fn nvmlDeviceGetClock(domain: u32, which: u32, value: Out<u32>) = |gpu| {
        value.set(match which {
            0 => clock(gpu.clocks, domain)?,
            1 => pair(gpu.application_clocks, domain)?,
            2 => pair(gpu.default_application_clocks, domain)?,
            3 => clock(told(gpu.boost_clocks)?, domain)?,
            _ => return Err(Code::INVALID_ARGUMENT),
        })
    };
    fn nvmlDeviceGetSupportedMemoryClocks(count: Out<u32>, list: Out<u32>) = |gpu| {
        supported(gpu)?;
        let clocks: Vec<_> = gpu.supported_clocks.iter().map(|clocks| clocks.memory).collect();
        list.list(&count, &clocks)
    };
    fn nvmlDeviceGetSupportedGraphicsClocks(memory: u32, count: Out<u32>, list: Out<u32>) = |gpu| {
        supported(gpu)?;
        let clocks = gpu.supported_clocks.iter().find(|clocks| clocks.memory == memory).ok_or(Code::NOT_FOUND)?;
        list.list(&count, &clocks.graphics)
    };

    fn nvmlDeviceGetCurrentClocksEventReasons(value: Out<u64>) = |gpu| value.set(reasons(&events(gpu)?.reasons));
    fn nvmlDeviceGetCurrentClocksThrottleReasons(value: Out<u64>) = |gpu| value.set(reasons(&events(gpu)?.reasons));
    fn nvmlDeviceGetSupportedClocksEventReasons(value: Out<u64>) = |gpu| value.set(reasons(&events(gpu)?.supported));
    fn nvmlDeviceGetSupportedClocksThrottleReasons(value: Out<u64>) = |gpu| value.set(reasons(&events(gpu)?.supported));
}

pub(super) fn events(gpu: Gpu) -> Answer<&'static ClockEventsFile> {
    told(gpu.file.clock_events.as_ref())
}

fn reasons(reasons: &[ClockReason]) -> u64 {
    bits(reasons, ClockReason::number)
}

fn supported(gpu: Gpu) -> Answer {
    if gpu.supported_clocks.is_empty() { Err(Code::NOT_SUPPORTED) } else { Ok(()) }
}

/// The clock of a domain (`nvmlClockType_t`).
fn clock(clocks: ClocksFile, domain: u32) -> Answer<u32> {
    match domain {
        0 => Ok(clocks.graphics),
        1 => Ok(clocks.sm),
        2 => Ok(clocks.memory),
        3 => told(clocks.video),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

/// The same of a pair, in which the streaming multiprocessors go with the graphics clock.
fn pair(pair: Option<PairFile>, domain: u32) -> Answer<u32> {
    let PairFile { graphics, memory } = told(pair)?;
    clock(ClocksFile { graphics, sm: graphics, memory, video: None }, domain)
}
