//! Recording what a poller reads.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::{RecordOptions, Recorded, Recorder};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::telemetry::{Subscription, Telemetry, Update};

/// The longest wait for an update before looking whether to end.
const LOOK: Duration = Duration::from_millis(100);

/// A recording under way, on a thread of its own. It ends when it is finished or dropped, or when the poller ends.
pub struct Recording {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Recorded>>>,
}

impl Telemetry {
    /// Records every reading and every event from now on to a new file. Like each subscriber, it never holds up the
    /// poller: what comes faster than the disk takes it is lost, and [`Recorded::lost`] says how much.
    ///
    /// # Errors
    /// As for [`Recorder::create`]; [`ResourceExhausted`](ErrorKind::ResourceExhausted) when the system gives no thread.
    pub fn record_to(&self, path: impl AsRef<Path>, options: RecordOptions) -> Result<Recording> {
        let updates = self.subscribe();
        let recorder = Recorder::create(path, self.node(), self.clock().wall(), options)?;
        let end = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&end);
        let thread = Builder::new().name("nacp-record".to_owned()).spawn(move || write(recorder, updates, &asked));
        let thread = thread.map_err(|error| {
            Error::new(ErrorKind::ResourceExhausted, "gpu.record", "the system gives no thread")
                .with("reason", &error)
                .retry_later()
                .caused_by(error)
        })?;
        Ok(Recording { end, thread: Some(thread) })
    }
}

/// Writes what comes; ends with what is already waiting when it is asked to.
fn write(mut recorder: Recorder, mut updates: Subscription, asked: &AtomicBool) -> Result<Recorded> {
    loop {
        let ending = asked.load(Ordering::Acquire);
        match updates.next(if ending { Duration::ZERO } else { LOOK }) {
            Ok(Update::Samples(frame)) => recorder.record(frame.at, frame.fields, &frame.samples)?,
            Ok(Update::Event(event)) => recorder.event(&event)?,
            Ok(Update::Lagged(many)) => recorder.lose(many),
            Ok(Update::Ended) => return recorder.finish(),
            Ok(Update::Error(_)) => {}
            Err(_) if ending => return recorder.finish(),
            Err(_) => {}
        }
    }
}

impl Recording {
    /// Ends the recording, once what has already been read is written, and tells what was written.
    ///
    /// # Errors
    /// What the file system refused; the recording ended at that moment.
    pub fn finish(mut self) -> Result<Recorded> {
        self.end.store(true, Ordering::Release);
        let panicked = || Error::new(ErrorKind::Internal, "gpu.record", "the thread that records has panicked");
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(recorded)) => recorded,
            Some(Err(_)) | None => Err(panicked()),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Release);
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            tracing::warn!(%error, "a recording ended early");
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}
