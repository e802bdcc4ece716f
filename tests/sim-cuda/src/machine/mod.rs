//! The simulated machine behind the calls: what the environment asked for, the devices, and all that clients have made.
//!
//! One lock guards what clients have made. It is never held while a kernel runs, memory is copied or somebody waits.

mod capture;
mod compile;
mod context;
mod device;
mod memory;
mod queue;
mod table;
mod work;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub(crate) use capture::Capture;
pub(crate) use compile::{Refusal, compile};
pub(crate) use context::{Context, stack};
pub(crate) use memory::{Block, Pool, View};
pub(crate) use nacp_core::sim::node::CudaDevice as Device;
pub(crate) use queue::{Event, PRIORITIES, Recorded, Stream};
pub(crate) use table::{Handle, Table};
pub(crate) use work::{Side, Work};

use crate::code::{Answer, Code};
use crate::config::Config;
use crate::ptx::Program;

/// The machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) config: Config,
    pub(crate) devices: Vec<Device>,
    pub(crate) started: AtomicBool,
    state: Mutex<State>,
    trace: Option<Mutex<File>>,
}

/// What clients have made.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) contexts: Table<Context>,
    pub(crate) streams: Table<Stream>,
    pub(crate) events: Table<Event>,
    pub(crate) modules: Table<Module>,
    pub(crate) functions: Table<Function>,
    pub(crate) graphs: Table<Vec<Work>>,
    pub(crate) executables: Table<Executable>,
    pub(crate) captures: Table<Capture>,
    /// All memory that is given away, by its address.
    pub(crate) blocks: BTreeMap<u64, Arc<Block>>,
    /// Bytes of pinned memory.
    pub(crate) pinned: u64,
    pub(crate) places: Vec<Place>,
}

/// What clients have made of a device.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) pool: Pool,
    /// The context that all libraries of the process share, and how often it was asked for.
    pub(crate) primary: Option<Handle>,
    pub(crate) users: u32,
    pub(crate) flags: u32,
    /// What every call answers since something on the device failed for good.
    pub(crate) broken: Option<Code>,
}

/// A loaded text.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) context: Handle,
    pub(crate) program: Arc<Program>,
}

/// A kernel of a loaded text.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) context: Handle,
    pub(crate) module: Handle,
    pub(crate) program: Arc<Program>,
    pub(crate) entry: String,
}

/// Recorded work that can be started.
#[derive(Debug)]
pub(crate) struct Executable {
    pub(crate) context: Handle,
    pub(crate) works: Vec<Work>,
}

impl Machine {
    pub(crate) fn new(config: Config) -> Result<Self, String> {
        let devices = device::visible(&config);
        let places = devices.iter().enumerate().map(|(index, device)| {
            let size = config.memory.map_or(device.free, |most| most.min(device.free));
            let pool = Pool::new(index, size, config.stuck);
            Place { pool, primary: None, users: 0, flags: 0, broken: None }
        });
        let open = |path: &std::path::PathBuf| {
            let file = File::options().create(true).append(true).open(path);
            file.map(Mutex::new).map_err(|error| format!("NACP_SIM_CUDA_TRACE={}: {error}", path.display()))
        };
        Ok(Self {
            started: AtomicBool::new(false),
            state: Mutex::new(State::new(places.collect())),
            trace: config.trace.as_ref().map(open).transpose()?,
            devices,
            config,
        })
    }

    /// The machine of this process; none where the environment asks for something that cannot be.
    pub(crate) fn of_this_process() -> Option<&'static Self> {
        static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
        let make = || {
            let machine = Config::from_environment().and_then(Self::new);
            machine.inspect_err(|problem| eprintln!("simulated libcuda: {problem}")).ok()
        };
        MACHINE.get_or_init(make).as_ref()
    }

    /// What clients have made.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// The position of a device, whose handle it is.
    pub(crate) fn position(&self, device: i32) -> Answer<usize> {
        usize::try_from(device).ok().filter(|position| *position < self.devices.len()).ok_or(Code::INVALID_DEVICE)
    }

    pub(crate) fn device(&self, device: i32) -> Answer<&Device> {
        self.position(device).map(|position| &self.devices[position])
    }

    /// Notes a call.
    pub(crate) fn note(&self, call: &str) {
        if let Some(trace) = &self.trace {
            let mut file = trace.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody is there to be told when a trace cannot be written.
            _ = writeln!(file, "{call}");
        }
    }
}

impl State {
    fn new(places: Vec<Place>) -> Self {
        Self {
            contexts: Table::new(1),
            streams: Table::new(2),
            events: Table::new(3),
            modules: Table::new(4),
            functions: Table::new(5),
            graphs: Table::new(6),
            executables: Table::new(7),
            captures: Table::new(8),
            blocks: BTreeMap::new(),
            pinned: 0,
            places,
        }
    }

    /// The memory that calls of the host may use: all of it, wherever it is.
    pub(crate) fn view(&self) -> View {
        View::of(self.blocks.values())
    }

    /// The memory that kernels of a context may use: its own, that of the contexts whose memory it was let in to, and
    /// pinned memory.
    pub(crate) fn view_of(&self, context: Handle) -> View {
        let peers = self.contexts.get(context).map(|context| context.peers.clone()).unwrap_or_default();
        let visible = |block: &&Arc<Block>| block.pinned || block.context == context || peers.contains(&block.context);
        View::of(self.blocks.values().filter(visible))
    }

    /// Notes what a device answers from now on.
    pub(crate) fn break_device(&mut self, device: usize, code: Code) {
        if let Some(place) = self.places.get_mut(device) {
            place.broken.get_or_insert(code);
        }
    }

    /// Takes memory back, whoever gave it.
    pub(crate) fn release(&mut self, address: u64) -> Answer {
        let block = self.blocks.remove(&address).ok_or(Code::INVALID_VALUE)?;
        if block.pinned {
            self.pinned -= block.bytes;
        } else {
            let device = self.contexts.get(block.context)?.device;
            self.places[device].pool.release(address);
        }
        Ok(())
    }
}
