//! The half that works.

use super::Cuda;
use super::memory::Sparse;
use super::state::{
    CAPTURE_UNSUPPORTED, Context, INVALID_CONTEXT, INVALID_HANDLE, INVALID_VALUE, Piece, State, Stream, Work,
};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::{
    ContextHandle, Driver, EventHandle, Execute, FunctionHandle, GraphHandle, Memory, ModuleHandle, Pinned,
    StreamHandle, Version,
};

/// `CUDA_ERROR_OUT_OF_MEMORY`.
const OUT_OF_MEMORY: i32 = 2;
/// `CUDA_ERROR_NO_BINARY_FOR_GPU`.
const NO_BINARY: i32 = 209;
/// `CUDA_ERROR_PEER_ACCESS_UNSUPPORTED`.
const PEER_UNSUPPORTED: i32 = 217;
/// `CUDA_ERROR_NOT_READY`.
const NOT_READY: i32 = 600;
/// `CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED`.
const PEER_ALREADY: i32 = 704;
/// What a failed program leaves behind: its context answers nothing else any more.
const STICKY: [i32; 8] = [700, 709, 714, 715, 716, 717, 718, 719];
/// The greatest priority of a stream.
const GREATEST: i32 = -5;
/// The least time that passes between two marks, in seconds.
const RESOLUTION: f64 = 0.5e-6;

impl Cuda {
    /// Begins a call that needs a context: the state, the context, its device.
    fn within(&self, call: &'static str) -> Result<(std::sync::MutexGuard<'_, State>, u64, u32), i32> {
        let known = {
            let state = self.state();
            state.here().map(|context| (context, state.device(context)))
        };
        let device = known.ok().map(|(_, device)| device);
        let answer = self.begin(call, device);
        let mut state = self.state();
        let context = state.here()?;
        if let Err(code) = answer {
            if STICKY.contains(&code) {
                state.poison(context, code);
            }
            return Err(code);
        }
        let device = state.device(context);
        Ok((state, context, device))
    }

    fn on(&self, call: &'static str, stream: StreamHandle, work: Work) -> Result<(), i32> {
        let (mut state, ..) = self.within(call)?;
        self.queue(&mut state, stream, work)
    }

    fn add_context(&self, state: &mut State, device: u32, retained: Option<u32>) -> ContextHandle {
        let number = state.number();
        state.contexts.insert(number, Context { device, retained, poison: None, peers: Vec::new() });
        ContextHandle::from_raw(number)
    }
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Execute for Cuda {
    fn driver(&self) -> &dyn Driver {
        self
    }

    fn lacks(&self) -> &[&'static str] {
        &self.lacks
    }

    fn error_text(&self, _code: i32) -> Option<String> {
        None
    }

    fn can_access_peer(&self, device: i32, peer: i32) -> Result<bool, i32> {
        self.begin("cuDeviceCanAccessPeer", u32::try_from(device).ok())?;
        let state = self.state();
        let (_, one) = Cuda::device(self, &state, device)?;
        let (_, other) = Cuda::device(self, &state, peer)?;
        Ok(one.reaches(other))
    }

    fn retain(&self, device: i32) -> Result<ContextHandle, i32> {
        self.begin("cuDevicePrimaryCtxRetain", u32::try_from(device).ok())?;
        let mut state = self.state();
        let (number, found) = Cuda::device(self, &state, device)?;
        if let Some(code) = found.refuses {
            return Err(code);
        }
        let known = state.contexts.iter_mut().find(|(_, it)| it.device == number && it.retained.is_some());
        if let Some((handle, context)) = known {
            context.retained = context.retained.map(|count| count + 1);
            return Ok(ContextHandle::from_raw(*handle));
        }
        Ok(self.add_context(&mut state, number, Some(1)))
    }

    fn release(&self, device: i32) -> Result<(), i32> {
        self.begin("cuDevicePrimaryCtxRelease", u32::try_from(device).ok())?;
        let mut state = self.state();
        let (number, _) = Cuda::device(self, &state, device)?;
        let primary = state.contexts.iter_mut().find(|(_, it)| it.device == number && it.retained.is_some());
        let (handle, context) = primary.ok_or(INVALID_CONTEXT)?;
        let (handle, left) = (*handle, context.retained.unwrap_or(1) - 1);
        context.retained = Some(left);
        if left == 0 {
            state.end(handle);
        }
        Ok(())
    }

    fn primary_active(&self, device: i32) -> Result<bool, i32> {
        self.begin("cuDevicePrimaryCtxGetState", u32::try_from(device).ok())?;
        let state = self.state();
        let (number, _) = Cuda::device(self, &state, device)?;
        Ok(state.contexts.values().any(|it| it.device == number && it.retained.is_some()))
    }

    fn create_context(&self, device: i32) -> Result<ContextHandle, i32> {
        self.begin("cuCtxCreate", u32::try_from(device).ok())?;
        let mut state = self.state();
        let (number, found) = Cuda::device(self, &state, device)?;
        match found.refuses {
            Some(code) => Err(code),
            None => Ok(self.add_context(&mut state, number, None)),
        }
    }

    fn destroy_context(&self, context: ContextHandle) -> Result<(), i32> {
        self.begin("cuCtxDestroy", None)?;
        let mut state = self.state();
        match state.contexts.get(&context.raw()) {
            None => Err(INVALID_HANDLE),
            Some(Context { retained: Some(_), .. }) => Err(INVALID_CONTEXT),
            Some(_) => {
                state.end(context.raw());
                Ok(())
            }
        }
    }

    fn set_current(&self, context: Option<ContextHandle>) -> Result<(), i32> {
        self.begin("cuCtxSetCurrent", None)?;
        self.state().make_current(context).map_err(|_| INVALID_HANDLE)
    }

    fn push_current(&self, context: ContextHandle) -> Result<(), i32> {
        self.begin("cuCtxPushCurrent", None)?;
        self.state().push_current(context).map_err(|_| INVALID_HANDLE)
    }

    fn pop_current(&self) -> Result<(), i32> {
        self.begin("cuCtxPopCurrent", None)?;
        self.state().pop_current()
    }

    fn synchronize(&self) -> Result<(), i32> {
        self.within("cuCtxSynchronize").map(|_| ())
    }

    fn memory_info(&self) -> Result<(u64, u64), i32> {
        let (state, _, device) = self.within("cuMemGetInfo")?;
        let place = device as usize;
        let (found, used) = self.devices.get(place).zip(state.used.get(place)).ok_or(INVALID_VALUE)?;
        Ok((found.free.saturating_sub(*used), found.total))
    }

    fn enable_peer(&self, peer: ContextHandle) -> Result<(), i32> {
        let (mut state, context, device) = self.within("cuCtxEnablePeerAccess")?;
        let other = state.contexts.get(&peer.raw()).ok_or(INVALID_HANDLE)?.device;
        let reach = self.devices.get(device as usize).zip(self.devices.get(other as usize));
        if !reach.is_some_and(|(one, other)| one.reaches(other)) {
            return Err(PEER_UNSUPPORTED);
        }
        let peers = state.contexts.get_mut(&context).map(|context| &mut context.peers).ok_or(INVALID_CONTEXT)?;
        if peers.contains(&peer.raw()) {
            return Err(PEER_ALREADY);
        }
        peers.push(peer.raw());
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> Result<Memory, i32> {
        let (mut state, context, device) = self.within("cuMemAlloc")?;
        if bytes == 0 {
            return Err(INVALID_VALUE);
        }
        let place = device as usize;
        let (found, used) = self.devices.get(place).zip(state.used.get(place)).ok_or(INVALID_VALUE)?;
        if used.checked_add(bytes).is_none_or(|wanted| wanted > found.free) {
            return Err(OUT_OF_MEMORY);
        }
        Ok(state.take(device, bytes, context))
    }

    fn free(&self, memory: Memory) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuMemFree")?;
        match state.memory.get(&memory.address) {
            Some(piece) if piece.bytes == memory.bytes => {
                state.give_back(memory.address);
                Ok(())
            }
            _ => Err(INVALID_HANDLE),
        }
    }

    fn allocate_pinned(&self, bytes: u64) -> Result<Pinned, i32> {
        let (mut state, context, _) = self.within("cuMemHostAlloc")?;
        if bytes == 0 {
            return Err(INVALID_VALUE);
        }
        let end = state.pinned.last_key_value().map_or(1 << 40, |(at, piece)| at + piece.bytes.div_ceil(4096) * 4096);
        state.pinned.insert(end, Piece { bytes, context, data: Sparse::default() });
        Ok(Pinned { address: end, bytes })
    }

    fn free_pinned(&self, pinned: Pinned) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuMemFreeHost")?;
        match state.pinned.get(&pinned.address) {
            Some(piece) if piece.bytes == pinned.bytes => {
                state.pinned.remove(&pinned.address);
                Ok(())
            }
            _ => Err(INVALID_HANDLE),
        }
    }

    fn write_pinned(&self, pinned: Pinned, offset: u64, data: &[u8]) -> Result<(), i32> {
        let mut state = self.state();
        let (at, piece) = state.locked(pinned)?;
        inside(offset, data.len(), pinned.bytes)?;
        piece.data.write(at + offset, data);
        Ok(())
    }

    fn read_pinned(&self, pinned: Pinned, offset: u64, data: &mut [u8]) -> Result<(), i32> {
        let mut state = self.state();
        let (at, piece) = state.locked(pinned)?;
        inside(offset, data.len(), pinned.bytes)?;
        piece.data.read(at + offset, data);
        Ok(())
    }

    fn upload(&self, to: Memory, offset: u64, data: &[u8], stream: StreamHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuMemcpyHtoDAsync")?;
        let context = not_recording(state.stream(stream)?)?;
        inside(offset, data.len(), to.bytes)?;
        state.piece(to, context)?;
        self.write(&mut state, context, to, offset, data)?;
        pass(state.stream(stream)?, data.len());
        Ok(())
    }

    fn download(&self, data: &mut [u8], from: Memory, offset: u64, stream: StreamHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuMemcpyDtoHAsync")?;
        let context = not_recording(state.stream(stream)?)?;
        inside(offset, data.len(), from.bytes)?;
        let (at, piece) = state.piece(from, context)?;
        piece.data.read(at + offset, data);
        pass(state.stream(stream)?, data.len());
        Ok(())
    }

    fn upload_pinned(&self, to: Memory, from: Pinned, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.on("cuMemcpyHtoDAsync", stream, Work::ToDevice { to, from, bytes })
    }

    fn download_pinned(&self, to: Pinned, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.on("cuMemcpyDtoHAsync", stream, Work::ToHost { to, from, bytes })
    }

    fn copy(&self, to: Memory, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.on("cuMemcpyDtoDAsync", stream, Work::Copy { to, from, bytes })
    }

    fn copy_peer(
        &self,
        to: (Memory, ContextHandle),
        from: (Memory, ContextHandle),
        bytes: u64,
        stream: StreamHandle,
    ) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuMemcpyPeerAsync")?;
        not_recording(state.stream(stream)?)?;
        if bytes > to.0.bytes.min(from.0.bytes) {
            return Err(INVALID_VALUE);
        }
        let (at, piece) = state.piece(from.0, from.1.raw())?;
        let mut data = vec![0; usize::try_from(bytes).map_err(|_| INVALID_VALUE)?];
        piece.data.read(at, &mut data);
        self.write(&mut state, to.1.raw(), to.0, 0, &data)?;
        pass(state.stream(stream)?, data.len());
        Ok(())
    }

    fn fill(&self, memory: Memory, word: u32, words: u64, stream: StreamHandle) -> Result<(), i32> {
        self.on("cuMemsetD32Async", stream, Work::Fill { memory, word, words })
    }

    fn load(&self, image: Image, _cold: bool) -> Result<ModuleHandle, (i32, String)> {
        let (mut state, context, device) = self.within("cuModuleLoadDataEx").map_err(|code| (code, String::new()))?;
        let compute = self.devices.get(device as usize).map(super::Device::compute);
        if compute.is_none_or(|compute| compute < image.target()) {
            return Err((NO_BINARY, String::new()));
        }
        if Version::from_number(self.version).is_none_or(|cuda| (cuda.major, cuda.minor) < (10, 0)) {
            let Version { major, minor } = image.isa();
            return Err((222, format!("Unsupported .version {major}.{minor}")));
        }
        let number = state.number();
        state.modules.insert(number, (image, context));
        Ok(ModuleHandle::from_raw(number))
    }

    fn unload(&self, module: ModuleHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuModuleUnload")?;
        state.modules.remove(&module.raw()).ok_or(INVALID_HANDLE)?;
        state.functions.retain(|_, (_, of)| *of != module.raw());
        Ok(())
    }

    fn function(&self, module: ModuleHandle, kernel: Kernel) -> Result<FunctionHandle, i32> {
        let (mut state, ..) = self.within("cuModuleGetFunction")?;
        let (image, _) = *state.modules.get(&module.raw()).ok_or(INVALID_HANDLE)?;
        if image != kernel.image() {
            return Err(500);
        }
        let number = state.number();
        state.functions.insert(number, (kernel, module.raw()));
        Ok(FunctionHandle::from_raw(number))
    }

    fn launch(&self, function: FunctionHandle, launch: &Launch, stream: StreamHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuLaunchKernel")?;
        let (kernel, _) = *state.functions.get(&function.raw()).ok_or(INVALID_HANDLE)?;
        if kernel != launch.kernel() {
            return Err(INVALID_VALUE);
        }
        self.queue(&mut state, stream, Work::Launch(launch.clone()))
    }

    fn create_stream(&self, priority: i32) -> Result<StreamHandle, i32> {
        let (mut state, context, _) = self.within("cuStreamCreateWithPriority")?;
        let number = state.number();
        let priority = priority.clamp(GREATEST, 0);
        state.streams.insert(number, Stream { context, priority, busy: 0.0, recording: None });
        Ok(StreamHandle::from_raw(number))
    }

    fn destroy_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuStreamDestroy")?;
        state.streams.remove(&stream.raw()).map(|_| ()).ok_or(INVALID_HANDLE)
    }

    fn synchronize_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuStreamSynchronize")?;
        not_recording(state.stream(stream)?).map(|_| ())
    }

    fn stream_done(&self, stream: StreamHandle) -> Result<bool, i32> {
        let (mut state, ..) = self.within("cuStreamQuery")?;
        not_recording(state.stream(stream)?).map(|_| true)
    }

    fn priorities(&self) -> Result<(i32, i32), i32> {
        self.within("cuCtxGetStreamPriorityRange").map(|_| (0, GREATEST))
    }

    fn priority(&self, stream: StreamHandle) -> Result<i32, i32> {
        let (mut state, ..) = self.within("cuStreamGetPriority")?;
        state.stream(stream).map(|stream| stream.priority)
    }

    fn create_event(&self) -> Result<EventHandle, i32> {
        let (mut state, context, _) = self.within("cuEventCreate")?;
        let number = state.number();
        state.events.insert(number, (context, None));
        Ok(EventHandle::from_raw(number))
    }

    fn destroy_event(&self, event: EventHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuEventDestroy")?;
        state.events.remove(&event.raw()).map(|_| ()).ok_or(INVALID_HANDLE)
    }

    fn record(&self, event: EventHandle, stream: StreamHandle) -> Result<(), i32> {
        self.on("cuEventRecord", stream, Work::Mark(event.raw()))
    }

    fn synchronize_event(&self, event: EventHandle) -> Result<(), i32> {
        let (state, ..) = self.within("cuEventSynchronize")?;
        state.events.get(&event.raw()).map(|_| ()).ok_or(INVALID_HANDLE)
    }

    fn elapsed(&self, from: EventHandle, to: EventHandle) -> Result<f32, i32> {
        let (state, ..) = self.within("cuEventElapsedTime")?;
        let time = |event: EventHandle| state.events.get(&event.raw()).ok_or(INVALID_HANDLE)?.1.ok_or(NOT_READY);
        #[expect(clippy::cast_possible_truncation, reason = "the driver tells it in as many bits")]
        let milliseconds = ((time(to)? - time(from)? + RESOLUTION) * 1e3) as f32;
        Ok(milliseconds)
    }

    fn begin_capture(&self, stream: StreamHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuStreamBeginCapture")?;
        let stream = state.stream(stream)?;
        not_recording(stream)?;
        stream.recording = Some(Vec::new());
        Ok(())
    }

    fn end_capture(&self, stream: StreamHandle) -> Result<GraphHandle, i32> {
        let (mut state, context, _) = self.within("cuStreamEndCapture")?;
        let recorded = state.stream(stream)?.recording.take().ok_or(INVALID_VALUE)?;
        let number = state.number();
        state.graphs.insert(number, (context, recorded));
        Ok(GraphHandle::from_raw(number))
    }

    fn launch_graph(&self, graph: GraphHandle, stream: StreamHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuGraphLaunch")?;
        let (context, recorded) = state.graphs.get(&graph.raw()).cloned().ok_or(INVALID_HANDLE)?;
        if not_recording(state.stream(stream)?)? != context {
            return Err(INVALID_HANDLE);
        }
        recorded.iter().try_for_each(|work| self.perform(&mut state, stream, context, work))
    }

    fn destroy_graph(&self, graph: GraphHandle) -> Result<(), i32> {
        let (mut state, ..) = self.within("cuGraphExecDestroy")?;
        state.graphs.remove(&graph.raw()).map(|_| ()).ok_or(INVALID_HANDLE)
    }
}

/// The context of a stream that does what is queued.
fn not_recording(stream: &Stream) -> Result<u64, i32> {
    if stream.recording.is_some() { Err(CAPTURE_UNSUPPORTED) } else { Ok(stream.context) }
}

/// Whether `length` bytes from `offset` on are within `bytes`.
fn inside(offset: u64, length: usize, bytes: u64) -> Result<(), i32> {
    if offset.checked_add(size(length)).is_some_and(|end| end <= bytes) { Ok(()) } else { Err(INVALID_VALUE) }
}

/// A copy of pageable memory, which is slower.
fn pass(stream: &mut Stream, bytes: usize) {
    stream.busy += 2e-6 + size(bytes) as f64 / 8e9;
}
