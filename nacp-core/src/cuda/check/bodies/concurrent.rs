//! Two contexts at work at once.

use std::thread;

use super::determinism::{accuse, device, exact};
use crate::cuda::check::{Bench, Metric, Outcome, Stop, Unit};
use crate::cuda::determinism::{Runner, Runs, Shape, handle};
use crate::cuda::session::Session;

/// `ctx.concurrent`: two contexts on two threads give the same bits at the same time.
pub(crate) fn contexts(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = device(bench)?;
    let handle = handle(bench.driver, device)?;
    let (driver, deadline, sizes) = (bench.driver, bench.deadline, bench.sizes);
    let work = move |shape: Shape| -> Result<Runs, Stop> {
        let mut runs = Runs::new(sizes.profile);
        let session = Session::open_own(driver, handle)?;
        let runner = Runner::new(&session, device, sizes.profile)?;
        let stream = session.stream()?;
        for _ in 0..sizes.repeats.max(2) {
            runs.add(runner.run(&stream, shape, || deadline.go_on())?, shape.block);
        }
        Ok(runs)
    };
    let (first, second) = thread::scope(|scope| {
        let other = thread::Builder::new().name("nacp-context".into()).spawn_scoped(scope, || work(Shape::ALL[1]));
        let first = work(Shape::ALL[0]);
        let second = match other {
            Ok(other) => other.join().unwrap_or_else(|_| Err(broken("the thread of the second context broke"))),
            Err(error) => Err(broken(format!("no thread for the second context: {error}"))),
        };
        (first, second)
    });
    let mut runs = first?;
    runs.merge(second?);
    let mut outcome = Outcome::pass();
    for difference in &runs.differences {
        accuse(&mut outcome, device, difference);
    }
    if !runs.repeat() {
        outcome.fail(format!("two contexts at once gave {} different answers", runs.answers.len()));
    }
    outcome.measured(Metric::once("contexts", 2.0, Unit::Count));
    outcome.measured(Metric::once("runs", exact(u64::from(runs.compared.runs)), Unit::Count));
    Ok(outcome)
}

fn broken(reason: impl Into<String>) -> Stop {
    let mut outcome = Outcome::pass();
    outcome.fail(reason);
    Stop { status: outcome.status, so_far: None }
}
