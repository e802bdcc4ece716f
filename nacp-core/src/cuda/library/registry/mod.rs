//! What a driver handed out and has not taken back: the rules that make its calls safe for whoever makes them.
//!
//! A call reads here what its handles stand for, lets the lock go before it asks the driver, and holds on to the objects
//! instead ([`Held`]), so that nobody takes them away meanwhile. A driver that does not come back keeps nobody from
//! working with other objects.

mod copies;
mod holds;
mod taken;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::ThreadId;

pub(crate) use copies::{Copying, Progress, Touched};
use holds::Watch;
pub(crate) use holds::{Held, Use};

use crate::cuda::kernels::Kernel;
use crate::cuda::{
    ContextHandle, EventHandle, FunctionHandle, GraphHandle, Memory, ModuleHandle, Pinned, StreamHandle,
};

/// What a driver calls its objects: numbers that only it may follow.
pub(crate) type Raw = usize;

/// `CUDA_ERROR_INVALID_VALUE`.
pub(crate) const INVALID_VALUE: i32 = 1;
/// `CUDA_ERROR_INVALID_CONTEXT`.
pub(crate) const INVALID_CONTEXT: i32 = 201;
/// `CUDA_ERROR_INVALID_HANDLE`.
pub(crate) const INVALID_HANDLE: i32 = 400;
/// `CUDA_ERROR_NOT_READY`.
pub(crate) const NOT_READY: i32 = 600;

/// The number of an object. No two objects of this process have the same, whichever library made them, so that a handle
/// of another library or of an object that is gone is never taken for one that is here.
pub(crate) type Serial = u64;

fn next_serial() -> Serial {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Spreads numbers that are counted up, and addresses; nobody outside chooses them.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    /// The upper half of a product is the better mixed one, and tables look at the lower bits.
    fn finish(&self) -> u64 {
        self.0.rotate_left(32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The odd number nearest to 2^64 divided by the golden ratio: neighbours end far apart.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Map<T> = HashMap<Serial, T, BuildHasherDefault<Spread>>;

pub(crate) struct Context {
    pub(crate) raw: Raw,
    pub(crate) used: Use,
    /// The device, and how often it was retained; none for a context of its own.
    primary: Option<(i32, u32)>,
    /// The contexts whose memory it may use.
    peers: Vec<Serial>,
    pub(crate) progress: Arc<Progress>,
}

pub(crate) struct Module {
    pub(crate) raw: Raw,
    pub(crate) used: Use,
    context: Serial,
    /// Its kernels that were asked for.
    functions: Vec<(Kernel, Serial)>,
}

pub(crate) struct Function {
    pub(crate) raw: Raw,
    pub(crate) kernel: Kernel,
    module: Serial,
    context: Serial,
}

pub(crate) struct Stream {
    pub(crate) raw: Raw,
    pub(crate) used: Use,
    /// The thread that began to record what is queued in place of doing it. Only it can end that.
    pub(crate) recorder: Option<ThreadId>,
    pub(crate) progress: Arc<Progress>,
    context: Serial,
    recording: Mutex<Vec<Recorded>>,
}

pub(crate) struct Event {
    pub(crate) raw: Raw,
    pub(crate) used: Use,
    context: Serial,
}

pub(crate) struct Graph {
    pub(crate) raw: Raw,
    pub(crate) used: Use,
    context: Serial,
    recorded: Vec<Recorded>,
}

/// What recorded work will touch when it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    serial: Serial,
    /// Where it begins, if it is pinned memory.
    pinned: Option<u64>,
}

/// A piece of memory as it was allocated.
pub(crate) struct Piece {
    pub(crate) used: Use,
    serial: Serial,
    bytes: u64,
    context: Serial,
    /// Who touches it, if it is pinned.
    pub(crate) touched: Touched,
}

/// Allocations by where they begin.
#[derive(Default)]
struct Pieces {
    at: Map<Piece>,
    /// The same addresses in order, to find what an address in the middle belongs to.
    order: BTreeSet<u64>,
}

impl Pieces {
    fn insert(&mut self, address: u64, piece: Piece) {
        self.order.insert(address);
        self.at.insert(address, piece);
    }

    /// The allocation that holds these bytes. An address outside all of them is unknown, a length beyond its end is
    /// wrong.
    fn inside(&self, address: u64, bytes: u64) -> Result<&Piece, i32> {
        // Nearly all that is asked for begins where an allocation begins.
        let (offset, piece) = match self.at.get(&address) {
            Some(piece) => (0, piece),
            None => {
                let start = self.order.range(..address).next_back().ok_or(INVALID_HANDLE)?;
                (address - start, self.at.get(start).ok_or(INVALID_HANDLE)?)
            }
        };
        if offset >= piece.bytes {
            return Err(INVALID_HANDLE);
        }
        if bytes > piece.bytes - offset { Err(INVALID_VALUE) } else { Ok(piece) }
    }

    /// Only a whole allocation is given back.
    fn take(&mut self, address: u64, bytes: u64) -> Result<Piece, i32> {
        let piece = self.at.get(&address).filter(|piece| piece.bytes == bytes).ok_or(INVALID_HANDLE)?;
        piece.used.idle()?;
        self.order.remove(&address);
        self.at.remove(&address).ok_or(INVALID_HANDLE)
    }
}

#[derive(Default)]
pub(crate) struct State {
    contexts: Map<Context>,
    modules: Map<Module>,
    functions: Map<Function>,
    streams: Map<Stream>,
    events: Map<Event>,
    graphs: Map<Graph>,
    memory: Pieces,
    pinned: Pieces,
    /// All that lives in contexts, among it what recordings name.
    alive: Map<Watch>,
}

#[derive(Default)]
pub(crate) struct Registry {
    state: RwLock<State>,
    host: Mutex<()>,
}

impl Registry {
    /// For calls that use objects.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For calls that make objects or take them back.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the one thread that may touch pinned memory on the host.
    pub(crate) fn host(&self) -> MutexGuard<'_, ()> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

macro_rules! lookups {
    ($($name:ident($handle:ty) = $map:ident: $object:ty;)+) => {$(
        pub(crate) fn $name(&self, handle: $handle) -> Result<&$object, i32> {
            self.$map.get(&handle.raw()).ok_or(INVALID_HANDLE)
        }
    )+};
}

impl State {
    lookups! {
        context(ContextHandle) = contexts: Context;
        module(ModuleHandle) = modules: Module;
        function(FunctionHandle) = functions: Function;
        stream(StreamHandle) = streams: Stream;
        event(EventHandle) = events: Event;
        graph(GraphHandle) = graphs: Graph;
    }

    /// The allocation that this piece lies in.
    pub(crate) fn memory(&self, piece: Memory) -> Result<&Piece, i32> {
        self.memory.inside(piece.address, piece.bytes)
    }

    /// As [`memory`](Self::memory), for memory of the host.
    pub(crate) fn pinned(&self, piece: Pinned) -> Result<&Piece, i32> {
        self.pinned.inside(piece.address, piece.bytes)
    }

    /// The context with the driver's own handle.
    pub(crate) fn context_of_raw(&self, raw: Raw) -> Result<(Serial, &Context), i32> {
        let found = self.contexts.iter().find(|(_, context)| context.raw == raw);
        found.map(|(serial, context)| (*serial, context)).ok_or(INVALID_CONTEXT)
    }

    /// The context in which a piece was made.
    pub(crate) fn context_of(&self, piece: &Piece) -> Result<&Context, i32> {
        self.contexts.get(&piece.context).ok_or(INVALID_HANDLE)
    }

    /// The module of a kernel.
    pub(crate) fn module_of(&self, function: &Function) -> Result<&Module, i32> {
        self.modules.get(&function.module).ok_or(INVALID_HANDLE)
    }

    /// A kernel that was asked for before.
    pub(crate) fn known_function(&self, module: ModuleHandle, kernel: Kernel) -> Result<Option<FunctionHandle>, i32> {
        let module = self.module(module)?;
        let known = module.functions.iter().find(|(known, _)| *known == kernel);
        Ok(known.map(|(_, serial)| FunctionHandle::from_raw(*serial)))
    }

    // --- what may be used with what

    /// Work of this stream may use memory of its own context and of those that it was let into.
    pub(crate) fn may_use(&self, stream: &Stream, piece: &Piece) -> Result<(), i32> {
        let let_in =
            || self.contexts.get(&stream.context).is_some_and(|context| context.peers.contains(&piece.context));
        if stream.context == piece.context || let_in() { Ok(()) } else { Err(INVALID_HANDLE) }
    }

    /// Pinned memory is used by streams of its own context only, so that it is known whom to wait for.
    pub(crate) fn may_copy(&self, stream: &Stream, piece: &Piece) -> Result<(), i32> {
        same(stream.context, piece.context)
    }

    pub(crate) fn may_launch(&self, stream: &Stream, function: &Function) -> Result<(), i32> {
        same(stream.context, function.context)
    }

    pub(crate) fn may_record(&self, stream: &Stream, event: &Event) -> Result<(), i32> {
        same(stream.context, event.context)
    }

    pub(crate) fn may_start(&self, stream: &Stream, graph: &Graph) -> Result<(), i32> {
        same(stream.context, graph.context)
    }

    pub(crate) fn may_compare(&self, one: &Event, other: &Event) -> Result<(), i32> {
        same(one.context, other.context)
    }

    pub(crate) fn lives_in(&self, piece: &Piece, context: ContextHandle) -> Result<(), i32> {
        same(piece.context, context.raw())
    }

    // --- what queued work touches

    /// Notes that work of this stream touches memory of the device.
    pub(crate) fn touches(&self, stream: &Stream, piece: &Piece) {
        stream.note(|| Recorded { serial: piece.serial, pinned: None });
    }

    /// Notes that work of this stream runs a kernel.
    pub(crate) fn runs(&self, stream: &Stream, function: &Function) {
        stream.note(|| Recorded { serial: function.module, pinned: None });
    }

    /// Notes that work of this stream sets a mark.
    pub(crate) fn marks(&self, stream: &Stream, event: EventHandle) {
        stream.note(|| Recorded { serial: event.raw(), pinned: None });
    }

    /// Notes that work of this stream copies pinned memory, which nobody on the host may touch from here on.
    pub(crate) fn copies(&self, stream: &Stream, piece: &Piece, pinned: Pinned) -> Result<Option<Copying>, i32> {
        stream.note(|| Recorded { serial: piece.serial, pinned: Some(pinned.address) });
        if stream.records() { Ok(None) } else { self.begins(stream, piece).map(Some) }
    }

    fn begins(&self, stream: &Stream, piece: &Piece) -> Result<Copying, i32> {
        let context = self.contexts.get(&stream.context).ok_or(INVALID_HANDLE)?;
        piece.touched.begin_copy(&stream.progress, &context.progress)
    }

    /// Notes that this stream starts recorded work, and holds all that it touches. What is gone is refused.
    pub(crate) fn starts(&self, stream: &Stream, graph: &Graph) -> Result<Starting, i32> {
        let mut starting = Starting { held: Vec::new(), copies: Vec::new() };
        for recorded in &graph.recorded {
            let held = self.alive.get(&recorded.serial).and_then(Watch::hold).ok_or(INVALID_HANDLE)?;
            starting.held.push(held);
            stream.note(|| *recorded);
            if let Some(address) = recorded.pinned.filter(|_| !stream.records()) {
                let piece = self.pinned.inside(address, 0)?;
                starting.copies.push(self.begins(stream, piece)?);
            }
        }
        Ok(starting)
    }

    // --- objects come

    /// A number for an object of a context.
    fn serial(&mut self, used: &Use) -> Serial {
        let serial = next_serial();
        self.alive.insert(serial, used.watch());
        serial
    }

    pub(crate) fn add_context(&mut self, raw: Raw) -> ContextHandle {
        self.new_context(raw, None)
    }

    fn new_context(&mut self, raw: Raw, primary: Option<(i32, u32)>) -> ContextHandle {
        let (serial, progress) = (next_serial(), Arc::default());
        self.contexts.insert(serial, Context { raw, used: Use::default(), primary, peers: Vec::new(), progress });
        ContextHandle::from_raw(serial)
    }

    /// The shared context of a device, once more.
    pub(crate) fn add_primary(&mut self, raw: Raw, device: i32) -> ContextHandle {
        for (serial, context) in &mut self.contexts {
            match &mut context.primary {
                Some((of, count)) if *of == device && context.raw == raw => {
                    *count = count.saturating_add(1);
                    return ContextHandle::from_raw(*serial);
                }
                _ => {}
            }
        }
        self.new_context(raw, Some((device, 1)))
    }

    pub(crate) fn add_peer(&mut self, context: Serial, peer: ContextHandle) {
        if let Some(context) = self.contexts.get_mut(&context) {
            context.peers.push(peer.raw());
        }
    }

    pub(crate) fn add_memory(&mut self, address: u64, bytes: u64, context: Serial) -> Memory {
        let piece = self.piece(bytes, context);
        self.memory.insert(address, piece);
        Memory { address, bytes }
    }

    pub(crate) fn add_pinned(&mut self, address: u64, bytes: u64, context: Serial) -> Pinned {
        let piece = self.piece(bytes, context);
        self.pinned.insert(address, piece);
        Pinned { address, bytes }
    }

    fn piece(&mut self, bytes: u64, context: Serial) -> Piece {
        let used = Use::default();
        Piece { serial: self.serial(&used), used, bytes, context, touched: Touched::default() }
    }

    pub(crate) fn add_module(&mut self, raw: Raw, context: Serial) -> ModuleHandle {
        let used = Use::default();
        let serial = self.serial(&used);
        self.modules.insert(serial, Module { raw, used, context, functions: Vec::new() });
        ModuleHandle::from_raw(serial)
    }

    pub(crate) fn add_function(
        &mut self,
        raw: Raw,
        module: ModuleHandle,
        kernel: Kernel,
    ) -> Result<FunctionHandle, i32> {
        let serial = next_serial();
        let entry = self.modules.get_mut(&module.raw()).ok_or(INVALID_HANDLE)?;
        entry.functions.push((kernel, serial));
        let context = entry.context;
        self.functions.insert(serial, Function { raw, kernel, module: module.raw(), context });
        Ok(FunctionHandle::from_raw(serial))
    }

    pub(crate) fn add_stream(&mut self, raw: Raw, context: Serial) -> StreamHandle {
        let (used, progress, recording) = (Use::default(), Arc::default(), Mutex::default());
        let serial = self.serial(&used);
        self.streams.insert(serial, Stream { raw, used, recorder: None, progress, context, recording });
        StreamHandle::from_raw(serial)
    }

    pub(crate) fn add_event(&mut self, raw: Raw, context: Serial) -> EventHandle {
        let used = Use::default();
        let serial = self.serial(&used);
        self.events.insert(serial, Event { raw, used, context });
        EventHandle::from_raw(serial)
    }

    /// From here on what is queued on the stream is recorded.
    pub(crate) fn begin_recording(&mut self, stream: StreamHandle) {
        if let Some(stream) = self.streams.get_mut(&stream.raw()) {
            stream.recorder = Some(std::thread::current().id());
            stream.recording.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// The stream does again what is queued. Gives what it recorded.
    pub(crate) fn end_recording(&mut self, stream: StreamHandle) -> Result<(Serial, Vec<Recorded>), i32> {
        let stream = self.streams.get_mut(&stream.raw()).ok_or(INVALID_HANDLE)?;
        stream.recorder = None;
        let recorded = stream.recording.get_mut().unwrap_or_else(PoisonError::into_inner);
        Ok((stream.context, std::mem::take(recorded)))
    }

    /// Recorded work, made of what a stream recorded.
    pub(crate) fn add_graph(&mut self, raw: Raw, (context, recorded): (Serial, Vec<Recorded>)) -> GraphHandle {
        let used = Use::default();
        let serial = self.serial(&used);
        self.graphs.insert(serial, Graph { raw, used, context, recorded });
        GraphHandle::from_raw(serial)
    }
}

/// What recorded work touches, held while it is being started.
pub(crate) struct Starting {
    held: Vec<Held>,
    copies: Vec<Copying>,
}

impl Stream {
    /// Adds to the recording, if there is one.
    fn note(&self, recorded: impl FnOnce() -> Recorded) {
        if self.records() {
            self.recording.lock().unwrap_or_else(PoisonError::into_inner).push(recorded());
        }
    }

    /// Whether what is queued is recorded and not done.
    pub(crate) fn records(&self) -> bool {
        self.recorder.is_some()
    }

    /// Whether it belongs to this context.
    pub(crate) fn is_of(&self, context: ContextHandle) -> bool {
        self.context == context.raw()
    }
}

fn same(one: Serial, other: Serial) -> Result<(), i32> {
    if one == other { Ok(()) } else { Err(INVALID_HANDLE) }
}
