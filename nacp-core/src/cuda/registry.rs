//! What a driver handed out and has not taken back: the rules that make its calls safe for whoever makes them.
//!
//! A call reads here what its handles stand for and holds the lock until the driver has taken the work. A call that
//! waits for the device lets the lock go and holds on to the objects instead ([`Held`]), so that nobody takes them away
//! meanwhile.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::kernels::Kernel;
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

/// Counts who waits with an object.
#[derive(Debug, Default)]
pub(crate) struct Use(Arc<AtomicU32>);

/// As long as it lives, the object is not taken back.
pub(crate) struct Held(Arc<AtomicU32>);

impl Use {
    pub(crate) fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::AcqRel);
        Held(Arc::clone(&self.0))
    }

    /// Refuses while somebody waits.
    pub(crate) fn idle(&self) -> Result<(), i32> {
        if self.0.load(Ordering::Acquire) == 0 { Ok(()) } else { Err(NOT_READY) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(crate) struct Context {
    pub(crate) raw: Raw,
    pub(crate) used: Use,
    /// The device, and how often it was retained; none for a context of its own.
    primary: Option<(i32, u32)>,
    /// The contexts whose memory it may use.
    peers: Vec<Serial>,
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
    /// Whether what is queued is recorded and not done.
    pub(crate) records: bool,
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
    context: Serial,
    recorded: Vec<Recorded>,
}

/// What recorded work will touch when it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recorded {
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
    /// Whether the device may still be copying: only then is there something to wait for before it is given back.
    queued: AtomicBool,
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
    fn take(&mut self, address: u64, bytes: u64) -> Result<Serial, i32> {
        let piece = self.at.get(&address).filter(|piece| piece.bytes == bytes).ok_or(INVALID_HANDLE)?;
        piece.used.idle()?;
        let serial = piece.serial;
        self.at.remove(&address);
        self.order.remove(&address);
        Ok(serial)
    }

    fn retain(&mut self, mut keep: impl FnMut(&Piece) -> bool) {
        let order = &mut self.order;
        self.at.retain(|address, piece| keep(piece) || !order.remove(address));
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
    /// What a recording may name: memory, modules, events.
    alive: HashSet<Serial, BuildHasherDefault<Spread>>,
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

    /// The context in which a piece of pinned memory was made.
    pub(crate) fn context_of_pinned(&self, piece: &Piece) -> Result<&Context, i32> {
        self.contexts.get(&piece.context).ok_or(INVALID_HANDLE)
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
        same(stream.context, graph.context)?;
        let all = graph.recorded.iter().all(|recorded| self.alive.contains(&recorded.serial));
        if all { Ok(()) } else { Err(INVALID_HANDLE) }
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

    /// Notes that work of this stream copies pinned memory.
    pub(crate) fn copies(&self, stream: &Stream, piece: &Piece, pinned: Pinned) {
        piece.queued.store(true, Ordering::Release);
        stream.note(|| Recorded { serial: piece.serial, pinned: Some(pinned.address) });
    }

    /// Notes that this stream starts recorded work.
    pub(crate) fn starts(&self, stream: &Stream, graph: &Graph) {
        for recorded in &graph.recorded {
            if let Some(piece) = recorded.pinned.and_then(|address| self.pinned.inside(address, 0).ok()) {
                piece.queued.store(true, Ordering::Release);
            }
            stream.note(|| *recorded);
        }
    }

    // --- objects come

    fn serial(&mut self) -> Serial {
        let serial = next_serial();
        self.alive.insert(serial);
        serial
    }

    pub(crate) fn add_context(&mut self, raw: Raw) -> ContextHandle {
        let serial = self.serial();
        self.contexts.insert(serial, Context { raw, used: Use::default(), primary: None, peers: Vec::new() });
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
        let serial = self.serial();
        let primary = Some((device, 1));
        self.contexts.insert(serial, Context { raw, used: Use::default(), primary, peers: Vec::new() });
        ContextHandle::from_raw(serial)
    }

    pub(crate) fn add_peer(&mut self, context: Serial, peer: ContextHandle) {
        if let Some(context) = self.contexts.get_mut(&context) {
            context.peers.push(peer.raw());
        }
    }

    pub(crate) fn add_memory(&mut self, address: u64, bytes: u64, context: Serial) -> Memory {
        let serial = self.serial();
        self.memory.insert(address, Piece::new(serial, bytes, context));
        Memory { address, bytes }
    }

    pub(crate) fn add_pinned(&mut self, address: u64, bytes: u64, context: Serial) -> Pinned {
        let serial = self.serial();
        self.pinned.insert(address, Piece::new(serial, bytes, context));
        Pinned { address, bytes }
    }

    pub(crate) fn add_module(&mut self, raw: Raw, context: Serial) -> ModuleHandle {
        let serial = self.serial();
        self.modules.insert(serial, Module { raw, used: Use::default(), context, functions: Vec::new() });
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
        let serial = self.serial();
        let recording = Mutex::default();
        self.streams.insert(serial, Stream { raw, used: Use::default(), records: false, context, recording });
        StreamHandle::from_raw(serial)
    }

    pub(crate) fn add_event(&mut self, raw: Raw, context: Serial) -> EventHandle {
        let serial = self.serial();
        self.events.insert(serial, Event { raw, used: Use::default(), context });
        EventHandle::from_raw(serial)
    }

    /// From here on what is queued on the stream is recorded.
    pub(crate) fn begin_recording(&mut self, stream: StreamHandle) {
        if let Some(stream) = self.streams.get_mut(&stream.raw()) {
            stream.records = true;
        }
    }

    /// Recorded work, made of what its stream recorded.
    pub(crate) fn add_graph(&mut self, raw: Raw, stream: StreamHandle) -> Result<GraphHandle, i32> {
        let (context, recorded) = self.end_recording(stream)?;
        let serial = self.serial();
        self.graphs.insert(serial, Graph { raw, context, recorded });
        Ok(GraphHandle::from_raw(serial))
    }

    /// The stream does again what is queued.
    pub(crate) fn drop_recording(&mut self, stream: StreamHandle) {
        let _ = self.end_recording(stream);
    }

    fn end_recording(&mut self, stream: StreamHandle) -> Result<(Serial, Vec<Recorded>), i32> {
        let stream = self.streams.get_mut(&stream.raw()).ok_or(INVALID_HANDLE)?;
        stream.records = false;
        let recorded = stream.recording.get_mut().unwrap_or_else(PoisonError::into_inner);
        Ok((stream.context, std::mem::take(recorded)))
    }

    // --- objects go

    /// A context of its own, with all that lives in it.
    pub(crate) fn take_context(&mut self, handle: ContextHandle) -> Result<Raw, i32> {
        let context = self.context(handle)?;
        if context.primary.is_some() {
            return Err(INVALID_CONTEXT);
        }
        self.end_context(handle.raw())
    }

    /// One part in the shared context of a device; with the last one goes all that lives in it.
    pub(crate) fn take_primary(&mut self, device: i32) -> Result<(), i32> {
        let mut contexts = self.contexts.iter_mut();
        let (serial, count) = contexts
            .find_map(|(serial, context)| {
                let (of, count) = context.primary.as_mut()?;
                (*of == device).then_some((*serial, count))
            })
            .ok_or(INVALID_CONTEXT)?;
        if *count > 1 {
            *count -= 1;
            return Ok(());
        }
        self.end_context(serial).map(|_| ())
    }

    fn end_context(&mut self, serial: Serial) -> Result<Raw, i32> {
        let context = self.contexts.get(&serial).ok_or(INVALID_HANDLE)?;
        context.used.idle()?;
        let pieces = self.memory.at.values().chain(self.pinned.at.values());
        let users = pieces.map(|it| (it.context, &it.used));
        let users = users.chain(self.streams.values().map(|it| (it.context, &it.used)));
        let users = users.chain(self.events.values().map(|it| (it.context, &it.used)));
        let mut users = users.chain(self.modules.values().map(|it| (it.context, &it.used)));
        users.try_for_each(|(context, used)| if context == serial { used.idle() } else { Ok(()) })?;
        let raw = context.raw;
        let alive = &mut self.alive;
        self.contexts.remove(&serial);
        alive.remove(&serial);
        self.functions.retain(|_, it| it.context != serial);
        for pieces in [&mut self.memory, &mut self.pinned] {
            pieces.retain(|it| it.context != serial || !alive.remove(&it.serial));
        }
        self.modules.retain(|at, it| it.context != serial || !alive.remove(at));
        self.streams.retain(|at, it| it.context != serial || !alive.remove(at));
        self.events.retain(|at, it| it.context != serial || !alive.remove(at));
        self.graphs.retain(|at, it| it.context != serial || !alive.remove(at));
        Ok(raw)
    }

    pub(crate) fn take_memory(&mut self, memory: Memory) -> Result<(), i32> {
        let serial = self.memory.take(memory.address, memory.bytes)?;
        self.alive.remove(&serial);
        Ok(())
    }

    pub(crate) fn take_pinned(&mut self, pinned: Pinned) -> Result<(), i32> {
        let serial = self.pinned.take(pinned.address, pinned.bytes)?;
        self.alive.remove(&serial);
        Ok(())
    }

    pub(crate) fn take_module(&mut self, handle: ModuleHandle) -> Result<Raw, i32> {
        let module = self.module(handle)?;
        module.used.idle()?;
        let raw = module.raw;
        self.modules.remove(&handle.raw());
        self.functions.retain(|_, it| it.module != handle.raw());
        self.alive.remove(&handle.raw());
        Ok(raw)
    }

    pub(crate) fn take_stream(&mut self, handle: StreamHandle) -> Result<Raw, i32> {
        let stream = self.stream(handle)?;
        stream.used.idle()?;
        let raw = stream.raw;
        self.streams.remove(&handle.raw());
        self.alive.remove(&handle.raw());
        Ok(raw)
    }

    pub(crate) fn take_event(&mut self, handle: EventHandle) -> Result<Raw, i32> {
        let event = self.event(handle)?;
        event.used.idle()?;
        let raw = event.raw;
        self.events.remove(&handle.raw());
        self.alive.remove(&handle.raw());
        Ok(raw)
    }

    pub(crate) fn take_graph(&mut self, handle: GraphHandle) -> Result<Raw, i32> {
        let raw = self.graph(handle)?.raw;
        self.graphs.remove(&handle.raw());
        self.alive.remove(&handle.raw());
        Ok(raw)
    }
}

impl Piece {
    fn new(serial: Serial, bytes: u64, context: Serial) -> Self {
        Self { used: Use::default(), serial, bytes, context, queued: AtomicBool::new(false) }
    }

    /// Whether the device was asked to copy it.
    pub(crate) fn was_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire)
    }
}

impl Stream {
    /// Adds to the recording, if there is one.
    fn note(&self, recorded: impl FnOnce() -> Recorded) {
        if self.records {
            self.recording.lock().unwrap_or_else(PoisonError::into_inner).push(recorded());
        }
    }

    /// Whether it belongs to this context.
    pub(crate) fn is_of(&self, context: ContextHandle) -> bool {
        self.context == context.raw()
    }
}

fn same(one: Serial, other: Serial) -> Result<(), i32> {
    if one == other { Ok(()) } else { Err(INVALID_HANDLE) }
}
