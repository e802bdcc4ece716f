//! The way to cudarc's safe layer, for programs that go on with it.
//!
//! cudarc panics where the library or a function is missing, also when it prints an error, and a number that is newer
//! than cudarc is an invalid value of its enumeration. So it is let in only behind a [`Preflight`]: the driver has
//! answered, every function that cudarc will look up is there, cudarc would open the same file, and the very calls that
//! it will make were made before and succeeded.

use std::sync::Arc;

use cudarc::driver::CudaContext;

use super::{Attribute, Driver, Execute, Fault, Library, Loaded, Probe, Version, probe_with};
use crate::error::{Error, ErrorKind, Result};

const OPERATION: &str = "cuda.preflight";

/// What `CudaContext::new`, its drop and the printing of an error look up (cudarc 0.19).
const CUDARC: [&str; 10] = [
    "cuInit",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxGetCurrent",
    "cuCtxSetCurrent",
    "cuGetErrorName",
    "cuGetErrorString",
];

/// The least driver for cudarc: the functions that it calls are those of CUDA 12, and NACP's checks are made for it.
pub(crate) const FLOOR: Version = Version { major: 12, minor: 0 };

fn unavailable(message: &'static str) -> Error {
    Error::new(ErrorKind::DriverUnavailable, OPERATION, message)
}

/// Refuses a library of which only the name is known and not the file.
fn known(ours: &Loaded) -> Result<()> {
    if ours.path.is_absolute() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        OPERATION,
        "this system does not tell which CUDA driver library cudarc opens",
    )
    .with("library", ours)
    .hint("use NACP's own checks here, or cudarc without this preflight"))
}

/// Refuses another file than the one that NACP asked, and a stub.
fn same(ours: &Loaded, theirs: &Loaded) -> Result<()> {
    if theirs.stub || ours.stub {
        let stub = if theirs.stub { theirs } else { ours };
        return Err(unavailable("cudarc would open a CUDA toolkit's stub in place of the driver")
            .with("cause", "stub")
            .with("library", ours)
            .with("cudarc", stub)
            .hint("remove the folder `stubs` from LD_LIBRARY_PATH"));
    }
    if theirs.path != ours.path {
        return Err(unavailable("cudarc would open another CUDA driver library than NACP")
            .with("cause", "other file")
            .with("library", ours)
            .with("cudarc", theirs)
            .hint("remove one of both files from the library path"));
    }
    Ok(())
}

/// A driver that passed: cudarc may be used in this process.
#[derive(Debug)]
pub struct Preflight {
    library: Library,
    probe: Probe,
}

impl Preflight {
    /// Opens the driver's library, asks it, and looks at what cudarc would do.
    ///
    /// # Errors
    /// [`DriverUnavailable`](ErrorKind::DriverUnavailable) with a `cause`: those of [`probe`](super::probe), `too old`
    /// (below CUDA 12.0), `symbol missing`, `stub`, or `other file` where cudarc would open another file than NACP did.
    /// [`Unsupported`](ErrorKind::Unsupported) where the system does not tell which file was opened (all but Linux):
    /// there NACP cannot know what cudarc would do, as on Windows cudarc also looks beside the program.
    pub fn new() -> Result<Self> {
        let library = Library::open()?;
        let probe = probe_with(&library)?;
        let loaded = library.loaded();
        if probe.driver_version < FLOOR {
            return Err(unavailable("the CUDA driver is too old for cudarc")
                .with("cause", "too old")
                .with("library", loaded)
                .with("cuda", probe.driver_version)
                .with("least", FLOOR)
                .hint("install an NVIDIA driver of branch 525 or newer"));
        }
        let absent: Vec<_> = library.manifest().absent().filter(|name| CUDARC.contains(name)).collect();
        if !absent.is_empty() {
            return Err(unavailable("the CUDA driver library lacks functions that cudarc calls")
                .with("cause", "symbol missing")
                .with("library", loaded)
                .with("symbols", absent.join(","))
                .hint("install the NVIDIA driver"));
        }
        known(loaded)?;
        same(loaded, &Library::as_cudarc_opens_it()?)?;
        Ok(Self { library, probe })
    }

    /// What the driver answered.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// cudarc's context on the device at this position of CUDA's list: the one that all libraries of this process share.
    ///
    /// The context that is current in the calling thread stays so; cudarc makes its own current whenever it works with
    /// it (`CudaContext::bind_to_thread`).
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) where there is no such device; what the driver refuses, with its `call` and
    /// `code`.
    pub fn cudarc(&self, ordinal: u32) -> Result<Arc<CudaContext>> {
        let driver = &self.library;
        let refused = |call: &'static str, code: i32| {
            Fault::from_code(code).error(OPERATION, call).with("library", driver.loaded()).with("ordinal", ordinal)
        };
        let position = i32::try_from(ordinal).map_err(|_| refused("cuDeviceGet", 101))?;
        let device = driver.device(position).map_err(|code| refused("cuDeviceGet", code))?;
        driver.attribute(Attribute::MemoryPools, device).map_err(|code| refused("cuDeviceGetAttribute", code))?;
        let context = driver.retain(device).map_err(|code| refused("cuDevicePrimaryCtxRetain", code))?;
        let made = driver.push_current(context).map_err(|code| refused("cuCtxPushCurrent", code)).and_then(|()| {
            // The number alone: printing cudarc's error would call the driver.
            let made = CudaContext::new(ordinal as usize);
            let popped = driver.pop_current().map_err(|code| refused("cuCtxPopCurrent", code));
            let made = made.map_err(|error| refused("CudaContext::new", error.0 as i32))?;
            popped.map(|()| made)
        });
        // Held until here, so that cudarc takes part in a context that exists.
        driver.release(device).map_err(|code| refused("cuDevicePrimaryCtxRelease", code))?;
        made
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn cudarc_is_let_in_only_to_a_file_that_is_known_to_be_the_same() {
        let [name, file, other, stub] =
            ["nvcuda.dll", "/a/libcuda.so.1", "/b/libcuda.so", "/cuda/lib64/stubs/libcuda.so"].map(Loaded::at);
        assert_eq!(known(&name).unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(known(&file).is_ok() && same(&file, &file).is_ok());
        let cause = |ours, theirs| same(ours, theirs).unwrap_err().get("cause").map(str::to_owned);
        assert_eq!(cause(&file, &other).as_deref(), Some("other file"));
        assert_eq!((cause(&file, &stub), cause(&stub, &file)), (Some("stub".into()), Some("stub".into())));
    }
}
