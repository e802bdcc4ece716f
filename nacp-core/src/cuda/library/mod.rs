//! The CUDA driver's library, opened at run time, as a [`Driver`](super::Driver) and as an [`Execute`](super::Execute).
//!
//! `walk` decides which file is taken and `open` loads it, `functions` looks up what it exports and `manifest` says what
//! is missing for which check. `ask`, `run`, `pinned` and `capture` call the functions. What runs is checked first: the registry knows every
//! object that this library made and that was not taken back, so that no handle, address or length that is wrong ever
//! reaches the driver, whoever made it up.

mod ask;
mod capture;
mod codes;
mod current;
mod functions;
mod jit;
mod manifest;
mod open;
mod pinned;
mod place;
mod registry;
mod run;
mod transfer;
mod walk;

use std::fmt;
use std::path::Path;

use functions::Functions;
pub use manifest::{Manifest, Need, Symbol};
pub use place::Compiler;
pub(crate) use place::hits;
pub use walk::Loaded;

use crate::error::Result;
use registry::Registry;

/// The driver's library of this machine, opened at run time.
///
/// It stays loaded until the process ends, even when the value is dropped: unloading a driver that has started
/// threads is not safe. Opening it again is cheap.
///
/// Every call of [`Execute`](super::Execute) is safe whatever it is given: handles and memory are looked up among those
/// that this value handed out. Handles are numbers of this value and not addresses of the driver; none is used twice. A
/// stream, an event, a piece of memory or a context that another thread uses at this moment, in a call that waits or in one
/// that queues work, is not taken back: the call answers 600 (`CUDA_ERROR_NOT_READY`). What the driver did not take back is
/// still there, and can be given back again.
pub struct Library {
    loaded: Loaded,
    manifest: Manifest,
    missing: Vec<&'static str>,
    lacks: Vec<&'static str>,
    functions: Functions,
    registry: Registry,
}

impl Library {
    /// Opens the driver's library where the loader finds it.
    ///
    /// # Errors
    /// [`DriverUnavailable`](crate::ErrorKind::DriverUnavailable) with `cause=absent` (and the number of names tried)
    /// or `cause=broken` (a file is there and cannot be loaded); `cause=compute capability missing` where the driver's
    /// management library is there without it, as in a container that may only watch its GPUs.
    pub fn open() -> Result<Self> {
        let variable = std::env::var_os;
        Self::open_first(&walk::candidates()).map_err(|error| {
            let (path, capabilities) = (variable("LD_LIBRARY_PATH"), variable("NVIDIA_DRIVER_CAPABILITIES"));
            place::explained(error, path.as_deref(), capabilities.as_deref())
        })
    }

    /// Opens this file, or this name in the loader's path.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_at(path: &Path) -> Result<Self> {
        Self::open_first(&[path.to_string_lossy().into_owned()])
    }

    fn open_first(names: &[String]) -> Result<Self> {
        let (library, loaded) = open::first(names)?;
        let (functions, found) = Functions::look_up(&library);
        let manifest = Manifest::new(found);
        let missing = manifest.missing(Need::Probe).collect();
        let lacks = Need::ALL.into_iter().filter(|need| *need != Need::Probe);
        let lacks = lacks.flat_map(|need| manifest.missing(need)).collect();
        let opened = Self { loaded, manifest, missing, lacks, functions, registry: Registry::default() };
        tracing::debug!(library = %opened.loaded, missing = ?opened.missing, "opened the CUDA driver library");
        Ok(opened)
    }

    /// The file that cudarc opens when it looks for the driver's library: the first of its own names that loads.
    pub(crate) fn as_cudarc_opens_it() -> Result<Loaded> {
        open::first(&walk::of_cudarc()).map(|(_, loaded)| loaded)
    }

    /// Which functions the library has, and which it lacks.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("loaded", &self.loaded)
            .field("missing", &self.missing)
            .field("lacks", &self.lacks)
            .finish_non_exhaustive()
    }
}
