//! The memory of a GPU or a part of one.

use nvml_wrapper_sys::bindings as sys;

use crate::call::{Gpu, functions, told};
use crate::memory::Out;

functions! { device:
    fn nvmlDeviceGetMemoryInfo(value: Out<sys::nvmlMemory_t>) = |gpu| {
        // The first generation counts what the driver keeps as used.
        let Sizes { total, used, reserved, free } = sizes(gpu);
        value.set(sys::nvmlMemory_t { total, free, used: used + reserved })
    };
    fn nvmlDeviceGetMemoryInfo_v2(value: Out<sys::nvmlMemory_v2_t>) = |gpu| {
        let asked = value.versioned(2)?;
        let Sizes { total, used, reserved, free } = sizes(gpu);
        value.set(sys::nvmlMemory_v2_t { version: asked.version, total, reserved, free, used })
    };
    fn nvmlDeviceGetBAR1MemoryInfo(value: Out<sys::nvmlBAR1Memory_t>) = |gpu| {
        let bar1 = told(gpu.bar1)?;
        // A part has its share of the window, and uses none of it.
        let (total, used) = gpu.part.map_or((bar1.total.0, bar1.used.0), |part| (part.share(bar1.total).0, 0));
        value.set(sys::nvmlBAR1Memory_t { bar1Total: total, bar1Free: total.saturating_sub(used), bar1Used: used })
    };
}

struct Sizes {
    total: u64,
    used: u64,
    reserved: u64,
    free: u64,
}

fn sizes(gpu: Gpu) -> Sizes {
    match gpu.part {
        None => Sizes {
            total: gpu.memory.total.0,
            used: gpu.memory.used.0,
            reserved: gpu.memory.reserved.0,
            free: gpu.memory.free().0,
        },
        Some(part) => Sizes {
            total: part.profile.memory.0,
            used: part.instance.used.0,
            reserved: part.instance.reserved.0,
            free: part.free().0,
        },
    }
}
