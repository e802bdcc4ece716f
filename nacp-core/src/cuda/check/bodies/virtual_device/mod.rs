//! A device for tests of the checks of speed: it has memory and a time of its own, so that a test says how fast it is,
//! which bit it gets wrong and which call it refuses. The bits of its kernels come from the CPU reference.

mod driver;
mod stage;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::Duration;

use crate::clock::{Clock as _, ManualClock};
use crate::cuda::kernels::{Argument, Filling, Kernel, Launch};
use crate::cuda::{ContextHandle, Loaded, StreamHandle, reference};

pub(super) use stage::{Stage, device};

/// Where the memory of the device begins.
pub(super) const MEMORY: u64 = 0x7000_0000_0000;
/// Every piece of memory begins at a multiple of this.
const ALIGNMENT: u64 = 1 << 28;
const GREATEST: i32 = -5;

/// How the device is, and what it does wrong.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// Bytes a second of copies of pinned memory, and of pageable memory.
    pub(super) pinned: f64,
    pub(super) pageable: f64,
    /// Bytes a second that are read and written on the device: by copies, and by kernels.
    pub(super) copies: f64,
    pub(super) kernels: f64,
    /// Bytes a second between devices.
    pub(super) peers: f64,
    /// Operations a second.
    pub(super) fma: f64,
    pub(super) mma: f64,
    /// What every call costs its caller, and every kernel the device.
    pub(super) call: Duration,
    pub(super) kernel: f64,
    pub(super) free: u64,
    /// The largest piece of memory that is to be had.
    pub(super) largest: u64,
    pub(super) attributes: BTreeMap<i32, i32>,
    /// Calls that are refused from the n-th on, with their number.
    pub(super) refuses: Vec<(&'static str, u32, i32)>,
    /// The byte of the target, and the bits, that a kind of work gets wrong.
    pub(super) flips: Vec<(&'static str, usize, u8)>,
    /// The same for the n-th time that the kind of work is done alone.
    pub(super) late_flips: Vec<(&'static str, u32, usize, u8)>,
    /// An address whose bits are stuck at one.
    pub(super) stuck: Option<(u64, u8)>,
    /// The priority that a stream gets in place of what it asks.
    pub(super) priority: Option<i32>,
    pub(super) overtakes: bool,
    pub(super) priorities: (i32, i32),
    /// Whether recorded work is done at once.
    pub(super) records_badly: bool,
    /// Kernels that do nothing from their n-th start on.
    pub(super) idle: Vec<(Kernel, u32)>,
    /// Which devices reach which.
    pub(super) access: fn(i32, i32) -> bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            pinned: 25e9,
            pageable: 8e9,
            copies: 2.9e12,
            kernels: 2.8e12,
            peers: 300e9,
            fma: 60e12,
            mma: 600e12,
            call: Duration::from_nanos(1),
            kernel: 1e-9,
            free: 64 << 20,
            largest: u64::MAX,
            attributes: BTreeMap::from([(13, 1_980_000), (36, 2_619_000), (37, 5120), (39, 64), (18, 0)]),
            refuses: Vec::new(),
            flips: Vec::new(),
            late_flips: Vec::new(),
            stuck: None,
            priority: None,
            overtakes: true,
            priorities: (0, GREATEST),
            records_badly: false,
            idle: Vec::new(),
            access: |_, _| true,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<&'static str, u32>,
    memory: BTreeMap<u64, Vec<u8>>,
    pinned: BTreeMap<u64, Vec<u8>>,
    next: u64,
    taken: u64,
    /// Until when a stream is at work, its priority, and what it records.
    streams: BTreeMap<u64, (f64, i32, Option<Vec<Launch>>)>,
    events: BTreeMap<u64, Option<f64>>,
    functions: BTreeMap<u64, Kernel>,
    graphs: BTreeMap<u64, Vec<Launch>>,
    modules: u32,
    contexts: u32,
    /// The contexts that were made current in threads, the latest last.
    current: Vec<(ThreadId, ContextHandle)>,
}

impl State {
    fn handle(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn bytes(&mut self, at: u64) -> &mut [u8] {
        let (base, bytes) = self.memory.range_mut(..=at).next_back().expect("memory of this device");
        &mut bytes[usize::try_from(at - base).unwrap()..]
    }
}

#[derive(Debug)]
pub(super) struct VirtualDevice {
    pub(super) setup: Setup,
    pub(super) clock: ManualClock,
    loaded: Loaded,
    state: Mutex<State>,
}

impl VirtualDevice {
    pub(super) fn new(setup: Setup) -> Self {
        let loaded = Loaded::at("/lib/libcuda.so.1");
        Self { setup, clock: ManualClock::default(), loaded, state: Mutex::default() }
    }

    pub(super) fn under_wsl(mut self) -> Self {
        self.loaded = Loaded::at("/usr/lib/wsl/lib/libcuda.so.1");
        self
    }

    /// Whether everything that was taken was given back.
    pub(super) fn is_clean(&self) -> bool {
        let state = self.state.lock().unwrap();
        let State { memory, pinned, streams, events, graphs, modules, contexts, current, .. } = &*state;
        let left = (memory.len(), pinned.len(), streams.len(), events.len(), graphs.len());
        left == (0, 0, 0, 0, 0) && (*modules, *contexts, current.len()) == (0, 0, 0) && state.taken == 0
    }

    pub(super) fn calls(&self, call: &str) -> u32 {
        self.state.lock().unwrap().calls.get(call).copied().unwrap_or(0)
    }

    pub(super) fn clock_now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn now(&self) -> f64 {
        self.clock.monotonic().as_secs_f64()
    }

    /// Every call passes here: it costs time, and may be refused.
    fn call(&self, name: &'static str) -> Result<(), i32> {
        self.clock.advance(self.setup.call);
        let mut state = self.state.lock().unwrap();
        let count = state.calls.entry(name).or_default();
        *count += 1;
        let refused = self.setup.refuses.iter().find(|(call, from, _)| *call == name && *count >= *from);
        refused.map_or(Ok(()), |(.., code)| Err(*code))
    }

    fn wait_until(&self, time: f64) {
        let left = time - self.now();
        if left > 0.0 {
            self.clock.advance(Duration::from_secs_f64(left));
        }
    }

    /// Queues work of this length.
    fn queue(&self, stream: StreamHandle, seconds: f64) -> Result<(), i32> {
        let now = self.now();
        let mut state = self.state.lock().unwrap();
        let busy = state.streams.values().map(|stream| stream.0).fold(now, f64::max);
        let (own, priority, _) = state.streams.get_mut(&stream.raw()).ok_or(400)?;
        let overtakes = self.setup.overtakes && *priority == GREATEST;
        *own = if overtakes { own.max(now) } else { busy } + seconds;
        Ok(())
    }

    /// What a kind of work gets wrong.
    fn spoil(&self, kind: &str, target: &mut [u8]) {
        for (_, byte, bits) in self.setup.flips.iter().filter(|(spoilt, ..)| *spoilt == kind) {
            if let Some(byte) = target.get_mut(*byte) {
                *byte ^= bits;
            }
        }
    }

    fn stick(&self, state: &mut State) {
        if let Some((at, bits)) = self.setup.stuck
            && state.memory.range(..=at).next_back().is_some_and(|(base, bytes)| at - base < bytes.len() as u64)
        {
            state.bytes(at)[0] |= bits;
        }
    }

    /// Does what a kernel does.
    fn run(&self, launch: &Launch) {
        let addresses: Vec<u64> = launch.arguments().iter().filter_map(address).collect();
        let mut state = self.state.lock().unwrap();
        let starts = state.calls.entry(launch.kernel().symbol()).or_default();
        *starts += 1;
        let starts = *starts;
        if self.setup.idle.iter().any(|(kernel, from)| *kernel == launch.kernel() && starts >= *from) {
            return;
        }
        match (launch.kernel(), addresses.as_slice()) {
            (Kernel::Empty, _) => {}
            (Kernel::Atomics, [sum]) => {
                // Another order each time.
                let word = (1e6_f32.to_bits() + starts).to_le_bytes();
                state.bytes(*sum)[..4].copy_from_slice(&word);
            }
            (Kernel::Copy, [to, from]) => {
                let len = usize::try_from(16 * wide(launch)).unwrap();
                let data = state.bytes(*from)[..len].to_vec();
                state.bytes(*to)[..len].copy_from_slice(&data);
                self.spoil("kernel", &mut state.bytes(*to)[..len]);
            }
            (Kernel::PatternWrite, [memory]) => {
                let words = bytes_of(launch.filling().unwrap());
                state.bytes(*memory)[..words.len()].copy_from_slice(&words);
                self.stick(&mut state);
            }
            (Kernel::PatternCheck, [memory, errors]) => {
                let filling = launch.filling().unwrap();
                let sent = bytes_of(filling);
                let got = state.bytes(*memory)[..sent.len()].to_vec();
                if filling.inverts {
                    let inverse: Vec<u8> = sent.iter().map(|byte| !byte).collect();
                    state.bytes(*memory)[..sent.len()].copy_from_slice(&inverse);
                }
                let (mut words, mut first, mut bits) = (0_u64, u64::MAX, 0_u32);
                for (position, (sent, got)) in sent.chunks(4).zip(got.chunks(4)).enumerate() {
                    let differing = u32_of(sent) ^ u32_of(got);
                    if differing != 0 {
                        words += 1;
                        first = first.min(position as u64);
                        bits |= differing;
                    }
                }
                let found = state.bytes(*errors);
                found[..8].copy_from_slice(&words.to_le_bytes());
                found[8..16].copy_from_slice(&first.to_le_bytes());
                found[16..20].copy_from_slice(&bits.to_le_bytes());
                self.stick(&mut state);
            }
            (kernel, [out, ..]) => {
                let mut bytes: Vec<u8> = answers(launch).iter().flat_map(|word| word.to_le_bytes()).collect();
                let count = state.calls.entry(kernel.symbol()).or_default();
                *count += 1;
                for (.., byte, bits) in
                    self.setup.late_flips.iter().filter(|(spoilt, at, ..)| *spoilt == kernel.symbol() && at == count)
                {
                    bytes[*byte] ^= bits;
                }
                self.spoil(kernel.symbol(), &mut bytes);
                state.bytes(*out)[..bytes.len()].copy_from_slice(&bytes);
            }
            (kernel, []) => panic!("{} without memory", kernel.symbol()),
        }
    }

    /// How long a kernel takes.
    fn seconds(&self, launch: &Launch) -> f64 {
        let work = match launch.kernel() {
            Kernel::FmaRate => float(launch.flops()) / self.setup.fma,
            Kernel::MmaRate => float(launch.flops()) / self.setup.mma,
            Kernel::Copy => float(launch.bytes()) / self.setup.kernels,
            // A check of a pattern is as long whether it writes or not.
            Kernel::PatternWrite | Kernel::PatternCheck => 4.0 * float(wide(launch)) / self.setup.kernels,
            _ => 0.0,
        };
        self.setup.kernel + work
    }
}

/// What the CPU computes; many tests ask for the same.
fn answers(launch: &Launch) -> Vec<u32> {
    type Known = BTreeMap<(Kernel, Vec<u32>), Vec<u32>>;
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    let compute = || reference::of_launch(launch).expect("a kernel with answers");
    known.entry((launch.kernel(), numbers(launch))).or_insert_with(compute).clone()
}

fn float(number: u64) -> f64 {
    number as f64
}

fn address(argument: &Argument) -> Option<u64> {
    match argument {
        Argument::Memory(memory) => Some(memory.address),
        _ => None,
    }
}

fn numbers(launch: &Launch) -> Vec<u32> {
    launch
        .arguments()
        .iter()
        .filter_map(|it| if let Argument::U32(number) = it { Some(*number) } else { None })
        .collect()
}

fn wide(launch: &Launch) -> u64 {
    launch.arguments().iter().find_map(|it| if let Argument::U64(number) = it { Some(*number) } else { None }).unwrap()
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

/// The bytes of a launch's pattern.
fn bytes_of(Filling { words, pattern, .. }: Filling) -> Vec<u8> {
    (0..words).flat_map(|position| reference::pattern_word(pattern, position).to_le_bytes()).collect()
}
