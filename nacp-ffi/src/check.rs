//! Whether CUDA works here, how fast, and whether it repeats.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nacp_core::cuda::check::{Isolation, Program};
use nacp_core::cuda::compat::Arch;
use nacp_core::cuda::{Check, CheckId, Level, Progress};
use nacp_core::gpu::GpuId;
use nacp_core::{Result, sim};

use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::report::{nacp_check_result, nacp_report};
use crate::sigpipe::Blocked;
use crate::status::nacp_status;
use crate::text::Texts;

/// Does CUDA work at all: below 2 seconds.
pub const NACP_LEVEL_QUICK: u32 = 0;
/// And how fast, and does it repeat: below 30 seconds.
pub const NACP_LEVEL_STANDARD: u32 = 1;
/// All memory, all multiprocessors, for minutes: asks for an idle GPU.
pub const NACP_LEVEL_FULL: u32 = 2;

/// What a check tells while it goes on.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_check_step {
    /// sizeof(nacp_check_step) as the library knows it: what lies beyond is not there.
    pub struct_size: u32,
    /// How many results there are already.
    pub done: u32,
    /// How many there will be. It grows once, when the devices are known.
    pub total: u32,
    /// 0 when the check begins, 1 when it has ended.
    pub ended: u32,
    /// Which check, such as "det.bits".
    pub id: *const c_char,
    /// The UUID of the device; NULL where it is about the machine.
    pub device: *const c_char,
    /// What it found; NULL while it has not ended.
    pub result: *const nacp_check_result,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_check_step {
    const FIRST: usize = offset_of!(Self, result) + size_of::<*const nacp_check_result>();
}

/// Is told of each step, on the thread that called nacp_check. What it is given lives until it returns.
///
/// It returns 0 to go on; anything else ends the run soon, and what was not done is skipped.
pub type nacp_check_listener = Option<unsafe extern "C" fn(step: *const nacp_check_step, user: *mut c_void) -> i32>;

/// What is checked, and how.
///
/// ```c
/// nacp_check_options options = NACP_CHECK_OPTIONS_INIT;
/// options.level = NACP_LEVEL_STANDARD;
/// options.program = "self";
/// ```
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nacp_check_options {
    /// sizeof(nacp_check_options); NACP_CHECK_OPTIONS_INIT sets it.
    pub struct_size: u32,
    /// How much: NACP_LEVEL_QUICK and the like.
    pub level: u32,
    /// The UUIDs of the devices to check, with commas between them; NULL for all.
    pub devices: *const c_char,
    /// The names of the checks, with commas between them, such as "det.bits,mem.pattern"; NULL for all of the level. What
    /// they build on is done too.
    pub checks: *const c_char,
    /// The file of the driver's library; NULL for the one that the loader finds.
    pub library: *const c_char,
    /// A simulated node whose driver is checked in place of this machine's: "NAME" or "FILE.json"; NULL for this machine.
    pub simulated: *const c_char,
    /// Who runs the checks: NULL for a thread of this process, "self" for children that are this very program, or the path
    /// of another program. Such a program calls nacp_probe_answer first in main. A driver that hangs or crashes takes only
    /// a child with it.
    pub program: *const c_char,
    /// The CUDA version that your programs were built with, such as "12.8": drv.runtime_fit says whether the driver serves
    /// it; NULL for none.
    pub cuda: *const c_char,
    /// The architectures that your programs are compiled for, with commas between them, such as "sm_80,sm_90a":
    /// dev.arch_fit says whether a device runs them; NULL for none.
    pub sass: *const c_char,
    /// The PTX that your programs bring, by its version and target, such as "8.0:compute_80"; NULL for none.
    pub ptx: *const c_char,
    /// How long all may take together, in milliseconds; 0 for the limit of the level, for each device.
    pub limit_ms: u32,
    /// 1 to do the checks of NACP_LEVEL_FULL also on a device on which others compute.
    pub even_if_busy: u32,
    /// Who is told of each step; NULL for nobody.
    pub listener: nacp_check_listener,
    /// What the listener is given beside the step.
    pub user: *mut c_void,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_check_options {
    const FIRST: usize = offset_of!(Self, user) + size_of::<*mut c_void>();
}

impl std::fmt::Debug for nacp_check_options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("nacp_check_options").field("level", &self.level).finish_non_exhaustive()
    }
}

/// Who listens, and what he is given.
#[derive(Clone, Copy)]
struct Listener {
    call: unsafe extern "C" fn(*const nacp_check_step, *mut c_void) -> i32,
    user: *mut c_void,
}

// SAFETY: the check calls it on the thread that made it; nothing is handed to another thread.
unsafe impl Send for Listener {}

impl Listener {
    /// Tells a step; whether the run goes on.
    fn tell(self, progress: &Progress) -> bool {
        let (id, device, report, ended, done, total) = match progress {
            Progress::Started { id, device, done, total } => (*id, device.as_ref(), None, 0, *done, *total),
            Progress::Finished { report, done, total } => {
                (report.id, report.device.as_ref(), Some(report), 1, *done, *total)
            }
            _ => return true,
        };
        let mut texts = Texts::default();
        let result = report.map(|report| nacp_check_result::of(report, &mut texts));
        let step = nacp_check_step {
            struct_size: u32::try_from(size_of::<nacp_check_step>()).unwrap_or(u32::MAX),
            done,
            total,
            ended,
            id: texts.lend(id.name()),
            device: texts.lend_some(device.map(GpuId::as_str)),
            result: result.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
        };
        // SAFETY: the caller of `nacp_check` gave this function for such a step, which lives until it returns.
        let stop = unsafe { (self.call)(&raw const step, self.user) };
        stop == 0
    }
}

/// Checks CUDA on this machine, and tells what was found. A machine without a driver is no error: it is a report that fails
/// at its first check. The call takes at most the limit and half a second, whatever the driver does; two seconds more where
/// the kernel holds a child that was killed.
///
/// @param options what and how; NULL for NACP_LEVEL_QUICK on all devices of this machine, in a thread
/// @param[out] report what was found, freed by nacp_report_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an option that cannot be; NACP_E_NOT_FOUND for a simulated node that is not there
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_check(
    options: *const nacp_check_options,
    report: *mut *mut nacp_report,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_check", error) };
    let report = entry.out_handle(report, "report");
    entry.run(|call| {
        let out = call.out(report)?;
        let options = if options.is_null() { zero() } else { call.read(options, "options")? };
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut check = wanted(call, &options)?.cancel_with(Arc::clone(&cancelled));
        if let Some(function) = options.listener {
            let listener = Listener { call: function, user: options.user };
            check = check.on_progress(move |progress| {
                if !listener.tell(progress) {
                    cancelled.store(true, Ordering::Relaxed);
                }
            });
        }
        // A child that has ended does not end this program when it is written to.
        let _blocked = Blocked::here();
        out.give(check.run().into());
        Ok(())
    })
}

fn wanted(call: &Call, options: &nacp_check_options) -> Result<Check<'static>> {
    let level = level(call, options.level)?;
    let mut check = Check::new(level).even_if_busy(options.even_if_busy != 0);
    if let Some(devices) = list::<GpuId>(call, options.devices, "options.devices")? {
        check = check.devices(devices);
    }
    if let Some(checks) = list::<CheckId>(call, options.checks, "options.checks")? {
        check = check.only(checks);
    }
    if let Some(library) = call.optional_text(options.library, "options.library")? {
        check = check.library(library);
    }
    if let Some(version) = call.optional_text(options.cuda, "options.cuda")? {
        check = check.wants_cuda(version.parse()?);
    }
    if let Some(architectures) = list::<Arch>(call, options.sass, "options.sass")? {
        check = check.wants_sass(architectures);
    }
    if let Some(ptx) = call.optional_text(options.ptx, "options.ptx")? {
        let (version, target) = ptx.split_once(':').ok_or_else(|| {
            let error = call.invalid("not a version of PTX and its target", "options.ptx");
            error.with("value", format_args!("{ptx:?}")).hint("write both, for example 8.0:compute_80")
        })?;
        check = check.wants_ptx(version.parse()?, target.parse::<Arch>()?);
    }
    if options.limit_ms != 0 {
        check = check.limit(Duration::from_millis(options.limit_ms.into()));
    }
    let program = call.optional_text(options.program, "options.program")?;
    if let Some(name) = call.optional_text(options.simulated, "options.simulated")? {
        if program.is_some() {
            return Err(call
                .invalid("a simulated driver lives in this process and cannot be checked in another", "options.program")
                .hint("leave options.program NULL"));
        }
        if options.library.is_null() {
            let file = match name.ends_with(".json") {
                true => sim::NodeFile::open(name)?,
                false => sim::NodeFile::shipped(name)?,
            };
            check = check.telemetry(Arc::new(sim::Node::from(file.clone()))).driver(Arc::new(sim::Cuda::from(file)));
        } else {
            return Err(call
                .invalid("a simulated node has no file of a library", "options.library")
                .hint("leave options.library or options.simulated NULL"));
        }
    }
    Ok(match program {
        None => check,
        Some("self") => check.isolated(Isolation::this_program()?),
        Some(path) => check.isolated(Isolation::Child(Program::new(path))),
    })
}

/// The level of this number.
pub(crate) fn level(call: &Call, level: u32) -> Result<Level> {
    match level {
        NACP_LEVEL_QUICK => Ok(Level::Quick),
        NACP_LEVEL_STANDARD => Ok(Level::Standard),
        NACP_LEVEL_FULL => Ok(Level::Full),
        other => Err(call
            .invalid("there is no such level", "options.level")
            .with("value", other)
            .hint("pass NACP_LEVEL_QUICK, NACP_LEVEL_STANDARD or NACP_LEVEL_FULL")),
    }
}

/// Words with commas between them; nothing for NULL.
fn list<T>(call: &Call, text: *const c_char, parameter: &str) -> Result<Option<Vec<T>>>
where
    T: FromStr<Err = nacp_core::Error>,
{
    let text = call.optional_text(text, parameter)?;
    text.map(|text| text.split(',').map(|word| word.trim().parse()).collect()).transpose()
}
