//! What an apply would do.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::control::{Plan, Step};
use nacp_core::gpu::GpuId;
use nacp_core::service::App;
use nacp_core::{Error, ErrorKind};

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, answer};
use crate::panic;
use crate::shared::Shared;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text::Texts;

/// What an action of a plan does. Be ready for numbers that are not here.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum nacp_step {
    /// Leave a container as it is.
    NACP_STEP_KEEP = 1,
    /// Create a container and start it.
    NACP_STEP_CREATE = 2,
    /// Start a container that is there but has never run.
    NACP_STEP_START = 3,
    /// Remove a container.
    NACP_STEP_REMOVE = 4,
    /// Something that stands in no plan of a whole app.
    NACP_STEP_OTHER = 5,
}

/// The actions that would bring an app to what is wanted, in the order in which they are done.
///
/// Threads: functions that take `const nacp_plan *` may be called by several threads at once; nacp_plan_free by one.
#[derive(Debug)]
pub struct nacp_plan {
    actions: Vec<nacp_action>,
    _texts: Texts,
}

/// One action of a plan. Its texts live as long as the plan.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_action {
    /// sizeof(nacp_action); NACP_ACTION_INIT sets it.
    pub struct_size: u32,
    /// Actions of one wave are done together; a wave begins when everything of the one before is ready.
    pub wave: u32,
    /// The replica's number, from 0.
    pub replica: u32,
    /// What is done: a nacp_step.
    pub step: i32,
    /// The service.
    pub service: *const c_char,
    /// Why.
    pub reason: *const c_char,
    /// The UUIDs of the replica's GPUs, separated by commas; empty for none.
    pub gpus: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_action {
    const FIRST: usize = offset_of!(Self, gpus) + size_of::<*const c_char>();
}

impl From<&Plan> for nacp_plan {
    fn from(plan: &Plan) -> Self {
        let mut texts = Texts::default();
        let actions = plan.actions.iter().map(|action| {
            let matching = plan
                .placements
                .iter()
                .find(|placed| placed.service == action.service && placed.replica == action.replica);
            let placed = matching.filter(|_| !matches!(action.step, Step::Remove(_)));
            let gpus: Vec<_> = placed.iter().flat_map(|placed| &placed.gpus).map(GpuId::as_str).collect();
            let step = match action.step {
                Step::Keep(_) => nacp_step::NACP_STEP_KEEP,
                Step::Create => nacp_step::NACP_STEP_CREATE,
                Step::Start(_) => nacp_step::NACP_STEP_START,
                Step::Remove(_) => nacp_step::NACP_STEP_REMOVE,
                _ => nacp_step::NACP_STEP_OTHER,
            };
            nacp_action {
                struct_size: 0,
                wave: action.wave,
                replica: action.replica,
                step: step as i32,
                service: texts.lend(&action.service),
                reason: texts.lend(&action.reason),
                gpus: texts.lend(gpus.join(",")),
            }
        });
        Self { actions: actions.collect(), _texts: texts }
    }
}

/// The plan for an app; a driver is needed only where a service needs a GPU.
pub(crate) async fn plane_for(shared: &Shared, app: &App) -> nacp_core::Result<nacp_core::control::ControlPlane> {
    match app.services.values().any(|service| service.gpu.is_some()) {
        true => shared.world().plane().await,
        false => shared.world().plane_without_gpus().await,
    }
}

fn plan(shared: &Shared, operation: &'static str, app: &str) -> nacp_core::Result<Plan> {
    let app = App::parse(app)?;
    shared.wait(operation, async { plane_for(shared, &app).await?.plan(&app).await })
}

/// Tells what nacp_apply would do, without doing it.
///
/// @param ctx the context
/// @param app the app as YAML or JSON text
/// @param[out] plan the plan, freed by nacp_plan_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column; NACP_E_RESOURCE_EXHAUSTED when a
///         replica fits on no GPU, with the reason for each; or what driver and engine answer
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_plan_app(
    ctx: *const nacp_ctx,
    app: *const c_char,
    plan: *mut *mut nacp_plan,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_plan_app", error) };
    let plan = entry.out_handle(plan, "plan");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let app = call.text(app, "app")?;
        let out = call.out(plan)?;
        out.give(nacp_plan::from(&self::plan(shared, call.operation, app)?));
        Ok(())
    })
}

/// The same as nacp_plan_app, as JSON.
///
/// @param ctx the context
/// @param app the app as YAML or JSON text
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return as nacp_plan_app
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_plan_json(
    ctx: *const nacp_ctx,
    app: *const c_char,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_plan_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let app = call.text(app, "app")?;
        let out = call.out(json)?;
        out.set(self::json(&plan(shared, call.operation, app)?)?);
        Ok(())
    })
}

/// The number of actions of a plan; 0 for NULL.
///
/// @param plan the plan
#[unsafe(no_mangle)]
pub extern "C" fn nacp_plan_count(plan: Option<&nacp_plan>) -> usize {
    answer(plan, 0, |plan| plan.actions.len())
}

/// Tells one action of a plan.
///
/// @param plan the plan
/// @param index which, from 0 to nacp_plan_count - 1
/// @param[out] action a struct that NACP_ACTION_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_plan_at(
    plan: *const nacp_plan,
    index: usize,
    action: *mut nacp_action,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_plan_at", error) };
    let action = entry.out_struct(action, "action");
    entry.run(|call| {
        let actions = &call.shared(plan, "plan")?.actions;
        let out = call.out_struct(action)?;
        out.fill(actions.get(index).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, call.operation, "there is no action of this index")
                .with("index", index)
                .with("count", actions.len())
        })?);
        Ok(())
    })
}

/// Frees a plan and its texts.
///
/// @param plan the plan; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_plan_free(plan: Option<Box<nacp_plan>>) {
    panic::quiet(|| drop(plan));
}
