//! Who touches a piece of pinned memory: the host, or copies that the device has not done yet. Never both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::NOT_READY;

/// How many copies of pinned memory were queued, and how many of them are known to be done.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    queued: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// The number of those that the driver has taken: asked before it is waited for them.
    pub(crate) fn queued(&self) -> u64 {
        self.queued.load(Ordering::Acquire)
    }

    /// That many are done.
    pub(crate) fn reached(&self, count: u64) {
        self.done.fetch_max(count, Ordering::AcqRel);
    }

    fn next(&self) -> u64 {
        self.queued.fetch_add(1, Ordering::AcqRel) + 1
    }
}

/// A copy that was queued: it is done when its stream or its context has come that far.
#[derive(Debug)]
struct Mark([(Arc<Progress>, u64); 2]);

impl Mark {
    fn is_done(&self) -> bool {
        self.0.iter().any(|(progress, number)| progress.done.load(Ordering::Acquire) >= *number)
    }
}

#[derive(Debug, Default)]
struct Touch {
    host: bool,
    starting: u32,
    queued: Vec<Mark>,
}

/// Who touches one piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched(Arc<Mutex<Touch>>);

/// A copy that the driver is being asked for. When it is dropped, the copy is one that was queued, also where the driver
/// refused it: it may have refused because of older work.
pub(crate) struct Copying {
    piece: Touched,
    queues: [Arc<Progress>; 2],
}

/// The host's turn.
pub(crate) struct OnHost(Touched);

impl Touched {
    fn lock(&self) -> MutexGuard<'_, Touch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a copy of this stream and context is queued.
    pub(super) fn begin_copy(&self, stream: &Arc<Progress>, context: &Arc<Progress>) -> Result<Copying, i32> {
        let mut touch = self.lock();
        if touch.host {
            return Err(NOT_READY);
        }
        touch.starting = touch.starting.saturating_add(1);
        Ok(Copying { piece: self.clone(), queues: [stream, context].map(Arc::clone) })
    }

    /// Before the host reads or writes.
    pub(crate) fn begin_on_host(&self) -> Result<OnHost, i32> {
        let waits = self.waits();
        let mut touch = self.lock();
        if waits || touch.host || touch.starting > 0 || !touch.queued.is_empty() {
            return Err(NOT_READY);
        }
        touch.host = true;
        Ok(OnHost(self.clone()))
    }

    /// Whether there are copies of which it is not known that they are done.
    pub(crate) fn waits(&self) -> bool {
        let mut touch = self.lock();
        touch.queued.retain(|mark| !mark.is_done());
        !touch.queued.is_empty()
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        let mut touch = self.piece.lock();
        let [stream, context] = &self.queues;
        touch.queued.retain(|mark| !mark.is_done() && !Arc::ptr_eq(&mark.0[0].0, stream));
        touch.queued.push(Mark([stream, context].map(|queue| (Arc::clone(queue), queue.next()))));
        touch.starting = touch.starting.saturating_sub(1);
    }
}

impl Drop for OnHost {
    fn drop(&mut self) {
        self.0.lock().host = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_waits_for_copies_and_copies_for_the_host() {
        let (piece, [one, other, context]) = (Touched::default(), [(); 3].map(|()| Arc::<Progress>::default()));
        let copying = piece.begin_copy(&one, &context).unwrap();
        one.reached(one.queued());
        assert!(piece.begin_on_host().is_err(), "the driver is just being asked");
        drop(copying);
        assert!(piece.begin_on_host().is_err(), "what was waited for before it was queued is not done");
        drop(piece.begin_copy(&other, &context).unwrap());
        one.reached(one.queued());
        assert!(piece.begin_on_host().is_err(), "the other stream goes on");
        other.reached(other.queued());
        let host = piece.begin_on_host().unwrap();
        assert!(piece.begin_copy(&one, &context).is_err());
        drop(host);
        drop(piece.begin_copy(&one, &context).unwrap());
        assert!(piece.waits());
        context.reached(context.queued());
        assert!(!piece.waits());
    }
}
