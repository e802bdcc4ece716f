//! Opening the driver's management library, or saying why that is not possible.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nvml_wrapper::bitmasks::InitFlags;
use nvml_wrapper::error::NvmlError;

use super::Nvml;
use super::library::Library;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Origin;
use crate::gpu::source::image::is_cut_short;

/// What the version of a simulated management library ends with; the one of the tests is of this kind.
const SIMULATED: &str = "+simulated";
/// Where the library may be: the loader's path first, then WSL2's own folder, which not every distribution lists.
const CANDIDATES: [&str; 2] = ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"];

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
        let started = started.map_err(|error| unavailable(path, error))?;
        if let Err(error) = &started.lib().nvmlShutdown {
            let missing = NvmlError::FailedToLoadSymbol(error.to_string());
            // To drop it would end it, by the function that it lacks.
            std::mem::forget(started);
            return Err(unavailable(path, missing));
        }
        let library = Library::new(started);
        let calls = library.calls();
        let origin = Origin {
            simulated: calls.nvml_version().is_ok_and(|version| version.ends_with(SIMULATED)),
            name: loaded_path(path).display().to_string(),
            driver: calls.driver_version().ok(),
            cuda: calls.cuda_driver_version().ok().map(|code| format!("{}.{}", code / 1000, code % 1000 / 10)),
        };
        tracing::debug!(library = %origin.name, driver = ?origin.driver, "opened the NVIDIA management library");
        Ok(Self { library, origin, state: Mutex::default() })
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
