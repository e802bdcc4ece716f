//! A driver and checks that do what a test tells them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::cuda::check::bodies::Body;
use crate::cuda::check::{Bench, Check, CheckId, Level, Outcome, Skip, Stop};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::session::Refused;
use crate::cuda::*;
use crate::gpu::GpuId;

/// What a check does.
#[derive(Clone, Debug)]
pub(super) enum Does {
    Warns,
    Fails,
    /// The driver refuses a call with this number.
    Refuses(i32),
    Skips(Skip),
    /// Takes this long on a clock that a test moves, step by step, looking at its deadline.
    Takes(Duration),
    /// Goes on without end on the real clock, step by step, looking at its deadline.
    GoesOn,
    /// Never comes back, until the test is over.
    Hangs,
    Panics,
}

/// A driver with so many devices.
#[derive(Debug)]
pub(super) struct Fake {
    loaded: Loaded,
    devices: i32,
    pub(super) init: i32,
    script: BTreeMap<(CheckId, Option<GpuId>), Does>,
    over: AtomicBool,
    log: Mutex<Vec<String>>,
}

/// The id of the device at this position.
pub(super) fn id(ordinal: i32) -> GpuId {
    format!("GPU-{ordinal:02x}000000-0000-0000-0000-000000000000").parse().unwrap()
}

impl Fake {
    pub(super) fn new(devices: i32) -> Self {
        static COUNT: AtomicI32 = AtomicI32::new(0);
        let mut loaded = Loaded::at(format!("/fake/{}/libcuda.so.1", COUNT.fetch_add(1, Ordering::Relaxed)));
        loaded.simulated = true;
        Self { loaded, devices, init: 0, script: BTreeMap::new(), over: AtomicBool::new(false), log: Mutex::default() }
    }

    /// On the machine.
    pub(super) fn on(mut self, id: CheckId, does: Does) -> Self {
        self.script.insert((id, None), does);
        self
    }

    /// On one device.
    pub(super) fn at(mut self, id: CheckId, ordinal: i32, does: Does) -> Self {
        self.script.insert((id, Some(self::id(ordinal))), does);
        self
    }

    pub(super) fn check(self, level: Level) -> (Arc<Self>, Check<'static>) {
        let fake = Arc::new(self);
        FAKES.lock().unwrap_or_else(PoisonError::into_inner).insert(fake.loaded.path.clone(), Arc::downgrade(&fake));
        let mut check = Check::new(level).driver(Arc::clone(&fake) as Arc<dyn Execute>);
        check.bodies = bodies;
        (fake, check)
    }

    /// Lets everything that hangs end.
    pub(super) fn over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// What was called, in order.
    pub(super) fn called(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn note(&self, call: String) {
        self.log.lock().unwrap().push(call);
    }
}

/// A check is a function without a state: it finds its driver's script by the path of the driver.
static FAKES: Mutex<BTreeMap<PathBuf, Weak<Fake>>> = Mutex::new(BTreeMap::new());

fn bodies(id: CheckId) -> Body {
    macro_rules! numbered {
        ($($number:literal)+) => {
            match CheckId::ALL.iter().position(|other| *other == id) {
                $(Some($number) => act::<$number>,)+
                _ => panic!("{id} has no number here"),
            }
        };
    }
    numbered!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28)
}

fn act<const NUMBER: usize>(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let id = CheckId::ALL[NUMBER];
    let device = bench.device.map(|device| device.id.clone());
    let fakes = FAKES.lock().unwrap_or_else(PoisonError::into_inner);
    let fake = fakes[&bench.driver.loaded().path].upgrade().unwrap();
    drop(fakes);
    fake.note(match &device {
        Some(device) => format!("{id}@{}", &device.as_str()[4..6]),
        None => id.to_string(),
    });
    let mut outcome = Outcome::pass();
    outcome.read("device", device.as_ref().map_or("", GpuId::as_str), "fake");
    match fake.script.get(&(id, device)) {
        None => {}
        Some(Does::Warns) => outcome.warn("it warns"),
        Some(Does::Fails) => outcome.fail("it fails"),
        Some(Does::Refuses(code)) => {
            let fault = Fault::from_code(*code);
            return Err(
                Stop::from(Refused { call: "cuFake", fault, log: String::new(), can_be_held: None }).with(outcome)
            );
        }
        Some(Does::Skips(why)) => return Err(Stop::skip(*why, "it skips")),
        Some(Does::Takes(time)) => {
            let until = bench.clock.monotonic() + *time;
            while bench.clock.monotonic() < until {
                bench.go_on()?;
                drop(bench.clock.sleep(Duration::from_millis(10)));
            }
        }
        Some(Does::GoesOn) => loop {
            bench.go_on()?;
            thread::sleep(Duration::from_millis(2));
        },
        Some(Does::Hangs) => {
            while !fake.over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(2));
            }
        }
        Some(Does::Panics) => panic!("a test's check panics"),
    }
    Ok(outcome)
}

impl Driver for Fake {
    fn loaded(&self) -> &Loaded {
        &self.loaded
    }
    fn missing(&self) -> &[&'static str] {
        &[]
    }
    fn init(&self) -> i32 {
        self.init
    }
    fn version(&self) -> Result<i32, i32> {
        Ok(13_000)
    }
    fn device_count(&self) -> Result<i32, i32> {
        Ok(self.devices)
    }
    fn device(&self, ordinal: i32) -> Result<i32, i32> {
        Ok(ordinal)
    }
    fn name(&self, _: i32) -> Result<String, i32> {
        Ok("Fake GPU".into())
    }
    fn uuid(&self, device: i32) -> Result<[u8; 16], i32> {
        let mut uuid = [0; 16];
        uuid[0] = u8::try_from(device).unwrap();
        Ok(uuid)
    }
    fn total_memory(&self, _: i32) -> Result<u64, i32> {
        Ok(8 << 30)
    }
    fn attribute(&self, _: Attribute, _: i32) -> Result<i32, i32> {
        Ok(8)
    }
    fn pci(&self, device: i32) -> Result<String, i32> {
        Ok(format!("0000:0{device}:00.0"))
    }
    fn error_name(&self, _: i32) -> Option<String> {
        None
    }
}

/// Calls that no check of a test makes.
macro_rules! unused {
    ($($name:ident($($argument:ty),*) -> $result:ty;)+) => {
        $(fn $name(&self, $(_: $argument),*) -> Result<$result, i32> { Err(500) })+
    };
}

impl Execute for Fake {
    fn driver(&self) -> &dyn Driver {
        self
    }
    fn lacks(&self) -> &[&'static str] {
        &[]
    }
    fn error_text(&self, _: i32) -> Option<String> {
        None
    }
    fn retain(&self, device: i32) -> Result<ContextHandle, i32> {
        self.note(format!("retain {device}"));
        Ok(ContextHandle::from_raw(1))
    }
    fn release(&self, device: i32) -> Result<(), i32> {
        self.note(format!("release {device}"));
        Ok(())
    }
    fn load(&self, _: Image, _: bool) -> Result<ModuleHandle, (i32, String)> {
        Err((500, String::new()))
    }
    unused! {
        can_access_peer(i32, i32) -> bool;
        primary_active(i32) -> bool;
        create_context(i32) -> ContextHandle;
        destroy_context(ContextHandle) -> ();
        set_current(Option<ContextHandle>) -> ();
        push_current(ContextHandle) -> ();
        pop_current() -> ();
        synchronize() -> ();
        memory_info() -> (u64, u64);
        enable_peer(ContextHandle) -> ();
        allocate(u64) -> Memory;
        free(Memory) -> ();
        allocate_pinned(u64) -> Pinned;
        free_pinned(Pinned) -> ();
        write_pinned(Pinned, u64, &[u8]) -> ();
        read_pinned(Pinned, u64, &mut [u8]) -> ();
        upload(Memory, u64, &[u8], StreamHandle) -> ();
        download(&mut [u8], Memory, u64, StreamHandle) -> ();
        upload_pinned(Memory, Pinned, u64, StreamHandle) -> ();
        download_pinned(Pinned, Memory, u64, StreamHandle) -> ();
        copy(Memory, Memory, u64, StreamHandle) -> ();
        copy_peer((Memory, ContextHandle), (Memory, ContextHandle), u64, StreamHandle) -> ();
        fill(Memory, u32, u64, StreamHandle) -> ();
        unload(ModuleHandle) -> ();
        function(ModuleHandle, Kernel) -> FunctionHandle;
        launch(FunctionHandle, &Launch, StreamHandle) -> ();
        create_stream(i32) -> StreamHandle;
        destroy_stream(StreamHandle) -> ();
        synchronize_stream(StreamHandle) -> ();
        stream_done(StreamHandle) -> bool;
        priorities() -> (i32, i32);
        priority(StreamHandle) -> i32;
        create_event() -> EventHandle;
        destroy_event(EventHandle) -> ();
        record(EventHandle, StreamHandle) -> ();
        synchronize_event(EventHandle) -> ();
        elapsed(EventHandle, EventHandle) -> f32;
        begin_capture(StreamHandle) -> ();
        end_capture(StreamHandle) -> GraphHandle;
        launch_graph(GraphHandle, StreamHandle) -> ();
        destroy_graph(GraphHandle) -> ();
    }
}
