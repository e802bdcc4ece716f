//! A CUDA driver without a GPU, in this process and on every system.
//!
//! Its devices are those of a node file, its kernels are computed by [`reference`](crate::cuda::reference), and what
//! works on memory works on memory of this process that is only there where it was written. Times are made up from the
//! clocks and the bandwidths of the node file: they repeat, and say nothing of any GPU. Whatever can go wrong with a
//! driver can be asked for, so that a program can be tested against it.
//!
//! ```
//! use std::sync::Arc;
//! use nacp_core::cuda::check::Verdict;
//! use nacp_core::cuda::kernels::Kernel;
//! use nacp_core::cuda::{Check, CheckId, Level};
//! use nacp_core::sim;
//!
//! let healthy = sim::Cuda::named("h100x8")?;
//! let broken = sim::Cuda::named("h100x8")?.flipping(3, Kernel::Fma, 71, 5);
//! let check = |driver| Check::new(Level::Quick).only([CheckId::DetBits]).driver(Arc::new(driver)).run();
//! assert_eq!(check(healthy).verdict, Verdict::Pass);
//! assert_eq!(check(broken).verdict, Verdict::Fail);
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod ask;
mod faults;
mod memory;
mod run;
mod state;
mod work;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use faults::Faults;
use state::State;

use super::NodeFile;
use super::node::{CudaDevice, CudaOrder};
use crate::cuda::kernels::Kernel;
use crate::cuda::{Loaded, Manifest};
use crate::error::Result;

/// A simulated CUDA driver.
#[derive(Debug)]
pub struct Cuda {
    loaded: Loaded,
    version: i32,
    devices: Vec<CudaDevice>,
    faults: Faults,
    lacks: Vec<&'static str>,
    state: Mutex<State>,
    /// Never rung: a hanging call waits here for its time to pass.
    silence: Condvar,
}

impl Cuda {
    /// The driver of a node that comes with NACP.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is no such node, with the nearest name.
    pub fn named(name: &str) -> Result<Self> {
        Ok(NodeFile::shipped(name)?.into())
    }

    /// Every call of this function, such as `cuMemAlloc`, on this device answers this number.
    #[must_use]
    pub fn failing(mut self, call: &'static str, device: u32, code: i32) -> Self {
        self.faults.refuse(call, Some(device), None, code);
        self
    }

    /// The call of this function that is the `nth`, from 1, answers this number, whatever the device.
    #[must_use]
    pub fn failing_nth(mut self, call: &'static str, nth: u32, code: i32) -> Self {
        self.faults.refuse(call, None, Some(nth), code);
        self
    }

    /// A kernel gets one bit of the word of one lane wrong, each time that it runs on this device.
    #[must_use]
    pub fn flipping(mut self, device: u32, kernel: Kernel, lane: u32, bit: u32) -> Self {
        self.faults.flips.push(faults::Flip { device, kernel, lane, bit: bit % 32 });
        self
    }

    /// A bit of a device's memory is always one: that of the byte at this offset from where its memory begins.
    #[must_use]
    pub fn sticking(mut self, device: u32, offset: u64, bit: u32) -> Self {
        self.faults.stuck.push(faults::Stuck { device, offset, bit: bit % 8 });
        self
    }

    /// A call of this function does not come back for this long.
    #[must_use]
    pub fn hanging(mut self, call: &'static str, time: Duration) -> Self {
        self.faults.hangs.push((call, time));
        self
    }

    /// The driver has no such function, such as `cuMemAlloc`, in any of its forms.
    #[must_use]
    pub fn without(mut self, function: &'static str) -> Self {
        let known = Manifest::of(&self);
        let exported = known.symbols().iter().map(|symbol| symbol.name).find(|name| form(name) == form(function));
        self.lacks.push(exported.unwrap_or(function));
        self
    }

    /// The driver serves this version of CUDA, as `1000 * major + 10 * minor`.
    #[must_use]
    pub fn serving(mut self, version: i32) -> Self {
        self.version = version;
        self
    }

    /// What a device has free at the start, in bytes.
    #[must_use]
    pub fn with_free(mut self, device: u32, bytes: u64) -> Self {
        let place = usize::try_from(device).ok().and_then(|place| self.devices.get_mut(place));
        if let Some(device) = place {
            device.free = bytes.min(device.total);
        }
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A function's name without the number of its form: programs are made for `cuMemAlloc_v2` where they say `cuMemAlloc`.
fn form(function: &str) -> &str {
    function.strip_suffix("_v2").unwrap_or(function)
}

impl From<NodeFile> for Cuda {
    fn from(node: NodeFile) -> Self {
        let mut loaded = Loaded::at(node.name.clone());
        loaded.simulated = true;
        loaded.wsl = node.is_wsl();
        let devices = node.cuda_devices(CudaOrder::FastestFirst, None);
        let state = State::new(devices.len());
        Self {
            loaded,
            version: node.cuda_version().unwrap_or(0),
            devices,
            faults: Faults::default(),
            lacks: Vec::new(),
            state: Mutex::new(state),
            silence: Condvar::new(),
        }
    }
}
