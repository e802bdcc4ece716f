//! How healthy the GPUs are, and what to do about it.

use std::ffi::c_char;
use std::mem::offset_of;
use std::path::Path;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::health::{self, Facts, Health, Thresholds, assess};
use nacp_core::gpu::{GpuId, Node};
use nacp_core::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::condition::{NACP_VERDICT_UNUSABLE, nacp_condition, nacp_verdict, number, verdict};
use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Out, Versioned, answer, zero};
use crate::node::{absent, nacp_node};
use crate::panic;
use crate::shared::Shared;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text::Texts;

/// How healthy the GPUs of a node are: what is wrong, and what could not be checked.
///
/// Threads: functions that take `const nacp_health *` may be called by several threads at once; nacp_health_free by one.
#[derive(Debug)]
pub struct nacp_health {
    health: Health,
    summary: *const c_char,
    gpus: Vec<nacp_gpu_health>,
    conditions: Vec<nacp_condition>,
    cordons: Vec<nacp_cordon>,
    unchecked: Vec<nacp_unchecked>,
    _texts: Texts,
}

/// How healthy one GPU is. Its texts live as long as the health.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_gpu_health {
    /// sizeof(nacp_gpu_health); NACP_GPU_HEALTH_INIT sets it.
    pub struct_size: u32,
    /// What may be done with it, and with its partitions: NACP_VERDICT_HEALTHY and the like.
    pub verdict: nacp_verdict,
    /// Its UUID.
    pub gpu: *const c_char,
    /// Its name.
    pub name: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_gpu_health {
    const FIRST: usize = offset_of!(Self, name) + size_of::<*const c_char>();
}

/// A GPU that should get no new work. Its texts live as long as the health.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_cordon {
    /// sizeof(nacp_cordon); NACP_CORDON_INIT sets it.
    pub struct_size: u32,
    /// NACP_VERDICT_DRAIN: move off what runs; NACP_VERDICT_UNUSABLE: nothing runs any more.
    pub verdict: nacp_verdict,
    /// Its UUID.
    pub gpu: *const c_char,
    /// Why: the message of the worst condition.
    pub reason: *const c_char,
    /// What must be done before it may get work again, in words with "; " between them, for the worst condition first.
    pub until: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_cordon {
    const FIRST: usize = offset_of!(Self, until) + size_of::<*const c_char>();
}

/// A condition of which nobody can say whether it holds: it counts neither for nor against a GPU. Its texts live as long
/// as the health.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_unchecked {
    /// sizeof(nacp_unchecked); NACP_UNCHECKED_INIT sets it.
    pub struct_size: u32,
    /// Which condition: NACP_CONDITION_HOT and the like.
    pub kind: u32,
    /// The UUID of the GPU; NULL where it concerns the machine.
    pub gpu: *const c_char,
    /// Which condition, by name.
    pub name: *const c_char,
    /// Why, such as "not supported".
    pub reason: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_unchecked {
    const FIRST: usize = offset_of!(Self, reason) + size_of::<*const c_char>();
}

impl From<Health> for nacp_health {
    fn from(health: Health) -> Self {
        let mut texts = Texts::default();
        let summary = texts.lend(health.summary());
        let gpus = health.gpus.iter().map(|gpu| {
            let (id, name) = (texts.lend(gpu.id.as_str()), texts.lend(&*gpu.name));
            nacp_gpu_health { verdict: verdict(gpu.verdict), gpu: id, name, ..zero() }
        });
        let gpus = gpus.collect();
        let conditions = health.conditions.iter().map(|condition| nacp_condition::of(condition, &mut texts)).collect();
        let cordons = health.cordon().into_iter().map(|cordon| {
            let until: Vec<_> = cordon.until.iter().map(ToString::to_string).collect();
            nacp_cordon {
                verdict: verdict(cordon.verdict),
                gpu: texts.lend(cordon.gpu.as_str()),
                reason: texts.lend(cordon.reason),
                until: texts.lend(until.join("; ")),
                ..zero()
            }
        });
        let cordons = cordons.collect();
        let unchecked = health.unchecked.iter().map(|it| nacp_unchecked {
            kind: number(it.kind),
            gpu: texts.lend_some(it.gpu.as_ref().map(GpuId::as_str)),
            name: texts.lend(it.kind.name()),
            reason: texts.lend(&*it.reason),
            ..zero()
        });
        let unchecked = unchecked.collect();
        Self { health, summary, gpus, conditions, cordons, unchecked, _texts: texts }
    }
}

/// The thresholds of a caller; the defaults for NULL.
pub(crate) fn thresholds(call: &Call, text: *const c_char) -> Result<Thresholds> {
    let text = call.optional_text(text, "thresholds")?;
    text.map_or_else(|| Ok(Thresholds::default()), Thresholds::parse)
}

/// What this machine says about the GPUs of a context: nothing where they are not its own.
pub(crate) fn facts(shared: &Shared) -> Facts {
    if shared.world().is_real() { Facts::read(Path::new("/")) } else { Facts::default() }
}

fn of_node(shared: &Shared, node: &Node, thresholds: &Thresholds) -> Result<Health> {
    Ok(assess(thresholds, &node.reread()?.snapshot(&SystemClock::new())?, &facts(shared)))
}

/// Looks once how healthy the GPUs of a node are. They are read anew, because links and modes change. What only shows over
/// time is not checked: nacp_monitor_new watches.
///
/// @param node the node
/// @param thresholds from where on something counts, as YAML or JSON text; NULL for the defaults, which
///        nacp_thresholds_json tells
/// @param[out] health the health, freed by nacp_health_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for thresholds that are not valid, with line and column; NACP_E_DRIVER_UNAVAILABLE when
///         the driver stopped answering as a whole
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_node_health(
    node: *const nacp_node,
    thresholds: *const c_char,
    health: *mut *mut nacp_health,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_node_health", error) };
    let health = entry.out_handle(health, "health");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let thresholds = self::thresholds(call, thresholds)?;
        let out = call.out(health)?;
        let found = held.shared.wait(call.operation, async { of_node(&held.shared, &held.node, &thresholds) })?;
        out.give(found.into());
        Ok(())
    })
}

/// The same for the GPUs of a context. That this machine's driver does not answer is no error here, it is a condition.
///
/// @param ctx the context
/// @param thresholds from where on something counts, as YAML or JSON text; NULL for the defaults
/// @param[out] health the health, freed by nacp_health_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for thresholds that are not valid, with line and column
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_ctx_health(
    ctx: *const nacp_ctx,
    thresholds: *const c_char,
    health: *mut *mut nacp_health,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_ctx_health", error) };
    let health = entry.out_handle(health, "health");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let thresholds = self::thresholds(call, thresholds)?;
        let out = call.out(health)?;
        let found = shared.wait(call.operation, async {
            let node = shared.world().node().await.cloned();
            match shared.world().is_real() {
                true => health::check_found(node, &SystemClock::new(), &thresholds),
                false => of_node(shared, &node?, &thresholds),
            }
        })?;
        out.give(found.into());
        Ok(())
    })
}

/// What may be done with the node as a whole: the worst of everything; NACP_VERDICT_UNUSABLE for NULL.
///
/// @param health the health
#[unsafe(no_mangle)]
pub extern "C" fn nacp_health_verdict(health: Option<&nacp_health>) -> nacp_verdict {
    answer(health, NACP_VERDICT_UNUSABLE, |held| verdict(held.health.overall()))
}

/// One line: the verdict with its reasons, and what could not be checked, with why.
///
/// @param health the health
/// @return text that lives as long as the health; NULL for NULL
#[unsafe(no_mangle)]
pub extern "C" fn nacp_health_summary(health: Option<&nacp_health>) -> *const c_char {
    answer(health, std::ptr::null(), |held| held.summary)
}

/// Fills a struct of the caller's with one of a list.
fn tell<T: Versioned>(
    call: &Call,
    health: *const nacp_health,
    list: impl FnOnce(&nacp_health) -> &[T],
    what: &str,
    index: usize,
    out: Out<T>,
) -> Result<()> {
    let list = list(call.shared(health, "health")?);
    let out = call.out_struct(out)?;
    out.fill(list.get(index).ok_or_else(|| absent(call, what, index, list.len()))?);
    Ok(())
}

/// The number of GPUs; 0 for NULL.
///
/// @param health the health
#[unsafe(no_mangle)]
pub extern "C" fn nacp_health_gpu_count(health: Option<&nacp_health>) -> usize {
    answer(health, 0, |held| held.gpus.len())
}

/// Tells how healthy one GPU is.
///
/// @param health the health
/// @param index which, from 0 to nacp_health_gpu_count - 1, in the driver's order
/// @param[out] gpu a struct that NACP_GPU_HEALTH_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_health_gpu_at(
    health: *const nacp_health,
    index: usize,
    gpu: *mut nacp_gpu_health,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_health_gpu_at", error) };
    let gpu = entry.out_struct(gpu, "gpu");
    entry.run(|call| tell(call, health, |held| &held.gpus, "GPU", index, gpu))
}

/// The number of things that are wrong; 0 for NULL.
///
/// @param health the health
#[unsafe(no_mangle)]
pub extern "C" fn nacp_health_condition_count(health: Option<&nacp_health>) -> usize {
    answer(health, 0, |held| held.conditions.len())
}

/// Tells one thing that is wrong, the worst first.
///
/// @param health the health
/// @param index which, from 0 to nacp_health_condition_count - 1
/// @param[out] condition a struct that NACP_CONDITION_INIT has initialised; its texts live as long as the health
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_health_condition_at(
    health: *const nacp_health,
    index: usize,
    condition: *mut nacp_condition,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_health_condition_at", error) };
    let condition = entry.out_struct(condition, "condition");
    entry.run(|call| tell(call, health, |held| &held.conditions, "condition", index, condition))
}

/// The number of GPUs that should get no new work; 0 for NULL.
///
/// @param health the health
#[unsafe(no_mangle)]
pub extern "C" fn nacp_health_cordon_count(health: Option<&nacp_health>) -> usize {
    answer(health, 0, |held| held.cordons.len())
}

/// Tells one GPU that should get no new work, and what must be done before it may.
///
/// @param health the health
/// @param index which, from 0 to nacp_health_cordon_count - 1
/// @param[out] cordon a struct that NACP_CORDON_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_health_cordon_at(
    health: *const nacp_health,
    index: usize,
    cordon: *mut nacp_cordon,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_health_cordon_at", error) };
    let cordon = entry.out_struct(cordon, "cordon");
    entry.run(|call| tell(call, health, |held| &held.cordons, "cordon", index, cordon))
}

/// The number of conditions that could not be checked, each counted for each GPU; 0 for NULL.
///
/// @param health the health
#[unsafe(no_mangle)]
pub extern "C" fn nacp_health_unchecked_count(health: Option<&nacp_health>) -> usize {
    answer(health, 0, |held| held.unchecked.len())
}

/// Tells one condition that could not be checked.
///
/// @param health the health
/// @param index which, from 0 to nacp_health_unchecked_count - 1
/// @param[out] unchecked a struct that NACP_UNCHECKED_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_health_unchecked_at(
    health: *const nacp_health,
    index: usize,
    unchecked: *mut nacp_unchecked,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_health_unchecked_at", error) };
    let unchecked = entry.out_struct(unchecked, "unchecked");
    entry.run(|call| tell(call, health, |held| &held.unchecked, "unchecked condition", index, unchecked))
}

/// The whole health as JSON, with the verdict on the node, the summary and the GPUs that should get no new work.
///
/// @param health the health
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_health_json(
    health: *const nacp_health,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_health_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let health = &call.shared(health, "health")?.health;
        let out = call.out(json)?;
        let mut value = value(health)?;
        value["verdict"] = self::value(&health.overall())?;
        value["summary"] = Value::String(health.summary());
        value["cordon"] = self::value(&health.cordon())?;
        out.set(self::json(&value)?);
        Ok(())
    })
}

fn value(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|cause| {
        Error::new(ErrorKind::Internal, "json", "the answer cannot be written as JSON").caused_by(cause)
    })
}

/// The same for people: the summary, then a line for each GPU and for each thing that is wrong.
///
/// @param health the health
/// @param[out] text the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_health_text(
    health: *const nacp_health,
    text: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_health_text", error) };
    let text = entry.out(text, "text", nacp_string::NONE);
    entry.run(|call| {
        let health = &call.shared(health, "health")?.health;
        call.out(text)?.set(health.to_string().into());
        Ok(())
    })
}

/// Frees a health and its texts.
///
/// @param health the health; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_health_free(health: Option<Box<nacp_health>>) {
    panic::quiet(|| drop(health));
}

/// The default thresholds as JSON, to begin a file of one's own with: what such a file does not name keeps its default.
///
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_thresholds_json(json: *mut nacp_string, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_thresholds_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        call.out(json)?.set(Thresholds::TEMPLATE.to_owned().into());
        Ok(())
    })
}
