//! A driver for tests of the checks that ask and take little: each answer is set by the test, and what is taken is
//! counted. It runs no program.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::{Clock as _, ManualClock};
use crate::cuda::check::{Bench, Deadline, Facts, Level, Sizes, Status, Stop};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::{
    Attribute, ContextHandle, Device, Driver, EventHandle, Execute, FunctionHandle, GraphHandle, Loaded, Memory,
    ModuleHandle, Pinned, StreamHandle, probe_with,
};
use crate::gpu::{Gpu, Reading, Source};

const NOT_THERE: i32 = 500;

/// What the driver answers.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) library: &'static str,
    pub(super) simulated: bool,
    pub(super) version: i32,
    /// Name, compute capability and the repeated byte of the UUID of each device.
    pub(super) devices: Vec<(&'static str, (i32, i32), u8)>,
    pub(super) attributes: BTreeMap<i32, i32>,
    pub(super) memory: u64,
    /// The number that a call answers in place of what it would.
    pub(super) refuses: BTreeMap<&'static str, i32>,
    /// What the compiler writes when it refuses.
    pub(super) log: &'static str,
    /// How long a call takes.
    pub(super) takes: BTreeMap<&'static str, Duration>,
    /// Bytes that are lost whenever memory is given back, in the first rounds of so many pieces.
    pub(super) loses: (u64, u32),
    /// Whether the shared context is there from the beginning, and whether it stays when it is given back.
    pub(super) context: (bool, bool),
    /// The functions that the library does not have: of those that the probe needs, and of the others.
    pub(super) missing: Vec<&'static str>,
    pub(super) lacks: Vec<&'static str>,
    pub(super) facts: Facts,
    pub(super) level: Level,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            library: "/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05",
            simulated: false,
            version: 13_000,
            devices: vec![("NVIDIA H100 80GB HBM3", (9, 0), 0xab)],
            attributes: BTreeMap::from([(16, 132), (17, 0), (18, 0), (20, 0), (32, 1), (35, 0), (133, 0)]),
            memory: 80 << 30,
            refuses: BTreeMap::new(),
            log: "",
            takes: BTreeMap::new(),
            loses: (0, 0),
            context: (false, false),
            missing: Vec::new(),
            lacks: Vec::new(),
            facts: Facts::default(),
            level: Level::Quick,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    free: u64,
    freed: u32,
    retained: u32,
    taken: BTreeMap<u64, u64>,
    pinned: BTreeMap<u64, Vec<u8>>,
    modules: u32,
    next: u64,
    calls: Vec<&'static str>,
}

#[derive(Debug)]
pub(super) struct Scripted {
    pub(super) script: Script,
    pub(super) clock: ManualClock,
    pub(super) source: Option<Arc<dyn Source>>,
    loaded: Loaded,
    state: Mutex<State>,
}

impl Scripted {
    pub(super) fn new(script: Script) -> Self {
        let mut loaded = Loaded::at(script.library);
        loaded.simulated = script.simulated;
        let state = Mutex::new(State { free: script.memory, ..State::default() });
        Self { script, clock: ManualClock::default(), source: None, loaded, state }
    }

    /// The GPUs as the management library would tell of the same devices.
    pub(super) fn gpus(&self) -> Vec<Gpu> {
        let probe = probe_with(self).unwrap();
        let gpu = |device: &Device| {
            let mut gpu = Gpu::new(device.id.clone(), device.ordinal, device.name.clone());
            gpu.compute = Reading::Known(device.compute);
            gpu.memory = Reading::Known(device.memory);
            gpu
        };
        probe.devices.iter().map(gpu).collect()
    }

    /// Runs a check on the first device, and sees that all that was taken was given back.
    pub(super) fn check(&self, body: super::Body) -> Result<super::Outcome, Stop> {
        let probe = probe_with(self).ok();
        let flag = AtomicBool::new(false);
        let bench = Bench {
            driver: self,
            device: probe.as_ref().and_then(|probe| probe.devices.first()),
            level: self.script.level,
            sizes: Sizes::of(self.script.level, self.script.simulated),
            deadline: Deadline::new(&self.clock, self.clock.monotonic() + Duration::from_secs(60), &flag),
            clock: &self.clock,
            facts: &self.script.facts,
            telemetry: self.source.as_deref(),
            elsewhere: None,
        };
        let answer = body(&bench);
        let state = self.state.lock().unwrap();
        assert_eq!((state.retained, state.modules, state.taken.len(), state.pinned.len()), (0, 0, 0, 0));
        answer
    }

    /// How a check ended, in words: `pass`, or the word and its reason.
    pub(super) fn ends(&self, body: super::Body) -> String {
        let (Ok(status) | Err(status)) = self.check(body).map(|it| it.status).map_err(|it| it.status);
        match status {
            Status::Pass => "pass".into(),
            Status::Warn { reason } => format!("warn: {reason}"),
            Status::Fail { reason } => format!("fail: {reason}"),
            Status::Skipped { why, reason } => format!("skipped, {why:?}: {reason}"),
            Status::Error { call, fault, reason } => format!("error: {call}: {fault}; {reason}"),
        }
    }

    /// What a check read about something.
    pub(super) fn reads(&self, body: super::Body, what: &str) -> Option<String> {
        let (Ok(outcome) | Err(outcome)) =
            self.check(body).map_err(|stop| *stop.so_far.unwrap_or_else(|| super::Outcome::pass().into()));
        outcome.evidence.into_iter().find(|it| it.what == what).map(|it| it.value)
    }

    pub(super) fn called(&self, call: &str) -> usize {
        self.state.lock().unwrap().calls.iter().filter(|it| **it == call).count()
    }

    fn call<T>(&self, call: &'static str, answer: impl FnOnce(&mut State) -> T) -> Result<T, i32> {
        self.clock.advance(self.script.takes.get(call).copied().unwrap_or_default());
        let mut state = self.state.lock().unwrap();
        state.calls.push(call);
        match self.script.refuses.get(call) {
            Some(code) => Err(*code),
            None => Ok(answer(&mut state)),
        }
    }

    fn device_at(&self, device: i32) -> Result<(&'static str, (i32, i32), u8), i32> {
        usize::try_from(device).ok().and_then(|at| self.script.devices.get(at)).copied().ok_or(101)
    }
}

impl Driver for Scripted {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }
    fn missing(&self) -> &[&'static str] {
        &self.script.missing
    }
    fn init(&self) -> i32 {
        self.call("init", |_| ()).err().unwrap_or_default()
    }
    fn version(&self) -> Result<i32, i32> {
        self.call("version", |_| self.script.version)
    }
    fn device_count(&self) -> Result<i32, i32> {
        self.call("count", |_| i32::try_from(self.script.devices.len()).unwrap())
    }
    fn device(&self, ordinal: i32) -> Result<i32, i32> {
        self.call("device", |_| ordinal)
    }
    fn name(&self, device: i32) -> Result<String, i32> {
        let (name, ..) = self.device_at(device)?;
        self.call("name", |_| name.to_owned())
    }
    fn uuid(&self, device: i32) -> Result<[u8; 16], i32> {
        let (_, _, byte) = self.device_at(device)?;
        self.call("uuid", |_| [byte; 16])
    }
    fn total_memory(&self, _: i32) -> Result<u64, i32> {
        self.call("total_memory", |_| self.script.memory)
    }
    fn attribute(&self, attribute: Attribute, device: i32) -> Result<i32, i32> {
        let (_, (major, minor), _) = self.device_at(device)?;
        match attribute {
            Attribute::ComputeMajor => Ok(major),
            Attribute::ComputeMinor => Ok(minor),
            other => self.script.attributes.get(&(other as i32)).copied().ok_or(1),
        }
    }
    fn pci(&self, device: i32) -> Result<String, i32> {
        self.call("pci", |_| format!("0000:{device:02x}:00.0"))
    }
    fn error_name(&self, code: i32) -> Option<String> {
        Some(format!("CUDA_ERROR_{code}"))
    }
}

#[rustfmt::skip]
impl Execute for Scripted {
    fn driver(&self) -> &dyn Driver { self }
    fn lacks(&self) -> &[&'static str] { &self.script.lacks }
    fn error_text(&self, _: i32) -> Option<String> { None }
    fn can_access_peer(&self, _: i32, _: i32) -> Result<bool, i32> { Err(NOT_THERE) }
    fn retain(&self, device: i32) -> Result<ContextHandle, i32> {
        self.call("retain", |state| {
            state.retained += 1;
            ContextHandle::from_raw(1 + u64::from(device.unsigned_abs()))
        })
    }
    fn release(&self, _: i32) -> Result<(), i32> { self.call("release", |state| state.retained -= 1) }
    fn primary_active(&self, _: i32) -> Result<bool, i32> {
        let (there, stays) = self.script.context;
        self.call("primary_active", |state| {
            there || state.retained > 0 || stays && state.calls.contains(&"retain")
        })
    }
    fn create_context(&self, _: i32) -> Result<ContextHandle, i32> { Err(NOT_THERE) }
    fn destroy_context(&self, _: ContextHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn set_current(&self, _: Option<ContextHandle>) -> Result<(), i32> { Ok(()) }
    fn push_current(&self, _: ContextHandle) -> Result<(), i32> { Ok(()) }
    fn pop_current(&self) -> Result<(), i32> { Ok(()) }
    fn synchronize(&self) -> Result<(), i32> { Ok(()) }
    fn memory_info(&self) -> Result<(u64, u64), i32> {
        self.call("memory_info", |state| (state.free, self.script.memory))
    }
    fn enable_peer(&self, _: ContextHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn allocate(&self, bytes: u64) -> Result<Memory, i32> {
        self.call("allocate", |state| {
            state.next += 1 << 32;
            state.free -= bytes;
            state.taken.insert(state.next, bytes);
            Memory { address: state.next, bytes }
        })
    }
    fn free(&self, memory: Memory) -> Result<(), i32> {
        let (lost, pieces) = self.script.loses;
        self.call("free", |state| {
            state.freed += 1;
            let lost = if state.freed <= pieces { lost } else { 0 };
            state.free += state.taken.remove(&memory.address).unwrap() - lost;
        })
    }
    fn allocate_pinned(&self, bytes: u64) -> Result<Pinned, i32> {
        self.call("allocate_pinned", |state| {
            state.next += 1 << 32;
            state.pinned.insert(state.next, vec![0; usize::try_from(bytes).unwrap()]);
            Pinned { address: state.next, bytes }
        })
    }
    fn free_pinned(&self, pinned: Pinned) -> Result<(), i32> {
        self.call("free_pinned", |state| drop(state.pinned.remove(&pinned.address).unwrap()))
    }
    fn write_pinned(&self, pinned: Pinned, offset: u64, data: &[u8]) -> Result<(), i32> {
        // A write that is "refused" is one that is lost without a word.
        let lost = self.script.refuses.contains_key("write_pinned");
        let at = usize::try_from(offset).unwrap();
        self.state.lock().unwrap().pinned.get_mut(&pinned.address).unwrap()[at..at + data.len()]
            .iter_mut().zip(data).for_each(|(to, from)| if !lost { *to = *from });
        Ok(())
    }
    fn read_pinned(&self, pinned: Pinned, offset: u64, data: &mut [u8]) -> Result<(), i32> {
        let at = usize::try_from(offset).unwrap();
        data.copy_from_slice(&self.state.lock().unwrap().pinned[&pinned.address][at..at + data.len()]);
        Ok(())
    }
    fn upload(&self, _: Memory, _: u64, _: &[u8], _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn download(&self, _: &mut [u8], _: Memory, _: u64, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn upload_pinned(&self, _: Memory, _: Pinned, _: u64, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn download_pinned(&self, _: Pinned, _: Memory, _: u64, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn copy(&self, _: Memory, _: Memory, _: u64, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn copy_peer(
        &self, _: (Memory, ContextHandle), _: (Memory, ContextHandle), _: u64, _: StreamHandle,
    ) -> Result<(), i32> { Err(NOT_THERE) }
    fn fill(&self, _: Memory, _: u32, _: u64, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn load(&self, image: Image, cold: bool) -> Result<ModuleHandle, (i32, String)> {
        let call = match (image, cold) {
            (Image::Base, true) => "load_base_cold",
            (Image::Base, false) => "load_base",
            (Image::Tensor, true) => "load_tensor_cold",
            (Image::Tensor, false) => "load_tensor",
        };
        let loaded = self.call(call, |state| {
            state.modules += 1;
            ModuleHandle::from_raw(1)
        });
        loaded.map_err(|code| (code, self.script.log.to_owned()))
    }
    fn unload(&self, _: ModuleHandle) -> Result<(), i32> { self.call("unload", |state| state.modules -= 1) }
    fn function(&self, _: ModuleHandle, _: Kernel) -> Result<FunctionHandle, i32> {
        self.call("function", |_| FunctionHandle::from_raw(1))
    }
    fn launch(&self, _: FunctionHandle, _: &Launch, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn create_stream(&self, _: i32) -> Result<StreamHandle, i32> { Err(NOT_THERE) }
    fn destroy_stream(&self, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn synchronize_stream(&self, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn stream_done(&self, _: StreamHandle) -> Result<bool, i32> { Err(NOT_THERE) }
    fn priorities(&self) -> Result<(i32, i32), i32> { Err(NOT_THERE) }
    fn priority(&self, _: StreamHandle) -> Result<i32, i32> { Err(NOT_THERE) }
    fn create_event(&self) -> Result<EventHandle, i32> { Err(NOT_THERE) }
    fn destroy_event(&self, _: EventHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn record(&self, _: EventHandle, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn synchronize_event(&self, _: EventHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn elapsed(&self, _: EventHandle, _: EventHandle) -> Result<f32, i32> { Err(NOT_THERE) }
    fn begin_capture(&self, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn end_capture(&self, _: StreamHandle) -> Result<GraphHandle, i32> { Err(NOT_THERE) }
    fn launch_graph(&self, _: GraphHandle, _: StreamHandle) -> Result<(), i32> { Err(NOT_THERE) }
    fn destroy_graph(&self, _: GraphHandle) -> Result<(), i32> { Err(NOT_THERE) }
}
