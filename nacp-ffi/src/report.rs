//! What the checks of CUDA found.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::cuda::check::{Metric, Skip, Status, Verdict};
use nacp_core::cuda::{CheckReport, Report};
use nacp_core::gpu::GpuId;

use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, answer, zero};
use crate::node::absent;
use crate::panic;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text::Texts;

/// Everything that was done passed.
pub const NACP_REPORT_PASS: u32 = 1;
/// It works, with warnings, or a part could not be looked at.
pub const NACP_REPORT_WARN: u32 = 2;
/// Nothing could be said: the device is busy, or the time was over before a bit was checked.
pub const NACP_REPORT_UNKNOWN: u32 = 3;
/// There is no driver, no device, or something fails.
pub const NACP_REPORT_FAIL: u32 = 4;

/// As it should be.
pub const NACP_CHECK_PASS: u32 = 1;
/// It works, and something is worth knowing.
pub const NACP_CHECK_WARN: u32 = 2;
/// It does not work, or gives wrong answers.
pub const NACP_CHECK_FAIL: u32 = 3;
/// It was not done: nacp_check_result.skip says why.
pub const NACP_CHECK_SKIPPED: u32 = 4;
/// The driver refused a call that should have succeeded: nacp_check_result.code is its number.
pub const NACP_CHECK_ERROR: u32 = 5;

/// Its time was over.
pub const NACP_SKIP_DEADLINE: u32 = 1;
/// What it builds on does not work: an earlier check says why.
pub const NACP_SKIP_BLOCKED: u32 = 2;
/// This device or driver does not have it.
pub const NACP_SKIP_UNSUPPORTED: u32 = 3;
/// The device is held by somebody else: it is busy and not broken.
pub const NACP_SKIP_BUSY: u32 = 4;
/// An earlier check made the device unusable for this process.
pub const NACP_SKIP_POISONED: u32 = 5;
/// The caller did not ask for it, or gave up.
pub const NACP_SKIP_CANCELLED: u32 = 6;

/// The caller named nothing to hold the driver or the device to.
pub const NACP_SKIP_NOT_ASKED: u32 = 7;

/// What the checks of CUDA found.
///
/// Threads: functions that take `const nacp_report *` may be called by several threads at once; nacp_report_free by one.
#[derive(Debug)]
pub struct nacp_report {
    report: Report,
    results: Vec<nacp_check_result>,
    metrics: Vec<Vec<nacp_check_metric>>,
    _texts: Texts,
}

/// What one check found. Its texts live as long as the report, or until the listener returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_check_result {
    /// sizeof(nacp_check_result); NACP_CHECK_RESULT_INIT sets it.
    pub struct_size: u32,
    /// How it ended: NACP_CHECK_PASS and the like.
    pub status: u32,
    /// Which check, such as "det.bits".
    pub id: *const c_char,
    /// The UUID of the device; NULL where it is about the machine.
    pub device: *const c_char,
    /// Why it did not pass, and what can be done; NULL where it did.
    pub reason: *const c_char,
    /// The call that the driver refused; NULL where it refused none.
    pub call: *const c_char,
    /// The driver's number (CUresult) of that refusal; 0 where there is none.
    pub code: i32,
    /// Why it was not done: NACP_SKIP_DEADLINE and the like; 0 where it was.
    pub skip: u32,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How many values were measured; nacp_report_metric_at tells them.
    pub metrics: usize,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_check_result {
    const FIRST: usize = offset_of!(Self, metrics) + size_of::<usize>();
}

/// One measured value. Its texts live as long as the report.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_check_metric {
    /// sizeof(nacp_check_metric); NACP_CHECK_METRIC_INIT sets it.
    pub struct_size: u32,
    /// How often it was measured.
    pub n: u32,
    /// What, such as "pinned".
    pub name: *const c_char,
    /// Its unit, such as "bytes_per_second".
    pub unit: *const c_char,
    /// How a value that is computed comes about; NULL where it was measured.
    pub formula: *const c_char,
    /// The value: the median where it was measured more than once.
    pub value: f64,
    /// What 99 of 100 stay below; NaN where it was measured once.
    pub p99: f64,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_check_metric {
    const FIRST: usize = offset_of!(Self, p99) + size_of::<f64>();
}

impl nacp_check_result {
    pub(crate) fn of(report: &CheckReport, texts: &mut Texts) -> Self {
        let (status, reason, call, code, skip) = match &report.status {
            Status::Pass => (NACP_CHECK_PASS, None, None, 0, 0),
            Status::Warn { reason } => (NACP_CHECK_WARN, Some(reason), None, 0, 0),
            Status::Fail { reason } => (NACP_CHECK_FAIL, Some(reason), None, 0, 0),
            Status::Skipped { why, reason } => (NACP_CHECK_SKIPPED, Some(reason), None, 0, self::skip(*why)),
            Status::Error { call, fault, reason } => (NACP_CHECK_ERROR, Some(reason), Some(call), fault.code, 0),
            _ => (0, None, None, 0, 0),
        };
        Self {
            status,
            id: texts.lend(report.id.name()),
            device: texts.lend_some(report.device.as_ref().map(GpuId::as_str)),
            reason: texts.lend_some(reason.map(String::as_str)),
            call: texts.lend_some(call.map(String::as_str)),
            code,
            skip,
            seconds: report.elapsed.as_secs_f64(),
            metrics: report.metrics.len(),
            struct_size: u32::try_from(size_of::<Self>()).unwrap_or(u32::MAX),
        }
    }
}

fn skip(why: Skip) -> u32 {
    match why {
        Skip::Deadline => NACP_SKIP_DEADLINE,
        Skip::Blocked => NACP_SKIP_BLOCKED,
        Skip::Unsupported => NACP_SKIP_UNSUPPORTED,
        Skip::Busy => NACP_SKIP_BUSY,
        Skip::Poisoned => NACP_SKIP_POISONED,
        Skip::Cancelled => NACP_SKIP_CANCELLED,
        Skip::NotAsked => NACP_SKIP_NOT_ASKED,
        _ => 0,
    }
}

fn measured(metric: &Metric, texts: &mut Texts) -> nacp_check_metric {
    nacp_check_metric {
        n: metric.n,
        name: texts.lend(&*metric.name),
        unit: texts.lend(metric.unit.name()),
        formula: texts.lend_some(metric.formula.as_deref()),
        value: metric.value,
        p99: metric.p99.unwrap_or(f64::NAN),
        ..zero()
    }
}

impl From<Report> for nacp_report {
    fn from(report: Report) -> Self {
        let mut texts = Texts::default();
        let results = report.checks.iter().map(|check| nacp_check_result::of(check, &mut texts)).collect();
        let metrics = report.checks.iter();
        let metrics = metrics.map(|check| check.metrics.iter().map(|it| measured(it, &mut texts)).collect()).collect();
        Self { report, results, metrics, _texts: texts }
    }
}

/// All results in one word.
///
/// @param report the report
/// @return NACP_REPORT_PASS and the like; 0 for NULL
#[unsafe(no_mangle)]
pub extern "C" fn nacp_report_verdict(report: Option<&nacp_report>) -> u32 {
    answer(report, 0, |held| match held.report.verdict {
        Verdict::Pass => NACP_REPORT_PASS,
        Verdict::Warn => NACP_REPORT_WARN,
        Verdict::Unknown => NACP_REPORT_UNKNOWN,
        Verdict::Fail => NACP_REPORT_FAIL,
    })
}

/// Whether the driver is a simulated one: its devices do not exist, and no time means anything.
///
/// @param report the report
/// @return 1 or 0; 0 for NULL
#[unsafe(no_mangle)]
pub extern "C" fn nacp_report_is_simulated(report: Option<&nacp_report>) -> u32 {
    answer(report, 0, |held| u32::from(held.report.simulated))
}

/// How long it took, in seconds.
///
/// @param report the report
/// @return the time; 0 for NULL
#[unsafe(no_mangle)]
pub extern "C" fn nacp_report_seconds(report: Option<&nacp_report>) -> f64 {
    answer(report, 0.0, |held| held.report.elapsed.as_secs_f64())
}

/// The number of results.
///
/// @param report the report
/// @return the number; 0 for NULL
#[unsafe(no_mangle)]
pub extern "C" fn nacp_report_result_count(report: Option<&nacp_report>) -> usize {
    answer(report, 0, |held| held.results.len())
}

/// Tells one result.
///
/// @param report the report
/// @param index which, from 0 to nacp_report_result_count - 1
/// @param[out] result a struct that NACP_CHECK_RESULT_INIT has initialised; its texts live as long as the report
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_report_result_at(
    report: *const nacp_report,
    index: usize,
    result: *mut nacp_check_result,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_report_result_at", error) };
    let result = entry.out_struct(result, "result");
    entry.run(|call| {
        let held = call.shared(report, "report")?;
        let out = call.out_struct(result)?;
        out.fill(held.results.get(index).ok_or_else(|| absent(call, "result", index, held.results.len()))?);
        Ok(())
    })
}

/// Tells one value that a check measured.
///
/// @param report the report
/// @param result which result, from 0 to nacp_report_result_count - 1
/// @param index which of its values, from 0 to nacp_check_result.metrics - 1
/// @param[out] metric a struct that NACP_CHECK_METRIC_INIT has initialised; its texts live as long as the report
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_report_metric_at(
    report: *const nacp_report,
    result: usize,
    index: usize,
    metric: *mut nacp_check_metric,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_report_metric_at", error) };
    let metric = entry.out_struct(metric, "metric");
    entry.run(|call| {
        let held = call.shared(report, "report")?;
        let out = call.out_struct(metric)?;
        let of_it = held.metrics.get(result).ok_or_else(|| absent(call, "result", result, held.metrics.len()))?;
        out.fill(of_it.get(index).ok_or_else(|| absent(call, "metric", index, of_it.len()))?);
        Ok(())
    })
}

/// Why a program cannot go on, as an error: for those that only want to know whether they can.
///
/// @param report the report
/// @param[out] error what does not work, or is not known; NULL if the caller does not care
/// @return NACP_OK for NACP_REPORT_PASS and NACP_REPORT_WARN. For NACP_REPORT_FAIL: NACP_E_DRIVER_UNAVAILABLE where it is
///         about the machine, NACP_E_DEVICE_LOST where it is about a device, or what fits the driver's number. For
///         NACP_REPORT_UNKNOWN: NACP_E_CONFLICT for a busy device, NACP_E_TIMEOUT, NACP_E_CANCELLED, or
///         NACP_E_UNSUPPORTED
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_report_error(report: *const nacp_report, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_report_error", error) };
    entry.run(|call| call.shared(report, "report")?.report.error().map_or(Ok(()), Err))
}

/// The whole report as JSON, with all evidence and the certificates of determinism.
///
/// @param report the report
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_report_json(
    report: *const nacp_report,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_report_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(report, "report")?;
        call.out(json)?.set(self::json(&held.report)?);
        Ok(())
    })
}

/// The report as a table for a terminal.
///
/// @param report the report
/// @param[out] text the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_report_text(
    report: *const nacp_report,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_report_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(report, "report")?;
        call.out(text)?.set(held.report.to_string().into());
        Ok(())
    })
}

/// The report as a page of its own: no script, nothing loaded from elsewhere.
///
/// @param report the report
/// @param[out] html the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_report_html(
    report: *const nacp_report,
    html: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_report_html", error) };
    let html = entry.out(html, "html", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(report, "report")?;
        call.out(html)?.set(held.report.html().into());
        Ok(())
    })
}

/// Frees a report.
///
/// @param report the report; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_report_free(report: Option<Box<nacp_report>>) {
    panic::quiet(|| drop(report));
}
