//! The health of the GPUs over time.

use std::ffi::c_char;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::clock::{Clock, SystemClock};
use nacp_core::gpu::health::{Change, History, Monitor};
use nacp_core::gpu::{Event, Events, GpuId, Hears, Node, Snapshot};
use nacp_core::{Error, ErrorKind, Result};

use crate::condition::nacp_condition;
use crate::error::nacp_error;
use crate::ffi::{Call, Entry};
use crate::health::{facts, nacp_health, thresholds};
use crate::node::{absent, nacp_node};
use crate::shared::{Shared, free};
use crate::status::nacp_status;
use crate::string::{json, nacp_string};
use crate::text::Texts;

/// What nacp_monitor_change_at tells: something is wrong that was not.
pub const NACP_CHANGE_RAISED: u32 = 1;
/// What nacp_monitor_change_at tells: it got better or worse, needs another action, or was told again.
pub const NACP_CHANGE_UPDATED: u32 = 2;
/// What nacp_monitor_change_at tells: it is over.
pub const NACP_CHANGE_CLEARED: u32 = 3;

/// A watch over the health of a node: it knows rates, waits before it raises and before it clears, and keeps what events
/// told.
///
/// Threads: functions that take `const nacp_monitor *` may be called by several threads at once; the others by one, when no
/// other call uses the monitor.
pub struct nacp_monitor {
    shared: Arc<Shared>,
    node: Node,
    monitor: Monitor,
    /// Nothing where nobody tells events, or not at the moment.
    events: Option<Box<dyn Events>>,
    /// Whether somebody may tell some.
    offered: bool,
    /// What was told since the last look.
    heard: Vec<Event>,
    clock: SystemClock,
    seen: Option<Snapshot>,
    changes: Vec<(u32, nacp_condition)>,
    texts: Texts,
}

impl fmt::Debug for nacp_monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("nacp_monitor").field("node", &self.node).finish_non_exhaustive()
    }
}

impl nacp_monitor {
    /// Listens, unless it does or nobody tells events. What fails is tried again at the next look.
    fn listen(&mut self) {
        if self.events.is_none() && self.offered {
            match self.node.events() {
                Ok(events) => self.events = Some(events),
                Err(error) => self.offered = error.kind() != ErrorKind::Unsupported,
            }
        }
    }

    /// Reads the node with what has happened since the last look. That it cannot be read is a condition.
    fn look(&mut self) -> Vec<Change> {
        self.listen();
        if let Some(events) = &mut self.events
            && events.wait(Duration::ZERO, &self.clock, &mut self.heard).is_err()
        {
            self.events = None;
        }
        let mut facts = facts(&self.shared);
        facts.hears = self.events.as_ref().map_or_else(Hears::default, |events| events.hears());
        let snapshot = self.node.reread().and_then(|node| node.snapshot(&self.clock)).unwrap_or_else(|error| {
            facts = std::mem::take(&mut facts).with_driver_error(&error);
            Snapshot { at: self.clock.wall(), origin: self.node.origin().clone(), gpus: Vec::new() }
        });
        let changes = self.monitor.observe(snapshot.at, &snapshot, &self.heard, &facts);
        self.heard.clear();
        self.seen = Some(snapshot);
        changes
    }

    /// Keeps changes until the next ones, and tells how many they are.
    fn keep(&mut self, changes: &[Change]) -> usize {
        let mut texts = Texts::default();
        let kept = changes.iter().map(|change| {
            let word = match change {
                Change::Raised(_) => NACP_CHANGE_RAISED,
                Change::Updated(_) => NACP_CHANGE_UPDATED,
                Change::Cleared(_) => NACP_CHANGE_CLEARED,
            };
            (word, nacp_condition::of(change.condition(), &mut texts))
        });
        self.changes = kept.collect();
        self.texts = texts;
        self.changes.len()
    }
}

/// Begins to watch a node. It knows of nothing yet, and hears events from now on where the node tells any.
///
/// @param node the node
/// @param thresholds from where on something counts, as YAML or JSON text; NULL for the defaults
/// @param history what an earlier monitor knew, as nacp_monitor_history_json has told; NULL for nothing
/// @param[out] monitor the monitor, freed by nacp_monitor_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for thresholds or a history that are not valid
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_monitor_new(
    node: *const nacp_node,
    thresholds: *const c_char,
    history: *const c_char,
    monitor: *mut *mut nacp_monitor,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_monitor_new", error) };
    let monitor = entry.out_handle(monitor, "monitor");
    entry.run(|call| {
        let held = call.shared(node, "node")?;
        let thresholds = self::thresholds(call, thresholds)?;
        let history = match call.optional_text(history, "history")? {
            Some(text) => past(call, text)?,
            None => History::default(),
        };
        let out = call.out(monitor)?;
        let (shared, node) = (Arc::clone(&held.shared), held.node.clone());
        let monitor = Monitor::with_history(thresholds, history)?;
        let (clock, seen) = (SystemClock::new(), None);
        let (changes, texts) = (Vec::new(), Texts::default());
        let (events, offered, heard) = (None, true, Vec::new());
        let mut monitor = nacp_monitor { shared, node, monitor, events, offered, heard, clock, seen, changes, texts };
        monitor.listen();
        out.give(monitor);
        Ok(())
    })
}

fn past(call: &Call, text: &str) -> Result<History> {
    serde_json::from_str(text).map_err(|cause| {
        call.invalid("not the history of a monitor", "history").with("reason", &cause).caused_by(cause)
    })
}

/// Reads the node once, with what has happened since the last look, and tells what changed. Look every few seconds: rates
/// are those of the last minute. A driver that does not answer is no error here, it is a condition.
///
/// @param monitor the monitor, used by no other call
/// @param[out] changes how many things changed; nacp_monitor_change_at tells them; NULL if the caller does not care
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_monitor_look(
    monitor: *mut nacp_monitor,
    changes: *mut usize,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_monitor_look", error) };
    let changes = entry.out(changes, "changes", 0);
    entry.run(|call| {
        let held = call.exclusive(monitor, "monitor")?;
        let out = call.optional_out(changes);
        let shared = Arc::clone(&held.shared);
        let changed = shared.wait(call.operation, async { Ok(held.look()) })?;
        let count = held.keep(&changed);
        if let Some(out) = out {
            out.set(count);
        }
        Ok(())
    })
}

/// Tells one thing that changed at the last call that says how many did.
///
/// @param monitor the monitor
/// @param index which, from 0
/// @param[out] change NACP_CHANGE_RAISED, NACP_CHANGE_UPDATED or NACP_CHANGE_CLEARED; NULL if the caller does not care
/// @param[out] condition a struct that NACP_CONDITION_INIT has initialised; its texts live until the next call that says
///             how many things changed, or until the monitor is freed
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_monitor_change_at(
    monitor: *const nacp_monitor,
    index: usize,
    change: *mut u32,
    condition: *mut nacp_condition,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_monitor_change_at", error) };
    let change = entry.out(change, "change", 0);
    let condition = entry.out_struct(condition, "condition");
    entry.run(|call| {
        let held = call.shared(monitor, "monitor")?;
        let out = call.out_struct(condition)?;
        let (word, changed) =
            held.changes.get(index).ok_or_else(|| absent(call, "change", index, held.changes.len()))?;
        if let Some(place) = call.optional_out(change) {
            place.set(*word);
        }
        out.fill(changed);
        Ok(())
    })
}

/// What stands now, as it was seen at the last look.
///
/// @param monitor the monitor
/// @param[out] health the health, freed by nacp_health_free; NULL on failure
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND before the first look
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_monitor_health(
    monitor: *const nacp_monitor,
    health: *mut *mut nacp_health,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_monitor_health", error) };
    let health = entry.out_handle(health, "health");
    entry.run(|call| {
        let held = call.shared(monitor, "monitor")?;
        let out = call.out(health)?;
        let seen = held.seen.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, call.operation, "the monitor has not looked at the node yet")
                .hint("call nacp_monitor_look first")
        })?;
        out.give(held.monitor.health(seen).into());
        Ok(())
    })
}

/// Takes in what somebody did, and tells how many things changed.
fn take_in(
    call: &Call,
    monitor: *mut nacp_monitor,
    changes: crate::ffi::Out<usize>,
    did: impl FnOnce(&mut Monitor) -> Vec<Change>,
) -> Result<()> {
    let held = call.exclusive(monitor, "monitor")?;
    let out = call.optional_out(changes);
    let changed = did(&mut held.monitor);
    let count = held.keep(&changed);
    if let Some(out) = out {
        out.set(count);
    }
    Ok(())
}

/// Says that the machine was restarted: what events told is over, unless only hands can mend it.
///
/// @param monitor the monitor, used by no other call
/// @param[out] changes how many things changed; NULL if the caller does not care
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_monitor_rebooted(
    monitor: *mut nacp_monitor,
    changes: *mut usize,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_monitor_rebooted", error) };
    let changes = entry.out(changes, "changes", 0);
    entry.run(|call| take_in(call, monitor, changes, Monitor::rebooted))
}

/// Says that a GPU was reset: what events told of it is over, where a reset mends it.
///
/// @param monitor the monitor, used by no other call
/// @param gpu the UUID of the GPU
/// @param[out] changes how many things changed; NULL if the caller does not care
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for what is no UUID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_monitor_reset(
    monitor: *mut nacp_monitor,
    gpu: *const c_char,
    changes: *mut usize,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_monitor_reset", error) };
    let changes = entry.out(changes, "changes", 0);
    entry.run(|call| {
        let gpu: GpuId = call.text(gpu, "gpu")?.parse()?;
        take_in(call, monitor, changes, |monitor| monitor.reset(&gpu))
    })
}

/// Says that a GPU was taken out or replaced: everything about it is over.
///
/// @param monitor the monitor, used by no other call
/// @param gpu the UUID of the GPU
/// @param[out] changes how many things changed; NULL if the caller does not care
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for what is no UUID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_monitor_forget(
    monitor: *mut nacp_monitor,
    gpu: *const c_char,
    changes: *mut usize,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_monitor_forget", error) };
    let changes = entry.out(changes, "changes", 0);
    entry.run(|call| {
        let gpu: GpuId = call.text(gpu, "gpu")?.parse()?;
        take_in(call, monitor, changes, |monitor| monitor.forget(&gpu))
    })
}

/// What a monitor knows of Xids and restarts, as JSON, to be kept on a disk and handed to nacp_monitor_new by the next
/// program: the library keeps nothing itself.
///
/// @param monitor the monitor
/// @param[out] json the text, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_monitor_history_json(
    monitor: *const nacp_monitor,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_monitor_history_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let held = call.shared(monitor, "monitor")?;
        let out = call.out(json)?;
        out.set(self::json(held.monitor.history())?);
        Ok(())
    })
}

/// Ends a watch.
///
/// @param monitor the monitor; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_monitor_free(monitor: Option<Box<nacp_monitor>>) {
    free(monitor, |monitor| &monitor.shared);
}
