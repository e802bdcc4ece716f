//! The way of a call into the library: it is noted, takes its time, meets its faults, and only then does its work. No
//! panic leaves it.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::caller::crash;
use crate::code::{Answer, Code};
use crate::faults::{self, Effect};
use crate::machine::Machine;

/// Does not come back.
pub(crate) fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Lets time pass, true to some microseconds: the operating system wakes late, so the end is waited for.
fn pass(time: Duration) {
    const EARLY: Duration = Duration::from_micros(200);
    let end = Instant::now() + time;
    if time > 2 * EARLY {
        std::thread::sleep(time - EARLY);
    }
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Which device a call asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asks {
    /// None; and it may be called before the driver is started.
    Nothing,
    /// This one.
    Device(c_int),
    /// The one of the current context.
    Current,
}

/// Runs a call.
pub(crate) fn run(name: &'static str, asks: Asks, body: impl FnOnce(&'static Machine) -> Answer) -> c_int {
    let guarded = || {
        let machine = Machine::of_this_process().ok_or(Code::UNKNOWN)?;
        machine.note(name);
        let config = &machine.config;
        if let Some(latency) = config.latencies.get(name) {
            pass(*latency);
        }
        if config.hangs.call(name) {
            hang();
        }
        if !matches!(asks, Asks::Nothing) && !machine.has_started() {
            return Err(Code::NOT_INITIALIZED);
        }
        if !config.faults.is_empty() {
            meet(machine, name, asks)?;
        }
        body(machine)
    };
    match catch_unwind(AssertUnwindSafe(guarded)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code.0,
        Err(_) => Code::UNKNOWN.0,
    }
}

/// Lets a call meet the fault that was asked for. One after which a device answers nothing else stays.
fn meet(machine: &Machine, name: &str, asks: Asks) -> Answer {
    let current = machine.current_device();
    let device = match asks {
        Asks::Nothing => None,
        Asks::Device(device) => machine.position(device).ok(),
        Asks::Current => current,
    };
    match faults::met(&machine.config.faults, name, device) {
        None | Some(Effect::Code(0)) => Ok(()),
        Some(Effect::Hang) => hang(),
        Some(Effect::Crash) => crash(),
        Some(Effect::Sleep(time)) => {
            pass(time);
            Ok(())
        }
        Some(Effect::Code(code)) => {
            let code = Code(code);
            if let Some(device) = current.filter(|_| code.stays() && matches!(asks, Asks::Current)) {
                machine.state().break_device(device, code);
            }
            Err(code)
        }
    }
}

/// Exports functions of cuda.h. Each says which device it asks: `[Nothing]`, `[Device(device)]` or `[Current]`.
///
/// What clients give is checked as far as the driver's own contract allows: null is refused, any other pointer must
/// point to what cuda.h says.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),* $(,)?) [$($asks:tt)*] |$machine:ident| $body:expr;)*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name($($argument: $type),*) -> ::std::ffi::c_int {
                $crate::call::run(stringify!($name), $crate::call::Asks::$($asks)*, |$machine| $body)
            }
        )*
    };
}
pub(crate) use calls;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_unknown_error() {
        assert_eq!(run("cuTest", Asks::Nothing, |_| panic!("on purpose")), 999);
    }

    #[test]
    fn a_latency_is_kept() {
        for microseconds in [5, 50, 2000] {
            let start = Instant::now();
            pass(Duration::from_micros(microseconds));
            assert!(start.elapsed() >= Duration::from_micros(microseconds));
        }
    }
}
