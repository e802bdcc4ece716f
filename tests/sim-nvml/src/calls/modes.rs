//! How a GPU is set.

use nacp_core::sim::node::ModesFile;
use nvml_wrapper_sys::bindings as sys;

use crate::call::{Gpu, functions, told};
use crate::memory::{Answer, Out};

functions! { gpu:
    fn nvmlDeviceGetComputeMode(value: Out<u32>) = |gpu| value.set(told(modes(gpu)?.compute)?.number());
    fn nvmlDeviceGetPersistenceMode(value: Out<u32>) = |gpu| value.set(told(modes(gpu)?.persistence)?.into());
    fn nvmlDeviceGetDisplayMode(value: Out<u32>) = |gpu| value.set(told(modes(gpu)?.display_connected)?.into());
    fn nvmlDeviceGetDisplayActive(value: Out<u32>) = |gpu| value.set(told(modes(gpu)?.display_active)?.into());
    fn nvmlDeviceGetVirtualizationMode(value: Out<u32>) = |gpu| value.set(told(modes(gpu)?.virtualization)?.number());
    fn nvmlDeviceGetDriverModel(current: Out<u32>, pending: Out<u32>) = |gpu| driver_model(gpu, &current, &pending);
    fn nvmlDeviceGetDriverModel_v2(current: Out<u32>, pending: Out<u32>) = |gpu| driver_model(gpu, &current, &pending);
    fn nvmlDeviceGetAddressingMode(value: Out<sys::nvmlDeviceAddressingMode_t>) = |gpu| {
        let asked = value.versioned(1)?;
        let mode = told(modes(gpu)?.addressing)?;
        value.set(sys::nvmlDeviceAddressingMode_t { value: mode.number(), ..asked })
    };
    fn nvmlDeviceGetConfComputeMemSizeInfo(value: Out<sys::nvmlConfComputeMemSizeInfo_t>) = |gpu| {
        let sizes = told(modes(gpu)?.confidential)?;
        value.set(sys::nvmlConfComputeMemSizeInfo_t {
            protectedMemSizeKib: sizes.protected.0 / 1024,
            unprotectedMemSizeKib: sizes.unprotected.0 / 1024,
        })
    };

    fn nvmlDeviceGetEccMode(current: Out<u32>, pending: Out<u32>) = |gpu| {
        let ecc = told(gpu.ecc.as_ref())?;
        pending.check()?;
        current.set(ecc.enabled.into())?;
        pending.set(ecc.pending.unwrap_or(ecc.enabled).into())
    };
    fn nvmlDeviceGetDefaultEccMode(value: Out<u32>) =
        |gpu| value.set(told(gpu.ecc.as_ref().and_then(|ecc| ecc.default))?.into());

    fn nvmlDeviceGetAccountingMode(value: Out<u32>) = |gpu| value.set(told(modes(gpu)?.accounting)?.into());
    fn nvmlDeviceGetAccountingBufferSize(value: Out<u32>) = |gpu| {
        const ENTRIES: u32 = 4000;
        told(modes(gpu)?.accounting)?;
        value.set(ENTRIES)
    };
    fn nvmlDeviceGetAccountingPids(count: Out<u32>, list: Out<u32>) = |gpu| {
        told(modes(gpu)?.accounting)?;
        list.list(&count, &[])
    };
    fn nvmlDeviceGetAccountingStats(_pid: u32, stats: Out<sys::nvmlAccountingStats_t>) = |gpu| {
        told(modes(gpu)?.accounting)?;
        stats.check()?;
        Err(crate::memory::Code::NOT_FOUND)
    };
}

fn modes(gpu: Gpu) -> Answer<&'static ModesFile> {
    told(gpu.file.modes.as_ref())
}

fn driver_model(gpu: Gpu, current: &Out<u32>, pending: &Out<u32>) -> Answer {
    let model = told(modes(gpu)?.driver_model)?.number();
    pending.check()?;
    current.set(model)?;
    pending.set(model)
}
