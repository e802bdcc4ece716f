//! Objects go: they are taken out before the driver is asked to end them, and put back where it did nothing.

use super::{
    Context, Event, Function, Graph, Held, INVALID_CONTEXT, INVALID_HANDLE, Module, Piece, Pieces, Raw, Serial, State,
    Stream,
};
use crate::cuda::{ContextHandle, EventHandle, GraphHandle, Memory, ModuleHandle, Pinned, StreamHandle};

/// An object that is being given back: nobody finds it, and its context stays until the driver has answered.
pub(crate) struct Taken<T> {
    pub(crate) object: T,
    key: u64,
    _context: Option<Held>,
}

/// A context that is being ended, with all that lives in it.
pub(crate) struct Ended {
    pub(crate) raw: Raw,
    context: (Serial, Context),
    memory: Vec<(u64, Piece)>,
    pinned: Vec<(u64, Piece)>,
    modules: Vec<(Serial, Module)>,
    functions: Vec<(Serial, Function)>,
    streams: Vec<(Serial, Stream)>,
    events: Vec<(Serial, Event)>,
    graphs: Vec<(Serial, Graph)>,
}

/// One part in a shared context that is being given back.
pub(crate) enum Part {
    /// Others are left.
    OneOf(Serial),
    /// It was the last.
    Last(Box<Ended>),
}

macro_rules! taken {
    ($($take:ident, $keep:ident($handle:ty) = $map:ident: $object:ty;)+) => {$(
        pub(crate) fn $take(&mut self, handle: $handle) -> Result<Taken<$object>, i32> {
            let key = handle.raw();
            let object = self.$map.get(&key).ok_or(INVALID_HANDLE)?;
            object.used.idle()?;
            let context = self.contexts.get(&object.context).map(|context| context.used.hold());
            let object = self.$map.remove(&key).ok_or(INVALID_HANDLE)?;
            self.alive.remove(&key);
            Ok(Taken { object, key, _context: context })
        }

        pub(crate) fn $keep(&mut self, taken: Taken<$object>) {
            self.alive.insert(taken.key, taken.object.used.watch());
            self.$map.insert(taken.key, taken.object);
        }
    )+};
}

impl State {
    taken! {
        take_module, keep_module(ModuleHandle) = modules: Module;
        take_stream, keep_stream(StreamHandle) = streams: Stream;
        take_event, keep_event(EventHandle) = events: Event;
        take_graph, keep_graph(GraphHandle) = graphs: Graph;
    }

    /// The kernels of a module that is gone for good.
    pub(crate) fn forget_functions(&mut self, module: ModuleHandle) {
        self.functions.retain(|_, function| function.module != module.raw());
    }

    pub(crate) fn take_memory(&mut self, memory: Memory) -> Result<Taken<Piece>, i32> {
        let piece = self.memory.take(memory.address, memory.bytes)?;
        Ok(self.taken(memory.address, piece))
    }

    pub(crate) fn keep_memory(&mut self, taken: Taken<Piece>) {
        self.alive.insert(taken.object.serial, taken.object.used.watch());
        self.memory.insert(taken.key, taken.object);
    }

    pub(crate) fn take_pinned(&mut self, pinned: Pinned) -> Result<Taken<Piece>, i32> {
        let piece = self.pinned.take(pinned.address, pinned.bytes)?;
        Ok(self.taken(pinned.address, piece))
    }

    pub(crate) fn keep_pinned(&mut self, taken: Taken<Piece>) {
        self.alive.insert(taken.object.serial, taken.object.used.watch());
        self.pinned.insert(taken.key, taken.object);
    }

    fn taken(&mut self, address: u64, piece: Piece) -> Taken<Piece> {
        self.alive.remove(&piece.serial);
        let context = self.contexts.get(&piece.context).map(|context| context.used.hold());
        Taken { object: piece, key: address, _context: context }
    }

    /// A context of its own.
    pub(crate) fn take_context(&mut self, handle: ContextHandle) -> Result<Ended, i32> {
        let context = self.context(handle)?;
        if context.primary.is_some() {
            return Err(INVALID_CONTEXT);
        }
        self.end_context(handle.raw())
    }

    /// One part in the shared context of a device; with the last one goes all that lives in it.
    pub(crate) fn take_primary(&mut self, device: i32) -> Result<Part, i32> {
        let mut contexts = self.contexts.iter_mut();
        let (serial, count) = contexts
            .find_map(|(serial, context)| {
                let (of, count) = context.primary.as_mut()?;
                (*of == device).then_some((*serial, count))
            })
            .ok_or(INVALID_CONTEXT)?;
        if *count > 1 {
            *count -= 1;
            return Ok(Part::OneOf(serial));
        }
        self.end_context(serial).map(|ended| Part::Last(Box::new(ended)))
    }

    pub(crate) fn keep_primary(&mut self, part: Part) {
        match part {
            Part::OneOf(serial) => {
                if let Some((_, count)) = self.contexts.get_mut(&serial).and_then(|context| context.primary.as_mut()) {
                    *count = count.saturating_add(1);
                }
            }
            Part::Last(ended) => self.keep_context(*ended),
        }
    }

    fn end_context(&mut self, serial: Serial) -> Result<Ended, i32> {
        let context = self.contexts.get(&serial).ok_or(INVALID_HANDLE)?;
        context.used.idle()?;
        let pieces = self.memory.at.values().chain(self.pinned.at.values());
        let users = pieces.map(|it| (it.context, &it.used));
        let users = users.chain(self.streams.values().map(|it| (it.context, &it.used)));
        let users = users.chain(self.events.values().map(|it| (it.context, &it.used)));
        let users = users.chain(self.graphs.values().map(|it| (it.context, &it.used)));
        let mut users = users.chain(self.modules.values().map(|it| (it.context, &it.used)));
        users.try_for_each(|(context, used)| if context == serial { used.idle() } else { Ok(()) })?;
        let context = self.contexts.remove(&serial).ok_or(INVALID_HANDLE)?;
        let ended = Ended {
            raw: context.raw,
            context: (serial, context),
            memory: self.memory.take_all(serial),
            pinned: self.pinned.take_all(serial),
            modules: self.modules.extract_if(|_, it| it.context == serial).collect(),
            functions: self.functions.extract_if(|_, it| it.context == serial).collect(),
            streams: self.streams.extract_if(|_, it| it.context == serial).collect(),
            events: self.events.extract_if(|_, it| it.context == serial).collect(),
            graphs: self.graphs.extract_if(|_, it| it.context == serial).collect(),
        };
        for gone in ended.watched() {
            self.alive.remove(&gone.0);
        }
        Ok(ended)
    }

    pub(crate) fn keep_context(&mut self, ended: Ended) {
        self.alive.extend(ended.watched().map(|(serial, used)| (serial, used.watch())));
        self.contexts.extend([ended.context]);
        for (pieces, back) in [(&mut self.memory, ended.memory), (&mut self.pinned, ended.pinned)] {
            back.into_iter().for_each(|(address, piece)| pieces.insert(address, piece));
        }
        self.modules.extend(ended.modules);
        self.functions.extend(ended.functions);
        self.streams.extend(ended.streams);
        self.events.extend(ended.events);
        self.graphs.extend(ended.graphs);
    }
}

impl Ended {
    /// All that a recording may name.
    fn watched(&self) -> impl Iterator<Item = (Serial, &super::Use)> {
        let pieces = self.memory.iter().chain(&self.pinned).map(|(_, it)| (it.serial, &it.used));
        let all = pieces.chain(self.modules.iter().map(|(serial, it)| (*serial, &it.used)));
        let all = all.chain(self.events.iter().map(|(serial, it)| (*serial, &it.used)));
        let all = all.chain(self.streams.iter().map(|(serial, it)| (*serial, &it.used)));
        all.chain(self.graphs.iter().map(|(serial, it)| (*serial, &it.used)))
    }
}

impl Pieces {
    fn take_all(&mut self, context: Serial) -> Vec<(u64, Piece)> {
        let taken: Vec<_> = self.at.extract_if(|_, piece| piece.context == context).collect();
        for (address, _) in &taken {
            self.order.remove(address);
        }
        taken
    }
}
