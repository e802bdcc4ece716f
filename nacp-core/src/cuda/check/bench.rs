//! What a check is given, and what it gives back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::surroundings::Ours;
use super::{Evidence, Level, Metric, Sizes, Skip, Status};
use crate::clock::Clock;
use crate::cuda::compat::Arch;
use crate::cuda::determinism::Runs;
use crate::cuda::session::Refused;
use crate::cuda::{Device, Execute, FaultKind, KernelDigest, Probe, Profile, Version};
use crate::error::Error;
use crate::gpu::{Gpu, GpuId, Source};

/// What a check works with. It looks at [`go_on`](Self::go_on) between steps.
pub(crate) struct Bench<'a> {
    /// The driver.
    pub(crate) driver: &'a dyn Execute,
    /// The device, in checks of [`Scope::Device`](super::Scope::Device).
    pub(crate) device: Option<&'a Device>,
    /// How much is checked.
    pub(crate) level: Level,
    /// How large the work is.
    pub(crate) sizes: Sizes,
    /// When it must end.
    pub(crate) deadline: Deadline<'a>,
    /// Time.
    pub(crate) clock: &'a dyn Clock,
    /// What is known beside the driver.
    pub(crate) facts: &'a Facts,
    /// What the management library tells, where there is one: clocks and temperatures while the device works.
    pub(crate) telemetry: Option<&'a dyn Source>,
    /// Another process that runs the kernels on the same device; none where the checks are not isolated.
    pub(crate) elsewhere: Option<&'a dyn Elsewhere>,
}

/// Another process that runs the kernels of the suite.
pub(crate) trait Elsewhere {
    /// The digests of the suite on this device, or why there are none.
    fn digests(&self, device: &GpuId, profile: Profile) -> Result<Vec<KernelDigest>, String>;
}

/// What is known beside the driver: read once, before the first check.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// What the driver answered, once it was asked.
    pub(crate) probe: Option<Probe>,
    /// What the management library tells of the GPUs; none where there is no such library.
    pub(crate) gpus: Option<Vec<Gpu>>,
    /// The version of the driver in the kernel: the text of `/proc/driver/nvidia/version`, where there is one.
    pub(crate) kernel_driver: Option<String>,
    /// The CUDA version that the caller wants to use.
    pub(crate) wanted_cuda: Option<Version>,
    /// The architectures that the caller's programs are compiled for.
    pub(crate) wanted_sass: Vec<Arch>,
    /// The PTX that the caller's programs bring: its version and target.
    pub(crate) wanted_ptx: Option<(Version, Arch)>,
    /// The processes that must not be taken for somebody else's.
    #[serde(skip)]
    pub(crate) ours: Ours,
    /// The variables of the environment that CUDA or NVIDIA's tools read.
    pub(crate) environment: BTreeMap<String, String>,
}

/// When a check must end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline<'a> {
    clock: &'a dyn Clock,
    until: Duration,
    cancelled: &'a AtomicBool,
}

impl<'a> Deadline<'a> {
    /// Ends when the clock reads `until`, or when the flag is set.
    pub(crate) fn new(clock: &'a dyn Clock, until: Duration, cancelled: &'a AtomicBool) -> Self {
        Self { clock, until, cancelled }
    }

    /// How long is left.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_sub(self.clock.monotonic())
    }

    /// Whether there is time for another step.
    ///
    /// # Errors
    /// The reason to stop.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Stop::skip(Skip::Cancelled, "the caller gave up"));
        }
        if self.left().is_zero() {
            return Err(Stop::skip(Skip::Deadline, "its time was over"));
        }
        Ok(())
    }
}

impl Bench<'_> {
    /// Whether there is time for another step.
    ///
    /// # Errors
    /// The reason to stop.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        self.deadline.go_on()
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) evidence: Vec<Evidence>,
    /// What the suite gave, for the certificate.
    pub(crate) runs: Option<Runs>,
}

impl Outcome {
    /// Everything is as it should be.
    pub(crate) fn pass() -> Self {
        Self { status: Status::Pass, metrics: Vec::new(), evidence: Vec::new(), runs: None }
    }

    /// It works, and something is worth knowing. What is worse stays.
    pub(crate) fn warn(&mut self, reason: impl Into<String>) {
        if self.status == Status::Pass {
            self.status = Status::Warn { reason: reason.into() };
        }
    }

    /// It does not work. The first reason stays.
    pub(crate) fn fail(&mut self, reason: impl Into<String>) {
        if !matches!(self.status, Status::Fail { .. }) {
            self.status = Status::Fail { reason: reason.into() };
        }
    }

    /// Something was measured.
    pub(crate) fn measured(&mut self, metric: impl Into<Option<Metric>>) {
        self.metrics.extend(metric.into());
    }

    /// Something was read.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and text are handed over alike, without a mark")]
    pub(crate) fn read(&mut self, what: impl Into<String>, value: impl ToString, source: impl Into<String>) {
        self.evidence.push(Evidence { what: what.into(), value: value.to_string(), source: source.into() });
    }
}

/// Why a check ended before its end. What it had measured and read until then may be kept in `so_far`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stop {
    pub(crate) status: Status,
    pub(crate) so_far: Option<Box<Outcome>>,
}

impl Stop {
    pub(crate) fn skip(why: Skip, reason: impl Into<String>) -> Self {
        Self { status: Status::Skipped { why, reason: reason.into() }, so_far: None }
    }

    /// The same with what was found until then.
    #[must_use]
    pub(crate) fn with(mut self, so_far: Outcome) -> Self {
        self.so_far = Some(Box::new(so_far));
        self
    }
}

/// The multi-process service is not ready, or has all the clients or connections that it serves
/// (`CUDA_ERROR_MPS_SERVER_NOT_READY`, `…_MAX_CLIENTS_REACHED`, `…_MAX_CONNECTIONS_REACHED`).
const MPS_BUSY: [i32; 3] = [807, 808, 809];

impl From<Refused> for Stop {
    /// A device that is held by others is busy and not broken, and so is a multi-process service that is not ready or
    /// has all the clients that it serves. A device that refuses and that nobody can hold is broken. A function that is
    /// not there is no support.
    fn from(refused: Refused) -> Self {
        let Refused { call, fault, log, can_be_held } = refused;
        let error = fault.error("cuda.check", call);
        let mut reason = error.hint_text().unwrap_or("see the driver's documentation of this number").to_owned();
        if !log.trim().is_empty() {
            reason = format!("{reason}; the compiler wrote: {}", log.trim());
        }
        let status = match fault.kind {
            FaultKind::DeviceUnavailable if can_be_held == Some(false) => Status::Error {
                call: call.into(),
                fault,
                reason:
                    "no process can hold it, as its compute mode is the default; reset the GPU (`nvidia-smi -r`), and \
                         look for an Xid in the kernel's log"
                        .into(),
            },
            FaultKind::DeviceUnavailable => {
                Status::Skipped { why: Skip::Busy, reason: format!("{call}: {fault}; {reason}") }
            }
            FaultKind::Mps if MPS_BUSY.contains(&fault.code) => {
                Status::Skipped { why: Skip::Busy, reason: format!("{call}: {fault}; {reason}") }
            }
            _ if fault.code == 500 => {
                Status::Skipped { why: Skip::Unsupported, reason: format!("this driver has no {call}") }
            }
            _ => Status::Error { call: call.into(), fault, reason },
        };
        Self { status, so_far: None }
    }
}

impl From<Error> for Stop {
    /// A launch that NACP made wrongly; it says so rather than to panic.
    fn from(error: Error) -> Self {
        Self { status: Status::Fail { reason: error.to_string() }, so_far: None }
    }
}
