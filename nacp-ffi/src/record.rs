//! Recordings of what the GPUs did.

use std::ffi::c_char;
use std::mem::offset_of;
use std::sync::Arc;

use nacp_core::gpu::record::{RecordOptions, Recorded, Recording};
use nacp_core::{Error, ErrorKind};

use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, zero};
use crate::shared::{Shared, free};
use crate::status::nacp_status;
use crate::telemetry::nacp_telemetry;

/// A recording under way: a thread of the library writes what is read to a file. "replay:FILE" as the node of a context
/// plays it, on a machine without any GPU.
///
/// Threads: one at a time.
#[derive(Debug)]
pub struct nacp_recording {
    shared: Arc<Shared>,
    recording: Option<Recording>,
    recorded: Option<Recorded>,
}

/// How to record. Zeros stand for the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_record_options {
    /// sizeof(nacp_record_options); NACP_RECORD_OPTIONS_INIT sets it.
    pub struct_size: u32,
    /// 1 to keep what identifies the machine and its programs; 0 to make up other UUIDs and to leave out serial numbers and
    /// what else names a machine or a program, so that the file can be given away.
    pub keep_identity: u32,
    /// How hard zstd tries, 1 to 19; 0 for 9.
    pub level: u32,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_record_options {
    const FIRST: usize = offset_of!(Self, level) + size_of::<u32>();
}

/// What was written.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_recorded {
    /// sizeof(nacp_recorded); NACP_RECORDED_INIT sets it.
    pub struct_size: u32,
    /// Always 0.
    pub reserved: u32,
    /// Readings of the whole node.
    pub frames: u64,
    /// Events.
    pub events: u64,
    /// Updates that came faster than they could be written.
    pub lost: u64,
    /// The size of the file, in bytes.
    pub bytes: u64,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_recorded {
    const FIRST: usize = offset_of!(Self, bytes) + size_of::<u64>();
}

/// Begins to write every reading and every event from now on to a new file. It never holds up the reading: what comes
/// faster than the disk takes it is lost, and counted.
///
/// @param telemetry the readings
/// @param path the file, which must not be there yet
/// @param options how; NULL for the defaults
/// @param[out] recording the recording, ended by nacp_recording_finish and freed by nacp_recording_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_CONFLICT when there is such a file; NACP_E_NOT_FOUND or NACP_E_PERMISSION_DENIED for its folder;
///         NACP_E_INVALID_ARGUMENT for an option that cannot be
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_telemetry_record(
    telemetry: *const nacp_telemetry,
    path: *const c_char,
    options: *const nacp_record_options,
    recording: *mut *mut nacp_recording,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_telemetry_record", error) };
    let recording = entry.out_handle(recording, "recording");
    entry.run(|call| {
        let held = call.shared(telemetry, "telemetry")?;
        let path = call.text(path, "path")?;
        let out = call.out(recording)?;
        let given = if options.is_null() { zero::<nacp_record_options>() } else { call.read(options, "options")? };
        let mut options = RecordOptions { scrub: given.keep_identity == 0, ..RecordOptions::default() };
        if given.level != 0 {
            options.level = i32::try_from(given.level).unwrap_or(i32::MAX);
        }
        let shared = Arc::clone(&held.shared);
        let recording = shared.wait(call.operation, async { held.telemetry.record_to(path, options) })?;
        out.give(nacp_recording { shared, recording: Some(recording), recorded: None });
        Ok(())
    })
}

/// Ends a recording, once what has already been read is written, and tells what was written. A second call tells the same.
///
/// @param recording the recording, used by no other call
/// @param[out] recorded a struct that NACP_RECORDED_INIT has initialised; NULL if the caller does not care
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return what the file system refused: the recording ended at that moment, and what was written before can be replayed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_recording_finish(
    recording: *mut nacp_recording,
    recorded: *mut nacp_recorded,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_recording_finish", error) };
    let wanted = !recorded.is_null();
    let recorded = entry.out_struct(recorded, "recorded");
    entry.run(|call| {
        let held = call.exclusive(recording, "recording")?;
        let out = if wanted { Some(call.out_struct(recorded)?) } else { None };
        let shared = Arc::clone(&held.shared);
        shared.wait(call.operation, async {
            if let Some(recording) = held.recording.take() {
                held.recorded = Some(recording.finish()?);
            }
            Ok(())
        })?;
        let written = held.recorded.ok_or_else(|| {
            Error::new(ErrorKind::Cancelled, call.operation, "the recording has ended before, with an error")
        })?;
        let mut told: nacp_recorded = zero();
        (told.frames, told.events) = (written.frames, written.events);
        (told.lost, told.bytes) = (written.lost, written.bytes);
        if let Some(out) = out {
            out.fill(&told);
        }
        Ok(())
    })
}

/// Frees a recording, and ends it if that was not done.
///
/// @param recording the recording; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_recording_free(recording: Option<Box<nacp_recording>>) {
    free(recording, |recording| &recording.shared);
}
