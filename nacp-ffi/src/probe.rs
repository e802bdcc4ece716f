//! The first touch of the driver, in a child process.

use nacp_core::gpu::probe;

use crate::panic;

/// Reads the GPUs of this machine and reports, if this process was started as the guard of another; else it does nothing.
/// A program that names itself or is named as a guard (nacp_ctx_options.guard) calls it first in main, before anything
/// prints:
///
/// ```c
/// if (nacp_probe_answer()) return 0;
/// ```
///
/// The report goes to the standard output. Should the driver's library crash or hang here, the process that asked is told
/// so: NACP_E_DRIVER_UNAVAILABLE with `cause=crashed` and the signal, or NACP_E_TIMEOUT with `cause=hung`.
///
/// @return 1 when this process was started as a guard: there is nothing left to do for it, and it should end; else 0
#[unsafe(no_mangle)]
pub extern "C" fn nacp_probe_answer() -> u32 {
    let mut answered = false;
    panic::quiet(|| answered = probe::answer());
    u32::from(answered)
}
