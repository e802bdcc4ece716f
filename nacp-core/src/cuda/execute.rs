//! The half of the seam that works: contexts, memory, programs and their order in time.

use super::kernels::{Image, Kernel, Launch};
use super::{Attribute, Driver};

/// Declares handles: what the driver calls an object of its own, as a number that means nothing outside it.
macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The handle of this number. Only the driver that made the number can say whether it stands for anything.
            pub fn from_raw(raw: u64) -> Self {
                Self(raw)
            }

            /// The driver's number.
            pub fn raw(self) -> u64 {
                self.0
            }
        }
    )+};
}

handles! {
    /// A context: one program's state on one device (`CUcontext`).
    ContextHandle,
    /// A loaded image (`CUmodule`).
    ModuleHandle,
    /// A kernel of a loaded image (`CUfunction`).
    FunctionHandle,
    /// A queue of work on a device (`CUstream`).
    StreamHandle,
    /// A mark in a queue (`CUevent`).
    EventHandle,
    /// Recorded work that is ready to be started as one (`CUgraphExec`).
    GraphHandle,
}

/// A piece of memory on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Where it begins, in the device's space of addresses (`CUdeviceptr`).
    pub address: u64,
    /// Its length.
    pub bytes: u64,
}

/// A piece of memory of the host that the system may not move, so that the device copies it by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pinned {
    /// Where it begins. Nobody outside the driver reads it there.
    pub address: u64,
    /// Its length.
    pub bytes: u64,
}

/// The calls of the CUDA driver that make a device work, each as raw as it is: `Err` is the driver's number.
///
/// Everything happens on the context that is current in the calling thread. A call that this driver does not have
/// answers 500 (`CUDA_ERROR_NOT_FOUND`), and [`lacks`](Self::lacks) names it; a handle, a piece of memory or an offset
/// that this driver does not know is refused with 400 (`CUDA_ERROR_INVALID_HANDLE`) or 1 (`CUDA_ERROR_INVALID_VALUE`)
/// and never reaches the device. Work is queued on a stream and never on the device's own default one, whose order the
/// other streams do not keep.
pub trait Execute: Driver {
    /// This driver where only questions are asked.
    fn driver(&self) -> &dyn Driver;

    /// The functions of this trait that the driver does not have.
    fn lacks(&self) -> &[&'static str];

    /// The driver's own sentence about a number (`cuGetErrorString`), if it has one.
    fn error_text(&self, code: i32) -> Option<String>;

    /// Whether one device can read the memory of another (`cuDeviceCanAccessPeer`).
    ///
    /// # Errors
    /// The driver's number, as for every call below.
    fn can_access_peer(&self, device: i32, peer: i32) -> Result<bool, i32>;

    // --- contexts

    /// Takes part in the context that all libraries of this process share (`cuDevicePrimaryCtxRetain`).
    fn retain(&self, device: i32) -> Result<ContextHandle, i32>;
    /// Gives it back (`cuDevicePrimaryCtxRelease_v2`); the last one to do so ends it.
    fn release(&self, device: i32) -> Result<(), i32>;
    /// Whether that context exists (`cuDevicePrimaryCtxGetState`).
    fn primary_active(&self, device: i32) -> Result<bool, i32>;
    /// A context of its own (`cuCtxCreate_v2`). It is not current afterwards.
    fn create_context(&self, device: i32) -> Result<ContextHandle, i32>;
    /// Ends it, and all that lives in it (`cuCtxDestroy_v2`).
    fn destroy_context(&self, context: ContextHandle) -> Result<(), i32>;
    /// Makes a context the current one of this thread, or none (`cuCtxSetCurrent`).
    fn set_current(&self, context: Option<ContextHandle>) -> Result<(), i32>;
    /// Makes a context the current one of this thread, over the one that was (`cuCtxPushCurrent_v2`).
    fn push_current(&self, context: ContextHandle) -> Result<(), i32>;
    /// Takes the current context of this thread off (`cuCtxPopCurrent_v2`): the one that was current before is so again,
    /// also where another library made it current.
    fn pop_current(&self) -> Result<(), i32>;
    /// Waits until all work of the current context is done (`cuCtxSynchronize`).
    fn synchronize(&self) -> Result<(), i32>;
    /// Free and total memory of the current context's device, in bytes (`cuMemGetInfo_v2`).
    fn memory_info(&self) -> Result<(u64, u64), i32>;
    /// Lets the current context read what lives in another (`cuCtxEnablePeerAccess`).
    fn enable_peer(&self, peer: ContextHandle) -> Result<(), i32>;

    // --- memory

    /// Memory on the device (`cuMemAlloc_v2`), with whatever is in it.
    fn allocate(&self, bytes: u64) -> Result<Memory, i32>;
    /// Gives it back (`cuMemFree_v2`).
    fn free(&self, memory: Memory) -> Result<(), i32>;
    /// Memory of the host that is pinned (`cuMemHostAlloc`), all zero.
    fn allocate_pinned(&self, bytes: u64) -> Result<Pinned, i32>;
    /// Gives it back (`cuMemFreeHost`), when the device has done its copies.
    fn free_pinned(&self, pinned: Pinned) -> Result<(), i32>;
    /// Writes into pinned memory, on the host. As long as it is not known that the copies that were queued with it are
    /// done, it answers 600: wait for their stream or for the context first, or ask [`stream_done`](Self::stream_done).
    /// An event says nothing here.
    fn write_pinned(&self, pinned: Pinned, offset: u64, data: &[u8]) -> Result<(), i32>;
    /// Reads pinned memory, on the host; 600 as for writing.
    fn read_pinned(&self, pinned: Pinned, offset: u64, data: &mut [u8]) -> Result<(), i32>;
    /// Copies pageable memory to the device (`cuMemcpyHtoDAsync_v2`), and waits for the stream.
    fn upload(&self, to: Memory, offset: u64, data: &[u8], stream: StreamHandle) -> Result<(), i32>;
    /// Copies from the device into pageable memory (`cuMemcpyDtoHAsync_v2`), and waits for the stream.
    fn download(&self, data: &mut [u8], from: Memory, offset: u64, stream: StreamHandle) -> Result<(), i32>;
    /// Queues a copy of the first `bytes` of pinned memory to the device (`cuMemcpyHtoDAsync_v2`).
    fn upload_pinned(&self, to: Memory, from: Pinned, bytes: u64, stream: StreamHandle) -> Result<(), i32>;
    /// Queues a copy of the first `bytes` from the device to pinned memory (`cuMemcpyDtoHAsync_v2`).
    fn download_pinned(&self, to: Pinned, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32>;
    /// Queues a copy of the first `bytes` on the device (`cuMemcpyDtoDAsync_v2`).
    fn copy(&self, to: Memory, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32>;
    /// Queues a copy of the first `bytes` between devices (`cuMemcpyPeerAsync`).
    fn copy_peer(
        &self,
        to: (Memory, ContextHandle),
        from: (Memory, ContextHandle),
        bytes: u64,
        stream: StreamHandle,
    ) -> Result<(), i32>;
    /// Queues the filling of the first `words` words (`cuMemsetD32Async`).
    fn fill(&self, memory: Memory, word: u32, words: u64, stream: StreamHandle) -> Result<(), i32>;

    // --- programs

    /// Loads an image of NACP's kernels (`cuModuleLoadDataEx`). With `cold` the driver compiles it anew, whatever its
    /// cache holds.
    ///
    /// # Errors
    /// The driver's number, and what its compiler wrote.
    fn load(&self, image: Image, cold: bool) -> Result<ModuleHandle, (i32, String)>;
    /// Unloads it (`cuModuleUnload`); its kernels are gone.
    fn unload(&self, module: ModuleHandle) -> Result<(), i32>;
    /// A kernel of a loaded image (`cuModuleGetFunction`).
    fn function(&self, module: ModuleHandle, kernel: Kernel) -> Result<FunctionHandle, i32>;
    /// Queues a kernel (`cuLaunchKernel`). The kernel of `function` must be the one of `launch`.
    fn launch(&self, function: FunctionHandle, launch: &Launch, stream: StreamHandle) -> Result<(), i32>;

    // --- order in time

    /// A stream that the default one does not hold up (`cuStreamCreateWithPriority`). A smaller number goes first.
    fn create_stream(&self, priority: i32) -> Result<StreamHandle, i32>;
    /// Ends it when its work is done (`cuStreamDestroy_v2`).
    fn destroy_stream(&self, stream: StreamHandle) -> Result<(), i32>;
    /// Waits until its work is done (`cuStreamSynchronize`).
    fn synchronize_stream(&self, stream: StreamHandle) -> Result<(), i32>;
    /// Whether its work is done (`cuStreamQuery`; 600 means no).
    fn stream_done(&self, stream: StreamHandle) -> Result<bool, i32>;
    /// The least and the greatest priority of a stream (`cuCtxGetStreamPriorityRange`).
    fn priorities(&self) -> Result<(i32, i32), i32>;
    /// The priority that a stream got (`cuStreamGetPriority`).
    fn priority(&self, stream: StreamHandle) -> Result<i32, i32>;
    /// A mark (`cuEventCreate`).
    fn create_event(&self) -> Result<EventHandle, i32>;
    /// Ends it (`cuEventDestroy_v2`).
    fn destroy_event(&self, event: EventHandle) -> Result<(), i32>;
    /// Queues a mark (`cuEventRecord`).
    fn record(&self, event: EventHandle, stream: StreamHandle) -> Result<(), i32>;
    /// Waits until the mark is reached (`cuEventSynchronize`).
    fn synchronize_event(&self, event: EventHandle) -> Result<(), i32>;
    /// Milliseconds between two marks that were reached, on the device's clock (`cuEventElapsedTime`).
    fn elapsed(&self, from: EventHandle, to: EventHandle) -> Result<f32, i32>;

    // --- graphs

    /// Records what is queued on the stream from here on, in place of doing it (`cuStreamBeginCapture_v2`).
    fn begin_capture(&self, stream: StreamHandle) -> Result<(), i32>;
    /// Ends the recording and makes it ready to be started (`cuStreamEndCapture`, `cuGraphInstantiateWithFlags`). Only
    /// the thread that began it can end it; another one is answered 908.
    fn end_capture(&self, stream: StreamHandle) -> Result<GraphHandle, i32>;
    /// Queues the recorded work (`cuGraphLaunch`).
    fn launch_graph(&self, graph: GraphHandle, stream: StreamHandle) -> Result<(), i32>;
    /// Ends it (`cuGraphExecDestroy`).
    fn destroy_graph(&self, graph: GraphHandle) -> Result<(), i32>;
}

/// Shorthand for the attributes that are asked for again and again.
impl dyn Execute + '_ {
    /// One attribute, where the driver answers with a number that is not negative.
    pub(crate) fn count(&self, attribute: Attribute, device: i32) -> Option<u32> {
        self.attribute(attribute, device).ok().and_then(|value| u32::try_from(value).ok())
    }
}
