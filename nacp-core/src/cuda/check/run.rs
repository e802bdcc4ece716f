//! One run: asks for one check after the other, and does not wait for any longer than it may take.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use super::builder::{Check, Isolation};
use super::certificates::Found;
use super::executor::{Executor, FIRST, Gone, Reply};
use super::needs::with_needs;
use super::report::verdict;
use super::schedule::{Schedule, Step, skip, sticky};
use super::surroundings::{environment, kernel_driver};
use super::task::{Answer, Checked, Setup, Task};
use super::worker::Given;
use super::{CheckId, CheckReport, Facts, Level, Outcome, Progress, Report, Skip, Status, answer};
use crate::child::Group;
use crate::cuda::Probe;
use crate::error::{Error, ErrorKind};

/// How long after its limit a check or a run may end at most: a driver that hangs is not waited for any longer.
pub(super) const GRACE: Duration = Duration::from_millis(250);
/// How often the caller's flag is looked at.
const TICK: Duration = Duration::from_millis(10);

/// How an executor did not come back.
enum Lost {
    Late,
    Cancelled,
    Gone(Gone),
}

struct Run<'a> {
    check: Check<'a>,
    began: Duration,
    until: Duration,
    schedule: Schedule,
    reports: Vec<CheckReport>,
    executor: Option<Executor>,
    /// Whether the driver was started in an executor that is no more.
    again: bool,
    /// Whether the management library may be asked.
    telemetry: bool,
    /// Why nothing more can be tried.
    over: Option<Status>,
    probe: Option<Probe>,
    simulated: bool,
    found: Found,
}

/// Runs the checks.
pub(super) fn run(check: Check<'_>) -> Report {
    let clock = std::sync::Arc::clone(&check.clock);
    let (began, started) = (clock.monotonic(), clock.wall());
    let wanted = match &check.only {
        Some(only) => with_needs(only.iter().copied()),
        None => CheckId::of(check.level).collect(),
    };
    let level = check.level;
    let until = began.saturating_add(check.limit.unwrap_or_else(|| level.limit()));
    let mut run = Run {
        began,
        until,
        schedule: Schedule::new(wanted),
        reports: Vec::new(),
        executor: None,
        again: false,
        telemetry: true,
        over: check.impossible(),
        probe: None,
        simulated: false,
        found: Found::default(),
        check,
    };
    while let Some(step) = run.schedule.next() {
        run.step(step);
    }
    if let Some(executor) = run.executor.take() {
        executor.end(GRACE);
    }
    let Run { reports, probe, simulated, found, .. } = run;
    let environment = surrounding_variables();
    let certify = |probe| found.certificates(probe, kernel_driver().as_deref(), &environment, started);
    let certificates = probe.as_ref().map(certify).unwrap_or_default();
    let verdict = verdict(&reports, probe.as_ref());
    let elapsed = clock.monotonic() - began;
    Report { level, verdict, simulated, started, elapsed, probe, checks: reports, certificates }
}

impl Run<'_> {
    fn now(&self) -> Duration {
        self.check.clock.monotonic()
    }

    fn step(&mut self, step: Step) {
        let begun = self.now();
        let asked = match self.not_to_try(&step) {
            Some(status) => Err(status),
            None => {
                self.tell(|done, total| Progress::Started { id: step.id, device: step.device.clone(), done, total });
                self.check_step(&step)
            }
        };
        let (status, metrics, evidence, elapsed) = match asked {
            Ok(Checked { outcome: Outcome { status, metrics, evidence, runs }, seconds, .. }) => {
                if let (Some(device), Some(runs)) = (&step.device, runs) {
                    self.found.add(device, runs);
                }
                (status, metrics, evidence, super::worker::duration(seconds))
            }
            Err(status) => (status, Vec::new(), Vec::new(), self.now() - begun),
        };
        if sticky(&status) {
            self.spoiled(&step);
        }
        self.schedule.record(step.clone(), &status);
        if step.id == CheckId::DevEnumerate {
            let (devices, missing) = self.check.choose(self.probe.as_ref());
            self.schedule.open(devices);
            let status = match (missing, status) {
                (Some(reason), Status::Pass | Status::Warn { .. }) => Status::Fail { reason },
                (_, status) => status,
            };
            return self.finish(CheckReport { id: step.id, device: None, status, metrics, evidence, elapsed });
        }
        self.finish(CheckReport { id: step.id, device: step.device, status, metrics, evidence, elapsed });
    }

    fn finish(&mut self, report: CheckReport) {
        self.reports.push(report.clone());
        self.tell(|done, total| Progress::Finished { report, done, total });
    }

    fn tell(&mut self, progress: impl FnOnce(u32, u32) -> Progress) {
        if let Some(callback) = &mut self.check.progress {
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            callback(&progress(number(self.reports.len()), number(self.schedule.total())));
        }
    }

    /// Why this step is not begun.
    fn not_to_try(&self, step: &Step) -> Option<Status> {
        if let Some(status) = self.schedule.gate(step) {
            return Some(status);
        }
        if let Some(status) = &self.over {
            return Some(status.clone());
        }
        if self.check.is_cancelled() {
            return Some(skip(Skip::Cancelled, "the caller gave up"));
        }
        if self.now() >= self.until {
            return Some(self.out_of_time());
        }
        None
    }

    /// The most time of one check: more in proportion where the caller gives more to all.
    fn limit(&self, id: CheckId) -> Duration {
        let usual = self.check.level.limit();
        let more = self.check.limit.map_or(1.0, |limit| limit.div_duration_f64(usual)).max(1.0);
        let seconds = id.limit(self.check.level).as_secs_f64() * more;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    fn out_of_time(&self) -> Status {
        let limit = self.until - self.began;
        skip(Skip::Deadline, format!("the {limit:?} of the whole run were over before it began"))
    }

    /// Asks for one check; the status of one that could not be asked for or did not come back.
    fn check_step(&mut self, step: &Step) -> Result<Checked, Status> {
        self.ready()?;
        if step.id == CheckId::DevEnumerate {
            self.look()?;
        }
        let left = self.until.saturating_sub(self.now());
        let share = u32::try_from(self.schedule.to_do(step.id)).unwrap_or(u32::MAX);
        let fair = if step.id.level() == Level::Full { left / share } else { left };
        let limit = self.limit(step.id).min(fair);
        let hold = step.device.as_ref().is_some_and(|device| self.schedule.works(CheckId::CtxCreate, device));
        let among = if step.device.is_none() { self.schedule.concerned(step).cloned().collect() } else { Vec::new() };
        let task = Task::Check { id: step.id, device: step.device.clone(), among, seconds: limit.as_secs_f64(), hold };
        match self.ask(task, limit) {
            Ok(Answer::Checked(checked)) => {
                if let Some(simulated) = checked.simulated {
                    self.simulated = simulated;
                }
                if let Some(probe) = &checked.probe {
                    self.found.hash(&probe.library.path);
                    self.probe = Some(probe.clone());
                    self.again = true;
                }
                Ok(*checked)
            }
            Ok(_) => {
                Err(Status::Fail { reason: "the child answers something else: run the same version of NACP".into() })
            }
            Err(lost) => Err(self.lost(step, lost, limit)),
        }
    }

    /// An executor that knows the driver as far as it was known before.
    fn ready(&mut self) -> Result<(), Status> {
        if self.executor.is_some() {
            return Ok(());
        }
        let executor = self.start().map_err(|reason| self.end(skip(Skip::Blocked, reason)))?;
        self.executor = Some(executor);
        // A first word: that the program is one that answers.
        let limit = self.until.saturating_sub(self.now());
        match self.hear(limit) {
            Ok(_) => {}
            Err(Lost::Gone(gone)) if gone.crashed => {
                return Err(self.end(Status::Fail {
                    reason: format!("the child crashed before its first word: {}", gone.reason),
                }));
            }
            Err(lost) => {
                let tail = self.executor.as_ref().and_then(Executor::stdout_tail);
                let tail = tail.map(|tail| format!(" stdout={tail:?}")).unwrap_or_default();
                self.executor = None;
                return Err(match lost {
                    Lost::Cancelled => skip(Skip::Cancelled, "the caller gave up"),
                    Lost::Gone(gone) => self.end(skip(
                        Skip::Blocked,
                        format!("the program does not run checks: {}{tail}; {FIRST}", gone.reason),
                    )),
                    Lost::Late => self.end(skip(
                        Skip::Blocked,
                        format!("the program does not run checks: it says nothing{tail}; {FIRST}"),
                    )),
                });
            }
        }
        if !self.again {
            return Ok(());
        }
        let limit = self.limit(CheckId::LibOpen).saturating_add(self.limit(CheckId::DrvInit));
        let limit = limit.min(self.until.saturating_sub(self.now()));
        let reason = match self.ask(Task::Prepare, limit) {
            Ok(Answer::Prepared(Ok(()))) => return self.look(),
            Ok(Answer::Prepared(Err(reason))) => reason,
            Ok(_) => "it answers something else".to_owned(),
            Err(Lost::Cancelled) => {
                self.executor = None;
                return Err(skip(Skip::Cancelled, "the caller gave up"));
            }
            Err(Lost::Late) => format!("it does not start within {limit:?}"),
            Err(Lost::Gone(gone)) => gone.reason,
        };
        self.executor = None;
        Err(self.end(skip(Skip::Blocked, format!("the driver does not start again in a fresh process: {reason}"))))
    }

    /// Nothing more is tried, for this reason.
    fn end(&mut self, status: Status) -> Status {
        self.over = Some(status.clone());
        status
    }

    fn start(&self) -> Result<Executor, String> {
        let check = &self.check;
        let facts = Facts {
            kernel_driver: kernel_driver(),
            wanted_cuda: check.wanted_cuda,
            wanted_sass: check.wanted_sass.clone(),
            wanted_ptx: check.wanted_ptx,
            environment: surrounding_variables(),
            ..Facts::default()
        };
        let setup = Setup { level: check.level, library: check.library.clone(), facts, elsewhere: None };
        match &check.isolation {
            Isolation::Thread => {
                let given = Given {
                    driver: check.driver.clone(),
                    telemetry: check.telemetry.clone(),
                    clock: std::sync::Arc::clone(&check.clock),
                    bodies: check.bodies,
                };
                Executor::thread(setup, given).map_err(|error| format!("no thread can be started: {error}"))
            }
            Isolation::Child(program) => {
                if answer::is_child() {
                    // Its children would do the same again, without end.
                    return Err(format!("a child of the checks cannot start one; {FIRST}"));
                }
                let setup = Setup { elsewhere: Some(program.clone()), ..setup };
                Executor::child(program, &setup, Group::Own)
                    .map_err(|error| format!("{} cannot be started: {error}", program.path().display()))
            }
        }
    }

    /// Asks the management library, and goes on without it where it brings down a child.
    fn look(&mut self) -> Result<(), Status> {
        if !self.telemetry {
            return Ok(());
        }
        let most = self.limit(CheckId::DevEnumerate).min(self.until.saturating_sub(self.now()));
        match self.ask(Task::Telemetry { seconds: most.as_secs_f64() }, most) {
            Ok(Answer::Telemetry(told)) => {
                if !self.check.even_if_busy && !self.again_looked() {
                    self.schedule.busy(told.busy);
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(Lost::Cancelled) => {
                self.executor = None;
                Err(skip(Skip::Cancelled, "the caller gave up"))
            }
            Err(Lost::Late | Lost::Gone(_)) => {
                tracing::warn!("the management library brings down who asks it; the checks go on without it");
                self.telemetry = false;
                self.executor = None;
                self.ready()
            }
        }
    }

    /// Whether it was asked before: what runs on the devices now may be our own.
    fn again_looked(&self) -> bool {
        self.reports.iter().any(|report| report.id == CheckId::DevEnumerate)
    }

    /// Gives a task and waits for its answer.
    fn ask(&mut self, task: Task, limit: Duration) -> Result<Answer, Lost> {
        if let Some(executor) = &mut self.executor {
            executor.give(task);
        }
        self.hear(limit)
    }

    /// Waits for the next word, for this time and a grace.
    fn hear(&mut self, limit: Duration) -> Result<Answer, Lost> {
        let late = self.check.clock.monotonic().saturating_add(limit).saturating_add(GRACE);
        let mut given_up = None;
        loop {
            let Some(executor) = &mut self.executor else {
                return Err(Lost::Gone(Gone { reason: "nobody is there".into(), crashed: false }));
            };
            match executor.wait(TICK) {
                Some(Reply::Answer(answer)) => return Ok(answer),
                Some(Reply::Gone(gone)) => return Err(Lost::Gone(gone)),
                None => {}
            }
            let now = self.check.clock.monotonic();
            if self.check.is_cancelled() {
                let since = *given_up.get_or_insert(now);
                if !executor.stop() || now >= since + GRACE {
                    return Err(Lost::Cancelled);
                }
            }
            if now >= late {
                return Err(Lost::Late);
            }
        }
    }

    /// What it means that an executor did not come back from a check.
    fn lost(&mut self, step: &Step, lost: Lost, limit: Duration) -> Status {
        let executor = self.executor.take();
        if let Some(executor) = &executor {
            executor.stop();
        }
        let thread = matches!(executor, Some(Executor::Thread(_)));
        drop(executor);
        match lost {
            Lost::Gone(Gone { reason, crashed: true }) => Status::Fail {
                reason: format!("the driver crashed the process: {reason}; reinstall or update the NVIDIA driver"),
            },
            Lost::Gone(Gone { reason, .. }) if thread => Status::Fail { reason },
            Lost::Gone(Gone { reason, .. }) => {
                Status::Fail { reason: format!("the process ended within the check: {reason}") }
            }
            Lost::Cancelled => {
                let status = skip(Skip::Cancelled, "the caller gave up");
                if thread {
                    self.end(skip(Skip::Cancelled, format!("the caller gave up, and {} never came back", step.id)));
                }
                status
            }
            Lost::Late if thread => {
                self.end(skip(
                    Skip::Blocked,
                    format!("{} never came back; its thread is left behind with the driver", step.id),
                ));
                skip(
                    Skip::Deadline,
                    format!("the driver did not come back within {limit:?}; let the checks run in a child"),
                )
            }
            Lost::Late => {
                skip(Skip::Deadline, format!("the driver did not come back within {limit:?}; its process was killed"))
            }
        }
    }

    /// The device is of no use any more to the process that had this fault.
    fn spoiled(&mut self, step: &Step) {
        match self.executor {
            Some(Executor::Child(_)) => self.executor = None,
            Some(Executor::Thread(_)) | None => self.schedule.poison(step),
        }
    }
}

/// The variables of this process that matter here; one that is no text is left out.
fn surrounding_variables() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    environment(std::env::vars_os().filter_map(text))
}

/// What a run is told that makes no sense.
pub(super) fn contradiction() -> Status {
    let error =
        Error::new(ErrorKind::InvalidArgument, "cuda.check", "a driver of this process cannot be checked in a child")
            .hint("name the library's file, or let the checks run in a thread");
    Status::Fail { reason: error.to_string() }
}
