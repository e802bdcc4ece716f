//! A device at work: what is taken is given back when it is dropped, and a refusal says which call it was.

use std::fmt;

use super::kernels::{Image, Kernel, Launch};
use super::{
    Attribute, ContextHandle, EventHandle, Execute, Fault, FaultKind, FunctionHandle, GraphHandle, Memory,
    ModuleHandle, Pinned, StreamHandle,
};

/// A call that the driver refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The call, as `cuda.h` names it.
    pub(crate) call: &'static str,
    /// Its number and meaning.
    pub(crate) fault: Fault,
    /// What the driver's compiler wrote.
    pub(crate) log: String,
    /// Whether the device is one that another process can hold: by its compute mode, or by the multi-process service.
    /// None where it was not asked.
    pub(crate) can_be_held: Option<bool>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.fault)
    }
}

/// Names the call of a refusal.
pub(crate) fn called<T>(call: &'static str, answer: Result<T, i32>) -> Result<T, Refused> {
    answer.map_err(|code| Refused { call, fault: Fault::from_code(code), log: String::new(), can_be_held: None })
}

/// Adds to a refusal whether another process can hold the device.
fn held(mut refused: Refused, driver: &dyn Execute, device: i32) -> Refused {
    if refused.fault.kind == FaultKind::DeviceUnavailable {
        let mode = driver.attribute(Attribute::ComputeMode, device).ok();
        let service = driver.attribute(Attribute::MpsEnabled, device) == Ok(1);
        refused.can_be_held = mode.map(|mode| mode != 0 || service);
    }
    refused
}

/// A context on a device, current in this thread until it is dropped or another one is made current. What was current
/// before is so again when it is dropped, in the thread that opened it. Sessions are dropped in the reverse order.
pub(crate) struct Session<'d> {
    driver: &'d dyn Execute,
    device: i32,
    context: ContextHandle,
    own: bool,
}

impl<'d> Session<'d> {
    /// Takes part in the context that all libraries of this process share.
    pub(crate) fn open(driver: &'d dyn Execute, device: i32) -> Result<Self, Refused> {
        let context =
            called("cuDevicePrimaryCtxRetain", driver.retain(device)).map_err(|it| held(it, driver, device))?;
        Self::begin(driver, device, context, false)
    }

    /// A context of its own.
    pub(crate) fn open_own(driver: &'d dyn Execute, device: i32) -> Result<Self, Refused> {
        let context = called("cuCtxCreate", driver.create_context(device)).map_err(|it| held(it, driver, device))?;
        Self::begin(driver, device, context, true)
    }

    fn begin(driver: &'d dyn Execute, device: i32, context: ContextHandle, own: bool) -> Result<Self, Refused> {
        let pushed = called("cuCtxPushCurrent", driver.push_current(context));
        if pushed.is_err() {
            give_back(driver, device, context, own);
        }
        pushed.map(|()| Self { driver, device, context, own })
    }

    /// Makes its context the current one of this thread.
    pub(crate) fn activate(&self) -> Result<(), Refused> {
        called("cuCtxSetCurrent", self.driver.set_current(Some(self.context)))
    }

    pub(crate) fn driver(&self) -> &'d dyn Execute {
        self.driver
    }

    pub(crate) fn device(&self) -> i32 {
        self.device
    }

    pub(crate) fn synchronize(&self) -> Result<(), Refused> {
        called("cuCtxSynchronize", self.driver.synchronize())
    }

    /// The least and the greatest priority of a stream; a smaller number goes first.
    pub(crate) fn priorities(&self) -> Result<(i32, i32), Refused> {
        called("cuCtxGetStreamPriorityRange", self.driver.priorities())
    }

    /// Lets this context read what lives in another.
    pub(crate) fn enable_peer(&self, peer: &Session<'_>) -> Result<(), Refused> {
        called("cuCtxEnablePeerAccess", self.driver.enable_peer(peer.context))
    }

    /// Free and total memory, in bytes.
    pub(crate) fn memory_info(&self) -> Result<(u64, u64), Refused> {
        called("cuMemGetInfo", self.driver.memory_info())
    }

    pub(crate) fn allocate(&self, bytes: u64) -> Result<Buffer<'_>, Refused> {
        let memory = called("cuMemAlloc", self.driver.allocate(bytes))?;
        Ok(Buffer { session: self, memory })
    }

    pub(crate) fn pinned(&self, bytes: u64) -> Result<PinnedBuffer<'_>, Refused> {
        let pinned = called("cuMemHostAlloc", self.driver.allocate_pinned(bytes))?;
        Ok(PinnedBuffer { session: self, pinned })
    }

    pub(crate) fn stream(&self) -> Result<Stream<'_>, Refused> {
        self.stream_with(0)
    }

    pub(crate) fn stream_with(&self, priority: i32) -> Result<Stream<'_>, Refused> {
        let handle = called("cuStreamCreateWithPriority", self.driver.create_stream(priority))?;
        Ok(Stream { session: self, handle })
    }

    pub(crate) fn event(&self) -> Result<Event<'_>, Refused> {
        let handle = called("cuEventCreate", self.driver.create_event())?;
        Ok(Event { session: self, handle })
    }

    pub(crate) fn load(&self, image: Image, cold: bool) -> Result<Module<'_>, Refused> {
        match self.driver.load(image, cold) {
            Ok(handle) => Ok(Module { session: self, handle }),
            Err((code, log)) => {
                Err(Refused { call: "cuModuleLoadDataEx", fault: Fault::from_code(code), log, can_be_held: None })
            }
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        told(called("cuCtxPopCurrent", self.driver.pop_current()));
        give_back(self.driver, self.device, self.context, self.own);
    }
}

fn give_back(driver: &dyn Execute, device: i32, context: ContextHandle, own: bool) {
    told(if own {
        called("cuCtxDestroy", driver.destroy_context(context))
    } else {
        called("cuDevicePrimaryCtxRelease", driver.release(device))
    });
}

/// Says in the log what could not be given back; nobody is there to be told otherwise.
fn told(given_back: Result<(), Refused>) {
    if let Err(refused) = given_back {
        tracing::warn!(%refused, "the CUDA driver did not take something back");
    }
}

/// Memory on the device.
pub(crate) struct Buffer<'s> {
    session: &'s Session<'s>,
    memory: Memory,
}

impl Buffer<'_> {
    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }

    /// Its first words, when all work of the stream is done.
    pub(crate) fn words(&self, count: usize, stream: &Stream<'_>) -> Result<Vec<u32>, Refused> {
        let mut bytes = vec![0; 4 * count];
        self.read(&mut bytes, stream)?;
        Ok(bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
    }

    /// Its first bytes, when all work of the stream is done.
    pub(crate) fn read(&self, data: &mut [u8], stream: &Stream<'_>) -> Result<(), Refused> {
        self.read_at(0, data, stream)
    }

    pub(crate) fn write(&self, data: &[u8], stream: &Stream<'_>) -> Result<(), Refused> {
        self.write_at(0, data, stream)
    }

    /// Its bytes from `offset` on, when all work of the stream is done.
    pub(crate) fn read_at(&self, offset: u64, data: &mut [u8], stream: &Stream<'_>) -> Result<(), Refused> {
        called("cuMemcpyDtoHAsync", self.session.driver.download(data, self.memory, offset, stream.handle))
    }

    pub(crate) fn write_at(&self, offset: u64, data: &[u8], stream: &Stream<'_>) -> Result<(), Refused> {
        called("cuMemcpyHtoDAsync", self.session.driver.upload(self.memory, offset, data, stream.handle))
    }

    /// Fills all of it with a word.
    pub(crate) fn fill(&self, word: u32, stream: &Stream<'_>) -> Result<(), Refused> {
        let words = self.memory.bytes / 4;
        called("cuMemsetD32Async", self.session.driver.fill(self.memory, word, words, stream.handle))
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        told(called("cuMemFree", self.session.driver.free(self.memory)));
    }
}

/// Pinned memory of the host.
pub(crate) struct PinnedBuffer<'s> {
    session: &'s Session<'s>,
    pinned: Pinned,
}

impl PinnedBuffer<'_> {
    /// Writes bytes from `offset` on. There is no call of the driver behind it.
    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> Result<(), Refused> {
        called("write to pinned memory", self.session.driver.write_pinned(self.pinned, offset, data))
    }

    /// Reads bytes from `offset` on. There is no call of the driver behind it.
    pub(crate) fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), Refused> {
        called("read of pinned memory", self.session.driver.read_pinned(self.pinned, offset, data))
    }
}

impl Drop for PinnedBuffer<'_> {
    fn drop(&mut self) {
        told(called("cuMemFreeHost", self.session.driver.free_pinned(self.pinned)));
    }
}

/// A queue of work.
pub(crate) struct Stream<'s> {
    session: &'s Session<'s>,
    handle: StreamHandle,
}

impl<'s> Stream<'s> {
    pub(crate) fn launch(&self, function: &Function<'_>, launch: &Launch) -> Result<(), Refused> {
        called("cuLaunchKernel", self.session.driver.launch(function.handle, launch, self.handle))
    }

    /// Loads nothing: finds the kernel, starts it.
    pub(crate) fn start(&self, module: &Module<'_>, launch: &Launch) -> Result<(), Refused> {
        self.launch(&module.function(launch.kernel())?, launch)
    }

    pub(crate) fn synchronize(&self) -> Result<(), Refused> {
        called("cuStreamSynchronize", self.session.driver.synchronize_stream(self.handle))
    }

    pub(crate) fn record(&self, event: &Event<'_>) -> Result<(), Refused> {
        called("cuEventRecord", self.session.driver.record(event.handle, self.handle))
    }

    /// Whether all its work is done.
    pub(crate) fn done(&self) -> Result<bool, Refused> {
        called("cuStreamQuery", self.session.driver.stream_done(self.handle))
    }

    /// The priority that it got.
    pub(crate) fn priority(&self) -> Result<i32, Refused> {
        called("cuStreamGetPriority", self.session.driver.priority(self.handle))
    }

    /// Queues a copy of the first bytes to the device.
    pub(crate) fn upload(&self, to: &Buffer<'_>, from: &PinnedBuffer<'_>, bytes: u64) -> Result<(), Refused> {
        let answer = self.session.driver.upload_pinned(to.memory, from.pinned, bytes, self.handle);
        called("cuMemcpyHtoDAsync", answer)
    }

    /// Queues a copy of the first bytes from the device.
    pub(crate) fn download(&self, to: &PinnedBuffer<'_>, from: &Buffer<'_>, bytes: u64) -> Result<(), Refused> {
        let answer = self.session.driver.download_pinned(to.pinned, from.memory, bytes, self.handle);
        called("cuMemcpyDtoHAsync", answer)
    }

    /// Queues a copy of the first bytes on the device.
    pub(crate) fn copy(&self, to: &Buffer<'_>, from: &Buffer<'_>, bytes: u64) -> Result<(), Refused> {
        called("cuMemcpyDtoDAsync", self.session.driver.copy(to.memory, from.memory, bytes, self.handle))
    }

    /// Queues a copy of the first bytes between the devices of two sessions.
    pub(crate) fn copy_peer(&self, to: &Buffer<'_>, from: &Buffer<'_>, bytes: u64) -> Result<(), Refused> {
        let (there, here) = ((to.memory, to.session.context), (from.memory, from.session.context));
        called("cuMemcpyPeerAsync", self.session.driver.copy_peer(there, here, bytes, self.handle))
    }

    pub(crate) fn begin_capture(&self) -> Result<(), Refused> {
        called("cuStreamBeginCapture", self.session.driver.begin_capture(self.handle))
    }

    pub(crate) fn end_capture(&self) -> Result<Graph<'s>, Refused> {
        let handle = called("cuStreamEndCapture", self.session.driver.end_capture(self.handle))?;
        Ok(Graph { session: self.session, handle })
    }

    pub(crate) fn launch_graph(&self, graph: &Graph<'_>) -> Result<(), Refused> {
        called("cuGraphLaunch", self.session.driver.launch_graph(graph.handle, self.handle))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        told(called("cuStreamDestroy", self.session.driver.destroy_stream(self.handle)));
    }
}

/// A mark in a queue.
pub(crate) struct Event<'s> {
    session: &'s Session<'s>,
    handle: EventHandle,
}

impl Event<'_> {
    pub(crate) fn synchronize(&self) -> Result<(), Refused> {
        called("cuEventSynchronize", self.session.driver.synchronize_event(self.handle))
    }

    /// Seconds from an earlier mark to this one, on the device's clock.
    pub(crate) fn seconds_since(&self, earlier: &Event<'_>) -> Result<f64, Refused> {
        let elapsed = self.session.driver.elapsed(earlier.handle, self.handle);
        called("cuEventElapsedTime", elapsed).map(|milliseconds| f64::from(milliseconds) / 1e3)
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        told(called("cuEventDestroy", self.session.driver.destroy_event(self.handle)));
    }
}

/// A loaded image.
pub(crate) struct Module<'s> {
    session: &'s Session<'s>,
    handle: ModuleHandle,
}

impl Module<'_> {
    pub(crate) fn function(&self, kernel: Kernel) -> Result<Function<'_>, Refused> {
        let handle = called("cuModuleGetFunction", self.session.driver.function(self.handle, kernel))?;
        Ok(Function { handle, _module: self })
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        told(called("cuModuleUnload", self.session.driver.unload(self.handle)));
    }
}

/// A kernel of a loaded image.
pub(crate) struct Function<'m> {
    handle: FunctionHandle,
    _module: &'m Module<'m>,
}

/// Recorded work.
pub(crate) struct Graph<'s> {
    session: &'s Session<'s>,
    handle: GraphHandle,
}

impl Drop for Graph<'_> {
    fn drop(&mut self) {
        told(called("cuGraphExecDestroy", self.session.driver.destroy_graph(self.handle)));
    }
}
