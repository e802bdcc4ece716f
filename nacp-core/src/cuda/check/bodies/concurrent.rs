//! Two contexts at work at once.

use std::thread;

use super::determinism::accuse;
use super::measure::{conclude, device, exact};
use crate::cuda::check::{Bench, Metric, Outcome, Stop, Unit};
use crate::cuda::determinism::{Runner, Runs, Shape, SuiteRun, handle};
use crate::cuda::session::Session;

/// `ctx.concurrent`: two contexts on two threads give the same bits at the same time.
pub(crate) fn contexts(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let device = device(bench)?;
    super::measure::reference()?;
    let handle = handle(bench.driver, device)?;
    let (driver, deadline, sizes) = (bench.driver, bench.deadline, bench.sizes);
    let work = move |shape: Shape| -> (Runs, Result<(), Stop>) {
        let mut runs = Runs::new(sizes.profile);
        let mut go = || -> Result<(), Stop> {
            let session = Session::open_own(driver, handle)?;
            let runner = Runner::new(&session, device, sizes.profile)?;
            let stream = session.stream()?;
            for _ in 0..sizes.repeats.max(2) {
                let mut run = SuiteRun::default();
                if let Err(stop) = runner.run(&stream, shape, || deadline.go_on(), &mut run) {
                    runs.add_part(run);
                    return Err(stop);
                }
                runs.add(run, shape.block);
            }
            Ok(())
        };
        let ended = go();
        (runs, ended)
    };
    let ((mut runs, first), (others, second)) = thread::scope(|scope| {
        let other = thread::Builder::new().name("nacp-context".into()).spawn_scoped(scope, || work(Shape::ALL[1]));
        let first = work(Shape::ALL[0]);
        let lost = |reason: String| (Runs::new(sizes.profile), Err(broken(reason)));
        let second = match other {
            Ok(other) => other.join().unwrap_or_else(|_| lost("the thread of the second context broke".into())),
            Err(error) => lost(format!("no thread for the second context: {error}")),
        };
        (first, second)
    });
    runs.merge(others);
    let mut outcome = Outcome::pass();
    for difference in &runs.differences {
        accuse(&mut outcome, device, difference);
    }
    if runs.answers.len() > 1 {
        outcome.fail(format!("two contexts at once gave {} different answers", runs.answers.len()));
    }
    outcome.measured(Metric::once("contexts", 2.0, Unit::Count));
    outcome.measured(Metric::once("runs", exact(u64::from(runs.compared.runs)), Unit::Count));
    conclude(outcome, first.and(second))
}

fn broken(reason: impl Into<String>) -> Stop {
    let mut outcome = Outcome::pass();
    outcome.fail(reason);
    Stop { status: outcome.status, so_far: None }
}
