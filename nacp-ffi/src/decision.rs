//! Which runtime to be on.

use std::ffi::c_char;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::host::Evaluation;
use nacp_core::host::decision::{Decision, Profile, Weights};
use nacp_core::host::lock::Lock;
use nacp_core::{Program, Result, sim};

use crate::check::level;
use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::sigpipe::Blocked;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::survey::{parsed, surveyed};

/// What is evaluated, and how.
///
/// ```c
/// nacp_evaluate_options options = NACP_EVALUATE_OPTIONS_INIT;
/// options.weights = "throughput=3,parity=0";
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_evaluate_options {
    /// sizeof(nacp_evaluate_options); NACP_EVALUATE_OPTIONS_INIT sets it.
    pub struct_size: u32,
    /// How much of CUDA is checked: NACP_LEVEL_QUICK and the like.
    pub level: u32,
    /// What nacp_survey_json gave; NULL to read this machine now, in threads.
    pub survey: *const c_char,
    /// A simulated node whose driver is checked in place of this machine's: "NAME" or "FILE.json"; NULL for this machine.
    pub simulated: *const c_char,
    /// Who asks the driver: NULL for threads of this process, "self" for children that are this very program, or the path
    /// of another program. Such a program calls nacp_probe_answer first in main.
    pub program: *const c_char,
    /// How much each criterion counts, as NAME=NUMBER with commas between them, such as "throughput=3,parity=0"; what is
    /// not named counts 1. NULL for 1 each.
    pub weights: *const c_char,
    /// An image that is run once on each way in which the engines here can give it a GPU; NULL to run nothing.
    pub image: *const c_char,
    /// What nacp_evaluate_json gave on native Linux with the same GPU: throughput and overhead are ratios to it. NULL for
    /// none.
    pub reference: *const c_char,
    /// The text of a lock: how much of a run is pinned. NULL for what a lock of this machine could pin now.
    pub lock: *const c_char,
    /// How long reading the machine, the checks of CUDA and the runs of the image may take together, in milliseconds; 0 for
    /// a limit of each of its own.
    pub limit_ms: u32,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_evaluate_options {
    const FIRST: usize = offset_of!(Self, limit_ms) + size_of::<u32>();
}

/// Measures the runtime on which this machine stands by seven criteria, and compares it with the others: native Windows, WSL2,
/// native Linux, Kubernetes, a virtual machine of a cloud, processes and containers apart. What cannot be measured here is
/// the founding document's rating and says so, or unknown with its reason.
///
/// @param options what and how; NULL for NACP_LEVEL_QUICK on this machine, in threads
/// @param[out] json the decision, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an option that cannot be; NACP_E_NOT_FOUND for a simulated node that is not there
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_evaluate_json(
    options: *const nacp_evaluate_options,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_evaluate_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(json)?;
        let options = if options.is_null() { zero() } else { call.read(options, "options")? };
        let evaluation = wanted(call, &options)?;
        // A child that has ended does not end this program when it is written to.
        let _blocked = Blocked::here();
        out.set(self::json(&evaluation.run())?);
        Ok(())
    })
}

/// A decision as a table for a console.
///
/// @param decision what nacp_evaluate_json gave
/// @param columns how wide the console is; 0 for 100
/// @param[out] text the table, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a text that is no decision
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_decision_text(
    decision: *const c_char,
    columns: u32,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_decision_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(text)?;
        let decision: Decision = parsed(call.text(decision, "decision")?, "decision")?;
        let width = if columns == 0 { 100 } else { columns as usize };
        out.set(format!("{decision:width$}").into());
        Ok(())
    })
}

/// A decision as a page of HTML with one picture. It needs no other file and runs no script.
///
/// @param decision what nacp_evaluate_json gave
/// @param[out] html the page, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for a text that is no decision
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_decision_html(
    decision: *const c_char,
    html: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_decision_html", error) };
    let html = entry.out(html, "html", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(html)?;
        let decision: Decision = parsed(call.text(decision, "decision")?, "decision")?;
        out.set(decision.html().into());
        Ok(())
    })
}

fn wanted(call: &Call, options: &nacp_evaluate_options) -> Result<Evaluation<'static>> {
    let mut evaluation = Evaluation::new().level(level(call, options.level)?);
    if !options.survey.is_null() {
        evaluation = evaluation.survey(surveyed(call, options.survey)?);
    }
    if let Some(name) = call.optional_text(options.simulated, "options.simulated")? {
        let file = match name.ends_with(".json") {
            true => sim::NodeFile::open(name)?,
            false => sim::NodeFile::shipped(name)?,
        };
        let node = sim::Node::from(file.clone());
        evaluation = evaluation.telemetry(Arc::new(node)).driver(Arc::new(sim::Cuda::from(file)));
    }
    if let Some(weights) = call.optional_text(options.weights, "options.weights")? {
        evaluation = evaluation.weights(self::weights(call, weights)?);
    }
    if let Some(image) = call.optional_text(options.image, "options.image")? {
        evaluation = evaluation.image(image);
    }
    if let Some(reference) = call.optional_text(options.reference, "options.reference")? {
        evaluation = evaluation.reference(Profile::from_json(reference)?);
    }
    if let Some(lock) = call.optional_text(options.lock, "options.lock")? {
        evaluation = evaluation.lock(&Lock::parse(lock)?);
    }
    if options.limit_ms != 0 {
        evaluation = evaluation.limit(Duration::from_millis(options.limit_ms.into()));
    }
    Ok(match call.optional_text(options.program, "options.program")? {
        None => evaluation,
        Some("self") => evaluation.isolated(Program::this()?),
        Some(path) => evaluation.isolated(Program::new(path)),
    })
}

fn weights(call: &Call, text: &str) -> Result<Weights> {
    text.split(',').try_fold(Weights::default(), |all, part| {
        let refused = || {
            let error = call.invalid("not a weight", "options.weights").with("value", format_args!("{part:?}"));
            error.hint("write NAME=NUMBER, for example throughput=3")
        };
        let (name, number) = part.split_once('=').ok_or_else(refused)?;
        all.with(name.trim(), number.trim().parse().map_err(|_| refused())?)
    })
}
