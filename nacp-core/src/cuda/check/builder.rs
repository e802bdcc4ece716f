//! What the caller wants.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::worker::Bodies;
use super::{CheckId, Level, Progress, Report, Status, bodies, run};
use crate::child::Program;
use crate::clock::{Clock, SystemClock};
use crate::cuda::compat::Arch;
use crate::cuda::{Execute, Probe, Version};
use crate::error::Result;
use crate::gpu::{GpuId, Source};

/// Where the checks run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// In a thread of this process.
    ///
    /// A driver that hangs cannot be stopped: its thread is left behind with whatever it holds, and the other checks
    /// are not done. A driver that crashes takes this process with it, and a device that has faulted is of no use to
    /// this process any more.
    #[default]
    Thread,
    /// In a child, which is killed when it hangs; a fresh one does the other checks. The program calls
    /// [`nacp_core::answer`](crate::answer) first in its `main`. It is started with this process's environment and
    /// `NACP_CHECK=1`, so that it sees the devices that this process sees.
    Child(Program),
}

impl Isolation {
    /// In children that are this very program, which calls [`nacp_core::answer`](crate::answer) first in `main`.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the system does not tell which program this is.
    pub fn this_program() -> Result<Self> {
        Ok(Self::Child(Program::this()?))
    }
}

/// Who is told how far it is.
pub(super) type Callback<'a> = Box<dyn FnMut(&Progress) + Send + 'a>;

/// Runs checks and tells what was found.
///
/// ```no_run
/// use nacp_core::cuda::{Check, Level};
/// use nacp_core::cuda::check::Isolation;
///
/// let report = Check::new(Level::Standard)
///     .isolated(Isolation::this_program()?)
///     .on_progress(|progress| eprintln!("{progress:?}"))
///     .run();
/// println!("{report}");
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[must_use = "nothing is checked before `run`"]
pub struct Check<'a> {
    pub(super) level: Level,
    pub(super) devices: Vec<GpuId>,
    pub(super) only: Option<Vec<CheckId>>,
    pub(super) wanted_cuda: Option<Version>,
    pub(super) wanted_sass: Vec<Arch>,
    pub(super) wanted_ptx: Option<(Version, Arch)>,
    pub(super) isolation: Isolation,
    pub(super) limit: Option<Duration>,
    pub(super) library: Option<PathBuf>,
    pub(super) driver: Option<Arc<dyn Execute>>,
    pub(super) telemetry: Option<Arc<dyn Source>>,
    pub(super) even_if_busy: bool,
    pub(super) progress: Option<Callback<'a>>,
    pub(super) cancel: Arc<AtomicBool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bodies: Bodies,
}

impl<'a> Check<'a> {
    /// All checks of this level, on all devices, in a thread of this process.
    pub fn new(level: Level) -> Self {
        Self {
            level,
            devices: Vec::new(),
            only: None,
            wanted_cuda: None,
            wanted_sass: Vec::new(),
            wanted_ptx: None,
            isolation: Isolation::default(),
            limit: None,
            library: None,
            driver: None,
            telemetry: None,
            even_if_busy: false,
            progress: None,
            cancel: Arc::default(),
            clock: Arc::new(SystemClock::new()),
            bodies: bodies::body,
        }
    }

    /// Checks this device, beside others that are named so; without any, all. One that the driver does not list makes
    /// `dev.enumerate` fail.
    pub fn device(mut self, device: GpuId) -> Self {
        self.devices.push(device);
        self
    }

    /// Checks these devices.
    pub fn devices(mut self, devices: impl IntoIterator<Item = GpuId>) -> Self {
        self.devices.extend(devices);
        self
    }

    /// Runs these checks and what they build on, of whatever level they are.
    pub fn only(mut self, checks: impl IntoIterator<Item = CheckId>) -> Self {
        self.only.get_or_insert_default().extend(checks);
        self
    }

    /// The CUDA version that the caller's programs were built with: `drv.runtime_fit` says whether the driver serves it.
    pub fn wants_cuda(mut self, version: Version) -> Self {
        self.wanted_cuda = Some(version);
        self
    }

    /// The architectures that the caller's programs are compiled for: `dev.arch_fit` says whether a device runs them.
    pub fn wants_sass<A: Into<Arch>>(mut self, compiled_for: impl IntoIterator<Item = A>) -> Self {
        self.wanted_sass.extend(compiled_for.into_iter().map(Into::into));
        self
    }

    /// The PTX that the caller's programs bring, by its version and target.
    pub fn wants_ptx(mut self, version: Version, target: impl Into<Arch>) -> Self {
        self.wanted_ptx = Some((version, target.into()));
        self
    }

    /// Where the checks run; in a thread of this process unless it is said.
    pub fn isolated(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// How long all may take together on all devices, starting the driver included, in place of [`Level::limit`], which is
    /// for one. With more time each check has more in proportion, and each device has the same part of what is left;
    /// starting the driver has half at most.
    /// [`run`](Self::run) comes back at most half a second later, whatever the driver does, or two and a half where the
    /// kernel holds a child that was killed.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Checks this library file in place of the one that the loader finds.
    pub fn library(mut self, path: impl Into<PathBuf>) -> Self {
        self.library = Some(path.into());
        self
    }

    /// Checks this driver: a simulated one, or one of the caller's. It cannot be checked in a child.
    ///
    /// The management library of this machine is not asked about its devices; see [`telemetry`](Self::telemetry).
    pub fn driver(mut self, driver: Arc<dyn Execute>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// What tells clocks, temperatures and processes of the devices, in place of NVML.
    pub fn telemetry(mut self, source: Arc<dyn Source>) -> Self {
        self.telemetry = Some(source);
        self
    }

    /// Does the checks of [`Level::Full`] also on a device on which others compute.
    pub fn even_if_busy(mut self, yes: bool) -> Self {
        self.even_if_busy = yes;
        self
    }

    /// Is called in the caller's thread when a check begins, unless it is skipped, and when it has ended.
    pub fn on_progress(mut self, callback: impl FnMut(&Progress) + Send + 'a) -> Self {
        self.progress = Some(Box::new(callback));
        self
    }

    /// Ends the run soon after this flag is set.
    pub fn cancel_with(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = flag;
        self
    }

    /// Runs the checks. The calling thread waits, at most for what [`limit`](Self::limit) says.
    pub fn run(self) -> Report {
        run::run(self)
    }
}

impl Check<'_> {
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Why there is nothing to try.
    pub(super) fn impossible(&self) -> Option<Status> {
        let child = matches!(self.isolation, Isolation::Child(_));
        (child && self.driver.is_some()).then(run::contradiction)
    }

    /// The devices to check, and what is wrong where one is not there.
    pub(super) fn choose(&self, probe: Option<&Probe>) -> (Vec<GpuId>, Option<String>) {
        let there: Vec<GpuId> =
            probe.map_or_else(Vec::new, |probe| probe.devices.iter().map(|it| it.id.clone()).collect());
        if self.devices.is_empty() {
            return (there, None);
        }
        let (found, missing): (Vec<GpuId>, Vec<GpuId>) =
            self.devices.iter().cloned().partition(|device| there.contains(device));
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let reason = (!missing.is_empty()).then(|| {
            let there: Vec<String> = there.iter().map(ToString::to_string).collect();
            format!(
                "not among the driver's devices: device={} devices={}; check CUDA_VISIBLE_DEVICES",
                missing.join(","),
                there.join(",")
            )
        });
        (found, reason)
    }
}

impl fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("level", &self.level)
            .field("devices", &self.devices)
            .field("only", &self.only)
            .field("isolation", &self.isolation)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Runs the checks of this level on all devices, in a thread of this process, and tells what was found.
///
/// A machine without a driver is an answer too: a report that fails at its first check. [`Check`] has the choices.
///
/// ```no_run
/// use nacp_core::cuda::{self, Level};
///
/// let report = cuda::check(Level::Quick);
/// println!("{report}");
/// ```
pub fn check(level: Level) -> Report {
    Check::new(level).run()
}
