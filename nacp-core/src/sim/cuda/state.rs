//! What the driver handed out and has not taken back, and what time it is on each stream.

use std::collections::BTreeMap;
use std::thread::ThreadId;

use super::memory::Sparse;
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::{ContextHandle, Memory, Pinned, StreamHandle};

/// `CUDA_ERROR_INVALID_VALUE`.
pub(super) const INVALID_VALUE: i32 = 1;
/// `CUDA_ERROR_INVALID_CONTEXT`.
pub(super) const INVALID_CONTEXT: i32 = 201;
/// `CUDA_ERROR_INVALID_HANDLE`.
pub(super) const INVALID_HANDLE: i32 = 400;
/// `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED`.
pub(super) const CAPTURE_UNSUPPORTED: i32 = 900;
/// Each device has so much room for addresses.
pub(super) const ROOM: u64 = 1 << 44;
/// Every piece of memory begins at a multiple of this, and takes a multiple of it.
const GRAIN: u64 = 512;

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
    pub(super) recording: Option<Vec<Work>>,
}

/// Something that is queued on a stream.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Launch(Launch),
    Fill { memory: Memory, word: u32, words: u64 },
    Copy { to: Memory, from: Memory, bytes: u64 },
    ToDevice { to: Memory, from: Pinned, bytes: u64 },
    ToHost { to: Pinned, from: Memory, bytes: u64 },
    Mark(u64),
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) started: bool,
    pub(super) calls: BTreeMap<&'static str, u32>,
    next: u64,
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
}

impl State {
    pub(super) fn new(devices: usize) -> Self {
        Self { used: vec![0; devices], ends: vec![0; devices], ..Self::default() }
    }

    /// A number that nobody has.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The current context of this thread.
    pub(super) fn here(&self) -> Result<u64, i32> {
        let me = std::thread::current().id();
        let current = self.current.iter().rfind(|(thread, _)| *thread == me).map(|(_, context)| *context);
        let current = current.ok_or(INVALID_CONTEXT)?;
        let context = self.contexts.get(&current).ok_or(INVALID_CONTEXT)?;
        context.poison.map_or(Ok(current), Err)
    }

    pub(super) fn make_current(&mut self, context: Option<ContextHandle>) -> Result<(), i32> {
        if context.is_some_and(|context| !self.contexts.contains_key(&context.raw())) {
            return Err(INVALID_CONTEXT);
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

    /// A stream whose context works.
    pub(super) fn stream(&mut self, stream: StreamHandle) -> Result<&mut Stream, i32> {
        let stream = self.streams.get_mut(&stream.raw()).ok_or(INVALID_HANDLE)?;
        match self.contexts.get(&stream.context).and_then(|context| context.poison) {
            Some(poison) => Err(poison),
            None => Ok(stream),
        }
    }

    /// The piece that this memory lies in, where a context may use it.
    pub(super) fn piece(&mut self, memory: Memory, context: u64) -> Result<(u64, &mut Piece), i32> {
        let peers = self.contexts.get(&context).map_or(&[][..], |context| &context.peers);
        let (base, piece) = self.memory.range_mut(..=memory.address).next_back().ok_or(INVALID_HANDLE)?;
        let end = memory.address.checked_add(memory.bytes);
        if end.is_none_or(|end| end > base + piece.bytes)
            || (piece.context != context && !peers.contains(&piece.context))
        {
            return Err(INVALID_HANDLE);
        }
        Ok((memory.address - base, piece))
    }

    /// The piece that this pinned memory lies in.
    pub(super) fn locked(&mut self, pinned: Pinned) -> Result<(u64, &mut Piece), i32> {
        let (base, piece) = self.pinned.range_mut(..=pinned.address).next_back().ok_or(INVALID_HANDLE)?;
        let end = pinned.address.checked_add(pinned.bytes);
        if end.is_none_or(|end| end > base + piece.bytes) {
            return Err(INVALID_HANDLE);
        }
        Ok((pinned.address - base, piece))
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

    /// Remembers that a program of this context failed.
    pub(super) fn poison(&mut self, context: u64, code: i32) {
        if let Some(context) = self.contexts.get_mut(&context) {
            context.poison = Some(code);
        }
    }
}
