//! Performance metrics (GPM): samples that a caller takes, and what lies between two of them.

use nvml_wrapper_sys::bindings as sys;

use crate::call::{Gpu, functions, told};
use crate::machine::Handle;
use crate::memory::{Answer, Code, Out};

/// The beginning of `nvmlGpmMetricsGet_t`. As many metrics as it says follow; how many fit differs between versions of
/// nvml.h.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Query {
    pub(crate) version: u32,
    pub(crate) count: u32,
    pub(crate) first: Handle,
    pub(crate) second: Handle,
}

functions! { system:
    fn nvmlGpmSampleAlloc(sample: Out<Handle>) = |machine| {
        sample.check()?;
        sample.set(machine.samples.make())
    };
    fn nvmlGpmSampleFree(sample: Handle) = |machine| machine.samples.free(sample);
    fn nvmlGpmMetricsGet(query: Out<Query>) = |machine| {
        let asked = query.get()?;
        if asked.version != sys::NVML_GPM_METRICS_GET_VERSION {
            return Err(Code::ARGUMENT_VERSION_MISMATCH);
        }
        let ((gpu, _), (other, file)) = (machine.samples.taken(asked.first)?, machine.samples.taken(asked.second)?);
        if gpu != other {
            return Err(Code::INVALID_ARGUMENT);
        }
        let metrics = told(file.gpm.as_ref())?;
        let places = query.nth(1).cast::<sys::nvmlGpmMetric_t>();
        for nth in 0..usize::try_from(asked.count).map_err(|_| Code::INVALID_ARGUMENT)? {
            let place = places.nth(nth);
            let metric = place.get()?;
            let (code, value) = metrics.by_number(metric.metricId).map_or((3, 0.0), |value| (0, value));
            place.set(sys::nvmlGpmMetric_t { nvmlReturn: code, value, ..metric })?;
        }
        Ok(())
    };
}

functions! { gpu:
    fn nvmlGpmSampleGet(sample: Handle) = |gpu| take(gpu, sample);
    fn nvmlGpmMigSampleGet(instance: u32, sample: Handle) = |gpu| {
        let mig = super::mig::enabled(gpu)?;
        mig.instances.iter().find(|own| own.id == instance).ok_or(Code::INVALID_ARGUMENT)?;
        take(gpu, sample)
    };
    fn nvmlGpmQueryDeviceSupport(support: Out<sys::nvmlGpmSupport_t>) = |gpu| {
        let asked = support.get()?;
        if asked.version != sys::NVML_GPM_SUPPORT_VERSION {
            return Err(Code::ARGUMENT_VERSION_MISMATCH);
        }
        support.set(sys::nvmlGpmSupport_t { isSupportedDevice: gpu.gpm.is_some().into(), ..asked })
    };
    fn nvmlGpmQueryIfStreamingEnabled(state: Out<u32>) = |gpu| {
        told(gpu.gpm.as_ref())?;
        state.set(0)
    };
}

fn take(gpu: Gpu, sample: Handle) -> Answer {
    told(gpu.gpm.as_ref())?;
    gpu.machine.samples.take(sample, gpu.index, gpu.file)
}
