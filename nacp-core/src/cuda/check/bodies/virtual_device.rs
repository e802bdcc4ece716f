//! A device for tests of the checks of speed: it has memory and a time of its own, so that a test says how fast it is,
//! which bit it gets wrong and which call it refuses. The bits of its kernels come from the CPU reference.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::clock::{Clock as _, ManualClock};
use crate::cuda::check::{Bench, Deadline, Facts, Level, Sizes};
use crate::cuda::kernels::{ACCUMULATORS, Argument, CHAINS, Image, Kernel, Launch, Pattern};
use crate::cuda::reference;
use crate::cuda::{
    Attribute, ContextHandle, Device, Driver, EventHandle, Execute, FunctionHandle, GraphHandle, Loaded, Memory,
    ModuleHandle, Pinned, Probe, Profile, StreamHandle, Version,
};
use crate::error::Result as Answer;
use crate::gpu::{Clocks, Fields, Gpu, Origin, Pair, PcieLink, Reading, Sample, Source, Unknown};
use crate::units::Bytes;

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
    current: Option<ContextHandle>,
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
        left == (0, 0, 0, 0, 0) && (*modules, *contexts, *current) == (0, 0, None) && state.taken == 0
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
        match (launch.kernel(), addresses.as_slice()) {
            (Kernel::Empty, _) => {}
            (Kernel::Copy, [to, from]) => {
                let len = usize::try_from(16 * wide(launch)).unwrap();
                let data = state.bytes(*from)[..len].to_vec();
                state.bytes(*to)[..len].copy_from_slice(&data);
                self.spoil("kernel", &mut state.bytes(*to)[..len]);
            }
            (Kernel::PatternWrite, [memory]) => {
                let words = pattern_of(launch, wide(launch));
                state.bytes(*memory)[..words.len()].copy_from_slice(&words);
                self.stick(&mut state);
            }
            (Kernel::PatternCheck, [memory, errors]) => {
                let sent = pattern_of(launch, wide(launch));
                let got = state.bytes(*memory)[..sent.len()].to_vec();
                let invert = *numbers(launch).last().unwrap() == 1;
                if invert {
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
        let narrow = numbers(launch);
        let count = |at: usize| f64::from(narrow[at]);
        let work = match launch.kernel() {
            Kernel::FmaRate => 2.0 * f64::from(CHAINS) * count(0) * count(1) / self.setup.fma,
            Kernel::MmaRate => 2048.0 * f64::from(ACCUMULATORS) * count(0) * count(1) / self.setup.mma,
            Kernel::Copy => 32.0 * float(wide(launch)) / self.setup.kernels,
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
    u32::try_from(number).unwrap().into()
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
fn pattern_of(launch: &Launch, words: u64) -> Vec<u8> {
    let [kind, first, second, offset] = numbers(launch)[..4] else { panic!("a pattern") };
    let pattern = match kind {
        0 => Pattern::Constant(first),
        1 => Pattern::Address(first),
        _ => Pattern::Modulo20 { offset, here: first, elsewhere: second },
    };
    (0..words).flat_map(|position| reference::pattern_word(pattern, position).to_le_bytes()).collect()
}

impl Driver for VirtualDevice {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }
    fn missing(&self) -> &[&'static str] {
        &[]
    }
    fn init(&self) -> i32 {
        0
    }
    fn version(&self) -> Result<i32, i32> {
        Ok(13_000)
    }
    fn device_count(&self) -> Result<i32, i32> {
        Ok(2)
    }
    fn device(&self, ordinal: i32) -> Result<i32, i32> {
        self.call("device").map(|()| ordinal)
    }
    fn name(&self, _: i32) -> Result<String, i32> {
        Ok("NVIDIA H100 80GB HBM3".into())
    }
    fn uuid(&self, _: i32) -> Result<[u8; 16], i32> {
        Ok([0; 16])
    }
    fn total_memory(&self, _: i32) -> Result<u64, i32> {
        Ok(self.setup.free)
    }
    fn attribute(&self, attribute: Attribute, _: i32) -> Result<i32, i32> {
        self.setup.attributes.get(&(attribute as i32)).copied().ok_or(1)
    }
    fn pci(&self, _: i32) -> Result<String, i32> {
        Ok("0000:3b:00.0".into())
    }
    fn error_name(&self, _: i32) -> Option<String> {
        None
    }
}

impl Execute for VirtualDevice {
    fn driver(&self) -> &dyn Driver {
        self
    }
    fn lacks(&self) -> &[&'static str] {
        &[]
    }
    fn error_text(&self, _: i32) -> Option<String> {
        None
    }
    fn can_access_peer(&self, device: i32, peer: i32) -> Result<bool, i32> {
        self.call("can_access_peer").map(|()| (self.setup.access)(device, peer))
    }
    fn retain(&self, device: i32) -> Result<ContextHandle, i32> {
        self.call("retain")?;
        self.state.lock().unwrap().contexts += 1;
        Ok(ContextHandle::from_raw(1 + u64::try_from(device).unwrap()))
    }
    fn release(&self, _: i32) -> Result<(), i32> {
        self.state.lock().unwrap().contexts -= 1;
        Ok(())
    }
    fn primary_active(&self, _: i32) -> Result<bool, i32> {
        Ok(self.state.lock().unwrap().contexts > 0)
    }
    fn create_context(&self, _: i32) -> Result<ContextHandle, i32> {
        Err(801)
    }
    fn destroy_context(&self, _: ContextHandle) -> Result<(), i32> {
        Err(201)
    }
    fn set_current(&self, context: Option<ContextHandle>) -> Result<(), i32> {
        self.state.lock().unwrap().current = context;
        Ok(())
    }
    fn synchronize(&self) -> Result<(), i32> {
        self.call("synchronize")?;
        let busy = self.state.lock().unwrap().streams.values().map(|stream| stream.0).fold(0.0, f64::max);
        self.wait_until(busy);
        Ok(())
    }
    fn memory_info(&self) -> Result<(u64, u64), i32> {
        self.call("memory_info")?;
        Ok((self.setup.free - self.state.lock().unwrap().taken, self.setup.free))
    }
    fn enable_peer(&self, _: ContextHandle) -> Result<(), i32> {
        self.call("enable_peer")
    }

    fn allocate(&self, bytes: u64) -> Result<Memory, i32> {
        self.call("allocate")?;
        let mut state = self.state.lock().unwrap();
        if bytes > self.setup.largest || state.taken + bytes > self.setup.free {
            return Err(2);
        }
        state.taken += bytes;
        let address = MEMORY + ALIGNMENT * state.handle();
        state.memory.insert(address, vec![0xcd; usize::try_from(bytes).unwrap()]);
        Ok(Memory { address, bytes })
    }
    fn free(&self, memory: Memory) -> Result<(), i32> {
        let mut state = self.state.lock().unwrap();
        assert!(state.current.is_some(), "memory was freed without a context");
        state.memory.remove(&memory.address).ok_or(400)?;
        state.taken -= memory.bytes;
        Ok(())
    }
    fn allocate_pinned(&self, bytes: u64) -> Result<Pinned, i32> {
        self.call("allocate_pinned")?;
        let mut state = self.state.lock().unwrap();
        let address = state.handle();
        state.pinned.insert(address, vec![0; usize::try_from(bytes).unwrap()]);
        Ok(Pinned { address, bytes })
    }
    fn free_pinned(&self, pinned: Pinned) -> Result<(), i32> {
        self.state.lock().unwrap().pinned.remove(&pinned.address).map(drop).ok_or(400)
    }
    fn write_pinned(&self, pinned: Pinned, offset: u64, data: &[u8]) -> Result<(), i32> {
        let mut state = self.state.lock().unwrap();
        let bytes = state.pinned.get_mut(&pinned.address).ok_or(400)?;
        bytes[usize::try_from(offset).unwrap()..][..data.len()].copy_from_slice(data);
        Ok(())
    }
    fn read_pinned(&self, pinned: Pinned, offset: u64, data: &mut [u8]) -> Result<(), i32> {
        let state = self.state.lock().unwrap();
        let bytes = state.pinned.get(&pinned.address).ok_or(400)?;
        data.copy_from_slice(&bytes[usize::try_from(offset).unwrap()..][..data.len()]);
        Ok(())
    }
    fn upload(&self, to: Memory, offset: u64, data: &[u8], stream: StreamHandle) -> Result<(), i32> {
        self.call("upload")?;
        self.queue(stream, float(data.len() as u64) / self.setup.pageable)?;
        self.synchronize_stream(stream)?;
        let mut state = self.state.lock().unwrap();
        let target = &mut state.bytes(to.address + offset)[..data.len()];
        target.copy_from_slice(data);
        self.spoil("upload", target);
        Ok(())
    }
    fn download(&self, data: &mut [u8], from: Memory, offset: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("download")?;
        self.queue(stream, float(data.len() as u64) / self.setup.pageable)?;
        self.synchronize_stream(stream)?;
        let len = data.len();
        data.copy_from_slice(&self.state.lock().unwrap().bytes(from.address + offset)[..len]);
        self.spoil("download", data);
        Ok(())
    }
    fn upload_pinned(&self, to: Memory, from: Pinned, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("upload_pinned")?;
        self.queue(stream, float(bytes) / self.setup.pinned)?;
        let mut state = self.state.lock().unwrap();
        let data = state.pinned.get(&from.address).ok_or(400)?.clone();
        let target = &mut state.bytes(to.address)[..usize::try_from(bytes).unwrap()];
        target.copy_from_slice(&data[..target.len()]);
        self.spoil("upload_pinned", target);
        Ok(())
    }
    fn download_pinned(&self, to: Pinned, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("download_pinned")?;
        self.queue(stream, float(bytes) / self.setup.pinned)?;
        let mut state = self.state.lock().unwrap();
        let mut data = state.bytes(from.address)[..usize::try_from(bytes).unwrap()].to_vec();
        self.spoil("download_pinned", &mut data);
        state.pinned.get_mut(&to.address).ok_or(400)?[..data.len()].copy_from_slice(&data);
        Ok(())
    }
    fn copy(&self, to: Memory, from: Memory, bytes: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("copy")?;
        self.queue(stream, 2.0 * float(bytes) / self.setup.copies)?;
        let mut state = self.state.lock().unwrap();
        let data = state.bytes(from.address)[..usize::try_from(bytes).unwrap()].to_vec();
        let target = &mut state.bytes(to.address)[..data.len()];
        target.copy_from_slice(&data);
        self.spoil("copy", target);
        Ok(())
    }
    fn copy_peer(
        &self,
        to: (Memory, ContextHandle),
        from: (Memory, ContextHandle),
        bytes: u64,
        stream: StreamHandle,
    ) -> Result<(), i32> {
        assert_ne!(to.1, from.1, "a copy between peers stays on one device");
        self.call("copy_peer")?;
        self.queue(stream, float(bytes) / self.setup.peers)?;
        let mut state = self.state.lock().unwrap();
        let data = state.bytes(from.0.address)[..usize::try_from(bytes).unwrap()].to_vec();
        let target = &mut state.bytes(to.0.address)[..data.len()];
        target.copy_from_slice(&data);
        self.spoil("copy_peer", target);
        Ok(())
    }
    fn fill(&self, memory: Memory, word: u32, words: u64, stream: StreamHandle) -> Result<(), i32> {
        self.call("fill")?;
        self.queue(stream, self.setup.kernel)?;
        let mut state = self.state.lock().unwrap();
        let bytes = &mut state.bytes(memory.address)[..usize::try_from(4 * words).unwrap()];
        bytes.chunks_mut(4).for_each(|chunk| chunk.copy_from_slice(&word.to_le_bytes()));
        Ok(())
    }

    fn load(&self, _: Image, _: bool) -> Result<ModuleHandle, (i32, String)> {
        self.call("load").map_err(|code| (code, "ptxas fatal: no such thing".into()))?;
        let mut state = self.state.lock().unwrap();
        state.modules += 1;
        Ok(ModuleHandle::from_raw(state.handle()))
    }
    fn unload(&self, _: ModuleHandle) -> Result<(), i32> {
        self.state.lock().unwrap().modules -= 1;
        Ok(())
    }
    fn function(&self, _: ModuleHandle, kernel: Kernel) -> Result<FunctionHandle, i32> {
        self.call("function")?;
        let mut state = self.state.lock().unwrap();
        let handle = state.handle();
        state.functions.insert(handle, kernel);
        Ok(FunctionHandle::from_raw(handle))
    }
    fn launch(&self, function: FunctionHandle, launch: &Launch, stream: StreamHandle) -> Result<(), i32> {
        self.call("launch")?;
        {
            let mut state = self.state.lock().unwrap();
            assert_eq!(state.functions.get(&function.raw()), Some(&launch.kernel()), "another kernel's function");
            if let Some(recorded) = &mut state.streams.get_mut(&stream.raw()).ok_or(400)?.2 {
                recorded.push(launch.clone());
                if !self.setup.records_badly {
                    return Ok(());
                }
            }
        }
        self.run(launch);
        self.queue(stream, self.seconds(launch))
    }

    fn create_stream(&self, priority: i32) -> Result<StreamHandle, i32> {
        self.call("create_stream")?;
        let mut state = self.state.lock().unwrap();
        let handle = state.handle();
        state.streams.insert(handle, (0.0, self.setup.priority.unwrap_or(priority), None));
        Ok(StreamHandle::from_raw(handle))
    }
    fn destroy_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        self.state.lock().unwrap().streams.remove(&stream.raw()).map(drop).ok_or(400)
    }
    fn synchronize_stream(&self, stream: StreamHandle) -> Result<(), i32> {
        self.call("synchronize_stream")?;
        let busy = self.state.lock().unwrap().streams.get(&stream.raw()).ok_or(400)?.0;
        self.wait_until(busy);
        Ok(())
    }
    fn stream_done(&self, stream: StreamHandle) -> Result<bool, i32> {
        self.call("stream_done")?;
        let busy = self.state.lock().unwrap().streams.get(&stream.raw()).ok_or(400)?.0;
        Ok(busy <= self.now())
    }
    fn priorities(&self) -> Result<(i32, i32), i32> {
        self.call("priorities").map(|()| self.setup.priorities)
    }
    fn priority(&self, stream: StreamHandle) -> Result<i32, i32> {
        Ok(self.state.lock().unwrap().streams.get(&stream.raw()).ok_or(400)?.1)
    }
    fn create_event(&self) -> Result<EventHandle, i32> {
        let mut state = self.state.lock().unwrap();
        let handle = state.handle();
        state.events.insert(handle, None);
        Ok(EventHandle::from_raw(handle))
    }
    fn destroy_event(&self, event: EventHandle) -> Result<(), i32> {
        self.state.lock().unwrap().events.remove(&event.raw()).map(drop).ok_or(400)
    }
    fn record(&self, event: EventHandle, stream: StreamHandle) -> Result<(), i32> {
        self.call("record")?;
        let now = self.now();
        let mut state = self.state.lock().unwrap();
        let reached = state.streams.get(&stream.raw()).ok_or(400)?.0.max(now);
        *state.events.get_mut(&event.raw()).ok_or(400)? = Some(reached);
        Ok(())
    }
    fn synchronize_event(&self, event: EventHandle) -> Result<(), i32> {
        self.call("synchronize_event")?;
        let reached = self.state.lock().unwrap().events.get(&event.raw()).copied().flatten().ok_or(400)?;
        self.wait_until(reached);
        Ok(())
    }
    #[expect(clippy::cast_possible_truncation, reason = "the driver tells 32 bits")]
    fn elapsed(&self, from: EventHandle, to: EventHandle) -> Result<f32, i32> {
        let state = self.state.lock().unwrap();
        let at = |event: EventHandle| state.events.get(&event.raw()).copied().flatten().ok_or(400);
        Ok(((at(to)? - at(from)?) * 1e3) as f32)
    }

    fn begin_capture(&self, stream: StreamHandle) -> Result<(), i32> {
        self.call("begin_capture")?;
        self.state.lock().unwrap().streams.get_mut(&stream.raw()).ok_or(400)?.2 = Some(Vec::new());
        Ok(())
    }
    fn end_capture(&self, stream: StreamHandle) -> Result<GraphHandle, i32> {
        self.call("end_capture")?;
        let mut state = self.state.lock().unwrap();
        let recorded = state.streams.get_mut(&stream.raw()).ok_or(400)?.2.take().ok_or(400)?;
        let handle = state.handle();
        state.graphs.insert(handle, recorded);
        Ok(GraphHandle::from_raw(handle))
    }
    fn launch_graph(&self, graph: GraphHandle, stream: StreamHandle) -> Result<(), i32> {
        self.call("launch_graph")?;
        let recorded = self.state.lock().unwrap().graphs.get(&graph.raw()).ok_or(400)?.clone();
        for launch in &recorded {
            self.run(launch);
            self.queue(stream, self.seconds(launch))?;
            let out = launch.arguments().iter().find_map(address);
            if let Some(out) = out {
                self.spoil("graph", self.state.lock().unwrap().bytes(out));
            }
        }
        Ok(())
    }
    fn destroy_graph(&self, graph: GraphHandle) -> Result<(), i32> {
        self.state.lock().unwrap().graphs.remove(&graph.raw()).map(drop).ok_or(400)
    }
}

/// A management library that tells the same clocks and the same link whenever it is asked.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) origin: Origin,
    pub(super) gpus: Vec<Gpu>,
    pub(super) clocks: Option<Clocks>,
    pub(super) link: Option<PcieLink>,
    pub(super) pairs: Vec<Pair>,
}

impl Source for Told {
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn inventory(&self) -> Answer<Vec<Gpu>> {
        Ok(self.gpus.clone())
    }
    fn pairs(&self) -> Answer<Vec<Pair>> {
        Ok(self.pairs.clone())
    }
    fn sample(&self, _: Fields, samples: &mut Vec<Sample>) -> Answer<()> {
        samples.clear();
        for gpu in &self.gpus {
            let mut sample = Sample::unknown(gpu.id.clone(), Unknown::NotRead);
            sample.clocks = Reading::from(self.clocks);
            sample.pcie = Reading::from(self.link);
            samples.push(sample);
        }
        Ok(())
    }
}

/// Everything that a check is given.
pub(super) struct Stage {
    pub(super) driver: VirtualDevice,
    pub(super) devices: Vec<Device>,
    pub(super) facts: Facts,
    pub(super) telemetry: Option<Told>,
    pub(super) sizes: Sizes,
    pub(super) cancelled: AtomicBool,
    pub(super) until: Duration,
}

impl Stage {
    /// One H100 that is in order, under a management library that tells its clocks and its link.
    pub(super) fn new(setup: Setup) -> Self {
        let devices = vec![device(0, "GPU")];
        let mut stage = Self {
            driver: VirtualDevice::new(setup),
            devices: Vec::new(),
            facts: Facts::default(),
            telemetry: None,
            sizes: Sizes {
                profile: Profile::Tiny,
                repeats: 3,
                copy: 4 << 20,
                memory_percent: 50,
                memory_most: 64 << 10,
                launches: 40,
                work_ms: 0,
                simulated: false,
            },
            cancelled: AtomicBool::new(false),
            until: Duration::from_secs(3600),
        };
        stage.seat(devices);
        stage
    }

    /// Puts these devices into the machine.
    pub(super) fn seat(&mut self, devices: Vec<Device>) {
        let gpu = |device: &Device| {
            let mut gpu = Gpu::new(device.id.clone(), device.ordinal, &device.name);
            gpu.pci = Reading::Known(device.pci.clone());
            gpu.limits.clocks = Reading::Known(Clocks { graphics: 1980, sm: 1980, memory: 2619 });
            gpu.processor.memory_bus = Reading::Known(5120);
            gpu.pcie.max_generation = Reading::Known(4);
            gpu.pcie.max_width = Reading::Known(16);
            gpu
        };
        let gpus: Vec<Gpu> = devices.iter().map(gpu).collect();
        self.facts.probe = Some(Probe {
            library: Loaded::at("/lib/libcuda.so.1"),
            driver_version: Version { major: 13, minor: 0 },
            devices: devices.clone(),
            silent: Vec::new(),
            no_device: None,
        });
        self.facts.gpus = Some(gpus.clone());
        let origin = Origin { simulated: false, name: "test".into(), driver: None, cuda: None };
        let clocks = Some(Clocks { graphics: 1755, sm: 1755, memory: 2619 });
        let link = Some(PcieLink { generation: 4, width: 16 });
        self.telemetry = Some(Told { origin, gpus, clocks, link, pairs: Vec::new() });
        self.devices = devices;
    }

    /// The GPU of the first device, as the management library describes it.
    pub(super) fn gpu(&mut self) -> &mut Gpu {
        &mut self.facts.gpus.as_mut().unwrap()[0]
    }

    pub(super) fn bench(&self) -> Bench<'_> {
        Bench {
            driver: &self.driver,
            device: self.devices.first(),
            level: Level::Standard,
            sizes: self.sizes,
            deadline: Deadline::new(&self.driver.clock, self.until, &self.cancelled),
            clock: &self.driver.clock,
            facts: &self.facts,
            telemetry: self.telemetry.as_ref().map(|told| told as &dyn Source),
            elsewhere: None,
        }
    }
}

/// A device; `kind` is `GPU` or `MIG`.
pub(super) fn device(ordinal: u32, kind: &str) -> Device {
    Device {
        ordinal,
        id: format!("{kind}-00000000-0000-4000-8000-00000000000{ordinal}").parse().unwrap(),
        name: "NVIDIA H100 80GB HBM3".into(),
        compute: "9.0".parse().unwrap(),
        memory: Bytes::gib(80),
        pci: format!("00000000:3{ordinal}:00.0"),
        multiprocessors: 132,
    }
}
