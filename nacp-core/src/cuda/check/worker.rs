//! The one who does the work: opens the driver, and does one task after the other.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::elsewhere::Another;
use super::surroundings::{Ours, busy};
use super::task::{Answer, Checked, Setup, Task, Told};
use super::{Bench, CheckId, Deadline, Elsewhere, Facts, Outcome, Sizes, Status, Stop, bodies};
use crate::clock::Clock;
use crate::cuda::{Device, Execute, Library, determinism, probe_with};
use crate::error::{Error, Result};
use crate::gpu::{Fields, Gpu, GpuId, Source};

/// How long before the end of a check another process must have answered, at most.
const ANOTHER: Duration = Duration::from_secs(1);

/// What does each check; none for one that nobody does.
pub(super) type Bodies = fn(CheckId) -> bodies::Body;

/// What is handed to the one who works, beside what can be sent to another process.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// The driver of the caller; none where the library is opened.
    pub(super) driver: Option<Arc<dyn Execute>>,
    /// What the caller knows of the devices beside the driver.
    pub(super) telemetry: Option<Arc<dyn Source>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bodies: Bodies,
}

/// The one who works.
#[derive(Debug)]
pub(super) struct Worker {
    setup: Setup,
    given: Given,
    stop: Arc<AtomicBool>,
    driver: Option<Arc<dyn Execute>>,
    facts: Facts,
    telemetry: Option<Arc<dyn Source>>,
    /// The device whose shared context is kept for all its checks: making it takes a part of a second.
    held: Option<i32>,
}

impl Worker {
    /// One who stops when `stop` is set.
    pub(super) fn new(setup: Setup, given: Given, stop: Arc<AtomicBool>) -> Self {
        let facts = Facts { ours: Ours::here(), ..setup.facts.clone() };
        Self { setup, given, stop, driver: None, facts, telemetry: None, held: None }
    }

    /// Does one task.
    pub(super) fn work(&mut self, task: Task) -> Answer {
        match task {
            Task::Prepare => Answer::Prepared(self.prepare().map_err(|error| error.to_string())),
            Task::Telemetry { seconds } => Answer::Telemetry(self.look(duration(seconds))),
            Task::Check { id, device, among, seconds, hold } => {
                self.hold(device.as_ref().filter(|_| hold));
                Answer::Checked(Box::new(self.check(id, device.as_ref(), &among, duration(seconds))))
            }
            Task::Digests { device, profile } => {
                Answer::Digests(self.prepare().map_err(|error| error.to_string()).and_then(|()| {
                    let driver = self.driver.clone().ok_or("no driver")?;
                    let device = self.device(&device).ok_or("no such device")?;
                    determinism::digests(&*driver, device, profile).map_err(|error| error.to_string())
                }))
            }
        }
    }

    /// Opens the driver and starts it, if that was not done.
    fn prepare(&mut self) -> Result<()> {
        let driver = self.open()?;
        self.facts.probe = Some(probe_with(&*driver)?);
        Ok(())
    }

    fn open(&mut self) -> Result<Arc<dyn Execute>> {
        if let Some(driver) = &self.driver {
            return Ok(Arc::clone(driver));
        }
        let driver = match (&self.given.driver, &self.setup.library) {
            (Some(driver), _) => Arc::clone(driver),
            (None, Some(path)) => Arc::new(Library::open_at(path)?),
            (None, None) => Arc::new(Library::open()?),
        };
        self.driver = Some(Arc::clone(&driver));
        Ok(driver)
    }

    fn device(&self, id: &GpuId) -> Option<&Device> {
        self.facts.probe.as_ref()?.devices.iter().find(|device| device.id == *id)
    }

    /// Does one check, and what the engine itself does with it.
    fn check(&mut self, id: CheckId, device: Option<&GpuId>, among: &[GpuId], most: Duration) -> Checked {
        let clock = Arc::clone(&self.given.clock);
        let began = clock.monotonic();
        let outcome = match self.open() {
            Ok(driver) => self.judge((id, device, among), &*driver, began.saturating_add(most)),
            Err(error) => not_opened(&error),
        };
        let mut checked = Checked { outcome, seconds: 0.0, probe: None, simulated: None };
        if id == CheckId::DrvInit {
            // Whatever the check says of it: a driver that starts without a device is an answer too.
            match self.prepare() {
                Ok(()) => checked.probe.clone_from(&self.facts.probe),
                Err(error) if checked.outcome.status == Status::Pass => checked.outcome.fail(error.to_string()),
                Err(_) => {}
            }
        }
        checked.simulated = self.driver.as_ref().map(|driver| driver.loaded().simulated);
        checked.seconds = (clock.monotonic() - began).as_secs_f64();
        checked
    }

    fn judge(
        &self,
        (id, device, among): (CheckId, Option<&GpuId>, &[GpuId]),
        driver: &dyn Execute,
        until: Duration,
    ) -> Outcome {
        let found = device.map(|device| self.device(device).ok_or(device)).transpose();
        let device = match found {
            Ok(device) => device,
            Err(missing) => {
                let mut outcome = Outcome::pass();
                outcome.fail(format!("the driver does not list {missing} any more"));
                return outcome;
            }
        };
        let clock = &*self.given.clock;
        // A tenth of the time is left to end the other process and to tell what it did not do.
        let margin = (until.saturating_sub(clock.monotonic()) / 10).min(ANOTHER);
        let until_there = until.saturating_sub(margin);
        let another = self.setup.elsewhere.as_ref();
        let another = another.map(|program| Another { program, setup: &self.setup, clock, until: until_there });
        let mut facts = Cow::Borrowed(&self.facts);
        if !among.is_empty()
            && let Some(probe) = &mut facts.to_mut().probe
        {
            probe.devices.retain(|device| among.contains(&device.id));
        }
        let bench = Bench {
            driver,
            device,
            level: self.setup.level,
            sizes: Sizes::of(self.setup.level, driver.loaded().simulated),
            deadline: Deadline::new(clock, until, &self.stop),
            clock,
            facts: &facts,
            telemetry: self.telemetry.as_deref(),
            elsewhere: another.as_ref().map(|another| another as &dyn Elsewhere),
        };
        match (self.given.bodies)(id)(&bench) {
            Ok(outcome) => outcome,
            Err(Stop { status, so_far }) => {
                let so_far = so_far.map_or_else(Outcome::pass, |so_far| *so_far);
                Outcome { status, ..so_far }
            }
        }
    }

    /// Keeps the context of this device, and of no other. What cannot be had is the check's to tell.
    fn hold(&mut self, device: Option<&GpuId>) {
        let Some(driver) = self.driver.clone() else { return };
        let wanted = device.and_then(|id| self.device(id)).and_then(|device| handle(&*driver, device));
        if self.held == wanted {
            return;
        }
        if let Some(held) = self.held.take()
            && let Err(code) = driver.release(held)
        {
            tracing::debug!(code, "the CUDA driver did not take back a context");
        }
        self.held = wanted.filter(|device| driver.retain(*device).is_ok());
    }

    /// Asks the management library, in a thread of its own: it may never come back.
    fn look(&mut self, most: Duration) -> Told {
        let given = self.given.driver.is_some();
        let source = self.given.telemetry.clone();
        if given && source.is_none() {
            return Told::default();
        }
        let (tell, told) = mpsc::channel();
        let read = move || {
            // Who asked may have gone on without an answer.
            let _ = tell.send(read_all(source));
        };
        if thread::Builder::new().name("nacp-check-nvml".into()).spawn(read).is_err() {
            return Told::default();
        }
        match told.recv_timeout(most) {
            Ok(Ok((source, gpus, told))) => {
                let simulated = self.driver.as_ref().is_some_and(|driver| driver.loaded().simulated);
                if !given && source.origin().simulated != simulated {
                    tracing::debug!(source = source.origin().name, "not of the world of the CUDA driver; left out");
                    return Told::default();
                }
                self.facts.gpus = Some(gpus);
                self.telemetry = Some(source);
                told
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "no management library beside CUDA");
                Told::default()
            }
            Err(_) => {
                tracing::warn!(?most, "the management library does not answer; the checks go on without it");
                Told::default()
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.hold(None);
    }
}

type Everything = (Arc<dyn Source>, Vec<Gpu>, Told);

fn read_all(source: Option<Arc<dyn Source>>) -> Result<Everything> {
    let source = source.map_or_else(management_library, Ok)?;
    let gpus = source.inventory()?;
    let mut samples = Vec::new();
    source.sample(Fields::PROCESSES | Fields::UTILIZATION, &mut samples)?;
    let ours = if source.is_here() { Ours::here() } else { Ours::default() };
    let told = Told { busy: busy(&gpus, &samples, &ours) };
    Ok((source, gpus, told))
}

#[cfg(feature = "nvml")]
fn management_library() -> Result<Arc<dyn Source>> {
    Ok(Arc::new(crate::gpu::Nvml::open()?))
}

#[cfg(not(feature = "nvml"))]
fn management_library() -> Result<Arc<dyn Source>> {
    Err(Error::new(crate::error::ErrorKind::Unsupported, "cuda.check", "NACP was built without NVML"))
}

fn handle(driver: &dyn Execute, device: &Device) -> Option<i32> {
    driver.device(i32::try_from(device.ordinal).ok()?).ok()
}

fn not_opened(error: &Error) -> Outcome {
    let mut outcome = Outcome::pass();
    for key in ["cause", "library", "tried", "loader"] {
        if let Some(value) = error.get(key) {
            outcome.read(key, value, "dlopen");
        }
    }
    outcome.fail(error.to_string());
    outcome
}

pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
