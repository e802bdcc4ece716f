//! What a child process of the library does.

use crate::panic;

/// Reads the GPUs of this machine and reports, or runs checks of CUDA, if this process was started to by another that uses
/// this library; else it does nothing. A program that names itself or is named as a guard (nacp_ctx_options.guard) or as
/// the program of checks (nacp_check_options.program) calls it first in main, before anything prints:
///
/// ```c
/// if (nacp_probe_answer()) return 0;
/// ```
///
/// The report goes to the standard output. Should the driver's library crash or hang here, the process that asked is told
/// so: NACP_E_DRIVER_UNAVAILABLE with `cause=crashed` and the signal, or NACP_E_TIMEOUT with `cause=hung`.
///
/// @return 1 when this process was started to answer: there is nothing left to do for it, and it should end; else 0
#[unsafe(no_mangle)]
pub extern "C" fn nacp_probe_answer() -> u32 {
    let mut answered = false;
    panic::quiet(|| answered = nacp_core::answer());
    u32::from(answered)
}
