//! Streams and events. What is queued on a stream is done before the call returns, except behind a kernel that never
//! ends: what is queued there never happens, and who waits for it does not come back.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Instant;

use super::capture::Mark;
use super::{Context, Handle, Machine, State, Work};
use crate::call::hang;
use crate::code::{Answer, Code};

/// The least and the greatest priority of a stream.
pub(crate) const PRIORITIES: (i32, i32) = (0, -5);
/// The flag of a stream that the default one does not hold up.
pub(crate) const NON_BLOCKING: u32 = 1;

/// A queue of work.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) context: Handle,
    pub(crate) flags: u32,
    pub(crate) priority: i32,
    pub(crate) default: bool,
    /// Whether it waits for a kernel that never ends.
    pub(crate) stuck: bool,
    pub(crate) capture: Option<Handle>,
    /// Held by whoever does work of this stream.
    turn: Arc<Mutex<()>>,
}

impl Stream {
    pub(crate) fn new(context: Handle, flags: u32, priority: i32) -> Self {
        let priority = priority.clamp(PRIORITIES.1, PRIORITIES.0);
        Self { context, flags, priority, default: false, stuck: false, capture: None, turn: Arc::default() }
    }

    pub(crate) fn default_of(context: Handle) -> Self {
        Self { default: true, ..Self::new(context, 0, 0) }
    }
}

/// A mark in a queue.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) context: Handle,
    pub(crate) timing: bool,
    pub(crate) recorded: Recorded,
}

/// Where the mark is.
#[derive(Clone, Debug)]
pub(crate) enum Recorded {
    Nowhere,
    At(Instant),
    /// Behind a kernel that never ends.
    Never,
    /// In recorded work.
    Captured(Mark),
}

impl State {
    /// A stream of a context: by its handle, or its default one (0 and the two made-up handles of cuda.h).
    pub(crate) fn stream(&self, context: Handle, stream: Handle) -> Answer<Handle> {
        if stream <= 2 {
            return Ok(self.context(context)?.default);
        }
        let found = self.streams.get(stream)?;
        if found.context == context { Ok(stream) } else { Err(Code::INVALID_HANDLE) }
    }

    /// Whether what is queued on a stream waits for a kernel that never ends.
    pub(crate) fn waits_for_ever(&self, stream: Handle) -> bool {
        let Ok(own) = self.streams.get(stream) else { return false };
        let joined = |other: &Stream| {
            let blocking = |stream: &Stream| stream.flags & NON_BLOCKING == 0;
            other.context == own.context && (own.default || other.default) && blocking(own) && blocking(other)
        };
        own.stuck || self.streams.iter().any(|(_, other)| other.stuck && joined(other))
    }
}

impl Machine {
    /// Queues work on a stream of the current context. `together` is a call that returns only when it is done.
    pub(crate) fn submit(
        &self,
        stream: Handle,
        together: bool,
        make: impl FnOnce(&State, Handle) -> Answer<Vec<Work>>,
    ) -> Answer {
        let mut state = self.state();
        let context = state.usable()?;
        let stream = state.stream(context, stream)?;
        let works = make(&state, context)?;
        works.iter().try_for_each(|work| work.check(&state))?;
        if together {
            state.forbidden_in_captures()?;
        }
        if state.streams.get(stream)?.capture.is_some() {
            return state.record(stream, works);
        }
        state.forbidden_beside_captures(stream)?;
        if state.waits_for_ever(stream) {
            let waits = together || works.iter().any(|work| work.waits(&state));
            drop(state);
            return if waits { hang() } else { Ok(()) };
        }
        if works.iter().filter_map(Work::kernel).any(|kernel| self.config.hangs.kernel(kernel)) {
            state.streams.get_mut(stream)?.stuck = true;
            return Ok(());
        }
        let (all, own) = (state.view(), state.view_of(context));
        let device = state.context(context)?.device;
        let turn = Arc::clone(&state.streams.get(stream)?.turn);
        drop(state);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        for work in works {
            if let Err(code) = work.perform(self, &all, &own) {
                self.state().break_device(device, code);
                return if self.config.blocking || together { Err(code) } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// Waits until all work of a stream is done.
    pub(crate) fn finish(&self, stream: Handle) -> Answer {
        let mut state = self.state();
        let context = state.usable()?;
        let stream = state.stream(context, stream)?;
        state.forbidden_in_capture_of(stream)?;
        if state.waits_for_ever(stream) {
            drop(state);
            hang();
        }
        let turn = Arc::clone(&state.streams.get(stream)?.turn);
        drop(state);
        drop(turn.lock().unwrap_or_else(PoisonError::into_inner));
        self.state().usable().map(|_| ())
    }

    /// Waits until all work of the current context is done.
    pub(crate) fn finish_all(&self) -> Answer {
        let mut state = self.state();
        let context = state.usable()?;
        state.forbidden_in_captures()?;
        if state.any_stuck(context) {
            drop(state);
            hang();
        }
        let own = state.streams.iter().filter(|(_, stream)| stream.context == context);
        let turns: Vec<_> = own.map(|(_, stream)| Arc::clone(&stream.turn)).collect();
        drop(state);
        for turn in turns {
            drop(turn.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.state().usable().map(|_| ())
    }

    /// Whether all work of a stream is done.
    pub(crate) fn is_done(&self, stream: Handle) -> Answer {
        let mut state = self.state();
        let context = state.usable()?;
        let stream = state.stream(context, stream)?;
        state.forbidden_in_capture_of(stream)?;
        let busy = matches!(state.streams.get(stream)?.turn.try_lock(), Err(TryLockError::WouldBlock));
        if busy || state.waits_for_ever(stream) { Err(Code::NOT_READY) } else { Ok(()) }
    }

    /// Sets a mark.
    pub(crate) fn mark(&self, event: Handle, stream: Handle) -> Answer {
        let mut state = self.state();
        let context = state.usable()?;
        let stream = state.stream(context, stream)?;
        if state.events.get(event)?.context != context {
            return Err(Code::INVALID_HANDLE);
        }
        let recorded = match state.mark_of(stream)? {
            Some(mark) => Recorded::Captured(mark),
            None if state.waits_for_ever(stream) => Recorded::Never,
            None => Recorded::At(Instant::now()),
        };
        state.events.get_mut(event)?.recorded = recorded;
        Ok(())
    }

    /// Lets a stream wait for a mark.
    pub(crate) fn wait_for(&self, stream: Handle, event: Handle) -> Answer {
        let mut state = self.state();
        let context = state.usable()?;
        let stream = state.stream(context, stream)?;
        let recorded = state.events.get(event)?.recorded.clone();
        match recorded {
            Recorded::Captured(mark) => state.join(stream, &mark),
            Recorded::Nowhere => Ok(()),
            _ if state.streams.get(stream)?.capture.is_some() => {
                state.spoil(stream);
                Err(Code::CAPTURE_ISOLATION)
            }
            Recorded::At(_) => Ok(()),
            Recorded::Never => {
                state.streams.get_mut(stream)?.stuck = true;
                Ok(())
            }
        }
    }

    /// Whether a mark is reached: 600 where it is not yet.
    pub(crate) fn is_reached(&self, event: Handle) -> Answer {
        let state = self.state();
        state.usable()?;
        match state.events.get(event)?.recorded {
            Recorded::Nowhere | Recorded::At(_) => Ok(()),
            Recorded::Never => Err(Code::NOT_READY),
            Recorded::Captured(_) => Err(Code::CAPTURED_EVENT),
        }
    }

    /// Milliseconds between two marks.
    pub(crate) fn elapsed(&self, start: Handle, end: Handle) -> Answer<f32> {
        let state = self.state();
        state.usable()?;
        let (start, end) = (state.events.get(start)?, state.events.get(end)?);
        if start.context != end.context || !(start.timing && end.timing) {
            return Err(Code::INVALID_HANDLE);
        }
        match (&start.recorded, &end.recorded) {
            (Recorded::Nowhere, _) | (_, Recorded::Nowhere) => Err(Code::INVALID_HANDLE),
            (Recorded::Captured(_), _) | (_, Recorded::Captured(_)) => Err(Code::CAPTURED_EVENT),
            (Recorded::Never, _) | (_, Recorded::Never) => Err(Code::NOT_READY),
            (Recorded::At(start), Recorded::At(end)) => {
                let forward = end.saturating_duration_since(*start).as_secs_f32();
                let backward = start.saturating_duration_since(*end).as_secs_f32();
                Ok((forward - backward) * 1e3)
            }
        }
    }
}

impl Context {
    /// Whether a handle is one of those that stand for its default stream.
    pub(crate) fn is_default(&self, stream: Handle) -> bool {
        stream <= 2 || stream == self.default
    }
}
