//! What the driver handed out and has not taken back, and what time it is on each stream.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;

use super::memory::Sparse;
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::{ContextHandle, EventHandle, Memory, Pinned, StreamHandle};

/// `CUDA_ERROR_INVALID_VALUE`.
pub(super) const INVALID_VALUE: i32 = 1;
/// `CUDA_ERROR_INVALID_CONTEXT`.
pub(super) const INVALID_CONTEXT: i32 = 201;
/// `CUDA_ERROR_INVALID_HANDLE`.
pub(super) const INVALID_HANDLE: i32 = 400;
/// `CUDA_ERROR_NOT_READY`.
pub(super) const NOT_READY: i32 = 600;
/// `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED`.
pub(super) const CAPTURE_UNSUPPORTED: i32 = 900;
/// `CUDA_ERROR_STREAM_CAPTURE_INVALIDATED`.
pub(super) const CAPTURE_INVALIDATED: i32 = 901;
/// What a failed program leaves behind: its context answers nothing else any more.
const STICKY: [i32; 8] = [700, 709, 714, 715, 716, 717, 718, 719];
/// Each device has so much room for addresses.
pub(super) const ROOM: u64 = 1 << 44;
/// Every piece of memory begins at a multiple of this, and takes a multiple of it.
const GRAIN: u64 = 512;
/// Where pinned memory begins. No handle is so large, and no memory of a device lies below [`ROOM`], so that a number
/// stands for one object.
const PINNED: u64 = 1 << 40;
/// Pinned memory begins at a multiple of this.
const HOST_PAGE: u64 = 4096;

/// A context and what it did wrong.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) device: u32,
    /// How often it was retained; none for a context of its own.
    pub(super) retained: Option<u32>,
    /// The number that every call answers since a program failed.
    pub(super) poison: Option<i32>,
    pub(super) peers: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: u64,
    pub(super) context: u64,
    pub(super) data: Sparse,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) context: u64,
    pub(super) priority: i32,
    /// Until when it is at work, in seconds of the device.
    pub(super) busy: f64,
    /// What is recorded in place of being done.
    pub(super) recording: Option<Recording>,
}

/// Work that is being recorded.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) thread: ThreadId,
    pub(super) works: Vec<Work>,
    /// Whether something was asked of the stream that cannot be recorded.
    pub(super) spoilt: bool,
}

/// Something that is queued on a stream.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Launch { launch: Launch, module: u64 },
    Fill { memory: Memory, word: u32, words: u64 },
    Copy { to: Memory, from: Memory, bytes: u64 },
    ToDevice { to: Memory, from: Pinned, bytes: u64 },
    CopyPeer { to: (Memory, ContextHandle), from: (Memory, ContextHandle), bytes: u64 },
    ToHost { to: Pinned, from: Memory, bytes: u64 },
    Mark(EventHandle),
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) started: bool,
    pub(super) calls: BTreeMap<&'static str, u32>,
    pub(super) contexts: BTreeMap<u64, Context>,
    pub(super) current: Vec<(ThreadId, u64)>,
    pub(super) modules: BTreeMap<u64, (Image, u64)>,
    pub(super) functions: BTreeMap<u64, (Kernel, u64)>,
    pub(super) streams: BTreeMap<u64, Stream>,
    /// The context, and the time of the mark where it was reached.
    pub(super) events: BTreeMap<u64, (u64, Option<f64>)>,
    pub(super) graphs: BTreeMap<u64, (u64, Vec<Work>)>,
    pub(super) memory: BTreeMap<u64, Piece>,
    pub(super) pinned: BTreeMap<u64, Piece>,
    /// What each device has given out, and where its next piece begins.
    pub(super) used: Vec<u64>,
    ends: Vec<u64>,
    pinned_end: u64,
    /// What threads wait with, and how many do: handles, and where memory begins.
    held: BTreeMap<u64, u32>,
}

impl State {
    pub(super) fn new(devices: usize) -> Self {
        Self { used: vec![0; devices], ends: vec![0; devices], ..Self::default() }
    }

    /// A number that nobody has, in this driver or another one of this process.
    pub(super) fn number() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// The current context of this thread.
    pub(super) fn here(&self) -> Result<u64, i32> {
        let me = std::thread::current().id();
        let current = self.current.iter().rfind(|(thread, _)| *thread == me).map(|(_, context)| *context);
        current.filter(|context| self.contexts.contains_key(context)).ok_or(INVALID_CONTEXT)
    }

    pub(super) fn make_current(&mut self, context: Option<ContextHandle>) -> Result<(), i32> {
        if context.is_some_and(|context| !self.contexts.contains_key(&context.raw())) {
            return Err(INVALID_HANDLE);
        }
        let _nothing_below = self.pop_current();
        context.map_or(Ok(()), |context| self.push_current(context))
    }

    pub(super) fn push_current(&mut self, context: ContextHandle) -> Result<(), i32> {
        if !self.contexts.contains_key(&context.raw()) {
            return Err(INVALID_CONTEXT);
        }
        self.current.push((std::thread::current().id(), context.raw()));
        Ok(())
    }

    pub(super) fn pop_current(&mut self) -> Result<(), i32> {
        let me = std::thread::current().id();
        let top = self.current.iter().rposition(|(thread, _)| *thread == me).ok_or(INVALID_CONTEXT)?;
        self.current.remove(top);
        Ok(())
    }

    /// The device of a context.
    pub(super) fn device(&self, context: u64) -> u32 {
        self.contexts.get(&context).map_or(0, |context| context.device)
    }

    pub(super) fn stream(&mut self, stream: StreamHandle) -> Result<&mut Stream, i32> {
        self.streams.get_mut(&stream.raw()).ok_or(INVALID_HANDLE)
    }

    pub(super) fn event(&self, event: EventHandle) -> Result<(u64, Option<f64>), i32> {
        self.events.get(&event.raw()).copied().ok_or(INVALID_HANDLE)
    }

    /// The piece that this memory lies in, and how far from its start.
    pub(super) fn piece(&mut self, memory: Memory) -> Result<(u64, &mut Piece), i32> {
        inside(&mut self.memory, memory.address, memory.bytes)
    }

    /// As [`piece`](Self::piece), for memory of the host.
    pub(super) fn locked(&mut self, pinned: Pinned) -> Result<(u64, &mut Piece), i32> {
        inside(&mut self.pinned, pinned.address, pinned.bytes)
    }

    /// Whether work of this context may use the memory: it is its own, or of a context that it was let into.
    pub(super) fn may_use(&mut self, context: u64, memory: Memory) -> Result<(), i32> {
        let owner = self.piece(memory)?.1.context;
        let let_in = || self.contexts.get(&context).is_some_and(|context| context.peers.contains(&owner));
        if owner == context || let_in() { Ok(()) } else { Err(INVALID_HANDLE) }
    }

    /// Ends a call that reached the device: with a program that failed, or after one, the context is of no use.
    pub(super) fn settle(&mut self, context: u64, answer: Result<(), i32>) -> Result<(), i32> {
        let Some(context) = self.contexts.get_mut(&context) else { return answer };
        match answer {
            Err(code) if STICKY.contains(&code) => context.poison = Some(code),
            _ => {}
        }
        answer.and(context.poison.map_or(Ok(()), Err))
    }

    // --- what threads wait with

    pub(super) fn hold(&mut self, objects: &[u64]) {
        objects.iter().for_each(|object| *self.held.entry(*object).or_default() += 1);
    }

    pub(super) fn let_go(&mut self, objects: &[u64]) {
        for object in objects {
            let left = self.held.get(object).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                self.held.remove(object);
            } else {
                self.held.insert(*object, left);
            }
        }
    }

    /// Refuses while a thread waits with it.
    pub(super) fn idle(&self, object: u64) -> Result<(), i32> {
        if self.held.contains_key(&object) { Err(NOT_READY) } else { Ok(()) }
    }

    /// Refuses while a thread waits with it or with what lives in it.
    pub(super) fn idle_context(&self, context: u64) -> Result<(), i32> {
        let pieces = self.memory.iter().chain(&self.pinned).map(|(at, piece)| (*at, piece.context));
        let streams = self.streams.iter().map(|(at, stream)| (*at, stream.context));
        let events = self.events.iter().map(|(at, (of, _))| (*at, *of));
        let mut inside = pieces.chain(streams).chain(events).filter(|(_, of)| *of == context);
        self.idle(context)?;
        inside.try_for_each(|(object, _)| self.idle(object))
    }

    /// A new piece on a device.
    pub(super) fn take(&mut self, device: u32, bytes: u64, context: u64) -> Memory {
        let place = device as usize;
        let room = bytes.div_ceil(GRAIN) * GRAIN;
        let address = (u64::from(device) + 1) * ROOM + self.ends[place];
        self.ends[place] += room;
        self.used[place] += bytes;
        self.memory.insert(address, Piece { bytes, context, data: Sparse::default() });
        Memory { address, bytes }
    }

    /// A new piece of memory of the host.
    pub(super) fn take_pinned(&mut self, bytes: u64, context: u64) -> Pinned {
        let address = PINNED + self.pinned_end;
        self.pinned_end += bytes.div_ceil(HOST_PAGE) * HOST_PAGE;
        self.pinned.insert(address, Piece { bytes, context, data: Sparse::default() });
        Pinned { address, bytes }
    }

    /// Ends a context with all that lives in it.
    pub(super) fn end(&mut self, context: u64) {
        self.contexts.remove(&context);
        self.current.retain(|(_, current)| *current != context);
        let gone: Vec<u64> =
            self.memory.iter().filter(|(_, piece)| piece.context == context).map(|(at, _)| *at).collect();
        gone.into_iter().for_each(|address| self.give_back(address));
        self.pinned.retain(|_, piece| piece.context != context);
        self.modules.retain(|_, (_, of)| *of != context);
        let modules = &self.modules;
        self.functions.retain(|_, (_, module)| modules.contains_key(module));
        self.streams.retain(|_, stream| stream.context != context);
        self.events.retain(|_, (of, _)| *of != context);
        self.graphs.retain(|_, (of, _)| *of != context);
    }

    pub(super) fn give_back(&mut self, address: u64) {
        if let Some(piece) = self.memory.remove(&address) {
            let device = usize::try_from(address / ROOM - 1).unwrap_or(0);
            if let Some(used) = self.used.get_mut(device) {
                *used -= piece.bytes;
            }
        }
    }
}

/// The piece that holds these bytes, and how far from its start: an address outside of all is unknown, a length beyond
/// its end is wrong.
fn inside(pieces: &mut BTreeMap<u64, Piece>, address: u64, bytes: u64) -> Result<(u64, &mut Piece), i32> {
    let (base, piece) = pieces.range_mut(..=address).next_back().ok_or(INVALID_HANDLE)?;
    let offset = address - base;
    if offset >= piece.bytes {
        return Err(INVALID_HANDLE);
    }
    if bytes > piece.bytes - offset { Err(INVALID_VALUE) } else { Ok((offset, piece)) }
}
