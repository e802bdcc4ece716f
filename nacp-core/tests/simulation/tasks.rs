//! Tasks on one thread, polled in an order that the seed draws.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// A task's number; each task of a run has its own.
pub(crate) type TaskId = u64;

type Job = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of a run.
#[derive(Default)]
pub(crate) struct Tasks {
    next: TaskId,
    jobs: BTreeMap<TaskId, (Job, Waker)>,
    awake: Arc<Mutex<Vec<TaskId>>>,
}

struct Rouse {
    id: TaskId,
    awake: Arc<Mutex<Vec<TaskId>>>,
}

impl Wake for Rouse {
    fn wake(self: Arc<Self>) {
        let mut awake = self.awake.lock().unwrap_or_else(PoisonError::into_inner);
        if !awake.contains(&self.id) {
            awake.push(self.id);
        }
    }
}

impl Tasks {
    pub(crate) fn spawn(&mut self, job: impl Future<Output = ()> + 'static) -> TaskId {
        let id = self.next;
        self.next += 1;
        let waker = Waker::from(Arc::new(Rouse { id, awake: Arc::clone(&self.awake) }));
        waker.wake_by_ref();
        self.jobs.insert(id, (Box::pin(job), waker));
        id
    }

    /// Drops a task where it stands; false where it has ended already.
    pub(crate) fn drop_task(&mut self, id: TaskId) -> bool {
        self.jobs.remove(&id).is_some()
    }

    /// How many tasks can go on.
    pub(crate) fn awake(&mut self) -> usize {
        let mut awake = self.awake.lock().unwrap_or_else(PoisonError::into_inner);
        awake.retain(|id| self.jobs.contains_key(id));
        awake.len()
    }

    /// Polls the task at this place among those that can go on; tells which, and whether it has ended.
    pub(crate) fn poll(&mut self, place: usize) -> (TaskId, bool) {
        let id = self.awake.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
        let Some((job, waker)) = self.jobs.get_mut(&id) else { return (id, false) };
        let waker = waker.clone();
        let ended = job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if ended {
            self.jobs.remove(&id);
        }
        (id, ended)
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}
