//! Keeping an app as it is wanted, and what is told meanwhile.

use std::ffi::c_char;
use std::fmt;
use std::mem::offset_of;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nacp_core::control::{Event, EventKind, Listener, Wanted};
use nacp_core::gpu::GpuId;
use nacp_core::service::App;
use nacp_core::{Error, ErrorKind, Result};
use tokio::task::JoinHandle;

use crate::context::nacp_ctx;
use crate::error::nacp_error;
use crate::ffi::{Call, Entry, Versioned, zero};
use crate::plan::plane_for;
use crate::shared::{Shared, free, tell};
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text;

/// `nacp_app_event.kind`: something that this header does not know; `text` says it in words.
pub const NACP_APP_EVENT_OTHER: u32 = 0;
/// `nacp_app_event.kind`: an image arrives; `done` and `total` are its bytes.
pub const NACP_APP_EVENT_PULLING: u32 = 1;
/// `nacp_app_event.kind`: something is about to be done.
pub const NACP_APP_EVENT_DOING: u32 = 2;
/// `nacp_app_event.kind`: it was done.
pub const NACP_APP_EVENT_DONE: u32 = 3;
/// `nacp_app_event.kind`: it failed; `seconds` is when it is tried again, below 0 when it is given up.
pub const NACP_APP_EVENT_FAILED: u32 = 4;
/// `nacp_app_event.kind`: a replica runs and is not ready yet.
pub const NACP_APP_EVENT_WAITING: u32 = 5;
/// `nacp_app_event.kind`: a replica is ready, `seconds` after its start.
pub const NACP_APP_EVENT_READY: u32 = 6;
/// `nacp_app_event.kind`: a replica that was ready no longer is.
pub const NACP_APP_EVENT_NOT_READY: u32 = 7;
/// `nacp_app_event.kind`: a replica's program ended; `seconds` is when it is started again, below 0 when it stays ended.
pub const NACP_APP_EVENT_ENDED: u32 = 8;
/// `nacp_app_event.kind`: a new specification did not become ready, and the old one comes back.
pub const NACP_APP_EVENT_ROLLED_BACK: u32 = 9;
/// `nacp_app_event.kind`: a GPU is no longer given to replicas, or is again.
pub const NACP_APP_EVENT_CORDONED: u32 = 10;
/// `nacp_app_event.kind`: a container is weaker than it was asked to be.
pub const NACP_APP_EVENT_WEAKER: u32 = 11;
/// `nacp_app_event.kind`: the engine does not answer.
pub const NACP_APP_EVENT_ENGINE_LOST: u32 = 12;
/// `nacp_app_event.kind`: the engine answers again, `seconds` after it was lost.
pub const NACP_APP_EVENT_ENGINE_BACK: u32 = 13;
/// `nacp_app_event.kind`: another program keeps the app; this one only reads until that has ended.
pub const NACP_APP_EVENT_STANDBY: u32 = 14;
/// `nacp_app_event.kind`: this program keeps the app now.
pub const NACP_APP_EVENT_KEEPING: u32 = 15;
/// `nacp_app_event.kind`: everything is as it is wanted.
pub const NACP_APP_EVENT_CONVERGED: u32 = 16;
/// `nacp_app_event.kind`: `done` events were lost because nobody asked for them in time.
pub const NACP_APP_EVENT_LOST: u32 = 17;

/// An app that is kept as it is wanted, until it is freed.
///
/// Threads: its functions may be called by several threads at once, so one can wait in nacp_kept_next while another scales; of
/// two that wait, one waits for the other first. nacp_kept_free is called once, when no other call is under way.
pub struct nacp_kept {
    shared: Arc<Shared>,
    wanted: Wanted,
    told: Mutex<Told>,
    last: Mutex<Option<Event>>,
}

/// The keeping itself, and what it tells.
struct Told {
    listener: Listener,
    task: JoinHandle<Error>,
    /// Why it has ended, if it has.
    ended: Option<Error>,
}

impl fmt::Debug for nacp_kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("nacp_kept").field("app", &self.wanted.name()).finish_non_exhaustive()
    }
}

/// Something that happened to an app.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_app_event {
    /// sizeof(nacp_app_event); NACP_APP_EVENT_INIT sets it.
    pub struct_size: u32,
    /// What: NACP_APP_EVENT_READY and the like. Be ready for numbers that are not here.
    pub kind: u32,
    /// When, in milliseconds since 1970-01-01 00:00 UTC.
    pub at_ms: i64,
    /// The replica's number; -1 where it is not of one.
    pub replica: i64,
    /// A time in seconds, as the kind says; 0 where it has none.
    pub seconds: f64,
    /// Bytes that have arrived (NACP_APP_EVENT_PULLING), or a number of events (NACP_APP_EVENT_LOST); else 0.
    pub done: u64,
    /// Bytes that there are, as far as is known (NACP_APP_EVENT_PULLING); else 0.
    pub total: u64,
    /// The exit code (NACP_APP_EVENT_ENDED); -1 where it is not known.
    pub exit_code: i64,
    /// The app.
    pub app: [c_char; 48],
    /// The service; empty where it is not of one.
    pub service: [c_char; 48],
    /// What happened, in words, cut where it is long; nacp_kept_event_json has all of it.
    pub text: [c_char; 512],
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers.
unsafe impl Versioned for nacp_app_event {
    const FIRST: usize = offset_of!(Self, text) + 512;
}

/// Keeps an app as it is wanted, in the background: what ends is started again, what hangs is replaced, what a GPU loses is
/// moved. One program at a time keeps an app; a second one stands by until the first has ended. Routers and gateways of this
/// context follow.
///
/// @param ctx the context
/// @param app the app as YAML or JSON text
/// @param[out] kept the keeping, freed by nacp_kept_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column, or what driver and engine answer. What
///         goes wrong later is told by nacp_kept_next
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_keep(
    ctx: *const nacp_ctx,
    app: *const c_char,
    kept: *mut *mut nacp_kept,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_keep", error) };
    let kept = entry.out_handle(kept, "kept");
    entry.run(|call| {
        let shared = &call.shared(ctx, "ctx")?.shared;
        let app = App::parse(call.text(app, "app")?)?;
        let out = call.out(kept)?;
        let wanted = Wanted::new(app.clone())?;
        let kept = shared.wait(call.operation, async {
            let plane = plane_for(shared, &app).await?;
            let (listener, mut changes) = (plane.events().listen(), plane.events().listen());
            let (world, followed) = (Arc::clone(shared.world()), wanted.clone());
            let task = tokio::spawn(async move {
                let following = async {
                    while let Some(event) = changes.next().await {
                        if event.may_change_endpoints() {
                            // The next change is told again.
                            let _ = tell(&world).await;
                        }
                    }
                    std::future::pending().await
                };
                tokio::select! {
                    ended = plane.keep(&followed) => match ended {
                        Ok(never) => match never {},
                        Err(error) => error,
                    },
                    error = following => error,
                }
            });
            let told = Mutex::new(Told { listener, task, ended: None });
            Ok(nacp_kept { shared: Arc::clone(shared), wanted: wanted.clone(), told, last: Mutex::default() })
        })?;
        out.give(kept);
        Ok(())
    })
}

impl Told {
    /// The next event within the limit.
    async fn next(&mut self, call: &Call, limit: Duration) -> Result<Event> {
        if let Some(event) = self.listener.try_next() {
            return Ok(event);
        }
        let Self { listener, task, ended } = self;
        let over = |error: &Error| {
            Error::new(error.kind(), call.operation, "the keeping has ended").with("reason", error.to_string())
        };
        if let Some(error) = ended {
            return Err(over(error));
        }
        let first = async {
            tokio::select! {
                biased;
                event = listener.next() => event.ok_or_else(|| Error::new(ErrorKind::Cancelled, call.operation, "the keeping has ended")),
                error = task => {
                    let error = error.unwrap_or_else(|cause| {
                        Error::new(ErrorKind::Internal, call.operation, "the keeping broke").caused_by(cause)
                    });
                    let told = over(&error);
                    *ended = Some(error);
                    Err(told)
                }
            }
        };
        tokio::time::timeout(limit, first).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, call.operation, "nothing happened in the time allowed")
                .with("limit_ms", limit.as_millis())
                .retry_later())
        })
    }
}

/// Waits for the next thing that happens to a kept app. The calling thread stands still meanwhile. With a limit of 0 it only
/// looks.
///
/// @param kept the keeping
/// @param limit_ms how long to wait, in milliseconds
/// @param[out] event a struct that NACP_APP_EVENT_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_TIMEOUT when nothing happened within the limit; what the keeping ended with, once it has
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_kept_next(
    kept: *const nacp_kept,
    limit_ms: u32,
    event: *mut nacp_app_event,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_kept_next", error) };
    let event = entry.out_struct(event, "event");
    entry.run(|call| {
        let kept = call.shared(kept, "kept")?;
        let out = call.out_struct(event)?;
        kept.shared.expect_this_process(call.operation)?;
        let limit = Duration::from_millis(limit_ms.into());
        let mut told = kept.told.lock().unwrap_or_else(PoisonError::into_inner);
        let next = kept.shared.wait(call.operation, told.next(call, limit))?;
        drop(told);
        out.fill(&fill(&next));
        *kept.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        Ok(())
    })
}

/// Tells the event that nacp_kept_next gave last, whole, as JSON: the same object as in Rust and Python.
///
/// @param kept the keeping
/// @param[out] event_json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there was none yet
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_kept_event_json(
    kept: *const nacp_kept,
    event_json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_kept_event_json", error) };
    let event_json = entry.out(event_json, "event_json", nacp_string::NONE);
    entry.run(|call| {
        let kept = call.shared(kept, "kept")?;
        let out = call.out(event_json)?;
        let last = kept.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::NotFound, call.operation, "nothing has been told of this app yet"))?;
        out.set(json(last)?);
        Ok(())
    })
}

/// Wants this specification from now on: what has changed is replaced as each service's strategy says.
///
/// @param kept the keeping
/// @param app the app as YAML or JSON text, of the same name
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column, or of another name
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_kept_update(
    kept: *const nacp_kept,
    app: *const c_char,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_kept_update", error) };
    entry.run(|call| call.shared(kept, "kept")?.wanted.set(App::parse(call.text(app, "app")?)?))
}

/// Wants so many replicas of a service.
///
/// @param kept the keeping
/// @param service the service
/// @param replicas how many
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when the app has no such service; NACP_E_INVALID_ARGUMENT when it cannot have so many
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_kept_scale(
    kept: *const nacp_kept,
    service: *const c_char,
    replicas: u32,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_kept_scale", error) };
    entry.run(|call| call.shared(kept, "kept")?.wanted.scale(call.text(service, "service")?, replicas))
}

/// Changes nothing from now on, or ends that. What runs goes on.
///
/// @param kept the keeping
/// @param paused 1 to change nothing, 0 to go on
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_kept_pause(kept: *const nacp_kept, paused: u32, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_kept_pause", error) };
    entry.run(|call| {
        let wanted = &call.shared(kept, "kept")?.wanted;
        if paused == 0 {
            wanted.resume();
        } else {
            wanted.pause();
        }
        Ok(())
    })
}

/// Empties a service, or ends that: its replicas get no further request and end when nobody waits for them any more.
///
/// @param kept the keeping
/// @param service the service
/// @param drained 1 to empty it, 0 to fill it again
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when the app has no such service
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_kept_drain(
    kept: *const nacp_kept,
    service: *const c_char,
    drained: u32,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_kept_drain", error) };
    entry.run(|call| {
        let wanted = &call.shared(kept, "kept")?.wanted;
        let service = call.text(service, "service")?;
        if drained == 0 { wanted.undrain(service) } else { wanted.drain(service) }
    })
}

/// Gives a GPU to no further replica and moves those that it has to others where there is room, or ends that.
///
/// @param kept the keeping
/// @param gpu the GPU's UUID
/// @param reason why, for people; NULL gives the GPU to replicas again
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT when it is no UUID of a GPU
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_kept_cordon(
    kept: *const nacp_kept,
    gpu: *const c_char,
    reason: *const c_char,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_kept_cordon", error) };
    entry.run(|call| {
        let wanted = &call.shared(kept, "kept")?.wanted;
        let gpu: GpuId = call.text(gpu, "gpu")?.parse()?;
        match reason.is_null() {
            true => wanted.uncordon(&gpu),
            false => wanted.cordon(gpu, call.text(reason, "reason")?),
        }
        Ok(())
    })
}

impl Drop for nacp_kept {
    fn drop(&mut self) {
        let task = &mut self.told.get_mut().unwrap_or_else(PoisonError::into_inner).task;
        task.abort();
        // The lease of the app is given back when the task is really gone.
        let _ended = self.shared.wait("nacp_kept_free", async {
            let _gone = tokio::time::timeout(Duration::from_secs(1), task).await;
            Ok(())
        });
    }
}

/// Ends the keeping of an app; what runs goes on.
///
/// @param kept the keeping; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_kept_free(kept: Option<Box<nacp_kept>>) {
    free(kept, |kept| &kept.shared);
}

/// An event as C sees it.
fn fill(event: &Event) -> nacp_app_event {
    let mut out: nacp_app_event = zero();
    (out.replica, out.exit_code) = (event.replica.map_or(-1, i64::from), -1);
    out.at_ms = event.at.as_millisecond();
    let or_never = |again: &Option<Duration>| again.map_or(-1.0, |pause| pause.as_secs_f64());
    out.kind = match &event.kind {
        EventKind::Pulling(progress) => {
            (out.done, out.total) = (progress.done.0, progress.total.0);
            NACP_APP_EVENT_PULLING
        }
        EventKind::Doing { .. } => NACP_APP_EVENT_DOING,
        EventKind::Done { .. } => NACP_APP_EVENT_DONE,
        EventKind::Failed { again, .. } => {
            out.seconds = or_never(again);
            NACP_APP_EVENT_FAILED
        }
        EventKind::Waiting { .. } => NACP_APP_EVENT_WAITING,
        EventKind::Ready { after } => {
            out.seconds = after.as_secs_f64();
            NACP_APP_EVENT_READY
        }
        EventKind::NotReady { .. } => NACP_APP_EVENT_NOT_READY,
        EventKind::Ended { code, again, .. } => {
            (out.exit_code, out.seconds) = (code.unwrap_or(-1), or_never(again));
            NACP_APP_EVENT_ENDED
        }
        EventKind::RolledBack { .. } => NACP_APP_EVENT_ROLLED_BACK,
        EventKind::Cordoned { .. } => NACP_APP_EVENT_CORDONED,
        EventKind::Weaker { .. } => NACP_APP_EVENT_WEAKER,
        EventKind::EngineLost { .. } => NACP_APP_EVENT_ENGINE_LOST,
        EventKind::EngineBack { after } => {
            out.seconds = after.as_secs_f64();
            NACP_APP_EVENT_ENGINE_BACK
        }
        EventKind::Standby { .. } => NACP_APP_EVENT_STANDBY,
        EventKind::Keeping => NACP_APP_EVENT_KEEPING,
        EventKind::Converged => NACP_APP_EVENT_CONVERGED,
        EventKind::Lost { count } => {
            out.done = *count;
            NACP_APP_EVENT_LOST
        }
        _ => NACP_APP_EVENT_OTHER,
    };
    text::copy(&event.app, &mut out.app);
    text::copy(event.service.as_deref().unwrap_or_default(), &mut out.service);
    text::copy(&event.to_string(), &mut out.text);
    out
}
