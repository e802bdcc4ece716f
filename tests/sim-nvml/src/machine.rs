//! The simulated machine behind the calls: read once, counted users, handles that are checked, time that passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nacp_core::sim::NodeFile;
use nacp_core::sim::node::{Children, GpuState, MigComputeFile, MigFile, MigInstanceFile, Support, TICK, Timeline};

use crate::call::{Gpu, Rule, Slot, guarded, hang};
use crate::fault::{self, Effect, Fault};
use crate::latency::Latency;
use crate::memory::{Answer, Code, expect_sentinels};
use crate::sets::{EventSets, Samples};

/// Which node answers when nobody says.
const DEFAULT_NODE: &str = "rtx3050ti-laptop-wsl2";

/// How many calls of `nvmlInit` have not been undone by `nvmlShutdown`.
static USERS: AtomicUsize = AtomicUsize::new(0);

/// What a caller holds for a GPU or a part of one (`nvmlDevice_t`, `nvmlGpuInstance_t`, `nvmlComputeInstance_t`): an
/// address that is compared, never followed.
pub(crate) type Handle = *const Opaque;

/// What stands at the address of a handle: nothing.
#[repr(C)]
pub(crate) struct Opaque {
    _nothing: [u8; 0],
}

/// Where the addresses of each kind of handle begin, and how far they are apart.
const GPUS: usize = 0x4E56_0001_0000_0000;
const GPU_INSTANCES: usize = 0x4E56_0002_0000_0000;
const COMPUTE_INSTANCES: usize = 0x4E56_0003_0000_0000;
const APART: usize = 64;
/// How many devices of one GPU have an address: itself and its parts.
const PARTS: usize = 128;
/// How many instances of one GPU or GPU instance have an address.
const INSTANCES: usize = 256;

/// The machine that the library plays.
pub(crate) struct Machine {
    pub(crate) file: NodeFile,
    pub(crate) timeline: Timeline,
    pub(crate) children: Children,
    pub(crate) event_sets: EventSets,
    pub(crate) samples: Samples,
    faults: Vec<Fault>,
    rules: Mutex<BTreeMap<&'static str, &'static Rule>>,
    latencies: bool,
    trace: Option<PathBuf>,
    ticks: Ticks,
}

/// How time passes.
enum Ticks {
    /// Nothing depends on it.
    Still,
    /// With the clock.
    Since(Instant),
    /// As a file says.
    File(PathBuf),
}

/// Where the machine's settings come from: the environment, or a test.
pub(crate) struct Settings<'a> {
    pub(crate) node: &'a str,
    pub(crate) faults: &'a str,
    pub(crate) latencies: bool,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) tick_file: Option<PathBuf>,
}

impl Machine {
    #[cfg_attr(test, expect(dead_code, reason = "the tests hand over their settings"))]
    fn from_environment() -> Result<Self, String> {
        let text = |name| std::env::var(name).unwrap_or_default();
        let path = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let (node, faults) = (text("NACP_SIM_NODE"), text("NACP_SIM_NVML_FAULTS"));
        let latencies = match text("NACP_SIM_NVML_LATENCY").as_str() {
            "" | "on" => true,
            "off" => false,
            other => return Err(format!("NACP_SIM_NVML_LATENCY={other}: neither on nor off")),
        };
        Self::load(Settings {
            node: if node.is_empty() { DEFAULT_NODE } else { &node },
            faults: &faults,
            latencies,
            trace: path("NACP_SIM_NVML_TRACE"),
            tick_file: path("NACP_SIM_TICK_FILE"),
        })
    }

    pub(crate) fn load(settings: Settings<'_>) -> Result<Self, String> {
        let Settings { node, faults, latencies, trace, tick_file } = settings;
        let file = if node.contains('/') || Path::new(node).is_file() {
            let text = std::fs::read_to_string(node).map_err(|error| format!("NACP_SIM_NODE={node}: {error}"))?;
            NodeFile::parse(&text)
        } else {
            NodeFile::shipped(node)
        };
        let read = file.and_then(|file| Ok((Timeline::new(&file)?, file)));
        let (timeline, file) = read.map_err(|error| format!("NACP_SIM_NODE={node}: {error}"))?;
        let faults = fault::parse(faults).map_err(|error| format!("NACP_SIM_NVML_FAULTS: {error}"))?;
        if faults.iter().any(|fault| fault.effect == Effect::Sentinel) {
            expect_sentinels();
        }
        let ticks = match tick_file {
            _ if timeline.is_still() && timeline.events().is_empty() => Ticks::Still,
            Some(path) => Ticks::File(path),
            None => Ticks::Since(Instant::now()),
        };
        Ok(Self {
            file,
            timeline,
            children: Children::default(),
            event_sets: EventSets::default(),
            samples: Samples::default(),
            faults,
            rules: Mutex::default(),
            latencies,
            trace,
            ticks,
        })
    }

    /// What holds for a function; worked out when it is asked for the first time.
    pub(crate) fn rule(&self, name: &'static str) -> &'static Rule {
        let mut rules = lock(&self.rules);
        rules.entry(name).or_insert_with(|| {
            let faults = self.faults.iter().filter(|fault| fault.concerns(name)).cloned().collect();
            let refusal = match self.file.support(name) {
                Support::Answers => None,
                Support::NotSupported => Some(Code::NOT_SUPPORTED),
                Support::Missing => Some(Code::FUNCTION_NOT_FOUND),
            };
            let latencies = &self.file.latency_us;
            let microseconds = latencies.get(name).or_else(|| latencies.get("*")).filter(|_| self.latencies);
            let latency = microseconds.map(|time| Latency::new(*time, self.file.latency_jitter));
            Box::leak(Box::new(Rule::new(name, self.trace.is_some(), latency, faults, refusal)))
        })
    }

    /// The ticks of the script that have passed.
    pub(crate) fn tick(&self) -> u64 {
        match &self.ticks {
            Ticks::Still => 0,
            Ticks::Since(start) => u64::try_from(start.elapsed().as_millis() / TICK.as_millis()).unwrap_or(u64::MAX),
            Ticks::File(path) => {
                std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
            }
        }
    }

    /// A GPU as it is now.
    pub(crate) fn state(&'static self, gpu: usize) -> Answer<&'static GpuState> {
        self.timeline.state(gpu, self.tick()).ok_or(Code::INVALID_ARGUMENT)
    }

    /// The handle of the GPU with this index.
    pub(crate) fn handle(&self, index: usize) -> Answer<Handle> {
        if index < self.file.gpus.len() { Ok(address(GPUS, index * PARTS)) } else { Err(Code::INVALID_ARGUMENT) }
    }

    /// The handle of a part of a GPU.
    pub(crate) fn part_handle(&self, gpu: usize, part: usize) -> Answer<Handle> {
        if part + 1 < PARTS { Ok(address(GPUS, gpu * PARTS + part + 1)) } else { Err(Code::UNKNOWN) }
    }

    /// Which GPU and which part of it a handle is; anything else than a handle of this machine is refused.
    pub(crate) fn locate(&self, handle: Handle) -> Answer<(usize, Option<usize>)> {
        let place = place(GPUS, handle)?;
        let (gpu, part) = (place / PARTS, place % PARTS);
        if gpu < self.file.gpus.len() { Ok((gpu, part.checked_sub(1))) } else { Err(Code::INVALID_ARGUMENT) }
    }

    /// A GPU or a part of it, unless it is lost.
    pub(crate) fn look(&'static self, index: usize, part: Option<usize>) -> Answer<Gpu> {
        let state = self.state(index)?;
        if state.hanging {
            hang();
        }
        if state.lost {
            return Err(Code::GPU_IS_LOST);
        }
        let file = &state.file;
        let part = match part {
            None => None,
            Some(part) => {
                let devices = file.mig.as_ref().map(MigFile::devices);
                Some(devices.and_then(|mut devices| devices.nth(part)).ok_or(Code::INVALID_ARGUMENT)?)
            }
        };
        Ok(Gpu { machine: self, index, file, part })
    }

    /// The whole GPU of a handle.
    pub(crate) fn whole(&'static self, handle: Handle) -> Answer<Gpu> {
        match self.locate(handle)? {
            (index, None) => self.look(index, None),
            _ => Err(Code::INVALID_ARGUMENT),
        }
    }

    /// The handle of a GPU instance.
    pub(crate) fn instance_handle(&self, gpu: usize, instance: &MigInstanceFile) -> Answer<Handle> {
        let id = usize::try_from(instance.id).ok().filter(|id| *id < INSTANCES).ok_or(Code::UNKNOWN)?;
        Ok(address(GPU_INSTANCES, gpu * INSTANCES + id))
    }

    /// The GPU instance of a handle, and its GPU.
    pub(crate) fn instance(&'static self, handle: Handle) -> Answer<(Gpu, &'static MigInstanceFile)> {
        let place = place(GPU_INSTANCES, handle)?;
        self.instance_at(place / INSTANCES, place % INSTANCES)
    }

    fn instance_at(&'static self, gpu: usize, id: usize) -> Answer<(Gpu, &'static MigInstanceFile)> {
        let gpu = self.look(gpu, None)?;
        let mig = gpu.file.mig.as_ref().filter(|mig| mig.enabled).ok_or(Code::INVALID_ARGUMENT)?;
        let found = mig.instances.iter().find(|instance| usize::try_from(instance.id) == Ok(id));
        found.map(|instance| (gpu, instance)).ok_or(Code::INVALID_ARGUMENT)
    }

    /// The handle of a compute instance.
    pub(crate) fn compute_handle(&self, gpu: usize, instance: u32, compute: u32) -> Answer<Handle> {
        let number = |id: u32| usize::try_from(id).ok().filter(|id| *id < INSTANCES).ok_or(Code::UNKNOWN);
        Ok(address(COMPUTE_INSTANCES, (gpu * INSTANCES + number(instance)?) * INSTANCES + number(compute)?))
    }

    /// The compute instance of a handle, its GPU instance and its GPU.
    pub(crate) fn compute(
        &'static self,
        handle: Handle,
    ) -> Answer<(Gpu, &'static MigInstanceFile, &'static MigComputeFile)> {
        let place = place(COMPUTE_INSTANCES, handle)?;
        let (gpu, instance) = self.instance_at(place / INSTANCES / INSTANCES, place / INSTANCES % INSTANCES)?;
        let id = place % INSTANCES;
        let found = instance.compute.iter().find(|compute| usize::try_from(compute.id) == Ok(id));
        found.map(|compute| (gpu, instance, compute)).ok_or(Code::INVALID_ARGUMENT)
    }

    /// Writes how often each function was called, one `name count` per line, the names in order.
    fn write_trace(&self) {
        let Some(path) = &self.trace else { return };
        let lines: String = lock(&self.rules)
            .values()
            .map(|rule| (rule.name, rule.calls.load(Ordering::Relaxed)))
            .filter(|(_, calls)| *calls > 0)
            .map(|(name, calls)| format!("{name} {calls}\n"))
            .collect();
        if let Err(error) = std::fs::write(path, lines) {
            eprintln!("simulated NVML: NACP_SIM_NVML_TRACE={}: {error}", path.display());
        }
    }
}

fn address(base: usize, place: usize) -> Handle {
    std::ptr::without_provenance(base + place * APART)
}

fn place(base: usize, handle: Handle) -> Answer<usize> {
    let offset = handle.addr().wrapping_sub(base);
    if offset.is_multiple_of(APART) && offset < 1 << 32 { Ok(offset / APART) } else { Err(Code::INVALID_ARGUMENT) }
}

/// What is behind the lock, also after a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the library, whatever the variant of `nvmlInit`.
pub(crate) fn init(slot: &Slot) -> i32 {
    guarded(|| {
        let machine = current::load().map_err(|problem| {
            eprintln!("simulated NVML: {problem}");
            Code::UNKNOWN
        })?;
        slot.rule(machine).enter(None)?;
        USERS.fetch_add(1, Ordering::SeqCst);
        Ok(())
    })
}

/// Undoes one `nvmlInit`.
pub(crate) fn shutdown(slot: &Slot) -> i32 {
    crate::call::system(slot, |machine| {
        let one_less = |users: usize| users.checked_sub(1);
        let before = USERS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        if before.map_err(|_| Code::UNINITIALIZED)? == 1 {
            machine.children.stop();
        }
        Ok(())
    })
}

/// The machine, once the library is started.
pub(crate) fn started() -> Answer<&'static Machine> {
    if USERS.load(Ordering::Acquire) == 0 {
        return Err(Code::UNINITIALIZED);
    }
    current::machine().ok_or(Code::UNINITIALIZED)
}

/// The machine of this process.
#[cfg(not(test))]
mod current {
    use std::sync::OnceLock;

    use super::Machine;
    use crate::memory::at_exit;

    static MACHINE: OnceLock<Result<Machine, String>> = OnceLock::new();

    pub(super) fn load() -> Result<&'static Machine, &'static String> {
        let first = || {
            let machine = Machine::from_environment();
            at_exit(end);
            machine
        };
        MACHINE.get_or_init(first).as_ref()
    }

    pub(super) fn machine() -> Option<&'static Machine> {
        MACHINE.get()?.as_ref().ok()
    }

    /// What is left to do when the process ends.
    extern "C" fn end() {
        if let Some(machine) = machine() {
            machine.children.stop();
            machine.write_trace();
        }
    }
}

/// The machine of the test that runs; one test at a time.
#[cfg(test)]
pub(crate) mod current {
    use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

    use super::{Machine, Ordering, Settings, USERS};

    static MACHINE: RwLock<Option<&'static Machine>> = RwLock::new(None);
    static TURN: Mutex<()> = Mutex::new(());

    pub(super) fn load() -> Result<&'static Machine, &'static String> {
        Ok(machine().expect("a test plays a machine first"))
    }

    pub(super) fn machine() -> Option<&'static Machine> {
        *MACHINE.read().unwrap()
    }

    /// Plays this machine until the guard is dropped; the library is not started.
    pub(crate) fn play(settings: Settings<'_>) -> MutexGuard<'static, ()> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let machine = Box::leak(Box::new(Machine::load(settings).unwrap()));
        *MACHINE.write().unwrap() = Some(machine);
        USERS.store(0, Ordering::SeqCst);
        turn
    }

    /// The trace of the machine, written now.
    pub(crate) fn write_trace() {
        machine().unwrap().write_trace();
    }
}
