//! A simulated machine as a source of GPUs.
//!
//! It tells what NACP's source for the driver's management library tells of the simulated library of the tests: the
//! same calls, answered from the same file. A test holds the two together.

mod ask;
mod events;
mod inventory;
mod processes;
mod sample;
mod support;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::events::Listener;
use self::sample::Reader;
use super::file::NodeFile;
use super::process::Children;
use super::script::{GpuState, TICK, Timeline};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::inventory::silent::silent;
use crate::gpu::{Events, Fields, Gpu, Origin, Pair, Sample, Source, Support, Unknown};

/// A simulated machine as a source of GPUs. Everything that it says is labelled simulated, and nothing changes by
/// itself: every sample is that of the file, until a step of the file's script changes it.
///
/// A GPU that the script lets hang is told as one that does not answer in time (NVML's code 10), so that its caller
/// does not hang too.
#[derive(Clone, Debug)]
pub struct Node {
    file: NodeFile,
    origin: Origin,
    /// The script, or what is wrong with it.
    timeline: Arc<std::result::Result<Timeline, String>>,
    clock: Arc<dyn Clock>,
    /// What the clock showed at tick 0.
    start: Duration,
    children: Arc<Children>,
    memory: Arc<Mutex<Memory>>,
}

/// What one reading leaves for the next.
#[derive(Debug, Default)]
struct Memory {
    /// The GPUs that have answered so far, in the order in which they did: one that was lost from the start is nobody.
    seats: Vec<usize>,
    /// The GPUs whose performance metrics were sampled before.
    sampled: Vec<usize>,
}

impl Node {
    /// The names of the nodes that come with NACP.
    pub fn names() -> Vec<&'static str> {
        NodeFile::names()
    }

    /// A node that comes with NACP.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with the names that there are.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nacp_core::{gpu, sim};
    ///
    /// let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
    /// assert_eq!(node.gpus().len(), 8);
    /// assert!(node.origin().simulated);
    /// # Ok::<(), nacp_core::Error>(())
    /// ```
    pub fn named(name: &str) -> Result<Self> {
        NodeFile::shipped(name).map(Self::from)
    }

    /// The same machine with its script at tick 0 now, on this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.start = clock.monotonic();
        self.clock = clock;
        self
    }

    /// The file that it answers from.
    pub fn file(&self) -> &NodeFile {
        &self.file
    }

    /// How many ticks of the script have passed.
    pub fn tick(&self) -> u64 {
        let passed = self.clock.monotonic().saturating_sub(self.start);
        u64::try_from(passed.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
    }
}

impl From<NodeFile> for Node {
    fn from(file: NodeFile) -> Self {
        let origin = Origin {
            simulated: true,
            name: file.name.clone(),
            driver: Some(file.driver.clone()),
            cuda: Some(file.cuda.clone()),
        };
        let timeline = Arc::new(Timeline::new(&file).map_err(|error| error.to_string()));
        let clock = Arc::new(SystemClock::new());
        let start = clock.monotonic();
        Self { file, origin, timeline, start, clock, children: Arc::default(), memory: Arc::default() }
    }
}

impl Source for Node {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        let present = self.present()?;
        // Modes and partitions may have been set up anew.
        self.memory().sampled.clear();
        let gpus = present.into_iter().map(|(index, state)| {
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            match silence(state) {
                Some(reason) => silent(number, state.file.uuid.clone(), reason),
                None => self.reader(index, state).describe(),
            }
        });
        Ok(gpus.collect())
    }

    fn pairs(&self) -> Result<Vec<Pair>> {
        let present = self.present()?;
        let both = present.iter().enumerate().flat_map(|(at, a)| present[at + 1..].iter().map(move |b| (a, b)));
        let pairs = both.map(|((a, one), (b, other))| {
            let (id, peer) = (one.file.uuid.clone(), other.file.uuid.clone());
            match silence(one).or(silence(other)) {
                Some(reason) => Pair::unknown(id, peer, reason),
                None => self.reader(*a, one).pair(self.reader(*b, other)),
            }
        });
        Ok(pairs.collect())
    }

    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        let present = self.present()?;
        for (at, (index, state)) in present.iter().enumerate() {
            let id = &state.file.uuid;
            if samples.get(at).is_none_or(|sample| sample.id != *id) {
                match samples.iter().skip(at).position(|sample| sample.id == *id) {
                    Some(behind) => samples.swap(at, at + behind),
                    None => samples.insert(at, Sample::unknown(id.clone(), Unknown::NotRead)),
                }
            }
            match silence(state) {
                Some(reason) => {
                    self.memory().sampled.retain(|sampled| sampled != index);
                    samples[at].forget(Fields::ALL, reason);
                }
                None => self.reader(*index, state).read(fields, &mut samples[at]),
            }
        }
        samples.truncate(present.len());
        Ok(())
    }

    fn events(&self) -> Result<Box<dyn Events>> {
        let present = self.present()?;
        let refusal = |reason: Unknown| {
            Error::new(ErrorKind::Unsupported, "gpu.events", "this machine tells no events of its GPUs")
                .with("source", &self.origin.name)
                .with("reason", reason)
        };
        for function in ["nvmlEventSetCreate", "nvmlDeviceGetSupportedEventTypes", "nvmlDeviceRegisterEvents"] {
            self.file.ask(function, Some(())).map_err(refusal)?;
        }
        if present.iter().all(|(_, state)| silence(state).is_some() || state.file.events.is_empty()) {
            return Err(refusal(Unknown::NotSupported));
        }
        Ok(Box::new(Listener::new(self, self.timeline()?.events())))
    }

    /// The same functions, refused for the same reasons, as NACP's source for the driver's management library tells of a
    /// machine of this file. The values are those of the file in NACP's types, not the structures of nvml.h; questions
    /// that the file answers together stand there as one call, and the search for GPUs by index is left out.
    fn support(&self) -> Result<Support> {
        self.probe()
    }
}

/// Why a GPU does not answer, if it does not.
fn silence(state: &GpuState) -> Option<Unknown> {
    const TIMEOUT: Unknown = Unknown::Code(10);
    if state.lost { Some(Unknown::GpuLost) } else { state.hanging.then_some(TIMEOUT) }
}

impl Node {
    fn timeline(&self) -> Result<&Timeline> {
        self.timeline.as_ref().as_ref().map_err(|problem| {
            Error::new(ErrorKind::InvalidArgument, "sim.node", "the node's script makes no sense")
                .with("reason", problem)
        })
    }

    /// How long it is until a tick of the script.
    fn until(&self, tick: u64) -> Duration {
        let due = TICK.saturating_mul(u32::try_from(tick).unwrap_or(u32::MAX));
        due.saturating_sub(self.clock.monotonic().saturating_sub(self.start))
    }

    fn reader<'a>(&'a self, index: usize, state: &'a GpuState) -> Reader<'a> {
        Reader { node: self, index, gpu: &state.file, notes: None }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is there, of those who were there before and those who answer now, with their indices and as they are now.
    fn present(&self) -> Result<Vec<(usize, &GpuState)>> {
        let (timeline, tick) = (self.timeline()?, self.tick());
        let seats = &mut self.memory().seats;
        for index in 0..self.file.gpus.len() {
            if !seats.contains(&index) && timeline.state(index, tick).is_some_and(|state| silence(state).is_none()) {
                seats.push(index);
            }
        }
        Ok(seats.iter().filter_map(|index| Some((*index, timeline.state(*index, tick)?))).collect())
    }

    /// Whether the performance metrics of a GPU were sampled before; from now on they were.
    fn has_sampled(&self, gpu: usize) -> bool {
        let sampled = &mut self.memory().sampled;
        let before = sampled.contains(&gpu);
        if !before {
            sampled.push(gpu);
        }
        before
    }

    /// Whether a GPU does not answer now.
    fn is_silent(&self, gpu: usize) -> bool {
        let state = self.timeline().ok().and_then(|timeline| timeline.state(gpu, self.tick()));
        state.is_none_or(|state| silence(state).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::gpu::{EventKind, Reading, Via};

    /// `h100x8` with this script, on a clock that is moved by hand.
    fn scripted(script: serde_json::Value) -> (Node, Arc<ManualClock>) {
        let mut file = NodeFile::shipped("h100x8").unwrap();
        file.script = serde_json::from_value(script).unwrap();
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(77));
        (Node::from(file).with_clock(clock.clone()), clock)
    }

    #[test]
    fn every_shipped_node_is_whole() {
        for name in Node::names() {
            let node = Node::named(name).unwrap().with_clock(Arc::new(ManualClock::default()));
            assert_eq!(node.file().name, name);
            let mut samples = Vec::new();
            node.sample(Fields::ALL, &mut samples).unwrap();
            assert_eq!(samples.len(), node.inventory().unwrap().len());
            for memory in samples.iter().filter_map(|sample| sample.memory.known()) {
                assert_eq!(memory.used + memory.free + memory.reserved, memory.total, "{name}");
            }
        }
    }

    #[test]
    fn what_wsl2_does_not_tell_is_unknown_not_zero() {
        let node = Node::named("rtx3050ti-laptop-wsl2").unwrap();
        let mut samples = Vec::new();
        node.sample(Fields::ALL, &mut samples).unwrap();
        assert_eq!(samples[0].power_limit, Reading::Unknown(Unknown::NotSupported));
        let process = &samples[0].processes.known().unwrap()[0];
        assert_eq!(process.memory, Reading::Unknown(Unknown::NotAvailable));
        assert_eq!(node.events().err().map(|error| error.kind()), Some(ErrorKind::Unsupported));
    }

    #[test]
    fn a_script_runs_by_the_clock_that_is_given() {
        let (node, clock) = scripted(serde_json::json!([
            { "tick": 3, "gpu": 0, "set": { "temperature": 95 } },
            { "tick": 10, "gpu": 1, "lost": true },
            { "tick": 20, "gpu": 1, "lost": false },
            { "tick": 20, "gpu": 2, "hang": true },
        ]));
        let mut samples = Vec::new();
        let mut readings = |by| {
            clock.advance(Duration::from_millis(by));
            node.sample(Fields::ALL, &mut samples).unwrap();
            [0, 1, 2].map(|gpu: usize| samples[gpu].temperature.clone())
        };
        let known = Reading::Known;
        assert_eq!(readings(299), [known(31), known(44), known(30)]);
        assert_eq!(readings(1), [known(95), known(44), known(30)]);
        assert_eq!(readings(700), [known(95), Reading::Unknown(Unknown::GpuLost), known(30)]);
        assert_eq!(readings(1000), [known(95), known(44), Reading::Unknown(Unknown::Code(10))]);
    }

    #[test]
    fn a_gpu_that_is_lost_from_the_start_is_nobody() {
        let node = Node::named("broken").unwrap().with_clock(Arc::new(ManualClock::default()));
        let indices: Vec<_> = node.inventory().unwrap().iter().map(|gpu| gpu.index).collect();
        assert_eq!(indices, [0, 1, 2, 3, 4, 6, 7]);
    }

    #[test]
    fn the_support_matrix_names_who_is_silent_and_changes_no_reading() {
        let (node, clock) = scripted(serde_json::json!([
            { "tick": 1, "gpu": 1, "lost": true },
            { "tick": 1, "gpu": 2, "hang": true },
        ]));
        node.inventory().unwrap();
        clock.advance(TICK);
        let support = node.support().unwrap();
        let id = |gpu: usize| node.file().gpus[gpu].uuid.clone();
        for (gpu, reason) in [(1, Unknown::GpuLost), (2, Unknown::Code(10))] {
            let calls: Vec<_> = support.calls.iter().filter(|call| call.gpu == Some(id(gpu))).collect();
            let [call] = calls[..] else { panic!("one call: {calls:?}") };
            assert_eq!(call.answer, Reading::Unknown(reason), "{call:?}");
        }
        let told = |gpu, function: &str| support.of(&id(gpu), function).map(|call| call.answer.clone());
        assert_eq!(told(0, "nvmlDeviceGetTemperatureV"), Some(Reading::Known("31".to_owned())));
        assert_eq!(told(0, "nvmlDeviceGetName"), Some(Reading::Known(node.file().gpus[0].name.clone())));
        assert_eq!(told(0, "nvmlDeviceGetFanSpeed"), None, "without fans, nobody asks for their speed");
        let fields = support.calls.iter().filter(|call| call.gpu == Some(id(0)) && call.argument == "field 82");
        assert_eq!(fields.count(), 1, "a question is written down once");
        let mut samples = Vec::new();
        node.sample(Fields::PROFILE, &mut samples).unwrap();
        assert_eq!(samples[0].profile, Reading::Unknown(Unknown::NotAvailable), "it is the first reading still");
    }

    #[test]
    fn fields_that_are_not_asked_keep_what_was_read() {
        let (node, clock) = scripted(serde_json::json!([{ "tick": 1, "set": { "temperature": 60, "power": 1 } }]));
        let mut samples = Vec::new();
        node.sample(Fields::TEMPERATURE | Fields::POWER, &mut samples).unwrap();
        assert_eq!(samples[0].memory, Reading::Unknown(Unknown::NotRead));
        clock.advance(TICK);
        node.sample(Fields::TEMPERATURE, &mut samples).unwrap();
        assert_eq!((&samples[0].temperature, &samples[0].power), (&Reading::Known(60), &Reading::Known(69_500)));
    }

    #[test]
    fn events_come_at_their_tick_and_once() {
        let (node, clock) = scripted(serde_json::json!([
            { "tick": 0, "gpu": 3, "xid": 13 },
            { "tick": 4, "gpu": 1, "xid": 48 },
            { "tick": 6, "gpu": 2, "event": { "kind": 2097152, "data": 7, "gpu_instance": 5 } },
        ]));
        clock.advance(TICK);
        let mut listener = node.events().unwrap();
        let mut told = |by| {
            clock.advance(by);
            let mut events = Vec::new();
            listener.wait(Duration::ZERO, clock.as_ref(), &mut events).unwrap();
            events
        };
        assert_eq!(told(Duration::ZERO), [], "what happened before is not told");
        let [event] = &told(3 * TICK)[..] else { panic!("one event") };
        assert_eq!(event.gpu.as_ref(), Some(&node.file().gpus[1].uuid));
        assert_eq!((&event.kind, event.via), (&EventKind::Xid { code: 48, detail: String::new() }, Via::Simulated));
        let [event] = &told(100 * TICK)[..] else { panic!("one event") };
        assert_eq!(event.kind, EventKind::Unknown { bits: 0x20_0000, data: 7 });
        assert_eq!(event.partition.unwrap().gpu_instance, 5);
        assert_eq!(told(100 * TICK), []);
    }
    /// The system's clock, and how often it was read.
    #[derive(Debug, Default)]
    struct Counted(SystemClock, std::sync::atomic::AtomicU32);

    impl Clock for Counted {
        fn wall(&self) -> jiff::Timestamp {
            self.0.wall()
        }

        fn monotonic(&self) -> Duration {
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.0.monotonic()
        }

        fn sleep(&self, time: Duration) -> futures_util::future::BoxFuture<'_, ()> {
            self.0.sleep(time)
        }
    }

    #[test]
    fn who_waits_for_events_sleeps_until_there_is_one() {
        let mut file = NodeFile::shipped("h100x8").unwrap();
        file.script = serde_json::from_value(serde_json::json!([{ "tick": 3, "gpu": 0, "xid": 13 }])).unwrap();
        let mut listener = Node::from(file).events().unwrap();
        let (clock, mut events) = (Counted::default(), Vec::new());
        listener.wait(Duration::from_secs(20), &clock, &mut events).unwrap();
        assert_eq!(events.len(), 1);
        listener.wait(Duration::from_millis(300), &clock, &mut events).unwrap();
        assert_eq!(events.len(), 1);
        let looks = clock.1.into_inner();
        assert!(looks < 40, "600 ms in naps of 5 would be 240 looks: {looks}");
    }
}
