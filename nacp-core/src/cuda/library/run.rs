//! Work for the driver: what needs a context. Every call checks what it is given in the registry before it is made.
#![expect(unsafe_code, reason = "calls foreign functions")]

use std::ffi::{CString, c_void};
use std::sync::Arc;

use super::Library;
use super::ask::{NOT_FOUND, answer, sentence};
use super::codes::{untouched, waited};
use super::current::done;
use super::functions::Address;
use super::jit;
use super::registry::{Held, INVALID_CONTEXT, INVALID_HANDLE, INVALID_VALUE, NOT_READY, Use};
use super::transfer::{size, within};
use crate::cuda::kernels::{Argument, Image, Kernel, Launch};
use crate::cuda::{
    ContextHandle, Driver, EventHandle, Execute, FunctionHandle, GraphHandle, Memory, ModuleHandle, Pinned,
    StreamHandle,
};

/// `CU_STREAM_NON_BLOCKING`: the default stream does not hold it up.
const NON_BLOCKING: u32 = 1;
/// The most arguments that a kernel of NACP has, with room for more.
const ARGUMENTS: usize = 16;

impl Execute for Library {
    fn driver(&self) -> &dyn Driver {
        self
    }

    fn lacks(&self) -> &[&'static str] {
        &self.lacks
    }

    fn error_text(&self, code: i32) -> Option<String> {
        sentence(self.functions.error_text?, code)
    }

    fn can_access_peer(&self, device: i32, peer: i32) -> Result<bool, i32> {
        let function = self.functions.can_access_peer.ok_or(NOT_FOUND)?;
        let mut can = 0;
        // SAFETY: the call writes one int to the address of a local; it accepts any numbers.
        let code = unsafe { function(&raw mut can, device, peer) };
        answer(code, can != 0)
    }

    fn retain(&self, device: i32) -> Result<ContextHandle, i32> {
        let function = self.functions.primary_retain.ok_or(NOT_FOUND)?;
        let mut context = 0;
        // SAFETY: the call writes one handle to the address of a local.
        let code = unsafe { function(&raw mut context, device) };
        let context = answer(code, context)?;
        Ok(self.registry.write().add_primary(context, device))
    }

    fn release(&self, device: i32) -> Result<(), i32> {
        let function = self.functions.primary_release.ok_or(NOT_FOUND)?;
        let part = self.registry.write().take_primary(device)?;
        // SAFETY: this library retained it once more than it released it, and with the last one took out what is in it.
        let code = unsafe { function(device) };
        // Here 201 means that there is no such context any more.
        if untouched(code) && code != INVALID_CONTEXT {
            self.registry.write().keep_primary(part);
        }
        done(code)
    }

    fn primary_active(&self, device: i32) -> Result<bool, i32> {
        let function = self.functions.primary_state.ok_or(NOT_FOUND)?;
        let (mut flags, mut active) = (0, 0);
        // SAFETY: the call writes two ints to the addresses of locals.
        let code = unsafe { function(device, &raw mut flags, &raw mut active) };
        answer(code, active != 0)
    }

    fn create_context(&self, device: i32) -> Result<ContextHandle, i32> {
        let function = self.functions.context_create.ok_or(NOT_FOUND)?;
        let pop = self.functions.context_pop.ok_or(NOT_FOUND)?;
        let mut context = 0;
        // SAFETY: the call writes one handle to the address of a local; 0 are the flags that everybody uses.
        let code = unsafe { function(&raw mut context, 0, device) };
        let context = answer(code, context)?;
        let mut popped = 0;
        // SAFETY: the call above has put the context on top; this one writes its handle to the address of a local.
        let code = unsafe { pop(&raw mut popped) };
        let handle = self.registry.write().add_context(context);
        answer(code, handle)
    }

    fn destroy_context(&self, context: ContextHandle) -> Result<(), i32> {
        let function = self.functions.context_destroy.ok_or(NOT_FOUND)?;
        let ended = self.registry.write().take_context(context)?;
        // SAFETY: the registry had it and has taken it out with all that is in it; nobody uses anything of it.
        let code = unsafe { function(ended.raw) };
        // Here 201 means that there is no such context any more.
        if untouched(code) && code != INVALID_CONTEXT {
            self.registry.write().keep_context(ended);
        }
        done(code)
    }

    fn set_current(&self, context: Option<ContextHandle>) -> Result<(), i32> {
        let (raw, _held) = match context {
            Some(context) => {
                let state = self.registry.read();
                let context = state.context(context)?;
                (context.raw, Some(context.used.hold()))
            }
            None => (0, None),
        };
        self.set_raw(raw)
    }

    fn push_current(&self, context: ContextHandle) -> Result<(), i32> {
        let (raw, _held) = {
            let state = self.registry.read();
            let context = state.context(context)?;
            (context.raw, context.used.hold())
        };
        self.push_raw(raw)
    }

    fn pop_current(&self) -> Result<(), i32> {
        self.pop_raw()
    }

    fn synchronize(&self) -> Result<(), i32> {
        let function = self.functions.context_synchronize.ok_or(NOT_FOUND)?;
        let current = self.current()?;
        let queued = current.progress.queued();
        // SAFETY: it takes nothing; the current context is held.
        let code = unsafe { function() };
        if waited(code) {
            current.progress.reached(queued);
        }
        done(code)
    }

    fn memory_info(&self) -> Result<(u64, u64), i32> {
        let function = self.functions.memory_info.ok_or(NOT_FOUND)?;
        let _current = self.current()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: the call writes two size_t to the addresses of locals.
        let code = unsafe { function(&raw mut free, &raw mut total) };
        let bytes = |number| u64::try_from(number).unwrap_or(u64::MAX);
        answer(code, (bytes(free), bytes(total)))
    }

    fn enable_peer(&self, peer: ContextHandle) -> Result<(), i32> {
        let function = self.functions.enable_peer.ok_or(NOT_FOUND)?;
        let current = self.current()?;
        let (raw, _held) = {
            let state = self.registry.read();
            let peer = state.context(peer)?;
            (peer.raw, peer.used.hold())
        };
        // SAFETY: both contexts are in the registry and held; the flags must be 0.
        done(unsafe { function(raw, 0) })?;
        self.registry.write().add_peer(current.serial, peer);
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> Result<Memory, i32> {
        let function = self.functions.allocate.ok_or(NOT_FOUND)?;
        let current = self.current()?;
        let length = size(bytes)?;
        let mut address: Address = 0;
        // SAFETY: the call writes one address to a local.
        let code = unsafe { function(&raw mut address, length) };
        let address = u64::try_from(answer(code, address)?).map_err(|_| INVALID_VALUE)?;
        Ok(self.registry.write().add_memory(address, bytes, current.serial))
    }

    fn free(&self, memory: Memory) -> Result<(), i32> {
        let function = self.functions.free.ok_or(NOT_FOUND)?;
        let address = size(memory.address)?;
        self.registry.read().memory(memory)?;
        let _current = self.current()?;
        let taken = self.registry.write().take_memory(memory)?;
        // SAFETY: the registry had this whole allocation and has taken it out; nobody uses it.
        let code = unsafe { function(address) };
        if untouched(code) {
            self.registry.write().keep_memory(taken);
        }
        done(code)
    }

    fn allocate_pinned(&self, bytes: u64) -> Result<Pinned, i32> {
        self.pin(bytes)
    }

    fn free_pinned(&self, pinned: Pinned) -> Result<(), i32> {
        self.unpin(pinned)
    }

    fn write_pinned(&self, pinned: Pinned, offset: u64, data: &[u8]) -> Result<(), i32> {
        self.write_on_host(pinned, offset, data)
    }

    fn read_pinned(&self, pinned: Pinned, offset: u64, data: &mut [u8]) -> Result<(), i32> {
        self.read_on_host(pinned, offset, data)
    }

    fn upload(&self, to: Memory, offset: u64, data: &[u8], stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.upload.ok_or(NOT_FOUND)?;
        self.functions.stream_synchronize.ok_or(NOT_FOUND)?;
        let way = self.transfer(to, offset, data.len(), stream)?;
        // SAFETY: memory and stream are held and long enough; `data` is borrowed until the wait below has ended.
        let queued = unsafe { function(way.address, data.as_ptr().cast(), data.len(), way.stream) };
        let waited = self.wait(way.stream, &way.progress);
        done(queued)?;
        waited
    }

    fn download(&self, data: &mut [u8], from: Memory, offset: u64, stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.download.ok_or(NOT_FOUND)?;
        self.functions.stream_synchronize.ok_or(NOT_FOUND)?;
        let way = self.transfer(from, offset, data.len(), stream)?;
        // SAFETY: memory and stream are held and long enough; `data` is borrowed until the wait below has ended.
        let queued = unsafe { function(data.as_mut_ptr().cast(), way.address, data.len(), way.stream) };
        let waited = self.wait(way.stream, &way.progress);
        done(queued)?;
        waited
    }

    fn upload_pinned(&self, to: Memory, from: Pinned, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.queue_upload(to, from, bytes, stream)
    }

    fn download_pinned(&self, to: Pinned, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.queue_download(to, from, bytes, stream)
    }

    fn copy(&self, to: Memory, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.copy.ok_or(NOT_FOUND)?;
        let length = size(bytes)?;
        within(0, length, to.bytes.min(from.bytes))?;
        let (raw, _held) = {
            let state = self.registry.read();
            let (queue, target, source) = (state.stream(stream)?, state.memory(to)?, state.memory(from)?);
            for piece in [target, source] {
                state.may_use(queue, piece)?;
                state.touches(queue, piece);
            }
            (queue.raw, [&queue.used, &target.used, &source.used].map(Use::hold))
        };
        let (to, from) = (size(to.address)?, size(from.address)?);
        // SAFETY: stream and both pieces are held and long enough.
        done(unsafe { function(to, from, length, raw) })
    }

    fn copy_peer(
        &self,
        to: (Memory, ContextHandle),
        from: (Memory, ContextHandle),
        bytes: u64,
        stream: StreamHandle,
    ) -> Result<(), i32> {
        let function = self.functions.copy_peer.ok_or(NOT_FOUND)?;
        let length = size(bytes)?;
        within(0, length, to.0.bytes.min(from.0.bytes))?;
        let (raw, there, here, _held) = {
            let state = self.registry.read();
            let (queue, target, source) = (state.stream(stream)?, state.memory(to.0)?, state.memory(from.0)?);
            for (piece, context) in [(target, to.1), (source, from.1)] {
                state.lives_in(piece, context)?;
                state.touches(queue, piece);
            }
            let (there, here) = (state.context(to.1)?, state.context(from.1)?);
            if !queue.is_of(to.1) && !queue.is_of(from.1) {
                return Err(INVALID_HANDLE);
            }
            let used = [&queue.used, &target.used, &source.used, &there.used, &here.used];
            (queue.raw, there.raw, here.raw, used.map(Use::hold))
        };
        let (to, from) = (size(to.0.address)?, size(from.0.address)?);
        // SAFETY: stream, contexts and both pieces are held and long enough.
        done(unsafe { function(to, there, from, here, length, raw) })
    }

    fn fill(&self, memory: Memory, word: u32, words: u64, stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.fill.ok_or(NOT_FOUND)?;
        let (raw, _held) = {
            let state = self.registry.read();
            let (queue, piece) = (state.stream(stream)?, state.memory(memory)?);
            if words.checked_mul(4).is_none_or(|bytes| bytes > memory.bytes) {
                return Err(INVALID_VALUE);
            }
            state.may_use(queue, piece)?;
            state.touches(queue, piece);
            (queue.raw, [queue.used.hold(), piece.used.hold()])
        };
        let (address, words) = (size(memory.address)?, size(words)?);
        // SAFETY: stream and piece are held, and the piece is long enough.
        done(unsafe { function(address, word, words, raw) })
    }

    fn load(&self, image: Image, cold: bool) -> Result<ModuleHandle, (i32, String)> {
        let silent = |code| (code, String::new());
        let function = self.functions.module_load.ok_or(silent(NOT_FOUND))?;
        let current = self.current().map_err(silent)?;
        let text = CString::new(jit::text(image, cold)).map_err(|_| silent(INVALID_VALUE))?;
        let mut log = jit::Log::default();
        let (mut options, mut values) = log.options();
        let count = u32::try_from(options.len()).map_err(|_| silent(INVALID_VALUE))?;
        let mut module = 0;
        // SAFETY: the text ends with a NUL; there are `count` options and values, whose buffers are as long as they say.
        let code = unsafe {
            function(&raw mut module, text.as_ptr().cast(), count, options.as_mut_ptr(), values.as_mut_ptr())
        };
        let module = answer(code, module).map_err(|code| (code, log.text()))?;
        Ok(self.registry.write().add_module(module, current.serial))
    }

    fn unload(&self, module: ModuleHandle) -> Result<(), i32> {
        let function = self.functions.module_unload.ok_or(NOT_FOUND)?;
        self.registry.read().module(module)?;
        let _current = self.current()?;
        let taken = self.registry.write().take_module(module)?;
        // SAFETY: the registry had it and has taken it out; none of its kernels is being started.
        let code = unsafe { function(taken.object.raw) };
        let mut state = self.registry.write();
        if untouched(code) {
            state.keep_module(taken);
        } else {
            state.forget_functions(module);
        }
        done(code)
    }

    fn function(&self, module: ModuleHandle, kernel: Kernel) -> Result<FunctionHandle, i32> {
        let function = self.functions.module_function.ok_or(NOT_FOUND)?;
        let (raw, _held) = {
            let state = self.registry.read();
            if let Some(known) = state.known_function(module, kernel)? {
                return Ok(known);
            }
            let module = state.module(module)?;
            (module.raw, module.used.hold())
        };
        let name = CString::new(kernel.symbol()).map_err(|_| INVALID_VALUE)?;
        let mut found = 0;
        // SAFETY: the module is held; the name ends with a NUL; the call writes one handle to the address of a local.
        let code = unsafe { function(&raw mut found, raw, name.as_ptr()) };
        let found = answer(code, found)?;
        self.registry.write().add_function(found, module, kernel)
    }

    fn launch(&self, function: FunctionHandle, launch: &Launch, stream: StreamHandle) -> Result<(), i32> {
        let start = self.functions.launch.ok_or(NOT_FOUND)?;
        let mut pieces = [const { None::<Held> }; ARGUMENTS];
        let state = self.registry.read();
        let (known, queue) = (state.function(function)?, state.stream(stream)?);
        if known.kernel != launch.kernel() || launch.arguments().len() > ARGUMENTS {
            return Err(INVALID_VALUE);
        }
        state.may_launch(queue, known)?;
        let mut values = [[0u8; 8]; ARGUMENTS];
        let mut places = [std::ptr::null_mut(); ARGUMENTS];
        let room = values.iter_mut().zip(&mut places).zip(&mut pieces);
        for (argument, ((value, place), held)) in launch.arguments().iter().zip(room) {
            match *argument {
                Argument::Memory(memory) => {
                    let piece = state.memory(memory)?;
                    state.may_use(queue, piece)?;
                    state.touches(queue, piece);
                    *held = Some(piece.used.hold());
                    *value = memory.address.to_ne_bytes();
                }
                Argument::U64(number) => *value = number.to_ne_bytes(),
                Argument::U32(number) => {
                    let [a, b, c, d] = number.to_ne_bytes();
                    *value = [a, b, c, d, 0, 0, 0, 0];
                }
            }
            *place = (&raw mut *value).cast::<c_void>();
        }
        state.runs(queue, known);
        let _held = [state.module_of(known)?.used.hold(), queue.used.hold()];
        let (kernel, raw) = (known.raw, queue.raw);
        drop(state);
        let (grid, block) = (launch.grid(), launch.block());
        let (places, none) = (places.as_mut_ptr(), std::ptr::null_mut());
        // SAFETY: the kernel's module, the stream and all memory are held. The kernel is that of the launch, which brings
        // its arguments in order, and every piece of memory that it names is long enough for what the kernel does.
        done(unsafe { start(kernel, grid, 1, 1, block, 1, 1, 0, raw, places, none) })
    }

    fn create_stream(&self, priority: i32) -> Result<StreamHandle, i32> {
        let function = self.functions.stream_create.ok_or(NOT_FOUND)?;
        let current = self.current()?;
        let mut stream = 0;
        // SAFETY: the call writes one handle to the address of a local.
        let code = unsafe { function(&raw mut stream, NON_BLOCKING, priority) };
        let stream = answer(code, stream)?;
        Ok(self.registry.write().add_stream(stream, current.serial))
    }

    fn destroy_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.stream_destroy.ok_or(NOT_FOUND)?;
        self.registry.read().stream(stream)?;
        let _current = self.current()?;
        let taken = self.registry.write().take_stream(stream)?;
        // SAFETY: the registry had it and has taken it out; nobody uses it.
        let code = unsafe { function(taken.object.raw) };
        if untouched(code) {
            self.registry.write().keep_stream(taken);
        }
        done(code)
    }

    fn synchronize_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        let (raw, progress, _held) = {
            let state = self.registry.read();
            let stream = state.stream(stream)?;
            (stream.raw, Arc::clone(&stream.progress), stream.used.hold())
        };
        self.wait(raw, &progress)
    }

    fn stream_done(&self, stream: StreamHandle) -> Result<bool, i32> {
        let function = self.functions.stream_query.ok_or(NOT_FOUND)?;
        let (raw, progress, _held) = {
            let state = self.registry.read();
            let stream = state.stream(stream)?;
            (stream.raw, Arc::clone(&stream.progress), stream.used.hold())
        };
        let queued = progress.queued();
        // SAFETY: the stream is held.
        match unsafe { function(raw) } {
            0 => {
                progress.reached(queued);
                Ok(true)
            }
            NOT_READY => Ok(false),
            code => Err(code),
        }
    }

    fn priorities(&self) -> Result<(i32, i32), i32> {
        let function = self.functions.priorities.ok_or(NOT_FOUND)?;
        let _current = self.current()?;
        let (mut least, mut greatest) = (0, 0);
        // SAFETY: the call writes two ints to the addresses of locals.
        let code = unsafe { function(&raw mut least, &raw mut greatest) };
        answer(code, (least, greatest))
    }

    fn priority(&self, stream: StreamHandle) -> Result<i32, i32> {
        let function = self.functions.stream_priority.ok_or(NOT_FOUND)?;
        let (raw, _held) = {
            let state = self.registry.read();
            let stream = state.stream(stream)?;
            (stream.raw, stream.used.hold())
        };
        let mut priority = 0;
        // SAFETY: the stream is held; the call writes one int to the address of a local.
        let code = unsafe { function(raw, &raw mut priority) };
        answer(code, priority)
    }

    fn create_event(&self) -> Result<EventHandle, i32> {
        let function = self.functions.event_create.ok_or(NOT_FOUND)?;
        let current = self.current()?;
        let mut event = 0;
        // SAFETY: the call writes one handle to the address of a local; 0 asks for a mark with its time.
        let code = unsafe { function(&raw mut event, 0) };
        let event = answer(code, event)?;
        Ok(self.registry.write().add_event(event, current.serial))
    }

    fn destroy_event(&self, event: EventHandle) -> Result<(), i32> {
        let function = self.functions.event_destroy.ok_or(NOT_FOUND)?;
        self.registry.read().event(event)?;
        let _current = self.current()?;
        let taken = self.registry.write().take_event(event)?;
        // SAFETY: the registry had it and has taken it out; nobody uses it.
        let code = unsafe { function(taken.object.raw) };
        if untouched(code) {
            self.registry.write().keep_event(taken);
        }
        done(code)
    }

    fn record(&self, event: EventHandle, stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.event_record.ok_or(NOT_FOUND)?;
        let (mark, queue, _held) = {
            let state = self.registry.read();
            let (mark, queue) = (state.event(event)?, state.stream(stream)?);
            state.may_record(queue, mark)?;
            state.marks(queue, event);
            (mark.raw, queue.raw, [mark.used.hold(), queue.used.hold()])
        };
        // SAFETY: both are held.
        done(unsafe { function(mark, queue) })
    }

    fn synchronize_event(&self, event: EventHandle) -> Result<(), i32> {
        let function = self.functions.event_synchronize.ok_or(NOT_FOUND)?;
        let (raw, _held) = {
            let state = self.registry.read();
            let event = state.event(event)?;
            (event.raw, event.used.hold())
        };
        // SAFETY: the event is held.
        done(unsafe { function(raw) })
    }

    fn elapsed(&self, start: EventHandle, end: EventHandle) -> Result<f32, i32> {
        let function = self.functions.event_elapsed.ok_or(NOT_FOUND)?;
        let (start, end, _held) = {
            let state = self.registry.read();
            let (start, end) = (state.event(start)?, state.event(end)?);
            state.may_compare(start, end)?;
            (start.raw, end.raw, [start.used.hold(), end.used.hold()])
        };
        let mut milliseconds = 0.0;
        // SAFETY: both are held; the call writes one float to the address of a local.
        let code = unsafe { function(&raw mut milliseconds, start, end) };
        answer(code, milliseconds)
    }

    fn begin_capture(&self, stream: StreamHandle) -> Result<(), i32> {
        self.begin_recording(stream)
    }

    fn end_capture(&self, stream: StreamHandle) -> Result<GraphHandle, i32> {
        self.end_recording(stream)
    }

    fn launch_graph(&self, graph: GraphHandle, stream: StreamHandle) -> Result<(), i32> {
        let function = self.functions.graph_launch.ok_or(NOT_FOUND)?;
        let (recorded, queue, _held, _touched) = {
            let state = self.registry.read();
            let (recorded, queue) = (state.graph(graph)?, state.stream(stream)?);
            state.may_start(queue, recorded)?;
            let touched = state.starts(queue, recorded)?;
            (recorded.raw, queue.raw, [recorded.used.hold(), queue.used.hold()], touched)
        };
        // SAFETY: both are held, and so is all that the recorded work touches.
        done(unsafe { function(recorded, queue) })
    }

    fn destroy_graph(&self, graph: GraphHandle) -> Result<(), i32> {
        let function = self.functions.graph_exec_destroy.ok_or(NOT_FOUND)?;
        self.registry.read().graph(graph)?;
        let _current = self.current()?;
        let taken = self.registry.write().take_graph(graph)?;
        // SAFETY: the registry had it and has taken it out; the driver keeps it while it runs.
        let code = unsafe { function(taken.object.raw) };
        if untouched(code) {
            self.registry.write().keep_graph(taken);
        }
        done(code)
    }
}
