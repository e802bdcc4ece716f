//! Recording work in place of doing it: which streams take part, and how their branches come together again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::queue::NON_BLOCKING;
use super::{Handle, State, Work};
use crate::code::{Answer, Code};

/// Who else must keep still while work is recorded (`CUstreamCaptureMode`): nobody.
const RELAXED: u32 = 2;
const THREAD_LOCAL: u32 = 1;

/// A number of the calling thread. The standard library's own would stay behind, unfreed, in a thread that is not its.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static OWN: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|number| *number)
}

/// Work that is being recorded.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) context: Handle,
    origin: Handle,
    mode: u32,
    thread: u64,
    works: Vec<Work>,
    pub(crate) spoilt: bool,
    branches: BTreeMap<Handle, Branch>,
}

/// What one stream has added.
#[derive(Clone, Debug, Default)]
struct Branch {
    /// How much was recorded when its last work was.
    last: usize,
    /// Up to where it comes after the work of other streams.
    after: BTreeMap<Handle, usize>,
}

/// A place in recorded work, which an event keeps.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    capture: Handle,
    after: BTreeMap<Handle, usize>,
}

impl State {
    /// Begins to record what is queued on a stream.
    pub(crate) fn begin_capture(&mut self, stream: Handle, mode: u32) -> Answer {
        let found = self.streams.get(stream)?;
        if mode > RELAXED {
            return Err(Code::INVALID_VALUE);
        }
        if found.default {
            return Err(Code::CAPTURE_UNSUPPORTED);
        }
        if found.capture.is_some() {
            return Err(Code::ILLEGAL_STATE);
        }
        let capture = self.captures.insert(Capture {
            context: found.context,
            origin: stream,
            mode,
            thread: this_thread(),
            works: Vec::new(),
            spoilt: false,
            branches: BTreeMap::new(),
        });
        self.streams.get_mut(stream)?.capture = Some(capture);
        Ok(())
    }

    /// Ends it, and answers what was recorded.
    pub(crate) fn end_capture(&mut self, stream: Handle) -> Answer<Vec<Work>> {
        let handle = self.streams.get(stream)?.capture.ok_or(Code::ILLEGAL_STATE)?;
        let capture = self.captures.get(handle)?;
        if capture.origin != stream {
            return Err(Code::CAPTURE_UNMATCHED);
        }
        if capture.mode != RELAXED && capture.thread != this_thread() {
            return Err(Code::CAPTURE_WRONG_THREAD);
        }
        let capture = self.captures.remove(handle)?;
        for stream in self.streams.values_mut().filter(|stream| stream.capture == Some(handle)) {
            stream.capture = None;
        }
        let known = capture.branches.get(&stream).map(|branch| branch.after.clone()).unwrap_or_default();
        let joined = |(other, branch): (&Handle, &Branch)| {
            *other == stream || known.get(other).copied().unwrap_or(0) >= branch.last
        };
        if capture.spoilt {
            Err(Code::CAPTURE_INVALIDATED)
        } else if capture.branches.iter().all(joined) {
            Ok(capture.works)
        } else {
            Err(Code::CAPTURE_UNJOINED)
        }
    }

    /// Records work of a stream that takes part.
    pub(crate) fn record(&mut self, stream: Handle, works: Vec<Work>) -> Answer {
        let handle = self.streams.get(stream)?.capture.ok_or(Code::ILLEGAL_STATE)?;
        let capture = self.captures.get_mut(handle)?;
        if capture.spoilt {
            return Err(Code::CAPTURE_INVALIDATED);
        }
        capture.works.extend(works);
        let last = capture.works.len();
        capture.branches.entry(stream).or_default().last = last;
        Ok(())
    }

    /// The place that a stream has come to, if it is being recorded.
    pub(crate) fn mark_of(&self, stream: Handle) -> Answer<Option<Mark>> {
        let Some(handle) = self.streams.get(stream)?.capture else { return Ok(None) };
        let capture = self.captures.get(handle)?;
        if capture.spoilt {
            return Err(Code::CAPTURE_INVALIDATED);
        }
        let branch = capture.branches.get(&stream).cloned().unwrap_or_default();
        let mut after = branch.after;
        after.insert(stream, branch.last);
        Ok(Some(Mark { capture: handle, after }))
    }

    /// Lets a stream go on behind a place in recorded work: it takes part from now on.
    pub(crate) fn join(&mut self, stream: Handle, mark: &Mark) -> Answer {
        let found = self.streams.get(stream)?;
        match found.capture {
            Some(other) if other != mark.capture => {
                self.spoil(stream);
                if let Ok(capture) = self.captures.get_mut(mark.capture) {
                    capture.spoilt = true;
                }
                return Err(Code::CAPTURE_MERGE);
            }
            None if found.default => return Err(Code::CAPTURE_IMPLICIT),
            _ => {}
        }
        // A mark in work whose recording has ended belongs to nothing that goes on.
        let capture = self.captures.get_mut(mark.capture).map_err(|_| Code::CAPTURED_EVENT)?;
        let branch = capture.branches.entry(stream).or_default();
        for (other, place) in &mark.after {
            let known = branch.after.entry(*other).or_default();
            *known = (*known).max(*place);
        }
        self.streams.get_mut(stream)?.capture = Some(mark.capture);
        Ok(())
    }

    /// Nothing good comes of what a stream records any more.
    pub(crate) fn spoil(&mut self, stream: Handle) {
        let capture = self.streams.get(stream).ok().and_then(|stream| stream.capture);
        if let Some(capture) = capture.and_then(|handle| self.captures.get_mut(handle).ok()) {
            capture.spoilt = true;
        }
    }

    /// Refuses to ask a stream that is being recorded how far it is.
    pub(crate) fn forbidden_in_capture_of(&mut self, stream: Handle) -> Answer {
        if self.streams.get(stream)?.capture.is_none() {
            return Ok(());
        }
        self.spoil(stream);
        Err(Code::CAPTURE_UNSUPPORTED)
    }

    /// Refuses a call that may not be made while somebody records who asked the others to keep still.
    pub(crate) fn forbidden_in_captures(&mut self) -> Answer {
        let thread = this_thread();
        let concerns = |capture: &Capture| match capture.mode {
            RELAXED => false,
            THREAD_LOCAL => capture.thread == thread,
            _ => true,
        };
        let mut answer = Ok(());
        for capture in self.captures.values_mut().filter(|capture| concerns(capture)) {
            capture.spoilt = true;
            answer = Err(Code::CAPTURE_UNSUPPORTED);
        }
        answer
    }

    /// Refuses work on the default stream while one is recorded that would have to wait for it.
    pub(crate) fn forbidden_beside_captures(&mut self, stream: Handle) -> Answer {
        let own = self.streams.get(stream)?;
        if !own.default {
            return Ok(());
        }
        let context = own.context;
        let blocking = self.streams.iter().filter(|(_, other)| other.context == context && other.capture.is_some());
        let blocking: Vec<_> = blocking.filter(|(_, it)| it.flags & NON_BLOCKING == 0).map(|(it, _)| it).collect();
        for other in &blocking {
            self.spoil(*other);
        }
        if blocking.is_empty() { Ok(()) } else { Err(Code::CAPTURE_IMPLICIT) }
    }
}
