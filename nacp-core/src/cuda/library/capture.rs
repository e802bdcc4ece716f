//! Recording work in place of doing it.
#![expect(unsafe_code, reason = "calls foreign functions")]

use super::Library;
use super::ask::NOT_FOUND;
use super::current::done;
use super::registry::{INVALID_CONTEXT, Raw};
use crate::cuda::{GraphHandle, StreamHandle};

/// `CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`: other threads may go on as they like.
const THREAD_LOCAL: u32 = 1;
/// `CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD`.
const WRONG_THREAD: i32 = 908;

impl Library {
    pub(super) fn begin_recording(&self, stream: StreamHandle) -> Result<(), i32> {
        let functions = &self.functions;
        let begin = functions.capture_begin.ok_or(NOT_FOUND)?;
        functions.capture_end.and(functions.graph_instantiate).and(functions.graph_destroy).ok_or(NOT_FOUND)?;
        let mut state = self.registry.write();
        let queue = state.stream(stream)?;
        queue.used.idle()?;
        // SAFETY: the stream is in the registry, whose lock is held, so that nobody queues work that is not noted.
        done(unsafe { begin(queue.raw, THREAD_LOCAL) })?;
        state.begin_recording(stream);
        Ok(())
    }

    /// Only the thread that began it ends it. What was noted is kept until the driver does not record any more, so that
    /// no recorded work is ever started of which it is not known what it touches.
    pub(super) fn end_recording(&self, stream: StreamHandle) -> Result<GraphHandle, i32> {
        let end = self.functions.capture_end.ok_or(NOT_FOUND)?;
        let instantiate = self.functions.graph_instantiate.ok_or(NOT_FOUND)?;
        let destroy = self.functions.graph_destroy.ok_or(NOT_FOUND)?;
        let mut state = self.registry.write();
        let queue = state.stream(stream)?;
        if queue.recorder.is_some_and(|thread| thread != std::thread::current().id()) {
            return Err(WRONG_THREAD);
        }
        // Work that another thread queues at this moment would be recorded or done, and nobody could say which.
        queue.used.idle()?;
        let raw = queue.raw;
        let (mut graph, mut ready) = (0, 0);
        // SAFETY: the stream is in the registry, whose lock is held; the call writes one handle to a local.
        let ended = unsafe { end(raw, &raw mut graph) };
        if ended != 0 && !self.has_ended(raw) {
            return Err(ended);
        }
        let recorded = state.end_recording(stream)?;
        // The driver may take its time with the rest.
        drop(state);
        if ended != 0 || graph == 0 {
            return Err(if ended == 0 { INVALID_CONTEXT } else { ended });
        }
        // SAFETY: the graph is the one that was just made; the call writes one handle to a local.
        let made = unsafe { instantiate(&raw mut ready, graph, 0) };
        // SAFETY: nobody else knows this graph; what was made of it stands for itself.
        let _given_back = unsafe { destroy(graph) };
        done(made)?;
        Ok(self.registry.write().add_graph(ready, recorded))
    }

    /// Whether the driver says that a stream is not being recorded.
    fn has_ended(&self, stream: Raw) -> bool {
        let Some(status) = self.functions.capture_status else { return false };
        let mut recording = 1;
        // SAFETY: the stream is in the registry, whose lock is held; the call writes one int to a local.
        let code = unsafe { status(stream, &raw mut recording) };
        code == 0 && recording == 0
    }
}
