//! What is read about a machine, what is wrong on it, and what of it is pinned.

use std::ffi::c_char;
use std::mem::offset_of;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::{Clock, SystemClock};
use nacp_core::host::doctor::FindingId;
use nacp_core::host::lock::Lock;
use nacp_core::host::{self, Diagnosis, Doctor, Root, Survey};
use nacp_core::service::App;
use nacp_core::{Error, ErrorKind, Program, Result, sim};

use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::sigpipe::Blocked;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};

/// Which machine is read, and what of it.
///
/// ```c
/// nacp_survey_options options = NACP_SURVEY_OPTIONS_INIT;
/// options.program = "self";
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_survey_options {
    /// sizeof(nacp_survey_options); NACP_SURVEY_OPTIONS_INIT sets it.
    pub struct_size: u32,
    /// How long all may take together, in milliseconds; 0 for five seconds.
    pub limit_ms: u32,
    /// A folder laid out like the root of another machine; NULL for this machine. Nothing of this machine is asked then.
    pub root: *const c_char,
    /// A simulated node whose GPUs and CUDA driver are read in place of this machine's: "NAME" or "FILE.json"; NULL for
    /// this machine.
    pub simulated: *const c_char,
    /// Who asks the driver's libraries: NULL for threads of this process, "self" for children that are this very program,
    /// or the path of another program. Such a program calls nacp_probe_answer first in main. A library that hangs or
    /// crashes takes only a child with it.
    pub program: *const c_char,
    /// 1 to leave the container daemons' containers alone.
    pub no_containers: u32,
    /// 1 to start no programs that only tell something, such as "nvidia-ctk --version".
    pub no_commands: u32,
    /// 1 to start also programs that start the driver and change nothing: "nvidia-smi -L", and "nvidia-ctk cdi generate"
    /// without a file.
    pub thorough: u32,
    /// Texts of events of pods, one a line, such as "kubectl describe pod" shows; NULL for none. No API server is asked.
    pub messages: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_survey_options {
    const FIRST: usize = offset_of!(Self, messages) + size_of::<*const c_char>();
}

/// What was asked for was read.
pub(crate) fn read(call: &Call, options: *const nacp_survey_options) -> Result<Survey> {
    let options = if options.is_null() { zero() } else { call.read(options, "options")? };
    let mut survey = Survey::builder().containers(options.no_containers == 0).commands(options.no_commands == 0);
    survey = survey.nvidia_smi(options.thorough != 0).cdi_generate(options.thorough != 0);
    if let Some(messages) = call.optional_text(options.messages, "options.messages")? {
        survey = survey.messages(messages.lines().map(str::to_owned).collect());
    }
    if options.limit_ms != 0 {
        survey = survey.limit(Duration::from_millis(options.limit_ms.into()));
    }
    if let Some(folder) = call.optional_text(options.root, "options.root")? {
        survey = survey.root(Root::open(folder)?);
    }
    if let Some(name) = call.optional_text(options.simulated, "options.simulated")? {
        let file = match name.ends_with(".json") {
            true => sim::NodeFile::open(name)?,
            false => sim::NodeFile::shipped(name)?,
        };
        survey = survey.source(Arc::new(sim::Node::from(file.clone()))).driver(Arc::new(sim::Cuda::from(file)));
    }
    survey = match call.optional_text(options.program, "options.program")? {
        None => survey,
        Some("self") => survey.isolated(Program::this()?),
        Some(path) => survey.isolated(Program::new(path)),
    };
    // A child that has ended does not end this program when it is written to.
    let _blocked = Blocked::here();
    Ok(survey.read())
}

/// Reads a machine, as JSON: what the doctor, the comparison of runtimes and the lock are computed from. What cannot be read
/// is in it, with its reason. It holds no serial numbers, names of users or secrets.
///
/// @param options which machine, and what of it; NULL for this one, in threads
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND for a folder or a simulated node that is not there
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_survey_json(
    options: *const nacp_survey_options,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_survey_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(json)?;
        out.set(self::json(&read(call, options)?)?);
        Ok(())
    })
}

/// Holds a machine against the catalogue of known failures: what is wrong, how that is known, and the command that mends
/// it. Nothing is changed on the machine, and no remedy is run.
///
/// @param survey what nacp_survey_json gave, of this machine or of another; NULL to read this machine now, in threads
/// @param[out] json the diagnosis, whose `verdict` is broken, incomplete or works, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a text that is no survey
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_doctor_json(
    survey: *const c_char,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_doctor_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(json)?;
        out.set(self::json(&host::diagnose(&surveyed(call, survey)?).with_verdict())?);
        Ok(())
    })
}

/// A diagnosis in words, for a console or a log.
///
/// @param diagnosis what nacp_doctor_json gave
/// @param[out] text the words, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a text that is no diagnosis
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_doctor_text(
    diagnosis: *const c_char,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_doctor_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(text)?;
        let diagnosis: Diagnosis = parsed(call.text(diagnosis, "diagnosis")?, "diagnosis")?;
        out.set(diagnosis.to_string().into());
        Ok(())
    })
}

/// A diagnosis as a page of HTML that needs no other file and runs no script.
///
/// @param diagnosis what nacp_doctor_json gave
/// @param[out] html the page, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a text that is no diagnosis
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_doctor_html(
    diagnosis: *const c_char,
    html: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_doctor_html", error) };
    let html = entry.out(html, "html", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(html)?;
        let diagnosis: Diagnosis = parsed(call.text(diagnosis, "diagnosis")?, "diagnosis")?;
        out.set(diagnosis.html().into());
        Ok(())
    })
}

/// Explains the text of an error: an error of a daemon, of CUDA, or a whole log with several. Of a text longer than 256 KiB
/// the end is read.
///
/// @param text the error as it was written, or the id of an entry of the catalogue, such as "D08"
/// @param survey what nacp_survey_json gave of the machine on which it happened; NULL to read this machine now, in threads.
///     It decides which of two failures with one text is the likelier, and which commands mend it.
/// @param[out] json what it means, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a text that is no survey
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_explain_json(
    text: *const c_char,
    survey: *const c_char,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_explain_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(json)?;
        let text = call.text(text, "text")?;
        let doctor = Doctor::of(surveyed(call, survey)?);
        let explanation = match text.parse::<FindingId>() {
            Ok(id) => doctor.explain_entry(id),
            Err(_) => doctor.explain(text),
        };
        out.set(self::json(&explanation)?);
        Ok(())
    })
}

/// Pins what a machine is, as the text of the file nacp.lock: driver, CUDA, toolkit, engine, kernel, GPUs, and the services
/// of an app with the digests of their images.
///
/// @param survey what nacp_survey_json gave; NULL to read this machine now, in threads
/// @param app the app as YAML or JSON; NULL for the machine alone. This machine's daemon is asked for the images, unless a
///     survey is given, which may be of another machine.
/// @param[out] text the lock, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a text that is no survey or no app
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_lock_text(
    survey: *const c_char,
    app: *const c_char,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_lock_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(text)?;
        let app = call.optional_text(app, "app")?.map(App::parse).transpose()?;
        let is_here = survey.is_null();
        let survey = surveyed(call, survey)?;
        let mut lock = Lock::of(&survey, SystemClock::new().wall());
        if let Some(app) = &app {
            lock = lock.app(app);
            if let Some(daemon) = survey.daemon().filter(|_| is_here) {
                lock = lock.images(&Root::system(), &daemon.endpoint);
            }
        }
        out.set(lock.to_yaml().into());
        Ok(())
    })
}

/// Writes a lock to a file, whole or not at all. A file that pins the same already is left as it is.
///
/// @param lock what nacp_lock_text gave
/// @param path the file, such as "nacp.lock"
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_CONFLICT where the path holds something that is no lock: it is not overwritten
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_lock_write(
    lock: *const c_char,
    path: *const c_char,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_lock_write", error) };
    entry.run(|call| {
        let lock = Lock::parse(call.text(lock, "lock")?)?;
        lock.write(Path::new(call.text(path, "path")?))?;
        Ok(())
    })
}

/// Tells what has changed between two locks, what each change can do (results, performance, nothing), and why.
///
/// @param locked the lock that was written, as the text of its file
/// @param now what nacp_lock_text gives now
/// @param[out] json the changes, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a text that is no lock, with the line
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_lock_verify_json(
    locked: *const c_char,
    now: *const c_char,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_lock_verify_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(json)?;
        let locked = Lock::parse(call.text(locked, "locked")?)?;
        let verification = locked.verify(&Lock::parse(call.text(now, "now")?)?);
        out.set(self::json(&verification)?);
        Ok(())
    })
}

/// The survey of this text, or of this machine for NULL.
pub(crate) fn surveyed(call: &Call, survey: *const c_char) -> Result<Survey> {
    match call.optional_text(survey, "survey")? {
        Some(text) => parsed(text, "survey"),
        None => read(call, std::ptr::null()),
    }
}

pub(crate) fn parsed<T: serde::de::DeserializeOwned>(text: &str, parameter: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorKind::InvalidArgument, "ffi.json", format!("not the JSON of a {parameter}"))
            .with("parameter", parameter)
            .with("reason", &cause)
            .caused_by(cause)
    })
}
