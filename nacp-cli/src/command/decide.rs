//! `nacp decide`: which way to run GPU services here.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nacp_core::clock::{Clock, SystemClock};
use nacp_core::host::decision::{Profile, Progress, Weights};
use nacp_core::host::{Evaluation, Lock};
use nacp_core::sim;

use crate::Exit;
use crate::args::DecideArgs;
use crate::context::{Context, read};
use crate::failure::{Failure, Outcome};

pub(crate) fn run(args: &DecideArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    let mut evaluation = Evaluation::new().root(context.root()?).level(args.level).weights(weights(&args.weight)?);
    evaluation = match context.simulated()? {
        None => evaluation.isolated(context.children.clone()),
        Some(file) => evaluation
            .survey(context.survey()?.read())
            .telemetry(Arc::new(sim::Node::from(file.clone())))
            .driver(Arc::new(sim::Cuda::from(file))),
    };
    if let Some(path) = &args.reference {
        let profile = Profile::from_json(&read(path)?).map_err(|error| error.with_first("file", path.display()))?;
        evaluation = evaluation.reference(profile);
    }
    if let Some(path) = &args.lock {
        let lock = Lock::read(path).map_err(|error| Failure::from(error).ending(Exit::NotUnderstood))?;
        evaluation = evaluation.lock(&lock);
    }
    if let Some(image) = &args.image {
        evaluation = evaluation.image(image);
    }
    if let Some(limit) = context.global.limit {
        evaluation = evaluation.limit(limit);
    }
    if let Some(day) = args.at {
        evaluation = evaluation.clock(Arc::new(Day { day, clock: SystemClock::new() }));
    }
    let streams = &mut *context.streams;
    let decision = evaluation.on_progress(|step| streams.progress(line(step))).run();
    context.streams.progress("");
    let (text, markdown, html) = (|width| format!("{decision:width$}"), || decision.markdown(), || decision.html());
    context.show_forms(&args.forms, &decision.to_json(), text, markdown, html)?;
    Ok(if decision.recommendation.is_some() { Exit::Fine } else { Exit::NotKnown })
}

/// The clock of this machine, on another day: only what depends on the date changes.
#[derive(Debug)]
struct Day {
    day: Timestamp,
    clock: SystemClock,
}

impl Clock for Day {
    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn wall(&self) -> Timestamp {
        self.day
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.clock.sleep(time)
    }
}

/// What is being done at this moment.
fn line(progress: &Progress) -> String {
    match progress {
        Progress::Reading => "reading the machine …".to_owned(),
        Progress::Checking(check) => format!("checking CUDA: {check} …"),
        Progress::Running(way) => format!("running the image: {way} …"),
        _ => String::new(),
    }
}

fn weights(given: &[String]) -> Outcome<Weights> {
    given.iter().try_fold(Weights::default(), |weights, text| {
        let wrong = || {
            Failure::usage("not a weight of a criterion")
                .with("weight", text)
                .hint("write a criterion and a number, such as throughput=3")
        };
        let (name, number) = text.split_once('=').ok_or_else(wrong)?;
        let number = number.trim().parse().map_err(|_| wrong())?;
        Ok(weights.with(name.trim(), number)?)
    })
}
