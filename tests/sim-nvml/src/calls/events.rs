//! Events of GPUs and of the system.

use std::time::{Duration, Instant};

use nvml_wrapper_sys::bindings as sys;

use crate::call::{Gpu, functions};
use crate::machine::{Handle, Machine};
use crate::memory::{Answer, Code, Out};
use crate::sets::Delivery;

/// How often a caller who waits looks whether something has happened, on a machine to which something may.
const LOOK: Duration = Duration::from_millis(2);
/// The instance ids of an event that concerns a whole GPU.
const NO_INSTANCE: u32 = u32::MAX;

/// `nvmlEventData_t` as the first generation of the wait knew it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct FirstEventData {
    pub(crate) device: Handle,
    pub(crate) kind: u64,
    pub(crate) data: u64,
}

functions! { system:
    fn nvmlEventSetCreate(set: Out<Handle>) = |machine| {
        set.check()?;
        set.set(machine.event_sets.make())
    };
    fn nvmlEventSetFree(set: Handle) = |machine| machine.event_sets.free(set);
    fn nvmlEventSetWait(set: Handle, data: Out<FirstEventData>, timeout: u32) = |machine| {
        data.check()?;
        let event = wait(machine, set, timeout)?;
        data.set(FirstEventData { device: machine.handle(event.gpu)?, kind: event.kind, data: event.data })
    };
    fn nvmlEventSetWait_v2(set: Handle, data: Out<sys::nvmlEventData_t>, timeout: u32) = |machine| {
        data.check()?;
        let event = wait(machine, set, timeout)?;
        data.set(sys::nvmlEventData_t {
            device: machine.handle(event.gpu)?.cast_mut().cast(),
            eventType: event.kind,
            eventData: event.data,
            gpuInstanceId: event.gpu_instance.unwrap_or(NO_INSTANCE),
            computeInstanceId: event.compute_instance.unwrap_or(NO_INSTANCE),
        })
    };

    fn nvmlSystemEventSetCreate(request: Out<sys::nvmlSystemEventSetCreateRequest_t>) = |machine| {
        let asked = request.versioned(1)?;
        let set = machine.event_sets.make_system().cast_mut().cast();
        request.set(sys::nvmlSystemEventSetCreateRequest_t { set, ..asked })
    };
    fn nvmlSystemEventSetFree(request: Out<sys::nvmlSystemEventSetFreeRequest_t>) =
        |machine| machine.event_sets.free_system(request.versioned(1)?.set.cast());
    fn nvmlSystemRegisterEvents(request: Out<sys::nvmlSystemRegisterEventRequest_t>) = |machine| {
        const BIND_AND_UNBIND: u64 = 3;
        let asked = request.versioned(1)?;
        machine.event_sets.check_system(asked.set.cast())?;
        if asked.eventTypes & !BIND_AND_UNBIND == 0 { Ok(()) } else { Err(Code::INVALID_ARGUMENT) }
    };
    fn nvmlSystemEventSetWait(request: Out<sys::nvmlSystemEventSetWaitRequest_t>) = |machine| {
        let asked = request.versioned(1)?;
        machine.event_sets.check_system(asked.set.cast())?;
        // No driver is bound or unbound on a simulated machine.
        std::thread::sleep(Duration::from_millis(asked.timeoutms.into()));
        request.set(sys::nvmlSystemEventSetWaitRequest_t { numEvent: 0, ..asked })?;
        Err(Code::TIMEOUT)
    };
}

functions! { gpu:
    fn nvmlDeviceGetSupportedEventTypes(kinds: Out<u64>) = |gpu| kinds.set(supported(gpu));
    fn nvmlDeviceRegisterEvents(kinds: u64, set: Handle) = |gpu| {
        gpu.machine.event_sets.check(set)?;
        let supported = supported(gpu);
        if supported == 0 || kinds & !supported != 0 {
            return Err(Code::NOT_SUPPORTED);
        }
        gpu.machine.event_sets.register(set, gpu.index, kinds, gpu.machine.tick())
    };
}

/// The kinds that a GPU reports, with those of its script, which may be such as nobody knows.
fn supported(gpu: Gpu) -> u64 {
    gpu.machine.timeline.event_kinds(gpu.index, gpu.file)
}

/// The next event of a set, waited for so many milliseconds.
fn wait(machine: &'static Machine, set: Handle, timeout: u32) -> Answer<Delivery> {
    let end = Instant::now() + Duration::from_millis(timeout.into());
    loop {
        if let Some(event) = machine.event_sets.next(set, machine)? {
            return Ok(event);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Code::TIMEOUT);
        }
        std::thread::sleep(if machine.file.script.is_empty() { left } else { left.min(LOOK) });
    }
}
