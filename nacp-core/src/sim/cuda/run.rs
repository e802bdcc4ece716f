//! The half that works.

use std::sync::MutexGuard;

use super::Cuda;
use super::state::{
    CAPTURE_INVALIDATED, CAPTURE_UNSUPPORTED, Context, INVALID_CONTEXT, INVALID_HANDLE, INVALID_VALUE, NOT_READY,
    Recording, State, Stream, Work,
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
/// `CUDA_ERROR_UNSUPPORTED_PTX_VERSION`.
const PTX_TOO_NEW: i32 = 222;
/// `CUDA_ERROR_ILLEGAL_STATE`.
const ILLEGAL_STATE: i32 = 401;
/// `CUDA_ERROR_NOT_FOUND`.
const NOT_FOUND: i32 = 500;
/// `CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED`.
const PEER_ALREADY: i32 = 704;
/// `CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD`.
const WRONG_THREAD: i32 = 908;
/// The call in which a copy of pageable memory waits.
const WAIT: &str = "cuStreamSynchronize";
/// The one call that takes something back without a current context.
const END: &str = "cuCtxDestroy";
/// The greatest priority of a stream.
const GREATEST: i32 = -5;
/// The most pinned memory that is to be had at once, in bytes.
const MOST_PINNED: u64 = 1 << 36;
/// The least time that passes between two marks, in seconds.
const RESOLUTION: f64 = 0.5e-6;

impl Cuda {
    /// Makes a call as far as the device goes: what it is given is checked and tells the context, then the call hangs,
    /// is refused, or goes on, as it was asked to. What it was given may have gone meanwhile, and is looked up again.
    fn call(
        &self,
        call: &'static str,
        find: impl Fn(&mut State) -> Result<u64, i32>,
    ) -> Result<(MutexGuard<'_, State>, u64), i32> {
        self.has(call)?;
        let device = {
            let mut state = self.state();
            let context = find(&mut state)?;
            state.here()?;
            state.device(context)
        };
        let answer = self.begin(call, Some(device));
        let mut state = self.state();
        let context = find(&mut state)?;
        state.settle(context, answer)?;
        Ok((state, context))
    }

    /// Makes a call that needs a current context: the state, the context, its device.
    fn within(&self, call: &'static str) -> Result<(MutexGuard<'_, State>, u64, u32), i32> {
        let (state, context) = self.call(call, |state| state.here())?;
        let device = state.device(context);
        Ok((state, context, device))
    }

    /// Makes a call that waits; nobody takes these objects away meanwhile.
    fn wait(
        &self,
        mut state: MutexGuard<'_, State>,
        call: &'static str,
        context: u64,
        objects: &[u64],
    ) -> Result<(), i32> {
        state.here()?;
        state.hold(objects);
        let device = state.device(context);
        drop(state);
        let answer = self.begin(call, Some(device));
        let mut state = self.state();
        state.let_go(objects);
        state.settle(context, answer)
    }

    /// Makes a call that gives something back that lives in a context. It is gone whatever the device answers.
    fn take_back(
        &self,
        call: &'static str,
        find: impl Fn(&State) -> Result<u64, i32>,
        take: impl FnOnce(&mut State),
    ) -> Result<(), i32> {
        self.has(call)?;
        let context = find(&self.state())?;
        let device = self.state().device(context);
        let answer = self.begin(call, Some(device));
        let mut state = self.state();
        let context = find(&state)?;
        let current = state.here();
        take(&mut state);
        let answer = if call == END { answer } else { answer.and(current.map(|_| ())) };
        state.settle(context, answer)
    }

    /// Queues work.
    fn on(&self, call: &'static str, stream: StreamHandle, work: Work) -> Result<(), i32> {
        let (mut state, _) = self.call(call, |state| {
            let context = state.stream(stream)?.context;
            Self::look(state, context, &work).map(|()| context)
        })?;
        self.queue(&mut state, stream, work)
    }

    fn add_context(state: &mut State, device: u32, retained: Option<u32>) -> ContextHandle {
        let number = State::number();
        state.contexts.insert(number, Context { device, retained, poison: None, peers: Vec::new() });
        ContextHandle::from_raw(number)
    }

    /// The context of a copy between a device and pageable memory.
    fn transfer(
        state: &mut State,
        memory: Memory,
        offset: u64,
        length: usize,
        stream: StreamHandle,
    ) -> Result<u64, i32> {
        let context = state.stream(stream)?.context;
        state.piece(memory)?;
        inside(offset, length, memory.bytes)?;
        state.may_use(context, memory)?;
        not_recording(state.stream(stream)?)
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
        Ok(Self::add_context(&mut state, number, Some(1)))
    }

    fn release(&self, device: i32) -> Result<(), i32> {
        self.begin("cuDevicePrimaryCtxRelease", u32::try_from(device).ok())?;
        let mut state = self.state();
        let (number, _) = Cuda::device(self, &state, device)?;
        let primary = state.contexts.iter_mut().find(|(_, it)| it.device == number && it.retained.is_some());
        let (handle, context) = primary.ok_or(INVALID_CONTEXT)?;
        let handle = *handle;
        match context.retained.and_then(|count| count.checked_sub(1)) {
            Some(left) if left > 0 => context.retained = Some(left),
            _ => {
                state.idle_context(handle)?;
                state.end(handle);
            }
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
            None => Ok(Self::add_context(&mut state, number, None)),
        }
    }

    fn destroy_context(&self, context: ContextHandle) -> Result<(), i32> {
        let find = |state: &State| match state.contexts.get(&context.raw()) {
            None => Err(INVALID_HANDLE),
            Some(Context { retained: Some(_), .. }) => Err(INVALID_CONTEXT),
            Some(_) => state.idle_context(context.raw()).map(|()| context.raw()),
        };
        self.take_back(END, find, |state| state.end(context.raw()))
    }

    fn set_current(&self, context: Option<ContextHandle>) -> Result<(), i32> {
        self.has("cuCtxSetCurrent")?;
        let known = context.is_none_or(|context| self.state().contexts.contains_key(&context.raw()));
        if !known {
            return Err(INVALID_HANDLE);
        }
        self.begin("cuCtxSetCurrent", None)?;
        self.state().make_current(context)
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
        self.has("cuCtxSynchronize")?;
        let state = self.state();
        let context = state.here()?;
        self.wait(state, "cuCtxSynchronize", context, &[context])
    }

    fn memory_info(&self) -> Result<(u64, u64), i32> {
        let (state, _, device) = self.within("cuMemGetInfo")?;
        let place = device as usize;
        let (found, used) = self.devices.get(place).zip(state.used.get(place)).ok_or(INVALID_VALUE)?;
        Ok((found.free.saturating_sub(*used), found.total))
    }

    fn enable_peer(&self, peer: ContextHandle) -> Result<(), i32> {
        let (mut state, context) = self.call("cuCtxEnablePeerAccess", |state| {
            let here = state.here()?;
            if state.contexts.contains_key(&peer.raw()) { Ok(here) } else { Err(INVALID_HANDLE) }
        })?;
        let device = state.device(context);
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
        let find = |state: &State| {
            let piece = state.memory.get(&memory.address).filter(|piece| piece.bytes == memory.bytes);
            let context = piece.ok_or(INVALID_HANDLE)?.context;
            state.idle(memory.address).map(|()| context)
        };
        self.take_back("cuMemFree", find, |state| state.give_back(memory.address))
    }

    fn allocate_pinned(&self, bytes: u64) -> Result<Pinned, i32> {
        let (mut state, context, _) = self.within("cuMemHostAlloc")?;
        match bytes {
            0 => Err(INVALID_VALUE),
            _ if bytes > MOST_PINNED => Err(OUT_OF_MEMORY),
            _ => Ok(state.take_pinned(bytes, context)),
        }
    }

    fn free_pinned(&self, pinned: Pinned) -> Result<(), i32> {
        let find = |state: &State| {
            let piece = state.pinned.get(&pinned.address).filter(|piece| piece.bytes == pinned.bytes);
            let context = piece.ok_or(INVALID_HANDLE)?.context;
            state.idle(pinned.address).map(|()| context)
        };
        self.take_back("cuMemFreeHost", find, |state| drop(state.pinned.remove(&pinned.address)))
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
        self.has(WAIT)?;
        let find = |state: &mut State| Self::transfer(state, to, offset, data.len(), stream);
        let (mut state, context) = self.call("cuMemcpyHtoDAsync", find)?;
        self.write(&mut state, to, offset, data)?;
        pass(state.stream(stream)?, data.len());
        let base = to.address - state.piece(to)?.0;
        self.wait(state, WAIT, context, &[base, stream.raw()])
    }

    fn download(&self, data: &mut [u8], from: Memory, offset: u64, stream: StreamHandle) -> Result<(), i32> {
        self.has(WAIT)?;
        let length = data.len();
        let find = |state: &mut State| Self::transfer(state, from, offset, length, stream);
        let (mut state, context) = self.call("cuMemcpyDtoHAsync", find)?;
        let (at, piece) = state.piece(from)?;
        piece.data.read(at + offset, data);
        pass(state.stream(stream)?, length);
        self.wait(state, WAIT, context, &[from.address - at, stream.raw()])
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
        self.on("cuMemcpyPeerAsync", stream, Work::CopyPeer { to, from, bytes })
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
        let (Version { major, minor }, newest) = (image.isa(), newest_ptx(self.version));
        if (major, minor) > newest {
            let (known, since) = newest;
            let log = format!("Unsupported .version {major}.{minor}; current version is '{known}.{since}'");
            return Err((PTX_TOO_NEW, log));
        }
        let number = State::number();
        state.modules.insert(number, (image, context));
        Ok(ModuleHandle::from_raw(number))
    }

    fn unload(&self, module: ModuleHandle) -> Result<(), i32> {
        let find = |state: &State| state.modules.get(&module.raw()).map(|(_, context)| *context).ok_or(INVALID_HANDLE);
        self.take_back("cuModuleUnload", find, |state| {
            state.modules.remove(&module.raw());
            state.functions.retain(|_, (_, of)| *of != module.raw());
        })
    }

    fn function(&self, module: ModuleHandle, kernel: Kernel) -> Result<FunctionHandle, i32> {
        let find =
            |state: &mut State| state.modules.get(&module.raw()).map(|(_, context)| *context).ok_or(INVALID_HANDLE);
        let (mut state, _) = self.call("cuModuleGetFunction", find)?;
        let (image, _) = *state.modules.get(&module.raw()).ok_or(INVALID_HANDLE)?;
        if image != kernel.image() {
            return Err(NOT_FOUND);
        }
        let known = state.functions.iter().find(|(_, function)| **function == (kernel, module.raw()));
        if let Some((known, _)) = known {
            return Ok(FunctionHandle::from_raw(*known));
        }
        let number = State::number();
        state.functions.insert(number, (kernel, module.raw()));
        Ok(FunctionHandle::from_raw(number))
    }

    fn launch(&self, function: FunctionHandle, launch: &Launch, stream: StreamHandle) -> Result<(), i32> {
        let (kernel, module) = *self.state().functions.get(&function.raw()).ok_or(INVALID_HANDLE)?;
        self.state().stream(stream)?;
        if kernel != launch.kernel() {
            return Err(INVALID_VALUE);
        }
        self.on("cuLaunchKernel", stream, Work::Launch { launch: launch.clone(), module })
    }

    fn create_stream(&self, priority: i32) -> Result<StreamHandle, i32> {
        let (mut state, context, _) = self.within("cuStreamCreateWithPriority")?;
        let number = State::number();
        let priority = priority.clamp(GREATEST, 0);
        state.streams.insert(number, Stream { context, priority, busy: 0.0, recording: None });
        Ok(StreamHandle::from_raw(number))
    }

    fn destroy_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        let find = |state: &State| {
            let context = state.streams.get(&stream.raw()).ok_or(INVALID_HANDLE)?.context;
            state.idle(stream.raw()).map(|()| context)
        };
        self.take_back("cuStreamDestroy", find, |state| drop(state.streams.remove(&stream.raw())))
    }

    fn synchronize_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        self.has(WAIT)?;
        let mut state = self.state();
        let context = done_at_once(state.stream(stream)?)?;
        self.wait(state, WAIT, context, &[stream.raw()])
    }

    fn stream_done(&self, stream: StreamHandle) -> Result<bool, i32> {
        let (mut state, _) = self.call("cuStreamQuery", |state| Ok(state.stream(stream)?.context))?;
        done_at_once(state.stream(stream)?).map(|_| true)
    }

    fn priorities(&self) -> Result<(i32, i32), i32> {
        self.within("cuCtxGetStreamPriorityRange").map(|_| (0, GREATEST))
    }

    fn priority(&self, stream: StreamHandle) -> Result<i32, i32> {
        let (mut state, _) = self.call("cuStreamGetPriority", |state| Ok(state.stream(stream)?.context))?;
        state.stream(stream).map(|stream| stream.priority)
    }

    fn create_event(&self) -> Result<EventHandle, i32> {
        let (mut state, context, _) = self.within("cuEventCreate")?;
        let number = State::number();
        state.events.insert(number, (context, None));
        Ok(EventHandle::from_raw(number))
    }

    fn destroy_event(&self, event: EventHandle) -> Result<(), i32> {
        let find = |state: &State| {
            let (context, _) = state.event(event)?;
            state.idle(event.raw()).map(|()| context)
        };
        self.take_back("cuEventDestroy", find, |state| {
            state.events.remove(&event.raw());
        })
    }

    fn record(&self, event: EventHandle, stream: StreamHandle) -> Result<(), i32> {
        self.on("cuEventRecord", stream, Work::Mark(event))
    }

    fn synchronize_event(&self, event: EventHandle) -> Result<(), i32> {
        self.has("cuEventSynchronize")?;
        let state = self.state();
        let (context, _) = state.event(event)?;
        self.wait(state, "cuEventSynchronize", context, &[event.raw()])
    }

    fn elapsed(&self, from: EventHandle, to: EventHandle) -> Result<f32, i32> {
        let (state, _) = self.call("cuEventElapsedTime", |state| {
            let (one, other) = (state.event(from)?.0, state.event(to)?.0);
            if one == other { Ok(one) } else { Err(INVALID_HANDLE) }
        })?;
        let time = |event| state.event(event)?.1.ok_or(NOT_READY);
        #[expect(clippy::cast_possible_truncation, reason = "the driver tells it in as many bits")]
        let milliseconds = ((time(to)? - time(from)? + RESOLUTION) * 1e3) as f32;
        Ok(milliseconds)
    }

    fn begin_capture(&self, stream: StreamHandle) -> Result<(), i32> {
        let (mut state, _) = self.call("cuStreamBeginCapture", |state| {
            let context = state.stream(stream)?.context;
            state.idle(stream.raw()).map(|()| context)
        })?;
        let queue = state.stream(stream)?;
        if queue.recording.is_some() {
            return Err(ILLEGAL_STATE);
        }
        let thread = std::thread::current().id();
        queue.recording = Some(Recording { thread, works: Vec::new(), spoilt: false });
        Ok(())
    }

    fn end_capture(&self, stream: StreamHandle) -> Result<GraphHandle, i32> {
        let (mut state, context) = self.call("cuStreamEndCapture", |state| Ok(state.stream(stream)?.context))?;
        let recording = state.stream(stream)?.recording.take().ok_or(ILLEGAL_STATE)?;
        if recording.thread != std::thread::current().id() {
            return Err(WRONG_THREAD);
        }
        if recording.spoilt {
            return Err(CAPTURE_INVALIDATED);
        }
        let number = State::number();
        state.graphs.insert(number, (context, recording.works));
        Ok(GraphHandle::from_raw(number))
    }

    fn launch_graph(&self, graph: GraphHandle, stream: StreamHandle) -> Result<(), i32> {
        let (mut state, _) = self.call("cuGraphLaunch", |state| {
            let (context, recorded) = state.graphs.get(&graph.raw()).cloned().ok_or(INVALID_HANDLE)?;
            if state.stream(stream)?.context != context {
                return Err(INVALID_HANDLE);
            }
            recorded.iter().try_for_each(|work| Self::look(state, context, work)).map(|()| context)
        })?;
        let (_, recorded) = state.graphs.get(&graph.raw()).cloned().ok_or(INVALID_HANDLE)?;
        recorded.into_iter().try_for_each(|work| self.queue(&mut state, stream, work))
    }

    fn destroy_graph(&self, graph: GraphHandle) -> Result<(), i32> {
        let find = |state: &State| state.graphs.get(&graph.raw()).map(|(context, _)| *context).ok_or(INVALID_HANDLE);
        self.take_back("cuGraphExecDestroy", find, |state| drop(state.graphs.remove(&graph.raw())))
    }
}

/// The context of a stream that does what is queued.
fn not_recording(stream: &Stream) -> Result<u64, i32> {
    if stream.recording.is_some() { Err(CAPTURE_UNSUPPORTED) } else { Ok(stream.context) }
}

/// As [`not_recording`], and what is recorded is spoilt by the question.
fn done_at_once(stream: &mut Stream) -> Result<u64, i32> {
    if let Some(recording) = &mut stream.recording {
        recording.spoilt = true;
    }
    not_recording(stream)
}

/// The newest PTX that the compiler of a driver takes, by the version of CUDA that it serves: from CUDA 9.0 on each
/// brought the next one ("PTX ISA", table of release notes).
fn newest_ptx(version: i32) -> (u32, u32) {
    let number = |value: i32| u32::try_from(value).unwrap_or(0);
    match (number(version / 1000), number(version % 1000 / 10)) {
        (..=8, _) => (5, 0),
        (9, minor) => (6, minor),
        (10, minor) => (6, minor + 3),
        (12, minor @ 6..) => (8, minor - 1),
        (major, minor) => (major - 4, minor),
    }
}

/// Whether `length` bytes from `offset` on are within `bytes`.
fn inside(offset: u64, length: usize, bytes: u64) -> Result<(), i32> {
    if offset.checked_add(size(length)).is_some_and(|end| end <= bytes) { Ok(()) } else { Err(INVALID_VALUE) }
}

/// A copy of pageable memory, which is slower.
fn pass(stream: &mut Stream, bytes: usize) {
    stream.busy += 2e-6 + size(bytes) as f64 / 8e9;
}
