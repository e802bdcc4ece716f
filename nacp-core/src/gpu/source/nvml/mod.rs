//! GPUs through the NVIDIA Management Library, opened at run time.

mod library;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nvml_wrapper::Device;
use nvml_wrapper::bitmasks::InitFlags;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use super::image::is_cut_short;
use super::{Origin, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{
    Clocks, ComputeCapability, Fields, Gpu, GpuId, MemoryUse, Process, ProcessKind, Reading, Sample, Unknown,
    Utilization,
};
use crate::units::Bytes;

/// What the version of a simulated management library ends with; the one of the tests is of this kind.
const SIMULATED: &str = "+simulated";
/// The name of a GPU that does not tell its own.
const NAMELESS: &str = "unknown GPU";
/// Where the library may be: the loader's path first, then WSL2's own folder, which not every distribution lists.
const CANDIDATES: [&str; 2] = ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"];

/// The GPUs that the NVIDIA driver of this machine knows.
pub struct Nvml {
    library: nvml_wrapper::Nvml,
    origin: Origin,
    /// The GPUs that have answered so far, with the index at which each did: who it is that no longer does.
    seen: Mutex<Vec<(u32, GpuId)>>,
}

impl Nvml {
    /// Opens the driver's management library where the loader finds it.
    ///
    /// # Errors
    /// [`DriverUnavailable`](ErrorKind::DriverUnavailable): the library is absent or broken, or no driver is loaded.
    pub fn open() -> Result<Self> {
        if cfg!(windows) {
            return Self::open_at(Path::new("nvml.dll"));
        }
        let mut absent = None;
        for candidate in CANDIDATES {
            match Self::open_at(Path::new(candidate)) {
                Err(error) if error.get("cause") == Some("absent") => absent = absent.or(Some(error)),
                found => return found,
            }
        }
        Err(absent.unwrap_or_else(|| Error::new(ErrorKind::Internal, "gpu.open", "no candidate library was tried")))
    }

    /// Opens this library file.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_at(path: &Path) -> Result<Self> {
        if is_cut_short(path) {
            return Err(broken(path, "file too short"));
        }
        let mut builder = nvml_wrapper::Nvml::builder();
        builder.lib_path(OsStr::new(path));
        let started = match builder.init() {
            // Some drivers refuse to start without a GPU unless they are told that none is needed.
            Err(NvmlError::NotFound) => builder.flags(InitFlags::NO_GPUS).init(),
            other => other,
        };
        let library = started.map_err(|error| unavailable(path, error))?;
        let origin = Origin {
            simulated: library.sys_nvml_version().is_ok_and(|version| version.ends_with(SIMULATED)),
            name: loaded_path(path).display().to_string(),
            driver: library.sys_driver_version().ok(),
            cuda: library.sys_cuda_driver_version().ok().map(|code| format!("{}.{}", code / 1000, code % 1000 / 10)),
        };
        tracing::debug!(library = %origin.name, driver = ?origin.driver, "opened the NVIDIA management library");
        Ok(Self { library, origin, seen: Mutex::default() })
    }

    /// Asks each GPU who it is: index, UUID, and the device or why there is none. A GPU that answered before keeps its
    /// place without answering; one that never did is left out, because nobody can name it.
    fn devices(&self, operation: &'static str) -> Result<Vec<Answering<Device<'_>>>> {
        let count = self.library.device_count().map_err(|error| whole_driver(operation, error))?;
        let answers = (0..count).map(|index| {
            let answer =
                self.identify(index).inspect_err(|error| tracing::warn!(index, %error, "a GPU does not answer"));
            (index, answer.map_err(|error| why(&error)))
        });
        let answers = answers.collect();
        Ok(call_the_roll(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner), answers))
    }

    fn identify(&self, index: u32) -> Result<(GpuId, Device<'_>), NvmlError> {
        let device = self.library.device_by_index(index)?;
        let id = device.uuid()?.parse().map_err(|_| NvmlError::Unknown)?;
        Ok((id, device))
    }
}

impl fmt::Debug for Nvml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nvml").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Source for Nvml {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        let devices = self.devices("gpu.inventory")?.into_iter();
        Ok(devices
            .map(|(index, id, device)| match device {
                Ok(device) => describe(index, id, &device),
                Err(reason) => silent(index, id, reason),
            })
            .collect())
    }

    fn sample(&self, _fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        samples.clear();
        samples.extend(self.devices("gpu.sample")?.into_iter().map(|(_, id, device)| match device {
            Ok(device) => measure(id, &device),
            Err(reason) => Sample::unknown(id, reason),
        }));
        Ok(())
    }
}

/// What an index answered: a GPU's UUID and the device, or why it does not answer.
type Answer<D> = (u32, Result<(GpuId, D), Unknown>);
/// A GPU's index and UUID, and the device or why it does not answer.
type Answering<D> = (u32, GpuId, Result<D, Unknown>);

/// Who is there, of those who were there before and those who answer now. GPUs are told apart by UUID, because the
/// index of each may change when the driver drops another.
fn call_the_roll<D>(seen: &mut Vec<(u32, GpuId)>, answers: Vec<Answer<D>>) -> Vec<Answering<D>> {
    let mut present = BTreeMap::new();
    let mut reasons = BTreeMap::new();
    for (index, answer) in answers {
        match answer {
            Ok((id, device)) => {
                match seen.iter_mut().find(|(_, known)| *known == id) {
                    Some(known) => known.0 = index,
                    None => seen.push((index, id.clone())),
                }
                present.insert(id, device);
            }
            Err(reason) => {
                reasons.insert(index, reason);
            }
        }
    }
    let answering = seen.iter().map(|(index, id)| {
        let device = present.remove(id).ok_or_else(|| reasons.get(index).copied().unwrap_or(Unknown::GpuLost));
        (*index, id.clone(), device)
    });
    answering.collect()
}

fn describe(index: u32, id: GpuId, device: &Device<'_>) -> Gpu {
    let name = device.name().unwrap_or_else(|error| {
        tracing::warn!(index, gpu = %id, %error, "a GPU does not tell its name");
        NAMELESS.to_owned()
    });
    let mut gpu = Gpu::new(id, index, name);
    gpu.compute = reading(device.cuda_compute_capability().and_then(|capability| {
        let number = |value: i32| u32::try_from(value).map_err(|_| NvmlError::Unknown);
        Ok(ComputeCapability { major: number(capability.major)?, minor: number(capability.minor)? })
    }));
    gpu.memory = reading(device.memory_info()).map(|memory| Bytes(memory.total));
    gpu.pci = reading(device.pci_info()).map(|pci| pci.bus_id);
    gpu
}

/// A GPU that answered before and does not answer now.
fn silent(index: u32, id: GpuId, reason: Unknown) -> Gpu {
    let mut gpu = Gpu::new(id, index, NAMELESS);
    gpu.compute = Reading::Unknown(reason);
    gpu.memory = Reading::Unknown(reason);
    gpu.pci = Reading::Unknown(reason);
    gpu
}

fn measure(id: GpuId, device: &Device<'_>) -> Sample {
    let mut sample = Sample::unknown(id, Unknown::NotRead);
    sample.memory = reading(device.memory_info()).map(|memory| MemoryUse {
        total: Bytes(memory.total),
        used: Bytes(memory.used),
        free: Bytes(memory.free),
        reserved: Bytes(memory.reserved),
    });
    sample.utilization =
        reading(device.utilization_rates()).map(|rates| Utilization { gpu: rates.gpu, memory: rates.memory });
    sample.temperature = reading(device.temperature(TemperatureSensor::Gpu));
    sample.power = reading(device.power_usage());
    sample.power_limit = reading(device.enforced_power_limit());
    sample.clocks = reading(clocks(device));
    sample.processes = reading(processes(device));
    sample
}

fn clocks(device: &Device<'_>) -> Result<Clocks, NvmlError> {
    Ok(Clocks {
        graphics: device.clock_info(Clock::Graphics)?,
        sm: device.clock_info(Clock::SM)?,
        memory: device.clock_info(Clock::Memory)?,
    })
}

/// Compute and graphics processes as one list, ordered by process id.
fn processes(device: &Device<'_>) -> Result<Vec<Process>, NvmlError> {
    let compute = device.running_compute_processes()?;
    let graphics = match device.running_graphics_processes() {
        Err(NvmlError::NotSupported) => Vec::new(),
        other => other?,
    };
    let mut by_pid = BTreeMap::new();
    for (list, kind) in [(compute, ProcessKind::Compute), (graphics, ProcessKind::Graphics)] {
        for ProcessInfo { pid, used_gpu_memory, .. } in list {
            let memory = match used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Reading::Known(Bytes(bytes)),
                UsedGpuMemory::Unavailable => Reading::Unknown(Unknown::NotAvailable),
            };
            merge(&mut by_pid, Process::new(pid, kind, memory));
        }
    }
    Ok(by_pid.into_values().collect())
}

/// Adds a process to the list. One that is there already has either a second part of the same kind, on another
/// partition of the GPU, or is in both lists, which then tell the same memory.
fn merge(by_pid: &mut BTreeMap<u32, Process>, process: Process) {
    match by_pid.entry(process.pid) {
        Entry::Vacant(place) => {
            place.insert(process);
        }
        Entry::Occupied(mut known) => {
            let known = known.get_mut();
            if known.kind != process.kind {
                known.kind = ProcessKind::Both;
            } else {
                known.memory = match (&known.memory, &process.memory) {
                    (Reading::Known(one), Reading::Known(other)) => Reading::Known(*one + *other),
                    (Reading::Unknown(reason), _) | (_, Reading::Unknown(reason)) => Reading::Unknown(*reason),
                };
            }
        }
    }
}

fn reading<T>(answer: Result<T, NvmlError>) -> Reading<T> {
    match answer {
        Ok(value) => Reading::Known(value),
        Err(error) => Reading::Unknown(why(&error)),
    }
}

fn why(error: &NvmlError) -> Unknown {
    match error {
        NvmlError::NotSupported => Unknown::NotSupported,
        NvmlError::NoPermission => Unknown::NoPermission,
        NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => Unknown::TooOld,
        NvmlError::GpuLost => Unknown::GpuLost,
        other => Unknown::Code(code(other)),
    }
}

/// The driver's number of an error (`nvmlReturn_t`); 999, its "unknown", for what the wrapper itself refuses.
fn code(error: &NvmlError) -> i32 {
    match error {
        NvmlError::UnexpectedVariant(code) => i32::try_from(*code).unwrap_or(i32::MAX),
        NvmlError::Uninitialized => 1,
        NvmlError::InvalidArg => 2,
        NvmlError::NotFound => 6,
        NvmlError::InsufficientSize(_) => 7,
        NvmlError::InsufficientPower => 8,
        NvmlError::DriverNotLoaded => 9,
        NvmlError::Timeout => 10,
        NvmlError::IrqIssue => 11,
        NvmlError::LibraryNotFound => 12,
        NvmlError::CorruptedInfoROM => 14,
        NvmlError::ResetRequired => 16,
        NvmlError::OperatingSystem => 17,
        NvmlError::LibRmVersionMismatch => 18,
        NvmlError::InUse => 19,
        NvmlError::InsufficientMemory => 20,
        NvmlError::NoData => 21,
        NvmlError::VgpuEccNotSupported => 22,
        _ => 999,
    }
}

fn no_driver(path: &Path, message: &str, cause: &str) -> Error {
    Error::new(ErrorKind::DriverUnavailable, "gpu.open", message).with("library", path.display()).with("cause", cause)
}

/// The file is there and is no library that can be loaded; `loader` says what is wrong with it.
fn broken(path: &Path, loader: &str) -> Error {
    no_driver(path, "the NVIDIA management library is broken", "broken")
        .with("loader", loader)
        .hint("reinstall the NVIDIA driver")
}

/// Why the library could not be opened or started.
fn unavailable(path: &Path, error: NvmlError) -> Error {
    let driver = |message, cause| no_driver(path, message, cause);
    let described = match &error {
        NvmlError::LibloadingError(load) => {
            let text = load.to_string();
            // The loader names the file that is missing, which may be one that the library needs.
            let own = text.strip_prefix(&*path.to_string_lossy());
            if own.is_some_and(|rest| rest.contains("No such file")) || text.contains("LoadLibrary") {
                driver("no NVIDIA management library on this machine", "absent")
                    .hint("install the NVIDIA driver (under WSL2: the Windows driver only)")
            } else {
                broken(path, own.map_or(&*text, |rest| rest.trim_start_matches(": ")))
            }
        }
        NvmlError::FailedToLoadSymbol(symbol) => {
            driver("the NVIDIA management library is too old or a stub", "symbol missing")
                .with("symbol", symbol.rsplit(": ").next().unwrap_or(symbol))
                .hint("reinstall the NVIDIA driver")
        }
        NvmlError::DriverNotLoaded => driver("the NVIDIA driver is installed but not loaded", "not loaded")
            .hint("run `nvidia-smi` as root once, or restart the machine"),
        NvmlError::LibRmVersionMismatch => {
            driver("the NVIDIA driver and its library have different versions", "mismatch")
                .hint("restart the machine to finish the driver's update")
        }
        NvmlError::NoPermission => {
            Error::new(ErrorKind::PermissionDenied, "gpu.open", "no permission to talk to the NVIDIA driver")
                .with("library", path.display())
                .hint("check the owner and mode of /dev/nvidiactl")
        }
        other => driver("the NVIDIA management library does not start", "init").with("nvml", other),
    };
    described.caused_by(error)
}

fn whole_driver(operation: &'static str, error: NvmlError) -> Error {
    let kind = match error {
        NvmlError::NoPermission => ErrorKind::PermissionDenied,
        NvmlError::GpuLost => ErrorKind::DeviceLost,
        _ => ErrorKind::DriverUnavailable,
    };
    Error::new(kind, operation, "the NVIDIA driver does not answer").with("nvml", &error).retry_later().caused_by(error)
}

/// The file that the loader really opened for `asked`; `asked` itself where the system does not tell.
fn loaded_path(asked: &Path) -> PathBuf {
    if asked.components().count() > 1 {
        return asked.canonicalize().unwrap_or_else(|_| asked.into());
    }
    let Some(name) = asked.file_name().and_then(OsStr::to_str) else { return asked.into() };
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let stem = name.trim_end_matches(".1");
    let opened =
        maps.lines().filter_map(|line| line.split_once('/')).map(|(_, path)| PathBuf::from(format!("/{path}")));
    let mut matching =
        opened.filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(|file| file.starts_with(stem)));
    matching.next().unwrap_or_else(|| asked.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(list: [(u32, ProcessKind, Option<u64>); 2]) -> Vec<Process> {
        let mut by_pid = BTreeMap::new();
        for (pid, kind, memory) in list {
            let memory = memory.map_or(Reading::Unknown(Unknown::NotAvailable), |bytes| Reading::Known(Bytes(bytes)));
            merge(&mut by_pid, Process::new(pid, kind, memory));
        }
        by_pid.into_values().collect()
    }

    #[test]
    fn a_process_in_both_lists_is_one_process_with_its_memory_counted_once() {
        let memory = Reading::Known(Bytes(5));
        assert_eq!(
            merged([(9, ProcessKind::Compute, Some(5)), (9, ProcessKind::Graphics, Some(5))]),
            [Process::new(9, ProcessKind::Both, memory)]
        );
    }

    #[test]
    fn a_process_on_two_partitions_is_one_process_with_the_sum_of_its_memory() {
        let both = |memory| vec![Process::new(9, ProcessKind::Compute, memory)];
        let parts = |second| merged([(9, ProcessKind::Compute, Some(5)), (9, ProcessKind::Compute, second)]);
        assert_eq!(parts(Some(2)), both(Reading::Known(Bytes(7))));
        assert_eq!(parts(None), both(Reading::Unknown(Unknown::NotAvailable)), "an unknown part makes the sum unknown");
    }

    #[test]
    fn a_gpu_that_answered_once_keeps_its_place() {
        let id = |number: u32| format!("GPU-00000000-0000-4000-8000-{number:012}").parse::<GpuId>().unwrap();
        let here = |index, number| (index, Ok((id(number), number)));
        let mut seen = Vec::new();
        let mut roll = |answers| call_the_roll(&mut seen, answers);

        let lost = Err(Unknown::GpuLost);
        assert_eq!(roll(vec![here(0, 7), (1, lost)]), [(0, id(7), Ok(7))], "one that was never named is left out");
        assert_eq!(roll(vec![here(0, 7), here(1, 8), here(2, 9)]).len(), 3);
        assert_eq!(
            roll(vec![here(0, 7), (1, Err(Unknown::Code(999))), here(2, 9)]),
            [(0, id(7), Ok(7)), (1, id(8), Err(Unknown::Code(999))), (2, id(9), Ok(9))]
        );
        assert_eq!(
            roll(vec![here(0, 7), here(1, 9)]),
            [(0, id(7), Ok(7)), (1, id(8), Err(Unknown::GpuLost)), (1, id(9), Ok(9))],
            "the driver counts one less, and the last one moves up"
        );
        assert_eq!(roll(vec![here(0, 7), here(1, 8), here(2, 9)])[1], (1, id(8), Ok(8)), "it is back");
    }
}
