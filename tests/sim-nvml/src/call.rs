//! The way of a call into the library: what the node file, the faults and the latencies say of its function is looked
//! up once per function, so that a call without any of them costs next to nothing.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nacp_core::sim::GpuFile;
use nacp_core::sim::node::MigDevice;

use crate::fault::{Effect, Fault};
use crate::latency::Latency;
use crate::machine::{Handle, Machine, started};
use crate::memory::{Answer, Code, answer_sentinel, crash};

/// A function of the library, with its rule once that is known. Each function has one of its own.
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    #[cfg_attr(test, expect(dead_code, reason = "the tests change the machine, so they look the rule up each time"))]
    rule: OnceLock<&'static Rule>,
}

impl Slot {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, rule: OnceLock::new() }
    }

    #[cfg(not(test))]
    pub(crate) fn rule(&self, machine: &'static Machine) -> &'static Rule {
        self.rule.get_or_init(|| machine.rule(self.name))
    }

    #[cfg(test)]
    pub(crate) fn rule(&self, machine: &'static Machine) -> &'static Rule {
        machine.rule(self.name)
    }
}

/// What holds for a function.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) calls: AtomicU64,
    /// Whether none of what follows applies.
    plain: bool,
    latency: Option<Latency>,
    faults: Vec<Fault>,
    refusal: Option<Code>,
}

impl Rule {
    pub(crate) fn new(
        name: &'static str,
        counted: bool,
        latency: Option<Latency>,
        faults: Vec<Fault>,
        refusal: Option<Code>,
    ) -> Self {
        let plain = !counted && latency.is_none() && faults.is_empty() && refusal.is_none();
        Self { name, calls: AtomicU64::new(0), plain, latency, faults, refusal }
    }

    /// What happens before the function does its work. `gpu` is the GPU that the call asks, if it asks one.
    pub(crate) fn enter(&self, gpu: Option<usize>) -> Answer {
        if self.plain {
            return Ok(());
        }
        let nth = self.calls.fetch_add(1, Ordering::Relaxed);
        if let Some(latency) = &self.latency {
            latency.pass(nth);
        }
        self.fail(gpu)?;
        self.refusal.map_or(Ok(()), Err)
    }

    /// Whether a fault hits a call that asks this GPU.
    pub(crate) fn fail(&self, gpu: Option<usize>) -> Answer {
        match self.faults.iter().find(|fault| fault.hits(gpu)).map(|fault| fault.effect) {
            None | Some(Effect::Code(0)) => Ok(()),
            Some(Effect::Code(code)) => Err(Code(code)),
            Some(Effect::Hang) => hang(),
            Some(Effect::Crash) => crash(),
            Some(Effect::Sentinel) => {
                answer_sentinel(true);
                Ok(())
            }
        }
    }

    fn leave(&self) {
        if !self.plain {
            answer_sentinel(false);
        }
    }
}

/// A GPU or a part of one, as a call finds it.
#[derive(Clone, Copy)]
pub(crate) struct Gpu {
    pub(crate) machine: &'static Machine,
    pub(crate) index: usize,
    pub(crate) file: &'static GpuFile,
    /// The part, where the call asks one.
    pub(crate) part: Option<MigDevice<'static>>,
}

impl Deref for Gpu {
    type Target = GpuFile;

    fn deref(&self) -> &GpuFile {
        self.file
    }
}

/// Answers a call about the machine.
pub(crate) fn system(slot: &Slot, body: impl FnOnce(&'static Machine) -> Answer) -> i32 {
    guarded(|| {
        let machine = started()?;
        let rule = slot.rule(machine);
        let answer = rule.enter(None).and_then(|()| body(machine));
        rule.leave();
        answer
    })
}

/// Answers a call about one GPU or a part of it.
pub(crate) fn device(slot: &Slot, handle: Handle, body: impl FnOnce(Gpu) -> Answer) -> i32 {
    guarded(|| {
        let machine = started()?;
        let (index, part) = machine.locate(handle)?;
        let rule = slot.rule(machine);
        let answer = rule.enter(Some(index)).and_then(|()| body(machine.look(index, part)?));
        rule.leave();
        answer
    })
}

/// Answers a call about one whole GPU; a part does not support it.
pub(crate) fn gpu(slot: &Slot, handle: Handle, body: impl FnOnce(Gpu) -> Answer) -> i32 {
    device(slot, handle, |gpu| if gpu.part.is_some() { Err(Code::NOT_SUPPORTED) } else { body(gpu) })
}

/// Does not come back.
pub(crate) fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Turns an answer into a return code; a panic stops here.
pub(crate) fn guarded(body: impl FnOnce() -> Answer) -> i32 {
    match catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Code::UNKNOWN)) {
        Ok(()) => 0,
        Err(Code(code)) => code,
    }
}

/// Functions of the library, each as `fn name(arguments) = answer`. With `system`, the answer is made from the machine;
/// with `gpu`, from a whole GPU, whose handle is the first argument; with `device`, from a GPU or a part of one.
macro_rules! functions {
    (system: $(fn $name:ident($($argument:ident: $type:ty),*) = $body:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name($($argument: $type),*) -> i32 {
                static SLOT: $crate::call::Slot = $crate::call::Slot::new(stringify!($name));
                $crate::call::system(&SLOT, $body)
            }
        )*
    };
    ($kind:ident: $(fn $name:ident($($argument:ident: $type:ty),*) = $body:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name(handle: $crate::machine::Handle, $($argument: $type),*) -> i32 {
                static SLOT: $crate::call::Slot = $crate::call::Slot::new(stringify!($name));
                $crate::call::$kind(&SLOT, handle, $body)
            }
        )*
    };
}
pub(crate) use functions;

/// A value that the node file may leave out.
pub(crate) fn told<T>(value: Option<T>) -> Answer<T> {
    value.ok_or(Code::NOT_SUPPORTED)
}

/// A signed number of nvml.h.
pub(crate) fn signed(value: u32) -> Answer<i32> {
    i32::try_from(value).map_err(|_| Code::UNKNOWN)
}

/// A number of things.
pub(crate) fn number(value: usize) -> Answer<u32> {
    u32::try_from(value).map_err(|_| Code::UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_unknown_error() {
        assert_eq!(guarded(|| panic!("on purpose")), 999);
    }
}
