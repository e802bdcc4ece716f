//! Gathering what a decision is computed from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::image::offers;
use super::{
    DaemonRunner, Decision, ImageRun, ImageRuns, Observed, Pins, Profile, RunOutcome, Runner, Trial, Way, Weights,
    decide,
};
use crate::child::Program;
use crate::clock::{Clock, SystemClock};
use crate::cuda::check::{Check, Isolation, Progress as CheckProgress, Report};
use crate::cuda::{CheckId, Execute, Level};
use crate::gpu::Source;
use crate::host::{Diagnosis, Lock, Root, Survey};

/// How long an image may run on one way, unless it is said.
const RUN: Duration = Duration::from_secs(10);

/// How long reading the machine may take.
const READ: Duration = Duration::from_secs(5);

/// How far an evaluation is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The machine is read.
    Reading,
    /// A check of CUDA begins.
    Checking(CheckId),
    /// The image is run on this way.
    Running(Way),
}

/// Who is told how far it is.
type Callback<'a> = Box<dyn FnMut(&Progress) + Send + 'a>;

/// Measures what can be measured of the options on a machine, and decides.
///
/// Without more it reads this machine, runs the checks of [`Level::Quick`] and runs no image. Each part that is handed in
/// is not gathered.
///
/// ```no_run
/// use nacp_core::cuda::Level;
/// use nacp_core::host::Evaluation;
/// use nacp_core::host::decision::{Profile, Weights};
///
/// let native = Profile::from_json(&std::fs::read_to_string("native.json").unwrap())?;
/// let decision = Evaluation::new()
///     .level(Level::Standard)
///     .reference(native)
///     .image("vllm/vllm-openai:v0.11.0")
///     .weights(Weights::default().with("throughput", 3.0)?)
///     .run();
/// std::fs::write("decision.html", decision.html()).unwrap();
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[must_use = "nothing is measured before `run`"]
pub struct Evaluation<'a> {
    root: Root,
    survey: Option<Survey>,
    diagnosis: Option<Diagnosis>,
    report: Option<Report>,
    level: Level,
    program: Option<Program>,
    driver: Option<Arc<dyn Execute>>,
    telemetry: Option<Arc<dyn Source>>,
    reference: Option<Profile>,
    image: Option<String>,
    command: Vec<String>,
    each: Duration,
    runner: Box<dyn Runner + 'a>,
    pins: Option<Pins>,
    weights: Weights,
    limit: Option<Duration>,
    progress: Option<Callback<'a>>,
    clock: Arc<dyn Clock>,
}

impl Default for Evaluation<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Evaluation<'a> {
    /// This machine, with the checks of [`Level::Quick`], without an image, every criterion of one weight.
    pub fn new() -> Self {
        Self {
            root: Root::system(),
            survey: None,
            diagnosis: None,
            report: None,
            level: Level::Quick,
            program: None,
            driver: None,
            telemetry: None,
            reference: None,
            image: None,
            command: Vec::new(),
            each: RUN,
            runner: Box::new(DaemonRunner),
            pins: None,
            weights: Weights::default(),
            limit: None,
            progress: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Another machine, laid down in a folder. On it nothing is executed: it is not checked and runs no image, unless a
    /// [`driver`](Self::driver) or a [`runner`](Self::runner) is given.
    pub fn root(mut self, root: Root) -> Self {
        self.root = root;
        self
    }

    /// A machine that was read before.
    pub fn survey(mut self, survey: Survey) -> Self {
        self.survey = Some(survey);
        self
    }

    /// What the doctor made of it; it is made anew unless it is given.
    pub fn diagnosis(mut self, diagnosis: Diagnosis) -> Self {
        self.diagnosis = Some(diagnosis);
        self
    }

    /// A report of checks that were run before.
    pub fn report(mut self, report: Report) -> Self {
        self.report = Some(report);
        self
    }

    /// How much is checked. Throughput, copies and starts of kernels are measured from [`Level::Standard`] on.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Checks in children that are this program, which calls [`nacp_core::answer`](crate::answer) first in its `main`. A
    /// driver that crashes or hangs then takes only a child with it.
    pub fn isolated(mut self, program: Program) -> Self {
        self.program = Some(program);
        self
    }

    /// Checks this driver: a simulated one, or one of the caller's. It cannot be checked in a child.
    pub fn driver(mut self, driver: Arc<dyn Execute>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// What tells clocks and temperatures during the checks, in place of NVML.
    pub fn telemetry(mut self, source: Arc<dyn Source>) -> Self {
        self.telemetry = Some(source);
        self
    }

    /// What was measured on native Linux with the same GPU, so that throughput and overhead are ratios to it. Without it
    /// throughput is held against the [computed peaks](crate::cuda::efficiency), and overhead against the marks of the
    /// checks.
    pub fn reference(mut self, profile: Profile) -> Self {
        self.reference = Some(profile);
        self
    }

    /// Runs this image on each way to a GPU that the engines here offer. It is not pulled.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// What is run in the image: the program and its arguments; the image's own command unless it is said.
    pub fn command<C: Into<String>>(mut self, command: impl IntoIterator<Item = C>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// How long the image may run on each way; 10 seconds unless it is said. A server that still runs then has started.
    pub fn each(mut self, limit: Duration) -> Self {
        self.each = limit;
        self
    }

    /// What runs the image, in place of the daemons' sockets.
    pub fn runner(mut self, runner: impl Runner + 'a) -> Self {
        self.runner = Box::new(runner);
        self
    }

    /// A lock: how much of what runs is pinned. Without one it is what a lock of this machine could hold now.
    pub fn lock(self, lock: &Lock) -> Self {
        self.pins(Pins::of(lock))
    }

    /// How much of what runs is pinned, as numbers.
    pub fn pins(mut self, pins: Pins) -> Self {
        self.pins = Some(pins);
        self
    }

    /// How much each criterion counts.
    pub fn weights(mut self, weights: Weights) -> Self {
        self.weights = weights;
        self
    }

    /// How long reading the machine, the checks of CUDA and the runs of the image may take together. Each has what those
    /// before it left, and says where it was too little; only removing a container that was started is never cut short.
    /// Unless it is said, each has a limit of its own.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Is called in the caller's thread when a step begins.
    pub fn on_progress(mut self, callback: impl FnMut(&Progress) + Send + 'a) -> Self {
        self.progress = Some(Box::new(callback));
        self
    }

    /// The clock by which support ends and limits are kept.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Gathers and decides. The calling thread waits.
    pub fn run(self) -> Decision {
        decide(&self.observe())
    }

    /// Gathers only: what [`decide`] is computed from, to be kept or sent.
    pub fn observe(mut self) -> Observed {
        let began = self.clock.monotonic();
        let at = self.clock.wall();
        self.tell(&Progress::Reading);
        let survey = match self.survey.take() {
            Some(survey) => survey,
            None => self.read(),
        };
        let mut observed = Observed::new(survey, at);
        if let Some(diagnosis) = self.diagnosis.take() {
            observed.diagnosis = diagnosis;
        }
        observed.report = match self.report.take() {
            Some(report) => Some(report),
            None => self.check(began),
        };
        observed.image = self.image.take().map(|image| self.try_image(&image, &observed.survey, began));
        observed.reference = self.reference.take();
        observed.pins = self.pins;
        observed.weights = self.weights.clone();
        observed
    }

    fn tell(&mut self, progress: &Progress) {
        if let Some(callback) = &mut self.progress {
            callback(progress);
        }
    }

    /// How much of the limit is left; none where there is no limit.
    fn left(&self, began: Duration) -> Option<Duration> {
        let spent = self.clock.monotonic().saturating_sub(began);
        self.limit.map(|limit| limit.saturating_sub(spent))
    }

    fn read(&self) -> Survey {
        let mut reader = Survey::builder().root(self.root.clone());
        if let Some(program) = &self.program {
            reader = reader.isolated(program.clone());
        }
        if let Some(driver) = &self.driver {
            reader = reader.driver(Arc::clone(driver));
        }
        if let Some(telemetry) = &self.telemetry {
            reader = reader.source(Arc::clone(telemetry));
        }
        if let Some(limit) = self.limit {
            reader = reader.limit(limit.min(READ));
        }
        reader.read()
    }

    /// A folder has no driver of its own, and the one of this machine says nothing of it.
    fn check(&mut self, began: Duration) -> Option<Report> {
        if self.driver.is_none() && !self.root.is_this_machine() {
            return None;
        }
        let mut check = Check::new(self.level);
        if let Some(left) = self.left(began) {
            check = check.limit(left.min(self.level.limit()));
        }
        if let Some(driver) = self.driver.take() {
            check = check.driver(driver);
        }
        if let Some(telemetry) = self.telemetry.take() {
            check = check.telemetry(telemetry);
        }
        if let Some(program) = self.program.take() {
            check = check.isolated(Isolation::Child(program));
        }
        let progress = &mut self.progress;
        let told = move |at: &CheckProgress| {
            if let (Some(callback), CheckProgress::Started { id, .. }) = (progress.as_mut(), at) {
                callback(&Progress::Checking(*id));
            }
        };
        Some(check.on_progress(told).run())
    }

    fn try_image(&mut self, image: &str, survey: &Survey, began: Duration) -> ImageRuns {
        let mut runs = ImageRuns::new(image, Vec::new());
        for offer in offers(survey) {
            let not_tried = |reason: String| ImageRun::new(offer.way, RunOutcome::NotTried { reason });
            let left = self.left(began).unwrap_or(self.each).min(self.each);
            let run = match &offer.endpoint {
                _ if !offer.offered => not_tried(format!("not offered: {}", offer.why)),
                None => not_tried("the comparison starts no pods".into()),
                Some(_) if left.is_zero() => not_tried("the time of the evaluation was over".into()),
                Some(endpoint) => {
                    self.tell(&Progress::Running(offer.way));
                    let trial = Trial {
                        way: offer.way,
                        endpoint: endpoint.clone(),
                        image: image.to_owned(),
                        command: self.command.clone(),
                        limit: left,
                    };
                    runs.requires = runs.requires.take().or_else(|| self.runner.requires(&trial));
                    self.runner.run(&trial)
                }
            };
            runs.runs.push(run);
        }
        runs
    }
}

impl fmt::Debug for Evaluation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluation")
            .field("level", &self.level)
            .field("image", &self.image)
            .field("weights", &self.weights)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Compares the options on this machine with the checks of [`Level::Quick`]: below 3 seconds on a machine with one GPU,
/// the start of its driver apart. [`Evaluation`] has the choices.
pub fn evaluate() -> Decision {
    Evaluation::new().run()
}
